"""Checks of lesson 3: a prediction, a program with a given τ, a diagnosis."""

from statistics import NormalDist

import arviz_stats
import numpy as np

from helpers import diagnostics
from helpers.checks import WrongAnswer, answers, exercise, programs
from helpers.checks.lesson_02 import belong_together
from helpers.data import stan_data
from helpers.exact import exact_posterior
from helpers.priors import PRIOR
from helpers.simulation import simulate


@exercise("03.1")
def neals_funnel(answer) -> str:
    """Predict the share of draws that the sampler finds in the neck."""
    share = answers.number(answer, "the share as a number from 0 to 1")
    truth = NormalDist(0, 3).cdf(-3)
    if not 0 <= share <= 1:
        raise WrongAnswer("A share lies between 0 and 1.")
    if share > 1.3 * truth:
        raise WrongAnswer("That is more than there is. Are narrow places easier to enter, or harder?")
    if share > 0.8 * truth:
        raise WrongAnswer(
            "A perfect sampler finds about that. Does one step size suit the wide part and the neck?"
        )
    if share > truth / 2:
        raise WrongAnswer(
            "Fewer, but is it still half? Work out how much narrower the neck is at −3 than the cloud at 3."
        )
    return "Far fewer. Run it, and note which of the alarms ring."


def groups() -> tuple[dict, dict]:
    """Return data of the check's own, with τ: under the names of `stan_data`, and of the exercise.

    So few cells that the priors of θ and σ count, and a τ unlike its own square.
    """
    (mean, width), tau, sigma = PRIOR["theta"], PRIOR["tau"], PRIOR["sigma"]
    tau *= 1 if 0.7 < 0.4 * tau < 1.4 else 0.4
    df = simulate([5, 2], theta=mean + 2 * width, tau=tau, sigma=2 * sigma, seed=2, levels="group")
    data, _ = stan_data(df, levels="group", values="y", remark=False)
    return data, {"N": data["N"], "J": data["J_1"], "group": data["index_1"], "y": data["y"], "tau": tau}


@exercise("03.2")
def fixed_tau(answer) -> str:
    """Run a program of one level in which τ is given."""
    data, given = groups()
    samples = programs.sample(answer, given)
    if "tau" in samples["posterior"]:
        raise WrongAnswer("τ is a parameter of your program: declare it in data, and only there.")
    tau = given["tau"]
    exact = exact_posterior(data, PRIOR).conditional(tau)
    for name, its_name in [("theta", "theta"), ("theta_1[1]", "mu[1]"), ("theta_1[5]", "mu[5]")]:
        mean, sd = exact.filter(name=name).select("mean", "sd").row(0)
        draws = programs.by_chain(samples, its_name)
        off = programs.away(draws, mean, its_name), programs.away((draws - mean) ** 2, sd**2, its_name)
        if max(off) > programs.TOO_FAR:
            raise WrongAnswer(
                f"With a τ of {tau:g}, {its_name} should be {mean:.2f} ± {sd:.2f}, but is {draws.mean():.2f} "
                f"± {draws.std():.2f}. Do groups vary by τ, and cells by σ? Are the priors those of lesson 2?"
            )
    ebfmi = arviz_stats.bfmi(samples)["energy"].values.min()
    return f"No funnel: the lowest E-BFMI is {ebfmi:.2f}. The cure has to let τ vary and still have none."


@exercise("03.4")
def diagnosis(answer) -> str:
    """Judge a diagnosis by the alarms of the lesson's table, then by the exact answer."""
    wanted = "a tuple of three: your dictionary, the samples, and True or False"
    data, samples, trust, prior = answers.with_prior(answer, 3, wanted)
    trust = answers.plain(trust)
    if not isinstance(trust, bool | np.bool_):
        raise answers.refuse(trust, "True if you trust these draws, else False, as the third of three")
    exact = belong_together(data, samples, wanted, prior)
    if "sample_stats" not in samples.children:
        raise answers.refuse(
            samples, "samples with what the sampler noted, as arviz.from_cmdstanpy makes them"
        )
    tau, stats = programs.by_chain(samples, "tau"), samples["sample_stats"]
    ringing = {
        "R-hat": not arviz_stats.rhat(tau) <= diagnostics.R_HAT,
        "bulk ESS": not arviz_stats.ess(tau) >= diagnostics.ESS,
        "tail ESS": not arviz_stats.ess(tau, method="tail", prob=(0.05, 0.95)) >= diagnostics.ESS,
        "E-BFMI": bool((arviz_stats.bfmi(samples)["energy"].values < diagnostics.E_BFMI).any()),
    }
    places = int(stats["diverging"].sum())
    deep = float((stats["tree_depth"] >= 10).mean()) > 0.01
    alarms = sum(ringing.values())
    if trust and alarms:
        raise WrongAnswer(f"Of R-hat, bulk ESS, tail ESS and E-BFMI, {alarms} of 4 are ringing for τ. Which?")
    error = tau.mean() - exact.mean("tau")
    off = abs(error) / arviz_stats.mcse(tau)
    if not trust and not (alarms or places or deep or off > programs.TOO_FAR):
        raise WrongAnswer("No alarm of the table rings for τ. What makes you doubt these draws?")
    if trust and off > programs.TOO_FAR:
        raise WrongAnswer(
            f"No alarm rings, and yet the mean of τ is {off:.0f} MCSEs off the exact one. Do the samples "
            "belong to other data, or to another prior? Or is there a place that no chain has seen?"
        )
    heard = f"{alarms} of four alarms ring, with {places} divergences. Exactly"
    in_mcse = f", {off:.1f} MCSEs" if alarms == 0 else ""
    return f"{heard}, the mean of τ is {exact.mean('tau'):.3f}; your draws are off by {error:+.3f}{in_mcse}."
