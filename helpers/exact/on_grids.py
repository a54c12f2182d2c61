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

_DEPTH = 28.0  # below the peak's logarithm, what the first grid holds of each node's density
_STEPS = 1.8  # of the first grid in an sd of the narrowest density
_BETWEEN = 1.6  # finer steps where densities are asked for between the points of a grid
_SOME, _MANY = 100, 1000  # points of a rule at which grids are looked at, and of a coarse rule
_NOISY = 1e-3  # share of noise that no finer grid will mend
_MOST = 1e5  # points of a grid
_ATTEMPTS = 30


class FunctionSpreads(Spreads):
    """The same as `Spreads` for leaves with any likelihood."""

    def __init__(self, measured: Measured, likelihood: str, priors: dict[str, Callable], theta: tuple):
        self.measured, self.leaves = measured, Leaves(measured, likelihood)
        self.link = LINKS[likelihood]
        self.own = [name for name in priors if not name.startswith("tau")]
        self._log_guess, grid = self._by_normal_leaves(measured, priors, theta)
        self._beliefs = self._modes = None
        super().__init__(FunctionTree(measured, self.leaves, grid), priors, theta)

    def split(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Points (d, P) of the integral: τ of every level (K, P), and σ and ν, as far as there are any."""
        taus = len(self.priors) - len(self.own)
        return np.broadcast_to(x[:taus], (self.tree.K, x.shape[1])), x[taus:]

    def posterior(self, tolerance: float) -> tuple[Rule, np.ndarray, np.ndarray, float]:
        """Integrate on grids that get wider and finer until they are good enough; else a ValueError."""
        coarse = self._choose_grid(tolerance)
        for _ in range(_ATTEMPTS):
            rule, mean, sd, accuracy = self._solve(tolerance)
            edges, noise = self._look(rule, mean, sd)
            worst = max(accuracy, *edges, coarse, noise)
            if worst <= tolerance:
                return rule, mean, sd, worst
            if noise > max(tolerance, *edges):
                raise _too_far_apart(noise)
            if not self._change(0.25 * (edges > tolerance), 1.0):
                break
        raise self._too_coarse(worst)

    def log_evidence(self, tolerance: float) -> float:
        """Log density of the measurements, all integrated out, on a grid that is good enough."""
        return self.posterior(tolerance)[0].log_integral

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
                wider = np.array([np.max(beliefs[..., side] @ end) for side, end in self._ends()]) > 1e-13
                if not wider.any() or not self._change(0.25 * wider, 1.0):
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
        # Steps of one or two spreads suit a density that costs next to nothing.
        longer *= {1: 1.4, 2: 2.0}.get(len(self.priors), 1.0)
        found = self.solve(self.log_density, self.describe, self._log_guess, tolerance, longer, self._modes)
        self._modes = found[0].modes
        return found

    def _choose_grid(self, tolerance: float) -> float:
        """Find window and step with a rule that is coarse; give the error due to the step."""
        best, in_vain = 1.0, 0
        for _ in range(_ATTEMPTS):
            rule, mean, sd, _ = self._solve(np.inf, 3.0)
            edges, noise = self._look(rule, mean, sd)
            wider = np.select([edges > 1e-3, edges > 1e-6, edges > tolerance / 2], [0.6, 0.35, 0.15])
            if noise > max(*edges, _NOISY):  # no grid will do
                raise _too_far_apart(noise)
            # what is cut off disturbs the comparison, so the window comes first
            coarse = 1.0 if wider.any() else self._compare(rule, mean, noise > tolerance / 100)
            if coarse <= tolerance:
                return coarse
            if not wider.any():
                in_vain = 0 if coarse < best / 2 else in_vain + 1
                best = min(best, coarse)
            if in_vain == 4:
                break
            # the error falls off with the square of the points in an sd, in its logarithm
            finer = np.clip(np.sqrt(np.log(tolerance / 10) / np.log(min(coarse, 0.5))), 1.1, 1.5)
            if not self._change(wider, 1.0 if wider.any() else finer):
                break
        raise self._too_coarse(coarse)

    def _too_coarse(self, worst: float) -> ValueError:
        remedy = "give tau a prior with lighter tails"
        if "sigma" in self.own:
            remedy += ", and sigma one that keeps it from 0 if hardly a group has several measurements"
        return ValueError(
            f"a grid of {len(self.tree.grid.u)} points is accurate to {worst:.0e}: {remedy}, or accept it "
            f"with tolerance={2 * worst:.0e}"
        )

    def _change(self, wider: np.ndarray, finer: float) -> bool:
        """Take a grid wider at either end, by these shares, or finer; False if it had too many points."""
        grid = self.tree.grid
        ends = np.array([grid.low, grid.high]) + wider * [-1, 1] * (grid.high - grid.low)
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
        if (high - low) / narrow > _MOST:
            raise ValueError(
                f"values of groups are known to {narrow:.0e} and may lie {high - low:.0e} apart, too much "
                "for a grid: such measurements are as good as normal, with known errors"
            )
        return guess, Grid(low, high, narrow / _STEPS)

    def _look(self, rule: Rule, mean: np.ndarray, sd: np.ndarray) -> tuple[np.ndarray, float]:
        """Give the largest share of a node's variance at either end of the window, and the share of noise."""
        u, nodes = self.tree.grid.u, 1 + self.tree.nodes
        shares, noise = np.zeros((2, nodes)), 0.0
        for x, weight in self._some(rule, _SOME, 0.0):
            _, beliefs, noisy = self.tree.look(*self.split(x), self.theta)
            shares += [(beliefs[..., side] @ end) @ weight for side, end in self._ends()]
            noise += noisy @ weight
        far = (u[[0, -1], None] - mean[:nodes]) / np.maximum(sd[:nodes], 1e-300)
        return np.max(shares * (1 + far**2), axis=1), noise

    def _some(self, rule: Rule, most: int, least: float) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Points of the rule and their weights, in parts; where there are many, some of them."""
        counts = np.flatnonzero(rule.weights > least * rule.weights.max())
        # at random, as every eighth one would see the same place of an axis again and again
        some = np.sort(np.random.default_rng(1).permutation(counts)[:most])
        x, weight = rule.x[:, some], rule.weights[some] / rule.weights[some].sum()
        for part in chunks(len(weight), self.tree.cost):
            yield x[:, part], weight[part]

    def _compare(self, rule: Rule, mean: np.ndarray, noisy: bool) -> float:
        """Estimate the error due to the step, from grids of two and four times the step, as `Rule` does."""
        grids = self.tree.grid.coarser(2), self.tree.grid.coarser(4)
        trees = self.tree, *(FunctionTree(self.measured, self.leaves, grid) for grid in grids)
        sums = np.zeros((3, 3, 1 + self.tree.nodes))  # on each grid: weights, means, squares
        for x, weight in self._some(rule, _MANY, 1e-10):
            given = *self.split(x), self.theta
            if noisy:  # noise would be taken for an error
                weight = weight * (self.tree.look(*given)[2] < _NOISY)
            parts = [tree.weigh(*given) for tree in trees]
            for k, (log_p, each, variance) in enumerate(parts):
                share = weight * np.exp(np.minimum(log_p - parts[0][0], 600.0))  # if more, the answer is 1
                each = each - mean[: len(each), None]
                sums[k] += [np.full(len(each), share.sum()), each @ share, (variance + each**2) @ share]
        total, first, second = np.moveaxis(sums, 1, 0)
        with np.errstate(all="ignore"):
            first, sd = first / total, np.sqrt(second / total - (first / total) ** 2)
            gaps = np.array([total / total[0] - 1, (first - first[0]) / sd[0], sd / sd[0] - 1])
            half, quarter = np.max(np.abs(gaps[:, 1:]), axis=(0, 2))
        error = max(half**2, half * (half / min(quarter, 1)) ** 2) if half < 0.5 else 1.0
        # a coarse rule sees few of the small σ, where leaves are narrow
        return float(min(100 * error, 1.0)) if "sigma" in self.own else float(error)

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


def _too_far_apart(noise: float) -> ValueError:
    return ValueError(
        f"some groups lie so many spreads apart that digits are lost (accurate to {min(noise, 1.0):.0e}): "
        "give tau a wider prior, or look at the groups that lie far out"
    )
