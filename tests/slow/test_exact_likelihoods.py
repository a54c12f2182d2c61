"""Exact posteriors of counts, successes and outliers: the comparisons that take longer."""

import numpy as np
import pytest
import scipy.stats
from brute_force import ByTheta, half_normal, student_t

import helpers
from helpers import exact_posterior
from helpers.data import LEVELS
from helpers.exact import on_grids
from helpers.exact.leaves import Leaves
from helpers.priors import PRIOR


def with_outliers(y, prior, nu=4, **options):
    """Groups of several numbers, a list each."""
    index = [j for j, group in enumerate(y, start=1) for _ in group]
    data = {"J_1": len(y), "index_1": index, "y": np.concatenate(y)}
    return exact_posterior(data, prior, likelihood="student_t", nu=nu, **options)


CASES = {
    "groups that agree": ([[0.0, 1.0, 0.3], [0.8, 4.0]], (0, 3), (-8, 10)),
    "groups ten sigmas apart": ([[0.0, 1.0], [10.0, 11.0]], (0, 10), (-10, 21)),
}


def by_brute_force(y, theta, ends, sigmas, weights):
    """Log evidence, and mean and sd of τ, θ and the first node, by a sum over σ."""
    log_p, found = [], []
    for sigma in sigmas:
        leaves = [student_t(group, 4, sigma) for group in y]
        width = min(1.2, max(0.5, 1.5 * sigma))
        brute = ByTheta(leaves, theta, half_normal(1), (*ends, width), to_data=np.array)
        log_p.append(brute.log_evidence + half_normal(1)(sigma))
        moments = brute.tau_moments(), brute.theta_moments(), brute.node_moments(0)[:2]
        found.append([(mean, sd**2 + mean**2) for mean, sd in moments])
    p = np.exp(log_p) * weights
    mean, square = np.einsum("s,skm->mk", p / p.sum(), np.array(found))
    return np.log(p.sum()), mean, np.sqrt(square - mean**2)


def in_log_sigma(low, high, n):
    """Points and weights for σ, by the trapezoidal rule in log σ."""
    t, step = np.linspace(np.log(low), np.log(high), n, retstep=True)
    return np.exp(t), np.exp(t) * step


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_outliers_in_two_groups_agree_with_brute_force(case):
    y, theta, ends = case
    post = with_outliers(y, {"theta": theta, "tau": 1, "sigma": 1})
    log_evidence, mean, sd = by_brute_force(y, theta, ends, *in_log_sigma(0.05, 7, 45))
    names = ["tau", "theta", "theta_1[1]"]
    assert post.log_evidence == pytest.approx(log_evidence, abs=1e-5)
    assert [post.mean(name) for name in names] == pytest.approx(mean, abs=1e-5)
    assert [post.sd(name) for name in names] == pytest.approx(sd, rel=1e-5)


def test_unknown_degrees_of_freedom_agree_with_a_sum_over_known_ones():
    """With ν given, the answer is held against brute force above; here ν ~ Gamma(20, 4) is summed over."""
    y = [[0.0, 1.0, 0.3, 0.6, -0.2, 5.0], [0.8, 1.5, 1.1, 2.0, 0.4, 1.2]]
    prior = {"theta": (0, 3), "tau": 1, "sigma": 1}
    post = with_outliers(y, prior | {"nu": (20, 4)}, nu=None, tolerance=1e-5)
    t, step = np.linspace(np.log(1), np.log(20), 25, retstep=True)
    each = [with_outliers(y, prior, nu=float(nu), tolerance=1e-6) for nu in np.exp(t)]
    gamma = scipy.stats.gamma(20, scale=1 / 4).logpdf(np.exp(t)) + t + np.log(step)
    p = np.exp([one.log_evidence + more for one, more in zip(each, gamma, strict=True)])
    assert post.log_evidence == pytest.approx(np.log(p.sum()), abs=1e-4)
    p /= p.sum()
    assert post.mean("nu") == pytest.approx(p @ np.exp(t), rel=1e-4)
    for name in ("tau", "theta", "sigma", "theta_1[2]"):
        assert post.mean(name) == pytest.approx(p @ [one.mean(name) for one in each], abs=1e-4)


