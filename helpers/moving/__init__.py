"""Figures that move without a kernel: in JupyterLab, and on the pages of the book."""

from helpers.moving.walk import walk

__all__ = ["walk"]
