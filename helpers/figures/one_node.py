"""Centering, with a slider: the cloud that the sampler moves in, for every weight and group size.

The model is that of lesson 10, with twenty groups of n measurements, and with everything known but the
groups' means and τ: the parent is 10, and σ = 1. The averages of the groups are not drawn. They have
exactly the spread that they should have with τ = 0.4, so that the cloud depends on n alone. It is the cloud
of a group in the middle; those of groups further out have the same widths, and lean.

`one_node.js` draws the cloud anew whenever a slider is moved, from tables of the exact posterior, so the
figure needs no kernel. Names of models, for tests and for pages that want to set them:

``weight.w``
    Slider: the weight, from 0, noncentered, to 1, centered.
``weight.size``
    Slider: the place of the group size in `SIZES`, from 0.
``weight.rows``
    Data source with a row for each line of the image: ``log_tau``; ``density`` of log τ; ``mean`` and ``sd``
    of x − w · parent, given τ.
``weight.cloud``
    Data source of the image: ``image``, shape (lines, columns), is 3, 2 and 1 in the densest cells that hold
    50%, 90% and 99%, else 0; and its place, ``x``, ``y``, ``dw``, ``dh``.
``weight.bars``
    Data source with the two ends of the central 90% of τ: ``log_tau``, and ``left`` and ``right``, one
    standard deviation of x − w · parent on either side of 0.
``weight.curve``, ``weight.now``
    Data sources of the width at the upper end in units of that at the lower end: ``w`` and ``ratio``, for all
    weights and for the one that is set.
``weight.panel``, ``weight.here``
    The panel of the cloud; and, if there is a table, the mark at the group size.
``weight.text``
    What the figure says of the cloud.
"""

from functools import cache

import bokeh.layouts
import bokeh.models
import bokeh.plotting
import numpy as np
import polars as pl
from scipy.special import ndtri

from helpers.data import stan_data
from helpers.exact import ExactPosterior, exact_posterior
from helpers.figures.parts import panel, script, slider, source, words, wrap
from helpers.plots import COLORS, SHADES

SIZES = [1, 2, 4, 8, 16, 32, 64]  # measurements in each group
GROUPS, PARENT, TAU = 20, 10.0, 0.4
GROUP = 11  # in the middle
CELLS = 140  # of the image, each way
PROGRAMS = ("centered", "noncentered")


def posterior(n: int) -> ExactPosterior:
    """Exact posterior of τ and the groups' means, for groups of `n` measurements; parent and σ = 1 known."""
    scores = ndtri((np.arange(GROUPS) + 0.5) / GROUPS)
    averages = PARENT + scores * np.sqrt((TAU**2 + 1 / n) / np.mean(scores**2))
    df = pl.DataFrame({"group": np.arange(GROUPS).repeat(n), "y": averages.repeat(n)})
    data, _ = stan_data(df, levels="group", values="y")
    return exact_posterior(data, prior={"theta": (PARENT, 1e-8)}, sigma=np.ones(data["N"]))


def density(w: float, n: int) -> dict:
    """Compute the cloud of x − w · parent and log τ, for weight `w` and groups of `n`.

    Returns
    -------
    dict
        ``log_tau``, ``density``, ``mean`` and ``sd``, shape (lines,), as in the data source ``weight.rows``;
        ``x``, shape (columns,), the middles of the image's cells; ``image``, shape (lines, columns), as in
        ``weight.cloud``.
    """
    table = _table(n)
    log_tau, p = table["log_tau"], table["density"]
    scale = np.exp((w - 1) * log_tau)
    mean, sd = table["mean"] * scale, table["sd"] * scale
    reach = np.max((np.abs(mean) + 3.3 * sd)[p > p.max() / 20])
    x = ((np.arange(CELLS) + 0.5) / CELLS * 2 - 1) * reach
    drawn = np.maximum(sd, 0.6 * (x[1] - x[0]))[:, None]  # or a thin neck would fall between the cells
    cell = p[:, None] * np.exp(-(((x - mean[:, None]) / drawn) ** 2) / 2) / drawn
    cell *= (x[1] - x[0]) * (log_tau[1] - log_tau[0]) / np.sqrt(2 * np.pi)
    order = np.argsort(-cell, axis=None)
    held = np.empty(cell.size)
    held[order] = np.cumsum(cell.ravel()[order])
    image = sum((held <= share).astype(np.uint8) for share in (0.5, 0.9, 0.99)).reshape(cell.shape)
    return {"log_tau": log_tau, "density": p, "mean": mean, "sd": sd, "x": x, "image": image}


