"""The message of a leaf: what its data say about it, as a function, and, through τ, about its parent.

`leaf_message.js` computes both curves anew whenever a control is moved, so the figure needs no kernel. Names
of models, for tests and for pages that want to set them:

``leaf_message.likelihood``
    Buttons; ``active`` is the place of the likelihood in `LIKELIHOODS`, from 0.
``leaf_message.tau``
    Slider: τ, the spread of leaves about their parent.
``leaf_message.distance``, ``leaf_message.nu``
    Sliders, seen for the normal and for Student's t, and for Student's t: how far apart two measurements are,
    with σ = 1, and the degrees of freedom.
``leaf_message.successes``, ``leaf_message.trials``, ``leaf_message.count``
    Sliders, the first two seen for the binomial likelihood, the last for Poisson's.
``leaf_message.curves``
    Data source of the curves: ``x``, ``leaf``, ``parent``, ``leaf_normal``, ``parent_normal``, as in
    `messages`.
``leaf_message.measured``
    Data source of the marks on the axis: ``x`` of the two measurements; of counts, none.
``leaf_message.panel``
    The panel.
``leaf_message.text``
    What the figure says about the curves.
"""

import bokeh.layouts
import bokeh.models
import bokeh.plotting
import numpy as np
from scipy.special import log_expit, logit

from helpers.figures.parts import panel, script, slider, source, words, wrap
from helpers.inputs import did_you_mean, short_repr
from helpers.plots import COLORS

LIKELIHOODS = {  # each with its label, what the values are, and what its leaf measured when the figure opens
    "normal": ("normal", "in units of σ", {"distance": 6}),
    "student_t": ("Student-t", "in units of σ", {"distance": 6, "nu": 4}),
    "binomial": ("binomial", "log odds", {"successes": 0, "trials": 7}),
    "poisson": ("Poisson", "log rate", {"count": 1}),
}
EDGE = 8.0  # the curves are drawn from minus this to this
ENOUGH = 0.03  # of the largest value: a normal curve this close is good enough
LABEL = "value of the leaf, or of its parent"
SLIDERS = {  # title, start, end and step of each
    "tau": ("τ, from a leaf to its parent", 0, 3, 0.05),
    "distance": ("distance of two measurements (σ)", 0, 8, 0.5),
    "nu": ("degrees of freedom ν", 2, 30, 1),
    "successes": ("successes", 0, 7, 1),
    "trials": ("trials", 1, 20, 1),
    "count": ("count", 0, 20, 1),
}


def messages(likelihood: str, tau: float, **measured: float) -> dict:
    """Compute what the data of a leaf say about its value, and about its parent's.

    The first is the likelihood L(u) of the leaf's value u, the second is the average of L(parent + τ z) over
    z ~ Normal(0, 1). It is summed in steps of z small enough for the narrowest L, so neither the edges of a
    grid nor a small τ matter.

    Parameters
    ----------
    likelihood
        A name in `LIKELIHOODS`.
    tau
        Spread of leaves about their parent, at least 0, on the scale of the leaf.
    **measured
        ``distance`` of two measurements with σ = 1, in the middle of which is 0 (normal, and Student-t, with
        ``nu`` too); ``successes`` and ``trials`` (binomial); or ``count``, with exposure 1 (Poisson).

    Returns
    -------
    dict
        ``x``, shape (401,); ``leaf`` and ``parent``, both curves, each in units of its largest value;
        ``leaf_normal`` and ``parent_normal``, the normal curve with the peak and the curvature of ``leaf``,
        and the same passed up; ``off``, by how much these two are off at most. All of these are NaN if there
        is no peak, or a flat one. Of two peaks it is the one on the right.
    """
    x, (peak, curvature) = np.linspace(-EDGE, EDGE, 401), _peak(likelihood, **measured)
    top = 0.0 if peak is None else _log_likelihood(likelihood, peak, **measured)
    far = np.ceil(6 / 0.15 * max(tau, 0.375))
    z = np.arange(-far, far + 1) * 0.15 / max(tau, 0.375)
    weight = np.exp(-(z**2) / 2)
    at_leaves = np.exp(_log_likelihood(likelihood, x[:, None] + tau * z, **measured) - top)
    leaf, parent = np.exp(_log_likelihood(likelihood, x, **measured) - top), at_leaves @ weight / weight.sum()
    if peak is not None:
        parent /= _largest(parent)
    variance = 1 / curvature if curvature else np.nan
    normal = [np.exp(-((x - (peak or 0)) ** 2) / (2 * v)) for v in (variance, variance + tau**2)]
    off = [float(np.max(np.abs(exact - near))) for exact, near in zip((leaf, parent), normal, strict=True)]
    names = ("x", "leaf", "parent", "leaf_normal", "parent_normal", "off")
    return dict(zip(names, (x, leaf, parent, *normal, off), strict=True))


