"""Bad input gets one line that says what is wrong and what to do, and the input stays as it was.

`test_inputs_at_random.py` tries whatever comes; here is what used to give a wrong number or a long error.
"""

import datetime
import decimal
import re
import traceback
from pathlib import Path

import arviz
import numpy as np
import polars as pl
import pytest

import helpers
from helpers.priors import PRIOR


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


# --- columns of every type ------------------------------------------------------------------------------

B, A = "b", "a"
DAY, HOUR = datetime.date, datetime.time
# Three entries, the second of which is another than the first and the third; their nodes, and their numbers.
COLUMNS = {
    "text": (pl.Series([B, A, B]), [2, 1, 2], None),
    "whole": (pl.Series([10, 9, 10]), [2, 1, 2], [10, 9, 10]),
    "UInt64": (pl.Series([2**64 - 1, 1, 2**64 - 1], dtype=pl.UInt64), [2, 1, 2], None),
    "Int128": (pl.Series([2**100, 1, 2**100], dtype=pl.Int128), [2, 1, 2], None),
    "Float32": (pl.Series([0.5, -0.5, 0.5], dtype=pl.Float32), [2, 1, 2], [0.5, -0.5, 0.5]),
    "decimal": (pl.Series([decimal.Decimal(x) for x in ("1.5", "1", "1.5")]), [2, 1, 2], [1.5, 1, 1.5]),
    "boolean": (pl.Series([True, False, True]), [2, 1, 2], [1, 0, 1]),
    "date": (pl.Series([DAY(2025, 1, 2), DAY(2025, 1, 1), DAY(2025, 1, 2)]), [2, 1, 2], None),
    "time": (pl.Series([HOUR(2), HOUR(1), HOUR(2)]), [2, 1, 2], None),
    "binary": (pl.Series([b"b", b"a", b"b"]), [2, 1, 2], None),
    "categorical": (pl.Series([B, A, B], dtype=pl.Categorical), [2, 1, 2], None),
    "Enum": (pl.Series([B, A, B], dtype=pl.Enum([B, A])), [1, 2, 1], None),  # in the order of its categories
    "null": (pl.Series([None, None, None]), None, None),
    "list": (pl.Series([[1], [2], [1]]), None, None),
    "struct": (pl.Series([{"a": 1}, {"a": 2}, {"a": 1}]), None, None),
    "mixed": (pl.Series([1, A, 1], dtype=pl.Object), None, None),
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
        assert refused(helpers.stan_data, df, "k", "x").startswith("column 'x' is ")
    else:
        assert helpers.stan_data(df, "k", "x")[0]["x"].tolist() == numbers


def test_one_row_and_one_group_are_enough():
    df = a_frame()[:1]
    data, _ = helpers.stan_data(df, ["g", "h"], "y")
    assert (data["N"], data["J_1"], data["J_2"], data["y"].tolist()) == (1, 1, 1, [8.0])
    assert helpers.tree_data(data)["y_mean"].tolist() == [8.0]
    assert helpers.exact_posterior(data).accuracy < 1e-8
    helpers.draw_tree(df, ["g", "h"])


# --- what used to give a wrong number, or stop the machine ----------------------------------------------

MASKED = np.ma.array([1.0, 2.0, 4.0], mask=[False, True, False])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": ["1", "2", "4"]}, "'y' is '1' at position 1"),
        ({"y": MASKED}, "'y' is nan at position 2"),
        ({"y": [1.0, 2.0, 1e101]}, "'y' is 1e+101 at position 3: use another unit"),
        ({"y": [1 + 1j, 2, 4]}, "'y' is (1+1j) at position 1"),
        ({"y": [[1], [2, 3], 4]}, "'y' is [[1], [2, 3], 4]: give numbers"),
        ({"J_1": 2.5}, "'J_1' is 2.5: give a whole number"),
        ({"J_1": 10**12}, "node 3 of level 1 has nothing below it"),
        ({"index_1": ["1", "1", "2"]}, "'index_1' is '1' at position 1"),
        ({"index_1": [1, 1.5, 2]}, "'index_1' is 1.5 at position 2"),
    ],
)
@pytest.mark.parametrize("helper", ["tree_data", "exact_posterior"])
def test_numbers_in_a_dictionary_are_numbers(helper, change, message):
    assert message in refused(getattr(helpers, helper), DATA | change)


