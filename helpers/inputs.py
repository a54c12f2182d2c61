"""What helpers ask of what they are given, and how they say what is wrong with it: in one line."""

import difflib
import math
from collections.abc import Iterable, Mapping, Set
from numbers import Integral, Real
from typing import Any

import numpy as np
import polars as pl
import xarray as xr


def shown(x: Any) -> str:
    """Show a value in an error: on one line, and not at length."""
    text = " ".join(repr(x).split())
    return text if len(text) <= 60 else f"{text[:59]}…"


def near(name: Any, known: Iterable[str]) -> str:
    """Suggest the nearest of the known names; empty if none is near."""
    known = [str(one) for one in known]
    by_case = {one.lower(): one for one in known}
    found = difflib.get_close_matches(str(name).lower(), by_case, n=1)
    return f" (did you mean {by_case[found[0]]!r}?)" if found else ""


def is_number(x: Any) -> bool:
    """Tell whether something is one finite real number; True and False are not."""
    try:
        return isinstance(x, Real) and not isinstance(x, bool | np.bool) and math.isfinite(x)
    except OverflowError:  # a whole number that is no float
        return False


def entries(x: Any) -> list | None:
    """List what is in a list, an array or the like; None for anything else, such as one number or a text."""
    whole = str | bytes | Mapping | Set | pl.DataFrame | pl.LazyFrame
    return list(x) if np.iterable(x) and not isinstance(x, whole) else None


def is_whole(x: Any) -> bool:
    """Tell whether something is a whole number; True and False are not."""
    return isinstance(x, Integral) and not isinstance(x, bool)


def flag(name: str, x: Any) -> bool:
    """Take True or False."""
    if not isinstance(x, bool | np.bool):
        raise ValueError(f"{name} is {shown(x)}: give True or False")
    return bool(x)


def text(name: str, x: Any) -> str:
    """Take a name."""
    if not isinstance(x, str):
        raise TypeError(f"{name} is {shown(x)}: give a name, which is text")
    return x


def mapping(name: str, x: Any, remedy: str) -> Mapping:
    """Take a dictionary."""
    if not isinstance(x, Mapping):
        raise TypeError(f"{name} is {shown(x)}: {remedy}")
    return x


def numbers(name: str, x: Any, above: float = -np.inf) -> np.ndarray:
    """Take a number or an array of numbers, none of them missing."""
    try:
        array = np.asarray(x, dtype=float)
    except (OverflowError, TypeError, ValueError):
        raise TypeError(f"{name} is {shown(x)}: give a number, or an array of numbers") from None
    bounded = above > -np.inf
    bad = ~((array > above) & np.isfinite(array)) if bounded else np.isnan(array)
    if x is None or bad.any():
        worst = "None" if x is None else array[bad].flat[0]
        remedy = f"finite numbers above {above:g}" if bounded else "numbers"
        raise ValueError(f"{name} is {worst}: give {remedy}")
    return array


def generator(seed: Any) -> np.random.Generator:
    """Make the generator of random numbers that a seed asks for."""
    try:
        if isinstance(seed, bool | np.bool | pl.DataFrame):
            raise TypeError
        return np.random.default_rng(seed)
    except (TypeError, ValueError):
        raise ValueError(f"seed is {shown(seed)}: give a whole number, 0 or more") from None


def frame(name: str, df: Any) -> pl.DataFrame:
    """Take a polars frame; say of another kind how to make it one."""
    if not isinstance(df, pl.DataFrame):
        kind = f"{type(df).__module__.split('.')[0]}.{type(df).__name__}"
        remedies = {
            "polars.LazyFrame": f"{name}.collect()",
            "pandas.DataFrame": f"pl.from_pandas({name})",
            "pyarrow.Table": f"pl.from_arrow({name})",
        }
        remedy = remedies.get(kind, f"pl.DataFrame({name})")
        raise TypeError(f"{name} is a {kind}, not a polars frame: give {remedy}")
    return df


def column(df: pl.DataFrame, name: Any, what: str = "frame") -> str:
    """Take the name of a column that is there."""
    if text("column", name) not in df.columns:
        there = ", ".join(map(repr, df.columns))
        raise ValueError(f"no column {name!r}{near(name, df.columns)}; the {what} has {there}")
    return name


def posterior(name: str, samples: Any) -> xr.DataTree:
    """Take what `arviz.from_cmdstanpy` gives; return its group of draws."""
    if not isinstance(samples, xr.DataTree):
        raise TypeError(
            f"{name} is {shown(samples)}: give what arviz.from_cmdstanpy(fit, index_origin=1) gives"
        )
    if "posterior" not in samples.children:
        raise ValueError(f"{name} has no group 'posterior': give what arviz.from_cmdstanpy gives")
    group = samples["posterior"]
    for dim in ("chain", "draw"):
        if not group.sizes.get(dim):
            raise ValueError(f"{name} has no draws along {dim!r}: give what arviz.from_cmdstanpy gives")
    return group
