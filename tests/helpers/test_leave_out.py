"""`exact_loo` leaves out exactly: against dense matrices and quadrature that share nothing with it."""

import doctest
import re

import arviz_base
import arviz_stats
import numpy as np
import pytest
import scipy.stats
from brute_force import ByTheta, binomial, panels, poisson
from brute_force import half_normal as log_half_normal
from dense import covariances, half_normal, tree

import helpers
from helpers import exact_loo, exact_posterior
from helpers.data import LEVELS
from helpers.priors import PRIOR

POOLED = {"tau": 1e-4}


@pytest.fixture(scope="module")
def data():
    return helpers.stan_data(helpers.measurements(), LEVELS, "y")[0]


@pytest.fixture(scope="module")
def one(data):
    return exact_loo(data)


@pytest.fixture(scope="module")
def pooled(data):
    return exact_loo(data, POOLED)


# --- normal measurements, against dense matrices ----------------------------------------------------------

EDGES = [0, *np.exp(np.linspace(-7, np.log(45), 22))]


class ByMatrices:
    """Evidences of parts of the measurements, by quadrature over the spreads with dense matrices.

    Parameters
    ----------
    data
        As of `dense.tree`.
    taus
        How many τ there are: one, or K.
    sigma : array, shape (N,), or None
        Known errors; if None, σ is integrated over, too.
    edges
        Of the panels along every spread.
    """

    def __init__(self, data, taus=1, sigma=None, edges=EDGES):
        x, w = panels(edges)
        spreads = taus + (sigma is None)
        axes = [axis.ravel() for axis in np.meshgrid(*[x] * spreads, indexing="ij")]
        weights = np.prod([axis.ravel() for axis in np.meshgrid(*[w] * spreads, indexing="ij")], axis=0)
        self.log_w = np.log(weights) + sum(half_normal(axis, 5) for axis in axes)
        K = sum(name.startswith("J_") for name in data)
        tau = np.stack(axes[:taus] * (K if taus == 1 else 1), axis=-1)
        self.y, own = data["y"] - 10, axes[-1] if sigma is None else np.asarray(sigma)
        self.C = covariances(data, tau, own, 3)[0]
        self.noise = own[:, None] ** 2 if sigma is None else own**2

    def log_evidence(self, rows, twice=()):
        """Log density of some of the measurements, and of some of these a second time."""
        rows = [*rows, *twice]
        if not rows:
            return 0.0
        C = self.C[:, rows][:, :, rows]
        for i, j in enumerate(range(len(rows) - len(twice), len(rows))):  # errors of the second are its own
            first = rows.index(twice[i])
            error = np.broadcast_to(self.noise, (len(C), len(self.y)))[:, twice[i]]
            C[:, first, j] -= error
            C[:, j, first] -= error
        L = np.linalg.cholesky(C)
        z = np.linalg.solve(L, np.broadcast_to(self.y[rows][:, None], (len(C), len(rows), 1)))[..., 0]
        log_p = -(z**2).sum(-1) / 2 - np.log(np.diagonal(L, axis1=-2, axis2=-1)).sum(-1)
        log_p += self.log_w - len(rows) * np.log(2 * np.pi) / 2
        return log_p.max() + np.log(np.exp(log_p - log_p.max()).sum())

    def loo(self, groups):
        """What `elpd_i` and `p` should be, if these groups of rows are left out in turn."""
        every = range(len(self.y))
        full = self.log_evidence(every)
        apart = [full - self.log_evidence([i for i in every if i not in group]) for group in groups]
        together = [self.log_evidence(every, group) - full for group in groups]
        return apart, sum(together) - sum(apart)


ONE_LEVEL = tree([[3], [2, 2, 1]], [9.0, 10, 9.1, 9.9, 9.5])
TWO_LEVELS = tree([[2], [2, 1], [1, 2, 1]], [9.0, 10, 12, 8])
LONELY = tree([[1], [3]], [9.0, 10, 12])
ERRORS = [0.5, 1.0, 0.3, 2.0]
NORMAL = {
    "one level": (ONE_LEVEL, None, None, [[0], [1], [2], [3], [4]]),
    "two levels": (TWO_LEVELS, None, None, [[0], [1], [2], [3]]),
    "groups of one level": (ONE_LEVEL, None, "theta_1", [[0, 1], [2, 3], [4]]),
    "groups, with all above and below": (TWO_LEVELS, None, "theta_1", [[0, 1, 2], [3]]),
    "leaves of two levels": (TWO_LEVELS, None, "theta_2", [[0], [1, 2], [3]]),
    "the only group": (LONELY, None, "theta_1", [[0, 1, 2]]),
    "known errors": (TWO_LEVELS, ERRORS, None, [[0], [1], [2], [3]]),
    "known errors, groups": (TWO_LEVELS, ERRORS, "theta_1", [[0, 1, 2], [3]]),
}


