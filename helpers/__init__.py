"""What the lessons need and no library has: the data, the exact answer, programs compiled once, pictures.

A name loads what it needs when it is first used, so that ``import helpers`` takes no time.
"""

# What is imported here for editors and type checkers is what the table below promises.
# ruff: noqa: F401
import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from helpers.calibration import calibrate, rank_test
    from helpers.checks import Verdict, check
    from helpers.compiling import StanError
    from helpers.data import LEVELS, measurements, stan_data, table_file
    from helpers.exact import ExactPosterior, exact_crossed, exact_loo, exact_posterior, exact_slopes, score
    from helpers.models import stan_file, stan_model
    from helpers.plots import COLORS, GREY, dots, funnel, rank_ecdf
    from helpers.priors import PRIOR, UNIT
    from helpers.simulation import replicate, simulate
    from helpers.tree import draws, tree_data, unflatten
    from helpers.tree_plot import draw_tree

_WHERE = {
    "calibration": ["calibrate", "rank_test"],
    "checks": ["Verdict", "check"],
    "compiling": ["StanError"],
    "data": ["LEVELS", "measurements", "stan_data", "table_file"],
    "exact": ["ExactPosterior", "exact_crossed", "exact_loo", "exact_posterior", "exact_slopes", "score"],
    "figures": [],
    "models": ["stan_file", "stan_model"],
    "plots": ["COLORS", "GREY", "dots", "funnel", "rank_ecdf"],
    "priors": ["PRIOR", "UNIT"],
    "simulation": ["replicate", "simulate"],
    "tree": ["draws", "tree_data", "unflatten"],
    "tree_plot": ["draw_tree"],
}
_MODULES = {name: module for module, names in _WHERE.items() for name in names}
__all__ = sorted(_MODULES)


def __getattr__(name: str):
    """Load a public name, or a subpackage, when it is first used (PEP 562)."""
    if name in _WHERE:
        return importlib.import_module(f"helpers.{name}")
    if name not in _MODULES:
        raise AttributeError(f"module 'helpers' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"helpers.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_MODULES, *_WHERE])
