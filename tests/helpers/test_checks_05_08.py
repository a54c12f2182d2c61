"""Lessons 5 to 8: right answers hold in whatever form, and each typical mistake gets a hint of its own."""

from math import inf, isclose, nan

import numpy as np
import polars as pl
import pytest
from answering import changed, drawn, edited, given, of, perfect, rows, says, switch  # noqa: F401
from scipy.stats import halfcauchy, multivariate_normal

import helpers
from helpers.checks import exercises, lesson_05, lesson_07, lesson_08, programs
from helpers.data import LEVELS


def pulled(y, sigma, theta=5.0, tau=10.0):
    return (y / sigma**2 + theta / tau**2) / (1 / sigma**2 + 1 / tau**2)


def voice(n, tau=0.6, sigma=0.9):
    return 1 / (tau**2 + sigma**2 / n)


def normal(covariance, at=(9, 10, 14)):
    return multivariate_normal(np.full(len(at), 10), covariance).logpdf(at)


GUESS = {"pooled": 7.5, "above": 0.5, "ahead": 0}
DIAL = {"A": pulled(28, 15), "G": pulled(18, 10), "tau": 62.5**0.5}
COUNT = {"draws": (5 * 1.17 / 0.036) ** 2, "errors": 0.036 / (1.17 / 2000**0.5)}
STUDIES = {
    "y": [0.9, 0.1, 0.5, 1.6, 0.4, 0.7],
    "sigma": [0.3, 0.4, 0.2, 0.6, 0.3, 0.4],
    "theta": (0, 1),
    "tau": 0.5,
    "extreme": [0.8, 1.2],
    "above": [0.9, 0.8],
}
FLIP = {"lambda": 2, "tau": 0.5, "left_out": 0.75}
WEIGHT = [1] * 5 + [0] * 40
ONE_LEVEL = lesson_05.one_level([1.0, 2.0], [1, 1])
PILOT = {"data": ONE_LEVEL, "tau": 1, "sigma": 1, "weight": [0, 0]}
PARENT = [0, 0, 1, 1, 2, 3, 4, 4, 4, 5, 5]
FLAT = {"J": [2, 3, 6], "parent": PARENT}
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
    "05.1": [
        ({"pooled": np.float64(8), "above": 1 / 2, "ahead": pl.Series([1.5])}, "✔"),
        *of(GUESS, "pooled", {2: "too low", 12: "too high"}),
        (GUESS | {"above": 0.03}, "✘ above 28"),
        *of(GUESS, "ahead", {3: "longer bar", -5: "one value"}),
        (8, "an int: .*'pooled'"),
        ({"pooled": 8}, "'above'"),
        (GUESS | {"ahead": "none"}, "a str: .*'ahead'"),
    ],
    "05.2": [
        ({"A": 12.1, "G": 11.5, "tau": 7.9}, "✔"),
        *of(DIAL, "A", {28: "A: .*own estimate", 5: "A: .*θ alone", 16.5: "A: .*plain average"}),
        (DIAL | {"A": (28 / 15 + 5 / 10) / (1 / 15 + 1 / 10)}, "✘ A: .*squared"),
        (DIAL | {"A": (28 * 225 + 5 * 100) / 325}, "✘ A: .*not by variance"),
        *of(DIAL, "A", {28 / 225 / (1 / 225 + 1 / 100): "A: .*θ/τ²", 28 / 225 + 5 / 100: "A: .*divided"}),
        *of(DIAL, "A", {20: "A: .*1/τ²", 40: "A: .*between"}),
        (DIAL | {"G": 18}, "✘ G:"),
        *of(DIAL, "tau", {62.5: "square", 10: "differ"}),
        ([12.1, 11.5, 7.9], "a list: .*'tau'"),
        (DIAL | {"A": [12.1]}, "a list: .*'A'"),
    ],
    "05.3": [
        ({"draws": 26_000, "errors": 1.4}, "✔"),
        *of(COUNT, "draws", {(1.17 / 0.036) ** 2: "one standard error", 5 * 1.17 / 0.036: "square all"}),
        *of(COUNT, "draws", {5 * (1.17 / 0.036) ** 2: "square all", 4000: "a fifth"}),
        *of(COUNT, "errors", {0.036 / (1.17 / 4000**0.5): "independent", 0.026: "How many times"}),
        (COUNT | {"errors": 5}, "✘ 1.17/√ESS"),
        (26_000, "'draws'"),
        ({"draws": "many", "errors": 1.4}, "a str"),
    ],
    "05.4": [(25, "an int: .*path")],
    "05.5": [
        (STUDIES | {"y": [1, 2, 3], "sigma": [1, 2, 3]}, "✘ 3 studies"),
        (STUDIES["y"], "a list: .*'sigma'"),
        (STUDIES | {"above": [0.9]}, "'above'.*two numbers"),
        (STUDIES | {"y": "a"}, "a str: .*estimates"),
    ],
    "06.1": [
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
    "06.2": [
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
    "06.3": [(["program"], "a list: .*path")],
    "06.4": [
        (PILOT["data"], "'tau'"),
        (PILOT | {"data": [1, 2]}, "a list: .*stan_data"),
        (PILOT | {"data": OWN_TREE["data"]}, "one level"),
        (PILOT | {"weight": 1}, "an int: .*'weight'"),
    ],
    "07.1": [
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
    "07.2": [
        (np.array([2, 1]), "✔"),
        ([1, 2, 3], "✘ Mistake 3.*like any other"),
        ([2], "✘ Mistake 1: .*level"),
        ([1], "✘ Mistake 2: .*batch 11"),
        ([4, 28], "a list: .*numbers of the mistakes"),
        ("1, 2", "a str"),
    ],
    "07.3": [
        ({"least": "colony", "moves": "day"}, "✘ 'least': .*nodes"),
        ({"least": "batch", "moves": "day"}, "✘ 'least': .*few"),
        ({"least": "day", "moves": "colony"}, "✘ 'moves'"),
        ({"least": "monday", "moves": "day"}, "'monday': .*'batch'"),
        ("day", "a str: .*'moves'"),
    ],
    "07.4": [
        ({"one": 1.2, "own": 1.5}, "✔"),
        ({"one": 1.7, "own": 1.7}, "✘ Less, with one τ"),
        ({"one": 1.1, "own": 1.1}, "✘ More, with a τ for each"),
        ({"one": 1.1, "own": 4}, "✘ Less, with a τ for each"),
        ({"one": 0.08, "own": 0.73}, "✘ 'one' is less than 1"),
        (1.08, "a float: .*'own'"),
        ({"one": nan, "own": 1.7}, "nan.*'one'"),
    ],
    "07.5": [(1.06, "a float: .*path")],
    "07.6": [
        (OWN_TREE["data"], "'prior'"),
        (OWN_TREE | {"data": 3}, "an int: .*stan_data"),
        (OWN_TREE | {"data": ONE_LEVEL}, "two levels"),
        (OWN_TREE | {"tau": 3}, "an int: .*'tau'"),
        (OWN_TREE | {"tau": [nan] * 2}, "nan.*'tau'"),
    ],
    "08.1": [
        ({"limit": 2.78, "one": np.float64(2.68), "twenty": 31.7}, "✔"),
        *of(LOUD, "limit", {inf: "the other", 1 / 0.6: "square", 1 / 0.81: "Which term"}),
        *of(LOUD, "one", {1 / (0.6 + 0.9 / 60): "square", 60 / 0.81: "a step of τ away"}),
        *of(LOUD, "one", {60 * voice(1): "60 colonies", 1: "n = 60"}),
        *of(LOUD, "twenty", {voice(3): "one of the twenty", voice(3) / 20: "add up", 60: "three cells"}),
        (2.78, "a float: .*'twenty'"),
        (LOUD | {"limit": "1/tau²"}, "a str: .*'limit'"),
    ],
    "08.2": [
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
    "08.3": [(2, "an int: .*path")],
    "08.4": [({"program": 1}, "a dict: .*path")],
    "08.5": [
        ({"data": OWN_TREE["data"], "tau": [1], "best": 2}, "a dict: .*tree_data"),
        ([1], "a list: .*'best'"),
    ],
}


@pytest.mark.parametrize(("number", "answer", "words"), rows(ANSWERS))
def test_an_answer_is_told_what_it_is_and_what_to_look_at(number, answer, words):
    says(number, answer, words)


def test_every_check_is_tried_with_answers_of_the_wrong_kind():
    refusing = {number for number, _, words in rows(ANSWERS) if words[0] not in "✔✘"}
    assert sorted(refusing) == [number for number in exercises() if "05" < number < "09"]


# Lesson 5


@pytest.mark.parametrize("theta", [5, 100])
@pytest.mark.parametrize("tau", [1, 100, halfcauchy(scale=25)])
def test_05_1_holds_under_any_prior_that_anyone_would_take(theta, tau):
    data = lesson_05.one_level(lesson_05.EFFECT, lesson_05.ERROR)
    exact = helpers.exact_posterior(data, {"theta": (0, theta), "tau": tau}, sigma=lesson_05.ERROR)
    ahead = exact.mean("theta_1[1]") - exact.mean("theta_1[7]")
    assert -0.2 < ahead < 0.8
    says("05.1", {"pooled": 7.7, "above": 0.5, "ahead": ahead}, "✔")


def test_05_2_schools_a_and_g_are_level_at_the_tau_asked_for():
    assert isclose(pulled(28, 15, tau=DIAL["tau"]), pulled(18, 10, tau=DIAL["tau"]))


WIDE = ("tau ~ cauchy(0, 5);", "tau ~ normal(0, 25);")
MARGINAL = """
data { int N; vector[N] y; vector[N] sigma; }
parameters { real theta; real log_tau; }
transformed parameters { real tau = exp(log_tau); }
model {
  theta ~ normal(0, 5);
  target += normal_lpdf(tau | 0, 25) + log_tau;
  y ~ normal(theta, sqrt(square(tau) + square(sigma)));
}
generated quantities {
  vector[N] theta_1;
  for (j in 1:N) {
    real v = 1 / (1 / square(sigma[j]) + 1 / square(tau));
    theta_1[j] = normal_rng(v * (y[j] / square(sigma[j]) + theta / square(tau)), sqrt(v));
  }
}
"""


def test_05_4_a_right_program_may_move_whatever_it_likes(edited, tmp_path):
    other = tmp_path / "other.stan"
    other.write_text(MARGINAL)
    for program in (other, str(edited("schools_centered", WIDE))):
        says("05.4", program, "✔")


@pytest.mark.parametrize(
    ("prior", "words"),
    [
        ({"tau": halfcauchy(scale=5)}, "old prior"),
        ({"tau": 5}, "scale is still 5"),
        ({"tau": halfcauchy(scale=25)}, "still a half-Cauchy"),
        ({"tau": 625}, "not a variance"),
        ({"theta": (0, 25), "tau": halfcauchy(scale=5)}, "not that of theta"),
        ({"theta": (0, 25), "tau": 25}, "as it was"),
        ({"theta": (20, 5), "tau": 25}, "not those of this model"),
    ],
)
def test_05_4_the_prior_that_was_not_changed_as_asked_is_told(drawn, prior, words):
    three = lesson_05.FAR_APART
    drawn(perfect(three, {"theta": (0, 5)} | prior, n=2500, sigma=three["sigma"]))
    says("05.4", "wide.stan", f"✘ {words}")


def test_05_4_wants_the_names_that_it_asks_for(drawn):
    three = lesson_05.FAR_APART
    drawn(
        changed(
            perfect(three, lesson_05.WIDE, sigma=three["sigma"]), lambda post: post.rename(theta_1="effect")
        )
    )
    says("05.4", "wide.stan", "✘ no 'theta_1.*names")


def studies(y, sigma, tau, **more):
    """Exact answers under a prior of τ and one three times as wide, and the answer to be checked."""
    data = lesson_05.one_level(y, sigma)
    posts = [helpers.exact_posterior(data, {"theta": (0, 1), "tau": x}, sigma=sigma) for x in (tau, 3 * tau)]
    above = [1 - post.cdf("theta", 0) for post in posts]
    return posts, {"y": y, "sigma": sigma, "theta": (0, 1), "tau": tau, "above": above}


def test_05_5_two_means_of_ones_own_studies_are_held_against_exact_ones():
    y, sigma = STUDIES["y"], STUDIES["sigma"]
    posts, answer = studies(y, sigma, 0.5)
    means = [post.mean("theta_1") for post in posts]
    right = answer | {"extreme": [mean[3] for mean in means]}
    sampled = [helpers.draws(post.draws(1000, seed=1), "theta_1[4]").mean() for post in posts]
    for change, words in [
        ({}, "✔ Study 4"),
        ({"extreme": np.array(sampled)}, "✔ Study 4"),
        ({"y": [-x for x in y]}, "✘ extreme"),
        ({"extreme": [1.6, 1.6]}, "✘ the estimate itself"),
        ({"extreme": [1.6 - mean[3] for mean in means]}, "✘ by how much"),
        ({"extreme": [mean[4] for mean in means]}, "✘ study 5"),
        ({"extreme": [means[0][3]] * 2}, "✘ With 3 tau"),
        ({"tau": 0.1}, "✘ the priors those you used"),
        ({"above": [1 - p for p in answer["above"]]}, "✘ below zero"),
        ({"above": [0.8, 0.8]}, "✘ theta is above 0"),
    ]:
        says("05.5", right | change, words)
    with pytest.raises(ValueError, match="sigma"):
        helpers.check("05.5", right | {"sigma": sigma[:5]})


@pytest.mark.parametrize(
    ("tau", "given", "words"),
    [(0.02, [(0, 1), (1, 1)], "means of study 2"), (0.3, [(0, 3), (0, 3)], "twice")],
)
def test_05_5_wrong_means_that_lie_close_to_the_right_ones(tau, given, words):
    """All lie within a tenth of a posterior sd, as far as draws may be off."""
    posts, answer = studies([0.2, 0.3, 0.1, 0.5, 0.35], [0.2, 0.15, 0.3, 0.25, 0.2], tau)
    means = [post.mean("theta_1") for post in posts]
    says("05.5", answer | {"extreme": [mean[3] for mean in means]}, "✔")
    extreme = [means[prior][study] for prior, study in given]
    for x, mean, post in zip(extreme, means, posts, strict=True):
        assert abs(x - mean[3]) < 0.1 * post.sd("theta_1[4]")
    says("05.5", answer | {"extreme": extreme}, f"✘ {words}")


def test_05_5_two_studies_may_be_equally_extreme():
    posts, answer = studies([-1.0, 0.0, 0.0, 0.0, 1.0], [0.5, 0.5, 0.5, 0.5, 0.2], 1)
    for name in ("theta_1[1]", "theta_1[5]"):
        says("05.5", answer | {"extreme": [post.mean(name) for post in posts]}, "✔")


# Lesson 6

WHICH = ("\ndata {\n", "\ndata {\n  int which;\n")  # for `switch`


@pytest.mark.parametrize(
    ("program", "words"),
    [("noncentered", "theta_3 .*parameter"), ("centered", "theta_1 and theta_2 ")],
)
def test_06_3_right_draws_in_another_form_are_told(program, words):
    says("06.3", helpers.stan_file(program), f"✘ draws are right.*{words}")


def test_06_3_what_colonies_are_drawn_about_and_how_widely_is_told(edited, given):
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
        says("06.3", path, words)


def test_06_4_a_pilot_of_ones_own_groups_is_held_against_the_exact_one():
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
        says("06.4", answer | change, words)
    with pytest.raises(ValueError, match="give them as an item 'prior' of your answer"):
        helpers.check("06.4", answer | {"data": data | {"y": data["y"] + 1000}})


# Lesson 7


def test_07_3_a_marginal_reweighted_is_what_the_other_prior_gives():
    data = lesson_05.one_level(lesson_05.EFFECT, lesson_05.ERROR)
    exact, doubled = (helpers.exact_posterior(data, {"tau": tau}, sigma=[9] * 8) for tau in (5, 10))
    truth = doubled.mean("tau") / exact.mean("tau") - 1
    assert isclose(lesson_07.rise(exact, "tau", scale=5, to=40), truth, rel_tol=0.01)


# One program draws all cells; of the same draws the check is given the one or the other.
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


def test_07_5_each_wrong_walk_to_a_cell_on_a_new_day_is_told(edited, given):
    path = edited("tree", ("generated quantities {\n", NEW_DAY), WHICH)
    given(which=1)
    says("07.5", path, "✘ How many entries has tau")
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
        says("07.5", path, words)
    given(lambda post: post.drop_vars("y_new"), which=0)
    says("07.5", path, "✘ no real number y_new")
    given(lambda post: post.assign({name: post[name] + 1 for name in ("theta", "x", "y_new")}), which=0)
    says("07.5", path, "✘ leave the model itself as it was")


def test_07_6_a_tree_of_ones_own_is_held_against_the_exact_one():
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
        says("07.6", answer | change, words)


# Lesson 8

MEAN = "v * (y[j] / square(sigma[j]) + theta / square(tau))"
# What is not as it should be in a program for eight schools, and what is said of it.
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


def test_08_3_each_mistake_in_a_program_without_schools_is_told(tmp_path, given):
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
        says("08.3", path, words)


def test_08_3_schools_may_be_left_out_altogether_and_not_moved(tmp_path):
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
    says("08.3", str(other), "✔ had back")
    says("08.3", helpers.stan_file("schools_noncentered"), "✘ draws are right.*theta_1_tilde")


def test_08_4_the_slope_of_a_logarithm_and_what_it_is_mistaken_for(tmp_path, drawn):
    text, path = helpers.stan_file("tree_marginal").read_text("utf-8"), tmp_path / "ruler.stan"
    says("08.4", helpers.stan_file("tree_marginal"), "✘ no straight line")
    start, end = text.index("  real spread("), text.index("}\n\ndata {")
    curve = text[text.index("    real low ") : end].rsplit("}", 1)[0]
    for log_slope, words in [(curve, "✘ that of the old curve"), ("return x;", "✔")]:  # up to a constant
        functions = "real spread(real x, real scale) { return scale * exp(x); }\n"
        functions += f"real log_slope(real x, real scale) {{ {log_slope} }}\n"
        path.write_text(text[:start] + functions + text[end:])
        says("08.4", path, words)
    # The check looks at the density of each draw, so a wrong slope may be put in where a right one was.
    short = {"chains": 1, "iter_warmup": 200, "iter_sampling": 200, "sig_figs": 12}
    samples = programs.sample(path, lesson_08.five_groups()[0], **short)
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
        says("08.4", path, f"✘ {words}")


def test_08_5_a_large_tree_of_ones_own_is_sampled_once_more():
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
        says("08.5", answer | change, words)
