"""Crossed factors of `stan_data`: their groups, beside levels and alone, and what it refuses in one line."""

import re
import warnings

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import helpers
from helpers import stan_data

fixed = settings(derandomize=True, deadline=None, max_examples=60, database=None)

PLATES = pl.DataFrame(
    {
        "day": ["tue", "mon", "tue", "mon", "mon", "tue"],
        "batch": [1, 1, 2, 2, 1, 1],
        "drug": ["Y", "X", "X", "Y", "Z", "Z"],
        "y": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
    }
)


def test_crossed_factors_alone_leave_rows_in_their_order():
    data, labelled = stan_data(PLATES, values="y", crossed=["drug", "day"])
    np.testing.assert_equal(
        data,
        {
            "N": 6, "F": 2, "J": np.array([3, 2]),
            "index": np.array([[2, 1, 1, 2, 3, 3], [2, 1, 2, 1, 1, 2]]),
            "P": 0, "X": np.empty((6, 0)), "y": PLATES["y"].to_numpy(),
        },
    )  # fmt: skip
    assert labelled.drop("drug_stan", "day_stan").equals(PLATES)
    assert list(data) == ["N", "F", "J", "index", "P", "X", "y"]


def test_levels_come_first_and_sort_rows_as_paths_of_labels():
    data, labelled = stan_data(PLATES, ["day", "batch"], "y", crossed="drug")
    assert (data["F"], data["J"].tolist()) == (3, [2, 4, 3])
    assert data["y"].tolist() == [2, 5, 4, 1, 6, 3]
    assert data["index"].tolist() == [[1, 1, 1, 2, 2, 2], [1, 1, 2, 3, 3, 4], [1, 3, 2, 2, 3, 1]]
    assert not {"J_1", "index_1", "J_2", "index_2"} & data.keys()
    assert labelled["drug"].to_list() == ["X", "Z", "Y", "Y", "Z", "X"]


def test_arrays_of_crossed_factors_are_of_the_types_that_stan_reads():
    data, _ = stan_data(PLATES, "day", "y", crossed="drug", predictors="batch", remark=False)
    assert [type(data[key]) for key in ("N", "F", "P")] == [int] * 3
    assert [data[key].dtype for key in ("J", "index", "X")] == [np.int64, np.int64, np.float64]
    assert (data["index"].shape, data["X"].shape) == ((2, 6), (6, 1))


def test_an_enum_of_a_crossed_factor_sorts_by_its_categories():
    df = PLATES.cast({"drug": pl.Enum([*"ZYX"])})
    assert stan_data(df, values="y", crossed="drug")[0]["index"].tolist() == [[2, 3, 3, 2, 1, 1]]


def test_a_frame_labelled_before_is_numbered_again():
    data, labelled = stan_data(PLATES, "day", "y", crossed="drug")
    again, relabelled = stan_data(labelled, "day", "y", crossed="drug")
    np.testing.assert_equal(again, data)
    assert relabelled.equals(labelled)


@fixed
@given(st.data())
def test_groups_of_every_row_are_what_its_labels_say(data):
    n = data.draw(st.integers(1, 30))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    sizes = data.draw(st.lists(st.integers(2, 5), min_size=2, max_size=4))
    # the first five rows of every factor differ in another way, so that no two factors have the same groups
    columns = {
        f"g{f}": [*rng.integers(J, size=n), 0, *[1] * f, 0, *[1] * (4 - f)] for f, J in enumerate(sizes)
    }
    df = pl.DataFrame(columns).with_columns(y=rng.normal(size=n + 6))
    before, names = df.clone(), list(columns)
    K = data.draw(st.integers(0, len(names) - 1))
    levels, crossed = names[:K] or None, names[K:]
    out, labelled = stan_data(df, levels, "y", remark=False, crossed=crossed)
    rows = sorted(df.rows(named=True), key=lambda row: [row[name] for name in names[:K]])
    keys = [lambda row, k=k: tuple(row[name] for name in names[: k + 1]) for k in range(K)]
    keys += [lambda row, name=name: row[name] for name in crossed]
    for f, key in enumerate(keys):
        groups = sorted(set(map(key, rows)))
        expected = [groups.index(key(row)) + 1 for row in rows]
        assert (out["J"][f], out["index"][f].tolist()) == (len(groups), expected)
        assert labelled[f"{names[f]}_stan"].to_list() == expected
    assert out["y"].tolist() == [row["y"] for row in rows]
    assert df.equals(before)


# --- what is remarked on, and what is refused -----------------------------------------------------------


def told(df, levels=None, **options) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        stan_data(df, levels, "y", **options)
    assert all(one.filename == __file__ for one in caught)
    return [str(one.message) for one in caught]


def test_what_crosses_is_not_remarked_on_once_it_is_named_so():
    [said] = told(PLATES, ["day", "drug"])
    assert "'drug' crosses the levels above: give it as crossed='drug' (lesson 8); a nested model" in said
    assert told(PLATES, "day", crossed="drug") == told(PLATES, crossed=["day", "drug"]) == []


