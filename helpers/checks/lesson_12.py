"""Checks of lesson 12: the shapes of mistakes, a program with a planted bug, a calibration of one's own."""

from collections.abc import Mapping

import arviz_stats
import numpy as np
import polars as pl

from helpers.calibration.ranks import rank_test
from helpers.checks import WrongAnswer, answers, exercise, programs
from helpers.diagnostics import DISAGREE

SHAPES = ("up, then down", "down, then up", "above", "below")
# A line leaves so wide a band by chance once in 10,000 times: what is outside is wrong.
SURE = 0.9999
SEEN = 0.99  # enough for a bug that has been seen in the program


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
            "'too narrow': the true value falls outside on either side equally often. Is one sign enough?"
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


# What the two programs of 12.2 are run on: other numbers than in the lesson, so that they have to be read
FOUR = {"N": 4, "y": [11.0, 12.3, 10.4, 11.9], "sigma": 0.4, "m": 9, "s": 0.6}


def one_mean(m=FOUR["m"], s=FOUR["s"], sigma=FOUR["sigma"], n=FOUR["N"]) -> tuple[float, float]:
    """Mean and standard deviation of the normal posterior of `mu`."""
    precision = 1 / s**2 + n / sigma**2
    return (m / s**2 + sum(FOUR["y"][:n]) / sigma**2) / precision, precision**-0.5


# What a program with a typical mistake draws from, and what is said of it
OF_ONE = [
    ((FOUR["m"], FOUR["s"]), "These are draws from the prior. Which line brings in the measurements?"),
    (
        one_mean(10, 3),
        "mu is about where the measurements alone would put it. In this check its prior is a narrow one.",
    ),
    (
        one_mean(sigma=FOUR["sigma"] ** 2),
        "Stan's normal takes a standard deviation, and sigma is one already.",
    ),
    (one_mean(s=FOUR["s"] ** 2), "Stan's normal takes a standard deviation, and s is one already."),
    (one_mean(sigma=0.5), "In this check sigma is not 0.5: it comes with the data."),
    (one_mean(n=1), "Only the first measurement was used: y may be a vector in `y ~ normal(mu, sigma)`."),
]


@exercise("12.2")
def planted(answer) -> str:
    """Write a program, plant a bug in a copy, and find it by calibration.

    Whether the first is right, and the second wrong, is seen by their draws for other data.
    """
    names = ["program", "planted", "table"]
    wanted = "a dictionary with 'program', 'planted' and 'table'"
    program, copy, table = answers.items(answer, names, wanted)
    fitted = calibrated(table, ["mu"], 20)
    mu = programs.by_chain(programs.sample(program, FOUR), "mu")
    if not is_from(one_mean(), mu):
        answers.refuse_mistakes(lambda normal: is_from(normal, mu), OF_ONE)
        raise WrongAnswer(
            "The draws of 'program' are not from the posterior. The model has two lines: the prior of mu, "
            "and what the measurements are drawn from."
        )
    wrong = programs.by_chain(programs.sample(copy, FOUR), "mu")
    mixed = arviz_stats.rhat(wrong) < DISAGREE  # a bug may well keep chains apart
    if mixed and is_from(one_mean(), wrong):
        raise WrongAnswer("The draws of 'planted' are from the right posterior. Is the mistake saved in it?")
    (line,) = rank_test(table.filter(parameter="mu"), SEEN).iter_rows(named=True)
    if line["inside"]:
        raise WrongAnswer(
            f"There is a bug in the program, but {fitted} replications do not show it beyond doubt. "
            "Take more, or a larger mistake. Or is the simulation wrong in the same way?"
        )
    strayed = abs(line["largest"])
    return f"{fitted} replications, and the line strays by {strayed:.2f}. Would one fit have shown the bug?"


def is_from(normal: tuple[float, float], draws: np.ndarray) -> bool:
    """Whether draws have the mean and the standard deviation of a normal distribution."""
    z = (draws - normal[0]) / normal[1]
    return all(programs.away(x, truth, "mu") < programs.TOO_FAR for x, truth in ((z, 0), (z**2, 1)))


@exercise("12.4")
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
                "'least': about this one most is learned. Shrinkage 0 means nothing, 1 everything."
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
