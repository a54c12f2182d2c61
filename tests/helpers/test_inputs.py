"""Bad input gets one line that says what is wrong and what to do, and the input stays as it was.

Every argument of every public helper is given every kind of thing in `KINDS`; only those in `FINE` are taken.
"""

import copy
import datetime
import decimal
import enum
import inspect
import re
import traceback
from pathlib import Path

import arviz
import numpy as np
import polars as pl
import pytest
import xarray as xr
from hypothesis import settings

import helpers
from helpers import calibration
from helpers.priors import PRIOR

# The same examples on every machine and every day: a red test is a change in the code.
fixed = settings(derandomize=True, deadline=None, max_examples=100, database=None)


class Plant(enum.Enum):
    PEA = 1


def a_frame():
    return pl.DataFrame({"g": ["a", "a", "b"], "h": [1, 2, 1], "y": [8.0, 9.0, 11.0]})


def some_samples(**more):
    rng = np.random.default_rng(1)
    shape = (2, 10)
    posterior = {"theta": rng.normal(size=shape), "tau": rng.uniform(size=shape), "sigma": np.ones(shape)}
    posterior["theta_1"] = rng.normal(size=(*shape, 2))
    return arviz.from_dict({"posterior": posterior | more}, index_origin=1)


def some_flat_samples():
    rng = np.random.default_rng(1)
    return some_samples(tau=rng.uniform(size=(2, 10, 1)), node=rng.normal(size=(2, 10, 2)))


def ranks(values=(0, 3, 7, 9), draws=9):
    return pl.DataFrame({"parameter": "mu", "rank": values, "draws": draws})


DATA = helpers.stan_data(a_frame(), "g", "y")[0]
EXACT = helpers.exact_posterior(DATA)
RUNS = pl.DataFrame({"run": ["one", "two"], "share": [0.1, 0.2]})

# For every helper, arguments that are right.
GOOD = {
    "stan_data": {"df": a_frame(), "levels": ["g"], "values": "y", "remark": True},
    "simulate": {"children": [2, 3], "theta": 10, "tau": 1, "sigma": 1, "seed": 1, "levels": ["g"]},
    "tree_data": {
        **{"data": DATA, "prior": None, "values": "y"},
        **{"shared_tau": True, "weight": 0, "write_nodes": False},
    },
    "unflatten": {"samples": some_flat_samples(), "flat": helpers.tree_data(DATA, write_nodes=True)},
    "exact_posterior": {
        **{"data": DATA, "prior": None, "values": "y", "sigma": None, "shared_tau": True, "tolerance": 1e-6}
    },
    "score": {"samples": some_samples(), "exact": EXACT, "below": 0.1},
    "funnel": {"samples": {"one": some_samples()}, "node": "theta_1[1]", "parent": "theta"},
    "dots": {"table": RUNS, "estimate": "share", "exact": 1.0},
    "draw_tree": {"df": a_frame(), "levels": ["g"]},
    "draws": {"tree": some_samples(), "name": "tau"},
    "rank_ecdf": {"tables": ranks(), "probability": 0.95},
    "rank_test": {"table": ranks(), "probability": 0.95},
    "check": {"number": "01.1", "answer": [1, 2, 3]},
    "calibrate": {
        **{"program": "funnel", "simulate": lambda rng: ({"tau": 1}, {}), "n": 3, "client": None, "seed": 1},
        **{"draws": 9, "timeout": 5, "folder": None, "resume": True, "show_progress": False, "watch": None},
    },
}