def separate():
    flat = {"J_1": 1, "J_2": 2, "index_1": [1, 1], "index_2": [1, 1, 2], "y": [8, 9, 11]}
    return helpers.tree_data(flat, shared_tau=False)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: helpers.exact_posterior(DATA, {"theta": (1e200, 1e-200)}), "no finite answer"),
        (lambda: helpers.exact_posterior(DATA, {"sigma": 1e-300}), "no finite answer"),
        (lambda: helpers.exact_posterior(DATA, {"tau": True}), "tau"),
        (lambda: helpers.exact_posterior(DATA | {"y": [1e20, 2.0, 3.0]}, PRIOR), "unit"),
        (lambda: helpers.exact_posterior(DATA | {"y": [1e-200, 2e-200, 3e-200]}, PRIOR), "unit"),
        (lambda: helpers.simulate([10**12, 2], 10, 1, 1, 1), "children[0] ('level_1') makes too many"),
        (lambda: helpers.simulate([2, [10**9, 1]], 10, 1, 1, 1), "children[1] (observations) makes too many"),
        (lambda: helpers.simulate([True, 2], 10, 1, 1, 1), "children[0] ('level_1') is True: give a whole"),
        (lambda: helpers.simulate([2, 50], 1e308, 1e308, 1e308, 1), "y would be infinite"),
        (lambda: helpers.stan_data(a_frame(), {"g", "h"}, "y"), "a set has no order"),
        (lambda: helpers.unflatten(some_flat_samples(), separate()), "the samples have 1 τ, the data 2"),
        (lambda: helpers.funnel(some_samples()), "give a dictionary"),
        (lambda: helpers.dots(RUNS, "share", 0.1, cats="rnu"), "no column 'rnu' (did you mean 'run'?)"),
        (
            lambda: helpers.dots(RUNS.with_columns(share=pl.Series([1.0, None])), "share", 1),
            "is null in row 1",
        ),
        (lambda: helpers.dots(RUNS.clear(), "share", 0.1), "the table has no rows"),
        (lambda: EXACT.log_density(np.inf, 1), "tau"),
        (lambda: EXACT.log_density(1, "1"), "sigma"),
        (lambda: EXACT.conditional(-1, 1), "tau"),
        (lambda: EXACT.conditional(1, [1]), "sigma"),
        (lambda: EXACT.draws(0, 1), "n is 0"),
        (lambda: EXACT.draws(10**11, 1), "n is 100,000,000,000"),
    ],
)
def test_what_has_no_answer_is_refused_by_its_name(call, words):
    assert words in refused(call)


@pytest.mark.parametrize("seed", [-1, 1.0, True, "1", [-1]])
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


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_draws_that_are_no_numbers_get_no_marks(bad):
    samples = some_samples()
    samples["posterior"]["tau"].values[1, 3] = bad
    assert f"draw 14 of 'tau' is {bad}" in refused(helpers.score, samples, EXACT)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (ranks([0, 3, 10]), "a rank of 'mu' is 10"),
        (ranks([0.0, 3.0, 1.0]), "column 'rank' is Float64"),
        (ranks(draws=10**9), "draws is 1,000,000,000"),
        (ranks(draws=[9, 9, 9, 8]), "column 'draws' of 'mu' is not one number"),
        (ranks().clear(), "the table has no rows"),
    ],
)
def test_ranks_that_cannot_be_are_refused(table, message):
    assert message in refused(helpers.rank_test, table)
    assert message in refused(helpers.rank_ecdf, {"one": table})


def test_the_mean_of_a_leaf_keeps_its_digits_beside_one_far_away():
    data = {"J_1": 2, "index_1": [1, 2, 2], "y": [2.0**63, 1.0, 2.0]}
    assert helpers.tree_data(data, PRIOR)["y_mean"].tolist() == [2.0**63, 1.5]


# --- did you mean? --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "meant"),
    [
        (lambda: helpers.stan_data(a_frame().rename({"g": "colony"}), "coloni", "y"), "'colony'"),
        (lambda: helpers.stan_data(a_frame().rename({"y": "light"}), "g", "Light"), "'light'"),
        (lambda: helpers.tree_data(DATA | {"light": DATA["y"]}, values="ligth"), "'light'"),
        (lambda: helpers.tree_data(DATA, {"Tau": 1}), "'tau'"),
        (lambda: helpers.exact_posterior(DATA, {"sgima": 1}), "'sigma'"),
        (lambda: helpers.draws(some_samples(), "Tau"), "'tau'"),
        (lambda: helpers.draws(some_samples(), "theta_2[1]"), "'theta_1'"),
        (lambda: helpers.funnel({"one": some_samples()}, parent="thet"), "'theta'"),
        (lambda: helpers.dots(RUNS, "shares", 1), "'share'"),
        (lambda: helpers.stan_file("centred"), "'centered'"),
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
    prior = {"prior_theta": [10, 3], "prior_beta": [[0, 2]], "prior_tau": [5, 5], "prior_sigma": 5}
    lines, _ = helpers.stan_data(df, "day", "y", predictors="batch", remark=False)
    crosses, _ = helpers.stan_data(df, values="y", crossed=["day", "batch"])
    here = {"df": df, "data": data, "exact": exact, "samples": exact.draws(100, seed=1), "pl": pl}
    here |= {"lines": lines | prior | {"prior_rho": 2}, "crosses": crosses | prior | {"prior_beta": []}}
    return here | {name: getattr(helpers, name) for name in helpers.__all__}


def test_the_page_has_tables_and_this_file_reads_them():
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
