"""Exact posteriors of counts, successes and outliers, against quadrature that shares nothing with them."""

import numpy as np
import pytest
import scipy.stats
from brute_force import (
    ByTheta,
    Nested,
    binomial,
    first_of_two,
    half_normal,
    poisson,
    student_t,
    two_apart,
)
from scipy.interpolate import make_interp_spline
from scipy.optimize import minimize_scalar
from scipy.special import expit, logsumexp

import helpers
from helpers import exact_posterior
from helpers.data import LEVELS
from helpers.exact import on_grids
from helpers.exact.functions import FunctionTree
from helpers.exact.leaves import Leaves
from helpers.exact.passes import Tree
from helpers.priors import PRIOR

LOG_ODDS = {"theta": (0, 1.5), "tau": 1}
LOG_RATES = {"theta": (1, 1.5), "tau": 1}
NUMBERS = {"theta": (0, 3), "tau": 1, "sigma": 1}


def groups(y, **more):
    """Groups of one count each, without levels above."""
    return {"J_1": len(y), "index_1": [*range(1, len(y) + 1)], "y": y, **more}


def successes(y, trials, prior=LOG_ODDS, **options):
    return exact_posterior(groups(y, trials=trials), prior, likelihood="binomial", **options)


def counts(y, prior=LOG_RATES, **more):
    return exact_posterior(groups(y, **more), prior, likelihood="poisson")


def with_outliers(y, prior=NUMBERS, nu=4, **options):
    """Groups of several numbers, a list each."""
    index = [j for j, group in enumerate(y, start=1) for _ in group]
    data = {"J_1": len(y), "index_1": index, "y": np.concatenate(y)}
    return exact_posterior(data, prior, likelihood="student_t", nu=nu, **options)


# --- one level, against panels of Gauss-Legendre --------------------------------------------------------

ONE_LEVEL = {
    "successes, three": ("binomial", [9, 12, 18], [35, 35, 54], (-9, 9, 0.4)),
    "successes, two": ("binomial", [3, 9], [10, 12], (-9, 9, 0.5)),
    "successes, none and all": ("binomial", [0, 5, 1], [5, 5, 1], (-30, 30, 0.6)),
    "counts, two": ("poisson", [3, 9], [1, 2.5], (-11, 11, 0.4)),
    "counts, a zero": ("poisson", [0, 7, 2], [1, 2.5, 0.3], (-30, 12, 0.5)),
}


@pytest.mark.parametrize("case", ONE_LEVEL.values(), ids=ONE_LEVEL)
def test_counts_in_groups_agree_with_brute_force(case):
    likelihood, y, size, reach = case
    if likelihood == "binomial":
        post, theta, leaf, to_data = successes(y, size), LOG_ODDS["theta"], binomial, expit
    else:
        post, theta, leaf, to_data = counts(y, exposure=size), LOG_RATES["theta"], poisson, np.exp
    leaves = [leaf(*one) for one in zip(y, size, strict=True)]
    brute = ByTheta(leaves, theta, half_normal(1), reach, cuts=((0.1,), (0.3,)), to_data=to_data)
    assert post.log_evidence == pytest.approx(brute.log_evidence, abs=1e-9)
    assert (post.mean("tau"), post.sd("tau")) == pytest.approx(brute.tau_moments(), rel=1e-8)
    assert (post.mean("theta"), post.sd("theta")) == pytest.approx(brute.theta_moments(), abs=1e-8)
    assert post.cdf("tau", 0.1) == pytest.approx(brute.tau_below(0.1), abs=1e-9)
    assert post.cdf("theta", 0.3) == pytest.approx(brute.theta_below(0.3), abs=1e-9)
    for j in range(len(y)):
        name, found = f"theta_1[{j + 1}]", brute.node_moments(j)
        assert (post.mean(name), post.sd(name)) == pytest.approx(found[:2], abs=1e-8)
        on_data = post.mean(name, scale="data"), post.sd(name, scale="data")
        assert on_data == pytest.approx(found[2:], rel=1e-8)
    if len(y) == 2:
        for at in (-0.5, 0.3, 1.5):
            density, below = first_of_two(leaves, theta, half_normal(1), reach, at)
            slope = expit(at) * expit(-at) if likelihood == "binomial" else np.exp(at)
            assert post.density("theta_1[1]", at) == pytest.approx(density, abs=1e-9)
            assert post.cdf("theta_1[1]", at) == pytest.approx(below, abs=1e-9)
            on_data = post.density("theta_1[1]", to_data(at), scale="data")
            assert on_data * slope == pytest.approx(density, abs=1e-9)
            assert post.cdf("theta_1[1]", to_data(at), scale="data") == pytest.approx(below, abs=1e-9)
            assert post.quantile("theta_1[1]", below, scale="data") == pytest.approx(to_data(at), rel=1e-8)


