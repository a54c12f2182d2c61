"""The pictures that come back from lesson to lesson: the funnel, a dot for each run, ranks; their colours."""

import itertools
from collections.abc import Mapping

import bokeh.colors
import bokeh.layouts
import bokeh.models
import bokeh.plotting
import numpy as np
import polars as pl
import xarray as xr

from helpers.calibration.ranks import ecdf_differences
from helpers.data import measurements
from helpers.inputs import as_numbers, describe_type, did_you_mean, is_number, short_repr
from helpers.priors import UNIT
from helpers.tree import draws, parse_name

# Okabe and Ito's, safe for all eyes
COLORS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00"]
GREY, PALE, SHADES = "#999999", "#dddddd", ["#e3eff7", "#bcdaec", "#86bbdc"]  # of blue, for 99%, 90%, 50%


def funnel_axes(y: pl.Series) -> dict[str, tuple[float, float]]:
    """Give the ranges of θ, of how far θ₁ lies from θ, and of τ, in which a funnel of these numbers lies."""
    power = 10.0 ** np.floor(np.log10(y.std()))
    scale = power * min((1, 2, 5, 10), key=lambda step: abs(np.log(step * power / y.std())))
    middle = scale / 20 * np.floor(20 * y.mean() / scale)
    ends = {"theta": (middle - 1.65 * scale, middle + 1.65 * scale)}
    ends |= {"offset": (-1.6 * scale, 1.6 * scale), "tau": (3e-4 * scale, 3 * scale)}
    return {name: (float(f"{low:.6g}"), float(f"{high:.6g}")) for name, (low, high) in ends.items()}


# The axes of every picture of the funnel of our cells
FUNNEL = funnel_axes(measurements()["y"])


def funnel(
    samples: dict, node: str = "theta_1[1]", parent: str = "theta", **kwargs
) -> bokeh.models.LayoutDOM:
    """Draw τ, on a log scale, against θ and against how far a node lies from its parent.

    Parameters
    ----------
    samples
        For every label of the legend, what `arviz.from_cmdstanpy` gives: a DataTree with the group
        ``posterior`` and, for the divergences, ``sample_stats``. The first is drawn on top.
    node, parent
        Names of the two parameters of the right-hand panel, indices from 1.
    **kwargs
        Passed to both `bokeh.plotting.figure`, instead of what they are given here.

    Returns
    -------
    bokeh layout
        Two panels with one τ axis, over the same range every time (unless you ask for another) so that
        pictures can be compared. Divergent draws are crosses of a darker shade; a click on the legend hides
        a sampler.

    Raises
    ------
    TypeError
        If `samples` is not a dictionary of what ArviZ gives.
    ValueError
        If there are none, or if a name is not one of a single parameter of every sampler; see `draws`.
    """
    if isinstance(samples, xr.DataTree) or not isinstance(samples, Mapping):
        raise TypeError(
            f"samples is {describe_type(samples)}: give a dictionary, such as {{'centered': samples}}"
        )
    if not samples:
        raise ValueError("samples is empty: give at least one sampler, under its label")
    options = {"width": 370, "height": 380, "y_axis_type": "log", "y_range": FUNNEL["tau"]}
    options |= {"tools": "pan,box_zoom,wheel_zoom,reset,save", "toolbar_location": "above"} | kwargs
    axes = {"x_axis_label": f"θ ({UNIT})", "y_axis_label": f"τ ({UNIT})", "x_range": FUNNEL["theta"]}
    left = bokeh.plotting.figure(**axes | options)
    axes = {"x_axis_label": f"{_greek(node)} − {_greek(parent)} ({UNIT})", "x_range": FUNNEL["offset"]}
    right = bokeh.plotting.figure(**axes | options | {"y_range": left.y_range})
    colored = list(zip(itertools.cycle(COLORS), samples.items(), strict=False))
    for color, (label, tree) in reversed(colored):  # first on top
        theta, tau = draws(tree, "theta"), draws(tree, "tau")
        offset = draws(tree, node) - draws(tree, parent)
        divergent = np.zeros(len(tau), dtype=bool)
        if "sample_stats" in tree.children and "diverging" in tree["sample_stats"]:
            divergent = tree["sample_stats"]["diverging"].transpose("chain", "draw").to_numpy().ravel()
        first = None
        for rows, marks in [
            (~divergent, {"size": 3, "color": color, "alpha": 0.35}),
            (divergent, {"size": 9, "color": darker(color), "marker": "x", "line_width": 2}),
        ]:
            table = {"theta": theta[rows], "offset": offset[rows], "tau": tau[rows]}
            source = bokeh.models.ColumnDataSource({k: v.astype(np.float32) for k, v in table.items()})
            for p, x in [(right, "offset"), (left, "theta")]:
                if first is None:
                    first = p.scatter(x, "tau", source=source, legend_label=str(label), **marks)
                else:  # the one legend hides a sampler's draws and divergences in both panels
                    first.js_link("visible", p.scatter(x, "tau", source=source, **marks), "visible")
    right.legend.items = right.legend.items[::-1]
    right.legend.click_policy = "hide"
    right.legend.location = "bottom_right"
    return bokeh.layouts.row(left, right)


