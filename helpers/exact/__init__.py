"""The exact posterior of hierarchical normal models, without sampling, and marks for samplers against it.

Given the spreads every node is normal: one pass up the tree and one down (`passes`) integrate the nodes out.
What is left, one to four spreads (`spreads`), is integrated by the trapezoidal rule after a substitution
(`quadrature`, `interpolation`), which also says how far it may be off. `linear` does the same for slopes that
vary and groups that cross. README.md has the mathematics.
"""

from helpers.exact.compute import exact_posterior
from helpers.exact.leave_out import exact_loo
from helpers.exact.linear import ExactLinear, exact_crossed, exact_slopes
from helpers.exact.posterior import ExactPosterior
from helpers.exact.scoring import score

__all__ = [
    "ExactLinear",
    "ExactPosterior",
    "exact_crossed",
    "exact_loo",
    "exact_posterior",
    "exact_slopes",
    "score",
]
