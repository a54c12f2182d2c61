"""Lines, and the ellipse they are drawn from: what τ[1], τ[2] and ρ do to the lines of groups.

The line of a group has an intercept and a slope, which are normal together. `line_ellipse.js` places ellipses
and groups anew whenever a slider is moved, so the figure needs no kernel. The groups are made up. Names of
models, for tests and for pages that want to set them:

``lines.tau1``, ``lines.tau2``, ``lines.rho``
    Sliders: τ[1], the sd of intercepts; τ[2], the sd of slopes; and ρ, the correlation of the two.
``lines.ellipses``
    Data source with a row for each share in `SHARES`: ``intercept`` and ``slope``, the outline of the ellipse
    that holds this share of groups; ``share``, as the legend says it; ``color``.
``lines.groups``
    Data source with a row for each group: ``intercept``, ``slope``; ``low`` and ``high``, where its line is
    at the two ends of `X`; ``color``, ``size`` (of its dot), ``width`` (of its line).
``lines.closest``
    Data source with one row, ``x`` where the sd of the lines is smallest; none if it is the same everywhere.
``lines.left``, ``lines.right``
    The panel of the ellipses, and that of the lines.
``lines.text``
    What the figure says of the lines.
"""

import math

import bokeh.layouts
import bokeh.models
import bokeh.plotting
import numpy as np
from scipy.special import ndtri

from helpers.figures.parts import panel, script, slider, source, words, wrap
from helpers.plots import COLORS, GREY, SHADES
from helpers.priors import UNIT

THETA, BETA = 10.0, 1.0  # intercept and slope of the population
X = (-2, 2)  # the predictor, from where to where lines are drawn
SHARES = {"90%": 0.9, "50% of groups": 0.5}  # that the ellipses hold
POPULATION = "#666666"
START = {"tau_1": 1.5, "tau_2": 1.2, "rho": -0.8}
SCORES = ndtri((np.arange(12) + 0.5) / 12)
SCORES /= np.sqrt(np.mean(SCORES**2))
# Standard normal pairs, a row for each group. In this order the two columns have sd 1 and a correlation below
# 0.0001, so these twelve lines are closest where all lines are; the ellipses hold six of them, and eleven.
Z = np.column_stack([SCORES, SCORES[[4, 3, 8, 11, 7, 2, 9, 0, 5, 6, 1, 10]]])
Z = np.vstack([np.delete(Z, [9, 2], axis=0), Z[[9, 2]]])  # the two in colour come last, and are drawn on top
ANGLES = np.linspace(0, 2 * np.pi, 100, endpoint=False)
CIRCLE = np.column_stack([np.cos(ANGLES), np.sin(ANGLES)])
# The squared distance from the middle, in sds, is chi-squared with 2 degrees of freedom.
RINGS = [math.sqrt(-2 * math.log(1 - share)) * CIRCLE for share in SHARES.values()]
LOOKS = {"color": [GREY] * 10 + COLORS[:2], "size": [6] * 10 + [12] * 2, "width": [1] * 10 + [4] * 2}


def place(z: np.ndarray, tau_1: float, tau_2: float, rho: float) -> tuple[np.ndarray, np.ndarray]:
    """Turn standard normal pairs into intercepts and slopes, by the Cholesky factor of their covariance.

    Parameters
    ----------
    z : array, shape (pairs, 2)
        Independent standard normal numbers.
    tau_1, tau_2
        The sds of intercepts and of slopes, at least 0.
    rho
        Their correlation, from -1 to 1.

    Returns
    -------
    two arrays, shape (pairs,)
        Intercepts and slopes.
    """
    rest = math.sqrt(1 - rho * rho)
    return THETA + tau_1 * z[:, 0], BETA + tau_2 * (rho * z[:, 0] + rest * z[:, 1])


def closest(tau_1: float, tau_2: float, rho: float) -> tuple[float | None, float]:
    """Find the x at which the sd of the lines is smallest, None if it is the same everywhere; and that sd."""
    if tau_2 == 0:
        return None, tau_1
    return -rho * tau_1 / tau_2, tau_1 * math.sqrt(1 - rho * rho)


def state(tau_1: float, tau_2: float, rho: float) -> dict:
    """Compute what the figure shows at a setting of its sliders, as `line_ellipse.js` does.

    Returns
    -------
    dict
        ``ellipses`` and ``groups``: dictionaries with those columns of the data sources that follow the
        sliders. ``closest``: the same of the mark, an array of one number or of none. ``text``.
    """
    outlines = [place(ring, tau_1, tau_2, rho) for ring in RINGS]
    intercept, slope = place(Z, tau_1, tau_2, rho)
    groups = {"intercept": intercept, "slope": slope}
    groups |= {"low": intercept + slope * X[0], "high": intercept + slope * X[1]}
    x, _ = closest(tau_1, tau_2, rho)
    return {
        "ellipses": dict(zip(("intercept", "slope"), map(list, zip(*outlines, strict=True)), strict=True)),
        "groups": groups,
        "closest": {"x": np.array([] if x is None else [x])},
        "text": _words(tau_1, tau_2, rho),
    }


