"""Random input, good and bad: what a slow and obvious reference gives, or one of the helpers' own errors.

``EXAMPLES=5000 SEED=1 pytest tests/test_inputs_random.py`` tries more, other ones.
"""

import copy
import datetime
import math
import os
import statistics

import numpy as np
import polars as pl
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from test_inputs import faults

import helpers

EXAMPLES = int(os.environ.get("EXAMPLES", 100))
EVERY = [HealthCheck.too_slow, HealthCheck.filter_too_much]
some = settings(
    derandomize="SEED" not in os.environ,
    deadline=None,
    max_examples=EXAMPLES,
    suppress_health_check=EVERY,
    database=None,
)
seeded = seed(int(os.environ.get("SEED", 0)))
FLOATS = st.one_of(st.floats(-1e6, 1e6), st.sampled_from([math.nan, math.inf, -math.inf, 0.0, -0.0, 1e300]))
LABELS = [
    st.text(max_size=2),
    st.integers(-3, 3),
    st.integers(-(2**63), 2**63 - 1),
    st.sampled_from([0.5, 1.5, -0.0, 0.0, math.nan]),
    st.booleans(),
    st.dates(),
    st.datetimes(),
    st.sampled_from([b"a", b"b"]),
    st.lists(st.integers(0, 1), max_size=2),
]
VALUES = [
    FLOATS,
    st.integers(-5, 5),
    st.integers(0, 2**64 - 1),
    st.booleans(),
    st.text(max_size=2),
    st.dates(),
    st.just("1.5"),
]
NAMES = st.sampled_from(["y", "x", "day", "batch", "N", "J_1", "real", "x__", "μ", "day_stan", ""])


def outcome(function, *args, **kwargs):
    """What a call gives, or None if it is refused as it should be; what it is given has to stay as it was."""
    before = copy.deepcopy((args, kwargs))
    try:
        return function(*args, **kwargs)
    except Exception as error:
        found = faults(error)
    finally:
        for x, then in zip([*args, *kwargs.values()], [*before[0], *before[1].values()], strict=True):
            assert x.equals(then) if isinstance(x, pl.DataFrame) else repr(x) == repr(then)
    assert found == []
    return None


@st.composite
def columns(draw, kinds, rows):
    """Draw a column: one kind of entries, of few values, perhaps with nulls, perhaps mixed or categorical."""
    kind = draw(st.sampled_from(kinds))
    few = draw(st.lists(kind, min_size=1, max_size=4))
    if draw(st.integers(0, 9)) == 0:
        few.append(None)
    entries = draw(st.lists(st.sampled_from(few), min_size=rows, max_size=rows))
    try:
        column = pl.Series(entries, strict=True)
    except (TypeError, OverflowError, pl.exceptions.PolarsError):
        column = pl.Series(entries, dtype=pl.Object)
    if column.dtype == pl.String:
        as_text = draw(st.integers(0, 2))
        column = column.cast(pl.Categorical) if as_text == 1 else column
        if as_text == 2 and column.drop_nulls().len():
            column = column.cast(pl.Enum(column.drop_nulls().unique().sort(descending=True)))
    return column


@st.composite
def frames(draw):
    """Draw a frame and the names that are asked of it, not all of which need make sense."""
    rows = draw(st.one_of(st.integers(0, 2), st.integers(1, 12)))
    names = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    levels = draw(
        st.lists(st.sampled_from([*names, "missing"] if draw(st.integers(0, 5)) == 0 else names), max_size=3)
    )
    values = draw(st.lists(st.sampled_from(names), max_size=2))
    if draw(st.booleans()):  # most often, what makes sense
        levels, values = names[:-1] or names, names[-1:]
    data = {name: draw(columns(LABELS if name in levels else VALUES, rows)) for name in names}
    return pl.DataFrame(data), levels, values


def sorts_as(column):
    """For every label its place in the order of the labels, found by comparing."""
    if isinstance(column.dtype, pl.Enum):
        order = list(column.dtype.categories)
        return {label: order.index(label) for label in column}
    labels = [str(label) if column.dtype == pl.Categorical else label for label in column]
    return {label: sum(other < label for other in set(labels)) for label in labels}


