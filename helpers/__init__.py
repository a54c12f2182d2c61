"""What the lessons need and no library has: the data and its tree, programs compiled once, two pictures."""

from helpers.data import measurements, simulate, stan_data
from helpers.models import StanError, stan_file, stan_model
from helpers.plots import draw_tree, draws, funnel

__all__ = [
    "StanError",
    "draw_tree",
    "draws",
    "funnel",
    "measurements",
    "simulate",
    "stan_data",
    "stan_file",
    "stan_model",
]
