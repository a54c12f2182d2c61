"""Grids and what lies between their points: the substitution t, sinc interpolation and its integral."""

from collections.abc import Iterator, Sequence

import numpy as np
from scipy.optimize import elementwise
from scipy.special import sici, wrightomega


def chunks(points: int, cost: int) -> Iterator[slice]:
    """Cut a number of points into slices for which arrays of `cost` numbers a point stay in the cache."""
    size = max(1, 200_000 // cost)
    return (slice(start, min(start + size, points)) for start in range(0, points, size))


def all_points(axes: Sequence[np.ndarray]) -> np.ndarray:
    """All points of a grid, shape (d, G), from its d axes."""
    return np.reshape(np.meshgrid(*axes, indexing="ij"), (len(axes), -1))


def to_t(ratio: np.ndarray) -> np.ndarray:
    """Solve ratio = exp(t - exp(-t)) for t."""
    log = np.log(ratio)
    return log + wrightomega(-log).real


def integral(at: np.ndarray, t: np.ndarray, f: np.ndarray) -> np.ndarray:
    """Integrate the sinc interpolant of f (…, n), at equal steps t (n,), from -∞ up to each of `at` (…)."""
    step = t[1] - t[0]
    sine_integral, _ = sici(np.pi * (at[..., None] - t) / step)
    return step * (f * (0.5 + sine_integral / np.pi)).sum(axis=-1)


def invert(p: np.ndarray, t: np.ndarray, f: np.ndarray) -> np.ndarray:
    """Find where the integral of each row of f (G, n) reaches the share p (G,) of the whole."""
    f = f / (f.sum(axis=1, keepdims=True) * (t[1] - t[0]))
    p = np.clip(p, 1e-9, 1 - 1e-9)  # beyond, rounding decides

    def gap(at, p, row):
        return integral(at, t, f[row.astype(int)]) - p

    ends = (np.full(len(p), t[0] - 1), np.full(len(p), t[-1] + 1))
    return elementwise.find_root(gap, ends, args=(p, np.arange(len(p)))).x
