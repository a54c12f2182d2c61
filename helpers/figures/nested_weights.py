"""Nested shrinkage: from which measurements a node of the tree gets its mean, and how much from each.

Given τ and σ, the mean of every node is a weighted average of the leaves' averages and of the prior mean of
θ. `nested_weights.js` looks the weights up in a table, so the figure needs no kernel. Names of models,
for tests and for pages that want to set them:

``nested.node``
    Select: the node, by its name in Stan: ``"theta"``, ``"theta_3[13]"``.
``nested.slider``
    Slider: the place in the array of τ, from 0; that array is in the tags of the slider.
``nested.nodes``
    Data source of the tree's nodes: ``name`` in Stan, ``x``, ``y`` and ``label``. A tap on a node chooses
    it, as does setting ``selected.indices``, which is emptied at once.
``nested.ring``
    Data source with one row, ``x`` and ``y`` of the chosen node.
``nested.leaves``
    Data source with a row for each leaf: ``weight``, ``size`` (of the disc, whose area goes with the weight),
    ``kin`` (how it is related to the node) and ``color``.
``nested.totals``
    Data source with a row for each kind of relation: ``kin``, ``weight``, ``share`` (the weight in percent;
    a dash if the node has no such kin) and ``color``.
``nested.text``
    What the figure says of the node.
"""

from collections.abc import Mapping, Sequence
from itertools import cycle

import bokeh.layouts
import bokeh.models
import bokeh.plotting
import numpy as np
import polars as pl

from helpers.data import stan_data
from helpers.exact import exact_posterior
from helpers.exact.passes import Tree
from helpers.figures.parts import panel, script, source, tau_grid, tau_slider, words, wrap
from helpers.inputs import column_names
from helpers.plots import COLORS, GREY, PALE
from helpers.priors import UNIT, read_prior
from helpers.tree_plot import tree_layout

DISC = 36  # diameter in pixels of a leaf that has all the weight
MOST = 100  # nodes: the table grows with the square of their number, and more are no picture


def weights(
    data: Mapping, tau: float, sigma: float, prior: Mapping | None = None, values: str = "y"
) -> np.ndarray:
    """Compute what the mean of every node, given τ and σ, takes from every leaf.

    Nodes and leaf averages are normal together. The covariance of two nodes is the prior variance of θ, plus
    τ² for every node below θ that both are, or descend from; the average of a leaf has σ²/n more variance
    than the leaf. The mean of some normal numbers given others is linear in the latter, and these are the
    weights.

    Parameters
    ----------
    data
        The dictionary that `stan_data` gives, for any number of levels.
    tau, sigma
        The spreads, in the unit of the measurements; τ at least 0, σ above 0.
    prior
        Priors that differ from those of the lessons; see `exact_posterior`. Only that of θ matters here.
    values
        The item of `data` that holds the measurements.

    Returns
    -------
    numpy.ndarray, shape (1 + nodes, leaves + 1)
        A row for θ and for every node, level by level; a column for the average of each leaf, and one for the
        prior mean of θ. Every row sums to 1.
    """
    tree = Tree(data, values, None)
    (_, sd), _, _ = read_prior(prior, 1)
    covariance = sd**2 + tau**2 * _shared(tree)
    averages = covariance[-tree.sizes[-1] :] + np.diag(sigma**2 / tree.precision[:, 0])
    weight = np.linalg.solve(averages, covariance.T).T
    return np.column_stack([weight, 1 - weight.sum(axis=1)])


