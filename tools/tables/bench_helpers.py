"""What `helpers` cost: imports, `stan_data` beside bebi103's function, exact answers (3 minutes).

What is printed are ratios within one run, so that they mean the same on a busy laptop and a quiet server.
"""

import functools
import itertools
import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median

import numpy as np
import polars as pl
from bebi103.hmc import df_to_datadict_hier

import helpers
from tools.tables.bench_trees import DESIGNS, LEVELS

IMPORTS = {
    "polars": "import polars",
    "helpers": "import helpers",
    "stan_data": "import helpers; helpers.stan_data",
    "exact_posterior": "import helpers; helpers.exact_posterior",
    "draw_tree": "import helpers; helpers.draw_tree",
    "calibrate": "import helpers; helpers.calibrate",
    "arviz": "import arviz",
    "bokeh": "import bokeh.plotting",
}


def seconds(function: Callable, *args, repeats: int = 5) -> float:
    """Time the fastest of several calls: the others waited for something else."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function(*args)
        times.append(time.perf_counter() - start)
    return min(times)


def imports(repeats: int = 7) -> None:
    """Print what the first cell of a lesson waits for, in a fresh Python, over what polars takes."""

    def fresh(code: str) -> float:
        return seconds(lambda: subprocess.run([sys.executable, "-c", code], check=True), repeats=1)

    empty = median(fresh("pass") for _ in range(repeats))
    # they take turns, so that what disturbs one disturbs all
    times = [{name: fresh(code) - empty for name, code in IMPORTS.items()} for _ in range(repeats)]
    for name in IMPORTS:
        found = [took[name] / took["polars"] for took in times]
        print(f"import, {name}: {median(found):.1f} times polars ({min(found):.1f} to {max(found):.1f})")


def frame(rows: int, labels: str) -> pl.DataFrame:
    """Make a shuffled frame of three levels with 50 labels each, text or whole numbers."""
    rng = np.random.default_rng(1)
    df = pl.DataFrame({level: rng.integers(0, 50, rows) for level in LEVELS} | {"y": rng.normal(size=rows)})
    return df if labels == "whole" else df.with_columns(pl.format("label {}", pl.col(LEVELS)))


def dictionaries() -> None:
    """Print how `stan_data` grows with the rows, and how it compares."""
    for labels in ("text", "whole"):
        sizes = (100_000, 1_000_000, 4_000_000)
        took = {n: seconds(helpers.stan_data, frame(n, labels), LEVELS, ["y"]) for n in sizes}
        for n, t in took.items():
            print(f"{labels:5} labels, {n:9,} rows: {t:6.3f} s, {1e9 * t / n:4.0f} ns a row")
        print(f"{labels:5} labels, time(4e6) / time(1e6): {took[4_000_000] / took[1_000_000]:.1f}")
        for n in (10_000, 100_000, 1_000_000):
            both = (helpers.stan_data, df_to_datadict_hier)
            ours, theirs = (seconds(f, frame(n, labels), LEVELS, ["y"], repeats=3) for f in both)
            print(f"{labels:5} labels, {n:9,} rows, bebi103's time / ours: {theirs / ours:.1f}")


def exact_posteriors() -> None:
    """Print how the exact posterior grows with measurements and nodes."""
    took, df = {}, helpers.measurements()
    for size in ("47", "10³", "10⁴", "10⁵", "10⁶"):
        if size in DESIGNS:
            df = helpers.simulate(DESIGNS[size], 10, 0.5, 1, seed=1, levels=LEVELS)
        data, _ = helpers.stan_data(df, LEVELS, "y")
        took[size] = seconds(helpers.exact_posterior, data, repeats=3)
        nodes = sum(data[f"J_{k}"] for k in (1, 2, 3))
        each = f"{took[size]:6.3f} s, {1e6 * took[size] / nodes:4.0f} µs a node"
        accuracy = helpers.exact_posterior(data).accuracy
        print(f"{size:>3} measurements, {nodes:5,} nodes: {each}, accurate to {accuracy:.0e}")
    for few, many in itertools.pairwise(["10⁴", "10⁵", "10⁶"]):
        print(f"time({many}) / time({few}): {took[many] / took[few]:.1f}")
    beside = seconds(helpers.stan_data, df, LEVELS, "y")
    print(f"10⁶: time(exact_posterior) / time(stan_data): {took['10⁶'] / beside:.0f}")


def lines_and_crossed_groups() -> None:
    """Print what `exact_slopes` and `exact_crossed` cost, over the exact posterior of 47 measurements."""
    tree, _ = helpers.stan_data(helpers.measurements(), LEVELS, "y")
    once = seconds(helpers.exact_posterior, tree)
    rng, folds = np.random.default_rng(1), 4  # as many groups
    took = {}
    for J in (18, 18 * folds):
        x, group = np.tile(np.arange(10.0), J), np.repeat(np.arange(J), 10)
        y = 250 + rng.normal(0, 25, J)[group] + rng.normal(10, 6, J)[group] * x + rng.normal(0, 25, 10 * J)
        data = {"J_1": J, "index_1": group + 1, "X": x[:, None], "y": y, "prior_theta": [250, 100]}
        data |= {"prior_beta": [[0, 20]], "prior_tau": [100, 20], "prior_rho": 2, "prior_sigma": 50}
        took["slopes", J] = seconds(helpers.exact_slopes, data, repeats=3)
    for J in (24, 24 * folds):
        index = np.array([np.repeat(np.arange(J), 6), np.tile(np.arange(6), J)])
        y = 23 + rng.normal(0, 0.8, J)[index[0]] + rng.normal(0, 2, 6)[index[1]] + rng.normal(0, 0.5, 6 * J)
        data = {"J": [J, 6], "index": index + 1, "y": y, "prior_theta": [23, 5], "prior_beta": []}
        data |= {"prior_tau": [5, 5], "prior_sigma": 2}
        took["crossed", J] = seconds(helpers.exact_crossed, data, repeats=3)
    for (model, J), time_taken in took.items():
        ratio = f"{time_taken / once:4.0f} times 47 measurements"
        print(f"exact_{model}, {J:2} groups: {time_taken:6.3f} s, {ratio}")
    for model, J in (("slopes", 18), ("crossed", 24)):
        grown = took[model, folds * J] / took[model, J]
        print(f"exact_{model}, time({folds} times as many groups) / time: {grown:.1f}")


def leaving_out() -> None:
    """Print what leaving out costs, over one exact posterior of the same model and data."""
    data, _ = helpers.stan_data(helpers.measurements(), LEVELS, "y")
    models = {
        "one τ": {},
        "no τ": {"prior": {"tau": 1e-4}},
        "own τ": {"shared_tau": False, "tolerance": 1e-3},
    }
    for name, model in models.items():
        once = seconds(lambda model=model: helpers.exact_posterior(data, **model), repeats=3)
        for what, level in (("measurements", None), ("days", "theta_1")):
            loo = functools.partial(helpers.exact_loo, data, leave_out=level, **model)
            n = len(data["y"]) if level is None else data["J_1"]
            took = seconds(loo, repeats=1)
            ratio = f"{took / once:.1f} times one posterior, {took / n / once:.1f} for each"
            print(f"{name}, {n:2} {what} left out: {took:6.3f} s, {ratio}")


if __name__ == "__main__":
    imports()
    dictionaries()
    exact_posteriors()
    lines_and_crossed_groups()
    leaving_out()
