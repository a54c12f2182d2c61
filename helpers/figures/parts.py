"""What figures that move share: panels that fit a phone, and rows that wrap when the column is narrow."""

import bokeh.layouts
import bokeh.models
import bokeh.plotting
import numpy as np


def panel(height: int = 340, **options) -> bokeh.plotting.figure:
    """Make a panel without a toolbar, from 280 to 400 pixels wide; `options` are those of a bokeh figure."""
    p = bokeh.plotting.figure(
        height=height,
        sizing_mode="stretch_width",
        min_width=280,
        max_width=400,
        tools="",
        toolbar_location=None,
        **options,
    )
    p.axis.minor_tick_line_color = None
    return p


def wrap(*children: bokeh.models.LayoutDOM) -> bokeh.models.Row:
    """Put models beside each other, those that find no room below the others."""
    style = bokeh.models.InlineStyleSheet(css=":host { flex-wrap: wrap; }")
    return bokeh.layouts.row(*children, sizing_mode="stretch_width", spacing=14, stylesheets=[style])


def log_slider(title: str, start: float, end: float, value: float, name: str) -> bokeh.models.Slider:
    """Make a slider of a logarithm to base 10 that shows the number itself."""
    shown = bokeh.models.CustomJSTickFormatter(code="return String(Number((10 ** tick).toPrecision(2)))")
    return bokeh.models.Slider(
        title=title,
        start=start,
        end=end,
        step=0.05,
        value=value,
        format=shown,
        name=name,
        margin=(5, 12),  # room for the handle at either end
        sizing_mode="stretch_width",
        min_width=240,
        max_width=400,
    )


def tau_grid(median: float, per_decade: int) -> tuple[np.ndarray, int]:
    """Make an array of τ in equal steps of its logarithm, around its median; and say where that stands.

    The array goes from about a 150th of the median to about 30 times as much.
    """
    below, above = round(2.2 * per_decade), round(1.5 * per_decade)
    return median * 10 ** (np.arange(-below, above + 1) / per_decade), below


def tau_slider(tau: np.ndarray, start: int, name: str) -> bokeh.models.Slider:
    """Make a slider over the places of an array of τ, from 0, that shows τ itself to two digits."""
    code = "return String(Number(tau[Math.round(tick)].toPrecision(2)))"
    return bokeh.models.Slider(
        title="τ (a.u.)",
        start=0,
        end=len(tau) - 1,
        step=1,
        value=start,
        format=bokeh.models.CustomJSTickFormatter(args={"tau": tau.tolist()}, code=code),
        name=name,
        margin=(5, 12),  # room for the handle at either end
        sizing_mode="stretch_width",
        min_width=240,
        max_width=400,
    )
