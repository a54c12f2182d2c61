"""Checks of lesson 5: the dial between pooling and not pooling, a reference value, priors of the spread."""

from functools import cache
from math import isclose

import numpy as np
from scipy.stats import halfcauchy

from helpers.checks import WrongAnswer, answers, exercise, programs
from helpers.exact import ExactPosterior, exact_posterior

SCHOOLS = "ABCDEFGH"
EFFECT = [28, 8, -3, 7, -1, 1, 18, 12]  # points
ERROR = [15, 10, 16, 11, 9, 11, 10, 18]
PRIOR = {"theta": (0, 5), "tau": halfcauchy(scale=5)}
LINE = 0.7657852  # the reference value for E[log τ] that the lesson puts to the test


def one_level(y, sigma) -> dict:
    """Make the dictionary of some estimates with standard errors, a group for each."""
    return {"N": len(y), "J_1": len(y), "index_1": list(range(1, len(y) + 1)), "y": y, "sigma": sigma}


@cache
def schools() -> ExactPosterior:
    """Exact answer of the lesson."""
    return exact_posterior(one_level(EFFECT, ERROR), prior=PRIOR, sigma=ERROR)


@exercise("05.1")
def guesses(answer) -> str:
    """Guess the pooled effect, a probability, and how far A stays ahead of G."""
    names = {"pooled": "in points", "above": "a probability", "ahead": "in points"}
    given = answers.items(answer, list(names), "a dictionary with 'pooled', 'above' and 'ahead'")
    pooled, above, ahead = (
        answers.number(x, f"{name!r}, {what}") for x, (name, what) in zip(given, names.items(), strict=True)
    )
    y, precision = np.array(EFFECT), 1 / np.array(ERROR) ** 2
    truth, se = precision @ y / precision.sum(), precision.sum() ** -0.5
    if abs(pooled - truth) > se / 2:
        side = "low" if pooled < truth else "high"
        raise WrongAnswer(
            f"The pooled effect is too {side}: where do the schools with the shortest bars lie?"
        )
    if not isclose(above, 0.5):
        raise WrongAnswer(
            "In the separate answer the effect in A is normal, about 28: how much of it is above 28?"
        )
    # The exact answer is -0.1. Under priors of the spread with scales from 1 to 100, and of θ with sds from 5
    # to 100, it lies between -0.2 and 0.8: no such prior turns right into wrong.
    if ahead > 2:
        raise WrongAnswer(
            "Less. A has the longer bar of the two: how firmly does each hold on to its estimate, when the "
            "others speak for about 8?"
        )
    if ahead < -2:
        raise WrongAnswer(
            "A falls back further than G, yes. But both are drawn to one value: can A end far below?"
        )
    return "All three. See how close A and G come, and what a wider prior does to that."


@exercise("05.2")
def dial_by_hand(answer) -> str:
    """Average a school's estimate and θ, weighted by precision; find where two schools are level."""
    wanted = "a dictionary with 'A', 'G' and 'tau'"
    names = {"A": "'A', in points", "G": "'G', in points", "tau": "'tau', in points"}
    given = answers.items(answer, list(names), wanted)
    theta, tau = 5, 10
    for name, mean in zip("AG", map(answers.number, given, names.values()), strict=False):
        i = SCHOOLS.index(name)
        y, sigma = EFFECT[i], ERROR[i]
        if not isclose(mean, _average(y, sigma**-2, theta, tau**-2), rel_tol=0.01):
            _explain_average(name, mean, y, sigma, theta, tau)
    level = answers.number(given[2], names["tau"])
    (y, s), (z, t) = [(EFFECT[i] - theta, ERROR[i]) for i in (SCHOOLS.index("A"), SCHOOLS.index("G"))]
    square = (z * s**2 - y * t**2) / (y - z)  # of y τ²/(τ² + s²) = z τ²/(τ² + t²)
    if isclose(level, square, rel_tol=0.02):
        raise WrongAnswer("This is the square of the τ at which A and G change places.")
    if not isclose(level, square**0.5, rel_tol=0.02):
        raise WrongAnswer(
            "With your 'tau' the two means differ. Which share of its distance from θ does a school keep?"
        )
    return "Below that τ the more precise school is ahead. How much of the posterior lies below?"


def _average(a, weight_a, b, weight_b):
    return (a * weight_a + b * weight_b) / (weight_a + weight_b)


def _explain_average(name, mean, y, sigma, theta, tau):
    hints = [
        (y, "This is the school's own estimate. Its parent, θ, has a say, too."),
        (theta, "This is θ alone. The school's own estimate has a say, too."),
        ((y + theta) / 2, "This is the plain average. Weigh each by its precision."),
        (_average(y, 1 / sigma, theta, 1 / tau), "Precision is one over the squared error."),
        (_average(y, sigma**2, theta, tau**2), "Weigh by precision, not by variance."),
        (_average(y, sigma**-2, 0, tau**-2), "The parent adds θ/τ² to the sum, and θ is not 0."),
        (y / sigma**2 + theta / tau**2, "This sum has still to be divided by that of the precisions."),
    ]
    answers.refuse_mistakes(
        lambda wrong: isclose(mean, wrong, rel_tol=0.01, abs_tol=0.005),
        [(wrong, f"{name}: {hint}") for wrong, hint in hints],
    )
    if min(y, theta) < mean < max(y, theta):
        raise WrongAnswer(f"{name}: weigh its estimate by 1/σ² and θ by 1/τ².")
    raise WrongAnswer(f"{name}: an average of its estimate and θ lies between the two.")