# --- trees, at fixed spreads ----------------------------------------------------------------------------

PARENTS = [[0, 0], [0, 0, 1], [0, 0, 1, 2, 2]]
TREE = {"J_1": 2, "J_2": 3, "J_3": 5, "index_1": [1, 1, 2], "index_2": [1, 1, 2, 3, 3]}
COUNTS, TRIALS, HOURS = [3, 5, 2, 7, 4], [8, 9, 6, 9, 5], [1, 2.0, 0.5, 3, 1]
MEASURED = [[1.0, 1.4, 0.2], [2.0, 9.0], [0.3], [-1.0, -0.8], [0.4, 0.5]]
NODES = [(0, 0), (1, 1), (2, 0), (3, 1)]  # level and number of those that are compared


def in_tree(likelihood):
    """A posterior of three levels, and its leaves once more."""
    one_each = TREE | {"index_3": [1, 2, 3, 4, 5], "y": COUNTS}
    prior = {"theta": (0.5, 1.5), "tau": 1}
    if likelihood == "binomial":
        leaves = [binomial(*one) for one in zip(COUNTS, TRIALS, strict=True)]
        return exact_posterior(one_each | {"trials": TRIALS}, prior, likelihood="binomial"), leaves
    if likelihood == "poisson":
        leaves = [poisson(*one) for one in zip(COUNTS, HOURS, strict=True)]
        return exact_posterior(one_each | {"exposure": HOURS}, prior, likelihood="poisson"), leaves
    index = [j for j, group in enumerate(MEASURED, start=1) for _ in group]
    data = TREE | {"index_3": index, "y": np.concatenate(MEASURED)}
    post = exact_posterior(data, prior | {"sigma": 1}, likelihood="student_t", nu=4, tolerance=1e-6)
    return post, [student_t(group, 4, 0.7) for group in MEASURED]


@pytest.mark.parametrize("likelihood", ["binomial", "poisson", "student_t"])
def test_three_levels_agree_with_nested_integrals(likelihood):
    post, leaves = in_tree(likelihood)
    own = (0.7,) if likelihood == "student_t" else ()
    for tau in (1e-3, 1, 5):
        reach = (-70, 70, 0.6) if tau > 0.5 else (-8, 10, 0.6)
        brute = Nested(leaves, PARENTS, (0.5, 1.5), tau, reach)
        prior = half_normal(1)(tau) + sum(half_normal(1)(sigma) for sigma in own)
        assert post.log_density(tau, *own) == pytest.approx(brute.log_p() + prior, abs=1e-8)
        table = post.conditional(tau, *own)
        for level, node in NODES:
            name = f"theta_{level}[{node + 1}]" if level else "theta"
            found = table.filter(name=name).row(0, named=True)
            assert (found["mean"], found["sd"]) == pytest.approx(brute.moments(level, node), rel=1e-7)


class NormalLeaves(Leaves):
    """Leaves of numbers that are normal after all."""

    def log_likelihood(self, u, own):
        return self._sums @ scipy.stats.norm.logpdf(self.y[:, None], u, own[0])