def ratio(w: float | np.ndarray, n: int) -> float | np.ndarray:
    """Width of the cloud at the upper end of the central 90% of τ, in units of that at the lower end.

    The width is the standard deviation of x given τ; 1 is as good as round. Of the shape of `w`.
    """
    (low, high), (narrow, wide) = _table(n)["ends"], _table(n)["width"]
    return wide / narrow * np.exp((w - 1) * (high - low))


@cache
def _table(n: int) -> dict:
    """Compute what no weight changes: lines of the image, and the ends of the central 90% of τ."""
    exact = posterior(n)
    bottom, top = np.log(exact.quantile("tau", [0.0007, 0.99997]))
    log_tau = bottom + (np.arange(CELLS) + 0.5) * (top - bottom) / CELLS
    ends = np.log(exact.quantile("tau", [0.05, 0.95]))
    given = exact.conditional(np.exp([*log_tau, *ends])).filter(name=f"theta_1[{GROUP}]")
    return {
        "n": n,
        "log_tau": log_tau,
        "density": np.exp(exact.log_density(np.exp(log_tau)) - exact.log_evidence + log_tau),
        "mean": given["mean"].to_numpy()[:CELLS] - PARENT,
        "sd": given["sd"].to_numpy()[:CELLS],
        "ends": ends.tolist(),
        "width": given["sd"].to_list()[CELLS:],
    }


def weight(table: pl.DataFrame | None = None) -> bokeh.models.LayoutDOM:
    """Make the figure: the cloud for a weight and a group size, beside how far from round it is.

    Parameters
    ----------
    table
        What the two programs were measured to deliver: the rows of ``lessons/data/centering.csv``, of which
        those with τ/σ = 0.4 are used. If None, that panel is left out.

    Returns
    -------
    bokeh layout
        For `bokeh.io.show`; as wide as the column it is in, panels one below the other if that is narrow.

    Raises
    ------
    ValueError
        If `table` lacks a column, or has no rows for a group size.
    """
    measured = None if table is None else _measured(table)
    w, place = 1.0, 1
    n = SIZES[place]
    cloud, table, weights = density(w, n), _table(n), np.linspace(0, 1, 21)
    form = slider("weight w, from noncentered to centered", "weight.w", 0, 1, 0.05, w)
    title = "measurements in each group, n"
    size = slider(title, "weight.size", 0, len(SIZES) - 1, 1, place, "return String(2 ** tick)")
    # Room for two lines, so that the picture does not jump when the text needs the second one.
    text = words(_words(ratio(w, n)), "weight.text", min_height=36)
    rows = source("weight.rows", {name: cloud[name] for name in ("log_tau", "density", "mean", "sd")})
    at_ends = np.array(table["width"]) * np.exp((w - 1) * np.array(table["ends"]))
    bars = {"log_tau": table["ends"], "left": (-at_ends).tolist(), "right": at_ends.tolist()}
    bars = source("weight.bars", bars)
    curve = source("weight.curve", {"w": weights, "ratio": ratio(weights, n)})
    now = source("weight.now", {"w": [w], "ratio": [float(ratio(w, n))]})
    left, image = _draw_cloud(cloud, bars)
    right, here = [_draw_ratio(curve, now)], None
    if measured is not None:
        bar = {"dimension": "height", "line_width": 8, "line_alpha": 0.2}
        here = bokeh.models.Span(location=n, name="weight.here", **bar)
        right.append(_draw_measured(measured, here))
    script(
        __file__, [(form, "value"), (size, "value")],
        weight=form, size=size, tables=[_table(n) for n in SIZES], rows=rows, cloud=image, bars=bars,
        curve=curve, now=now, here=here, text=text, x_range=left.x_range, y_range=left.y_range,
    )  # fmt: skip
    beside = bokeh.layouts.column(right, sizing_mode="stretch_width", min_width=280, max_width=400)
    return bokeh.layouts.column(wrap(form, size), text, wrap(left, beside), sizing_mode="stretch_width")


def _words(upper: float) -> str:
    """Say of the cloud what `one_node.js` says; its upper end is so many times as wide as the lower."""
    factor = max(upper, 1 / upper)
    kind = ("a funnel" if factor > 2.5 else "a blunt funnel") + (" upside down" if upper < 1 else "")
    shape = f"{float(f'{factor:.2g}'):g} times as wide at the {'upper' if upper > 1 else 'lower'} one: {kind}"
    if factor < 1.25:
        shape = "about as wide at the one as at the other"
    return f"90% of τ lie between the dashed lines. The cloud is {shape}."


