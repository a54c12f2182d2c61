"""What the checks share in reading an answer: a number, an array, the items of a dictionary, a function.

They read whatever means the same: an array of NumPy, a column of polars or pandas, a list or a tuple.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from numbers import Real
from typing import Any

import numpy as np

from helpers.checks import WrongAnswer
from helpers.inputs import describe_type, short_repr


def refuse(answer: Any, wanted: str) -> TypeError:
    """Say in one line that an answer is not of the kind that is wanted."""
    return TypeError(f"the answer is {describe_type(answer)}: give {wanted}")


def plain(answer: Any) -> Any:
    """Take the one entry out of an array, a column or a table that holds just one; else leave it."""
    if hasattr(answer, "item") and np.size(answer) == 1:
        return answer.item()
    return answer


def number(answer: Any, wanted: str) -> float:
    """Read one number, Python's or NumPy's; anything else, True and False too, is a `TypeError`.

    So is nan, which any comparison lets pass.
    """
    answer = plain(answer)
    if isinstance(answer, bool) or not isinstance(answer, Real):
        raise refuse(answer, wanted)
    if np.isnan(float(answer)):
        raise TypeError(f"the answer is nan, which is no number: give {wanted}")
    return float(answer)


def array(answer: Any, wanted: str) -> np.ndarray:
    """Read numbers in one dimension: a list, an array, a column; anything else is a `TypeError`."""
    try:
        out = np.asarray(answer)
    except (TypeError, ValueError):
        raise refuse(answer, wanted) from None
    if out.ndim != 1 or out.dtype.kind not in "iuf":
        raise refuse(answer, wanted)
    if np.isnan(out).any():
        raise TypeError(f"the answer has nan in it, which is no number: give {wanted}")
    return out


def whole(answer: Any, wanted: str) -> np.ndarray:
    """Read whole numbers in one dimension, 2.0 for 2 too; anything else is a `TypeError`."""
    out = array(answer, wanted)
    if not (np.isfinite(out) & (out == np.round(out))).all():
        raise refuse(answer, wanted)
    return out.astype(int)


def word(answer: Any, name: str, words: Iterable[str], wanted: str) -> str:
    """Read one of some words, in any of the forms that `items` takes; anything else is a `TypeError`."""
    answer = plain(answer)
    known = {_name(known): known for known in words}
    if not isinstance(answer, str) or _name(answer) not in known:
        raise TypeError(f"{name} is {short_repr(answer)}: give {wanted}")
    return known[_name(answer)]


def items(answer: Any, names: list, wanted: str) -> list:
    """Read the items of a dictionary by name; a `TypeError` if it is none, or lacks one.

    Capitals, spaces and signs do not matter, nor whether a Greek letter is spelt: ``"Index 1"`` is
    ``"index_1"``, and ``"τ"`` is ``"tau"``. A number may be given as a text, and the other way round: 0.1 is
    ``"0.1"`` and ``"0.10"``.
    """
    if not isinstance(answer, Mapping):
        raise refuse(answer, wanted)
    found = {_name(key): item for key, item in answer.items()}
    for name in names:
        if _name(name) not in found:
            raise TypeError(f"the answer has no {name!r}: give {wanted}")
    return [found[_name(name)] for name in names]


def optional(answer: Mapping, name: str) -> Any:
    """Read an item of a dictionary that may lack it; None if it does."""
    return {_name(key): item for key, item in answer.items()}.get(_name(name))


GREEK = str.maketrans(
    {"θ": "theta", "τ": "tau", "σ": "sigma", "λ": "lambda", "μ": "mu", "β": "beta", "ρ": "rho"}
)


def _name(key: Any) -> Any:
    """Write a key so that those that mean the same are equal."""
    key = plain(key)
    try:
        return key if isinstance(key, bool) else float(f"{float(key):.12g}")
    except (TypeError, ValueError, OverflowError):
        if not isinstance(key, str):
            return key
    key = unicodedata.normalize("NFKC", key).casefold()  # an index below the line is one on it
    return re.sub(r"[\W_]", "", key).translate(GREEK).replace("centred", "centered")


def parts(answer: Any, n: int, wanted: str) -> tuple:
    """Read n parts in a row, as of a tuple; anything else is a `TypeError`."""
    row = isinstance(answer, tuple | list) or (hasattr(answer, "__array__") and len(np.shape(answer)) == 1)
    if not row or len(answer) != n:
        raise refuse(answer, wanted)
    return tuple(answer)


def with_prior(answer: Any, n: int, wanted: str) -> tuple:
    """Read n parts in a row, and the priors if they follow; None for the priors if they do not."""
    try:
        return *parts(answer, n, wanted), None
    except TypeError:
        if not (isinstance(answer, tuple | list) and len(answer) == n + 1):
            raise
        return tuple(answer)


def function(answer: Any, wanted: str) -> Callable:
    """Read a function; anything else, such as what one returned, is a `TypeError`."""
    if not callable(answer):
        raise refuse(answer, f"{wanted}, without calling it")
    return answer


def refuse_mistakes(fits: Callable[[Any], bool], mistakes: Iterable[tuple[Any, str]]) -> None:
    """Raise `WrongAnswer` with the hint of the first mistake that an answer fits.

    Parameters
    ----------
    fits
        Takes what a mistake leads to, and says whether the answer is that.
    mistakes
        Pairs of what a typical mistake leads to and its hint, the most special first. To add one, add a pair.
    """
    for wrong, hint in mistakes:
        if fits(wrong):
            raise WrongAnswer(hint)
