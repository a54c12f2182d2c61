"""Checks of lesson 10: where the verdict flips, a program with a form for each group, a pilot."""

from collections.abc import Mapping
from functools import cache
from math import isclose

import numpy as np

from helpers.checks import WrongAnswer, answers, exercise, programs
from helpers.checks.lesson_02 import exactly
from helpers.data import stan_data
from helpers.exact import exact_posterior
from helpers.inputs import as_list
from helpers.priors import PRIOR
from helpers.simulation import simulate

MARK = 2  # the λ at which the lesson's map flips
NEAR = 1, 3  # between these the lesson's map leaves it open
MANY = 10  # measurements, from which the groups of exercise 10.3 are centered


@exercise("10.1")
def flip(answer) -> str:
    """Guess where the verdict flips, and what that means for groups of 8."""
    names = ["lambda", "tau", "left_out"]
    wanted = "a dictionary with 'lambda', 'tau' and 'left_out'"
    given = answers.items(answer, names, wanted)
    kinds = ["a number", "a number, with σ = 1", "a share, between 0 and 1"]
    ratio, tau, left_out = (
        answers.number(x, f"{name!r} as {kind}") for x, name, kind in zip(given, names, kinds, strict=True)
    )
    if not ratio > 0:
        raise WrongAnswer("λ is a number of measurements times a square: it is above 0.")
    n, sigma = 8, 1
    root = sigma * (ratio / n) ** 0.5  # of n (τ/σ)² = λ
    if not isclose(tau, root, rel_tol=0.02):
        if isclose(tau, root**2, rel_tol=0.02):
            raise WrongAnswer("For your λ this is the square of τ.")
        raise WrongAnswer("For your 'lambda', solve λ = n (τ/σ)² for τ, with n = 8 and σ = 1.")
    kept = 1 / 2**2  # λ stays as it is if n goes with 1/τ²
    if isclose(left_out, kept):
        raise WrongAnswer("This is the share that you keep.")
    if isclose(left_out, 1 / 2):
        raise WrongAnswer("λ grows with the square of τ. What does doubling τ do to it?")
    if isclose(left_out, 100 * (1 - kept)):
        raise WrongAnswer("In per cent, yes. Give it as a share, between 0 and 1.")
    if isclose(left_out, (1 - kept) * n):
        raise WrongAnswer("Of 8 measurements, yes. Give it as a share, which holds for any number.")
    if not isclose(left_out, 1 - kept):
        raise WrongAnswer("With twice the τ, by what do you divide n so that λ stays as it is?")
    if not NEAR[0] <= ratio <= NEAR[1]:
        side = "high" if ratio > NEAR[1] else "low"
        raise WrongAnswer(
            f"'tau' and 'left_out' follow from your λ. But that is too {side}: "
            "where do data and parent say about equally much?"
        )
    return (
        f"On the map the verdict flips near {MARK}. Does it look like a cliff there, or like a gentle slope?"
    )


def _weights(answer, wanted):
    """Read weights, of which True and False are two, as a comparison gives them."""
    given = as_list(answer)
    if given and all(isinstance(one, bool | np.bool_) for one in given):
        answer = [int(one) for one in given]
    return answers.array(answer, wanted)


def _zeros_and_ones(weight, groups):
    if len(weight) != groups:
        raise WrongAnswer(f"There are {len(weight)} weights, and {groups} groups: give one for each.")
    if not np.isin(weight, (0, 1)).all():
        raise WrongAnswer("Let each weight be 0 or 1, that is, noncentered or centered.")


def _choose(weight, ratio, spreads):
    """Tell whether groups with much data, and only these, are centered; those near the mark may be either."""
    much, little = ratio > NEAR[1], ratio < NEAR[0]
    if not (weight[much] == 1).any() and not (weight[little] == 0).any() and (much | little).any():
        raise WrongAnswer("It is the other way round. Which weight is centered, and which groups should be?")
    for group, hint in [(much & (weight == 0), "say more"), (little & (weight == 1), "say less")]:
        if group.any():
            j = group.argmax()
            raise WrongAnswer(
                f"Group {j + 1} has weight {weight[j]:g}. With {spreads} its λ is {ratio[j]:.2g}: its "
                f"data {hint} about its mean than its parent does."
            )


@cache
def groups_of_one_level() -> tuple[dict, object]:
    """Return groups of 60 and of 2, which any mix of forms samples well, and their exact posterior."""
    unit = PRIOR["tau"] / 5  # as the program's priors may be those of other measurements
    sizes = np.array([60, 2, 2, 2] * 4)
    df = simulate([16, sizes.tolist()], PRIOR["theta"][0], 0.7 * unit, unit, seed=3, levels="group")
    data, _ = stan_data(df, "group", "y", remark=False)
    named = {"J": data["J_1"], "group": data["index_1"], "centered": (sizes > MANY).astype(int)}
    return data | named, exact_posterior(data, PRIOR)


