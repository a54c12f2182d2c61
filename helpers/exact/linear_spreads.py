"""The integral over the spreads of linear models: lines that vary by group, and groups that cross."""

from collections.abc import Callable

import numpy as np

from helpers.exact.blocks import Blocks
from helpers.exact.coarse import CoarseRule
from helpers.exact.correlation import log_lkj, to_rho
from helpers.exact.interpolation import chunks
from helpers.exact.marginals import NormalMixture
from helpers.exact.quadrature import Rule
from helpers.exact.read_linear import Linear
from helpers.exact.spreads import Spreads, half_normal

LOST = 1e13


class LinearSpreads(Spreads):
    """The integral over spreads; W is that of `Linear`, and what a subclass adds.

    A subclass has ``parts``, which gives for points (d, G) the covariance of the groups' effects (G, q, q),
    its determinant (G,) and the sds of all else in W (G, R); ``order``, which puts rows in the order of the
    names; ``to_own``, which makes a group's own intercept and slope of its effects; and ``whole``, 1 if these
    are reported together with the population's, 0 if effects are reported alone.
    """

    remedy = ""

    def __init__(self, read: Linear, priors: dict[str, Callable], blocks: Blocks, nodes: list[str]):
        self.read, self.priors, self.tree, self.nodes = read, priors, blocks, nodes
        # what is left of a perfect fit is rounding, of the measurements as they were
        rounding = read.N * (8 * np.finfo(float).eps * read.largest) ** 2
        if blocks.free > 0 and blocks.squares <= max(1e-20 * np.sum(read.y**2), rounding):
            raise ValueError(
                "the model fits all measurements exactly, so that sigma may be as small as it likes and no "
                "posterior exists: measure more, or leave out what 'y' was computed from"
            )

    def posterior(self, tolerance: float) -> tuple[Rule, np.ndarray, np.ndarray, float]:
        """Integrate over all spreads; with four of them by long steps, if these can be enough."""
        coarse = len(self.priors) == 4 and tolerance >= 1e-7
        self.rule = CoarseRule if coarse else Rule
        longer = (1.5 if tolerance < 1e-3 else 2.0) if coarse else 1.0
        return self.solve(self.log_density, self.describe, self.guess(), tolerance, longer)

    def guess(self) -> np.ndarray:
        """Rough logarithms of the variables: all spreads explain the same."""
        spread = np.log(np.std(self.read.y) or 1.0)
        slope = spread - np.log(np.std(self.read.X[:, 0]) or 1.0) if "rho" in self.priors else spread
        rough = {"rho": 0.0, "tau[2]": slope}
        return np.array([rough.get(name, spread) for name in self.priors])

    def _solve(self, x: np.ndarray) -> tuple:
        """Integrate all coefficients out at points (d, G)."""
        covariance, det, sd = self.parts(x)
        sigma, blocks = x[-1], self.tree
        log_det, information, own = blocks.reduce(
            covariance / sigma[:, None, None] ** 2, det / sigma ** (2 * blocks.q)
        )
        information = information / sigma[:, None, None] ** 2
        own = own * sigma[:, None, None] ** 2
        # r = sd · f, and f has unit variance before the data, so that a spread may be 0
        before = np.zeros(sd.shape)
        before[:, : len(self.read.before)] = self.read.before  # of which the sds are 1
        A = np.eye(blocks.R) + sd[:, :, None] * information[:, :-1, :-1] * sd[:, None, :]
        b = sd * information[:, :-1, -1] + before
        # where effects of several factors can take over from each other, and their τ is a million σ or more,
        # the 1 on the diagonal is lost in rounding; no data ask for that
        lost = ~(np.einsum("grr->gr", A)[:, len(self.read.before) :].sum(1) < LOST)
        A[lost] = np.eye(blocks.R)
        f = np.linalg.solve(A, b[..., None])[..., 0]
        square = information[:, -1, -1] + (before**2).sum(1) - (b * f).sum(1)
        square = np.maximum(square, blocks.squares / sigma**2)  # but for rounding
        log_p = log_det + np.linalg.slogdet(A)[1] + square + blocks.N * np.log(2 * np.pi * sigma**2)
        return np.where(lost, -np.inf, -log_p / 2), sd * f, A, sd, own

    def log_density(self, x: np.ndarray) -> np.ndarray:
        """Log density of measurements and spreads at points (d, G), all coefficients integrated out."""
        return self._solve(x)[0] + sum(prior(row) for prior, row in zip(self.priors.values(), x, strict=True))

    def describe(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance of all coefficients, and of the spreads, given points (d, G)."""
        _, r, A, sd, own = self._solve(x)
        blocks, common = self.tree, len(self.read.before)
        cov = sd[:, :, None] * np.linalg.inv(A) * sd[:, None, :]
        # effects are gain · (y_fits - fits · r), or with `to_own` and `whole` the group's intercept and slope
        gain = self.to_own @ own @ blocks.products[:, None] / x[-1, :, None, None] ** 2
        design, y_fits = blocks.design[blocks.first], blocks.fits[..., -1]
        turn, whole = self.read.turn, np.zeros((blocks.q, blocks.R))
        whole[:, :common] = self.whole * turn[: blocks.q]
        to_r = whole - np.einsum("kgab,kbr->kgar", gain[design], blocks.fits[blocks.first, :, :-1])
        alone = np.einsum("dgaa->dga", self.to_own @ own @ self.to_own.T)[design]
        variance = (alone + np.einsum("kgar,grs,kgas->kga", to_r, cov, to_r, optimize=True))[blocks.kind]
        mean = np.einsum("jgab,jb->jga", gain[blocks.design], y_fits)
        mean += np.einsum("kgar,gr->kga", to_r, r)[blocks.kind]
        group_shift = self.whole * self.read.shift[: blocks.q]
        theta = turn @ r.T[:common] + self.read.shift[:, None]
        means = [theta, *self.order(np.moveaxis(mean + group_shift, 2, 0), r.T[common:])]
        sds = np.einsum("grr->rg", cov)
        of_theta = np.einsum("ar,grs,as->ag", turn, cov[:, :common, :common], turn, optimize=True)
        variances = [of_theta, *self.order(np.moveaxis(variance, 2, 0), sds[common:])]
        named = zip(self.priors, x, strict=True)
        shown = np.array([to_rho(row) if name == "rho" else row for name, row in named])
        return np.vstack([*means, shown]), np.vstack([*variances, np.zeros(x.shape)])

    def marginal(self, rule: Rule, node: int) -> NormalMixture:
        """Tell what is known of a coefficient, spreads integrated out: a normal one for each point."""
        keep = np.flatnonzero(rule.weights > 1e-12 * rule.weights.max())
        mean, variance = np.empty((2, len(keep)))
        for part in chunks(len(keep), self.tree.cost):
            means, variances = self.describe(rule.x[:, keep[part]])
            mean[part], variance[part] = means[node], variances[node]
        weight = rule.weights[keep]
        return NormalMixture(weight / weight.sum(), mean, np.sqrt(variance))


class SlopeSpreads(LinearSpreads):
    """Spreads of intercepts and slopes, their correlation, and σ."""

    whole = 1.0

    def __init__(self, read: Linear):
        taus = {f"tau[{k + 1}]": half_normal(scale) for k, scale in enumerate(read.taus)}
        priors = taus | {"rho": log_lkj(read.rho), "sigma": half_normal(read.sigma)}
        groups = [f"{name}_1[{j + 1}]" for name in ("theta", "beta") for j in range(read.sizes[0])]
        # effects are those at the mean of the predictor, for one sd of it
        self.centre, self.scale = read.X[:, 0].mean(), np.std(read.X[:, 0]) or 1.0
        self.to_own = np.array([[1, -self.centre / self.scale], [0, 1 / self.scale]])
        Z = np.column_stack([np.ones(read.N), (read.X[:, 0] - self.centre) / self.scale])
        super().__init__(read, priors, Blocks(read.y, read.groups[0], Z, read.W), [*read.names, *groups])

    def parts(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Covariance, determinant and sds: see `LinearSpreads`."""
        own, slope, r, _ = x
        rho, rest = to_rho(r), 1 / np.cosh(2 * np.log(r)) ** 2  # the latter is 1 - ρ²
        at_mean, scaled = self.centre * slope, self.scale * slope
        # as sums of squares, since the effects of intercept and slope may cancel
        variance, both = (own + rho * at_mean) ** 2 + at_mean**2 * rest, scaled * (rho * own + at_mean)
        covariance = np.stack([variance, both, both, scaled**2], axis=1).reshape(-1, 2, 2)
        return covariance, (own * scaled) ** 2 * rest, np.ones((x.shape[1], self.tree.R))

    def order(self, groups: np.ndarray, others: np.ndarray) -> list[np.ndarray]:
        """Rows of the groups' coefficients in the order of their names, from (q, J, G) and (others, G)."""
        return [*groups]


class CrossedSpreads(LinearSpreads):
    """A spread for every factor, and σ; the largest factor is taken out group by group."""

    whole, to_own = 0.0, np.eye(1)

    def __init__(self, read: Linear):
        self.largest = int(np.argmax(read.sizes))
        self.others = [f for f in range(len(read.sizes)) if f != self.largest]
        member = [np.eye(read.sizes[f])[read.groups[f]] for f in self.others]
        one = np.ones((read.N, 1))
        blocks = Blocks(read.y, read.groups[self.largest], one, np.hstack([read.W, *member]))
        taus = {f"tau[{f + 1}]": half_normal(scale) for f, scale in enumerate(read.taus)}
        names = [f"u_{f + 1}[{j + 1}]" for f, size in enumerate(read.sizes) for j in range(size)]
        super().__init__(read, taus | {"sigma": half_normal(read.sigma)}, blocks, [*read.names, *names])

    def parts(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Covariance, determinant and sds: see `LinearSpreads`."""
        rest = [np.broadcast_to(x[f], (self.read.sizes[f], x.shape[1])) for f in self.others]
        sds, variance = np.ones((len(self.read.before), x.shape[1])), x[self.largest] ** 2
        return variance[:, None, None], variance, np.vstack([sds, *rest]).T

    def order(self, groups: np.ndarray, others: np.ndarray) -> list[np.ndarray]:
        """Rows of all effects, factor by factor, from those of the largest (1, J, G) and of the others."""
        ends = np.cumsum([self.read.sizes[f] for f in self.others])[:-1]
        rows = dict(zip(self.others, np.split(others, ends), strict=True)) if self.others else {}
        return [rows.get(f, groups[0]) for f in range(len(self.read.sizes))]