def dots(table: pl.DataFrame, estimate: str, exact: float, **kwargs) -> bokeh.plotting.figure:
    """Draw a dot for each run of a sampler, in a line for each kind of run, and the exact value.

    Parameters
    ----------
    table
        One row per run.
    estimate
        Column with what each run estimates.
    exact
        The true value, in the same unit.
    **kwargs
        Passed to `iqplot.strip`, instead of what it is given here: ``cats="run"``, for instance.

    Returns
    -------
    bokeh.plotting.figure
        Estimates across; kinds of runs from top to bottom, in the order of the table; a dashed line at the
        exact value.

    Raises
    ------
    TypeError
        If the table is not a polars DataFrame.
    ValueError
        If the table has no rows or no column `estimate`, if one of its numbers is missing or not finite, or
        if `exact` is.
    """
    import iqplot  # which takes as long as all the rest

    if not isinstance(table, pl.DataFrame):
        raise TypeError(f"table is {describe_type(table)}: give a polars DataFrame")
    cats = kwargs.get("cats", "run")
    for name in [estimate, *([cats] if isinstance(cats, str) else cats or [])]:
        if not isinstance(name, str) or name not in table.columns:
            near, there = did_you_mean(name, table.columns), ", ".join(map(repr, table.columns))
            raise ValueError(f"no column {short_repr(name)}{near}; the table has {there}")
    if table.is_empty():
        raise ValueError("the table has no rows: give at least one run")
    as_numbers(table[estimate])
    if not is_number(exact):
        raise ValueError(f"exact is {short_repr(exact)}: give a finite number")
    palette = [COLORS[i] for i in (0, 4, 1, 5, 2, 3)]  # pale and strong of blue, of orange, ...
    options = {
        "cats": "run",
        "spread": "jitter",
        "palette": palette,
        "tools": "save",
        "toolbar_location": "right",
    }
    options |= {"frame_width": 430, "frame_height": 230, "marker_kwargs": {"alpha": 0.8, "size": 7}}
    options |= {"x_axis_label": f"{estimate}, by one run"} | kwargs
    p = iqplot.strip(table, q=estimate, **options)
    p.add_layout(bokeh.models.Span(location=exact, dimension="height", line_dash="dashed", line_width=2))
    where = {"x": exact, "x_offset": 5, "y": p.frame_height - 2, "y_units": "screen"}
    style = {"text_font_size": "13px", "text_baseline": "top"}
    p.add_layout(bokeh.models.Label(text="exact", **where, **style))
    return p


def rank_ecdf(
    tables: pl.DataFrame | Mapping[str, pl.DataFrame], probability: float = 0.95, **kwargs
) -> bokeh.plotting.figure:
    """Draw how far the ranks of true values are from uniform, and the band within which they should stay.

    Parameters
    ----------
    tables
        What `calibrate` gives, or several of it under the labels of the legend. A line for every parameter of
        every table; filter a table to draw fewer.
    probability
        With which a whole line stays inside the band, if its ranks are uniform. The band is for the smallest
        number of replications.
    **kwargs
        Passed to `bokeh.plotting.figure`, instead of what it is given here.

    Returns
    -------
    bokeh.plotting.figure
        Across, where a rank stands among the draws, from 0, below all, to 1, above all; upwards, the share
        of ranks below, less what it would be if ranks were uniform. A click on the legend hides a line.

    Raises
    ------
    TypeError, ValueError
        If a table is not one of `calibrate`, or if there is none; see `rank_test`.
    """
    single = isinstance(tables, pl.DataFrame)
    if not (single or isinstance(tables, Mapping)):
        raise TypeError(
            f"tables is {describe_type(tables)}: give a table of calibrate, or a dictionary of several"
        )
    if not single and not tables:
        raise ValueError("tables is empty: give at least one, under its label")
    lines = []
    for label, table in ({"": tables} if single else tables).items():
        for name, *numbers in ecdf_differences(table, probability):
            shown = _greek(name)
            several = table["parameter"].n_unique() > 1
            lines.append((shown if single else f"{label}, {shown}" if several else str(label), *numbers))
    options = {"width": 640, "height": 400, "x_range": (0, 1), "tools": "save", "toolbar_location": "above"}
    options |= {"x_axis_label": "rank of the true value / draws"}
    options |= {"y_axis_label": "share of ranks below, minus uniform"} | kwargs
    p = bokeh.plotting.figure(**options)
    _, _, points, _, low, high = min(lines, key=lambda line: line[1])
    p.varea([0, *points, 1], [0, *low, 0], [0, *high, 0], color=PALE)
    p.line([0, 1], [0, 0], color="#888888", line_dash="dashed")
    for color, (label, _, points, difference, _, _) in zip(itertools.cycle(COLORS), lines, strict=False):
        ends = ([0, *points, 1], [0, *difference, 0])
        p.line(*ends, color=color, line_width=2, legend_label=label)
    p.legend.visible = False
    legend = bokeh.models.Legend(items=p.legend[0].items, orientation="horizontal", border_line_color=None)
    legend.click_policy, legend.ncols = "hide", 3  # more would not fit a phone
    p.add_layout(legend, "above")
    return p


def darker(color: str) -> str:
    """Give a darker shade of a colour."""
    return bokeh.colors.RGB.from_hex_string(color).darken(0.2).to_hex()


def _greek(name: str) -> str:
    """Write ``theta_1[2]`` as it stands on a blackboard."""
    variable, index = parse_name(name)
    variable = variable.replace("theta", "θ").replace("tau", "τ").replace("sigma", "σ")
    subscript = "".join(chr(0x2080 + int(c)) if c.isdigit() else c for c in variable).replace("_", "")
    return subscript + (f"[{','.join(map(str, index))}]" if index else "")