@exercise("10.3")
def each_its_own(program) -> str:
    """Run a program for a level of groups, of which each is centered or not as the data say."""
    data, exact = groups_of_one_level()
    samples = programs.sample(program, data, adapt_delta=0.9)
    theta, tau, _ = (programs.by_chain(samples, name) for name in ("theta", "tau", "sigma"))
    groups = range(1, data["J"] + 1)
    means, moved = (
        np.array([programs.by_chain(samples, f"{name}[{j}]") for j in groups]) for name in ("mu", "x")
    )
    centered = data["centered"].astype(bool)
    _what_is_computed(means, moved, theta + tau * moved, centered)
    for name in ("theta", "tau", "sigma", "mu[1]", "mu[2]"):
        off = programs.distance(samples, name, exact.mean(name.replace("mu", "theta_1")))
        if off > programs.TOO_FAR:
            if np.std(moved[~centered]) > 3:
                raise WrongAnswer(
                    "The offsets in your draws range far more widely than standard normal ones. Which line "
                    "draws them?"
                )
            raise WrongAnswer(
                f"The mean of {name} is {off:.0f} MCSEs from the exact one. What is the distribution of x[j] "
                "if centered[j] is 1, and what if it is 0? Compare the priors and the line for y "
                "with lesson 2's."
            )
    return "Right draws, and each group in its own form. Which line would change if all were centered?"


def _what_is_computed(means, moved, shifted, centered):
    """Tell of groups whose mean is not computed from x as their form has it."""

    def same(one, other):  # by group; CmdStan rounds what it writes
        return np.isclose(one, other, rtol=1e-4, atol=1e-4 * PRIOR["tau"]).all(axis=(1, 2))

    plain, offset = same(means, moved), same(means, shifted)
    if (plain == ~centered).all() and (offset == centered).all():
        raise WrongAnswer("It is the other way round: where centered is 1, x is the mean itself.")
    for form, of_this in [("the mean itself", centered & ~plain), ("an offset", ~centered & ~offset)]:
        if of_this.any():
            j = of_this.argmax()
            raise WrongAnswer(
                f"Group {j + 1} has centered = {centered[j]:d}, so x[{j + 1}] is {form}. In your draws "
                f"mu[{j + 1}] does not follow from it like that."
            )


@exercise("10.4")
def pilot(answer) -> str:
    """Take weights from a pilot run, for groups of the reader's own."""
    names = ["data", "tau", "sigma", "weight"]
    wanted = "a dictionary with 'data', 'tau', 'sigma' and 'weight'"
    data, *spreads, weight = answers.items(answer, names, wanted)
    if not isinstance(data, Mapping) or "J_1" not in data:
        raise answers.refuse(data, "as 'data' the dictionary that helpers.stan_data gives")
    if "J_2" in data:
        raise TypeError("'data' has several levels: give groups of one level, for which λ = n (τ/σ)² holds")
    tau, sigma = (
        answers.number(x, f"{name!r} as a number") for x, name in zip(spreads, names[1:], strict=False)
    )
    weight = weight[0] if isinstance(weight, list) and len(weight) == 1 else weight  # as tree_data has it
    weight = _weights(weight, "'weight', a list with one for each group")
    exact = exactly(data, answers.optional(answer, "prior"), "as an item 'prior' of your answer")
    off = [abs(x - exact.mean(name)) / exact.sd(name) for x, name in [(tau, "tau"), (sigma, "sigma")]]
    swapped = [abs(x - exact.mean(name)) / exact.sd(name) for x, name in [(sigma, "tau"), (tau, "sigma")]]
    if max(off) > 1:
        if max(swapped) < 1:
            raise WrongAnswer("'tau' and 'sigma' seem to be swapped.")
        name = ["tau", "sigma"][int(np.argmax(off))]
        raise WrongAnswer(
            f"{name!r} lies {max(off):.1f} posterior standard deviations from the exact mean. Was the pilot "
            "stuck? Or are its priors, if not the lesson's, missing under 'prior'?"
        )
    n = np.bincount(np.asarray(data["index_1"]))[1:]
    _zeros_and_ones(weight, len(n))
    _choose(weight, n * (tau / sigma) ** 2, "your τ and σ")
    return (
        f"You center {int(weight.sum())} of {len(n)} groups. Had the pilot erred by a fifth, would your "
        "weights change?"
    )
