"""Programs of the lessons have the density of the model that the lessons write down."""

import logging

import numpy as np
import pytest
from linear_tables import crossing
from linear_tables import lines as table_of_lines
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


def spreads(_, rng):
    """The model of lesson 6: as the noncentered one, with a spread for each level."""
    _, data, point, _ = cells(False, rng)
    tau, above = rng.uniform(0.2, 2, size=3), np.array([point["theta"]])
    log_p = norm.logpdf(point["theta"], 10, 3) + norm.logpdf([*tau, point["sigma"]], 0, 5).sum()
    for k, index in enumerate((np.ones(3, int), data["index_1"], data["index_2"]), start=1):
        offset = np.array(point[f"theta_{k}_tilde"])
        above = above[index - 1] + tau[k - 1] * offset
        log_p += norm.logpdf(offset).sum()
    log_p += norm.logpdf(data["y"], above[data["index_3"] - 1], point["sigma"]).sum()
    return "spreads", data, point | {"tau": tau.tolist()}, log_p


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


def lines(P, rng):
    """The model of slopes.stan with so many predictors, with groups of several sizes."""
    data = table_of_lines([3, 1, 4], rng.normal(size=(8, P)), prior_rho=3)
    tau, rho, z = rng.uniform(0.3, 2, 2), rng.uniform(-0.9, 0.9), rng.normal(size=(2, 3))
    point = {"theta": rng.normal(10, 1), "beta": rng.normal(size=P), "tau": tau, "sigma": rng.uniform(0.5, 2)}
    intercept = point["theta"] + tau[0] * z[0]
    slope = point["beta"][0] + tau[1] * (rho * z[0] + np.sqrt(1 - rho**2) * z[1])
    group = data["index_1"] - 1
    mu = intercept[group] + slope[group] * data["X"][:, 0] + data["X"][:, 1:] @ point["beta"][1:]
    log_p = priors(data, point) + norm.logpdf(z).sum() + (3 - 1) * np.log(1 - rho**2)
    log_p += norm.logpdf(data["y"], mu, point["sigma"]).sum()
    return "slopes", data, point | {"z": z, "L": np.array([[1, 0], [rho, np.sqrt(1 - rho**2)]])}, log_p


def factors(centered, rng):
    """The model of crossed.stan with one factor or more, the last of them nested in the first."""
    index = [[0, 0, 0, 1, 1, 1, 0], [0, 1, 2, 0, 1, 2, 2], [0, 0, 1, 2, 2, 3, 1]][-len(centered) :]
    data = crossing(index, rng.normal(size=(7, len(centered) - 1)), centered=centered)
    tau, P = rng.uniform(0.3, 2, len(centered)), data["P"]
    point = {"theta": rng.normal(10, 1), "beta": rng.normal(size=P), "tau": tau, "sigma": rng.uniform(0.5, 2)}
    mu, log_p, x = point["theta"] + data["X"] @ point["beta"], priors(data, point), []
    for rows, size, spread, own in zip(index, data["J"], tau, centered, strict=True):
        x.append(rng.normal(size=size))
        log_p += norm.logpdf(x[-1], 0, spread if own else 1).sum()
        mu = mu + (x[-1] if own else spread * x[-1])[rows]
    log_p += norm.logpdf(data["y"], mu, point["sigma"]).sum()
    return "crossed", data, point | {"x": np.concatenate(x)}, log_p


def priors(data, point):
    """Of θ, β and the spreads, up to a constant."""
    before = np.vstack([data["prior_theta"], data["prior_beta"]])
    log_p = norm.logpdf([point["theta"], *point["beta"]], *before.T).sum()
    log_p += norm.logpdf(point["tau"], 0, data["prior_tau"]).sum()
    return log_p + norm.logpdf(point["sigma"], 0, data["prior_sigma"])


def log_density(program, data, point):
    """Log density of a Stan program at a point, up to a constant, on the scale of the spreads."""
    # CmdStan 2.27 cannot be asked for a density, but prints that of a draw: here of one step of no length.
    run = helpers.stan_model(program).sample(
        data=data, inits=point, chains=1, iter_warmup=0, iter_sampling=1, adapt_engaged=False,
        step_size=1e-12, sig_figs=16, show_progress=False,
    )  # fmt: skip
    log_p = float(run.method_variables()["lp__"][0, 0])
    # Stan moves spreads as logarithms, and a correlation as its inverse hyperbolic tangent
    spreads = np.hstack([point[name] for name in ("tau", "sigma") if name in point])
    log_p -= np.log(spreads).sum()
    return log_p - np.log(1 - point["L"][1, 0] ** 2) if "L" in point else log_p


def constants(model, variant):
    logging.getLogger("cmdstanpy").setLevel(logging.ERROR)
    rng = np.random.default_rng(1)
    points = [model(variant, rng) for _ in range(5)]
    return [log_density(program, data, point) - expected for program, data, point, expected in points]


NORMAL = [(cells, True), (cells, False), (schools, True), (schools, False), (spreads, None)]
LINEAR = [(lines, 1), (lines, 3), (factors, [0]), (factors, [1, 1]), (factors, [0, 1, 0])]


@pytest.mark.parametrize(("model", "variant"), NORMAL + LINEAR)
def test_programs_have_the_density_of_the_model(model, variant):
    assert np.ptp(constants(model, variant)) < 1e-4  # the step, short as it is, moves it by 1e-6
