"""The checks of lesson 9 know right answers in any form, and have a hint for each typical mistake."""

import numpy as np
import polars as pl
import pytest
from answering import edited, given, of, rows, says, switch  # noqa: F401

import helpers
from helpers.checks import exercises, lesson_09

WEAK = {"wide": 0.6475, "narrow": 0.0148}
NONE = {"mean": 0.232, "upper": 0.3963}
SURE = {"low": 0.226, "high": 1.096, "none": 0.088}
EVIDENCE = {"as they are": -1.27, "one slip": 19.06}
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
    "09.2": [
        ({"mean": np.array([0.229]), "upper": 0.405}, "✔"),
        *of(NONE, "mean", {0: "proportion", 1 / 9: "alone", 39 / 131: "all worms in one", 0.246: "median"}),
        *of(NONE, "mean", {0.209: "mean log odds", 0.289: "typical", 0.277: "another", -1.33: "below 0"}),
        *of(NONE, "mean", {23.2: "per cent", 0.6: "fourth row"}),
        *of(NONE, "upper", {0.37: "95%", 0.44: "θ. Take", 0.42: "not normal", 0.9: "97.5%"}),
        (NONE | {"upper": -0.42}, "✘ below 0"),
        ({"mean": 0.232}, "'upper'"),
    ],
    "09.3": [
        ({"low": 0.22, "high": np.float64(1.1), "none": 0.107}, "✔"),
        *[(SURE | dict(zip(("low", "high"), ends, strict=True)), f"✘ {words}") for ends, words in [
            ((0.223, 0.473), "τ of plates"),
            ((0.254, 0.472), "have one τ"),
            ((0.301, 1.167), "too sure"),
            ((0.257, 0.951), "90%"),
            ((1.096, 0.226), "swapped"),
            ((0.1, 2), "97.5%"),
        ]],
        *of(SURE, "none", {0.328: "with a factor", 0.53: "cultures", 0.2: "the mean", 0: "too small"}),
        ([0.2, 1.1, 0.1], "a list: .*'none'"),
    ],
    "09.4": [
        ({"as they are": -1.3, "one slip": 19.1}, "✔"),
        *of(EVIDENCE, "as they are", {1.275: "'as they are'.*other way", 0.2795: "ratio", -0.5535: "ten"}),
        *of(EVIDENCE, "one slip", {-19.06: "'one slip'.*other way", 1.89e8: "ratio", 8.277: "powers of ten"}),
        *of(EVIDENCE, "one slip", {-82.83: "one model", 25: "nu 4"}),
        ({"as they are": 19.06, "one slip": -1.27}, "✘ swapped"),
        (19.06, "'one slip'"),
    ],
    "09.5": [({"program": "worms.stan"}, "a dict: .*path")],
    "09.6": [
        (TREE, "'prior'"),
        (OWN | {"data": [9, 12, 18]}, "a list: .*stan_data"),
        (OWN | {"likelihood": "normal"}, "'normal'.*'poisson'"),
        (OWN | {"theta": "about 0"}, "a str: .*'theta'"),
    ],
}  # fmt: skip


@pytest.mark.parametrize(("number", "answer", "words"), rows(ANSWERS))
def test_an_answer_is_told_what_it_is_and_what_to_look_at(number, answer, words):
    says(number, answer, words)


def test_every_check_is_tried_with_answers_of_the_wrong_kind():
    refusing = {number for number, _, words in rows(ANSWERS) if words[0] not in "✔✘"}
    assert sorted(refusing) == [number for number in exercises() if number.startswith("09.")]


