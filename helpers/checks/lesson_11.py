"""Checks of lesson 11: messages up a tree, schools integrated out, the ruler of a spread."""

from collections.abc import Mapping
from functools import cache
from math import isclose

import numpy as np
from scipy.special import log_expit
from scipy.stats import multivariate_normal

from helpers.checks import WrongAnswer, answers, exercise, programs
from helpers.checks.lesson_05 import EFFECT, ERROR, PRIOR, one_level, schools
from helpers.data import stan_data
from helpers.exact import ExactPosterior, exact_posterior
from helpers.models import stan_file, stan_model
from helpers.priors import MADE_UP
from helpers.simulation import simulate
from helpers.tree import tree_data


@exercise("11.1")
def how_loud(answer) -> str:
    """Say how much one colony can tell its batch, and how much twenty can."""
    names = ["limit", "one", "twenty"]
    given = answers.items(answer, names, "a dictionary with 'limit', 'one' and 'twenty'")
    limit, one, twenty = (
        answers.number(x, f"{name!r}, a precision") for x, name in zip(given, names, strict=True)
    )
    tau, sigma = 0.6, 0.9

    def voice(n):
        return 1 / (tau**2 + sigma**2 / n)

    def is_(x, truth):
        return isclose(x, truth, rel_tol=0.01)

    if limit > 1e6:
        raise WrongAnswer(
            "'limit': with ever more cells one term of the sum goes to zero. What becomes of the other?"
        )
    if is_(limit, 1 / tau) or is_(one, 1 / (tau + sigma / 60)):
        raise WrongAnswer(
            "A precision is one over a variance, and it is variances that add up: square τ and σ."
        )
    if not is_(limit, 1 / tau**2):
        raise WrongAnswer("'limit': let n grow in the formula. Which term is left?")
    if is_(one, 60 / sigma**2):
        raise WrongAnswer("'one' is what the cells tell of their colony. The batch is a step of τ away.")
    if is_(one, 60 * voice(1)):
        raise WrongAnswer("'one': this is for 60 colonies of a single cell each.")
    if not is_(one, voice(60)):
        raise WrongAnswer("'one': put n = 60, τ = 0.6 and σ = 0.9 into the formula for q.")
    if is_(twenty, voice(3)):
        raise WrongAnswer("'twenty': this is what one of the twenty says. How do precisions add up?")
    if is_(twenty, voice(3) / 20) or is_(twenty, 20 * voice(60)):
        raise WrongAnswer("'twenty': each of the twenty has three cells, and their precisions add up.")
    if not is_(twenty, 20 * voice(3)):
        raise WrongAnswer(
            "'twenty': work out what a colony of three cells says, then what twenty of them do."
        )
    return f"{twenty / one:.0f} times as much, for as many cells. What if a new colony cost as much as ten?"


@exercise("11.2")
def small_tree(answer) -> str:
    """Pass messages up a tree of two groups, by hand."""
    names = ["q_1", "q_2", "P", "m", "log_p"]
    given = answers.items(answer, names, "a dictionary with 'q_1', 'q_2', 'P', 'm' and 'log_p'")
    q_1, q_2, P, m, log_p = (
        answers.number(x, f"{name!r} as a number") for x, name in zip(given, names, strict=True)
    )
    y, n, tau, sigma = np.array([9, 10, 14]), np.array([1, 2]), 1, 1
    mean = np.array([y[0], y[1:].mean()])
    q = 1 / (tau**2 + sigma**2 / n)
    for name, x, k in [("q_1", q_1, 0), ("q_2", q_2, 1)]:
        if isclose(x, q[k], rel_tol=0.01):
            continue
        if isclose(x, n[k] / sigma**2):
            raise WrongAnswer(
                f"{name!r}: this is what the cells say of their group. It is τ² wider for the population."
            )
        if k and (isclose(x, q[0]) or isclose(x, 1 / (tau**2 + n[k] * sigma**2), rel_tol=0.01)):
            raise WrongAnswer(f"{name!r}: there are two cells. What is the variance of their mean?")
        raise WrongAnswer(f"{name!r}: add the variance of the mean of its cells and that of a step of τ.")
    if not isclose(P, q.sum(), rel_tol=0.01):
        raise WrongAnswer("'P': several children speak of one parent. What happens to their precisions?")
    if not isclose(m, q @ mean / q.sum(), rel_tol=0.002):
        if isclose(m, mean.mean()):
            raise WrongAnswer("'m': the groups count alike here. Weigh each by its q.")
        if isclose(m, y.mean()):
            raise WrongAnswer(
                "'m': the cells count alike here. But two cells of one group say less than two groups."
            )
        if isclose(m, q @ mean, rel_tol=0.002):
            raise WrongAnswer("'m': divide the sum by P.")
        raise WrongAnswer("'m': average what the two groups say, 9 and 12, with their q as weights.")
    _check_density(log_p, y, q, mean)
    return (
        "By hand, by messages, by a matrix: three times the same. Which of them would you do for a million?"
    )


