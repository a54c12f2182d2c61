"""Trees written flat, and the two programs for any depth: against formulas that share nothing with them.

Random trees are the same in every run. What is left to chance, with a right sampler, fails less than once in
20,000 runs of this file; tolerances are given where they are used.
"""

import logging

import arviz
import numpy as np
import pytest
import scipy.stats
from dense import half_normal, log_likelihood
from hypothesis import given, settings
from hypothesis import strategies as st

import helpers
from helpers import exact_posterior, tree_data, unflatten
from helpers.data import LEVELS
from helpers.exact.passes import Tree
from helpers.priors import PRIOR

UNITS = [1e-3, 1, 1e3]
settled = settings(max_examples=40, deadline=None, derandomize=True, database=None)


@pytest.fixture(scope="module")
def data():
    return helpers.stan_data(helpers.measurements(), LEVELS, "y")[0]


@pytest.fixture(scope="module")
def exact(data):
    return exact_posterior(data)


@pytest.fixture(scope="module")
def programs():
    logging.getLogger("cmdstanpy").setLevel(logging.CRITICAL)
    return {name: helpers.stan_model(name) for name in ("tree", "tree_marginal")}


# --- random trees, and what is said of them the slow way ------------------------------------------------


@st.composite
def trees(draw):
    """Data of a tree of one to five levels, the priors that suit it, and a generator to go on with.

    Groups of one are common. Leaves have one measurement each, or equally many, or one to a few. Parents
    stand in order or do not. The unit, and the distance from zero, may be a million times the spreads.
    """
    K = draw(st.integers(1, 5))
    measured = draw(st.sampled_from(["once", "equally", "unequally"]))
    ordered = draw(st.booleans())
    unit = draw(st.sampled_from(UNITS))
    offset = draw(st.sampled_from([0, 0, 1e6])) * unit
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    data, size = {}, 0
    for k in range(1, K + 1):
        above, size = size, rng.integers(max(size, 1), 2 * size + 4)
        size = int(min(size, 12)) if k > 1 else int(rng.integers(1, 4))
        data[f"J_{k}"] = size
        if k > 1:
            data[f"index_{k - 1}"] = family(above, size, ordered, rng)
    cells = {"once": size, "equally": 3 * size, "unequally": int(size + rng.integers(1, 2 * size + 2))}
    data[f"index_{K}"] = (
        family(size, cells[measured], ordered, rng)
        if measured != "equally"
        else np.repeat(np.arange(size), 3) + 1
    )
    leaf = data[f"index_{K}"] - 1
    data["y"] = offset + unit * (10 + rng.normal(size=size)[leaf] + rng.normal(size=len(leaf)))
    data["N"] = len(leaf)
    shared = draw(st.booleans())
    tau = 5 * unit if shared else [(4.0 + k) * unit for k in range(K)]
    prior = {"theta": (offset + 9 * unit, 3 * unit), "tau": tau, "sigma": 4 * unit}
    return data, prior, shared, unit, rng


def family(above, size, ordered, rng):
    """Parents, from 1, of `size` nodes; every one of those above has a child."""
    parents = np.concatenate([np.arange(above), rng.integers(above, size=size - above)]) + 1
    return np.sort(parents) if ordered else rng.permutation(parents)


def depth(data):
    return sum(name.startswith("J_") for name in data)


def every_level(tau, K):
    return np.broadcast_to(tau, K) if np.size(tau) == 1 else np.asarray(tau)


# --- densities ------------------------------------------------------------------------------------------


def at(program, flat, points):
    """Log density at the points on Stan's own scale, and all that the program writes there."""
    # as in test_posterior: CmdStan 2.27 cannot be asked for a density, but prints that of every draw; with a
    # step so short, the draw is the point, to the last digit
    run = program.sample(
        data=flat, inits=points, chains=len(points), iter_warmup=0, iter_sampling=1, adapt_engaged=False,
        step_size=1e-99, max_treedepth=1, seed=1, sig_figs=17, show_progress=False,
    )  # fmt: skip
    return run.method_variables()["lp__"][0], run.stan_variables()


