"""Trees, and what is known of them given the spreads, by dense matrices: nothing is shared with `helpers`."""

import numpy as np
import scipy.stats


def tree(counts, y) -> dict:
    """Data of a tree: numbers of children, level by level, of the population and of every node."""
    J = [len(n) for n in counts[1:]]
    index = [np.repeat(np.arange(len(n)), n) + 1 for n in counts[1:]]
    data = {"N": len(y), "y": np.asarray(y, dtype=float)}
    data |= {f"J_{k}": n for k, n in enumerate(J, 1)} | {f"index_{k}": i for k, i in enumerate(index, 1)}
    return data


def half_normal(x, scale):
    return scipy.stats.halfnorm(scale=scale).logpdf(x)


def covariances(data, tau, sigma, theta_sd):
    """Covariance of y, of y with all nodes, and the variances of these, given the spreads.

    `tau` is (…, K), `sigma` (…) or, for known errors, (N,). The first is in extended precision where there is
    one matrix: σ² far below τ² is lost when the two are added.
    """
    K = sum(name.startswith("J_") for name in data)
    sizes = [data[f"J_{k}"] for k in range(1, K + 1)]
    # which nodes lie on the path from θ to a node: a row for θ and each node, a column for each node
    paths, above = [np.zeros((1, sum(sizes)))], np.zeros(sizes[0], int)
    for k, size in enumerate(sizes):
        rows = paths[-1][above].copy()
        rows[np.arange(size), sum(sizes[:k]) + np.arange(size)] = 1
        paths.append(rows)
        above = np.asarray(data[f"index_{k + 1}"]) - 1
    leaves, paths = paths[-1][above], np.vstack(paths)
    variance = np.repeat(np.asarray(tau, float) ** 2, sizes, axis=-1)[..., None, :]
    sigma = np.asarray(sigma, float)
    known = sigma.shape == np.shape(data["y"])
    noise = np.diag(sigma**2) if known else sigma[..., None, None] ** 2 * np.eye(len(leaves))
    wide = np.longdouble if variance.ndim == 2 else float
    C = theta_sd**2 + (leaves * variance.astype(wide)) @ leaves.T + noise
    cross = theta_sd**2 + (paths * variance) @ leaves.T
    return C, cross, theta_sd**2 + np.diagonal((paths * variance) @ paths.T, axis1=-2, axis2=-1)


def dense(data, tau, sigma, theta=(10, 3)):
    """Log density of y given the spreads, and mean and variance of θ and all nodes given y too."""
    C, cross, own = covariances(data, tau, sigma, theta[1])
    y, L = np.asarray(data["y"]), np.linalg.cholesky(C.astype(float))
    z = np.linalg.solve(L, np.broadcast_to((y - theta[0])[:, None], (*L.shape[:-1], 1)))
    gain = np.linalg.solve(L, np.swapaxes(cross, -1, -2))
    log_p = -(z[..., 0] ** 2).sum(-1) / 2 - np.log(np.diagonal(L, axis1=-2, axis2=-1)).sum(-1)
    variance = np.maximum(own - (gain**2).sum(-2), 1e-30)  # but for rounding
    return log_p - len(y) * np.log(2 * np.pi) / 2, theta[0] + (gain * z).sum(-2), variance


def log_likelihood(data, tau, sigma, theta=(10, 3)) -> float:
    """Log density of y in extended precision: with σ far below τ, a matrix costs digits, a tree does not."""
    L = np.array(covariances(data, tau, sigma, theta[1])[0], dtype=np.longdouble)
    z = np.array(data["y"], dtype=np.longdouble) - theta[0]
    log_p = -len(z) * np.log(2 * np.longdouble(np.pi)) / 2
    for i in range(len(z)):  # Cholesky's decomposition, column by column
        pivot = np.sqrt(L[i, i])
        z[i] /= pivot
        L[i:, i] /= pivot
        L[i + 1 :, i + 1 :] -= np.outer(L[i + 1 :, i], L[i + 1 :, i])
        z[i + 1 :] -= L[i + 1 :, i] * z[i]
        log_p -= z[i] ** 2 / 2 + np.log(pivot)
    return float(log_p)
