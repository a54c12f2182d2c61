"""Programs of the lessons have the density of the model that the lessons write down."""

import logging

import numpy as np
import pytest
from scipy.stats import halfcauchy, norm

import helpers
from helpers.data import LEVELS
from tools.tables import seeds


def log_density(program, data, point, spreads):
    """Log density of a Stan program at a point, up to a constant, on the scale of the spreads."""
    # one step of no length: CmdStan 2.27 cannot be asked for a density, but prints that of every draw
    logging.getLogger("cmdstanpy").setLevel(logging.ERROR)
    run = helpers.stan_model(program).sample(
        data=data, inits=point, chains=1, iter_warmup=0, iter_sampling=1, adapt_engaged=False,
        step_size=1e-12, sig_figs=16, show_progress=False,
    )  # fmt: skip
    log_p = float(run.method_variables()["lp__"][0, 0])
    return log_p - sum(np.log(point[name]) for name in spreads)  # which Stan moves as logarithms


@pytest.fixture(scope="module")
def data():
    return helpers.stan_data(helpers.measurements(), LEVELS, "y")[0]


@pytest.mark.parametrize("program", ["centered", "noncentered"])
def test_programs_of_the_cells_have_the_density_of_the_model(data, program):
    """Up to a constant: the density of either program, at random points, against the formulas."""
    rng = np.random.default_rng(1)
    given, expected = [], []
    for _ in range(5):
        theta, tau, sigma = rng.normal(10, 1), rng.uniform(0.2, 2), rng.uniform(0.5, 2)
        offsets = [rng.normal(size=data[f"J_{k}"]) for k in (1, 2, 3)]
        means, above = [], np.array([theta])
        for offset, index in zip(offsets, (np.ones(3, int), data["index_1"], data["index_2"]), strict=True):
            above = above[index - 1] + tau * offset
            means.append(above)
        nodes = offsets if program == "noncentered" else means
        suffix = "_tilde" if program == "noncentered" else ""
        point = {"theta": theta, "tau": tau, "sigma": sigma}
        point |= {f"theta_{k}{suffix}": node.tolist() for k, node in enumerate(nodes, start=1)}
        log_p = -((theta - 10) ** 2) / 18 - (tau**2 + sigma**2) / 50
        log_p -= sum(offset @ offset for offset in offsets) / 2
        log_p -= 28 * np.log(tau) if program == "centered" else 0  # 28 nodes, each of spread tau
        residual = data["y"] - above[data["index_3"] - 1]
        log_p -= residual @ residual / (2 * sigma**2) + 47 * np.log(sigma)
        expected.append(log_p)
        given.append(log_density(program, data, point, ["tau", "sigma"]))
    assert np.ptp(np.subtract(given, expected)) < 1e-4  # the step, short as it is, moves it by 1e-6


@pytest.mark.parametrize("form", ["centered", "noncentered"])
def test_programs_of_the_schools_have_the_density_of_the_model(form):
    """Up to a constant, at random points, with two estimates from one of the schools."""
    data = seeds.schools()
    data |= {"N": 9} | {name: np.append(data[name], data[name][-1]) for name in ("index_1", "y", "sigma")}
    rng = np.random.default_rng(1)
    given, expected = [], []
    for _ in range(5):
        theta, tau, offset = rng.normal(5, 3), rng.uniform(0.5, 8), rng.normal(size=8)
        means = theta + tau * offset
        log_p = norm.logpdf(theta, 0, 5) + halfcauchy.logpdf(tau, scale=5)
        if form == "centered":
            log_p += norm.logpdf(means, theta, tau).sum()
        else:
            log_p += norm.logpdf(offset).sum()
        log_p += norm.logpdf(data["y"], means[data["index_1"] - 1], data["sigma"]).sum()
        node = {"theta_1": means.tolist()} if form == "centered" else {"theta_1_tilde": offset.tolist()}
        given.append(log_density(f"schools_{form}", data, {"theta": theta, "tau": tau} | node, ["tau"]))
        expected.append(log_p)
    assert np.ptp(np.subtract(given, expected)) < 1e-4
