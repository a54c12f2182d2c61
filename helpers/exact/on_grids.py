"""The integral over the spreads where messages are functions: the choice of a grid, and its error."""

from collections.abc import Callable, Iterator

import numpy as np

from helpers.exact.functions import FunctionTree
from helpers.exact.grids import Grid
from helpers.exact.interpolation import chunks
from helpers.exact.leaves import Leaves
from helpers.exact.marginals import LINKS, OnGrid
from helpers.exact.passes import Tree
from helpers.exact.quadrature import WORK, Rule
from helpers.exact.spreads import Spreads
from helpers.likelihoods import Measured

_DEPTH = 22.0  # below the peak's logarithm, what the first grid holds of each node's density
_STEPS = 1.6  # of the first grid in an sd of the narrowest density
_BETWEEN = 1.6  # finer steps where densities are asked for between the points of a grid
_SOME = 40  # points of the rule at which grids are looked at
_OUTSIDE = 1e-9  # share of a node beyond the window that is let pass
_MOST = 2e5  # points of a grid
_ATTEMPTS = 8


class FunctionSpreads(Spreads):
    """The same as `Spreads` for leaves with any likelihood."""

    def __init__(self, measured: Measured, likelihood: str, priors: dict[str, Callable], theta: tuple):
        self.measured, self.leaves = measured, Leaves(measured, likelihood)
        self.link = LINKS[likelihood]
        self.own = [name for name in priors if not name.startswith("tau")]
        self._log_guess, grid = self._by_normal_leaves(measured, priors, theta)
        self._beliefs = None
        super().__init__(FunctionTree(measured, self.leaves, grid), priors, theta)

    def split(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Points (d, P) of the integral: τ of every level (K, P), and σ and ν, as far as there are any."""
        taus = len(self.priors) - len(self.own)
        return np.broadcast_to(x[:taus], (self.tree.K, x.shape[1])), x[taus:]

    def posterior(self, tolerance: float) -> tuple[Rule, np.ndarray, np.ndarray, float]:
        """Integrate on grids that get wider and finer until they are good enough; else a ValueError."""
        self._widen(tolerance)
        for _ in range(_ATTEMPTS):
            rule, mean, sd, accuracy = self._solve(tolerance)
            edges, noise = self._look(rule)
            coarse = self._compare(rule, mean)
            worst = max(accuracy, *edges, coarse, noise)
            if worst <= tolerance:
                return rule, mean, sd, worst
            if noise > max(tolerance, *edges, coarse):
                raise ValueError(
                    f"some groups lie so many spreads apart that digits are lost (accurate to {noise:.0e}): "
                    "give tau a wider prior, or look at the groups that lie far out"
                )
            if not self._change(edges > tolerance, 1.5 if coarse > tolerance else 1.0):
                break
        raise ValueError(
            f"a grid of {len(self.tree.grid.u)} points is accurate to {worst:.0e}: give tau a prior with "
            f"lighter tails, or accept it with tolerance={2 * worst:.0e}"
        )

    def guess(self) -> np.ndarray:
        """Rough logarithms of the spreads."""
        return self._log_guess

    def given(self, tau: np.ndarray, sigma: float | None) -> tuple[np.ndarray, np.ndarray]:
        """Mean and sd of all nodes given one value of every τ, and of σ unless it is None."""
        spreads = dict(zip(self.priors, np.exp(self._log_guess), strict=True))
        spreads |= {"sigma": sigma} if sigma else {}
        own = [spreads[name] for name in self.own]
        self.fit(np.array([*np.atleast_1d(tau), *own])[:, None])
        return super().given(tau, sigma)

    def fit(self, x: np.ndarray) -> None:
        """Widen the window until it holds all nodes at points (d, P) of the integral; else a ValueError."""
        for part in chunks(x.shape[1], self.tree.cost):
            for _ in range(_ATTEMPTS):
                _, beliefs, noise = self.tree.look(*self.split(x[:, part]), self.theta)
                wider = np.array([np.max(beliefs[..., side] @ end) for side, end in self._ends()]) > _OUTSIDE
                if not wider.any() or not self._change(wider, 1.0):
                    break
            if wider.any() or noise.max() > 1e-6:
                tau = x[0, part][noise.argmax()]
                raise ValueError(
                    f"tau is {tau:.3g}, with which digits are lost: groups lie too many of it apart, or too "
                    "wide for a grid"
                )

    def _ends(self) -> list[tuple[slice, np.ndarray]]:
        """Give the halves of the grid, and where in them its ends are."""
        edges, half = self.tree.grid.edges, len(self.tree.grid.u) // 2
        return [(side, edges[side]) for side in (slice(half), slice(half, None))]

    def _solve(self, tolerance: float, longer: float = 1.0) -> tuple[Rule, np.ndarray, np.ndarray, float]:
        longer *= 2.0 if len(self.priors) == 2 else 1.0  # what is between its points is seldom asked for
        return self.solve(self.log_density, self.describe, self._log_guess, tolerance, longer)

    def _widen(self, tolerance: float) -> None:
        """Find window and step with a rule that is coarse."""
        for _ in range(_ATTEMPTS):
            rule, mean, *_ = self._solve(np.inf, 3.0)
            edges, _ = self._look(rule)
            wider, finer = edges > _OUTSIDE, self._compare(rule, mean) > tolerance
            if not (wider.any() or finer) or not self._change(wider, 1.5 if finer else 1.0):
                break

    def _change(self, wider: np.ndarray, finer: float) -> bool:
        """Take a grid that is wider at either end, or finer; False if that would be too many points."""
        grid = self.tree.grid
        ends = np.array([grid.low, grid.high]) + wider * [-0.25, 0.25] * (grid.high - grid.low)
        step = grid.step / finer
        if (points := (ends[1] - ends[0]) / step) > _MOST or points * self.tree.nodes > WORK / 20:
            return False
        self.tree, self._beliefs = FunctionTree(self.measured, self.leaves, Grid(*ends, step)), None
        return True

    def _by_normal_leaves(self, measured: Measured, priors: dict, theta: tuple) -> tuple[np.ndarray, Grid]:
        """Take leaves for normal measurements: rough logarithms of the spreads, and a first grid."""
        leaves, sizes = self.leaves, measured.sizes
        data = {f"J_{k}": size for k, size in enumerate(sizes, start=1)}
        data |= {f"index_{k}": parent + 1 for k, parent in enumerate(measured.parents, start=1)}
        data |= {f"index_{len(sizes)}": np.arange(1, sizes[-1] + 1), "y": leaves.middle}
        tree = Tree(data, "y", leaves.error)
        taus = {name: prior for name, prior in priors.items() if name.startswith("tau")}
        normal = Spreads(tree, taus, theta)
        rule, *_ = normal.solve(normal.log_density, normal.describe, tree.guess(len(taus), theta), 1e-2)
        depth = np.log(rule.weights / rule.weights.max()) + _DEPTH
        mean, variance = (part[: 1 + tree.nodes, depth > 0] for part in normal.describe(rule.x))
        reach = np.sqrt(2 * variance * depth[depth > 0])
        low, high = (mean - reach).min() + tree.shift, (mean + reach).max() + tree.shift
        narrow = np.sqrt(variance[:, depth[depth > 0] > 5].min())
        own = []
        if "sigma" in priors:
            own.append(np.log(leaves.within or np.median(leaves.error)))
            own += [np.log(5.0)] if "nu" in priors else []
        guess = np.concatenate([np.log(rule.centre), own])
        return guess, Grid(low, high, narrow / _STEPS)

    def _look(self, rule: Rule) -> tuple[np.ndarray, float]:
        """Give the largest share of a node that lies at either end of the window, and the share of noise."""
        ends, noise = np.zeros(2), 0.0
        for x, weight in self._some(rule, self.tree.cost):
            _, beliefs, noisy = self.tree.look(*self.split(x), self.theta)
            ends += [np.max((beliefs[..., side] @ end) @ weight) for side, end in self._ends()]
            noise += noisy @ weight
        return ends, noise

    def _some(self, rule: Rule, cost: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Points of the rule and their weights, in parts; where there are many, every so many of them."""
        some = slice(None, None, 1 + rule.x.shape[1] // _SOME)
        x, weight = rule.x[:, some], rule.weights[some] / rule.weights[some].sum()
        for part in chunks(len(weight), cost):
            yield x[:, part], weight[part]

    def _compare(self, rule: Rule, mean: np.ndarray) -> float:
        """Estimate the error due to the step: half the step squares it, so it is the square of the gap."""
        trees = self.tree, FunctionTree(self.measured, self.leaves, self.tree.grid.coarser())
        sums = np.zeros((2, 3, 1 + self.tree.nodes))  # on each grid: weights, means, squares
        for x, weight in self._some(rule, self.tree.cost):
            given = *self.split(x), self.theta
            log_p = [tree.up(*given)[0] for tree in trees]
            for k, tree in enumerate(trees):
                share = weight * np.exp(log_p[k] - log_p[0])
                each, variance = tree.describe(*given)
                each = each - mean[: len(each), None]
                sums[k] += [np.full(len(each), share.sum()), each @ share, (variance + each**2) @ share]
        total, first, second = np.moveaxis(sums, 1, 0)
        with np.errstate(all="ignore"):
            first, sd = first / total, np.sqrt(second / total - (first / total) ** 2)
            gaps = [total[1] / total[0] - 1, (first[1] - first[0]) / sd[0], sd[1] / sd[0] - 1]
        gap = np.max(np.abs(gaps))
        return float(gap**2) if gap < 0.5 else 1.0

    def marginal(self, rule: Rule, node: int) -> OnGrid:
        """Tell what is known of a node, spreads integrated out."""
        if self._beliefs is None:
            grid = self.tree.grid
            self._finer = Grid(grid.low, grid.high, grid.step / _BETWEEN)
            tree = FunctionTree(self.measured, self.leaves, self._finer)
            self._beliefs = np.zeros((1 + tree.nodes, len(tree.grid.u)))
            weight = rule.weights / rule.weights.sum()
            for part in chunks(len(weight), tree.cost):
                _, beliefs, _ = tree.look(*self.split(rule.x[:, part]), self.theta)
                self._beliefs += np.einsum("npg,p->ng", beliefs, weight[part])
        return OnGrid(self._finer.u, self._beliefs[node] / self._finer.step)