class NormalLeaves(Leaves):
    """Leaves of numbers that are normal after all."""

    def log_likelihood(self, u, own):
        return self._sums @ scipy.stats.norm.logpdf(self.y[:, None], u, own[0])


def test_normal_leaves_on_a_grid_give_the_answer_of_the_lessons(monkeypatch):
    monkeypatch.setattr(on_grids, "Leaves", NormalLeaves)
    data, _ = helpers.stan_data(helpers.measurements(), LEVELS, "y")
    post, normal = exact_posterior(data, PRIOR, likelihood="student_t", nu=4), exact_posterior(data)
    assert post.log_evidence == pytest.approx(normal.log_evidence, abs=1e-7)
    assert post.cdf("tau", 0.1) == pytest.approx(normal.cdf("tau", 0.1), abs=1e-7)
    for name in ("theta", "tau", "sigma", "theta_1", "theta_2", "theta_3"):
        assert post.mean(name) == pytest.approx(normal.mean(name), abs=1e-7)
        assert post.sd(name) == pytest.approx(normal.sd(name), abs=1e-7)


def at_random(seed):
    """A tree of one or two levels with measurements of some kind, and a prior."""
    rng = np.random.default_rng(seed)
    likelihood = ["binomial", "poisson", "binomial", "student_t"][seed % 4]
    leaves, above = int(rng.integers(3, 7)), int(rng.integers(1, 4))
    each = 3 if likelihood == "student_t" else 1
    tree = {"J_1": leaves, "index_1": np.repeat(np.arange(1, leaves + 1), each)}
    if rng.random() < 0.5:
        tree = {"J_1": above, "J_2": leaves, "index_2": tree["index_1"]}
        tree["index_1"] = np.sort(np.r_[1 : above + 1, rng.integers(1, above + 1, leaves - above)])
    node = rng.normal(1, rng.choice([0.1, 1]), leaves)
    tau = float(rng.choice([0.2, 1, 5]))
    prior = {"theta": (float(rng.normal()), float(rng.uniform(0.5, 3))), "tau": tau}
    if likelihood == "binomial":
        trials = rng.integers(1, rng.choice([3, 40]), leaves)
        tree |= {"trials": trials, "y": rng.binomial(trials, 1 / (1 + np.exp(-node)))}
    elif likelihood == "poisson":
        exposure = rng.uniform(0.2, 5, leaves)
        tree |= {"exposure": exposure, "y": rng.poisson(exposure * np.exp(node))}
    else:
        tree |= {"y": np.repeat(node, each) + rng.standard_t(4, leaves * each)}
        return tree, prior | {"sigma": 1}, {"likelihood": likelihood, "nu": 4}
    return tree, prior, {"likelihood": likelihood}


@pytest.mark.parametrize("seed", range(36))
def test_no_error_is_ten_times_what_accuracy_says(seed):
    """Trees, likelihoods and priors at random, with some tolerance, against the same with a small one."""
    data, prior, options = at_random(seed)
    best = exact_posterior(data, prior, tolerance=1e-10, **options)
    post = exact_posterior(data, prior, tolerance=[1e-3, 1e-5, 1e-7][seed % 3], **options)
    sd = np.array([best.sd(name) for name in best.names])
    errors = [abs(np.expm1(post.log_evidence - best.log_evidence))]
    errors += [*np.abs([post.mean(name) - best.mean(name) for name in best.names] / sd)]
    errors += [*np.abs([post.sd(name) for name in best.names] / sd - 1)]
    assert max(errors) <= max(10 * post.accuracy, 10 * best.accuracy)
