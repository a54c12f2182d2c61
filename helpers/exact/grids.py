"""Functions on equal steps: the grid, the convolution with a normal density, draws."""

import numpy as np
from scipy import fft
from scipy.interpolate import make_interp_spline
from scipy.special import log_ndtr, ndtr

_FAR = 40  # points that a kernel narrower than two of them reaches
_EDGE = 20  # points at either end in which the window falls off, to nothing
TINY = -700.0  # logarithm of what is as good as zero
_FINER = 4  # steps in one of the grid, between which a density may be taken for straight


class Grid:
    """Equal steps from `low` to `high`, and beyond these two ends that a smooth window takes to zero."""

    def __init__(self, low: float, high: float, step: float):
        points = int(np.ceil((high - low) / step)) + 1 + 2 * _EDGE
        points = 4 * fft.next_fast_len(-(-points // 4), real=True)  # so are the lengths of `padded`
        self.low, self.high, self.step = low, high, step
        self.u = (low + high) / 2 + step * (np.arange(points) - (points - 1) / 2)
        end = np.arange(points)
        end = np.minimum(end, end[::-1])
        # The window's flank is an error function, five of its sds to either side of the middle of the edge.
        self.window = np.maximum(log_ndtr((end - _EDGE / 2) / (_EDGE / 10)), TINY)
        self.edges = end < _EDGE

    def coarser(self, factor: int) -> "Grid":
        """Take the same window with longer steps."""
        return Grid(self.low, self.high, factor * self.step)

    def padded(self, tau: np.ndarray) -> int:
        """Points that a function needs, zeros included, so that no Normal(0, τ) comes round the circle."""
        points, reach = len(self.u), max(9 * tau.max() / self.step, _FAR)
        return next(
            (length for length in (5 * points // 4, 3 * points // 2) if length > points + reach), 2 * points
        )

    def kernel(self, tau: np.ndarray, length: int) -> np.ndarray:
        """Fourier transforms of Normal(0, τ), shape (P, frequencies), for functions padded with zeros."""
        lags = np.minimum(np.arange(length), length - np.arange(length))
        kernel = np.exp(-((tau[:, None] * 2 * np.pi * fft.rfftfreq(length, self.step)) ** 2) / 2)
        if (narrow := tau < 2 * self.step).any():  # cut off at the highest frequency it would ring far out
            near = ndtr((0.75 * _FAR - lags) / 2)  # 1 as far as a narrow kernel reaches, and then nothing
            kernel[narrow] = fft.rfft(fft.irfft(kernel[narrow], length) * near).real
        if (wide := 9 * tau > (length - len(self.u)) * self.step).any():
            x = self.step * lags / tau[wide, None]
            density = np.exp(-(x**2) / 2) / (tau[wide, None] * np.sqrt(2 * np.pi))
            density[:, len(self.u)] = 0
            kernel[wide] = self.step * fft.rfft(density).real
        return kernel


def draw_near(
    log_f: np.ndarray, middle: np.ndarray, sd: np.ndarray, grid: Grid, rng: np.random.Generator
) -> np.ndarray:
    """Draw from f times Normal(middle, sd), by inverting the distribution function.

    Parameters
    ----------
    log_f : array, shape (n, P, G) or (n, 1, G)
        Logarithms of functions on the grid.
    middle : array, shape (n, P)
    sd : array, shape (P,)
    grid
    rng

    Returns
    -------
    array, shape (n, P)
    """
    out, uniform = np.empty(middle.shape), rng.random(middle.shape)
    # Cliffs far below the peak would ring in what is interpolated.
    log_f = np.maximum(log_f, log_f.max(axis=-1, keepdims=True) - 45)
    log_f = np.broadcast_to(log_f, (*middle.shape, len(grid.u)))
    wide = sd > 1.5 * grid.step  # else the normal density has to be looked at more closely than the grid does
    if wide.any():
        u = np.linspace(grid.u[0], grid.u[-1], _FINER * (len(grid.u) - 1) + 1)
        f = (
            make_interp_spline(grid.u, log_f[:, wide], axis=-1)(u)
            - (((u - middle[:, wide, None]) / sd[wide, None]) ** 2) / 2
        )
        out[:, wide] = u[0] + _invert(f, uniform[:, wide]) * (u[1] - u[0])
    if not wide.all():
        z = np.linspace(-8.5, 8.5, 137)
        near = sd[~wide, None]
        at = (middle[:, ~wide, None] + near * z - grid.u[0]) / grid.step
        f = _cubic(log_f[:, ~wide], at) - z**2 / 2
        out[:, ~wide] = middle[:, ~wide] + near[:, 0] * (z[0] + _invert(f, uniform[:, ~wide]) * (z[1] - z[0]))
    return out


def _invert(log_f: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Find where the integral of f (…, Q), at steps of 1 from 0, reaches the share p (…,) of the whole."""
    f = np.exp(log_f - log_f.max(axis=-1, keepdims=True))
    slope = np.gradient(f, axis=-1)
    cells = (f[..., 1:] + f[..., :-1]) / 2 - (slope[..., 1:] - slope[..., :-1]) / 12
    cells = np.maximum(cells, 0)
    below = np.cumsum(cells, axis=-1)
    wanted = p * below[..., -1]
    cell = np.minimum((below < wanted[..., None]).sum(axis=-1), cells.shape[-1] - 1)[..., None]

    def take(x):
        return np.take_along_axis(x, cell, axis=-1)[..., 0]

    share = np.clip((wanted - take(below) + take(cells)) / np.maximum(take(cells), 1e-300), 0, 1)
    left, right = take(f), take(f[..., 1:])
    # within a cell the density is a straight line from left to right
    root = np.sqrt(left**2 + share * (right**2 - left**2))
    return cell[..., 0] + share * (left + right) / np.maximum(left + root, 1e-300)


def _cubic(f: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Interpolate f (…, G), at steps of 1 from 0, at `at` (…, Q), by the cubic through four points."""
    first = np.clip(np.floor(at).astype(int) - 1, 0, f.shape[-1] - 4)
    t = np.clip(at - first, 0, 3)
    weights = (1 - t) * (2 - t) * (3 - t) / 6, t * (2 - t) * (3 - t) / 2, t * (t - 1) * (3 - t) / 2
    weights = *weights, t * (t - 1) * (t - 2) / 6
    return sum(w * np.take_along_axis(f, first + k, axis=-1) for k, w in enumerate(weights))