KINDS = {
    "None": lambda: None,
    "text": lambda: "abc",
    "no text": lambda: "",
    "bytes": lambda: b"abc",
    "whole": lambda: 3,
    "zero": lambda: 0,
    "negative": lambda: -1,
    "2**32": lambda: 2**32,
    "10**400": lambda: 10**400,
    "fraction": lambda: 2.5,
    "nan": lambda: float("nan"),
    "infinity": lambda: float("inf"),
    "numpy float": lambda: np.float64(1.5),
    "numpy int": lambda: np.int64(2),
    "numpy bool": lambda: np.True_,
    "True": lambda: True,
    "complex": lambda: 1j,
    "decimal": lambda: decimal.Decimal(1),
    "date": lambda: datetime.date(2025, 1, 1),
    "datetime64": lambda: np.datetime64("2025-01-01"),
    "Enum": lambda: Plant.PEA,
    "no list": list,
    "list of None": lambda: [None],
    "list of list": lambda: [[1]],
    "numbers": lambda: [1, 2],
    "texts": lambda: ["a", "b"],
    "set": lambda: {"g", "h"},
    "generator": lambda: (x for x in [None]),
    "no dict": dict,
    "dict": lambda: {"a": 1},
    "no array": lambda: np.array([]),
    "matrix": lambda: np.ones((2, 2)),
    "array of text": lambda: np.array(["a"]),
    "masked": lambda: np.ma.array([1.0, 2.0], mask=[True, False]),
    "series": lambda: pl.Series("y", [1.0, 2.0]),
    "no frame": pl.DataFrame,
    "no rows": lambda: a_frame().clear(),
    "another frame": lambda: pl.DataFrame({"a": [1]}),
    "lazy frame": lambda: a_frame().lazy(),
    "pandas": lambda: a_frame().to_pandas(),
    "pyarrow": lambda: a_frame().to_arrow(),
    "function": lambda: len,
    "samples": some_samples,
    "no posterior": lambda: xr.DataTree(),
    "no draws": lambda: xr.DataTree.from_dict({"posterior": xr.Dataset({"tau": (("chain", "draw"), [[]])})}),
}

NUMBER = {"whole", "zero", "2**32", "fraction", "numpy float", "numpy int"}
FLAG = {"True", "zero", "numpy bool"}
# What is taken, other than the arguments above. The rest, for every helper, is refused.
FINE = {
    ("simulate", "children"): {"numbers"},
    ("simulate", "theta"): {*NUMBER, "negative"},
    ("simulate", "tau"): NUMBER,
    ("simulate", "sigma"): NUMBER,
    ("simulate", "seed"): {
        *{"None", "whole", "zero", "2**32", "10**400", "numpy int", "numbers", "no list", "no array"}
    },
    ("simulate", "levels"): {"None", "text", "no text", "dict", "array of text", "samples", "no draws"},
    ("stan_data", "remark"): FLAG,
    ("tree_data", "prior"): {"None", "no dict", "no posterior"},
    ("tree_data", "shared_tau"): FLAG,
    ("tree_data", "weight"): {"zero", "True", "numpy bool"},
    ("tree_data", "write_nodes"): FLAG,
    ("exact_posterior", "prior"): {"None", "no dict", "no posterior"},
    ("exact_posterior", "sigma"): {"None"},
    ("exact_posterior", "shared_tau"): FLAG,
    ("exact_posterior", "tolerance"): NUMBER - {"zero"},
    ("unflatten", "samples"): {"samples"},  # which have no nodes
    ("score", "samples"): {"samples"},
    ("score", "below"): {*NUMBER, "negative"},
    ("draws", "tree"): {"samples"},
    ("dots", "exact"): {*NUMBER, "negative"},
    ("check", "number"): {"numpy float"},  # exercise 01.5
    ("draw_tree", "levels"): {"pandas"},  # the names of its columns
    ("calibrate", "client"): {"None"},
    ("calibrate", "n"): {"whole", "2**32", "10**400", "numpy int"},
    ("calibrate", "seed"): {"whole", "zero", "2**32", "10**400", "numpy int"},
    ("calibrate", "draws"): {"whole", "numpy int"},
    ("calibrate", "timeout"): NUMBER - {"zero"},
    ("calibrate", "folder"): {"None", "text", "no text"},
    ("calibrate", "resume"): FLAG,
    ("calibrate", "show_progress"): FLAG,
    ("calibrate", "watch"): {"None", "function"},
    ("calibrate", "simulate"): {"function"},
}
CELLS = [(helper, argument) for helper, arguments in GOOD.items() for argument in arguments]


