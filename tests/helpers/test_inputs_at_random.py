"""Whatever is put into the helpers that compute, they answer right or refuse it: against slow, obvious loops.

Strategies mix good and bad values of all types. A refusal has to be one of the documented errors, in one
line, and the loops have to refuse the same.
"""

import copy
import datetime
import decimal
import math
import os
import traceback
from fractions import Fraction
from numbers import Real

import numpy as np
import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.stats import halfnorm, multivariate_normal

import helpers
from helpers.priors import PRIOR  # given below, so that it is used whatever the measurements are

# The same examples on every machine and every day: a red test is a change in the code. To try others, more:
# FUZZ=5000 pytest -n 0 tests/helpers/test_inputs_at_random.py
MORE = int(os.environ.get("FUZZ", "0"))
fixed = settings(
    derandomize=not MORE,
    deadline=None,
    max_examples=MORE or 60,
    database=None,
    suppress_health_check=[*HealthCheck],
)


def answer(function, *args, **kwargs):
    """What a call gives, or its refusal, of a documented type and in one line; the input has to stay."""
    before = repr(args), repr(kwargs)
    try:
        out = function(*args, **kwargs)
    except (TypeError, ValueError) as error:
        out = error
    if is_refused(out):
        assert str(out).isprintable()
        last = traceback.extract_tb(out.__traceback__)[-1]
        assert "/helpers/" in last.filename, f"not the helpers' own words: {out!r}"
    assert (repr(args), repr(kwargs)) == before, "the input was changed"
    return out


def is_refused(out):
    return isinstance(out, Exception)


# Anything that may stand where a number should.
ODD = (
    st.sampled_from([None, math.nan, math.inf, -math.inf, "1", "x", "", b"1", 1.5, -1, 0, True, 10**400, 1j])
    | st.sampled_from([1e101, -1e300, datetime.date(2025, 1, 1), [1], (), {}, decimal.Decimal(1), 2**63])
    | st.sampled_from([Fraction(1, 2), np.float32(1.5), np.int8(1), np.True_, np.datetime64("2025"), 3.0])
)


def is_real(x):
    return isinstance(x, Real | np.bool_) and (isinstance(x, float) or abs(int(x)) < 10**308)


@st.composite
def dictionaries(draw):
    """Data of a small tree, in one case of two with something odd in it."""
    K = draw(st.integers(1, 3))
    data, above = {}, 1
    for k in range(1, K + 1):
        size = draw(st.integers(above, above + 2))
        if k > 1:
            data[f"index_{k - 1}"] = sorted([*range(1, above + 1), *draw(many(1, above, size - above))])
        data[f"J_{k}"] = above = size
    n = draw(st.integers(above, above + 3))
    data[f"index_{K}"] = draw(st.permutations([*range(1, above + 1), *draw(many(1, above, n - above))]))
    numbers = st.floats(-100, 100).map(lambda x: round(x, 3)) | st.integers(-5, 5)
    data["y"] = draw(st.lists(numbers, min_size=n, max_size=n))
    if draw(st.booleans()):
        name = draw(st.sampled_from([*data, "y", f"index_{K}"]))
        what = draw(st.sampled_from(["entry", "entry", "entry", "all", "gone", "longer", "node"]))
        if what == "all":
            data[name] = draw(ODD)
        elif what == "gone":
            del data[name]
        elif not isinstance(data[name], list):
            data[name] = draw(ODD | st.integers(-1, 5))
        elif what == "longer":
            data[name] = [*data[name], draw(ODD)]
        else:
            at = draw(st.integers(0, len(data[name]) - 1))
            data[name][at] = draw(ODD if what == "entry" else st.integers(0, 5))
    return data


def many(least, most, n):
    return st.lists(st.integers(least, most), min_size=n, max_size=n)


def is_whole(x, least):
    return isinstance(x, int | np.integer) and not isinstance(x, bool) and x >= least


