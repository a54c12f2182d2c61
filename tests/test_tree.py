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
