"""A normal linear model in which one factor is taken out group by group, and the rest is one small matrix.

y = Z u + W r + ε. The effects u of one factor are q-vectors, q = 1 or 2, one for each group, with a
covariance of their own; all other coefficients r are independent before the data; ε has standard deviation σ.
Given the spreads everything is normal. README.md has the mathematics. Points of an integral, G of them, come
first in all arrays.
"""

import numpy as np


class Blocks:
    """What measurements say of the coefficients, group by group, and what is left when groups are taken out.

    Parameters
    ----------
    y : array, shape (N,)
        Measurements.
    group : array, shape (N,)
        Group of each, from 0; J in all.
    Z : array, shape (N, q)
        What multiplies the effects of the measurement's group.
    W : array, shape (N, R)
        What multiplies the other coefficients.

    Attributes
    ----------
    fits : array, shape (J, q, R + 1)
        Coefficients of W and y on Z, by least squares in each group.
    first, kind
        Groups that are alike in Z and W: the first of each kind, and the kind of each group.
    cost
        Numbers that are held for each point.
    free
        Measurements less the coefficients that they determine.
    squares
        Sum of squares that no coefficients explain.
    """

    nodes, shift = 0, 0.0  # of a `Tree`: means are not relative to anything here

    def __init__(self, y: np.ndarray, group: np.ndarray, Z: np.ndarray, W: np.ndarray):
        self.N, self.q, self.R = len(y), Z.shape[1], W.shape[1]
        right = np.column_stack([W, y])
        J = group.max() + 1
        products, sums = np.zeros((J, self.q, self.q)), np.zeros((J, self.q, self.R + 1))
        np.add.at(products, group, Z[:, :, None] * Z[:, None, :])
        np.add.at(sums, group, Z[:, :, None] * right[:, None, :])
        self.fits, spread = _fit(group, Z, right, products, sums)
        left = right - np.einsum("nq,nqr->nr", Z, self.fits[group])
        self.within = left.T @ left
        # groups with the same predictors share what depends on spreads: often one design serves all of them
        designs, first, self.design = np.unique(
            products.reshape(J, -1), axis=0, return_index=True, return_inverse=True
        )
        self.products, self.count = designs.reshape(-1, self.q, self.q), np.bincount(self.design)
        fits = self.fits[..., :-1].reshape(J, -1)
        alike = np.column_stack([self.design, np.round(fits / np.abs(fits).max(), 13)])
        _, self.first, self.kind = np.unique(alike, axis=0, return_index=True, return_inverse=True)
        self.det = (products[:, 0, 0] * spread)[first]
        self.between = np.zeros((len(designs), self.q, self.R + 1, self.q, self.R + 1))
        np.add.at(self.between, self.design, np.einsum("jar,jbs->jarbs", self.fits, self.fits))
        self.cost = max((self.R + 1) ** 2 + 8 * len(designs), J * self.q * (self.R + 2))

        # of what is left of W, which may be rounding alone
        length = np.linalg.norm(W, axis=0)
        U, size, _ = np.linalg.svd(left[:, :-1] / np.where(length > 0, length, 1), full_matrices=False)
        U = U[:, size > 1e-9]
        self.squares = float(np.sum((left[:, -1] - U @ (U.T @ left[:, -1])) ** 2))
        self.free = int(self.N - J - (self.q == 2) * np.count_nonzero(spread) - U.shape[1])

    def reduce(self, Q: np.ndarray, det_Q: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Take the groups out, given the covariance of their effects in units of σ².

        Parameters
        ----------
        Q : array, shape (G, q, q)
        det_Q : array, shape (G,)
            Its determinant, which the caller knows better than its entries tell.

        Returns
        -------
        log_det : array, shape (G,)
            Σ log |I + Q P| over the groups, where P = Z'Z of each.
        information : array, shape (G, R + 1, R + 1)
            [W y]' (I + Z Q Z')⁻¹ [W y], summed over the groups.
        covariance : array, shape (designs, G, q, q)
            (Q⁻¹ + P)⁻¹ of each design.
        """
        # (I + Q P) is inverted by its adjugate: sums of what is not negative, so that no digit is lost
        P = self.products[:, None]
        det = 1 + np.einsum("gab,dab->dg", Q, self.products)
        T, covariance = np.broadcast_to(P, (len(P), *Q.shape)), np.broadcast_to(Q, (len(P), *Q.shape))
        if self.q == 2:
            det_P = self.det[:, None]
            det = det + det_P * det_Q
            T = T + det_P[..., None, None] * _adjugate(Q)
            covariance = covariance + det_Q[:, None, None] * _adjugate(P)
        T, covariance = T / det[..., None, None], covariance / det[..., None, None]
        information = self.within + np.einsum("dgab,darbs->grs", T, self.between, optimize=True)
        return self.count @ np.log(det), information, covariance


def _fit(group: np.ndarray, Z: np.ndarray, right: np.ndarray, products: np.ndarray, sums: np.ndarray):
    """Coefficients of each group's least squares (J, q, R + 1), and its squares of z about their mean (J,).

    From deviations from the group's means, so that no digit is lost. Where z is constant the slope is 0: it
    is one of many solutions, and serves as well as any.
    """
    n, means = products[:, 0, 0], sums[:, 0] / products[:, 0, 0, None]
    if Z.shape[1] == 1:
        return means[:, None], np.ones(len(n))
    centre = products[:, 0, 1] / n
    off = Z[:, 1] - centre[group]
    spread, slopes = np.bincount(group, off**2), np.zeros(means.shape)
    spread = np.where(spread < 1e-24 * products[:, 1, 1], 0, spread)
    np.add.at(slopes, group, off[:, None] * (right - means[group]))
    slopes = slopes / np.where(spread > 0, spread, np.inf)[:, None]
    return np.stack([means - slopes * centre[:, None], slopes], axis=1), spread


def _adjugate(A: np.ndarray) -> np.ndarray:
    """Adjugates of 2×2 matrices (…, 2, 2), which are symmetric."""
    return np.stack([A[..., ::-1, ::-1][..., 0, :] * [1, -1], A[..., ::-1, ::-1][..., 1, :] * [-1, 1]], -2)
