"""Checks of lesson 5: two schools by hand, a program for any meta-analysis, one of the reader's own."""

from functools import cache
from math import isclose

import numpy as np
from scipy.stats import halfcauchy

from helpers.checks import WrongAnswer, answers, exercise, programs
from helpers.exact import ExactPosterior, exact_posterior

SCHOOLS = "ABCDEFGH"
EFFECT = [28, 8, -3, 7, -1, 1, 18, 12]  # points
ERROR = [15, 10, 16, 11, 9, 11, 10, 18]
THETA = 5  # in exercise 05.1
PRIOR = {"theta": (0, 5), "tau": halfcauchy(scale=5)}


def one_level(y, sigma) -> dict:
    """Make the dictionary of some estimates with standard errors, a group for each."""
    return {"N": len(y), "J_1": len(y), "index_1": list(range(1, len(y) + 1)), "y": y, "sigma": sigma}


@cache
def schools() -> ExactPosterior:
    """Exact answer of the lesson."""
    return exact_posterior(one_level(EFFECT, ERROR), prior=PRIOR, sigma=ERROR)


@exercise("05.1")
def level(answer) -> str:
    """Find the spread at which two schools are level, if θ is 5 points."""
    tau = answers.number(answer, "the τ as a number, in points")
    (y, s), (z, t) = ((EFFECT[i], ERROR[i]) for i in map(SCHOOLS.index, "AG"))

    def square(theta):  # of the τ that solves (y - θ) τ²/(τ² + s²) = (z - θ) τ²/(τ² + t²)
        return ((z - theta) * s**2 - (y - theta) * t**2) / (y - z)

    if isclose(tau, square(THETA) ** 0.5, rel_tol=0.02):
        return "Below that τ the more precise school is ahead. How much of the posterior lies below?"
    answers.refuse_mistakes(
        lambda wrong: isclose(tau, wrong, rel_tol=0.02, abs_tol=1e-3),
        [
            (square(THETA), "This is the square of that τ."),
            (square(0) ** 0.5, f"That is right for a θ of 0. Here it is {THETA}."),
            (0, "At zero all schools are level. There is a second τ."),
        ],
    )
    if tau < 0:
        raise WrongAnswer("A standard deviation is not negative.")
    a, g = (THETA + (x - THETA) * tau**2 / (tau**2 + e**2) for x, e in ((y, s), (z, t)))
    raise WrongAnswer(
        f"With it, A's mean is {a:.1f} and G's {g:.1f}. What share of its distance from θ does each keep?"
    )


# Three estimates, far apart: both priors count, and both forms of the program sample them well.
FAR_APART = one_level([-40, -15, 20], [9, 7, 10])
CENTRE, WIDTH, SCALE = 10, 8, 20
PRIORS = {"theta_mean": CENTRE, "theta_sd": WIDTH, "tau_scale": SCALE}
ASKED = {"theta": (CENTRE, WIDTH), "tau": SCALE}
MISTAKES = [
    (PRIOR, "These are the priors of the lesson. Here they come with the data."),
    ({"tau": PRIOR["tau"]}, "The prior of tau is the lesson's half-Cauchy. Which one is asked for?"),
    ({"tau": halfcauchy(scale=SCALE)}, "tau has a half-Cauchy prior of the right scale. Is it asked for?"),
    ({"tau": SCALE**0.5}, "Stan's normal takes a standard deviation: tau_scale is one already."),
    ({"tau": SCALE**2}, "Stan's normal takes a standard deviation, not its square: look at tau."),
    ({"theta": (0, WIDTH)}, "theta has a prior around 0. Where does theta_mean come in?"),
    (
        {"theta": (CENTRE, WIDTH**2)},
        "Stan's normal takes a standard deviation, not its square: look at theta.",
    ),
    ({"theta": (CENTRE, 1000)}, "theta is where a flat prior would leave it. Which line gives it one?"),
    ({"tau": 1000}, "tau is where a flat prior would leave it. Which line gives it one?"),
]


@exercise("05.2")
def any_estimates(program) -> str:
    """Run a noncentered program for estimates with standard errors, whose priors are data."""
    samples = programs.sample(program, FAR_APART | PRIORS, adapt_delta=0.99, iter_sampling=5000)
    names = ["theta", "tau", "theta_1[1]", "theta_1[3]"]
    theta, tau, *effects = (programs.by_chain(samples, name) for name in names)
    offsets = [programs.by_chain(samples, f"theta_1_tilde[{j}]") for j in (1, 3)]
    # CmdStan rounds what it writes.
    if not np.allclose(effects, theta + tau * np.array(offsets), rtol=1e-3, atol=0.01):
        raise WrongAnswer("In your draws theta_1 is not theta plus tau times the offset.")

    def has(prior):
        return programs.agrees(samples, _far_apart(ASKED | prior), names)

    if has({}):
        return "The draws are right, with priors that the lesson never saw. Now take your own estimates."
    answers.refuse_mistakes(has, MISTAKES)
    raise WrongAnswer(
        "Its draws are not those of this model. Compare its four lines with the lesson's formulas: does each "
        "estimate have its own sigma?"
    )


