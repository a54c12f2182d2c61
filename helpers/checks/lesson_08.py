"""Checks of lesson 8: one slope in Stan, where days count from, who does not get slower, your own table."""

from collections.abc import Iterable, Mapping
from functools import cache
from math import isclose

import numpy as np
import polars as pl

from helpers.checks import WrongAnswer, answers, exercise, programs
from helpers.data import table_file
from helpers.exact import exact_crossed, exact_slopes
from helpers.tree import draws

ONE_SLOPE = {"prior_theta": [10, 3], "prior_beta": [[0, 2]], "prior_tau": [5], "prior_sigma": 5}
NAMES = {"theta": "theta", "beta": "beta[1]", "tau": "tau[1]", "sigma": "sigma"}
FLAT = 1e3
PRIOR_TAU = 5 * np.sqrt(2 / np.pi)  # mean of HalfNormal(5)
# What models with a typical mistake change: data or priors, and means that stay those of a prior.
OTHER_MODELS = [
    ({"X": 0}, {}, "beta has kept its prior. Where does the line use x?"),
    ({"prior_tau": [1e-3]}, {"tau": PRIOR_TAU}, "tau has kept its prior. Where are the effects used?"),
    ({"X": -1}, {}, "The slope has the opposite sign. Is beta * x added?"),
    ({"prior_theta": [10, FLAT]}, {}, "theta seems to have no prior. It is Normal(10, 3)."),
    ({"prior_theta": [0, 3]}, {}, "theta seems to have another prior. It is Normal(10, 3)."),
    ({"prior_tau": [FLAT]}, {}, "tau seems to have no prior. It is HalfNormal(5)."),
]


@cache
def fed() -> dict:
    """Make eight groups with one slope, and doses that differ by group, as `exact_crossed` reads them."""
    rng = np.random.default_rng(6)
    z = rng.normal(size=8)
    group = np.repeat(np.arange(8), 3)
    x = np.round(2 + z[group] + rng.normal(size=24), 1)
    y = np.round(rng.normal(3 + 2 * z[group] + 1.2 * x, 1), 1)
    return {"N": 24, "F": 1, "J": [8], "index": [group + 1], "P": 1, "X": x[:, None], "y": y} | ONE_SLOPE


def exact_means(model: Mapping) -> dict[str, float]:
    """Means of theta, beta, tau and sigma."""
    exact = exact_crossed(model, tolerance=1e-4)
    return {name: exact.mean(known) for name, known in NAMES.items()}


@exercise("08.1")
def one_slope(program) -> str:
    """Write the model with one slope in Stan."""
    data = fed()
    own = {"N": 24, "J": 8, "group": data["index"][0], "x": data["X"][:, 0], "y": data["y"]}
    samples = programs.sample(program, own, iter_sampling=2000)

    def off(means: Mapping) -> dict[str, float]:
        return {name: programs.distance(samples, name, mean) for name, mean in means.items()}

    far = off(exact_means(data))
    worst = max(far, key=far.get)
    if far[worst] < programs.TOO_FAR:
        return f"All four means are right, the worst off by {far[worst]:.1f} MCSE. And with two predictors?"
    for change, kept, hint in OTHER_MODELS:
        change = change | {"X": data["X"] * change.get("X", 1)}
        if max(off(exact_means(data | change) | kept).values()) < programs.TOO_FAR:
            raise WrongAnswer(hint)
    raise WrongAnswer(
        f"The mean of {worst} lies {far[worst]:.0f} Monte Carlo standard errors from the exact one. Compare "
        "each line of your model with the formula and the priors."
    )


PRIOR = {"prior_theta": [250, 100], "prior_beta": [[0, 20]], "prior_tau": [100, 20]}
PRIOR |= {"prior_rho": 2, "prior_sigma": 50}

# Of the sleep study with the lesson's priors, exact but not at once: the mean of ρ by where days count from
MIDDLE = 0.6091
RHO = [
    (0.0670, "it is that of days from 0. Has X changed?"),
    (0.8189, "it is that of days counted from the last one. Take 4.5 away, not 9."),
    (-0.5189, "4.5 was added to the days. Take it away."),
    (0.7532, "it is where the likelihood is highest, with no prior. Give the posterior mean."),
    (0.6365, "this is the median. Give the mean."),
    (MIDDLE - 0.0670, "this is by how much it changed. Give the new mean."),
]
# What counting from the middle does to each: whether it changes, and what to look at again.
CHANGES = {
    "theta": (True, "'changes': θ is the typical person's time where X is 0. Which day is that now?"),
    "beta[1]": (False, "'changes': a slope is per day. Does that depend on where days are counted from?"),
    "tau[1]": (True, "'changes': lines spread over the days. How far apart are people where X is 0?"),
    "tau[2]": (False, "'changes': are the slopes of people others now? Or did you divide days by their sd?"),
    "rho": (
        True,
        "'changes': ρ is not of people alone. It is of a slope and of the intercept, where X is 0.",
    ),
    "sigma": (False, "'changes': σ is how far times lie from their lines, and these are the same lines."),
}


