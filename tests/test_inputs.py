"""Whatever a helper is given: a right answer, or one line from us that says what is wrong and what to do.

``python tests/test_inputs.py`` writes what is said into the table of `book/inputs.md`.
"""

import copy
import datetime
import linecache
import re
import traceback
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import xarray as xr

import helpers

COURSE = Path(__file__).parent.parent
PAGE = COURSE / "book" / "inputs.md"
HELPERS = str(COURSE / "helpers")
LEVELS = ["day", "batch", "colony"]
# What nobody means, to be given for every argument of every helper
KINDS = {
    "None": None,
    "NaN": float("nan"),
    "infinity": float("inf"),
    "text": "nonsense",
    "no text": "",
    "an empty list": [],
    "True": True,
    "7": 7,
    "numpy's 3": np.int64(3),
    "-1": -1,
    "0": 0,
    "1.5": 1.5,
    "1e400": 10**400,
    "a list": [1, 2],
    "a list of lists": [[1], [2]],
    "a list of NaN": [float("nan")],
    "a list of None": [None],
    "a list of texts": ["a", "b"],
    "a dictionary": {"a": 1},
    "an array": np.zeros((2, 2)),
    "a set": {1},
    "bytes": b"x",
    "an object": object(),
    "a date": datetime.date(2026, 1, 1),
    "a complex number": 1j,
    "a frame": pl.DataFrame({"a": [1]}),
    "a lazy frame": pl.LazyFrame({"a": [1]}),
    "a function": len,
}


@cache
def given() -> dict:
    """Calls that are right: function and arguments, by the helper's name."""
    df = helpers.measurements()
    data, _ = helpers.stan_data(df, levels=LEVELS, values="y")
    small, _ = helpers.stan_data(df.head(15), levels="day", values="y")
    exact = helpers.exact_posterior(small)
    samples = exact.draws(20, seed=1)
    flat = helpers.tree_data(small)
    stats = xr.Dataset({"diverging": (("chain", "draw"), np.zeros((1, 20), dtype=bool))})
    samples["sample_stats"] = xr.DataTree(stats)
    ranks = {"replication": [*range(20)], "parameter": ["tau"] * 20, "rank": [*range(20)], "draws": [19] * 20}
    table = pl.DataFrame(ranks)
    runs = pl.DataFrame({"run": ["a", "b"], "tau": [0.5, 1.0]})

    def simulation(rng):
        return {"tau": 1.0}, {}

    return {
        "simulate": (
            helpers.simulate,
            {"children": [3, 2, 5], "theta": 10, "tau": 1, "sigma": 1, "seed": 1, "levels": ["a", "b"]},
        ),
        "stan_data": (helpers.stan_data, {"df": df, "levels": LEVELS, "values": "y"}),
        "tree_data": (
            helpers.tree_data,
            {
                "data": data,
                "prior": None,
                "values": "y",
                "shared_tau": True,
                "weight": 0,
                "write_nodes": False,
            },
        ),
        "unflatten": (helpers.unflatten, {"samples": samples, "flat": flat}),
        "exact_posterior": (
            helpers.exact_posterior,
            {
                "data": small,
                "prior": None,
                "values": "y",
                "sigma": None,
                "shared_tau": True,
                "tolerance": 1e-8,
            },
        ),
        "ExactPosterior.mean": (exact.mean, {"name": "tau"}),
        "ExactPosterior.sd": (exact.sd, {"name": "theta_1"}),
        "ExactPosterior.cdf": (exact.cdf, {"name": "tau", "x": 1.0}),
        "ExactPosterior.density": (exact.density, {"name": "theta", "x": 10.0}),
        "ExactPosterior.quantile": (exact.quantile, {"name": "tau", "p": 0.5}),
        "ExactPosterior.log_density": (exact.log_density, {"tau": 1.0, "sigma": 1.0}),
        "ExactPosterior.conditional": (exact.conditional, {"tau": 1.0, "sigma": None}),
        "ExactPosterior.draws": (exact.draws, {"n": 10, "seed": 1}),
        "score": (helpers.score, {"samples": samples, "exact": exact, "below": 0.1}),
        "draws": (helpers.draws, {"tree": samples, "name": "tau"}),
        "funnel": (helpers.funnel, {"samples": {"one": samples}, "node": "theta_1[1]", "parent": "theta"}),
        "dots": (helpers.dots, {"table": runs, "estimate": "tau", "exact": 1.0}),
        "draw_tree": (helpers.draw_tree, {"df": df, "levels": LEVELS}),
        "rank_test": (helpers.rank_test, {"table": table, "probability": 0.95}),
        "rank_ecdf": (helpers.rank_ecdf, {"tables": table, "probability": 0.95}),
        "stan_file": (helpers.stan_file, {"name": "centered"}),
        "stan_model": (helpers.stan_model, {"name": "centered"}),
        "check": (helpers.check, {"number": "02.2", "answer": 1}),
        "calibrate": (
            helpers.calibrate,
            {
                "program": "funnel",
                "simulate": simulation,
                "n": 1,
                "client": None,
                "seed": 1,
                "draws": 9,
                "timeout": 60,
                "folder": None,
                "resume": True,
                "show_progress": False,
                "watch": None,
            },
        ),
    }


