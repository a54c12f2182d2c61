"""`exact_slopes` and `exact_crossed`: predictors, slopes that vary by group, and groups that cross."""

from collections.abc import Callable, Mapping

import numpy as np
from scipy.special import betaln

from helpers.exact.answers import Answers
from helpers.exact.blocks import Blocks
from helpers.exact.coarse import CoarseRule
from helpers.exact.interpolation import chunks
from helpers.exact.marginals import NormalMixture
from helpers.exact.quadrature import Rule
from helpers.exact.read_linear import Linear, read_crossed, read_slopes
from helpers.exact.spreads import Spreads, half_normal
from helpers.inputs import is_number, short_repr

LOST = 1e13
MOST_FACTORS = 3  # that cross: each has a τ to integrate over, and σ is the fourth variable


def exact_slopes(data: Mapping, tolerance: float = 1e-6) -> "ExactLinear":
    """Compute the posterior of the model of ``slopes.stan`` by quadrature, without sampling.

    Groups have an intercept and a slope of the first predictor, which are correlated; measurements are normal
    about their group's line, with standard deviation σ. Further predictors have one slope for all groups.

    Parameters
    ----------
    data
        What the program reads: the dictionary of `stan_data` with `predictors` and one level, and the priors,
        ``prior_theta`` (mean and sd), ``prior_beta`` (a mean and an sd for each predictor), ``prior_tau``
        (the scales of two half-normals, of intercepts and of slopes), ``prior_rho`` (η of an LKJ prior: the
        density of ρ is proportional to (1 − ρ²)^(η − 1)) and ``prior_sigma`` (a scale).
    tolerance
        Largest error that is accepted: see `ExactPosterior.accuracy`.

    Returns
    -------
    ExactLinear
        Of ``theta``, ``beta[1]`` …, ``tau[1]`` (intercepts), ``tau[2]`` (slopes), ``rho``, ``sigma``, and of
        each group ``theta_1[j]`` and ``beta_1[j]``.

    Raises
    ------
    TypeError
        If `data` is not a dictionary.
    ValueError
        If an item is missing or malformed; if σ may be as small as it likes, as lines fit all measurements
        exactly; or if the integral does not reach the tolerance.

    Examples
    --------
    >>> data = {"N": 5, "J_1": 2, "index_1": [1, 1, 1, 2, 2], "P": 1, "X": [[0], [1], [2], [0], [2]]}
    >>> data |= {"y": [9.0, 10.2, 11.0, 10.5, 12.0], "prior_theta": [10, 3], "prior_beta": [[0, 2]]}
    >>> data |= {"prior_tau": [1, 1], "prior_rho": 2, "prior_sigma": 1}
    >>> bool(0.6 < exact_slopes(data).mean("beta[1]") < 1.1)
    True
    """
    return ExactLinear(_Slopes(read_slopes(data)), _as_tolerance(tolerance))


def exact_crossed(data: Mapping, tolerance: float = 1e-6) -> "ExactLinear":
    """Compute the posterior of the model of ``crossed.stan`` by quadrature, without sampling.

    Each of up to three factors, nested or crossed, adds an effect of the measurement's group; effects of a
    factor are normal about 0 with a spread of their own.

    Parameters
    ----------
    data
        What the program reads: the dictionary of `stan_data` with `crossed`, and the priors as in
        `exact_slopes`, with one scale in ``prior_tau`` for each factor and no ``prior_rho``.
    tolerance
        Largest error that is accepted: see `ExactPosterior.accuracy`.

    Returns
    -------
    ExactLinear
        Of ``theta``, ``beta[1]`` … (if there are predictors), ``tau[1]`` …, ``sigma``, and of each group of
        factor f its effect ``u_f[j]``.

    Raises
    ------
    TypeError
        If `data` is not a dictionary.
    ValueError
        As `exact_slopes`; or if there are more than three factors.

    Examples
    --------
    >>> data = {"N": 6, "F": 2, "J": [2, 3], "index": [[1, 1, 1, 2, 2, 2], [1, 2, 3, 1, 2, 3]]}
    >>> data |= {"y": [4.0, 6.1, 8.2, 5.2, 6.9, 9.0], "prior_theta": [6, 3], "prior_beta": []}
    >>> data |= {"prior_tau": [2, 2], "prior_sigma": 1}
    >>> post = exact_crossed(data)
    >>> bool(post.mean("tau[1]") < post.mean("tau[2]"))
    True
    """
    read = read_crossed(data)
    if len(read.sizes) > MOST_FACTORS:
        raise ValueError(
            f"{len(read.sizes)} factors, each with a tau to integrate over: at most {MOST_FACTORS} can be "
            "carried; sample crossed.stan instead"
        )
    return ExactLinear(_Crossed(read), _as_tolerance(tolerance))


