"""Checks of lesson 9: a prior of log odds, a program for worms, counts of the reader's own."""

from collections.abc import Mapping
from math import isclose

import numpy as np
from scipy.special import logit
from scipy.stats import halfcauchy, norm

from helpers.checks import WrongAnswer, answers, exercise, programs
from helpers.exact import ExactPosterior, exact_posterior
from helpers.models import stan_file, stan_model

PRIOR = {"theta": (0, 1.5), "tau": 1}


def proportions(successes, trials) -> dict:
    """Make the dictionary of some proportions, one for each group."""
    n = len(trials)
    return {"N": n, "J_1": n, "index_1": list(range(1, n + 1)), "reversed": successes, "trials": trials}


def of_proportions(data: dict, prior: Mapping = PRIOR) -> ExactPosterior:
    """Exact answer for proportions."""
    return exact_posterior(data, prior, values="reversed", likelihood="binomial", tolerance=1e-4)


def _numbers(answer, names: list[str], what: str) -> list[float]:
    """Read numbers by name."""
    wanted = f"a dictionary with {', '.join(map(repr, names[:-1]))} and {names[-1]!r}"
    given = answers.items(answer, names, wanted)
    return [answers.number(x, f"{name!r}, {what}") for name, x in zip(names, given, strict=True)]


def _refuse(name: str, given: float, truth: float, mistakes: list, near: float) -> None:
    """Refuse a mistake that an answer is closer to than to the truth."""
    answers.refuse_mistakes(
        lambda wrong: isclose(given, wrong, rel_tol=near) and abs(given - wrong) < abs(given - truth),
        [(wrong, f"{name!r}: {hint}") for wrong, hint in sorted(mistakes, key=lambda m: abs(given - m[0]))],
    )


def _refuse_no_probability(**given: float) -> None:
    for name, p in given.items():
        if p > 1:
            raise WrongAnswer(f"{name!r} is above 1: give a probability, not per cent.")
        if p < 0:
            raise WrongAnswer(f"{name!r} is below 0: log odds may be, a probability is not.")


def extreme(sd: float, scale: float = 1) -> float:
    """Prior probability that a new experiment has a p below 0.01 or above 0.99.

    Given τ its log odds are normal about 0, so that an integral over τ is left.
    """
    tau = np.linspace(0, 8, 2001)  # in units of its scale
    weight = norm.pdf(tau)
    weight[0] /= 2  # the trapezoidal rule; at the other end there is nothing
    return float(weight @ (2 * norm.sf(logit(0.99) / np.hypot(sd, scale * tau))) / weight.sum())


@exercise("09.1")
def weak(answer) -> str:
    """Draw from a prior of log odds, and count the probabilities near 0 and 1."""
    wide, narrow = _numbers(answer, ["wide", "narrow"], "a probability")
    _refuse_no_probability(wide=wide, narrow=narrow)
    if wide < narrow:
        raise WrongAnswer("The wider prior has more at the ends. Are they swapped, or the shares in between?")
    for name, p, sd, near in [("wide", wide, 10, 0.02), ("narrow", narrow, 1.5, 0.0035)]:
        truth = extreme(sd)
        if isclose(p, truth, abs_tol=near):
            continue
        mistakes = [
            (1 - truth, "This is how much lies between. How much lies at the ends?"),
            (truth / 2, "This is one end only. A p above 0.99 is extreme, too."),
        ]
        if name == "narrow":  # beside an sd of 10 τ makes no difference
            mistakes.append((extreme(sd, 0), "This is θ. A new experiment lies a step of τ away."))
        _refuse(name, p, truth, mistakes, 0.2)
        raise WrongAnswer(
            f"{name!r}: draw θ, then τ, then θ_1 about θ with sd τ, and turn that into p. "
            "Are there enough draws, 100,000 or so?"
        )
    return "A prior is weak or strong where it acts. What does a standard deviation of 3 favour?"


