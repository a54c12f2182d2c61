"""`simulate` and `replicate` draw from the model: the design that was asked for, and spreads as given."""

import copy
import doctest
import re

import numpy as np
import polars as pl
import pytest
import scipy.stats
import xarray as xr
from arviz_base import from_dict
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from helpers import exact_posterior
from helpers.data import LEVELS, stan_data
from helpers.priors import PRIOR
from helpers.simulation import replicate, simulate
from helpers.tree import tree_data, unflatten

PREDICTED = "posterior_predictive/y"

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


# --- data anew from a fit ---------------------------------------------------------------------------------

# Two days of 2 and 1 batches, cells in another order than that of batches; two of batch 2 belong together.
NESTED = {"J_1": 2, "J_2": 3, "index_1": [1, 1, 2], "index_2": [2, 1, 3, 2, 1], "y": [9, 10.5, 12, 8.5, 11]}
LEAF = np.array(NESTED["index_2"]) - 1
DRAWS = 20_000


@pytest.fixture(scope="module")
def exact():
    return exact_posterior(NESTED, PRIOR)


@pytest.fixture(scope="module")
def samples(exact):
    return exact.draws(DRAWS, seed=1)


def anew(samples, seed=2, data=NESTED, **options):
    """New measurements of one chain, shape (draws, N)."""
    return replicate(samples, data, seed, **options)["posterior_predictive"]["y"].values[0]


def square(exact, name):
    """Mean of the square of a parameter."""
    return exact.mean(name) ** 2 + exact.sd(name) ** 2


def moments(y, mean, variance):
    """Check means and variances of independent draws, to five standard errors each.

    The standard error of a variance is taken from the draws themselves, as tails are heavy. Of ten
    comparisons, one is beyond by chance in 100,000 runs; the seed is fixed.
    """
    n, apart = len(y), y - mean
    assert np.all(np.abs(apart.mean(axis=0)) < 5 * np.sqrt(np.asarray(variance) / n))
    squares = apart**2
    assert np.all(np.abs(squares.mean(axis=0) - variance) < 5 * squares.std(axis=0) / np.sqrt(n))


def test_new_data_are_named_and_shaped_as_arviz_wants_them(samples):
    light = {"light" if name == "y" else name: item for name, item in NESTED.items()}
    found = replicate(samples, light, seed=2, values="light")
    assert set(found.children) == {"posterior_predictive", "observed_data"}
    assert found["posterior_predictive"]["light"].dims[:2] == ("chain", "draw")
    assert found["posterior_predictive"]["light"].shape == (1, DRAWS, 5)
    assert found["observed_data"]["light"].values.tolist() == NESTED["y"]
    assert np.array_equal(found["posterior_predictive"]["light"], replicate(samples, NESTED, 2)[PREDICTED])


def test_a_seed_gives_the_same_new_data_and_a_generator_moves_on(samples):
    assert np.array_equal(anew(samples, 2), anew(samples, 2))
    rng = np.random.default_rng(2)
    first, second = anew(samples, rng), anew(samples, rng)
    assert np.array_equal(first, anew(samples, 2))
    assert not np.array_equal(first, second)


def test_new_cells_of_old_groups_have_the_moments_of_their_leaf(exact, samples):
    leaves = [f"theta_2[{j + 1}]" for j in LEAF]
    variance = [exact.sd(leaf) ** 2 + square(exact, "sigma") for leaf in leaves]
    moments(anew(samples), [exact.mean(leaf) for leaf in leaves], variance)


def test_new_groups_from_the_first_level_down_lie_about_theta(exact, samples):
    variance = exact.sd("theta") ** 2 + 2 * square(exact, "tau") + square(exact, "sigma")
    moments(anew(samples, new="theta_1"), exact.mean("theta"), variance)


