"""What `helpers.data` promises: our cells, their dictionary, and draws from the model."""

import datetime
import re

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.data import LEVELS, measurements, stan_data
from helpers.simulation import simulate

# The tree of the experiment: as many nodes as children of every node above.
DESIGN = [3, [4, 1, 3], [3, 2, 1, 3, 4, 2, 1, 1], [5, 2, 1, 2, 2, 2, 3, 4, 2, 1, 3, 2, 1, 1, 7, 3, 6]]

# The same draws on every machine and every day: a red test is a change in the code.
fixed = settings(derandomize=True, deadline=None, max_examples=100, database=None)


# --- our cells ------------------------------------------------------------------------------------------


def test_measurements_keep_their_columns_and_types():
    assert measurements().schema == {"day": pl.String, "batch": pl.Int64, "colony": pl.Int64, "y": pl.Float64}


def test_measurements_come_in_calendar_order():
    runs = measurements()["day"].rle().struct.unnest()
    assert runs.rows() == [(23, "monday"), (17, "wednesday"), (7, "thursday")]


def test_changing_the_measurements_does_not_change_them_for_the_next_reader():
    measurements()[0, "y"] = -1.0
    assert measurements()[0, "y"] == 11.4


# --- the dictionary: what it holds ----------------------------------------------------------------------


def test_dictionary_of_the_measurements():
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


def test_dictionary_is_in_the_order_in_which_stan_declares_it():
    data, _ = stan_data(measurements(), LEVELS, "y")
    assert list(data) == ["N", "J_1", "J_2", "J_3", "index_1", "index_2", "index_3", "y"]


def test_sizes_print_as_plain_numbers():
    data, _ = stan_data(measurements(), LEVELS, "y")
    assert [type(data[key]) for key in ("N", "J_1", "J_2", "J_3")] == [int] * 4


def test_one_name_is_as_good_as_a_list_of_one():
    df = measurements()
    np.testing.assert_equal(stan_data(df, "day", "y")[0], stan_data(df, ["day"], ["y"])[0])


def test_whole_numbers_and_booleans_stay_whole():
    df = pl.DataFrame({"g": ["a", "b"], "n": pl.Series([3, 4], dtype=pl.UInt8), "hit": [True, False]})
    data, _ = stan_data(df, "g", ["n", "hit"])
    assert data["n"].tolist() == [3, 4]
    assert data["hit"].tolist() == [1, 0]
    assert data["n"].dtype == data["hit"].dtype == np.int64


def test_changing_the_dictionary_leaves_the_frames_alone():
    df = measurements().sort(LEVELS, maintain_order=True)
    data, labelled = stan_data(df, LEVELS, "y")
    data["y"][:] = data["index_3"][:] = 0
    assert df["y"].min() > 0
    assert labelled.select("y", "colony_stan").min().row(0) == (9.06, 1)


# --- the dictionary: what order means -------------------------------------------------------------------


def test_an_enum_sorts_by_its_categories():
    calendar = pl.Enum(["monday", "wednesday", "thursday"])
    data, _ = stan_data(measurements().cast({"day": calendar}), LEVELS, "y")
    assert data["index_1"].tolist() == [1, 1, 1, 1, 2, 2, 2, 3]


def test_a_categorical_sorts_as_its_text():
    df = measurements()
    data, _ = stan_data(df.cast({"day": pl.Categorical}), LEVELS, "y")
    np.testing.assert_equal(data, stan_data(df, LEVELS, "y")[0])


@pytest.mark.parametrize(
    "labels",
    [
        [2, 10, 2],  # as numbers: as text, 10 would come first
        [0.5, 1e300, 0.5],
        [False, True, False],
        [datetime.date(2024, 12, 31), datetime.date(2025, 1, 1), datetime.date(2024, 12, 31)],
        pl.Series([1, 2**64 - 1, 1], dtype=pl.UInt64),
    ],
)
def test_labels_of_any_sortable_type(labels):
    data, _ = stan_data(pl.DataFrame({"g": labels, "y": [1.0, 2.0, 3.0]}), "g", "y")
    assert (data["index_1"].tolist(), data["y"].tolist()) == ([1, 1, 2], [1.0, 3.0, 2.0])