def test_normal_leaves_on_a_grid_agree_with_passes_of_normals(monkeypatch):
    monkeypatch.setattr(on_grids, "Leaves", NormalLeaves)
    data, _ = helpers.stan_data(helpers.measurements(), LEVELS, "y")
    post = exact_posterior(data, PRIOR, likelihood="student_t", nu=4, tolerance=1e-5)
    tree, normal = post._tree, Tree(data, "y", None)
    assert isinstance(tree, FunctionTree)
    points = np.full((3, 4), [0.02, 0.2, 0.5, 1.5]), np.array([0.8, 0.9, 1, 1.2])
    log_p, _ = normal.up(*points, PRIOR["theta"])
    assert tree.up(points[0], points[1][None], PRIOR["theta"])[0] == pytest.approx(log_p, abs=1e-8)
    mean, variance = normal.describe(*points, PRIOR["theta"])
    found = tree.describe(points[0], points[1][None], PRIOR["theta"])
    assert found[0] == pytest.approx(mean + normal.shift, abs=1e-6)
    assert found[1] == pytest.approx(variance, rel=1e-5)


# --- limits -----------------------------------------------------------------------------------------------


def test_no_spread_at_all_is_complete_pooling():
    post = successes([9, 12, 18], [35, 35, 54])
    u = np.linspace(-6, 5, 2001)
    log_f = sum(binomial(*one)(u) for one in [(9, 35), (12, 35), (18, 54)])
    log_f += scipy.stats.norm.logpdf(u, 0, 1.5)
    f = np.exp(log_f - logsumexp(log_f))
    log_p = logsumexp(log_f) + np.log(u[1] - u[0])
    assert post.log_density(1e-6) - half_normal(1)(1e-6) == pytest.approx(log_p, abs=1e-9)
    mean = f @ u
    for tau in (0, 1e-6):
        table = post.conditional(tau)
        assert table["mean"].to_numpy() == pytest.approx(mean, abs=1e-9)
        assert table["sd"].to_numpy() == pytest.approx(np.sqrt(f @ (u - mean) ** 2), rel=1e-7)


def test_large_counts_are_normal_with_known_errors():
    y = [1_000_000, 1_010_000, 985_000]
    prior = {"theta": (13.8, 0.5), "tau": 0.1}
    post = counts(y, prior)
    normal = exact_posterior(groups(np.log(y)), prior, sigma=1 / np.sqrt(y))
    # The third derivative of a log likelihood shifts it by about 1/(2 √y) of its own sd: here 0.0005.
    for name in ("theta", "tau", "theta_1[1]"):
        assert post.mean(name) == pytest.approx(normal.mean(name), abs=2e-3 * normal.sd(name))
        assert post.sd(name) == pytest.approx(normal.sd(name), rel=2e-3)


def test_another_unit_of_exposure_shifts_rates_by_its_logarithm():
    post = counts([3, 0, 9], exposure=[1, 2, 4])
    prior = {"theta": (1 + np.log(60), 1.5), "tau": 1}
    other = counts([3, 0, 9], prior, exposure=[1 / 60, 2 / 60, 4 / 60])
    assert other.log_evidence == pytest.approx(post.log_evidence, abs=1e-8)
    assert other.mean("theta_1") - np.log(60) == pytest.approx(post.mean("theta_1"), abs=1e-8)
    assert other.sd("tau") == pytest.approx(post.sd("tau"), rel=1e-8)


def test_successes_of_single_trials_do_as_well_as_their_sums():
    data = {"J_1": 2, "index_1": [1, 1, 1, 2, 2], "y": [0, 1, 1, 0, 0], "trials": [1] * 5}
    single = exact_posterior(data, LOG_ODDS, likelihood="binomial")
    summed = successes([2, 0], [3, 2])
    assert single.mean("theta_1") == pytest.approx(summed.mean("theta_1"), abs=1e-8)
    assert single.log_evidence == pytest.approx(summed.log_evidence - np.log(3), abs=1e-8)


