"""The exact posterior of the course's models, without sampling, and marks for samplers against it.

Given the spreads τ and σ, every node of the tree is normal. One pass up the tree gives the density of the
measurements, one pass down the mean and the variance of every node. What is left is an integral over τ and σ
alone, which `helpers.exact.quadrature` does.
"""

import difflib
from collections.abc import Callable, Mapping, Sequence

import arviz
import numpy as np
import polars as pl
import xarray as xr
from scipy.optimize import brentq
from scipy.special import ndtr

from helpers.exact.passes import Tree
from helpers.exact.quadrature import Rule, integral, invert, parts, to_t
from helpers.inputs import as_bool, as_floats, as_rng, describe_type, is_number, is_whole, short_repr
from helpers.priors import read_prior, refuse_conflict
from helpers.tree import draws

_VARIABLES = 4  # more spreads than these are refused: each multiplies the points by 20 to 60


def exact_posterior(
    data: Mapping,
    prior: Mapping | None = None,
    values: str = "y",
    sigma: Sequence[float] | None = None,
    shared_tau: bool = True,
    tolerance: float = 1e-8,
) -> "ExactPosterior":
    """Compute the posterior of a hierarchical normal model by quadrature, without sampling.

    The model is that of the lessons: θ is normal; the nodes of each level are normal around their parent,
    with standard deviation τ; measurements are normal around their leaf, with standard deviation σ.

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
        measurements is refused, as in `tree_data`.
    values
        The item of `data` that holds the measurements.
    sigma : array, shape (N,)
        Known standard deviations of the measurements, in the order of `data`. Then σ is no parameter. If
        None, there is one σ, which is unknown.
    shared_tau
        Whether all levels have the same τ; if not, each has its own, and there may be at most three levels
        (four if `sigma` is known).
    tolerance
        Largest `ExactPosterior.accuracy` that is accepted.

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
        as with a half-Cauchy prior and one group; or if the integral does not reach the tolerance.

    Examples
    --------
    >>> data = {"N": 3, "J_1": 2, "index_1": [1, 1, 2], "y": [9.5, 10.0, 11.5]}
    >>> post = exact_posterior(data, prior={"tau": 1})
    >>> bool(post.quantile("theta", 0.05) < 10 < post.quantile("theta", 0.95))
    True
    """
    tree = Tree(data, values, sigma)
    shared_tau = as_bool(shared_tau, "shared_tau")
    if not (is_number(tolerance) and tolerance > 0):
        raise ValueError(f"tolerance is {short_repr(tolerance)}: give a number above 0, such as 1e-8")
    theta, spreads, sigma_prior = read_prior(prior, 1 if shared_tau else tree.K)
    names = ["tau"] if shared_tau else [f"tau[{k + 1}]" for k in range(tree.K)]
    priors = {name: _log_prior(name, given) for name, given in zip(names, spreads, strict=True)}
    if not tree.known:
        priors["sigma"] = _log_prior("sigma", sigma_prior)
    scales = all(map(is_number, [*spreads, sigma_prior]))  # other priors may keep spreads from 0
    if not tree.known and scales and len(priors) < tree.N and tree.is_flat():
        raise ValueError(
            f"the measurements {values!r} are all equal, so all spreads may be as small as they like and no "
            "posterior exists: give more digits"
        )
    refuse_conflict(prior, tree.y, tree.errors)
    if len(priors) > _VARIABLES:
        raise ValueError(
            f"{len(priors)} variables to integrate over, {', '.join(priors)}: at most {_VARIABLES} can be "
            "carried; use shared_tau=True or fewer levels"
        )
    return ExactPosterior(tree, priors, theta, tolerance)


def _log_prior(name: str, given) -> Callable:
    """Log density on the positive numbers, from a scale or from a distribution."""
    if hasattr(given, "logpdf"):
        return given.logpdf
    if not (is_number(given) and given > 0):
        raise ValueError(
            f"prior of {name} is {short_repr(given)}: give a scale above 0, or a distribution with a logpdf"
        )
    return lambda x: np.log(2 / np.pi) / 2 - np.log(given) - (x / given) ** 2 / 2


