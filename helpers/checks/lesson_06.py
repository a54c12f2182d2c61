"""Checks of lesson 6: a τ for every level, a program of two levels, the prediction of a new cell."""

from collections.abc import Mapping
from functools import cache
from math import isclose

import numpy as np

from helpers.checks import WrongAnswer, answers, exercise, programs
from helpers.data import LEVELS, measurements, stan_data
from helpers.exact import ExactPosterior, exact_posterior
from helpers.priors import PRIOR
from helpers.simulation import simulate

TAUS = [f"tau[{k}]" for k in (1, 2, 3)]


@cache
def cells() -> dict:
    """Make the dictionary of our cells."""
    return stan_data(measurements(), levels=LEVELS, values="y", remark=False)[0]


@cache
def posterior(*scales: float) -> ExactPosterior:
    """Exact answer for our cells with a τ for each level, and the scales of their priors."""
    return exact_posterior(cells(), PRIOR | {"tau": list(scales)}, shared_tau=False, tolerance=1e-6)


@exercise("06.1")
def which(answer) -> str:
    """Predict which τ is known least, and which moves with its prior."""
    wanted = "a dictionary with 'least' and 'moves'"
    given = answers.items(answer, ["least", "moves"], wanted)
    given = [
        answers.word(level, repr(name), LEVELS, " or ".join(map(repr, LEVELS)))
        for name, level in zip(["least", "moves"], given, strict=True)
    ]
    exact = posterior(*[PRIOR["tau"]] * 3)
    sd = [exact.sd(name) for name in TAUS]
    rises = [rise(exact, name, scale=PRIOR["tau"], to=3 * PRIOR["tau"]) for name in TAUS]
    if given[0] != LEVELS[int(np.argmax(sd))]:
        if given[0] == LEVELS[2]:
            raise WrongAnswer(
                "'least': there are many colonies, and small ones. Is it cells that tell of a τ, or nodes?"
            )
        raise WrongAnswer(
            "'least': a spread is learned from differences between nodes. Of which level are there few?"
        )
    if given[1] != LEVELS[int(np.argmax(rises))]:
        raise WrongAnswer("'moves': where the data say least, who has the say?")
    return "A spread is learned from nodes, and here they are few. How far will it move? The table tells."


def rise(exact, name, scale, to) -> float:
    """By how much the mean of a τ rises, as a share, if its half-normal prior is made twice as wide."""
    root, weight = np.polynomial.legendre.leggauss(14)  # in the root of τ, for most of it is near zero
    x = to * ((1 + root) / 2) ** 2
    p = exact.density(name, x) * weight * (1 + root)
    q = p * np.exp(x**2 / 2 * (1 / scale**2 - 1 / (2 * scale) ** 2))
    return float((q @ x / q.sum()) / (p @ x / p.sum()) - 1)


@cache
def pupils() -> tuple[dict, dict, ExactPosterior]:
    """Make pupils in classes in schools, the priors of the exercise, and the exact posterior."""
    levels = ["school", "class"]
    df = simulate([8, 3, 4], theta=50, tau=[6, 2], sigma=6, seed=2, levels=levels)
    data = stan_data(df, levels=levels, values="y", remark=False)[0]
    prior = {"theta": (50, 20), "tau": 10, "sigma": 20}
    return data, prior, exact_posterior(data, prior, shared_tau=False, tolerance=1e-6)


@exercise("06.2")
def classes(program) -> str:
    """Run a program for two levels with a τ for each, which predicts a pupil of a new class."""
    data, prior, exact = pupils()
    samples = programs.sample(program, data, adapt_delta=0.95, iter_sampling=2000)
    truth = {
        name: exact.mean(name) for name in ("theta", "tau[1]", "tau[2]", "sigma", "theta_1[1]", "theta_2[1]")
    }
    off = {name: programs.distance(samples, name, mean) for name, mean in truth.items()}
    if max(off.values()) > programs.TOO_FAR:
        if programs.distance(samples, "tau[1]", truth["tau[2]"]) < programs.TOO_FAR:
            raise WrongAnswer("The two τ have changed places: tau[1] is that of the schools.")
        shared = exact_posterior(data, prior).mean("tau")
        if min(programs.distance(samples, name, shared) for name in TAUS[:2]) < programs.TOO_FAR:
            raise WrongAnswer(
                "Schools and classes have the same τ. Which entry of tau belongs to which line?"
            )
        name = max(off, key=off.get)
        raise WrongAnswer(
            f"The mean of {name} is {off[name]:.0f} MCSEs from the exact one. Compare your priors, those "
            "of the offsets too, and the line for y with the task."
        )
    _look_at_pupil(samples)
    return "These are draws from the exact posterior, and y_new walks down from school 1 in two steps."


