"""Lines that vary by group, and groups that cross, spreads integrated out: against quadrature of its own."""

import numpy as np
import pytest
from dense import tree
from linear_by_force import SMALL, agrees_with_brute_force, largest_difference
from linear_tables import SLEEP, crossing, penicillin, sleepstudy
from scipy.optimize import minimize

from helpers import exact_crossed, exact_posterior, exact_slopes
from helpers.exact.correlation import to_rho
from helpers.exact.linear_spreads import CrossedSpreads, SlopeSpreads
from helpers.exact.read_linear import read_crossed, read_slopes

# --- against brute force ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in SMALL if "factor" in name])
def test_factors_of_small_tables_agree_with_brute_force(name):
    agrees_with_brute_force(SMALL[name])


def test_accuracy_covers_the_error_of_two_factors():
    post, finer = (exact_crossed(SMALL["two factors"], tolerance) for tolerance in (1e-3, 1e-8))
    # it is the largest of three axes, whose errors may add up
    assert largest_difference(post, finer) <= 3 * post.accuracy <= 3e-3


@pytest.fixture(scope="module")
def sleep():
    return exact_slopes(sleepstudy() | SLEEP)


# --- against each other -------------------------------------------------------------------------------


def test_batches_within_days_give_the_posterior_of_the_tree():
    y = [9, 10, 12.5, 8, 9.2, 10.5, 11, 13, 12]
    nested = tree([[3], [2, 2, 1], [2, 2, 2, 1, 2]], y)
    batch = nested["index_2"] - 1
    prior = {"theta": (10, 3), "tau": [2, 1], "sigma": 2}
    right = exact_posterior(nested, prior, shared_tau=False, tolerance=1e-9)
    index = [nested["index_1"][batch] - 1, batch]
    post = exact_crossed(crossing(index, y=y, prior_tau=[2, 1]), tolerance=1e-9)
    for name in ("theta", "tau[1]", "tau[2]", "sigma"):
        assert post.mean(name) == pytest.approx(right.mean(name), rel=1e-7)
        assert post.sd(name) == pytest.approx(right.sd(name), rel=1e-7)
    assert post.log_evidence == pytest.approx(right.log_evidence, abs=1e-7)
    days = right.mean("theta_1")
    assert post.mean("theta") + post.mean("u_1") == pytest.approx(days, rel=1e-7)
    assert days[nested["index_1"] - 1] + post.mean("u_2") == pytest.approx(right.mean("theta_2"), rel=1e-7)
    assert post.cdf("tau[2]", 0.5) == pytest.approx(right.cdf("tau[2]", 0.5), abs=1e-7)


def test_one_factor_gives_the_posterior_of_one_level_of_groups():
    y = [9, 10, 12.5, 8, 9.2, 10.5]
    one = tree([[3], [2, 3, 1]], y)
    right = exact_posterior(one, {"theta": (10, 3), "tau": 2, "sigma": 2})
    post = exact_crossed(crossing([one["index_1"] - 1], y=y))
    assert post.log_evidence == pytest.approx(right.log_evidence, abs=1e-7)
    assert post.mean("theta") + post.mean("u_1") == pytest.approx(right.mean("theta_1"), rel=1e-7)
    assert post.quantile("tau[1]", 0.9) == pytest.approx(right.quantile("tau", 0.9), rel=1e-7)


# --- what is asked of it ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["rho", "tau[2]", "theta", "beta_1[2]"])
def test_density_distribution_and_quantiles_belong_together(sleep, name):
    p = np.array([1e-3, 0.1, 0.5, 0.9, 1 - 1e-3])
    x = sleep.quantile(name, p)
    assert sleep.cdf(name, x) == pytest.approx(p, abs=1e-8)
    step = 1e-3 * sleep.sd(name)
    slope = (sleep.cdf(name, x + step) - sleep.cdf(name, x - step)) / (2 * step)
    assert sleep.density(name, x) == pytest.approx(slope, rel=1e-4)


def test_all_of_the_correlation_lies_between_its_two_ends(sleep):
    assert sleep.cdf("rho", [-2, -1, 1, 2]).tolist() == [0, 0, 1, 1]
    assert sleep.density("rho", [-1.0, 1.0, 3.0]).tolist() == [0, 0, 0]
    z, weight = np.polynomial.legendre.leggauss(24)
    weight *= sleep.density("rho", z)
    assert weight.sum() == pytest.approx(1, abs=1e-6)
    assert z @ weight == pytest.approx(sleep.mean("rho"), abs=1e-6)


# --- lme4 -------------------------------------------------------------------------------------------------

