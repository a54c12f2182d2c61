"""How `stan_data` scales, and how it compares: run `python tools/tables/bench_data.py`.

What is printed are ratios within one run, so that they mean the same on a busy laptop and a quiet server.
"""

import time

import numpy as np
import polars as pl
from bebi103.hmc import df_to_datadict_hier

from helpers.data import LEVELS, stan_data


def frame(rows: int, labels: str) -> pl.DataFrame:
    """Make a shuffled frame of three levels with 50 labels each, text or whole numbers."""
    rng = np.random.default_rng(1)
    df = pl.DataFrame({level: rng.integers(0, 50, rows) for level in LEVELS} | {"y": rng.normal(size=rows)})
    return df if labels == "whole" else df.with_columns(pl.format("label {}", pl.col(LEVELS)))


def seconds(function, *args, repeats: int = 5) -> float:
    """Time the fastest of several calls: the others waited for something else."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function(*args)
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    """Print one line a measurement."""
    for labels in ("text", "whole"):
        took = {
            n: seconds(stan_data, frame(n, labels), LEVELS, ["y"]) for n in (100_000, 1_000_000, 4_000_000)
        }
        for n, t in took.items():
            print(f"{labels:5} labels, {n:9,} rows: {t:6.3f} s, {1e9 * t / n:4.0f} ns a row")
        print(f"{labels:5} labels, time(4e6) / time(1e6): {took[4_000_000] / took[1_000_000]:.1f}")
        for n in (10_000, 100_000, 1_000_000):
            ours, theirs = (
                seconds(f, frame(n, labels), LEVELS, ["y"], repeats=3)
                for f in (stan_data, df_to_datadict_hier)
            )
            print(f"{labels:5} labels, {n:9,} rows, bebi103's time / ours: {theirs / ours:.1f}")


if __name__ == "__main__":
    main()