def test_new_groups_of_the_last_level_lie_about_old_parents(exact, samples):
    days = [f"theta_1[{[1, 1, 2][j]}]" for j in LEAF]
    variance = [exact.sd(day) ** 2 + square(exact, "tau") + square(exact, "sigma") for day in days]
    moments(anew(samples, new="theta_2"), [exact.mean(day) for day in days], variance)


def test_new_cells_share_the_groups_that_the_design_gives_them(exact, samples):
    """Covariances of cells in one batch, in one day, and in none: products of what lies about θ."""
    y = anew(samples, new="theta_1") - exact.mean("theta")
    tau, theta = square(exact, "tau"), exact.sd("theta") ** 2
    for (i, j), shared in {(0, 3): 2, (0, 1): 1, (0, 2): 0}.items():
        product = y[:, i] * y[:, j]
        expected = theta + shared * tau
        assert abs(product.mean() - expected) < 5 * product.std() / np.sqrt(DRAWS)


def test_new_groups_take_the_tau_of_their_own_level():
    """Levels whose τ are far apart: draws are made up, so the moments are known."""
    made = made_up(theta=10.0, tau=[0.1, 3.0], sigma=0.5, theta_1=[9.0, 11.0], theta_2=[9.0, 9.5, 11.0])
    moments(anew(made, new="theta_1"), 10, 0.1**2 + 3**2 + 0.5**2)
    moments(anew(made, new="theta_2"), np.array([9, 9, 11])[LEAF], 3**2 + 0.5**2)
    moments(anew(made), np.array([9, 9.5, 11])[LEAF], 0.5**2)


def made_up(chains=1, n=DRAWS, **parameters):
    """Samples all of whose draws agree."""
    posterior = {
        name: np.broadcast_to(value, (chains, n, *np.shape(value))) for name, value in parameters.items()
    }
    return from_dict({"posterior": posterior})


FIXED = {"theta": 10.0, "tau": 1.0, "sigma": 2.0, "theta_1": [9.0, 11.0], "theta_2": [9.0, 10.0, 12.0]}
MEANS = np.array(FIXED["theta_2"])[LEAF]


def test_known_errors_are_those_of_each_measurement():
    errors = np.array([0.1, 1, 2, 0.5, 5])
    without = {name: value for name, value in FIXED.items() if name != "sigma"}
    moments(anew(made_up(**without), sigma=errors), MEANS, errors**2)


def test_outliers_come_as_often_as_degrees_of_freedom_say():
    """The share beyond 3σ of ν = 4 is 0.040, of a normal 0.0027; five standard errors of it."""
    t = scipy.stats.t(4)
    given = (anew(made_up(**FIXED), likelihood="student_t", nu=4) - MEANS) / 2
    drawn = (anew(made_up(**FIXED, nu=4.0), likelihood="student_t") - MEANS) / 2
    for z in (given, drawn):
        for quantile in (-3, -1, 0.5, 3):
            p = t.cdf(quantile)
            assert abs(np.mean(z < quantile) - p) < 5 * np.sqrt(p * (1 - p) / z.size)


def test_every_draw_has_its_own_degrees_of_freedom():
    tree = made_up(**FIXED)["posterior"].to_dataset()
    nu = np.where(np.arange(DRAWS) % 2, 1.0, 1000.0)[None]
    mixed = xr.DataTree.from_dict({"posterior": tree.assign(nu=(("chain", "draw"), nu))})
    z = (anew(mixed, likelihood="student_t") - MEANS) / 2
    for part, nu in [(z[1::2], 1), (z[::2], 1000)]:
        p = scipy.stats.t(nu).cdf(-3)
        assert abs(np.mean(part < -3) - p) < 5 * np.sqrt(p * (1 - p) / part.size)


COUNTS = {"J_1": 2, "index_1": [2, 1, 1], "y": [3, 4, 0]}
RATES = {"theta": 0.0, "tau": 0.3, "theta_1": [0.5, -1.0]}