def test_one_group_has_the_prior_of_its_node():
    """Its only node is Normal(0, √(1.5² + τ²)): two dimensions, with nothing else."""
    post = successes([3], [9])
    u, step = np.linspace(-40, 40, 4001, retstep=True)
    tau, w = np.polynomial.legendre.leggauss(80)
    tau, w = 4.5 * (tau + 1), 4.5 * w * np.exp(half_normal(1)(4.5 * (tau + 1)))
    p = np.exp(binomial(3, 9)(u)) * scipy.stats.norm.pdf(u, 0, np.hypot(1.5, tau[:, None])) * w[:, None]
    assert post.log_evidence == pytest.approx(np.log(p.sum() * step), abs=1e-9)
    assert post.mean("theta_1[1]") == pytest.approx(p.sum(axis=0) @ u / p.sum(), abs=1e-8)
    assert post.mean("tau") == pytest.approx(p.sum(axis=1) @ tau / p.sum(), abs=1e-8)


@pytest.mark.parametrize(("shift", "unit"), [(1e6, 1), (0, 1e-9)])
def test_outliers_do_not_mind_where_zero_is_nor_the_unit(shift, unit):
    y = [np.array([0, 1]), np.array([0.5, 2]), np.array([-0.4])]
    reference = with_outliers(y)
    prior = {"theta": (shift, 3 * unit), "tau": unit, "sigma": unit}
    post = with_outliers([shift + unit * one for one in y], prior)
    assert post.log_evidence + 5 * np.log(unit) == pytest.approx(reference.log_evidence, abs=1e-8)
    for name in ("theta", "theta_1[2]"):
        assert (post.mean(name) - shift) / unit == pytest.approx(reference.mean(name), abs=1e-8)
        assert post.sd(name) / unit == pytest.approx(reference.sd(name), rel=1e-8)


# --- groups that contradict each other --------------------------------------------------------------------


def test_counts_far_apart_agree_with_brute_force():
    post = counts([10, 10000], {"theta": (5, 1.5), "tau": 1})
    leaves, windows = [poisson(10), poisson(10000)], [(-2, 6, 0.4), (8.9, 9.5, 0.03)]
    log_evidence, found = two_apart(leaves, (5, 1.5), half_normal(1), windows, np.geomspace(0.1, 9, 9))
    assert post.log_evidence == pytest.approx(log_evidence, abs=1e-8)
    for name, (mean, sd) in found.items():
        assert post.mean(name) == pytest.approx(mean, abs=1e-8 * max(sd, 1))
        assert post.sd(name) == pytest.approx(sd, rel=1e-7)


FAR = {"J_1": 2, "index_1": [1, 1, 2, 2], "y": [0, 1, 100, 101]}


@pytest.mark.parametrize(
    ("likelihood", "data", "prior"),
    [
        ("poisson", groups([10, 10000]), {"theta": (5, 1.5), "tau": 0.05}),
        ("binomial", groups([0, 1000], trials=[1000, 1000]), {"theta": (0, 1.5), "tau": 0.1}),
        ("student_t", FAR, {"theta": (0, 1000), "tau": 0.1, "sigma": 1}),
    ],
)
def test_groups_too_far_apart_are_refused_in_one_line(likelihood, data, prior):
    nu = 4 if likelihood == "student_t" else None
    with pytest.raises(ValueError, match=r"digits are lost .*give tau a wider prior") as error:
        exact_posterior(data, prior, likelihood=likelihood, nu=nu)
    assert str(error.value).isprintable()


@pytest.mark.parametrize("prior", [{"theta": (20, 0.5), "tau": 0.1}, {"theta": (-20, 0.5), "tau": 0.1}])
def test_a_prior_far_from_the_counts_is_refused_in_one_line(prior):
    with pytest.raises(ValueError, match="digits are lost"):
        successes([50, 60], [100, 100], prior)