@exercise("05.3")
def how_many(answer) -> str:
    """Count the draws that it takes to see that a reference value is wrong."""
    wanted = "a dictionary with 'draws' and 'errors'"
    draws, errors = answers.items(answer, ["draws", "errors"], wanted)
    draws = answers.number(draws, "'draws', how many independent draws it takes")
    errors = answers.number(errors, "'errors', how many standard errors the difference is")
    u = np.linspace(-20, 9, 601)  # log τ; its density is τ times that of τ
    p = schools().density("tau", np.exp(u)) * np.exp(u)
    p /= p.sum()
    mean = p @ u
    sd, difference = (p @ (u - mean) ** 2) ** 0.5, mean - LINE
    needed = (5 * sd / difference) ** 2
    if isclose(draws, needed / 25, rel_tol=0.05):
        raise WrongAnswer("With that many draws the difference is one standard error. It should be five.")
    if isclose(draws, needed**0.5, rel_tol=0.05) or isclose(draws, needed / 5, rel_tol=0.05):
        raise WrongAnswer("A standard error falls with the root of the number of draws: square all of it.")
    if not isclose(draws, needed, rel_tol=0.05):
        raise WrongAnswer(
            "The standard error of a mean is sd/√n. For which n is it a fifth of the difference?"
        )
    if isclose(errors, difference / sd * 4000**0.5, rel_tol=0.05):
        raise WrongAnswer("These are the draws of a run. How many independent ones are they worth?")
    if isclose(errors, sd / 2000**0.5, rel_tol=0.08):
        raise WrongAnswer("This is the standard error. How many times does it go into the difference?")
    if not isclose(errors, difference / sd * 2000**0.5, rel_tol=0.08):
        raise WrongAnswer("The standard error of the run is 1.17/√ESS. How many times does it go into 0.036?")
    return "To check a reference value takes a better instrument than the value is meant to check."


# Three estimates, far apart: the prior of τ counts, and both forms of the program sample it well.
FAR_APART = one_level([-40, -15, 20], [9, 7, 10])
WIDE = {"theta": (0, 5), "tau": 25}
MISTAKES = [
    (PRIOR, "tau still has the old prior, half-Cauchy of scale 5. Did you change your copy, and save it?"),
    ({"theta": (0, 5), "tau": 5}, "It is a half-normal now, but its scale is still 5."),
    ({"theta": (0, 5), "tau": halfcauchy(scale=25)}, "The scale is 25, but it is still a half-Cauchy."),
    (
        {"theta": (0, 25), "tau": PRIOR["tau"]},
        "It is the prior of tau that should change, not that of theta.",
    ),
    ({"theta": (0, 25), "tau": 25}, "The prior of tau is right. That of theta should be as it was."),
]


@exercise("05.4")
def own_prior(program) -> str:
    """Give the noncentered program another prior of τ."""
    names = ["theta", "tau", "theta_1[1]", "theta_1[3]"]
    options = {"adapt_delta": 0.99, "iter_sampling": 5000}
    samples = programs.sample(program, FAR_APART, **options)

    def has(prior):
        return programs.agrees(samples, _far_apart(prior), names)

    if has(WIDE):
        return "On other data than the lesson's, too. Now score it against both answers, the new and the old."
    answers.refuse_mistakes(has, MISTAKES)
    if programs.by_chain(samples, "tau").mean() > 1.5 * _far_apart(WIDE).mean("tau"):
        raise WrongAnswer(
            "Hardly anything holds tau back. Has it a prior, with a standard deviation, not a variance?"
        )
    raise WrongAnswer(
        "Its draws are not those of this model. Is the line of tau the only one that you changed?"
    )


def _far_apart(prior):
    return exact_posterior(FAR_APART, prior=prior, sigma=FAR_APART["sigma"])


@exercise("05.5")
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
        raise WrongAnswer(f"{len(y)} studies: take five at least, or the prior of τ has all the say.")
    return y, sigma, theta, tau, extreme, above


def _explain_extreme(label, mean, y, means, study):
    if isclose(mean, y[study]):
        raise WrongAnswer(f"With {label}, 'extreme' is the estimate itself. Give its mean in the posterior.")
    if isclose(abs(mean), abs(y[study] - means[study]), rel_tol=0.02):
        raise WrongAnswer(
            f"With {label}, 'extreme' is by how much it shrinks: give the mean that it shrinks to."
        )
    others = [j + 1 for j in range(len(y)) if j != study and isclose(mean, means[j], rel_tol=0.005)]
    if others:
        raise WrongAnswer(_of_another(f"With {label}, 'extreme' is the mean of study {others[0]}"))
    raise WrongAnswer(
        f"With {label}, 'extreme' is not the exact mean. Are y, sigma and the priors those you used?"
    )


def _of_another(found):
    return (
        f"{found}. Counted from 1, as the names of the parameters are, which lies furthest from the plain "
        "average?"
    )
