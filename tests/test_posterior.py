"""What the lessons say of the two programs holds for every seed, against the exact posterior."""

import logging

import arviz
import numpy as np
import pytest
from scipy.stats import multivariate_normal

import helpers

LEVELS = ["day", "batch", "colony"]
SEEDS = (101, 102, 103, 104, 105)


@pytest.fixture(scope="module")
def data():
    logging.getLogger("cmdstanpy").setLevel(logging.ERROR)
    return helpers.stan_data(helpers.measurements(), LEVELS, "y")[0]


def fit(program, data, seed, **options):
    samples = helpers.stan_model(program).sample(data=data, seed=seed, show_progress=False, **options)
    return arviz.from_cmdstanpy(samples)


@pytest.fixture(scope="module")
def exact(data):
    """E[tau] and P(tau < 0.1), by quadrature: given tau and sigma the cells are jointly normal."""
    leaf = data["index_3"] - 1
    batch = data["index_2"][leaf] - 1
    shared = sum(n[:, None] == n for n in (leaf, batch, data["index_1"][batch]))
    x, w = np.polynomial.legendre.leggauss(40)
    tau, weight = np.r_[0.05 * (1 + x), 0.1 + 1.45 * (1 + x)], np.r_[0.05 * w, 1.45 * w]
    sigma = 1.2 + 0.8 * x
    log_p = np.array(
        [
            multivariate_normal(np.full(47, 10.0), 9 + t**2 * shared + s**2 * np.eye(47)).logpdf(data["y"])
            - (t**2 + s**2) / 50
            for t in tau
            for s in sigma
        ]
    ).reshape(80, 40)
    p = weight * (np.exp(log_p - log_p.max()) @ w)
    return {"mean": (p @ tau) / p.sum(), "below": p[:40].sum() / p.sum()}


def test_exact_values_are_those_in_the_lessons(exact):
    assert exact["mean"] == pytest.approx(0.185724867, abs=1e-7)
    assert exact["below"] == pytest.approx(0.354477432, abs=1e-7)


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


@pytest.mark.parametrize("seed", SEEDS)
def test_centered_program_is_caught_by_ebfmi_and_ess(data, seed):
    # over 40 seeds the highest E-BFMI of any chain was 0.19, the highest ESS 162
    tree = fit("centered", data, seed)
    assert (arviz.bfmi(tree)["energy"].values < 0.3).all()
    assert arviz.ess(tree["posterior"]["tau"].values) < 400


@pytest.fixture(scope="module")
def repaired(data):
    return {seed: fit("noncentered", data, seed, adapt_delta=0.99) for seed in SEEDS}


@pytest.mark.parametrize("seed", SEEDS)
def test_noncentered_program_gives_the_exact_mean(data, exact, repaired, seed):
    tau = repaired[seed]["posterior"]["tau"].values
    # over 40 seeds the lowest E-BFMI was 0.69, the highest R-hat 1.008
    assert (arviz.bfmi(repaired[seed])["energy"].values > 0.5).all()
    assert arviz.rhat(tau) < 1.02
    if abs(tau.mean() - exact["mean"]) > 4 * arviz.mcse(tau):
        # A right sampler is here once in 16,000 times. A second, longer run is as unlikely to fail, so both
        # together fail by chance once in 10^8; a bias of 4 MCSE would show in it as one of 8.
        longer = fit("noncentered", data, seed + 1000, adapt_delta=0.99, iter_sampling=4000)
        tau = longer["posterior"]["tau"].values
        assert abs(tau.mean() - exact["mean"]) < 4 * arviz.mcse(tau)


def test_five_seeds_together_leave_no_room_for_the_centered_programs_bias(exact, repaired):
    # 5 standard errors, by chance once in 1.7 million; the centered program is off by 0.09 in P(tau < 0.1),
    # some 17 standard errors of the five runs together
    tau = [tree["posterior"]["tau"].values for tree in repaired.values()]
    for estimate, truth in [(lambda t: t, exact["mean"]), (lambda t: (t < 0.1) * 1.0, exact["below"])]:
        values = [estimate(t) for t in tau]
        error = np.mean([v.mean() for v in values]) - truth
        assert abs(error) < 5 * np.sqrt(np.sum([arviz.mcse(v) ** 2 for v in values])) / len(values)
