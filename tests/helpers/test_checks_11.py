"""The checks of lesson 11 know right answers in any form, and have a hint for each typical mistake."""

from math import inf

import numpy as np
import pytest
from answering import changed, drawn, edited, given, of, perfect, rows, says, switch  # noqa: F401
from scipy.stats import multivariate_normal

import helpers
from helpers.checks import exercises, lesson_11, programs
from helpers.data import LEVELS


def voice(n, tau=0.6, sigma=0.9):
    return 1 / (tau**2 + sigma**2 / n)


def normal(covariance, at=(9, 10, 14)):
    return multivariate_normal(np.full(len(at), 10), covariance).logpdf(at)


OWN_TREE = {
    "data": helpers.stan_data(helpers.measurements(), LEVELS, "y", remark=False)[0],
    "prior": {},
    "tau": [1] * 3,
    "nodes": 3,
}
LOUD = {"limit": 1 / 0.36, "one": voice(60), "twenty": 20 * voice(3)}
THREE = np.array([[11, 9, 9], [9, 11, 10], [9, 10, 11]])
SMALL = {"q_1": 1 / 2, "q_2": 2 / 3, "P": 7 / 6, "m": 12.5 / (7 / 6), "log_p": normal(THREE)}

ANSWERS = {
    "11.1": [
        ({"limit": 2.78, "one": np.float64(2.68), "twenty": 31.7}, "✔"),
        *of(LOUD, "limit", {inf: "the other", 1 / 0.6: "square", 1 / 0.81: "Which term"}),
        *of(LOUD, "one", {1 / (0.6 + 0.9 / 60): "square", 60 / 0.81: "a step of τ away"}),
        *of(LOUD, "one", {60 * voice(1): "60 colonies", 1: "n = 60"}),
        *of(LOUD, "twenty", {voice(3): "one of the twenty", voice(3) / 20: "add up", 60: "three cells"}),
        (2.78, "a float: .*'twenty'"),
        (LOUD | {"limit": "1/tau²"}, "a str: .*'limit'"),
    ],
    "11.2": [
        ({name: round(x, 3) for name, x in SMALL.items()}, "✔"),
        (SMALL | {"q_1": 1}, "✘ 'q_1'.*of their group"),
        *of(SMALL, "q_2", {2: "'q_2'.*of their group", 0.5: "'q_2'.*two cells", 1 / 3: "'q_2'.*two cells"}),
        (SMALL | {"q_1": 0.1}, "✘ 'q_1'.*a step of τ"),
        (SMALL | {"P": 7 / 12}, "✘ 'P'"),
        *of(SMALL, "m", {10.5: "groups count alike", 11: "cells count alike", 12.5: "by P", 9: "9 and 12"}),
        (SMALL | {"log_p": normal(THREE - 9)}, "✘ uncertainty of θ"),
        (SMALL | {"log_p": normal(np.full((3, 3), 10) + np.eye(3))}, "✘ only those of one group"),
        (SMALL | {"log_p": normal(np.full((3, 3), 9) + 2 * np.eye(3))}, "✘ Cells 2 and 3"),
        (SMALL | {"log_p": normal(11 * np.eye(3))}, "✘ not independent"),
        *of(SMALL, "log_p", {normal([[11, 9], [9, 10.5]], at=(9, 12)): "two means", -7: "log_density"}),
        ([0.5, 0.67], "a list: .*'q_1'"),
        (SMALL | {"P": [1]}, "a list: .*'P'"),
    ],
    "11.3": [(2, "an int: .*path")],
    "11.4": [({"program": 1}, "a dict: .*path")],
    "11.5": [
        ({"data": OWN_TREE["data"], "tau": [1], "best": 2}, "a dict: .*tree_data"),
        ([1], "a list: .*'best'"),
    ],
}


@pytest.mark.parametrize(("number", "answer", "words"), rows(ANSWERS))
def test_an_answer_is_told_what_it_is_and_what_to_look_at(number, answer, words):
    says(number, answer, words)


def test_every_check_is_tried_with_answers_of_the_wrong_kind():
    refusing = {number for number, _, words in rows(ANSWERS) if words[0] not in "✔✘"}
    assert sorted(refusing) == [number for number in exercises() if number.startswith("11.")]


