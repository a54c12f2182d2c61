"""`exact_posterior`: check what is asked, and hand it to the integral."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from scipy.special import gammaln

from helpers.exact.on_grids import FunctionSpreads
from helpers.exact.passes import Tree
from helpers.exact.posterior import ExactPosterior
from helpers.exact.spreads import Spreads, half_normal
from helpers.inputs import as_bool, is_number, short_repr
from helpers.likelihoods import SIZE, as_likelihood, read_measurements, refuse_unused
from helpers.priors import read_prior, refuse_conflict

MOST_SPREADS = 4  # more spreads than these are refused: each multiplies the points by 20 to 60


def exact_posterior(
    data: Mapping,
    prior: Mapping | None = None,
    values: str = "y",
    sigma: Sequence[float] | None = None,
    shared_tau: bool = True,
    tolerance: float = 1e-8,
    likelihood: str = "normal",
    nu: float | None = None,
) -> "ExactPosterior":
    """Compute the posterior of a hierarchical model by quadrature, without sampling.

    The model is that of the lessons: θ is normal; the nodes of each level are normal around their parent,
    with standard deviation τ; measurements are normal around their leaf, with standard deviation σ. Or they
    follow another likelihood.

    Parameters
    ----------
    data
        The dictionary that `stan_data` gives, for any number of levels. Arrays may be lists.
    prior
        Priors that differ from those of the lessons, in the unit of the measurements: ``theta``, mean and
        standard deviation of its normal prior, by default (10, 3); ``tau`` and ``sigma``, the scale of a
        half-normal, by default 5, or an object with a method ``logpdf``, such as
        ``scipy.stats.halfcauchy(scale=5)``, whose density is smooth on all positive numbers (a uniform one
        is not). If every level has its own τ, ``tau`` may be a list of K. A default that is far from the
        measurements is refused, as in `tree_data`. ``nu``, shape and rate of a gamma density, if ν is
        unknown. Counts have no defaults, and priors of θ and τ only, for log rates or log odds.
    values
        The item of `data` that holds the measurements.
    sigma : array, shape (N,)
        Known standard deviations of the measurements, in the order of `data`. Then σ is no parameter. If
        None, there is one σ, which is unknown.
    shared_tau
        Whether all levels have the same τ; if not, each has its own, and there may be at most three levels
        (four if `sigma` is known, or for counts; two if ν is unknown).
    tolerance
        Largest `ExactPosterior.accuracy` that is accepted.
    likelihood
        ``"normal"``; ``"student_t"``, for measurements with outliers; ``"poisson"``, for counts, over
        ``exposure`` of the data if it is there; or ``"binomial"``, for successes of ``trials`` of the data.
    nu
        The degrees of freedom of Student's t, if they are known. If not, one variable more has to be
        integrated over, which takes minutes: try ``tolerance=1e-4``.

    Returns
    -------
    ExactPosterior

    Raises
    ------
    TypeError
        If `data` or `prior` is not a dictionary.
    ValueError
        If an item of `data`, a prior or another argument is missing or malformed; if `data` has an item
        ``sigma``, and `sigma` is not given; if a prior is not given, and that of the lessons does not suit
        the measurements, as in `tree_data`; if there are too many levels with a τ of their own; if no
        posterior exists, as all measurements of each group are equal; if a spread has no standard deviation,
        as with a half-Cauchy prior and one group; if counts are none, or groups so far apart that digits are
        lost; or if the integral does not reach the tolerance.

    Examples
    --------
    >>> data = {"N": 3, "J_1": 2, "index_1": [1, 1, 2], "y": [9.5, 10.0, 11.5]}
    >>> post = exact_posterior(data, prior={"tau": 1})
    >>> bool(post.quantile("theta", 0.05) < 10 < post.quantile("theta", 0.95))
    True
    >>> worms = {"J_1": 3, "index_1": [1, 2, 3], "reversed": [9, 12, 18], "trials": [35, 35, 54]}
    >>> prior = {"theta": (0, 1.5), "tau": 1}
    >>> post = exact_posterior(worms, prior, values="reversed", likelihood="binomial")
    >>> post.mean("theta_1", scale="data").round(2).tolist()
    [0.29, 0.33, 0.33]
    """
    if not (is_number(tolerance) and tolerance > 0):
        raise ValueError(f"tolerance is {short_repr(tolerance)}: give a number above 0, such as 1e-8")
    return ExactPosterior(spreads_of(data, prior, values, sigma, shared_tau, likelihood, nu), tolerance)


def spreads_of(data, prior, values, sigma, shared_tau, likelihood, nu) -> Spreads:
    """Make what has to be integrated over the spreads; arguments and errors as of `exact_posterior`."""
    shared_tau = as_bool(shared_tau, "shared_tau")
    refuse_unused(data, values, as_likelihood(likelihood))
    if likelihood == "normal" and nu is None:
        tree = Tree(data, values, sigma)
        theta, given = _priors(prior, tree.K, shared_tau, likelihood, tree.known)
        _refuse_equal(values, tree.y, given)
        refuse_conflict(prior, tree.y, tree.errors)
        return Spreads(tree, _log_densities(given), theta)
    if sigma is not None:
        raise ValueError(f"sigma is {short_repr(sigma)}: known errors are for likelihood='normal' only")
    measured = read_measurements(data, values, likelihood, nu, prior)
    theta, given = _priors(prior, len(measured.sizes), shared_tau, likelihood, likelihood in SIZE)
    if likelihood not in SIZE:
        _refuse_equal(values, measured.y, given)
        refuse_conflict(prior, measured.y)
    given |= {"nu": measured.nu_prior} if measured.nu_prior else {}
    return FunctionSpreads(measured, likelihood, _log_densities(given), theta)


def _priors(prior, levels: int, shared_tau: bool, likelihood: str, known: bool) -> tuple[tuple, dict]:
    """Read mean and sd of θ, and by their names scales or distributions of τ and, if unknown, of σ."""
    theta, taus, sigma = read_prior(prior, 1 if shared_tau else levels, likelihood)
    names = ["tau"] if shared_tau else [f"tau[{k + 1}]" for k in range(levels)]
    return theta, dict(zip(names, taus, strict=True)) | ({} if known else {"sigma": sigma})


def _refuse_equal(values: str, y: np.ndarray, given: dict) -> None:
    """Refuse measurements that are all equal, unless errors are known or a prior keeps spreads from 0."""
    scales = "sigma" in given and all(map(is_number, given.values()))
    if scales and len(given) < len(y) and not np.ptp(y):
        raise ValueError(
            f"the measurements {values!r} are all equal, so all spreads may be as small as they like and no "
            "posterior exists: give more digits"
        )


def _log_densities(given: dict) -> dict[str, Callable]:
    """Make log densities of the priors, of variables that are no more than can be carried."""
    if len(given) > MOST_SPREADS:
        raise ValueError(
            f"{len(given)} variables to integrate over, {', '.join(given)}: at most {MOST_SPREADS} can be "
            "carried; use shared_tau=True or fewer levels"
        )
    return {name: _gamma(*one) if name == "nu" else _log_prior(name, one) for name, one in given.items()}


def _gamma(shape: float, rate: float) -> Callable:
    """Log density of a gamma distribution."""
    constant = shape * np.log(rate) - gammaln(shape)
    return lambda x: constant + (shape - 1) * np.log(x) - rate * x


def _log_prior(name: str, given) -> Callable:
    """Log density on the positive numbers, from a scale or from a distribution."""
    if hasattr(given, "logpdf"):
        return given.logpdf
    if not (is_number(given) and given > 0):
        raise ValueError(
            f"prior of {name} is {short_repr(given)}: give a scale above 0, or a distribution with a logpdf"
        )
    return half_normal(given)