@exercise("08.2")
def zero(answer) -> str:
    """Say which parameters change if days are counted from the middle."""
    changes, rho = answers.items(answer, ["changes", "rho"], "a dictionary with 'changes' and 'rho'")
    if isinstance(changes, Mapping):
        changes = [name for name, whether in changes.items() if whether]
    wanted = "as 'changes' a list of names, of theta, beta[1], tau[1], tau[2], rho and sigma"
    if isinstance(changes, str) or not isinstance(changes, Iterable):
        raise answers.refuse(changes, wanted)
    given = {answers.word(name, "one of 'changes'", CHANGES, wanted) for name in changes}
    rho = answers.number(rho, "'rho', its posterior mean")
    for name, (whether, hint) in CHANGES.items():
        if (name in given) != whether:
            raise WrongAnswer(hint)
    if not isclose(rho, MIDDLE, abs_tol=0.02):  # four Monte Carlo standard errors of 4000 draws
        answers.refuse_mistakes(
            lambda other: isclose(rho, other, abs_tol=0.015), [(x, f"'rho': {hint}") for x, hint in RHO]
        )
        raise WrongAnswer("'rho': take 4.5 from X, leave everything else, and give the mean of rho.")
    return "Same people, same lines. Where would days have to count from for ρ to be 0?"


# P(new slope < 0) and what may stand in its place, exact as above; 4000 draws have an error of 0.0013.
BELOW = 0.06348
OTHERS = [
    (1 - BELOW, 0.02, "This is for those who get slower. What share does not?"),
    (100 * BELOW, 1.5, "Give a share, not per cent."),
    (0, 0.003, "This is of beta[1], the mean of all people. How far do people lie from it?"),
    (1 / 18, 1e-4, "This counts the people in the data. Let a new person come from the population."),
    (0.0455, 0.0015, "This is of the people in the data. Let a new person come from the population."),
    (0.0560, 0.0015, "Are these one beta[1] and one tau[2]? Average the share over all their draws."),
    (0.4112, 0.02, "This is of rho. Which share of slopes is below 0?"),
]


@exercise("08.3")
def slower(answer) -> str:
    """Say what share of people does not get slower."""
    share = answers.number(answer, "a share, as a number")
    if isclose(share, BELOW, abs_tol=0.0055):
        return "Do your sentences keep the average and single people apart? Compare the solution's."
    for wrong, near, hint in OTHERS:
        if isclose(share, wrong, abs_tol=near):
            raise WrongAnswer(hint)
    rough = "Near. One slope for each draw is too rough: take the probability of each. "
    raise WrongAnswer(
        f"{rough * (abs(share - BELOW) < 0.02)}For each draw it is the probability that a normal number with "
        "mean beta[1] and sd tau[2] is below 0. Average it."
    )


LESSON = {"sleepstudy.csv": "reaction", "penicillin.csv": "diameter"}


@exercise("08.4")
def own_data(answer) -> str:
    """Fit a table of the reader's own, and hold the draws against the exact answer."""
    wanted = "a dictionary with 'data' and 'samples'"
    data, samples = answers.items(answer, ["data", "samples"], wanted)
    if not isinstance(data, Mapping) or not {"index_1", "index"} & {*data} or "y" not in data:
        raise answers.refuse(data, "as 'data' what the program read, data | priors, with 'y' as its numbers")
    y = np.sort(np.asarray(data["y"], dtype=float))
    for table, column in LESSON.items():
        of_lesson = pl.read_csv(table_file(table), comment_prefix="#")[column].sort().to_numpy()
        if y.shape == of_lesson.shape and np.allclose(y, of_lesson):
            raise WrongAnswer(f"These are the numbers of {table}. Take a table of your own, or make one up.")
    lines = "index_1" in data
    n = np.sum(data.get("J_1", 0)) if lines else np.sum(data.get("J", 0)) - np.max(data.get("J", 0))
    if n > (most := 400 if lines else 60):
        other = "" if lines else " besides the largest factor's"
        raise ValueError(f"{n} groups{other} would take minutes: give a part of the table, {most} at most")
    draws(samples, "theta")  # says so if these are no samples
    exact = (exact_slopes if lines else exact_crossed)(data, tolerance=1e-3)
    off = {n: programs.distance(samples, n, exact.mean(n)) for n in exact.names if "_" not in n}
    worst = max(off, key=off.get)
    if off[worst] > programs.TOO_FAR:
        raise WrongAnswer(
            f"{worst} lies {off[worst]:.0f} Monte Carlo standard errors from its exact mean, "
            f"{exact.mean(worst):.3g}. Are these draws of this data with these priors, and do they diverge?"
        )
    return _known(data, exact, lines) + f" All means are right, the worst off by {off[worst]:.1f} MCSE."


def _known(data: Mapping, exact, lines: bool) -> str:
    """Say what is known of slopes, or of the spreads of factors."""

    def ends(name):
        low, high = exact.quantile(name, [0.025, 0.975])
        return f"{low:.3g} to {high:.3g}"

    said = []
    if "beta[1]" in exact.names:
        said.append(f"one unit more of the first predictor changes y by {ends('beta[1]')} on average")
    if lines:
        said.append(f"slopes of groups differ from that by an sd of {ends('tau[2]')}")
    else:
        said += [f"tau[{f}], of {n} groups, is {ends(f'tau[{f}]')}" for f, n in enumerate(data["J"], 1)]
    return f"With 95%, {'; '.join(said)}."
