"""The exact posterior is exact: against formulas that share nothing with it, at every size and scale."""

import json
from itertools import pairwise
from pathlib import Path

import arviz
import numpy as np
import pytest
import scipy.stats
from dense import dense, half_normal, log_likelihood, tree
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

import helpers
from helpers import exact_posterior
from helpers.data import LEVELS
from helpers.exact import quadrature
from helpers.exact.passes import Tree
from helpers.priors import PRIOR

# two passes over the tree and composite Gauss-Legendre quadrature with 30 nodes a panel, good to ten digits
REFERENCE = json.loads(Path(__file__).with_name("exact_posterior.json").read_text())


@pytest.fixture(scope="module")
def data():
    return helpers.stan_data(helpers.measurements(), LEVELS, "y")[0]


@pytest.fixture(scope="module")
def post(data):
    return exact_posterior(data)


def test_measurements_give_the_reference(post):
    for name in ("tau", "sigma", "theta"):
        quantiles = post.quantile(name, [0.05, 0.5, 0.95])
        found = dict(
            mean=post.mean(name), sd=post.sd(name), **dict(zip(["q05", "q50", "q95"], quantiles, strict=True))
        )
        assert found == pytest.approx(REFERENCE[name], abs=1e-8)
    assert post.cdf("tau", [0.1, 0.05]) == pytest.approx(
        [REFERENCE["P(tau<0.1)"], REFERENCE["P(tau<0.05)"]], abs=1e-8
    )
    assert post.log_evidence == pytest.approx(REFERENCE["log_evidence"], abs=1e-8)
    for level, nodes in REFERENCE["nodes"].items():
        assert post.mean(level) == pytest.approx(nodes["mean"], abs=1e-8)
        assert post.sd(level) == pytest.approx(nodes["sd"], abs=1e-8)
        assert [post.mean(f"{level}[{i + 1}]") for i in range(len(nodes["mean"]))] == post.mean(
            level
        ).tolist()
    assert post.accuracy < 1e-10


# --- against dense matrices ---------------------------------------------------------------------------


