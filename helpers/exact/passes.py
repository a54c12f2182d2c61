"""A tree of groups with normal measurements at its leaves, and messages along it."""

from collections.abc import Iterator, Mapping

import numpy as np
from scipy.sparse import csr_array

from helpers.inputs import read_tree


class Tree:
    """A tree of groups with normal measurements at its leaves, and the two passes over it.

    Level 0 is the population, one node; level K holds the leaves. Means are relative to `shift`, the mean of
    all measurements, so that data far from zero lose no digits. Arrays over the points of an integral, G of
    them, have these in the last axis.
    """

    def __init__(self, data: Mapping, values: str, sigma):
        sizes, parents, leaf, y, known = read_tree(data, values, sigma)
        self.K, self.N, self.nodes, self.known = len(sizes), len(y), sum(sizes), known is not None
        self.cost = self.nodes  # numbers that a pass holds for each point
        self.sizes, self.parents = [1, *sizes], [np.zeros(sizes[0], dtype=np.int64), *parents]
        self.sums = [
            csr_array((np.ones(len(parent)), (parent, np.arange(len(parent)))), shape=(above, len(parent)))
            for parent, above in zip(self.parents, self.sizes, strict=False)
        ]
        # What a leaf's measurements say of it: a precision (in units of 1/σ², if σ is unknown) and a mean.
        self.y, self.errors = y, known
        self.shift = y.mean()
        weight = np.ones(self.N) if known is None else 1 / known**2
        self.precision = np.bincount(leaf, weight)[:, None]
        self.mean = np.bincount(leaf, weight * (y - self.shift))[:, None] / self.precision
        self.squares = weight @ (y - self.shift - self.mean[leaf, 0]) ** 2
        self.repeats = self.N - sizes[-1]
        self.constant = (np.log(weight).sum() - np.log(self.precision).sum()) / 2
        self.constant -= self.repeats * np.log(2 * np.pi) / 2

    def guess(self, d: int, theta: tuple) -> np.ndarray:
        """Rough logarithms of the last d of the spreads; `theta` as in `up`."""
        rough = np.std(self.mean) or theta[1]
        within = np.sqrt(self.squares / self.repeats) if self.repeats and not self.known else rough
        sigma = np.sqrt(within * rough)  # no more than `rough`, if σ explains all; no less than `within`
        with np.errstate(divide="ignore"):  # in another unit than the priors' all this may be next to nothing
            return np.log([*[rough] * (d - (not self.known)), *[sigma] * (not self.known)])

    def up(self, tau: np.ndarray, sigma: np.ndarray, theta: tuple) -> tuple[np.ndarray, list]:
        """Pass messages up the tree.

        Parameters
        ----------
        tau : array, shape (K, G)
        sigma : array, shape (G,)
        theta
            Mean and standard deviation of the prior of θ.

        Returns
        -------
        log_p : array, shape (G,)
            Log density of the measurements given τ and σ.
        messages : list of (mean, variance), for the levels 0 to K
            What the measurements below each node say of it: a normal density. Shape (nodes of the level, G).
        """
        mean, variance = self.mean, sigma**2 / self.precision
        log_p = self.constant - self.repeats * np.log(sigma) - self.squares / (2 * sigma**2)
        messages = [(mean, variance)]
        for parent, sums, spread in zip(self.parents[::-1], self.sums[::-1], tau[::-1], strict=True):
            weight = 1 / (variance + spread**2)
            variance = 1 / (sums @ weight)
            centre = variance * (sums @ (weight * mean))
            # the density of the siblings' means, written with residuals so that nothing cancels
            log_p += (np.log(weight).sum(axis=0) + np.log(variance).sum(axis=0)) / 2
            log_p -= (weight * (mean - centre[parent]) ** 2).sum(axis=0) / 2
            log_p -= (len(parent) - len(centre)) * np.log(2 * np.pi) / 2
            mean = centre
            messages.append((mean, variance))
        prior_mean, total = theta[0] - self.shift, variance[0] + theta[1] ** 2
        log_p -= ((mean[0] - prior_mean) ** 2 / total + np.log(2 * np.pi * total)) / 2
        return log_p, messages[::-1]

    def describe(
        self, tau: np.ndarray, sigma: np.ndarray, theta: tuple, only: int | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance given τ and σ: of all nodes, shape (1 + nodes, G), or of only one, shape (G,)."""
        _, messages = self.up(tau, sigma, theta)
        path = None if only is None else self._path(only)
        mean, variance = _product(theta[0] - self.shift, theta[1] ** 2, *messages[0])
        means, variances = [mean], [variance]
        for k, spread in enumerate(tau[: self.K if path is None else len(path)]):
            above, chosen = (self.parents[k], slice(None)) if path is None else (slice(None), [path[k]])
            own_mean, own_variance = (part[chosen] for part in messages[k + 1])
            gain = spread**2 / (spread**2 + own_variance)
            mean, variance = mean[above], variance[above]
            mean = mean + gain * (own_mean - mean)
            variance = gain * own_variance + (1 - gain) ** 2 * variance
            means.append(mean)
            variances.append(variance)
        return (mean[0], variance[0]) if path is not None else (np.vstack(means), np.vstack(variances))

    def draw(
        self, messages: list, tau: np.ndarray, theta: tuple, rng: np.random.Generator
    ) -> Iterator[np.ndarray]:
        """Draw all nodes given τ and σ, level by level from θ, each given its parent."""
        mean, variance = _product(theta[0] - self.shift, theta[1] ** 2, *messages[0])
        node = rng.normal(mean, np.sqrt(variance))
        yield node
        for parent, spread, message in zip(self.parents, tau, messages[1:], strict=True):
            mean, variance = _product(node[parent], spread**2, *message)
            node = rng.normal(mean, np.sqrt(variance))
            yield node

    def _path(self, node: int) -> list[int]:
        """Numbers, each in its level, of the nodes on the way from the population down to a node."""
        level = np.searchsorted(np.cumsum(self.sizes), node, side="right")
        node, path = node - sum(self.sizes[:level]), []
        for parent in self.parents[level - 1 :: -1] if level else []:
            path.append(node)
            node = parent[node]
        return path[::-1]


def _product(mean, variance, other_mean, other_variance) -> tuple[np.ndarray, np.ndarray]:
    """Multiply two normal densities; the first may have variance 0."""
    gain = variance / (variance + other_variance)
    return mean + gain * (other_mean - mean), gain * other_variance
