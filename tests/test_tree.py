"""Trees written flat, and the two programs for any depth: against formulas, dense matrices, the exact posterior.

Random trees are the same in every run. What is left to chance, with a right sampler, fails less than once in
20,000 runs of this file; tolerances are given where they are used.
"""

import logging
from pathlib import Path

import arviz
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_posterior import LEVELS, SEEDS, is_right

import helpers
from helpers import exact_posterior, tree_data, unflatten
from helpers.tree import Tree

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


def lines(data):
    """Where every node descends from: for each level, and last for the measurements, its ancestors.

    Nodes are pairs (level, number); a node is its own ancestor.
    """
    above, found = [[]], []
    for k in range(1, depth(data) + 1):
        parents = np.ones(data["J_1"], int) if k == 1 else data[f"index_{k - 1}"]
        above = [[*above[parent - 1], (k, i)] for i, parent in enumerate(parents, start=1)]
        found.append(above)
    return [*found, [above[leaf - 1] for leaf in data[f"index_{depth(data)}"]]]


def log_likelihood(data, prior, tau, sigma):
    """Log p(y | τ, σ) from the covariance of all measurements, in extended precision; τ of every level."""
    cells = lines(data)[-1]
    y, tau = np.asarray(data["y"], np.longdouble), np.asarray(tau, np.longdouble)
    C = np.full((len(y), len(y)), np.longdouble(prior["theta"][1]) ** 2)
    for i, one in enumerate(cells):
        for j, other in enumerate(cells):
            C[i, j] += sum(tau[k - 1] ** 2 for k, node in one if (k, node) in other)
        C[i, i] += np.longdouble(sigma) ** 2
    z, log_p = y - prior["theta"][0], -len(y) * np.log(2 * np.longdouble(np.pi)) / 2
    for i in range(len(y)):  # Cholesky's decomposition, column by column
        pivot = np.sqrt(C[i, i])
        column = C[i + 1 :, i] / pivot
        z[i] /= pivot
        z[i + 1 :] -= column * z[i]
        C[i + 1 :, i + 1 :] -= np.outer(column, column)
        log_p -= z[i] ** 2 / 2 + np.log(pivot)
    return float(log_p)


def half_normal(x, scale):
    return np.log(2 / np.pi) / 2 - np.log(scale) - (x / scale) ** 2 / 2


def every_level(tau, K):
    return np.broadcast_to(tau, K) if np.size(tau) == 1 else np.asarray(tau)


# --- densities ------------------------------------------------------------------------------------------


