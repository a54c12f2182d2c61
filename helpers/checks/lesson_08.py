"""Checks of lesson 8: where days count from, a new person in Stan, a report, a design, your own table."""

import re
from collections.abc import Iterable, Mapping
from functools import cache
from math import isclose

import numpy as np
import polars as pl

from helpers.checks import WrongAnswer, answers, exercise, programs
from helpers.checks.lesson_07 import NOT
from helpers.data import table_file
from helpers.exact import exact_crossed, exact_slopes
from helpers.inputs import describe_type, short_repr
from helpers.tree import draws

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


@exercise("08.1")
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


@cache
def crowd() -> tuple[dict, dict[str, float]]:
    """Make people with lines that are far apart and correlated, with the exact means."""
    rng = np.random.default_rng(12)
    z = rng.normal(size=(2, 12))
    z = np.linalg.solve(np.linalg.cholesky(np.cov(z)), z - z.mean(axis=1, keepdims=True))
    height, slope = 250 + 40 * z[0], 10 + 8 * (0.9 * z[0] + 0.436 * z[1])
    person, day, _ = np.unravel_index(np.arange(480), (12, 10, 4))
    y = rng.normal(height[person] + slope[person] * day, 50)
    data = {"N": 480, "J_1": 12, "index_1": person + 1, "P": 1, "X": day[:, None].astype(float), "y": y}
    exact = exact_slopes(data | PRIOR, tolerance=1e-3)
    return data | PRIOR, {name: exact.mean(name) for name in exact.names if "_" not in name}


@exercise("08.2")
def new_person(program) -> str:
    """Write y_new, the reaction time of a new person on day 9."""
    data, exact = crowd()
    samples = programs.sample(program, data, iter_sampling=2000)
    if any(programs.distance(samples, name, mean) > programs.TOO_FAR for name, mean in exact.items()):
        raise WrongAnswer("theta, beta, tau, rho or sigma is not what it was. Leave the other blocks as is.")
    for name in ("theta_1", "beta_1"):
        programs.by_chain(samples, f"{name}[1]")  # says so if there is none
    post = samples["posterior"]
    if "y_new" not in post or post["y_new"].ndim != 2:
        raise WrongAnswer("There is no 'real y_new': declare it at the top of generated quantities.")
    _hold(programs.by_chain(samples, "y_new").ravel(), {name: draws(samples, name) for name in exact}, post)
    return "A new person: none of the lines in the data is theirs. How would you predict person 1 on day 10?"


def _hold(y_new: np.ndarray, p: dict, post) -> None:
    """Refuse a y_new that is not of a new person on day 9, draw by draw.

    Given a draw it is normal, and has nothing to do with the lines of people in the data. A right one is
    refused once in 600,000 times: see `programs.prediction`.
    """
    people = [post[name].values.reshape(len(y_new), -1) for name in ("theta_1", "beta_1")]
    lines = people[0] + 9 * people[1]

    def off(mean, variance):
        found = programs.prediction(y_new, mean, variance, lines)
        return max(abs(found["mean"]), abs(found["variance"])), abs(found["nodes"])

    mean, variance = _on_day(9, p)
    apart, follows = off(mean, variance)
    if apart < programs.TOO_FAR and follows < programs.TOO_FAR:
        return
    own = "this is of a person in the data. Draw a new line, about theta and beta[1]."
    for line in lines.T:
        if np.allclose(y_new, line) or off(line, p["sigma"] ** 2)[0] < programs.TOO_FAR:
            raise WrongAnswer(f"'y_new': {own}")
    nearest = sorted(_mistakes(p), key=lambda mistake: off(*mistake[0])[0])
    answers.refuse_mistakes(lambda model: off(*model)[0] < programs.TOO_FAR, nearest)
    raise WrongAnswer(
        "'y_new': draw a line about theta and beta[1] by tau and L, which is of no person in the data; go to "
        "day 9 on it, and add an error."
    )


def _on_day(day: float, p: Mapping) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of a new person's time, given draws of the parameters by name."""
    own, slope = p["tau[1]"], day * p["tau[2]"]
    variance = own**2 + 2 * p["rho"] * own * slope + slope**2 + p["sigma"] ** 2
    return p["theta"] + day * p["beta[1]"], variance


