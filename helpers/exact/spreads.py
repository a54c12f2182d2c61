"""What is left to integrate once the nodes are integrated out: the spreads, one to four of them."""

from collections.abc import Callable

import numpy as np

from helpers.exact.interpolation import chunks
from helpers.exact.marginals import IDENTITY, NormalMixture
from helpers.exact.passes import Tree
from helpers.exact.quadrature import Rule


class Spreads:
    """The density of the measurements as a function of the spreads, and the integral over these.

    Points of the integral, G of them, are arrays of shape (d, G): a row for each spread.
    """

    link = IDENTITY
    rule = Rule
    remedy = "use shared_tau=True, or "  # where the integral takes too long

    def __init__(self, tree: Tree, priors: dict[str, Callable], theta: tuple):
        self.tree, self.priors, self.theta = tree, priors, theta

    def split(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Points (d, G) of the integral: τ of every level (K, G), and σ (G,)."""
        known = self.tree.known
        sigma = np.ones(x.shape[1]) if known else x[-1]
        return np.broadcast_to(x if known else x[:-1], (self.tree.K, x.shape[1])), sigma

    def log_density(self, x: np.ndarray) -> np.ndarray:
        """Log density of measurements and spreads at points (d, G), nodes integrated out."""
        log_p, _ = self.tree.up(*self.split(x), self.theta)
        return log_p + sum(prior(row) for prior, row in zip(self.priors.values(), x, strict=True))

    def describe(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance of all nodes, and of the spreads, given points (d, G)."""
        mean, variance = self.tree.describe(*self.split(x), self.theta)
        return np.vstack([mean, x]), np.vstack([variance, np.zeros(x.shape)])

    def posterior(self, tolerance: float) -> tuple[Rule, np.ndarray, np.ndarray, float]:
        """Integrate over all spreads: see `solve`."""
        return self.solve(self.log_density, self.describe, self.guess(), tolerance)

    def log_evidence(self, tolerance: float) -> float:
        """Log density of the measurements, all integrated out: `posterior` without what is known of nodes."""

        def describe(x):
            return x, np.zeros(x.shape)

        # a rough answer gets by with an estimate of its error that is rough as well
        longer = 1.5 if tolerance > 1e-6 else 1.0
        return self.solve(self.log_density, describe, self.guess(), tolerance, longer)[0].log_integral

    def guess(self) -> np.ndarray:
        """Rough logarithms of the spreads."""
        return self.tree.guess(len(self.priors), self.theta)

    def solve(
        self,
        log_density: Callable,
        describe: Callable,
        guess: np.ndarray,
        tolerance: float,
        longer: float = 1.0,
        modes=None,
    ) -> tuple[Rule, np.ndarray, np.ndarray, float]:
        """Integrate, with steps as short as the tolerance needs: rule, means, sds and accuracy."""
        unit = "no finite answer: are data, known errors and priors in the same unit, none next to nothing?"
        try:
            with np.errstate(all="ignore"):
                rule = self.rule(log_density, guess, self.tree.cost + len(guess), longer, modes)
        except (ArithmeticError, IndexError):
            raise ValueError(unit) from None
        while True:
            with np.errstate(all="ignore"):
                mean, sd, errors = rule.moments(describe)
            if not np.all(np.isfinite([*mean, *sd])):
                raise ValueError(unit)
            accuracy, fine = float(np.max(errors)), errors <= tolerance
            if np.all(fine):
                mean[: 1 + self.tree.nodes] += self.tree.shift
                return rule, mean, sd, accuracy
            if not rule.refine(~fine):
                if not np.isfinite(accuracy):
                    raise ValueError(unit)
                remedy = self.remedy if len(guess) > 2 else ""
                raise ValueError(
                    f"the integral over {len(guess)} spreads is accurate to {accuracy:.0e}, and more points "
                    f"take minutes: {remedy}accept it with tolerance={2 * accuracy:.0e}"
                )

    def fit(self, x: np.ndarray) -> None:
        """Make sure that points (d, G) can be computed: here all can."""

    def given(self, tau: np.ndarray, sigma: float | None) -> tuple[np.ndarray, np.ndarray]:
        """Mean and sd of all nodes given one value of every τ, and of σ unless it is None."""
        free = {
            name: prior
            for name, prior in self.priors.items()
            if not name.startswith("tau") and (name != "sigma" or sigma is None)
        }

        def points(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, tuple]:
            rows = dict(zip(free, x, strict=True))
            fixed = [np.full((1, x.shape[1]), value) for value in np.atleast_1d(tau)]
            own = [name for name in self.priors if not name.startswith("tau")]
            own = [rows.get(name, np.full(x.shape[1], sigma))[None] for name in own]
            return *self.split(np.vstack([*fixed, *own])), self.theta

        def log_density(x):
            return self.tree.up(*points(x))[0] + sum(
                prior(row) for prior, row in zip(free.values(), x, strict=True)
            )

        if not free:
            mean, variance = self.tree.describe(*points(np.empty((0, 1))))
            return mean[:, 0] + self.tree.shift, np.sqrt(variance[:, 0])
        guess = self.guess()[-len(free) :]
        return self.solve(log_density, lambda x: self.tree.describe(*points(x)), guess, 1e-8)[1:3]

    def marginal(self, rule: Rule, node: int) -> NormalMixture:
        """Tell what is known of a node, spreads integrated out: a normal one for each point of the rule."""
        keep = np.flatnonzero(rule.weights > 1e-17 * rule.weights.max())
        mean, variance = np.empty((2, len(keep)))
        for part in chunks(len(keep), self.tree.cost):
            tau, sigma = self.split(rule.x[:, keep[part]])
            mean[part], variance[part] = self.tree.describe(tau, sigma, self.theta, node)
        weight = rule.weights[keep]
        return NormalMixture(weight / weight.sum(), mean + self.tree.shift, np.sqrt(variance))


def half_normal(scale: float) -> Callable:
    """Log density of a half-normal distribution."""
    return lambda x: np.log(2 / np.pi) / 2 - np.log(scale) - (x / scale) ** 2 / 2