def nested(
    df: pl.DataFrame, levels: str | Sequence[str], values: str = "y", prior: Mapping | None = None
) -> bokeh.models.LayoutDOM:
    """Make the figure: a tree whose leaves show their weight in the mean of a node, and these weights by kin.

    Parameters
    ----------
    df
        Tidy frame, one row per observation.
    levels
        Columns that name the groups, outermost first.
    values
        Column of the measurements.
    prior
        Priors that differ from those of the lessons; see `exact_posterior`.

    Returns
    -------
    bokeh layout
        For `bokeh.io.show`; as wide as the column it is in. It begins with the leaf that lies furthest from
        the average of all measurements, at the posterior median of τ. σ is at its posterior mean throughout.

    Raises
    ------
    ValueError
        If `stan_data` does not accept the frame, or `exact_posterior` the prior; or if there are more than
        100 nodes.
    """
    levels = column_names(levels, "levels")
    data, labelled = stan_data(df, levels, values, remark=False)
    tree = Tree(data, values, None)
    if tree.nodes > MOST:
        raise ValueError(f"the tree has {tree.nodes} nodes: choose a part of it, with at most {MOST}")
    exact = exact_posterior(data, prior, values)
    sigma, (tau, start) = exact.mean("sigma"), tau_grid(exact.quantile("tau", 0.5), per_decade=8)
    table = np.array([weights(data, one, sigma, prior, values) for one in tau])
    level, kin = np.repeat(np.arange(tree.K + 1), tree.sizes), _kin(tree)
    own = tree.mean[:, 0] + tree.shift
    placed, discs, options = _drawn(labelled, levels, [name for name in exact.names if name[:5] == "theta"])
    first = len(level) - len(own) + int(abs(own - tree.shift).argmax())
    weight = table[start, first]
    leaves, totals = _shares(tree, levels, discs, weight, kin[first])
    leaves, totals = source("nested.leaves", leaves), source("nested.totals", totals)
    nodes = source("nested.nodes", placed)
    ring = source("nested.ring", {name: [placed[name][first]] for name in ("x", "y")})
    (prior_mean, _), _, _ = read_prior(prior, 1)
    said = f"Given τ, {options[first][1]} has the mean {weight @ np.r_[own, prior_mean]:.2f} {UNIT} "
    said += f"Its own cells average {own[first - len(level)]:.2f} {UNIT}"
    # as plain text: a label may hold what HTML would take for its own
    text = words(said, "nested.text", render_as_text=True)
    slider, node = _controls(tau, start, options, options[first][0], nodes)
    script(
        __file__, [(slider, "value"), (node, "value")],
        node=node, slider=slider, nodes=nodes, ring=ring, leaves=leaves, totals=totals, text=text,
        table=table.astype(np.float32), kin=kin.tolist(), level=level.tolist(), prior_mean=prior_mean,
        disc=DISC, unit=UNIT,
    )  # fmt: skip
    drawn = _draw_tree(nodes, ring, leaves, levels), _draw_bars(totals)
    return bokeh.layouts.column(wrap(node, slider), text, *drawn, sizing_mode="stretch_width")


def _kin(tree: Tree) -> np.ndarray:
    """Say of every node and leaf how near they are: 0, own cells, up to K, of another group of level 1."""
    shared, level = _shared(tree), np.repeat(np.arange(tree.K + 1), tree.sizes)
    # own, if all nodes between a leaf and the population that may be shared are
    return np.where(shared == level[:, None], 0, tree.K - shared)


def _shares(tree: Tree, levels: list[str], discs: list, weight: np.ndarray, kin: np.ndarray) -> tuple:
    """Make the table of the leaves, and that of what all leaves of one kind of kin weigh together."""
    kinds = ["own cells", *(f"same {one}" for one in levels[-2::-1]), f"another {levels[0]}", "prior of θ"]
    same = [color for color, _ in zip(cycle([COLORS[4], COLORS[2], COLORS[3]]), levels[1:], strict=False)]
    colors = [COLORS[0], *same, COLORS[1], GREY]
    leaves = {"x": discs, "number": np.arange(1, len(kin) + 1), "own": tree.mean[:, 0] + tree.shift}
    leaves |= {"n": tree.precision[:, 0], "weight": weight[:-1], "size": DISC * np.sqrt(weight[:-1])}
    leaves |= {"kin": [kinds[k] for k in kin], "color": [colors[k] for k in kin]}
    sums = [weight[:-1][kin == k].sum() for k in range(tree.K + 1)] + [weight[-1]]
    share = [f"{100 * x:.1f}%" if x else "–" for x in sums]  # a sum of no weights is exactly 0
    return leaves, {"kin": kinds, "weight": sums, "share": share, "color": colors}


def _controls(tau: np.ndarray, start: int, options: list, value: str, nodes) -> tuple:
    """Make the slider and the menu; a tap on a node chooses as the menu does."""
    fit = {"sizing_mode": "stretch_width", "min_width": 240, "max_width": 300}
    node = bokeh.models.Select(title="node", options=options, value=value, name="nested.node", **fit)
    slider = tau_slider(tau, start, name="nested.slider")
    slider.tags = tau.tolist()
    # it leaves nothing selected, so that the next tap is not taken to undo it
    choose = """
const [i] = nodes.selected.indices
if (i != null) {
  node.value = nodes.data.name[i]
  nodes.selected.indices = []
}"""
    choose = bokeh.models.CustomJS(args={"nodes": nodes, "node": node}, code=choose)
    nodes.selected.js_on_change("indices", choose)
    return slider, node


