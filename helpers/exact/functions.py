"""A tree of groups with any likelihood at its leaves: messages are functions on a grid."""

from collections.abc import Iterator

import numpy as np
from scipy import fft
from scipy.sparse import csr_array

from helpers.exact.grids import TINY, Grid, draw_near
from helpers.exact.leaves import Leaves
from helpers.likelihoods import Measured

_NOISE = 1e-15  # of its largest value, what a Fourier transform leaves where a function should be zero


class FunctionTree:
    """A tree of groups whose messages are functions on a grid, and the two passes over it.

    Its methods are those of `passes.Tree`. Logarithms of functions have the shape (nodes of the level, P, G),
    for P points of the integral over the spreads. Integrating a node out is a convolution with
    Normal(0, τ), done on Fourier transforms, which is accurate for every τ, also far below the step.
    """

    def __init__(self, measured: Measured, leaves: Leaves, grid: Grid):
        sizes, parents = measured.sizes, measured.parents
        self.K, self.N, self.known = len(sizes), len(measured.y), leaves.kind != "student_t"
        self.sizes, self.parents = [1, *sizes], [np.zeros(sizes[0], dtype=np.int64), *parents]
        self.sums = [
            csr_array((np.ones(len(parent)), (parent, np.arange(len(parent)))), shape=(above, len(parent)))
            for parent, above in zip(self.parents, self.sizes, strict=False)
        ]
        self.nodes, self.shift, self.leaves, self.grid = sum(sizes), 0.0, leaves, grid
        self.cost = self.nodes * len(grid.u)
        self._transformed = {}

    def up(self, tau: np.ndarray, own: np.ndarray, theta: tuple) -> tuple[np.ndarray, list]:
        """Pass messages up the tree.

        Parameters
        ----------
        tau : array, shape (K, P)
        own : array, shape (m, P)
            What else the likelihood needs: nothing, σ, or σ and ν.
        theta
            Mean and standard deviation of the prior of θ.

        Returns
        -------
        log_p : array, shape (P,)
            Log density of the measurements given the spreads.
        messages : list of (own, heard), for the levels 0 to K
            Logarithms of what the measurements below a node say of it, and of what its parent gets of that;
            for the population, of the prior.
        """
        length, leaves = self.grid.padded(tau[-1]), own.T if len(own) else [()]
        parts = [self._leaf(tuple(column), length) for column in leaves]
        said, *transformed = (np.stack(part, axis=1) for part in zip(*parts, strict=True))
        messages = []
        for k, (sums, spread) in enumerate(zip(self.sums[::-1], tau[::-1], strict=True)):
            heard = self._blur(said, spread, *(transformed if k == 0 else ()))
            messages.append((said, heard))
            said = (sums @ heard.reshape(len(heard), -1)).reshape(sums.shape[0], *heard.shape[1:])
            said += self.grid.window
        prior = -(((self.grid.u - theta[0]) / theta[1]) ** 2) / 2 - np.log(theta[1] * np.sqrt(2 * np.pi))
        messages.append((said, np.broadcast_to(prior, said.shape)))
        belief = said[0] + prior
        top = belief.max(axis=-1)
        log_p = np.log(scaled(belief).sum(axis=-1) * self.grid.step) + top
        return log_p, messages[::-1]

    def down(self, messages: list, tau: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Give, level by level, logarithms of what is known of each node, and of what its parent tells it."""
        said, heard = messages[0]
        log_belief = said + heard
        yield log_belief, heard
        for parent, spread, (said, heard) in zip(self.parents, tau, messages[1:], strict=True):
            told = self._blur(log_belief[parent] - heard, spread)  # by all others
            log_belief = said + told
            yield log_belief, told

    def describe(self, tau: np.ndarray, own: np.ndarray, theta: tuple) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance of all nodes given the spreads, shape (1 + nodes, P)."""
        return self.weigh(tau, own, theta)[1:]

    def weigh(
        self, tau: np.ndarray, own: np.ndarray, theta: tuple
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Give log_p (P,), and mean and variance of all nodes."""
        u = self.grid.u
        middle = u[len(u) // 2]  # far from zero the squares would drown the variance
        powers = np.stack([np.ones(len(u)), u - middle, (u - middle) ** 2], axis=1)
        log_p, messages = self.up(tau, own, theta)
        moments = [scaled(log_belief) @ powers for log_belief, _ in self.down(messages, tau)]
        total, first, second = np.moveaxis(np.vstack(moments), -1, 0)
        return log_p, first / total + middle, np.maximum(second / total - (first / total) ** 2, 0)

    def look(
        self, tau: np.ndarray, own: np.ndarray, theta: tuple
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Give log_p (P,), probabilities of all nodes (1 + nodes, P, G), and how noisy they are (P,)."""
        log_p, messages = self.up(tau, own, theta)
        beliefs, noise = [], 0.0
        levels = list(self.down(messages, tau))
        for k, (log_belief, told) in enumerate(levels):
            f = scaled(log_belief)
            beliefs.append(f / f.sum(axis=-1, keepdims=True))
            if k:
                noise = (
                    noise
                    + _noise(beliefs[k], told)
                    + _noise(beliefs[k - 1][self.parents[k - 1]], messages[k][1])
                )
        return log_p, np.vstack(beliefs), noise

    def draw(
        self, messages: list, tau: np.ndarray, theta: tuple, rng: np.random.Generator
    ) -> Iterator[np.ndarray]:
        """Draw all nodes given the spreads, level by level from θ, each given its parent."""
        said, _ = messages[0]
        points = np.ones(said.shape[1])
        node = draw_near(said, np.full((1, len(points)), theta[0]), theta[1] * points, self.grid, rng)
        yield node
        for parent, spread, (said, _) in zip(self.parents, tau, messages[1:], strict=True):
            node = draw_near(said, node[parent], spread, self.grid, rng)
            yield node

    def _leaf(self, own: tuple, length: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Give the leaves' messages, their peaks and transforms, for one value of what `own` holds."""
        if (own, length) not in self._transformed:
            if len(self._transformed) * self.sizes[-1] * length > 2e7:
                self._transformed.clear()
            log_l = self.leaves.log_likelihood(self.grid.u, np.array(own))
            said = np.maximum(log_l, TINY + log_l.max(axis=1)[:, None]) + self.grid.window
            self._transformed[own, length] = said, *_transform(said, length)
        return self._transformed[own, length]

    def _blur(self, log_f: np.ndarray, tau: np.ndarray, top=None, spectrum=None) -> np.ndarray:
        """Convolve with Normal(0, τ); what is noise becomes nothing, and `look` tells if that matters."""
        length = self.grid.padded(tau)
        if spectrum is None:
            top, spectrum = _transform(log_f, length)
        f = fft.irfft(spectrum * self.grid.kernel(tau, length), length)[..., : len(self.grid.u)]
        np.putmask(f, f < _NOISE * f.max(axis=-1, keepdims=True), 1e-300)
        f = np.log(f) + top
        return np.where(tau[:, None] == 0, log_f, f) if (tau == 0).any() else f


def _transform(log_f: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Give the logarithm of the peak, and the Fourier transform of the function scaled to a peak of 1."""
    top = log_f.max(axis=-1, keepdims=True)
    return top, fft.rfft(np.exp(log_f - top), length)


def scaled(log_f: np.ndarray) -> np.ndarray:
    """Scale a function so that its largest value is 1."""
    return np.exp(log_f - log_f.max(axis=-1, keepdims=True))


def _noise(belief: np.ndarray, log_f: np.ndarray) -> np.ndarray:
    """Share of a function that may be noise where it matters, shape (P,): the largest of all nodes."""
    ratio = np.exp(np.minimum(log_f.max(axis=-1, keepdims=True) - log_f, 40.0))
    return _NOISE / 5 * np.max((belief * ratio).sum(axis=-1), axis=0)
