"""What figures that move share: panels that fit a phone, and rows that wrap when the column is narrow."""

import bokeh.layouts
import bokeh.models
import bokeh.plotting


def panel(**options) -> bokeh.plotting.figure:
    """Make a panel without a toolbar, from 280 to 400 pixels wide; `options` are those of a bokeh figure."""
    p = bokeh.plotting.figure(
        height=340,
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
    return bokeh.layouts.row(*children, sizing_mode="stretch_width", stylesheets=[style])


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
        sizing_mode="stretch_width",
        min_width=240,
        max_width=400,
    )
