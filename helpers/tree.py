"""A tree of groups with normal measurements at its leaves: written flat, and messages along it."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np
import xarray as xr
from scipy.sparse import csr_array

from helpers.inputs import entries, flag, floats, is_number, is_whole, kind, nearest, shown
from helpers.priors import read_prior, refuse_conflict

_LARGE = 1e100  # beyond, squares and their sums are not to be had


def tree_data(
    data: Mapping,
    prior: Mapping | None = None,
    values: str = "y",
    shared_tau: bool = True,
    weight: float | Sequence = 0,
    write_nodes: bool = False,
) -> dict[str, int | float | np.ndarray]:
    """Write the same tree flat: the data of the Stan programs for any depth, `tree` and `tree_marginal`.

    Nodes of all levels are counted through, level by level from the top: with 3 days and 8 batches, batch 1
    is node 4. What leaves were measured to be is summed up, so the dictionary is as long as the tree has
    nodes.

    Parameters
    ----------
    data
        The dictionary that `stan_data` gives, for any number of levels. Arrays may be lists. Not modified.
    prior
        Priors that differ from those of the lessons, in the unit of the measurements: ``theta``, mean and
        standard deviation of its normal prior, by default (10, 3); ``tau`` and ``sigma``, the scale of a
        half-normal, by default 5. If every level has its own τ, ``tau`` may be a list of K. A default that is
        far from the measurements is refused: see Raises.
    values
        The item of `data` that holds the measurements.
    shared_tau
        Whether all levels have the same τ; if not, each has its own.
    weight
        For `tree` only: how the nodes are moved, from 0, noncentered, to 1, centered. One number; or a list
        of K entries, one for each level, each a number or an array with one for each node of the level.
    write_nodes
        Whether the programs write every node with every draw, as ``node[1]``, ``node[2]``, …

    Returns
    -------
    dict
        ``K``, the number of levels; ``J`` (K), nodes of each level; ``parent``, of every node, 0 standing
        for the population; of every leaf ``n``, the number of its measurements, ``y_mean``, their mean, and
        ``y_squares``, the sum of their squared distances from it; ``weight`` of every node; ``shared_tau``
        and ``write_nodes`` (0 or 1); ``prior_theta`` (2), ``prior_tau`` (1, or K), ``prior_sigma``.

    Raises
    ------
    TypeError
        If `data` or `prior` is not a dictionary.
    ValueError
        If an item of `data` is missing or malformed, a prior is, or a weight, or if `shared_tau` or
        `write_nodes` is neither true nor false. The message names the item, the node or the level, and the
        remedy. If a prior is not given, and that of the lessons does not suit the measurements: their mean is
        more than 1.5 sds from θ's, or their sd is above 3 scales of the spreads or below a twentieth. The
        message has the line to write.

    Examples
    --------
    >>> two_levels = {"J_1": 2, "J_2": 3, "index_1": [1, 2, 2], "index_2": [1, 1, 2, 3], "y": [9, 11, 9, 8]}
    >>> flat = tree_data(two_levels)
    >>> flat["J"].tolist(), flat["parent"].tolist(), flat["n"].tolist(), flat["y_mean"].tolist()
    ([2, 3], [0, 0, 1, 2, 2], [2, 1, 1], [10.0, 9.0, 8.0])
    """
    sizes, parents, leaf, y, _ = _read(data, values, None)
    shared_tau, write_nodes = flag(shared_tau, "shared_tau"), flag(write_nodes, "write_nodes")
    K = len(sizes)
    first = np.cumsum([0, *sizes])  # nodes above each level
    n = np.bincount(leaf)
    mean = np.bincount(leaf, y) / n
    mean += np.bincount(leaf, y - mean[leaf]) / n  # the digits that a long sum loses
    theta, taus, sigma = read_prior(prior, 1 if shared_tau else K)
    for name, scale in [*(("tau", tau) for tau in taus), ("sigma", sigma)]:
        if not (is_number(scale) and scale > 0):
            raise ValueError(f"prior of {name} is {shown(scale)}: give the scale of a half-normal, above 0")
    refuse_conflict(prior, y)
    return {
        "K": K,
        "J": np.array(sizes),
        "parent": np.concatenate(
            [np.zeros(sizes[0], dtype=np.int64), *(parent + 1 + first[k] for k, parent in enumerate(parents))]
        ),
        "n": n,
        "y_mean": mean,
        "y_squares": np.bincount(leaf, (y - mean[leaf]) ** 2),
        "weight": _weights(weight, sizes),
        "shared_tau": int(shared_tau),
        "write_nodes": int(write_nodes),
        "prior_theta": np.array(theta),
        "prior_tau": np.array(taus, dtype=float),
        "prior_sigma": float(sigma),
    }


def unflatten(samples: xr.DataTree, flat: Mapping) -> xr.DataTree:
    """Name what the programs for any depth write as the programs for three levels do.

    Parameters
    ----------
    samples
        What `arviz.from_cmdstanpy` gives for a fit of `tree` or `tree_marginal`.
    flat
        The dictionary that was fitted; see `tree_data`.

    Returns
    -------
    xarray.DataTree
        A copy in which ``tau`` is one number if all levels share it, and ``node``, if it was written, is
        split into ``theta_1`` … ``theta_K``, with indices from 1: what `score`, `funnel` and
        `ExactPosterior` know by these names.

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
        raise TypeError(f"flat is {kind(flat)}: give the dictionary of helpers.tree_data")
    for name in ("shared_tau", "J"):
        if name not in flat:
            raise ValueError(f"no {name!r} in the data: give the dictionary of helpers.tree_data")
    shared, J = flag(flat["shared_tau"], "shared_tau"), entries(flat["J"])
    if not J or not all(is_whole(size, 1) for size in J):
        raise ValueError(f"'J' is {shown(flat['J'])}: give the dictionary of helpers.tree_data")
    if "tau" not in posterior:
        raise ValueError("the samples have no 'tau': give those of tree or tree_marginal")
    named = posterior.to_dataset()
    tau = named["tau"]
    found, wanted = int(np.prod(tau.shape[2:])), 1 if shared else len(J)
    if found != wanted:
        raise ValueError(f"the samples have {found} τ, the data {wanted}: give the data of the fit")
    if shared:
        named = named.drop_vars("tau").assign(tau=tau.squeeze(tau.dims[2:], drop=True))
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
        what = "have no group 'posterior'" if isinstance(samples, xr.DataTree) else f"are {kind(samples)}"
        raise TypeError(f"the samples {what}: give what arviz.from_cmdstanpy(fit) gives")
    posterior = samples["posterior"]
    for dim in ("chain", "draw"):
        if not posterior.sizes.get(dim):
            raise ValueError(f"the samples have no {dim}: give what arviz.from_cmdstanpy(fit) gives")
    return posterior