def _as_tolerance(tolerance) -> float:
    if not (is_number(tolerance) and tolerance > 0):
        raise ValueError(f"tolerance is {short_repr(tolerance)}: give a number above 0, such as 1e-6")
    return tolerance


class ExactLinear(Answers):
    """The posterior of a linear model with groups, computed by quadrature.

    `mean`, `sd`, `cdf`, `quantile`, `density`, `names`, `log_evidence` and `accuracy` are those of
    `ExactPosterior`; `mean` and `sd` also take all of a kind, as in ``mean("beta_1")``. Spreads are in the
    unit of the measurements, slopes in that for one unit of the predictor; ρ has no unit.
    """

    def __init__(self, integral: "_Linear", tolerance: float):
        self._about = f"{integral.read.N} measurements, {len(integral.nodes)} coefficients"
        super().__init__(integral, tolerance, integral.nodes)

    def __repr__(self):
        return f"<exact posterior: {self._about}, accurate to {self.accuracy:.0e}>"

    def cdf(self, name: str, x: float | np.ndarray, scale: str = "nodes") -> float | np.ndarray:
        """Posterior probability that one parameter is below x, a number or an array."""
        return super().cdf(name, _from_rho(x) if name == "rho" else x, scale)

    def density(self, name: str, x: float | np.ndarray, scale: str = "nodes") -> float | np.ndarray:
        """Posterior density of one parameter at x, a number or an array."""
        if name != "rho":
            return super().density(name, x, scale)
        inside = np.abs(x) < 1
        rho = np.where(inside, x, 0.0)
        r = _from_rho(rho)
        found = np.where(inside, super().density(name, r) * r / (2 * (1 - rho**2)), 0.0)
        return found if np.ndim(x) else float(found)

    def quantile(self, name: str, p: float | np.ndarray, scale: str = "nodes") -> float | np.ndarray:
        """Value below which one parameter lies with probability p, from 1e-8 to 1 - 1e-8."""
        found = super().quantile(name, p, scale)
        return _to_rho(found) if name == "rho" else found


