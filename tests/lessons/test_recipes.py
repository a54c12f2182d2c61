"""What lessons 1 and 2 say of other recipes on our cells: ANOVA, REML, and a spread for each level."""

from itertools import pairwise

import numpy as np
import pytest

import helpers
from helpers.data import LEVELS


@pytest.fixture(scope="module")
def table():
    """Measurements, and for each level from the population to the cell which cells share a node."""
    data, labelled = helpers.stan_data(helpers.measurements(), LEVELS, "y")
    nodes = [np.zeros(47), *(labelled[f"{level}_stan"].to_numpy() for level in LEVELS), np.arange(47)]
    return data, [1.0 * (node[:, None] == node) for node in nodes]


def test_anova_estimates_negative_variances_of_days_and_batches(table):
    """Henderson's method: mean squares equal their expectations, which are linear in the variances."""
    data, same = table
    averaging = [pairs / pairs.sum(axis=0) for pairs in same]  # every cell by the average of its node
    steps = [inner - outer for outer, inner in pairwise(averaging)]
    degrees = [round(np.trace(step)) for step in steps]
    assert degrees == [2, 5, 9, 30]
    mean_squares = [data["y"] @ step @ data["y"] / n for step, n in zip(steps, degrees, strict=True)]
    assert np.round(mean_squares, 2).tolist() == [0.15, 0.71, 1.63, 0.72]
    expected = [
        [np.trace(step @ pairs) / n for pairs in same[1:]] for step, n in zip(steps, degrees, strict=True)
    ]
    days, batches, colonies, cells = np.linalg.solve(expected, mean_squares)
    assert days < 0
    assert batches < 0
    assert colonies > 0
    assert cells == pytest.approx(0.849**2, rel=1e-3)


def test_restricted_likelihood_with_one_tau_is_highest_at_zero(table):
    """From dense matrices, and from the exact posterior with priors that are flat."""
    data, same = table
    shared, ones = sum(same[1:4]), np.ones(47)
    flat = helpers.exact_posterior(data, {"theta": (10, 1e5), "tau": 1e5, "sigma": 1e5})

    def dense(tau, sigma):
        inverse = np.linalg.inv(tau**2 * shared + sigma**2 * np.eye(47))
        r = data["y"] - ones @ inverse @ data["y"] / inverse.sum()
        return (np.linalg.slogdet(inverse)[1] - np.log(inverse.sum()) - r @ inverse @ r) / 2

    taus, sigmas = np.array([1e-6, 0.01, 0.05, 0.1, 0.2, 0.3, 0.5]), np.linspace(0.6, 1.4, 401)
    by_matrices = np.array([[dense(tau, sigma) for sigma in sigmas] for tau in taus])
    by_tree = np.array([flat.log_density(tau, sigmas) for tau in taus])
    assert np.ptp(by_matrices - by_tree) < 1e-6  # they differ by a constant
    profile = by_matrices.max(axis=1)
    assert (np.diff(profile) < 0).all()
    assert 0.4 < profile[0] - profile[4] < 0.7  # "a τ of 0.2 explains the cells nearly as well"


def test_theta_is_more_than_twice_as_uncertain_with_a_tau_for_each_level(table):
    """Lesson 2 says so in words, as the sum over three spreads takes half a gigabyte."""
    data, _ = table
    shared = helpers.exact_posterior(data).sd("theta")
    own = helpers.exact_posterior(data, shared_tau=False, tolerance=1e-6).sd("theta")
    assert 2.5 < own / shared < 2.7
