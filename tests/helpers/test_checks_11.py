"""The checks of lesson 11 know right answers in any form, and have a hint for each typical mistake."""

from math import inf

import numpy as np
from answering import TestAnswers, given, of, says, switch  # noqa: F401
from scipy.stats import multivariate_normal

import helpers
from helpers.data import LEVELS


def normal(covariance, at=(9, 10, 14)):
    return multivariate_normal(np.full(len(at), 10), covariance).logpdf(at)


OWN_TREE = {
    "data": helpers.stan_data(helpers.measurements(), LEVELS, "y", remark=False)[0],
    "prior": {},
    "tau": [1] * 3,
    "nodes": 3,
}
THREE = np.array([[10.25, 9, 9], [9, 10.25, 9.25], [9, 9.25, 10.25]])
P = 0.8 + 4 / 3
SMALL = {"q_1": 0.8, "q_2": 4 / 3, "P": P, "m": 23.2 / P, "limit": 4, "log_p": normal(THREE)}
FIXED = {"integrated": 0.1537, "fixed": 0.0087}

ANSWERS = {
    "11.1": [
        ({name: round(x, 3) for name, x in SMALL.items()}, "✔"),
        (SMALL | {"P": np.float64(P)}, "✔"),
        *of(SMALL, "q_1", {1: "'q_1'.*about their group", 1 / 1.5: "square", 1.25: "a variance"}),
        *of(SMALL, "q_2", {2: "'q_2'.*about their group", 0.8: "'q_2'.*two cells", 1 / 2.25: "two cells"}),
        *of(SMALL, "q_2", {1 / (0.5 + 0.5**0.5): "square", 0.75: "a variance"}),
        (SMALL | {"q_1": 0.1}, "✘ 'q_1'.*two steps"),
        (SMALL | {"P": P / 2}, "✘ 'P'"),
        *of(
            SMALL, "m", {10.5: "groups count alike", 11: "cells count alike", 23.2: "by P", 9: "its own mean"}
        ),
        *of(SMALL, "limit", {inf: "the other", 2: "one over a variance", 0.25: "one over", 1: "Which term"}),
        (SMALL | {"log_p": normal(THREE - 9)}, "✘ uncertainty of θ"),
        (SMALL | {"log_p": normal(np.full((3, 3), 9.25) + np.eye(3))}, "✘ only those of one group"),
        (SMALL | {"log_p": normal(np.full((3, 3), 9) + 1.25 * np.eye(3))}, "✘ Cells 2 and 3"),
        (SMALL | {"log_p": normal(10.25 * np.eye(3))}, "✘ not independent"),
        *of(SMALL, "log_p", {normal([[10.25, 9], [9, 9.75]], at=(9, 12)): "two means", -7: "log_density"}),
        ([0.5, 0.67], "a list: .*'q_1'"),
        (SMALL | {"P": [1]}, "a list: .*'P'"),
    ],
    "11.2": [(2, "an int: .*path")],
    "11.3": [
        (FIXED, "✔ 18 times"),
        ({"Integrated": np.float64(0.16), "FIXED": np.array([0.009])}, "✔"),
        *of(FIXED, "integrated", {0.186: "the mean of τ", 0.024: "draws of τ"}),
        *of(FIXED, "fixed", {0.061: "the mean of τ", 0.154: "integrated out", 7.6e-5: "a variance"}),
        (FIXED | {"fixed": 0.02}, "✘ 28 normal densities"),
        (0.15, "a float: .*'fixed'"),
        (FIXED | {"fixed": None}, "a NoneType: .*'fixed'"),
    ],
    "11.4": [
        ({"data": OWN_TREE["data"], "tau": [1], "best": 2}, "a dict: .*tree_data"),
        ([1], "a list: .*'best'"),
    ],
}


SCHOOLS = [
    ({}, "✔ had back"),
    ({"sd": "rep_vector(tau, N)"}, "✘ standard errors"),
    ({"sd": "square(tau) + square(sigma)"}, "✘ too small"),
    ({"tau": "tau ~ normal(0, 5);"}, "✘ half-normal"),
    ({"tau": "tau ~ cauchy(0, 10);"}, "✘ of scale 5"),
    ({"theta": ""}, "✘ theta seems to have no prior"),
    ({"tau": ""}, "✘ Has each its prior"),
]


def test_11_2_each_mistake_in_a_program_without_schools_is_told(tmp_path, given):
    usual = {"theta": "theta ~ normal(0, 5);", "tau": "tau ~ cauchy(0, 5);"}
    usual |= {"sd": "sqrt(square(tau) + square(sigma))"}
    cases = [usual | case for case, _ in SCHOOLS]
    path = tmp_path / "schools.stan"
    path.write_text(f"""
data {{ int N; vector[N] y; vector[N] sigma; int which; }}
parameters {{ real theta; real<lower=0> tau; }}
model {{ {switch("{theta} {tau} y ~ normal(theta, {sd});".format(**case) for case in cases)} }}
""")
    for which, (_, words) in enumerate(SCHOOLS):
        given(which=which)
        says("11.2", path, words)


def test_11_2_schools_may_be_left_out_altogether_and_not_moved(tmp_path):
    other = tmp_path / "other.stan"
    other.write_text("""
data { int N; vector[N] y; vector[N] sigma; }
parameters { real x; real log_tau; }
transformed parameters { real theta = 5 * x; real tau = exp(log_tau); }
model {
  x ~ std_normal();
  target += cauchy_lpdf(tau | 0, 5) + log_tau;
  y ~ multi_normal(rep_vector(theta, N), diag_matrix(square(tau) + square(sigma)));
}
""")
    says("11.2", str(other), "✔ had back")
    says("11.2", helpers.stan_file("schools_noncentered"), "✘ draws are right.*theta_1_tilde")


def test_11_4_a_large_tree_of_ones_own_is_sampled_once_more():
    df = helpers.simulate([10, 8, 6], theta=10, tau=[1, 0.4], sigma=0.5, seed=4, levels=["a", "b"])
    data, _ = helpers.stan_data(df, levels=["a", "b"], values="y", remark=False)
    exact = helpers.exact_posterior(data, shared_tau=False, tolerance=1e-6)
    tau = np.array([exact.mean("tau[1]"), exact.mean("tau[2]")])
    answer = {"data": helpers.tree_data(data, shared_tau=False), "tau": tau.tolist(), "best": 2}
    for change, words in [
        ({"tau": tau - [0.2 * exact.sd("tau[1]"), 0]}, "✔"),
        ({"best": 1}, "✘ count the levels from 1"),
        ({"best": 3}, "✘ smallest"),
        ({"tau": tau[::-1]}, "✘ reverse"),
        ({"tau": [tau[0], tau[1] ** 2]}, "✘ level 2"),
        ({"tau": tau[:1]}, "✘ 1 entries"),
        ({"data": helpers.tree_data(data)}, "✘ shared_tau=False"),
        ({"best": "colony"}, "number of a level"),
    ]:
        says("11.4", answer | change, words)
