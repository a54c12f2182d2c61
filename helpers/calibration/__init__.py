"""Simulation-based calibration: fit many simulated data sets, and see where the true values rank."""

from helpers.calibration.job import calibrate
from helpers.calibration.ranks import rank_test

__all__ = ["calibrate", "rank_test"]
