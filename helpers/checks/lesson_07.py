"""Checks of lesson 7: a check for bleaching, a program that predicts, a report, one left out."""

import inspect
import re
import warnings
from collections.abc import Callable, Mapping
from functools import cache
from math import isclose

import arviz_base
import arviz_stats
import numpy as np
from scipy.stats import norm

from helpers.checks import WrongAnswer, answers, exercise, predictions, programs
from helpers.checks.lesson_02 import cells
from helpers.data import LEVELS, stan_data
from helpers.exact import ExactPosterior, exact_loo, exact_posterior
from helpers.inputs import describe_type, short_repr
from helpers.priors import MADE_UP, PRIOR
from helpers.simulation import replicate, simulate

TABLES = 10  # of each kind
NO_ROOT = "Stan's normal takes σ, not its square."


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
    """Write a statistic that tells bleached tables from right ones, as the slope in each colony does."""
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
def one_level() -> tuple[dict, ExactPosterior]:
    """Make measurements in four groups, far from the prior's mean, and their exact answer."""
    sigma = PRIOR["tau"] / 5 * 0.6
    theta = PRIOR["theta"][0] + 1.5 * PRIOR["theta"][1]
    df = simulate([4, 5], theta, 0.6 * PRIOR["tau"], sigma, seed=4, levels="group")
    data, _ = stan_data(df.sample(fraction=1, shuffle=True, seed=1), "group", "y", remark=False)
    return data, exact_posterior(data, PRIOR)


@exercise("07.2")
def predicting(program) -> str:
    """Write a program for one level of groups, with log_lik and y_rep in generated quantities."""
    data, exact = one_level()
    samples = programs.sample(program, data, sig_figs=12, adapt_delta=0.97, iter_sampling=2000)
    for name in ("theta", "tau", "sigma"):
        if programs.distance(samples, name, exact.mean(name)) > programs.TOO_FAR:
            raise WrongAnswer(
                f"{name} has the mean {float(samples['posterior'][name].mean()):.3g}, and exactly "
                f"{exact.mean(name):.3g}, for the data of this check. Are the priors the lesson's, and does "
                "each measurement belong to the group that index_1 says?"
            )
    log_lik = hold(samples, data)
    by_cell = {"y": log_lik}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a large k̂, which is told below
        loo = arviz_stats.loo(arviz_base.from_dict({"posterior": by_cell, "log_likelihood": by_cell}))
    return (
        f"By PSIS from your log_lik, elpd_loo of these made-up data is {loo.elpd:.1f}, with k̂ of up to "
        f"{float(loo.pareto_k.max()):.2f}. Exactly, it is {exact_loo(data, PRIOR).elpd:.1f}."
    )


def hold(samples, data: Mapping) -> np.ndarray:
    """Hold log_lik and y_rep of a program against its other draws; return log_lik by chain and draw."""
    programs.by_chain(samples, "theta_1[1]")  # says so if there is none
    post = {name: x.values for group in samples.children.values() for name, x in group.data_vars.items()}
    for name in ("log_lik", "y_rep"):
        if name not in post:
            raise WrongAnswer(f"There is no {name!r}: declare it at the top of generated quantities.")
        if (shape := post[name].shape[2:]) != (data["N"],):
            n, more = shape[0] if shape else 1, "" if shape else " Which ones are odd, a sum does not say."
            raise WrongAnswer(f"{name!r} has {n} for {data['N']} measurements. Give one for each.{more}")
        if np.isnan(post[name]).any():
            raise WrongAnswer(f"{name!r} is nan. Does each entry use a group that exists, index_1[n]?")
    log_lik, y = post["log_lik"], np.array(data["y"])
    post = {name: x.reshape(-1, x.shape[-1] if x.ndim == 3 else 1) for name, x in post.items()}
    post["group"] = post["theta_1"][:, np.array(data["index_1"]) - 1]
    log_density(post, y)
    anew(post, y)
    return log_lik