def is_tree(data):
    """Whether a dictionary is one that stan_data could have given, other than for the order of rows."""
    if not all(name in data for name in ("J_1", "index_1", "y")):
        return False
    K = next(k for k in range(1, 5) if f"J_{k + 1}" not in data)
    y, sizes = data["y"], [data[f"J_{k}"] for k in range(1, K + 1)]
    if not isinstance(y, list) or not y or not all(is_whole(J, 1) for J in sizes):
        return False
    if not all(is_real(x) and math.isfinite(x) and abs(x) <= 1e100 for x in y):
        return False
    for k, below in zip(range(1, K + 1), [*sizes[1:], len(y)], strict=True):
        index = data.get(f"index_{k}")
        if not isinstance(index, list) or len(index) != below or not all(map(is_real, index)):
            return False
        if sizes[k - 1] > below or {float(i) for i in index} != set(range(1, sizes[k - 1] + 1)):
            return False
    groups = {}
    for leaf, x in zip(data[f"index_{K}"], y, strict=True):
        groups.setdefault(float(leaf), []).append(float(x))
    agree = all(len(set(group)) == 1 for group in groups.values())
    return not agree or len(groups) == len(y)


@fixed
@given(dictionaries(), st.booleans())
def test_tree_data_is_right_or_refuses(data, shared):
    out = answer(helpers.tree_data, data, PRIOR, shared_tau=shared)
    assert is_refused(out) != is_tree(data), out
    if is_refused(out):
        return
    K = out["K"]
    sizes = [data[f"J_{k}"] for k in range(1, K + 1)]
    assert f"J_{K + 1}" not in data
    assert out["J"].tolist() == sizes
    parent = [0] * sizes[0]
    for k in range(1, K):
        parent += [int(p) + sum(sizes[: k - 1]) for p in data[f"index_{k}"]]
    assert out["parent"].tolist() == parent
    for leaf in range(1, sizes[-1] + 1):
        cells = [float(x) for x, g in zip(data["y"], data[f"index_{K}"], strict=True) if g == leaf]
        mean = math.fsum(cells) / len(cells)
        assert out["n"][leaf - 1] == len(cells)
        most = max(map(abs, cells))
        assert math.isclose(out["y_mean"][leaf - 1], mean, rel_tol=1e-12, abs_tol=1e-15 * most)
        squares = math.fsum((x - mean) ** 2 for x in cells)
        assert math.isclose(out["y_squares"][leaf - 1], squares, rel_tol=1e-9, abs_tol=(1e-14 * most) ** 2)


def log_density(data, tau, sigma):
    """Of measurements and spreads, from the covariance of every two measurements."""
    K = max(k for k in range(1, 5) if f"J_{k}" in data)

    def path(row):
        nodes = [(K, int(data[f"index_{K}"][row]))]
        for k in range(K - 1, 0, -1):
            nodes.append((k, int(data[f"index_{k}"][nodes[-1][1] - 1])))
        return nodes

    paths = [path(row) for row in range(len(data["y"]))]
    C = [[9 + tau**2 * len(set(a) & set(b)) + sigma**2 * (a is b) for b in paths] for a in paths]
    y = np.array(data["y"], dtype=float) - 10
    return multivariate_normal(cov=C).logpdf(y) + halfnorm(scale=5).logpdf([tau, sigma]).sum()


