"""What is known once the integral over the spreads is done: means, probabilities, densities, draws."""

from collections.abc import Callable

import numpy as np
import polars as pl
import xarray as xr

from helpers.exact.interpolation import chunks, integral, invert, to_t
from helpers.exact.marginals import IDENTITY
from helpers.exact.questions import as_plain, as_points, refuse_name
from helpers.exact.spreads import Spreads
from helpers.inputs import as_rng, is_number, is_whole, short_repr


class ExactPosterior:
    """The posterior of a hierarchical model, computed by quadrature; made by `exact_posterior`.

    Parameters are named as in the Stan programs, with indices from 1: ``"theta"``, ``"tau"`` (``"tau[1]"``
    … if every level has its own), ``"sigma"`` and ``"nu"`` (where they are unknown), ``"theta_2[3]"``. `mean`
    and `sd` also take a whole level, ``"theta_2"``. Any other name raises a ValueError that says which is
    nearest.

    θ and the nodes are log odds if successes were measured, log rates if counts were. With ``scale="data"``
    `mean`, `sd`, `cdf`, `density` and `quantile` speak of a node's probability, or of its rate, instead.

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

    def __init__(self, integral: Spreads, tolerance: float):
        self._rule, mean, sd, self.accuracy = integral.posterior(tolerance)
        tree = integral.tree
        self._integral, self._tree, self._spreads = integral, tree, list(integral.priors)
        self._nodes = ["theta"]
        self._nodes += [f"theta_{k}[{i}]" for k in range(1, tree.K + 1) for i in range(1, tree.sizes[k] + 1)]
        self.names = ["theta", *self._spreads, *self._nodes[1:]]
        self.log_evidence = self._rule.log_integral
        names = [*self._nodes, *self._spreads]
        self._mean, self._sd = (dict(zip(names, x.tolist(), strict=True)) for x in (mean, sd))
        self._cache = {}

    def __repr__(self):
        N, nodes = self._tree.N, self._tree.nodes
        return f"<exact posterior: {N} measurements, {nodes} nodes, accurate to {self.accuracy:.0e}>"

    def mean(self, name: str, scale: str = "nodes") -> float | np.ndarray:
        """Posterior mean of a parameter, or of all nodes of a level, in the unit of the measurements."""
        if self._is_on_data(name, scale):
            return self._each(name, lambda marginal, to_data: marginal.average(to_data))
        return self._look_up(self._mean, name)

    def sd(self, name: str, scale: str = "nodes") -> float | np.ndarray:
        """Posterior standard deviation of a parameter, or of all nodes of a level, in the same unit."""
        if self._is_on_data(name, scale):
            return self._each(name, lambda marginal, to_data: marginal.spread(to_data))
        return self._look_up(self._sd, name)

    def cdf(self, name: str, x: float | np.ndarray, scale: str = "nodes") -> float | np.ndarray:
        """Posterior probability that one parameter is below x: P(τ < 0.1) is ``cdf("tau", 0.1)``.

        `x` is a number or an array, in the unit of the measurements; the answer has its shape.
        """
        x, _ = self._to_nodes(name, as_points("x", x), scale)
        if name in self._spreads:
            t, f = self._marginal(name)
            ratio = x / self._rule.centre[self._spreads.index(name)]
            at = to_t(np.where(ratio > 0, ratio, 1.0))
            return as_plain(np.where(ratio > 0, integral(at, t, f), 0.0))
        return as_plain(np.reshape(self._marginal(name).cdf(x.ravel()), x.shape))

    def density(self, name: str, x: float | np.ndarray, scale: str = "nodes") -> float | np.ndarray:
        """Posterior density of a parameter at x, in 1 / unit of the measurements; arguments as in `cdf`."""
        x, slope = self._to_nodes(name, as_points("x", x), scale)
        if name in self._spreads:
            axis = self._spreads.index(name)
            p = [self._rule.slice(axis, point) if 0 <= point < 1e100 else 0.0 for point in x.ravel()]
        else:
            p = self._marginal(name).density(x.ravel())
        p = np.reshape(p, x.shape)  # at the ends of a scale, where nothing lies, both are 0
        return as_plain(np.divide(p, slope, out=np.zeros(x.shape), where=p > 0))

    def quantile(self, name: str, p: float | np.ndarray, scale: str = "nodes") -> float | np.ndarray:
        """Value below which one parameter lies with probability p.

        `p` is a number or an array, from 1e-8 to 1 - 1e-8 (else a ValueError is raised); the answer has its
        shape, in the unit of the measurements.
        """
        self._check(name)
        on_data = self._is_on_data(name, scale)
        p = as_points("p", p)
        if (bad := ~((p >= 1e-8) & (p <= 1 - 1e-8))).any():
            raise ValueError(f"p is {p[bad][0]}: give probabilities from 1e-8 to 1 - 1e-8")
        if name in self._spreads:
            t, f = self._marginal(name)
            at = invert(p.ravel(), t, np.broadcast_to(f, (p.size, len(f))))
            x = self._rule.centre[self._spreads.index(name)] * np.exp(at - np.exp(-at))
        else:
            x = self._marginal(name).quantile(p.ravel())
            x = self._integral.link.to_data(x) if on_data else x
        return as_plain(np.reshape(x, p.shape))

    def log_density(
        self,
        tau: float | np.ndarray,
        sigma: float | np.ndarray | None = None,
        nu: float | np.ndarray | None = None,
    ) -> float | np.ndarray:
        """Logarithm of p(y, τ, σ): the spreads' prior times the likelihood, all nodes integrated out.

        Parameters
        ----------
        tau : number or array
            Above 0; shape (), (G,), or, if every level has its own τ, (K,) or (G, K).
        sigma, nu : number or array
            Above 0, shape () or (G,); None if they are known, or the likelihood has none.

        Returns
        -------
        float or array, shape (G,)
            Natural logarithm. Less `log_evidence` it is the posterior's, per unit of τ and of σ.

        Raises
        ------
        ValueError
            If a spread is missing, one too many, or not a finite number above 0.
        """
        tau = as_points("tau", tau)
        if self._spreads[0] != "tau" and not tau.ndim:
            raise ValueError("tau is one number: give one for each level")
        columns = [tau] if self._spreads[0] == "tau" else list(np.moveaxis(tau, -1, 0))
        given = {"sigma": sigma, "nu": nu}
        columns += [as_points(name, value) for name, value in given.items() if value is not None]
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
        points = x.reshape(len(x), -1)
        self._integral.fit(points)
        return as_plain(self._integral.log_density(points).reshape(x.shape[1:]))

    def conditional(self, tau: float | np.ndarray, sigma: float | None = None) -> pl.DataFrame:
        """Exact mean and standard deviation of θ and of every node, given τ, or given τ and σ.

        Parameters
        ----------
        tau : number or array
            At least 0. One number, or G of them to get G answers in one table; if every level has its own τ,
            shape (K,) or (G, K).
        sigma
            Above 0. If None, σ is integrated out (unless it is known). So is ν.

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
        tree, names = self._tree, [name for name in self._spreads if name.startswith("tau")]
        tau = as_points("tau", tau)
        if len(names) > 1 and tau.shape[-1:] != (len(names),):
            raise ValueError(f"tau has shape {tau.shape}: give one for each of the {len(names)} levels")
        if not tau.size:
            raise ValueError("tau is empty: give one number or several")
        if (bad := ~((tau >= 0) & np.isfinite(tau))).any():
            raise ValueError(f"tau is {tau[bad][0]}: give finite numbers, 0 or more")
        if sigma is not None and tree.known:
            raise ValueError(
                f"sigma is {short_repr(sigma)}: leave it out, the errors of the measurements are known, or "
                "the likelihood has none"
            )
        if sigma is not None and not (is_number(sigma) and sigma > 0):
            raise ValueError(f"sigma is {short_repr(sigma)}: give a finite number above 0")
        tables = []
        for row in tau.reshape(-1, len(names)):
            mean, sd = self._integral.given(row, sigma)
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
        for part in chunks(n, tree.cost):
            tau, own = self._integral.split(x[:, part])
            _, messages = tree.up(tau, own, self._integral.theta)
            for level, nodes in zip(levels, tree.draw(messages, tau, self._integral.theta, rng), strict=True):
                level[0, part] = nodes.T + tree.shift
        spreads = dict(zip(self._spreads, x[:, None], strict=True))
        taus = [draws for name, draws in spreads.items() if name.startswith("tau")]
        posterior = {"theta": levels[0][..., 0], "tau": spreads.get("tau", np.stack(taus, axis=-1))}
        posterior |= {name: spreads[name] for name in ("sigma", "nu") if name in spreads}
        posterior |= {f"theta_{k}": level for k, level in enumerate(levels[1:], start=1)}
        from arviz_base import from_dict

        return from_dict({"posterior": posterior}, index_origin=1)

    def _check(self, name: str) -> None:
        """Refuse what is not one parameter."""
        if not (isinstance(name, str) and name in self._mean):
            refuse_name(name, self.names)

    def _look_up(self, moments: dict, name: str) -> float | np.ndarray:
        level = (
            [x for one, x in moments.items() if one.startswith(f"{name}[")] if "[" not in str(name) else []
        )
        if level:
            return np.array(level)
        self._check(name)
        return moments[name]

    def _marginal(self, name: str):
        """Density of a spread as a function of t, or what is known of a node."""
        if name not in self._cache:
            if name in self._spreads:
                self._cache[name] = self._rule.marginal(self._spreads.index(name))
            else:
                self._cache[name] = self._integral.marginal(self._rule, self._nodes.index(name))
        return self._cache[name]

    def _is_on_data(self, name: str, scale: str) -> bool:
        """Tell whether the scale of the data is asked for; refuse it for a spread."""
        if scale not in ("nodes", "data"):
            raise ValueError(f"scale is {short_repr(scale)}: give 'nodes' or 'data'")
        if scale == "data" and name in self._spreads:
            raise ValueError(f"{name} has no value on the scale of the data: leave scale out")
        return scale == "data" and self._integral.link is not IDENTITY

    def _to_nodes(self, name: str, x: np.ndarray, scale: str) -> tuple[np.ndarray, np.ndarray | float]:
        """Values of a parameter on the scale of the nodes, and how fast those of the data change there."""
        self._check(name)
        if not self._is_on_data(name, scale):
            return x, 1.0
        link = self._integral.link
        with np.errstate(divide="ignore", invalid="ignore"):
            x = link.from_data(x)
        if np.isnan(x).any():
            raise ValueError(
                "x has no value on the scale of the nodes: give probabilities, or rates of 0 or more"
            )
        return x, link.slope(x)

    def _each(self, name: str, what: Callable) -> float | np.ndarray:
        """Ask what is known of a node, or of all nodes of a level, for a number on the scale of the data."""
        names = [one for one in self._nodes if one.startswith(f"{name}[")] or [name]
        self._check(names[0])
        found = [what(self._marginal(one), self._integral.link.to_data) for one in names]
        return np.array(found) if names != [name] else found[0]
