"""How the exact posterior scales with measurements and nodes: run `python tools/tables/bench_exact.py`."""

import itertools

import helpers
from tools.tables.bench_data import LEVELS, seconds

DESIGNS = {
    "the course's": None,
    "1,000": [5, 5, 6, [7] * 100 + [6] * 50],
    "10,000": [10, 10, 10, 10],
    "100,000": [90, 10, [6] * 400 + [5] * 500, [20] * 2900 + [21] * 2000],
    "1,000,000": [282, 7, 15, [34] * 22830 + [33] * 6780],
}


def main() -> None:
    """Print one line a design, and how the times compare."""
    took = {}
    for label, design in DESIGNS.items():
        df = helpers.measurements()
        if design:
            df = helpers.simulate(design, 10, 0.5, 1, seed=1, levels=LEVELS)
        data, _ = helpers.stan_data(df, LEVELS, "y")
        took[label] = seconds(helpers.exact_posterior, data, repeats=3)
        post = helpers.exact_posterior(data)
        nodes = sum(data[f"J_{k}"] for k in (1, 2, 3))
        each = 1e6 * took[label] / nodes
        print(
            f"{label:>12} measurements, {nodes:5,} nodes: {took[label]:6.3f} s, "
            f"{each:4.0f} µs a node, accurate to {post.accuracy:.0e}"
        )
    for few, many in itertools.pairwise(["10,000", "100,000", "1,000,000"]):
        print(f"time({many}) / time({few}): {took[many] / took[few]:.1f}")
    frame = seconds(helpers.stan_data, df, LEVELS, "y")
    print(f"1,000,000: time(exact_posterior) / time(stan_data): {took['1,000,000'] / frame:.0f}")


if __name__ == "__main__":
    main()
