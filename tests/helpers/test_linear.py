"""Lines that vary by group, and groups that cross, given the spreads: against matrices of fifty digits."""

import numpy as np
import pytest
from dense_linear import to_fifty_digits
from linear_tables import crossing, lines

from helpers.exact.correlation import from_rho
from helpers.exact.linear_spreads import CrossedSpreads, SlopeSpreads
from helpers.exact.read_linear import read_crossed, read_slopes

RNG = np.random.default_rng(7)
BY_GROUP, YEARS = np.repeat([0, 1, 1], [3, 4, 4]), np.tile(np.arange(2018, 2023), 3)
LINES = {
    "balanced": lines([4] * 3, np.tile([0, 1, 2, 3], 3)),
    "unbalanced, a single one": lines([1, 2, 5], RNG.normal(size=8)),
    "groups with one predictor": lines([3, 1, 4], [0.3, 0.3, 0.3, 2, 0, 1, 2, 5]),
    "one predictor for all": lines([3, 2, 3], np.ones(8)),
    "three predictors": lines([3, 4, 4], np.column_stack([RNG.normal(size=(11, 2)), BY_GROUP])),
    "years, a wide prior": lines([5] * 3, YEARS, prior_theta=[0, 2000]),
    "years, a narrow prior": lines([5] * 3, YEARS, prior_theta=[10, 3]),
    "years and another": lines([5] * 3, np.column_stack([YEARS, RNG.normal(size=15)])),
    "in millionths": lines([5] * 3, 1e6 * RNG.normal(size=15), prior_beta=[[0, 1e-6]]),
    "y far from 0": lines([3, 4, 4], RNG.normal(size=11), 1e6 + RNG.normal(size=11), prior_theta=[1e6, 3]),
    "y far from its prior": lines([3, 4, 4], RNG.normal(size=11), 1e6 + RNG.normal(size=11)),
}
POINTS = [[1, 0.5, 0.3, 0.8], [1e-12, 0.5, 0.3, 0.8], [1, 1e-12, 0, 0.8], [1e-12, 1e-12, 0.5, 0.5]]
POINTS += [[1, 0.5, 0.999999, 0.3], [1, 0.5, -0.999999, 0.3], [3, 2, -0.5, 0.05]]
MIXED = [RNG.permutation(np.arange(14) % n) for n in (2, 3, 4)]
CROSSED = {
    "one factor": crossing([[0, 0, 1, 2, 2, 2]]),
    "one factor, a predictor": crossing([[0, 0, 1, 2, 2, 2]], RNG.normal(size=6)),
    "two factors": crossing([np.repeat(range(3), 4), np.tile(range(4), 3)]),
    "the larger one first": crossing(
        [np.tile(range(4), 3), np.repeat(range(3), 4)], RNG.normal(size=(12, 3))
    ),
    "nested": crossing([[0, 0, 0, 1, 1, 1], [0, 0, 1, 2, 2, 3]]),
    "three factors": crossing(MIXED, RNG.normal(size=14)),
    "factors as large": crossing([MIXED[1], MIXED[1][::-1]], 2000 + np.arange(14), prior_theta=[0, 2000]),
}


def given(data, x):
    """Log density, and means and variances of coefficients, of the program under test at points (d, G)."""
    x = np.array(x, float)
    integral = SlopeSpreads(read_slopes(data)) if "J_1" in data else CrossedSpreads(read_crossed(data))
    own = np.array([x[0], x[1], from_rho(x[2]), x[3]]) if "J_1" in data else x
    priors = sum(prior(row) for prior, row in zip(integral.priors.values(), own, strict=True))
    means, variances = integral.describe(own)
    assert means[-len(x) :] == pytest.approx(x, abs=1e-12)
    return integral.log_density(own) - priors, means[: -len(x)], variances[: -len(x)]


@pytest.mark.parametrize("data", LINES.values(), ids=LINES)
def test_lines_given_their_spreads_agree_with_dense_matrices(data):
    points = np.array(POINTS).T
    agree(given(data, points), to_fifty_digits(data, points))


@pytest.mark.parametrize("data", CROSSED.values(), ids=CROSSED)
def test_crossed_groups_given_their_spreads_agree_with_matrices(data):
    F = len(data["J"])
    points = [[1, 0.5, 2], [1e-12, 0.5, 1], [1, 1e-12, 1e-12], [1e-12] * 3, [3, 2, 0.5]]
    sigma = [0.8, 0.3, 0.5, 0.5, 0.05]
    points = np.vstack([np.array(points).T[:F], sigma])
    agree(given(data, points), to_fifty_digits(data, points))


def agree(found, right):
    """To ten digits; means to 1e-9 of their sds, as measurements about a million have ten digits."""
    log_p, means, variances = right
    assert found[0] == pytest.approx(log_p, rel=1e-10, abs=1e-10)
    assert np.max(np.abs(found[1] - means) / np.sqrt(variances)) < 1e-8
    assert found[2] == pytest.approx(variances, rel=1e-10)


@pytest.mark.parametrize("x", [(0.01, 5, -0.5, 1e-3), (100, 30, 0.9, 0.01)])
def test_a_sigma_far_below_the_spreads_costs_few_digits(x):
    points = np.array([x]).T
    for data in LINES.values():
        log_p, means, variances = to_fifty_digits(data, points)
        found = given(data, points)
        assert found[0] == pytest.approx(log_p, rel=1e-9, abs=1e-9)
        assert np.max(np.abs(found[1] - means) / np.sqrt(variances)) < 1e-6
        assert found[2] == pytest.approx(variances, rel=1e-6)
