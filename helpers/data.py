"""Our cells, simulated ones, and the dictionary that a hierarchical Stan program reads."""

import re
import warnings
from collections.abc import Sequence
from importlib.resources import files

import numpy as np
import polars as pl

from helpers.inputs import entries, flag, generator, is_number, is_whole, kind, nearest, shown
from helpers.remarks import MISSING, about_missing, about_nesting, about_spelling

# Names that Stan refuses: from the section "Reserved names" of its reference manual, and what the oldest
# compiler we support (2.27) refuses beyond it, which is the words of C++.
_RESERVED = """
array auto break cholesky_factor_corr cholesky_factor_cov column_stochastic_matrix complex complex_matrix
complex_row_vector complex_vector continue corr_matrix cov_matrix data else export extern false fatal_error
for functions generated get_lp if in increment_log_prob int jacobian lower matrix model multiplier offset
ordered parameters positive_ordered print profile quantities real reject repeat return row_stochastic_matrix
row_vector simplex static struct sum_to_zero_matrix sum_to_zero_vector target then transformed true tuple
typedef unit_vector until upper var vector void while alignas alignof and and_eq asm bitand bitor bool case
catch char char16_t char32_t class compl const const_cast constexpr decltype default delete do double
dynamic_cast enum explicit float friend goto inline long mutable namespace new noexcept not not_eq nullptr
operator or or_eq private protected public register reinterpret_cast short signed sizeof static_assert
static_cast switch template this thread_local throw try typeid typename union unsigned using virtual volatile
wchar_t xor xor_eq fvar STAN_MAJOR STAN_MINOR STAN_PATCH STAN_MATH_MAJOR STAN_MATH_MINOR STAN_MATH_PATCH
"""


# How all numbers of a column may be written, and what has to be done to them; 4,930 is written in two ways
_CHANGES = {
    r"[-+]?[0-9]*,?[0-9]+": ".str.replace(',', '.')",
    r"[-+]?([0-9]+|[0-9]{1,3}(,[0-9]{3})+)(\.[0-9]*)?": ".str.replace_all(',', '')",
    r"[-+]?[0-9]*\.?[0-9]+ *%?": ".str.strip_chars(' %')",
}

_MOST = 100_000_000  # rows that simulate makes: some gigabytes


def measurements() -> pl.DataFrame:
    """Read the numbers of the course, "our cells": the story is a reporter of gene expression in *E. coli*.

    Justin Bois made them up for his course BE/Bi 103 b at Caltech (bebi103b.github.io, CC BY 4.0).

    Returns
    -------
    polars.DataFrame
        One row per cell (47), days in calendar order: ``day`` (text), ``batch`` within the day and
        ``colony`` within the batch (whole numbers from 1), and ``y``, fluorescence in arbitrary units.

    Examples
    --------
    >>> measurements().head(1).row(0)
    ('monday', 1, 1, 11.4)
    """
    schema = {"day": pl.String, "batch": pl.Int64, "colony": pl.Int64, "y": pl.Float64}
    return pl.read_csv(files(__package__).joinpath("measurements.csv").read_bytes(), schema=schema)


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
    given = entries(children)
    children = [children] if given is None else given
    K = len(children) - 1
    if K < 1:
        raise ValueError(
            f"children is {shown(children)}: give the number of groups and of observations in each"
        )
    means = [f"theta_{k + 1}" for k in range(K)]
    levels = [f"level_{k + 1}" for k in range(K)] if levels is None else _names(levels, "levels")
    if len(levels) != K or len({*levels, *means, "y"}) != 2 * K + 1:
        raise ValueError(f"levels is {shown(levels)}: give {K} different names, other than y and {means[0]}")
    given = entries(tau)
    tau = [tau] * K if given is None else given
    if len(tau) != K:
        raise ValueError(f"tau has length {len(tau)} for {K} levels: give one per level, or one for all")
    scales = {f"tau of level {level!r}": sd for level, sd in zip(levels, tau, strict=True)}
    for name, x in {"theta": theta, "sigma": sigma, **scales}.items():
        if not (is_number(x) if name == "theta" else is_number(x, 0)):
            remedy = "" if name == "theta" else ", 0 or more"
            raise ValueError(f"{name} is {shown(x)}: give a finite number{remedy}")
    counts = _counts(children, levels)

    rng = generator(seed)
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


