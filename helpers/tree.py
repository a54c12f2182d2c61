"""A tree of groups: the dictionary that describes it read and written flat, and the draws of its nodes."""

import re
from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from helpers.inputs import (
    as_bool,
    as_floats,
    as_list,
    describe_type,
    did_you_mean,
    is_number,
    is_whole,
    short_repr,
)
from helpers.likelihoods import SIZE, program_data, read_measurements
from helpers.priors import read_prior, refuse_conflict


def tree_data(
    data: Mapping,
    prior: Mapping | None = None,
    values: str = "y",
    shared_tau: bool = True,
    weight: float | Sequence = 0,
    write_nodes: bool = False,
    likelihood: str = "normal",
    nu: float | None = None,
) -> dict[str, int | float | np.ndarray]:
    """Write the same tree flat: the data of the Stan programs for any depth.

    These are `tree` and `tree_marginal` for normal measurements, `tree_family` for other likelihoods.

    Nodes of all levels are counted through, level by level from the top: with 3 days and 8 batches, batch 1
    is node 4. What leaves were measured to be is summed up, except with Student's t, so the dictionary is as
    long as the tree has nodes.

    Parameters
    ----------
    data
        The dictionary that `stan_data` gives, for any number of levels. Arrays may be lists. Not modified.
    prior
        Priors that differ from those of the lessons, in the unit of the measurements: ``theta``, mean and
        standard deviation of its normal prior, by default (10, 3); ``tau`` and ``sigma``, the scale of a
        half-normal, by default 5. If every level has its own τ, ``tau`` may be a list of K. A default that is
        far from the measurements is refused: see Raises. ``nu``, shape and rate of a gamma density, if ν is
        unknown. Counts have no defaults, and priors of θ and τ only, for log rates or log odds.
    values
        The item of `data` that holds the measurements, or the counts.
    shared_tau
        Whether all levels have the same τ; if not, each has its own.
    weight
        Not for `tree_marginal`: how the nodes are moved, from 0, noncentered, to 1, centered. One number; or
        a list of K entries, one for each level, each a number or an array with one for each node of the
        level.
    write_nodes
        Whether the programs write every node with every draw, as ``node[1]``, ``node[2]``, …
    likelihood
        ``"normal"``; ``"student_t"``, for measurements with outliers; ``"poisson"``, for counts, over
        ``exposure`` of the data if it is there; or ``"binomial"``, for successes of ``trials`` of the data.
    nu
        The degrees of freedom of Student's t, if they are known.

    Returns
    -------
    dict
        ``K``, the number of levels; ``J`` (K), nodes of each level; ``parent``, of every node, 0 standing
        for the population; of every leaf ``n``, the number of its measurements, ``y_mean``, their mean, and
        ``y_squares``, the sum of their squared distances from it; ``weight`` of every node; ``shared_tau``
        and ``write_nodes`` (0 or 1); ``prior_theta`` (2), ``prior_tau`` (1, or K), ``prior_sigma``. Other
        likelihoods have, in place of ``n`` and the two after it, what ``stan/tree_family.stan`` names.

    Raises
    ------
    TypeError
        If `data` or `prior` is not a dictionary.
    ValueError
        If an item of `data` is missing or malformed, a prior is, or a weight, or if `shared_tau` or
        `write_nodes` is neither true nor false. The message names the item, the node or the level, and the
        remedy. If a prior is not given, and that of the lessons does not suit the measurements: their mean is
        more than 1.5 sds from θ's, or their sd is above 3 scales of the spreads or below a twentieth. If
        counts have no prior, or are no counts; if ν is given twice, or not. The message has the line to
        write.

    Examples
    --------
    >>> two_levels = {"J_1": 2, "J_2": 3, "index_1": [1, 2, 2], "index_2": [1, 1, 2, 3], "y": [9, 11, 9, 8]}
    >>> flat = tree_data(two_levels)
    >>> flat["J"].tolist(), flat["parent"].tolist(), flat["n"].tolist(), flat["y_mean"].tolist()
    ([2, 3], [0, 0, 1, 2, 2], [2, 1, 1], [10.0, 9.0, 8.0])
    >>> plates = {"J_1": 2, "index_1": [1, 1, 2], "grown": [3, 8, 0], "trials": [8, 8, 7]}
    >>> prior = {"theta": (0, 1.5), "tau": 1}
    >>> flat = tree_data(plates, prior, values="grown", likelihood="binomial")
    >>> flat["count"].tolist(), flat["trials"].tolist()
    ([11, 0], [16, 7])
    """
    tree = read_measurements(data, values, likelihood, nu, prior)
    shared_tau, write_nodes = as_bool(shared_tau, "shared_tau"), as_bool(write_nodes, "write_nodes")
    K = len(tree.sizes)
    first = np.cumsum([0, *tree.sizes])  # nodes above each level
    theta, taus, sigma = read_prior(prior, 1 if shared_tau else K, likelihood)
    scales = [*(("tau", tau) for tau in taus), *([] if likelihood in SIZE else [("sigma", sigma)])]
    for name, scale in scales:
        if not (is_number(scale) and scale > 0):
            raise ValueError(
                f"prior of {name} is {short_repr(scale)}: give the scale of a half-normal, above 0"
            )
    if likelihood not in SIZE:
        refuse_conflict(prior, tree.y)
    below = [parent + 1 + first[k] for k, parent in enumerate(tree.parents)]
    return {
        "K": K,
        "J": np.array(tree.sizes),
        "parent": np.concatenate([np.zeros(tree.sizes[0], dtype=np.int64), *below]),
        **program_data(tree, likelihood),
        "weight": _weights(weight, tree.sizes),
        "shared_tau": int(shared_tau),
        "write_nodes": int(write_nodes),
        "prior_theta": np.array(theta),
        "prior_tau": np.array(taus, dtype=float),
        "prior_sigma": 1.0 if likelihood in SIZE else float(sigma),
    }


