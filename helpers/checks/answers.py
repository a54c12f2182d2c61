"""What the checks share in reading an answer: a number, an array, the items of a dictionary, a function."""

from collections.abc import Callable, Mapping
from numbers import Real
from typing import Any

import numpy as np


def refuse(answer: Any, wanted: str) -> TypeError:
    """Say in one line that an answer is not of the kind that is wanted."""
    return TypeError(f"the answer is a {type(answer).__name__}: give {wanted}")


def number(answer: Any, wanted: str) -> float:
    """Read one number, Python's or NumPy's; anything else, True and False too, is a `TypeError`."""
    if hasattr(answer, "item") and np.ndim(answer) == 0:  # NumPy's, or xarray's
        answer = answer.item()
    if isinstance(answer, bool) or not isinstance(answer, Real):
        raise refuse(answer, wanted)
    return float(answer)


def array(answer: Any, wanted: str) -> np.ndarray:
    """Read numbers in one dimension: a list, an array, a column; anything else is a `TypeError`."""
    try:
        out = np.asarray(answer)
    except (TypeError, ValueError):
        raise refuse(answer, wanted) from None
    if out.ndim != 1 or out.dtype.kind not in "iuf":
        raise refuse(answer, wanted)
    return out


def items(answer: Any, names: list, wanted: str) -> list:
    """Read the items of a dictionary by name; a `TypeError` if it is none, or lacks one."""
    if not isinstance(answer, Mapping):
        raise refuse(answer, wanted)
    for name in names:
        if name not in answer:
            raise TypeError(f"the answer has no {name!r}: give {wanted}")
    return [answer[name] for name in names]


def parts(answer: Any, n: int, wanted: str) -> tuple:
    """Read a tuple of n parts; anything else is a `TypeError`."""
    if not isinstance(answer, tuple) or len(answer) != n:
        raise refuse(answer, wanted)
    return answer


def function(answer: Any, wanted: str) -> Callable:
    """Read a function; anything else, such as what one returned, is a `TypeError`."""
    if not callable(answer):
        raise refuse(answer, f"{wanted}, without calling it")
    return answer