def test_rows_of_one_group_keep_their_order():
    # 1000 rows: an unstable sort leaves short arrays in order, and shuffles long ones
    df = pl.DataFrame({"g": ["b", "a"] * 500, "y": np.arange(1000.0)})
    data, _ = stan_data(df, "g", "y")
    assert data["y"].tolist() == [*range(1, 1000, 2), *range(0, 1000, 2)]


def test_labels_that_are_unique_everywhere():
    # (parents x labels) far outnumbers the rows
    rng = np.random.default_rng(1)
    df = pl.DataFrame({"a": np.arange(100).repeat(2), "b": rng.permutation(200), "y": rng.normal(size=200)})
    data, _ = stan_data(df, ["a", "b"], "y")
    assert data["index_1"].tolist() == np.arange(1, 101).repeat(2).tolist()
    assert data["y"].tolist() == df.sort("a", "b")["y"].to_list()


# --- the dictionary, on random trees --------------------------------------------------------------------


@st.composite
def frames(draw, min_levels=1):
    """Draw a frame with 1 to 4 levels of a few labels each, and two columns of values."""
    n_rows = draw(st.integers(1, 40))
    columns = {}
    for k in range(draw(st.integers(min_levels, 4))):
        kind = draw(
            st.sampled_from([st.text(max_size=3), st.integers(-(2**63), 2**63 - 1), st.integers(1, 3)])
        )
        labels = draw(st.lists(kind, min_size=1, max_size=4))
        columns[f"level {k}"] = draw(st.lists(st.sampled_from(labels), min_size=n_rows, max_size=n_rows))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    df = pl.DataFrame(columns).with_columns(x=rng.normal(size=n_rows), count=rng.permutation(n_rows))
    return df, list(columns)


@fixed
@given(frames())
def test_dictionary_is_what_its_definition_says(case):
    df, levels = case
    data, _ = stan_data(df, levels, ["x", "count"])
    rows = sorted(df.rows(named=True), key=lambda row: [row[level] for level in levels])  # Python's is stable
    paths = [tuple(row[level] for level in levels) for row in rows]
    nodes = [sorted({path[: k + 1] for path in paths}) for k in range(len(levels))]
    expected = {"N": len(rows)}
    for k, here in enumerate(nodes, start=1):
        below = nodes[k] if k < len(nodes) else paths
        expected[f"J_{k}"] = len(here)
        expected[f"index_{k}"] = [here.index(path[:k]) + 1 for path in below]
    np.testing.assert_equal(
        data, expected | {value: [row[value] for row in rows] for value in ("x", "count")}
    )


@fixed
@given(frames(min_levels=2))  # with one level bebi103 shuffles the rows of a group
def test_dictionary_equals_that_of_bebi103(case):
    from bebi103.hmc import df_to_datadict_hier  # several seconds: only for who runs this test

    df, levels = case
    data, _ = stan_data(df, levels, ["x", "count"])
    np.testing.assert_equal(data, df_to_datadict_hier(df, levels, ["x", "count"])[0])


# --- the labelled frame ---------------------------------------------------------------------------------


@fixed
@given(frames())
def test_labelled_frame_is_the_given_one_in_the_order_of_the_arrays(case):
    df, levels = case
    data, labelled = stan_data(df, levels, ["x", "count"])
    assert labelled.select(df.columns).equals(df.sort(levels, maintain_order=True))
    np.testing.assert_array_equal(labelled["x"], data["x"])


@fixed
@given(frames())
def test_node_numbers_of_a_row_follow_the_index_arrays(case):
    df, levels = case
    data, labelled = stan_data(df, levels, "x")
    node = np.arange(1, data["N"] + 1)
    for k in range(len(levels), 0, -1):
        node = data[f"index_{k}"][node - 1]
        np.testing.assert_array_equal(labelled[f"{levels[k - 1]}_stan"], node)


