"""Integrals over a few positive variables, and the distributions of each of them.

The trapezoidal rule is applied after x = c exp(t - exp(-t)), which makes a density on the positive numbers
fall off fast on both sides of t. For such functions the rule converges geometrically (Takahasi and Mori,
1974, Publ. RIMS 9, 721-741). Between its points its companion does, sinc interpolation (Stenger, 1993,
Numerical Methods Based on Sinc and Analytic Functions).
"""

from collections.abc import Callable, Sequence

import numpy as np
from scipy.ndimage import binary_dilation, maximum_filter
from scipy.optimize import minimize
from scipy.special import logsumexp

from helpers.exact.interpolation import all_points, chunks, invert, to_t

_NEGLIGIBLE = 38.0  # below the log density's peak, where the integral and its moments end: e^-38 = 3e-17
_PEAK = 0.5671432904097838  # where t = exp(-t), so x = c
_FLOOR = -5.0  # of t: x is 1e-62 c there
# Longest step along an axis, and longest step in units of the peak's width there. A wide peak is limited by
# singularities off the real axis, a narrow one needs points within it. With one or two variables the steps
# suit sinc interpolation as well; with more that would cost too much.
STEPS = {1: (0.07, 0.3), 2: (0.07, 0.3), 3: (0.2, 0.5), 4: (0.25, 0.6)}
_JUMP = (
    "the density jumps to zero, and the rule does not converge: give priors smooth on all positive numbers"
)
WORK = 1e9  # points times their cost, about a minute; and of points alone, for memory, a hundredth of it


