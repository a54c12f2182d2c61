"""The exact posterior of hierarchical models, without sampling, and marks for samplers against it."""

from helpers.exact.posterior import ExactPosterior, exact_posterior, score

__all__ = ["ExactPosterior", "exact_posterior", "score"]