def _shared(tree: Tree) -> np.ndarray:
    """Count the nodes, without the population, that a node and a leaf both are or descend from.

    Returns
    -------
    numpy.ndarray, shape (1 + nodes, leaves)
        A row for the population, all 0, and for every node, level by level.
    """
    line = np.arange(tree.sizes[-1])  # of each leaf, the node of this level that it descends from
    lines = [line]
    for parent in tree.parents[:0:-1]:
        line = parent[line]
        lines.insert(0, line)
    # nodes of each level, as rows that say which leaves descend from them
    rows = [np.arange(size)[:, None] == line for size, line in zip(tree.sizes[1:], lines, strict=True)]
    shared = [np.zeros((1, tree.sizes[-1]), dtype=int)]
    for parent, row in zip(tree.parents, rows, strict=True):
        shared.append(shared[-1][parent] + row)
    return np.vstack(shared)


def _drawn(labelled: pl.DataFrame, levels: list[str], names: list[str]) -> tuple[dict, list, list]:
    """Place nodes, named as in Stan, and the discs of the leaves; and say what the menu offers."""
    numbers = [f"{level}_stan" for level in levels]
    # one row for each leaf, so that all get the same room
    placed = tree_layout(labelled.unique(numbers[-1], keep="first"), levels)
    # from the population an edge of no length, to itself
    edges = [pl.col(f"parent_{axis}").fill_null(pl.col(axis)) for axis in "xy"]
    nodes = placed.filter(pl.col("y") > 0).select("label", "x", "y", *edges)
    options = [("theta", "θ, the population")]
    for k, number in enumerate(numbers):
        rows = labelled.unique(number, keep="first").sort(number).select(number, *levels[: k + 1]).rows()
        texts = [f"{levels[k]} {i} ({', '.join(map(str, path))})" for i, *path in rows]
        options += zip([name for name in names if name.startswith(f"theta_{k + 1}[")], texts, strict=True)
    nodes = {"name": names} | nodes.to_dict(as_series=False)
    return nodes, placed.filter(pl.col("y") == 0)["x"].to_list(), options


def _draw_tree(nodes, ring, leaves, levels: list[str]) -> bokeh.plotting.figure:
    """Draw the tree, with a disc under every leaf."""
    top = len(levels) + 1
    p = panel(
        height=75 * (top + 1), max_width=760, y_range=(-0.4, top + 0.3), tools="tap,hover",
        tooltips=f"{levels[-1]} @number: @weight{{0.0%}}",
    )  # fmt: skip
    p.x_range.range_padding = 0.08
    p.yaxis.ticker = list(range(top + 1))
    p.yaxis.major_label_overrides = dict(enumerate(["weight", *levels[::-1], "population"]))
    p.yaxis.major_tick_line_color = p.yaxis.axis_line_color = p.outline_line_color = None
    p.xaxis.visible = p.grid.visible = False
    edges = p.segment("parent_x", "parent_y", "x", "y", color=GREY, source=nodes)
    p.segment("x", 0, "x", 1, color=PALE, source=leaves)
    discs = p.scatter("x", 0, size="size", color="color", source=leaves)
    p.scatter("x", "y", size=23, color="black", source=ring)
    circles = p.scatter("x", "y", size=16, fill_color="white", line_color="#666666", source=nodes)
    label = {"text_align": "center", "text_baseline": "middle", "text_font_size": "10px"}
    labels = p.text("x", "y", "label", source=nodes, **label)
    for marks in (edges, circles, labels):  # what was not tapped does not fade
        marks.nonselection_glyph = marks.selection_glyph = None
    p.select(bokeh.models.TapTool).renderers = [circles]
    p.select(bokeh.models.HoverTool).renderers = [discs]
    return p


def _draw_bars(totals) -> bokeh.plotting.figure:
    """Draw a bar for each kind of kin, all together 100%."""
    kinds = totals.data["kin"]
    p = panel(
        height=60 + 24 * len(kinds), max_width=760, y_range=kinds[::-1], x_range=(0, 1.2),
        x_axis_label="share of the weight",
    )  # fmt: skip
    p.hbar("kin", right="weight", height=0.7, color="color", source=totals)
    p.text("weight", "kin", "share", source=totals, x_offset=5, text_baseline="middle", text_font_size="12px")
    p.xaxis.ticker = [0, 0.25, 0.5, 0.75, 1]
    p.xaxis.formatter = bokeh.models.NumeralTickFormatter(format="0%")
    p.ygrid.visible = False
    p.yaxis.major_tick_line_color = None
    return p
