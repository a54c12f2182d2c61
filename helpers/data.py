"""Our cells, the tables of the lessons, and the dictionary that a hierarchical Stan program reads."""

import os
import re
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from helpers.groups import check_factors, number_groups
from helpers.inputs import RESERVED, as_bool, as_numbers, check_frame, check_labels, column_names, short_repr
from helpers.likelihoods import SIZE, count_problem
from helpers.predictors import design
from helpers.priors import TABLE, table_lines


def level_names(text: str) -> list[str]:
    """Read the names of the three levels, outermost first, from the first line of a table without a ``#``.

    Raises
    ------
    ValueError
        If there are not three and then ``y``, or if one is not a plain name.
    """
    columns = next(iter(table_lines(text).values()), "").split(",")
    names = [re.fullmatch("[A-Za-z][A-Za-z0-9_]*", column) for column in columns]
    if len(set(columns)) != 4 or columns[3] != "y" or not all(names):
        raise ValueError(
            f"measurements.csv has the columns {short_repr(','.join(columns))}: name three levels, outermost "
            "first, by letters, digits and _, then y, with commas between, as in day,batch,colony,y"
        )
    return columns[:3]


LEVELS = level_names(TABLE)  # of our cells


def measurements() -> pl.DataFrame:
    """Read the numbers of the course, "our cells": the story is a reporter of gene expression in *E. coli*.

    Justin Bois made them up for his course BE/Bi 103 b at Caltech (bebi103b.github.io, CC BY 4.0). They stand
    in ``helpers/measurements.csv``, which an instructor may replace: then this is what stands there.

    Returns
    -------
    polars.DataFrame
        One row per cell (47), days in calendar order: ``day`` (text), ``batch`` within the day and
        ``colony`` within the batch (whole numbers from 1), and ``y``, fluorescence in arbitrary units.

    Raises
    ------
    ValueError
        If an entry of ``y`` is not a finite number; the message names its line in the file.

    Examples
    --------
    >>> measurements().head(1).row(0)
    ('monday', 1, 1, 11.4)
    """
    lines = table_lines(TABLE)
    text = "\n".join(lines.values())
    # Read as text, a bad entry can be shown as it stands in the file.
    df = pl.read_csv(text.encode(), infer_schema_length=None, schema_overrides={"y": pl.String})
    y = df["y"].str.strip_chars().cast(pl.Float64, strict=False)
    bad = ~y.is_finite().fill_null(False)
    if bad.any():
        row = bad.arg_max()
        raise ValueError(
            f"line {[*lines][row + 1]} of helpers/measurements.csv has {df['y'][row] or ''!r} in y: give a "
            "number, or leave the line out"
        )
    return df.with_columns(y)


def table_file(name: str | os.PathLike) -> Path:
    """Path of a table that a lesson reads.

    Parameters
    ----------
    name : str or path
        Name of a table, such as ``"seeds.csv"``. It is looked up in the working directory, then in the folder
        ``lessons`` there, then in that of the course from which `helpers` is imported.

    Returns
    -------
    pathlib.Path
        The table, which exists.

    Raises
    ------
    FileNotFoundError
        If there is no such table; the message says where the notebook runs, and where it should.
    TypeError
        If `name` is neither text nor a path.
    """
    if not isinstance(name, str | os.PathLike):
        raise TypeError(f"name is {short_repr(name)}: give the name of a table, such as 'seeds.csv'")
    here = Path.cwd()
    for folder in (
        here,
        here / "data",
        here / "lessons" / "data",
        Path(__file__).resolve().parents[1] / "lessons" / "data",
    ):
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(
        f"no table {str(name)!r} in {here}: go to the folder of the lessons first, as with %cd course/lessons"
    )


