"""Groups of `stan_data`: nodes of a tree, which are paths of labels, and factors, whose groups are labels."""

from itertools import combinations

import numpy as np
import polars as pl

from helpers.predictors import same_everywhere
from helpers.remarks import about_missing, about_nesting, about_spelling


def number_groups(
    df: pl.DataFrame, levels: list[str], crossed: list[str], remark: bool
) -> tuple[list[np.ndarray], list[np.ndarray], list[str]]:
    """Give numbers to the groups of levels and of crossed factors, and remark on what may not be meant.

    Returns
    -------
    parents : list of arrays, shape (J_k,)
        Of every node of level k its parent in level k - 1, from 1.
    groups : list of arrays, shape (N,)
        Of every row its node of every level, then its group of every crossed factor, from 1.
    remarks : list of str
        What may not be meant; none without `remark`.
    """
    # Level by level, a node is a pair (parent, label). Ranks stand in for the labels, so that a pair fits
    # in one whole number, below N², and sorting the numbers sorts the paths.
    parents, groups, remarks, misspelt = [], [], [], False
    node = np.zeros(df.height, dtype=np.int64)
    for k, name in enumerate([*levels, *crossed], start=1):
        labels = df[name].unique().sort()
        ranks = pl.int_range(len(labels), eager=True)
        rank = df[name].replace_strict(labels, ranks, return_dtype=pl.Int64).to_numpy()
        spelling = about_spelling(labels) if remark else []
        remarks += [*about_missing(df[name], labels), *spelling] if remark else []
        if k > len(levels):
            groups.append(rank + 1)
            continue
        pairs, node = _distinct(node * len(labels) + rank)
        parent, rank = np.divmod(pairs, len(labels))
        misspelt |= bool(spelling)
        if remark and not misspelt:  # or else the tree is not the one that is meant
            remarks += about_nesting(levels, k, parent, rank, labels)
        parents.append(parent + 1)
        groups.append(node + 1)
    return parents, groups, remarks


def check_factors(df: pl.DataFrame, names: list[str], K: int, groups: list[np.ndarray]) -> None:
    """Refuse factors, of which K are levels, whose effects cannot be told from theta or from each other."""
    sizes = [group.max() for group in groups]
    for name, size in zip(names, sizes, strict=True):
        if size == 1:
            raise ValueError(same_everywhere(df[name]))
    for a, b in combinations(range(len(names)), 2):
        if b >= K and sizes[a] == sizes[b]:
            pairs, _ = _distinct((groups[a] - 1) * sizes[b] + groups[b] - 1)
            if len(pairs) == sizes[a]:
                raise ValueError(
                    f"column {names[b]!r} names the same groups as {names[a]!r}, so their effects cannot be "
                    "told apart: leave one out"
                )


def _distinct(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the distinct keys, sorted, and the place of each key: `numpy.unique`, faster if keys are small."""
    if (top := keys.max()) > 4 * len(keys):
        return np.unique(keys, return_inverse=True)
    seen = np.zeros(top + 1, dtype=bool)
    seen[keys] = True
    return np.flatnonzero(seen), (np.cumsum(seen) - 1)[keys]
