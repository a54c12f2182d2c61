"""The correlation of intercepts and slopes, as a positive variable to integrate over, and its prior."""

from collections.abc import Callable

import numpy as np
from scipy.special import betaln


def to_rho(r):
    """Correlation ρ from the positive variable ((1 + ρ) / (1 − ρ))^¼, which has an sd whatever the prior."""
    return np.tanh(2 * np.log(r))


def from_rho(rho):
    """Variable of the integral from the correlation; infinite at 1."""
    rho = np.clip(rho, -1, 1)
    with np.errstate(divide="ignore"):
        return ((1 + rho) / (1 - rho)) ** 0.25


def log_lkj(eta: float) -> Callable:
    """Log density of ((1 + ρ) / (1 − ρ))^¼ where that of ρ is proportional to (1 − ρ²)^(η − 1)."""
    constant = (1 - 2 * eta) * np.log(2) - betaln(eta, eta) + np.log(2)

    def log_density(r: np.ndarray) -> np.ndarray:
        z = np.abs(2 * np.log(r))
        return constant + 2 * eta * (np.log(2) - z - np.log1p(np.exp(-2 * z))) - np.log(r)

    return log_density