def _look_at_pupil(samples) -> None:
    """Hold the pupil of a new class against school 1, draw by draw."""
    y_new, school, tau, sigma, known = (
        programs.by_chain(samples, name).ravel()
        for name in ("y_new", "theta_1[1]", "tau[2]", "sigma", "theta_2[1]")
    )
    variance = tau**2 + sigma**2
    away = programs.prediction(y_new, school, variance, known[:, None])
    if max(abs(away["mean"]), abs(away["nodes"])) > programs.TOO_FAR:
        raise WrongAnswer("y_new is not drawn around school 1. Which is the last node that is known?")
    if abs(away["variance"]) > programs.TOO_FAR:
        ratio = np.mean((y_new - school) ** 2 / variance)
        raise WrongAnswer(
            f"Around school 1, y_new has {ratio:.2f} times the variance that it should have. Walk down "
            "from the last node that is known: how many steps are there, each with which spread?"
        )


@exercise("06.3")
def report(answer) -> str:
    """Predict a cell of a new day under a prior of the reader's, and under one twice as wide."""
    scale, sd = answers.items(answer, ["scale", "sd"], "a dictionary with 'scale' and 'sd'")
    scale = answers.number(scale, "'scale', that of the prior of the days' τ")
    sd = answers.array(sd, "'sd', two standard deviations")
    if len(sd) != 2:
        raise TypeError(f"'sd' has length {len(sd)}: give two numbers, for your scale and for twice that")
    usual = PRIOR["tau"]
    if not usual / 100 <= scale <= 10 * usual:
        raise WrongAnswer(
            f"A scale of {scale:g} "
            + ("forbids almost any difference" if scale < usual else "expects enormous differences")
            + " between days. By how much may two days differ?"
        )
    truth = [_new_day(scale, usual, usual), _new_day(2 * scale, usual, usual)]
    if np.allclose(sd, truth, rtol=0.02):
        return f"Twice the scale makes it {sd[1] / sd[0] - 1:.0%} larger. Does your report name the prior?"
    answers.refuse_mistakes(
        lambda wrong: np.allclose(sd, wrong, rtol=0.02),
        [
            (
                truth[::-1],
                "The two seem to be in reverse order: first with your scale, then with twice that.",
            ),
            (np.square(truth), "These are variances. The standard deviation is the root."),
            ([truth[0]] * 2, "It is the same number twice. The second is for twice your scale."),
        ],
    )
    if isclose(sd[0], truth[0], rel_tol=0.02):
        raise WrongAnswer("The first is right. For the second, double the scale of the days' τ alone.")
    raise WrongAnswer(
        "The first is not the exact one. Is it the days' τ that has your scale, with the other two at "
        f"{usual:g}, and does the walk begin at θ?"
    )


def _new_day(*scales: float) -> float:
    """Exact standard deviation of a cell on a new day."""
    exact = posterior(*scales)
    return (
        sum([exact.sd("theta") ** 2, *(exact.mean(x) ** 2 + exact.sd(x) ** 2 for x in [*TAUS, "sigma"])])
        ** 0.5
    )


@exercise("06.4")
def own_tree(answer) -> str:
    """Fit a tree of the reader's own with a τ for every level, and find the level known least."""
    names = ["data", "prior", "tau", "nodes"]
    wanted = "a dictionary with 'data', 'prior', 'tau' and 'nodes'"
    data, prior, tau, nodes = answers.items(answer, names, wanted)
    if not isinstance(data, Mapping) or "J_1" not in data:
        raise answers.refuse(data, "as 'data' the dictionary that helpers.stan_data gives")
    if "J_2" not in data:
        raise TypeError("'data' has one level: give a tree of two levels at least")
    tau = answers.array(tau, "'tau', the posterior means of the τ in a list, the top level first")
    nodes = answers.number(nodes, "'nodes', how many nodes the level has of which you know least")
    exact = exact_posterior(data, prior, shared_tau=False, tolerance=1e-6)
    spreads = [name for name in exact.names if name.startswith("tau")]
    sizes = [data[f"J_{k + 1}"] for k in range(len(spreads))]
    if len(tau) != len(spreads):
        raise WrongAnswer(
            f"'tau' has {len(tau)} entries, and the tree {len(spreads)} levels: give one τ for each."
        )
    mean, sd = (np.array([get(name) for name in spreads]) for get in (exact.mean, exact.sd))
    if (abs(tau - mean) > 0.3 * sd).any():
        if (abs(tau[::-1] - mean) < 0.3 * sd).all():
            raise WrongAnswer("'tau' seems to be in reverse order: the top level first.")
        k = int(np.argmax(abs(tau - mean) / sd))
        raise WrongAnswer(
            f"The τ of level {k + 1} lies {(abs(tau - mean) / sd)[k]:.1f} posterior standard deviations from "
            "its exact mean. Did you fit with own τs, and with the priors that you give here?"
        )
    least = [sizes[int(np.argmax(x))] for x in (sd, sd / mean)]  # in the unit, or relative to the mean
    if nodes not in least:
        if nodes not in sizes:
            raise WrongAnswer(
                f"No level of the tree has {nodes:g} nodes: they have {', '.join(map(str, sizes))}."
            )
        raise WrongAnswer(
            "There is a level whose τ has a larger posterior standard deviation. How many nodes has it?"
        )
    k = int(np.argmax(sd))
    return (
        f"The τ of level {k + 1} is known to {mean[k]:.3g} ± {sd[k]:.2g}, from {sizes[k]} nodes. In a "
        "simulation, double these, then the measurements: which helps more?"
    )
