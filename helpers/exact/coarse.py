"""The same rule with long steps, for integrals over four variables to six digits or so."""

from collections.abc import Callable

import numpy as np

from helpers.exact.interpolation import chunks
from helpers.exact.quadrature import Rule


class CoarseRule(Rule):
    """A `Rule` that ends sooner, and measures its error: what changes if all points move on by half a step.

    With long steps what leaving out points changes foretells too little: a peak like a normal density makes
    errors fall like exp(-(c / h)²) at first, and singularities off the real axis like exp(-d / h) in the end.
    Half a step further on the error has the opposite sign.
    """

    _roughly = 25.0
    _block = 2
    _finer = 1.15

    def moments(self, describe: Callable) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Means and standard deviations of R quantities, and errors: see `Rule`.

        Errors are twice what is measured, as those of several axes may have different signs; but no axis has
        more than leaving out every other of its points foretells.
        """
        mean, sd, foretold = super().moments(describe)
        axes = [t + step / 2 for t, step in zip(self.axes, self._steps, strict=True)]
        log_f = self._log_f_where_it_counts(axes)
        kept = np.nonzero(log_f > self._top - self._depth)
        weights = np.exp(log_f[kept] - self._top)
        x = self._to_x(np.array([t[index] for t, index in zip(axes, kept, strict=True)]))
        first, second = np.zeros((2, len(mean)))
        for part in chunks(len(weights), self._cost):
            means, variances = describe(x[:, part])
            off = means - mean[:, None]
            first += off @ weights[part]
            second += (variances + off**2) @ weights[part]
        with np.errstate(all="ignore"):
            total = weights.sum()
            moved = np.sqrt(second / total - (first / total) ** 2)
            gaps = [total / self.weights.sum() - 1, first / total / sd, moved / sd - 1]
            measured = max(float(np.max(np.abs(gap))) for gap in gaps)
        return mean, sd, np.fmin(foretold, measured) + np.finfo(float).eps * (10 + abs(self._top))
