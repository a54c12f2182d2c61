"""Simulation-based calibration: fit many simulated data sets, and see where the true values rank."""

from helpers.calibration.job import calibrate, rank_test

__all__ = ["calibrate", "rank_test"]