def alike(a, b):
    """Whether two things are equal, to the last bit and type."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(alike(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(alike, a, b))
    if isinstance(a, set):  # a copy may have another order
        return a == b
    if isinstance(a, pl.DataFrame):
        return a.schema == b.schema and a.equals(b)
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.tobytes() == b.tobytes()
    if isinstance(a, pl.LazyFrame):
        return a.collect().equals(b.collect())
    return a.identical(b) if isinstance(a, xr.DataTree) else " at 0x" in repr(a) or repr(a) == repr(b)


def documented(helper):
    """Names of the errors in a docstring's section "Raises"."""
    section = re.search(r"\n *Raises\n *-+\n(.*?)(?=\n *\w+\n *---|\Z)", inspect.getdoc(helper), re.DOTALL)
    names = re.findall(r"^(?:\w+\.)?(\w+(?:, \w+)*)$", section[1], re.MULTILINE)
    return {name for line in names for name in line.split(", ")}


def refused(function, *args, **kwargs):
    """Check that a call is refused as it should be, by the helpers' own words; return these."""
    with pytest.raises((TypeError, ValueError, FileNotFoundError)) as caught:
        function(*args, **kwargs)
    said = str(caught.value)
    assert said.isprintable(), "more than one line"
    assert " at 0x" not in said
    assert len(said) < 700
    last = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert Path(last.filename).is_relative_to(Path(helpers.__file__).parent), "not the helpers' own words"
    assert re.search("[:;?] ", said), "what to do is not said"
    return said


@pytest.fixture
def nothing_runs(monkeypatch):
    """Make sure that what is wrong is found before anything is compiled."""
    monkeypatch.setattr(calibration, "stan_model", lambda *_: pytest.fail("an argument was not refused"))


@pytest.mark.parametrize(("helper", "argument"), CELLS)
def test_every_kind_of_thing_is_taken_or_refused_in_one_line(helper, argument, nothing_runs):
    function, fine = getattr(helpers, helper), FINE.get((helper, argument), set())
    for kind, make in KINDS.items():
        arguments = GOOD[helper] | {argument: make()}
        # a generator is used up, and a function has no copy
        before = {k: copy.deepcopy(v) for k, v in arguments.items() if not inspect.isgenerator(v)}
        if kind in fine:
            if helper != "calibrate":  # which would fit
                function(**arguments)
        else:
            try:
                said = refused(function, **arguments)
            except BaseException as error:
                raise AssertionError(f"{argument} of {helper}, {kind}: {error}") from error
            assert said
        after = {k: v for k, v in arguments.items() if k in before}
        assert alike(before, after), f"{kind} was changed"


@pytest.mark.parametrize("helper", GOOD)
def test_errors_are_those_that_the_docstring_names(helper, nothing_runs):
    function, names = getattr(helpers, helper), documented(getattr(helpers, helper))
    assert names
    for argument in GOOD[helper]:
        for kind in KINDS.keys() - FINE.get((helper, argument), set()):
            with pytest.raises((TypeError, ValueError, FileNotFoundError)) as caught:
                function(**GOOD[helper] | {argument: KINDS[kind]()})
            assert caught.type.__name__ in names, f"{argument}, {kind}"


def test_every_public_helper_is_in_the_table():
    functions = {name for name in helpers.__all__ if inspect.isfunction(getattr(helpers, name))}
    elsewhere = {"measurements", "stan_file", "stan_model", "table_file"}  # no arguments; names of files
    assert functions - elsewhere == GOOD.keys()
    for helper, arguments in GOOD.items():
        named = [
            p.name for p in inspect.signature(getattr(helpers, helper)).parameters.values() if p.kind != 4
        ]
        assert named == list(arguments), helper


# --- columns of every type ------------------------------------------------------------------------------

