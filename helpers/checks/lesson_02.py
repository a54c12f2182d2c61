"""Checks of lesson 2: priors, one unknown in Stan, probabilities from draws, a fit of one's own."""

from collections.abc import Mapping
from functools import cache

import arviz_stats
import numpy as np
import polars as pl

from helpers.checks import WrongAnswer, answers, exercise, programs
from helpers.data import LEVELS, measurements, stan_data
from helpers.diagnostics import DISAGREE
from helpers.exact import exact_posterior, score
from helpers.priors import MADE_UP, PRIOR
from helpers.simulation import simulate


@cache
def cells() -> dict:
    """Return the dictionary of our cells."""
    return stan_data(measurements(), LEVELS, "y", remark=False)[0]


@exercise("02.1")
def prior_sd(answer) -> str:
    """Work out the standard deviation of a single cell under the priors."""
    sd = answers.number(answer, "the standard deviation as a number, in a.u.")
    (mean, theta), tau, sigma = PRIOR["theta"], PRIOR["tau"], PRIOR["sigma"]
    variance = (
        theta**2 + 3 * tau**2 + sigma**2
    )  # the mean of the square of a half-normal is its scale squared

    def is_near(other):
        return abs(sd / other - 1) < 0.01

    if is_near(np.sqrt(variance)):
        return f"Around a mean of {mean:g}. How often will an imagined cell be darker than dark?"
    answers.refuse_mistakes(
        is_near,
        [
            (variance, "This is the variance: take its square root."),
            (theta + 3 * tau + sigma, "Standard deviations do not add up; variances do."),
            (
                np.sqrt(3 * tau**2 + sigma**2),
                "Give two decimals, if you rounded. Else one part is missing: θ is uncertain, too.",
            ),  # 10, which is also what the right answer rounds to
            (np.sqrt(theta**2 + tau**2 + sigma**2), "How many steps of size τ lie between θ and a cell?"),
        ],
    )
    if any(
        is_near(np.sqrt(theta**2 + share * (3 * tau**2 + sigma**2))) for share in (2 / np.pi, 1 - 2 / np.pi)
    ):
        raise WrongAnswer("You took the mean or the standard deviation of τ: what enters is the mean of τ².")
    raise WrongAnswer(
        f"Add the variances on the way from the prior mean of {mean:g} down to a cell, and take the root."
    )


# Cells of another colony, for the program of one unknown: not as many, and not as widely spread
COLONY = {"N": 4, "y": [11.0, 12.3, 10.4, 11.9], "sigma": 0.7}


def one_mean(centre=9, width=0.5, sigma=COLONY["sigma"], cells=COLONY["N"]) -> tuple[float, float]:
    """Mean and standard deviation of the normal posterior of the mean of a colony."""
    precision = 1 / width**2 + cells / sigma**2
    return (centre / width**2 + sum(COLONY["y"][:cells]) / sigma**2) / precision, precision**-0.5


# What a program with a typical mistake draws from, and what is said of it
OF_ONE = [
    (one_mean(10, 3), "mu is about where the cells alone would put it. Which prior does your program have?"),
    (
        one_mean(width=0.5**2),
        "Stan's normal takes a standard deviation, not its square: for the prior it is 0.5.",
    ),
    (
        one_mean(sigma=COLONY["sigma"] ** 2),
        "Stan's normal takes a standard deviation, not its square: sigma is one already.",
    ),
    (one_mean(sigma=0.9), "The cells of this check have another sigma than 0.9: is it read from the data?"),
    (one_mean(sigma=1), "How far do cells stray from mu? The data say it: that is what sigma is for."),
    (one_mean(cells=1), "Only the first cell has been used: y may be a vector in `y ~ normal(mu, sigma)`."),
    ((9, 0.5), "These are draws from the prior. Which line of the model brings in the cells?"),
]


@exercise("02.2")
def one_unknown(answer) -> str:
    """Draw the mean of one colony, by a program from an empty file."""
    samples = programs.sample(answer, COLONY)
    if "sigma" in samples["posterior"]:
        raise WrongAnswer("sigma is among what your program draws. Here it is known: it comes with the data.")
    mu = programs.by_chain(samples, "mu")

    def is_from(normal):
        z = (mu - normal[0]) / normal[1]
        return all(programs.away(x, truth, "mu") < programs.TOO_FAR for x, truth in ((z, 0), (z**2, 1)))

    if not is_from(one_mean()):
        answers.refuse_mistakes(is_from, OF_ONE)
        raise WrongAnswer(
            "These draws are not from the posterior. The model has two lines: the prior of mu, and what the "
            "cells are drawn from."
        )
    return (
        f"Exactly, the mean of mu is {one_mean()[0]:.2f} for the colony of this check, whose cells average "
        f"{np.mean(COLONY['y']):.2f}. Which of the two, prior or cells, is the more precise?"
    )


