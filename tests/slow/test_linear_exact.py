"""Lines that vary by group, spreads integrated out: against dense matrices, and against finer rules."""

import numpy as np
import pytest
from linear_by_force import SMALL, agrees_with_brute_force, ask, largest_difference
from linear_tables import SLEEP, crossing, lines, sleepstudy

from helpers import exact_crossed, exact_slopes

RNG = np.random.default_rng(7)


@pytest.mark.parametrize("name", [name for name in SMALL if name.startswith("lines")])
def test_lines_of_small_tables_agree_with_brute_force(name):
    agrees_with_brute_force(SMALL[name])


@pytest.mark.parametrize("name", ["lines", "lines, a flat prior of rho"])
@pytest.mark.parametrize("tolerance", [1e-3, 1e-5])
def test_accuracy_covers_the_error_where_little_is_known(name, tolerance):
    """Small tables have broad posteriors, whose singularities long steps do not see coming."""
    post, finer = (ask(SMALL[name], tolerance=t) for t in (tolerance, tolerance / 10))
    assert largest_difference(post, finer) <= post.accuracy + finer.accuracy
    assert post.accuracy <= tolerance


def test_accuracy_covers_the_error_of_the_sleep_study():
    sleep, finer = exact_slopes(sleepstudy() | SLEEP), exact_slopes(sleepstudy() | SLEEP, tolerance=1e-7)
    assert finer.accuracy < sleep.accuracy <= 1e-6
    assert largest_difference(sleep, finer) <= sleep.accuracy


def test_slopes_that_hardly_vary_give_one_slope_for_all():
    data = lines([4, 3, 4], RNG.normal(size=11), prior_tau=[2, 1e-9])
    alike = crossing([data["index_1"] - 1], data["X"], data["y"], prior_tau=[2])
    post, right = exact_slopes(data), exact_crossed(alike, tolerance=1e-9)
    assert post.log_evidence == pytest.approx(right.log_evidence, abs=1e-6)
    for name in ("theta", "beta[1]", "tau[1]", "sigma"):
        assert abs(post.mean(name) - right.mean(name)) / right.sd(name) < 1e-6
        assert post.sd(name) == pytest.approx(right.sd(name), rel=1e-6)
    own = right.mean("theta") + right.mean("u_1")
    assert post.mean("theta_1") == pytest.approx(own, rel=1e-6)
    assert post.sd("beta_1") == pytest.approx(np.full(3, right.sd("beta[1]")), rel=1e-6)


def test_another_unit_of_predictor_and_measurements_changes_no_answer():
    data = lines([4, 3, 4], RNG.normal(size=11))
    post = exact_slopes(data)
    kilo, milli = 1e3, 1e-3
    priors = {
        "prior_theta": [10 * kilo, 3 * kilo],
        "prior_beta": [[0, 2 * kilo / milli]],
        "prior_sigma": 2 * kilo,
    }
    other = (
        data | priors | {"prior_tau": [2 * kilo, kilo / milli], "X": data["X"] * milli, "y": data["y"] * kilo}
    )
    same = exact_slopes(other)
    assert same.log_evidence + 11 * np.log(kilo) == pytest.approx(post.log_evidence, abs=1e-6)
    for name, unit in [("theta", kilo), ("beta[1]", 1e6), ("tau[2]", 1e6), ("rho", 1), ("beta_1[2]", 1e6)]:
        assert same.mean(name) / unit == pytest.approx(post.mean(name), abs=1e-6 * post.sd(name))
        assert same.sd(name) / unit == pytest.approx(post.sd(name), rel=1e-6)
