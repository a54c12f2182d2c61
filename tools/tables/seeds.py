"""Run the course's programs with forty seeds each and tabulate what the diagnostics say.

One run's diagnostics are a draw; the lessons quote these tables to say what a draw looks like. ``make seeds``
writes both tables of ``lessons/data`` anew: ``seeds.csv`` for the cells of lessons 1 to 4, ``schools.csv`` for
lesson 5.
"""

import hashlib
import logging
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import arviz
import numpy as np
import polars as pl

import helpers

LESSONS = Path(__file__).parents[2] / "lessons" / "data"
SEEDS = range(1, 41)


@dataclass(frozen=True)
class Table:
    """What is run for one table, and what is estimated in each run: a mean, and a probability."""

    file: Path
    data: Callable[[], dict]
    mean: str  # of τ, or of log τ
    below: float  # of the probability that τ is below
    runs: dict[str, tuple[str, dict]]  # program and options of its sampler


def cells() -> dict:
    """Make the dictionary of the 47 cells."""
    return helpers.stan_data(helpers.measurements(), levels=["day", "batch", "colony"], values="y")[0]


def schools() -> dict:
    """Make the dictionary of the eight schools, as in lesson 5."""
    frame = pl.DataFrame(
        {
            "school": list("ABCDEFGH"),
            "y": [28, 8, -3, 7, -1, 1, 18, 12],
            "sigma": [15, 10, 16, 11, 9, 11, 10, 18],
        }
    )
    return helpers.stan_data(frame, levels="school", values=["y", "sigma"])[0]


CELLS = Table(
    LESSONS / "seeds.csv",
    cells,
    "mean of τ",
    0.1,
    {
        "centered": ("centered", {}),
        "centered, adapt_delta 0.9": ("centered", {"adapt_delta": 0.9}),
        "centered, adapt_delta 0.95": ("centered", {"adapt_delta": 0.95}),
        "centered, adapt_delta 0.99": ("centered", {"adapt_delta": 0.99}),
        "noncentered": ("noncentered", {}),
        "noncentered, more warm-up": ("noncentered", {"iter_warmup": 3000}),
        "noncentered, adapt_delta 0.99": ("noncentered", {"adapt_delta": 0.99}),
    },
)
SCHOOLS = Table(
    LESSONS / "schools.csv",
    schools,
    "mean of log τ",
    1,
    {
        "centered": ("schools_centered", {}),
        "centered, adapt_delta 0.99": ("schools_centered", {"adapt_delta": 0.99}),
        "noncentered": ("schools_noncentered", {}),
        "noncentered, adapt_delta 0.99": ("schools_noncentered", {"adapt_delta": 0.99}),
    },
)
TABLES = [CELLS, SCHOOLS]


def origin(table: Table) -> str:
    """Hash of what a table is computed from: its programs, the data and the settings."""
    programs = sorted({program for program, _ in table.runs.values()})
    parts = [helpers.stan_file(program).read_text("utf-8") for program in programs]
    parts += [str(item) for item in table.data().items()]
    parts += [str(setting) for setting in (table.mean, table.below, table.runs, SEEDS)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def row(table: Table, run: str, seed: int) -> dict:
    """Fit once and return the diagnostics of τ and the estimates, rounded to what is worth printing."""
    program, options = table.runs[run]
    model = helpers.stan_model(program)
    fit = model.sample(data=table.data(), seed=seed, show_progress=False, **options)
    tree = arviz.from_cmdstanpy(fit)
    tau, stats = tree["posterior"]["tau"].values, tree["sample_stats"]
    ebfmi = arviz.bfmi(tree)["energy"].values
    values = np.log(tau) if table.mean == "mean of log τ" else tau
    below = (tau < table.below).astype(float)
    return {
        "run": run,
        "seed": seed,
        "E-BFMI, lowest": round(float(ebfmi.min()), 3),
        "E-BFMI, highest": round(float(ebfmi.max()), 3),
        "R-hat": round(float(arviz.rhat(tau)), 3),
        "bulk ESS": round(float(arviz.ess(tau))),
        "tail ESS": round(float(arviz.ess(tau, method="tail", prob=(0.05, 0.95)))),
        "divergences": int(stats["diverging"].sum()),
        "tree depth 10": int((stats["tree_depth"] >= 10).sum()),
        "gradients": round(float(stats["n_steps"].mean()), 1),
        table.mean: round(float(values.mean()), 4),
        "MCSE of mean": round(float(arviz.mcse(values)), 4),
        f"P(τ < {table.below})": round(float(below.mean()), 4),
        "MCSE of P": round(float(arviz.mcse(below)), 4),
        "smallest τ": float(f"{tau.min():.2g}"),
    }


def write(table: Table) -> None:
    """Run every setting of a table with every seed, and write its file in one step."""
    rows = []
    for run in table.runs:
        for seed in SEEDS:
            print(f"\r{table.file.stem}: {run}, seed {seed} ...\033[K", end="", file=sys.stderr, flush=True)
            rows.append(row(table, run, seed))
    pl.DataFrame(rows).with_columns(origin=pl.lit(origin(table))).write_csv(scratch := f"{table.file}.tmp")
    os.replace(scratch, table.file)
    print(file=sys.stderr)


if __name__ == "__main__":
    logging.getLogger("cmdstanpy").setLevel(logging.ERROR)
    for table in TABLES:
        write(table)
