"""Checks of lesson 4: offsets, a cell of next week, and which form wins."""

from functools import cache
from statistics import NormalDist

import arviz_stats
import numpy as np

from helpers.checks import WrongAnswer, answers, exercise, programs
from helpers.checks.lesson_02 import belong_together
from helpers.data import LEVELS, stan_data
from helpers.exact import exact_posterior
from helpers.priors import PRIOR
from helpers.simulation import simulate


@exercise("04.1")
def offsets(answer) -> str:
    """Write a function that makes a day's mean of a standard normal number."""
    day = answers.function(answer, "a function day(theta, tau, z)")
    z = np.array([NormalDist().inv_cdf((i + 0.5) / 99) for i in range(99)])  # evenly spread in probability
    cases = [(10.0, 0.01), (10.0, 1.0), (10.0, 30.0), (-3.0, 4.0)]
    wanted = "a function that returns a mean for each z"
    given = [answers.array(day(theta, tau, z), wanted) for theta, tau in cases]
    if any(len(means) != len(z) for means in given):
        raise answers.refuse(given[0], wanted)
    if not np.array_equal(given[0], day(*cases[0], z)):
        raise WrongAnswer(
            "Called twice with the same z, your function gives two answers. z is the draw: only compute."
        )

    def is_near(other):
        return all(
            np.allclose(np.sort(means), np.sort(other(theta, tau)), atol=1e-6)
            for means, (theta, tau) in zip(given, cases, strict=True)
        )

    for power, said in [(2, "τ²"), (0.5, "√τ"), (0, "1")]:
        if is_near(lambda theta, tau, power=power: theta + tau**power * z):
            raise WrongAnswer(f"Around θ your days have a standard deviation of {said}. It should be τ.")
    answers.refuse_mistakes(
        is_near,
        [
            (lambda theta, tau: tau * z, "Your days scatter around 0: where has θ gone?"),
            (
                lambda theta, tau: tau * (theta + z),
                "Your days scatter around τ θ: only the offset is measured in units of τ.",
            ),
            (lambda theta, tau: (z - theta) / tau, "This is the way back, from a mean to its offset."),
        ],
    )
    if not is_near(lambda theta, tau: theta + tau * z):
        raise WrongAnswer("For a fixed τ, your days are not distributed as Normal(θ, τ).")
    return "For τ of 0.01 as for 30, these are the centered days. And z itself knows nothing of τ."


@exercise("04.2")
def upside_down(answer) -> str:
    """Say how closely the data determine the offset, for three values of τ."""
    taus, s = [0.1, 1, 10], 0.3
    wanted = "a dictionary {0.1: …, 1: …, 10: …} of standard deviations"
    widths = [answers.number(x, wanted) for x in answers.items(answer, taus, wanted)]

    def is_near(other, tolerance=0.03):
        return np.allclose(widths, [other(tau) for tau in taus], rtol=tolerance)

    answers.refuse_mistakes(
        is_near,
        [
            (lambda tau: s, "This is how closely the mean is known. The offset is measured in units of τ."),
            (
                lambda tau: s * tau,
                "You multiply by τ: that is the way from an offset to a mean. Go the other way.",
            ),
            (lambda tau: tau / s, "Upside down. If the mean is known to within 0.3, how many τ is that?"),
            (lambda tau: 1.0, "This is the prior of the offset. What do the data add, when τ is large?"),
        ],
    )
    if is_near(lambda tau: 1 / np.sqrt(1 + (tau / s) ** 2), 0.06):  # 1, 0.3 and 0.03 if rounded
        return (
            "With the prior, the width is 1 for small τ, and falls as 1/τ for large: a funnel, upside down."
        )
    if not is_near(lambda tau: s / tau):
        raise WrongAnswer("The offset is (mean − θ)/τ. What does dividing by τ do to a standard deviation?")
    return "It falls as τ grows: a funnel, upside down. For small τ, what would the prior have to say?"


@cache
def _week() -> tuple[dict, object]:
    """Return data on which both forms sample well, and their exact posterior.

    There are two days, both on one side of θ: a cell of one of these is nothing like one of a new day.
    """
    unit = PRIOR["tau"] / 5  # as the program's priors may be those of other measurements
    df = simulate([2, 8, 4, 4], PRIOR["theta"][0], unit, 2 * unit, seed=13, levels=LEVELS)
    data, _ = stan_data(df, LEVELS, "y", remark=False)
    return data, exact_posterior(data, PRIOR)


