"""Programs of the lessons have the density of the model that the lessons write down."""

import logging

import numpy as np
import pytest
from scipy.stats import halfcauchy, norm

import helpers
from helpers.data import LEVELS
from tools.tables import seeds


def cells(centered, rng):
    """The model of lessons 1 to 4: program, data, a random point, and its log density up to a constant."""
    data = helpers.stan_data(helpers.measurements(), LEVELS, "y")[0]
    point = {"theta": rng.normal(10, 1), "tau": rng.uniform(0.2, 2), "sigma": rng.uniform(0.5, 2)}
    above, tau = np.array([point["theta"]]), point["tau"]
    log_p = norm.logpdf(above, 10, 3).sum() + norm.logpdf([tau, point["sigma"]], 0, 5).sum()
    for k, index in enumerate((np.ones(3, int), data["index_1"], data["index_2"]), start=1):
        offset, above = rng.normal(size=len(index)), above[index - 1]
        mean = above + tau * offset
        log_p += (norm.logpdf(mean, above, tau) if centered else norm.logpdf(offset)).sum()
        point |= {f"theta_{k}": mean.tolist()} if centered else {f"theta_{k}_tilde": offset.tolist()}
        above = mean
    log_p += norm.logpdf(data["y"], above[data["index_3"] - 1], point["sigma"]).sum()
    return "centered" if centered else "noncentered", data, point, log_p


def schools(centered, rng):
    """The same for the model of lesson 5, with two estimates from one of the schools."""
    data = seeds.schools()
    data |= {"N": 9} | {name: np.append(data[name], data[name][-1]) for name in ("index_1", "y", "sigma")}
    theta, tau, offset = rng.normal(5, 3), rng.uniform(0.5, 8), rng.normal(size=8)
    mean = theta + tau * offset
    log_p = norm.logpdf(theta, 0, 5) + halfcauchy.logpdf(tau, scale=5)
    log_p += (norm.logpdf(mean, theta, tau) if centered else norm.logpdf(offset)).sum()
    log_p += norm.logpdf(data["y"], mean[data["index_1"] - 1], data["sigma"]).sum()
    node = {"theta_1": mean.tolist()} if centered else {"theta_1_tilde": offset.tolist()}
    program = "schools_centered" if centered else "schools_noncentered"
    return program, data, {"theta": theta, "tau": tau} | node, log_p


def log_density(program, data, point):
    """Log density of a Stan program at a point, up to a constant, on the scale of the spreads."""
    # CmdStan 2.27 cannot be asked for a density, but prints that of a draw: here of one step of no length.
    run = helpers.stan_model(program).sample(
        data=data, inits=point, chains=1, iter_warmup=0, iter_sampling=1, adapt_engaged=False,
        step_size=1e-12, sig_figs=16, show_progress=False,
    )  # fmt: skip
    log_p = float(run.method_variables()["lp__"][0, 0])
    spreads = [point[name] for name in ("tau", "sigma") if name in point]  # which Stan moves as logarithms
    return log_p - np.log(spreads).sum()


@pytest.mark.parametrize("centered", [True, False], ids=["centered", "noncentered"])
@pytest.mark.parametrize("model", [cells, schools])
def test_programs_have_the_density_of_the_model(model, centered):
    logging.getLogger("cmdstanpy").setLevel(logging.ERROR)
    rng, constants = np.random.default_rng(1), []
    for _ in range(5):
        program, data, point, expected = model(centered, rng)
        constants.append(log_density(program, data, point) - expected)
    assert np.ptp(constants) < 1e-4  # the step, short as it is, moves it by 1e-6