@pytest.mark.parametrize("case", NORMAL.values(), ids=NORMAL)
def test_what_is_left_out_is_predicted_as_by_brute_force(case):
    data, sigma, leave_out, groups = case
    found = exact_loo(data, PRIOR, sigma=sigma, leave_out=leave_out, tolerance=1e-12)
    apart, p = ByMatrices(data, sigma=sigma).loo(groups)
    assert found.elpd_i.values == pytest.approx(apart, abs=1e-8)
    assert found.elpd == pytest.approx(sum(apart), abs=1e-8)
    assert found.p == pytest.approx(p, abs=1e-8)
    assert found.se == pytest.approx(np.sqrt(len(apart)) * np.std(apart), abs=1e-8)
    usual = exact_loo(data, PRIOR, sigma=sigma, leave_out=leave_out)
    assert usual.elpd_i.values == pytest.approx(apart, abs=1e-6)


def test_with_nothing_left_it_is_the_evidence_that_is_predicted():
    found = exact_loo(LONELY, PRIOR, leave_out="theta_1", tolerance=1e-12)
    assert found.elpd == pytest.approx(exact_posterior(LONELY, PRIOR).log_evidence, abs=1e-9)
    single = exact_loo(tree([[1], [1]], [9.0]), PRIOR, tolerance=1e-12)
    assert single.elpd == pytest.approx(ByMatrices(tree([[1], [1]], [9.0])).log_evidence([0]), abs=1e-8)
    assert (single.elpd_i.shape, single.se) == ((1,), 0)


def test_a_tau_for_every_level_agrees_with_brute_force_at_1e_3():
    edges = [0, 0.1, 0.4, 1, 2.5, 6, 14, 30]
    options = {"prior": PRIOR, "shared_tau": False}
    tight = exact_loo(TWO_LEVELS, tolerance=1e-9, **options)
    apart, p = ByMatrices(TWO_LEVELS, taus=2, edges=edges).loo([[0], [1], [2], [3]])
    assert tight.elpd_i.values == pytest.approx(apart, abs=1e-7)
    assert tight.p == pytest.approx(p, abs=1e-7)
    rough = exact_loo(TWO_LEVELS, tolerance=1e-3, **options)
    assert rough.elpd_i.values == pytest.approx(tight.elpd_i.values, abs=1e-3)


SINGLE = tree([[3], [1, 1, 1]], [9.0, 10, 12])


def test_p_is_infinite_where_each_leaf_has_one_measurement():
    """A leaf at its measurement, and small σ: the density of the measurement has no mean.

    For one leaf with one y and u ~ Normal(m, s), a second y has p(y, y | σ) = Normal(y | u, σ)², integrated
    over u, which is Normal(0 | 0, √2 σ) Normal(y | m, √(s² + σ²/2)), so about 1/σ. The prior of σ is not 0 at
    0, and the integral of 1/σ is infinite there. More leaves with one y each have densities that are finite
    at σ = 0, and change nothing. A leaf of two different y does: its density falls off like exp(-1/σ²).
    """
    found = exact_loo(SINGLE, PRIOR, tolerance=1e-12)
    brute = ByMatrices(SINGLE)
    full = brute.log_evidence([0, 1, 2])
    apart = [full - brute.log_evidence(rows) for rows in ([1, 2], [0, 2], [0, 1])]
    assert found.elpd_i.values == pytest.approx(apart, abs=1e-8)
    assert found.p == np.inf
    assert exact_loo(SINGLE, PRIOR, leave_out="theta_1").p == np.inf


def test_p_is_finite_for_single_measurements_with_known_errors():
    errors = [0.5, 1.0, 0.3]
    found = exact_loo(SINGLE, PRIOR, sigma=errors, tolerance=1e-12)
    apart, p = ByMatrices(SINGLE, sigma=errors).loo([[0], [1], [2]])
    assert found.elpd_i.values == pytest.approx(apart, abs=1e-8)
    assert found.p == pytest.approx(p, abs=1e-8)