# Few groups, nearly all of them high: both priors count, and mistakes lie far apart.
WORMS = proportions([4, 19, 28, 37], [20, 22, 30, 38])
NAMES = ["theta", "tau", "theta_1[1]", "theta_1[4]"]
MISTAKES = [
    ({"tau": halfcauchy(scale=1)}, "tau's prior has the right scale. Is it half-normal or half-Cauchy?"),
    ({"tau": halfcauchy(scale=5)}, "theta's prior is right. Is tau's scale 1?"),
    # These two lie close to each other, so they share a hint.
    ({"theta": (0, 5)}, FLAT := "tau's prior is right. Does theta have one with standard deviation 1.5?"),
    ({"theta": (0, 1000)}, FLAT),
    ({"theta": (0, 5), "tau": halfcauchy(scale=5)}, "theta and tau seem to have the priors of lesson 5."),
    ({"theta": (0, 1.5**2)}, "theta's prior is too wide: Stan's normal takes a standard deviation."),
]


@exercise("09.2")
def worms(program) -> str:
    """Write a noncentered program for proportions, from an empty file."""
    # Right draws need few steps; without a prior of the offsets a chain would take thousands.
    samples = programs.sample(program, WORMS, adapt_delta=0.95, iter_sampling=4000, max_treedepth=7)
    exact = of_proportions(WORMS)
    tau, first, last = (programs.by_chain(samples, name).mean() for name in NAMES[1:])
    if tau < 0.1:
        raise WrongAnswer("tau falls to zero, although groups differ. Do the offsets have their prior?")
    if 0 < first < 1 and 0 < last < 1:
        raise WrongAnswer("theta_1 seems to be a probability. It is log odds: which binomial takes these?")

    def has(prior):
        return programs.agrees(samples, of_proportions(WORMS, PRIOR | prior), NAMES)

    if not has({}):
        answers.refuse_mistakes(has, MISTAKES)
        if isclose(first, norm.ppf(4 / 20), abs_tol=0.25) and last < 2.5:
            raise WrongAnswer("The link seems to be Phi, the probit. Log odds need the inverse logit.")
        if tau > 1.5 * exact.mean("tau"):
            raise WrongAnswer("tau is too large. Is its prior half-normal with scale 1?")
        raise WrongAnswer(
            "Its draws are not those of this model. Do theta, tau and the offsets have their priors, and is "
            "theta_1 of each group compared with its own counts?"
        )
    source = stan_file(program).read_text("utf-8")
    if "theta_1" in stan_model(program).src_info()["parameters"] and "multiplier" not in source:
        return "The draws are right. But theta_1 is a parameter: this is centered. Try it noncentered, too."
    return "It is right for other counts, too. Fit the lesson's worms with it, and score its draws."


@exercise("09.4")
def own_data(answer) -> str:
    """Fit counts or proportions of the reader's own, and hold θ against the exact answer."""
    names = ["data", "prior", "values", "likelihood", "theta"]
    wanted = f"a dictionary with {', '.join(map(repr, names[:-1]))} and 'theta'"
    data, prior, values, likelihood, theta = answers.items(answer, names, wanted)
    if not isinstance(data, Mapping) or "J_1" not in data:
        raise answers.refuse(data, "as 'data' the dictionary that helpers.stan_data gives")
    kinds = {"poisson": "rate", "binomial": "probability", "student_t": "value"}
    likelihood = answers.word(likelihood, "'likelihood'", kinds, f"one of {', '.join(map(repr, kinds))}")
    theta = answers.number(theta, "'theta', the posterior mean of θ")
    more = {"nu": answers.optional(answer, "nu"), "likelihood": likelihood, "tolerance": 1e-3}
    shared = answers.optional(answer, "shared_tau") is not False
    exact = exact_posterior(data, prior, values, shared_tau=shared, **more)
    off = abs(theta - exact.mean("theta")) / exact.sd("theta")
    if off > 0.3:
        if abs(theta - exact.mean("theta", scale="data")) < 0.3 * exact.sd("theta", scale="data"):
            raise WrongAnswer("'theta' is on the scale of the data. Give the mean of the draws as they are.")
        raise WrongAnswer(
            f"'theta' lies {off:.1f} posterior standard deviations from its exact mean. Did you fit with "
            "this prior, and with one τ? If each level had its own, add 'shared_tau': False to the answer."
        )
    leaves = exact.mean(exact.names[-1].split("[")[0], scale="data")
    low, high = exact.quantile("theta", [0.025, 0.975], scale="data")
    return (
        f"The typical {kinds[likelihood]} is {low:.3g} to {high:.3g}; those of the groups have means from "
        f"{leaves.min():.3g} to {leaves.max():.3g}. How far apart were they before pooling?"
    )