def test_counts_come_at_the_rate_of_their_leaf_and_exposure():
    exposure = np.array([1, 4, 2.5])
    data = COUNTS | {"exposure": exposure}
    rate = exposure * np.exp(np.array([-1, 0.5, 0.5]))
    moments(anew(made_up(**RATES), data=data, likelihood="poisson"), rate, rate)
    y = anew(made_up(**RATES), data=COUNTS, likelihood="poisson")
    moments(y, rate / exposure, rate / exposure)
    assert y.dtype.kind == "i"


def test_counts_of_new_groups_have_the_mean_of_a_lognormal_rate():
    rate = np.exp(0.3**2 / 2)
    moments(
        anew(made_up(**RATES), data=COUNTS, new="theta_1", likelihood="poisson"),
        rate,
        rate + rate**2 * np.expm1(0.3**2),
    )


def test_successes_are_within_their_trials_and_as_likely_as_told():
    trials = np.array([10, 4, 50])
    data = COUNTS | {"trials": trials}
    p = expit(np.array([-1, 0.5, 0.5]))
    y = anew(made_up(**RATES), data=data, likelihood="binomial")
    moments(y, trials * p, trials * p * (1 - p))
    assert np.all((y >= 0) & (y <= trials))
    sure = made_up(theta=0.0, tau=1.0, theta_1=[800.0, -800.0])
    assert anew(sure, data=data, likelihood="binomial").max(axis=0).tolist() == [0, 4, 50]


def test_chains_stay_apart_whatever_the_order_of_dimensions():
    posterior = made_up(chains=4, n=50, **FIXED)["posterior"].to_dataset()
    posterior["theta_2"] = posterior["theta_2"] + 100 * posterior["chain"]
    turned = xr.DataTree.from_dict({"posterior": posterior.transpose(..., "draw", "chain")})
    y = replicate(turned, NESTED, seed=1)[PREDICTED].values
    assert y.shape == (4, 50, 5)
    assert np.round(y.mean(axis=(1, 2)) / 100).tolist() == [0, 1, 2, 3]


def test_samples_of_trees_of_any_depth_fit_once_unflattened():
    flat = tree_data(NESTED, PRIOR)
    node = np.array([9.0, 11.0, 9.0, 10.0, 12.0])
    written = made_up(theta=10.0, tau=[1.0], sigma=[2.0], node=node)
    moments(anew(unflatten(written, flat)), MEANS, 4)
    own = unflatten(made_up(theta=10.0, tau=[0.1, 3.0], sigma=[2.0], node=node), flat | {"shared_tau": 0})
    moments(anew(own, new="theta_2"), np.array([9, 9, 11])[LEAF], 3**2 + 2**2)


def test_replicate_leaves_data_and_samples_as_they_are():
    data, fixed = copy.deepcopy(NESTED), made_up(n=3, **FIXED)
    before = fixed.copy(deep=True)
    replicate(fixed, data, seed=1, new="theta_1")
    assert data == NESTED
    assert fixed.identical(before)


BAD = {name: value for name, value in FIXED.items() if name != "theta_2"}


