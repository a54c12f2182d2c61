"""Run the course's programs with forty seeds each and tabulate what the diagnostics say.

One run's diagnostics are a draw; the lessons quote this table to say what a draw looks like. ``make seeds``
writes it anew (about six minutes on two cores).
"""

import hashlib
import logging
import os
import sys
from pathlib import Path

import arviz
import polars as pl

import helpers

TABLE = Path(__file__).parent.parent / "lessons" / "seeds.csv"
SEEDS = range(1, 41)
RUNS = {
    "centered": ("centered", {}),
    "centered, adapt_delta 0.99": ("centered", {"adapt_delta": 0.99}),
    "noncentered": ("noncentered", {}),
    "noncentered, more warm-up": ("noncentered", {"iter_warmup": 3000}),
    "noncentered, adapt_delta 0.99": ("noncentered", {"adapt_delta": 0.99}),
}


def origin() -> str:
    """Hash of what the table is computed from: the two programs, the measurements and the settings."""
    data, _ = helpers.stan_data(helpers.measurements(), levels=["day", "batch", "colony"], values="y")
    programs = [helpers.stan_file(name).read_text("utf-8") for name in ("centered", "noncentered")]
    parts = [*programs, *(str(item) for item in data.items()), str(RUNS), str(SEEDS)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def diagnose(program: str, data: dict, seed: int, **options) -> dict:
    """Fit once and return the diagnostics of τ, rounded to what is worth printing."""
    fit = helpers.stan_model(program).sample(data=data, seed=seed, show_progress=False, **options)
    tree = arviz.from_cmdstanpy(fit)
    tau, stats = tree["posterior"]["tau"].values, tree["sample_stats"]
    ebfmi = arviz.bfmi(tree)["energy"].values
    return {
        "E-BFMI, lowest": round(float(ebfmi.min()), 3),
        "E-BFMI, highest": round(float(ebfmi.max()), 3),
        "R-hat": round(float(arviz.rhat(tau)), 3),
        "bulk ESS": round(float(arviz.ess(tau))),
        "tail ESS": round(float(arviz.ess(tau, method="tail", prob=(0.05, 0.95)))),
        "divergences": int(stats["diverging"].sum()),
        "tree depth 10": int((stats["tree_depth"] >= 10).sum()),
        "gradients": round(float(stats["n_steps"].mean()), 1),
        "mean of τ": round(float(tau.mean()), 4),
        "P(τ < 0.1)": round(float((tau < 0.1).mean()), 4),
        "smallest τ": float(f"{tau.min():.2g}"),
    }


if __name__ == "__main__":
    logging.getLogger("cmdstanpy").setLevel(logging.ERROR)
    data, _ = helpers.stan_data(helpers.measurements(), levels=["day", "batch", "colony"], values="y")
    rows = []
    for run, (program, options) in RUNS.items():
        for seed in SEEDS:
            print(f"\r{run}, seed {seed} ...", end=" " * 20, file=sys.stderr, flush=True)
            rows.append({"run": run, "seed": seed} | diagnose(program, data, seed, **options))
    table = pl.DataFrame(rows).with_columns(origin=pl.lit(origin()))
    table.write_csv(TABLE.with_suffix(".tmp"))
    os.replace(TABLE.with_suffix(".tmp"), TABLE)
