"""Checks of lesson 3: R-hat of one chain, a prediction, a fixed τ, and a diagnosis."""

from statistics import NormalDist

import arviz_stats
import numpy as np

from helpers import diagnostics
from helpers.checks import WrongAnswer, answers, exercise, programs
from helpers.checks.lesson_02 import belong_together, cells
from helpers.exact import exact_posterior
from helpers.priors import PRIOR

# A chain whose halves differ, and what is said if it passes for one whose halves do not
PASSES = [
    ("jumps", "A chain that jumps halfway passes: does your function see both halves, each once?"),
    ("climbs", "A chain that climbs all the time passes: compare its first half with its second."),
    ("strays", "A chain that strays for a while in its first half passes: leave no draw out."),
]


@exercise("03.1")
def one_chain(answer) -> str:
    """Write a function that gives the R-hat of the two halves of one chain."""
    halves = answers.function(answer, "a function halves(chain)")
    rng = np.random.default_rng(seed=1)
    steady = rng.normal(size=1000)
    chains = {
        "steady": steady,
        "climbs": steady + np.linspace(0, 6, 1000),
        "jumps": steady + np.repeat([0, 9], 500),
        "strays": steady + 9 * ((np.arange(1000) >= 340) & (np.arange(1000) < 500)),
        "alternates": steady + np.tile([0, 9], 500),
    }
    try:
        rhat = {
            name: answers.number(halves(chain), "a function that returns one number", nan=True)
            for name, chain in chains.items()
        }
    except ValueError as error:
        if "axes" not in str(error):  # as ArviZ says of an array with one dimension
            raise
        raise WrongAnswer(
            "ArviZ cannot use that: R-hat needs an array with two rows, one for each half."
        ) from None
    if any(np.isnan(value) for value in rhat.values()):
        raise WrongAnswer("Your function says nan: R-hat needs an array with two rows, one for each half.")
    if not np.isclose(halves(1000 * steady), rhat["steady"], atol=0.01):
        raise WrongAnswer(
            "Measured in other units, the same chain gets another R-hat. It should compare spreads."
        )
    if rhat["steady"] > diagnostics.DISAGREE:
        raise WrongAnswer(
            f"Of 1000 independent draws your function says {rhat['steady']:.2f}: it should be near 1."
        )
    if rhat["alternates"] > 1.1:
        raise WrongAnswer(
            "Your two parts seem to hold draws 1, 3, 5, … and 2, 4, 6, …: cut the chain in the middle."
        )
    answers.refuse_mistakes(lambda chain: rhat[chain] < 1.1, PASSES)
    return (
        f"A chain that climbs has {rhat['climbs']:.2f}, one that jumps {rhat['jumps']:.2f}. But one that "
        "stays on the first of two hills from start to end has 1.00, and nobody will know of the second."
    )


@exercise("03.2")
def neals_funnel(answer) -> str:
    """Predict the share of draws that the sampler finds in the neck."""
    share = answers.number(answer, "the share as a number from 0 to 1")
    truth = NormalDist(0, 3).cdf(-3)
    if not 0 <= share <= 1:
        raise WrongAnswer("A share lies between 0 and 1.")
    if share > 1.3 * truth:
        raise WrongAnswer(
            "More than there is? Narrow places are hard to enter; that is what keeps a sampler out."
        )
    if share > 0.8 * truth:
        raise WrongAnswer(
            "This is about what a perfect sampler finds. Would one step size do for the mouth and the neck?"
        )
    if share > truth / 2:
        raise WrongAnswer(
            "Fewer, but still half of it or more? Work out how much narrower the neck is at −3 than the "
            "mouth at 3."
        )
    return "Far fewer. Run it, and note which of the alarms tell you so."


@exercise("03.3")
def fixed_tau(answer) -> str:
    """Run the program in which τ is given."""
    # Unlike what the cells say of it, and σ, and its own square; and so wide that θ's prior counts.
    tau = PRIOR["tau"] * (1 if 0.7 < 0.4 * PRIOR["tau"] < 1.4 else 0.4)
    samples = programs.sample(answer, cells() | {"tau": tau})
    if "tau" in samples["posterior"]:
        raise WrongAnswer(
            "τ is still a parameter of your program: it has to be declared in data, and there only."
        )
    exact = exact_posterior(cells(), PRIOR).conditional(tau)
    for name in ("theta", "theta_1[1]", "theta_3[1]"):
        mean, sd = exact.filter(name=name).select("mean", "sd").row(0)
        draws = programs.by_chain(samples, name)
        off = programs.away(draws, mean, name), programs.away((draws - mean) ** 2, sd**2, name)
        if max(off) > programs.TOO_FAR:
            raise WrongAnswer(
                f"With a τ of {tau}, the standard deviation of {name} is {sd:.2f}, not {draws.std():.2f}. "
                "Does your program use the τ that it is given, in all three levels?"
            )
    ebfmi = arviz_stats.bfmi(samples)["energy"].values.min()
    return f"No funnel: the lowest E-BFMI is {ebfmi:.2f}. The cure has to let τ vary all the same."


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
    sounding = {
        "R-hat": not arviz_stats.rhat(tau) <= diagnostics.R_HAT,
        "bulk ESS": not arviz_stats.ess(tau) >= diagnostics.ESS,
        "tail ESS": not arviz_stats.ess(tau, method="tail", prob=(0.05, 0.95)) >= diagnostics.ESS,
        "E-BFMI": bool((arviz_stats.bfmi(samples)["energy"].values < diagnostics.E_BFMI).any()),
    }
    places = int(stats["diverging"].sum())
    deep = float((stats["tree_depth"] >= 10).mean()) > 0.01
    alarms = sum(sounding.values())
    if trust and alarms:
        raise WrongAnswer(
            f"Of the first three alarms of the table, and E-BFMI, {alarms} of 4 sound for τ. Which?"
        )
    error = tau.mean() - exact.mean("tau")
    off = abs(error) / arviz_stats.mcse(tau)
    if not trust and not (alarms or places or deep or off > programs.TOO_FAR):
        raise WrongAnswer("None of the alarms of the table sounds for τ. What makes you doubt these draws?")
    if trust and off > programs.TOO_FAR:
        raise WrongAnswer(
            f"No alarm sounds, and yet the mean of τ is {off:.0f} MCSEs off the exact one. Do the samples "
            "belong to other data, or to another prior? Or is there a place that no chain has seen?"
        )
    heard = f"{alarms} of four alarms sound, with {places} divergences. Exactly"
    in_mcse = f", {off:.1f} MCSEs" if alarms == 0 else ""
    return f"{heard}, the mean of τ is {exact.mean('tau'):.3f}; your draws are off by {error:+.3f}{in_mcse}."