@seeded
@some
@given(frames())
def test_stan_data_is_right_or_refused(case):
    df, levels, values = case
    found = outcome(helpers.stan_data, df, levels, values)
    # what may be refused is said here a second time, in other words
    good = df.height > 0 and levels and values and len({*levels, *values}) == len([*levels, *values])
    good = good and {*levels, *values} <= {*df.columns}
    good = good and not {*levels, *values} & {f"{level}_stan" for level in levels}
    good = good and {*values} <= {"y", "x", "day", "batch", "day_stan"}  # names that Stan takes
    if good:
        for level in levels:
            entries, kind = df[level].to_list(), df[level].dtype
            good = good and kind != pl.Object and not kind.is_nested()
            good = good and all(
                x is not None and not (isinstance(x, float) and math.isnan(x)) for x in entries
            )
        for value in values:
            entries, kind = df[value].to_list(), df[value].dtype
            good = good and (kind.is_numeric() or kind == pl.Boolean)
            good = good and all(x is not None and math.isfinite(x) for x in entries)
            good = good and not (kind.is_integer() and max(entries, default=0) >= 2**63)
    assert (found is not None) == bool(good), (df, levels, values)
    if not good:
        return
    data, labelled = found
    rank = {level: sorts_as(df[level]) for level in levels}
    rows = sorted(df.rows(named=True), key=lambda row: [rank[level][row[level]] for level in levels])
    paths = [tuple(rank[level][row[level]] for level in levels) for row in rows]
    nodes = [sorted({path[: k + 1] for path in paths}) for k in range(len(levels))]
    assert data["N"] == labelled.height == len(rows)
    for k, here in enumerate(nodes, start=1):
        below = nodes[k] if k < len(nodes) else paths
        assert data[f"J_{k}"] == len(here)
        assert data[f"index_{k}"].tolist() == [here.index(path[:k]) + 1 for path in below]
        assert labelled[f"{levels[k - 1]}_stan"].to_list() == [here.index(path[:k]) + 1 for path in paths]
    for value in values:
        assert data[value].tolist() == [row[value] for row in rows]


SMALL = st.one_of(st.integers(-1, 3), st.sampled_from([1.5, True, "2", None, math.nan]))
GOOD = st.integers(1, 3)


@seeded
@some
@given(
    st.lists(st.one_of(GOOD, st.lists(GOOD, max_size=4), SMALL, st.lists(SMALL, max_size=3)), max_size=4),
    FLOATS,
    st.one_of(FLOATS, st.lists(st.floats(0, 5), max_size=4), st.sampled_from([-1, 0, True, None])),
    st.one_of(st.floats(0, 5), FLOATS),
    st.one_of(st.integers(-1, 2**70), st.sampled_from([1.0, True, "1", None])),
    st.one_of(st.none(), st.lists(st.sampled_from(["a", "b", "c", "y", 1]), max_size=4)),
)
def test_simulate_is_right_or_refused(children, theta, tau, sigma, seed, levels):
    df = outcome(helpers.simulate, children, theta, tau, sigma, seed, levels)

    def whole(x):
        return isinstance(x, int) and not isinstance(x, bool) and x >= 1

    def number(x, least=-math.inf):
        return isinstance(x, int | float) and not isinstance(x, bool) and math.isfinite(x) and x >= least

    K, parents, shape = len(children) - 1, 1, []
    for n in children:
        n = n if isinstance(n, list) else [n] * parents
        if len(n) != parents or not all(map(whole, n)):
            shape = None
            break
        shape.append(n)
        parents = sum(n)
    names = [f"level_{k + 1}" for k in range(K)] if levels is None else levels
    taus = tau if isinstance(tau, list) else [tau] * K
    good = K >= 1 and shape is not None and len(taus) == K and all(number(x, 0) for x in taus)
    good = good and number(theta) and number(sigma, 0) and len(names) == K
    good = good and len({*names, "y"}) == K + 1 and all(isinstance(name, str) for name in names)
    good = good and (seed is None or (isinstance(seed, int) and not isinstance(seed, bool) and seed >= 0))
    assert (df is not None) == bool(good)
    if not good:
        return
    paths = [()]
    for n in shape:
        paths = [(*path, i + 1) for path, m in zip(paths, n, strict=True) for i in range(m)]
    assert df.select(names).rows() == [path[:-1] for path in paths]
    assert df.columns == [*names, "y", *(f"theta_{k + 1}" for k in range(K))]
    if seed is not None:
        assert df.equals(helpers.simulate(children, theta, tau, sigma, seed, levels))
    for k in range(K):  # one mean a node, and all alike where nothing spreads
        means = {path[: k + 1]: mean for path, mean in zip(paths, df[f"theta_{k + 1}"], strict=True)}
        assert all(means[path[: k + 1]] == x for path, x in zip(paths, df[f"theta_{k + 1}"], strict=True))
        if not any(taus[: k + 1]):
            assert set(means.values()) == {float(theta)}


