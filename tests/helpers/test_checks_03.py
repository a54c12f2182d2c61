"""The checks of lesson 3 know right answers in any form, and have a hint for each typical mistake."""

import arviz
import numpy as np
import pytest
from answering import drawn, edited, given, perfect, rows, says, with_tau  # noqa: F401

import helpers
from helpers.checks import exercises
from helpers.data import LEVELS


def read(df, levels):
    return helpers.stan_data(df, levels, "y", remark=False)[0]


DATA = read(helpers.measurements(), LEVELS)
OWN_LEVELS = ["class", "pupil"]  # of a reader
OWN = read(helpers.simulate([6, 4, 5], theta=10, tau=1.5, sigma=1, seed=3, levels=OWN_LEVELS), OWN_LEVELS)

ANSWERS = {
    "03.1": [
        (lambda c: float(arviz.rhat(np.array([c[:500], c[500:]]))), "✔ first of two hills"),
        (lambda c: arviz.rhat(c.reshape(2, -1), method="identity"), "✔ two hills"),
        (lambda c: arviz.rhat(c.reshape(-1, 2).T, method="identity"), "✘ draws 1, 3, 5"),
        (lambda c: arviz.rhat(c[None]), "✘ nan: R-hat needs"),
        (arviz.rhat, "✘ an array with two rows"),
        (lambda c: 1.0, "✘ jumps halfway"),
        (lambda c: arviz.rhat(np.array([c[:333], c[-333:]])), "✘ leave no draw out"),
        (lambda c: 1 + abs(c[500:].mean() - c[:500].mean() > 5), "✘ climbs all the time"),
        (np.std, "✘ other units"),
        (lambda c: 2.0, "✘ near 1"),
        (1.01, "without calling it"),
        (lambda c: [1.0, 1.0], "returns one number"),
    ],
    "03.2": [
        (0, "✔ Far fewer"),
        (np.float64(0.04), "✔ Far fewer"),
        (0.159, "✘ perfect sampler"),
        (0.3, "✘ More than there is"),
        (0.12, "✘ half of it or more"),
        (16, "✘ between 0 and 1"),
        ("fewer", "from 0 to 1"),
    ],
    "03.3": [(0.2, "path"), (None, "path")],
    "03.4": [
        (True, "tuple of three"),
        (({}, {}, "yes"), "True if you trust"),
        (({}, {}, 1), "True if you trust"),
        (({}, {}, True), "samples"),
    ],
}


@pytest.mark.parametrize(("number", "answer", "words"), rows(ANSWERS))
def test_an_answer_is_told_what_it_is_and_what_to_look_at(number, answer, words):
    says(number, answer, words)


def test_every_check_is_tried_with_answers_of_the_wrong_kind():
    refusing = [
        number for number, group in ANSWERS.items() if any(words[0] not in "✔✘" for _, words in group)
    ]
    assert refusing == [number for number in exercises() if number.startswith("03.")]


def test_03_3_a_fixed_tau_has_to_be_used_in_all_three_levels(edited, given):
    declared = "  real<lower=0> tau;\n"
    used = [  # σ in place of τ where a part is 0
        (f"tau * theta_{k}_tilde", f"(part[{k}] == 0 ? sigma : part[{k}] * tau ^ power) * theta_{k}_tilde")
        for k in (1, 2, 3)
    ]
    width = ("theta ~ normal(10, 3)", "theta ~ normal(10, width)")
    items = f"data {{\n{declared}  vector[3] part; real power; real width;\n"
    path = edited("noncentered", (declared, ""), ("data {\n", items), *used, width)
    right = {"part": [1, 1, 1], "power": 1, "width": 3}
    for wrong in (
        {},
        {"part": [0.2, 1, 1]},
        {"part": [1, 1, 0]},
        {"power": 2},
        {"width": 1000},
    ):
        given(**right | wrong)
        says("03.3", path, "✘ the τ that it is given" if wrong else "✔ No funnel")


def test_03_3_the_program_as_it_was_still_has_tau_as_parameter(drawn):
    drawn(perfect(DATA))
    says("03.3", "reader.stan", "✘ still a parameter")


def test_03_4_a_diagnosis_is_held_against_alarms_and_the_truth():
    one, every = perfect(OWN), np.arange(4000).reshape(4, 1000)
    walk = with_tau(one, lambda tau: np.sort(tau, axis=1))
    apart = with_tau(one, lambda tau: tau + every // 1000)
    kick, few = perfect(OWN, kick=0.05), perfect(OWN, diverging=every % 500 == 0)
    deep = perfect(OWN, tree_depth=np.where(every % 50 == 0, 10, 3))
    elsewhere = with_tau(one, lambda tau: tau + 0.5)  # as of a table of the same shape
    for samples, trust, words in [
        (one, True, "✔ 0 of four alarms sound, with 0 div.*MCSEs"),
        (one, False, "✘ What makes you doubt"),
        (kick, False, "✔ 1 of four alarms"),
        (kick, True, r"✘ [1-4] of 4 sound for τ. Which"),
        (walk, np.bool_(False), r"✔ ^3 of four alarms sound.*off by [^M]*$"),
        (walk, True, r"✘ [1-4] of 4 sound for τ. Which"),
        (apart, True, r"✘ [1-4] of 4 sound for τ. Which"),
        (few, True, "✔ with 8 divergences"),  # it depends on where they are
        (few, False, "✔ with 8 divergences"),
        (deep, True, "✔ 0 of four alarms"),  # trees as deep as they may be: slow, not wrong
        (deep, False, "✔ 0 of four alarms"),
        (perfect(DATA), True, "✘ of another fit"),
        (elsewhere, True, r"✘ mean of τ is \d\d MCSEs off"),
        (elsewhere, False, r"✔ 0 of four alarms.*\d\d\.\d MCSEs"),
    ]:
        says("03.4", (OWN, samples, trust), words)


def slow(tau):
    """Walk through the same values slowly, so that few of them count."""
    return np.sort(tau.reshape(4, 50, 20), axis=2).reshape(4, 1000)
