"""The checks of lesson 3 know right answers in any form, and have a hint for each typical mistake."""

import numpy as np
from answering import TestAnswers, drawn, given, perfect, says, with_tau  # noqa: F401

import helpers
from helpers.data import LEVELS


def read(df, levels):
    return helpers.stan_data(df, levels, "y", remark=False)[0]


DATA = read(helpers.measurements(), LEVELS)
OWN_LEVELS = ["class", "pupil"]  # of a reader
OWN = read(helpers.simulate([6, 4, 5], theta=10, tau=1.5, sigma=1, seed=3, levels=OWN_LEVELS), OWN_LEVELS)

ANSWERS = {
    "03.1": [
        (0, "✔ Far fewer"),
        (np.float64(0.04), "✔ Far fewer"),
        (0.159, "✘ perfect sampler"),
        (0.3, "✘ more than there is"),
        (0.12, "✘ still half"),
        (16, "✘ between 0 and 1"),
        ("fewer", "from 0 to 1"),
    ],
    "03.2": [(0.2, "path"), (None, "path")],
    "03.4": [
        (True, "tuple of three"),
        (({}, {}, "yes"), "True if you trust"),
        (({}, {}, 1), "True if you trust"),
        (({}, {}, True), "samples"),
    ],
}


# With what a reader may have written otherwise as data: 0 or 1, or a width
GIVEN_TAU = """
data {
  int N, J;
  array[N] int group;
  vector[N] y;
  real<lower=0> tau;
  int power, by_sigma, cells_by_tau;
  real theta_width, sigma_width;
}
parameters {
  real theta;
  real<lower=0> sigma;
  vector[J] mu;
}
model {
  theta ~ normal(10, theta_width);
  sigma ~ normal(0, sigma_width);
  mu ~ normal(theta, by_sigma ? sigma : tau ^ power);
  y ~ normal(mu[group], cells_by_tau ? tau : sigma);
}
"""


def test_03_2_a_given_tau_has_to_be_the_spread_of_the_groups(tmp_path, given):
    path = tmp_path / "given_tau.stan"
    path.write_text(GIVEN_TAU, "utf-8")
    right = {"power": 1, "by_sigma": 0, "cells_by_tau": 0, "theta_width": 3, "sigma_width": 5}
    given(**right)
    says("03.2", path, "✔ No funnel")
    for wrong in (
        {"power": 2},
        {"by_sigma": 1},
        {"cells_by_tau": 1},
        {"theta_width": 1000},
        {"sigma_width": 1000},
        {"group": [1, 2] * 5},
    ):
        given(**right | wrong)
        says("03.2", path, "✘ Do groups vary by τ, and cells by σ")


def test_03_2_a_tau_among_the_parameters_is_not_given(drawn):
    drawn(perfect(DATA))
    says("03.2", "reader.stan", "✘ τ is a parameter of your program")


def test_03_4_a_diagnosis_is_held_against_alarms_and_the_truth():
    one, every = perfect(OWN), np.arange(4000).reshape(4, 1000)
    walk = with_tau(one, lambda tau: np.sort(tau, axis=1))
    apart = with_tau(one, lambda tau: tau + every // 1000)
    kick, few = perfect(OWN, kick=0.05), perfect(OWN, diverging=every % 500 == 0)
    deep = perfect(OWN, tree_depth=np.where(every % 50 == 0, 10, 3))
    elsewhere = with_tau(one, lambda tau: tau + 0.5)  # as of a table of the same shape
    for samples, trust, words in [
        (one, True, "✔ 0 of four alarms ring, with 0 div.*MCSEs"),
        (one, False, "✘ What makes you doubt"),
        (kick, False, "✔ 1 of four alarms"),
        (kick, True, r"✘ [1-4] of 4 are ringing for τ. Which"),
        (walk, np.bool_(False), r"✔ ^3 of four alarms ring.*off by [^M]*$"),
        (walk, True, r"✘ [1-4] of 4 are ringing for τ. Which"),
        (apart, True, r"✘ [1-4] of 4 are ringing for τ. Which"),
        (few, True, "✔ with 8 divergences"),  # it depends on where they are
        (few, False, "✔ with 8 divergences"),
        (deep, True, "✔ 0 of four alarms"),  # trees as deep as they may be: slow, not wrong
        (deep, False, "✔ 0 of four alarms"),
        (perfect(DATA), True, "✘ of another fit"),
        (elsewhere, True, r"✘ mean of τ is \d\d MCSEs off"),
        (elsewhere, False, r"✔ 0 of four alarms.*\d\d\.\d MCSEs"),
    ]:
        says("03.4", (OWN, samples, trust), words)