# Steps of τ and of σ from θ to a cell, and what is said of them. With the data above the variances of two of
# these differ by 9 standard errors or more. A cell that hangs on a day, a batch or a colony of the data has a
# variance 48 standard errors too large, and follows these nodes by 22.
STEPS = {
    (3, 1): "",
    (0, 1): "Your cell hangs directly from θ: its day, batch and colony will stray, too.",
    (3, 0): "You have the mean of a new colony. A cell strays from it by σ.",
    (2, 1): "A level is missing: there are three steps of size τ from θ to a colony.",
    (1, 1): "Two levels are missing: there are three steps of size τ from θ to a colony.",
}


@exercise("04.3")
def next_week(answer) -> str:
    """Run the program that draws a cell of a new day."""
    data, exact = _week()
    samples = programs.sample(answer, data, iter_sampling=2000, adapt_delta=0.9)
    names = ("y_new", "theta", "tau", "sigma")
    y_new, theta, tau, sigma = (programs.by_chain(samples, name).ravel() for name in names)
    for name in names[1:]:
        if programs.distance(samples, name, exact.mean(name)) > programs.TOO_FAR:
            raise WrongAnswer(f"The posterior of {name} has changed: leave the model itself as it was.")
    days = np.array([programs.by_chain(samples, f"theta_1[{k}]").ravel() for k in (1, 2)]).T
    off = {(a, b): programs.prediction(y_new, theta, a * tau**2 + b * sigma**2, days) for a, b in STEPS}
    if max(abs(off[3, 1]["mean"]), abs(off[3, 1]["nodes"])) > programs.TOO_FAR:
        raise WrongAnswer(
            "It does not lie about the θ of its draw. Next week's cell has a day of its own, drawn about θ: "
            "none of those in the data, nor a batch or a colony of theirs."
        )
    nearest = min(off, key=lambda steps: abs(off[steps]["variance"]))
    if abs(off[nearest]["variance"]) > programs.TOO_FAR:
        raise WrongAnswer(
            f"Its variance is {y_new.var():.1f}. Add up the parts that you expect: which is it that differs?"
        )
    if STEPS[nearest]:
        raise WrongAnswer(STEPS[nearest])
    return "A new day, a new batch, a new colony, a new cell. Would our cells pass as draws from it?"


@exercise("04.4")
def which_wins(answer) -> str:
    """Compare two fits of the reader's data by effective draws per gradient."""
    wanted = (
        "a tuple of three: your dictionary, {'centered': …, 'noncentered': …} with samples, and the winner"
    )
    data, runs, winner, prior = answers.with_prior(answer, 3, wanted)
    names = ["centered", "noncentered"]
    samples = dict(zip(names, answers.items(runs, names, wanted), strict=True))
    winner = answers.word(winner, "the third of three", names, "'centered' or 'noncentered'")
    for tree in samples.values():
        exact = belong_together(data, tree, wanted, prior)
    offsets = {name: "theta_1_tilde" in tree["posterior"] for name, tree in samples.items()}
    if offsets["centered"] or not offsets["noncentered"]:
        raise WrongAnswer(
            "The noncentered samples should have offsets, theta_1_tilde, and the centered none: a mix-up?"
        )
    tau = {name: programs.by_chain(tree, "tau") for name, tree in samples.items()}
    ess = {name: float(arviz_stats.ess(draws)) for name, draws in tau.items()}
    if any("sample_stats" not in tree.children for tree in samples.values()):
        raise answers.refuse(runs, "samples with what the sampler noted, as arviz.from_cmdstanpy makes them")
    gradients = {name: float(tree["sample_stats"]["n_steps"].sum()) for name, tree in samples.items()}
    worth = {name: 1000 * ess[name] / gradients[name] for name in names}
    loser = names[names.index(winner) - 1]
    if worth[winner] < worth[loser]:
        if ess[winner] > ess[loser]:
            raise WrongAnswer(
                "It has more effective draws, but what did they cost? Divide by the number of gradients."
            )
        raise WrongAnswer("By your own runs, the other one has more bulk ESS of τ per gradient.")
    off = abs(tau[winner].mean() - exact.mean("tau")) / arviz_stats.mcse(tau[winner])
    if not off < programs.TOO_FAR:
        raise WrongAnswer(
            f"Its mean of τ is {off:.0f} MCSEs from the exact one: the ESS of such a run means nothing."
        )
    return (
        f"Effective draws per 1000 gradients: centered {worth['centered']:.1f}, noncentered "
        f"{worth['noncentered']:.1f}. How well do these data measure their groups?"
    )
