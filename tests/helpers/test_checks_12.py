"""The checks of lesson 12 know right answers in any form, and have a hint for each typical mistake."""

import arviz
import numpy as np
import polars as pl
import pytest
from answering import TestAnswers, drawn, of, says, switch  # noqa: F401

import helpers
from helpers.checks import lesson_12, programs
from helpers.checks.lesson_12 import FOUR, one_mean

SHAPES = {"too narrow": "up, then down", "too wide": "down, then up", "too low": "below"}
ANSWERS = {
    "12.1": [
        ({name: shape.upper() for name, shape in SHAPES.items()}, "✔"),
        *of(SHAPES, "too low", {"above": "how many of them are below", "up, then down": "one side"}),
        *of(SHAPES, "too narrow", {"above": "either side", "down, then up": "rank 0"}),
        *of(SHAPES, "too wide", {"up, then down": "opposite"}),
        (SHAPES | {"too low": "down"}, "'too low'.*'below'"),
        ({"too low": "below"}, "'too narrow'"),
    ],
    "12.2": [({"program": "one_mean.stan"}, "'planted'"), ("one_mean.stan", "dictionary")],
    "12.4": [({"data": {}}, "'table'"), (3, "dictionary")],
}


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


def of_mu(mean, sd, name="mu"):
    """Samples as of a perfect sampler."""
    return arviz.from_dict({"posterior": {name: np.random.default_rng(1).normal(mean, sd, (4, 1000))}})


@pytest.fixture
def two(monkeypatch):
    """Give the check of 12.2 the samples of its two programs."""

    def give(program, planted):
        samples = {"one_mean.stan": program, "planted.stan": planted}
        monkeypatch.setattr(programs, "sample", lambda path, data: samples[path])

    return give


def says_of_two(table, words):
    says("12.2", {"program": "one_mean.stan", "planted": "planted.stan", "table": table}, words)


def ranked(n=100, low=("mu",), **kwargs):
    return table(n, low=low, **kwargs).with_columns(pl.col("parameter").replace("theta", "mu"))


def test_12_2_the_program_is_right_its_copy_is_not_and_the_ranks_tell(two):
    right, wrong = of_mu(*one_mean()), of_mu(*one_mean(sigma=0.16))
    apart = arviz.from_dict({"posterior": {"mu": right["posterior"]["mu"].values + np.arange(4)[:, None]}})
    found = ranked(low=("theta",))
    for program, copy, frame, words in [
        (right, wrong, found, "✔ 100 replications"),
        (right, apart, found, "✔ strays"),
        (right, wrong, found.filter(parameter="mu"), "✔"),
        (right, right, found, "✘ right posterior.*saved"),
        (right, wrong, ranked(low=()), "✘ 100 replications.*beyond doubt"),
        (right, wrong, found.filter(pl.col("replication") < 10), "✘ 10 .*too few"),
        (right, wrong, table(), "✘ no mu"),
        (right, wrong, ranked(status="timeout: a chain"), "✘ 100 fits failed.*timeout"),
        (right, wrong, pl.DataFrame({"a": [1]}), "calibrate"),
        (of_mu(0, 1, name="m"), wrong, found, "✘ no 'mu' among"),
        (apart, wrong, found, "✘ disagree on mu"),
        (of_mu(3, 1), wrong, found, "✘ two lines"),
        *[(of_mu(*normal), wrong, found, f"✘ {hint[:20]}") for normal, hint in lesson_12.OF_ONE],
    ]:
        two(program, copy)
        says_of_two(frame, words)


PROGRAM = """
data {
  int<lower=1> N;
  vector[N] y;
  real<lower=0> sigma;
  real m;
  real<lower=0> s;
  int which;
}
parameters {
  real mu;
}
model {
  MODEL
}
"""
MISTAKES = {
    "y ~ normal(mu, sigma);": "measurements alone",
    "mu ~ normal(m, s);": "draws from the prior",
    "mu ~ normal(m, s); y ~ normal(mu, square(sigma));": "sigma is one",
    "mu ~ normal(m, square(s)); y ~ normal(mu, sigma);": "s is one",
    "mu ~ normal(10, 3); y ~ normal(mu, sigma);": "measurements alone",
    "mu ~ normal(m, s); y ~ normal(mu, 0.5);": "not 0.5",
    "mu ~ normal(m, s); y[1] ~ normal(mu, sigma);": "first measurement",
}


def test_12_2_programs_with_typical_mistakes_get_their_hints(tmp_path, monkeypatch):
    path, sample = tmp_path / "one_mean.stan", programs.sample
    cases = ["mu ~ normal(m, s); y ~ normal(mu, sigma);", *MISTAKES]
    path.write_text(PROGRAM.replace("MODEL", switch(cases)), "utf-8")
    for which, words in enumerate(["✘ right posterior", *(f"✘ .*({hint})" for hint in MISTAKES.values())]):
        data = FOUR | {"which": which}
        monkeypatch.setattr(programs, "sample", lambda program, _, data=data: sample(program, data))
        says("12.2", {"program": path, "planted": path, "table": ranked(low=("theta",))}, words)


def test_12_4_a_calibration_of_ones_own_has_one_prior_and_even_ranks():
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
        says("12.4", {"data": flat, "table": table(**own), "least": "tau"} | change, words)