def test_labelling_twice_changes_nothing():
    data, labelled = stan_data(measurements(), LEVELS, "y")
    again, relabelled = stan_data(labelled, LEVELS, "y")
    np.testing.assert_equal(again, data)
    assert relabelled.equals(labelled)


def test_a_part_of_a_labelled_frame_is_numbered_afresh():
    _, labelled = stan_data(measurements(), LEVELS, "y")
    _, thursday = stan_data(labelled.filter(pl.col("day") == "thursday"), LEVELS, "y")
    assert thursday["colony_stan"].to_list() == [1, 2, 2, 2, 3, 3, 4]


def test_the_given_frame_is_not_modified():
    df = measurements()
    stan_data(df, LEVELS, "y")
    assert df.equals(measurements())


# --- what stan_data refuses -----------------------------------------------------------------------------


def refused(message, function, *args, error=ValueError, **kwargs):
    """Check that a call is refused in one line, which says this."""
    with pytest.raises(error, match=re.escape(message)) as caught:
        function(*args, **kwargs)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (
            ["a", None, None],
            "column 'g' is null in row 1: name its group, or drop such rows with df = df.drop_nulls('g')",
        ),
        ([1, 2, None], "column 'g' is null in row 2: name"),
        (
            [1.0, float("nan"), None],
            "column 'g' is nan in row 1: name its group, or drop such rows with df = df.drop_nans('g')",
        ),
        ([1.0, None, float("nan")], "column 'g' is null in row 1: name"),
        ([None] * 3, "column 'g' is null in row 0: name"),
        ([[1], [2], [3]], "column 'g' is List(Int64) from row 0 on: give text or whole numbers"),
    ],
)
def test_missing_labels_are_refused_and_located(labels, message):
    refused(message, stan_data, pl.DataFrame({"k": [1] * 3, "g": labels, "y": [1.0] * 3}), ["k", "g"], "y")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1.0, None, None], "value column 'y' is null in row 1: drop such rows with df = df.filter"),
        ([1, 2, None], "value column 'y' is null in row 2: drop"),
        ([1.0, float("nan"), 1.0], "value column 'y' is nan in row 1: drop"),
        ([1.0, 2.0, float("inf")], "value column 'y' is inf in row 2: drop"),
        ([-float("inf"), 2.0, 3.0], "value column 'y' is -inf in row 0: drop"),
        ([None] * 3, "value column 'y' is null in row 0: drop"),
        (["1", "n.a.", "?"], "value column 'y' is 'n.a.' in row 1: correct the text, then cast"),
        (["1", "2", "two\nlines"], "value column 'y' is 'two\\nlines' in row 2: correct"),
        (["1", "2", "3"], "value column 'y' is '1' in row 0: make numbers of the text, df = "),
        (
            ["1", "<0.5", "2"],
            "value column 'y' is '<0.5' in row 1: this is a limit, for which the model has no",
        ),
        ([datetime.date(2025, 1, 1)] * 3, "value column 'y' is Date from row 0 on: give numbers"),
        ([[1.0]] * 3, "value column 'y' is List(Float64) from row 0 on: give numbers"),
    ],
)
def test_values_that_are_not_finite_numbers_are_refused_and_located(values, message):
    refused(message, stan_data, pl.DataFrame({"g": [3, 2, 1], "x": [1.0] * 3, "y": values}), "g", ["x", "y"])


def test_the_remedy_for_missing_values_works():
    df = pl.DataFrame({"g": [1, 1, 2, 2], "y": [1.0, None, float("nan"), float("inf")]})
    assert stan_data(df.filter(pl.col("y").is_finite()), "g", "y")[0]["N"] == 1


@pytest.mark.parametrize("name", ["N", "J_1", "J_2", "index_1", "index_2"])
def test_a_value_that_would_overwrite_the_dictionary_is_refused(name):
    df = pl.DataFrame({"a": [1], "b": [1], name: [1.0]})
    refused(f"value column '{name}' would overwrite {name} of", stan_data, df, ["a", "b"], name)