@st.composite
def trees(draw, depth=5, leaves=12):
    """A tree of up to five levels, groups of one and single measurements included, and its measurements."""
    counts, nodes = [], 1
    for _ in range(draw(st.integers(1, depth)) + 1):
        most = max(1, leaves // nodes)
        counts.append(draw(st.lists(st.integers(1, min(3, most)), min_size=nodes, max_size=nodes)))
        nodes = sum(counts[-1])
    numbers = st.floats(-50, 50, allow_subnormal=False)
    return tree(counts, draw(st.lists(numbers, min_size=nodes, max_size=nodes, unique=True)))


spreads = st.floats(0.05, 20)


@settings(max_examples=150, deadline=None)
@given(data=trees(), tau=st.lists(spreads, min_size=5, max_size=5), sigma=spreads)
def test_passes_agree_with_dense_matrices(data, tau, sigma):
    tau = tau[: sum(name.startswith("J_") for name in data)]
    found, points = Tree(data, "y", None), (np.array(tau)[:, None], np.array([sigma]), (10, 3))
    _, mean, variance = dense(data, tau, sigma)
    log_p = log_likelihood(data, tau, sigma)
    assert found.up(*points)[0][0] == pytest.approx(log_p, rel=1e-12, abs=1e-10)
    means, variances = (x[:, 0] for x in found.describe(*points))
    assert means + found.shift == pytest.approx(mean, rel=1e-7, abs=1e-7)
    assert variances == pytest.approx(variance, rel=1e-6, abs=1e-9)
    alone = np.array([found.describe(*points, only=node) for node in range(len(means))])[..., 0].T
    assert alone == pytest.approx(np.array([means, variances]), rel=1e-12, abs=1e-12)


def panels(edges):
    """Points and weights of Gauss-Legendre quadrature on panels."""
    x, w = np.polynomial.legendre.leggauss(12)
    half = np.diff(edges)[:, None] / 2
    return ((np.array(edges)[:-1, None] + half) + half * x).ravel(), (half * w).ravel()


def by_brute_force(data, cuts):
    """Posterior by quadrature over τ and σ with dense matrices, for a handful of measurements.

    `cuts` are values of (τ, σ) at which panels end, so that distribution functions can be had there.
    Returns points τ, σ, their probabilities, log evidence, and mean and variance of every node given them.
    """
    edges = np.r_[0, np.exp(np.linspace(-9, np.log(45), 34))]
    (tau, w_tau), (sigma, w_sigma) = (panels(np.unique([*edges, *cut])) for cut in zip(*cuts, strict=True))
    weight = np.outer(w_tau, w_sigma).ravel()
    tau, sigma = (x.ravel() for x in np.meshgrid(tau, sigma, indexing="ij"))
    K = sum(name.startswith("J_") for name in data)
    log_p, mean, variance = dense(data, np.repeat(tau[:, None], K, axis=1), sigma)
    log_p = log_p + half_normal(tau, 5) + half_normal(sigma, 5)
    p = np.exp(log_p - log_p.max()) * weight
    return tau, sigma, p / p.sum(), log_p.max() + np.log(p.sum()), mean, variance


SMALL = {
    "three in three groups": tree([[3], [1, 1, 1]], [9.0, 10, 12]),
    "three in one group": tree([[1], [3]], [9.0, 10, 12]),
    "a single one": tree([[1], [1]], [9.0]),
    "groups that agree": tree([[3], [2, 2, 1]], [9.0, 10, 9.1, 9.9, 9.5]),
    "far from the prior": tree([[2], [1, 2]], [40.0, 41, 43]),
    "uneven, two levels": tree([[2], [2, 1], [1, 2, 1]], [9.0, 10, 12, 8]),
    "sigma tiny against tau": tree([[2], [2, 2]], [9.0, 9.001, 12, 12.0005]),
}


@pytest.mark.parametrize("data", SMALL.values(), ids=SMALL)
def test_small_data_agree_with_brute_force(data):
    post = exact_posterior(data, PRIOR)
    cuts = [(post.quantile("tau", p), post.quantile("sigma", p)) for p in (0.02, 0.6)]
    tau, sigma, p, log_evidence, mean, variance = by_brute_force(data, cuts)
    assert post.log_evidence == pytest.approx(log_evidence, abs=1e-7)
    for name, x in [("tau", tau), ("sigma", sigma)]:
        assert post.mean(name) == pytest.approx(p @ x, rel=1e-7)
        assert post.sd(name) == pytest.approx(np.sqrt(p @ (x - p @ x) ** 2), rel=1e-7)
    for q, (t, s) in zip((0.02, 0.6), cuts, strict=True):
        assert p @ (tau < t) == pytest.approx(q, abs=1e-7)
        assert p @ (sigma < s) == pytest.approx(q, abs=1e-7)
    nodes = ["theta", *(name for name in post.names if name.startswith("theta_"))]
    for name, m, v in zip(nodes, mean.T, variance.T, strict=True):
        assert post.mean(name) == pytest.approx(p @ m, rel=1e-7)
        assert post.sd(name) == pytest.approx(np.sqrt(p @ (v + (m - p @ m) ** 2)), rel=1e-6)
        x = post.quantile(name, 0.3)
        assert p @ scipy.stats.norm.cdf(x, m, np.sqrt(v)) == pytest.approx(0.3, abs=1e-6)


def test_one_tau_per_level_agrees_with_brute_force():
    data = tree([[2], [2, 1], [2, 1, 1]], [9.0, 9.5, 12, 8])
    post = exact_posterior(data, prior={"tau": [2, 1], "sigma": 1}, shared_tau=False)
    x, weight = panels([0, 0.2, 0.6, 1.5, 4, 10, 18])
    grid = np.meshgrid(x, x, x, indexing="ij")
    tau_1, tau_2, sigma = (axis.ravel() for axis in grid)
    p, mean = [], []
    for part in np.array_split(np.arange(len(sigma)), 20):
        spread = np.stack([tau_1[part], tau_2[part]], axis=1)
        log_p, m, _ = dense(data, spread, sigma[part])
        log_p += half_normal(tau_1[part], 2) + half_normal(tau_2[part], 1) + half_normal(sigma[part], 1)
        p.append(np.exp(log_p))
        mean.append(m)
    p = np.concatenate(p) * np.einsum("i,j,k->ijk", weight, weight, weight).ravel()
    assert post.log_evidence == pytest.approx(np.log(p.sum()), abs=1e-6)
    p /= p.sum()
    for name, x in [("tau[1]", tau_1), ("tau[2]", tau_2), ("sigma", sigma)]:
        assert post.mean(name) == pytest.approx(p @ x, rel=1e-6)
    assert post.mean("theta_2") == pytest.approx((p @ np.concatenate(mean))[-3:], rel=1e-6)
    assert post.cdf("tau[2]", post.quantile("tau[2]", [0.1, 0.9])) == pytest.approx([0.1, 0.9], abs=1e-7)


def test_hundred_thousand_measurements_agree_with_a_formula():
    """A balanced design of one level, for which the density is that of two sums of squares and a mean."""
    J, n = 1000, 100
    df = helpers.simulate([J, n], theta=10, tau=0.3, sigma=1, seed=1)
    data, _ = helpers.stan_data(df, "level_1", "y")
    post = exact_posterior(data)
    y = data["y"].reshape(J, n)
    means, grand = y.mean(axis=1), y.mean()
    within, between = ((y - means[:, None]) ** 2).sum(), ((means - grand) ** 2).sum()

    def log_p(tau, sigma):
        v = tau**2 + sigma**2 / n
        total = 9 + v / J
        cells = J * (n - 1) * np.log(sigma) + within / (2 * sigma**2) + J * np.log(n) / 2
        groups = (J - 1) * np.log(v) / 2 + between / (2 * v) + np.log(J) / 2
        mean = np.log(total) / 2 + (grand - 10) ** 2 / (2 * total) + J * n * np.log(2 * np.pi) / 2
        return -(cells + groups + mean) + half_normal(tau, 5) + half_normal(sigma, 5)

    assert post.log_density(0.31, 1.01) == pytest.approx(log_p(0.31, 1.01), rel=1e-12)
    x, w = np.polynomial.legendre.leggauss(80)
    tau = 0.3 + 0.1 * x
    sigma = 1 + 0.03 * x
    grid = log_p(tau[:, None], sigma)
    p = np.exp(grid - grid.max()) * np.outer(w, w)
    assert post.log_evidence == pytest.approx(grid.max() + np.log(p.sum() * 0.1 * 0.03), abs=1e-7)
    p /= p.sum()
    assert post.mean("tau") == pytest.approx(p.sum(axis=1) @ tau, rel=1e-9)
    assert post.mean("sigma") == pytest.approx(p.sum(axis=0) @ sigma, rel=1e-9)
    v = tau**2 + (sigma[:, None] ** 2 / n)  # the mean of a group, given the spreads, in the limit of a flat θ
    assert post.mean("theta_1[7]") == pytest.approx(
        np.sum(p.T * (means[6] + (sigma[:, None] ** 2 / n) / v * (grand - means[6]))), abs=1e-6
    )


# --- scales, accuracy, refusals -----------------------------------------------------------------------


@pytest.mark.parametrize("unit", [1e-6, 1e6])
def test_answer_does_not_depend_on_the_unit(data, post, unit):
    prior = {"theta": (10 * unit, 3 * unit), "tau": 5 * unit, "sigma": 5 * unit}
    other = exact_posterior(data | {"y": data["y"] * unit}, prior=prior)
    for name in ("theta", "tau", "sigma", "theta_3[13]"):
        assert other.mean(name) / unit == pytest.approx(post.mean(name), rel=1e-9)
        assert other.sd(name) / unit == pytest.approx(post.sd(name), rel=1e-9)
        assert other.quantile(name, 0.05) / unit == pytest.approx(post.quantile(name, 0.05), rel=1e-8)
        assert other.density(name, 0.3 * unit) * unit == pytest.approx(
            post.density(name, 0.3), rel=1e-8, abs=1e-12
        )
    assert other.log_evidence + 47 * np.log(unit) == pytest.approx(post.log_evidence, abs=1e-9)


def test_extremes_are_accurate_or_refused():
    """No spread between groups, and one of the two spreads next to nothing: the truth lies in the bulk."""
    for tau, sigma in [(0, 1), (1e-6, 1), (1, 1e-9)]:
        df = helpers.simulate([5, 4, 3, 5], 10, tau, sigma, seed=1, levels=LEVELS)
        post = exact_posterior(helpers.stan_data(df, LEVELS, "y")[0])
        assert post.accuracy < 1e-8
        assert post.quantile("sigma", 1e-4) < sigma < post.quantile("sigma", 1 - 1e-4)
        assert tau < post.quantile("tau", 1 - 1e-4)


def test_accuracy_is_no_better_than_claimed_and_a_coarse_rule_is_refined(data, monkeypatch):
    monkeypatch.setattr(quadrature, "STEPS", {2: (0.9, 2.0)})
    coarse = exact_posterior(data, tolerance=1)
    errors = [
        abs(coarse.mean(name) - REFERENCE[name]["mean"]) / REFERENCE[name]["sd"]
        for name in ("tau", "sigma", "theta")
    ]
    assert 1e-5 < max(errors) < coarse.accuracy
    fine = exact_posterior(data)
    assert fine.accuracy < 1e-8
    assert fine.mean("tau") == pytest.approx(REFERENCE["tau"]["mean"], abs=1e-8)
    monkeypatch.setattr(quadrature, "WORK", 1e4)
    with pytest.raises(ValueError, match=r"accurate to .*tolerance="):
        exact_posterior(data)


def test_a_grid_too_large_for_memory_is_refused(data, monkeypatch):
    monkeypatch.setattr(quadrature, "WORK", 1e4)
    with pytest.raises(ValueError, match=r"a grid of .* points for 2 variables is too much for memory"):
        exact_posterior(data)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"values": "z"}, "no 'z' in the data, which has N, J_1"),
        ({"prior": {"mu": 1}}, "no prior for 'mu'"),
        ({"prior": {"tau": 0}}, "prior of tau is 0: give a scale above 0"),
        ({"prior": {"tau": [1, 2, 3]}}, "prior of tau has length 3"),
        ({"prior": {"theta": 10}}, "prior of theta is 10: give its mean and its standard deviation"),
        ({"prior": {"theta": (10, 0)}}, "prior of theta"),
        ({"sigma": [1, 2]}, r"'sigma' has shape \(2,\): give one for each of the 47"),
        ({"sigma": np.zeros(47)}, "'sigma' is 0.0 at position 1"),
    ],
)
def test_malformed_settings_are_refused(data, options, message):
    with pytest.raises(ValueError, match=message):
        exact_posterior(data, **options)


