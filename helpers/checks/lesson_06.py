"""Checks of lesson 6: a tree as a list, a τ for every level, the prediction of new cells."""

from collections.abc import Mapping
from functools import cache

import numpy as np

from helpers.checks import WrongAnswer, answers, exercise, programs
from helpers.data import LEVELS, measurements, stan_data
from helpers.exact import ExactPosterior, exact_posterior
from helpers.models import stan_file
from helpers.priors import MADE_UP, PRIOR
from helpers.simulation import simulate
from helpers.tree import tree_data


@cache
def cells() -> dict:
    """Make the dictionary of our cells."""
    return stan_data(measurements(), levels=LEVELS, values="y", remark=False)[0]


@cache
def posterior(shared_tau: bool) -> ExactPosterior:
    """Exact answer for our cells, with one τ for all levels or one for each."""
    return exact_posterior(cells(), PRIOR, shared_tau=shared_tau, tolerance=1e-6)


@exercise("06.1")
def the_list(answer) -> str:
    """Write a small tree as one list of parents."""
    wanted = "a dictionary with 'J' and 'parent'"
    sizes, parent = answers.items(answer, ["J", "parent"], wanted)
    sizes = answers.whole(sizes, "'J', the nodes of each level, as a list").tolist()
    parent = answers.whole(parent, "'parent' as a list of whole numbers").tolist()
    df = simulate([2, [2, 1], [1, 3, 2], 1], 10, 1, 1, seed=1, levels=LEVELS)
    data = stan_data(df, levels=LEVELS, values="y", remark=False)[0]
    flat = tree_data(data, PRIOR)
    right, truth = flat["J"].tolist(), flat["parent"].tolist()
    if sizes == np.cumsum(right).tolist():
        raise WrongAnswer(
            "'J' holds the last node of each level. Give the number of nodes that each level has."
        )
    if sizes == [1, *right]:
        raise WrongAnswer("'J' counts the population, which is not a node of the list.")
    if sizes != right:
        raise WrongAnswer("'J': count the days, then the batches, then the colonies.")
    if parent == truth:
        return "The first five entries are those of the tree without colonies: to add a level is to append."
    if len(parent) != len(truth):
        if len(parent) == len(truth) + 1:
            raise WrongAnswer("One entry too many: the population has no parent, and no entry.")
        raise WrongAnswer(
            f"'parent' has {len(parent)} entries. Each node has one parent: how many nodes are there?"
        )
    answers.refuse_mistakes(lambda wrong: parent == wrong, _miscounted(data, truth))
    if sorted(parent) == sorted(truth):
        raise WrongAnswer(
            "The right numbers in another order: entry j belongs to node j, counted level by level."
        )
    node = next(j for j, (given, p) in enumerate(zip(parent, truth, strict=True), start=1) if given != p)
    raise WrongAnswer(f"Entry {node}: follow the line up from node {node} in your picture.")


def _miscounted(data: dict, truth: list[int]) -> list[tuple]:
    """List parents as they come out if nodes are counted in another way, and what is said of them."""
    anew = [0] * data["J_1"] + [*data["index_1"], *data["index_2"]]
    return [
        (anew, "You count anew in each level. Go on counting: the first batch comes after the last day."),
        (
            [p + 1 for p in truth],
            "You count the population as node 1. Call it 0, and begin to count with the days.",
        ),
        (
            [p - 1 for p in truth],
            "You count the nodes from 0, as Python does. Then which number is left for the population?",
        ),
    ]


# The tree whose nodes exercise 06.2 numbers: that of our 47 cells, whatever stands in their place
OURS = simulate([3, [4, 1, 3], [3, 2, 1, 3, 4, 2, 1, 1], 1], 10, 1, 1, seed=1, levels=LEVELS)


@exercise("06.2")
def noticed(answer) -> str:
    """Predict which of three broken trees the program refuses."""
    wanted = "the numbers of the mistakes that are noticed, in a list"
    found = set(answers.array(answer, wanted).tolist())
    if not found <= {1, 2, 3}:
        raise answers.refuse(answer, wanted)
    flat = tree_data(stan_data(OURS, LEVELS, "y", remark=False)[0], MADE_UP)
    mistakes = {1: (4, 5), 2: (28, 10), 3: (26, 8)}
    truth = {number for number, (node, parent) in mistakes.items() if _stops(flat, node, parent)}
    if found == truth:
        return "A program can check the form of a tree, not whether it is true. What does that leave to you?"
    if too_many := found - truth:
        raise WrongAnswer(
            f"Mistake {min(too_many)} leaves a tree like any other. How is the program to know?"
        )
    hints = {
        1: "node 4 is a batch. Of which level is node 5, and of which should a parent be?",
        2: "which cells hang on batch 11, once its only colony has gone?",
    }
    missed = min(truth - found)
    raise WrongAnswer(f"Mistake {missed}: {hints[missed]}")


def _stops(flat, node, parent) -> bool:
    broken = flat | {"parent": flat["parent"].copy()}
    broken["parent"][node - 1] = parent
    try:
        programs.sample(stan_file("tree"), broken, chains=1, iter_warmup=10, iter_sampling=10)
    except WrongAnswer:
        return True
    return False


