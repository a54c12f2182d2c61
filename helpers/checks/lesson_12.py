"""Checks of lesson 12: the shape of a mistake, a rank by hand, a planted bug, a calibration of one's own."""

from collections.abc import Mapping
from functools import cache
from math import isclose

import arviz_stats
import numpy as np
import polars as pl

from helpers.calibration.ranks import rank_test
from helpers.checks import WrongAnswer, answers, exercise, programs
from helpers.data import LEVELS, measurements, stan_data
from helpers.diagnostics import DISAGREE
from helpers.exact import ExactPosterior, exact_posterior
from helpers.priors import PRIOR

SHAPES = ("up, then down", "down, then up", "above", "below")
# A line leaves so wide a band by chance once in 10,000 times: what is outside is wrong.
SURE = 0.9999


@exercise("12.1")
def shapes(answer) -> str:
    """Say what three mistakes do to the line."""
    names = ["too narrow", "too wide", "too low"]
    wanted = "a dictionary with 'too narrow', 'too wide' and 'too low'"
    given = dict(zip(names, answers.items(answer, names, wanted), strict=True))
    one_of = f"one of {', '.join(map(repr, SHAPES))}"
    given = {name: answers.word(shape, repr(name), SHAPES, one_of) for name, shape in given.items()}
    if given["too low"] == "above":
        raise WrongAnswer("'too low': the draws lie too low. Then how many of them are below the true value?")
    if given["too low"] != "below":
        raise WrongAnswer(
            "'too low': all draws are moved to one side, so ranks are, too. Does the line cross zero?"
        )
    if given["too narrow"] in ("above", "below"):
        raise WrongAnswer(
            "'too narrow': the true value is outside on either side as often. Is one sign enough?"
        )
    if given["too narrow"] == "down, then up":
        raise WrongAnswer(
            "'too narrow': rank 0 is too frequent. At the left, is the share of ranks below too large?"
        )
    if given["too wide"] != "down, then up":
        raise WrongAnswer(
            "'too wide' is the opposite of 'too narrow': the true value is in the middle too often."
        )
    return "The line's slope is what counts: steep where ranks are many, falling where they are few."


@exercise("12.2")
def own_rank(answer) -> str:
    """Rank a true value among draws from a posterior that is known on paper."""
    rank = answers.function(answer, "the function rank itself")
    wanted = "a function that returns two things, the rank and y"
    given = [answers.parts(rank(np.random.default_rng([9, k])), 2, wanted) for k in range(4000)]
    for r, _ in given:
        if not (x := answers.number(r, wanted)).is_integer():
            raise WrongAnswer(f"A rank is a number of draws, so it is whole. This one is {x:g}.")
        if not 0 <= x <= 99:
            raise WrongAnswer(f"A rank among 99 draws is between 0 and 99. This one is {x:g}.")
    ranks = np.array([int(answers.number(r, wanted)) for r, _ in given])
    y = np.array([answers.number(value, wanted) for _, value in given])
    if np.ptp(ranks) == 0:
        raise WrongAnswer("All ranks are the same. Are all random numbers taken from rng?")

    def even(ranks):
        return rank_test(pl.DataFrame({"parameter": "mu", "rank": ranks, "draws": 99}), SURE)["inside"].item()

    # The variance of y is 1 + 0.5². With 4000 of them its standard error is 2.2%; five are too many once in
    # two million times.
    if abs(np.mean(y**2) / 1.25 - 1) > 5 * (2 / 4000) ** 0.5:
        raise WrongAnswer(
            f"Your y scatter by {np.mean(y**2) ** 0.5:.2f}, about 0. Work out by how much they should: μ "
            "scatters by 1, and a measurement about μ by 0.5. Is the second number y?"
        )
    if not even(ranks):
        raise WrongAnswer(_uneven(ranks))
    if not (even(ranks[y > 0]) and even(ranks[y < 0])):
        raise WrongAnswer(
            "Over all replications the ranks are even, but not among those with y above 0, or below, "
            "alone. Does your posterior use both, prior and measurement?"
        )
    return "Four thousand ranks, and even. Nobody had to know the posterior of any one of them to see that."


def _uneven(ranks) -> str:
    """Say in which way ranks are not even, and what may be the cause."""
    ends, middle = np.mean((ranks < 10) | (ranks >= 90)), np.mean((ranks >= 30) & (ranks < 70))
    if ends > 0.2 and middle < 0.4:
        return (
            "The ranks pile up at both ends: your posterior is too narrow, or off to either side. "
            "Is the weight of y right, and the sd a root?"
        )
    if ends < 0.2 and middle > 0.4:
        return (
            "The ranks are in the middle too often: your posterior is too wide. "
            "Is the precision 1/sd² of prior and measurement, added up, and the sd one over its root?"
        )
    side = "large" if ranks.mean() > 49.5 else "small"
    return f"The ranks are not even; they are too {side}. Is the mean right?"


@cache
def cells() -> tuple[dict, ExactPosterior]:
    """Make the dictionary of our cells, with the exact answer."""
    data = stan_data(measurements(), LEVELS, "y", remark=False)[0]
    return data, exact_posterior(data, PRIOR)