@st.composite
def dictionaries(draw):
    """Draw what `stan_data` might have given for one or two levels, perhaps with something spoilt."""
    children = [draw(st.integers(1, 3))]
    for _ in range(draw(st.integers(1, 2))):
        children.append(draw(st.lists(GOOD, min_size=sum_of(children[-1]), max_size=sum_of(children[-1]))))
    df = helpers.simulate(children, 10, 1, 1, seed=draw(st.integers(0, 99)))
    levels = [name for name in df.columns if name.startswith("level")]
    data, _ = helpers.stan_data(df, levels, "y")
    if draw(st.booleans()):
        item = draw(st.sampled_from(sorted(data)))
        spoilt = draw(
            st.sampled_from([None, "a", [], -1, 0, 10**6, 1.5, [1, 2], [math.nan], "drop", "entry"])
        )
        if spoilt == "drop":
            del data[item]
        elif spoilt == "entry" and isinstance(data[item], np.ndarray):
            data[item] = data[item].astype(float)
            data[item][0] = draw(st.sampled_from([0, -1, 1.5, 99, math.nan, math.inf]))
        else:
            data[item] = spoilt
    return data


def sum_of(n):
    return n if isinstance(n, int) else sum(n)


def is_sound(data):
    """Say whether a dictionary is what its definition says."""
    try:
        K = next(k for k in range(1, 9) if f"J_{k + 1}" not in data)
        sizes = [data[f"J_{k + 1}"] for k in range(K)]
        y = list(data["y"])
        if isinstance(data["y"], str) or not all(type(n) in (int, np.int64) for n in sizes):
            return False
        for k, below in enumerate([*sizes[1:], len(y)], start=1):
            index = list(data[f"index_{k}"])
            if len(index) != below or {*index} != {*range(1, sizes[k - 1] + 1)}:
                return False
        return bool(y) and all(math.isfinite(x) for x in y)
    except (KeyError, TypeError, StopIteration):
        return False


@seeded
@some
@given(dictionaries(), st.one_of(st.floats(0, 1), FLOATS))
def test_tree_data_is_right_or_refused(data, weight):
    flat = outcome(helpers.tree_data, data, None, "y", True, weight)
    # equal measurements in every group have no posterior; random ones with two in a group are never equal
    good = is_sound(data) and 0 <= weight <= 1 and not no_posterior(data)
    assert (flat is not None) == good, (data, weight)
    if not good:
        return
    K = flat["K"]
    sizes = [data[f"J_{k + 1}"] for k in range(K)]
    assert flat["J"].tolist() == sizes
    above, parent = [0, *np.cumsum(sizes).tolist()], [0] * sizes[0]
    for k in range(1, K):
        parent += [above[k - 1] + int(i) for i in data[f"index_{k}"]]
    assert flat["parent"].tolist() == parent
    for leaf in range(1, sizes[-1] + 1):
        own = [float(y) for y, i in zip(data["y"], data[f"index_{K}"], strict=True) if i == leaf]
        mean = statistics.fmean(own)
        assert flat["n"][leaf - 1] == len(own)
        assert flat["y_mean"][leaf - 1] == pytest.approx(mean)
        assert flat["y_squares"][leaf - 1] == pytest.approx(sum((y - mean) ** 2 for y in own), abs=1e-9)
    assert flat["weight"].tolist() == [weight] * sum(sizes)


def no_posterior(data):
    groups = {}
    K = next(k for k in range(1, 9) if f"J_{k + 1}" not in data)
    for y, i in zip(data["y"], data[f"index_{K}"], strict=True):
        groups.setdefault(int(i), []).append(y)
    return any(len(own) > 1 for own in groups.values()) and all(len({*own}) == 1 for own in groups.values())


