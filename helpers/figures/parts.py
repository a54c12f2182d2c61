"""What figures that move share: panels that fit a phone, and rows that wrap when the column is narrow."""

from pathlib import Path

import bokeh.layouts
import bokeh.models
import bokeh.plotting
import numpy as np

from helpers.priors import UNIT


def panel(height: int = 340, **options) -> bokeh.plotting.figure:
    """Make a panel without a toolbar, from 280 to 400 pixels wide; `options` are those of a bokeh figure."""
    fit = {"sizing_mode": "stretch_width", "min_width": 280, "max_width": 400}
    p = bokeh.plotting.figure(height=height, **fit | {"tools": "", "toolbar_location": None} | options)
    p.axis.minor_tick_line_color = None
    return p


def wrap(*children: bokeh.models.LayoutDOM) -> bokeh.models.Row:
    """Put models beside each other, those that find no room below the others."""
    style = bokeh.models.InlineStyleSheet(css=":host { flex-wrap: wrap; }")
    return bokeh.layouts.row(*children, sizing_mode="stretch_width", spacing=14, stylesheets=[style])


def script(module: str, models: list[tuple[bokeh.models.Model, str]], **args) -> None:
    """Run the script beside a module whenever a property of one of some models changes.

    `module` is the module's ``__file__``; `args` are what the script knows by these names.
    """
    update = bokeh.models.CustomJS(args=args, code=Path(module).with_suffix(".js").read_text("utf-8"))
    for model, what in models:
        model.js_on_change(what, update)


def words(text: str, name: str, **options) -> bokeh.models.Div:
    """Make a text that changes: who cannot see it is told so."""
    said = {"sizing_mode": "stretch_width", "html_attributes": {"aria-live": "polite"}}
    return bokeh.models.Div(text=text, name=name, **said | options)


def source(name: str, data: dict) -> bokeh.models.ColumnDataSource:
    """Make a data source that has a name."""
    return bokeh.models.ColumnDataSource(data, name=name)


def slider(title: str, name: str, start, end, step, value, shown: str = "", **args) -> bokeh.models.Slider:
    """Make a slider; JavaScript `shown`, if there is any, says how to write its value, and knows `args`."""
    fit = {"sizing_mode": "stretch_width", "min_width": 240, "max_width": 400}
    fit["margin"] = (5, 12)  # room for the handle at either end
    if shown:
        fit["format"] = bokeh.models.CustomJSTickFormatter(args=args, code=shown)
    return bokeh.models.Slider(title=title, start=start, end=end, step=step, value=value, name=name, **fit)


def log_slider(title: str, start: float, end: float, value: float, name: str) -> bokeh.models.Slider:
    """Make a slider of a logarithm to base 10 that shows the number itself."""
    return slider(title, name, start, end, 0.05, value, "return String(Number((10 ** tick).toPrecision(2)))")


def tau_grid(median: float, per_decade: int) -> tuple[np.ndarray, int]:
    """Make an array of τ in equal steps of its logarithm, around its median; and say where that stands.

    The array goes from about a 150th of the median to about 30 times as much.
    """
    below, above = round(2.2 * per_decade), round(1.5 * per_decade)
    return median * 10 ** (np.arange(-below, above + 1) / per_decade), below


def tau_slider(tau: np.ndarray, start: int, name: str) -> bokeh.models.Slider:
    """Make a slider over the places of an array of τ, from 0, that shows τ itself to two digits."""
    shown = "return String(Number(tau[Math.round(tick)].toPrecision(2)))"
    return slider(f"τ ({UNIT})", name, 0, len(tau) - 1, 1, start, shown, tau=tau.tolist())
