"""Figures that move without a kernel: in JupyterLab, and on the pages of the book."""

from helpers.figures.nested import nested
from helpers.figures.pooling import pooling
from helpers.figures.sampling import sampling
from helpers.figures.walk import walk
from helpers.figures.weight import weight

__all__ = ["nested", "pooling", "sampling", "walk", "weight"]
