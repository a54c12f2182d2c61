"""What the lessons say of the two programs holds for every seed, against the exact posterior."""

import logging

import arviz
import pytest

import helpers

EXACT_MEAN_TAU = 0.18572486717  # by numerical integration over tau and sigma; the nodes integrate exactly
SEEDS = (101, 102, 103, 104, 105)


@pytest.fixture(scope="module")
def data():
    logging.getLogger("cmdstanpy").setLevel(logging.ERROR)
    return helpers.stan_data(helpers.measurements(), levels=["day", "batch", "colony"], values="y")[0]


def fit(program, data, seed, **options):
    samples = helpers.stan_model(program).sample(data=data, seed=seed, show_progress=False, **options)
    return arviz.from_cmdstanpy(samples)


@pytest.mark.parametrize("seed", SEEDS)
def test_centered_program_is_caught_by_ebfmi_and_ess(data, seed):
    # over 40 seeds the highest E-BFMI of any chain was 0.19, the highest ESS 162
    tree = fit("centered", data, seed)
    assert (arviz.bfmi(tree)["energy"].values < 0.3).all()
    assert arviz.ess(tree["posterior"]["tau"].values) < 400


@pytest.mark.parametrize("seed", SEEDS)
def test_noncentered_program_gives_the_exact_answer(data, seed):
    tree = fit("noncentered", data, seed, adapt_delta=0.99)
    tau = tree["posterior"]["tau"].values
    # over 40 seeds the lowest E-BFMI was 0.69, the highest R-hat 1.008
    assert (arviz.bfmi(tree)["energy"].values > 0.5).all()
    assert arviz.rhat(tau) < 1.02
    if abs(tau.mean() - EXACT_MEAN_TAU) > 4 * arviz.mcse(tau):
        # A right sampler is here once in 16,000 times. A second, longer run is as unlikely to fail, so both
        # together fail by chance once in 10^8; a bias of 4 MCSE would show in it as one of 8.
        tau = fit("noncentered", data, seed + 1000, adapt_delta=0.99, iter_sampling=4000)["posterior"]["tau"]
        assert abs(tau.values.mean() - EXACT_MEAN_TAU) < 4 * arviz.mcse(tau.values)