def test_more_spreads_than_quadrature_carries_are_refused():
    df = helpers.simulate([2, 2, 2, 2, 2], 10, 1, 1, seed=1)
    data, _ = helpers.stan_data(df, [f"level_{k}" for k in range(1, 5)], "y")
    with pytest.raises(ValueError, match=r"5 variables .*at most 4 .*shared_tau=True"):
        exact_posterior(data, shared_tau=False)


def test_data_without_a_posterior_are_refused():
    with pytest.raises(ValueError, match="no posterior exists"):
        exact_posterior(tree([[3], [1, 1, 1]], [9.0, 9, 9]))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("tua", "nearest is 'tau'"),
        ("theta_4", "nearest is 'theta_3'"),
        ("theta_3[18]", "indices from 1 to 17"),
        ("theta_3", r"as in 'theta_3\[1\]'"),
        ("tau[1]", "write 'tau'"),
    ],
)
def test_unknown_parameters_are_refused(post, name, message):
    for method in (post.cdf, post.density, post.quantile):
        with pytest.raises(ValueError, match=message):
            method(name, 0.5)


@pytest.mark.parametrize("p", [0, 1, -0.1, np.nan, [0.5, 2]])
def test_impossible_probabilities_are_refused(post, p):
    with pytest.raises(ValueError, match="p is "):
        post.quantile("tau", p)


