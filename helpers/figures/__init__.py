"""Figures that move without a kernel: in JupyterLab, and on the pages of the book."""

from helpers.figures.leapfrog_walk import walk
from helpers.figures.nested_weights import nested
from helpers.figures.one_node import weight
from helpers.figures.pooling_dial import pooling
from helpers.figures.stored_draws import sampling

__all__ = ["nested", "pooling", "sampling", "walk", "weight"]