def test_p_is_not_given_where_a_prior_of_sigma_may_bound_it():
    found = exact_loo(SINGLE, PRIOR | {"sigma": scipy.stats.lognorm(1)})
    assert np.isnan(found.p)
    assert np.isfinite(found.elpd)


# --- counts, against panels of Gauss-Legendre -------------------------------------------------------------

ROWS = [[0, 1], [2], [3]]  # of three groups
COUNTED = {
    "binomial": ([3, 4, 9, 2], [8, 9, 12, 5], (0, 1.5), (-9, 9, 0.5), binomial),
    "poisson": ([3, 5, 9, 1], [1, 1.5, 2.5, 0.5], (1, 1.5), (-11, 11, 0.4), poisson),
}


@pytest.mark.parametrize("likelihood", COUNTED)
@pytest.mark.parametrize("leave_out", [None, "theta_1"])
def test_counts_left_out_are_predicted_as_by_brute_force(likelihood, leave_out):
    y, size, theta, reach, leaf = COUNTED[likelihood]
    data = {"J_1": 3, "index_1": [1, 1, 2, 3], "y": y}
    data |= {"trials" if likelihood == "binomial" else "exposure": size}
    found = exact_loo(
        data, {"theta": theta, "tau": 1}, likelihood=likelihood, leave_out=leave_out, tolerance=1e-9
    )

    def log_evidence(rows):
        groups = [[leaf(y[i], size[i]) for i in rows if i in group] for group in ROWS]
        leaves = [lambda x, own=own: sum(f(x) for f in own) for own in groups if own]
        return ByTheta(leaves, theta, log_half_normal(1), reach, to_data=np.array).log_evidence

    every = [0, 1, 2, 3]
    left_out = ROWS if leave_out else [[i] for i in every]
    full = log_evidence(every)
    apart = [full - log_evidence([i for i in every if i not in group]) for group in left_out]
    together = [log_evidence([*every, *group]) - full for group in left_out]
    assert found.elpd_i.values == pytest.approx(apart, abs=1e-7)
    assert found.p == pytest.approx(sum(together) - sum(apart), abs=1e-7)


# --- the measurements of the lessons ----------------------------------------------------------------------


def test_measurements_left_out_give_the_numbers_of_the_lesson(one, pooled, data):
    """The numbers of complete pooling come from a formula, below; these are here to stay as they are."""
    assert (one.elpd, one.se, one.p) == pytest.approx((-65.7452, 4.3632, 4.9097), abs=1e-4)
    assert (pooled.elpd, pooled.se, pooled.p) == pytest.approx((-64.9034, 4.2240, 1.7158), abs=1e-4)
    difference = (one.elpd_i - pooled.elpd_i).values
    assert difference.sum() == pytest.approx(-0.84, abs=0.005)
    assert np.sqrt(47) * difference.std() == pytest.approx(0.72, abs=0.005)
    days = [exact_loo(data, prior, leave_out="theta_1").elpd for prior in (None, POOLED)]
    assert days == pytest.approx([-65.789, -64.473], abs=1e-3)


def test_a_tau_of_next_to_nothing_leaves_out_as_pooling_does(pooled, data):
    """One normal distribution: sums and σ, of which the integral is one of Gauss-Legendre on panels."""
    sigma, weight = panels(np.linspace(0.3, 3, 40))

    def log_evidence(y):
        n, v = len(y), sigma**2
        total = v / n + 9  # variance of the mean
        log_p = half_normal(sigma, 5) - ((n - 1) * np.log(v) + np.log(n) + np.log(total)) / 2
        log_p -= (n * np.var(y) / v + (y.mean() - 10) ** 2 / total + n * np.log(2 * np.pi)) / 2
        return np.log(np.exp(log_p) @ weight)

    full = log_evidence(data["y"])
    apart = [full - log_evidence(np.delete(data["y"], i)) for i in range(47)]
    assert pooled.elpd_i.values == pytest.approx(apart, abs=1e-5)
    together = [log_evidence(np.append(data["y"], one)) - full for one in data["y"]]
    assert pooled.p == pytest.approx(sum(together) - sum(apart), abs=1e-4)


