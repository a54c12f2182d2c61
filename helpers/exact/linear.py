"""`exact_slopes` and `exact_crossed`: predictors, slopes that vary by group, and groups that cross."""

from collections.abc import Mapping

import numpy as np

from helpers.exact.answers import Answers
from helpers.exact.correlation import from_rho, to_rho
from helpers.exact.linear_spreads import CrossedSpreads, LinearSpreads, SlopeSpreads
from helpers.exact.questions import as_plain
from helpers.exact.read_linear import read_crossed, read_slopes
from helpers.inputs import is_number, short_repr

MOST_FACTORS = 3  # that cross: each has a τ to integrate over, and σ is the fourth variable


def exact_slopes(data: Mapping, tolerance: float = 1e-6) -> "ExactLinear":
    """Compute the posterior of the model of ``slopes.stan`` by quadrature, without sampling.

    Groups have an intercept and a slope of the first predictor, which are correlated; measurements are normal
    about their group's line, with standard deviation σ. Further predictors have one slope for all groups.

    Parameters
    ----------
    data
        What the program reads: the dictionary of `stan_data` with `predictors` and one level, and the priors,
        ``prior_theta`` (mean and sd), ``prior_beta`` (a mean and an sd for each predictor), ``prior_tau``
        (the scales of two half-normals, of intercepts and of slopes), ``prior_rho`` (η of an LKJ prior: the
        density of ρ is proportional to (1 − ρ²)^(η − 1)) and ``prior_sigma`` (a scale).
    tolerance
        Largest error that is accepted: see `ExactPosterior.accuracy`.

    Returns
    -------
    ExactLinear
        Of ``theta``, ``beta[1]`` …, ``tau[1]`` (intercepts), ``tau[2]`` (slopes), ``rho``, ``sigma``, and of
        each group ``theta_1[j]`` and ``beta_1[j]``.

    Raises
    ------
    TypeError
        If `data` is not a dictionary.
    ValueError
        If an item is missing or malformed; if σ may be as small as it likes, as lines fit all measurements
        exactly; or if the integral does not reach the tolerance.

    Examples
    --------
    >>> data = {"N": 5, "J_1": 2, "index_1": [1, 1, 1, 2, 2], "P": 1, "X": [[0], [1], [2], [0], [2]]}
    >>> data |= {"y": [9.0, 10.2, 11.0, 10.5, 12.0], "prior_theta": [10, 3], "prior_beta": [[0, 2]]}
    >>> data |= {"prior_tau": [1, 1], "prior_rho": 2, "prior_sigma": 1}
    >>> bool(0.6 < exact_slopes(data).mean("beta[1]") < 1.1)
    True
    """
    return ExactLinear(SlopeSpreads(read_slopes(data)), _as_tolerance(tolerance))


def exact_crossed(data: Mapping, tolerance: float = 1e-6) -> "ExactLinear":
    """Compute the posterior of the model of ``crossed.stan`` by quadrature, without sampling.

    Each of up to three factors, nested or crossed, adds an effect of the measurement's group; effects of a
    factor are normal about 0 with a spread of their own.

    Parameters
    ----------
    data
        What the program reads: the dictionary of `stan_data` with `crossed`, and the priors as in
        `exact_slopes`, with one scale in ``prior_tau`` for each factor and no ``prior_rho``.
    tolerance
        Largest error that is accepted: see `ExactPosterior.accuracy`.

    Returns
    -------
    ExactLinear
        Of ``theta``, ``beta[1]`` … (if there are predictors), ``tau[1]`` …, ``sigma``, and of each group of
        factor f its effect ``u_f[j]``.

    Raises
    ------
    TypeError
        If `data` is not a dictionary.
    ValueError
        As `exact_slopes`; or if there are more than three factors.

    Examples
    --------
    >>> data = {"N": 6, "F": 2, "J": [2, 3], "index": [[1, 1, 1, 2, 2, 2], [1, 2, 3, 1, 2, 3]]}
    >>> data |= {"y": [4.0, 6.1, 8.2, 5.2, 6.9, 9.0], "prior_theta": [6, 3], "prior_beta": []}
    >>> data |= {"prior_tau": [2, 2], "prior_sigma": 1}
    >>> post = exact_crossed(data)
    >>> bool(post.mean("tau[1]") < post.mean("tau[2]"))
    True
    """
    read = read_crossed(data)
    if len(read.sizes) > MOST_FACTORS:
        raise ValueError(
            f"{len(read.sizes)} factors, each with a tau to integrate over: at most {MOST_FACTORS} can be "
            "carried; sample crossed.stan instead"
        )
    return ExactLinear(CrossedSpreads(read), _as_tolerance(tolerance))


def _as_tolerance(tolerance) -> float:
    if not (is_number(tolerance) and tolerance > 0):
        raise ValueError(f"tolerance is {short_repr(tolerance)}: give a number above 0, such as 1e-6")
    return tolerance


class ExactLinear(Answers):
    """The posterior of a linear model with groups, computed by quadrature.

    `mean`, `sd`, `cdf`, `quantile`, `density`, `names`, `log_evidence` and `accuracy` are those of
    `ExactPosterior`; `mean` and `sd` also take all of a kind, as in ``mean("beta_1")``. Spreads are in the
    unit of the measurements, slopes in that for one unit of the predictor; ρ has no unit.
    """

    def __init__(self, integral: LinearSpreads, tolerance: float):
        self._about = f"{integral.read.N} measurements, {len(integral.nodes)} coefficients"
        super().__init__(integral, tolerance, integral.nodes)

    def __repr__(self):
        return f"<exact posterior: {self._about}, accurate to {self.accuracy:.0e}>"

    def cdf(self, name: str, x: float | np.ndarray, scale: str = "nodes") -> float | np.ndarray:
        """Posterior probability that one parameter is below x, a number or an array."""
        if name != "rho":
            return super().cdf(name, x, scale)
        below = super().cdf(name, from_rho(x), scale)
        return as_plain(np.where(np.asarray(x) >= 1, 1.0, below))  # all of it, whatever rounding makes of it

    def density(self, name: str, x: float | np.ndarray, scale: str = "nodes") -> float | np.ndarray:
        """Posterior density of one parameter at x, a number or an array."""
        if name != "rho":
            return super().density(name, x, scale)
        inside = np.abs(x) < 1
        rho = np.where(inside, x, 0.0)
        r = from_rho(rho)
        found = np.where(inside, super().density(name, r) * r / (2 * (1 - rho**2)), 0.0)
        return as_plain(found)

    def quantile(self, name: str, p: float | np.ndarray, scale: str = "nodes") -> float | np.ndarray:
        """Value below which one parameter lies with probability p, from 1e-8 to 1 - 1e-8."""
        found = super().quantile(name, p, scale)
        return to_rho(found) if name == "rho" else found