def _log_likelihood(likelihood: str, u, distance=0, nu=0, successes=0, trials=0, count=0):
    """Log likelihood of the leaf's value `u`, but for a constant."""
    if likelihood == "binomial":
        return successes * log_expit(u) + (trials - successes) * log_expit(-u)
    if likelihood == "poisson":
        return count * u - np.exp(u)
    squares = (u - distance / 2) ** 2, (u + distance / 2) ** 2
    if likelihood == "normal":
        return -sum(squares) / 2
    return -(nu + 1) / 2 * sum(np.log1p(square / nu) for square in squares)


def _peak(likelihood: str, distance=0, nu=0, successes=0, trials=0, count=0) -> tuple[float | None, float]:
    """Place of the peak, if there is one, and minus the second derivative of the log likelihood there."""
    if likelihood == "binomial":
        at_end = successes in (0, trials)
        return None if at_end else logit(successes / trials), successes * (1 - successes / trials)
    if likelihood == "poisson":
        return np.log(count) if count else None, count
    if likelihood == "normal":
        return 0.0, 2.0
    peak = np.sqrt(max((distance / 2) ** 2 - nu, 0))
    squares = (peak - distance / 2) ** 2, (peak + distance / 2) ** 2
    return peak, (nu + 1) * sum((nu - square) / (nu + square) ** 2 for square in squares)


def _largest(y: np.ndarray) -> float:
    """Largest value of a smooth curve, by a parabola through the three points at the top."""
    i = int(np.argmax(y[1:-1])) + 1
    before, at, after = y[i - 1 : i + 2]
    return at + (after - before) ** 2 / (8 * (2 * at - before - after))


def leaf_message(likelihood: str = "binomial") -> bokeh.models.LayoutDOM:
    """Make the figure: what the data say about a leaf and its parent, with controls for what was measured.

    Parameters
    ----------
    likelihood
        With which the figure begins: a name in `LIKELIHOODS`. Its buttons switch between the four.

    Returns
    -------
    bokeh layout
        For `bokeh.io.show`; as wide as the column it is in.

    Raises
    ------
    ValueError
        If the likelihood is none of these.
    """
    if likelihood not in LIKELIHOODS:
        near, there = did_you_mean(likelihood, LIKELIHOODS), ", ".join(map(repr, LIKELIHOODS))
        raise ValueError(f"no likelihood {short_repr(likelihood)} to draw{near}: choose one of {there}")
    labels, units, starts = zip(*LIKELIHOODS.values(), strict=True)
    active = [*LIKELIHOODS].index(likelihood)
    choice = bokeh.models.RadioButtonGroup(labels=[*labels], active=active, name="leaf_message.likelihood")
    values = {"tau": 1} | {name: value for start in starts for name, value in start.items()}
    sliders = {name: _slider(name, values[name], starts[active]) for name in SLIDERS}
    drawn = messages(likelihood, values["tau"], **starts[active])
    off = drawn.pop("off")
    curves = source("leaf_message.curves", drawn)
    marks = [-values["distance"] / 2, values["distance"] / 2] if "distance" in starts[active] else []
    measured = source("leaf_message.measured", {"x": marks})
    text = words(_words(likelihood, off, **starts[active]), "leaf_message.text")
    p, above = _draw(curves, measured, likelihood)
    script(
        __file__, [(choice, "active"), *((one, "value") for one in sliders.values())],
        choice=choice, sliders=sliders, kinds=[*LIKELIHOODS], uses=[[*start] for start in starts],
        curves=curves, measured=measured, text=text, axis=p.below[0], label=LABEL, units=units,
        above=above, enough=ENOUGH,
    )  # fmt: skip
    return bokeh.layouts.column(wrap(choice), wrap(*sliders.values()), text, p, sizing_mode="stretch_width")