# What is no mistake: by argument, the kinds with which the helper works
NUMBERS = {"7", "numpy's 3", "-1", "0", "1.5"}
WHOLE = {"7", "numpy's 3"}
ARRAYS = {"a list", "a list of lists", "an array", "an empty list"}
RIGHT = {
    "simulate.theta": NUMBERS,
    "simulate.tau": (NUMBERS - {"-1"}) | {"a list"},
    "simulate.sigma": NUMBERS - {"-1"},
    "simulate.seed": {"None", "0", "1e400", "a list", "an empty list"} | WHOLE,
    "simulate.levels": {"None", "a list of texts"},
    "tree_data.prior": {"None"},
    "tree_data.shared_tau": {"True"},
    "tree_data.write_nodes": {"True"},
    "tree_data.weight": {"0", "True"},
    "exact_posterior.prior": {"None"},
    "exact_posterior.sigma": {"None"},
    "exact_posterior.shared_tau": {"True"},
    "exact_posterior.tolerance": WHOLE | {"1.5"},
    "ExactPosterior.cdf.x": NUMBERS | ARRAYS | {"True", "infinity", "a frame"},
    "ExactPosterior.density.x": NUMBERS | ARRAYS | {"True", "infinity", "a frame"},
    "ExactPosterior.quantile.p": {"an empty list"},
    "ExactPosterior.log_density.tau": {
        "7",
        "numpy's 3",
        "1.5",
        "a list",
        "a list of lists",
        "True",
        "an empty list",
        "a frame",
    },
    "ExactPosterior.log_density.sigma": {
        "7",
        "numpy's 3",
        "1.5",
        "a list",
        "a list of lists",
        "True",
        "an empty list",
        "a frame",
    },
    "ExactPosterior.conditional.tau": (NUMBERS - {"-1"})
    | {"a list", "a list of lists", "an array", "True", "a frame"},
    "ExactPosterior.conditional.sigma": {"None", "7", "numpy's 3", "1.5"},
    "ExactPosterior.draws.n": WHOLE,
    "ExactPosterior.draws.seed": {"None", "0", "1e400", "a list", "an empty list"} | WHOLE,
    "score.below": NUMBERS,
    "dots.exact": NUMBERS,
    "check.answer": {"a function"},  # what this exercise asks for, and wrong
    "calibrate.n": WHOLE,
    "calibrate.client": {"None"},
    "calibrate.seed": WHOLE | {"0", "1e400"},
    "calibrate.draws": WHOLE,
    "calibrate.timeout": WHOLE | {"1.5"},
    "calibrate.folder": {"None", "text", "no text"},
    "calibrate.resume": {"True"},
    "calibrate.show_progress": {"True"},
    "calibrate.watch": {"None", "a function"},
}
OF_THE_READER = ("calibrate.simulate", "a function")  # an error of their function is theirs to see
CELLS = [(helper, argument) for helper, (_, arguments) in given().items() for argument in arguments]


class LetThrough(BaseException):
    """All arguments were accepted."""


def answer(helper: str, **changed):
    """Call a helper with some arguments changed: its error, None if it works. What is given has to stay."""
    function, arguments = given()[helper]
    arguments = arguments | changed
    before = {
        name: copy.deepcopy(x)
        for name, x in arguments.items()
        if isinstance(x, dict | list | np.ndarray | pl.DataFrame)
    }
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            function(**arguments)
    except LetThrough:
        return None
    except Exception as error:
        return error
    finally:
        for name, x in before.items():
            now = arguments[name]
            same = isinstance(x, pl.DataFrame) and pl.Object not in x.dtypes and now.equals(x)
            assert same or repr(now) == repr(x), f"{name} was changed"
    return None


def faults(error: Exception) -> list[str]:
    """What is wrong with an error that a reader would see."""
    found = []
    if not isinstance(error, TypeError | ValueError | FileNotFoundError):
        found.append("not one of our kinds")
    text = str(error)
    if "\n" in text or not 20 < len(text) < 400:
        found.append("not one line")
    frame = traceback.extract_tb(error.__traceback__)[-1]
    line = linecache.getline(frame.filename, frame.lineno).strip()
    if not (frame.filename.startswith(HELPERS) and line.startswith("raise ")):
        found.append(f"not ours, but of {frame.filename}: {line}")
    if not re.search(r"[:;(]", text):
        found.append("no remedy")
    return found


