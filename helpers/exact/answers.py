"""What is asked of each parameter once the integral is done: means, probabilities, densities, quantiles."""

from collections.abc import Callable

import numpy as np

from helpers.exact.interpolation import integral, invert, to_t
from helpers.exact.marginals import IDENTITY
from helpers.exact.questions import as_plain, as_points, refuse_name
from helpers.exact.spreads import Spreads
from helpers.inputs import short_repr


class Answers:
    """What every exact posterior answers, whatever its model: see `ExactPosterior` for the names.

    Parameters
    ----------
    integral
        What is integrated; the variables of the integral are the spreads.
    tolerance
        Largest error that is accepted.
    nodes
        Names of all parameters that are normal given the spreads, in the order of ``integral.describe``.
    """

    def __init__(self, integral: Spreads, tolerance: float, nodes: list[str]):
        self._rule, mean, sd, self.accuracy = integral.posterior(tolerance)
        self._integral, self._spreads, self._nodes = integral, list(integral.priors), nodes
        # θ and what belongs to all groups first: names of what belongs to one have a number after _
        common = [name for name in nodes if "_" not in name]
        self.names = [*common, *self._spreads, *nodes[len(common) :]]
        self.log_evidence = self._rule.log_integral
        names = [*nodes, *self._spreads]
        self._mean, self._sd = (dict(zip(names, x.tolist(), strict=True)) for x in (mean, sd))
        self._cache = {}

    def mean(self, name: str, scale: str = "nodes") -> float | np.ndarray:
        """Posterior mean of a parameter, or of all nodes of a level, in the unit of the measurements."""
        if self._is_on_data(name, scale):
            return self._each(name, lambda marginal, to_data: marginal.average(to_data))
        return self._look_up(self._mean, name)

    def sd(self, name: str, scale: str = "nodes") -> float | np.ndarray:
        """Posterior standard deviation of a parameter, or of all nodes of a level, in the same unit."""
        if self._is_on_data(name, scale):
            return self._each(name, lambda marginal, to_data: marginal.spread(to_data))
        return self._look_up(self._sd, name)

    def cdf(self, name: str, x: float | np.ndarray, scale: str = "nodes") -> float | np.ndarray:
        """Posterior probability that one parameter is below x: P(τ < 0.1) is ``cdf("tau", 0.1)``.

        `x` is a number or an array, in the unit of the measurements; the answer has its shape.
        """
        x, _ = self._to_nodes(name, as_points("x", x), scale)
        if name in self._spreads:
            t, f = self._marginal(name)
            ratio = x / self._rule.centre[self._spreads.index(name)]
            at = to_t(np.where(ratio > 0, ratio, 1.0))
            return as_plain(np.where(ratio > 0, np.clip(integral(at, t, f), 0, 1), 0.0))
        return as_plain(np.reshape(self._marginal(name).cdf(x.ravel()), x.shape))

    def density(self, name: str, x: float | np.ndarray, scale: str = "nodes") -> float | np.ndarray:
        """Posterior density of a parameter at x, in 1 / unit of the measurements; arguments as in `cdf`."""
        x, slope = self._to_nodes(name, as_points("x", x), scale)
        if name in self._spreads:
            axis = self._spreads.index(name)
            p = [self._rule.slice(axis, point) if 0 <= point < 1e100 else 0.0 for point in x.ravel()]
        else:
            p = self._marginal(name).density(x.ravel())
        p = np.reshape(p, x.shape)  # at the ends of a scale, where nothing lies, both are 0
        return as_plain(np.divide(p, slope, out=np.zeros(x.shape), where=p > 0))

    def quantile(self, name: str, p: float | np.ndarray, scale: str = "nodes") -> float | np.ndarray:
        """Value below which one parameter lies with probability p.

        `p` is a number or an array, from 1e-8 to 1 - 1e-8 (else a ValueError is raised); the answer has its
        shape, in the unit of the measurements.
        """
        self._check(name)
        on_data = self._is_on_data(name, scale)
        p = as_points("p", p)
        if (bad := ~((p >= 1e-8) & (p <= 1 - 1e-8))).any():
            raise ValueError(f"p is {p[bad][0]}: give probabilities from 1e-8 to 1 - 1e-8")
        if name in self._spreads:
            t, f = self._marginal(name)
            at = invert(p.ravel(), t, np.broadcast_to(f, (p.size, len(f))))
            x = self._rule.centre[self._spreads.index(name)] * np.exp(at - np.exp(-at))
        else:
            x = self._marginal(name).quantile(p.ravel())
            x = self._integral.link.to_data(x) if on_data else x
        return as_plain(np.reshape(x, p.shape))

    def _check(self, name: str) -> None:
        """Refuse what is not one parameter."""
        if not (isinstance(name, str) and name in self._mean):
            refuse_name(name, self.names)

    def _look_up(self, moments: dict, name: str) -> float | np.ndarray:
        level = (
            [x for one, x in moments.items() if one.startswith(f"{name}[")] if "[" not in str(name) else []
        )
        if level:
            return np.array(level)
        self._check(name)
        return moments[name]

    def _marginal(self, name: str):
        """Density of a spread as a function of t, or what is known of a node."""
        if name not in self._cache:
            if name in self._spreads:
                self._cache[name] = self._rule.marginal(self._spreads.index(name))
            else:
                self._cache[name] = self._integral.marginal(self._rule, self._nodes.index(name))
        return self._cache[name]

    def _is_on_data(self, name: str, scale: str) -> bool:
        """Tell whether the scale of the data is asked for; refuse it for a spread."""
        if scale not in ("nodes", "data"):
            raise ValueError(f"scale is {short_repr(scale)}: give 'nodes' or 'data'")
        if scale == "data" and name in self._spreads:
            raise ValueError(f"{name} has no value on the scale of the data: leave scale out")
        return scale == "data" and self._integral.link is not IDENTITY

    def _to_nodes(self, name: str, x: np.ndarray, scale: str) -> tuple[np.ndarray, np.ndarray | float]:
        """Values of a parameter on the scale of the nodes, and how fast those of the data change there."""
        self._check(name)
        if not self._is_on_data(name, scale):
            return x, 1.0
        link = self._integral.link
        with np.errstate(divide="ignore", invalid="ignore"):
            x = link.from_data(x)
        if np.isnan(x).any():
            raise ValueError(
                "x has no value on the scale of the nodes: give probabilities, or rates of 0 or more"
            )
        return x, link.slope(x)

    def _each(self, name: str, what: Callable) -> float | np.ndarray:
        """Ask what is known of a node, or of all nodes of a level, for a number on the scale of the data."""
        names = [one for one in self._nodes if one.startswith(f"{name}[")] or [name]
        self._check(names[0])
        found = [what(self._marginal(one), self._integral.link.to_data) for one in names]
        return np.array(found) if names != [name] else found[0]
