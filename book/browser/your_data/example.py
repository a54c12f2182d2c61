"""What the page "Your data" begins with: the course's measurements, draws of their posterior, empty figures.

`your-data.js` finds the models by their names, and fills them with these draws as with those that it makes:

``yours.tree``, ``yours.nodes``, ``yours.axis``
    The panel of the tree; its nodes, where they stand (``x``, ``y``), where their parents do (``parent_x``,
    ``parent_y``), and ``label``, ``size`` and ``n``; and the axis that names the levels. The only tag of the
    panel is what `start` gives.
``yours.trace``, ``yours.trace.1`` … ``yours.trace.4``, ``yours.trace.axis``
    The panel of the trace; of each chain ``x``, numbers of draws, those of warmup below 1, and ``y``; and the
    axis that says what is shown.
``yours.shrinkage``, ``yours.leaves``, ``yours.theta``, ``yours.own.axis``, ``yours.mean.axis``
    The panel of the leaves; of each ``x``, its own average, and ``y``, its posterior mean, with ``low`` and
    ``high``, a standard deviation on either side, ``size``, ``n`` and ``label``; the line at θ; and the
    axes, as counts have others.
"""

import logging

import bokeh.layouts
import bokeh.models
import bokeh.plotting
import numpy as np

import helpers
from helpers.data import LEVELS
from helpers.inputs import MISSING, RESERVED
from helpers.plots import GREY
from helpers.priors import PRIOR

SETTINGS = {"adaptDelta": 0.8, "seed": 1, "warmup": 1000, "draws": 1000, "chains": 4}
STATISTICS = ["energy__", "divergent__", "treedepth__"]


def draws() -> tuple[list[str], list[np.ndarray]]:
    """Sample: the names of the columns that the page tells of, and of each chain row after row."""
    logging.getLogger("cmdstanpy").setLevel(logging.ERROR)
    data, _ = helpers.stan_data(helpers.measurements(), LEVELS, "y")
    flat = helpers.tree_data(data, write_nodes=True)
    fit = helpers.stan_model("tree_marginal").sample(
        data=flat, chains=SETTINGS["chains"], seed=SETTINGS["seed"], adapt_delta=SETTINGS["adaptDelta"],
        iter_warmup=SETTINGS["warmup"], iter_sampling=SETTINGS["draws"], show_progress=False,
    )  # fmt: skip
    nodes = len(flat["parent"])
    leaves = [f"node[{i}]" for i in range(nodes - flat["J"][-1] + 1, nodes + 1)]
    names = [*STATISTICS, "theta", "tau[1]", "sigma", *leaves]
    table = fit.draws()[:, :, [fit.column_names.index(name) for name in names]].astype(np.float32)
    names = [name.replace("[", ".").replace("]", "") for name in names]
    return names, [table[:, chain].ravel() for chain in range(table.shape[1])]


def start() -> dict:
    """Collect what the form begins with, what its rules are told, and the draws that it shows at first."""
    names, chains = draws()
    return {
        "csv": helpers.measurements().write_csv(),
        "levels": LEVELS, "value": "y", "settings": SETTINGS, "names": names, "chains": chains,
        "reserved": RESERVED.split(), "missing": MISSING,
        "prior": {"theta": list(PRIOR["theta"]), "tau": PRIOR["tau"], "sigma": PRIOR["sigma"]},
    }  # fmt: skip


def _source(name: str, *columns: str) -> bokeh.models.ColumnDataSource:
    return bokeh.models.ColumnDataSource({column: [] for column in columns}, name=f"yours.{name}")


def tree() -> bokeh.plotting.figure:
    """Draw the panel of the tree, and put into its tags what `start` gives."""
    nodes = _source("nodes", "x", "y", "parent_x", "parent_y", "label", "size", "n")
    p = bokeh.plotting.figure(
        height=300, sizing_mode="stretch_width", max_width=760, tools="hover", toolbar_location=None,
        tooltips="@label (n = @n)", name="yours.tree", tags=[start()],
        x_range=bokeh.models.Range1d(0, 1), y_range=bokeh.models.Range1d(0, 1),
    )  # fmt: skip
    p.xaxis.visible = p.grid.visible = False
    p.yaxis[0].update(name="yours.axis", ticker=[], major_tick_line_color=None, axis_line_color=None)
    p.segment("parent_x", "parent_y", "x", "y", color=GREY, source=nodes)
    dots = p.scatter("x", "y", size="size", color=helpers.COLORS[0], line_color="black", source=nodes)
    p.select(bokeh.models.HoverTool).renderers = [dots]
    return p


def _panel(**options) -> bokeh.plotting.figure:
    """Make a panel as wide as half the page, or all of a phone."""
    return bokeh.plotting.figure(
        height=330, sizing_mode="stretch_width", min_width=280, max_width=400, toolbar_location=None,
        **options,
    )  # fmt: skip


def trace() -> bokeh.plotting.figure:
    """Draw the panel of the trace, with a line for each chain."""
    p = _panel(x_axis_label="draw (warmup is below 1)", y_axis_label="τ", tools="", name="yours.trace")
    p.add_layout(bokeh.models.Span(location=0.5, dimension="height", line_dash="dashed"))
    p.yaxis[0].name = "yours.trace.axis"
    for chain in range(SETTINGS["chains"]):
        source = _source(f"trace.{chain + 1}", "x", "y")
        p.line("x", "y", color=helpers.COLORS[chain], line_alpha=0.8, source=source)
    return p


def shrinkage() -> bokeh.plotting.figure:
    """Draw the panel of what partial pooling makes of the average of each leaf."""
    leaves = _source("leaves", "x", "y", "low", "high", "size", "n", "label")
    p = _panel(
        x_axis_label="average of the group's own measurements", y_axis_label="posterior mean ± sd",
        tools="hover", tooltips="@label: @x to @y (n = @n)", name="yours.shrinkage",
        x_range=bokeh.models.Range1d(0, 1), y_range=bokeh.models.Range1d(0, 1),
    )  # fmt: skip
    lines = {"line_color": "black", "line_dash": "dotted"}
    p.add_layout(bokeh.models.Slope(gradient=1, y_intercept=0, **lines))
    lines["line_dash"] = "dashed"
    p.add_layout(bokeh.models.Span(location=0, dimension="width", name="yours.theta", **lines))
    p.segment("x", "low", "x", "high", color=GREY, line_alpha=0.6, source=leaves)
    dots = p.scatter(
        "x", "y", size="size", color=helpers.COLORS[0], fill_alpha=0.7, line_color="black", line_width=0.5,
        source=leaves,
    )  # fmt: skip
    p.select(bokeh.models.HoverTool).renderers = [dots]
    p.xaxis[0].name, p.yaxis[0].name = "yours.own.axis", "yours.mean.axis"
    return p


def after() -> bokeh.models.LayoutDOM:
    """Put the trace and the leaves beside each other, or on a phone one below the other."""
    style = bokeh.models.InlineStyleSheet(css=":host { flex-wrap: wrap; }")
    figures = [trace(), shrinkage()]
    return bokeh.layouts.row(figures, sizing_mode="stretch_width", spacing=14, stylesheets=[style])
