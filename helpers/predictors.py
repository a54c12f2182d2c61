"""Predictors of `stan_data`: numbers as they stand, two labels as 0 and 1, and what one unit of slope is."""

from math import floor, log10

import numpy as np
import polars as pl

from helpers.inputs import LARGE, as_numbers, check_labels

LABELS = (pl.String, pl.Enum, pl.Categorical, pl.Boolean)
_NUMBER = r"^\s*[-+<>]?[0-9.,]+\s*%?\s*$"  # as people write numbers, right or wrong


def same_everywhere(column: pl.Series) -> str:
    """Say that a column has the same entry in all rows, and what to do about it."""
    entry = column[0] if column.dtype.is_numeric() else repr(column[0])
    return f"column {column.name!r} is {entry} in all rows, so there is nothing to compare: leave it out"


def design(
    df: pl.DataFrame, predictors: list[str], values: list[str], center: bool, scale: bool
) -> tuple[np.ndarray, list[str]]:
    """Make the matrix of predictors, shape (N, P), and for each a line with what one unit of its slope is."""
    X, lines = np.empty((df.height, len(predictors))), []
    change = f"change of {values[0]}" if len(values) == 1 else "change"
    for p, name in enumerate(predictors):
        column = df[name]
        X[:, p], per = _coded(column) if column.dtype in LABELS else _measured(column, center, scale)
        lines.append(f"beta[{p + 1}]: {change} {per}")
    return X, lines


def _coded(column: pl.Series) -> tuple[np.ndarray, str]:
    """Give 0 for the first of two labels and 1 for the other; refuse one label, or more than two."""
    check_labels(column)
    name, labels = repr(column.name), column.unique().sort()
    if len(labels) == 1:
        raise ValueError(same_everywhere(column))
    if len(labels) > 2:
        if column.dtype == pl.String and labels.str.contains(_NUMBER).mean() > 0.5:
            as_numbers(column)  # which refuses text, and says how to make numbers of it
        some = ", ".join(map(repr, labels[:4])) + ", …" * (len(labels) > 4)
        one = f"(pl.col({name}) == one).cast(int).alias({column.name + '_'!r} + one)"
        raise ValueError(
            f"column {name} has {len(labels)} labels ({some}), and a predictor can have two: name a column "
            "of 0 and 1 for each but one, "
            f"df = df.with_columns({one} for one in df[{name}].unique().sort()[1:])"
        )
    first, other = (str(label) if str(label).isprintable() else repr(label) for label in labels)
    words = f"from {first} to {other} ({column.name}: {first} is 0, {other} is 1)"
    return (column == labels[1]).to_numpy().astype(float), words


def _measured(column: pl.Series, center: bool, scale: bool) -> tuple[np.ndarray, str]:
    """Give numbers as they stand, or less their mean, or divided by their standard deviation."""
    x = as_numbers(column).cast(pl.Float64).to_numpy()
    row = np.abs(x).argmax()
    if x.min() == x.max():
        raise ValueError(same_everywhere(column))
    if abs(x[row]) > LARGE or np.ptp(x) < 1 / LARGE:
        raise ValueError(f"column {column.name!r} is {x[row]} in row {row}: use another unit of measurement")
    mean, sd = x.mean() if center else 0.0, x.std(ddof=1)
    # three digits of the sd, and as many decimals of the mean: a mean year is 2015.3, not 2020
    sd_text, mean_text = (f"{round(number, 2 - floor(log10(sd))) + 0.0:.12g}" for number in (sd, mean))
    words = f"per {sd_text} of {column.name} (its sd)" if scale else f"per 1 of {column.name}"
    return (x - mean) / (sd if scale else 1.0), words + f", counted from its mean {mean_text}" * center