# What is computed from the draws of three days, in the order of their labels, and what is said of it
OF_DAYS = [
    (
        lambda monday, thursday, _: (monday < thursday).mean(),
        "This is the probability of the opposite.",
    ),
    (
        lambda monday, _, wednesday: (monday > wednesday).mean(),
        "You compare Monday with day 3. Which day is that, when labels are sorted?",
    ),
    (
        lambda _, thursday, wednesday: (thursday > wednesday).mean(),
        "You compare days 2 and 3: NumPy counts from 0, the names of parameters from 1.",
    ),
    (
        lambda monday, thursday, _: round(100 * (monday > thursday).mean(), 2),
        "A probability lies between 0 and 1: this is in per cent.",
    ),
    (
        lambda monday, thursday, _: (monday > thursday).sum(),
        "You count draws: what share of all draws is it?",
    ),
    (
        lambda monday, thursday, _: (monday > thursday).sum() / 4000,
        "You divide by 4,000, but these samples have another number of draws: use .mean().",
    ),
    (
        lambda monday, thursday, _: monday.mean() > thursday.mean(),
        "You compare two means, and lose how uncertain they are. Compare draw by draw, then average.",
    ),
]


@exercise("02.3")
def brighter(answer) -> str:
    """Compute from draws the probability that Monday is brighter than Thursday."""
    probability = answers.function(answer, "a function brighter(samples)")
    given, days = [], []
    for tau in (0.2, 2):
        df = simulate([3, 2, 2, 3], theta=10, tau=tau, sigma=2, seed=1, levels=LEVELS)
        samples = exact_posterior(stan_data(df, LEVELS, "y", remark=False)[0], MADE_UP).draws(2000, seed=1)
        result = probability(samples)
        if isinstance(result, bool | np.bool_):  # of a comparison of two means, for instance
            result = float(result)
        given.append(answers.number(result, "a function that returns one number"))
        days.append(samples["posterior"]["theta_1"].values.reshape(-1, 3).T)

    def is_near(share):
        return np.allclose(given, [share(*group) for group in days], rtol=0, atol=0.006)  # rounded, too

    answers.refuse_mistakes(is_near, OF_DAYS)
    if given[0] == given[1]:
        raise WrongAnswer(
            "Your function says the same of two different fits: does it use the samples it is given?"
        )
    if not is_near(lambda monday, thursday, _: (monday > thursday).mean()):
        raise WrongAnswer("In what share of the draws is theta_1[1] above theta_1[2]?")
    return "The probability of any statement about the unknowns can be counted like this."


@exercise("02.4")
def own_fit(answer) -> str:
    """Hold the reader's own fit against the exact posterior of their dictionary, under their priors."""
    wanted = "a tuple of three: your dictionary, the samples that arviz.from_cmdstanpy made, and your priors"
    data, samples, prior = answers.with_prior(answer, 2, wanted)
    exact = belong_together(data, samples, wanted, prior)
    centre, width = {**PRIOR, **(prior or {})}["theta"]
    if abs(np.mean(data["y"]) - centre) > 3 * width:
        raise WrongAnswer(
            f"Your prior of θ is Normal({centre:g}, {width:g}), and your measurements average "
            f"{np.mean(data['y']):.4g}: does it say what you know of them?"
        )
    tau = programs.by_chain(samples, "tau")
    if not arviz_stats.rhat(tau) < DISAGREE:
        raise WrongAnswer(
            f"The chains disagree on τ, R-hat is above {DISAGREE}: no interval of these draws can be "
            "believed."
        )
    marks = score(samples, exact).filter(pl.col("error_in_mcse").is_not_nan())
    worst = marks.sort(pl.col("error_in_mcse").abs())[-1].row(0, named=True)
    if abs(worst["error_in_mcse"]) > programs.TOO_FAR:
        raise WrongAnswer(
            f"{worst['quantity']} is {worst['estimate']:.3f} by your draws, exactly {worst['exact']:.3f}: "
            "another prior, another fit, or a sampler that did not go everywhere?"
        )
    low, high = exact.quantile("tau", [0.055, 0.945])
    ours = np.quantile(tau, [0.055, 0.945])
    short = " Your lower end is far off: that is what lesson 3 is about." if ours[0] > 2 * low else ""
    return (
        f"89% interval of τ: {ours[0]:.2f} to {ours[1]:.2f} by your draws, {low:.2f} to {high:.2f} "
        f"exactly. (Checked with the priors that you gave; where data overrule a prior, others fit as well.)"
        f"{short}"
    )


def belong_together(data, samples, wanted: str, prior: Mapping | None = None):
    """Exact posterior of a dictionary, if the samples are of a fit of such a tree; else say what is wrong."""
    if not isinstance(data, Mapping):
        raise answers.refuse(data, wanted)
    if "posterior" not in getattr(samples, "children", ()):
        raise answers.refuse(samples, wanted)
    if samples["posterior"].sizes["chain"] < 2:
        raise WrongAnswer("The samples hold one chain, which nothing can be compared with: run four.")
    exact = exactly(data, prior, "as the last part of your answer")
    for k in range(1, len([name for name in data if name.startswith("J_")]) + 1):
        nodes = samples["posterior"].get(f"theta_{k}")
        if nodes is not None and nodes.shape[2] != data[f"J_{k}"]:
            raise WrongAnswer(
                f"The samples have {nodes.shape[2]} nodes in level {k}, the dictionary {data[f'J_{k}']}: "
                "of another fit?"
            )
    return exact


def exactly(data, prior: Mapping | None, where: str):
    """Exact posterior of the reader's own data; if it takes other priors, say where the check wants them."""
    try:
        return exact_posterior(data, prior)
    except ValueError as error:
        if str(error).startswith("the lessons' priors are not for these data"):
            raise ValueError(f"{error}. Fit with these, and give them {where}") from None
        raise