MEAN = "v * (y[j] / square(sigma[j]) + theta / square(tau))"

SCHOOLS = [
    ({"draw": f"normal_rng({MEAN}, sqrt(v))"}, "✔"),
    ({"sd": "rep_vector(tau, N)"}, "✘ standard errors"),
    ({"sd": "square(tau) + square(sigma)"}, "✘ too small"),
    ({"tau": "tau ~ normal(0, 5);"}, "✘ half-normal"),
    ({"tau": "tau ~ cauchy(0, 10);"}, "✘ of scale 5"),
    ({"theta": ""}, "✘ theta seems to have no prior"),
    ({"tau": ""}, "✘ Has each its prior"),
    ({"draw": f"normal_rng({MEAN}, v)"}, "✘ scatters too much or too little"),
    ({"draw": "normal_rng(theta, tau)"}, "✘ another mean"),
]


def test_11_3_each_mistake_in_a_program_without_schools_is_told(tmp_path, given):
    usual = {"theta": "theta ~ normal(0, 5);", "tau": "tau ~ cauchy(0, 5);"}
    usual |= {"sd": "sqrt(square(tau) + square(sigma))", "draw": "0"}
    cases = [usual | case for case, _ in SCHOOLS]
    path = tmp_path / "schools.stan"
    path.write_text(f"""
data {{ int N; vector[N] y; vector[N] sigma; int which; int drawn; }}
parameters {{ real theta; real<lower=0> tau; }}
model {{ {switch("{theta} {tau} y ~ normal(theta, {sd});".format(**case) for case in cases)} }}
generated quantities {{
  vector[drawn] theta_1;
  for (j in 1:drawn) {{
    real v = 1 / (1 / square(sigma[j]) + 1 / square(tau));
    {switch(f"theta_1[j] = {case['draw']};" for case in cases)}
  }}
}}
""")
    for which, (case, words) in enumerate(SCHOOLS):
        given(which=which, drawn=8 * ("draw" in case))
        says("11.3", path, words)


def test_11_3_schools_may_be_left_out_altogether_and_not_moved(tmp_path):
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
    says("11.3", str(other), "✔ had back")
    says("11.3", helpers.stan_file("schools_noncentered"), "✘ draws are right.*theta_1_tilde")


def test_11_4_the_slope_of_a_logarithm_and_what_it_is_mistaken_for(tmp_path, drawn):
    text, path = helpers.stan_file("tree_marginal").read_text("utf-8"), tmp_path / "ruler.stan"
    says("11.4", helpers.stan_file("tree_marginal"), "✘ no straight line")
    start, end = text.index("  real spread("), text.index("}\n\ndata {")
    curve = text[text.index("    real low ") : end].rsplit("}", 1)[0]
    for log_slope, words in [(curve, "✘ that of the old curve"), ("return x;", "✔")]:  # up to a constant
        functions = "real spread(real x, real scale) { return scale * exp(x); }\n"
        functions += f"real log_slope(real x, real scale) {{ {log_slope} }}\n"
        path.write_text(text[:start] + functions + text[end:])
        says("11.4", path, words)
    # The check looks at the density of each draw, so a wrong slope may be put in where a right one was.
    short = {"chains": 1, "iter_warmup": 200, "iter_sampling": 200, "sig_figs": 12}
    samples = programs.sample(path, lesson_11.five_groups()[0], **short)
    spreads = np.array([programs.by_chain(samples, name) for name in ("tau[1]", "sigma")])
    lp = samples["sample_stats"]["lp"].values
    rest = lp - np.log(spreads).sum(axis=0)
    drawn(samples)
    for slopes, words in [
        (0, "constant"),
        (spreads, "slope itself"),
        (-np.log(spreads), "sign"),
        (spreads**2, "is not"),
    ]:
        lp[:] = rest + np.sum(slopes, axis=0)
        says("11.4", path, f"✘ {words}")


def test_11_5_a_large_tree_of_ones_own_is_sampled_once_more():
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
        says("11.5", answer | change, words)
