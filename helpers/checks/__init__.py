"""Exercises that answer back: ``helpers.check("03.2", answer)``.

``lesson_03.py`` holds the checks of lesson 3, ``programs.py`` what the checks of Stan programs share. A check
looks at what an answer does, not at how it is written: it draws from a program, or calls a function, and
compares with the exact answer.
"""

import html
import importlib
import os
import pkgutil
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

from helpers.compiling.errors import without_traceback
from helpers.inputs import short_repr

# Folders of this course's code and of Python's own
OURS = [Path(os.path.realpath(place)).parent for place in (Path(__file__).parent, os.__file__)]


@dataclass(frozen=True)
class Verdict:
    """What `check` says of an answer.

    Attributes
    ----------
    right : bool
        Whether the answer holds; also the truth value of the verdict.
    text : str
        Why it does, or what to look at again.
    """

    right: bool
    text: str

    def __bool__(self) -> bool:
        """Let ``if check(...)`` and ``assert check(...)`` do what they say."""
        return self.right

    def __str__(self) -> str:
        """Say it in one line."""
        return f"✔ Right. {self.text}".rstrip() if self.right else f"✘ Not yet. {self.text}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        color = "#00664a" if self.right else "#8f4300"
        return f'<p style="color: {color}; background: white; padding: 4px 8px">{html.escape(str(self))}</p>'


class WrongAnswer(Exception):
    """An answer does not hold; the message says what to look at again, and not what is right."""


CHECKS: dict[str, Callable[[Any], str | None]] = {}


def exercise(number: str) -> Callable:
    """Make a function the check of an exercise, such as ``"03.2"``.

    The function takes the answer. It returns what there is to say of a right one, or raises `WrongAnswer`.
    For an answer that is not of the kind that was asked for it raises a `TypeError` that says what is wanted.
    """

    def register(function: Callable[[Any], str | None]) -> Callable[[Any], str | None]:
        CHECKS[number] = function
        return function

    return register


@cache
def exercises() -> tuple[str, ...]:
    """Numbers of all exercises that answer back, in order."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return tuple(sorted(CHECKS))


def check(number: str, answer: Any, *more: Any) -> Verdict:
    """Say whether the answer to an exercise holds, or what to look at again.

    Parameters
    ----------
    number : str
        Number of the exercise, as the lesson has it: ``"03.2"``.
    answer
        What the exercise asks for: a number, a table, a function, or the path of a Stan program.
    *more
        Nothing: an answer of several parts is one tuple.

    Returns
    -------
    Verdict
        True if the answer holds. Shown as a sentence.

    Raises
    ------
    ValueError
        If no exercise of that number answers back.
    TypeError
        If the answer is not of the kind that the exercise asks for.
    FileNotFoundError
        If the answer is the path of a Stan program that is not there.
    helpers.StanError
        If the answer is a Stan program that does not compile.
    """
    try:
        if more:
            raise TypeError(f"the answer has {1 + len(more)} parts: put them into one pair of brackets")
        return _verdict(str(number), answer)
    except Exception as error:
        readers = _readers_frames(error.__traceback__)
        raise error.with_traceback(readers) if readers else without_traceback(error)  # noqa: B904


def _verdict(number: str, answer: Any) -> Verdict:
    match = re.fullmatch(r"(\d{1,2})\.(\d+)", number)
    key = f"{match[1]:>02}.{match[2]}" if match else number
    if key not in exercises():
        here = [known for known in exercises() if known[:2] == key[:2]] or exercises()
        raise ValueError(f"no exercise {short_repr(number)} answers back; there are {', '.join(here)}")
    try:
        return Verdict(True, CHECKS[key](answer) or "")
    except WrongAnswer as again:
        return Verdict(False, str(again))


def _readers_frames(step: TracebackType | None) -> TracebackType | None:
    """Cut a traceback to what is below the first line of the reader's own, which they will want to see.

    What is above would show the check, and in it the answer. None if no line of it is the reader's.
    """
    while step and not _is_readers(step.tb_frame.f_code.co_filename):
        step = step.tb_next
    return step


def _is_readers(filename: str) -> bool:
    """Tell whether a file is neither ours, nor Python's, nor of a package; a cell of a notebook is such."""
    if filename.startswith("<"):  # others, such as <frozen importlib>, are Python's
        return filename.startswith(("<ipython-input", "<stdin", "<python-input"))
    path = Path(os.path.realpath(filename))
    packages = {"site-packages", "dist-packages"} & set(path.parts)
    return not (packages or any(map(path.is_relative_to, OURS)))
