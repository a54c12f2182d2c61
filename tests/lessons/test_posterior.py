"""The two programs of the lessons have the density of the model."""

import logging

import numpy as np
import pytest

import helpers

LEVELS = ["day", "batch", "colony"]


@pytest.fixture(scope="module")
def data():
    logging.getLogger("cmdstanpy").setLevel(logging.ERROR)
    return helpers.stan_data(helpers.measurements(), LEVELS, "y")[0]


@pytest.mark.parametrize("program", ["centered", "noncentered"])
def test_program_has_the_models_density(data, program):
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
        given.append(log_density(program, data, point))
    assert np.ptp(np.subtract(given, expected)) < 1e-4  # the step, short as it is, moves it by 1e-6


def log_density(program, data, point):
    """Log density of a Stan program at a point, up to a constant, on the scale of tau and sigma."""
    # one step of no length: CmdStan 2.27 cannot be asked for a density, but prints that of every draw
    run = helpers.stan_model(program).sample(
        data=data, inits=point, chains=1, iter_warmup=0, iter_sampling=1, adapt_engaged=False,
        step_size=1e-12, sig_figs=16, show_progress=False,
    )  # fmt: skip
    moved_in_logarithms = np.log(point["tau"]) + np.log(point["sigma"])
    return float(run.method_variables()["lp__"][0, 0]) - moved_in_logarithms
