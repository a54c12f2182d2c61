"""The picture of a tree: `draw_tree`, and where its nodes are."""

import itertools
from collections.abc import Sequence

import bokeh.models
import bokeh.plotting
import numpy as np
import polars as pl

from helpers.inputs import check_frame, check_labels, column_names
from helpers.plots import COLORS, GREY

MOST_DOTS = 20_000  # dots in a tree: more of them no browser shows in reasonable time


def draw_tree(df: pl.DataFrame, levels: str | Sequence[str], **kwargs) -> bokeh.plotting.figure:
    """Draw what is nested in what: a circle for every node, a dot for every observation.

    Parameters
    ----------
    df
        Tidy frame, one row per observation.
    levels
        Columns that name the groups, outermost first. If the frame also has the columns that `stan_data`
        adds (``day_stan`` for ``day``), the nodes carry Stan's numbers and stand in that order; if not,
        they carry their own labels and stand in order of appearance.
    **kwargs
        Passed to `bokeh.plotting.figure`.

    Returns
    -------
    bokeh.plotting.figure
        The population at the top, one row of nodes per level below it, the observations at the bottom.

    Raises
    ------
    TypeError
        If `df` is not a polars DataFrame.
    ValueError
        If there are no rows or levels, or more than 20,000 rows, if a column is missing or named twice, or if
        a label is missing.
    """
    levels = column_names(levels, "levels")
    nodes = tree_layout(df, levels)
    top = len(levels) + 1
    options = {"width": 740, "height": 90 * top, "y_range": (-0.5, top + 0.5)}
    options |= {"tools": "hover,save", "toolbar_location": "above", "tooltips": "@name (n = @n)"}
    options["tags"] = ["tree"]  # by which the book's pages find it, to turn it on a phone
    p = bokeh.plotting.figure(**options | kwargs)
    p.yaxis.ticker = list(range(top + 1))
    p.yaxis.major_label_overrides = dict(enumerate(["observation", *levels[::-1], "population"]))
    p.yaxis.major_tick_line_color = p.yaxis.axis_line_color = None
    p.xaxis.visible = p.grid.visible = False

    population, groups, dots = (
        bokeh.models.ColumnDataSource(nodes.filter(part).to_dict(as_series=False))
        for part in (pl.col("y") == top, pl.col("y").is_between(1, top - 1), pl.col("y") == 0)
    )
    for source, color in [(groups, GREY), (dots, "#bbbbbb")]:
        p.segment("parent_x", "parent_y", "x", "y", color=color, level="underlay", source=source)
    p.scatter("x", "y", size=6, color="color", source=dots)
    p.scatter("x", "y", size=20, color="white", source=groups)  # so that no line runs through a label
    p.select(bokeh.models.HoverTool).renderers = [
        p.scatter("x", "y", size=22, fill_color="color", line_color="black", source=population),
        p.scatter("x", "y", size=20, color="color", fill_alpha=0.35, source=groups),
    ]
    for source, size in [(population, "16px"), (groups, "12px")]:
        style = {"text_align": "center", "text_baseline": "middle", "text_font_size": size}
        p.text("x", "y", "label", source=source, **style)
    return p


def tree_layout(df: pl.DataFrame, levels: list[str]) -> pl.DataFrame:
    """Place every node of the tree, from the population down to the single observations.

    Returns
    -------
    polars.DataFrame
        One row per node, row by row of the picture: ``label`` and ``name`` (its own, and with those above
        it), ``n`` observations, ``color``, ``x`` (1 from one observation to the next), ``y`` (0 for
        observations, K + 1 for the population), and ``parent_x`` and ``parent_y`` (null for the latter).
    """
    check_frame(df, levels, [])
    if df.height > MOST_DOTS:
        raise ValueError(
            f"the frame has {df.height:,} rows, too many for a picture: give at most {MOST_DOTS:,}"
        )
    numbers = [f"{level}_stan" for level in levels]
    numbered = set(numbers) <= set(df.columns)
    for column in [*levels, *numbers] if numbered else levels:
        check_labels(df[column])
    labels = df.select(numbers if numbered else levels).rows()

    # A node is a path of labels, an observation the path of its leaf and its row.
    paths = [(*path, i) for i, path in enumerate(df.select(levels).rows())]
    depths = range(len(levels) + 2)
    first = {}  # the row in which a node appears first
    for path, k in itertools.product(paths, depths):
        first.setdefault(path[:k], path[-1])
    order = {path: labels[path[-1]] if numbered else [first[path[:k]] for k in depths] for path in paths}
    below = _below(sorted(paths, key=order.get))
    centre = {path: float(np.mean(xs)) for path, xs in below.items()}
    # By label, so that a group keeps its colour however the nodes are ordered.
    colors = dict(zip(df[levels[0]].unique().sort(), itertools.cycle(COLORS), strict=False))
    nodes = []
    for path, xs in below.items():
        y = depths[-1] - len(path)
        label = ("θ", *labels[first[path]], "")[len(path)]
        label = label[:3] if isinstance(label, str) else str(label)
        name = ", ".join(map("{} {}".format, levels, path)) or "population"
        color = colors[path[0]] if path else "white"
        parent = (centre[path[:-1]], y + 1) if path else (None, None)
        nodes.append((label, name, len(xs), color, centre[path], y, *parent))
    columns = ["label", "name", "n", "color", "x", "y", "parent_x", "parent_y"]
    return pl.DataFrame(nodes, schema=columns, orient="row").sort("y", descending=True, maintain_order=True)


def _below(paths: list[tuple]) -> dict[tuple, list[float]]:
    """Give every node, which is a beginning of a path, the places of the observations below it."""
    x, below = 0.0, {}
    for path in paths:
        # A gap between leaves, so that the circles over single observations do not touch.
        x += 1.0 if path[:-1] in below else 2.5
        for k in range(len(path) + 1):
            below.setdefault(path[:k], []).append(x)
    return below
