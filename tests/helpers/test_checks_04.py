"""The checks of lesson 4 know right answers in any form, and have a hint for each typical mistake."""

import arviz
import numpy as np
import polars as pl
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


def widths(of):
    return {tau: of(tau) for tau in (0.1, 1, 10)}


ANSWERS = {
    "04.1": [
        (lambda theta, tau, z: [theta - tau * one for one in z], "✔ knows nothing of τ"),
        (lambda theta, tau, z: theta + tau**2 * z, "✘ τ²"),
        (lambda theta, tau, z: theta + tau**0.5 * z, "✘ √τ"),
        (lambda theta, tau, z: theta + z, "✘ deviation of 1"),
        (lambda theta, tau, z: tau * z, "✘ where has θ gone"),
        (lambda theta, tau, z: tau * (theta + z), "✘ τ θ"),
        (lambda theta, tau, z: (z - theta) / tau, "✘ way back"),
        (lambda theta, tau, z: np.random.default_rng().normal(theta, tau, size=len(z)), "✘ only compute"),
        (lambda theta, tau, z: theta + tau * abs(z), "✘ not distributed"),
        (11.0, "without calling it"),
        (lambda theta, tau, z: 3, "a mean for each z"),
        (lambda theta, tau, z: z[:3], "a mean for each z"),
    ],
    "04.2": [
        ({"0.1": 3, "1": 0.3, "10.0": 0.03}, "✔ falls as τ grows"),
        ({0.3 / 3: 3, np.int64(1): 0.3, 10: pl.Series([0.03])}, "✔ falls as τ grows"),
        (widths(lambda tau: (1 + (tau / 0.3) ** 2) ** -0.5), "✔ With the prior"),
        ({0.1: 1, 1: 0.3, 10: 0.03}, "✔ With the prior"),
        (widths(lambda tau: 0.3), "✘ how closely the mean"),
        (widths(lambda tau: 0.3 * tau), "✘ multiply by τ"),
        (widths(lambda tau: tau / 0.3), "✘ how many τ"),
        (widths(lambda tau: 1), "✘ prior of the offset"),
        (widths(lambda tau: 0.3 / tau**2), "✘ dividing by τ"),
        ([3, 0.3, 0.03], "dictionary"),
        ({0.1: 3}, "no 1: give"),
        ({0.1: "wide", 1: 0.3, 10: 0.03}, "standard deviations"),
    ],
    "04.3": [(1.1, "path")],
    "04.4": [("centered", "a tuple"), (({}, {}, "centered"), "'centered'"), (({}, {}, 1, {}, 2), "a tuple")],
}


@pytest.mark.parametrize(("number", "answer", "words"), rows(ANSWERS))
def test_an_answer_is_told_what_it_is_and_what_to_look_at(number, answer, words):
    says(number, answer, words)


def test_every_check_is_tried_with_answers_of_the_wrong_kind():
    refusing = [
        number for number, group in ANSWERS.items() if any(words[0] not in "✔✘" for _, words in group)
    ]
    assert refusing == [number for number in exercises() if number.startswith("04.")]


NEXT_WEEK = """
generated quantities {
  int colony = categorical_rng(rep_vector(1.0 / J_3, J_3));
  int batch = index_2[colony];
  vector[10] cells = [
    normal_rng(theta, sqrt(3 * square(tau) + square(sigma))), normal_rng(theta, sigma),
    normal_rng(theta, sqrt(3) * tau), normal_rng(normal_rng(theta, tau), sigma),
    normal_rng(normal_rng(normal_rng(theta, tau), tau), sigma), normal_rng(theta, tau + sigma),
    normal_rng(theta_3[colony], sigma), normal_rng(normal_rng(theta_2[batch], tau), sigma),
    normal_rng(normal_rng(normal_rng(theta_1[index_1[batch]], tau), tau), sigma),
    normal_rng(10, sqrt(3 * square(tau) + square(sigma))) ]';
  real y_new = cells[1];
}
"""


def test_04_3_each_wrong_walk_from_theta_to_a_new_cell_is_told(tmp_path, given):
    path = tmp_path / "next_week.stan"
    path.write_text(helpers.stan_file("noncentered").read_text("utf-8") + NEXT_WEEK, "utf-8")
    words = ["✔ new colony, a new cell", "✘ directly from θ", "✘ strays from it by σ"]
    words += ["✘ Two levels are missing", "✘ A level is missing", "✘ Its variance is"]
    words += ["✘ about the θ of its draw"] * 4
    for k, said in enumerate(words):
        given(lambda post, k=k: post.assign(y_new=post["cells"][..., k]))
        says("04.3", path, said)
    given(lambda post: post.drop_vars("y_new"))
    says("04.3", path, "✘ no 'y_new'")
    given(lambda post: post.assign(tau=post["tau"] + 1))
    says("04.3", path, "✘ posterior of tau has changed")


def runs(data, gradients=(7, 7), centered=lambda tau: tau, noncentered=lambda tau: tau):
    """Two perfect samplers that cost something, and may be spoilt."""
    other = perfect(data, n_steps=gradients[1], offsets=True)
    one = with_tau(perfect(data, n_steps=gradients[0]), centered)
    return {"centered": one, "noncentered": with_tau(other, noncentered)}


def slow(tau):
    """Walk through the same values slowly, so that few of them count."""
    return np.sort(tau.reshape(4, 50, 20), axis=2).reshape(4, 1000)


def test_04_4_the_form_with_more_effective_draws_a_gradient_wins():
    cheap, slowed = runs(OWN, (7, 31)), runs(OWN, centered=slow)
    swapped = dict(zip(("noncentered", "centered"), runs(OWN).values(), strict=True))
    bare = {name: arviz.from_dict({"posterior": dict(run["posterior"])}) for name, run in cheap.items()}
    for samples, winner, words in [
        (cheap, "centered", "✔ per 1000 gradients"),
        (slowed, "noncentered", "✔ per 1000 gradients"),
        (cheap, "noncentered", "✘ the other one has more|what did they cost"),
        (runs(OWN, (7, 700), centered=slow), "noncentered", "✘ what did they cost"),
        (slowed, "centered", "✘ the other one has more"),
        (swapped, "centered", "✘ a mix-up"),
        (runs(DATA), "centered", "✘ of another fit"),
        (runs(OWN, (7, 31), centered=lambda tau: tau + 1), "centered", "✘ means nothing"),
        (bare, "centered", "give samples with what the sampler noted"),
    ]:
        says("04.4", (OWN, samples, winner), words)
