"""The checks of lesson 9 know right answers in any form, and have a hint for each typical mistake."""

import numpy as np
import polars as pl
import pytest
from answering import TestAnswers, given, of, says, switch  # noqa: F401

import helpers
from helpers.checks import lesson_09

WEAK = {"wide": 0.6475, "narrow": 0.0148}
TREE = {"J_1": 3, "index_1": [1, 2, 3], "up": [9, 12, 18], "trials": [35, 35, 54]}
OWN = {"data": TREE, "prior": lesson_09.PRIOR, "values": "up", "likelihood": "binomial", "theta": -0.75}

ANSWERS = {
    "09.1": [
        ({"Wide": np.float64(0.65), "narrow": pl.Series([0.0135])}, "✔"),
        ({"wide": 0.64, "narrow": "0.015"}, "a str: .*'narrow'"),
        ({"wide": 0.0148, "narrow": 0.6475}, "✘ swapped"),
        ({"wide": 64.7, "narrow": 1.48}, "✘ 'wide'.*per cent"),
        *of(WEAK, "wide", {0.324: "'wide'.*one end", 0.352: "'wide'.*between", 0.57: "'wide': draw θ"}),
        *of(WEAK, "narrow", {0.0022: "'narrow'.*a step of τ", 0.0074: "'narrow'.*one end"}),
        *of(WEAK, "narrow", {0.0108: "'narrow': draw θ.*then τ", 0.03: "'narrow'.*enough draws"}),
        (0.65, "a float: .*'narrow'"),
    ],
    "09.2": [({"program": "worms.stan"}, "a dict: .*path")],
    "09.4": [
        (TREE, "'prior'"),
        (OWN | {"data": [9, 12, 18]}, "a list: .*stan_data"),
        (OWN | {"likelihood": "normal"}, "'normal'.*'poisson'"),
        (OWN | {"theta": "about 0"}, "a str: .*'theta'"),
    ],
}  # fmt: skip


# What is not as it should be in a program for worms, and what is said of it. A right program is refused if
# one of four means is five Monte Carlo standard errors off, once in 400,000 times. Mistakes lie further off.
WORMS = [
    ({}, "✔ right for other counts"),
    ({"likelihood": "target += binomial_lpmf(reversed | trials, inv_logit(theta_1));"}, "✔"),
    ({"tau": "tau ~ normal(0, 5);"}, "✘ tau's scale"),
    ({"tau": "tau ~ cauchy(0, 5);"}, "✘ tau's scale"),
    ({"tau": "tau ~ cauchy(0, 1);"}, "✘ half-normal or half-Cauchy"),
    ({"tau": ""}, "✘ tau is too large"),
    ({"theta": "theta ~ normal(0, 5);"}, "✘ standard deviation 1.5"),
    ({"theta": ""}, "✘ Does theta have one"),
    ({"theta": "theta ~ normal(0, 1.5^2);"}, "✘ a standard deviation"),
    ({"theta": "theta ~ normal(0, 5);", "tau": "tau ~ cauchy(0, 5);"}, "✘ theta and tau seem"),
    ({"offset": ""}, "✘ Do the offsets|disagree"),
    ({"offset": "offset_1 ~ normal(0, tau);"}, "✘ not those of this model"),
    ({"likelihood": "reversed ~ binomial(trials, Phi(theta_1));"}, "✘ probit"),
    ({"likelihood": "reversed ~ binomial_logit(trials, rep_vector(theta, J_1));"}, "✘ its own counts"),
]


def test_09_2_each_mistake_in_a_program_for_worms_is_told(tmp_path, given):
    usual = {"theta": "theta ~ normal(0, 1.5);", "tau": "tau ~ normal(0, 1);"}
    usual |= {
        "offset": "offset_1 ~ std_normal();",
        "likelihood": "reversed ~ binomial_logit(trials, theta_1);",
    }
    path = tmp_path / "worms.stan"
    path.write_text(f"""
data {{ int J_1; array[J_1] int reversed; array[J_1] int trials; int which; }}
parameters {{ real theta; real<lower=0> tau; vector[J_1] offset_1; }}
transformed parameters {{ vector[J_1] theta_1 = theta + tau * offset_1; }}
model {{ {switch(" ".join((usual | case).values()) for case, _ in WORMS)} }}
""")
    for which, (_, words) in enumerate(WORMS):
        given(which=which)
        says("09.2", path, words)


CENTERED = """
data { int J_1; array[J_1] int reversed; array[J_1] int trials; int which; }
parameters { real theta; real<lower=0> tau; vector[J_1] theta_1; }
model {
  theta ~ normal(0, 1.5);
  tau ~ normal(0, 1);
  theta_1 ~ normal(theta, tau);
  if (which == 0) reversed ~ binomial_logit(trials, theta_1);
  else reversed ~ binomial(trials, theta_1);
}
"""


def test_09_2_a_centered_program_is_right_and_told_that_it_is(tmp_path, given):
    path = tmp_path / "centered_worms.stan"
    path.write_text(CENTERED)
    given(which=0)
    says("09.2", path, "✔ this is centered")
    given(which=1)
    says("09.2", path, "✘ probability|binomial")


def test_09_4_data_of_ones_own_are_held_against_the_exact_one():
    exact = helpers.exact_posterior(TREE, lesson_09.PRIOR, "up", likelihood="binomial")
    right = OWN | {"theta": exact.mean("theta") + 0.1 * exact.sd("theta")}
    counts = {"J_1": 3, "index_1": [1, 1, 2, 3], "n": [5, 3, 9, 30], "exposure": [1, 1, 2, 4]}
    rates = {"data": counts, "prior": {"theta": (1.5, 1.5), "tau": 1}, "values": "n", "likelihood": "Poisson"}
    rate = helpers.exact_posterior(counts, rates["prior"], "n", likelihood="poisson").mean("theta")
    for change, words in [
        ({}, "✔ probability is 0.1.* to 0.4"),
        (rates | {"theta": rate}, "✔ rate is"),
        (rates | {"theta": np.exp(rate)}, "✘ scale of the data"),
        ({"theta": 0.32}, "✘ scale of the data"),
        ({"theta": 1.0}, "✘ posterior standard deviations"),
        ({"prior": {"theta": (3, 0.5), "tau": 1}}, "✘ with this prior"),
    ]:
        says("09.4", right | change, words)
    with pytest.raises(ValueError, match="no default prior"):
        helpers.check("09.4", right | {"prior": {}})
