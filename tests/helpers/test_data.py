"""What `helpers.data` promises: our cells, and the dictionary that Stan gets of any frame."""

import datetime
import re

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.data import LEVELS, level_names, measurements, stan_data

# The same draws on every machine and every day: a red test is a change in the code.
fixed = settings(derandomize=True, deadline=None, max_examples=60, database=None)


def test_measurements_are_as_published_and_cannot_be_spoilt():
    cells = measurements()
    cells[0, "y"] = -1.0
    cells = measurements()
    assert cells[0, "y"] == 11.4
    assert cells.schema == {"day": pl.String, "batch": pl.Int64, "colony": pl.Int64, "y": pl.Float64}
    days = cells["day"].rle().struct.unnest().rows()
    assert days == [(23, "monday"), (17, "wednesday"), (7, "thursday")]


def test_levels_are_the_columns_before_y_whatever_they_are_called():
    assert level_names("# unit: s\n\nweek,plate,well_2,y\n1,1,1,3.5\n") == ["week", "plate", "well_2"]


@pytest.mark.parametrize(
    "columns", ["day,batch,y", "a,b,c,d,y", "a,b,c,z", "a;b;c;y", "a,b,a,y", "a,the batch,c,y", ""]
)
def test_columns_that_are_not_three_levels_and_y_are_refused(columns):
    with pytest.raises(ValueError, match="name three levels, outermost first") as error:
        level_names(f"# unit: s\n{columns}\n")
    assert str(error.value).isprintable()


# --- the dictionary -------------------------------------------------------------------------------------


def test_dictionary_of_the_measurements_in_the_order_of_stan():
    data, _ = stan_data(measurements(), LEVELS, "y")
    # fmt: off
    expected = {
        "N": 47, "J_1": 3, "J_2": 8, "J_3": 17,
        "index_1": [1, 1, 1, 1, 2, 3, 3, 3],
        "index_2": [1, 1, 1, 2, 2, 3, 4, 4, 4, 5, 5, 5, 5, 6, 6, 7, 8],
        "index_3": [1, 1, 1, 1, 1, 2, 2, 3, 4, 4, 5, 5, 6, 6, 7, 7, 7, 8, 8, 8, 8, 9, 9, 10, 11, 11, 11, 12,
                    12, 13, 14, 15, 15, 15, 15, 15, 15, 15, 16, 16, 16, 17, 17, 17, 17, 17, 17],
        "y": [11.4, 10.54, 12.17, 12.41, 9.97, 10.76, 9.16, 9.5, 9.34, 10.14, 10.72, 10.63, 11.37, 10.51,
              11.06, 10.68, 12.58, 11.21, 11.07, 10.74, 11.68, 10.65, 9.06, 9.73, 11.25, 9.99, 10.12, 9.65,
              10.18, 12.7, 10.4, 10.75, 11.42, 10.42, 9.18, 10.69, 9.37, 11.32, 9.9, 10.53, 10.76, 11.08,
              9.27, 12.01, 12.2, 11.23, 10.96],
    }
    # fmt: on
    np.testing.assert_equal(data, expected)
    assert list(data) == list(expected)
    assert [type(data[key]) for key in ("N", "J_1", "J_2", "J_3")] == [int] * 4


def test_whole_numbers_and_booleans_stay_whole():
    df = pl.DataFrame({"g": ["a", "b"], "n": pl.Series([3, 4], dtype=pl.UInt8), "hit": [True, False]})
    data, _ = stan_data(df, "g", ["n", "hit"])
    assert (data["n"].tolist(), data["hit"].tolist()) == ([3, 4], [1, 0])
    assert data["n"].dtype == data["hit"].dtype == np.int64


def test_frame_and_dictionary_do_not_share_their_numbers():
    df = measurements()
    data, labelled = stan_data(df, LEVELS, "y")
    data["y"][:] = data["index_3"][:] = 0
    assert df.equals(measurements())
    assert labelled.select("y", "colony_stan").min().row(0) == (9.06, 1)


def test_an_enum_sorts_by_its_categories_a_categorical_as_text():
    df = measurements()
    enum, categorical = (
        stan_data(df.cast({"day": kind}), LEVELS, "y")[0]
        for kind in (pl.Enum(["monday", "wednesday", "thursday"]), pl.Categorical)
    )
    assert enum["index_1"].tolist() == [1, 1, 1, 1, 2, 2, 2, 3]
    np.testing.assert_equal(categorical, stan_data(df, LEVELS, "y")[0])