def test_spelling_and_missing_labels_of_factors_are_remarked_on():
    df = PLATES.with_columns(drug=pl.Series(["x", "X", "NA", "y", "y", "z"]))
    missing, alike = told(df, "day", crossed="drug")
    assert "column 'drug' has 'NA' in row 2, which makes a group of that name" in missing
    assert "column 'drug' has 'X' and 'x': they differ only in spaces or case" in alike
    assert told(df, "day", crossed="drug", remark=False) == []


SAME = "names the same groups as"


@pytest.mark.parametrize(
    ("levels", "options", "message"),
    [
        (None, {}, "levels is None: name at least one column"),
        ([], {"crossed": "drug"}, "levels is []: name at least one column"),
        (None, {"crossed": []}, "crossed is []: name at least one column"),
        (None, {"crossed": {"drug"}}, "crossed is {'drug'}: give a list, as a set has no order"),
        ("day", {"crossed": "drugs"}, "no column 'drugs' (did you mean 'drug'?)"),
        ("day", {"crossed": "day"}, "column 'day' is named twice"),
        ("day", {"crossed": "drug", "predictors": "drug"}, "column 'drug' is named twice"),
        ("day", {"crossed": "gap"}, "column 'gap' is null in row 1: name its group, or drop such rows with"),
        ("day", {"crossed": "one"}, "column 'one' is 'a' in all rows, so there is nothing to compare: leave"),
        ("one", {"crossed": "drug"}, "column 'one' is 'a' in all rows, so there is nothing to compare"),
        (
            None,
            {"crossed": ["drug", "code"]},
            f"column 'code' {SAME} 'drug', so their effects cannot be told",
        ),
        ("drug", {"crossed": "code"}, f"column 'code' {SAME} 'drug', so"),
        (["day", "batch"], {"crossed": "tube"}, f"column 'tube' {SAME} 'batch', so"),
        ("day", {"crossed": "drug", "center": True}, "center is True without predictors: leave it out"),
        (
            "day",
            {"crossed": "drug", "trials": "batch"},
            "trials is for counts, predictors and crossed are for",
        ),
        (
            None,
            {"crossed": "drug", "exposure": "batch"},
            "exposure is for counts, predictors and crossed are",
        ),
    ],
)
def test_factors_that_no_model_describes_are_refused(levels, options, message):
    df = PLATES.with_columns(
        gap=pl.Series(["a", None, *"abab"]), one=pl.lit("a"), code=pl.col("drug").str.to_lowercase() + "1",
        tube=pl.Series([7, 1, 3, 5, 1, 7]),
    )  # fmt: skip
    with pytest.raises(ValueError, match="^" + re.escape(message)) as caught:
        stan_data(df, levels, "y", **options)
    assert str(caught.value).isprintable()


def test_values_may_not_have_names_of_the_crossed_dictionary():
    for name in (
        "N",
        "F",
        "J",
        "index",
        "centered",
        "P",
        "X",
        "prior_theta",
        "prior_tau",
        "prior_beta",
        "prior_sigma",
    ):
        with pytest.raises(ValueError, match=f"value column '{name}' would overwrite {name} of"):
            stan_data(PLATES.rename({"y": name}), "day", name, crossed="drug")
    for name in ("J_1", "index_1", "u", "prior_y"):
        data, _ = stan_data(PLATES.rename({"y": name}), "day", name, crossed="drug")
        assert data[name].tolist() == [2, 4, 5, 1, 3, 6]


# --- models of a tree, which would leave predictors and crossed groups unused ------------------------------

TREE, _ = stan_data(PLATES, "day", "y")
TREE_DRAWS = helpers.exact_posterior(TREE, {"theta": (3, 3), "tau": 2, "sigma": 2}).draws(20, seed=1)
OTHERS = {
    "predictors": stan_data(PLATES, "day", "y", predictors="batch", remark=False)[0],
    "crossed groups": stan_data(PLATES, values="y", crossed=["day", "drug"])[0],
}


@pytest.mark.parametrize("what", OTHERS)
@pytest.mark.parametrize(
    "helper",
    [
        helpers.tree_data,
        helpers.exact_posterior,
        helpers.exact_loo,
        lambda data: helpers.replicate(TREE_DRAWS, data, seed=1),
    ],
    ids=["tree_data", "exact_posterior", "exact_loo", "replicate"],
)
def test_a_tree_refuses_predictors_and_crossed_groups(helper, what):
    message = f"the data have {what}, which this model does not use: give stan_data none, or use helpers."
    with pytest.raises(ValueError, match=f"^{re.escape(message)}exact_"):
        helper(OTHERS[what])


def test_a_measurement_called_x_beside_an_item_p_is_read():
    data, prior = TREE | {"P": 3, "X": TREE["y"] + 1}, {"theta": (4, 3), "tau": 2, "sigma": 2}
    shifted = helpers.tree_data(data, prior, values="X")["y_mean"]
    np.testing.assert_allclose(shifted, helpers.tree_data(TREE, prior)["y_mean"] + 1)