class Rule:
    """The trapezoidal rule for a density of d positive variables.

    Parameters
    ----------
    log_density
        Takes points, shape (d, G), and gives the logarithm of the density, shape (G,).
    guess : array, shape (d,)
        Rough logarithms of the variables; they may be wrong by a factor of e^12.
    cost
        Numbers that `log_density` and what is given to `moments` hold for each point: sets the size of the
        parts in which points are handed over, and how many there may be.
    longer
        Factor of the steps along each axis, where a rough answer will do or points are expensive.
    modes : array, shape (modes, d), or None
        Those of a rule for about the same density, which take long to find.

    Attributes
    ----------
    centre : array, shape (d,)
        c, near the mode of the density of log x.
    axes : list of d arrays
        The values of t along each axis, at equal steps.
    x : array, shape (d, G)
        All points of the grid that are not negligible.
    weights : array, shape (G,)
        Their weights, up to a factor.
    modes : array, shape (modes, d)
        Where the density of log x peaks, the highest peak first.
    log_integral : float
        Logarithm of the integral of the density.

    Raises
    ------
    ValueError
        If the density, or the second moment of a variable, does not fall off towards zero or infinity; if
        it jumps to zero, as then the rule does not converge; or if the grid is too large for memory.
    """

    _roughly = 30.0  # in place of _NEGLIGIBLE, where points are expensive: e^-30 = 1e-13
    _block = 4  # points along each axis that are computed, or left out, together
    _finer = 1.5  # what `refine` divides steps by
    _strides = (2, 4)  # of the rules that the rule is compared with

    def __init__(self, log_density: Callable, guess: np.ndarray, cost: int, longer: float = 1.0, modes=None):
        self._log_density, self._cost, self._d = log_density, cost, len(guess)
        widest, within = longer * np.array(STEPS[self._d])
        self._depth = _NEGLIGIBLE if longer == 1 else self._roughly
        self.modes = modes = self._modes(guess) if modes is None else modes
        self.centre = np.exp(modes[0])
        peak, nudge = np.full((self._d, 1), _PEAK), 1e-3 * np.eye(self._d)
        top, *sides = self._log_f(np.hstack([peak, peak + nudge, peak - nudge]))
        if not np.all(np.isfinite(sides)):
            raise ValueError(_JUMP)
        curvature = (2 * top - sum(np.split(np.array(sides), 2))) / 1e-6
        self._steps = np.minimum(widest, within / np.sqrt(np.maximum(curvature, 1e-6)))
        self._range(top, to_t(np.exp(np.clip(modes - modes[0], -50, 50))))
        self._fill()

    def refine(self, axes: np.ndarray) -> bool:
        """Shorten the steps along some axes (d truths); False if that would take too many points."""
        factor = np.where(axes, self._finer, 1.0)
        points = self.x.shape[1] * factor.prod()
        if max(points * self._cost, points * 100) > WORK:
            return False
        self._steps = self._steps / factor
        self._ends = np.ceil(factor[:, None] * self._ends).astype(int)
        self._fill()
        return True

    def moments(self, describe: Callable) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Means and standard deviations of R quantities, each normal given x.

        Parameters
        ----------
        describe
            Takes points, shape (d, G), and gives means and variances, each (R, G).

        Returns
        -------
        mean, sd : arrays, shape (R,)
        errors : array, shape (d,)
            Estimates of the largest error due to the steps along each axis: of the integral (relative), of a
            mean (in sds), of an sd (relative); nan if they are too coarse to tell. Half the step squares the
            error, up to a factor, so each is the square of the difference δ to a rule that leaves out every
            other point; or δ (δ / ε)², if that is more, where ε is what leaving out three of four changes.
            Rounding is added.
        """
        reference = describe(self.x[:, [self.weights.argmax()]])[0]  # so that squares do not drown variances
        sums = np.zeros((1 + 2 * self._d, 3, len(reference)))  # of each rule: weights, means, squares
        square = self.weights * np.maximum((self.x / self.centre[:, None]).max(axis=0), 1) ** 2
        counting = np.flatnonzero(square > np.exp(-self._depth - 3) * square.max())
        for part in chunks(len(counting), self._cost):
            part = counting[part]
            index = self._kept[:, part]
            rules = [np.ones((1, index.shape[1])), *(n * (index % n == 0.0) for n in self._strides)]
            weights = self.weights[part] * np.vstack(rules)
            mean, variance = describe(self.x[:, part])
            mean = mean - reference
            sums[:, 0] += weights.sum(axis=1, keepdims=True)
            # not a matrix product: for shapes as thin as these its threads cost more than they gain
            sums[:, 1] += np.einsum("wg,rg->wr", weights, mean)
            sums[:, 2] += np.einsum("wg,rg->wr", weights, variance + mean**2)
        with np.errstate(all="ignore"):
            Z, first, second = np.moveaxis(sums, 1, 0)
            mean = first / Z
            sd = np.sqrt(second / Z - mean**2)
            gaps = np.array([Z / Z[0] - 1, (mean - mean[0]) / sd[0], sd / sd[0] - 1])
            errors = self._errors(*np.max(np.abs(gaps[:, 1:]), axis=(0, 2)).reshape(2, self._d))
        rounding = np.finfo(float).eps * (10 + abs(self._top))  # of the logarithm, so relative in the density
        return reference[:, 0] + mean[0], sd[0], errors + rounding

    def _errors(self, half: np.ndarray, quarter: np.ndarray) -> np.ndarray:
        """Errors along each axis, from what leaving out every other point changes, and three of four."""
        return np.maximum(half**2, half * (half / np.fmin(quarter, 1)) ** 2)

    def marginal(self, axis: int) -> tuple[np.ndarray, np.ndarray]:
        """Density of one variable's t, at equal steps short enough for sinc interpolation.

        Returns
        -------
        t, f : arrays, shape (n,)
        """
        others = tuple(k for k in range(self._d) if k != axis)
        t, f = self.axes[axis], self._table().sum(axis=others)
        for _ in range(4):
            # If every other point foretells the rest up to ε, all points foretell what is between up to ε².
            foretold = np.sinc((t[1::2, None] - t[::2]) / (t[2] - t[0])) @ f[::2]
            if np.max(np.abs(foretold - f[1::2])) < 1e-5 * f.max():
                break
            between = (t[1:] + t[:-1]) / 2
            axes = [between if k == axis else points for k, points in enumerate(self.axes)]
            new = np.exp(self._log_f_where_it_counts(axes) - self._top)
            order = np.argsort(np.append(t, between))
            t, f = np.append(t, between)[order], np.append(f, new.sum(axis=others))[order]
        return t, f / (f.sum() * (t[1] - t[0]))

    def slice(self, axis: int, x: float) -> float:
        """Density of one variable at x ≥ 0, the others integrated out."""
        x = max(x, 1e-12 * self.centre[axis])  # at 0 itself there is no logarithm
        t = to_t(np.array([x / self.centre[axis]]))
        log_f = self._log_f(all_points([t if k == axis else points for k, points in enumerate(self.axes)]))
        log_p = logsumexp(log_f) + np.log(np.delete(self._steps, axis)).sum() - self.log_integral
        return float(np.exp(log_p - np.log(x) - np.log1p(np.exp(-t[0]))))

    def draw(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draw independent points, shape (d, n): each variable given those before it."""
        table, uniform, t = self._table(), rng.random((self._d, n)), np.empty((self._d, n))
        for part in chunks(n, table[0].size):
            rest = np.broadcast_to(table, (len(t[0, part]), *table.shape))
            for axis, points in enumerate(self.axes):
                f = rest.sum(axis=tuple(range(2, rest.ndim)))
                t[axis, part] = invert(uniform[axis, part], points, f)
                basis = np.sinc((t[axis, part, None] - points) / self._steps[axis])
                rest = np.maximum(np.einsum("gj,gj...->g...", basis, rest), 0)
        return self._to_x(t)

    def _modes(self, guess: np.ndarray) -> np.ndarray:
        """Find where the density of u = log x peaks, the highest peak first: from a coarse grid, uphill."""

        def log_f(u):
            return self._evaluate(np.exp(u)) + u.sum(axis=0)

        offsets = np.arange(-12, 13, 2 if self._d < 3 else 4)
        grid = guess[:, None] + all_points([offsets] * self._d)
        value = log_f(grid)
        peaks = value.reshape([len(offsets)] * self._d)
        peaks = np.flatnonzero(peaks == maximum_filter(peaks, 3))
        peaks = peaks[np.argsort(-value[peaks], kind="stable")][:5]
        with np.errstate(invalid="ignore"):  # -∞ less -∞, beyond an edge
            found = [
                minimize(
                    lambda u: -log_f(u[:, None])[0], start, method="Nelder-Mead", options={"fatol": 1e-3}
                )
                for start in grid.T[peaks]
            ]
        found.sort(key=lambda one: one.fun)
        return np.array([one.x for one in found if one.fun < found[0].fun + _NEGLIGIBLE])

    def _range(self, top: float, modes: np.ndarray) -> None:
        """Find the first and the last index of every axis: beyond, the density is negligible."""
        coarse = np.minimum(4 * self._steps, 0.5)
        floor = np.ceil((_FLOOR - _PEAK) / coarse).astype(int)
        modes = (modes - _PEAK) / coarse
        ends = np.stack([np.floor(modes.min(axis=0)) - 4, np.ceil(modes.max(axis=0)) + 4], axis=1).astype(int)
        while True:
            ends[:, 0] = np.maximum(ends[:, 0], floor)
            axes = [
                _PEAK + step * np.arange(low, high + 1)
                for step, (low, high) in zip(coarse, ends, strict=True)
            ]
            grid = all_points(axes)
            log_f = self._log_f(grid)
            top = max(top, log_f.max())
            log_m = (log_f + _log_moment(grid)).reshape([len(t) for t in axes])
            open_ends = np.array(
                [[log_m.take(end, k).max() > top - self._depth for end in (0, -1)] for k in range(self._d)]
            )
            if not open_ends.any():
                break
            if (open_ends[:, 0] & (ends[:, 0] == floor)).any() or (coarse * ends[:, 1] > 100).any():
                raise ValueError(
                    "the density does not fall off, or not fast enough: for these data and this prior no "
                    "posterior exists, or a spread has no standard deviation"
                )
            ends += 3 * open_ends * [-1, 1]
        high = binary_dilation(log_m > top - self._depth / 2, np.ones([3] * self._d))
        if np.any(high & np.isneginf(log_m)):
            raise ValueError(_JUMP)
        self._ends = np.round(ends * (coarse / self._steps)[:, None]).astype(int)

    def _fill(self) -> None:
        """Compute the density at all points."""
        ends = zip(self._steps, self._ends, strict=True)
        self.axes = [_PEAK + step * np.arange(low, high + 1) for step, (low, high) in ends]
        if (points := np.prod([float(len(t)) for t in self.axes])) > WORK / 20:
            raise ValueError(
                f"a grid of {points:.0e} points for {self._d} variables is too much for memory: give priors "
                "with lighter tails, or fewer variables"
            )
        log_f = self._log_f_where_it_counts(self.axes)
        kept = np.nonzero(np.isfinite(log_f))
        self._kept = np.array(kept)
        self.x = self._to_x(np.array([t[index] for t, index in zip(self.axes, kept, strict=True)]))
        self._top = log_f.max()
        f = self.weights = np.exp(log_f[kept] - self._top)
        self.log_integral = float(self._top + np.log(f.sum()) + np.log(self._steps).sum())

    def _table(self) -> np.ndarray:
        """Weights of the full rule, an axis for every variable."""
        table = np.zeros([len(t) for t in self.axes])
        table[tuple(self._kept)] = self.weights
        return table

    def _log_f_where_it_counts(self, axes: Sequence[np.ndarray]) -> np.ndarray:
        """Log density of t on a grid, an axis for every variable; -∞ in blocks that are negligible."""
        block = [np.unique([*range(0, len(t), self._block), len(t) - 1]) for t in axes]
        grid = all_points([t[i] for t, i in zip(axes, block, strict=True)])
        corners = self._log_f(grid)
        counts = corners + _log_moment(grid) > corners.max() - self._depth - 10
        counts = counts.reshape([len(i) for i in block])
        counts = binary_dilation(counts, np.ones([3] * self._d))
        for axis, (t, i) in enumerate(zip(axes, block, strict=True)):  # from blocks to points
            below = np.searchsorted(i, np.arange(len(t)), side="right") - 1
            counts = counts.take(below, axis)
        log_f = np.full(counts.shape, -np.inf)
        points = np.nonzero(counts)
        # x and its slope are computed once for every place on an axis, and not for every point of the grid
        x = [c * np.exp(t - np.exp(-t)) for c, t in zip(self.centre, axes, strict=True)]
        slope = [np.log(one) + np.log1p(np.exp(-t)) for one, t in zip(x, axes, strict=True)]
        log_f[counts] = self._evaluate(np.array([one[i] for one, i in zip(x, points, strict=True)]))
        log_f[counts] += sum(one[i] for one, i in zip(slope, points, strict=True))
        return log_f

    def _to_x(self, t: np.ndarray) -> np.ndarray:
        return self.centre[:, None] * np.exp(t - np.exp(-t))

    def _log_f(self, t: np.ndarray) -> np.ndarray:
        """Logarithm of the density of t at points (d, G)."""
        x = self._to_x(t)
        return self._evaluate(x) + (np.log(x) + np.log1p(np.exp(-t))).sum(axis=0)

    def _evaluate(self, x: np.ndarray) -> np.ndarray:
        return np.concatenate([self._log_density(x[:, part]) for part in chunks(x.shape[1], self._cost)])


def _log_moment(t: np.ndarray) -> np.ndarray:
    """Logarithm of (x / c)^2 at points (d, G), for the largest x; less 12, as moments may end at 5e-12."""
    return np.maximum(2 * (t - np.exp(-t)).max(axis=0) - 12, 0)
