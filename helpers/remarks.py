"""What in a table of groups is no mistake, but may not be meant: `stan_data` warns of it, and goes on.

The page "Your data" has the same rules; `tests/book/test_your_data.py` compares them.
"""

import re

import numpy as np
import polars as pl

from helpers.inputs import MISSING


def about_missing(column: pl.Series, labels: pl.Series) -> list[str]:
    """Remark on a label that means a missing one, given all rows of a level and its different labels."""
    missing = [text for text in _texts(labels) if text.strip() in MISSING]
    if not missing:
        return []
    name, row = repr(column.name), column.cast(pl.String).is_in(missing).arg_max()
    label = repr(column[row])
    return [
        f"column {name} has {label} in row {row}, which makes a group of that name: if the label is missing, "
        f"name its group, or drop such rows with df = df.filter(pl.col({name}) != {label})"
    ]


def about_spelling(labels: pl.Series) -> list[str]:
    """Remark on labels that look alike, given the different labels of a level."""
    seen = {}
    for text in _texts(labels):
        seen.setdefault(re.sub(r"\s+", " ", text.strip()).casefold(), []).append(text)
    alike = [group for group in seen.values() if len(group) > 1]
    if not alike:
        return []
    *others, last = map(repr, alike[0])
    more = f", and {len(alike) - 1} more such labels" if len(alike) > 1 else ""
    name, one = repr(labels.name), r".str.replace_all(r'\s+', ' ').str.strip_chars().str.to_lowercase()"
    return [
        f"column {name} has {', '.join(others)} and {last}{more}: they differ only in spaces or case, and "
        "are different groups; if they are meant to be one, "
        f"df = df.with_columns(pl.col({name}).cast(pl.String){one})"
    ]


def _texts(labels: pl.Series) -> list[str]:
    """List the labels that are text."""
    is_text = labels.dtype == pl.String or isinstance(labels.dtype, pl.Categorical | pl.Enum)
    return labels.cast(pl.String).to_list() if is_text else []


def about_nesting(
    levels: list[str], k: int, parent: np.ndarray, rank: np.ndarray, labels: pl.Series
) -> list[str]:
    """Remark on groups of level k, from 1, that may not be nested in those of level k - 1.

    Parameters
    ----------
    levels
        Names of all levels.
    k
        Number of a level.
    parent, rank : array, shape (J_k,)
        Of every group its parent and its place among `labels`, both from 0, sorted.
    labels
        The different labels of the level.
    """
    groups, parents = len(parent), parent[-1] + 1
    if parents == 1:
        return []
    level, above = levels[k - 1], levels[k - 2]
    if groups == parents:
        cause = (
            "if it is the outer level, name it first"
            if 1 < len(labels) < groups
            else "if it names the same groups again, leave it out"
        )
        return [f"level {k} ({level!r}) has as many groups as level {k - 1} ({above!r}), {groups}: {cause}"]
    everywhere = len(labels) > 1 and groups == parents * len(labels)
    shared = np.count_nonzero(np.bincount(rank) > 1)
    if everywhere or (2 * shared > len(labels) and not _are_numbered(parent, rank, labels)):
        under = f"every {above!r}" if everywhere else f"more than one {above!r}"
        label = labels[int(rank[np.bincount(rank)[rank] > 1][0])]
        return [
            f"labels of {level!r} stand under {under}: if {label!r} is the same thing in all of them, "
            f"{level!r} crosses the levels above: give it as crossed={level!r} (lesson 8); a nested model "
            "does not describe that"
        ]
    return []


def _are_numbered(parent: np.ndarray, rank: np.ndarray, labels: pl.Series) -> bool:
    """Tell whether the groups within every parent are numbered from 1, without a gap."""
    numbers = labels.cast(pl.String, strict=False).cast(pl.Float64, strict=False)
    numbers = numbers.fill_null(-1).fill_nan(-1).to_numpy()[rank]  # "NaN" is a text like another
    highest = np.zeros(parent[-1] + 1)
    np.maximum.at(highest, parent, numbers)
    whole = (numbers >= 1) & (numbers == np.floor(numbers))
    return bool(whole.all() and (highest == np.bincount(parent)).all())
