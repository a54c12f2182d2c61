"""Figures that move without a kernel: in JupyterLab, and on the pages of the book."""

from helpers.moving.nested import nested
from helpers.moving.pooling import pooling
from helpers.moving.sampling import sampling
from helpers.moving.walk import walk
from helpers.moving.weight import weight

__all__ = ["nested", "pooling", "sampling", "walk", "weight"]