def test_data_are_left_as_they_are(data):
    before = {name: np.copy(item) for name, item in data.items()}
    exact_posterior(data).draws(3, seed=1)
    assert all(np.array_equal(data[name], item) for name, item in before.items())


# --- what is asked of it ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["tau", "sigma", "theta", "theta_1[2]", "theta_3[13]"])
def test_density_cdf_and_quantile_belong_together(post, name):
    p = np.array([1e-6, 0.01, 0.5, 0.99, 1 - 1e-6])
    x = post.quantile(name, p)
    assert post.cdf(name, x) == pytest.approx(p, abs=1e-9)
    for low, high in pairwise(x):
        area, _ = quad(lambda at: post.density(name, at), low, high, epsabs=1e-10)
        assert area == pytest.approx(post.cdf(name, high) - post.cdf(name, low), abs=1e-8)
    assert isinstance(post.cdf(name, x[2]), float)
    assert post.density(name, x.reshape(5, 1)).shape == (5, 1)


def test_spreads_are_positive(post):
    assert post.cdf("tau", [-1, 0]).tolist() == [0, 0]
    assert post.density("tau", [-1.0, -1e-9]).tolist() == [0, 0]
    assert post.density("tau", 0) == pytest.approx(post.density("tau", 1e-4), rel=1e-4)


def test_conditional_means_join_the_two_ends_of_the_dial(data, post):
    table = post.conditional([0, 0.2, 1e4], sigma=0.9)
    assert table.columns == ["tau", "sigma", "name", "mean", "sd"]
    own = np.bincount(data["index_3"] - 1, data["y"]) / np.bincount(data["index_3"] - 1)
    means = [part["mean"].to_numpy()[-17:] for _, part in table.group_by("tau", maintain_order=True)]
    assert np.ptp(means[0]) == 0  # all pooled
    assert means[2] == pytest.approx(own, abs=1e-4)  # every colony alone
    _, mean, variance = dense(data, [0.2] * 3, 0.9)
    middle = table.filter(tau=0.2)
    assert middle["mean"].to_numpy() == pytest.approx(mean, abs=1e-10)
    assert middle["sd"].to_numpy() == pytest.approx(np.sqrt(variance), abs=1e-10)


def test_conditional_on_tau_alone_averages_over_sigma(data, post):
    sigma, w = np.polynomial.legendre.leggauss(60)
    sigma, w = 1.6 + 1.3 * sigma, 1.3 * w
    log_p, mean, variance = dense(data, np.full((60, 3), 0.2), sigma)
    p = w * np.exp(log_p - log_p.max() + half_normal(sigma, 5))
    p /= p.sum()
    table = post.conditional(0.2)
    assert table["mean"].to_numpy() == pytest.approx(p @ mean, abs=1e-8)
    sd = np.sqrt(p @ (variance + (mean - p @ mean) ** 2))
    assert table["sd"].to_numpy() == pytest.approx(sd, abs=1e-8)