@settled
@given(tree=trees())
def test_likelihood_of_tree_marginal_is_that_of_a_dense_matrix(programs, tree):
    data, prior, shared, unit, rng = tree
    flat = tree_data(data, prior, shared_tau=shared)
    # spreads from a fiftieth of what is likely to four times it: z is in units of about 1 / sqrt(1 + nodes)
    most = [2 * np.sqrt(1 + sum(flat["J"])), 2 * np.sqrt(1 + flat["n"].sum() - len(flat["n"]))]
    points = [
        {"z_tau": rng.uniform(-most[0], most[0], flat["prior_tau"].size).tolist(),
         "z_sigma": rng.uniform(-most[1], most[1])}
        for _ in range(4)
    ]  # fmt: skip
    _, found = at(programs["tree_marginal"], flat, points)
    for tau, sigma, log_p in zip(found["tau"], found["sigma"], found["log_p"], strict=True):
        expected = log_likelihood(data, every_level(tau, depth(data)), sigma, prior["theta"])
        # what the last digit of the measurements is worth
        digit = np.spacing(np.abs(data["y"]).max()) * (np.abs(data["y"] - prior["theta"][0]) + unit).sum()
        assert log_p == pytest.approx(expected, rel=1e-11, abs=1e-9 + digit / sigma**2)


@settled
@given(tree=trees())
def test_likelihood_of_tree_marginal_holds_for_extreme_spreads(programs, tree):
    """Where dense matrices lose their digits: against the messages of `exact_posterior`."""
    data, prior, shared, unit, rng = tree
    data = data | {"y": data["y"] + unit * (np.arange(len(data["y"])) % 3)}  # none are equal
    flat = tree_data(data, prior, shared_tau=shared)
    most = 4 * np.sqrt(1 + flat["n"].sum())
    points = [{"z_tau": rng.uniform(-most, most, flat["prior_tau"].size).tolist(),
               "z_sigma": rng.uniform(-most, most)} for _ in range(4)]  # fmt: skip
    _, found = at(programs["tree_marginal"], flat, points)
    tau = np.array([every_level(x, depth(data)) for x in found["tau"]]).T
    expected = Tree(data, "y", None).up(tau, found["sigma"], prior["theta"])[0]
    digit = np.spacing(np.abs(data["y"]).max()) * (np.abs(data["y"] - prior["theta"][0]) + unit).sum()
    worst = 1e-9 + 1e-10 * np.abs(expected) + digit / found["sigma"] ** 2
    assert (np.abs(found["log_p"] - expected) < worst).all()


@settled
@given(tree=trees())
def test_density_of_tree_marginal_is_likelihood_times_priors_times_slope(programs, tree):
    """What is sampled: up to a constant, with slopes of τ and σ from neighbouring points."""
    data, prior, shared, _, rng = tree
    flat = tree_data(data, prior, shared_tau=shared)
    T, step = flat["prior_tau"].size, 1e-3
    middle = [(rng.uniform(-4, 4, T), rng.uniform(-4, 4)) for _ in range(3)]
    points = [
        {"z_tau": (z + h).tolist(), "z_sigma": w + h} for z, w in middle for h in (-step, 0, step)
    ]  # fmt: skip
    lp, found = at(programs["tree_marginal"], flat, points)
    z = np.c_[found["z_tau"], found["z_sigma"]]
    spread = np.c_[found["tau"], found["sigma"]]
    slope = (spread[2::3] - spread[::3]) / (z[2::3] - z[::3])
    expected = found["log_p"][1::3] + np.log(slope).sum(axis=1)
    expected += half_normal(spread[1::3], np.r_[flat["prior_tau"], prior["sigma"]]).sum(axis=1)
    assert (slope > 0).all()
    assert np.ptp(lp[1::3] - expected) < 1e-5  # what the curvature makes of the slope