def lines() -> bokeh.models.LayoutDOM:
    """Make the figure: groups as dots in the ellipse of intercepts and slopes, and beside it as lines.

    Returns
    -------
    bokeh layout
        For `bokeh.io.show`; as wide as the column it is in, panels one below the other if that is narrow.
    """
    titles = {
        "tau1": (f"τ[1], sd of intercepts ({UNIT})", 0, 2, 0.1, START["tau_1"]),
        "tau2": (f"τ[2], sd of slopes ({UNIT} per unit of x)", 0, 1.5, 0.1, START["tau_2"]),
        "rho": ("ρ, correlation of intercepts and slopes", -0.95, 0.95, 0.05, START["rho"]),
    }
    shown = 'return String(Number(tick.toFixed(2))).replace("-", "−")'
    sliders = [slider(title, f"lines.{name}", *span, shown) for name, (title, *span) in titles.items()]
    start = state(**START)
    shares = {"share": [*SHARES], "color": SHADES[1:]}
    ellipses = source("lines.ellipses", start["ellipses"] | shares)
    groups = source("lines.groups", start["groups"] | LOOKS)
    mark, text = source("lines.closest", start["closest"]), words(start["text"], "lines.text")
    script(
        __file__, [(one, "value") for one in sliders],
        sliders=sliders, ellipses=ellipses, groups=groups, mark=mark, text=text, theta=THETA, beta=BETA,
        ends=X, rings=[ring.tolist() for ring in RINGS], pairs=Z.tolist(), unit=UNIT,
    )  # fmt: skip
    drawn = wrap(_draw_ellipses(ellipses, groups), _draw_lines(groups, mark))
    return bokeh.layouts.column(wrap(*sliders), text, drawn, sizing_mode="stretch_width")


def _draw_ellipses(ellipses, groups) -> bokeh.plotting.figure:
    """Draw the ellipses, and the groups as dots."""
    left = panel(
        name="lines.left", x_range=(THETA - 4.7, THETA + 4.7), x_axis_label=f"intercept ({UNIT})",
        y_range=(BETA - 3.6, BETA + 3.6), y_axis_label=f"slope ({UNIT} per unit of x)",
    )  # fmt: skip
    _legend(left)
    style = {"fill_color": "color", "line_color": "color", "line_width": 2}  # a flat ellipse is a line
    left.patches("intercept", "slope", source=ellipses, legend_group="share", **style)
    left.scatter([THETA], [BETA], marker="cross", size=14, line_width=3, color=POPULATION)
    dot = {"fill_color": "color", "line_color": "white", "size": "size"}
    left.scatter("intercept", "slope", source=groups, **dot)
    return left


def _draw_lines(groups, mark) -> bokeh.plotting.figure:
    """Draw the lines of the groups and of the population, and where the former are closest."""
    low, high = THETA - 11, THETA + 12.5
    right = panel(
        name="lines.right", x_range=X, x_axis_label="predictor x",
        y_range=(low, high), y_axis_label=f"y ({UNIT})",
    )  # fmt: skip
    _legend(right)
    right.xaxis.ticker = [-2, -1, 0, 1, 2]
    dots = {"color": "black", "line_dash": "dotted", "legend_label": "lines closest"}
    right.segment("x", low, "x", high, source=mark, line_width=2, **dots)
    right.segment(X[0], "low", X[1], "high", source=groups, color="color", line_width="width")
    ends = [THETA + BETA * x for x in X]
    right.line(X, ends, color=POPULATION, line_width=3, line_dash="dashed", legend_label="population")
    return right


def _legend(p: bokeh.plotting.figure) -> None:
    """Put a legend above a panel, out of the way of what moves."""
    plain = {"border_line_color": None, "background_fill_color": None, "padding": 0, "spacing": 12}
    p.add_layout(bokeh.models.Legend(orientation="horizontal", **plain), "above")


def _words(tau_1: float, tau_2: float, rho: float) -> str:
    """Say of the lines what `line_ellipse.js` says."""
    x, sd = closest(tau_1, tau_2, rho)
    if x is None:
        same = "All groups have the same line."
        return f"All lines are parallel, with an sd of {sd:.2g} {UNIT} at every x." if sd > 0 else same
    if tau_1 == 0:
        return "All lines pass through one point, at x = 0."
    x = math.floor(10 * x + 0.5) / 10
    near = f"{x:g}".replace("-", "−")
    if abs(x) > X[1]:
        near += f" (to the {'right' if x > 0 else 'left'} of the picture)"
    said = f"Groups that are high at x = 0 tend to rise {'less' if rho < 0 else 'more'}"
    if abs(rho) < 0.01:
        said = "The height of a group at x = 0 says nothing about its slope"
    return f"{said}: the lines are closest near x = {near}, with an sd of {sd:.2g} {UNIT} there."