def test_conditional_refuses_what_it_cannot_use(data, post):
    for tau, sigma, message in [(-1, None, "tau is"), (np.nan, None, "tau is"), (1, 0, "sigma is 0")]:
        with pytest.raises(ValueError, match=message):
            post.conditional(tau, sigma)
    known = exact_posterior(data, sigma=np.ones(47))
    with pytest.raises(ValueError, match="leave it out"):
        known.conditional(1, sigma=1)


def test_known_errors_and_a_prior_by_density_give_the_eight_schools():
    y, sigma = [28, 8, -3, 7, -1, 1, 18, 12], np.array([15, 10, 16, 11, 9, 11, 10, 18])
    data = {"N": 8, "J_1": 8, "index_1": np.arange(1, 9), "y": y}
    prior = {"theta": (0, 5), "tau": scipy.stats.halfcauchy(scale=5)}
    post = exact_posterior(data, prior=prior, sigma=sigma)
    # two independent quadratures, to the digits given
    assert post.mean("theta") == pytest.approx(4.3968, abs=5e-5)
    assert post.sd("theta") == pytest.approx(3.3177, abs=5e-5)
    assert post.mean("tau") == pytest.approx(3.5977, abs=5e-5)
    assert post.cdf("tau", [0.25, 0.5, 1]) == pytest.approx([0.0507, 0.1012, 0.1999], abs=6e-5)
    assert post.quantile("tau", [0.05, 0.5, 0.95]) == pytest.approx([0.246, 2.749, 9.842], abs=6e-4)
    assert post.mean("theta_1")[[0, 4]] == pytest.approx([6.2119, 3.6155], abs=5e-5)
    assert "sigma" not in post.names
    # and by dense matrices and a sum over log τ
    u = np.arange(-30, 12, 0.02)
    log_p, mean, _ = dense(data, np.exp(u)[:, None], sigma, theta=(0, 5))
    p = np.exp(log_p + scipy.stats.halfcauchy(scale=5).logpdf(np.exp(u)) + u)
    assert post.log_evidence == pytest.approx(np.log(p.sum() * 0.02), abs=1e-9)
    assert post.mean("theta_1") == pytest.approx((p @ mean)[1:] / p.sum(), abs=1e-9)


# --- draws and marks ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def exact_draws(post):
    return post.draws(8000, seed=1)


@pytest.mark.parametrize("name", ["tau", "sigma", "theta", "theta_1[2]", "theta_2[5]", "theta_3[13]"])
def test_draws_follow_the_marginals(post, exact_draws, name):
    # numpy's streams do not change, so neither does this p-value; a wrong spread of 3% gives one below 1e-6
    values = post.cdf(name, helpers.draws(exact_draws, name)[:5000])
    assert scipy.stats.kstest(values, "uniform").pvalue > 1e-3


def test_draws_of_nodes_follow_their_distribution_given_the_spreads(post, exact_draws):
    tau, sigma = (helpers.draws(exact_draws, name) for name in ("tau", "sigma"))
    for name in ("theta", "theta_2[5]", "theta_3[13]"):
        nodes, z = helpers.draws(exact_draws, name), []
        for i in range(400):
            mean, sd = post.conditional(tau[i], sigma[i]).filter(name=name).select("mean", "sd").row(0)
            z.append((nodes[i] - mean) / sd)
        assert scipy.stats.kstest(z, "norm").pvalue > 1e-3
        assert scipy.stats.spearmanr(z, tau[:400]).pvalue > 1e-3


def test_draws_of_the_spreads_follow_their_joint_density(post, exact_draws):
    tau, sigma = (helpers.draws(exact_draws, name) for name in ("tau", "sigma"))
    p = post.log_density(tau, sigma)
    t, s = np.meshgrid(np.linspace(1e-4, 1.5, 300), np.linspace(0.5, 1.8, 300), indexing="ij")
    grid = post.log_density(t.ravel(), s.ravel())
    weight = np.exp(grid - grid.max())
    expected = (weight @ grid) / weight.sum()
    assert abs(p.mean() - expected) < 4 * p.std() / np.sqrt(len(p)) + 2e-3  # the plain sum is good to 2e-3


def test_draws_come_as_arviz_has_them(exact_draws, post):
    posterior = exact_draws["posterior"]
    assert dict(posterior.sizes) == {
        "chain": 1, "draw": 8000, "theta_1_dim_0": 3, "theta_2_dim_0": 8, "theta_3_dim_0": 17
    }  # fmt: skip
    assert posterior["theta_3_dim_0"].values[0] == 1
    helpers.funnel({"exact": exact_draws})
    first, again = (post.draws(20, seed=1)["posterior"]["theta_3"] for _ in range(2))
    assert np.array_equal(first, again)
    for n in (0, 1.5, "3"):
        with pytest.raises(ValueError, match="n is "):
            post.draws(n, seed=1)