def by_importance(data, seed, n=4000):
    """ArviZ's estimate from independent draws of the posterior, and the error of each of its densities."""
    samples = exact_posterior(data).draws(n, seed)["posterior"].dataset
    node = samples["theta_3"].values[..., data["index_3"] - 1]
    log_p = scipy.stats.norm.logpdf(data["y"], node, samples["sigma"].values[..., None])
    groups = {"posterior": {"theta": samples["theta"].values}, "log_likelihood": {"y": log_p}}
    weight = np.exp(log_p.min(axis=1) - log_p[0])
    error = np.sqrt((weight**2).sum(axis=0)) / weight.sum(axis=0)
    return arviz_stats.loo(arviz_base.from_dict(groups), pointwise=True), error


@pytest.mark.filterwarnings("ignore:Estimated shape parameter")
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_importance_sampling_agrees_within_its_error_if_k_is_low(one, data, seed):
    """Weights w, which add up to 1, give a density with a relative error of at most about √Σw².

    Over 200 seeds the 47 errors had sds of 0.13 to 0.84 of this, and the largest of all that had k̂ < 0.7 was
    3.6. The sum had sd 0.067 about 0.038 more than the exact one: it is a little too high, mostly for the
    largest measurement. So 5 of these errors for each, and 5 sds for the sum, fail in less than 1 of 1000
    seeds by chance.
    """
    found, error = by_importance(data, seed)
    good = found.pareto_k.values < 0.7
    assert good.sum() >= 44
    assert np.all(np.abs(found.elpd_i.values - one.elpd_i.values)[good] < 5 * error[good])
    assert abs(found.elpd - one.elpd - 0.038) < 5 * 0.067


# --- what ArviZ makes of it -------------------------------------------------------------------------------


def differences(left, right):
    apart = left.elpd_i.values - right.elpd_i.values
    return apart.sum(), np.sqrt(len(apart)) * apart.std()


def test_compare_gives_the_differences_of_exact_answers(one, pooled):
    table = arviz_stats.compare({"one": one, "pooled": pooled}, round_to="none")
    assert table.index.tolist() == ["pooled", "one"]
    assert table.loc["one", ["elpd_diff", "dse"]].tolist() == pytest.approx(differences(one, pooled))
    assert table["elpd"].tolist() == pytest.approx([pooled.elpd, one.elpd])
    assert table["p"].tolist() == pytest.approx([pooled.p, one.p])


@pytest.mark.filterwarnings("ignore:Estimated shape parameter")
def test_compare_takes_an_exact_answer_beside_that_of_draws(data, pooled):
    found, _ = by_importance(data, seed=1)
    table = arviz_stats.compare({"draws": found, "exact": pooled}, round_to="none")
    assert table.loc["draws", ["elpd_diff", "dse"]].tolist() == pytest.approx(differences(found, pooled))


def test_compare_takes_groups_and_an_infinite_p_as_they_are(data):
    infinite = exact_loo(SINGLE, PRIOR, leave_out="theta_1")
    other = exact_loo(SINGLE, PRIOR | POOLED, leave_out="theta_1")
    table = arviz_stats.compare({"one": infinite, "pooled": other}, round_to="none")
    assert table.loc["one", "elpd_diff"] == pytest.approx(min(0, infinite.elpd - other.elpd))


def test_an_exact_answer_says_so_and_claims_no_draws(one, data):
    days = exact_loo(data, leave_out="theta_1")
    assert repr(one).startswith("Computed exactly, without draws: y left out in turn, 47 times.\n")
    assert repr(days).startswith("Computed exactly, without draws: theta_1 left out in turn, 3 times.\n")
    assert re.search(r"elpd_loo +-65\.75 +4\.36", repr(one))
    assert "posterior samples" not in repr(one)
    assert (one.n_samples, one.n_data_points, one.pareto_k, one.warning) == (0, 47, None, False)
    assert (one.elpd_i.dims, days.elpd_i.dims) == (("y",), ("theta_1",))
    assert days.elpd_i["theta_1"].values.tolist() == [1, 2, 3]


# --- what is put in ---------------------------------------------------------------------------------------


