"""Calibrate the course's programs, for lesson 12: draw from the prior, simulate, fit and rank, many times.

``make calibration`` writes ``lessons/data/calibration.parquet``: a thousand replications of each form of the
model, and two hundred of each planted bug. An interrupted run goes on when it is called again.
"""

import hashlib
import inspect
import os
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl

import helpers
from tools.tables.stamp import statements

TABLE = Path(__file__).parents[2] / "lessons" / "data" / "calibration.parquet"
data, _ = helpers.stan_data(helpers.measurements(), helpers.LEVELS, "y")


def imagine(rng, weight=0, tau_scale=0.25, prior_tau=0.25, power=1):
    """Draw from the prior, and simulate: but for this line as in the lesson, of which a test makes sure."""
    theta = rng.normal(*helpers.PRIOR["theta"])
    tau, sigma = abs(rng.normal(0, tau_scale)), abs(rng.normal(0, 1))
    days = rng.normal(theta, tau, data["J_1"])
    batches = rng.normal(days[data["index_1"] - 1], tau)
    colonies = rng.normal(batches[data["index_2"] - 1], tau)
    y = rng.normal(colonies[data["index_3"] - 1], sigma**power)
    truth = {"theta": theta, "tau": tau, "sigma": sigma}
    first = np.cumsum([1, data["J_1"], data["J_2"]])  # node of each level
    shown = zip(first, (days[0], batches[0], colonies[0]), strict=True)
    truth |= {f"node[{j}]": mean for j, mean in shown}
    prior = helpers.PRIOR | {"tau": prior_tau, "sigma": 1}
    drawn = data | {"y": y}
    flat = helpers.tree_data(drawn, prior, weight=weight, write_nodes=True)
    return truth, flat


# Program, simulation, replications
RUNS = {
    "centered": ("tree", partial(imagine, weight=1), 1000),
    "noncentered": ("tree", imagine, 1000),
    "integrated out": ("tree_marginal", imagine, 1000),
    "centered, wide prior": ("tree", partial(imagine, weight=1, tau_scale=5, prior_tau=5), 1000),
    "wrong prior": ("tree_marginal", partial(imagine, tau_scale=0.5), 200),
    "variance": ("tree_marginal", partial(imagine, power=2), 200),
}
SEED = 1
DIGITS = {"truth": 4, "mean": 4, "sd": 3, "z_score": 4, "shrinkage": 4, "ess": 3, "r_hat": 5, "seconds": 3}


def origin() -> str:
    """Hash of what the table is computed from: the programs, the simulation and the settings."""
    files = [helpers.stan_file(program) for program in sorted({program for program, _, _ in RUNS.values()})]
    parts = [statements(path) for path in (*files, files[0].with_suffix(".stanfunctions"))]
    parts += [inspect.getsource(imagine), *map(str, data.items()), str(SEED)]
    parts += [
        f"{name} {p} {getattr(simulate, 'keywords', {})} {n}" for name, (p, simulate, n) in RUNS.items()
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def run(name: str) -> pl.DataFrame:
    """Make the rows of one run, rounded to what is worth keeping."""
    program, simulate, n = RUNS[name]
    table = helpers.calibrate(program, simulate, n, seed=SEED)
    if table["replication"].n_unique() < n:
        raise SystemExit(1)  # interrupted, as calibrate has said
    rounded = [pl.col(column).round_sig_figs(digits).cast(pl.Float32) for column, digits in DIGITS.items()]
    return table.select(pl.lit(name).alias("run"), pl.all()).with_columns(rounded)


if __name__ == "__main__":
    frame = pl.concat([run(name) for name in RUNS]).with_columns(origin=pl.lit(origin()))
    frame.write_parquet(scratch := f"{TABLE}.tmp", compression="zstd", compression_level=19)
    os.replace(scratch, TABLE)