def test_draws_with_one_tau_per_level_follow_the_marginals():
    data = tree([[3], [2, 1, 2], [2, 1, 1, 3, 2]], [9.0, 9.5, 12, 8, 9, 10, 11, 10, 10.5])
    post = exact_posterior(data, shared_tau=False)
    sample = post.draws(500, seed=1)
    assert sample["posterior"]["tau"].shape == (1, 500, 2)
    for name in ("tau[1]", "tau[2]", "sigma", "theta_2[5]"):
        values = post.cdf(name, helpers.draws(sample, name))
        assert scipy.stats.kstest(values, "uniform").pvalue > 1e-3
    table = helpers.score(sample, post)
    assert table["quantity"].to_list() == [
        "theta", "tau[1]", "tau[2]", "sigma", "P(tau[1] < 0.1)", "P(tau[2] < 0.1)"
    ]  # fmt: skip


def test_exact_draws_get_good_marks(post, exact_draws):
    table = helpers.score(exact_draws, post)
    assert table.columns == ["quantity", "estimate", "exact", "error", "mcse", "error_in_mcse"]
    assert table["quantity"].to_list() == ["theta", "tau", "sigma", "P(tau < 0.1)"]
    assert table["error_in_mcse"].abs().max() < 4
    assert table["error"].to_list() == (table["estimate"] - table["exact"]).to_list()
    assert table["exact"].to_list() == [
        *(post.mean(n) for n in ("theta", "tau", "sigma")),
        post.cdf("tau", 0.1),
    ]
    other = helpers.score(exact_draws, post, below=0.25)
    assert other["quantity"][-1] == "P(tau < 0.25)"
    assert other["exact"][-1] == post.cdf("tau", 0.25)


def test_a_sampler_that_never_saw_the_neck_gets_bad_marks(post, exact_draws):
    tau = exact_draws["posterior"]["tau"]
    cut = exact_draws.sel(draw=tau["draw"][tau.values[0] > 0.05])
    marks = dict(helpers.score(cut, post).select("quantity", "error_in_mcse").iter_rows())
    assert marks["tau"] > 10
    assert marks["P(tau < 0.1)"] < -10
    assert np.isnan(helpers.score(exact_draws, post, below=1e-12)["error_in_mcse"][-1])


# --- corners ------------------------------------------------------------------------------------------


def half_cauchy(x, scale):
    return scipy.stats.halfcauchy(scale=scale).logpdf(x)


def by_sum(data, sigma, log_prior, theta=(10, 3)):
    """Posterior with known errors by a sum over log τ: τ, probabilities, log evidence, means, variances."""
    u = np.arange(-30, 60, 0.01)
    tree = Tree(data, "y", sigma)
    points = np.tile(np.exp(u), (tree.K, 1)), np.ones(len(u)), theta
    log_p = tree.up(*points)[0] + log_prior(np.exp(u)) + u
    mean, variance = tree.describe(*points)
    p = np.exp(log_p - log_p.max())
    return np.exp(u), p / p.sum(), log_p.max() + np.log(p.sum() * 0.01), mean + tree.shift, variance


def test_moments_and_tails_are_right_under_a_heavy_tail():
    """Two groups and a half-Cauchy: the density of τ falls off as τ^-4, its second moment as 1/τ."""
    data = tree([[2], [1, 1]], [9.0, 11])
    post = exact_posterior(data, {"tau": scipy.stats.halfcauchy(scale=5)}, sigma=[1, 1])
    tau, p, log_evidence, mean, variance = by_sum(data, np.ones(2), lambda x: half_cauchy(x, 5))
    assert post.log_evidence == pytest.approx(log_evidence, abs=1e-11)
    assert post.mean("tau") == pytest.approx(p @ tau, rel=1e-10)
    assert post.sd("tau") == pytest.approx(np.sqrt(p @ (tau - p @ tau) ** 2), rel=1e-9)
    below = p @ scipy.stats.norm.cdf(4, mean[1], np.sqrt(variance[1]))
    assert post.cdf("theta_1[1]", 4) == pytest.approx(below, rel=1e-9)
    separate = exact_posterior(
        data, {"tau": [scipy.stats.halfcauchy(scale=5)]}, sigma=[1, 1], shared_tau=False
    )
    assert separate.sd("tau[1]") == pytest.approx(post.sd("tau"), rel=1e-12)


