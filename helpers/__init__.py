"""What the lessons need and no library has: the measurements, their tree, and Stan programs that compile once."""

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