def _slider(name: str, value: float, used: dict) -> bokeh.models.Slider:
    """Make the slider of that name; it is seen if it is that of τ or of something used."""
    title, *span = SLIDERS[name]
    made = slider(title, f"leaf_message.{name}", *span, value)
    made.visible = name == "tau" or name in used
    return made


def _draw(curves, measured, likelihood: str) -> tuple[bokeh.plotting.figure, dict]:
    """Draw the curves; above them are axes of the probability and of the rate, by their likelihood."""
    p = panel(
        height=400, max_width=760, x_range=(-EDGE, EDGE), y_range=(-0.03, 1.08), name="leaf_message.panel",
        x_axis_label=f"{LABEL} ({LIKELIHOODS[likelihood][1]})", y_axis_label="in units of the largest value",
    )  # fmt: skip
    above = {
        "binomial": _axis("probability", [0.01, 0.1, 0.5, 0.9, 0.99], logit),
        "poisson": _axis("rate", [0.01, 0.1, 1, 10, 100], np.log),
    }
    for name, axis in above.items():
        axis.visible = name == likelihood
        p.add_layout(axis, "above")
    said = {"leaf": "what the data say about the leaf", "parent": "what they say about its parent"}
    dashes, items = {"line_dash": "dashed", "line_width": 2}, []
    for (name, label), color in zip(said.items(), (COLORS[0], COLORS[5]), strict=True):
        items.append((label, [p.line("x", name, source=curves, color=color, line_width=3)]))
        p.line("x", f"{name}_normal", source=curves, color=color, **dashes)
    # in the legend a line that is never seen stands for both dashed ones
    items.append(("a normal curve instead", [p.line([np.nan], [np.nan], color="black", **dashes)]))
    p.scatter("x", 0, source=measured, marker="diamond", size=14, color="black")
    plain = {"border_line_color": None, "background_fill_color": None, "padding": 0, "spacing": 0}
    p.add_layout(bokeh.models.Legend(items=items, location="top_left", **plain), "above")
    return p, above


def _axis(label: str, shown: list, link) -> bokeh.models.LinearAxis:
    """Make an axis that shows some numbers where `link` puts them."""
    places = [float(link(one)) for one in shown]
    labels = dict(zip(places, map(str, shown), strict=True))
    axis = bokeh.models.LinearAxis(ticker=places, axis_label=label, major_label_overrides=labels)
    axis.minor_tick_line_color = None
    return axis


def _words(likelihood: str, off: list[float], **measured: float) -> str:
    """Say about the curves what `leaf_message.js` says."""
    data = f"Two measurements, {measured.get('distance', 0):g} apart"
    if likelihood == "binomial":
        data = f"{measured['successes']} of {measured['trials']}"
    if likelihood == "poisson":
        data = f"A count of {measured['count']}"
    if likelihood == "normal":
        return f"{data}: a normal curve, the same at any distance. For the parent it is a normal curve, too."
    peak, _ = _peak(likelihood, **measured)
    if peak is None:
        size = "small" if measured.get("successes") else "large"
        return f"{data}: the data rule out {size} values, and nothing else. No normal curve has this shape."
    if np.isnan(off[0]):
        return f"{data}: the peak is flat, so there is no normal curve of the same curvature."
    which = "the normal curve"
    if likelihood == "student_t" and peak:
        which = "there are two peaks, and a normal curve has only one. It"
    leaf, parent = (f"{one:.1%}" for one in off)
    verdict = "which is good enough" if off[1] < ENOUGH else "which is too much"
    return f"{data}: {which} is off by up to {leaf} at the leaf and {parent} at its parent, {verdict}."