def _far_apart(prior):
    return exact_posterior(FAR_APART, prior=prior, sigma=FAR_APART["sigma"])


@exercise("05.4")
def own_data(answer) -> str:
    """Combine estimates of the reader's own, under a prior of τ and one three times as wide."""
    y, sigma, theta, tau, extreme, above = _read_studies(answer)
    data, prior = one_level(y, sigma), {"theta": theta, "tau": tau}
    posts = [exact_posterior(data, prior | {"tau": scale * tau}, sigma=sigma) for scale in (1, 3)]
    away = abs(y - y.mean())
    studies = np.flatnonzero(np.isclose(away, away.max()))

    def is_exactly(study):
        means = [post.mean("theta_1")[study] for post in posts]
        return np.allclose(extreme, means, rtol=0.001, atol=0)

    others = list(filter(is_exactly, range(len(y))))
    if others and not set(others) & set(studies):
        raise WrongAnswer(_of_another(f"'extreme' has the means of study {others[0] + 1}"))
    for label, post, mean, p in zip(["tau", "3 tau"], posts, extreme, above, strict=True):
        means, near = post.mean("theta_1"), 0.1 * post.sd("theta_1")  # draws will do for an answer
        if not any(isclose(mean, means[study], abs_tol=near[study]) for study in studies):
            _explain_extreme(label, mean, y, means, studies[0])
        truth = 1 - post.cdf("theta", 0)
        if isclose(p, 1 - truth, abs_tol=0.02) and abs(truth - 0.5) > 0.04:
            raise WrongAnswer(f"With {label}, 'above' is the probability of an effect below zero.")
        if not isclose(p, truth, abs_tol=0.02):
            raise WrongAnswer(f"With {label}, 'above' is not the probability that theta is above 0.")
    if extreme[0] == extreme[1] and not is_exactly(studies[0]):
        raise WrongAnswer(
            "'extreme' has one number twice: the second is for a prior of τ three times as wide."
        )
    study = studies[0]
    shrunk = [abs(post.mean("theta_1")[study] - y[study]) / sigma[study] for post in posts]
    return (
        f"Study {study + 1} moves by {shrunk[0]:.2f} of its standard errors, with the wider prior by "
        f"{shrunk[1]:.2f}. Is that a difference that you would report?"
    )


def _read_studies(answer) -> tuple:
    """Read estimates, errors, priors, two means and two probabilities."""
    names = ["y", "sigma", "theta", "tau", "extreme", "above"]
    wanted = f"a dictionary with {', '.join(map(repr, names[:-1]))} and 'above'"
    y, sigma, theta, tau, extreme, above = answers.items(answer, names, wanted)
    y = answers.array(y, "'y', your estimates")
    sigma = answers.array(sigma, "'sigma', their standard errors")
    extreme = answers.array(extreme, "'extreme', two means of the most extreme study")
    above = answers.array(above, "'above', two probabilities")
    tau = answers.number(tau, "'tau', the scale of its half-normal prior")
    for name, pair in [("extreme", extreme), ("above", above)]:
        if len(pair) != 2:
            raise TypeError(f"{name!r} has length {len(pair)}: give two numbers, for tau and for 3 tau")
    if len(y) < 5:
        raise WrongAnswer(
            f"{len(y)} studies: take at least five, or the prior of τ decides almost everything."
        )
    return y, sigma, theta, tau, extreme, above


def _explain_extreme(label, mean, y, means, study):
    if isclose(mean, y[study]):
        raise WrongAnswer(f"With {label}, 'extreme' is the estimate itself. Give its mean in the posterior.")
    if isclose(abs(mean), abs(y[study] - means[study]), rel_tol=0.02):
        raise WrongAnswer(
            f"With {label}, 'extreme' is by how much the mean shrinks. Which mean does it shrink to?"
        )
    others = [j + 1 for j in range(len(y)) if j != study and isclose(mean, means[j], rel_tol=0.005)]
    if others:
        raise WrongAnswer(_of_another(f"With {label}, 'extreme' is the mean of study {others[0]}"))
    raise WrongAnswer(
        f"With {label}, 'extreme' is not the exact mean. Are y, sigma and the priors those you used?"
    )


def _of_another(found):
    return f"{found}, if we count from 1, as Stan does. Which study lies furthest from the plain average?"
