"""Checks of lesson 7: a check for bleaching, log_lik and y_rep, a Bayes factor, a budget, one left out."""

import inspect
import re
import warnings
from collections.abc import Callable, Mapping
from functools import cache
from math import isclose

import arviz_base
import arviz_stats
import numpy as np

from helpers.checks import WrongAnswer, answers, exercise, predictions, programs
from helpers.checks.lesson_02 import cells
from helpers.data import LEVELS, stan_data
from helpers.exact import ExactPosterior, exact_loo, exact_posterior
from helpers.inputs import describe_type, short_repr
from helpers.priors import MADE_UP, PRIOR
from helpers.simulation import replicate, simulate

TABLES = 10  # of each kind


@cache
def tables() -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Make right tables, then bleached ones: y, the colony of each cell, and 200 replicates of y."""
    out = []
    for k in range(2 * TABLES):
        df = simulate([3, 3, 3, 10], theta=10, tau=0.5, sigma=1, seed=[11, k], levels=LEVELS)
        data, _ = stan_data(df, LEVELS, "y", remark=False)
        if k >= TABLES:
            data["y"] = data["y"] - 0.1 * np.tile(np.arange(10), 27)
        samples = exact_posterior(data, MADE_UP).draws(200, seed=k)
        new = replicate(samples, data, seed=k)["posterior_predictive"]["y"].values[0]
        out.append((np.array(data["y"]), np.array(data["index_3"]) - 1, new))
    return out


@exercise("07.1")
def bleaching(answer) -> str:
    """Write a statistic that tells bleached tables from right ones.

    The slope in each colony misses one table in 300 and alarms in one right table in 20. So in other tables
    than these it would fail here once in 1000 times.
    """
    statistic = answers.function(answer, "the function statistic(y, colony)")
    try:
        inspect.signature(statistic).bind(0, 0)
    except TypeError as error:
        raise TypeError(f"it cannot be called so ({error}): give a function statistic(y, colony)") from None

    def value(y, colony):  # of copies, as it may change them
        return answers.number(statistic(y.copy(), colony.copy()), "a function that returns one number")

    y, colony, new = tables()[0]
    some = [value(x, colony) for x in (y, *new[:20])]
    if min(some) == max(some):
        raise WrongAnswer(f"Your function returns {some[0]:g} for every data set. Is it computed from y?")
    if value(y, colony) != some[0]:
        raise WrongAnswer("Called twice with the same table, your function gives two answers.")
    found = []
    for y, colony, new in tables():
        t, expected = value(y, colony), np.array([value(x, colony) for x in new])
        found.append(2 * min(np.mean(expected >= t), np.mean(expected <= t)) < 0.05)
    alarms, caught = sum(found[:TABLES]), sum(found[TABLES:])
    if alarms >= 4:
        raise WrongAnswer(
            f"It raises an alarm in {alarms} of {TABLES} tables that nothing is wrong with. Does it use "
            "anything besides the y and the colony that it is given?"
        )
    if caught < 8:
        raise WrongAnswer(f"It catches {caught} of {TABLES} bleached tables. {_why_not(value, caught)}")
    return (
        f"It catches {caught} of {TABLES} bleached tables, and raises an alarm in {alarms} of {TABLES} right "
        "ones. Would it also see a lamp that fades over the whole day?"
    )


def _why_not(value: Callable, caught: int) -> str:
    """Say why a statistic misses what bleaching does."""
    y, colony, _ = tables()[0]
    backwards = np.lexsort((-np.arange(len(y)), colony))
    if isclose(value(y, colony), value(y[backwards], colony), rel_tol=1e-9, abs_tol=1e-12):
        return (
            "It is the same if each colony's cells are taken backwards. Bleaching has a direction; how much "
            "cells scatter, the model fits anyway, by a larger σ."
        )
    if caught < 4:
        return "Does the order begin anew in each colony, and does what colonies differ by cancel?"
    return "So there is something in it. Do all cells of a colony have a say, or only some?"


@cache
def colonies() -> tuple[dict, ExactPosterior, float]:
    """Make cells that are not in order, with their exact answer and their exact elpd."""
    unit = PRIOR["tau"] / 5  # as the program's priors may be those of other measurements
    sigma = unit * (0.3 if 0.7 < 0.6 * unit < 1.4 else 0.6)  # a σ near 1 would hide its square
    df = simulate([3, 2, 2, 6], PRIOR["theta"][0], unit, sigma, seed=11, levels=LEVELS)
    data, _ = stan_data(df.sample(fraction=1, shuffle=True, seed=1), LEVELS, "y", remark=False)
    return data, exact_posterior(data, PRIOR), exact_loo(data, PRIOR).elpd


@exercise("07.2")
def predicting(program) -> str:
    """Write log_lik and y_rep in generated quantities."""
    data, exact, elpd = colonies()
    samples = programs.sample(program, data, sig_figs=12, adapt_delta=0.95)
    if not programs.agrees(samples, exact, ["theta", "tau", "sigma"]):
        raise WrongAnswer("theta, tau or sigma is not what it was. Leave the other blocks as they are.")
    log_lik = predictions.hold(samples, data)
    by_cell = {"y": log_lik}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a large k̂, which is told below
        loo = arviz_stats.loo(arviz_base.from_dict({"posterior": by_cell, "log_likelihood": by_cell}))
    return (
        f"By PSIS from your log_lik, elpd_loo of these made-up cells is {loo.elpd:.1f}, with k̂ of up to "
        f"{float(loo.pareto_k.max()):.2f}. Exactly, it is {elpd:.1f}."
    )


@cache
def factor(scale: float) -> float:
    """Bayes factor of complete pooling against one τ with a half-normal prior of this scale."""
    none, one = (exact_posterior(cells(), PRIOR | {"tau": x}).log_evidence for x in (1e-6 * scale, scale))
    return float(np.exp(none - one))


# What a factor does not say, and what is said of it. Whoever writes that it is no proof is right.
NOT = r"(\b(not?|nor|never|cannot|nothing|neither)\b|n['’]t\b)[^.;]{0,25}$"
SMALL = "can cells tell a small τ from none?"
CLAIMS = [
    (r"(not |in|non-?)?significan(t|tly|ce)\b(?! (digit|figure))", "leave that to tests. How large is it?"),
    (r"(dis)?(prove[sdn]?|proving|proofs?)\b", "a factor is no proof. By how much does belief move?"),
    (r"(accept|reject)(s|ed|ing)?\b", "nothing is decided. Both stay possible."),
    (r"(?<![\"'“‘])no (effects?|differences?|variation)\b(?! in (elpd|pred))", SMALL),
    (r"((do|does|did) not|don['’]t) (differ|vary)\b", SMALL),
    (r"identical\b(?! priors?)", SMALL),
]


@exercise("07.3")
def report(answer) -> str:
    """Say what the scale of a prior does to a Bayes factor, and report it."""
    *given, text = answers.items(answer, [1, 20, "report"], "a dictionary with '1', '20' and 'report'")
    truths, prior_at_0 = {1: factor(1), 20: factor(20)}, (2 / np.pi) ** 0.5
    for (scale, truth), other, x in zip(truths.items(), (truths[20], truths[1]), given, strict=True):
        x = answers.number(x, f"for {scale} a factor")
        wrong = [
            (other, "This is for the other scale. Are the two swapped?"),
            (factor(5), "This is for the lesson's prior, with scale 5."),
            (1 / truth, "This is for one τ. Take it the other way round."),
            (np.log(truth), "This is the difference of the logarithms. Take its exp."),
            (-np.log(truth), "This is a difference of logarithms, and the other way round. Take exp."),
            (np.log10(truth), "This is in powers of ten. Take the factor itself."),
            (truth / (1 + truth), "This is a probability. How many times that of one τ is it?"),
            (truth * prior_at_0 / scale, "This is a posterior density. Divide it by the prior's at 0."),
            (2 * truth, "A half-normal density is twice a normal one, as there is nothing below 0."),
        ]
        if not isclose(x, truth, rel_tol=0.03):
            nearest, hint = min(wrong, key=lambda mistake: abs(mistake[0] - x))
            if isclose(x, nearest, rel_tol=0.02):
                raise WrongAnswer(f"{scale}: {hint}")
            raise WrongAnswer(
                f"{scale}: take exp of the log evidence of complete pooling less that of one τ, with this "
                "scale for τ, and the lesson's priors for θ and σ."
            )
    _read(text)
    return (
        "A good report names both models, the factor and the priors it depends on, what τ may be, and what "
        "prediction says. Compare it with the solution's."
    )


def _read(text) -> None:
    """Look for what a report has to have, and for what a factor cannot say."""
    if not isinstance(text, str):
        raise TypeError(f"'report' is {describe_type(text)}: give one to three sentences, as a text")
    if not 20 <= (words := len(text.split())) <= 150:
        ask = "What does somebody need who has not seen your code?" if words < 20 else "What can be left out?"
        raise WrongAnswer(f"'report' has {words} words. {ask}")
    if not re.search(r"\d", text):
        raise WrongAnswer("'report': how large is the factor? Give it as a number, in digits.")
    if not re.search(r"\b(priors?|scales?)\b|normal", text, re.IGNORECASE):
        raise WrongAnswer("'report': the factor depends on a prior. Which one was it?")
    for pattern, hint in CLAIMS:
        for claim in re.finditer(r"\b" + pattern, text, re.IGNORECASE):
            if not re.search(NOT, text[: claim.start()], re.IGNORECASE):
                raise WrongAnswer(f"'report' says {short_repr(claim[0])}: {hint}")


# Median widths of the interval with the best designs, from 40,000 experiments each. They were drawn as sums
# of squares, all that is known of a balanced design: a test does so, too. With any other design of up to 200
# hours it is 6% wider than the narrowest, or more.
WIDTHS = {(5, 2, 2, 3): 0.915, (5, 3, 1, 3): 0.946, (6, 2, 1, 4): 0.955, (4, 2, 3, 3): 0.958}
WIDTHS |= {(7, 1, 2, 4): 0.962}
LEAST = min(WIDTHS.values())


def hours(design) -> int:
    """Hours that a design takes."""
    return int(np.cumprod(design) @ (12, 4, 2, 1))


def median_width(design, n: int) -> float:
    """Median width of the 95% interval of θ in simulated experiments."""
    widths = []
    for k in range(n):
        df = simulate(design, theta=10, tau=0.3, sigma=0.9, seed=[11, k], levels=LEVELS)
        exact = exact_posterior(stan_data(df, LEVELS, "y", remark=False)[0], MADE_UP)
        widths.append(np.ptp(exact.quantile("theta", [0.025, 0.975])))
    return float(np.median(widths))


@exercise("07.4")
def budget(answer) -> str:
    """Plan an experiment of 200 hours."""
    design, width = answers.items(answer, ["design", "width"], "a dictionary with 'design' and 'width'")
    design = tuple(answers.whole(design, wanted := "as 'design' four whole numbers, 1 or more").tolist())
    if len(design) != 4 or min(design) < 1:
        raise TypeError(f"'design' is {short_repr(design)}: give {wanted}")
    width = answers.number(width, "'width', the median width of the interval")
    if (left := 200 - hours(design)) < 0:
        raise WrongAnswer(f"'design' takes {200 - left} hours, {-left} more than you have.")
    for k, what in enumerate(["cell in each colony", "colony in each batch", "batch on each day", "day"]):
        larger = [n + (level == 3 - k) for level, n in enumerate(design)]
        if hours(larger) <= 200:
            raise WrongAnswer(f"'design' leaves {left} hours, enough for one more {what}.")
    if design not in WIDTHS:
        percent = 5 * round(20 * (1 - LEAST / median_width(design, 60)))
        by = f"about {percent}%" if percent > 10 else "a little"
        raise WrongAnswer(f"'design': the interval can be {by} narrower. {_instead(*design)}")
    truth = WIDTHS[design]  # 100 experiments have a median with a standard error of 3%
    if not isclose(width, truth, rel_tol=0.1):
        wrong = [
            (truth / 2, "'width': this is half of it. Take the upper end less the lower one."),
            (truth / 4, "'width': this is a standard deviation. The interval is about four times as wide."),
            (truth**2 / 16, "'width': this is a variance. Take the interval, from end to end."),
            (truth * 0.82, "'width': this is of 90% or so. Take the quantiles 0.025 and 0.975."),
        ]
        answers.refuse_mistakes(lambda x: isclose(width, x, rel_tol=0.08), wrong)
        raise WrongAnswer(
            "'width': take the 0.975 quantile of θ less the 0.025 one in each of a hundred experiments, with "
            "τ = 0.3, σ = 0.9 and the lesson's priors, and their median."
        )
    best = "No design is narrower" if truth == LEAST else f"The best one is {1 - LEAST / truth:.0%} narrower"
    return f"{best}. Would it be the same one if you wanted to know τ, or if a day cost 2 hours?"


def _instead(days: int, batches: int, colonies: int, cells: int) -> str:
    """Say what is too few or too many in a design."""
    if days < 4:
        return f"θ is about all days, and {days} of them say little, however well each is known. Take more."
    if cells > 5:
        return f"The last of {cells} cells say little about their colony. What else would they pay for?"
    if batches == colonies == 1:
        return (
            "With one batch a day and one colony a batch, τ is hardly known. Give up days for more of them."
        )
    return "Try its neighbours: one more at one level, fewer at another."


COST = {"normal": 1, "poisson": 2, "binomial": 2, "student_t": 20}


@exercise("07.5")
def left_out(answer) -> str:
    """Leave each measurement of the reader's own out in turn, or each group."""
    wanted = "a dictionary with 'data', 'prior' and 'elpd'"
    data, prior, elpd = answers.items(answer, ["data", "prior", "elpd"], wanted)
    if not isinstance(data, Mapping) or "J_1" not in data:
        raise answers.refuse(data, "as 'data' the dictionary that helpers.stan_data gives")
    elpd = answers.number(getattr(elpd, "elpd", elpd), "'elpd', the sum, as a number")
    names = ["values", "sigma", "nu", "leave_out", "likelihood", "shared_tau"]
    model = {x: answers.optional(answer, x) for x in names if answers.optional(answer, x) is not None}
    values, group = model.setdefault("values", "y"), model.get("leave_out")
    likelihood = answers.word(model.get("likelihood", "normal"), "'likelihood'", COST, f"one of {[*COST]}")
    model["likelihood"] = likelihood
    if likelihood == "student_t" and "nu" not in model:
        raise TypeError("with ν unknown this would take an hour: give 'nu', a number, and the elpd with it")
    n = data.get(f"J_{str(group)[-1]}", 0) if group else len(data.get(values, ()))
    at_most = 400 // COST[likelihood] // (1 if model.get("shared_tau", True) else 8)
    if n > at_most:
        raise ValueError(
            f"leaving {n} out in turn takes minutes here: give at most {at_most}, or leave groups "
            "out, with 'leave_out': 'theta_1' in the answer"
        )
    exact = exact_loo(data, prior, **model)
    if abs(elpd - exact.elpd) > 0.01:
        predictions.refuse_elpd(elpd, exact, data, prior, model)
    log_p = exact.elpd_i.values
    i = int(np.argmin(log_p))
    if group:
        return f"{group}[{i + 1}] has the lowest log density, {log_p[i]:.2f}. Is it odd, or just large?"
    return (
        f"Measurement {i + 1}, {np.asarray(data[values])[i]:.4g}, is predicted worst, with a log density of "
        f"{log_p[i]:.2f}. {predictions.expected(i, data, prior, model)} What happened there?"
    )