@settled
@given(tree=trees(), given_weight=st.sampled_from([0, 1, 0.3, "by level", "by node"]))
def test_density_of_tree_is_that_of_single_measurements(programs, tree, given_weight):
    """Up to a constant, and so are its nodes, whatever the weights."""
    data, prior, shared, unit, rng = tree
    K = depth(data)
    sizes = [data[f"J_{k}"] for k in range(1, K + 1)]
    if given_weight == "by level":
        given_weight = rng.choice([0, 0.5, 1], K).tolist()
    elif given_weight == "by node":
        given_weight = [rng.choice([0, 0.4, 0.7, 1], size) for size in sizes]
    weight = given_weight if isinstance(given_weight, list) else [given_weight] * K
    flat = tree_data(data, prior, shared_tau=shared, weight=given_weight, write_nodes=True)
    taus = every_level(prior["tau"], K)
    points, expected, nodes = [], [], []
    steep = 1  # how much a rounding error may grow on its way down: where τ is far above 1, much
    for _ in range(3):
        tau = unit * rng.uniform(0.2, 3, flat["prior_tau"].size)
        theta, sigma = prior["theta"][0] + unit * rng.normal(), unit * rng.uniform(0.5, 2)
        spread = every_level(tau, K)
        log_p = -(((theta - prior["theta"][0]) / prior["theta"][1]) ** 2) / 2
        log_p += half_normal(tau, taus[: len(tau)]).sum() + half_normal(sigma, prior["sigma"])
        log_p += np.log(tau).sum() + np.log(sigma)  # Stan moves in logarithms
        own, x = [], []
        growth = [1 + np.max(w * t ** (1 - w)) for w, t in zip(map(np.array, weight), spread, strict=True)]
        steep = max(steep, np.prod(growth))
        for k in range(K):
            for i in range(sizes[k]):
                up = theta if k == 0 else own[sum(sizes[: k - 1]) + data[f"index_{k}"][i] - 1]
                w, z = np.broadcast_to(weight[k], sizes[k])[i], rng.normal()
                own.append(up + spread[k] * z)  # so the node's density in x is that of z
                x.append(w * up + spread[k] ** w * z)
                log_p -= z**2 / 2 + w * np.log(spread[k])
        for y, leaf in zip(data["y"], data[f"index_{K}"], strict=True):
            log_p -= ((y - own[sum(sizes[:-1]) + leaf - 1]) / sigma) ** 2 / 2 + np.log(sigma)
        points.append({"theta": theta, "tau": tau.tolist(), "sigma": sigma, "x": x})
        expected.append(log_p)
        nodes.append(own)
    lp, found = at(programs["tree"], flat, points)
    digit = np.spacing(np.abs(data["y"]).max()) / unit * steep
    assert np.ptp(lp - expected) < 1e-8 + 1e4 * digit
    assert np.abs(found["node"] - nodes).max() / unit < 1e-10 + 1e2 * digit


# --- samples --------------------------------------------------------------------------------------------


def sample(program, data, seed, **options):
    return program.sample(data=data, seed=seed, show_progress=False, **options)


@pytest.fixture(scope="module")
def flat(data):
    return tree_data(data, write_nodes=True)


@pytest.fixture(scope="module")
def marginal(programs, flat):
    return sample(programs["tree_marginal"], flat, seed=101)


def off_by(program, data, exact, shared_tau=True):
    """Largest error of a run's marks, in MCSEs."""
    flat = tree_data(data, shared_tau=shared_tau)
    run = unflatten(arviz.from_cmdstanpy(sample(program, flat, seed=1)), flat)
    return helpers.score(run, exact, below=1)["error_in_mcse"].abs().max()


def test_tree_marginal_is_right_where_siblings_happen_to_agree(programs):
    """Ten groups of one leaf, and one of two that agree: these two alone do not tell τ."""
    index = np.r_[1:12, 11]
    mean = 10 + 2 * np.linspace(-1.5, 1.5, 11)[index - 1] + np.r_[np.zeros(11), 0.001]
    data = {"J_1": 11, "J_2": 12, "index_1": index, "index_2": np.repeat(np.arange(12), 3) + 1}
    data["y"] = (mean[:, None] + [-0.05, 0.01, 0.04]).ravel()
    # one of four errors above 5 MCSEs once in 400,000 times, and P(τ < 1) may be hard to hit: hence 6
    assert off_by(programs["tree_marginal"], data, exact_posterior(data)) < 6