@pytest.mark.parametrize(
    ("given", "data", "options", "message"),
    [
        (FIXED, NESTED, {"new": "theta_3"}, "new is 'theta_3' (did you mean 'theta_2'?): give the first"),
        (FIXED, NESTED, {"new": "day"}, "new is 'day': give the first level whose groups are new, one of"),
        (FIXED, NESTED, {"new": 1}, "new is 1: give the first level"),
        (FIXED, NESTED, {"new": np.array(["a", "b"])}, "give the first level whose groups are new"),
        (BAD, NESTED, {}, "no 'theta_2' in the samples, which have theta, tau, sigma, theta_1: give a fit"),
        (BAD | {"theta_2": [9.0, 10]}, NESTED, {}, "the samples have 2 theta_2, the data 3: give the data"),
        (FIXED | {"tau": [1.0] * 3}, NESTED, {"new": "theta_2"}, "the samples have 3 tau, the data 2"),
        (FIXED | {"sigma": [1.0] * 5}, NESTED, {}, "the samples have 5 sigma, the data 1"),
        (FIXED | {"sigma": -1.0}, NESTED, {}, "a draw of 'sigma' is -1.0: give finite draws"),
        (FIXED | {"theta_2": [9, np.nan, 12]}, NESTED, {}, "a draw of 'theta_2' is nan"),
        (FIXED, NESTED, {"seed": -1}, "seed is -1: give a whole number"),
        (FIXED, NESTED, {"likelihood": "poison"}, "likelihood is 'poison' (did you mean 'poisson'?)"),
        (FIXED, NESTED, {"likelihood": "student_t"}, "no 'nu' in the samples, which have theta, tau, sigma,"),
        (FIXED, NESTED, {"likelihood": "student_t", "nu": 0}, "nu is 0: give a number above 0, such as nu=4"),
        (FIXED, NESTED, {"likelihood": "student_t", "nu": "4"}, "nu is '4': give a number above 0"),
        (FIXED, NESTED, {"nu": 4}, "nu is 4, which likelihood='normal' does not have: leave it out"),
        (FIXED, NESTED, {"sigma": [1] * 5, "nu": 4}, "nu is 4: known errors are normal, so leave it out"),
        (FIXED, NESTED, {"sigma": [1, 2]}, "'sigma' has shape (2,): give one for each of the 5"),
        (FIXED, NESTED, {"sigma": [1] * 5, "likelihood": "student_t", "nu": 4}, "known errors are for"),
        (FIXED, NESTED, {"values": "Y"}, "no 'Y' (did you mean 'y'?) in the data"),
        (FIXED, NESTED | {"y": [1, 2, 3, 4, "5"]}, {}, "'y' is '5' at position 5: give numbers"),
        (FIXED, NESTED | {"index_1": [1, 1, 3]}, {}, "'index_1' is 3 at position 3: give a node from 1 to 2"),
        (FIXED, NESTED | {"trials": [9] * 5}, {}, "'trials' of the data would not be used"),
        (RATES, COUNTS, {"likelihood": "binomial"}, "no 'trials' in the data: name their column"),
        (RATES, COUNTS | {"trials": [1, 9, 9]}, {"likelihood": "binomial"}, "'y' is 3 at position 1: more"),
        (RATES, COUNTS | {"exposure": [1, 0, 1]}, {"likelihood": "poisson"}, "'exposure' is 0 at position 2"),
        (RATES, COUNTS | {"y": [1.5, 2, 3]}, {"likelihood": "poisson"}, "a fraction is no count"),
        (RATES | {"theta_1": [50.0, 1]}, COUNTS, {"likelihood": "poisson"}, "a draw has a rate of 5e+21"),
        (RATES | {"theta_1": [800.0, 1]}, COUNTS, {"likelihood": "poisson"}, "a draw has a rate of inf"),
    ],
)  # fmt: skip
def test_what_cannot_be_drawn_anew_is_refused_in_one_line(given, data, options, message):
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        replicate(made_up(n=10, **given), data, **({"seed": 1} | options))
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("given", "data", "message"),
    [
        (pl.DataFrame({"tau": [1]}), NESTED, "the samples are a polars.DataFrame: give what arviz."),
        (made_up(n=10, **FIXED), [9.0, 10.0], "data is a list: give the dictionary of helpers.stan_data"),
    ],
)
def test_samples_and_data_of_another_type_are_refused(given, data, message):
    with pytest.raises(TypeError, match=re.escape(message)):
        replicate(given, data, seed=1)


@pytest.mark.parametrize(("function", "lines"), [(simulate, 4), (replicate, 4)])
def test_examples_of_the_documentation_come_out_as_written(function, lines):
    names = {"simulate": simulate, "replicate": replicate, "stan_data": stan_data, "np": np}
    (example,) = doctest.DocTestFinder().find(function, globs=names)
    assert doctest.DocTestRunner().run(example) == (0, lines)
