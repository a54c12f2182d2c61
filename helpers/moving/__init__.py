"""Figures that move without a kernel: in JupyterLab, and on the pages of the book."""

from helpers.moving.walk import walk
from helpers.moving.weight import weight

__all__ = ["walk", "weight"]
