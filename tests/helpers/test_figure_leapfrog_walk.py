"""The path in the funnel is the leapfrog's, and its shades hold what they say."""

import math

import numpy as np
import pytest

from helpers import figures
from helpers.figures.leapfrog_walk import KICKS, leapfrog


def independent(step, tau, kick, noncentered):
    """Write the same path in another way: positions only, by Störmer and Verlet, slopes by hand."""

    def force(x, v):
        if noncentered:
            return np.array([-x, -v / 9])
        return np.array([-x / math.exp(2 * v), -v / 9 - 1 + x * x / math.exp(2 * v)])

    def density(x, v):
        log_p = -((v / 3) ** 2) / 2
        return log_p - x * x / 2 if noncentered else log_p - (x / math.exp(v)) ** 2 / 2 - v

    q = [np.array([1.0 if noncentered else tau, math.log(tau)])]
    q.append(q[0] + step * np.array(kick) + step**2 / 2 * force(*q[0]))
    error = [0.0]
    start = np.dot(kick, kick) / 2 - density(*q[0])
    while len(error) <= 60 and error[-1] <= 1000:
        try:
            q.append(2 * q[-1] - q[-2] + step**2 * force(*q[-1]))
            p = (q[-1] - q[-3]) / (2 * step)
            error.append(p @ p / 2 - density(*q[-2]) - start)
        except OverflowError:
            error.append(math.inf)
    return np.array(q[: len(error)]), np.array(error)


SETTINGS = [
    (-0.7, 0, 0),
    (-1.3, -1, 1),
    (-0.7, -1.3, 2),
    (0, 0.5, 3),
    (-1.7, -2, 4),
    (-0.5, -0.6, 5),
    (-1, 0.2, 6),
]


@pytest.mark.parametrize("noncentered", [False, True])
def test_path_is_the_leapfrogs(noncentered):
    ends = []
    for step, start, kick in SETTINGS:
        path = leapfrog(10**step, 10**start, KICKS[kick], noncentered)
        q, error = independent(10**step, 10**start, KICKS[kick], noncentered)
        assert path["move"] == list(range(len(error)))
        ends.append(len(error))
        reached = error <= 1000
        for column, expected in [("x", q[:, 0]), ("log_tau", q[:, 1]), ("error", error)]:
            found = np.array(path[column])[reached]
            np.testing.assert_allclose(found, expected[reached], rtol=1e-6, atol=1e-6)
    assert noncentered or (min(ends) < 5 and ends.count(61) >= 2), "some paths diverge, some do not"


def test_noncentered_path_never_diverges_wherever_the_controls_stand():
    # everything that the sliders offer, with every kick: a linear recursion, so all at once
    sliders = [figures.walk().select_one({"name": f"walk.{name}"}) for name in ("step", "start")]
    steps, starts = (np.arange(s.start, s.end + s.step / 2, s.step) for s in sliders)
    step, start, kick = np.ix_(10**steps, starts * math.log(10), range(len(KICKS)))
    q, p, k, worst = [np.ones(1), start], [KICKS[kick, 0], KICKS[kick, 1]], [1, 1 / 9], 0
    before = sum(k[i] * q[i] ** 2 + p[i] ** 2 for i in (0, 1)) / 2
    for _ in range(60):
        for i in (0, 1):
            p[i] = p[i] - step / 2 * k[i] * q[i]
            q[i] = q[i] + step * p[i]
            p[i] = p[i] - step / 2 * k[i] * q[i]
        worst = np.maximum(worst, abs(sum(k[i] * q[i] ** 2 + p[i] ** 2 for i in (0, 1)) / 2 - before))
    assert worst.max() < 10
    at = np.unravel_index(worst.argmax(), worst.shape)
    path = leapfrog(10 ** steps[at[0]], 10 ** starts[at[1]], KICKS[at[2]], noncentered=True)
    np.testing.assert_allclose(np.abs(path["error"]).max(), worst[at], rtol=1e-6)


@pytest.mark.parametrize("form", [0, 1], ids=["centered", "noncentered"])
def test_shades_hold_half_nine_tenths_and_all_but_a_hundredth(form):
    hill = figures.walk().select_one({"name": f"walk.hill.{form}"}).data_source.data
    # share of 200,000 independent draws inside; false alarm: five standard errors, 1 in 500,000
    v, z = np.random.default_rng(seed=form).normal(size=(2, 200_000)) * [[3], [1]]
    x = z if form else z * np.exp(v)
    for xs, ys, share in zip(hill["x"], hill["y"], (0.99, 0.9, 0.5), strict=True):
        edge = np.interp(v, ys[: len(ys) // 2], xs[: len(xs) // 2], left=0 if form else np.inf, right=0)
        # below what is drawn of the neck, -12 or lower, lie 3 in 100,000
        inside = np.mean(abs(x) < edge)
        assert abs(inside - share) < 5 * math.sqrt(share * (1 - share) / 200_000) + 3e-3 * (share < 0.99)