@exercise("12.3")
def planted(answer) -> str:
    """Plant a bug in a program, and find it without an exact answer.

    That it is there is seen by the exact answer for our cells.
    """
    names = ["program", "table"]
    program, table = answers.items(answer, names, "a dictionary with 'program' and 'table'")
    fitted = calibrated(table, ["theta", "tau", "sigma"], 20)
    data, exact = cells()
    samples = programs.sample(program, data, adapt_delta=0.99)
    means = {name: programs.by_chain(samples, name) for name in ("theta", "tau", "sigma")}
    mixed = all(
        arviz_stats.rhat(draws) < DISAGREE for draws in means.values()
    )  # a bug may well keep chains apart
    if mixed and programs.agrees(samples, exact, list(means)):
        raise WrongAnswer(
            "With our cells your mistake changes nothing that can be seen: is it in the program? "
            "A prior that the data overrule is like that, too. Take a larger one."
        )
    test = rank_test(table, SURE)
    outside = test.filter(~pl.col("inside"))["parameter"].to_list()
    if not outside:
        raise WrongAnswer(
            f"There is a bug in the program, but {fitted} replications do not show it beyond doubt. "
            "Take more, or is the simulation wrong in the same way?"
        )
    return f"{fitted} replications, and {outside[0]} gives it away. Would you have seen it in one fit?"


@exercise("12.4")
def how_many(answer) -> str:
    """Say how many replications make a band as narrow as an error is large."""
    names = [0.06, 0.006]
    wanted = "a dictionary with 0.06 and 0.006, a number of replications each"
    large, small = (
        answers.number(x, f"a number for {name}")
        for name, x in zip(names, answers.items(answer, names, wanted), strict=True)
    )
    if isclose(large, 1.5 / 0.06, rel_tol=0.05):
        raise WrongAnswer("0.06: this is the root of n. Square it.")
    if not 550 <= large <= 700:
        raise WrongAnswer("0.06: set 1.5 over the root of n equal to 0.06, and solve for n.")
    if isclose(small, 10 * large, rel_tol=0.05):
        raise WrongAnswer("0.006: an error a tenth as large. Does the band go with n, or with its root?")
    if not isclose(small, 100 * large, rel_tol=0.05):
        raise WrongAnswer(
            "0.006: the band goes with one over the root of n. What makes it ten times narrower?"
        )
    return "A tenth of the error takes a hundred times the work. That is when one machine is not enough."


@exercise("12.5")
def own_design(answer) -> str:
    """Calibrate for a tree and a prior of the reader's own."""
    names = ["data", "table", "least"]
    wanted = "a dictionary with 'data', 'table' and 'least'"
    flat, table, least = answers.items(answer, names, wanted)
    if not isinstance(flat, Mapping) or "parent" not in flat:
        raise answers.refuse(flat, "as 'data' the dictionary that helpers.tree_data gives")
    fitted = calibrated(table, ["theta", "tau", "sigma"], 50)
    prior = {
        "theta": (flat["prior_theta"][0], flat["prior_theta"][1]),
        "tau": (0, flat["prior_tau"][0]),
        "sigma": (0, flat["prior_sigma"]),
    }
    for name, (mean, sd) in prior.items():
        truth = table.filter(parameter=name)["truth"]
        # the root of a mean square, of a normal and of a half-normal alike: five standard errors
        spread = float(np.sqrt(((truth - mean) ** 2).mean()))
        if abs(spread / sd - 1) > 5 / np.sqrt(2 * len(truth)):
            raise WrongAnswer(
                f"The true values of {name} scatter by {spread:.3g}, and its prior in 'data' is {sd:.3g}. "
                "Do simulation and program have the same prior?"
            )
    test = rank_test(table, SURE)
    if outside := test.filter(~pl.col("inside"))["parameter"].to_list():
        raise WrongAnswer(
            f"The ranks of {outside[0]} are not even. What differs between simulation and program?"
        )
    learned = dict(table.group_by("parameter").agg(pl.col("shrinkage").median()).rows())
    least = answers.word(
        least, "'least'", learned, f"the name of a parameter, one of {', '.join(map(repr, learned))}"
    )
    if learned[least] > min(learned.values()) + 1e-9:
        if learned[least] == max(learned.values()):
            raise WrongAnswer(
                "'least': of this one most is learned. Shrinkage 0 means nothing, 1 everything."
            )
        raise WrongAnswer("'least': compare the medians of the column shrinkage, by parameter.")
    said = ", ".join(f"{name} {value:.2f}" for name, value in sorted(learned.items()))
    return f"{fitted} replications, none out of line. Median shrinkage: {said}."


def calibrated(table, parameters: list[str], least: int) -> int:
    """Say how many replications went through, after making sure that it is a table of calibrate's."""
    wanted = "as 'table' what helpers.calibrate gives"
    if not isinstance(table, pl.DataFrame) or not {"parameter", "rank", "draws", "status"} <= {
        *table.columns
    }:
        raise answers.refuse(table, wanted)
    for name in parameters:
        if name not in table["parameter"]:
            raise WrongAnswer(f"The table has no {name}: let simulate return it with the parameters.")
    fitted = table.filter(status="ok", parameter=parameters[0]).height
    if failed := table.filter(parameter=parameters[0]).height - fitted:
        status = table.filter(pl.col("status") != "ok")["status"][0]
        if fitted < least:
            raise WrongAnswer(f"{failed} fits failed. The first says: {status}")
    if fitted < least:
        raise WrongAnswer(f"{fitted} replications are too few: take {least} or more.")
    return fitted