def test_09_3_knows_the_intervals_of_the_table_in_the_lesson():
    rng = np.random.default_rng(6)
    culture, ml = np.repeat(np.arange(1, 7), 5), np.tile([0.1, 0.1, 0.1, 0.2, 0.2], 6)
    log_rate = np.log(300) + rng.normal(0, 0.3, 6)[culture - 1] + rng.normal(0, 0.3, 30)
    table = {"J_1": 6, "index_1": culture, "count": rng.poisson(ml * np.exp(log_rate)), "exposure": ml}
    plates = table | {"J_2": 30, "index_2": np.arange(1, 31)}
    asked = {"prior": {"theta": (5.5, 1.5), "tau": 1}, "values": "count", "likelihood": "poisson"}
    own = helpers.exact_posterior(plates, **asked, shared_tau=False, tolerance=1e-4)
    found = [(own, "tau[1]"), (own, "tau[2]")]
    found += [(helpers.exact_posterior(data, **asked, tolerance=1e-4), "tau") for data in (plates, table)]
    known = [lesson_09.INTERVAL, *(ends for ends, _ in lesson_09.OTHERS[:3])]
    for (exact, name), ends in zip(found, known, strict=True):
        assert exact.quantile(name, [0.025, 0.975]) == pytest.approx(ends, abs=1e-4)


# What is not as it should be in a program for worms, and what is said of it. A right program is refused if
# one of four means is five Monte Carlo standard errors off, once in 400,000 times. Mistakes lie further off.
WORMS = [
    ({}, "✔ For other counts"),
    ({"likelihood": "target += binomial_lpmf(reversed | trials, inv_logit(theta_1));"}, "✔"),
    ({"tau": "tau ~ normal(0, 5);"}, "✘ tau's scale"),
    ({"tau": "tau ~ cauchy(0, 5);"}, "✘ tau's scale"),
    ({"tau": "tau ~ cauchy(0, 1);"}, "✘ still a half-Cauchy"),
    ({"tau": ""}, "✘ tau comes out too large"),
    ({"theta": "theta ~ normal(0, 5);"}, "✘ theta still that of the schools"),
    ({"theta": ""}, "✘ none at all"),
    ({"theta": "theta ~ normal(0, 1.5^2);"}, "✘ a standard deviation"),
    ({"theta": "theta ~ normal(0, 5);", "tau": "tau ~ cauchy(0, 5);"}, "✘ theta and tau seem"),
    ({"offset": ""}, "✘ Have the offsets|disagree"),
    ({"offset": "offset_1 ~ normal(0, tau);"}, "✘ not those of this model"),
    ({"likelihood": "reversed ~ binomial(trials, Phi(theta_1));"}, "✘ probit"),
    ({"likelihood": "reversed ~ binomial_logit(trials, rep_vector(theta, J_1));"}, "✘ its own counts"),
]


def test_09_5_each_mistake_in_a_program_for_worms_is_told(tmp_path, given):
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
        says("09.5", path, words)


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


def test_09_5_a_centered_program_is_right_and_told_that_it_is(tmp_path, given):
    path = tmp_path / "centered_worms.stan"
    path.write_text(CENTERED)
    given(which=0)
    says("09.5", path, "✔ this is centered")
    given(which=1)
    says("09.5", path, "✘ probability|binomial")


def test_09_6_data_of_ones_own_are_held_against_the_exact_one():
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
        says("09.6", right | change, words)
    with pytest.raises(ValueError, match="no default prior"):
        helpers.check("09.6", right | {"prior": {}})


def test_evidence_that_the_check_knows_is_that_of_the_exact_posterior():
    cells = helpers.measurements()
    wrong = pl.when(pl.int_range(pl.len()) == 0).then(pl.col("y") + 10).otherwise("y")
    for name, table in {"as they are": cells, "one slip": cells.with_columns(y=wrong)}.items():
        data, _ = helpers.stan_data(table, helpers.LEVELS, "y")
        models = [{}, {"likelihood": "student_t", "nu": 4, "tolerance": 1e-6}]
        found = [helpers.exact_posterior(data, helpers.PRIOR, **model).log_evidence for model in models]
        assert lesson_09.EVIDENCE[name] == pytest.approx(found, abs=1e-5)