def score(samples, exact: "ExactPosterior", below: float = 0.1) -> pl.DataFrame:
    """Mark a sampler against the exact posterior.

    Parameters
    ----------
    samples
        What `arviz.from_cmdstanpy` gives: a DataTree with the group ``posterior``.
    exact
        The exact posterior of the same model and data.
    below
        The threshold of the row ``P(tau < …)``, in the unit of the measurements.

    Returns
    -------
    polars.DataFrame
        A row for θ, τ, σ (unless it is known) and P(τ < `below`); if every level has its own τ, two rows for
        each. ``quantity``, ``estimate`` (the mean over the draws), ``exact``, ``error``, ``mcse`` (ArviZ's,
        of the mean), ``error_in_mcse``: about standard normal for a sampler that is right. The latter is nan
        if all draws agree, as then nothing is known of the error.

    Raises
    ------
    TypeError
        If the samples are not what ArviZ gives, or `exact` is not what `exact_posterior` gives.
    ValueError
        If the samples lack one of the parameters, if a draw is not a finite number, or if `below` is not one.
    """
    if not isinstance(exact, ExactPosterior):
        raise TypeError(f"exact is {describe_type(exact)}: give what helpers.exact_posterior gives")
    if not is_number(below):
        raise ValueError(f"below is {short_repr(below)}: give a finite number")
    names = [name for name in exact.names if not name.startswith("theta_")]
    below = float(below)
    rows = [(name, _by_chain(samples, name), exact.mean(name)) for name in names]
    for name in names:
        if name.startswith("tau"):
            share = (_by_chain(samples, name) < below).astype(float)
            rows.append((f"P({name} < {below:g})", share, exact.cdf(name, below)))
    table = []
    for quantity, values, truth in rows:
        estimate, mcse = float(values.mean()), float(arviz.mcse(values))
        error = estimate - truth
        table.append((quantity, estimate, truth, error, mcse, error / mcse if mcse > 0 else np.nan))
    columns = ["quantity", "estimate", "exact", "error", "mcse", "error_in_mcse"]
    return pl.DataFrame(table, schema=columns, orient="row")


def _by_chain(samples, name: str) -> np.ndarray:
    """Draws of one parameter, shape (chains, draws)."""
    x = draws(samples, name)
    bad = ~np.isfinite(x)
    if bad.any():
        i = bad.argmax()
        raise ValueError(f"draw {i + 1} of {name!r} is {x[i]}: look at the fit, which gave no finite number")
    return x.reshape(samples["posterior"].sizes["chain"], -1)