def test_rows_in_another_order_have_the_same_densities(data):
    small = {"J_1": 2, "J_2": 3, "index_1": [1, 1, 2], "index_2": [1, 2, 2, 3], "y": [9.0, 10, 12, 8]}
    order = np.array([2, 0, 3, 1])
    shuffled = small | {name: np.array(small[name])[order] for name in ("index_2", "y")}
    found, other = exact_loo(small, PRIOR), exact_loo(shuffled, PRIOR)
    assert other.elpd_i.values == pytest.approx(found.elpd_i.values[order], abs=1e-9)
    assert other.p == pytest.approx(found.p, abs=1e-9)
    errors = np.array(ERRORS)
    known, moved = exact_loo(small, PRIOR, sigma=errors), exact_loo(shuffled, PRIOR, sigma=errors[order])
    assert moved.elpd_i.values == pytest.approx(known.elpd_i.values[order], abs=1e-9)


def test_another_name_of_the_values_and_lists_change_nothing():
    lists = {name: np.asarray(item).tolist() for name, item in TWO_LEVELS.items()}
    lists["light"] = lists.pop("y")
    before = repr(lists)
    found = exact_loo(lists, PRIOR, values="light")
    assert found.elpd_i.dims == ("light",)
    assert found.elpd_i.values.tolist() == exact_loo(TWO_LEVELS, PRIOR).elpd_i.values.tolist()
    assert repr(lists) == before


def test_default_priors_are_used_for_parts_that_they_do_not_suit():
    """Without 17.5 the rest has an sd below a twentieth of the scale of τ: alone it would be refused."""
    data = {"J_1": 2, "index_1": [1, 1, 2], "y": [10, 10.1, 17.5]}
    with pytest.raises(ValueError, match="the lessons' priors are not for these data"):
        exact_posterior({"J_1": 1, "index_1": [1, 1], "y": [10, 10.1]})
    assert exact_loo(data).elpd == pytest.approx(exact_loo(data, PRIOR).elpd, abs=1e-12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"leave_out": "theta_4"}, "leave_out is 'theta_4' (did you mean 'theta_3'?): give the nodes of a"),
        ({"leave_out": "day"}, "leave_out is 'day': give the nodes of a level, one of 'theta_1', 'theta_2',"),
        ({"leave_out": 1}, "leave_out is 1: give the nodes of a level"),
        ({"leave_out": ["theta_1"]}, "leave_out is ['theta_1']: give the nodes of a level"),
        ({"leave_out": np.array(["a", "b"])}, "give the nodes of a level"),
        ({"tolerance": 0}, "tolerance is 0: give a number above 0, such as 1e-6"),
        ({"tolerance": "1e-6"}, "tolerance is '1e-6': give a number above 0"),
        ({"values": "Y"}, "no 'Y' (did you mean 'y'?) in the data"),
        ({"prior": {"mu": 1}}, "no prior for 'mu'"),
        ({"sigma": [1, 2]}, "'sigma' has shape (2,): give one for each of the 47"),
        ({"likelihood": "poison"}, "likelihood is 'poison' (did you mean 'poisson'?)"),
        ({"likelihood": "student_t"}, "likelihood='student_t' needs nu"),
        ({"nu": 4}, "nu is 4, which likelihood='normal' does not have"),
        ({"shared_tau": "no"}, "shared_tau is 'no': give True or False"),
    ],
)
def test_what_cannot_be_left_out_is_refused_in_one_line(data, options, message):
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        exact_loo(data, **options)
    assert str(caught.value).isprintable()


def test_priors_that_do_not_suit_all_measurements_are_refused(data):
    with pytest.raises(ValueError, match="the lessons' priors are not for these data"):
        exact_loo(data | {"y": data["y"] + 90})


def test_a_rest_without_a_posterior_is_named_by_what_was_left_out():
    data = {"J_1": 2, "index_1": [1, 1, 2, 2], "light": [9, 9, 8, 8.5]}
    with pytest.raises(ValueError, match=r"^without light\[3\]: the measurements 'light' are equal within"):
        exact_loo(data, PRIOR, values="light")
    with pytest.raises(ValueError, match=r"^without theta_1\[2\]: the measurements 'light' are equal"):
        exact_loo(data, PRIOR, values="light", leave_out="theta_1")


def test_the_example_of_exact_loo_comes_out_as_it_is_written():
    (example,) = doctest.DocTestFinder().find(exact_loo, globs={"exact_loo": exact_loo})
    assert doctest.DocTestRunner().run(example) == (0, 2)