def test_tree_marginal_does_not_diverge_where_two_groups_happen_to_agree(programs):
    """Nothing but the prior bounds τ, and the two means give no idea of its size."""
    cells = np.linspace(-1.5, 1.5, 10)
    data = {"J_1": 2, "index_1": np.repeat([1, 2], 10), "y": np.r_[10 + cells, 10.0001 + cells]}
    run = arviz.from_cmdstanpy(sample(programs["tree_marginal"], tree_data(data), seed=1))
    # a run of 4,000 has none, or a handful; with a τ measured in the distance of the two, it has thousands
    assert run["sample_stats"]["diverging"].sum() < 200


@pytest.mark.parametrize("small", [0.02, 0.0005])
def test_tree_marginal_is_right_where_levels_differ_a_hundredfold_and_more(programs, small):
    df = helpers.simulate([8, 3, 3], theta=10, tau=[5, small], sigma=small, seed=1)
    data = helpers.stan_data(df, ["level_1", "level_2"], "y")[0]
    exact = exact_posterior(data, shared_tau=False)
    assert off_by(programs["tree_marginal"], data, exact, shared_tau=False) < 6


# --- what the programs refuse ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["tree", "tree_marginal"])
@pytest.mark.parametrize(
    ("node", "parent", "message"),
    [
        (5, 0, "node 5 of level 2 has parent 0: give a node of the level above, 1 to 3"),
        (5, 6, "node 5 of level 2 has parent 6: give a node of the level above, 1 to 3"),
        (12, 3, "node 12 of level 3 has parent 3: give a node of the level above, 4 to 11"),
        (12, 12, "node 12 of level 3 has parent 12: give a node of the level above, 4 to 11"),
        (2, 1, "node 2 of level 1 has parent 1: give "),
        (8, 1, "node 2 of level 1 has no children: leave it out"),
        (28, 10, "node 11 of level 2 has no children: leave it out"),
        (12, 29, "parent.* is 29, but must be less than or equal to 28"),
    ],
)
def test_programs_refuse_what_is_no_tree_and_say_which_node(programs, data, name, node, parent, message):
    flat = tree_data(data)
    flat["parent"][node - 1] = parent
    with pytest.raises(RuntimeError, match=message):
        sample(programs[name], flat, seed=1, chains=1, iter_warmup=5, iter_sampling=5)


# --- the flat dictionary --------------------------------------------------------------------------------


@settled
@given(tree=trees())
def test_flat_tree_is_the_tree(tree):
    data, prior, shared, unit, _ = tree
    flat = tree_data(data, prior, shared_tau=shared)
    K = depth(data)
    sizes = [data[f"J_{k}"] for k in range(1, K + 1)]
    parents = [0] * sizes[0]
    for k in range(1, K):
        parents += (data[f"index_{k}"] + sum(sizes[: k - 1])).tolist()
    assert (flat["K"], flat["J"].tolist(), flat["parent"].tolist()) == (K, sizes, parents)
    for i in range(sizes[-1]):
        cells = data["y"][data[f"index_{K}"] == i + 1]
        digit = np.spacing(np.abs(cells).max())
        assert flat["n"][i] == len(cells)
        assert flat["y_mean"][i] == pytest.approx(cells.mean(), abs=4 * digit, rel=0)
        squares = ((cells - cells.mean()) ** 2).sum()
        assert flat["y_squares"][i] == pytest.approx(squares, rel=1e-9, abs=1e-9 * unit**2)
    assert (flat["shared_tau"], flat["prior_sigma"]) == (int(shared), prior["sigma"])
    assert flat["prior_theta"].tolist() == list(prior["theta"])
    assert flat["prior_tau"].tolist() == np.ravel(prior["tau"]).tolist()


def test_means_and_squares_keep_their_digits_far_from_zero():
    y = 1e8 + np.random.default_rng(1).normal(size=12_000)
    leaf = np.tile(np.arange(12), 1000) + 1
    near, far = (tree_data({"J_1": 12, "index_1": leaf, "y": y}, PRIOR) for y in (y - 1e8, y))  # exact
    assert far["y_squares"] == pytest.approx(near["y_squares"], rel=1e-12)
    assert far["y_mean"] - 1e8 == pytest.approx(near["y_mean"], abs=np.spacing(1e8))


