"""What the lessons say of the two programs holds for every seed, against the exact posterior."""

import logging

import arviz
import numpy as np
import polars as pl
import pytest

import helpers

LEVELS = ["day", "batch", "colony"]
SEEDS = range(101, 121)


@pytest.fixture(scope="module")
def data():
    logging.getLogger("cmdstanpy").setLevel(logging.ERROR)
    return helpers.stan_data(helpers.measurements(), LEVELS, "y")[0]


@pytest.fixture(scope="module")
def exact(data):
    return helpers.exact_posterior(data)


def fit(program, data, seed, **options):
    samples = helpers.stan_model(program).sample(data=data, seed=seed, show_progress=False, **options)
    return arviz.from_cmdstanpy(samples)


@pytest.fixture(scope="module")
def centered(data):
    return [fit("centered", data, seed) for seed in SEEDS]


@pytest.fixture(scope="module")
def noncentered(data):
    return [fit("noncentered", data, seed, adapt_delta=0.99) for seed in SEEDS]


def is_right(trees, exact):
    """Whether the errors of a sampler are what it says they are: its root mean square, and its bias.

    Errors in MCSEs are about standard normal, so their root mean square over the seeds is about 1: between
    0.6 and 1.5 for each of E[θ], E[τ], E[σ] and P(τ < 0.1). The mean error of the latter is below 0.01.
    """
    marks = pl.concat([helpers.score(tree, exact) for tree in trees])
    rms = marks.group_by("quantity").agg((pl.col("error_in_mcse") ** 2).mean().sqrt())
    bias = marks.filter(quantity="P(tau < 0.1)")["error"].mean()
    return rms["error_in_mcse"].is_between(0.6, 1.5).all() and abs(bias) < 0.01


def test_noncentered_program_gives_the_exact_posterior(data, exact, noncentered):
    # With 20 seeds a right sampler is outside once in 50 times: χ² with 20 degrees of freedom is below 7.2
    # once in 250 times and above 45 once in 900, for each of four quantities. With 100, and so with both, it
    # is once in 10^7, for the bias too: its standard error is then 0.0012.
    if not is_right(noncentered, exact):
        more = [fit("noncentered", data, seed, adapt_delta=0.99) for seed in range(201, 281)]
        assert is_right([*noncentered, *more], exact)


def test_the_same_test_catches_the_centered_program(exact, centered):
    # over 40 seeds its P(tau < 0.1) was too low by 0.09 on average, give or take 0.05 from seed to seed: that
    # 20 seeds average above -0.01 takes 7 standard errors
    assert not is_right(centered, exact)


def test_diagnostics_tell_the_two_programs_apart(centered, noncentered):
    # Over 403 seeds of the centered program the two lowest of four E-BFMI were always below 0.3 (a chain that
    # stands still can have a high one), and over 40 its ESS at most 162. Over 40 seeds of the noncentered
    # program the lowest E-BFMI was 0.69 and the highest R-hat 1.008.
    for tree in centered:
        assert np.sort(arviz.bfmi(tree)["energy"].values)[1] < 0.3
        assert arviz.ess(tree["posterior"]["tau"].values) < 400
    for tree in noncentered:
        assert (arviz.bfmi(tree)["energy"].values > 0.5).all()
        assert arviz.rhat(tree["posterior"]["tau"].values) < 1.02
