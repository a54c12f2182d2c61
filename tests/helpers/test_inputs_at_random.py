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

import arviz
import numpy as np
import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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
    suppress_health_check=list(HealthCheck),
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
ODD = st.sampled_from(
    [
        *[None, math.nan, math.inf, -math.inf, "1", "x", "", b"1", 1.5, -1, 0, True, 10**400],
        *[
            1e101,
            -1e300,
            False,
            1j,
            datetime.date(2025, 1, 1),
            [1],
            (),
            {},
            decimal.Decimal(1),
            Fraction(1, 2),
        ],
        *[np.float32(1.5), np.int8(1), np.True_, np.datetime64("2025"), 2**63, 3.0],
    ]
)


def is_real(x):
    return isinstance(x, Real | np.bool_) and (isinstance(x, float) or abs(int(x)) < 10**308)


# --- stan_data ------------------------------------------------------------------------------------------

DAY, MOMENT = datetime.date(2025, 1, 1), datetime.datetime(2025, 1, 1)
ENTRIES = {
    pl.Int64: st.integers(-(2**63), 2**63 - 1) | st.integers(1, 3),
    pl.UInt64: st.integers(0, 2**64 - 1),
    pl.Int128: st.integers(-(2**126), 2**126) | st.integers(1, 3),
    pl.Int8: st.integers(-3, 3),
    pl.Float64: st.floats() | st.floats(-3, 3) | st.sampled_from([0.0, -0.0, 1.0]),
    pl.Float32: st.floats(-3, 3, width=32),
    pl.String: st.text(max_size=3) | st.sampled_from(["a", "b", "1"]),
    pl.Boolean: st.booleans(),
    pl.Date: st.integers(0, 3).map(lambda n: DAY + datetime.timedelta(n)),
    pl.Datetime: st.integers(0, 3).map(lambda n: MOMENT + datetime.timedelta(n)),
    pl.Duration: st.integers(0, 3).map(datetime.timedelta),
    pl.Binary: st.binary(max_size=2),
    pl.Categorical: st.sampled_from(["b", "a", "c"]),
    pl.Enum(["b", "a", "c"]): st.sampled_from(["b", "a", "c"]),
    pl.List(pl.Int64): st.just([1]),
    pl.Object: st.sampled_from([1, "a", None]),
    pl.Null: st.none(),
}
NUMERIC = [pl.Int64, pl.UInt64, pl.Int128, pl.Int8, pl.Float64, pl.Float32, pl.Boolean]
UNORDERED = [pl.List(pl.Int64), pl.Object]


@st.composite
def columns(draw, n, dtypes):
    dtype = draw(st.sampled_from(dtypes))
    some = draw(st.lists(ENTRIES[dtype], min_size=1, max_size=3))
    some += [None] if draw(st.integers(0, 9)) == 0 else []
    return dtype, draw(st.lists(st.sampled_from(some), min_size=n, max_size=n))


@st.composite
def frames(draw):
    n = draw(st.integers(0, 12) if draw(st.integers(0, 9)) == 0 else st.integers(1, 12))
    usual = [pl.Int64, pl.String, pl.Float64, pl.Categorical, pl.Enum(["b", "a", "c"])]
    given = {}
    for name in draw(st.sampled_from([["g"], ["g", "h"], ["g", "h", "i"]])):
        given[name] = draw(columns(n, usual if draw(st.integers(0, 3)) else list(ENTRIES)))
    for name in draw(st.sampled_from([["y"], ["y", "x"]])):
        given[name] = draw(columns(n, NUMERIC if draw(st.integers(0, 3)) else list(ENTRIES)))
    return given


def first_bad(given, levels, values):
    """Column and row of the first entry that cannot be used, by looking at one after the other."""
    for name in levels:
        dtype, column = given[name]
        for row, entry in enumerate(column):
            if dtype in UNORDERED or entry is None or (isinstance(entry, float) and math.isnan(entry)):
                return name, row
    for name in values:
        dtype, column = given[name]
        if dtype not in (*NUMERIC, pl.String, pl.Null):
            return name, 0
        for row, entry in enumerate(column):
            if dtype == pl.String:
                try:
                    good = math.isfinite(float(entry))
                except (TypeError, ValueError):
                    good = False
            else:
                whole = dtype not in (pl.Float64, pl.Float32)
                good = entry is not None and math.isfinite(entry) and (not whole or -(2**63) <= entry < 2**63)
            if not good:
                return name, row
        if dtype == pl.String:
            return name, None  # text that reads as numbers is still text
    return None