def unflatten(samples: xr.DataTree, flat: Mapping) -> xr.DataTree:
    """Name what the programs for any depth write as the programs for three levels do.

    Parameters
    ----------
    samples
        What `arviz.from_cmdstanpy` gives for a fit of `tree`, `tree_marginal` or `tree_family`.
    flat
        The dictionary that was fitted; see `tree_data`.

    Returns
    -------
    xarray.DataTree
        A copy in which ``tau`` is one number if all levels share it, ``sigma`` and ``nu`` are one number or,
        if the likelihood has none, left out, and ``node``, if it was written, is split into ``theta_1`` …
        ``theta_K``, with indices from 1: what `score`, `funnel` and `ExactPosterior` know by these names.

    Raises
    ------
    TypeError
        If the samples are not what ArviZ gives, or the data no dictionary.
    ValueError
        If the samples have no τ or another number of nodes or of τ than the data, or if these are not of
        `tree_data`.
    """
    posterior = posterior_of(samples)
    if not isinstance(flat, Mapping):
        raise TypeError(f"flat is {describe_type(flat)}: give the dictionary of helpers.tree_data")
    for name in ("shared_tau", "J"):
        if name not in flat:
            raise ValueError(f"no {name!r} in the data: give the dictionary of helpers.tree_data")
    shared, J = as_bool(flat["shared_tau"], "shared_tau"), as_list(flat["J"])
    if not J or not all(is_whole(size, 1) for size in J):
        raise ValueError(f"'J' is {short_repr(flat['J'])}: give the dictionary of helpers.tree_data")
    if "tau" not in posterior:
        raise ValueError("the samples have no 'tau': give those of tree, tree_marginal or tree_family")
    named = posterior.to_dataset()
    tau = named["tau"]
    found, wanted = int(np.prod(tau.shape[2:])), 1 if shared else len(J)
    if found != wanted:
        raise ValueError(f"the samples have {found} τ, the data {wanted}: give the data of the fit")
    if shared:
        named = named.drop_vars("tau").assign(tau=tau.squeeze(tau.dims[2:], drop=True))
    for name in ("sigma", "nu"):
        if name in named and named[name].ndim > 2:
            one = named[name]
            named = named.drop_dims(one.dims[2:])
            named = named.assign({name: one[:, :, 0].drop_vars(one.dims[2:])}) if one.size else named
    if "node" in named:
        node = named["node"].transpose("chain", "draw", ...).values
        if node.shape[2:] != (sum(J),):
            nodes = int(np.prod(node.shape[2:]))
            raise ValueError(f"the samples have {nodes} nodes, the data {sum(J)}: give the data of the fit")
        levels = np.split(node, np.cumsum(J)[:-1], axis=2)
        named = named.drop_dims(set(named["node"].dims) - {"chain", "draw"})
        for k, level in enumerate(levels, start=1):
            dim = f"theta_{k}_dim_0"
            named[f"theta_{k}"] = (("chain", "draw", dim), level)
            named = named.assign_coords({dim: np.arange(1, level.shape[2] + 1)})
    out = samples.copy()
    out["posterior"] = xr.DataTree(named)
    return out