@pytest.mark.parametrize(
    "labels",
    [
        [2, 10, 2],  # as numbers: as text, 10 would come first
        [0.5, 1e300, 0.5],
        [False, True, False],
        [datetime.date(2024, 12, 31), datetime.date(2025, 1, 1), datetime.date(2024, 12, 31)],
        pl.Series([1, 2**64 - 1, 1], dtype=pl.UInt64),
    ],
    ids=["integers", "decimals", "booleans", "dates", "large"],
)
def test_labels_may_be_of_any_type_that_can_be_sorted(labels):
    data, _ = stan_data(pl.DataFrame({"g": labels, "y": [1.0, 2.0, 3.0]}), "g", "y")
    assert (data["index_1"].tolist(), data["y"].tolist()) == ([1, 1, 2], [1.0, 3.0, 2.0])


def test_rows_of_one_group_keep_their_order():
    # 1000 rows: an unstable sort leaves short arrays in order, and shuffles long ones
    df = pl.DataFrame({"g": ["b", "a"] * 500, "y": np.arange(1000.0)})
    data, _ = stan_data(df, ["g"], ["y"])
    assert data["y"].tolist() == [*range(1, 1000, 2), *range(0, 1000, 2)]


@st.composite
def frames(draw, min_levels=1):
    """Draw a frame with 1 to 4 levels of a few labels each, and two columns of values."""
    n_rows = draw(st.integers(1, 40))
    columns = {}
    for k in range(draw(st.integers(min_levels, 4))):
        kinds = [st.text(max_size=3), st.integers(-(2**63), 2**63 - 1), st.integers(1, 3)]
        labels = draw(st.lists(draw(st.sampled_from(kinds)), min_size=1, max_size=4))
        columns[f"level {k}"] = draw(st.lists(st.sampled_from(labels), min_size=n_rows, max_size=n_rows))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    df = pl.DataFrame(columns).with_columns(x=rng.normal(size=n_rows), count=rng.permutation(n_rows))
    return df, list(columns)


@fixed
@given(frames())
def test_dictionary_and_labels_are_what_their_definition_says(case):
    df, levels = case
    data, labelled = stan_data(df, levels, ["x", "count"])
    rows = sorted(df.rows(named=True), key=lambda row: [row[level] for level in levels])  # Python's is stable
    paths = [tuple(row[level] for level in levels) for row in rows]
    nodes = [sorted({path[: k + 1] for path in paths}) for k in range(len(levels))]
    expected = {"N": len(rows)} | {value: [row[value] for row in rows] for value in ("x", "count")}
    for k, here in enumerate(nodes, start=1):
        below = nodes[k] if k < len(nodes) else paths
        expected[f"J_{k}"] = len(here)
        expected[f"index_{k}"] = [here.index(path[:k]) + 1 for path in below]
        numbers = [here.index(path[:k]) + 1 for path in paths]
        assert labelled[f"{levels[k - 1]}_stan"].to_list() == numbers
    np.testing.assert_equal(data, expected)
    assert labelled.select(df.columns).equals(df.sort(levels, maintain_order=True))


@fixed
@given(frames(min_levels=2))  # with one level bebi103 shuffles the rows of a group
def test_dictionary_equals_that_of_bebi103(case):
    from bebi103.hmc import df_to_datadict_hier  # several seconds: only for who runs this test

    df, levels = case
    data, _ = stan_data(df, levels, ["x", "count"])
    np.testing.assert_equal(data, df_to_datadict_hier(df, levels, ["x", "count"])[0])


def test_a_labelled_frame_or_a_part_of_it_is_numbered_afresh():
    data, labelled = stan_data(measurements(), LEVELS, "y")
    again, relabelled = stan_data(labelled, LEVELS, "y")
    np.testing.assert_equal(again, data)
    assert relabelled.equals(labelled)
    _, thursday = stan_data(labelled.filter(pl.col("day") == "thursday"), LEVELS, "y")
    assert thursday["colony_stan"].to_list() == [1, 2, 2, 2, 3, 3, 4]


# --- what stan_data refuses, in one line ----------------------------------------------------------------


