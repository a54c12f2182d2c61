"""Simulated measurements of any nested design."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from helpers.inputs import as_list, as_rng, column_names, is_number, is_whole, short_repr

MOST_ROWS = 100_000_000  # rows that simulate makes: some gigabytes


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