class ExactPosterior:
    """The posterior of a hierarchical normal model, computed by quadrature; made by `exact_posterior`.

    Parameters are named as in the Stan programs, with indices from 1: ``"theta"``, ``"tau"`` (``"tau[1]"``
    … if every level has its own), ``"sigma"`` (unless it is known), ``"theta_2[3]"``. `mean` and `sd` also
    take a whole level, ``"theta_2"``. Any other name raises a ValueError that says which is nearest.

    Attributes
    ----------
    names : list of str
        All parameters: θ, the spreads, then every node.
    log_evidence : float
        Natural logarithm of the density of the measurements under the model, all parameters integrated out.
    accuracy : float
        Estimate, not a bound, of the largest error: of the evidence (relative), of any mean (in sds) and of
        any sd (relative). Found by comparing rules of integration; see `quadrature.Rule.moments`.
    """

    def __init__(self, tree: Tree, priors: dict[str, Callable], theta: tuple, tolerance: float):
        self._tree, self._priors, self._theta = tree, priors, theta
        self._spreads = list(priors)
        self._nodes = ["theta"]
        self._nodes += [f"theta_{k}[{i}]" for k in range(1, tree.K + 1) for i in range(1, tree.sizes[k] + 1)]
        self.names = ["theta", *self._spreads, *self._nodes[1:]]
        self._rule, mean, sd, self.accuracy = self._solve(
            self._log_density, self._describe, tree.guess(len(priors), theta), tolerance
        )
        self.log_evidence = self._rule.log_integral
        names = [*self._nodes, *self._spreads]
        self._mean, self._sd = (dict(zip(names, x.tolist(), strict=True)) for x in (mean, sd))
        self._cache = {}

    def __repr__(self):
        N, nodes = self._tree.N, self._tree.nodes
        return f"<exact posterior: {N} measurements, {nodes} nodes, accurate to {self.accuracy:.0e}>"

    def mean(self, name: str) -> float | np.ndarray:
        """Posterior mean of a parameter, or of all nodes of a level, in the unit of the measurements."""
        return self._look_up(self._mean, name)

    def sd(self, name: str) -> float | np.ndarray:
        """Posterior standard deviation of a parameter, or of all nodes of a level, in the same unit."""
        return self._look_up(self._sd, name)

    def cdf(self, name: str, x: float | np.ndarray) -> float | np.ndarray:
        """Posterior probability that a parameter is below x: P(τ < 0.1) is ``cdf("tau", 0.1)``.

        Parameters
        ----------
        name
            One parameter.
        x : number or array
            In the unit of the measurements.

        Returns
        -------
        float or array, of the shape of `x`
        """
        self._check(name)
        x = _points("x", x)
        if name in self._spreads:
            t, f = self._marginal(name)
            ratio = x / self._rule.centre[self._spreads.index(name)]
            at = to_t(np.where(ratio > 0, ratio, 1.0))
            return _plain(np.where(ratio > 0, integral(at, t, f), 0.0))
        weight, mean, sd = self._mixture(name)
        return _plain(np.reshape([weight @ ndtr((point - mean) / sd) for point in x.ravel()], x.shape))

    def density(self, name: str, x: float | np.ndarray) -> float | np.ndarray:
        """Posterior density of a parameter at x, in 1 / unit of the measurements; arguments as in `cdf`."""
        self._check(name)
        x = _points("x", x)
        if name in self._spreads:
            axis = self._spreads.index(name)
            p = [self._rule.slice(axis, point) if 0 <= point < 1e100 else 0.0 for point in x.ravel()]
        else:
            weight, mean, sd = self._mixture(name)
            with np.errstate(over="ignore"):
                p = [weight @ (np.exp(-(((point - mean) / sd) ** 2) / 2) / sd) for point in x.ravel()]
            p = np.array(p) / np.sqrt(2 * np.pi)
        return _plain(np.reshape(p, x.shape))

    def quantile(self, name: str, p: float | np.ndarray) -> float | np.ndarray:
        """Value below which a parameter lies with probability p.

        Parameters
        ----------
        name
            One parameter.
        p : number or array
            From 1e-8 to 1 - 1e-8.

        Returns
        -------
        float or array, of the shape of `p`
            In the unit of the measurements.

        Raises
        ------
        ValueError
            If there is no such parameter, or if a p is out of range.
        """
        self._check(name)
        p = _points("p", p)
        if (bad := ~((p >= 1e-8) & (p <= 1 - 1e-8))).any():
            raise ValueError(f"p is {p[bad][0]}: give probabilities from 1e-8 to 1 - 1e-8")
        if name in self._spreads:
            t, f = self._marginal(name)
            at = invert(p.ravel(), t, np.broadcast_to(f, (p.size, len(f))))
            x = self._rule.centre[self._spreads.index(name)] * np.exp(at - np.exp(-at))
        else:
            weight, mean, sd = self._mixture(name)
            # 7 sds hold all but 1e-12 of each of the normal distributions, and the root
            ends = np.min(mean - 7 * sd), np.max(mean + 7 * sd)
            x = [
                brentq(lambda x, q=q: weight @ ndtr((x - mean) / sd) - q, *ends, xtol=1e-300)
                for q in p.ravel()
            ]
        return _plain(np.reshape(x, p.shape))

    def log_density(
        self, tau: float | np.ndarray, sigma: float | np.ndarray | None = None
    ) -> float | np.ndarray:
        """Logarithm of p(y, τ, σ): the spreads' prior times the likelihood, all nodes integrated out.

        Parameters
        ----------
        tau : number or array
            Above 0; shape (), (G,), or, if every level has its own τ, (K,) or (G, K).
        sigma : number or array
            Above 0, shape () or (G,); None if the measurements' errors are known.

        Returns
        -------
        float or array, shape (G,)
            Natural logarithm. Less `log_evidence` it is the posterior's, per unit of τ and of σ.

        Raises
        ------
        ValueError
            If a spread is missing, one too many, or not a finite number above 0.
        """
        tau = _points("tau", tau)
        if self._spreads[0] != "tau" and not tau.ndim:
            raise ValueError("tau is one number: give one for each level")
        columns = [tau] if self._spreads[0] == "tau" else list(np.moveaxis(tau, -1, 0))
        columns += [] if sigma is None else [_points("sigma", sigma)]
        if len(columns) != len(self._spreads):
            raise ValueError(f"{len(columns)} spreads given: give {', '.join(self._spreads)}")
        for name, column in zip(self._spreads, columns, strict=True):
            if (bad := ~((column > 0) & (column < np.inf))).any():
                raise ValueError(f"{name} is {column[bad][0]}: give finite numbers above 0")
        try:
            x = np.array(np.broadcast_arrays(*columns))
        except ValueError:
            shapes = " and ".join(str(column.shape) for column in columns)
            raise ValueError(f"the spreads have shapes {shapes}: give as many of each") from None
        return _plain(self._log_density(x.reshape(len(x), -1)).reshape(x.shape[1:]))

    def conditional(self, tau: float | np.ndarray, sigma: float | None = None) -> pl.DataFrame:
        """Exact mean and standard deviation of θ and of every node, given τ, or given τ and σ.

        Parameters
        ----------
        tau : number or array
            At least 0. One number, or G of them to get G answers in one table; if every level has its own τ,
            shape (K,) or (G, K).
        sigma
            Above 0. If None, σ is integrated out (unless it is known).

        Returns
        -------
        polars.DataFrame
            ``tau`` (or ``tau[1]`` …), ``sigma`` if given, ``name``, ``mean``, ``sd``; a row for θ and for
            each node, for every value of `tau`. In the unit of the measurements.

        Raises
        ------
        ValueError
            If a τ is negative, if there is not one for each level that has its own, if σ is not above 0, or
            if it is given although it is known.
        """
        tree, names = self._tree, [name for name in self._spreads if name != "sigma"]
        tau = _points("tau", tau)
        if len(names) > 1 and tau.shape[-1:] != (len(names),):
            raise ValueError(f"tau has shape {tau.shape}: give one for each of the {len(names)} levels")
        if not tau.size:
            raise ValueError("tau is empty: give one number or several")
        if (bad := ~((tau >= 0) & np.isfinite(tau))).any():
            raise ValueError(f"tau is {tau[bad][0]}: give finite numbers, 0 or more")
        if sigma is not None and tree.known:
            raise ValueError(
                f"sigma is {short_repr(sigma)}: leave it out, the errors of the measurements are known"
            )
        if sigma is not None and not (is_number(sigma) and sigma > 0):
            raise ValueError(f"sigma is {short_repr(sigma)}: give a finite number above 0")
        tables = []
        for row in tau.reshape(-1, len(names)):
            mean, sd = self._given(row, sigma)
            given = dict(zip(names, row.tolist(), strict=True)) | (
                {} if sigma is None else {"sigma": float(sigma)}
            )
            table = pl.DataFrame({"name": self._nodes, "mean": mean, "sd": sd})
            tables.append(table.select(*(pl.lit(x).alias(name) for name, x in given.items()), pl.all()))
        return pl.concat(tables)

    def draws(self, n: int, seed: int | np.random.Generator) -> xr.DataTree:
        """Draw independently from the posterior: what a perfect sampler would give.

        The spreads are drawn by inverting their distribution functions, one given the other, then the nodes
        from their normal distributions, each given its parent.

        Parameters
        ----------
        n
            Number of draws, at least 1.
        seed
            Whatever `numpy.random.default_rng` takes.

        Returns
        -------
        xarray.DataTree
            As `arviz.from_cmdstanpy` gives: the group ``posterior`` with one chain of `n` draws of ``theta``,
            ``tau`` (K of them if every level has its own), ``sigma`` and ``theta_1`` … ``theta_K``.

        Raises
        ------
        ValueError
            If `n` is not a whole number above 0, or the seed is not one.
        """
        if not is_whole(n, 1):
            raise ValueError(f"n is {short_repr(n)}: give a whole number of draws, 1 or more")
        tree, rng = self._tree, as_rng(seed)
        if n * tree.nodes > 1e9:
            raise ValueError(
                f"n is {n:,}: {n * tree.nodes:.0e} numbers do not fit into memory, ask for fewer"
            )
        x = self._rule.draw(n, rng)
        levels = [np.empty((1, n, size)) for size in tree.sizes]
        for part in parts(n, tree.nodes):
            tau, sigma = self._split(x[:, part])
            _, messages = tree.up(tau, sigma, self._theta)
            for level, nodes in zip(levels, tree.draw(messages, tau, self._theta, rng), strict=True):
                level[0, part] = nodes.T + tree.shift
        tau = x if tree.known else x[:-1]
        posterior = {"theta": levels[0][..., 0], "tau": tau if self._spreads[0] == "tau" else tau.T[None]}
        posterior |= {} if tree.known else {"sigma": x[-1:]}
        posterior |= {f"theta_{k}": level for k, level in enumerate(levels[1:], start=1)}
        return arviz.from_dict({"posterior": posterior}, index_origin=1)

    def _check(self, name: str) -> None:
        """Refuse what is not one parameter."""
        if isinstance(name, str) and name in self._mean:
            return
        words = dict.fromkeys(one.split("[")[0] for one in self.names)
        word = str(name).split("[")[0]
        if word in words:
            count = sum(one.startswith(f"{word}[") for one in self.names)
            remedy = (
                f"{word} has indices from 1 to {count}, as in '{word}[1]'" if count else f"write {word!r}"
            )
        else:
            nearest = difflib.get_close_matches(word, words, n=1, cutoff=0)[0]
            remedy = f"the nearest is {nearest!r}, of {', '.join(words)}"
        raise ValueError(f"no parameter {short_repr(name)}: {remedy}")

    def _look_up(self, moments: dict, name: str) -> float | np.ndarray:
        level = (
            [x for one, x in moments.items() if one.startswith(f"{name}[")] if "[" not in str(name) else []
        )
        if level:
            return np.array(level)
        self._check(name)
        return moments[name]

    def _split(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Points (d, G) of the integral: τ of every level (K, G), and σ (G,)."""
        known = self._tree.known
        sigma = np.ones(x.shape[1]) if known else x[-1]
        return np.broadcast_to(x if known else x[:-1], (self._tree.K, x.shape[1])), sigma

    def _log_density(self, x: np.ndarray) -> np.ndarray:
        """Log density of measurements and spreads at points (d, G), nodes integrated out."""
        log_p, _ = self._tree.up(*self._split(x), self._theta)
        return log_p + sum(prior(row) for prior, row in zip(self._priors.values(), x, strict=True))

    def _describe(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance of all nodes, and of the spreads, given points (d, G)."""
        mean, variance = self._tree.describe(*self._split(x), self._theta)
        return np.vstack([mean, x]), np.vstack([variance, np.zeros(x.shape)])

    def _solve(self, log_density: Callable, describe: Callable, guess: np.ndarray, tolerance: float) -> tuple:
        """Integrate, with steps as short as the tolerance needs: rule, means, sds and accuracy."""
        unit = "no finite answer: are data, known errors and priors in the same unit, none next to nothing?"
        try:
            with np.errstate(all="ignore"):
                rule = Rule(log_density, guess, self._tree.nodes + len(guess))
        except (ArithmeticError, IndexError):
            raise ValueError(unit) from None
        while True:
            with np.errstate(all="ignore"):
                mean, sd, errors = rule.moments(describe)
            if not np.all(np.isfinite([*mean, *sd])):
                raise ValueError(unit)
            accuracy, fine = float(np.max(errors)), errors <= tolerance
            if np.all(fine):
                mean[: len(self._nodes)] += self._tree.shift
                return rule, mean, sd, accuracy
            if not rule.refine(~fine):
                if not np.isfinite(accuracy):
                    raise ValueError(unit)
                remedy = "use shared_tau=True, or " if len(guess) > 2 else ""
                raise ValueError(
                    f"the integral over {len(guess)} spreads is accurate to {accuracy:.0e}, and more points "
                    f"take minutes: {remedy}accept it with tolerance={2 * accuracy:.0e}"
                )

    def _given(self, tau: np.ndarray, sigma: float | None) -> tuple[np.ndarray, np.ndarray]:
        """Mean and sd of all nodes given one value of every τ, and of σ unless it is None."""
        tree = self._tree
        tau = np.broadcast_to(tau, (tree.K,))[:, None]
        if tree.known or sigma is not None:
            mean, variance = tree.describe(tau, np.array([1.0 if tree.known else sigma]), self._theta)
            return mean[:, 0] + tree.shift, np.sqrt(variance[:, 0])

        def log_density(x):
            return tree.up(tau, x[0], self._theta)[0] + self._priors["sigma"](x[0])

        def describe(x):
            return tree.describe(tau, x[0], self._theta)

        return self._solve(log_density, describe, tree.guess(1, self._theta), 1e-8)[1:3]

    def _marginal(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Density of a spread, as a function of t."""
        if name not in self._cache:
            self._cache[name] = self._rule.marginal(self._spreads.index(name))
        return self._cache[name]

    def _mixture(self, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Weights, means and sds of the normal distributions, one a point, whose mixture a node follows."""
        if name not in self._cache:
            tree, rule = self._tree, self._rule
            weight = rule.weights
            keep = np.flatnonzero(weight > 1e-17 * weight.max())
            mean, variance = np.empty((2, len(keep)))
            for part in parts(len(keep), tree.nodes):
                tau, sigma = self._split(rule.x[:, keep[part]])
                mean[part], variance[part] = tree.describe(tau, sigma, self._theta, self._nodes.index(name))
            self._cache[name] = weight[keep] / weight[keep].sum(), mean + tree.shift, np.sqrt(variance)
        return self._cache[name]


def _points(name: str, x) -> np.ndarray:
    """Read one number or several; what is missing has no answer."""
    x = as_floats(x, name)
    if np.isnan(x).any():
        raise ValueError(f"{name} is nan: give numbers")
    return x


def _plain(x: np.ndarray) -> float | np.ndarray:
    """Turn the answer for one number into a float."""
    return float(x) if np.ndim(x) == 0 else np.asarray(x)