def test_a_spread_without_a_standard_deviation_is_refused():
    for data, prior in [
        (tree([[1], [1]], [9.0]), scipy.stats.halfcauchy(scale=5)),
        (tree([[2], [1, 1]], [9.0, 11]), scipy.stats.uniform(0, 1e300)),
    ]:
        with pytest.raises(ValueError, match="no posterior exists, or a spread has no standard deviation"):
            exact_posterior(data, {"tau": prior}, sigma=np.ones(len(data["y"])))


@pytest.mark.parametrize("scale", [10, 1.5])
def test_a_prior_with_an_edge_is_refused(scale):
    data = tree([[3], [2, 2, 1]], [9.0, 10, 12, 11.5, 9.3])
    with pytest.raises(ValueError, match="jumps to zero"):
        exact_posterior(data, {"tau": scipy.stats.uniform(0, scale)})
    # where the edge is out of sight, it does no harm
    far = exact_posterior(data, {"tau": scipy.stats.truncnorm(0, 30, scale=scale)})
    assert far.mean("tau") == pytest.approx(exact_posterior(data, {"tau": scale}).mean("tau"), rel=1e-10)


@pytest.mark.parametrize(("scale", "share"), [(30, 0), (34, 0.743)])
def test_two_peaks_far_apart_are_weighed(scale, share):
    """Groups that agree within and differ much between, and a prior against so large a τ: σ may do it."""
    y = [-1500, -1500.00001, -1500.00002, 4100, 4100.00001, 4100.00002, -13100, -13100.00001]
    post = exact_posterior(tree([[3], [3, 3, 2]], y), {"theta": (10, 0.03), "tau": scale, "sigma": 60})
    assert post.cdf("sigma", 1) == pytest.approx(share, abs=1e-3)
    peaks = []  # sums over τ and log σ, one for each peak
    for tau, log_sigma in [((600, 800), (-13.5, -9)), ((1e-3, 250), (6.5, 7.5))]:
        t, s = np.meshgrid(np.linspace(*tau, 2001), np.linspace(*log_sigma, 201), indexing="ij")
        log_p = post.log_density(t.ravel(), np.exp(s.ravel())) + s.ravel()
        weight = np.where((t == t[0]) | (t == t[-1]), 0.5, 1).ravel() * (t[1, 0] - t[0, 0])
        peaks.append(np.log(np.exp(log_p - log_p.max()) @ weight * (s[0, 1] - s[0, 0])) + log_p.max())
    assert post.log_evidence == pytest.approx(np.logaddexp(*peaks), abs=1e-4)
    assert post.cdf("sigma", 1) == pytest.approx(np.exp(peaks[0] - np.logaddexp(*peaks)), abs=1e-4)


@pytest.mark.parametrize("tolerance", [1e-4, 1e-6])
def test_accuracy_tells_when_a_rule_converges_slowly(tolerance):
    """A kink in the prior: half the step does not square the error, and the estimate must not say so."""
    data, kink = tree([[3], [2, 2, 1]], [9.0, 10, 12, 11.5, 9.3]), scipy.stats.laplace(1, 0.3)
    post = exact_posterior(data, {"tau": kink}, sigma=np.ones(5), tolerance=tolerance)
    u = np.arange(-16, 6, 2e-4)  # the kink lies on one of these points, or next to it
    p = np.exp(post.log_density(np.exp(u)) + u)
    tau = p @ np.exp(u) / p.sum()
    assert 1e-8 < abs(post.mean("tau") - tau) / post.sd("tau") < 3 * post.accuracy


@pytest.mark.parametrize("what", ["mean", "variance"])
def test_accuracy_covers_every_quantity(what):
    rule = quadrature.Rule(lambda x: -x.sum(axis=0), np.zeros(1), cost=2)

    def describe(x):
        odd = np.isin(x, rule.x[:, 1::2]).astype(float)
        return (odd, np.ones(x.shape)) if what == "mean" else (np.zeros(x.shape), 1 + odd)

    assert rule.moments(lambda x: (x, np.zeros(x.shape)))[2] < 1e-10
    assert rule.moments(describe)[2] > 1e-2


def test_far_from_zero_whole_numbers_lose_nothing():
    y = np.array([9.0, 10, 12, 8, 11])
    near, far = (
        exact_posterior(tree([[2], [2, 3]], y + away), {"theta": (10 + away, 3)}) for away in (0, 2.0**40)
    )
    for name in ("tau", "sigma"):
        assert far.mean(name) == pytest.approx(near.mean(name), rel=1e-9)
    assert far.sd("theta_1") == pytest.approx(near.sd("theta_1"), rel=1e-9)
    assert far.log_evidence == pytest.approx(near.log_evidence, abs=1e-9)