def test_lists_serve_as_well_as_arrays_and_nothing_is_changed(data):
    lists = {name: x.tolist() if isinstance(x, np.ndarray) else x for name, x in data.items()}
    before = {name: np.copy(x) for name, x in data.items()}
    lists["light"] = lists.pop("y")
    first, second = tree_data(data), tree_data(lists, values="light")
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert all(np.array_equal(data[name], x) for name, x in before.items())


def test_priors_and_weights_are_written_out(data):
    def written(name, **options):
        return np.ravel(tree_data(data, **options)[name]).tolist()

    assert [*written("prior_theta"), *written("prior_tau"), *written("prior_sigma")] == [10, 3, 5, 5]
    assert written("prior_theta", prior={"theta": [11, 2]}) == [11, 2]
    assert written("prior_sigma", prior={"sigma": 2}) == written("prior_tau", prior={"tau": 2}) == [2]
    assert written("prior_tau", prior={"tau": 2}, shared_tau=False) == [2, 2, 2]
    assert written("prior_tau", prior={"tau": (3, 2, 1)}, shared_tau=False) == [3, 2, 1]
    own = np.linspace(0, 1, 17)
    assert (written("weight"), written("weight", weight=1)) == ([0] * 28, [1] * 28)
    assert written("weight", weight=[0.2, 0, own]) == [0.2] * 3 + [0] * 8 + own.tolist()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prior": {"mu": 1}}, "no prior for 'mu': give some of theta, tau and sigma"),
        ({"prior": {"theta": 10}}, "prior of theta is 10: give its mean and its standard deviation, above 0"),
        ({"prior": {"theta": (10, 0)}}, r"prior of theta is \(10, 0\): give its mean"),
        ({"prior": {"theta": (np.nan, 1)}}, r"prior of theta is \(nan, 1\): give its mean"),
        ({"prior": {"tau": 0}}, "prior of tau is 0: give the scale of a half-normal, above 0"),
        ({"prior": {"tau": np.inf}}, "prior of tau is inf: give the scale"),
        ({"prior": {"tau": [1, -1, 1]}, "shared_tau": False}, "prior of tau is -1: give the scale"),
        ({"prior": {"sigma": -2}}, "prior of sigma is -2: give the scale of a half-normal, above 0"),
        ({"prior": {"sigma": np.nan}}, "prior of sigma is nan: give the scale"),
        ({"prior": {"tau": scipy.stats.halfnorm(scale=5)}}, "prior of tau is .*frozen.*: give the scale"),
        ({"prior": {"sigma": scipy.stats.halfnorm(scale=5)}}, "prior of sigma is .*frozen.*: give the scale"),
        ({"prior": {"tau": [1, 2, 3]}}, "prior of tau has length 3: give its scale, or one per level"),
        ({"prior": {"tau": [1, 2]}, "shared_tau": False}, "prior of tau has length 2: give its scale, or"),
        ({"weight": [0, 1]}, "weight has length 2: give one number, or 3, one per level"),
        ({"weight": [0, [0, 1], 0]}, r"weight of level 2 has shape \(2,\): give one number, or 8"),
        ({"weight": 1.5}, "weight of node 1 of level 1 is 1.5: give 0 to 1"),
        ({"weight": [0, -0.1, 0]}, "weight of node 1 of level 2 is -0.1: give 0 to 1"),
        ({"weight": [0, 0, [*[0.5] * 16, np.nan]]}, "weight of node 17 of level 3 is nan: give 0 to 1"),
        ({"values": "x"}, "no 'x' in the data, which has .*: give values="),
    ],
)
def test_malformed_options_are_refused(data, options, message):
    with pytest.raises(ValueError, match=message):
        tree_data(data, **options)


