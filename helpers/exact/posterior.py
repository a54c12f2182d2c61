"""The exact posterior of a tree: besides what all answer, densities and nodes given spreads, and draws."""

import numpy as np
import polars as pl
import xarray as xr

from helpers.exact.answers import Answers
from helpers.exact.interpolation import chunks
from helpers.exact.questions import as_plain, as_points
from helpers.exact.spreads import Spreads
from helpers.inputs import as_rng, is_number, is_whole, short_repr


class ExactPosterior(Answers):
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
        tree = self._tree = integral.tree
        nodes = [f"theta_{k}[{i}]" for k in range(1, tree.K + 1) for i in range(1, tree.sizes[k] + 1)]
        super().__init__(integral, tolerance, ["theta", *nodes])

    def __repr__(self):
        N, nodes = self._tree.N, self._tree.nodes
        return f"<exact posterior: {N} measurements, {nodes} nodes, accurate to {self.accuracy:.0e}>"

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
