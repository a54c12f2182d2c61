"""The checks of lesson 5 know right answers in any form, and have a hint for each typical mistake."""

import numpy as np
import pytest
from answering import TestAnswers, changed, drawn, perfect, says  # noqa: F401
from scipy.stats import halfcauchy

import helpers
from helpers.checks import lesson_05

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
        (7.9, "✔ more precise school is ahead"),
        (np.array([62.5**0.5]), "✔"),
        (62.5, "✘ square of that"),
        (125**0.5, "✘ for a θ of 0"),
        (0, "✘ second τ"),
        (-7.9, "✘ not negative"),
        (10, "✘ A's mean is 12.1 and G's 11.5"),
        ("ten", "a str: .*as a number"),
        ({"tau": 7.9}, "as a number"),
    ],
    "05.2": [(25, "an int: .*path")],
    "05.4": [
        (STUDIES | {"y": [1, 2, 3], "sigma": [1, 2, 3]}, "✘ 3 studies"),
        (STUDIES["y"], "a list: .*'sigma'"),
        (STUDIES | {"above": [0.9]}, "'above'.*two numbers"),
        (STUDIES | {"y": "a"}, "a str: .*estimates"),
    ],
}


META = """
data {
  int<lower=1> N;
  vector[N] y;
  vector[N] sigma;
  real theta_mean;
  real theta_sd;
  real tau_scale;
}
parameters {
  real theta;
  real<lower=0> tau;
  vector[N] theta_1_tilde;
}
transformed parameters {
  vector[N] theta_1 = theta + tau * theta_1_tilde;
}
model {
  theta ~ normal(theta_mean, theta_sd);
  tau ~ normal(0, tau_scale);
  theta_1_tilde ~ std_normal();
  y ~ normal(theta_1, sigma);
}
"""


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("vector[N] sigma", "array[N] real sigma", "✔ never saw"),
        ("theta_mean", "mean_theta", "✘ With the data of this check"),
    ],
)
def test_05_2_a_program_from_an_empty_file_is_run(tmp_path, old, new, words):
    (tmp_path / "meta.stan").write_text(META.replace(old, new), "utf-8")
    says("05.2", tmp_path / "meta.stan", words)


def offsets(post):
    return post.assign(theta_1_tilde=(post["theta_1"] - post["theta"]) / post["tau"])


def three(**prior):
    """Samples as of a noncentered program with other priors than those that are given to it."""
    data = lesson_05.FAR_APART
    return changed(perfect(data, lesson_05.ASKED | prior, n=2500, sigma=data["sigma"]), offsets)


@pytest.mark.parametrize(
    ("prior", "words"),
    [
        ({}, "✔ never saw"),
        (lesson_05.PRIOR, "✘ priors of the lesson"),
        ({"tau": halfcauchy(scale=5)}, "✘ lesson's half-Cauchy"),
        ({"tau": halfcauchy(scale=20)}, "✘ right scale"),
        ({"tau": 20**0.5}, "✘ tau_scale is one already"),
        ({"tau": 400}, "✘ not its square: look at tau"),
        ({"theta": (0, 8)}, "✘ theta_mean"),
        ({"theta": (10, 64)}, "✘ not its square: look at theta"),
        ({"theta": (10, 1000)}, "✘ theta is where a flat"),
        ({"tau": 2000}, "✘ tau is where a flat"),
        ({"theta": (-30, 2)}, "✘ its own sigma"),
    ],
)
def test_05_2_each_prior_that_is_not_the_one_asked_for_is_told(drawn, prior, words):
    drawn(three(**prior))
    says("05.2", "meta.stan", words)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda post: post.drop_vars("theta_1"), "no 'theta_1.*names"),
        (lambda post: post.drop_vars("theta_1_tilde"), "no 'theta_1_tilde.*names"),
        (lambda post: post.assign(theta_1=post["theta_1_tilde"]), "plus tau times"),
    ],
)
def test_05_2_wants_the_names_that_it_asks_for_and_effects_from_offsets(drawn, change, words):
    drawn(changed(three(), change))
    says("05.2", "meta.stan", f"✘ {words}")


def studies(y, sigma, tau, **more):
    """Exact answers under a prior of τ and one three times as wide, and the answer to be checked."""
    data = lesson_05.one_level(y, sigma)
    posts = [helpers.exact_posterior(data, {"theta": (0, 1), "tau": x}, sigma=sigma) for x in (tau, 3 * tau)]
    above = [1 - post.cdf("theta", 0) for post in posts]
    return posts, {"y": y, "sigma": sigma, "theta": (0, 1), "tau": tau, "above": above}


def test_05_4_two_means_of_ones_own_studies_are_held_against_exact_ones():
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
        says("05.4", right | change, words)
    with pytest.raises(ValueError, match="sigma"):
        helpers.check("05.4", right | {"sigma": sigma[:5]})


@pytest.mark.parametrize(
    ("tau", "given", "words"),
    [(0.02, [(0, 1), (1, 1)], "means of study 2"), (0.3, [(0, 3), (0, 3)], "twice")],
)
def test_05_4_wrong_means_that_lie_close_to_the_right_ones(tau, given, words):
    """All lie within a tenth of a posterior sd, as far as draws may be off."""
    posts, answer = studies([0.2, 0.3, 0.1, 0.5, 0.35], [0.2, 0.15, 0.3, 0.25, 0.2], tau)
    means = [post.mean("theta_1") for post in posts]
    says("05.4", answer | {"extreme": [mean[3] for mean in means]}, "✔")
    extreme = [means[prior][study] for prior, study in given]
    for x, mean, post in zip(extreme, means, posts, strict=True):
        assert abs(x - mean[3]) < 0.1 * post.sd("theta_1[4]")
    says("05.4", answer | {"extreme": extreme}, f"✘ {words}")


def test_05_4_two_studies_may_be_equally_extreme():
    posts, answer = studies([-1.0, 0.0, 0.0, 0.0, 1.0], [0.5, 0.5, 0.5, 0.5, 0.2], 1)
    for name in ("theta_1[1]", "theta_1[5]"):
        says("05.4", answer | {"extreme": [post.mean(name) for post in posts]}, "✔")