B, A = "b", "a"
# Three entries, the second of which is another than the first and the third, and whether they are in order.
COLUMNS = {
    "text": (pl.Series([B, A, B]), [2, 1, 2], None),
    "whole": (pl.Series([10, 9, 10]), [2, 1, 2], [10, 9, 10]),
    "UInt64": (pl.Series([2**64 - 1, 1, 2**64 - 1], dtype=pl.UInt64), [2, 1, 2], None),
    "Int128": (pl.Series([2**100, 1, 2**100], dtype=pl.Int128), [2, 1, 2], None),
    "float": (pl.Series([0.5, -0.5, 0.5]), [2, 1, 2], [0.5, -0.5, 0.5]),
    "Float32": (pl.Series([0.5, -0.5, 0.5], dtype=pl.Float32), [2, 1, 2], [0.5, -0.5, 0.5]),
    "decimal": (pl.Series([decimal.Decimal("1.5"), decimal.Decimal(1)] * 2)[:3], [2, 1, 2], [1.5, 1, 1.5]),
    "boolean": (pl.Series([True, False, True]), [2, 1, 2], [1, 0, 1]),
    "date": (pl.Series([datetime.date(2025, 1, 2), datetime.date(2025, 1, 1)] * 2)[:3], [2, 1, 2], None),
    "datetime": (
        pl.Series([datetime.datetime(2025, 1, 2), datetime.datetime(2025, 1, 1)] * 2)[:3],
        [2, 1, 2],
        None,
    ),
    "time": (pl.Series([datetime.time(2), datetime.time(1), datetime.time(2)]), [2, 1, 2], None),
    "duration": (pl.Series([datetime.timedelta(2), datetime.timedelta(1)] * 2)[:3], [2, 1, 2], None),
    "binary": (pl.Series([b"b", b"a", b"b"]), [2, 1, 2], None),
    "categorical": (pl.Series([B, A, B], dtype=pl.Categorical), [2, 1, 2], None),
    "Enum": (pl.Series([B, A, B], dtype=pl.Enum([B, A])), [1, 2, 1], None),  # in the order of its categories
    "null": (pl.Series([None, None, None]), None, None),
    "list": (pl.Series([[1], [2], [1]]), None, None),
    "array": (pl.Series([[1], [2], [1]], dtype=pl.Array(pl.Int64, 1)), None, None),
    "struct": (pl.Series([{"a": 1}, {"a": 2}, {"a": 1}]), None, None),
    "mixed": (pl.Series([1, A, 1], dtype=pl.Object), None, None),
    "objects": (pl.Series([Plant.PEA] * 3, dtype=pl.Object), None, None),
}


@pytest.mark.parametrize("kind", COLUMNS)
def test_columns_of_every_type_are_read_right_or_refused(kind):
    series, nodes, numbers = COLUMNS[kind]
    df = pl.DataFrame({"k": [1, 1, 1], "y": [0.0, 1.0, 2.0]}).with_columns(series.alias("x"))
    if nodes is None:
        for call in (helpers.stan_data, lambda df, levels, _: helpers.draw_tree(df, levels)):
            assert refused(call, df, ["k", "x"], "y").startswith("column 'x' is ")
    else:
        labelled = helpers.stan_data(df, ["k", "x"], "y")[1].sort("y")
        assert labelled["x_stan"].to_list() == nodes
        helpers.draw_tree(df, ["k", "x"])
    if numbers is None:
        assert refused(helpers.stan_data, df, "k", "x").startswith("value column 'x' is ")
    else:
        assert helpers.stan_data(df, "k", "x")[0]["x"].tolist() == numbers


def test_one_row_and_one_group_are_enough():
    df = a_frame()[:1]
    data, _ = helpers.stan_data(df, ["g", "h"], "y")
    assert (data["N"], data["J_1"], data["J_2"], data["y"].tolist()) == (1, 1, 1, [8.0])
    assert helpers.tree_data(data)["y_mean"].tolist() == [8.0]
    assert helpers.exact_posterior(data).accuracy < 1e-8
    helpers.draw_tree(df, ["g", "h"])


