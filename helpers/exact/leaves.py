"""What the measurements of each leaf say of its value: the likelihood, as a function on a grid."""

import numpy as np
from scipy.sparse import csr_array
from scipy.special import gammaln, log_expit, logit

from helpers.likelihoods import Measured


class Leaves:
    """The likelihood of every leaf as a function of its value, and a normal density that resembles it.

    Attributes
    ----------
    middle, error : arrays, shape (leaves,)
        Mean and standard deviation of that normal density, by which the first grid is chosen.
    within : float
        A rough σ of Student's t; 0 if nothing tells it.
    """

    def __init__(self, measured: Measured, likelihood: str):
        self.kind, self.y, self.leaf = likelihood, measured.y, measured.leaf
        self.nu = measured.nu
        self._sums = csr_array((np.ones(len(self.y)), (self.leaf, np.arange(len(self.y)))))
        if likelihood == "student_t":
            n = np.bincount(self.leaf)
            order = np.argsort(self.leaf, kind="stable")
            self.middle = np.array([np.median(y) for y in np.split(self.y[order], np.cumsum(n)[:-1])])
            apart = np.abs(self.y - self.middle[self.leaf])[n[self.leaf] > 1]
            self.within = np.median(apart) / 0.67 if len(apart) else 0.0
            self.error = (self.within or np.std(self.middle) / 2 or 1.0) / np.sqrt(n)
            return
        y, size = self._sums @ self.y, self._sums @ measured.size
        self.total, self.size = y[:, None], size[:, None]
        if likelihood == "binomial":
            choices = gammaln(measured.size + 1) - gammaln(self.y + 1) - gammaln(measured.size - self.y + 1)
            self.constant = self._sums @ choices
            self.middle = logit((y + 0.5) / (size + 1))
            self.error = np.sqrt(1 / (y + 0.5) + 1 / (size - y + 0.5))
        else:
            self.constant = self._sums @ (self.y * np.log(measured.size) - gammaln(self.y + 1))
            self.middle = np.log((y + 0.5) / size)
            self.error = 1 / np.sqrt(y + 0.5)

    def log_likelihood(self, u: np.ndarray, own: np.ndarray) -> np.ndarray:
        """Log likelihood of every leaf (leaves, G) at the values u (G,); `own` holds σ and ν, if any."""
        if self.kind == "binomial":
            log_p = self.total * log_expit(u) + (self.size - self.total) * log_expit(-u)
        elif self.kind == "poisson":
            with np.errstate(over="ignore"):
                log_p = self.total * u - self.size * np.exp(u)
        else:
            sigma, nu = own[0], own[1] if self.nu is None else self.nu
            log_p = -(nu + 1) / 2 * (self._sums @ np.log1p(((self.y[:, None] - u) / sigma) ** 2 / nu))
            one = gammaln((nu + 1) / 2) - gammaln(nu / 2) - np.log(nu * np.pi) / 2 - np.log(sigma)
            return log_p + one * self._sums.sum(axis=1)[:, None]
        return log_p + self.constant[:, None]