def stan_data(
    df: pl.DataFrame, levels: str | Sequence[str], values: str | Sequence[str], remark: bool = True
) -> tuple[dict[str, int | np.ndarray], pl.DataFrame]:
    """Turn a tidy frame into the data of a hierarchical Stan program.

    A node of the tree is a path of labels: batch 1 of monday is not batch 1 of thursday. Nodes are numbered
    from 1 in the sorted order of their paths; rows are sorted likewise, and keep their order within a leaf.

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
        Whether to warn of what is no mistake, but may not be meant; see below. False says that it is meant.

    Returns
    -------
    data : dict
        ``N``, the number of observations, and ``J_1`` … ``J_K``, the number of nodes of each level (int);
        ``index_1`` … ``index_{K-1}``, where ``index_k`` holds the parent, in level k, of every node of
        level k + 1, and ``index_K`` the leaf of every observation, counted from 1 (int64 arrays); and an
        array of length N for each of `values`, whole numbers and booleans as int64, others as float64.
    labelled : polars.DataFrame
        The rows in the order of the arrays, with the node numbers ``<level>_stan`` (Int64) of every
        level added. Columns of that name from an earlier call are replaced.

    Raises
    ------
    TypeError
        If `df` is not a polars DataFrame.
    ValueError
        If there are no rows, levels or values; if a column is missing or named twice; if a value has a name
        that Stan does not allow or the dictionary uses; if a label is missing; if a value is missing,
        infinite or not a number. The message names the column, the first bad row (from 0), and the remedy.

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
    """
    levels, values = _names(levels, "levels"), _names(values, "values")
    _check_frame(df, levels, values)
    _check_value_names(values, levels)
    remark = flag(remark, "remark")
    for level in levels:
        _check_labels(df[level])
    numbers = {value: _numbers(df[value]) for value in values}

    # Level by level, a node is a pair (parent, label). Ranks stand in for the labels, so that a pair fits
    # in one whole number, below N², and sorting the numbers sorts the paths.
    parents, nodes, remarks, misspelt = [], [], [], False
    node = np.zeros(df.height, dtype=np.int64)
    for k, level in enumerate(levels, start=1):
        labels = df[level].unique().sort()
        ranks = pl.int_range(len(labels), eager=True)
        rank = df[level].replace_strict(labels, ranks, return_dtype=pl.Int64).to_numpy()
        pairs, node = _distinct(node * len(labels) + rank)
        parent, rank = np.divmod(pairs, len(labels))
        if remark:
            spelling = about_spelling(labels)
            misspelt |= bool(spelling)
            remarks += about_missing(df[level], labels) + spelling
            if not misspelt:  # or else the tree is not the one that is meant
                remarks += about_nesting(levels, k, parent, rank, labels)
        parents.append(parent + 1)
        nodes.append(node + 1)
    for text in remarks:
        warnings.warn(f"{text} (remark=False, if it is as you mean it)", stacklevel=2)
    # With the row in it every key is different: a stable order from numpy's fastest, unstable sort.
    order = np.sort(node * df.height + np.arange(df.height)) % df.height

    data = {"N": df.height}
    data |= {f"J_{k}": len(parent) for k, parent in enumerate(parents, start=1)}
    data |= {f"index_{k}": index for k, index in enumerate([*parents[1:], nodes[-1][order]], start=1)}
    data |= {value: x.to_numpy()[order] for value, x in numbers.items()}
    stan = [pl.Series(f"{level}_stan", n[order]) for level, n in zip(levels, nodes, strict=True)]
    return data, df[order].with_columns(stan)


def _names(given, argument: str) -> list[str]:
    """Make a list of one name or several."""
    names = [given] if isinstance(given, str) else entries(given)
    if not names:
        remedy = "give a list, as a set has no order" if isinstance(given, set | frozenset) else ""
        raise ValueError(f"{argument} is {shown(given)}: {remedy or 'name at least one column'}")
    for name in names:
        if not isinstance(name, str):
            raise ValueError(f"{argument} has {shown(name)} in it: give names of columns, as text")
    return [str(name) for name in names]  # numpy's, too


def _check_frame(df, levels: list[str], values: list[str]) -> None:
    """Refuse what is not a frame with rows and each of the columns, named once."""
    if not isinstance(df, pl.DataFrame):
        remedies = {
            "a polars.LazyFrame": "df.collect()",
            "a pandas.DataFrame": "pl.from_pandas(df)",
            "a pyarrow.Table": "pl.from_arrow(df)",
        }
        remedy = remedies.get(kind(df), "pl.DataFrame(df)")
        raise TypeError(f"df is {kind(df)}, not a polars frame: give {remedy}")
    for name in (names := [*levels, *values]):
        if name not in df.columns:
            if name in map(str.strip, df.columns):
                raise ValueError(f"no column {name!r}, only with spaces around: df = df.rename(str.strip)")
            near, there = nearest(name, df.columns), ", ".join(map(repr, df.columns)) or "none"
            raise ValueError(f"no column {name!r}{near}; the frame has {there}")
        if names.count(name) > 1:
            raise ValueError(f"column {name!r} is named twice: name it once, as a level or as a value")
        if name in [f"{level}_stan" for level in levels]:
            raise ValueError(f"column {name!r} is where node numbers go: rename it with df.rename")
    if df.is_empty():
        raise ValueError("the frame has no rows: give at least one observation")


