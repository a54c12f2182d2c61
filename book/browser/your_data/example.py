"""What the page "Your data" shows before its reader samples: the course's own measurements, sampled natively.

`your-data.js` finds the models by their names, and puts what it computes in their place:

``yours.tree``, ``yours.nodes``, ``yours.axis``
    The panel of the tree; its nodes, where they stand (``x``, ``y``), where their parents do (``parent_x``,
    ``parent_y``), and ``label``, ``size`` and ``n``; and the axis that names the levels. Tags of the panel
    have what the form begins with, and the names that Stan reserves.
``yours.trace``, ``yours.trace.1`` … ``yours.trace.4``, ``yours.trace.axis``
    The panel of the trace; of each chain ``x``, numbers of draws, those of warmup below 1, and ``y``; and the
    axis that says what is shown.
``yours.shrinkage``, ``yours.leaves``, ``yours.theta``
    The panel of the leaves; of each ``x``, its own average, and ``y``, its posterior mean, with ``low`` and
    ``high``, a standard deviation on either side, ``size``, ``n`` and ``label``; and the line at θ.
"""

import logging
from importlib.resources import files

import arviz
import bokeh.layouts
import bokeh.models
import bokeh.plotting
import numpy as np

import helpers
from helpers.inputs import MISSING, RESERVED
from helpers.priors import PRIOR

LEVELS, VALUE = ["day", "batch", "colony"], "y"
SETTINGS = {"adaptDelta": 0.8, "seed": 1, "warmup": 1000, "draws": 1000, "chains": 4}
SHOWN = 500  # draws of a chain that the trace shows


def sampled() -> tuple[dict, dict, "arviz.DataTree"]:
    """Sample the example: what `stan_data` and `tree_data` give, and the draws."""
    logging.getLogger("cmdstanpy").setLevel(logging.ERROR)
    data, labelled = helpers.stan_data(helpers.measurements(), LEVELS, VALUE)
    flat = helpers.tree_data(data, write_nodes=True)
    fit = helpers.stan_model("tree_marginal").sample(
        data=flat, chains=SETTINGS["chains"], seed=SETTINGS["seed"], adapt_delta=SETTINGS["adaptDelta"],
        iter_warmup=SETTINGS["warmup"], iter_sampling=SETTINGS["draws"], show_progress=False,
    )  # fmt: skip
    return labelled, flat, arviz.from_cmdstanpy(fit, index_origin=1)


def places(flat: dict) -> tuple[list, np.ndarray, np.ndarray]:
    """Place the nodes: leaves side by side, others over the middle of their children; and count in each.

    Returns
    -------
    level, x, n
        Of the population, and of every node: its level from 0, its place, and its number of measurements.
    """
    parent = np.array([-1, *flat["parent"]])
    level = np.repeat(np.arange(flat["K"] + 1), [1, *flat["J"]])
    leaves = level == flat["K"]
    x, n = np.zeros(len(parent)), np.zeros(len(parent), dtype=int)
    x[leaves], n[leaves] = np.arange(leaves.sum()), flat["n"]
    for k in range(flat["K"], 0, -1):
        here, above = level == k, level == k - 1
        np.add.at(n, parent[here], n[here])
        x[above] = [x[here][parent[here] == node].mean() for node in np.flatnonzero(above)]
    return level.tolist(), x, n


def tree(labelled, flat: dict) -> bokeh.plotting.figure:
    """Draw the tree of the example, and put into its tags what the form begins with."""
    level, x, n = places(flat)
    own = [labelled.unique(LEVELS[: k + 1]).sort(LEVELS[: k + 1])[LEVELS[k]] for k in range(flat["K"])]
    nodes = bokeh.models.ColumnDataSource(
        {
            "x": x,
            "y": [flat["K"] - k for k in level],
            "parent_x": [x[0], *x[flat["parent"]]],
            "parent_y": [flat["K"] - max(k - 1, 0) for k in level],
            "label": ["population", *(str(label) for labels in own for label in labels)],
            "size": sizes(n),
            "n": n,
        },
        name="yours.nodes",
    )
    p = bokeh.plotting.figure(
        height=300, sizing_mode="stretch_width", max_width=760, tools="hover", toolbar_location=None,
        tooltips="@label (n = @n)", name="yours.tree",
        x_range=bokeh.models.Range1d(x.min() - 1, x.max() + 1),
        y_range=bokeh.models.Range1d(-0.5, flat["K"] + 0.6),
        tags=[{
            "csv": files("helpers").joinpath("measurements.csv").read_text("utf-8"),
            "levels": LEVELS, "value": VALUE, "settings": SETTINGS,
            "reserved": RESERVED.split(), "missing": MISSING,
            "prior": {"theta": list(PRIOR["theta"]), "tau": PRIOR["tau"], "sigma": PRIOR["sigma"]},
        }],
    )  # fmt: skip
    p.xaxis.visible = p.grid.visible = False
    axis = p.yaxis[0]
    axis.name, axis.ticker = "yours.axis", list(range(flat["K"] + 1))
    axis.major_label_overrides = dict(enumerate([*LEVELS[::-1], "population"]))
    axis.major_tick_line_color = axis.axis_line_color = None
    p.segment("parent_x", "parent_y", "x", "y", color="#999999", source=nodes)
    dots = p.scatter("x", "y", size="size", color=helpers.COLORS[0], line_color="black", source=nodes)
    p.select(bokeh.models.HoverTool).renderers = [dots]
    return p


def sizes(n: np.ndarray) -> np.ndarray:
    """Width of the dot for a number of measurements, in pixels."""
    return 5 + 9 * np.sqrt(n / n.max())