def log_density(post: dict, y: np.ndarray) -> None:
    """Refuse a log_lik that is not the log density of each measurement, draw by draw."""

    def is_(other):  # of 12 digits
        return np.allclose(post["log_lik"], other, rtol=1e-6, atol=1e-6)

    group, sigma = post["group"], post["sigma"]
    truth = norm.logpdf(y, group, sigma)
    wrong = [
        (truth.sum(axis=1, keepdims=True), "each entry is the sum over all measurements. Take y[n], not y."),
        (np.exp(truth), "this is the density. Its logarithm was asked for: normal_lpdf."),
        (-truth, "this has the opposite sign."),
        (truth + np.log(2 * np.pi) / 2, "its constant is missing, log(2π)/2. normal_lpdf has it."),
        (norm.logpdf(y, group, sigma**2), NO_ROOT),
        (norm.logpdf(post["y_rep"], group, sigma), "this is of y_rep. How well is y predicted?"),
        (norm.logpdf(y, post["theta"], sigma), "theta is the mean of all groups. Take that of its own."),
    ]
    if not is_(truth):
        answers.refuse_mistakes(is_, [(other, f"'log_lik': {hint}") for other, hint in wrong])
        raise WrongAnswer("'log_lik': of which measurement, and given which group, is entry n?")


def anew(post: dict, y: np.ndarray) -> None:
    """Refuse a y_rep that is no new one of the same group; each of three z is above 5 once in 2 million."""
    y_rep, group, tau, sigma = (post[name] for name in ("y_rep", "group", "tau", "sigma"))

    def off(x):
        return abs(x.mean()) / max(x.std(), 1e-9) * len(x) ** 0.5

    def is_(model):
        z = (y_rep - model[0]) / model[1]
        return max(off(z.mean(axis=1)), off((z**2).mean(axis=1) - 1)) < programs.TOO_FAR

    for other, hint in [
        (y, "these were measured. Draw new ones, with normal_rng."),
        (group, "this is the mean of its group. A measurement differs from it, by an error of size σ."),
    ]:
        if np.allclose(y_rep, other, rtol=1e-6):
            raise WrongAnswer(f"'y_rep': {hint}")
    new = "this is of a new group, another question: here each stays in its own."
    wrong = [
        ((group, sigma**2), NO_ROOT),
        ((post["theta"], np.hypot(tau, sigma)), new),
        ((post["theta"], sigma), "theta is the mean of all groups. Take that of its own."),
    ]
    if not is_((group, sigma)):
        answers.refuse_mistakes(is_, [(model, f"'y_rep': {hint}") for model, hint in wrong])
        raise WrongAnswer("'y_rep': entry n is a draw from the normal distribution that y[n] has.")
    z = (y_rep - group) / sigma
    if off(z.sum(axis=1) ** 2 - (z**2).sum(axis=1)) > programs.TOO_FAR:
        raise WrongAnswer("'y_rep': all share an error. Draw one for each.")


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
    (r"((do|does|did) not|don['’]t) (differ|vary)\b|identical\b(?! priors?)", SMALL),
]


@exercise("07.3")
def report(answer) -> str:
    """Say what the scale of a prior does to a Bayes factor, and report it."""
    *given, text = answers.items(answer, [1, 20, "report"], "a dictionary with '1', '20' and 'report'")
    truths = {1: factor(1), 20: factor(20)}
    for (scale, truth), other, x in zip(truths.items(), (truths[20], truths[1]), given, strict=True):
        x = answers.number(x, f"for {scale} a factor")
        wrong = [
            (other, "This is for the other scale. Are the two swapped?"),
            (factor(5), "This is for the lesson's prior, with scale 5."),
            (1 / truth, "This is for one τ. Take it the other way round."),
            (np.log(truth), "This is the difference of the logarithms. Take its exp."),
            (-np.log(truth), "This is a difference of logarithms, and the other way round. Take exp."),
            (truth / (1 + truth), "This is a probability. How many times that of one τ is it?"),
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


COST = {"normal": 1, "poisson": 2, "binomial": 2, "student_t": 20}


@exercise("07.4")
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