def test_groups_too_well_known_for_a_grid_are_refused():
    with pytest.raises(ValueError, match="too much for a grid: such measurements are as good as normal"):
        counts([10**9, 3 * 10**9 // 2], {"theta": (20, 1.5), "tau": 1})


def test_single_numbers_with_unknown_sigma_are_refused_as_no_grid_is_fine_enough():
    """σ may be as small as it likes, and then a leaf's likelihood falls between the points of any grid."""
    with pytest.raises(ValueError, match=r"a grid of .* accept it with tolerance="):
        with_outliers([[0], [1], [2.5]], tolerance=1e-6)


# --- draws ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [0.02, 1])
def test_draws_have_moments_and_quantiles_of_the_posterior(scale):
    post = successes([9, 12, 18], [35, 35, 54], {"theta": (0, 1.5), "tau": scale})
    n = 20_000
    draws = post.draws(n, seed=1)["posterior"].dataset.isel(chain=0)
    # Independent draws. Five standard errors: of 50 comparisons one is beyond by chance once in 35,000 runs.
    for name in ("theta", "tau", "theta_1[1]", "theta_1[3]"):
        word, _, index = name.partition("[")
        x = draws[word].to_numpy() if not index else draws[word].to_numpy()[:, int(index[:-1]) - 1]
        mean, sd = post.mean(name), post.sd(name)
        assert abs(x.mean() - mean) < 5 * sd / np.sqrt(n)
        fourth = np.mean((x - mean) ** 4)
        assert abs(np.var(x) - sd**2) < 5 * np.sqrt((fourth - sd**4) / n)
        for p in (0.01, 0.1, 0.5, 0.9, 0.99):
            assert abs(np.mean(x < post.quantile(name, p)) - p) < 5 * np.sqrt(p * (1 - p) / n)
    apart = (draws["theta_1"][:, 0] - draws["theta"]).to_numpy() / draws["tau"].to_numpy()
    assert abs(np.mean(apart**2) - 1) < 0.5  # the node lies about its parent, not anywhere on the grid
    again = post.draws(n, seed=1)["posterior"].dataset.isel(chain=0)
    assert np.array_equal(draws["theta_1"], again["theta_1"])


# --- refusals ---------------------------------------------------------------------------------------------

SEEDS = groups([3, 0], trials=[8, 7])
T4 = {"likelihood": "student_t", "nu": 4}


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        (SEEDS, {"likelihood": "binomail"}, r"likelihood is 'binomail' \(did you mean 'binomial'\?\)"),
        (SEEDS, {"likelihood": None}, "likelihood is None: give one of 'normal'"),
        (SEEDS, {"likelihood": "binomial"}, r'no default prior of theta and tau.*"theta": \(0, 1.5\)'),
        (groups([3, 4]), {"likelihood": "poisson"}, r'no default prior.*"theta": \(1.3, 1.5\), "tau": 1'),
        (SEEDS, {"likelihood": "binomial", "prior": LOG_ODDS, "sigma": [1, 1]}, "known errors are for"),
        (SEEDS, {"likelihood": "binomial", "prior": LOG_ODDS, "nu": 4}, "nu is 4, which .* does not have"),
        (SEEDS, {"likelihood": "binomial", "prior": NUMBERS}, "has no sigma: leave it out of prior"),
        (SEEDS, {"likelihood": "poisson", "prior": LOG_ODDS}, "'trials' of the data would not be used"),
        (groups([3, 4]), {"likelihood": "binomial", "prior": LOG_ODDS}, "no 'trials' in the data"),
        (groups([3, 9], trials=[8, 8]), {"likelihood": "binomial", "prior": LOG_ODDS}, "more successes"),
        (groups([3, 0.5]), {"likelihood": "poisson", "prior": LOG_RATES}, "a fraction is no count"),
        (groups([0.5, 3]), {"likelihood": "student_t"}, "needs nu, its degrees of freedom: give nu=4"),
        (groups([0.5, 3]), T4 | {"prior": NUMBERS | {"nu": (2, 0.1)}}, "has nu and a prior of nu"),
        (groups([0.5, 3]), T4 | {"nu": -1}, "nu is -1: give a number above 0"),
        (groups([0.5, 3]), T4, "the lessons' priors are not for these data"),
        (groups([3, 3.0]), T4 | {"prior": NUMBERS, "tolerance": 0}, "tolerance is 0"),
        (groups([3, 4]), {"nu": 4}, "nu is 4, which likelihood='normal' does not have"),
    ],
)
def test_settings_that_do_not_suit_a_likelihood_are_refused(data, options, message):
    with pytest.raises(ValueError, match=message) as error:
        exact_posterior(data, **options)
    assert str(error.value).isprintable()


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda post: post.mean("tau", scale="data"), "tau has no value on the scale of the data"),
        (lambda post: post.mean("theta", scale="odds"), "scale is 'odds': give 'nodes' or 'data'"),
        (lambda post: post.cdf("theta", 1.5, scale="data"), "x has no value on the scale of the nodes"),
        (lambda post: post.log_density(1.0, 1.0), "2 spreads given: give tau"),
        (lambda post: post.conditional(1.0, sigma=1.0), "the likelihood has none"),
        (lambda post: post.quantile("theta", 0, scale="data"), "p is 0.0: give probabilities"),
    ],
)
def test_what_successes_have_not_is_refused(ask, message):
    post = successes([3, 4], [8, 8])
    with pytest.raises(ValueError, match=message):
        ask(post)


