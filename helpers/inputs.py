"""What the helpers share in refusing bad input: what it is, in one line, and what may have been meant."""

import difflib
import math
from collections.abc import Iterable, Mapping
from itertools import pairwise
from numbers import Integral, Real

import numpy as np
import polars as pl

# Names that Stan refuses: from the section "Reserved names" of its reference manual, and what the oldest
# compiler we support (2.27) refuses beyond it, which is the words of C++.
RESERVED = """
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

LARGE = 1e100  # beyond, squares and their sums are not to be had
# What people and programs write where there is no label; "na" may well be one
MISSING = ["", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "NULL", "null", "None", "none", "?", "-", "."]


def describe_type(x) -> str:
    """Name the type of an object, and the package it is from: "an int", "a pandas.DataFrame"."""
    package, name = type(x).__module__.partition(".")[0], type(x).__name__
    name = name if package == "builtins" else f"{package}.{name}"
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def short_repr(x) -> str:
    """Write a value in one line; as its kind, if it is long or takes more lines."""
    try:
        text = repr(x)
    except Exception:  # an int of thousands of digits, or whatever an object of the reader's does
        text = ""
    plain = 0 < len(text) <= 100 and text.isprintable() and " at 0x" not in text
    return text if plain else describe_type(x)


def did_you_mean(name, known: Iterable) -> str:
    """Ask for the name that was meant, if one is near; to be put behind the one that was given."""
    names = {str(one).lower(): one for one in known}
    near = difflib.get_close_matches(str(name).lower(), names, n=1)
    return f" (did you mean {names[near[0]]!r}?)" if near else ""


def as_list(x) -> list | None:
    """List what a sequence holds; None if it is none. A set has no order, and text is one thing."""
    try:
        return None if isinstance(x, str | bytes | set | frozenset) else list(x)
    except (TypeError, ValueError):
        return None


def is_number(x, least: float = -math.inf) -> bool:
    """Tell whether x is one finite real number, not below `least`; True and False are none."""
    try:
        return isinstance(x, Real) and not isinstance(x, bool) and math.isfinite(x) and bool(x >= least)
    except OverflowError:  # a whole number or a fraction that is too large for a float
        return False


def is_whole(x, least: int = 0) -> bool:
    """Tell whether x is a whole number, not below `least`; True and False are none."""
    return isinstance(x, Integral) and not isinstance(x, bool) and bool(x >= least)


def as_bool(x, name: str) -> bool:
    """Read True or False, of Python or NumPy; 1 and 0 stand for them."""
    if isinstance(x, bool | np.bool_) or (is_whole(x) and x <= 1):
        return bool(x)
    raise ValueError(f"{name} is {short_repr(x)}: give True or False")


def as_rng(seed) -> np.random.Generator:
    """Make a random generator from a seed."""
    if not isinstance(seed, bool | np.bool_):
        try:
            return np.random.default_rng(seed)
        except (TypeError, ValueError):
            pass
    raise ValueError(
        f"seed is {short_repr(seed)}: give a whole number, 0 or more, or a numpy.random.Generator"
    )


def as_floats(x, name: str) -> np.ndarray:
    """Make an array of floats, nan for what is missing; text and dates are refused even if they convert."""
    if isinstance(x, np.ma.MaskedArray):
        x = np.where(np.ma.getmaskarray(x), None, x.data)
    try:
        array = np.asarray(x)
    except Exception:  # lists of unequal length; each kind of container has its own error
        raise ValueError(f"{name} is {short_repr(x)}: give numbers") from None
    if array.dtype.kind in "biuf":
        return array.astype(float, copy=False)
    # In an array of mixed things numpy makes all of them text: the one to show is in the original.
    array = np.asarray(x, dtype=object)
    for i, one in enumerate(array.ravel()):
        if not (one is None or isinstance(one, float | bool) or is_number(one)):
            place = f" at position {i + 1}" if array.ndim else ""
            raise ValueError(f"{name} is {short_repr(one)}{place}: give numbers")
    return np.array([np.nan if one is None else float(one) for one in array.ravel()]).reshape(array.shape)


def column_names(given, argument: str) -> list[str]:
    """Make a list of one name or several."""
    names = [given] if isinstance(given, str) else as_list(given)
    if not names:
        remedy = "give a list, as a set has no order" if isinstance(given, set | frozenset) else ""
        raise ValueError(f"{argument} is {short_repr(given)}: {remedy or 'name at least one column'}")
    for name in names:
        if not isinstance(name, str):
            raise ValueError(f"{argument} has {short_repr(name)} in it: give names of columns, as text")
    return [str(name) for name in names]  # numpy's, too


def check_frame(df, levels: list[str], values: list[str]) -> None:
    """Refuse what is not a frame with rows and each of the columns, named once."""
    if not isinstance(df, pl.DataFrame):
        remedies = {
            "a polars.LazyFrame": "df.collect()",
            "a pandas.DataFrame": "pl.from_pandas(df)",
            "a pyarrow.Table": "pl.from_arrow(df)",
        }
        remedy = remedies.get(describe_type(df), "pl.DataFrame(df)")
        raise TypeError(f"df is {describe_type(df)}, not a polars frame: give {remedy}")
    for name in (names := [*levels, *values]):
        if name not in df.columns:
            if name in map(str.strip, df.columns):
                raise ValueError(f"no column {name!r}, only with spaces around: df = df.rename(str.strip)")
            near, there = did_you_mean(name, df.columns), ", ".join(map(repr, df.columns)) or "none"
            raise ValueError(f"no column {name!r}{near}; the frame has {there}")
        if names.count(name) > 1:
            raise ValueError(f"column {name!r} is named twice: name it once, in one argument")
        if name in [f"{level}_stan" for level in levels]:
            raise ValueError(f"column {name!r} is where node numbers go: rename it with df.rename")
    if df.is_empty():
        raise ValueError("the frame has no rows: give at least one observation")


def check_labels(column: pl.Series) -> None:
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


def as_numbers(column: pl.Series) -> pl.Series:
    """Make a column Int64 or Float64, or refuse its first entry that is not a finite number."""
    name, dtype = column.name, column.dtype
    whole = dtype.is_integer() or dtype == pl.Boolean
    if not (whole or dtype.is_numeric() or dtype in (pl.String, pl.Null)):
        raise ValueError(f"column {name!r} is {dtype} from row 0 on: give numbers, e.g. pl.Float64")
    text = dtype == pl.String
    plain = column.str.strip_chars() if text else column
    numbers = plain.cast(pl.Int64 if whole else pl.Float64, strict=False)
    bad = ~numbers.is_finite().fill_null(False)
    # Text is refused even where it reads as numbers, but one entry that does not is the one to show.
    if text or bad.any():
        row = bad.arg_max() or 0
        entry = "null" if column[row] is None else repr(column[row])
        remedy = _remedy(column, row, bad.any())
        raise ValueError(f"column {name!r} is {entry} in row {row}: {remedy}")
    return numbers


def _remedy(column: pl.Series, row: int, bad: bool) -> str:
    """Say what to do about a column of numbers whose entry in a row is the first that is no number."""
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


def read_tree(data: Mapping, values: str, sigma, counts: bool = False) -> tuple:
    """Read a dictionary such as `stan_data` gives: sizes, parents, leaf, measurements, known errors.

    Parents, of the nodes of every level below the first, and leaves, of the measurements, count from 0.
    """
    _check_items(data, values, sigma)
    levels = data.keys() - {values}  # which may be called J_2 themselves
    K = next(k for k in range(1, len(data) + 1) if f"J_{k + 1}" not in levels)
    y = as_floats(data[values], repr(values))
    if y.ndim != 1 or not y.size:
        raise ValueError(f"{values!r} has shape {y.shape}: give at least one measurement, in one dimension")
    sizes = [data[f"J_{k}"] for k in range(1, K + 1)]
    sizes = [size.item() if isinstance(size, np.ndarray) and size.ndim == 0 else size for size in sizes]
    for k, size in enumerate(sizes, start=1):
        if not is_whole(size, 1):
            raise ValueError(f"'J_{k}' is {short_repr(size)}: give a whole number, 1 or more")
    sizes = [*map(int, sizes), y.size]
    parents = [
        _parents(data.get(f"index_{k}", []), k, size, children)
        for k, (size, children) in enumerate(pairwise(sizes), start=1)
    ]
    errors = None if sigma is None else as_floats(sigma, "'sigma'")
    _check_numbers(values, y, y.size)
    if errors is not None:
        _check_numbers("sigma", errors, y.size, least=1 / LARGE)
    leaf = parents[-1]
    first = np.unique(leaf, return_index=True)[1]
    if errors is None and not counts and y.size > len(first) and np.array_equal(y, y[first][leaf]):
        raise ValueError(
            f"the measurements {values!r} are equal within every group, so sigma may be as small as it "
            "likes and no posterior exists: give more digits, or one measurement for each group"
        )
    return sizes[:-1], parents[:-1], leaf, y, errors


def _check_items(data, values, sigma) -> None:
    if not isinstance(data, Mapping):
        raise TypeError(f"data is {describe_type(data)}: give the dictionary of helpers.stan_data")
    if not isinstance(values, str):
        raise ValueError(f"values is {short_repr(values)}: give the name of one item of the data, as text")
    lines = is_whole(data.get("P"), 1) and "X" in data and values != "X"
    if lines or ("J_1" not in data and {"F", "index"} <= data.keys()):
        what = "predictors" if lines else "crossed groups"
        own = "give stan_data none, or use helpers.exact_slopes or helpers.exact_crossed"
        raise ValueError(f"the data have {what}, which this model does not use: {own}")
    for name in ("J_1", "index_1", values):
        if name not in data:
            near, there = did_you_mean(name, data) if name == values else "", ", ".join(map(str, data))
            own = "give values=..., the item of the measurements"
            remedy = own if name == values else "see helpers.stan_data"
            raise ValueError(f"no {name!r}{near} in the data, which has {there}: {remedy}")
    if sigma is None and "sigma" in data and values != "sigma":
        known = "if it holds known errors, helpers.exact_posterior takes them as sigma=data['sigma']"
        raise ValueError(f"'sigma' of the data would not be used: {known}; if not, leave it out of the data")


def _parents(given, k: int, size: int, children: int) -> np.ndarray:
    """Read the parents, in level k, of all that is below; count them from 0."""
    name = f"index_{k}"
    index = as_floats(given, repr(name))
    if index.shape != (children,):
        raise ValueError(f"{name!r} has shape {index.shape}: give {children} numbers of nodes in level {k}")
    bad = ~((index >= 1) & (index <= min(size, 2**53)) & (index == np.floor(index)))
    if bad.any():
        i = bad.argmax()
        raise ValueError(f"{name!r} is {index[i]:.16g} at position {i + 1}: give a node from 1 to {size}")
    parents = index.astype(np.int64) - 1
    # with more nodes than children, one of the first of them has none
    childless = np.bincount(parents, minlength=min(size, children + 1)) == 0
    if childless.any():
        raise ValueError(f"node {childless.argmax() + 1} of level {k} has nothing below it: leave it out")
    return parents


def _check_numbers(name: str, x: np.ndarray, N: int, least: float = 0.0) -> None:
    """Refuse measurements or, with a `least`, errors that are missing, next to nothing or too large."""
    if x.shape != (N,):
        raise ValueError(f"{name!r} has shape {x.shape}: give one for each of the {N} measurements")
    bad = ~np.isfinite(x) | ((x <= 0) & (least > 0))
    if bad.any():
        i = bad.argmax()
        raise ValueError(f"{name!r} is {x[i]} at position {i + 1}: give finite numbers, errors above 0")
    if np.abs(x).max() > LARGE or (least and x.min() < least):
        i = np.abs(x).argmax() if np.abs(x).max() > LARGE else x.argmin()
        raise ValueError(f"{name!r} is {x[i]} at position {i + 1}: use another unit of measurement")