@pytest.mark.parametrize(("helper", "argument"), CELLS)
def test_whatever_is_given_is_right_or_refused_in_one_line_of_ours(helper, argument, monkeypatch):
    def let_through(*_):
        raise LetThrough

    monkeypatch.setattr("helpers.calibration._check_names", let_through)  # no fit is made
    wrong = []
    for kind, x in KINDS.items():
        error = answer(helper, **{argument: x})
        if (f"{helper}.{argument}", kind) == OF_THE_READER:
            continue
        works = kind in RIGHT.get(f"{helper}.{argument}", ())
        if error is None and not works:
            wrong.append(f"{kind}: works")
        elif error is not None and works:
            wrong.append(f"{kind}: {error!r}")
        elif error is not None and (found := faults(error)):
            wrong.append(f"{kind}: {found}: {error!r:.150}")
    assert wrong == [], "\n".join(wrong)


# What the page shows: mistakes that people make, and what is said of them
def frame(**changed):
    """The first rows of the measurements, with a column changed."""
    return {
        "df": helpers.measurements()
        .head(4)
        .with_columns(**{k: pl.Series(v, strict=False) for k, v in changed.items()})
    }


def without(item: str):
    data, _ = helpers.stan_data(helpers.measurements(), levels=LEVELS, values="y")
    return {"data": {name: x for name, x in data.items() if name != item}}


SHOWN = {
    "a lazy frame": ("stan_data", {"df": helpers.measurements().lazy()}),
    "a frame of pandas": ("stan_data", {"df": helpers.measurements().to_pandas()}),
    "no rows": ("stan_data", {"df": helpers.measurements().clear()}),
    "a column's name mistyped": ("stan_data", {"values": "Y"}),
    "a level that is also the value": ("stan_data", {"values": "day"}),
    "a missing label": ("stan_data", frame(day=["monday", None, "monday", "monday"])),
    "labels of mixed types": ("stan_data", frame(day=pl.Series(["monday", 2, 3, 4], dtype=pl.Object))),
    "a missing value": ("stan_data", frame(y=[11.4, None, 9.7, 9.9])),
    "an infinite value": ("stan_data", frame(y=[11.4, 9.8, float("inf"), 9.9])),
    "a value that is text": ("stan_data", frame(y=["11.4", "9.8", "n.a.", "9.9"])),
    "values that are dates": ("stan_data", frame(y=[datetime.date(2026, 1, 1)] * 4)),
    "a name that Stan reserves": ("stan_data", frame(real=[11.4, 9.8, 9.7, 9.9]) | {"values": "real"}),
    "a negative τ": ("simulate", {"tau": -1}),
    "a τ too many": ("simulate", {"tau": [1, 1, 1]}),
    "groups that do not fit": ("simulate", {"children": [3, [2, 2], 5]}),
    "half a group": ("simulate", {"children": [2.5, 2, 5]}),
    "a negative seed": ("simulate", {"seed": -1}),
    "a seed that is no whole number": ("simulate", {"seed": 1.5}),
    "an item that is missing": ("tree_data", without("index_2")),
    "a weight above 1": ("tree_data", {"weight": 1.5}),
    "a prior mistyped": ("tree_data", {"prior": {"tua": 1}}),
    "a prior without width": ("exact_posterior", {"prior": {"tau": 0}}),
    "an error of measurement for each": ("exact_posterior", {"sigma": [0.1, 0.2]}),
    "a parameter's name mistyped": ("ExactPosterior.mean", {"name": "tao"}),
    "a probability above 1": ("ExactPosterior.quantile", {"p": 1.5}),
    "a fit instead of its draws": ("score", {"samples": "the fit"}),
    "a parameter that is not there": ("draws", {"name": "thata_1[1]"}),
    "an index too high": ("draws", {"name": "theta_1[9]"}),
    "a vector for one number": ("draws", {"name": "theta_1"}),
    "draws without a label": ("funnel", {"samples": [1, 2]}),
    "a column that is not there": ("dots", {"estimate": "tua"}),
    "another table": ("rank_test", {"table": helpers.measurements()}),
    "a probability of 95": ("rank_ecdf", {"probability": 95}),
    "a program's name mistyped": ("stan_file", {"name": "noncentred"}),
    "an exercise that is not there": ("check", {"number": "02.20"}),
    "no replications": ("calibrate", {"n": 0}),
    "something that is no function": ("calibrate", {"simulate": 7}),
}


def table() -> str:
    """Write what is said, as Markdown."""
    lines = ["| given to | by mistake | answer |", "|---|---|---|"]
    for mistake, (helper, changed) in SHOWN.items():
        error = answer(helper, **changed)
        said = str(error).replace("|", "\\|").replace("*", "\\*")
        lines.append(f"| `{helper}` | {mistake} | {type(error).__name__}: {said} |")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("mistake", SHOWN)
def test_what_the_page_shows_is_said(mistake):
    helper, changed = SHOWN[mistake]
    error = answer(helper, **changed)
    assert faults(error) == [], repr(error)


def test_the_page_has_the_table():
    assert PAGE.read_text("utf-8").endswith(table()), "run `python tests/test_inputs.py`"


if __name__ == "__main__":
    page = PAGE.read_text("utf-8")
    PAGE.write_text(page[: page.index("| given to |")] + table(), "utf-8")
