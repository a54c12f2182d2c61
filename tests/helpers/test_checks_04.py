"""The checks of lesson 4 know right answers in any form, and have a hint for each typical mistake."""

import arviz
import numpy as np
from answering import TestAnswers, changed, drawn, given, perfect, says, switch, with_tau  # noqa: F401

import helpers
from helpers.checks import lesson_04
from helpers.data import LEVELS


def read(df, levels):
    return helpers.stan_data(df, levels, "y", remark=False)[0]


DATA = read(helpers.measurements(), LEVELS)
OWN_LEVELS = ["class", "pupil"]  # of a reader
OWN = read(helpers.simulate([6, 4, 5], theta=10, tau=1.5, sigma=1, seed=3, levels=OWN_LEVELS), OWN_LEVELS)


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
    "04.2": [(1.1, "path")],
    "04.4": [("centered", "a tuple"), (({}, {}, "centered"), "'centered'"), (({}, {}, 1, {}, 2), "a tuple")],
}


ONE_LEVEL = """
data {
  int<lower=0> which;
  int<lower=1> N, J;
  array[N] int<lower=1, upper=J> group;
  vector[N] y;
}
parameters {
  real theta;
  real<lower=0> tau, sigma;
  vector[J] mu_tilde;
}
transformed parameters {
  vector[J] mu = theta + tau * mu_tilde;
}
model {
  theta ~ normal(10, 3);
  tau ~ normal(0, 5);
  sigma ~ normal(0, 5);
  mu_tilde ~ std_normal();
  y ~ normal(mu[group], sigma);
  WHICH}
"""
CASES = {  # further statements, and what is said of the program
    "": "✔ draws from the exact posterior",
    "mu ~ normal(theta, tau);": "✘ runs to zero",
    "tau ~ normal(0, 0.1);": "✘ The mean of tau is",
    "theta ~ normal(0, 1);": "✘ The mean of theta is",
    "mu_tilde ~ normal(1, 0.3);": "✘ The mean of",
}


def test_04_2_each_program_of_another_model_is_told(tmp_path, given):
    path = tmp_path / "one_level.stan"
    path.write_text(ONE_LEVEL.replace("WHICH", switch(CASES)), "utf-8")
    for which, said in enumerate(CASES.values()):
        given(which=which)
        says("04.2", path, said)


def test_04_2_draws_of_a_program_with_other_names_or_in_centered_form_are_told(drawn):
    data, _ = lesson_04.groups_of_one_level()
    samples = {kick: perfect(data, kick=kick) for kick in (1, 0.1)}

    def offsets(post):
        return post.assign(mu=post["theta_1"], mu_tilde=(post["theta_1"] - post["theta"]) / post["tau"])

    for kick, change, said in [
        (1, offsets, "✔ exact posterior"),
        (0.1, offsets, "✘ still meets a funnel"),
        (1, lambda post: offsets(post).assign(mu=post["theta_1"] + 1), "✘ not θ plus τ times"),
        (1, lambda post: offsets(post).drop_vars("mu"), "✘ no 'mu"),
        (1, lambda post: offsets(post).drop_vars("mu_tilde"), "✘ no 'mu_tilde"),
        (1, lambda post: offsets(post).assign(sigma=post["sigma"] + 1), "✘ The mean of sigma is"),
    ]:
        drawn(changed(samples[kick], change))
        says("04.2", "one_level.stan", said)


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
