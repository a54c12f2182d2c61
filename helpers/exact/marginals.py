"""What is known of one node, spreads integrated out: a mixture of normal densities, or a function."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, logit, ndtr

from helpers.exact.interpolation import integral, invert


@dataclass(frozen=True)
class Link:
    """From the scale of the nodes to that of the data, such as a probability; back; and the slope."""

    to_data: Callable
    from_data: Callable
    slope: Callable


IDENTITY = Link(lambda u: u, lambda x: x, np.ones_like)
LINKS = {
    "normal": IDENTITY,
    "student_t": IDENTITY,
    "poisson": Link(np.exp, np.log, np.exp),
    "binomial": Link(expit, logit, lambda u: expit(u) * expit(-u)),
}


class NormalMixture:
    """A mixture of normal densities, one for each point of the integral over the spreads."""

    def __init__(self, weight: np.ndarray, mean: np.ndarray, sd: np.ndarray):
        self._weight, self._mean, self._sd = weight, mean, sd

    def cdf(self, x: np.ndarray) -> np.ndarray:
        """Probability below each of the points x (n,)."""
        return np.array([self._weight @ ndtr((point - self._mean) / self._sd) for point in x])

    def density(self, x: np.ndarray) -> np.ndarray:
        """Density at each of the points x (n,)."""
        with np.errstate(over="ignore"):
            z = [(point - self._mean) / self._sd for point in x]
            return np.array([self._weight @ (np.exp(-(one**2) / 2) / self._sd) for one in z]) / np.sqrt(
                2 * np.pi
            )

    def quantile(self, p: np.ndarray) -> np.ndarray:
        """Values below which lie the shares p (n,)."""
        # 7 sds hold all but 1e-12 of each of the normal distributions, and the root
        ends = np.min(self._mean - 7 * self._sd), np.max(self._mean + 7 * self._sd)
        gaps = [lambda x, q=q: self.cdf([x])[0] - q for q in p]
        return np.array([brentq(gap, *ends, xtol=1e-300) for gap in gaps])


class OnGrid:
    """A density on equal steps, with sinc interpolation between them."""

    def __init__(self, u: np.ndarray, density: np.ndarray):
        self._u, self._f, self._step = u, density, u[1] - u[0]

    def cdf(self, x: np.ndarray) -> np.ndarray:
        """Probability below each of the points x (n,)."""
        return np.clip(integral(np.clip(x, self._u[0], self._u[-1]), self._u, self._f), 0, 1)

    def density(self, x: np.ndarray) -> np.ndarray:
        """Density at each of the points x (n,)."""
        inside = (x >= self._u[0]) & (x <= self._u[-1])
        near = np.where(inside, x, self._u[0])
        return np.where(inside, np.maximum(np.sinc((near[:, None] - self._u) / self._step) @ self._f, 0), 0)

    def quantile(self, p: np.ndarray) -> np.ndarray:
        """Values below which lie the shares p (n,)."""
        return invert(p, self._u, np.broadcast_to(self._f, (len(p), len(self._f))))

    def average(self, function: Callable) -> float:
        """Give the mean of a function of the node."""
        return float(self._f @ function(self._u) * self._step)

    def spread(self, function: Callable) -> float:
        """Give the standard deviation of a function of the node."""
        mean = self.average(function)
        return float(np.sqrt(self._f @ (function(self._u) - mean) ** 2 * self._step))
