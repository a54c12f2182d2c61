"""Checks of lesson 4: offsets, a noncentered program of one level, and which form wins."""

from functools import cache
from statistics import NormalDist

import arviz_stats
import numpy as np

from helpers.checks import WrongAnswer, answers, exercise, programs
from helpers.checks.lesson_02 import belong_together
from helpers.data import stan_data
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


@cache
def groups_of_one_level() -> tuple[dict, object]:
    """Return groups of a single level that hardly differ, and their exact posterior.

    A noncentered program has an E-BFMI of about 0.8 on these data, a centered one of about 0.3.
    """
    unit = PRIOR["tau"] / 5  # as the program's priors may be those of other measurements
    df = simulate([12, 3], PRIOR["theta"][0], 0.1 * unit, unit, seed=3, levels="group")
    data, _ = stan_data(df, "group", "y", remark=False)
    return data | {"J": data["J_1"], "group": data["index_1"]}, exact_posterior(data, PRIOR)


@exercise("04.2")
def one_level(answer) -> str:
    """Run a noncentered program for a single level of groups."""
    data, exact = groups_of_one_level()
    samples = programs.sample(answer, data, adapt_delta=0.9)
    theta, tau, _ = (programs.by_chain(samples, name) for name in ("theta", "tau", "sigma"))
    groups = range(1, data["J"] + 1)
    means, offsets = (
        np.array([programs.by_chain(samples, f"{name}[{k}]") for k in groups]) for name in ("mu", "mu_tilde")
    )
    if np.median(tau) < exact.quantile("tau", 1e-4):
        raise WrongAnswer("Your τ runs to zero. How often does the model state the prior of the means?")
    # CmdStan rounds what it writes.
    if not np.allclose(means, theta + tau * offsets, rtol=1e-4, atol=1e-4 * PRIOR["tau"]):
        raise WrongAnswer("In your draws mu is not θ plus τ times the offset.")
    ebfmi = float(arviz_stats.bfmi(samples)["energy"].mean())
    if not ebfmi > 0.5:
        raise WrongAnswer(
            f"E-BFMI is {ebfmi:.2f}: the sampler still meets a funnel. Which does it move, the means or the "
            "offsets, and what does the model say about each?"
        )
    for name in ("theta", "tau", "sigma", "mu[1]", f"mu[{data['J']}]"):
        truth = exact.mean(name.replace("mu", "theta_1"))
        if (off := programs.distance(samples, name, truth)) > programs.TOO_FAR:
            raise WrongAnswer(
                f"The mean of {name} is {off:.0f} MCSEs from the exact one. Compare your priors, those of "
                "the offsets too, and the line for y with the lesson's."
            )
    return "These are draws from the exact posterior, as far as their MCSEs can tell."


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