# The eight schools three times as far apart: their spread matters, and so does its prior.
TRIPLED = one_level([3 * y for y in EFFECT], ERROR)


@cache
def tripled(forgetful: bool = False) -> ExactPosterior:
    """Exact answer for them, or for a program that leaves their errors out."""
    return exact_posterior(TRIPLED, prior=PRIOR, sigma=[0.01] * 8 if forgetful else ERROR)


def _check_density(log_p: float, y: np.ndarray, q: np.ndarray, mean: np.ndarray) -> None:
    """Refuse what is not the log density of the three cells."""
    (centre, wide), tau, sigma, group = (10, 3), 1, 1, np.array([1, 2, 2])
    shared = tau**2 * (group[:, None] == group)

    def density(covariance, at=y):
        return multivariate_normal(np.full(len(at), centre), covariance).logpdf(at)

    noise = sigma**2 * np.eye(3)
    wrong = [
        (density(shared + noise), "The matrix lacks what all cells share: the uncertainty of θ."),
        (
            density(wide**2 + tau**2 + noise),
            "All cells share θ; only those of one group share a group.",
        ),
        (
            density(wide**2 + tau**2 * np.eye(3) + noise),
            "Cells 2 and 3 share a group: their covariance has τ².",
        ),
        (
            density((wide**2 + tau**2 + sigma**2) * np.eye(3)),
            "Cells that share something are not independent.",
        ),
        (
            density(wide**2 + np.diag(1 / q), mean),
            "This is the density of two means. There are three cells.",
        ),
    ]
    truth = density(wide**2 + shared + noise)
    if not isclose(log_p, truth, rel_tol=0.001):
        for value, hint in wrong:
            if isclose(log_p, value, rel_tol=0.001):
                raise WrongAnswer(f"'log_p': {hint}")
        raise WrongAnswer(
            "'log_p': let log_density compute it, for a dictionary of three cells in two groups."
        )


@exercise("11.3")
def without_schools(program) -> str:
    """Write a program for the eight schools that moves no school."""
    samples = programs.sample(program, TRIPLED, adapt_delta=0.99, iter_sampling=2500)
    if not programs.agrees(samples, tripled(), names := ["theta", "tau"]):
        if programs.agrees(samples, tripled(forgetful=True), names):
            raise WrongAnswer(
                "Here all of the scatter is τ's. Where in your program are the standard errors?"
            )
        for prior, hint in [
            ({"tau": 5}, "The prior of tau is half-normal, not half-Cauchy."),
            ({"theta": (0, 1000)}, "theta seems to have no prior."),
        ]:
            if programs.agrees(samples, exact_posterior(TRIPLED, PRIOR | prior, sigma=ERROR), names):
                raise WrongAnswer(hint)
        if programs.by_chain(samples, "tau").mean() < tripled().mean("tau"):
            raise WrongAnswer(
                "tau comes out too small. What adds up, standard deviations or variances? "
                "And which of the two does Stan's normal take?"
            )
        raise WrongAnswer("theta or tau is off. Has each its prior, and does y scatter by τ and by its σ?")
    parameters = stan_model(program).src_info()["parameters"]
    if arrays := [name for name, kind in parameters.items() if kind["dimensions"]]:
        raise WrongAnswer(
            f"The draws are right. But {arrays[0]} is a parameter for every school, and so is moved."
        )
    # The schools as they are say less of tau, and its prior more: with twice the scale, the mean of tau is
    # one point higher, or 20 Monte Carlo standard errors.
    closer = programs.sample(program, one_level(EFFECT, ERROR), adapt_delta=0.99, iter_sampling=2500)
    if not programs.agrees(closer, schools(), names):
        raise WrongAnswer(
            "With estimates far apart your program is right, with those of lesson 5 it is not. There priors "
            "count: has tau a half-Cauchy of scale 5, and theta a normal one of sd 5?"
        )
    if "theta_1" not in samples["posterior"]:
        return "Two parameters, and right. The schools can be had back: draw theta_1 in generated quantities."
    _schools_as_drawn(samples)
    return (
        "Two parameters are moved, and eight schools drawn. Compare the gradients of a draw with lesson 5's."
    )


def _schools_as_drawn(samples):
    """Hold the mean and the spread of two schools against the exact ones."""
    for name in ("theta_1[1]", "theta_1[8]"):
        if programs.distance(samples, name, mean := tripled().mean(name)) > programs.TOO_FAR:
            raise WrongAnswer(
                f"theta and tau are right. But {name} has another mean: what do θ and y say of it?"
            )
        squares = (programs.by_chain(samples, name) - mean) ** 2
        if programs.away(squares, tripled().sd(name) ** 2, name) > programs.TOO_FAR:
            raise WrongAnswer(
                f"theta, tau and the mean of {name} are right. But it scatters too much or too little."
            )


