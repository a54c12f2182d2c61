"""The checks of lesson 5 know right answers in any form, and have a hint for each typical mistake."""

from math import isclose

import numpy as np
import polars as pl
import pytest
from answering import changed, drawn, edited, given, of, perfect, rows, says, switch  # noqa: F401
from scipy.stats import halfcauchy, multivariate_normal

import helpers
from helpers.checks import exercises, lesson_05


def pulled(y, sigma, theta=5.0, tau=10.0):
    return (y / sigma**2 + theta / tau**2) / (1 / sigma**2 + 1 / tau**2)


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
}


@pytest.mark.parametrize(("number", "answer", "words"), rows(ANSWERS))
def test_an_answer_is_told_what_it_is_and_what_to_look_at(number, answer, words):
    says(number, answer, words)


def test_every_check_is_tried_with_answers_of_the_wrong_kind():
    refusing = {number for number, _, words in rows(ANSWERS) if words[0] not in "✔✘"}
    assert sorted(refusing) == [number for number in exercises() if number.startswith("05.")]


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
