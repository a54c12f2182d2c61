"""`simulate` draws from the model: the design that was asked for, and spreads that are as they were given."""

import re

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.data import LEVELS, stan_data
from helpers.simulation import simulate

# The tree of the experiment: as many nodes as children of every node above.
DESIGN = [3, [4, 1, 3], [3, 2, 1, 3, 4, 2, 1, 1], [5, 2, 1, 2, 2, 2, 3, 4, 2, 1, 3, 2, 1, 1, 7, 3, 6]]


def test_columns_are_the_levels_y_and_the_true_means():
    assert simulate([3, 2, 5], 10, 1, 1, seed=1, levels=["a", "b"]).columns == [
        "a",
        "b",
        "y",
        "theta_1",
        "theta_2",
    ]
    assert simulate([2, 2, 2], 0, 1, 1, seed=1).columns[:2] == ["level_1", "level_2"]


def test_a_seed_gives_the_same_frame_and_a_generator_moves_on():
    a, b, c = (simulate(DESIGN, 10, 1, 1, seed) for seed in (7, 7, 8))
    assert a.equals(b)
    assert not a.equals(c)
    rng = np.random.default_rng(7)
    assert simulate(DESIGN, 10, 1, 1, rng).equals(a)
    assert not simulate(DESIGN, 10, 1, 1, rng).equals(a)


def test_labels_start_again_within_each_parent():
    df = simulate([2, [1, 2], [2, 1, 1], 1], 0, 1, 1, seed=1, levels=LEVELS)
    assert df.select(LEVELS).rows() == [(1, 1, 1), (1, 1, 2), (2, 1, 1), (2, 2, 1)]


def test_a_number_stands_for_as_many_everywhere():
    short, long = [2, 3, 2], [[2], [3, 3], [2] * 6]
    assert simulate(short, 0, 1, 1, seed=1).equals(simulate(long, 0, 1, 1, seed=1))


@st.composite
def designs(draw):
    """Draw the number of children of every node of a tree with 1 to 4 levels."""
    children, parents = [], 1
    for _ in range(draw(st.integers(2, 5))):
        children.append(draw(st.lists(st.integers(1, 3), min_size=parents, max_size=parents)))
        parents = sum(children[-1])
    return children


@settings(derandomize=True, deadline=None, max_examples=60, database=None)
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


def test_each_level_has_its_own_tau_and_zero_is_no_spread():
    df = simulate([2, 2, 2, 2], theta=10, tau=[0, 1, -0.0], sigma=0, seed=1)
    distinct = df.select(pl.col("y", "theta_1", "theta_2", "theta_3").n_unique()).row(0, named=True)
    assert distinct == {"y": 4, "theta_1": 1, "theta_2": 4, "theta_3": 4}
    assert df["theta_1"][0] == 10


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


def test_nodes_and_cells_spread_about_their_parents_as_told(many):
    for k in (1, 2, 3):
        nodes = many.unique(LEVELS[:k], maintain_order=True).with_columns(theta_0=pl.lit(10.0))
        standard_normal((nodes[f"theta_{k}"] - nodes[f"theta_{k - 1}"]).to_numpy() / TAU[k - 1])
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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"children": [3]}, "children is [3]: give the number of groups and of observations in each"),
        ({"children": 5}, "children is [5]: give the number of groups"),
        ({"children": [2, 0, 5]}, "children[1] ('batch') is 0: give a whole number, 1 or more"),
        ({"children": [2, 2, [1, 2, 3, 0]]}, "children[2][3] (observations) is 0: give a whole number"),
        ({"children": [2, [1, 2.0], 5]}, "children[1][1] ('batch') is 2.0: give a whole number"),
        ({"children": [2, [[1], [2]], 5]}, "children[1][0] ('batch') is [1]: give a whole number"),
        ({"children": [2, None, 5]}, "children[1] ('batch') is None: give a whole number"),
        ({"children": [2, [1, 2, 3], 5]}, "children[1] ('batch') is 3 long, not 2: give one per parent"),
        ({"children": [[2, 2], 2, 5]}, "children[0] ('day') is 2 long, not 1: give one per parent"),
        ({"theta": np.inf}, "theta is inf: give a finite number"),
        ({"theta": "10"}, "theta is '10': give a finite number"),
        ({"sigma": -1}, "sigma is -1: give a finite number, 0 or more"),
        ({"tau": -1}, "tau of level 'day' is -1: give a finite number, 0 or more"),
        ({"tau": [1, np.nan]}, "tau of level 'batch' is nan: give a finite number"),
        ({"tau": [1, 1, 1]}, "tau has length 3 for 2 levels: give one per level, or one for all"),
        *(({"levels": names}, "give 2 different names") for names in
          (["day"], ["day", "day"], ["day", "y"], ["day", "theta_2"], "day")),
    ],
)  # fmt: skip
def test_what_cannot_be_simulated_is_refused_and_located(change, message):
    good = {"children": [2, 2, 2], "theta": 10, "tau": 1, "sigma": 1, "seed": 1, "levels": ["day", "batch"]}
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        simulate(**(good | change))
    assert "\n" not in str(caught.value)
