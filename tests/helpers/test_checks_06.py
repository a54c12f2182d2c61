"""The checks of lesson 6 know right answers in any form, and have a hint for each typical mistake."""

from math import isclose, nan

import numpy as np
import pytest
from answering import changed, drawn, edited, given, of, perfect, rows, says, switch  # noqa: F401

import helpers
from helpers.checks import exercises, lesson_05, lesson_06
from helpers.data import LEVELS

ONE_LEVEL = lesson_05.one_level([1.0, 2.0], [1, 1])
PARENT = [0, 0, 1, 1, 2, 3, 4, 4, 4, 5, 5]
FLAT = {"J": [2, 3, 6], "parent": PARENT}
OWN_TREE = {
    "data": helpers.stan_data(helpers.measurements(), LEVELS, "y", remark=False)[0],
    "prior": {},
    "tau": [1] * 3,
    "nodes": 3,
}
WHICH = ("\ndata {\n", "\ndata {\n  int which;\n")  # for `switch`

ANSWERS = {
    "06.1": [
        ({"J": np.array([2, 3, 6]), "parent": tuple(PARENT)}, "✔"),
        (FLAT | {"parent": [0, 0, 1, 1, 2, 1, 2, 2, 2, 3, 3]}, "✘ anew"),
        (FLAT | {"parent": [p + 1 for p in PARENT]}, "✘ population as node 1"),
        (FLAT | {"parent": [p - 1 for p in PARENT]}, "✘ from 0"),
        (FLAT | {"parent": [0, 1, 1, 3, 4, 4, 4, 0, 2, 5, 5]}, "✘ another order"),
        (FLAT | {"parent": [0, 0, 1, 1, 2, 3, 4, 4, 5, 5, 5]}, "✘ node 9"),
        (FLAT | {"parent": [0, *PARENT]}, "✘ population has no parent"),
        (FLAT | {"parent": PARENT[:5]}, "✘ 5 entries"),
        (FLAT | {"J": [2, 5, 11]}, "✘ last node"),
        (FLAT | {"J": [1, 2, 3, 6]}, "✘ population"),
        (FLAT | {"J": [2, 3]}, "✘ count"),
        (PARENT, "a list: .*'parent'"),
        (FLAT | {"parent": [[0], [1]]}, "'parent'"),
    ],
    "06.2": [
        (np.array([2, 1]), "✔"),
        ([1, 2, 3], "✘ Mistake 3.*like any other"),
        ([2], "✘ Mistake 1: .*level"),
        ([1], "✘ Mistake 2: .*batch 11"),
        ([4, 28], "a list: .*numbers of the mistakes"),
        ("1, 2", "a str"),
    ],
    "06.3": [
        ({"least": "colony", "moves": "day"}, "✘ 'least': .*nodes"),
        ({"least": "batch", "moves": "day"}, "✘ 'least': .*few"),
        ({"least": "day", "moves": "colony"}, "✘ 'moves'"),
        ({"least": "monday", "moves": "day"}, "'monday': .*'batch'"),
        ("day", "a str: .*'moves'"),
    ],
    "06.4": [
        ({"one": 1.2, "own": 1.5}, "✔"),
        ({"one": 1.7, "own": 1.7}, "✘ Less, with one τ"),
        ({"one": 1.1, "own": 1.1}, "✘ More, with a τ for each"),
        ({"one": 1.1, "own": 4}, "✘ Less, with a τ for each"),
        ({"one": 0.08, "own": 0.73}, "✘ 'one' is less than 1"),
        (1.08, "a float: .*'own'"),
        ({"one": nan, "own": 1.7}, "nan.*'one'"),
    ],
    "06.5": [(1.06, "a float: .*path")],
    "06.6": [
        (OWN_TREE["data"], "'prior'"),
        (OWN_TREE | {"data": 3}, "an int: .*stan_data"),
        (OWN_TREE | {"data": ONE_LEVEL}, "two levels"),
        (OWN_TREE | {"tau": 3}, "an int: .*'tau'"),
        (OWN_TREE | {"tau": [nan] * 2}, "nan.*'tau'"),
    ],
}


@pytest.mark.parametrize(("number", "answer", "words"), rows(ANSWERS))
def test_an_answer_is_told_what_it_is_and_what_to_look_at(number, answer, words):
    says(number, answer, words)


def test_every_check_is_tried_with_answers_of_the_wrong_kind():
    refusing = {number for number, _, words in rows(ANSWERS) if words[0] not in "✔✘"}
    assert sorted(refusing) == [number for number in exercises() if number.startswith("06.")]


def test_06_3_a_marginal_reweighted_is_what_the_other_prior_gives():
    data = lesson_05.one_level(lesson_05.EFFECT, lesson_05.ERROR)
    exact, doubled = (helpers.exact_posterior(data, {"tau": tau}, sigma=[9] * 8) for tau in (5, 10))
    truth = doubled.mean("tau") / exact.mean("tau") - 1
    assert isclose(lesson_06.rise(exact, "tau", scale=5, to=40), truth, rel_tol=0.01)


NEW_DAY = """generated quantities {
  real v = square(sigma) + (T == 1 ? K * square(tau[1]) : dot_self(tau));
  real first = theta; real two = theta; real three = theta; real walk = theta;
  real leaf = x[M - J[K] + categorical_rng(rep_vector(1.0 / J[K], J[K]))];
  real known_day = x[categorical_rng(rep_vector(1.0 / J[1], J[1]))];
  vector[8] cells;
  real y_new;
  for (k in 1:K) walk = normal_rng(walk, tau[min(k, T)]);
  for (k in 1:2) two = normal_rng(two, tau[min(k, T)]);
  for (k in 1:3) three = normal_rng(three, tau[min(k, T)]);
  for (k in 1:K) first = normal_rng(first, tau[1]);
  for (k in 2:K) known_day = normal_rng(known_day, tau[min(k, T)]);
  cells = [normal_rng(theta, sqrt(v)), walk, normal_rng(three, sigma), normal_rng(two, sigma),
           normal_rng(first, sigma), normal_rng(x[1], sigma), normal_rng(leaf, sigma),
           normal_rng(known_day, sigma)]';
  y_new = cells[1];
  if (which == 1) for (k in 1:K) y_new += tau[k];
"""


def test_06_5_each_wrong_walk_to_a_cell_on_a_new_day_is_told(edited, given):
    path = edited("tree", ("generated quantities {\n", NEW_DAY), WHICH)
    given(which=1)
    says("06.5", path, "✘ How many entries has tau")
    for k, words in enumerate(
        [
            "✔",
            "✘ narrow",
            "✘ 2 levels with a τ for each, y_new is too wide",
            "✘ 3 levels with one τ, y_new is too narrow",
            "✘ a τ for each, y_new is too narrow",
            "✘ At which node does your walk",
            "✘ none of those in the data",
            "✘ none of those in the data",
        ]
    ):
        given(lambda post, k=k: post.assign(y_new=post["cells"][..., k]), which=0)
        says("06.5", path, words)
    given(lambda post: post.drop_vars("y_new"), which=0)
    says("06.5", path, "✘ no real number y_new")
    given(lambda post: post.assign({name: post[name] + 1 for name in ("theta", "x", "y_new")}), which=0)
    says("06.5", path, "✘ leave the model itself as it was")


def test_06_6_a_tree_of_ones_own_is_held_against_the_exact_one():
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
        says("06.6", answer | change, words)