def test_ten_million_rows_are_read_right():
    n = 10**7
    rng = np.random.default_rng(1)
    day, colony = rng.integers(0, 1000, n), rng.integers(0, 50, n)
    df = pl.DataFrame({"day": day, "colony": colony, "y": rng.normal(size=n)})
    with pytest.warns(UserWarning, match="'colony' stand under every 'day'"):
        data, labelled = helpers.stan_data(df, ["day", "colony"], "y")
    assert (data["N"], data["J_1"], data["J_2"]) == (n, 1000, 50_000)  # each is there, but for chance 1e-80
    leaf = 50 * day + colony  # and leaves in the order of the labels
    assert np.array_equal(np.bincount(data["index_2"])[1:], np.bincount(leaf))
    assert (np.diff(data["index_2"]) >= 0).all()
    assert np.array_equal(
        50 * labelled["day"].to_numpy() + labelled["colony"].to_numpy() + 1, data["index_2"]
    )
    assert np.array_equal(labelled["y"], data["y"])
    sums = np.bincount(leaf, df["y"].to_numpy())
    assert np.allclose(np.bincount(data["index_2"] - 1, data["y"]), sums, rtol=0, atol=1e-9)
    assert labelled.height == n
    flat = helpers.tree_data(data, {"theta": (0, 1)})
    assert flat["n"].sum() == n
    assert "too many for a picture" in refused(helpers.draw_tree, df, ["day", "colony"])


# --- what used to give a wrong number, or stop the machine ----------------------------------------------

MASKED = np.ma.array([1.0, 2.0, 4.0], mask=[False, True, False])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": ["1", "2", "4"]}, "'y' is '1' at position 1"),
        ({"y": [1.0, "2", 4.0]}, "'y' is '2' at position 2"),
        (
            {"y": np.array(["2025", "2026", "2027"], "M8[Y]")},
            "'y' is datetime.date(2025, 1, 1) at position 1",
        ),
        ({"y": MASKED}, "'y' is nan at position 2"),
        ({"y": [1.0, 2.0, None]}, "'y' is nan at position 3"),
        ({"y": [1.0, 2.0, 1e101]}, "'y' is 1e+101 at position 3: use another unit"),
        ({"y": [1 + 1j, 2, 4]}, "'y' is (1+1j) at position 1"),
        ({"y": [[1], [2, 3], 4]}, "'y' is [[1], [2, 3], 4]: give numbers"),
        ({"J_1": 2.5}, "'J_1' is 2.5: give a whole number"),
        ({"J_1": "2"}, "'J_1' is '2': give a whole number"),
        ({"J_1": 10**12}, "node 3 of level 1 has nothing below it"),
        ({"index_1": ["1", "1", "2"]}, "'index_1' is '1' at position 1"),
        ({"index_1": [1, 1.5, 2]}, "'index_1' is 1.5 at position 2"),
        ({"index_1": [1, None, 2]}, "'index_1' is nan at position 2"),
    ],
)
@pytest.mark.parametrize("helper", ["tree_data", "exact_posterior"])
def test_numbers_in_a_dictionary_are_numbers(helper, change, message):
    assert message in refused(getattr(helpers, helper), DATA | change)


@pytest.mark.parametrize(
    "prior",
    [{"theta": (1e200, 1e-200)}, {"tau": 1e-200}, {"sigma": 1e-300}, {"theta": (10, 1e300)}, {"tau": True}],
)
def test_priors_that_are_beyond_all_numbers_are_refused(prior):
    refused(helpers.exact_posterior, DATA, prior)


@pytest.mark.parametrize("y", [[1e99, 2.0, 3.0], [1e-200, 2e-200, 3e-200], [1e20, 2.0, 3.0]])
def test_measurements_in_another_unit_than_the_prior_are_refused(y):
    assert "unit" in refused(helpers.exact_posterior, DATA | {"y": y}, PRIOR)


@pytest.mark.parametrize(
    ("children", "message"),
    [
        ([10**12, 2], "children[0] ('level_1') makes too many"),
        ([10**5, 10**5], "children[1] (observations) makes too many"),
        ([2, [10**9, 1]], "children[1] (observations) makes too many"),
        ([2**70, 2], "children[0]"),
        ([True, 2], "children[0] ('level_1') is True: give a whole number"),
    ],
)
def test_designs_too_large_for_the_machine_are_refused_at_once(children, message):
    assert message in refused(helpers.simulate, children, 10, 1, 1, seed=1)