@settings(fixed, max_examples=(MORE or 100) // 5)
@given(dictionaries(), st.floats(0.1, 5), st.floats(0.1, 5))
def test_exact_posterior_is_right_or_refuses(data, tau, sigma):
    out = answer(helpers.exact_posterior, data, PRIOR)
    if not is_tree(data):
        assert is_refused(out)
    elif is_refused(out):  # the tree is right: the measurements are not of the unit of the prior
        y = [abs(float(x)) for x in data["y"]]
        words = ("unit", "accurate to", "too much for memory") if max(y) > 1000 else ("are all equal",)
        assert any(word in str(out) for word in words), out
        assert max(y) > 1000 or len(set(data["y"])) == 1, out
    else:
        assert math.isclose(out.log_density(tau, sigma), log_density(data, tau, sigma), rel_tol=1e-8)
        assert math.isclose(out.cdf("tau", out.quantile("tau", 0.3)), 0.3, abs_tol=1e-6)


COUNT = st.integers(1, 3) | ODD


@fixed
@given(
    st.lists(st.integers(1, 3) | st.lists(COUNT, max_size=4) | COUNT, max_size=4),
    st.floats(-5, 5) | ODD,
    st.floats(0, 5) | ODD | st.lists(st.floats(0, 5) | ODD, max_size=3),
    st.just(0) | ODD,
    st.integers(0, 2**40) | ODD,
)
def test_simulate_is_right_or_refuses(children, theta, tau, sigma, seed):
    before = copy.deepcopy(children)
    out = answer(helpers.simulate, children, theta, tau, sigma, seed)
    assert repr(children) == repr(before)

    def number(x, least):
        odd = isinstance(x, bool | np.bool_) or not is_real(x) or not math.isfinite(x)
        return not odd and x >= least

    good = len(children) > 1 and number(theta, -math.inf) and number(sigma, 0)
    taus = list(tau) if isinstance(tau, list | tuple | dict) else [tau] * (len(children) - 1)
    good = good and len(taus) == len(children) - 1 and all(number(t, 0) for t in taus)
    paths = [()]
    for counts in children if good else []:
        n = list(counts) if isinstance(counts, list | tuple | dict) else [counts] * len(paths)
        if len(n) != len(paths) or not all(is_whole(m, 1) for m in n) or sum(map(int, n)) > 10**4:
            good = False
            break
        paths = [(*path, i + 1) for path, m in zip(paths, n, strict=True) for i in range(m)]
    seeds = isinstance(seed, list | tuple) and all(is_whole(part, 1) for part in seed)
    good = good and (seed is None or is_whole(seed, 0) or seeds)
    large = good and any(x > 1e307 for x in (abs(theta), sigma, *taus))
    assert is_refused(out) == (not good) or large, out
    if is_refused(out):
        return
    assert out.select(pl.exclude("y", "^theta_.*$")).rows() == [path[:-1] for path in paths]
    assert out["y"].is_finite().all()
    if not any(taus):
        assert out["theta_1"].unique().to_list() == [float(theta)]
    if sigma == 0:
        assert out["y"].to_list() == out[f"theta_{len(children) - 1}"].to_list()


@settings(fixed, max_examples=(MORE or 100) // 5)
@given(
    st.lists(st.none() | st.integers(-1, 6) | st.integers(0, 5), max_size=8),
    st.sampled_from([5, 5, 5, 5, 0, -1, 4, None, 10**6]),
    st.sampled_from([0.95, 0.5, 0.95, 0, 1, -1, math.nan, "0.95", None, True]),
)
def test_ranks_are_tested_right_or_refused(ranks, draws, probability):
    schema = {"parameter": pl.String, "rank": pl.Int64, "draws": pl.Int64}
    table = pl.DataFrame([("mu", rank, draws) for rank in ranks], schema=schema, orient="row")
    out = answer(helpers.rank_test, table, probability)
    known = [rank for rank in ranks if rank is not None]
    good = bool(known) and draws in (4, 5) and all(0 <= rank <= draws for rank in known)
    good = good and isinstance(probability, float) and 0 < probability < 1
    assert is_refused(out) != good, out
    if not good:
        return
    below = [sum(rank < r for rank in known) / len(known) for r in range(1, draws + 1)]
    differences = [share - r / (draws + 1) for r, share in enumerate(below, start=1)]
    ((name, n, largest, _),) = out.rows()
    assert (name, n) == ("mu", len(known))
    assert math.isclose(abs(largest), max(map(abs, differences)), abs_tol=1e-12)
    assert any(math.isclose(largest, x, abs_tol=1e-12) for x in differences)