@seeded
@settings(some, max_examples=max(10, EXAMPLES // 10))
@given(
    dictionaries(), st.one_of(st.sampled_from([0.5, 2, 5]), FLOATS, st.sampled_from([-1, True, "5", None]))
)
def test_exact_posterior_is_right_or_refused(data, tau):
    exact = outcome(helpers.exact_posterior, data, {"tau": tau, "sigma": 1})
    good = is_sound(data) and not no_posterior(data)
    good = good and isinstance(tau, int | float) and not isinstance(tau, bool) and 0 < tau < math.inf
    if not good:
        assert exact is None
        return
    if exact is None or not 0.1 <= tau <= 10:  # some integrals do not reach the tolerance, and say so
        return
    # the mean of θ by a sum over a fine grid, with the covariance of all measurements written out
    K = next(k for k in range(1, 9) if f"J_{k + 1}" not in data)
    y = np.asarray(data["y"], dtype=float)
    node = np.asarray(data[f"index_{K}"]).astype(int)
    shares = np.zeros((len(y), len(y)))
    for k in range(K, 0, -1):
        shares += node[:, None] == node[None, :]
        node = np.asarray(data[f"index_{k - 1}"]).astype(int)[node - 1] if k > 1 else node
    t, s = (np.exp(np.linspace(-7, np.log(12 * scale), 60)) for scale in (tau, 1))
    log_p, means = [], []
    for a in t:
        for b in s:
            cover = a**2 * shares + b**2 * np.eye(len(y))
            inverse = np.linalg.inv(cover)
            precision = inverse.sum() + 1 / 9
            mean = (inverse.sum(axis=0) @ y + 10 / 9) / precision
            r = y - 10
            quadratic = r @ inverse @ r - (inverse.sum(axis=0) @ r) ** 2 / precision
            prior = np.log(a * b) - (a / tau) ** 2 / 2 - b**2 / 2
            log_p.append(prior - (np.linalg.slogdet(cover)[1] + np.log(precision) + quadratic) / 2)
            means.append(mean)
    weight = np.exp(np.array(log_p) - max(log_p))
    assert exact.mean("theta") == pytest.approx(float(weight @ means / weight.sum()), abs=0.02)


@seeded
@some
@given(
    st.lists(st.one_of(st.integers(0, 9), st.none()), min_size=1, max_size=30),
    st.one_of(st.floats(0, 1), FLOATS),
)
def test_rank_test_is_right_or_refused(ranks, probability):
    table = pl.DataFrame(
        {"parameter": ["tau"] * len(ranks), "rank": ranks, "draws": [9] * len(ranks)},
        schema_overrides={"rank": pl.Int64},
    )
    found = outcome(helpers.rank_test, table, probability)
    there = [rank for rank in ranks if rank is not None]
    good = bool(there) and 0 < probability < 1
    assert (found is not None) == good
    if good:
        steps = [sum(rank < m for rank in there) / len(there) - m / 10 for m in range(1, 10)]
        assert found["replications"].item() == len(there)
        assert abs(found["largest"].item()) == pytest.approx(max(map(abs, steps)))


@seeded
@some
@given(st.text(alphabet="thetausigm_[],123 0-", max_size=12))
def test_draws_is_right_or_refused(name):
    arrays = {"tau": np.arange(6.0).reshape(2, 3), "theta_1": np.arange(24.0).reshape(2, 3, 2, 2)}

    group = xr.Dataset(
        {
            "tau": (("chain", "draw"), arrays["tau"]),
            "theta_1": (("chain", "draw", "a", "b"), arrays["theta_1"]),
        }
    )
    samples = xr.DataTree.from_dict({"posterior": group})
    there = {"tau": arrays["tau"]}
    there |= {f"theta_1[{i},{j}]": arrays["theta_1"][:, :, i - 1, j - 1] for i in (1, 2) for j in (1, 2)}
    found = outcome(helpers.draws, samples, name)
    plain = name.replace(", ", ",") if "[" in name else name
    if plain in there:
        assert found.tolist() == there[plain].ravel().tolist()
    else:
        assert found is None or found.tolist() in [x.ravel().tolist() for x in there.values()]
    for known, expected in there.items():
        assert helpers.draws(samples, known).tolist() == expected.ravel().tolist()


def test_dates_are_labels_and_no_values():
    df = pl.DataFrame({"day": [datetime.date(2026, 1, 2), datetime.date(2026, 1, 1)], "y": [1.0, 2.0]})
    assert helpers.stan_data(df, "day", "y")[0]["y"].tolist() == [2.0, 1.0]
