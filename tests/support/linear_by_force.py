"""Small tables for `exact_slopes` and `exact_crossed`, by Gauss-Legendre quadrature over all spreads."""

import numpy as np
import pytest
from brute_force import panels
from dense_linear import dense, half_normal
from linear_tables import crossing, lines
from scipy.special import betaln, ndtr

from helpers import exact_crossed, exact_slopes

RNG = np.random.default_rng(7)
TAU, SIGMA = [0, 0.4, 1.2, 3, 6.5], [0.02, 0.15, 0.3, 0.6, 1.2, 2.4, 6.5]  # where panels end, for scales of 1
SCALES = {"prior_tau": [1, 1], "prior_sigma": 1}
SMALL = {
    "lines": lines([3, 2, 2], [0, 1, 2, 0.5, 1.5, -1, 1], [9, 10.5, 11, 8, 8.5, 11, 13], **SCALES),
    "lines, a flat prior of rho": lines(
        [4, 3], [[0, 1], [1, 1], [2, 0], [3, 1], [0, 0], [2, 1], [3, 0]],
        [9, 9.5, 11, 11.5, 10, 9, 10], **SCALES | {"prior_rho": 1},
    ),
    "two factors": crossing(
        [[0, 0, 0, 1, 1, 1, 2], [0, 1, 2, 0, 1, 2, 3]], y=[9, 10, 12, 8, 9.2, 10.5, 11], **SCALES
    ),
    "two factors, a predictor": crossing(
        [[0, 0, 1, 1, 2, 2], [0, 1, 0, 1, 0, 1]], [0, 1, 1, 0, 2, 1], [9, 10.1, 12, 8, 9, 10], **SCALES
    ),
    "one factor, two predictors": crossing(
        [[0, 0, 1, 1, 2, 2]], RNG.normal(size=(6, 2)), [9, 10, 12, 8, 9, 10], **SCALES | {"prior_tau": [1]}
    ),
}  # fmt: skip


class ByBruteForce:
    """Posterior by Gauss-Legendre quadrature over all spreads with dense matrices.

    `cuts` are values of the first τ and of ρ at which panels end, so that probabilities below can be had.
    """

    def __init__(self, data, tau_cut, rho_cut):
        slopes = "J_1" in data
        taus = len(data["prior_tau"])
        axes = [panels(np.unique([*TAU, tau_cut] if k == 0 else TAU)) for k in range(taus)]
        if slopes:
            axes = [*axes, panels([-1, -0.9, rho_cut, 0.9, 1])]
        axes = [*axes, panels(SIGMA)]
        self.x = np.reshape(np.meshgrid(*(x for x, _ in axes), indexing="ij"), (len(axes), -1))
        weight = np.prod(np.meshgrid(*(w for _, w in axes), indexing="ij"), axis=0).ravel()
        log_p = (
            np.log(weight) + sum(half_normal(one, 1) for one in self.x[:taus]) + half_normal(self.x[-1], 1)
        )
        if slopes:
            eta, rho = data["prior_rho"], self.x[2]
            log_p += (eta - 1) * np.log1p(-(rho**2)) + (1 - 2 * eta) * np.log(2) - betaln(eta, eta)
        found = [dense(data, x) for x in np.array_split(self.x, self.x.shape[1] // 5000 + 1, axis=1)]
        log_p += np.concatenate([one[0] for one in found])
        self.given_mean, self.given_variance = (np.hstack([one[k] for one in found]) for k in (1, 2))
        self.log_evidence = log_p.max() + np.log(np.exp(log_p - log_p.max()).sum())
        self.p = np.exp(log_p - self.log_evidence)

    def moments(self):
        """Means and sds of all coefficients, then of the spreads."""
        given = np.vstack([self.given_mean, self.x])
        mean = given @ self.p
        square = np.vstack([self.given_variance, 0 * self.x]) + (given - mean[:, None]) ** 2
        return mean, np.sqrt(square @ self.p)


def ask(data, **options):
    return (exact_slopes if "J_1" in data else exact_crossed)(data, **options)


def agrees_with_brute_force(data):
    """Evidence, means, sds and probabilities below a value, to 1e-6."""
    post = ask(data)
    cut = {name: post.quantile(name, 0.3) for name in ("tau[1]", "rho", "theta") if name in post.names}
    right = ByBruteForce(data, cut["tau[1]"], cut.get("rho", 0))
    assert post.log_evidence == pytest.approx(right.log_evidence, abs=1e-6)
    names = [*post._nodes, *post._spreads]
    mean, sd = right.moments()
    assert [post.sd(name) for name in names] == pytest.approx(sd, rel=1e-6)
    assert np.abs([post.mean(name) for name in names] - mean) / sd == pytest.approx(0, abs=1e-6)
    assert right.p @ (right.x[0] < cut["tau[1]"]) == pytest.approx(0.3, abs=1e-6)
    if "rho" in cut:
        assert right.p @ (right.x[2] < cut["rho"]) == pytest.approx(0.3, abs=1e-6)
    z = (cut["theta"] - right.given_mean[0]) / np.sqrt(right.given_variance[0])
    assert right.p @ ndtr(z) == pytest.approx(0.3, abs=1e-6)


def largest_difference(post, finer) -> float:
    """Of log evidences, of means in sds, and of sds, relative."""
    names = finer.names
    mean, sd = ([[getattr(one, what)(n) for n in names] for one in (post, finer)] for what in ("mean", "sd"))
    off = np.abs(np.subtract(*mean)) / sd[1], np.abs(np.divide(*sd) - 1)
    return max(np.max(off), abs(post.log_evidence - finer.log_evidence))