class Tree:
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
        self.y, self.errors = y, known
        self.shift = y.mean()
        weight = np.ones(self.N) if known is None else 1 / known**2
        self.precision = np.bincount(leaf, weight)[:, None]
        self.mean = np.bincount(leaf, weight * (y - self.shift))[:, None] / self.precision
        self.squares = weight @ (y - self.shift - self.mean[leaf, 0]) ** 2
        self.repeats = self.N - sizes[-1]
        self.constant = (np.log(weight).sum() - np.log(self.precision).sum()) / 2
        self.constant -= self.repeats * np.log(2 * np.pi) / 2

    def is_flat(self) -> bool:
        """Tell whether all measurements are equal."""
        return not self.squares and not np.ptp(self.mean)

    def guess(self, d: int, theta: tuple) -> np.ndarray:
        """Rough logarithms of the last d of the spreads; `theta` as in `up`."""
        rough = np.std(self.mean) or theta[1]
        within = np.sqrt(self.squares / self.repeats) if self.repeats and not self.known else rough
        sigma = np.sqrt(within * rough)  # no more than `rough`, if σ explains all; no less than `within`
        with np.errstate(divide="ignore"):  # in another unit than the priors' all this may be next to nothing
            return np.log([*[rough] * (d - (not self.known)), *[sigma] * (not self.known)])

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


def _weights(weight, sizes: list[int]) -> np.ndarray:
    """Write out the weight of every node."""
    given = entries(weight)
    levels = [weight] * len(sizes) if given is None else given
    if len(levels) != len(sizes):
        raise ValueError(f"weight has length {len(levels)}: give one number, or {len(sizes)}, one per level")
    nodes = []
    for k, (given, size) in enumerate(zip(levels, sizes, strict=True), start=1):
        w = floats(given, f"weight of level {k}")
        if w.shape not in ((), (size,)):
            raise ValueError(f"weight of level {k} has shape {w.shape}: give one number, or {size}")
        nodes.append(np.broadcast_to(w, size))
        bad = ~((nodes[-1] >= 0) & (nodes[-1] <= 1))
        if bad.any():
            i = bad.argmax()
            raise ValueError(f"weight of node {i + 1} of level {k} is {nodes[-1][i]}: give 0 to 1")
    return np.concatenate(nodes)