class _Linear(Spreads):
    """The integral over spreads; W is the intercept, the predictors, and what a subclass adds."""

    remedy = ""

    def __init__(self, read: Linear, priors: dict[str, Callable], blocks: Blocks, nodes: list[str]):
        self.read, self.priors, self.tree, self.nodes = read, priors, blocks, nodes

    def posterior(self, tolerance: float) -> tuple[Rule, np.ndarray, np.ndarray, float]:
        """Integrate over all spreads; with four of them by long steps, if these can be enough."""
        coarse = len(self.priors) == 4 and tolerance >= 1e-7
        self.rule = CoarseRule if coarse else Rule
        return self.solve(self.log_density, self.describe, self.guess(), tolerance, 1.5 if coarse else 1.0)

    def parts(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Covariance of the groups' effects (G, q, q), and sds of all other coefficients (G, R)."""
        raise NotImplementedError

    def guess(self) -> np.ndarray:
        """Rough logarithms of the variables: all spreads explain the same."""
        spread = np.log(np.std(self.read.y) or 1.0)
        slope = spread - np.log(np.std(self.read.X[:, 0]) or 1.0) if "rho" in self.priors else spread
        rough = {"rho": 0.0, "tau[2]": slope}
        return np.array([rough.get(name, spread) for name in self.priors])

    def _solve(self, x: np.ndarray) -> tuple:
        """Integrate all coefficients out at points (d, G)."""
        covariance, sd = self.parts(x)
        sigma, blocks = x[-1], self.tree
        log_det, information, own = blocks.reduce(covariance / sigma[:, None, None] ** 2)
        information = information / sigma[:, None, None] ** 2
        own = own * sigma[:, None, None] ** 2
        # r = sd · f, and f has unit variance before the data, so that a spread may be 0
        before = np.zeros(sd.shape)
        before[:, : len(self.read.before)] = self.read.before / sd[:, : len(self.read.before)]
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
        gain = np.einsum("dgab,dbc->dgac", own, blocks.products) / x[-1, :, None, None] ** 2
        gain, own = gain[blocks.design], own[blocks.design]  # (J, G, q, q)
        fits, y_fits = blocks.fits[..., :-1], blocks.fits[..., -1]
        left = y_fits[:, None] - np.einsum("jar,gr->jga", fits, r)
        # effects of a group are gain · left; with `whole` they become its own intercept and slope
        whole = np.eye(blocks.q, blocks.R) * self.whole
        mean = np.einsum("jgab,jgb->jga", gain, left) + r @ whole.T
        to_r = whole - np.einsum("jgab,jbr->jgar", gain, fits)
        variance = np.einsum("jgaa->jga", own) + np.einsum(
            "jgar,grs,jgas->jga", to_r, cov, to_r, optimize=True
        )
        shift = self.read.shift[:, None]
        group_shift = self.whole * self.read.shift[: blocks.q]
        means = [r.T[:common] + shift, *self.order(np.moveaxis(mean + group_shift, 2, 0), r.T[common:])]
        sds = np.einsum("grr->rg", cov)
        variances = [sds[:common], *self.order(np.moveaxis(variance, 2, 0), sds[common:])]
        shown = np.array(
            [_to_rho(row) if name == "rho" else row for name, row in zip(self.priors, x, strict=True)]
        )
        return np.vstack([*means, shown]), np.vstack([*variances, np.zeros(x.shape)])

    def marginal(self, rule: Rule, node: int) -> NormalMixture:
        """Tell what is known of a coefficient, spreads integrated out: a normal one for each point."""
        keep = np.flatnonzero(rule.weights > 1e-17 * rule.weights.max())
        mean, variance = np.empty((2, len(keep)))
        for part in chunks(len(keep), self.tree.cost):
            means, variances = self.describe(rule.x[:, keep[part]])
            mean[part], variance[part] = means[node], variances[node]
        weight = rule.weights[keep]
        return NormalMixture(weight / weight.sum(), mean, np.sqrt(variance))


class _Slopes(_Linear):
    whole = 1.0

    def __init__(self, read: Linear):
        W = np.column_stack([np.ones(read.N), read.X])
        taus = {f"tau[{k + 1}]": half_normal(scale) for k, scale in enumerate(read.taus)}
        priors = taus | {"rho": _log_lkj(read.rho), "sigma": half_normal(read.sigma)}
        groups = [f"{name}_1[{j + 1}]" for name in ("theta", "beta") for j in range(read.sizes[0])]
        blocks = Blocks(read.y, read.groups[0], W[:, :2], W)
        super().__init__(read, priors, blocks, [*read.names, *groups])

    def parts(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        own, slope, r, _ = x
        both = _to_rho(r) * own * slope
        covariance = np.stack([own**2, both, both, slope**2], axis=1).reshape(-1, 2, 2)
        return covariance, np.broadcast_to(self.read.sds, (x.shape[1], self.tree.R))

    def order(self, groups: np.ndarray, others: np.ndarray) -> list[np.ndarray]:
        """Rows of the groups' coefficients in the order of their names, from (q, J, G) and (others, G)."""
        return [*groups]


class _Crossed(_Linear):
    whole = 0.0

    def __init__(self, read: Linear):
        self.largest = int(np.argmax(read.sizes))
        self.others = [f for f in range(len(read.sizes)) if f != self.largest]
        member = [np.eye(read.sizes[f])[read.groups[f]] for f in self.others]
        one = np.ones((read.N, 1))
        blocks = Blocks(read.y, read.groups[self.largest], one, np.hstack([one, read.X, *member]))
        taus = {f"tau[{f + 1}]": half_normal(scale) for f, scale in enumerate(read.taus)}
        names = [f"u_{f + 1}[{j + 1}]" for f, size in enumerate(read.sizes) for j in range(size)]
        super().__init__(read, taus | {"sigma": half_normal(read.sigma)}, blocks, [*read.names, *names])

    def parts(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        sds = np.broadcast_to(self.read.sds[:, None], (len(self.read.sds), x.shape[1]))
        rest = [np.broadcast_to(x[f], (self.read.sizes[f], x.shape[1])) for f in self.others]
        return x[self.largest, :, None, None] ** 2, np.vstack([sds, *rest]).T

    def order(self, groups: np.ndarray, others: np.ndarray) -> list[np.ndarray]:
        """Rows of all effects, factor by factor, from those of the largest (1, J, G) and of the others."""
        ends = np.cumsum([self.read.sizes[f] for f in self.others])[:-1]
        rows = dict(zip(self.others, np.split(others, ends), strict=True)) if self.others else {}
        return [rows.get(f, groups[0]) for f in range(len(self.read.sizes))]


def _to_rho(r):
    """Correlation ρ from the positive variable ((1 + ρ) / (1 − ρ))^¼, which has an sd whatever the prior."""
    return np.tanh(2 * np.log(r))


def _from_rho(rho):
    rho = np.clip(rho, -1, 1)
    with np.errstate(divide="ignore"):
        return ((1 + rho) / (1 - rho)) ** 0.25


def _log_lkj(eta: float) -> Callable:
    """Log density of ((1 + ρ) / (1 − ρ))^¼ where that of ρ is proportional to (1 − ρ²)^(η − 1)."""
    constant = (1 - 2 * eta) * np.log(2) - betaln(eta, eta) + np.log(2)

    def log_density(r: np.ndarray) -> np.ndarray:
        z = np.abs(2 * np.log(r))
        return constant + 2 * eta * (np.log(2) - z - np.log1p(np.exp(-2 * z))) - np.log(r)

    return log_density
