"""Checks of lesson 11: messages up a tree, schools integrated out, nodes held fixed, a large tree."""

from collections.abc import Mapping
from functools import cache
from math import isclose

import numpy as np
from scipy.stats import multivariate_normal

from helpers.checks import WrongAnswer, answers, exercise, programs
from helpers.checks.lesson_05 import EFFECT, ERROR, PRIOR, one_level, schools
from helpers.data import LEVELS, measurements, stan_data
from helpers.exact import ExactPosterior, exact_posterior
from helpers.models import stan_file, stan_model
from helpers.priors import PRIOR as PRIORS
from helpers.tree import tree_data

# The tree of exercise 11.1: the cells, and the sizes of its two groups.
CELLS, SIZES, TAU, SIGMA = np.array([9, 10, 14]), np.array([1, 2]), 0.5, 1
MEANS = np.array([9, 12])


@exercise("11.1")
def small_tree(answer) -> str:
    """Pass messages up a tree of two groups, by hand."""
    names = ["q_1", "q_2", "P", "m", "limit", "log_p"]
    given = answers.items(answer, names, f"a dictionary with {', '.join(map(repr, names))}")
    q_1, q_2, P, m, limit, log_p = (
        answers.number(x, f"{name!r} as a number") for x, name in zip(given, names, strict=True)
    )
    q = 1 / (TAU**2 + SIGMA**2 / SIZES)
    for k, x in enumerate([q_1, q_2]):
        _check_precision(f"'q_{k + 1}'", x, SIZES[k], q)
    if not isclose(P, q.sum(), rel_tol=0.01):
        raise WrongAnswer("'P': several children tell of one parent. What happens to their precisions?")
    if not isclose(m, q @ MEANS / q.sum(), rel_tol=0.002):
        answers.refuse_mistakes(
            lambda wrong: isclose(m, wrong, rel_tol=0.002),
            [
                (MEANS.mean(), "'m': the groups count alike here. Weigh each by its q."),
                (CELLS.mean(), "'m': the cells count alike here. But cells of one group share its step."),
                (q @ MEANS, "'m': divide the sum by P."),
            ],
        )
        raise WrongAnswer("'m': each group brings its own mean. How much should each count?")
    _check_limit(limit)
    _check_density(log_p, CELLS, q, MEANS)
    return "Right by hand and by machine. Matrix or messages: which would you use for a million cells?"


def _check_precision(name: str, x: float, n: int, q: np.ndarray) -> None:
    """Refuse what is not the precision of the message of a group of n cells."""
    if isclose(x, 1 / (TAU**2 + SIGMA**2 / n), rel_tol=0.01):
        return
    hints = [
        (n / SIGMA**2, "this is what the cells tell about their group. The population is a step of τ away."),
        (1 / (TAU + SIGMA / n), "it is variances that add up: square τ and σ."),
        (1 / (TAU + SIGMA / n**0.5), "it is variances that add up: square τ and σ."),
        (TAU**2 + SIGMA**2 / n, "this is a variance. What is its precision?"),
    ]
    if n > 1:
        two = "there are two cells. What is the variance of their mean?"
        hints += [(q[0], two), (1 / (TAU**2 + n * SIGMA**2), two)]
    answers.refuse_mistakes(
        lambda wrong: isclose(x, wrong, rel_tol=0.01), [(value, f"{name}: {hint}") for value, hint in hints]
    )
    raise WrongAnswer(f"{name}: which two steps lie between the population and the mean of its cells?")


def _check_limit(limit: float) -> None:
    """Refuse what is not the largest precision that one group can pass on."""
    if isclose(limit, 1 / TAU**2, rel_tol=0.01):
        return
    if limit > 1e6:
        raise WrongAnswer("'limit': with ever more cells one variance goes to zero. What about the other?")
    if isclose(limit, 1 / TAU) or isclose(limit, TAU**2):
        raise WrongAnswer("'limit': a precision is one over a variance, and the variance of a step is τ².")
    raise WrongAnswer("'limit': let the number of cells grow in the formula for q. Which term is left?")


# The eight schools three times as far apart: their spread matters, and so does its prior.
TRIPLED = one_level([3 * y for y in EFFECT], ERROR)


@cache
def tripled(forgetful: bool = False) -> ExactPosterior:
    """Exact answer for them, or for a program that leaves their errors out."""
    return exact_posterior(TRIPLED, prior=PRIOR, sigma=[0.01] * 8 if forgetful else ERROR)


def _check_density(log_p: float, y: np.ndarray, q: np.ndarray, mean: np.ndarray) -> None:
    """Refuse what is not the log density of the three cells."""
    (centre, wide), tau, sigma, group = (10, 3), TAU, SIGMA, np.array([1, 2, 2])
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


@exercise("11.2")
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
    return "Two parameters, and right. The schools can be had back: draw theta_1 in generated quantities."


@cache
def known_means() -> tuple[ExactPosterior, float, float]:
    """Exact answer for our cells; mean and sd of τ if θ and all nodes were at their posterior means."""
    data = stan_data(measurements(), levels=LEVELS, values="y", remark=False)[0]
    exact = exact_posterior(data, PRIORS)
    node = np.hstack([exact.mean(name) for name in ("theta", "theta_1", "theta_2", "theta_3")])
    steps = node[1:] - node[tree_data(data, PRIORS)["parent"]]
    tau = np.linspace(1e-3, 1, 5000)
    log_p = -len(steps) * np.log(tau) - (steps @ steps / tau**2 + (tau / PRIORS["tau"]) ** 2) / 2
    p = np.exp(log_p - log_p.max())
    mean = p @ tau / p.sum()
    return exact, mean, np.sqrt(p @ (tau - mean) ** 2 / p.sum())


@exercise("11.3")
def referee(answer) -> str:
    """Compare the spread of τ with the nodes integrated out and with the nodes held fixed."""
    names = ["integrated", "fixed"]
    given = answers.items(answer, names, "a dictionary with 'integrated' and 'fixed'")
    integrated, fixed = (
        answers.number(x, f"{name!r}, a standard deviation") for x, name in zip(given, names, strict=True)
    )
    exact, mean, sd = known_means()
    if not isclose(integrated, exact.sd("tau"), rel_tol=0.15):
        if isclose(integrated, exact.mean("tau"), rel_tol=0.1):
            raise WrongAnswer("'integrated': this is the mean of τ. Its standard deviation was asked for.")
        raise WrongAnswer("'integrated': the standard deviation of the draws of τ, from tree_marginal.")
    answers.refuse_mistakes(
        lambda wrong: isclose(fixed, wrong, rel_tol=0.1),
        [
            (mean, "'fixed': this is the mean of τ on the grid. How widely does its density spread?"),
            (exact.sd("tau"), "'fixed': this is the sd with the nodes integrated out once more."),
            (sd**2, "'fixed': this is a variance."),
        ],
    )
    if not isclose(fixed, sd, rel_tol=0.1):
        raise WrongAnswer(
            "'fixed': the density of τ is its prior times 28 normal densities, one for each step from the "
            "parent's mean to the node's. Is your grid fine enough near zero?"
        )
    return f"{exact.sd('tau') / sd:.0f} times as wide as with fixed means. What does that say to the referee?"


@exercise("11.4")
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