@pytest.mark.parametrize(
    "name",
    [
        *["real", "for", "in", "data", "target", "true", "offset", "array", "class", "xor_eq", "fvar"],
        *["sum_to_zero_vector", "jacobian", "row_vector", "generated", "STAN_MAJOR", "y_lupdf", "y_lupmf"],
    ],
)
def test_a_value_with_a_name_that_stan_reserves_is_refused(name):
    refused(f"value column '{name}' has a name that Stan reserves", stan_data, named(name), "g", name)


@pytest.mark.parametrize("name", ["_x", "x__", "1st", "μ", "é", "x²", "a b", "a.b", "a-b", "", "x\n", "a\tb"])
def test_a_value_with_a_name_that_stan_does_not_allow_is_refused(name):
    refused(f"value column {name!r} has a name Stan does not allow", stan_data, named(name), "g", name)


@pytest.mark.parametrize(
    "name", ["y", "Y2", "a_b", "a__b", "x_", "realm", "T", "n", "J_2", "index_9", "normal"]
)
def test_a_value_with_a_name_that_stan_allows_is_passed_on(name):
    assert stan_data(named(name), "g", name)[0][name].tolist() == [1.0]


def named(name):
    return pl.DataFrame({"g": [1], name: [1.0]})


@pytest.mark.parametrize(
    ("levels", "values", "message"),
    [
        ([], "y", "levels is []: name at least one column"),
        (None, "y", "levels is None: name at least one column"),
        ("day", [], "values is []: name at least one column"),
        ("dya", "y", "no column 'dya' (did you mean 'day'?); the frame has 'day', 'day_stan', 'y'"),
        ("day", ["y", "z"], "no column 'z'; the frame has 'day', 'day_stan', 'y'"),
        (["day", "day"], "y", "column 'day' is named twice"),
        ("day", ["y", "y"], "column 'y' is named twice"),
        ("y", "y", "column 'y' is named twice"),
        ("day", "day_stan", "column 'day_stan' is where node numbers go: rename it"),
        (["day", "day_stan"], "y", "column 'day_stan' is where node numbers go: rename it"),
    ],
)
def test_columns_that_cannot_be_told_apart_or_found_are_refused(levels, values, message):
    df = pl.DataFrame({"day": ["a", "b"], "day_stan": [7, 7], "y": [1.0, 2.0]})
    refused(message, stan_data, df, levels, values)


def test_no_spread_may_have_a_sign():
    df = simulate([2, 3], theta=1, tau=-0.0, sigma=-0.0, seed=1)
    assert df["y"].unique().to_list() == [1.0]


def test_a_frame_without_rows_is_refused():
    refused("the frame has no rows", stan_data, measurements().clear(), LEVELS, "y")


@pytest.mark.parametrize(
    ("make", "remedy"),
    [
        (pl.DataFrame.to_pandas, "df is a pandas.DataFrame, not a polars frame: give pl.from_pandas(df)"),
        (pl.DataFrame.lazy, "df is a polars.LazyFrame, not a polars frame: give df.collect()"),
        (pl.DataFrame.to_dict, "df is a dict, not a polars frame: give pl.DataFrame(df)"),
    ],
)
def test_other_kinds_of_frame_are_refused_with_the_way_out(make, remedy):
    refused(remedy, stan_data, make(measurements()), LEVELS, "y", error=TypeError)


# --- simulation -----------------------------------------------------------------------------------------


def test_simulated_columns_are_levels_then_y_then_true_means():
    df = simulate([3, 2, 2, 5], theta=10, tau=1, sigma=1, seed=1, levels=LEVELS)
    assert df.columns == [*LEVELS, "y", "theta_1", "theta_2", "theta_3"]


def test_levels_without_names_are_numbered():
    assert simulate([2, 2, 2], 0, 1, 1, seed=1).columns[:2] == ["level_1", "level_2"]


def test_the_same_seed_gives_the_same_frame():
    a, b, c = (simulate(DESIGN, 10, 1, 1, seed) for seed in (7, 7, 8))
    assert a.equals(b)
    assert not a.equals(c)