def posterior_of(samples) -> xr.DataTree:
    """Take the group ``posterior``, with its chains and draws, or refuse what has none."""
    if not isinstance(samples, xr.DataTree) or "posterior" not in samples.children:
        what = (
            "have no group 'posterior'"
            if isinstance(samples, xr.DataTree)
            else f"are {describe_type(samples)}"
        )
        raise TypeError(f"the samples {what}: give what arviz.from_cmdstanpy(fit) gives")
    posterior = samples["posterior"]
    for dim in ("chain", "draw"):
        if not posterior.sizes.get(dim):
            raise ValueError(f"the samples have no {dim}: give what arviz.from_cmdstanpy(fit) gives")
    return posterior


def draws(tree, name: str) -> np.ndarray:
    """All draws of one parameter, chain after chain.

    Parameters
    ----------
    tree
        What `arviz.from_cmdstanpy` gives.
    name
        As in the Stan program, with indices from 1: ``"tau"``, ``"theta_3[6]"``.

    Returns
    -------
    numpy.ndarray, shape (chains * draws,)

    Raises
    ------
    TypeError
        If the tree is not what ArviZ gives.
    ValueError
        If there is no such parameter, or the name is not one of a single number.
    """
    variable, index = parse_name(name)
    posterior = posterior_of(tree)
    if variable not in posterior.data_vars:
        near, there = did_you_mean(variable, posterior.data_vars), ", ".join(map(str, posterior.data_vars))
        raise ValueError(f"no {variable!r}{near}; the posterior has {there}")
    values = posterior[variable].transpose("chain", "draw", ...).to_numpy()
    sizes = values.shape[2:]
    if len(index) != len(sizes):
        one = f"'{variable}{[1] * len(sizes)}'" if sizes else f"{variable!r}"
        raise ValueError(f"{variable!r} has {values[0, 0].size} entries: ask for one, such as {one}")
    for i, size in zip(index, sizes, strict=True):
        if not 1 <= i <= size:
            raise ValueError(f"no {name!r}: its index runs from 1 to {size}")
    return values[(..., *(i - 1 for i in index))].ravel()


def parse_name(name: str) -> tuple[str, list[int]]:
    """Take ``theta_1[2]`` apart, into the variable and its indices."""
    match = re.fullmatch(r"(\w+)(?:\[(\d+(?:,\s*\d+)*)\])?", name) if isinstance(name, str) else None
    if not match:
        raise ValueError(f"name is {short_repr(name)}: write tau or theta_1[2]")
    return match[1], [int(i) for i in match[2].split(",")] if match[2] else []


def _weights(weight, sizes: list[int]) -> np.ndarray:
    """Write out the weight of every node."""
    given = as_list(weight)
    levels = [weight] * len(sizes) if given is None else given
    if len(levels) != len(sizes):
        raise ValueError(f"weight has length {len(levels)}: give one number, or {len(sizes)}, one per level")
    nodes = []
    for k, (given, size) in enumerate(zip(levels, sizes, strict=True), start=1):
        w = as_floats(given, f"weight of level {k}")
        if w.shape not in ((), (size,)):
            raise ValueError(f"weight of level {k} has shape {w.shape}: give one number, or {size}")
        nodes.append(np.broadcast_to(w, size))
        bad = ~((nodes[-1] >= 0) & (nodes[-1] <= 1))
        if bad.any():
            i = bad.argmax()
            raise ValueError(f"weight of node {i + 1} of level {k} is {nodes[-1][i]}: give 0 to 1")
    return np.concatenate(nodes)
