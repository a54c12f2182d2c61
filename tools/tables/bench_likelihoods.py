"""What the exact posterior costs if measurements are not normal, in units of the normal one (a minute).

What is printed are ratios within one run, so that they mean the same on a busy laptop and a quiet server.
"""

import numpy as np

import helpers
from tools.tables.bench_helpers import seconds
from tools.tables.bench_trees import LEVELS

FOLDS = 4  # times as many nodes


def tables(folds: int) -> dict[str, tuple[dict, dict]]:
    """Make the tree of the lessons, so many times side by side, with measurements of every kind."""
    data, _ = helpers.stan_data(helpers.measurements(), LEVELS, "y")
    tree = {"J_1": 3 * folds, "J_2": 8 * folds, "J_3": 17 * folds}
    for k, above in enumerate((0, 3, 8, 17)[1:], start=1):
        index = np.asarray(data[f"index_{k}"])
        tree[f"index_{k}"] = np.concatenate([index + fold * above for fold in range(folds)])
    rng = np.random.default_rng(1)
    node = rng.normal(0, 0.5, 17 * folds)[tree["index_3"] - 1]
    trials = rng.integers(1, 9, len(node))
    successes = rng.binomial(trials, 1 / (1 + np.exp(-node)))
    counts, numbers = rng.poisson(np.exp(1.5 + node)), np.tile(data["y"], folds)
    odds, rates = {"theta": (0, 1.5), "tau": 1}, {"theta": (1.5, 1.5), "tau": 1}
    return {
        "normal": (tree | {"y": numbers}, {}),
        "binomial": (tree | {"y": successes, "trials": trials}, {"prior": odds}),
        "poisson": (tree | {"y": counts}, {"prior": rates}),
        "student_t": (tree | {"y": numbers}, {"nu": 4}),
    }


def main() -> None:
    """Print the time of every likelihood over that of the normal one, and how it grows with nodes."""
    took = {}
    for folds in (1, FOLDS):
        for likelihood, (data, options) in tables(folds).items():
            post = helpers.exact_posterior(data, likelihood=likelihood, **options)
            one = seconds(
                lambda data=data, options=options, likelihood=likelihood: helpers.exact_posterior(
                    data, likelihood=likelihood, **options
                ),
                repeats=3,
            )
            took[likelihood, folds] = one
            ratio = one / took["normal", folds]
            print(
                f"{likelihood:9}, {28 * folds:3} nodes: {one:6.3f} s, {ratio:4.0f} times normal, "
                f"accurate to {post.accuracy:.0e}"
            )
    for likelihood in tables(1):
        grown = took[likelihood, FOLDS] / took[likelihood, 1]
        print(f"{likelihood:9}, time({FOLDS} times as many nodes) / time: {grown:.1f}")


if __name__ == "__main__":
    main()
