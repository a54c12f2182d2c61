"""Measure where the centered program wins, and what lies between it and the noncentered one.

``make seeds`` writes both tables of ``lessons/data`` anew, for lesson 6. ``centering.csv`` is the map: one level
of groups, more or less well measured, fitted centered and noncentered. ``weights.csv`` has the 47 cells, fitted with every node at a weight from 0, noncentered, to 1, centered.
"""

import hashlib
import logging
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path

import arviz
import polars as pl

import helpers
from tools.tables import seeds

LESSONS = Path(__file__).parents[2] / "lessons" / "data"
GROUPS = 20
SIZES = [1, 2, 4, 8, 16, 32, 64]  # measurements in each group
RATIOS = [0.1, 0.2, 0.4, 0.8, 1.6, 3.2]  # true τ, where the true σ is 1
DATA_SETS = range(1, 6)
WEIGHTS = [0, 0.1, 0.25, 0.5, 0.75, 1]
SEEDS = range(1, 101)
BELOW = 0.1


def groups(size: int, ratio: float, seed: int) -> dict:
    """Draw the measurements of one cell of the map."""
    df = helpers.simulate([GROUPS, size], theta=10, tau=ratio, sigma=1, seed=seed, levels=["group"])
    return helpers.stan_data(df, levels="group", values="y")[0]


@cache
def model():
    """Look `tree` up once: for every fit anew would take a noticeable share of the time."""
    return helpers.stan_model("tree")


def fit(data: dict, weight: float, seed: int):
    """Fit `tree` with one weight for all nodes."""
    flat = helpers.tree_data(data, weight=weight)
    run = model().sample(data=flat, seed=seed, show_progress=False)
    return helpers.unflatten(arviz.from_cmdstanpy(run), flat)


def map_row(size: int, ratio: float, seed: int) -> dict:
    """Fit one data set with both programs; errors of the mean of τ are in posterior standard deviations."""
    data = groups(size, ratio, seed)
    exact = helpers.exact_posterior(data)
    row = {"n": size, "τ/σ": ratio, "data set": seed}
    for program, weight in (("centered", 1), ("noncentered", 0)):
        tree = fit(data, weight, seed)
        tau, stats = tree["posterior"]["tau"].values, tree["sample_stats"]
        row |= {
            f"{program} ESS": round(float(arviz.ess(tau))),
            f"{program} gradients": int(stats["n_steps"].sum()),
            f"{program} divergences": int(stats["diverging"].sum()),
            f"{program} error": round(float(tau.mean() - exact.mean("tau")) / exact.sd("tau"), 3),
        }
    return row


def weight_row(weight: float, seed: int) -> dict:
    """Fit our 47 cells once."""
    tree = fit(seeds.cells(), weight, seed)
    tau, stats = tree["posterior"]["tau"].values, tree["sample_stats"]
    below = (tau < BELOW).astype(float)
    return {
        "weight": weight,
        "seed": seed,
        "E-BFMI, lowest": round(float(arviz.bfmi(tree)["energy"].values.min()), 3),
        "R-hat": round(float(arviz.rhat(tau)), 3),
        "bulk ESS": round(float(arviz.ess(tau))),
        "tail ESS": round(float(arviz.ess(tau, method="tail", prob=(0.05, 0.95)))),
        "divergences": int(stats["diverging"].sum()),
        "gradients": round(float(stats["n_steps"].mean()), 1),
        "mean of τ": round(float(tau.mean()), 4),
        "MCSE of mean": round(float(arviz.mcse(tau)), 4),
        f"P(τ < {BELOW})": round(float(below.mean()), 4),
        "MCSE of P": round(float(arviz.mcse(below)), 4),
        "smallest τ": float(f"{tau.min():.2g}"),
    }


@dataclass(frozen=True)
class Table:
    """One table: its file, how a row is made, from what settings, and an example of the data."""

    file: Path
    row: Callable[..., dict]
    settings: list[tuple]
    data: Callable[[], dict]


MAP = Table(
    LESSONS / "centering.csv", map_row, list(product(SIZES, RATIOS, DATA_SETS)), lambda: groups(2, 0.4, 1)
)
BETWEEN = Table(LESSONS / "weights.csv", weight_row, list(product(WEIGHTS, SEEDS)), seeds.cells)
TABLES = [MAP, BETWEEN]


def origin(table: Table) -> str:
    """Hash of what a table is computed from: the program, the data and the settings."""
    program = helpers.stan_file("tree")
    parts = [path.read_text("utf-8") for path in (program, program.with_suffix(".stanfunctions"))]
    parts += [str(item) for item in helpers.tree_data(table.data()).items()]
    parts += [str(setting) for setting in (GROUPS, BELOW, table.settings)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def write(table: Table) -> None:
    """Make every row of a table, and write its file in one step."""
    rows = []
    for setting in table.settings:
        print(f"\r{table.file.stem}: {setting} ...\033[K", end="", file=sys.stderr, flush=True)
        rows.append(table.row(*setting))
    pl.DataFrame(rows).with_columns(origin=pl.lit(origin(table))).write_csv(scratch := f"{table.file}.tmp")
    os.replace(scratch, table.file)
    print(file=sys.stderr)


if __name__ == "__main__":
    logger = logging.getLogger("cmdstanpy")
    logger.addHandler(logging.NullHandler())  # or cmdstanpy adds its own, which tells of every fit
    logger.propagate = False
    for table in TABLES:
        write(table)
