"""Measure where the centered program wins, and what lies between it and the noncentered one.

``make seeds`` writes both tables of ``lessons/data`` anew, for lesson 10 and appendix B. ``centering.csv``
is the map: one level of groups, more or less well measured, fitted centered and noncentered.
``weights.csv`` has the 47 cells, fitted with every node at a weight from 0, noncentered, to 1, centered.
"""

import logging
from collections.abc import Callable
from functools import cache
from itertools import product

import arviz_base
import arviz_stats
import xarray as xr

import helpers
from tools.tables import seeds
from tools.tables.stamp import LESSONS, Table, statements

GROUPS = 20
SIZES = [1, 2, 4, 8, 16, 32, 64]  # measurements in each group
RATIOS = [0.1, 0.2, 0.4, 0.8, 1.6, 3.2]  # true τ, where the true σ is 1
DATA_SETS = range(1, 6)
WEIGHTS = [0, 0.1, 0.25, 0.5, 0.75, 1]
SEEDS = range(1, 101)
PRIOR = {"theta": (10, 3), "tau": 5, "sigma": 5}  # for what is simulated for the map


def groups(size: int, ratio: float, seed: int) -> dict:
    """Draw the measurements of one cell of the map."""
    df = helpers.simulate([GROUPS, size], theta=10, tau=ratio, sigma=1, seed=seed, levels=["group"])
    return helpers.stan_data(df, levels="group", values="y")[0]


@cache
def model():
    """Look `tree` up once: for every fit anew would take a noticeable share of the time."""
    return helpers.stan_model("tree")


def fit(data: dict, prior: dict, weight: float, seed: int) -> xr.DataTree:
    """Fit `tree` with one weight for all nodes."""
    flat = helpers.tree_data(data, prior, weight=weight)
    run = model().sample(data=flat, seed=seed, show_progress=False)
    return helpers.unflatten(arviz_base.from_cmdstanpy(run), flat)


def map_row(size: int, ratio: float, seed: int) -> dict:
    """Fit one data set with both programs; errors of the mean of τ are in posterior standard deviations."""
    data = groups(size, ratio, seed)
    exact = helpers.exact_posterior(data, PRIOR)
    row = {"n": size, "τ/σ": ratio, "data set": seed}
    for program, weight in (("centered", 1), ("noncentered", 0)):
        tree = fit(data, PRIOR, weight, seed)
        tau, stats = tree["posterior"]["tau"].values, tree["sample_stats"]
        row |= {
            f"{program} ESS": round(float(arviz_stats.ess(tau))),
            f"{program} gradients": int(stats["n_steps"].sum()),
            f"{program} divergences": int(stats["diverging"].sum()),
            f"{program} error": round(float(tau.mean() - exact.mean("tau")) / exact.sd("tau"), 3),
        }
    return row


def weight_row(weight: float, seed: int) -> dict:
    """Fit our cells once."""
    samples = fit(seeds.cells(), helpers.PRIOR, weight, seed)
    seen = seeds.diagnose(samples, "mean of τ", seeds.BELOW)
    left_out = ("E-BFMI, highest", "tree depth 10")
    return {"weight": weight, "seed": seed} | {k: v for k, v in seen.items() if k not in left_out}


def described(name: str, row: Callable, settings: list[tuple], data: Callable) -> Table:
    """Describe a table by an example of its data."""

    def parts() -> list:
        program = helpers.stan_file("tree")
        texts = [statements(path) for path in (program, program.with_suffix(".stanfunctions"))]
        return [*texts, *data().items(), GROUPS, seeds.BELOW, settings]

    return Table(LESSONS / "data" / name, row, settings, parts)


def cells() -> dict:
    """Make the dictionary of our cells for `tree`."""
    return helpers.tree_data(seeds.cells(), helpers.PRIOR)


MAP = list(product(SIZES, RATIOS, DATA_SETS))
TABLES = [
    described("centering.csv", map_row, MAP, lambda: helpers.tree_data(groups(2, 0.4, 1), PRIOR)),
    described("weights.csv", weight_row, list(product(WEIGHTS, SEEDS)), cells),
]


if __name__ == "__main__":
    logger = logging.getLogger("cmdstanpy")
    logger.addHandler(logging.NullHandler())  # or cmdstanpy adds its own, which tells of every fit
    logger.propagate = False
    for table in TABLES:
        table.write()