def stan_data(
    df: pl.DataFrame,
    levels: str | Sequence[str] | None = None,
    values: str | Sequence[str] | None = None,
    remark: bool = True,
    trials: str | None = None,
    exposure: str | None = None,
    predictors: str | Sequence[str] | None = None,
    crossed: str | Sequence[str] | None = None,
    center: bool = False,
    scale: bool = False,
) -> tuple[dict[str, int | np.ndarray], pl.DataFrame]:
    """Turn a tidy frame into the data of a hierarchical Stan program.

    A node of the tree is a path of labels: batch 1 of monday is not batch 1 of thursday. Nodes are numbered
    from 1 in the sorted order of their paths; rows are sorted likewise, and keep their order within a leaf.
    A group of a crossed factor is a label: drug A is the same on every plate.

    Parameters
    ----------
    df
        One row per observation. It is not modified.
    levels
        The K columns that label the groups, outermost first. Labels sort as polars sorts them: text by
        character, so "thursday" before "wednesday"; a `polars.Enum` in the order of its categories.
    values
        The columns of measured numbers. Each is passed to Stan under its own name.
    remark
        Whether to print what one unit of each slope is, and to warn of what may not be meant; see below.
    trials, exposure
        One of them, if `values` is one column of counts: the column with the number of trials, of which the
        counts are the successes; or that with what was counted over, such as hours or areas.
    predictors
        The P columns that slopes belong to. Numbers stay as they stand. Of two labels (text, categories,
        booleans) the first in sorted order becomes 0, the other 1.
    crossed
        The columns of labels that cross the levels or, without `levels`, each other.
    center, scale
        Whether to take the mean from predictors of numbers, and to divide them by their standard deviation.

    Returns
    -------
    data : dict
        ``N``, the number of observations, and ``J_1`` … ``J_K``, the number of nodes of each level (int);
        ``index_1`` … ``index_{K-1}``, where ``index_k`` holds the parent, in level k, of every node of
        level k + 1, and ``index_K`` the leaf of every observation, counted from 1 (int64 arrays); and an
        array of length N for each of `values`, whole numbers and booleans as int64, others as float64. With
        `trials` or `exposure` the counts are int64, and an item of that name, whatever its column is called,
        has the trials (int64) or the exposures (float64). With `predictors` also ``P`` (int) and ``X``
        (float64 array, N × P). With `crossed` always these two and, in place of ``J_k`` and ``index_k``,
        ``F``, the number of factors, first the levels, then those crossed (int); ``J``, the number of groups
        of each (int64 array); and ``index``, the groups of every observation (int64 array, F × N).
    labelled : polars.DataFrame
        The rows in the order of the arrays, with the node numbers ``<level>_stan`` (Int64) of every
        level and crossed factor added. Columns of that name from an earlier call are replaced.

    Raises
    ------
    TypeError
        If `df` is not a polars DataFrame.
    ValueError
        If there are no rows, groups or values; if a column is missing or named twice; if a value has a name
        that Stan does not allow or the dictionary uses; if a label is missing; if a value or predictor is
        missing, infinite or not a number; if a count is a fraction, below 0 or above its trials, trials are
        below 1, or an exposure is not above 0; if a predictor has more than two labels; if it or a factor is
        the same in all rows, or two factors have the same groups. The message names the column, the first
        bad row (from 0), and the remedy.

    Warns
    -----
    UserWarning
        If groups look crossed, not nested: the same labels stand under every parent, or most of them under
        more than one, unless these just count from 1. If a level has as many groups as the one above: it
        stands in the wrong place, or names the same groups again. If a label means a missing one, such as
        "NA". If labels differ only in spaces or case; then nothing is said of levels from there on.

    Examples
    --------
    >>> df = pl.DataFrame({"day": ["wed", "mon", "wed"], "batch": [1, 1, 2], "y": [0.5, 1.5, 2.5]})
    >>> data, labelled = stan_data(df, levels=["day", "batch"], values="y")
    >>> data["J_1"], data["J_2"], data["index_1"], data["y"]
    (2, 3, array([1, 2, 2]), array([1.5, 0.5, 2.5]))
    >>> labelled["batch_stan"].to_list()
    [1, 2, 3]
    >>> df = pl.DataFrame({"plate": ["a", "a", "b"], "grown": [3, 8, 0], "sown": [8, 8, 7]})
    >>> data, _ = stan_data(df, levels="plate", values="grown", trials="sown")
    >>> data["grown"], data["trials"]
    (array([3, 8, 0]), array([8, 8, 7]))
    >>> df = pl.DataFrame({"plate": [*"abab"], "drug": [*"XXYY"], "dose": [1, 2, 3, 4], "y": [5, 6, 8, 9]})
    >>> data, _ = stan_data(df, levels="plate", values="y", predictors="dose", center=True)
    beta[1]: change of y per 1 of dose, counted from its mean 2.5
    >>> data["X"][:, 0]
    array([-1.5,  0.5, -0.5,  1.5])
    >>> data, _ = stan_data(df, values="y", crossed=["plate", "drug"])
    >>> data["J"], data["index"].tolist()
    (array([2, 2]), [[1, 2, 1, 2], [1, 1, 2, 2]])
    """
    predictors = [] if predictors is None else column_names(predictors, "predictors")
    crossed = [] if crossed is None else column_names(crossed, "crossed")
    levels = [] if levels is None and crossed else column_names(levels, "levels")
    values, factors = column_names(values, "values"), [*levels, *crossed]
    sizes = _size_column(values, {"trials": trials, "exposure": exposure}, bool(predictors or crossed))
    check_frame(df, factors, [*values, *sizes.values(), *predictors])
    _check_value_names(values, len(levels), list(sizes), bool(predictors), bool(crossed))
    remark, center, scale = as_bool(remark, "remark"), as_bool(center, "center"), as_bool(scale, "scale")
    if (center or scale) and not predictors:
        raise ValueError(f"{'center' if center else 'scale'} is True without predictors: leave it out")
    for name in factors:
        check_labels(df[name])
    numbers = {value: as_numbers(df[value]) for value in values}
    for size, column in sizes.items():
        numbers = _counts(size, numbers[values[0]], as_numbers(df[column]))
    X, slopes = design(df, predictors, values, center, scale)
    parents, groups, remarks = number_groups(df, levels, crossed, remark)
    if crossed:
        check_factors(df, factors, len(levels), groups)
    for text in remarks:
        warnings.warn(f"{text} (remark=False, if it is as you mean it)", stacklevel=2)
    if slopes and remark:
        print(*slopes, sep="\n")

    leaf = groups[len(levels) - 1] if levels else np.zeros(df.height, dtype=np.int64)
    # With the row in it every key is different: a stable order from numpy's fastest, unstable sort.
    order = np.sort(leaf * df.height + np.arange(df.height)) % df.height
    data = {"N": df.height}
    if crossed:
        data |= {"F": len(groups), "J": np.max(groups, axis=1), "index": np.array(groups)[:, order]}
    else:
        data |= {f"J_{k}": len(parent) for k, parent in enumerate(parents, start=1)}
        data |= {f"index_{k}": index for k, index in enumerate([*parents[1:], groups[-1][order]], start=1)}
    if predictors or crossed:
        data |= {"P": len(predictors), "X": X[order]}
    data |= {value: x.to_numpy()[order] for value, x in numbers.items()}
    stan = [pl.Series(f"{name}_stan", group[order]) for name, group in zip(factors, groups, strict=True)]
    return data, df[order].with_columns(stan)


