"""Run the course's programs with forty seeds each and tabulate what the diagnostics say.

One run's diagnostics are a draw; the lessons quote these tables to say what a draw looks like. ``make seeds``
writes both tables of ``lessons/data`` anew: ``seeds.csv`` for the cells of lessons 1 to 4, ``schools.csv``
for lesson 5.
"""

import logging
from collections.abc import Callable

import arviz_base
import arviz_stats
import numpy as np
import polars as pl
import xarray as xr

import helpers
from tools.tables.stamp import LESSONS, Table, statements

SEEDS = range(1, 41)
BELOW = 0.1  # of the probability of a small τ for our cells


def cells() -> dict:
    """Make the dictionary of our cells."""
    return helpers.stan_data(helpers.measurements(), helpers.LEVELS, "y", remark=False)[0]


def schools() -> dict:
    """Make the dictionary of the eight schools, as in lesson 5."""
    y, sigma = [28, 8, -3, 7, -1, 1, 18, 12], [15, 10, 16, 11, 9, 11, 10, 18]
    frame = pl.DataFrame({"school": list("ABCDEFGH"), "y": y, "sigma": sigma})
    return helpers.stan_data(frame, levels="school", values=["y", "sigma"])[0]


def diagnose(samples: xr.DataTree, mean: str, below: float) -> dict:
    """Tabulate the diagnostics of τ and the estimates, rounded to what is worth printing.

    Parameters
    ----------
    samples : DataTree
        Of one fit.
    mean : str
        What is averaged, ``"mean of τ"`` or ``"mean of log τ"``.
    below : float
        The other estimate is the probability that τ is below.
    """
    tau, stats = samples["posterior"]["tau"].values, samples["sample_stats"]
    ebfmi = arviz_stats.bfmi(samples)["energy"].values
    values = np.log(tau) if mean == "mean of log τ" else tau
    smaller = (tau < below).astype(float)
    return {
        "E-BFMI, lowest": round(float(ebfmi.min()), 3),
        "E-BFMI, highest": round(float(ebfmi.max()), 3),
        "R-hat": round(float(arviz_stats.rhat(tau)), 3),
        "bulk ESS": round(float(arviz_stats.ess(tau))),
        "tail ESS": round(float(arviz_stats.ess(tau, method="tail", prob=(0.05, 0.95)))),
        "divergences": int(stats["diverging"].sum()),
        "tree depth 10": int((stats["tree_depth"] >= 10).sum()),
        "gradients": round(float(stats["n_steps"].mean()), 1),
        mean: round(float(values.mean()), 4),
        "MCSE of mean": round(float(arviz_stats.mcse(values)), 4),
        f"P(τ < {below})": round(float(smaller.mean()), 4),
        "MCSE of P": round(float(arviz_stats.mcse(smaller)), 4),
        "smallest τ": float(f"{tau.min():.2g}"),
    }


def forty(name: str, data: Callable[[], dict], mean: str, below: float, runs: dict) -> Table:
    """Describe the table of forty seeds of every run: a program, and options of its sampler."""

    def row(run: str, seed: int) -> dict:
        program, options = runs[run]
        fit = helpers.stan_model(program).sample(data=data(), seed=seed, show_progress=False, **options)
        return {"run": run, "seed": seed} | diagnose(arviz_base.from_cmdstanpy(fit), mean, below)

    def parts() -> list:
        programs = sorted({program for program, _ in runs.values()})
        texts = [statements(helpers.stan_file(program)) for program in programs]
        return [*texts, *data().items(), mean, below, runs, SEEDS]

    return Table(LESSONS / "data" / name, row, [(run, seed) for run in runs for seed in SEEDS], parts)


CELLS = {
    "centered": ("centered", {}),
    "centered, adapt_delta 0.99": ("centered", {"adapt_delta": 0.99}),
    "noncentered": ("noncentered", {}),
    "noncentered, adapt_delta 0.99": ("noncentered", {"adapt_delta": 0.99}),
}
SCHOOLS = {
    "centered": ("schools_centered", {}),
    "centered, adapt_delta 0.99": ("schools_centered", {"adapt_delta": 0.99}),
    "noncentered": ("schools_noncentered", {}),
    "noncentered, adapt_delta 0.99": ("schools_noncentered", {"adapt_delta": 0.99}),
}
TABLES = [
    forty("seeds.csv", cells, "mean of τ", BELOW, CELLS),
    forty("schools.csv", schools, "mean of log τ", 1, SCHOOLS),
]


if __name__ == "__main__":
    logging.getLogger("cmdstanpy").setLevel(logging.ERROR)
    for table in TABLES:
        table.write()
