"""The measurements, imaginary measurements, and the dictionary that a hierarchical Stan program reads."""

import re
from collections.abc import Sequence
from importlib.resources import files

import numpy as np
import polars as pl

# The words of the Stan language, from the lists in the "Reserved names" section of its reference
# manual and the types added since. Names of C++ are absent: Stan renames those behind the scenes.
_STAN_WORDS = frozenset(
    "array auto break cholesky_factor_corr cholesky_factor_cov column_stochastic_matrix complex"
    " complex_matrix complex_row_vector complex_vector continue corr_matrix cov_matrix data else export"
    " extern false fatal_error for functions generated get_lp if in increment_log_prob int jacobian lower"
    " matrix model multiplier offset ordered parameters positive_ordered print profile quantities real"
    " reject repeat return row_stochastic_matrix row_vector simplex static struct sum_to_zero_matrix"
    " sum_to_zero_vector target then transformed true tuple typedef unit_vector until upper var vector"
    " void while".split()
)


def measurements() -> pl.DataFrame:
    """Read the measurements of the course: a reporter of gene expression in single *E. coli* cells.

    Returns
    -------
    polars.DataFrame
        One row per cell (47), in the order measured: ``day`` (text), ``batch`` within the day and
        ``colony`` within the batch (whole numbers from 1), and ``y``, fluorescence in arbitrary units.

    Examples
    --------
    >>> measurements().head(1).row(0)
    ('monday', 1, 1, 11.4)
    """
    schema = {"day": pl.String, "batch": pl.Int64, "colony": pl.Int64, "y": pl.Float64}
    return pl.read_csv(files(__package__).joinpath("measurements.csv").read_bytes(), schema=schema)


