"""Predictors of `stan_data`: their numbers, what it says of their slopes, and what it refuses in one line."""

import contextlib
import io
import re

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import stan_data

fixed = settings(derandomize=True, deadline=None, max_examples=60, database=None)

PLANTS = pl.DataFrame(
    {
        "plot": ["b", "a", "b", "a"],
        "food": ["rich", "poor", "poor", "rich"],
        "days": [2, 4, 6, 9],
        "wet": [False, True, True, False],
        "y": [1.0, 2.0, 3.0, 4.0],
    }
)


def design(df, predictors, **options):
    """The matrix alone, of a frame with plots and y."""
    return stan_data(df, "plot", "y", predictors=predictors, **options)[0]["X"]


def test_numbers_stand_in_columns_as_named_and_rows_as_sorted():
    data, labelled = stan_data(PLANTS, "plot", "y", predictors=["days", "food"])
    assert (data["P"], type(data["P"]), data["X"].dtype) == (2, int, np.float64)
    assert data["X"].tolist() == [[4, 0], [9, 1], [2, 1], [6, 0]]
    assert labelled["days"].to_list() == [4, 9, 2, 6]
    assert design(PLANTS, ["food", "days"])[:, ::-1].tolist() == data["X"].tolist()
    assert list(data) == ["N", "J_1", "index_1", "P", "X", "y"]


def test_without_predictors_the_dictionary_has_no_such_items():
    data, _ = stan_data(PLANTS, "plot", "y")
    assert list(data) == ["N", "J_1", "index_1", "y"]


@pytest.mark.parametrize(
    ("dtype", "coded"),
    [
        (pl.String, [0, 1, 1, 0]),
        (pl.Categorical, [0, 1, 1, 0]),
        (pl.Enum(["rich", "poor"]), [1, 0, 0, 1]),
        (pl.Enum(["none", "poor", "rich"]), [0, 1, 1, 0]),  # a category of no row is none
    ],
)
def test_two_labels_are_zero_and_one_in_their_sorted_order(dtype, coded):
    assert design(PLANTS.cast({"food": dtype}), "food")[:, 0].tolist() == coded


def test_false_is_zero_and_true_is_one_whichever_comes_first():
    assert design(PLANTS, "wet")[:, 0].tolist() == [1, 0, 0, 1]
    assert design(PLANTS.with_columns(~pl.col("wet")), "wet")[:, 0].tolist() == [0, 1, 1, 0]


def test_center_and_scale_change_numbers_and_never_labels():
    days, mean, sd = np.array([4, 9, 2, 6]), 5.25, np.sqrt(26.75 / 3)
    for options, expected in [
        ({"center": True}, days - mean),
        ({"scale": True}, days / sd),
        ({"center": True, "scale": True}, (days - mean) / sd),
    ]:
        X = design(PLANTS, ["days", "food", "wet"], **options)
        np.testing.assert_allclose(X[:, 0], expected, rtol=1e-14)
        assert X[:, 1:].tolist() == [[0, 1], [1, 0], [1, 0], [0, 1]]


def test_zeros_and_ones_of_the_readers_own_are_numbers():
    df = PLANTS.with_columns(pl.col("wet").cast(pl.Int8))
    assert design(df, "wet", center=True)[:, 0].tolist() == [0.5, -0.5, -0.5, 0.5]


# --- what one unit of a slope is ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "change of y per 1 of days"),
        ({"center": True}, "change of y per 1 of days, counted from its mean 5.25"),
        ({"scale": True}, "change of y per 2.99 of days (its sd)"),
        ({"center": True, "scale": True},
         "change of y per 2.99 of days (its sd), counted from its mean 5.25"),
    ],
)  # fmt: skip
def test_a_line_says_what_one_unit_of_a_slope_is(options, said, capsys):
    stan_data(PLANTS, "plot", "y", predictors=["days"], **options)
    assert capsys.readouterr().out == f"beta[1]: {said}\n"