def _size_column(values: list[str], given: dict, normal: bool) -> dict[str, str]:
    """Give the column of trials, or of exposures, by the name of its item; empty if there is none."""
    sizes = {item: column for item, column in given.items() if column is not None}
    if len(sizes) > 1:
        raise ValueError(
            "trials and exposure are given: name trials for successes, exposure for other counts"
        )
    for item, column in sizes.items():
        if normal:
            raise ValueError(
                f"{item} is for counts, predictors and crossed are for normal numbers: leave one out"
            )
        if not isinstance(column, str):
            own = f"name the column that has them, as with df = df.with_columns({item}=pl.lit(8))"
            raise ValueError(f"{item} is {short_repr(column)}: {own}")
        if len(values) > 1:
            raise ValueError(f"values has {len(values)} columns: with {item} give one, that of the counts")
    return sizes


def _counts(item: str, counts: pl.Series, sizes: pl.Series) -> dict[str, pl.Series]:
    """Give the counts, and their trials or exposures, by name of their item, or refuse the first bad row."""
    likelihood = next(name for name, size in SIZE.items() if size == item)
    found = count_problem(counts.to_numpy(), sizes.to_numpy(), likelihood)
    if found:
        at_size, row, remedy = found
        column = sizes if at_size else counts
        raise ValueError(f"column {column.name!r} is {column[row]} in row {row}: {remedy}")
    return {
        counts.name: counts.cast(pl.Int64),
        item: sizes.cast(pl.Int64 if item == "trials" else pl.Float64),
    }


def _check_value_names(values: list[str], K: int, sizes: list[str], predictors: bool, crossed: bool) -> None:
    """Refuse names that Stan does not allow, and those that the dictionary needs itself."""
    tree = [f"{item}_{k + 1}" for item in ("J", "index") for k in range(K)]
    taken = [*sizes, "N", *(["F", "J", "index", "centered"] if crossed else tree)]
    if predictors or crossed:
        taken += ["P", "X", *(f"prior_{name}" for name in ("theta", "beta", "tau", "rho", "sigma"))]
    for value in values:
        problem = None
        if value in taken:
            problem = f"would overwrite {value} of the dictionary: rename it"
        elif value in RESERVED.split() or value.endswith(("_lupdf", "_lupmf")):
            problem = "has a name that Stan reserves: rename it"
        elif not re.fullmatch("[A-Za-z][A-Za-z0-9_]*", value) or value.endswith("__"):
            problem = "has a name Stan does not allow: rename it (a-z, A-Z, 0-9, _; letter first, no __ last)"
        if problem:
            raise ValueError(f"value column {value!r} {problem}")
