"""What an `ExactPosterior` is asked for: names of parameters, and numbers."""

import difflib
from typing import NoReturn

import numpy as np

from helpers.inputs import as_floats, short_repr


def refuse_name(name, names: list[str]) -> NoReturn:
    """Say what is wrong with a name that is none of `names`, and which is nearest."""
    words = dict.fromkeys(one.split("[")[0] for one in names)
    word = str(name).split("[")[0]
    if word in words:
        count = sum(one.startswith(f"{word}[") for one in names)
        remedy = f"{word} has indices from 1 to {count}, as in '{word}[1]'" if count else f"write {word!r}"
    else:
        nearest = difflib.get_close_matches(word, words, n=1, cutoff=0)[0]
        remedy = f"the nearest is {nearest!r}, of {', '.join(words)}"
    raise ValueError(f"no parameter {short_repr(name)}: {remedy}")


def as_points(name: str, x) -> np.ndarray:
    """Read one number or several; what is missing has no answer."""
    x = as_floats(x, name)
    if np.isnan(x).any():
        raise ValueError(f"{name} is nan: give numbers")
    return x


def as_plain(x: np.ndarray) -> float | np.ndarray:
    """Turn the answer for one number into a float."""
    return float(x) if np.ndim(x) == 0 else np.asarray(x)
