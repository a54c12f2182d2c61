"""Simulated measurements: of any nested design, or anew from the draws of a fit."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
import xarray as xr
from scipy.special import expit

from helpers.inputs import (
    as_list,
    as_rng,
    column_names,
    did_you_mean,
    is_number,
    is_whole,
    read_tree,
    short_repr,
)
from helpers.likelihoods import SIZE, as_likelihood, read_measurements, refuse_unused
from helpers.tree import posterior_of

MOST_ROWS = 100_000_000  # rows that simulate makes: some gigabytes
MOST_COUNT = 9e18  # beyond, whole numbers end


def simulate(
    children: Sequence[int | Sequence[int]],
    theta: float,
    tau: float | Sequence[float],
    sigma: float,
    seed: int | np.random.Generator,
    levels: Sequence[str] | None = None,
) -> pl.DataFrame:
    """Draw measurements once from the generative model, for any nested design.

    The means of the first level are drawn from Normal(theta, tau), those of each further level around the
    mean of their parent, and the observations from Normal(mean of their leaf, sigma).

    Parameters
    ----------
    children
        The design: the number of groups of the first level, then for each level the number of children of
        every node, in order; the children of the last level are observations. One number stands for
        "every node has this many": ``[3, 2, 5]`` is 3 days of 2 batches of 5 cells, ``[3, [4, 3, 1], 5]``
        has 4, 3 and 1 batches.
    theta
        Population mean, in the unit of ``y``.
    tau
        Standard deviation of nodes about their parent, in the unit of ``y``; a number, or one per level.
    sigma
        Standard deviation of observations about their leaf, in the unit of ``y``.
    seed
        Whatever `numpy.random.default_rng` takes: a whole number, 0 or more, of any size. The same seed gives
        the same standard normal draws.
    levels
        Names of the levels, outermost first; if None, ``level_1``, ``level_2``, …

    Returns
    -------
    polars.DataFrame
        One row per observation: the label at every level (from 1 within each parent), ``y``, and
        ``theta_1`` … ``theta_K``, the true means of the nodes that the row belongs to.

    Raises
    ------
    ValueError
        If a number of children is not a whole number above 0, if there are not as many as parents, if there
        would be more than 100 million observations, if names clash, or if a parameter or the seed is out of
        range. The message names the level, the position and the remedy.

    Examples
    --------
    >>> df = simulate([2, [1, 3], 5], theta=10, tau=[1, 0.5], sigma=1, seed=1, levels=["day", "batch"])
    >>> df.shape, df.columns
    ((20, 5), ['day', 'batch', 'y', 'theta_1', 'theta_2'])

    The design of a data set can be had from its dictionary:

    >>> data, _ = stan_data(df, levels=["day", "batch"], values="y")
    >>> [data["J_1"], *(np.bincount(data[k])[1:].tolist() for k in ("index_1", "index_2"))]
    [2, [1, 3], [5, 5, 5, 5]]
    """
    given = as_list(children)
    children = [children] if given is None else given
    K = len(children) - 1
    if K < 1:
        raise ValueError(
            f"children is {short_repr(children)}: give the number of groups and of observations in each"
        )
    means = [f"theta_{k + 1}" for k in range(K)]
    levels = [f"level_{k + 1}" for k in range(K)] if levels is None else column_names(levels, "levels")
    if len(levels) != K or len({*levels, *means, "y"}) != 2 * K + 1:
        raise ValueError(
            f"levels is {short_repr(levels)}: give {K} different names, other than y and {means[0]}"
        )
    given = as_list(tau)
    tau = [tau] * K if given is None else given
    if len(tau) != K:
        raise ValueError(f"tau has length {len(tau)} for {K} levels: give one per level, or one for all")
    scales = {f"tau of level {level!r}": sd for level, sd in zip(levels, tau, strict=True)}
    for name, x in {"theta": theta, "sigma": sigma, **scales}.items():
        if not (is_number(x) if name == "theta" else is_number(x, 0)):
            remedy = "" if name == "theta" else ", 0 or more"
            raise ValueError(f"{name} is {short_repr(x)}: give a finite number{remedy}")
    counts = _counts(children, levels)

    rng = as_rng(seed)
    columns, mean = {}, np.array([theta], dtype=float)
    for n, level, name, sd in zip(counts, levels, means, tau, strict=False):
        # Each node hands its labels and means down to its children; these are numbered from 1 again.
        columns = {key: np.repeat(column, n) for key, column in columns.items()}
        columns[level] = np.arange(1, n.sum() + 1) - np.repeat(n.cumsum() - n, n)
        columns[name] = mean = rng.normal(np.repeat(mean, n), sd + 0.0)  # numpy refuses -0.0
    columns = {key: np.repeat(column, counts[-1]) for key, column in columns.items()}
    columns["y"] = rng.normal(np.repeat(mean, counts[-1]), sigma + 0.0)
    if not np.isfinite(columns["y"]).all():
        raise ValueError("y would be infinite: give a smaller theta, tau or sigma")
    return pl.DataFrame(columns).select(*levels, "y", *means)


def _counts(children: list, levels: list[str]) -> list[np.ndarray]:
    """Write out the number of children of every node, one array a level."""
    counts, parents = [], 1
    for k, (given, what) in enumerate(zip(children, [*map(repr, levels), "observations"], strict=True)):
        n = as_list(given)
        single = n is None
        if single:
            most = given if is_whole(given) else 1
            n = [given] * (parents if parents * most <= MOST_ROWS else 1)
        if not single and len(n) != parents:
            raise ValueError(f"children[{k}] ({what}) is {len(n)} long, not {parents}: give one per parent")
        for i, x in enumerate(n):
            if not is_whole(x, 1):
                place = f"children[{k}]" if single else f"children[{k}][{i}]"
                raise ValueError(f"{place} ({what}) is {short_repr(x)}: give a whole number, 1 or more")
        total = n[0] * parents if single else sum(n)
        if total > MOST_ROWS:
            raise ValueError(f"children[{k}] ({what}) makes too many: give at most {MOST_ROWS:,} in all")
        counts.append(np.array(n, dtype=np.int64))
        parents = total
    return counts


def replicate(
    samples: xr.DataTree,
    data: Mapping,
    seed: int | np.random.Generator,
    new: str | None = None,
    values: str = "y",
    likelihood: str = "normal",
    nu: float | None = None,
    sigma: Sequence[float] | None = None,
) -> xr.DataTree:
    """Draw data anew from each draw of a fit: what the model would expect to see, if it were right.

    Parameters
    ----------
    samples
        What `arviz.from_cmdstanpy` gives, or `ExactPosterior.draws`: ``theta``, ``tau`` (one, or K),
        ``sigma`` and ``theta_1`` … ``theta_K``. After `tree` or `tree_family`, give what `unflatten` gives.
    data
        The dictionary that was fitted, whose design the new data have.
    seed
        Whatever `numpy.random.default_rng` takes.
    new
        If None, the groups stay as they are and only the measurements are new. Else the first level whose
        groups are new, such as ``"theta_1"``, as are all below: they are drawn from their distribution in
        the model, as those of another experiment would be.
    values, likelihood, nu, sigma
        As for `exact_posterior`; ``nu`` may be left out if the samples have it.

    Returns
    -------
    xarray.DataTree
        With ArviZ's names: the group ``posterior_predictive`` with the new measurements, named as `values`,
        of shape (chain, draw, N) and in their unit, and the group ``observed_data`` with those of `data`.

    Raises
    ------
    TypeError
        If the samples are not what ArviZ gives, or the data no dictionary.
    ValueError
        If there is no level `new`; if the samples lack a parameter, or have another number of groups than the
        data; or if an item of the data, the likelihood or the seed is malformed.

    Examples
    --------
    >>> from helpers import exact_posterior
    >>> data = {"J_1": 2, "index_1": [1, 1, 2], "y": [9.5, 10.0, 11.5]}
    >>> samples = exact_posterior(data).draws(100, seed=1)
    >>> replicate(samples, data, seed=2)["posterior_predictive"]["y"].shape
    (1, 100, 3)
    """
    likelihood, rng = as_likelihood(likelihood), as_rng(seed)
    sizes, parents, leaf, y, size, errors = _read(data, values, likelihood, nu, sigma)
    names = [f"theta_{k}" for k in range(1, len(sizes) + 1)]
    if new is not None and not (isinstance(new, str) and new in names):
        near = did_you_mean(new, names) if isinstance(new, str) else ""
        raise ValueError(
            f"new is {short_repr(new)}{near}: give the first level whose groups are new, one of "
            f"{', '.join(map(repr, names))}, or None"
        )
    old = names.index(new) if new else len(names)  # levels whose groups stay
    node = _draws(samples, names[old - 1], sizes[old - 1]) if old else _draws(samples, "theta")[..., None]
    for k in range(old, len(sizes)):
        above = parents[k - 1] if k else np.zeros(sizes[0], dtype=np.int64)
        tau = _draws(samples, "tau", len(sizes))
        node = rng.normal(node[..., above], tau[..., k, None])
    u = node[..., leaf]
    if likelihood in SIZE:
        y_new = _counts_anew(u, size, likelihood, rng)
    else:
        spread = _draws(samples, "sigma")[..., None] if errors is None else errors
        y_new = u + spread * _errors(samples, likelihood, nu, u.shape, rng)
    from arviz_base import from_dict  # here, as it takes seconds to load

    return from_dict({"posterior_predictive": {values: y_new}, "observed_data": {values: y}})


def _read(data: Mapping, values: str, likelihood: str, nu, sigma) -> tuple:
    """Read the tree: its sizes, parents, leaves, measurements, trials or exposures, and known errors."""
    if sigma is not None:
        if likelihood != "normal":
            raise ValueError(f"sigma is {short_repr(sigma)}: known errors are for likelihood='normal' only")
        if nu is not None:
            raise ValueError(f"nu is {short_repr(nu)}: known errors are normal, so leave it out")
        refuse_unused(data, values, likelihood)
        *tree, errors = read_tree(data, values, sigma)
        return *tree, None, errors
    # priors are not used here, nor is ν, where the samples have it
    prior = {"theta": (0, 1), "tau": 1} if likelihood in SIZE else None
    nu = 4 if nu is None and likelihood == "student_t" else nu
    read = read_measurements(data, values, likelihood, nu, prior)
    return read.sizes, read.parents, read.leaf, read.y, read.size, None


def _draws(samples: xr.DataTree, name: str, size: int | None = None) -> np.ndarray:
    """Take the draws of a parameter, shape (chain, draw), or (chain, draw, size); one τ stands for all."""
    posterior = posterior_of(samples)
    if name not in posterior.data_vars:
        there = ", ".join(map(str, posterior.data_vars))
        remedy = "give nu=4, or what it was" if name == "nu" else "give a fit that wrote it"
        raise ValueError(f"no {name!r} in the samples, which have {there}: {remedy}")
    x = posterior[name].transpose("chain", "draw", ...).to_numpy()
    if name == "tau" and x.ndim == 2:
        x = np.broadcast_to(x[..., None], (*x.shape, size))
    if x.shape[2:] != (() if size is None else (size,)):
        found = int(np.prod(x.shape[2:]))
        raise ValueError(f"the samples have {found} {name}, the data {size or 1}: give the data of the fit")
    bad = ~np.isfinite(x) | ((x < 0) & (not name.startswith("theta")))
    if bad.any():
        raise ValueError(f"a draw of {name!r} is {x[bad][0]}: give finite draws, and spreads of 0 or more")
    return x


def _errors(samples: xr.DataTree, likelihood: str, nu, shape: tuple, rng: np.random.Generator) -> np.ndarray:
    """Draw errors in units of σ."""
    if likelihood == "normal":
        return rng.normal(size=shape)
    if nu is None:
        nu = _draws(samples, "nu")[..., None]
    return rng.standard_t(np.broadcast_to(nu, shape))


def _counts_anew(u: np.ndarray, size: np.ndarray, likelihood: str, rng: np.random.Generator) -> np.ndarray:
    """Draw counts of log rates, or successes of log odds."""
    if likelihood == "binomial":
        return rng.binomial(size.astype(np.int64), expit(u))
    with np.errstate(over="ignore"):
        rate = size * np.exp(u)
    if rate.max() > MOST_COUNT:
        raise ValueError(
            f"a draw has a rate of {rate.max():.0e} counts: give theta and tau priors that rule this out"
        )
    return rng.poisson(rate)