@fixed
@given(frames())
def test_stan_data_is_right_or_refuses_the_first_bad_entry(given):
    df = pl.DataFrame([pl.Series(name, x, dtype=dtype) for name, (dtype, x) in given.items()])
    levels, values = [n for n in given if n in "ghi"], [n for n in given if n in "yx"]
    out = answer(helpers.stan_data, df, levels, values, remark=False)
    if not df.height:
        assert "no rows" in str(out)
        return
    if bad := first_bad(given, levels, values):
        name, row = bad
        assert is_refused(out), f"{bad} was taken"
        assert f"column {name!r} is " in str(out)
        assert row is None or f" in row {row}:" in str(out) or "from row 0 on" in str(out)
        return
    data, labelled = out

    def rank(dtype, label):
        return ["b", "a", "c"].index(label) if dtype == pl.Enum(["b", "a", "c"]) else label

    paths = [tuple(rank(given[name][0], given[name][1][row]) for name in levels) for row in range(df.height)]
    order = sorted(range(df.height), key=paths.__getitem__)  # Python's keeps the order of equals
    nodes = [[()]]
    for k in range(1, len(levels) + 1):
        nodes.append(sorted({path[:k] for path in paths}))
        assert data[f"J_{k}"] == len(nodes[k])
        if k > 1:
            assert data[f"index_{k - 1}"].tolist() == [nodes[k - 1].index(n[:-1]) + 1 for n in nodes[k]]
        assert labelled[f"{levels[k - 1]}_stan"].to_list() == [
            nodes[k].index(paths[i][:k]) + 1 for i in order
        ]
    assert data[f"index_{len(levels)}"].tolist() == [nodes[-1].index(paths[i]) + 1 for i in order]
    for name in values:
        assert data[name].tolist() == [given[name][1][i] for i in order]
    assert data["N"] == df.height


# --- tree_data, exact_posterior -------------------------------------------------------------------------


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
            data[name][draw(st.integers(0, len(data[name]) - 1))] = draw(
                ODD if what == "entry" else st.integers(0, 5)
            )
    return data


def many(least, most, n):
    return st.lists(st.integers(least, most), min_size=n, max_size=n)


def is_tree(data):
    """Whether a dictionary is one that stan_data could have given, other than for the order of rows."""
    if not all(name in data for name in ("J_1", "index_1", "y")):
        return False
    K = 1
    while f"J_{K + 1}" in data:
        K += 1
    y = data["y"]
    if (
        not isinstance(y, list)
        or not y
        or not all(is_real(x) and math.isfinite(x) and abs(x) <= 1e100 for x in y)
    ):
        return False
    sizes = [data[f"J_{k}"] for k in range(1, K + 1)]
    if not all(isinstance(J, int | np.integer) and not isinstance(J, bool) and J >= 1 for J in sizes):
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
        node = int(data[f"index_{K}"][row])
        nodes = [(K, node)]
        for k in range(K - 1, 0, -1):
            node = int(data[f"index_{k}"][node - 1])
            nodes.append((k, node))
        return nodes

    y = [float(x) for x in data["y"]]
    paths = [path(row) for row in range(len(y))]
    C = [[9 + tau**2 * len(set(a) & set(b)) + sigma**2 * (a is b) for b in paths] for a in paths]
    L = [[0.0] * len(y) for _ in y]  # Cholesky's decomposition
    out = 2 * (math.log(2 / math.pi) / 2 - math.log(5)) - (tau / 5) ** 2 / 2 - (sigma / 5) ** 2 / 2
    z = []
    for i in range(len(y)):
        for j in range(i):
            L[i][j] = (C[i][j] - math.fsum(L[i][k] * L[j][k] for k in range(j))) / L[j][j]
        L[i][i] = math.sqrt(C[i][i] - math.fsum(x**2 for x in L[i][:i]))
        z.append((y[i] - 10 - math.fsum(L[i][k] * z[k] for k in range(i))) / L[i][i])
        out -= z[i] ** 2 / 2 + math.log(L[i][i]) + math.log(2 * math.pi) / 2
    return out


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


# --- simulate -------------------------------------------------------------------------------------------

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

    def count(x):
        return isinstance(x, int | np.integer) and not isinstance(x, bool) and x >= 1

    good = len(children) > 1 and number(theta, -math.inf) and number(sigma, 0)
    taus = list(tau) if isinstance(tau, list | tuple | dict) else [tau] * (len(children) - 1)
    good = good and len(taus) == len(children) - 1 and all(number(t, 0) for t in taus)
    paths = [()]
    for counts in children if good else []:
        n = list(counts) if isinstance(counts, list | tuple | dict) else [counts] * len(paths)
        if len(n) != len(paths) or not all(map(count, n)) or sum(map(int, n)) > 10**4:
            good = False
            break
        paths = [(*path, i + 1) for path, m in zip(paths, n, strict=True) for i in range(m)]
    whole = isinstance(seed, int | np.integer) and not isinstance(seed, bool) and seed >= 0
    good = good and (whole or seed is None or (isinstance(seed, list | tuple) and all(map(count, seed))))
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


# --- draws, unflatten, rank_test ------------------------------------------------------------------------

