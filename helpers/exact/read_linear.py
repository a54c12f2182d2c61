"""What `exact_slopes` and `exact_crossed` read from a dictionary, and what they refuse."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from helpers.inputs import LARGE, as_floats, as_list, describe_type, is_whole, short_repr


@dataclass(frozen=True)
class Linear:
    """Measurements, predictors, groups of each factor, and priors.

    Attributes
    ----------
    y : array, shape (N,)
        Measurements less what least squares explain by intercept and predictors, so that no digit is lost.
    X : array, shape (N, P)
    groups : list of arrays, shape (N,)
        For each factor the group of every measurement, from 0.
    sizes : list of int
        Groups of each factor.
    largest
        Largest measurement, before this.
    shift : array, shape (1 + P,)
        Intercept and slopes that were taken from the measurements.
    W : array, shape (N, 1 + P)
        What multiplies coefficients f that are independent before the data, with sd 1; θ and β are
        ``shift + turn @ f``. Only the first column is far from 0, so that no digit is lost.
    turn : array, shape (1 + P, 1 + P)
    before : array, shape (1 + P,)
        Means of f before the data.
    taus, rho, sigma
        Scales of half-normals; η of the LKJ prior.
    """

    y: np.ndarray
    X: np.ndarray
    groups: list[np.ndarray]
    sizes: list[int]
    largest: float
    shift: np.ndarray
    W: np.ndarray
    turn: np.ndarray
    before: np.ndarray
    taus: np.ndarray
    rho: float
    sigma: float

    @property
    def N(self) -> int:
        """Number of measurements."""
        return len(self.y)

    @property
    def names(self) -> list[str]:
        """Names of the coefficients that all groups share."""
        return ["theta", *(f"beta[{p + 1}]" for p in range(self.X.shape[1]))]


def read_slopes(data: Mapping) -> Linear:
    """Read the dictionary of ``slopes.stan``; errors as of `exact_slopes`."""
    _check(
        data,
        ["y", "J_1", "index_1", "X", "prior_theta", "prior_beta", "prior_tau", "prior_rho", "prior_sigma"],
    )
    if "J_2" in data:
        raise ValueError("the data have two levels: slopes vary by one, so give stan_data one level")
    rho = _numbers(data, "prior_rho", (), 0)
    X = _numbers(data, "X", (None, None))
    if not X.shape[1]:
        raise ValueError(
            "'X' has no columns: give stan_data predictors, the first with the slope that varies"
        )
    groups = [_groups("index_1", data["index_1"], data["J_1"])]
    return _read(data, X, groups, [int(data["J_1"])], 2, float(rho))


def read_crossed(data: Mapping) -> Linear:
    """Read the dictionary of ``crossed.stan``; errors as of `exact_crossed`."""
    _check(data, ["y", "J", "index", "prior_theta", "prior_beta", "prior_tau", "prior_sigma"])
    sizes, index = as_list(data["J"]), as_list(data["index"])
    if not sizes or index is None or len(index) != len(sizes):
        raise ValueError("'J' and 'index' differ in length: give a size and a row of groups for each factor")
    groups = [
        _groups(f"index[{f}]", row, size) for f, (row, size) in enumerate(zip(index, sizes, strict=True), 1)
    ]
    some = as_floats(data.get("X", []), "'X'").size
    X = _numbers(data, "X", (None, None)) if some else np.empty((len(groups[0]), 0))
    return _read(data, X, groups, [int(size) for size in sizes], len(sizes), 1.0)


def _read(data: Mapping, X: np.ndarray, groups: list, sizes: list[int], taus: int, rho: float) -> Linear:
    y = _numbers(data, "y", (None,))
    N, P = len(y), X.shape[1]
    lengths = {"'X'": len(X)} | {f"'index' {f}": len(group) for f, group in enumerate(groups, 1)}
    for name, length in lengths.items():
        if length != N:
            raise ValueError(f"{name} has {length} rows and 'y' has {N}: give one for each measurement")
    W = np.column_stack([np.ones(N), X])
    if not np.isfinite(W).all() or np.abs(W).max() > LARGE:
        raise ValueError("'X' has numbers that are not finite or too large: use another unit")
    theta = _numbers(data, "prior_theta", (2,))
    beta = _numbers(data, "prior_beta", (P, 2)) if P else np.empty((0, 2))
    before = np.vstack([theta, beta])
    if (bad := before[:, 1] <= 0).any():
        name = "prior_beta" if bad.argmax() else "prior_theta"
        raise ValueError(f"{name!r} has the sd {before[bad.argmax(), 1]:g}: give a mean, and an sd above 0")
    shift = np.linalg.lstsq(W, y, rcond=None)[0]
    # intercept and slopes of predictors about their mean, per sd of them, are `own` f, with a triangle for it
    centre, scale = X.mean(axis=0), np.where(np.ptp(X, axis=0) > 0, np.std(X, axis=0), 1)
    to_own = np.diag([1, *scale])
    to_own[0, 1:] = centre
    Q, R = np.linalg.qr((to_own * before[:, 1]).T)
    return Linear(
        y - W @ shift,
        X,
        groups,
        sizes,
        float(np.abs(y).max()),
        shift,
        np.column_stack([np.ones(N), (X - centre) / scale]) @ R.T,
        before[:, 1, None] * Q,
        Q.T @ ((before[:, 0] - shift) / before[:, 1]),
        _numbers(data, "prior_tau", (taus,), 0),
        rho,
        float(_numbers(data, "prior_sigma", (), 0)),
    )


def _check(data, names: list[str]) -> None:
    if not isinstance(data, Mapping):
        raise TypeError(f"data is {describe_type(data)}: give the dictionary of helpers.stan_data")
    missing = [name for name in names if name not in data]
    if missing:
        priors = [name for name in names if name.startswith("prior_")]
        own = "see helpers.stan_data"
        if missing[0] in priors:
            own = f"give the priors that the program reads, data | {{'{missing[0]}': …}}, in the data's unit"
        raise ValueError(f"no {', '.join(map(repr, missing))} in the data: {own}")


def _numbers(data: Mapping, name: str, shape: tuple, above: float | None = None) -> np.ndarray:
    """Read numbers of a shape, in which None is any length; all above a number, if it is given."""
    x = as_floats(data[name], repr(name))
    if x.ndim != len(shape) or any(n not in (None, m) for n, m in zip(shape, x.shape, strict=True)):
        wanted = "one number" if not shape else f"shape {shape}".replace("None", "any")
        raise ValueError(f"{name!r} has shape {x.shape}: give {wanted}")
    if (bad := ~(np.isfinite(x) & (np.abs(x) < LARGE))).any():
        raise ValueError(
            f"{name!r} is {x[bad][0]} at position {bad.ravel().argmax() + 1}: give finite numbers"
        )
    if above is not None and (bad := x <= above).any():
        raise ValueError(f"{name!r} is {x[bad][0]:g}: give numbers above {above:g}")
    return x


def _groups(name: str, given, size) -> np.ndarray:
    """Read the groups of one factor, and count them from 0."""
    if not is_whole(size, 1):
        raise ValueError(f"{name!r} has {short_repr(size)} groups: give a whole number, 1 or more")
    index = as_floats(given, repr(name))
    if size > index.size:
        raise ValueError(
            f"{name!r} has {short_repr(size)} groups and {index.size} measurements: give one to each"
        )
    bad = ~((index >= 1) & (index <= size) & (index == np.floor(index)))
    if index.ndim != 1 or bad.any():
        what = (
            f"is {index[bad][0]:g} at position {bad.argmax() + 1}"
            if bad.any()
            else f"has shape {index.shape}"
        )
        raise ValueError(f"{name!r} {what}: give a group from 1 to {size} for each measurement")
    groups = index.astype(np.int64) - 1
    if (empty := np.bincount(groups, minlength=size) == 0).any():
        raise ValueError(f"group {empty.argmax() + 1} of {name!r} has no measurement: leave it out")
    return groups