@cache
def five_groups() -> tuple[dict, ExactPosterior]:
    """Make groups that are measured well, flat, with the exact answer."""
    df = simulate([5, 6], theta=10, tau=1, sigma=0.5, seed=1, levels="group")
    data = stan_data(df, levels="group", values="y", remark=False)[0]
    return tree_data(data, MADE_UP), exact_posterior(data, MADE_UP)


@exercise("11.4")
def in_logarithms(program) -> str:
    """Let NUTS move the logarithm of the spreads.

    Not the draws are looked at, but the log density that Stan reports with them. Less that of τ and σ, it is
    what `log_slope` added.
    """
    flat, exact = five_groups()
    options = {"chains": 1, "iter_warmup": 200, "iter_sampling": 200, "sig_figs": 12}
    samples = programs.sample(program, flat, **options)
    names = ["tau[1]", "sigma", "z_tau[1]", "z_sigma"]
    tau, sigma, *z = (programs.by_chain(samples, name).ravel() for name in names)
    x = []
    for name, spread, coordinate in [("tau", tau, z[0]), ("sigma", sigma, z[1])]:
        unit, log_scale = np.polyfit(coordinate, np.log(spread), 1)
        if np.ptp(np.log(spread) - unit * coordinate - log_scale) > 1e-6:
            raise WrongAnswer(
                f"log {name} is no straight line in what NUTS moves: does spread return scale * exp(x)?"
            )
        x.append(unit * coordinate)
    added = samples["sample_stats"]["lp"].values.ravel() - exact.log_density(tau, sigma)
    low = np.logaddexp(0, -np.array(x))
    old = log_expit(x - low**2 / 2) + np.log1p(low * np.exp(log_expit(-np.array(x))))

    def is_(slopes):
        return np.ptp(added - slopes) < 1e-6

    if is_(np.log(tau) + np.log(sigma)):
        return "Draws and density keep step. Now mark it, and count gradients: what does the long tail cost?"
    if is_(old.sum(axis=0)):
        raise WrongAnswer("log_slope is that of the old curve. What is the slope of scale * exp(x)?")
    if is_(0):
        raise WrongAnswer("log_slope is constant. Does scale * exp(x) climb as fast everywhere?")
    if is_(tau + sigma):
        raise WrongAnswer("log_slope returns the slope itself. Its logarithm was asked for.")
    if is_(-np.log(tau) - np.log(sigma)):
        raise WrongAnswer("log_slope has the wrong sign: it is the slope of tau in x, not of x in tau.")
    raise WrongAnswer(
        "spread is right, and log_slope is not: it is the logarithm of the slope of scale * exp(x)."
    )


@exercise("11.5")
def large_tree(answer) -> str:
    """Fit a large tree of the reader's own with a τ for every level."""
    names = ["data", "tau", "best"]
    flat, tau, best = answers.items(answer, names, "a dictionary with 'data', 'tau' and 'best'")
    if not isinstance(flat, Mapping) or "parent" not in flat:
        raise answers.refuse(flat, "as 'data' the dictionary that helpers.tree_data gives")
    if flat["shared_tau"]:
        raise WrongAnswer("'data' has one τ for all levels: make it with shared_tau=False, and fit again.")
    tau = answers.array(tau, "'tau', the posterior means of the τ in a list, the top level first")
    best = answers.number(best, "'best', the number of a level, 1 for the top one")
    if len(tau) != flat["K"]:
        raise WrongAnswer(
            f"'tau' has {len(tau)} entries, and the tree {flat['K']} levels: give one τ for each."
        )
    short = {"chains": 2, "iter_warmup": 500, "iter_sampling": 500}
    samples = programs.sample(stan_file("tree_marginal"), dict(flat) | {"write_nodes": 0}, **short)
    draws = [programs.by_chain(samples, f"tau[{k + 1}]") for k in range(flat["K"])]
    mean, sd = np.mean(draws, axis=(1, 2)), np.std(draws, axis=(1, 2))
    off = abs(tau - mean) / sd
    if off.max() > 0.5:
        if (abs(tau[::-1] - mean) / sd).max() < 0.5:
            raise WrongAnswer("'tau' seems to be in reverse order: the top level first.")
        k = int(np.argmax(off))
        raise WrongAnswer(
            f"A run of tree_marginal on your data has the τ of level {k + 1} {off[k]:.1f} posterior standard "
            "deviations from yours. Did you fit this dictionary?"
        )
    known = [int(np.argmin(x)) + 1 for x in (sd / mean, sd)]  # best known, as a share or in the unit
    if best not in known:
        if best + 1 in known:
            raise WrongAnswer("'best': count the levels from 1, as Stan does.")
        raise WrongAnswer(
            "'best': divide the standard deviation of each τ by its mean. Where is that smallest?"
        )
    shares = ", ".join(f"{share:.0%}" for share in sd / mean)
    return f"From the top, each τ is known to {shares}. Compare with one over the root of twice the nodes."