def test_infinite_measurements_are_not_simulated():
    assert "y would be infinite" in refused(helpers.simulate, [2, 50], 1e308, 1e308, 1e308, seed=1)


def test_levels_without_an_order_are_refused():
    assert "a set has no order" in refused(helpers.stan_data, a_frame(), {"g", "h"}, "y")


@pytest.mark.parametrize("seed", [-1, 1.0, True, "1", float("nan"), [-1], np.datetime64("2025")])
def test_seeds_out_of_range_are_refused(seed):
    for call in (lambda: helpers.simulate([2, 2], 10, 1, 1, seed), lambda: EXACT.draws(3, seed)):
        assert "give a whole number, 0 or more" in refused(call)


def test_a_seed_may_be_as_large_as_one_likes():
    one, other = (helpers.simulate([2, 2], 10, 1, 1, seed)["y"].to_list() for seed in (2**32, 2**32 + 1))
    assert one != other


@pytest.mark.parametrize("name", ["theta", "tau", "sigma", "theta_1[1]"])
def test_the_exact_posterior_has_no_answer_for_what_is_no_number(name):
    for method in (EXACT.cdf, EXACT.density, EXACT.quantile):
        for x in (np.nan, None, "0.5", [0.5, np.nan], np.ma.array([0.5], mask=[True])):
            refused(method, name, x)
    assert EXACT.cdf(name, [-np.inf, np.inf]) == pytest.approx([0, 1], abs=1e-9)
    assert EXACT.density(name, [-np.inf, np.inf, 1e308]).tolist() == [0, 0, 0]


@pytest.mark.parametrize("tau", [-1, 0, np.nan, np.inf, "1", None])
def test_the_density_of_impossible_spreads_is_refused(tau):
    refused(EXACT.log_density, tau, 1)
    refused(EXACT.log_density, 1, "1" if tau is None else tau)


@pytest.mark.parametrize(
    ("tau", "sigma"), [(-1, 1), (np.nan, 1), ([], 1), (1, "1"), (1, True), (1, [1]), ("1", 1)]
)
def test_impossible_conditions_are_refused(tau, sigma):
    refused(EXACT.conditional, tau, sigma)


@pytest.mark.parametrize("n", [0, -1, True, 1.0, "3", None, 10**11])
def test_impossible_numbers_of_draws_are_refused(n):
    assert refused(EXACT.draws, n, 1).startswith("n is ")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_draws_that_are_no_numbers_get_no_marks(bad):
    samples = some_samples()
    samples["posterior"]["tau"].values[1, 3] = bad
    assert f"draw 14 of 'tau' is {bad}" in refused(helpers.score, samples, EXACT)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (ranks([0, 3, 10]), "a rank of 'mu' is 10"),
        (ranks([0, 3, -1]), "a rank of 'mu' is -1"),
        (ranks([0.0, 3.0, 1.0]), "column 'rank' is Float64"),
        (ranks(["0", "1"]), "column 'rank' is String"),
        (ranks(draws=10**9), "draws is 1,000,000,000"),
        (ranks(draws=[9, 9, 9, 8]), "column 'draws' of 'mu' is not one number"),
        (ranks(draws=None), "column 'draws' of 'mu' is not one number"),
        (ranks().clear(), "the table has no rows"),
    ],
)
def test_ranks_that_cannot_be_are_refused(table, message):
    assert message in refused(helpers.rank_test, table)
    assert message in refused(helpers.rank_ecdf, {"one": table})


def test_numbers_of_another_fit_are_refused():
    separate = helpers.tree_data(
        {"J_1": 1, "J_2": 2, "index_1": [1, 1], "index_2": [1, 1, 2], "y": [8, 9, 11]}, shared_tau=False
    )
    assert "the samples have 1 τ, the data 2" in refused(helpers.unflatten, some_flat_samples(), separate)


def test_the_mean_of_a_leaf_keeps_its_digits_beside_one_far_away():
    data = {"J_1": 2, "index_1": [1, 2, 2], "y": [2.0**63, 1.0, 2.0]}
    assert helpers.tree_data(data, PRIOR)["y_mean"].tolist() == [2.0**63, 1.5]


