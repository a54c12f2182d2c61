"""Pooling, with a slider: every leaf's mean as τ goes from "all the same" to "each for itself".

`pooling_slider.js` looks rows up in tables of exact conditional means, so the figure needs no kernel. Names
of models, for tests and for pages that want to set them:

``pooling.slider``
    Slider: the place in the array of τ, from 0; that array is the column ``tau`` of ``pooling.curve``.
``pooling.colonies``
    Data source with a row for each leaf: ``number``, as in Stan; ``own``, the average of its own
    measurements; ``n``, how many they are; ``mean`` and ``sd`` given τ; ``low`` and
    ``high``, the ends of the bar, mean ± `WIDTH` sd; ``size`` (of the open mark) and ``color``.
``pooling.curve``
    Data source with a row for each τ of the slider: ``tau``; ``density`` of its logarithm to base 10;
    ``cdf``, the probability of a smaller one.
``pooling.below``
    The first rows of that, up to where the slider is.
``pooling.now``
    Data source of the mark on the curve: ``tau`` and ``density``.
``pooling.text``
    What the figure says of τ.
"""

from collections.abc import Mapping

import bokeh.layouts
import bokeh.models
import numpy as np

from helpers.exact import exact_posterior
from helpers.exact.passes import Tree
from helpers.figures.parts import panel, script, source, tau_grid, tau_slider, words, wrap
from helpers.plots import COLORS, GREY
from helpers.priors import UNIT

WIDTH = 1.6  # a bar reaches so many sds to either side: 89% of a normal distribution


def pooling(data: Mapping, prior: Mapping | None = None) -> bokeh.models.LayoutDOM:
    """Make the figure: every leaf's mean given τ, beside the posterior of τ, with a slider for τ.

    Parameters
    ----------
    data
        The dictionary that `stan_data` gives, with measurements ``y``, for any number of levels.
    prior
        Priors that differ from those of the lessons; see `exact_posterior`.

    Returns
    -------
    bokeh layout
        For `bokeh.io.show`; as wide as the column it is in, panels one below the other if that is narrow.
        It begins at the posterior median of τ. σ is integrated out.

    Raises
    ------
    ValueError
        If `exact_posterior` does not accept the data or the prior.
    """
    exact = exact_posterior(data, prior)
    tau, start = tau_grid(exact.quantile("tau", 0.5), per_decade=16)
    leaves, bands, pooled, mean, sd = _leaves(data, exact, tau)
    density = exact.density("tau", tau) * tau * np.log(10)
    curve = {"tau": tau, "density": density, "cdf": exact.cdf("tau", tau)}
    slider = tau_slider(tau, start, name="pooling.slider")
    now = {"mean": mean[start], "sd": sd[start]}
    now |= {"low": mean[start] - WIDTH * sd[start], "high": mean[start] + WIDTH * sd[start]}
    colonies, line = source("pooling.colonies", leaves | now), source("pooling.curve", curve)
    below = source("pooling.below", {name: column[: start + 1] for name, column in curve.items()})
    mark = source("pooling.now", {name: curve[name][[start]] for name in ("tau", "density")})
    text = words(_words(tau[start], curve["cdf"][start]), "pooling.text")
    own = leaves["own"]
    ends = [(mean - WIDTH * sd).min(), (mean + WIDTH * sd).max(), own.min(), own.max()]
    left, right = _draw_leaves(colonies, bands, pooled, ends), _draw_curve(curve, line, below, mark)
    script(
        __file__, [(slider, "value")],
        slider=slider, colonies=colonies, curve=line, below=below, now=mark, text=text,
        means=mean.astype(np.float32), sds=sd.astype(np.float32), width=WIDTH, unit=UNIT,
    )  # fmt: skip
    return bokeh.layouts.column(slider, text, wrap(left, right), sizing_mode="stretch_width")


def _draw_leaves(colonies, bands: list, pooled: float, ends: list) -> bokeh.plotting.figure:
    """Draw the mean of every leaf with its bar, and the average of its own measurements."""
    leaves, margin = len(colonies.data["own"]), 0.03 * (max(ends) - min(ends))
    left = panel(
        height=90 + 20 * leaves,
        x_range=(min(ends) - margin, max(ends) + margin), y_range=(leaves + 0.7, 0.3),
        x_axis_label=f"mean of the colony, given τ ({UNIT})", y_axis_label="colony, numbered as in Stan",
    )  # fmt: skip
    left.grid.visible = False
    left.yaxis.ticker = colonies.data["number"].tolist()
    left.yaxis.major_tick_line_color = None
    for first, last in bands[::2]:
        band = {"bottom": last + 0.5, "top": first - 0.5, "fill_color": GREY, "fill_alpha": 0.12}
        left.add_layout(bokeh.models.BoxAnnotation(**band, line_color=None, level="underlay"))
    dashes = {"dimension": "height", "line_dash": "dashed", "level": "underlay"}
    left.add_layout(bokeh.models.Span(location=pooled, **dashes))
    left.segment("low", "number", "high", "number", source=colonies, color="color", line_width=3, alpha=0.5)
    left.scatter("mean", "number", source=colonies, color="color", size=9)
    diamond = {"marker": "diamond", "line_color": "black", "fill_color": None, "line_width": 1.5}
    left.scatter("own", "number", source=colonies, size="size", **diamond)
    return left


def _draw_curve(curve: dict, line, below, mark) -> bokeh.plotting.figure:
    """Draw the posterior of τ, and where the slider is."""
    tau = curve["tau"]
    right = panel(
        height=300, x_axis_type="log", x_range=(tau[0] / 1.2, tau[-1] * 1.2), x_axis_label=f"τ ({UNIT})",
        y_range=(0, 1.1 * curve["density"].max()), y_axis_label="exact p(τ | data), per factor of ten",
    )  # fmt: skip
    right.xgrid.visible = False
    right.xaxis.formatter = bokeh.models.CustomJSTickFormatter(code="return String(tick)")
    right.varea("tau", 0, "density", source=below, color=COLORS[5], alpha=0.25)
    right.line("tau", "density", source=line, color=COLORS[5], line_width=3)
    right.segment("tau", 0, "tau", "density", source=mark, color="black", line_width=2)
    right.scatter("tau", "density", source=mark, color="black", size=10)
    return right


def _leaves(data: Mapping, exact, tau: np.ndarray) -> tuple[dict, list, float, np.ndarray, np.ndarray]:
    """Describe the leaves: what stays, ends of the groups of level 1, pooled mean; means and sds given τ."""
    tree = Tree(data, "y", None)
    top = np.arange(tree.sizes[1])
    for parent in tree.parents[1:]:
        top = top[parent]
    number, n = np.arange(1, len(top) + 1), tree.precision[:, 0]
    ends = np.flatnonzero(np.diff(top)) + 1  # leaves of one group stand together, as `stan_data` sorts them
    bands = list(zip(np.r_[1, ends + 1], np.r_[ends, len(top)], strict=True))
    table = exact.conditional(np.r_[0.0, tau])
    mean, sd = (table[name].to_numpy().reshape(len(tau) + 1, -1)[1:, -len(top) :] for name in ("mean", "sd"))
    leaves = {"number": number, "own": tree.mean[:, 0] + tree.shift, "n": n}
    leaves |= {"size": 6 + 2 * n, "color": [COLORS[i % len(COLORS)] for i in top]}
    return leaves, bands, table["mean"][0], mean, sd


def _words(tau: float, share: float) -> str:
    """Say what `pooling_slider.js` says, at the start."""
    return f"With probability {share:.3f}, τ is smaller than {float(f'{tau:.2g}'):g} {UNIT}"
