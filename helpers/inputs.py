"""What the helpers share in refusing bad input: what it is, in one line, and what may have been meant."""

import difflib
import math
from collections.abc import Iterable
from numbers import Integral, Real

import numpy as np


def kind(x) -> str:
    """Name the type of an object, and the package it is from: "an int", "a pandas.DataFrame"."""
    package, name = type(x).__module__.partition(".")[0], type(x).__name__
    name = name if package == "builtins" else f"{package}.{name}"
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def shown(x) -> str:
    """Write a value in one line; as its kind, if it is long or takes more lines."""
    try:
        text = repr(x)
    except Exception:  # an int of thousands of digits, or whatever an object of the reader's does
        text = ""
    plain = 0 < len(text) <= 100 and text.isprintable() and " at 0x" not in text
    return text if plain else kind(x)


def nearest(name, known: Iterable) -> str:
    """Ask for the name that was meant, if one is near; to be put behind the one that was given."""
    names = {str(one).lower(): one for one in known}
    near = difflib.get_close_matches(str(name).lower(), names, n=1)
    return f" (did you mean {names[near[0]]!r}?)" if near else ""


def entries(x) -> list | None:
    """List what a sequence holds; None if it is none. A set has no order, and text is one thing."""
    if isinstance(x, str | bytes | set | frozenset):
        return None
    try:
        return list(x)
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


def flag(x, name: str) -> bool:
    """Read True or False, of Python or NumPy; 1 and 0 stand for them."""
    if isinstance(x, bool | np.bool_) or (is_whole(x) and x <= 1):
        return bool(x)
    raise ValueError(f"{name} is {shown(x)}: give True or False")


def generator(seed) -> np.random.Generator:
    """Make a random generator from a seed."""
    if not isinstance(seed, bool | np.bool_):
        try:
            return np.random.default_rng(seed)
        except (TypeError, ValueError):
            pass
    raise ValueError(f"seed is {shown(seed)}: give a whole number, 0 or more, or a numpy.random.Generator")


def floats(x, name: str) -> np.ndarray:
    """Make an array of floats, nan for what is missing; text and dates are refused even if they convert."""
    if isinstance(x, np.ma.MaskedArray):
        x = np.where(np.ma.getmaskarray(x), None, x.data)
    try:
        array = np.asarray(x)
    except Exception:  # lists of unequal length; each kind of container has its own error
        raise ValueError(f"{name} is {shown(x)}: give numbers") from None
    if array.dtype.kind in "biuf":
        return array.astype(float, copy=False)
    # In an array of mixed things numpy makes all of them text: the one to show is in the original.
    array = np.asarray(x, dtype=object)
    for i, one in enumerate(array.ravel()):
        if not (one is None or isinstance(one, float | bool) or is_number(one)):
            place = f" at position {i + 1}" if array.ndim else ""
            raise ValueError(f"{name} is {shown(one)}{place}: give numbers")
    return np.array([np.nan if one is None else float(one) for one in array.ravel()]).reshape(array.shape)
