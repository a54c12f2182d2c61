"""The checks of lesson 10 know right answers in any form, and have a hint for each typical mistake."""

import numpy as np
import polars as pl
import pytest
from answering import changed, drawn, edited, given, of, perfect, rows, says, switch  # noqa: F401
from scipy.stats import multivariate_normal

import helpers
from helpers.checks import exercises, lesson_05
from helpers.data import LEVELS


def normal(covariance, at=(9, 10, 14)):
    return multivariate_normal(np.full(len(at), 10), covariance).logpdf(at)


FLIP = {"lambda": 2, "tau": 0.5, "left_out": 0.75}
WEIGHT = [1] * 5 + [0] * 40
ONE_LEVEL = lesson_05.one_level([1.0, 2.0], [1, 1])
PILOT = {"data": ONE_LEVEL, "tau": 1, "sigma": 1, "weight": [0, 0]}
OWN_TREE = {
    "data": helpers.stan_data(helpers.measurements(), LEVELS, "y", remark=False)[0],
    "prior": {},
    "tau": [1] * 3,
    "nodes": 3,
}

ANSWERS = {
    "10.1": [
        ({"lambda": 1, "tau": 8**-0.5, "left_out": 3 / 4}, "✔"),
        *of(FLIP, "tau", {0.25: "square of τ", 2: "solve"}),
        *of(FLIP, "left_out", {0.25: "you keep", 0.5: "square", 6: "as a share", 75: "per cent"}),
        (FLIP | {"left_out": 0.9}, "✘ divide n"),
        ({"lambda": 8, "tau": 1, "left_out": 0.75}, "✘ too high"),
        ({"lambda": 0.08, "tau": 0.1, "left_out": 0.75}, "✘ too low"),
        (FLIP | {"lambda": 0}, "✘ above 0"),
        (2, "an int: .*'left_out'"),
        (FLIP | {"tau": None}, "a NoneType: .*'tau'"),
    ],
    "10.2": [
        (np.array(WEIGHT) > 0, "✔"),
        (pl.Series(WEIGHT), "✔"),
        ([1] * 45, "✘ Group 6.*says less"),
        ([0] * 45, "✘ Group 1.*says more"),
        ([0] * 5 + [1] * 40, "✘ other way round"),
        ([1, 0], "✘ 2 weights.*45"),
        ([0.94] * 5 + [0.07] * 40, "✘ 0 or 1"),
        (1, "an int: .*45 weights"),
        ([[1], [0, 0]], "a list: .*45 weights"),
    ],
    "10.3": [(["program"], "a list: .*path")],
    "10.4": [
        (PILOT["data"], "'tau'"),
        (PILOT | {"data": [1, 2]}, "a list: .*stan_data"),
        (PILOT | {"data": OWN_TREE["data"]}, "one level"),
        (PILOT | {"weight": 1}, "an int: .*'weight'"),
    ],
}


@pytest.mark.parametrize(("number", "answer", "words"), rows(ANSWERS))
def test_an_answer_is_told_what_it_is_and_what_to_look_at(number, answer, words):
    says(number, answer, words)


def test_every_check_is_tried_with_answers_of_the_wrong_kind():
    refusing = {number for number, _, words in rows(ANSWERS) if words[0] not in "✔✘"}
    assert sorted(refusing) == [number for number in exercises() if number.startswith("10.")]


WHICH = ("\ndata {\n", "\ndata {\n  int which;\n")  # for `switch`


@pytest.mark.parametrize(
    ("program", "words"),
    [("noncentered", "theta_3 .*parameter"), ("centered", "theta_1 and theta_2 ")],
)
def test_10_3_right_draws_in_another_form_are_told(program, words):
    says("10.3", helpers.stan_file(program), f"✘ draws are right.*{words}")


def test_10_3_what_colonies_are_drawn_about_and_how_widely_is_told(edited, given):
    cases = {
        "for (j in 1:J_3) target += normal_lpdf(theta_3[j] | theta_2[index_2[j]], tau);": "✔",
        "theta_3 ~ std_normal();": "✘ ties theta_3",
        "theta_3 ~ normal(theta, tau);": "✘ about θ",
        "theta_3 ~ normal(theta_1[index_1[index_2]], tau);": "✘ about their days",
        "theta_3 ~ normal(theta_2[index_2], sigma);": "✘ which spread",
    }
    path = edited(
        "noncentered",
        ("  vector[J_3] theta_3_tilde;", "  vector[J_3] theta_3;"),
        ("  vector[J_3] theta_3 = theta_2[index_2] + tau * theta_3_tilde;\n", ""),
        ("  theta_3_tilde ~ std_normal();", switch(cases)),
        WHICH,
    )
    for which, words in enumerate(cases.values()):
        given(which=which)
        says("10.3", path, words)


def test_10_4_a_pilot_of_ones_own_groups_is_held_against_the_exact_one():
    sizes = np.array([1, 1, 1, 3, 3, 3, 60, 60, 60, 60])
    df = helpers.simulate([10, sizes.tolist()], theta=10, tau=0.6, sigma=1, seed=8, levels="group")
    data, _ = helpers.stan_data(df, levels="group", values="y")
    exact, narrow = helpers.exact_posterior(data), helpers.exact_posterior(data, {"tau": 0.05})
    tau, sigma = exact.mean("tau"), exact.mean("sigma")
    weight = (sizes * (tau / sigma) ** 2 > 2).astype(float)
    answer = {"data": data, "tau": tau, "sigma": sigma, "weight": weight}
    other = {"tau": narrow.mean("tau"), "sigma": narrow.mean("sigma")}
    quiet = sizes * (other["tau"] / other["sigma"]) ** 2 > 2
    for change, words in [
        ({"weight": [weight], "tau": tau + exact.sd("tau") / 2}, "✔"),
        ({"weight": weight > 0}, "✔"),
        ({"weight": np.where(sizes == 3, 1 - weight, weight)}, "✔"),  # these are open to both
        (other | {"prior": {"tau": 0.05}, "weight": quiet.astype(int)}, "✔"),
        ({"weight": 1 - weight}, "✘ other way round"),
        ({"weight": np.ones(10)}, "✘ Group 1.*says less"),
        ({"weight": weight[:9]}, "✘ 9 weights"),
        ({"weight": weight / 2}, "✘ 0 or 1"),
        ({"tau": sigma, "sigma": tau}, "✘ swapped"),
        ({"tau": 5}, "✘ 'tau'.*stuck"),
        ({"sigma": 5}, "✘ 'sigma'.*prior"),
        (other, "✘ 'tau'.*prior"),
    ]:
        says("10.4", answer | change, words)
    with pytest.raises(ValueError, match="give them as an item 'prior' of your answer"):
        helpers.check("10.4", answer | {"data": data | {"y": data["y"] + 1000}})
