"""The panel "Sample here": draws of the three-level model, and, in the book, Stan to make others.

The figure shows the draws that it was given, in JupyterLab and in the book. In the book, `panel.js` (in
``book/browser/panel``) puts a form above it and a table of diagnostics below. It samples with the programs
that were compiled for pages, if there are any, and puts what comes into these sources, by their names:

``sampling.start``
    Text on what the figure shows. Its only tag is JSON with what the script needs: ``levels`` and ``flat``,
    the data as the three-level programs read them and as those for any depth do; ``exact``, P(τ < `BELOW`);
    ``below``, that is `BELOW`; and the settings with which the draws were made: ``program``, ``weight``,
    ``adaptDelta``, ``seed``, ``warmup``, ``draws``, ``chains``.
``sampling.trace``
    Data source with a row for each chain: ``draw``, the numbers of its draws, those of warm-up up to 0; their
    ``tau``; and ``color``.
``sampling.draws``
    Data source of the dots on the left: ``theta`` and ``tau``. At the start it has all draws, chain after
    chain, and of them also ``sigma``, ``energy`` and ``divergent`` (0 or 1), for the table.
``sampling.offsets``
    Data source of the dots on the right: ``offset``, that is θ₁[1] − θ, and ``tau``. The two are apart so
    that no change of data makes the page draw both.
``sampling.divergent``
    Data source of the crosses: ``theta``, ``offset`` and ``tau`` of the divergent draws.
``sampling.panel``
    The panel with the trace, whose x-range follows the number of draws.
"""

import json
from collections.abc import Mapping

import bokeh.layouts
import bokeh.models
import numpy as np
import xarray as xr

from helpers.exact import exact_posterior
from helpers.figures.parts import panel, source, wrap
from helpers.plots import COLORS, FUNNEL, GREY, darker
from helpers.priors import UNIT
from helpers.tree import draws, tree_data

BELOW = 0.1  # P(τ < 0.1) tells whether the neck is there
_LEVELS = ["N", "J_1", "J_2", "J_3", "index_1", "index_2", "index_3", "y"]


def sampling(
    data: Mapping,
    samples: xr.DataTree,
    program: str = "centered",
    weight: float = 0.5,
    adapt_delta: float = 0.8,
    seed: int = 11,
    warmup: int = 1000,
) -> bokeh.models.LayoutDOM:
    """Make the figure: a trace of τ, and τ against θ and against how far a node lies from its parent.

    Parameters
    ----------
    data
        The dictionary that `stan_data` gives, with three levels and measurements ``y``.
    samples
        The draws to start with: what `arviz.from_cmdstanpy` gives for ``centered`` or ``noncentered``, and
        `unflatten` for ``tree`` or ``tree_marginal`` with their nodes.
    program, weight, adapt_delta, seed, warmup
        How they were made: the name of the program, `weight` if that is ``tree``, and what
        `cmdstanpy.CmdStanModel.sample` was told. The form starts with the same.

    Returns
    -------
    bokeh layout
        For `bokeh.io.show`; as wide as the column it is in, panels one below the other if that is narrow.

    Raises
    ------
    ValueError
        If the data have another number of levels, or if the samples lack a parameter or the statistics
        ``energy`` and ``diverging``.
    """
    flat = tree_data(data, write_nodes=True)
    if flat["K"] != 3:
        raise ValueError(f"the data have {flat['K']} levels: the centered program is for three")
    table, chains = _table(samples)
    length = len(table["tau"]) // chains
    start = {"levels": {key: data[key] for key in _LEVELS}, "flat": flat}
    start |= {"exact": exact_posterior(data).cdf("tau", BELOW), "below": BELOW}
    start |= {"program": program, "weight": weight, "adaptDelta": adapt_delta, "seed": seed}
    start |= {"warmup": warmup, "draws": length, "chains": chains}
    text = f"Shown: the draws of the cells above, {chains} × {length}."  # of whatever seed they are by now
    tags = [json.dumps(start, default=np.ndarray.tolist)]
    text = bokeh.models.Div(text=text, tags=tags, name="sampling.start", sizing_mode="stretch_width")
    top, *below = _draw(table, chains)
    return bokeh.layouts.column(text, top, wrap(*below), sizing_mode="stretch_width")


def _draw(table: dict, chains: int) -> list[bokeh.plotting.figure]:
    """Draw the trace of τ, and τ against θ and against how far a node lies from its parent."""
    length = len(table["tau"]) // chains
    trace = {
        "draw": [np.arange(1, length + 1, dtype=np.float32)] * chains,
        "tau": list(table["tau"].reshape(chains, length)),
        "color": [COLORS[i % len(COLORS)] for i in range(chains)],
    }
    crosses = {key: table[key][table["divergent"] == 1] for key in ("theta", "offset", "tau")}
    offsets = {"offset": table.pop("offset"), "tau": table["tau"]}
    named = {"trace": trace, "draws": table, "offsets": offsets, "divergent": crosses}
    trace, table, offsets, crosses = (source(f"sampling.{name}", data) for name, data in named.items())
    axes = {"y_axis_type": "log", "y_range": FUNNEL["tau"], "y_axis_label": f"τ ({UNIT})"}
    across = {"x_range": bokeh.models.Range1d(0, length), "x_axis_label": "draw (on grey, up to 0: warm-up)"}
    top = panel(240, name="sampling.panel", max_width=814, **across, **axes)  # as wide as the two below it
    top.add_layout(bokeh.models.BoxAnnotation(right=0, fill_color=GREY, fill_alpha=0.25, line_color=None))
    top.multi_line("draw", "tau", color="color", source=trace, alpha=0.8)
    below = []
    for x, label, dots in (("theta", f"θ ({UNIT})", table), ("offset", f"θ₁[1] − θ ({UNIT})", offsets)):
        below.append(p := panel(360, x_range=FUNNEL[x], x_axis_label=label, **axes))
        p.scatter(x, "tau", source=dots, size=4, color=COLORS[0], line_color=None, alpha=0.35)
        p.scatter(x, "tau", source=crosses, size=9, color=darker(COLORS[0]), marker="x", line_width=2)
    return [top, *below]


def _table(samples) -> tuple[dict[str, np.ndarray], int]:
    """Take the columns of ``sampling.draws`` from samples, and the number of chains."""
    stats = samples["sample_stats"] if "sample_stats" in samples.children else {}
    if missing := [name for name in ("energy", "diverging") if name not in stats]:
        what = f"the samples have no {missing[0]!r} among their statistics"
        raise ValueError(f"{what}: see arviz.from_cmdstanpy")
    table = {name: draws(samples, name) for name in ("theta", "tau", "sigma")}
    table["offset"] = draws(samples, "theta_1[1]") - table["theta"]
    for name in ("energy", "diverging"):
        table[name] = stats[name].transpose("chain", "draw").to_numpy().ravel()
    divergent = table.pop("diverging").astype(np.uint8)
    table = {name: values.astype(np.float32) for name, values in table.items()}
    return table | {"divergent": divergent}, samples["posterior"].sizes["chain"]