def test_one_sampler_without_a_label_is_refused():
    assert "give a dictionary" in refused(helpers.funnel, some_samples())


@pytest.mark.parametrize(
    ("table", "more", "message"),
    [
        (RUNS, {"cats": "rnu"}, "no column 'rnu' (did you mean 'run'?)"),
        (RUNS, {"cats": ["run", "kind"]}, "no column 'kind'"),
        (RUNS.with_columns(share=pl.Series([1.0, None])), {}, "value column 'share' is null in row 1"),
        (RUNS.with_columns(share=pl.Series(["a", "b"])), {}, "value column 'share' is 'a' in row 0"),
        (RUNS.clear(), {}, "the table has no rows"),
    ],
)
def test_runs_that_cannot_be_drawn_are_refused(table, more, message):
    assert message in refused(helpers.dots, table, "share", 0.1, **more)


# --- did you mean? --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "meant"),
    [
        (lambda: helpers.stan_data(a_frame().rename({"g": "colony"}), "coloni", "y"), "'colony'"),
        (lambda: helpers.stan_data(a_frame().rename({"y": "light"}), "g", "Light"), "'light'"),
        (lambda: helpers.draw_tree(a_frame().rename({"g": "colony"}), "colnoy"), "'colony'"),
        (lambda: helpers.tree_data(DATA | {"light": DATA["y"]}, values="ligth"), "'light'"),
        (lambda: helpers.tree_data(DATA, {"Tau": 1}), "'tau'"),
        (lambda: helpers.exact_posterior(DATA, {"sgima": 1}), "'sigma'"),
        (lambda: helpers.draws(some_samples(), "Tau"), "'tau'"),
        (lambda: helpers.draws(some_samples(), "theta_2[1]"), "'theta_1'"),
        (lambda: helpers.funnel({"one": some_samples()}, parent="thet"), "'theta'"),
        (lambda: helpers.dots(RUNS, "shares", 1), "'share'"),
        (lambda: helpers.stan_file("centred"), "'centered'"),
        (lambda: helpers.stan_model("Centered"), "'centered'"),
    ],
)
def test_the_nearest_name_is_offered(call, meant):
    assert f"(did you mean {meant}?)" in refused(call)


def test_a_name_that_nothing_is_near_gets_no_offer():
    assert "did you mean" not in refused(helpers.stan_data, a_frame(), "zebra", "y")


# --- the page of the book -------------------------------------------------------------------------------

PAGE = Path(__file__).parents[2] / "book" / "pages" / "inputs.md"
PARTS = re.split("^## ", PAGE.read_text("utf-8"), flags=re.MULTILINE)
REMARKED = [part for part in PARTS if part.startswith("Tables that may not be what you mean\n")]
REFUSED = [part for part in PARTS if part not in REMARKED]


def rows(parts):
    return re.findall(r"^\| `(.+?)` \| `(.+)` \|$", "".join(parts), re.MULTILINE)


@pytest.fixture(scope="module")
def reader():
    """What the page says that its reader has."""
    df = helpers.measurements()
    data, _ = helpers.stan_data(df, ["day", "batch", "colony"], "y")
    exact = helpers.exact_posterior(data)
    here = {"df": df, "data": data, "exact": exact, "samples": exact.draws(100, seed=1), "pl": pl}
    return here | {name: getattr(helpers, name) for name in helpers.__all__}


def test_the_page_has_a_table():
    assert len(rows(REFUSED)) > 40
    assert len(rows(REMARKED)) >= 4


@pytest.mark.parametrize(("code", "message"), rows(REFUSED))
def test_the_page_says_what_one_is_told(code, message, reader):
    assert refused(eval, code, reader) == message


@pytest.mark.parametrize(("code", "message"), rows(REMARKED))
def test_the_page_says_what_stan_data_remarks_on(code, message, reader):
    with pytest.warns(UserWarning, match="remark=False") as told:
        eval(code, reader)
    assert [str(remark.message) for remark in told] == [message]
