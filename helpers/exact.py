"""The exact posterior of the course's models, without sampling, and marks for samplers against it.

Given the spreads τ and σ, every node of the tree is normal. One pass up the tree gives the density of the
measurements, one pass down the mean and the variance of every node. What is left is an integral over τ and σ
alone, which `helpers.quadrature` does.
"""

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from numbers import Integral, Real

import arviz
import numpy as np
import polars as pl
import xarray as xr
from scipy.optimize import brentq
from scipy.sparse import csr_array
from scipy.special import ndtr

from helpers.plots import draws
from helpers.quadrature import Rule, integral, invert, parts, to_t

PRIOR = {"theta": (10, 3), "tau": 5, "sigma": 5}
_VARIABLES = (
    4  # more τ's and σ's than these are refused: each multiplies the points of the integral by 20 to 60
)


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
        ``scipy.stats.halfcauchy(scale=5)``. If every level has its own τ, ``tau`` may be a list of K.
    values
        The item of `data` that holds the measurements.
    sigma : array, shape (N,)
        Known standard deviations of the measurements, in the order of `data`. Then σ is no parameter. If
        None, there is one σ, which is unknown.
    shared_tau
        Whether all levels have the same τ; if not, each has its own, and there may be at most three levels
        (four if `sigma` is known).
    tolerance
        Largest difference between two rules that is accepted; see `ExactPosterior.accuracy`.

    Returns
    -------
    ExactPosterior

    Raises
    ------
    ValueError
        If an item of `data` is missing or malformed, or a prior is; if there are too many levels with a τ of
        their own; if no posterior exists, as all measurements of each group are equal; or if the integral
        does not reach the tolerance.

    Examples
    --------
    >>> data = {"N": 3, "J_1": 2, "index_1": [1, 1, 2], "y": [9.5, 10.0, 11.5]}
    >>> post = exact_posterior(data, prior={"tau": 1})
    >>> bool(post.quantile("theta", 0.05) < 10 < post.quantile("theta", 0.95))
    True
    """
    tree = _Tree(data, values, sigma)
    prior = dict(PRIOR) | dict(prior or {})
    if unknown := [name for name in prior if name not in PRIOR]:
        raise ValueError(f"no prior for {unknown[0]!r}: give some of theta, tau and sigma")
    spreads = (
        list(prior["tau"]) if np.iterable(prior["tau"]) else [prior["tau"]] * (1 if shared_tau else tree.K)
    )
    if len(spreads) != (1 if shared_tau else tree.K):
        raise ValueError(
            f"prior of tau has length {len(spreads)}: give one, or one per level with shared_tau=False"
        )
    names = ["tau"] if shared_tau else [f"tau[{k + 1}]" for k in range(tree.K)]
    priors = {name: _log_prior(name, given) for name, given in zip(names, spreads, strict=True)}
    if not tree.known:
        priors["sigma"] = _log_prior("sigma", prior["sigma"])
    if len(priors) > _VARIABLES:
        raise ValueError(
            f"{len(priors)} variables to integrate over, {', '.join(priors)}: at most {_VARIABLES} can be "
            "carried; use shared_tau=True or fewer levels"
        )
    theta = prior["theta"]
    if np.shape(theta) != (2,) or not (np.all(np.isfinite(theta)) and theta[1] > 0):
        raise ValueError(f"prior of theta is {theta!r}: give its mean and its standard deviation, above 0")
    return ExactPosterior(tree, priors, (float(theta[0]), float(theta[1])), tolerance)


def _log_prior(name: str, given) -> Callable:
    """Log density on the positive numbers, from a scale or from a distribution."""
    if hasattr(given, "logpdf"):
        return given.logpdf
    if not (isinstance(given, Real) and np.isfinite(given) and given > 0):
        raise ValueError(
            f"prior of {name} is {given!r}: give a scale above 0, or a distribution with a logpdf"
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
    ValueError
        If the samples lack one of the parameters.
    """
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
    return draws(samples, name).reshape(samples["posterior"].sizes["chain"], -1)


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
        How far two rules, each with half of the points of the integral, lie apart: the largest difference of
        the evidence (relative), of any mean (in sds) and of any sd (relative). The answers use all points,
        and are better than either.
    """

    def __init__(self, tree: "_Tree", priors: dict[str, Callable], theta: tuple, tolerance: float):
        self._tree, self._priors, self._theta = tree, priors, theta
        self._spreads = list(priors)
        self._nodes = ["theta"]
        self._nodes += [f"theta_{k}[{i}]" for k in range(1, tree.K + 1) for i in range(1, tree.sizes[k] + 1)]
        self.names = ["theta", *self._spreads, *self._nodes[1:]]
        self._rule, mean, sd, self.accuracy = self._solve(
            self._log_density, self._describe, tree.guess(len(priors)), tolerance
        )
        self.log_evidence = self._rule.log_integral
        names = [*self._nodes, *self._spreads]
        self._mean, self._sd = (dict(zip(names, x.tolist(), strict=True)) for x in (mean, sd))
        self._cache = {}

    def __repr__(self):  # noqa: D105
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
        x = np.asarray(x, dtype=float)
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
        x = np.asarray(x, dtype=float)
        if name in self._spreads:
            axis = self._spreads.index(name)
            p = [self._rule.slice(axis, point) if point >= 0 else 0.0 for point in x.ravel()]
        else:
            weight, mean, sd = self._mixture(name)
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
        p = np.asarray(p, dtype=float)
        if not np.all((p >= 1e-8) & (p <= 1 - 1e-8)):
            raise ValueError(f"p is {p.tolist()}: give probabilities from 1e-8 to 1 - 1e-8")
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
        """
        tau = np.asarray(tau, dtype=float)
        columns = [tau] if self._spreads[0] == "tau" else list(np.moveaxis(tau, -1, 0))
        columns += [] if sigma is None else [np.asarray(sigma, dtype=float)]
        if len(columns) != len(self._spreads):
            raise ValueError(f"{len(columns)} spreads given: give {', '.join(self._spreads)}")
        x = np.array(np.broadcast_arrays(*columns))
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
        tau = np.asarray(tau, dtype=float)
        if len(names) > 1 and tau.shape[-1:] != (len(names),):
            raise ValueError(f"tau has shape {tau.shape}: give one for each of the {len(names)} levels")
        if not np.all((tau >= 0) & np.isfinite(tau)):
            raise ValueError(f"tau is {tau.tolist()}: give finite numbers, 0 or more")
        if sigma is not None and tree.known:
            raise ValueError(f"sigma is {sigma!r}: leave it out, the errors of the measurements are known")
        if sigma is not None and not (np.isfinite(sigma) and sigma > 0):
            raise ValueError(f"sigma is {sigma!r}: give a finite number above 0")
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
            If `n` is not a whole number above 0.
        """
        if not isinstance(n, Integral) or n < 1:
            raise ValueError(f"n is {n!r}: give a whole number of draws, 1 or more")
        tree, rng = self._tree, np.random.default_rng(seed)
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
        if name not in self._mean:
            nearest = difflib.get_close_matches(str(name), self.names, n=1, cutoff=0)[0]
            raise ValueError(f"no parameter {name!r}: the nearest is {nearest!r}")

    def _look_up(self, moments: dict, name: str) -> float | np.ndarray:
        level = [x for one, x in moments.items() if one.startswith(f"{name}[")] if "[" not in name else []
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
        rule = Rule(log_density, guess, self._tree.nodes + len(guess))
        while True:
            mean, sd, accuracy = rule.moments(describe)
            if accuracy <= tolerance:
                mean[: len(self._nodes)] += self._tree.shift
                return rule, mean, sd, accuracy
            if not rule.refine():
                raise ValueError(
                    f"the integral over {len(guess)} variables is accurate to {accuracy:.0e}, and more points "
                    f"would take minutes: use shared_tau=True, or accept it with tolerance={2 * accuracy:.0e}"
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

        return self._solve(log_density, describe, tree.guess(1), 1e-8)[1:3]

    def _marginal(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Density of a spread, as a function of t."""
        if name not in self._cache:
            self._cache[name] = self._rule.marginal(self._spreads.index(name))
        return self._cache[name]

    def _mixture(self, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Weights, means and sds of the normal distributions, one a point, whose mixture a node follows."""
        if name not in self._cache:
            tree, rule = self._tree, self._rule
            weight = rule.weights.sum(axis=0)
            keep = np.flatnonzero(weight > 1e-17 * weight.max())
            mean, variance = np.empty((2, len(keep)))
            for part in parts(len(keep), tree.nodes):
                tau, sigma = self._split(rule.x[:, keep[part]])
                mean[part], variance[part] = tree.describe(tau, sigma, self._theta, self._nodes.index(name))
            self._cache[name] = weight[keep] / weight[keep].sum(), mean + tree.shift, np.sqrt(variance)
        return self._cache[name]


class _Tree:
    """A tree of groups with normal measurements at its leaves, and the two passes over it.

    Level 0 is the population, one node; level K holds the leaves. Means are relative to `shift`, the mean of
    all measurements, so that data far from zero lose no digits. Arrays over the points of an integral, G of
    them, have these in the last axis.
    """

    def __init__(self, data: Mapping, values: str, sigma):
        sizes, parents, leaf, y, known = _read(data, values, sigma)
        self.K, self.N, self.nodes, self.known = len(sizes), len(y), sum(sizes), known is not None
        self.sizes, self.parents = [1, *sizes], [np.zeros(sizes[0], dtype=np.int64), *parents]
        self.sums = [
            csr_array((np.ones(len(parent)), (parent, np.arange(len(parent)))), shape=(above, len(parent)))
            for parent, above in zip(self.parents, self.sizes, strict=False)
        ]
        # What a leaf's measurements say of it: a precision (in units of 1/σ², if σ is unknown) and a mean.
        self.shift = y.mean()
        weight = np.ones(self.N) if known is None else 1 / known**2
        self.precision = np.bincount(leaf, weight)[:, None]
        self.mean = np.bincount(leaf, weight * (y - self.shift))[:, None] / self.precision
        self.squares = weight @ (y - self.shift - self.mean[leaf, 0]) ** 2
        self.repeats = self.N - sizes[-1]
        self.constant = (np.log(weight).sum() - np.log(self.precision).sum()) / 2
        self.constant -= self.repeats * np.log(2 * np.pi) / 2
        first = np.unique(leaf, return_index=True)[1]
        if not self.known and self.repeats and np.array_equal(y, y[first][leaf]):
            raise ValueError(
                f"the measurements {values!r} are equal within every group, so sigma may be as small as it "
                "likes and no posterior exists: give more digits, or one measurement for each group"
            )

    def guess(self, d: int) -> np.ndarray:
        """Rough logarithms of the last d of the spreads."""
        rough = np.std(self.mean) or 1.0
        within = np.sqrt(self.squares / self.repeats) if self.repeats and not self.known else rough
        return np.log([*[rough] * (d - (not self.known)), *[within] * (not self.known)])

    def up(self, tau: np.ndarray, sigma: np.ndarray, theta: tuple) -> tuple[np.ndarray, list]:
        """Pass messages up the tree.

        Parameters
        ----------
        tau : array, shape (K, G)
        sigma : array, shape (G,)
        theta
            Mean and standard deviation of the prior of θ.

        Returns
        -------
        log_p : array, shape (G,)
            Log density of the measurements given τ and σ.
        messages : list of (mean, variance), for the levels 0 to K
            What the measurements below each node say of it: a normal density. Shape (nodes of the level, G).
        """
        mean, variance = self.mean, sigma**2 / self.precision
        log_p = self.constant - self.repeats * np.log(sigma) - self.squares / (2 * sigma**2)
        messages = [(mean, variance)]
        for parent, sums, spread in zip(self.parents[::-1], self.sums[::-1], tau[::-1], strict=True):
            weight = 1 / (variance + spread**2)
            variance = 1 / (sums @ weight)
            centre = variance * (sums @ (weight * mean))
            # the density of the siblings' means, written with residuals so that nothing cancels
            log_p += (np.log(weight).sum(axis=0) + np.log(variance).sum(axis=0)) / 2
            log_p -= (weight * (mean - centre[parent]) ** 2).sum(axis=0) / 2
            log_p -= (len(parent) - len(centre)) * np.log(2 * np.pi) / 2
            mean = centre
            messages.append((mean, variance))
        prior_mean, total = theta[0] - self.shift, variance[0] + theta[1] ** 2
        log_p -= ((mean[0] - prior_mean) ** 2 / total + np.log(2 * np.pi * total)) / 2
        return log_p, messages[::-1]

    def describe(
        self, tau: np.ndarray, sigma: np.ndarray, theta: tuple, only: int | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance given τ and σ: of all nodes, shape (1 + nodes, G), or of only one, shape (G,)."""
        _, messages = self.up(tau, sigma, theta)
        path = None if only is None else self._path(only)
        mean, variance = _product(theta[0] - self.shift, theta[1] ** 2, *messages[0])
        means, variances = [mean], [variance]
        for k, spread in enumerate(tau[: self.K if path is None else len(path)]):
            above, chosen = (self.parents[k], slice(None)) if path is None else (slice(None), [path[k]])
            own_mean, own_variance = (part[chosen] for part in messages[k + 1])
            gain = spread**2 / (spread**2 + own_variance)
            mean, variance = mean[above], variance[above]
            mean = mean + gain * (own_mean - mean)
            variance = gain * own_variance + (1 - gain) ** 2 * variance
            means.append(mean)
            variances.append(variance)
        return (mean[0], variance[0]) if path is not None else (np.vstack(means), np.vstack(variances))

    def draw(
        self, messages: list, tau: np.ndarray, theta: tuple, rng: np.random.Generator
    ) -> Iterator[np.ndarray]:
        """Draw all nodes given τ and σ, level by level from θ, each given its parent."""
        mean, variance = _product(theta[0] - self.shift, theta[1] ** 2, *messages[0])
        node = rng.normal(mean, np.sqrt(variance))
        yield node
        for parent, spread, message in zip(self.parents, tau, messages[1:], strict=True):
            mean, variance = _product(node[parent], spread**2, *message)
            node = rng.normal(mean, np.sqrt(variance))
            yield node

    def _path(self, node: int) -> list[int]:
        """Numbers, each in its level, of the nodes on the way from the population down to a node."""
        level = np.searchsorted(np.cumsum(self.sizes), node, side="right")
        node, path = node - sum(self.sizes[:level]), []
        for parent in self.parents[level - 1 :: -1] if level else []:
            path.append(node)
            node = parent[node]
        return path[::-1]


def _product(mean, variance, other_mean, other_variance) -> tuple[np.ndarray, np.ndarray]:
    """Multiply two normal densities; the first may have variance 0."""
    gain = variance / (variance + other_variance)
    return mean + gain * (other_mean - mean), gain * other_variance


def _read(data: Mapping, values: str, sigma) -> tuple:
    """Check a dictionary such as `stan_data` gives: sizes, parents, leaves (from 0), values and errors."""
    for name in ("J_1", "index_1", values):
        if name not in data:
            raise ValueError(f"no {name!r} in the data, which has {', '.join(data)}: see helpers.stan_data")
    K = next(k for k in range(1, len(data) + 1) if f"J_{k + 1}" not in data)
    y = np.asarray(data[values], dtype=float)
    if y.ndim != 1 or not y.size:
        raise ValueError(f"{values!r} has shape {y.shape}: give at least one measurement, in one dimension")
    sizes = [*(int(data[f"J_{k + 1}"]) for k in range(K)), y.size]
    parents = []
    for k, (size, children) in enumerate(pairwise(sizes), start=1):
        name = f"index_{k}"
        index = np.asarray(data.get(name, []))
        if index.shape != (children,):
            raise ValueError(
                f"{name!r} has shape {index.shape}: give {children} numbers of nodes in level {k}"
            )
        bad = ~np.isin(index, np.arange(1, size + 1))
        if bad.any():
            i = bad.argmax()
            raise ValueError(f"{name!r} is {index[i]} at position {i + 1}: give a node from 1 to {size}")
        parents.append(index.astype(np.int64) - 1)
        childless = np.bincount(parents[-1], minlength=size) == 0
        if childless.any():
            raise ValueError(f"node {childless.argmax() + 1} of level {k} has nothing below it: leave it out")
    for name, x in (
        [(values, y)] if sigma is None else [(values, y), ("sigma", np.asarray(sigma, dtype=float))]
    ):
        if x.shape != y.shape:
            raise ValueError(f"{name!r} has shape {x.shape}: give one for each of the {y.size} measurements")
        bad = ~np.isfinite(x) | ((x <= 0) if name == "sigma" else False)
        if bad.any():
            i = bad.argmax()
            raise ValueError(f"{name!r} is {x[i]} at position {i + 1}: give finite numbers, errors above 0")
    return sizes[:-1], parents[:-1], parents[-1], y, None if sigma is None else np.asarray(sigma, dtype=float)


def _plain(x: np.ndarray) -> float | np.ndarray:
    """Turn the answer for one number into a float."""
    return float(x) if np.ndim(x) == 0 else np.asarray(x)
