"""The checks of lesson 12 know right answers in any form, and have a hint for each typical mistake."""

import numpy as np
import polars as pl
import pytest
from answering import drawn, of, perfect, rows, says, with_tau  # noqa: F401

import helpers
from helpers.checks.lesson_12 import cells


def rank(rng, mean=4 / 5, sd=5**-0.5, n=99, noise=0.5):
    mu = rng.normal()
    y = rng.normal(mu, noise)
    return (rng.normal(mean * y, sd, n) < mu).sum(), y


def with_rank(change):
    return lambda rng: (lambda found: (change(found[0]), found[1]))(rank(rng))


SHAPES = {"too narrow": "up, then down", "too wide": "down, then up", "too low": "below"}
NUMBERS = {"0.06": 625, "0.006": 62_500}
ANSWERS = {
    "12.1": [
        ({name: shape.upper() for name, shape in SHAPES.items()}, "✔"),
        *of(SHAPES, "too low", {"above": "how many of them are below", "up, then down": "one side"}),
        *of(SHAPES, "too narrow", {"above": "either side", "down, then up": "rank 0"}),
        *of(SHAPES, "too wide", {"up, then down": "opposite"}),
        (SHAPES | {"too low": "down"}, "'too low'.*'below'"),
        ({"too low": "below"}, "'too narrow'"),
    ],
    "12.2": [
        (lambda rng: np.array(rank(rng)), "✔"),
        (lambda rng: [np.array([x]) for x in rank(rng)], "✔"),
        (with_rank(float), "✔"),
        (lambda rng: rank(rng, sd=1 / 5), "✘ both ends.*root"),
        (lambda rng: rank(rng, mean=1 / 5), "✘ both ends.*weight of y"),
        (lambda rng: rank(rng, sd=1), "✘ middle.*wide.*precision"),
        (lambda rng: rank(rng, sd=0.5), "✘ middle.*wide.*precision"),
        (lambda rng: rank(rng, mean=1, sd=0.5), "✘ even.*both, prior and measurement"),
        (lambda rng: rank(rng, mean=0, sd=1), "✘ even.*both, prior and measurement"),
        (with_rank(lambda r: 99 - r // 2), "✘ large"),
        (with_rank(lambda r: r // 2), "✘ small"),
        (lambda rng: rank(rng, n=400), "✘ between 0 and 99"),
        (with_rank(lambda r: r / 2), "✘ whole"),
        (lambda rng: rank(np.random.default_rng(1)), "✘ from rng"),
        (lambda rng: (rank(rng)[0], 1), "✘ scatter"),
        # The variance of a measurement taken for its sd, in simulation and posterior alike: ranks are even.
        (lambda rng: rank(rng, mean=2 / 3, sd=3**-0.5, noise=0.5**0.5), "✘ scatter by 1.2"),
        (17, "function"),
        (lambda rng: None, "rank and y"),
    ],
    "12.4": [
        ({0.06: 600, "0.006": 6e4}, "✔"),
        *of(NUMBERS, "0.06", {25: "Square", 100: "solve"}),
        *of(NUMBERS, "0.006", {6250: "root", 1e6: "ten times narrower"}),
        ({"0.06": 625}, "0.006"),
    ],
}


@pytest.mark.parametrize(("number", "answer", "words"), rows(ANSWERS))
def test_an_answer_is_told_what_it_is_and_what_to_look_at(number, answer, words):
    says(number, answer, words)


def table(n=60, status="ok", scales=(3, 5, 5), mean=10, low=()):
    """Make a table as calibrate does, with even ranks, but for the parameters named in `low`."""
    rng = np.random.default_rng(1)
    truths = [rng.normal(mean, scales[0], n), *(abs(rng.normal(0, scale, n)) for scale in scales[1:])]
    return pl.concat(
        pl.DataFrame(
            {
                "replication": range(n),
                "parameter": name,
                "truth": truth,
                "rank": rng.integers(100, size=n) // (4 if name in low else 1),
                "draws": 99,
                "shrinkage": learned,
                "status": status,
            }
        )
        for name, truth, learned in zip(["theta", "tau", "sigma"], truths, (0.9, 0.5, 0.7), strict=True)
    )


def test_12_3_a_planted_bug_is_in_the_program_and_in_the_ranks(drawn):
    data, found = cells()[0], table(low=["sigma"])
    bug, none = perfect(data, {"sigma": 0.5}), perfect(data)
    apart = with_tau(none, lambda tau: tau + (np.arange(4)[:, None] == 3))  # a bug may well do that
    for samples, frame, words in [
        (bug, found, "✔"),
        (bug, found.filter(pl.col("replication") < 30), "✔"),
        (apart, found, "✔"),
        (bug, table(), "✘ 60 replications.*beyond doubt"),
        (none, found, "✘ nothing that can be seen"),
        (bug, found.filter(pl.col("replication") < 10), "✘ 10 .*too few"),
        (bug, found.filter(pl.col("parameter") != "tau"), "✘ tau"),
        (bug, table(status="timeout: a chain"), "✘ 60 fits failed.*timeout"),
        (bug, pl.DataFrame({"a": [1]}), "calibrate"),
    ]:
        drawn(samples)
        says("12.3", {"program": "planted.stan", "table": frame}, words)
    says("12.3", {"program": "planted.stan"}, "'table'")


def test_12_5_a_calibration_of_ones_own_has_one_prior_and_even_ranks():
    df = helpers.simulate([6, 4], theta=0, tau=1, sigma=1, seed=1, levels="plate")
    data, _ = helpers.stan_data(df, levels="plate", values="y")
    flat = helpers.tree_data(data, prior={"theta": (0, 2), "tau": 1, "sigma": 1})
    own = {"scales": (2, 1, 1), "mean": 0}
    for change, words in [
        ({}, "✔"),
        ({"least": "theta"}, "✘ most is learned"),
        ({"least": "sigma"}, "✘ medians"),
        ({"table": table(**own | {"scales": (2, 2.5, 1)})}, "✘ tau.*same prior"),
        ({"table": table(**own | {"mean": 4})}, "✘ theta.*same prior"),
        ({"table": table(**own, low=["tau"])}, "✘ tau.*not even"),
        ({"table": table(40, **own)}, "✘ 40 .*50 or more"),
        ({"least": ["tau"]}, "'tau'.*'sigma'"),
        ({"data": data}, "tree_data"),
    ]:
        says("12.5", {"data": flat, "table": table(**own), "least": "tau"} | change, words)
