"""The two programs of the eight schools are the model that lesson 5 writes down."""

import logging

import numpy as np
import pytest
from scipy.stats import halfcauchy, norm

import helpers
from tools.tables import seeds


def log_density(program, data, point):
    """Log density of a Stan program at a point, up to a constant, on the scale of tau."""
    # one step of no length: CmdStan 2.27 cannot be asked for a density, but prints that of every draw
    logging.getLogger("cmdstanpy").setLevel(logging.ERROR)
    run = helpers.stan_model(program).sample(
        data=data, inits=point, chains=1, iter_warmup=0, iter_sampling=1, adapt_engaged=False,
        step_size=1e-12, sig_figs=16, show_progress=False,
    )  # fmt: skip
    return float(run.method_variables()["lp__"][0, 0]) - np.log(point["tau"])  # which Stan moves as log tau


@pytest.mark.parametrize("form", ["centered", "noncentered"])
def test_program_has_the_models_density(form):
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
        given.append(log_density(f"schools_{form}", data, {"theta": theta, "tau": tau} | node))
        expected.append(log_p)
    assert np.ptp(np.subtract(given, expected)) < 1e-4