def at(program, flat, points):
    """Log density at the points on Stan's own scale, and all that the program writes there."""
    # as in test_posterior: CmdStan 2.27 cannot be asked for a density, but prints that of every draw
    run = program.sample(
        data=flat, inits=points, chains=len(points), iter_warmup=0, iter_sampling=1, adapt_engaged=False,
        step_size=1e-12, max_treedepth=1, seed=1, sig_figs=17, show_progress=False,
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
        expected = log_likelihood(data, prior, every_level(tau, depth(data)), sigma)
        # what the last digit of the measurements is worth
        digit = np.spacing(np.abs(data["y"]).max()) * (np.abs(data["y"] - prior["theta"][0]) + unit).sum()
        assert log_p == pytest.approx(expected, rel=1e-11, abs=1e-9 + digit / sigma**2)


@settled
@given(tree=trees())
def test_likelihood_of_tree_marginal_holds_for_extreme_spreads(programs, tree):
    """Where matrices lose their digits: against the messages of `exact_posterior`, to 1e-10 of the largest term."""
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
    weight = {"by level": rng.choice([0, 0.5, 1], K).tolist(), "by node": [rng.uniform(size=n) for n in sizes]}
    weight = weight.get(given_weight, given_weight)
    per_level = weight if isinstance(weight, list) else [weight] * K
    flat = tree_data(data, prior, shared_tau=shared, weight=weight, write_nodes=True)
    taus = every_level(prior["tau"], K)
    points, expected, nodes = [], [], []
    for _ in range(3):
        tau = unit * rng.uniform(0.2, 3, flat["prior_tau"].size)
        theta, sigma, spread = prior["theta"][0] + unit * rng.normal(), unit * rng.uniform(0.5, 2), every_level(tau, K)
        log_p = -(((theta - prior["theta"][0]) / prior["theta"][1]) ** 2) / 2
        log_p += half_normal(tau, taus[: len(tau)]).sum() + half_normal(sigma, prior["sigma"])
        log_p += np.log(tau).sum() + np.log(sigma)  # Stan moves in logarithms
        own, x = [], []
        for k in range(K):
            for i in range(sizes[k]):
                up = theta if k == 0 else own[sum(sizes[: k - 1]) + data[f"index_{k}"][i] - 1]
                w, z = np.broadcast_to(per_level[k], sizes[k])[i], rng.normal()
                own.append(up + spread[k] * z)  # so the node's density in x is that of z
                x.append(w * up + spread[k] ** w * z)
                log_p -= z**2 / 2 + w * np.log(spread[k])
        for y, leaf in zip(data["y"], data[f"index_{K}"], strict=True):
            log_p -= ((y - own[sum(sizes[:-1]) + leaf - 1]) / sigma) ** 2 / 2 + np.log(sigma)
        points.append({"theta": theta, "tau": tau.tolist(), "sigma": sigma, "x": x})
        expected.append(log_p)
        nodes.append(own)
    lp, found = at(programs["tree"], flat, points)
    far = np.spacing(np.abs(data["y"]).max()) / unit
    assert np.ptp(lp - expected) < 1e-7 + 1e4 * far
    assert np.abs(found["node"] - nodes).max() / unit < 1e-8 + 10 * far


# --- samples --------------------------------------------------------------------------------------------


def sample(program, data, seed, **options):
    return program.sample(data=data, seed=seed, show_progress=False, **options)


@pytest.fixture(scope="module")
def flat(data):
    return tree_data(data, write_nodes=True)


@pytest.fixture(scope="module")
def marginal(programs, flat):
    return [sample(programs["tree_marginal"], flat, seed, sig_figs=17) for seed in SEEDS]


@pytest.fixture(scope="module")
def marginal_trees(marginal, flat):
    return [unflatten(arviz.from_cmdstanpy(run), flat) for run in marginal]


def test_tree_marginal_gives_the_exact_posterior(programs, flat, exact, marginal_trees):
    # As for the noncentered program in test_posterior: a right sampler is outside once in 50 times with 20
    # seeds, and once in 10^7 with 80 more.
    if not is_right(marginal_trees, exact):
        more = [sample(programs["tree_marginal"], flat, seed) for seed in range(201, 281)]
        more = [unflatten(arviz.from_cmdstanpy(run), flat) for run in more]
        assert is_right([*marginal_trees, *more], exact)


def test_tree_marginal_runs_without_divergences_and_without_a_complaint(marginal):
    # none of either in 80 runs, where the programs that move the nodes have both in about every other run
    for run in marginal:
        assert run.divergences.sum() == 0
        console = "".join(Path(file).read_text() for file in run.runset.stdout_files)
        assert "Informational Message" not in console
        assert "Exception" not in console


def nodes_off(trees, exact):
    """Errors of mean and variance of θ and all nodes, over all runs, in MCSEs."""
    error, variance = 0, 0
    for tree in trees:
        levels = [tree["posterior"][name].values for name in ("theta", "theta_1", "theta_2", "theta_3")]
        x = np.concatenate([levels[0][..., None], *levels[1:]], axis=2)
        mean, sd = (
            np.concatenate([[of("theta")], *(of(f"theta_{k}") for k in (1, 2, 3))])
            for of in (exact.mean, exact.sd)
        )
        z = np.concatenate([(x - mean) / sd, ((x - mean) / sd) ** 2 - 1], axis=2)
        error = error + z.mean(axis=(0, 1))
        variance = variance + arviz.mcse(z) ** 2
    return error / np.sqrt(variance)


def test_every_node_of_tree_marginal_has_the_exact_mean_and_variance(exact, marginal_trees):
    # 58 errors, each about standard normal: one above 5.5 once in 400,000 times
    assert np.abs(nodes_off(marginal_trees, exact)).max() < 5.5


def test_nodes_of_tree_marginal_are_drawn_jointly_from_their_distribution_given_the_spreads(
    marginal, data, flat
):
    """Whitened by the precision matrix of all nodes, draws of these are independent standard normal numbers."""
    u = []
    for run in marginal[:5]:
        found = run.stan_variables()
        tau, sigma = found["tau"][:, :1, None], found["sigma"][:, None, None]
        x = np.c_[found["theta"], found["node"]]
        Q, h = np.zeros((len(x), 29, 29)), np.zeros((len(x), 29))
        Q[:, 0, 0], h[:, 0] = 1 / 9, 10 / 9
        for j, parent in enumerate(flat["parent"], start=1):
            link = np.zeros(29)
            link[j], link[parent] = 1, -1
            Q += np.outer(link, link) / tau**2
        for y, leaf in zip(data["y"], data["index_3"], strict=True):
            Q[:, 11 + leaf, 11 + leaf] += 1 / sigma[:, 0, 0] ** 2
            h[:, 11 + leaf] += y / sigma[:, 0, 0] ** 2
        away = x - np.linalg.solve(Q, h[..., None])[..., 0]
        u.append(np.einsum("nji,nj->ni", np.linalg.cholesky(Q), away))
    u = np.concatenate(u)
    # given the spreads all draws are independent: 29 means and 435 covariances, one beyond 5.7 standard errors
    # once in 100,000 times
    se = 1 / np.sqrt(len(u))
    assert np.abs(u.mean(axis=0)).max() < 5.7 * se
    assert np.abs(u.T @ u / len(u) - np.eye(29)).max() < 5.7 * np.sqrt(2) * se


def test_tree_marginal_is_worth_its_gradients(data, programs, marginal):
    # Medians of bulk ESS of τ per gradient, lowest and highest: 0.136 (0.10 to 0.17 over 80 seeds), noncentered
    # 0.0147 (0.008 to 0.020 over 40), centered 0.00025 (0.00005 to 0.0012 over 40): 9 times and 500 times.
    # That three of five seeds are so far off that a median is outside: less than once in 100,000 times.
    def worth(runs):
        return np.median([ess_of_tau(run) / run.method_variables()["n_leapfrog__"].sum() for run in runs])

    def ess_of_tau(run):
        tau = run.draws_pd(vars=["tau"]).to_numpy()
        return float(arviz.ess(tau[:, -1].reshape(run.chains, -1)))

    found = {
        name: worth([sample(helpers.stan_model(name), data, seed) for seed in SEEDS[:5]])
        for name in ("noncentered", "centered")
    }
    own = worth(marginal)
    assert own > 5 * found["noncentered"]
    assert own > 80 * found["centered"]


def test_tree_gives_the_exact_posterior_of_every_node(programs, exact, flat):
    trees = [sample(programs["tree"], flat, seed, adapt_delta=0.99) for seed in SEEDS[:8]]
    trees = [unflatten(arviz.from_cmdstanpy(run), flat) for run in trees]
    # 58 errors of nodes and 4 more, each about standard normal: one above 5.5 once in 400,000 times
    assert np.abs(nodes_off(trees, exact)).max() < 5.5
    marks = pl.concat([helpers.score(tree, exact) for tree in trees])
    off = marks.group_by("quantity").agg(pl.col("error").sum() / (pl.col("mcse") ** 2).sum().sqrt())
    assert off["error"].abs().max() < 5.5


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


def test_tree_marginal_is_right_where_levels_differ_a_hundredfold(programs):
    df = helpers.simulate([8, 3, 3], theta=10, tau=[5, 0.02], sigma=0.02, seed=1)
    data = helpers.stan_data(df, ["level_1", "level_2"], "y")[0]
    exact = exact_posterior(data, shared_tau=False)
    assert off_by(programs["tree_marginal"], data, exact, shared_tau=False) < 6


@pytest.mark.parametrize("name", ["tree", "tree_marginal"])
@pytest.mark.parametrize("shared_tau", [True, False])
def test_data_as_they_stand_are_what_the_programs_want(programs, data, name, shared_tau):
    flat = tree_data(data, shared_tau=shared_tau)
    run = sample(programs[name], flat, seed=1, chains=1, iter_warmup=50, iter_sampling=20)
    found = run.stan_variables()
    assert found["tau"].shape == (20, 1 if shared_tau else 3)
    assert "node" not in found or found["node"].size == 0  # nobody asked for the nodes
    assert all(np.isfinite(x).all() for x in found.values())