SHAPES = {"tau": (), "theta_1": (3,), "phi": (2, 2)}


@fixed
@given(
    st.sampled_from([*SHAPES, "psi"]) | ODD,
    st.none() | st.lists(st.integers(-1, 4), max_size=3) | ODD,
    st.integers(1, 3),
    st.integers(1, 4),
    st.booleans(),
)
def test_draws_are_the_right_ones_or_refused(variable, index, chains, n, turned):
    rng = np.random.default_rng(1)
    posterior = {name: rng.normal(size=(chains, n, *shape)) for name, shape in SHAPES.items()}
    tree = arviz.from_dict({"posterior": posterior}, index_origin=1)
    if turned:
        tree = tree.map_over_datasets(
            lambda group: group.transpose(..., "draw", "chain", missing_dims="ignore")
        )
    index = None if isinstance(index, str) and not index else index
    name = variable if index is None else f"{variable}{index}"
    out = answer(helpers.draws, tree, name)
    entries = index if isinstance(index, list) else []
    shape = SHAPES.get(variable) if isinstance(variable, str) else None
    good = shape is not None and (index is None or (isinstance(index, list) and index))
    good = good and len(entries) == len(shape)
    good = good and all(type(i) is int and 1 <= i <= size for i, size in zip(entries, shape, strict=True))
    assert is_refused(out) != bool(good), out
    if good:
        expected = []
        for chain in range(chains):
            for draw in range(n):
                value = posterior[variable][chain][draw]
                for i in entries:
                    value = value[i - 1]
                expected.append(value)
        assert out.tolist() == expected


@fixed
@given(
    st.lists(st.integers(1, 3), min_size=1, max_size=3) | ODD,
    st.booleans() | ODD,
    st.integers(1, 3),
    st.none() | st.integers(1, 9),
)
def test_unflatten_names_every_node_or_refuses(J, shared, taus, nodes):
    rng = np.random.default_rng(1)
    right = nodes is None and isinstance(J, list) and all(type(size) is int for size in J)
    posterior = {"theta": rng.normal(size=(2, 3)), "tau": rng.normal(size=(2, 3, taus))}
    written = sum(J) if right else nodes
    if written:
        posterior["node"] = rng.normal(size=(2, 3, written))
    samples = arviz.from_dict({"posterior": posterior}, index_origin=1)
    before = samples.copy(deep=True)
    out = answer(helpers.unflatten, samples, {"J": J, "shared_tau": shared})
    assert samples.identical(before)
    sizes = list(J) if isinstance(J, list | tuple) else []
    good = bool(sizes) and all(isinstance(n, int) and not isinstance(n, bool) and n >= 1 for n in sizes)
    good = good and (
        isinstance(shared, bool | np.bool_) or (isinstance(shared, int | np.integer) and shared in (0, 1))
    )
    good = good and taus == (1 if shared else len(sizes)) and written in (None, sum(sizes))
    assert is_refused(out) != good, out
    if not good:
        return
    found = out["posterior"]
    assert found["tau"].shape == ((2, 3) if shared else (2, 3, taus))
    assert "node" not in found
    if written:
        for chain in range(2):
            for draw in range(3):
                node = 0
                for k, size in enumerate(sizes, start=1):
                    for i in range(size):
                        assert (
                            found[f"theta_{k}"].values[chain][draw][i] == posterior["node"][chain][draw][node]
                        )
                        node += 1


@settings(fixed, max_examples=(MORE or 100) // 5)
@given(
    st.lists(st.none() | st.integers(-1, 6) | st.integers(0, 5), max_size=8),
    st.sampled_from([5, 5, 5, 5, 0, -1, 4, None, 10**6]),
    st.sampled_from([0.95, 0.5, 0.95, 0, 1, -1, math.nan, "0.95", None, True]),
)
def test_ranks_are_tested_right_or_refused(ranks, draws, probability):
    table = pl.DataFrame(
        {"parameter": ["mu"] * len(ranks), "rank": ranks, "draws": [draws] * len(ranks)},
        schema={"parameter": pl.String, "rank": pl.Int64, "draws": pl.Int64},
    )
    out = answer(helpers.rank_test, table, probability)
    known = [rank for rank in ranks if rank is not None]
    good = bool(known) and draws in (4, 5) and all(0 <= rank <= draws for rank in known)
    good = good and isinstance(probability, float) and 0 < probability < 1
    assert is_refused(out) != good, out
    if not good:
        return
    differences = []
    for r in range(1, draws + 1):
        below = sum(rank < r for rank in known)
        differences.append(below / len(known) - r / (draws + 1))
    ((name, n, largest, _),) = out.rows()
    assert (name, n) == ("mu", len(known))
    assert math.isclose(abs(largest), max(map(abs, differences)), abs_tol=1e-12)
    assert any(math.isclose(largest, x, abs_tol=1e-12) for x in differences)
