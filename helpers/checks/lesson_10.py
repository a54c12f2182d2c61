"""Checks of lesson 10: when to center."""

from collections.abc import Mapping
from functools import cache
from math import isclose, pi

import numpy as np

from helpers.checks import WrongAnswer, answers, exercise, programs
from helpers.checks.lesson_02 import exactly
from helpers.data import LEVELS, stan_data
from helpers.exact import exact_posterior
from helpers.inputs import as_list
from helpers.models import stan_model
from helpers.priors import PRIOR
from helpers.simulation import simulate

MARK = 2  # the λ at which the lesson's map flips
NEAR = 1, 3  # between these the lesson's map leaves it open


@exercise("10.1")
def flip(answer) -> str:
    """Guess where the verdict flips, and what that means for groups of 8."""
    names = ["lambda", "tau", "left_out"]
    wanted = "a dictionary with 'lambda', 'tau' and 'left_out'"
    given = answers.items(answer, names, wanted)
    kinds = ["a number", "a number, with σ = 1", "a share, between 0 and 1"]
    loudness, tau, left_out = (
        answers.number(x, f"{name!r} as {kind}") for x, name, kind in zip(given, names, kinds, strict=True)
    )
    if not loudness > 0:
        raise WrongAnswer("λ is a number of measurements times a square: it is above 0.")
    n, sigma = 8, 1
    root = sigma * (loudness / n) ** 0.5  # of n (τ/σ)² = λ
    if not isclose(tau, root, rel_tol=0.02):
        if isclose(tau, root**2, rel_tol=0.02):
            raise WrongAnswer("For your λ this is the square of τ.")
        raise WrongAnswer("For your 'lambda', solve λ = n (τ/σ)² for τ, with n = 8 and σ = 1.")
    kept = 1 / 2**2  # λ stays as it is if n goes with 1/τ²
    if isclose(left_out, kept):
        raise WrongAnswer("This is the share that you keep.")
    if isclose(left_out, 1 / 2):
        raise WrongAnswer("λ goes with the square of τ. What does doubling τ do to it?")
    if isclose(left_out, 100 * (1 - kept)):
        raise WrongAnswer("In per cent, yes. Give it as a share, between 0 and 1.")
    if isclose(left_out, (1 - kept) * n):
        raise WrongAnswer("Of 8 measurements, yes. Give it as a share, which holds for any number.")
    if not isclose(left_out, 1 - kept):
        raise WrongAnswer("With twice the τ, by what do you divide n so that λ stays as it is?")
    if not NEAR[0] <= loudness <= NEAR[1]:
        side = "high" if loudness > NEAR[1] else "low"
        raise WrongAnswer(
            f"'tau' and 'left_out' follow from your λ. But that is too {side}: "
            "where are both voices about as loud?"
        )
    return f"The map will put the mark near {MARK}. Does it look like a cliff there, or like a gentle slope?"


@exercise("10.2")
def mixed_company(answer) -> str:
    """Choose a weight for each of 45 groups."""
    weight = _weights(answer, "45 weights, 0 or 1, in a list")
    n = np.array([400] * 5 + [2] * 40)
    _zeros_and_ones(weight, len(n))
    _choose(weight, n * 0.2**2, "τ = 0.2 and σ = 1")
    return "Then neither form for all can be right. Which of the two, would you say, suffers more?"


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


def _choose(weight, loudness, spreads):
    """Tell whether the loud groups, and only these, are centered; those near the mark may be either."""
    loud, quiet = loudness > NEAR[1], loudness < NEAR[0]
    if not (weight[loud] == 1).any() and not (weight[quiet] == 0).any() and (loud | quiet).any():
        raise WrongAnswer(
            "It is the other way round: weight 1 is centered, for groups of which the data say much."
        )
    for group, hint in [(loud & (weight == 0), "says more"), (quiet & (weight == 1), "says less")]:
        if group.any():
            j = group.argmax()
            raise WrongAnswer(
                f"Group {j + 1} has weight {weight[j]:g}. With {spreads} its λ is {loudness[j]:.2g}: what it "
                f"measures {hint} about its mean than its parent does."
            )


@cache
def well_measured() -> dict:
    """Make data that all forms of the program sample well, so that only mistakes are found.

    τ is unlike its own square, and unlike σ.
    """
    unit = PRIOR["tau"] / 5  # as the program's priors may be those of other measurements
    df = simulate([4, 3, 3, 5], PRIOR["theta"][0], 2 * unit, unit, seed=8, levels=LEVELS)
    return stan_data(df, levels=LEVELS, values="y", remark=False)[0]


@exercise("10.3")
def colonies_centered(program) -> str:
    """Center the colonies, and neither days nor batches."""
    data = well_measured()
    samples = programs.sample(program, data, adapt_delta=0.9)
    names = ["theta", "tau", "sigma", "theta_3[1]", "theta_3[36]"]
    if not programs.agrees(samples, exact_posterior(data, PRIOR), names):
        _what_is_drawn_about_what(samples, data)
    moved = stan_model(program).src_info()["parameters"]
    if "theta_3" not in moved:
        raise WrongAnswer(
            "The draws are right. But theta_3 is computed from offsets: it should be a parameter."
        )
    if both := [name for name in ("theta_1", "theta_2") if name in moved]:
        raise WrongAnswer(
            f"The draws are right. But {' and '.join(both)} should be noncentered, as they were."
        )
    return "Right draws, in the form asked for. How many gradients does a draw cost, compared with weight 1?"


def _what_is_drawn_about_what(samples, data):
    cells = {"N": data["N"], "y": data["y"]}
    day = data["index_1"][data["index_2"] - 1]
    others = {
        "θ": cells | {"J_1": data["J_3"], "index_1": data["index_3"]},
        "their days": cells
        | {"J_1": data["J_1"], "J_2": data["J_3"], "index_1": day, "index_2": data["index_3"]},
    }
    for node, tree in others.items():
        if programs.agrees(samples, exact_posterior(tree, PRIOR), ["theta", "tau", "sigma"]):
            raise WrongAnswer(
                f"The colonies of your program are drawn about {node}. Their parents are batches."
            )
    tau = programs.by_chain(samples, "tau")
    if programs.away(tau, PRIOR["tau"] * (2 / pi) ** 0.5, "tau") < programs.TOO_FAR:
        raise WrongAnswer(
            "tau is as its prior has it: the cells tell it nothing. Which line ties theta_3 to its parents?"
        )
    raise WrongAnswer(
        "The draws are not those of the model. About what is theta_3 drawn, and with which spread?"
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
        "weights be others?"
    )