def test_a_line_says_which_label_is_zero_and_which_is_one(capsys):
    stan_data(PLANTS, "plot", "y", predictors=["wet", "food"], center=True)
    assert capsys.readouterr().out == (
        "beta[1]: change of y from False to True (wet: False is 0, True is 1)\n"
        "beta[2]: change of y from poor to rich (food: poor is 0, rich is 1)\n"
    )


def test_lines_name_no_value_if_there_are_several(capsys):
    stan_data(PLANTS.with_columns(z=1.0), "plot", ["y", "z"], predictors="days")
    assert capsys.readouterr().out == "beta[1]: change per 1 of days\n"


def test_nothing_is_printed_without_predictors_or_remarks(capsys):
    stan_data(PLANTS, "plot", "y")
    stan_data(PLANTS, "plot", "y", predictors=["days", "food"], remark=False)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ([2011.0, 2013.0, 2017.0, 2020.2], "per 4.11 of days (its sd), counted from its mean 2015.3"),
        ([0.0, 25000.0, 50000.0, 50000.0], "per 23900 of days (its sd), counted from its mean 31200"),
        ([-1e-7, 1e-7, 1e-7, -1e-7], "per 1.15e-07 of days (its sd), counted from its mean 0"),
    ],
)
def test_numbers_are_told_to_three_digits_of_the_spread(numbers, said, capsys):
    df = PLANTS.with_columns(pl.Series("days", numbers))
    stan_data(df, "plot", "y", predictors="days", center=True, scale=True)
    assert capsys.readouterr().out.strip().endswith(said)


def test_a_label_with_a_line_break_is_told_in_one_line(capsys):
    df = PLANTS.with_columns(x=pl.Series(["two\nlines", "one", "one", "one"]))
    stan_data(df, "plot", "y", predictors="x")
    assert capsys.readouterr().out == (
        "beta[1]: change of y from one to 'two\\nlines' (x: one is 0, 'two\\nlines' is 1)\n"
    )


# --- what is refused, in one line -----------------------------------------------------------------------


def refused(message, df=PLANTS, values="y", **options):
    with pytest.raises(ValueError, match="^" + re.escape(message)) as caught:
        stan_data(df, "plot", values, **options)
    assert str(caught.value).isprintable()
    return str(caught.value)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([1, None, 3, 4], "column 'x' is null in row 1: drop such rows with df = df.filter"),
        ([1.0, 2.0, float("inf"), 4.0], "column 'x' is inf in row 2: drop such rows"),
        (["a", "b", None, "a"], "column 'x' is null in row 2: name its group, or drop such rows with"),
        ([True, None, False, True], "column 'x' is null in row 1: name its group, or drop such rows with"),
        ([4.5] * 4, "column 'x' is 4.5 in all rows, so there is nothing to compare: leave it out"),
        (["a"] * 4, "column 'x' is 'a' in all rows, so there is nothing to compare: leave it out"),
        ([True] * 4, "column 'x' is True in all rows, so there is nothing to compare: leave it out"),
        (
            [*"cabc"],
            "column 'x' has 3 labels ('a', 'b', 'c'), and a predictor can have two: name a column of",
        ),
        ([*"dabc"], "column 'x' has 4 labels ('a', 'b', 'c', 'd'), and"),
        (["1.5", "2", "3", "<4"], "column 'x' is '<4' in row 3: this is a limit"),
        (["1.5", "2", "3", "NA"], "column 'x' is 'NA' in row 3: read the table with null_values='NA'"),
        ([[1]] * 4, "column 'x' is List(Int64) from row 0 on: give numbers"),
        ([1.0, -1e101, 0.0, 0.0], "column 'x' is -1e+101 in row 1: use another unit of measurement"),
        ([0.0, 0.0, 1e-101, 0.0], "column 'x' is 1e-101 in row 2: use another unit of measurement"),
    ],
)
def test_predictors_that_make_no_slope_are_refused(entries, message):
    df = PLANTS.with_columns(pl.Series("x", entries, strict=False))
    refused(message, df, predictors=["days", "x"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"predictors": []}, "predictors is []: name at least one column"),
        ({"predictors": {"days"}}, "predictors is {'days'}: give a list, as a set has no order"),
        ({"predictors": "day"}, "no column 'day' (did you mean 'days'?); the frame has "),
        ({"predictors": "y"}, "column 'y' is named twice"),
        ({"predictors": "plot"}, "column 'plot' is named twice"),
        ({"predictors": ["days", "days"]}, "column 'days' is named twice"),
        ({"center": True}, "center is True without predictors: leave it out"),
        ({"scale": True}, "scale is True without predictors: leave it out"),
        ({"predictors": "days", "scale": "sd"}, "scale is 'sd': give True or False"),
        ({"predictors": "wet", "trials": "days"},
         "trials is for counts, predictors and crossed are for normal numbers: leave one out"),
        ({"predictors": "wet", "exposure": "days"},
         "exposure is for counts, predictors and crossed are for normal numbers: leave one out"),
    ],
)  # fmt: skip
def test_arguments_that_do_not_go_with_predictors_are_refused(options, message):
    refused(message, **options)