def _mistakes(p: Mapping) -> list[tuple]:
    """Mean and variance of y_new after typical mistakes, with the hint for each."""
    own, slope, rho, sigma = (p[name] for name in ("tau[1]", "tau[2]", "rho", "sigma"))
    longer = np.sqrt(1 + rho**2)
    turned = {"tau[1]": own * longer, "tau[2]": slope * np.sqrt(1 - rho**2), "rho": rho / longer}
    changes = [
        ({"sigma": 0}, "this is on a person's line. A time differs from it, by σ."),
        ({"rho": 0}, "the offsets have no correlation. Multiply them by L."),
        ({"rho": 1}, "both offsets are one number. Draw two, then multiply them by L."),
        (turned, "the correlation is the wrong way round. Multiply the offsets by L, not L'."),
        ({"tau[1]": own**2, "tau[2]": slope**2}, "tau is an sd already. Do not square it."),
        ({"tau[1]": 1, "tau[2]": 1}, "tau is missing. L has no unit, only rho in it."),
        ({"sigma": sigma**2}, "normal takes σ, not its square."),
        ({"tau[1]": 0, "tau[2]": 0}, "this is about the typical person's line. Draw another, by tau and L."),
        ({"tau[2]": 0}, "a new person has the slope of all here. Let them have their own."),
    ]
    days = [(_on_day(day, p), f"this is day {day}. Go 9 days along.") for day in (0, 1)]
    mistakes = [*((_on_day(9, {**p, **change}), hint) for change, hint in changes), *days]
    return [(model, f"'y_new': {hint}") for model, hint in mistakes]


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
CLAIMS = [
    (r"(not |in|non-?)?significan(t|tly|ce)\b(?! (digit|figure))", "leave that to tests. What may ρ be?"),
    (r"(dis)?(prove[sdn]?|proving|proofs?)\b", "an interval is no proof."),
    (r"(uncorrelated|independent|(no|zero) (correlation|relation(ship)?|link))\b", "is ρ known that well?"),
    (r"caus(e|es|ed|al)\b", "a correlation says nothing of causes."),
]


@exercise("08.3")
def report(answer) -> str:
    """Say what share of people does not get slower, and what is known of ρ."""
    share, text = answers.items(answer, ["share", "report"], "a dictionary with 'share' and 'report'")
    share = answers.number(share, "'share', a probability")
    if not isclose(share, BELOW, abs_tol=0.0055):
        for wrong, near, hint in OTHERS:
            if isclose(share, wrong, abs_tol=near):
                raise WrongAnswer(f"'share': {hint}")
        rough = "Near. One slope for each draw is too rough: take the probability of each. "
        raise WrongAnswer(
            f"'share': {rough * (abs(share - BELOW) < 0.02)}For each draw it is the probability that a "
            "normal number with mean beta[1] and sd tau[2] is below 0. Average it."
        )
    _read(text)
    return (
        "A good report says how sure it is, and which day the intercept stands for. Compare the solution's."
    )


def _read(text) -> None:
    """Look for the interval of ρ, and for what it cannot say."""
    if not isinstance(text, str):
        raise TypeError(f"'report' is {describe_type(text)}: give a sentence or two, as a text")
    if not 10 <= (words := len(text.split())) <= 100:
        ask = "What does somebody need who has not seen your code?" if words < 10 else "What can be left out?"
        raise WrongAnswer(f"'report' has {words} words. {ask}")
    # A dash between two numbers is no sign, as in 0.1–0.2.
    found = [float(re.sub("[−–]", "-", x)) for x in re.findall(r"(?<![\d.])[-−–]?0?\.\d+", text)]
    if len({*found}) < 2:
        raise WrongAnswer("'report': how well is ρ known? Give the ends of an interval, in digits.")
    if not (any(-0.75 < x < -0.08 for x in found) and any(0.2 < x < 0.8 for x in found)):
        raise WrongAnswer("'report': these are not the ends of an interval of ρ, with days from 0.")
    for pattern, hint in CLAIMS:
        for claim in re.finditer(r"\b" + pattern, text, re.IGNORECASE):
            if not re.search(NOT, text[: claim.start()], re.IGNORECASE):
                raise WrongAnswer(f"'report' says {short_repr(claim[0])}: {hint}")


# Mean sd of θ over 210 tables of each kind, which differ by 22%. So the mean of ten lies 25% off, to one side
# or the other, once in 2000 times.
SDS = {"plates": 0.98, "samples": 0.648}


@exercise("08.4")
def more(answer) -> str:
    """Say whether more plates or more samples tell more of the mean."""
    names = ["guess", *SDS]
    guess, *given = answers.items(answer, names, "a dictionary with 'guess', 'plates' and 'samples'")
    guess = answers.word(guess, "'guess'", SDS, "'plates' or 'samples'")
    sds = [answers.number(x, f"{name!r}, an sd") for name, x in zip(SDS, given, strict=True)]
    if sds[0] < sds[1]:
        raise WrongAnswer("'plates' is for 48 plates, 'samples' for 12 samples. Are the two swapped?")
    for (name, truth), sd in zip(SDS.items(), sds, strict=True):
        if not isclose(sd, truth, rel_tol=0.25):
            if isclose(sd, truth**2, rel_tol=0.25):
                raise WrongAnswer(f"{name!r}: this seems to be a variance. Give the mean of the sds.")
            raise WrongAnswer(
                f"{name!r}: is it the mean sd of θ in ten tables of this size, with the true values "
                "of the exercise and the lesson's priors?"
            )
    how = "as you guessed" if guess == "samples" else "other than you guessed"
    by = f"{1 - sds[1] / sds[0]:.0%}"
    return f"Samples, {how}: their sd is {by} smaller. And if plates differed more than samples?"


LESSON = {"sleepstudy.csv": "reaction", "penicillin.csv": "diameter"}


@exercise("08.5")
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
