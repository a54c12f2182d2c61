"""What the lessons need and no library has: the data, the exact answer, programs compiled once, pictures."""

from helpers.calibration.job import calibrate, rank_test
from helpers.checks import Verdict, check
from helpers.compiling.compiler import StanError
from helpers.data import measurements, simulate, stan_data
from helpers.exact.posterior import ExactPosterior, exact_posterior, score
from helpers.models import stan_file, stan_model
from helpers.plots import COLORS, dots, draw_tree, draws, funnel, rank_ecdf
from helpers.tables import table_file
from helpers.tree import tree_data, unflatten

__all__ = [
    "COLORS",
    "ExactPosterior",
    "StanError",
    "Verdict",
    "calibrate",
    "check",
    "dots",
    "draw_tree",
    "draws",
    "exact_posterior",
    "funnel",
    "measurements",
    "rank_ecdf",
    "rank_test",
    "score",
    "simulate",
    "stan_data",
    "stan_file",
    "stan_model",
    "table_file",
    "tree_data",
    "unflatten",
]