@pytest.mark.parametrize("function", [tree_data, exact_posterior])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"J_1": None}, "no 'J_1' in the data, which has .*: see helpers.stan_data"),
        ({"index_1": None}, "no 'index_1' in the data"),
        ({"index_2": None}, r"'index_2' has shape \(0,\): give 17 numbers of nodes in level 2"),
        ({"index_3": [1] * 46}, r"'index_3' has shape \(46,\): give 47 numbers of nodes in level 3"),
        ({"index_1": [0, 1, 1, 1, 2, 3, 3, 3]}, "'index_1' is 0 at position 1: give a node from 1 to 3"),
        ({"index_1": [1, 1, 1, 1, 2, 3, 3, 4]}, "'index_1' is 4 at position 8: give a node from 1 to 3"),
        ({"index_1": [1, 1, 1, 1, 2, 3, 3, 1.5]}, "'index_1' is 1.5 at position 8"),
        ({"index_1": [1, 1, 1, 1, 1, 3, 3, 3]}, "node 2 of level 1 has nothing below it: leave it out"),
        ({"y": [*[9.5] * 46, None]}, "'y' is nan at position 47: give finite numbers"),
        ({"y": [np.inf, *[9.5] * 46]}, "'y' is inf at position 1: give finite numbers"),
        ({"y": np.ones((47, 1))}, r"'y' has shape \(47, 1\): give at least one measurement, in one dim"),
        ({"y": []}, r"'y' has shape \(0,\)"),
        ({"y": np.ones(47)}, "are equal within every group, .* give more digits"),
    ],
)
def test_malformed_data_are_refused(data, function, change, message):
    changed = {name: x for name, x in (data | change).items() if x is not None}
    with pytest.raises(ValueError, match=message):
        function(changed)


def test_known_errors_that_would_not_be_used_are_refused(data):
    """Left lying in the data, they made school A of lesson 5 come out at 16.9 in place of 5.9."""
    errors = data | {"sigma": np.full(47, 0.9)}
    for function in (tree_data, helpers.exact_posterior):
        with pytest.raises(
            ValueError, match=r"'sigma' of the data would not be used: .* sigma=data\['sigma'\]"
        ):
            function(errors)
    assert helpers.exact_posterior(errors, sigma=errors["sigma"]).names[:2] == ["theta", "tau"]


# --- names of the draws ---------------------------------------------------------------------------------


def test_unflatten_names_draws_as_programs_for_three_levels(marginal, flat, data, exact):
    before = arviz.from_cmdstanpy(marginal)
    copy = before.copy(deep=True)
    named = unflatten(before, flat)
    node = marginal.draws_xr("node")["node"].values
    posterior = named["posterior"]
    assert posterior["tau"].shape == (4, 1000)
    assert np.array_equal(posterior["tau"].values, before["posterior"]["tau"].values[..., 0])
    first = 0
    for k in (1, 2, 3):
        size = data[f"J_{k}"]
        level = posterior[f"theta_{k}"]
        assert level.dims == ("chain", "draw", f"theta_{k}_dim_0")
        assert level[f"theta_{k}_dim_0"].values.tolist() == list(range(1, size + 1))
        assert np.array_equal(level.values, node[..., first : first + size])
        first += size
    assert "node" not in posterior
    assert posterior["theta"].equals(before["posterior"]["theta"])
    assert named["sample_stats"].to_dataset().equals(before["sample_stats"].to_dataset())
    assert before.equals(copy), "the original changed"
    # one of four errors above 6 MCSEs by chance: once in a hundred million runs
    assert helpers.score(named, exact)["error_in_mcse"].abs().max() < 6
    other = tree_data({"J_1": 2, "index_1": [1, 1, 2], "y": [9, 10, 11]})
    with pytest.raises(ValueError, match="the samples have 28 nodes, the data 2: give the data of the fit"):
        unflatten(before, other)


@pytest.mark.parametrize("name", ["tree", "tree_marginal"])
def test_runs_with_one_tau_per_level_and_without_nodes_are_named_too(programs, data, name):
    flat = tree_data(data, shared_tau=False)
    run = arviz.from_cmdstanpy(sample(programs[name], flat, seed=1, iter_warmup=100, iter_sampling=20))
    named = unflatten(run, flat)
    assert named["posterior"]["tau"].shape == (4, 20, 3)
    assert not [name for name in named["posterior"] if str(name).startswith("theta_")]
    with pytest.raises(ValueError, match="the samples have 3 τ, the data 1: give the data of the fit"):
        unflatten(run, tree_data({"J_1": 2, "index_1": [1, 1, 2], "y": [9, 10, 11]}))
