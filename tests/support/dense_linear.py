"""What is known given the spreads if lines vary by group, or groups cross, by dense matrices.

Nothing is shared with `helpers`: y = D b + ε, where b holds θ, β and the effects of all groups, and the
covariance of y is D S D' + σ², with S that of b before the data.
"""

from decimal import Decimal, localcontext

import numpy as np


def parts(data):
    """What multiplies b, its mean, how b makes the coefficients that are asked for, and how many of each."""
    X = np.asarray(data["X"], float).reshape(len(data["y"]), -1)
    common = np.column_stack([np.ones(len(X)), X])
    if "J_1" in data:
        one = np.eye(data["J_1"])[np.asarray(data["index_1"]) - 1]
        members, sizes = [one, one * X[:, :1]], [data["J_1"]] * 2
    else:
        sizes = list(data["J"])
        members = [np.eye(n)[np.asarray(i) - 1] for n, i in zip(sizes, data["index"], strict=True)]
    D, K = np.hstack([common, *members]), common.shape[1]
    asked = np.eye(D.shape[1])
    if "J_1" in data:  # not effects, but the group's own intercept and slope
        asked[K : K + sizes[0], 0] = asked[K + sizes[0] :, 1] = 1
    before = np.vstack([data["prior_theta"], *([data["prior_beta"]] if K > 1 else [])]).astype(float)
    return D, np.concatenate([before[:, 0], np.zeros(sum(sizes))]), asked, before[:, 1], sizes


def covariance(sds, sizes, x, slopes):
    """Of b before the data, (G, K, K), from the spreads (d, G), the last of them σ."""
    K, J = len(sds), sizes[0]
    S = np.zeros((x.shape[1], K + sum(sizes), K + sum(sizes)), x.dtype)
    rows = np.arange(S.shape[1])
    variance = [np.repeat(tau[:, None] ** 2, n, axis=1) for tau, n in zip(x, sizes, strict=False)]
    S[:, rows, rows] = np.hstack([np.broadcast_to(sds**2, (x.shape[1], K)), *variance])
    if slopes:
        own = np.arange(K, K + J)
        S[:, own, own + J] = S[:, own + J, own] = (x[0] * x[1] * x[2])[:, None]
    return S


def whiten(C, B):
    """L⁻¹ B and log |L|, where C = L L': Cholesky's decomposition column by column, of floats or decimals."""
    C, B, log_det = C.copy(), B.copy(), 0.0
    for i in range(C.shape[-1]):
        pivot = np.sqrt(C[..., i, i])
        row = C[..., i, i + 1 :] / pivot[..., None]
        B[..., i, :] /= pivot[..., None]
        B[..., i + 1 :, :] -= row[..., None] * B[..., i : i + 1, :]
        C[..., i + 1 :, i + 1 :] -= row[..., None] * row[..., None, :]
        log_det = log_det + np.log(pivot.astype(float))
    return B, log_det


def as_decimals(x):
    return np.vectorize(Decimal, otypes=[object])(x)


def dense(data, x, cast=np.asarray):
    """Log density of y given the spreads (d, G), ρ as itself; means and variances (R, G) of coefficients."""
    *arrays, sizes = parts(data)
    arrays = [np.asarray(one, float) for one in (*arrays, x, data["y"])]
    D, before, asked, sds, x, y = map(cast, arrays)
    S = covariance(sds, sizes, x, "J_1" in data)
    with_y = D @ S
    C = with_y @ D.T + x[-1][:, None, None] ** 2 * cast(np.eye(len(y)))
    left = np.broadcast_to((y - D @ before)[:, None], (*C.shape[:2], 1))
    white, log_det = whiten(C, np.concatenate([left, with_y @ asked.T], axis=-1))
    z, gain = white[..., :1], white[..., 1:]
    log_p = -(z**2).sum((1, 2)).astype(float) / 2 - log_det - len(y) * np.log(2 * np.pi) / 2
    means = asked @ before + (gain * z).sum(1)
    variances = ((asked @ S) * asked).sum(2) - (gain**2).sum(1)
    return log_p, means.T.astype(float), variances.T.astype(float)


def to_fifty_digits(data, x):
    """`dense` with fifty digits, as a σ far below τ, or predictors far from 0, cost a matrix many."""
    with localcontext(prec=50):
        return dense(data, x, as_decimals)


def half_normal(x, scale):
    return np.log(2 / np.pi) / 2 - np.log(scale) - (x / scale) ** 2 / 2
