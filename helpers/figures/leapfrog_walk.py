"""A walk in the funnel: one Hamiltonian path, followed with the step size that the reader chooses.

`leapfrog_walk.js` computes the path anew whenever a control is moved, so the figure needs no kernel. Names of
models, for tests and for pages that want to set them:

``walk.step``, ``walk.start``
    Sliders: logarithms to base 10 of the step size and of the τ where the path starts.
``walk.form``
    Buttons; ``active`` is 0 for centered, 1 for noncentered.
``walk.again``, ``walk.kick``
    The button "kick again"; and the data source that says which of `KICKS` it has come to, ``number[0]``.
``walk.path``
    Data source of the points that were reached: ``move`` from 0, ``x`` (of the noncentered form z = x/τ),
    ``log_tau``, ``error`` (H − H₀) and ``size`` (its absolute value, and at least 1e-5, for the logarithmic
    axis).
``walk.break``
    Data source with one row if the path diverges, else none: ``move``, the point that it left from (``x``,
    ``log_tau``), the one that it was thrown to (``to_x``, ``to_log_tau``), ``error``, at most 1e5.
``walk.panel``, ``walk.hill.0``, ``walk.hill.1``
    The panel of the path; and the shades of it, of the centered form and of the noncentered.
``walk.text``
    What the figure says of the path.
"""

import bokeh.layouts
import bokeh.models
import numpy as np
from scipy.optimize import brentq
from scipy.special import erf

from helpers.figures.parts import log_slider, panel, script, source, words, wrap
from helpers.plots import COLORS, SHADES

MOVES = 60
LIMIT = 1000  # Stan's: beyond this energy error a path is divergent
BREAK = {"marker": "x", "size": 14, "line_width": 3, "color": COLORS[5]}  # where a path breaks off
SHOWN = (1e-5, 1e5)  # energy errors outside are drawn at these
# momenta of x (or z) and of log τ; with this seed the first path stays in the frame
KICKS = np.random.default_rng(seed=2865).normal(size=(100, 2)).round(3)
# of the centered form and of the noncentered: what is shown
FRAMES = [
    {"label": "x", "x": {"start": -6, "end": 6}, "y": {"start": -6, "end": 3}},
    {"label": "z = x / τ", "x": {"start": -4, "end": 4}, "y": {"start": -10, "end": 10}},
]


def leapfrog(step: float, tau: float, kick, noncentered: bool = False, moves: int = MOVES) -> dict:
    """Follow one Hamiltonian path in the funnel log τ ~ Normal(0, 3), x ~ Normal(0, τ), with unit mass.

    It starts at x = τ: one standard deviation from the middle, in the wide part as in the neck. The path ends
    with the last of the moves, or when Stan would call it divergent, as H − H₀ exceeds 1000 or is no number.

    Parameters
    ----------
    step
        Step size, above 0.
    tau
        Where the path starts, above 0.
    kick : array, shape (2,)
        Momentum at the start: of x (of z, if noncentered), and of log τ.
    noncentered
        Whether the path moves z = x/τ, standard normal, in place of x.
    moves
        How many moves of the leapfrog to make.

    Returns
    -------
    dict
        ``move``, ``x`` (or z), ``log_tau`` and ``error`` (H − H₀): lists with an entry for the start and for
        every move. Of a divergent path the last entry is the point that it was thrown to, which may be
        infinite.
    """

    def potential(q):
        x, log_tau = q
        z2 = x**2 if noncentered else (x * np.exp(-log_tau)) ** 2
        return log_tau**2 / 18 + z2 / 2 + (0 if noncentered else log_tau)

    def slope(q):
        x, log_tau = q
        if noncentered:
            return np.array([x, log_tau / 9])
        z = x * np.exp(-log_tau)
        return np.array([z * np.exp(-log_tau), log_tau / 9 + 1 - z**2])

    q, p = np.array([1.0 if noncentered else tau, np.log(tau)]), np.array(kick, dtype=float)
    before = potential(q) + p @ p / 2
    path = {"move": [0], "x": [q[0]], "log_tau": [q[1]], "error": [0.0]}
    with np.errstate(over="ignore", invalid="ignore"):
        for move in range(1, moves + 1):
            p = p - step / 2 * slope(q)
            q = q + step * p
            p = p - step / 2 * slope(q)
            error = potential(q) + p @ p / 2 - before
            row = (move, *q, np.inf if np.isnan(error) else error)
            for column, value in zip(path.values(), row, strict=True):
                column.append(value)
            if not error <= LIMIT:
                break
    return path


def walk(noncentered: bool = False) -> bokeh.models.LayoutDOM:
    """Make the figure: a path in the funnel beside its energy error, with controls for what it depends on.

    Parameters
    ----------
    noncentered
        Whether the figure begins in the noncentered coordinates; its buttons switch between the two.

    Returns
    -------
    bokeh layout
        For `bokeh.io.show`; as wide as the column it is in, panels one below the other if that is narrow.
    """
    step = log_slider("step size", -1.7, 0, -0.7, name="walk.step")
    start = log_slider("the path starts at τ", -2, 0.5, 0, name="walk.start")
    forms = ["centered", "noncentered"]
    form = bokeh.models.RadioButtonGroup(labels=forms, active=int(noncentered), name="walk.form", width=200)
    again = bokeh.models.Button(label="kick again", name="walk.again", width=100)
    kick = source("walk.kick", {"number": [0]})
    walked, broken, said = _report(leapfrog(10**step.value, 10**start.value, KICKS[0], noncentered))
    path, end = source("walk.path", walked), source("walk.break", broken)
    text = words(said, "walk.text")
    left, hills = _draw_path(path, end, noncentered)
    right = _draw_errors(path, end)
    script(
        __file__, [(step, "value"), (start, "value"), (form, "active"), (kick, "data")],
        step=step, start=start, form=form, kick=kick, kicks=KICKS.tolist(), path=path, end=end, text=text,
        hills=hills, frames=FRAMES, axis=left.xaxis[0], x_range=left.x_range, y_range=left.y_range,
        moves=MOVES, limit=LIMIT, shown=SHOWN,
    )  # fmt: skip
    more = f"kick.data = {{number: [(kick.data.number[0] + 1) % {len(KICKS)}]}}"
    again.js_on_event("button_click", bokeh.models.CustomJS(args={"kick": kick}, code=more))
    controls = wrap(form, again), wrap(step, start)
    return bokeh.layouts.column(*controls, text, wrap(left, right), sizing_mode="stretch_width")