def _read(data: Mapping, values: str, sigma) -> tuple:
    """Check a dictionary such as `stan_data` gives: sizes, parents, leaves (from 0), values and errors."""
    if not isinstance(data, Mapping):
        raise TypeError(f"data is {kind(data)}: give the dictionary of helpers.stan_data")
    if not isinstance(values, str):
        raise ValueError(f"values is {shown(values)}: give the name of one item of the data, as text")
    for name in ("J_1", "index_1", values):
        if name not in data:
            near, there = nearest(name, data) if name == values else "", ", ".join(map(str, data))
            remedy = (
                "give values=..., the item of the measurements" if name == values else "see helpers.stan_data"
            )
            raise ValueError(f"no {name!r}{near} in the data, which has {there}: {remedy}")
    if sigma is None and "sigma" in data and values != "sigma":
        raise ValueError(
            "'sigma' of the data would not be used: if it holds known errors, helpers.exact_posterior takes "
            "them as sigma=data['sigma']; if not, leave it out of the data"
        )
    levels = data.keys() - {values}  # which may be called J_2 themselves
    K = next(k for k in range(1, len(data) + 1) if f"J_{k + 1}" not in levels)
    y = floats(data[values], repr(values))
    if y.ndim != 1 or not y.size:
        raise ValueError(f"{values!r} has shape {y.shape}: give at least one measurement, in one dimension")
    sizes = [y.size]
    for k in range(K, 0, -1):
        size = data[f"J_{k}"]
        size = size.item() if isinstance(size, np.ndarray) and size.ndim == 0 else size
        if not is_whole(size, 1):
            raise ValueError(f"'J_{k}' is {shown(size)}: give a whole number, 1 or more")
        sizes.insert(0, int(size))
    parents = []
    for k, (size, children) in enumerate(pairwise(sizes), start=1):
        name = f"index_{k}"
        index = floats(data.get(name, []), repr(name))
        if index.shape != (children,):
            raise ValueError(
                f"{name!r} has shape {index.shape}: give {children} numbers of nodes in level {k}"
            )
        bad = ~((index >= 1) & (index <= min(size, 2**53)) & (index == np.floor(index)))
        if bad.any():
            i = bad.argmax()
            raise ValueError(f"{name!r} is {index[i]:.16g} at position {i + 1}: give a node from 1 to {size}")
        parents.append(index.astype(np.int64) - 1)
        # with more nodes than children, one of the first of them has none
        childless = np.bincount(parents[-1], minlength=min(size, children + 1)) == 0
        if childless.any():
            raise ValueError(f"node {childless.argmax() + 1} of level {k} has nothing below it: leave it out")
    known = None if sigma is None else floats(sigma, "'sigma'")
    for name, x in [(values, y)] if known is None else [(values, y), ("sigma", known)]:
        if x.shape != y.shape:
            raise ValueError(f"{name!r} has shape {x.shape}: give one for each of the {y.size} measurements")
        bad = ~np.isfinite(x) | ((x <= 0) & (x is known))
        if bad.any():
            i = bad.argmax()
            raise ValueError(f"{name!r} is {x[i]} at position {i + 1}: give finite numbers, errors above 0")
        if (large := np.abs(x)).max() > _LARGE or (x is known and x.min() < 1 / _LARGE):
            i = large.argmax() if large.max() > _LARGE else x.argmin()
            raise ValueError(f"{name!r} is {x[i]} at position {i + 1}: use another unit of measurement")
    leaf = parents[-1]
    first = np.unique(leaf, return_index=True)[1]
    if known is None and y.size > len(first) and np.array_equal(y, y[first][leaf]):
        raise ValueError(
            f"the measurements {values!r} are equal within every group, so sigma may be as small as it "
            "likes and no posterior exists: give more digits, or one measurement for each group"
        )
    return sizes[:-1], parents[:-1], leaf, y, known