def test_a_generator_moves_on_from_frame_to_frame():
    rng = np.random.default_rng(7)
    first, second = simulate(DESIGN, 10, 1, 1, rng), simulate(DESIGN, 10, 1, 1, rng)
    assert first.equals(simulate(DESIGN, 10, 1, 1, 7))
    assert not first.equals(second)


def test_labels_start_again_within_each_parent():
    df = simulate([2, [1, 2], [2, 1, 1], 1], 0, 1, 1, seed=1, levels=LEVELS)
    assert df.select(LEVELS).rows() == [(1, 1, 1), (1, 1, 2), (2, 1, 1), (2, 2, 1)]


def test_a_number_stands_for_as_many_everywhere():
    short, long = [2, 3, 2], [[2], [3, 3], [2] * 6]
    assert simulate(short, 0, 1, 1, seed=1).equals(simulate(long, 0, 1, 1, seed=1))


def test_the_design_of_the_experiment_can_be_simulated():
    data, _ = stan_data(simulate(DESIGN, 10, 1, 1, seed=1, levels=LEVELS), LEVELS, "y")
    assert [data["N"], data["J_1"], data["J_2"], data["J_3"]] == [47, 3, 8, 17]


@st.composite
def designs(draw):
    """Draw the number of children of every node of a tree with 1 to 4 levels."""
    children, parents = [], 1
    for _ in range(draw(st.integers(2, 5))):
        children.append(draw(st.lists(st.integers(1, 3), min_size=parents, max_size=parents)))
        parents = sum(children[-1])
    return children


@fixed
@given(designs())
def test_stan_data_reads_the_design_back(children):
    levels = [f"level_{k}" for k in range(1, len(children))]
    data, _ = stan_data(simulate(children, 0, 1, 1, seed=1), levels, "y")
    read = [[data["J_1"]], *(np.bincount(data[f"index_{k}"])[1:].tolist() for k in range(1, len(children)))]
    assert read == children


def test_rows_of_one_node_share_its_true_mean():
    df = simulate(DESIGN, 10, 1, 1, seed=1, levels=LEVELS)
    for k, n_nodes in enumerate([3, 8, 17], start=1):
        assert df.select(*LEVELS[:k], f"theta_{k}").n_unique() == df[f"theta_{k}"].n_unique() == n_nodes


def test_without_spread_everything_is_the_population_mean():
    df = simulate([2, 2, 2], theta=10, tau=0, sigma=0, seed=1)
    assert df.select("y", "theta_1", "theta_2").unique().rows() == [(10.0, 10.0, 10.0)]


def test_each_level_has_its_own_tau():
    df = simulate([2, 2, 2, 2], theta=10, tau=[0, 1, 0], sigma=0, seed=1)
    distinct = df.select(pl.col("y", "theta_1", "theta_2", "theta_3").n_unique()).row(0, named=True)
    assert distinct == {"y": 4, "theta_1": 1, "theta_2": 4, "theta_3": 4}


# The tests below allow five standard errors. The seed is fixed, so they do not flicker; with a fresh seed
# a correct simulation would fail one in less than 1 of 100,000 runs (normal: 1 of 1.7 million; the
# variances, chi-squared with thousands of degrees of freedom, have a slightly heavier upper tail).
# 4000 days of 1 or 3 batches of 2 colonies of 3 cells: 16,000 colonies.
TAU, SIGMA = [1.0, 0.5, 2.0], 0.25


@pytest.fixture(scope="module")
def many():
    return simulate([4000, [1, 3] * 2000, 2, 3], theta=10, tau=TAU, sigma=SIGMA, seed=1, levels=LEVELS)


def standard_normal(z):
    """Check the mean and the variance of draws against 0 and 1, to five standard errors each."""
    assert abs(z.mean()) < 5 / np.sqrt(len(z))
    assert abs(z.var() - 1) < 5 * np.sqrt(2 / len(z))