def _check_value_names(values: list[str], levels: list[str]) -> None:
    """Refuse names that Stan does not allow, and those that the dictionary needs itself."""
    taken = ["N", *(f"{item}_{k + 1}" for item in ("J", "index") for k in range(len(levels)))]
    for value in values:
        problem = None
        if value in taken:
            problem = f"would overwrite {value} of the dictionary: rename it"
        elif value in _RESERVED.split() or value.endswith(("_lupdf", "_lupmf")):
            problem = "has a name that Stan reserves: rename it"
        elif not re.fullmatch("[A-Za-z][A-Za-z0-9_]*", value) or value.endswith("__"):
            problem = "has a name Stan does not allow: rename it (a-z, A-Z, 0-9, _; letter first, no __ last)"
        if problem:
            raise ValueError(f"value column {value!r} {problem}")


def _check_labels(column: pl.Series) -> None:
    """Refuse missing labels, and labels that have no order."""
    name, dtype = column.name, column.dtype
    if dtype.is_nested() or dtype == pl.Object:
        raise ValueError(f"column {name!r} is {dtype} from row 0 on: give text or whole numbers")
    # NaN would be a group of its own, which nobody means.
    missing = ~column.is_not_nan().fill_null(False) if dtype.is_float() else column.is_null()
    if missing.any():
        row = missing.arg_max()
        drop = "drop_nulls" if column[row] is None else "drop_nans"
        remedy = f"name its group, or drop such rows with df = df.{drop}({name!r})"
        raise ValueError(f"column {name!r} is {column[row] or 'null'} in row {row}: {remedy}")


def _numbers(column: pl.Series) -> pl.Series:
    """Make a column Int64 or Float64, or refuse its first entry that is not a finite number."""
    name, dtype = column.name, column.dtype
    whole = dtype.is_integer() or dtype == pl.Boolean
    if not (whole or dtype.is_numeric() or dtype in (pl.String, pl.Null)):
        raise ValueError(f"value column {name!r} is {dtype} from row 0 on: give numbers, e.g. pl.Float64")
    text = dtype == pl.String
    plain = column.str.strip_chars() if text else column
    numbers = plain.cast(pl.Int64 if whole else pl.Float64, strict=False)
    bad = ~numbers.is_finite().fill_null(False)
    # Text is refused even where it reads as numbers, but one entry that does not is the one to show.
    if text or bad.any():
        row = bad.arg_max() or 0
        entry = "null" if column[row] is None else repr(column[row])
        remedy = _remedy(column, row, bad.any())
        raise ValueError(f"value column {name!r} is {entry} in row {row}: {remedy}")
    return numbers


def _remedy(column: pl.Series, row: int, bad: bool) -> str:
    """Say what to do about a column of values whose entry in a row is the first that is no number."""
    name, entry = repr(column.name), column[row]
    if column.dtype != pl.String:
        return f"drop such rows with df = df.filter(pl.col({name}).is_finite())"
    if entry is None:
        return f"drop such rows with df = df.drop_nulls({name})"
    text = entry.strip()
    if bad and text in MISSING:
        return f"read the table with null_values={entry!r}, then df = df.drop_nulls({name})"
    if bad and text[:1] in ("<", ">", "≤", "≥"):
        return "this is a limit, for which the model has no place; without such rows the mean would be off"
    strip = "" if column.str.strip_chars().equals(column) else ".str.strip_chars()"
    written = column.drop_nulls().str.strip_chars()
    fitting = [change for way, change in _CHANGES.items() if written.str.contains(f"^({way})$").all()]
    changes = fitting if bad else [""]
    makers = [f"df = df.with_columns(pl.col({name}){strip}{change}.cast(pl.Float64))" for change in changes]
    if len(makers) == 2:
        return f"if the comma is a decimal one, {makers[0]}; if it marks thousands, {makers[1]}"
    if makers:
        return f"make numbers of the text, {makers[0]}"
    return "correct the text, then cast the column to pl.Float64"


def _counts(children: list, levels: list[str]) -> list[np.ndarray]:
    """Write out the number of children of every node, one array a level."""
    counts, parents = [], 1
    for k, (given, what) in enumerate(zip(children, [*map(repr, levels), "observations"], strict=True)):
        n = entries(given)
        single = n is None
        if single:
            most = given if is_whole(given) else 1
            n = [given] * (parents if parents * most <= _MOST else 1)
        if not single and len(n) != parents:
            raise ValueError(f"children[{k}] ({what}) is {len(n)} long, not {parents}: give one per parent")
        for i, x in enumerate(n):
            if not is_whole(x, 1):
                place = f"children[{k}]" if single else f"children[{k}][{i}]"
                raise ValueError(f"{place} ({what}) is {shown(x)}: give a whole number, 1 or more")
        total = n[0] * parents if single else sum(n)
        if total > _MOST:
            raise ValueError(f"children[{k}] ({what}) makes too many: give at most {_MOST:,} in all")
        counts.append(np.array(n, dtype=np.int64))
        parents = total
    return counts


def _distinct(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the distinct keys, sorted, and the place of each key: `numpy.unique`, faster if keys are small."""
    if (top := keys.max()) > 4 * len(keys):
        return np.unique(keys, return_inverse=True)
    seen = np.zeros(top + 1, dtype=bool)
    seen[keys] = True
    return np.flatnonzero(seen), (np.cumsum(seen) - 1)[keys]