def test_values_may_not_have_names_that_the_dictionary_uses():
    for name in ("P", "X", "prior_theta", "prior_beta", "prior_tau", "prior_rho", "prior_sigma"):
        df = PLANTS.rename({"y": name})
        refused(f"value column {name!r} would overwrite {name} of", df, name, predictors="days")
        assert stan_data(df, "plot", name)[0][name].tolist() == [2, 4, 1, 3]
    for name in ("F", "J", "index", "prior_y", "beta"):
        data, _ = stan_data(PLANTS.rename({"y": name}), "plot", name, predictors="days")
        assert data[name].tolist() == [2, 4, 1, 3]


@pytest.mark.parametrize("dtype", [pl.String, pl.Categorical, pl.Enum([*"cab"])])
def test_the_remedy_for_three_labels_works_when_pasted(dtype):
    df = PLANTS.with_columns(pl.Series("it's", [*"cabc"], dtype=dtype))
    said = refused('column "it\'s" has 3 labels', df, predictors="it's")
    scope = {"df": df, "pl": pl}
    exec("df = " + said.partition("df = ")[2], scope)
    first, *others = df["it's"].unique().sort()
    X = design(scope["df"], [f"it's_{other}" for other in others])
    labels = [*"accb"]  # of rows as they are sorted
    assert X.tolist() == [[label == other for other in others] for label in labels]
    assert f"it's_{first}" not in scope["df"].columns


# --- any frame ------------------------------------------------------------------------------------------


@fixed
@given(st.data())
def test_the_matrix_is_what_the_rows_of_the_labelled_frame_say(data):
    n = data.draw(st.integers(2, 30))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    df = pl.DataFrame(
        {
            "plot": rng.integers(3, size=n),
            "food": [*"pq", *rng.choice([*"pq"], n - 2)],
            "days": rng.permutation(n),
            "dose": rng.normal(size=n),
            "y": rng.normal(size=n),
        }
    )
    before = df.clone()
    named = data.draw(st.lists(st.sampled_from(["food", "days", "dose"]), min_size=1, unique=True))
    crossed = data.draw(st.booleans()) and df["plot"].n_unique() > 1
    groups = {"crossed": "plot"} if crossed else {"levels": "plot"}
    with contextlib.redirect_stdout(io.StringIO()):
        out, labelled = stan_data(df, values="y", predictors=named, **groups)
    rows = labelled.with_columns(food=pl.col("food") == "q")
    assert out["X"].tolist() == [[float(row[name]) for name in named] for row in rows.rows(named=True)]
    assert out["y"].tolist() == labelled["y"].to_list()
    assert df.equals(before)
