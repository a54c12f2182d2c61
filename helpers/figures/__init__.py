"""Figures that move without a kernel: in JupyterLab, and on the pages of the book.

Each is a module that computes what it can in Python, and a script of the same name beside it that answers the
reader's hand; Bokeh's CustomJS carries that script along with the figure. Tests and pages find sliders, data
sources and texts by names such as ``walk.step``, which the head of the module lists. What figures share is in
`parts`. The panel "Sample here", `sampling`, has its script in the book.
"""

from helpers.figures.leaf_message import leaf_message
from helpers.figures.leapfrog_walk import walk
from helpers.figures.line_ellipse import lines
from helpers.figures.one_node import weight
from helpers.figures.pooling_slider import pooling
from helpers.figures.stored_draws import sampling

__all__ = ["leaf_message", "lines", "pooling", "sampling", "walk", "weight"]