def _draw_cloud(cloud: dict, bars) -> tuple[bokeh.plotting.figure, bokeh.models.ColumnDataSource]:
    """Draw the cloud, and its width at the ends of the central 90% of τ."""
    reach = cloud["x"][-1] + (cloud["x"][1] - cloud["x"][0]) / 2
    step = cloud["log_tau"][1] - cloud["log_tau"][0]
    bottom, height = cloud["log_tau"][0] - step / 2, CELLS * step
    image = {"image": [cloud["image"]], "x": [-reach], "y": [bottom], "dw": [2 * reach], "dh": [height]}
    image = source("weight.cloud", image)
    left = panel(
        x_range=bokeh.models.Range1d(-reach, reach), y_range=bokeh.models.Range1d(bottom, bottom + height),
        x_axis_label="x − w · parent, for one group", y_axis_label="log τ", name="weight.panel",
    )  # fmt: skip
    left.image(
        "image", "x", "y", "dw", "dh", source=image, level="underlay",
        color_mapper=bokeh.models.LinearColorMapper(["#ffffff", *SHADES], low=-0.5, high=3.5),
    )  # fmt: skip
    left.hspan("log_tau", source=bars, line_color="black", line_dash="dashed")
    left.segment("left", "log_tau", "right", "log_tau", source=bars, line_color="black", line_width=4)
    return left, image


def _draw_ratio(curve, now) -> bokeh.plotting.figure:
    """Draw how far from round the cloud is, for every weight."""
    top = panel(
        height=170, x_range=(-0.05, 1.05), y_range=(0.4, 25), y_axis_type="log",
        x_axis_label="weight w", y_axis_label="upper / lower width",
    )  # fmt: skip
    top.yaxis.ticker = [0.5, 1, 2, 5, 10, 20]
    top.line([-0.05, 1.05], [1, 1], color="black", line_dash="dashed")
    top.line("w", "ratio", source=curve, color="black", line_width=2)
    top.scatter("w", "ratio", source=now, size=12, fill_color="white", line_color="black", line_width=3)
    return top


def _measured(table: pl.DataFrame) -> pl.DataFrame:
    """Effective draws of τ per 1,000 gradients, typical of the data sets of each size: ``n`` and programs."""
    columns = ["n", "τ/σ", *(f"{p} {item}" for p in PROGRAMS for item in ("ESS", "gradients"))]
    if missing := [name for name in columns if name not in table.columns]:
        what = f"no column {missing[0]!r} in the table"
        raise ValueError(f"{what}: give the rows of lessons/data/centering.csv")
    table = table.filter((pl.col("τ/σ") - TAU).abs() < 1e-9)
    if missing := [n for n in SIZES if n not in table["n"]]:
        what = f"no rows with n = {missing[0]} and τ/σ = {TAU} in the table"
        raise ValueError(f"{what}: give all rows of centering.csv")
    efficiency = {p: 1000 * pl.col(f"{p} ESS") / pl.col(f"{p} gradients") for p in PROGRAMS}
    typical = [column.log().mean().exp().alias(p) for p, column in efficiency.items()]
    return table.group_by("n").agg(typical).sort("n").filter(pl.col("n").is_in(SIZES))


def _draw_measured(measured: pl.DataFrame, here: bokeh.models.Span) -> bokeh.plotting.figure:
    """Draw what the programs delivered for each group size, and where the slider stands."""
    p = panel(
        height=170, x_range=(0.7, 90), y_range=(1, 400), x_axis_type="log", y_axis_type="log",
        x_axis_label="measurements in each group, n", y_axis_label="ESS / 1,000 grad.",
    )  # fmt: skip
    p.xaxis.ticker, p.yaxis.ticker = SIZES, [1, 10, 100]
    p.yaxis.formatter = bokeh.models.NumeralTickFormatter(format="0")
    p.add_layout(here)
    for program, color, marker in zip(PROGRAMS, COLORS, ("circle", "square"), strict=False):
        style = {"color": color, "legend_label": program}
        p.line(measured["n"], measured[program], line_width=2, name=f"weight.{program}", **style)
        p.scatter(measured["n"], measured[program], marker=marker, size=7, **style)
    p.legend.location = "top_left"
    p.legend.label_text_font_size = "11px"
    p.legend.padding = p.legend.spacing = 2
    p.legend.border_line_color = p.legend.background_fill_color = None
    return p
