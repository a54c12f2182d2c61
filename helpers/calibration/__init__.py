"""Simulation-based calibration: fit many simulated data sets, and see where the true values rank.

`run.calibrate` checks its arguments (`job`), hands replications to Dask (`cluster`), where each is simulated,
fitted and ranked (`worker`), and writes what is done to a file (`journal`), from which an interrupted call
goes on. `ranks` tells whether the ranks are uniform.
"""

from helpers.calibration.ranks import rank_test
from helpers.calibration.run import calibrate

__all__ = ["calibrate", "rank_test"]