@exercise("06.3")
def which(answer) -> str:
    """Predict which τ is known least, and which moves with its prior."""
    wanted = "a dictionary with 'least' and 'moves'"
    given = answers.items(answer, ["least", "moves"], wanted)
    given = [
        answers.word(level, repr(name), LEVELS, " or ".join(map(repr, LEVELS)))
        for name, level in zip(["least", "moves"], given, strict=True)
    ]
    exact = posterior(False)
    names = [f"tau[{k}]" for k in (1, 2, 3)]
    sd = [exact.sd(name) for name in names]
    rises = [rise(exact, name, scale=PRIOR["tau"], to=3 * PRIOR["tau"]) for name in names]
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


def new_cell(exact, spreads) -> float:
    """Exact variance of a cell on a new day: that of θ, and the mean square of every spread on the way."""
    return exact.sd("theta") ** 2 + sum(exact.mean(name) ** 2 + exact.sd(name) ** 2 for name in spreads)


@exercise("06.4")
def grows(answer) -> str:
    """Guess by which factor a prediction widens, from a known colony to a new day."""
    names = {"one": "with one τ", "own": "with a τ for each level"}
    given = answers.items(answer, list(names), "a dictionary with 'one' and 'own'")
    for shared, (name, words), factor in zip([True, False], names.items(), given, strict=True):
        factor = answers.number(factor, f"{name!r}, a factor")
        exact = posterior(shared)
        taus = ["tau"] * 3 if shared else [f"tau[{k}]" for k in (1, 2, 3)]
        known = exact.sd("theta_3[1]") ** 2 + exact.mean("sigma") ** 2 + exact.sd("sigma") ** 2
        truth = (new_cell(exact, [*taus, "sigma"]) / known) ** 0.5
        if factor < 1:
            raise WrongAnswer(f"{name!r} is less than 1: is a new day known better than a known colony?")
        if factor > 1.2 * truth:
            raise WrongAnswer(
                f"Less, {words}: also in the first case most of the variance is that of a single cell."
            )
        if factor < truth / 1.2:
            raise WrongAnswer(f"More, {words}: how well do three days tell how much days differ?")
    return "Within a fifth of the exact factors. Which of the three steps does most of it?"


@cache
def trees() -> list[tuple[dict, ExactPosterior]]:
    """Make two trees, flat, each with its exact posterior.

    The second has few days: a cell of one of these follows their mean by 19 standard errors.
    """
    out = []
    for design, tau, sigma, shared in [([20, 6, 3], [1.5, 3], 0.3, False), ([4, 6, 3, 4], 1, 1, True)]:
        levels = LEVELS[: len(design) - 1]
        df = simulate(design, theta=10, tau=tau, sigma=sigma, seed=6, levels=levels)
        data = stan_data(df, levels=levels, values="y", remark=False)[0]
        exact = exact_posterior(data, MADE_UP, shared_tau=shared, tolerance=1e-6)
        out.append((tree_data(data, MADE_UP, shared_tau=shared, weight=1), exact))
    return out


@exercise("06.5")
def new_day(program) -> str:
    """Let the program draw a cell on a new day, for a tree of any depth."""
    hints = []
    for flat, exact in trees():
        K, T = flat["K"], len(flat["prior_tau"])
        tree = f"the tree of {K} levels with {'one τ' if T == 1 else 'a τ for each'}"
        beyond = (
            f"For {tree}, y_new is not a number. How many entries has tau there? "
            "The rest of the program has a way to fetch the τ of level k."
        )
        try:
            samples = programs.sample(program, flat, iter_warmup=500, iter_sampling=1500)
        except (
            WrongAnswer
        ) as error:  # from Stan 2.35 on; before, what is out of range made the number no number
            if "out of range" in str(error):
                raise WrongAnswer(beyond) from error
            raise
        if "y_new" not in samples["posterior"] or samples["posterior"]["y_new"].ndim != 2:
            raise WrongAnswer("Your program has no real number y_new in its generated quantities.")
        y_new, theta, sigma = (programs.by_chain(samples, x).ravel() for x in ("y_new", "theta", "sigma"))
        if not np.isfinite(y_new).all():
            raise WrongAnswer(beyond)
        spreads = np.array([programs.by_chain(samples, f"tau[{k + 1}]").ravel() for k in range(T)])
        x = np.array([programs.by_chain(samples, f"x[{j + 1}]").ravel() for j in range(flat["J"][0])])
        variance = sigma**2 + (spreads**2).sum(axis=0) * (K if T == 1 else 1)
        # weight 1: x is the node itself
        hints += _what_differs(tree, programs.prediction(y_new, theta, variance, x.T), y_new, theta, variance)
        if programs.distance(samples, "theta", exact.mean("theta")) > programs.TOO_FAR:
            hints.append(f"For {tree}, the posterior of theta has changed: leave the model itself as it was.")
    if hints:
        raise WrongAnswer(hints[0])
    return "It holds for two levels and three, with one τ and with several. No line of it counts the levels."


def _what_differs(tree, off, y_new, theta, variance):
    if max(abs(off["mean"]), abs(off["nodes"])) > programs.TOO_FAR:
        yield (
            f"For {tree}, y_new does not lie about the theta of its draw. At which node does your walk "
            "begin? A new day is none of those in the data."
        )
    if abs(off["variance"]) > programs.TOO_FAR:
        ratio = np.mean((y_new - theta) ** 2 / variance)
        yield (
            f"For {tree}, y_new is too {'wide' if ratio > 1 else 'narrow'}: it has {ratio:.2f} times the "
            "variance that it should have. Walk down from theta to a cell: how many steps are there, each "
            "with which spread?"
        )


@exercise("06.6")
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
