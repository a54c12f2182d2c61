"""The checks of lesson 6 know right answers in any form, and have a hint for each typical mistake."""

from math import isclose, nan

import numpy as np
from answering import TestAnswers, given, says  # noqa: F401

import helpers
from helpers.checks import lesson_05, lesson_06
from helpers.data import LEVELS

ONE_LEVEL = lesson_05.one_level([1.0, 2.0], [1, 1])
OWN_TREE = {
    "data": helpers.stan_data(helpers.measurements(), LEVELS, "y", remark=False)[0],
    "prior": {},
    "tau": [1] * 3,
    "nodes": 3,
}
REPORT = {"scale": 5, "sd": [1.70, 1.94]}

ANSWERS = {
    "06.1": [
        ({"least": "Day", "moves": "day"}, "✔"),
        ({"least": "colony", "moves": "day"}, "✘ 'least': .*nodes"),
        ({"least": "batch", "moves": "day"}, "✘ 'least': .*few"),
        ({"least": "day", "moves": "colony"}, "✘ 'moves'"),
        ({"least": "monday", "moves": "day"}, "'monday': .*'batch'"),
        ("day", "a str: .*'moves'"),
    ],
    "06.2": [(1.06, "a float: .*path")],
    "06.3": [
        (REPORT, "✔"),
        ({"Scale": 5, "sd": np.array([1.70, 1.94])}, "✔ Twice the scale makes it 14% larger"),
        (REPORT | {"sd": [1.94, 1.70]}, "✘ reverse order"),
        (REPORT | {"sd": [1.70**2, 1.94**2]}, "✘ variances"),
        (REPORT | {"sd": [1.70, 1.70]}, "✘ same number twice"),
        (REPORT | {"sd": [1.70, 2.5]}, "✘ The first is right"),
        (REPORT | {"sd": [1.06, 1.06]}, "✘ The first is not"),
        (REPORT | {"scale": 0}, "✘ A scale of 0 forbids"),
        (REPORT | {"scale": 500}, "✘ A scale of 500 expects"),
        (REPORT | {"sd": 1.70}, "a float: .*'sd'"),
        (REPORT | {"sd": [1.70]}, "length 1: give two"),
        (REPORT | {"scale": "5"}, "a str: .*'scale'"),
        ([1.70, 1.94], "a list: .*'scale'"),
    ],
    "06.4": [
        (OWN_TREE["data"], "'prior'"),
        (OWN_TREE | {"data": 3}, "an int: .*stan_data"),
        (OWN_TREE | {"data": ONE_LEVEL}, "two levels"),
        (OWN_TREE | {"tau": 3}, "an int: .*'tau'"),
        (OWN_TREE | {"tau": [nan] * 2}, "nan.*'tau'"),
    ],
}


def test_06_1_a_marginal_reweighted_is_what_the_other_prior_gives():
    data = lesson_05.one_level(lesson_05.EFFECT, lesson_05.ERROR)
    exact, doubled = (helpers.exact_posterior(data, {"tau": tau}, sigma=[9] * 8) for tau in (5, 10))
    truth = doubled.mean("tau") / exact.mean("tau") - 1
    assert isclose(lesson_06.rise(exact, "tau", scale=5, to=40), truth, rel_tol=0.01)


CLASSES = """
data {
  int<lower=1> N, J_1, J_2;
  array[J_2] int<lower=1, upper=J_1> index_1;
  array[N] int<lower=1, upper=J_2> index_2;
  vector[N] y;
  int which;
}
parameters {
  real theta;
  vector<lower=0>[2] tau;
  real<lower=0> sigma;
  vector[J_1] theta_1_tilde;
  vector[J_2] theta_2_tilde;
}
transformed parameters {
  vector[J_1] theta_1 = theta + tau[which == 1 ? 2 : 1] * theta_1_tilde;
  vector[J_2] theta_2 = theta_1[index_1] + tau[which == 1 || which == 2 ? 1 : 2] * theta_2_tilde;
}
model {
  theta ~ normal(50, 20);
  tau ~ normal(0, which == 3 ? 1 : 10);
  sigma ~ normal(0, 20);
  theta_1_tilde ~ std_normal();
  theta_2_tilde ~ std_normal();
  y ~ normal(theta_2[index_2], sigma);
}
generated quantities {
  vector[5] pupils = [normal_rng(normal_rng(theta_1[1], tau[2]), sigma),
                      normal_rng(theta_1[1], sigma), normal_rng(theta_2[1], sqrt(dot_self([sigma, tau[2]]))),
                      normal_rng(theta, sqrt(dot_self([sigma, tau[1], tau[2]]))),
                      normal_rng(theta_1[1], sigma + tau[2])]';
  real y_new = pupils[1];
}
"""


def test_06_2_each_wrong_program_of_two_levels_is_told(tmp_path, given):
    path = tmp_path / "classes.stan"
    path.write_text(CLASSES, "utf-8")
    for which, words in enumerate(["✔", "✘ changed places", "✘ the same τ", "✘ from the exact one"]):
        given(which=which)
        says("06.2", path, words)
    hints = ["✔", "✘ 0.[89].* times the variance", "✘ not drawn", "✘ not drawn", "✘ 1.* times the variance"]
    for k, words in enumerate(hints):
        given(lambda post, k=k: post.assign(y_new=post["pupils"][..., k]), which=0)
        says("06.2", path, words)
    given(lambda post: post.drop_vars("y_new"), which=0)
    says("06.2", path, "✘ no 'y_new'")
    given(lambda post: post.assign(tau=post["tau"][..., 0]), which=0)
    says("06.2", path, r"✘ no 'tau\[1\]'")


def test_06_4_a_tree_of_ones_own_is_held_against_the_exact_one():
    df = helpers.simulate([3, 5, 6], theta=50, tau=[3, 2], sigma=4, seed=1, levels=["school", "class"])
    data, _ = helpers.stan_data(df, levels=["school", "class"], values="y", remark=False)
    prior = {"theta": (50, 20), "tau": [10, 10], "sigma": 20}
    exact = helpers.exact_posterior(data, prior, shared_tau=False, tolerance=1e-6)
    tau = np.array([exact.mean("tau[1]"), exact.mean("tau[2]")])
    answer = {"data": data, "prior": prior, "tau": tau.tolist(), "nodes": 3}
    for change, words in [
        ({"tau": [tau[0] + 0.2 * exact.sd("tau[1]"), tau[1]], "nodes": np.int64(3)}, "✔"),
        ({"nodes": 15}, "✘ larger posterior standard deviation"),
        ({"nodes": 90}, "✘ 3, 15"),
        ({"tau": tau[::-1]}, "✘ reverse"),
        ({"tau": tau * [1, 4]}, "✘ level 2.*own τs"),
        ({"prior": prior | {"tau": [1, 1]}}, "✘ priors"),
        ({"tau": tau[:1]}, "✘ 1 entries"),
    ]:
        says("06.4", answer | change, words)