@pytest.mark.parametrize("k", [1, 2, 3])
def test_means_spread_about_their_parent_as_tau_says(many, k):
    nodes = many.unique(LEVELS[:k], maintain_order=True).with_columns(theta_0=pl.lit(10.0))
    standard_normal((nodes[f"theta_{k}"] - nodes[f"theta_{k - 1}"]).to_numpy() / TAU[k - 1])


def test_observations_spread_about_their_leaf_as_sigma_says(many):
    standard_normal((many["y"] - many["theta_3"]).to_numpy() / SIGMA)


def test_observations_alone_show_the_model(many):
    # Not through the columns of true means: the mean of a day's b x 2 x 3 observations has variance
    # tau_1² + tau_2²/b + tau_3²/2b + sigma²/6b.
    days = many.group_by("day", maintain_order=True).agg(pl.col("y").mean(), b=pl.col("batch").max())
    b = days["b"].to_numpy()
    variance = TAU[0] ** 2 + TAU[1] ** 2 / b + TAU[2] ** 2 / (2 * b) + SIGMA**2 / (6 * b)
    standard_normal((days["y"].to_numpy() - 10) / np.sqrt(variance))


def test_siblings_are_drawn_independently(many):
    # The correlation of n independent pairs has standard error 1/√n.
    pairs = many.filter(pl.col("batch") == 1).unique(LEVELS, maintain_order=True)
    z = (pairs["theta_3"] - pairs["theta_2"]).to_numpy().reshape(-1, 2)
    assert abs(np.corrcoef(z.T)[0, 1]) < 5 / np.sqrt(len(z))


# --- what simulate refuses ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("children", "message"),
    [
        ([3], "children is [3]: give the number of groups and of observations in each"),
        (5, "children is [5]: give the number of groups"),
        ([2, 0, 5], "children[1] ('batch') is 0: give a whole number, 1 or more"),
        ([2, [1, -1], 5], "children[1][1] ('batch') is -1: give a whole number"),
        ([2, 2, [1, 2, 3, 0]], "children[2][3] (observations) is 0: give a whole number"),
        ([2, 2.5, 5], "children[1] ('batch') is 2.5: give a whole number"),
        ([2, [1, 2.0], 5], "children[1][1] ('batch') is 2.0: give a whole number"),
        ([2, [[1], [2]], 5], "children[1][0] ('batch') is [1]: give a whole number"),
        ([2, None, 5], "children[1] ('batch') is None: give a whole number"),
        ([2, [1, 2, 3], 5], "children[1] ('batch') is 3 long, not 2: give one per parent"),
        ([[2, 2], 2, 5], "children[0] ('day') is 2 long, not 1: give one per parent"),
    ],
)
def test_impossible_designs_are_refused_and_located(children, message):
    refused(message, simulate, children, 10, 1, 1, seed=1, levels=["day", "batch"])


@pytest.mark.parametrize(
    ("parameter", "message"),
    [
        ({"theta": np.inf}, "theta is inf: give a finite number"),
        ({"theta": "10"}, "theta is '10': give a finite number"),
        ({"sigma": -1}, "sigma is -1: give a finite number, 0 or more"),
        ({"sigma": np.nan}, "sigma is nan: give a finite number, 0 or more"),
        ({"tau": -1}, "tau of level 'day' is -1: give a finite number, 0 or more"),
        ({"tau": [1, np.inf]}, "tau of level 'batch' is inf: give a finite number"),
        ({"tau": [1, 1, 1]}, "tau has length 3 for 2 levels: give one per level, or one for all"),
    ],
)
def test_parameters_outside_the_model_are_refused(parameter, message):
    good = {"children": [2, 2, 2], "theta": 10, "tau": 1, "sigma": 1, "seed": 1, "levels": ["day", "batch"]}
    refused(message, simulate, **(good | parameter))


@pytest.mark.parametrize("levels", [["day"], ["day", "day"], ["day", "y"], ["day", "theta_2"], "day"])
def test_level_names_that_do_not_fit_are_refused(levels):
    refused("give 2 different names", simulate, [2, 2, 2], 10, 1, 1, seed=1, levels=levels)