def test_known_errors_of_repeated_measurements_agree_with_dense_matrices():
    data, sigma = tree([[2], [3, 2]], [9.0, 10, 12, 8, 11]), np.array([0.5, 2, 1, 3, 0.1])
    post = exact_posterior(data, sigma=sigma)
    log_p, mean, variance = dense(data, [0.7], sigma)
    assert post.log_density(0.7) == pytest.approx(log_p + half_normal(0.7, 5), abs=1e-11)
    table = post.conditional(0.7)
    assert table["mean"].to_numpy() == pytest.approx(mean, abs=1e-11)
    assert table["sd"].to_numpy() == pytest.approx(np.sqrt(variance), abs=1e-11)


def test_ties_do_no_harm_if_errors_are_known():
    data = tree([[2], [2, 2]], [9.0, 9, 10, 10])
    assert exact_posterior(data, sigma=np.ones(4)).mean("theta") == pytest.approx(9.6, abs=0.1)
    with pytest.raises(ValueError, match="equal within every group"):
        exact_posterior(data)


def test_quantiles_of_a_normal_node_reach_far_out():
    post = exact_posterior(tree([[2], [1, 1]], [9.0, 11]), {"theta": (10, 1e-6)})
    p = [1e-8, 0.5, 1 - 1e-8]
    assert (post.quantile("theta", p) - 10) / 1e-6 == pytest.approx(scipy.stats.norm.ppf(p), abs=1e-3)


def test_draws_with_one_tau_per_level_use_it_at_its_level():
    data = tree([[3], [2, 2, 2], [1] * 6], [5.0, 5.1, 10, 10.1, 15, 15.2])
    post = exact_posterior(data, {"tau": [5, 0.1], "sigma": 0.1}, shared_tau=False)
    sample = post.draws(400, seed=1)
    tau, sigma = sample["posterior"]["tau"].values[0], helpers.draws(sample, "sigma")
    for name in ("theta", "theta_1[2]", "theta_2[3]"):
        tables = [
            post.conditional(t, s).filter(name=name).row(0) for t, s in zip(tau[:200], sigma, strict=False)
        ]
        z = [
            (x - row[-2]) / row[-1] for x, row in zip(helpers.draws(sample, name)[:200], tables, strict=True)
        ]
        assert scipy.stats.kstest(z, "norm").pvalue > 1e-3
    assert not np.array_equal(post.draws(400, seed=2)["posterior"]["tau"], sample["posterior"]["tau"])


def test_marks_take_each_chain_for_itself(post):
    """Chains that disagree make the estimate less certain than their draws in a row would."""
    draw = np.random.default_rng(1).normal(np.array([[5], [9]]), size=(2, 500))
    named = {"theta": draw, "tau": np.abs(draw), "sigma": np.abs(draw)}
    named |= {f"theta_{k}": np.repeat(draw[..., None], n, axis=-1) for k, n in ((1, 3), (2, 8), (3, 17))}
    mcse = helpers.score(arviz.from_dict({"posterior": named}), post)["mcse"][0]
    assert mcse == pytest.approx(float(arviz.mcse(draw)), rel=1e-12)


def test_one_tau_per_level_goes_to_its_level():
    data = tree([[2], [2, 1], [2, 1, 1]], [9.0, 9.5, 12, 8])
    post = exact_posterior(data, {"theta": (9, 7), "tau": [2, 1]}, shared_tau=False)
    tau, sigma = np.array([[0.5, 3], [3, 0.5]]), np.array([0.7, 1.3])
    table = post.conditional(tau, sigma=0.7)
    for i, pair in enumerate(tau):
        log_p = dense(data, pair, sigma[i], theta=(9, 7))[0]
        log_p += half_normal(pair, [2, 1]).sum() + half_normal(sigma[i], 5)
        assert post.log_density(tau, sigma)[i] == pytest.approx(float(log_p), abs=1e-10)
        assert post.log_density(pair, sigma)[i] == pytest.approx(float(log_p), abs=1e-10)
        _, mean, variance = dense(data, pair, 0.7, theta=(9, 7))
        rows = table.filter((table["tau[1]"] == pair[0]) & (table["tau[2]"] == pair[1]))
        assert rows["mean"].to_numpy() == pytest.approx(mean, abs=1e-10)
        assert rows["sd"].to_numpy() == pytest.approx(np.sqrt(variance), abs=1e-10)
    with pytest.raises(ValueError, match=r"tau has shape \(3,\): give one for each of the 2 levels"):
        post.conditional([1, 2, 3])


def test_draws_use_the_prior_of_theta():
    """One group, a measurement that says little, and a narrow prior far away: θ is what the prior says."""
    data = tree([[1], [1]], [9.0])
    post = exact_posterior(data, {"theta": (30, 0.5)}, sigma=[20.0])
    theta = helpers.draws(post.draws(2000, seed=1), "theta")
    assert scipy.stats.kstest(post.cdf("theta", theta), "uniform").pvalue > 1e-3
    assert theta.std() == pytest.approx(0.5, rel=0.1)