# R 4.2.2, lme4 1.1.31: lmer(formula, data, control = lmerControl("bobyqa", optCtrl = list(rhoend = 1e-10))),
# then as.data.frame(VarCorr(m))$sdcor, logLik(m) and coef(summary(m))[, 1:2], with the data sleepstudy and
#   Reaction ~ Days + (Days | Subject)
#   Reaction ~ I(Days - 4.5) + (I(Days - 4.5) | Subject)
#   Reaction ~ Days + late + (Days | Subject), where late is 1 for the last nine subjects and 0 for the others
# and with Penicillin, Pastes and cake and
#   diameter ~ 1 + (1 | plate) + (1 | sample)
#   strength ~ 1 + (1 | batch) + (1 | sample)
#   angle ~ temp + (1 | recipe) + (1 | replicate) + (1 | recipe:replicate)
LATE = np.repeat([0.0, 1.0], 90)
# ten batches of three casks, each measured twice
PASTES = """
62.8 62.6 60.1 62.3 62.7 63.1 60.0 61.4 57.5 56.9 61.1 58.9 58.7 57.5 63.9 63.1 65.4 63.7 57.1 56.4 56.9 58.6
64.7 64.5 55.1 55.1 54.7 54.2 58.8 57.5 63.4 64.9 59.3 58.1 60.5 60.0 62.5 62.6 61.0 58.7 56.9 57.7 59.2 59.4
65.2 66.0 64.8 64.1 54.8 54.8 64.0 64.0 57.7 56.8 58.3 59.3 59.2 59.2 58.9 56.6"""
# replicate by replicate, recipe by recipe, at six temperatures: two digits each
CAKE = (
    "4246473953423946514955424644454648634729354757453546473952614343434647583232374345453430423542353324"
    "4037413826323524392625262846373738413830363528303137414731302935403621253135332324222229352624292929"
    "2435243330303735262325273335222526262936202131243033243323323134262324312737242321242135242728333423"
    "2726322832332418212628282433273130332124242737302628272735353339332833302027333128332825262538282831"
    "2739354323283134312924302835332829283129373332353027353028294328333724402940403123252219213519222725"
    "2535262832253733212128262720212825253125"
)


def cake():
    replicate, recipe = np.repeat(np.arange(15), 18), np.tile(np.repeat([0, 1, 2], 6), 15)
    angle = [int(CAKE[i : i + 2]) for i in range(0, len(CAKE), 2)]
    index = [recipe, replicate, 3 * replicate + recipe]
    return crossing(index, np.tile(np.arange(175, 226, 10), 45), angle)


def pastes():
    batch, cask = np.repeat(np.arange(10), 6), np.repeat(np.arange(30), 2)
    return crossing([batch, cask], y=np.array(PASTES.split(), float))


def late():
    data = sleepstudy()
    return data | {"P": 2, "X": np.column_stack([data["X"], LATE])}


def from_middle():
    data = sleepstudy()
    return data | {"X": data["X"] - 4.5}


# sds of the groups, ρ, σ; fixed effects; their standard errors; the logarithm of the restricted likelihood
LMER = {
    "days": (sleepstudy, [24.7404476, 5.9221333, 0.0655513, 25.5918159], [251.4051048, 10.4672860],
             [6.8245558, 1.5457889], -871.814135979),
    "days from the middle": (from_middle, [37.5330548, 5.9221334, 0.7532393, 25.5918155],
                             [298.5078917, 10.4672860], [9.0499365, 1.5457890], -871.814135979),
    "of the group": (late, [25.8371965, 5.9221335, 0.0354446, 25.5918155],
                     [250.1225791, 10.4672860, 2.5650514], [9.9058890, 1.545789, 13.9241309], -868.263073225),
    "penicillin": (penicillin, [0.8467044, 1.9315587, 0.5499231], [22.9722222], [0.8085735], -165.430294496),
    "pastes": (pastes, [1.2873652, 2.9040776, 0.8234075], [60.0533333], [0.6768701], -123.495372927),
    "cake": (cake, [0.5243205, 6.1737446, 1.9189824, 4.5505404], [0.5158730, 0.1580317],
             [3.6481812, 0.0162158], -831.072466841),
}  # fmt: skip


@pytest.mark.parametrize("case", LMER.values(), ids=LMER)
def test_the_largest_restricted_likelihood_is_that_of_lmer(case):
    make, spreads, fixed, errors, log_likelihood = case
    data, flat = make(), 1e5
    data |= {"prior_theta": [fixed[0], flat], "prior_beta": np.reshape([[0, flat]] * data["P"], (-1, 2))}
    data |= {"prior_tau": [1] * len(data.get("J", "12")), "prior_rho": 1, "prior_sigma": 1}
    integral = SlopeSpreads(read_slopes(data)) if "J_1" in data else CrossedSpreads(read_crossed(data))

    def less(u):
        x = np.exp(u)[:, None]
        return (
            sum(prior(row) for prior, row in zip(integral.priors.values(), x, strict=True))[0]
            - (integral.log_density(x)[0])
        )

    options = {"xatol": 1e-7, "fatol": 1e-11, "maxiter": 5000, "maxfev": 5000}
    best = minimize(less, integral.guess(), method="Nelder-Mead", options=options)
    means, variances = (one[:, 0] for one in integral.describe(np.exp(best.x)[:, None]))
    found = np.exp(best.x)
    if "J_1" in data:
        found[2] = to_rho(found[2])
    assert found == pytest.approx(spreads, rel=1e-4, abs=1e-5)
    assert means[: len(fixed)] == pytest.approx(fixed, rel=1e-4)
    assert np.sqrt(variances[: len(fixed)]) == pytest.approx(errors, rel=1e-4)
    restricted = -best.fun + len(fixed) * (np.log(flat) + np.log(2 * np.pi) / 2)  # with a flat prior
    assert restricted == pytest.approx(log_likelihood, abs=1e-5)