def panel(**options) -> bokeh.plotting.figure:
    """Make a panel as wide as half the page, or all of a phone."""
    return bokeh.plotting.figure(
        height=330, sizing_mode="stretch_width", min_width=280, max_width=400, toolbar_location=None,
        **options,
    )  # fmt: skip


def trace(tau: np.ndarray) -> bokeh.plotting.figure:
    """Draw the trace of τ, shape (chains, draws)."""
    p = panel(x_axis_label="draw (warmup is below 1)", y_axis_label="τ", tools="", name="yours.trace")
    p.add_layout(bokeh.models.Span(location=0.5, dimension="height", line_dash="dashed"))
    p.yaxis[0].name = "yours.trace.axis"
    every = max(1, tau.shape[1] // SHOWN)
    for chain, (draws, color) in enumerate(zip(tau, helpers.COLORS, strict=False), start=1):
        source = bokeh.models.ColumnDataSource(
            {"x": np.arange(1, len(draws) + 1)[::every], "y": draws[::every]}, name=f"yours.trace.{chain}"
        )
        p.line("x", "y", color=color, line_alpha=0.8, source=source)
    return p


def shrinkage(labelled, flat: dict, samples) -> bokeh.plotting.figure:
    """Draw what partial pooling makes of the average of each leaf."""
    node = samples["posterior"]["node"].values[:, :, -flat["J"][-1] :]
    mean, sd = node.mean(axis=(0, 1)), node.std(axis=(0, 1), ddof=1)
    theta = float(samples["posterior"]["theta"].mean())
    paths = labelled.unique(LEVELS).sort(LEVELS).select(LEVELS).rows()
    leaves = bokeh.models.ColumnDataSource(
        {
            "x": flat["y_mean"], "y": mean, "low": mean - sd, "high": mean + sd, "n": flat["n"],
            "size": sizes(flat["n"]), "label": [" / ".join(map(str, path)) for path in paths],
        },
        name="yours.leaves",
    )  # fmt: skip
    low, high = min((mean - sd).min(), flat["y_mean"].min()), max((mean + sd).max(), flat["y_mean"].max())
    room = 0.05 * (high - low)
    p = panel(
        x_axis_label="average of the group's own measurements", y_axis_label="posterior mean ± sd",
        tools="hover", tooltips="@label: @x to @y (n = @n)", name="yours.shrinkage",
        x_range=bokeh.models.Range1d(low - room, high + room),
        y_range=bokeh.models.Range1d(low - room, high + room),
    )  # fmt: skip
    p.add_layout(bokeh.models.Slope(gradient=1, y_intercept=0, line_color="black", line_dash="dotted"))
    p.add_layout(
        bokeh.models.Span(
            location=theta, dimension="width", line_color="black", line_dash="dashed", name="yours.theta"
        )
    )
    p.segment("x", "low", "x", "high", color="#999999", line_alpha=0.6, source=leaves)
    dots = p.scatter(
        "x",
        "y",
        size="size",
        color=helpers.COLORS[0],
        fill_alpha=0.7,
        line_color="black",
        line_width=0.5,
        source=leaves,
    )
    p.select(bokeh.models.HoverTool).renderers = [dots]
    return p


def results(samples) -> str:
    """Write the table of results, and what the diagnostics say, in HTML."""
    posterior = samples["posterior"]
    rows = []
    for symbol, name in [("θ", "theta"), ("τ", "tau"), ("σ", "sigma")]:
        x = posterior[name].values.reshape(posterior.sizes["chain"], -1)
        tail = arviz.ess(x, method="tail", prob=(0.05, 0.95))
        rhat, bulk = arviz.rhat(x), arviz.ess(x, method="bulk")
        assert rhat < 1.01 and min(bulk, tail) > 400, f"an alarm sounds for {name}"  # noqa: PT018
        sd = x.std(ddof=1)
        decimals = max(0, 1 - int(np.floor(np.log10(sd))))
        cells = [f"{v:.{decimals}f}" for v in (x.mean(), sd, *np.quantile(x, [0.05, 0.95]))]
        cells += [f"{rhat:.3f}", f"{bulk:.0f}", f"{tail:.0f}"]
        rows.append(f'<tr><th scope="row">{symbol}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>')
    divergences = int(samples["sample_stats"]["diverging"].sum())
    ebfmi = arviz.bfmi(samples)["energy"].values
    assert divergences == 0, "divergences"
    assert ebfmi.min() > 0.3, "E-BFMI"
    head = "".join(
        f'<th scope="col">{name}</th>'
        for name in ["", "mean", "sd", "5%", "95%", "R-hat", "bulk ESS", "tail ESS"]
    )
    return (
        '<div id="yours-results"><p>These are the course\'s own measurements, sampled when this book was '
        f'made.</p><table class="yours-table"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody>'
        f"</table><p>Divergences: 0 of {posterior.sizes['chain'] * posterior.sizes['draw']} draws. E-BFMI: "
        f"{', '.join(f'{x:.2f}' for x in ebfmi)}. No alarm sounds.</p></div>"
    )


def after(samples, labelled, flat: dict) -> bokeh.models.LayoutDOM:
    """Put the trace and the leaves beside each other, or on a phone one below the other."""
    tau = samples["posterior"]["tau"].values[:, :, 0]
    style = bokeh.models.InlineStyleSheet(css=":host { flex-wrap: wrap; }")
    figures = [trace(tau), shrinkage(labelled, flat, samples)]
    return bokeh.layouts.row(figures, sizing_mode="stretch_width", spacing=14, stylesheets=[style])