def refused(message, df, levels, values, error=ValueError):
    with pytest.raises(error, match=re.escape(message)) as caught:
        stan_data(df, levels, values)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["a", None, None], "null in row 1: name its group, or drop such rows with df = df.drop_nulls('g')"),
        ([1.0, float("nan"), None], "nan in row 1: name its group, or drop such rows with df = df.drop_nans"),
        ([1.0, None, float("nan")], "null in row 1: name"),
        ([None] * 3, "null in row 0: name"),
        ([[1], [2], [3]], "List(Int64) from row 0 on: give text or whole numbers"),
    ],
)
def test_missing_labels_are_refused_and_located(labels, message):
    df = pl.DataFrame({"k": [1] * 3, "g": labels, "y": [1.0] * 3})
    refused(f"column 'g' is {message}", df, ["k", "g"], "y")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1, None, None], "null in row 1: drop such rows with df = df.filter"),
        ([1.0, float("nan"), 1.0], "nan in row 1: drop"),
        ([-float("inf"), 2.0, float("inf")], "-inf in row 0: drop"),
        ([None] * 3, "null in row 0: drop"),
        (["1", "n.a.", "?"], "'n.a.' in row 1: correct the text, then cast"),
        (["1", "2", "two\nlines"], "'two\\nlines' in row 2: correct"),
        (["1", "2", "3"], "'1' in row 0: make numbers of the text, df = "),
        (["1", "<0.5", "2"], "'<0.5' in row 1: this is a limit, for which the model has no"),
        ([datetime.date(2025, 1, 1)] * 3, "Date from row 0 on: give numbers"),
        ([[1.0]] * 3, "List(Float64) from row 0 on: give numbers"),
    ],
)
def test_values_that_are_no_finite_numbers_are_refused(values, message):
    df = pl.DataFrame({"g": [3, 2, 1], "x": [1.0] * 3, "y": values})
    refused(f"column 'y' is {message}", df, "g", ["x", "y"])


def test_the_remedy_for_missing_values_works():
    df = pl.DataFrame({"g": [1, 1, 2, 2], "y": [1.0, None, float("nan"), float("inf")]})
    assert stan_data(df.filter(pl.col("y").is_finite()), "g", "y")[0]["N"] == 1


def test_names_of_values_that_stan_cannot_take_are_refused():
    words = "real for in data target true offset array class xor_eq fvar sum_to_zero_vector jacobian"
    reserved = [*words.split(), "row_vector", "generated", "STAN_MAJOR", "y_lupdf", "y_lupmf"]
    malformed = ["_x", "x__", "1st", "μ", "é", "x²", "a b", "a.b", "a-b", "", "x\n", "a\tb"]
    wrong = {name: "has a name that Stan reserves" for name in reserved}
    wrong |= {name: "has a name Stan does not allow" for name in malformed}
    wrong |= {name: f"would overwrite {name} of" for name in ("N", "J_1", "index_1")}
    for name, why in wrong.items():
        refused(f"value column {name!r} {why}", pl.DataFrame({"g": [1], name: [1.0]}), "g", name)
    for name in ("y", "Y2", "a_b", "a__b", "x_", "realm", "T", "n", "J_2", "index_9", "normal"):
        assert stan_data(pl.DataFrame({"g": [1], name: [1.0]}), "g", name)[0][name].tolist() == [1.0]


@pytest.mark.parametrize(
    ("levels", "values", "message"),
    [
        ([], "y", "levels is []: name at least one column"),
        (None, "y", "levels is None: name at least one column"),
        ("day", [], "values is []: name at least one column"),
        ("dya", "y", "no column 'dya' (did you mean 'day'?); the frame has 'day', 'day_stan', 'y'"),
        ("day", ["y", "z"], "no column 'z'; the frame has 'day', 'day_stan', 'y'"),
        (["day", "day"], "y", "column 'day' is named twice"),
        ("y", "y", "column 'y' is named twice"),
        ("day", "day_stan", "column 'day_stan' is where node numbers go: rename it"),
        (["day", "day_stan"], "y", "column 'day_stan' is where node numbers go: rename it"),
    ],
)
def test_columns_that_are_missing_or_named_twice_are_refused(levels, values, message):
    refused(message, pl.DataFrame({"day": ["a", "b"], "day_stan": [7, 7], "y": [1.0, 2.0]}), levels, values)


@pytest.mark.parametrize(
    ("make", "remedy", "error"),
    [
        (pl.DataFrame.clear, "the frame has no rows", ValueError),
        (pl.DataFrame.to_pandas, "df is a pandas.DataFrame, not a polars frame: give pl.from_p", TypeError),
        (pl.DataFrame.lazy, "df is a polars.LazyFrame, not a polars frame: give df.collect()", TypeError),
        (pl.DataFrame.to_dict, "df is a dict, not a polars frame: give pl.DataFrame(df)", TypeError),
    ],
)  # fmt: skip
def test_other_kinds_of_frame_are_refused_with_the_way_out(make, remedy, error):
    refused(remedy, make(measurements()), LEVELS, "y", error)