# --- lme4 -------------------------------------------------------------------------------------------------

# R 4.2.2, lme4 1.1.31: m <- glmer(cbind(y, n - y) ~ 1 + (1 | g), family = binomial, nAGQ = 25, control =
# glmerControl("bobyqa", optCtrl = list(rhoend = 1e-10, maxfun = 1e5), tolPwrss = 1e-13)); then logLik(m),
# fixef(m), sqrt(unlist(VarCorr(m))). With nAGQ > 1, logLik is what is left when that of the saturated model,
# sum(dbinom(y, n, y / n, log = TRUE)), is taken off.
# The second table is lme4's cbpp, summed over the periods of a herd.
GLMER = {
    "worms": ([9, 12, 18], [35, 35, 54], -0.385301690523561, -0.77908961036067, 0),
    "cbpp": (
        [9, 5, 12, 4, 6, 4, 12, 12, 2, 4, 9, 3, 3, 11, 3],
        [40, 61, 74, 35, 71, 72, 40, 34, 29, 84, 96, 29, 87, 26, 64],
        -18.1072673149128,
        -2.0465039402247,
        0.818390010324688,
    ),
    "made up": (
        [2, 9, 0, 14, 7, 11, 3, 19],
        [20, 20, 10, 22, 25, 18, 12, 30],
        -11.0690351420696,
        -0.623012374432472,
        1.04536136641473,
    ),
}


@pytest.mark.parametrize("case", GLMER.values(), ids=GLMER)
def test_the_largest_likelihood_is_that_of_glmer(case):
    y, trials, log_likelihood, theta, spread = case
    tree = successes(y, trials, {"theta": (-1, 1.5), "tau": 1})._tree

    def best(tau):
        """The population's message at one τ, where it is largest: its logarithm, and where."""
        _, messages = tree.up(np.array([[tau]]), np.empty((0, 1)), (0, 1))
        near = np.abs(tree.grid.u - theta) < 1.5
        spline = make_interp_spline(tree.grid.u[near], messages[0][0][0, 0, near], 5)
        bounds = theta - 0.5, theta + 0.5
        found = minimize_scalar(
            lambda u: -spline(u), bounds=bounds, method="bounded", options={"xatol": 1e-9}
        )
        return -found.fun, found.x

    saturated = scipy.stats.binom.logpmf(y, trials, np.divide(y, trials)).sum()
    options = {"bounds": (1e-6, 2), "method": "bounded", "options": {"xatol": 1e-8}}
    tau = minimize_scalar(lambda tau: -best(tau)[0], **options).x
    assert best(tau)[0] - saturated == pytest.approx(log_likelihood, abs=1e-6)
    assert best(tau)[1] == pytest.approx(theta, abs=5e-6)
    assert tau == pytest.approx(spread, abs=1e-5)