def stan_data(
    df: pl.DataFrame, levels: str | Sequence[str], values: str | Sequence[str]
) -> tuple[dict[str, int | np.ndarray], pl.DataFrame]:
    """Turn a tidy frame into the data of a hierarchical Stan program.

    A node of the tree is a path of labels: batch 1 of monday is not batch 1 of thursday. Nodes are
    numbered from 1 in sorted order of their paths, and rows are sorted likewise; rows of one leaf keep
    their order.

    Parameters
    ----------
    df
        One row per observation. It is not modified.
    levels
        The K columns that label the groups, outermost first. Labels sort as polars sorts them: text by
        character, so "thursday" before "wednesday"; a `polars.Enum` in the order of its categories.
    values
        The columns of measured numbers. Each is passed to Stan under its own name.

    Returns
    -------
    data : dict
        ``N``, the number of observations, and ``J_1`` … ``J_K``, the number of nodes of each level (int);
        ``index_1`` … ``index_{K-1}``, where ``index_k`` holds the parent, in level k, of every node of
        level k + 1 (length ``J_{k+1}``), and ``index_K`` the leaf of every observation (length N), all
        counted from 1 (int64 arrays); and an array of length N for each of `values`, whole numbers and
        booleans as int64, others as float64.
    labelled : polars.DataFrame
        The rows in the order of the arrays, with the node numbers ``<level>_stan`` (Int64) of every
        level added. Columns of that name from an earlier call are replaced.

    Raises
    ------
    TypeError
        If `df` is not a polars DataFrame.
    ValueError
        If there are no rows, levels or values; if a column is missing or named twice; if the name of a
        value is not one Stan allows, or would overwrite an item of the dictionary; if a label is
        missing; if a value is missing, infinite or not a number. The message names the column, the first
        bad row (from 0), and what to do.

    Examples
    --------
    >>> df = pl.DataFrame({"day": ["wed", "mon", "wed"], "batch": [1, 1, 2], "y": [0.5, 1.5, 2.5]})
    >>> data, labelled = stan_data(df, levels=["day", "batch"], values="y")
    >>> data["J_1"], data["J_2"], data["index_1"], data["y"]
    (2, 3, array([1, 2, 2]), array([1.5, 0.5, 2.5]))
    >>> labelled["batch_stan"].to_list()
    [1, 2, 3]
    """
    levels, values = _names(levels, "levels"), _names(values, "values")
    _check_frame(df, levels, values)
    _check_value_names(values, levels)
    for level in levels:
        _check_labels(df[level])
    numbers = {value: _numbers(df[value]) for value in values}

    # Level by level, a node is the pair (parent, label). Ranks stand in for the labels, so that a pair
    # fits in one integer, below N², and sorting the integers sorts the paths.
    sizes, parents, nodes = [], [], []
    node = np.zeros(df.height, dtype=np.int64)
    for level in levels:
        labels = df[level].unique().sort()
        rank = df[level].replace_strict(labels, pl.int_range(len(labels), eager=True), return_dtype=pl.Int64)
        pairs, node = np.unique(node * len(labels) + rank.to_numpy(), return_inverse=True)
        sizes.append(len(pairs))
        parents.append(pairs // len(labels) + 1)
        nodes.append(node + 1)
    # Every key is different, so this fast sort is a stable one.
    order = np.sort(node * df.height + np.arange(df.height)) % df.height

    data = {"N": df.height}
    data |= {f"J_{k}": size for k, size in enumerate(sizes, start=1)}
    data |= {f"index_{k}": index for k, index in enumerate([*parents[1:], nodes[-1][order]], start=1)}
    data |= {value: x.to_numpy()[order] for value, x in numbers.items()}
    stan = {f"{level}_stan": pl.Series(n[order]) for level, n in zip(levels, nodes, strict=True)}
    return data, df[order].with_columns(**stan)


def _names(names, argument: str) -> list[str]:
    """Make a list of one name or several."""
    names = [names] if isinstance(names, str) else list(names)
    if not names:
        raise ValueError(f"{argument} is empty: name at least one column")
    return names


def _check_frame(df, levels: list[str], values: list[str]) -> None:
    """Refuse what is not a frame with rows and every one of the columns, each named once."""
    if not isinstance(df, pl.DataFrame):
        pandas = type(df).__module__.startswith("pandas")
        remedy = (
            "pl.from_pandas(df)"
            if pandas
            else "df.collect()"
            if hasattr(df, "collect")
            else "pl.DataFrame(df)"
        )
        raise TypeError(
            f"df is a {type(df).__module__.split('.')[0]} {type(df).__name__}, not a polars DataFrame: give {remedy}"
        )
    names = [*levels, *values]
    for name in names:
        if name not in df.columns:
            raise ValueError(f"no column {name!r}; the frame has {', '.join(map(repr, df.columns))}")
        if names.count(name) > 1:
            raise ValueError(
                f"column {name!r} is named twice: name each column once, as a level or as a value"
            )
    if not df.height:
        raise ValueError("the frame has no rows: give at least one observation")


def _check_value_names(values: list[str], levels: list[str]) -> None:
    """Refuse names that Stan does not allow, and those that are taken."""
    K = len(levels)
    taken = {"N", *(f"{item}_{k}" for item in ("J", "index") for k in range(1, K + 1))}
    for value in values:
        why = None
        if value in taken:
            why = "would overwrite an item of the dictionary"
        elif value in _STAN_WORDS:
            why = "is a word of the Stan language"
        elif not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", value) or value.endswith("__"):
            why = "is not a name in Stan, which are ASCII letters, digits and _, start with a letter and do not end in __"
        if why:
            raise ValueError(f"value column {value!r} {why}: rename it with df.rename")


def _check_labels(column: pl.Series) -> None:
    """Refuse missing labels."""
    bad = column.is_nan().fill_null(True) if column.dtype.is_float() else column.is_null()
    if bad.any():
        row = bad.arg_max()
        raise ValueError(
            f"level column {column.name!r} is {column[row]} in row {row}: drop the row or name its group"
        )


def _numbers(column: pl.Series) -> pl.Series:
    """Make a column Int64 or Float64, or refuse its first entry that is not a finite number."""
    whole = column.dtype.is_integer() or column.dtype == pl.Boolean
    numbers = column.cast(pl.Int64 if whole else pl.Float64, strict=False)
    bad = ~numbers.is_finite().fill_null(False)
    if bad.any():
        row = bad.arg_max()
        raise ValueError(
            f"value column {column.name!r} is {column[row]!r} in row {row}: correct it or drop the row"
        )
    return numbers