def _draw_path(path, end, noncentered: bool) -> tuple[bokeh.plotting.figure, list]:
    """Draw the path over the hill of either form, of which one is seen."""
    frame = FRAMES[noncentered]
    ranges = {f"{axis}_range": bokeh.models.Range1d(**frame[axis]) for axis in "xy"}
    left = panel(x_axis_label=frame["label"], y_axis_label="log τ", name="walk.panel", **ranges)
    hills = []
    for i, hill in enumerate(_hills()):
        style = {"color": "color", "level": "underlay", "name": f"walk.hill.{i}", "visible": i == noncentered}
        hills.append(left.patches("x", "y", source=bokeh.models.ColumnDataSource(hill), **style))
    left.line("x", "log_tau", source=path, color="black", line_width=1)
    left.scatter("x", "log_tau", source=path, color="black", size=4)
    start_at = bokeh.models.CDSView(filter=bokeh.models.IndexFilter([0]))
    ring = {"size": 11, "fill_color": "white", "line_color": "black", "line_width": 2}
    left.scatter("x", "log_tau", source=path, view=start_at, **ring)
    left.segment("x", "log_tau", "to_x", "to_log_tau", source=end, color=COLORS[5], line_width=2)
    left.scatter("x", "log_tau", source=end, **BREAK)
    return left, hills


def _draw_errors(path, end) -> bokeh.plotting.figure:
    """Draw the energy error after every move, and from where on Stan calls a path divergent."""
    right = panel(
        x_range=(-1, MOVES + 1), y_range=(SHOWN[0] / 2, SHOWN[1] * 4), y_axis_type="log",
        x_axis_label="move", y_axis_label="energy error",
    )  # fmt: skip
    dashed = {"dimension": "width", "line_dash": "dashed", "line_color": COLORS[5]}
    right.add_layout(bokeh.models.Span(location=LIMIT, **dashed))
    style = {"text_align": "right", "y_offset": 3, "text_font_size": "12px", "text_color": COLORS[5]}
    label = {"x": MOVES, "y": LIMIT, "text": "divergent, says Stan", "level": "underlay"}
    right.add_layout(bokeh.models.Label(**label, **style))
    right.line("move", "size", source=path, color="black", line_width=1)
    right.scatter("move", "size", source=path, color="black", size=4)
    right.scatter("move", "error", source=end, **BREAK)
    return right


def _report(path: dict) -> tuple[dict, dict, str]:
    """Say what `leapfrog` found as the page does: points reached, the break if there is one, the text."""
    table = {name: list(column) for name, column in path.items()}
    broken = {name: [] for name in ("move", "x", "log_tau", "to_x", "to_log_tau", "error")}
    if not table["error"][-1] <= LIMIT:
        move, *to, error = (column.pop() for column in table.values())
        row = (move, table["x"][-1], table["log_tau"][-1], *to, min(error, SHOWN[1]))
        broken = {name: [float(value)] for name, value in zip(broken, row, strict=True)}
    size = np.maximum(np.abs(table["error"]), SHOWN[0])
    largest = np.abs(table["error"]).max()
    verdict = "a rough path, of some use." if largest > 0.5 else "the path is followed well."
    if max(table["error"]) > 5:
        verdict = "so far off, a point is next to never kept."
    text = f"Largest energy error {float(f'{largest:.2g}'):g}: {verdict}"
    if broken["move"]:
        text = f"<b>Divergence</b> in move {move}: the energy is off by more than 1,000."
    return table | {"size": size.tolist()}, broken, text


def _hills() -> list[dict]:
    """Regions of highest density that hold 99%, 90% and 50%: of the centered form, and of the noncentered."""
    log_tau = np.linspace(-24, 24, 1001)  # eight standard deviations
    prior = np.exp(-(log_tau**2) / 18)

    def held(c):
        """Probability that minus the log density of the centered form is below c."""
        return prior @ erf(np.sqrt(np.maximum(c - log_tau**2 / 18 - log_tau, 0))) / prior.sum()

    hills = []
    for slant in (1, 0):
        hill = {"x": [], "y": [], "color": SHADES}
        for share in (0.99, 0.9, 0.5):
            c = brentq(lambda c, share=share: held(c) - share, -4, 100) if slant else -np.log(1 - share)
            bottom, top = 9 * (np.array([-1, 1]) * np.sqrt(slant + 2 * c / 9) - slant)
            # close together near the top, where the outline turns; what is far below the frame is left out
            y = top - (top - max(bottom, -12)) * np.linspace(1, 0, 100) ** 2
            z = np.sqrt(2 * np.maximum(c - y**2 / 18 - slant * y, 0))
            x = z * np.exp(slant * y)
            hill["x"].append([*x, *-x[::-1]])
            hill["y"].append([*y, *y[::-1]])
        hills.append(hill)
    return hills
