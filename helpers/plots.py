"""The two pictures that come back from lesson to lesson: the tree of a design, and the funnel."""

import re

import bokeh.layouts
import bokeh.models
import bokeh.plotting
import numpy as np
import polars as pl

COLORS = [
    "#0072b2",
    "#e69f00",
    "#009e73",
    "#cc79a7",
    "#56b4e9",
    "#d55e00",
]  # Okabe and Ito's, safe for all eyes


def draw_tree(df: pl.DataFrame, levels: list[str], **kwargs) -> bokeh.plotting.figure:
    """Draw what is nested in what: a circle for every node, a dot for every observation.

    Parameters
    ----------
    df
        Tidy frame, one row per observation.
    levels
        Columns that name the groups, outermost first. If the frame also has the columns that `stan_data`
        adds (``day_stan`` for ``day``), the nodes carry Stan's numbers and stand in that order; if not,
        they carry their own labels and stand in order of appearance.
    **kwargs
        Passed to `bokeh.plotting.figure`.

    Returns
    -------
    bokeh.plotting.figure
        The population at the top, one row of nodes per level below it, the observations at the bottom.
    """
    numbers = [f"{level}_stan" for level in levels]
    numbered = set(numbers) <= set(df.columns)
    labels = numbers if numbered else levels
    # A path that stands first keeps its nodes first: sorting by these keeps siblings together.
    first = [pl.int_range(pl.len()).min().over(levels[: k + 1]).alias(f"_{k}") for k in range(len(levels))]
    df = df.sort(numbers) if numbered else df.with_columns(first).sort([f"_{k}" for k in range(len(levels))])
    # A gap between leaves, so that the circles over single observations do not touch.
    df = df.with_columns(_x=pl.int_range(pl.len()) + 0.9 * pl.struct(levels).rle_id())

    depth = len(levels)
    rows = ["population", *levels, "observation"]
    p = bokeh.plotting.figure(
        **{"width": 720, "height": 90 * (depth + 1), "tools": "hover", "toolbar_location": None} | kwargs,
        y_range=(-0.5, depth + 1.5),
        tooltips="@name",
    )
    p.yaxis.ticker = list(range(depth + 2))
    p.yaxis.major_label_overrides = {depth + 1 - k: row for k, row in enumerate(rows)}
    p.yaxis.major_tick_line_color = p.yaxis.axis_line_color = None
    p.xaxis.visible = p.grid.visible = False

    top = df[labels[0]].unique(maintain_order=True).to_list()
    color = {label: COLORS[i % len(COLORS)] for i, label in enumerate(top)}
    above = {(): (df["_x"].mean(), depth + 1)}
    p.scatter(*zip(*above.values(), strict=True), size=22, color="white", line_color="black")
    p.text(*zip(*above.values(), strict=True), text=["θ"], text_align="center", text_baseline="middle")
    for k in range(1, depth + 1):
        here, nodes = {}, {"x": [], "name": [], "label": [], "color": []}
        for path, group in df.group_by(levels[:k], maintain_order=True):
            label = group[labels[k - 1]][0]
            x, y = here[path] = (group["_x"].mean(), depth + 1 - k)
            p.segment(*above[path[:-1]], x, y, color="#999999", level="underlay")
            nodes["x"].append(x)
            nodes["name"].append(
                ", ".join(f"{level} {part}" for level, part in zip(levels, path, strict=False))
            )
            nodes["label"].append(str(label)[:3] if isinstance(label, str) else str(label))
            nodes["color"].append(color[group[labels[0]][0]])
        source = bokeh.models.ColumnDataSource(nodes)
        p.scatter("x", y, size=22, color="color", fill_alpha=0.35, source=source)
        p.text(
            "x", y, "label", text_align="center", text_baseline="middle", text_font_size="12px", source=source
        )
        above = here
    for path, group in df.group_by(levels, maintain_order=True):
        n = len(group)
        p.segment(*above[path], group["_x"], [0] * n, color="#bbbbbb", level="underlay")
        p.scatter(group["_x"], [0] * n, size=6, color=color[group[labels[0]][0]])
    return p


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
        Passed to both `bokeh.plotting.figure`.

    Returns
    -------
    bokeh layout
        Two panels with one τ axis, always over the same range so that pictures can be compared.
        Divergent draws are black crosses; a click on the legend hides a sampler.
    """
    options = {"width": 370, "height": 380, "y_axis_type": "log", "y_range": (3e-4, 3)}
    options |= {"tools": "pan,box_zoom,wheel_zoom,reset", "toolbar_location": "above"} | kwargs
    left = bokeh.plotting.figure(
        x_axis_label="θ (a.u.)", y_axis_label="τ (a.u.)", x_range=(9, 12.3), **options
    )
    options["y_range"] = left.y_range
    name = f"{_greek(node)} − {_greek(parent)}"
    right = bokeh.plotting.figure(x_axis_label=f"{name} (a.u.)", x_range=(-1.6, 1.6), **options)
    for color, (label, tree) in reversed(list(zip(COLORS, samples.items(), strict=False))):  # first on top
        theta, tau = draws(tree, "theta"), draws(tree, "tau")
        offset = draws(tree, node) - draws(tree, parent)
        divergent = np.zeros(len(tau), dtype=bool)
        if "sample_stats" in tree.children:
            divergent = tree["sample_stats"]["diverging"].to_numpy().ravel()
        first = None
        for rows, marks in [
            (~divergent, {"size": 3, "color": color, "alpha": 0.35}),
            (divergent, {"size": 9, "color": "black", "marker": "x", "line_width": 2}),
        ]:
            table = {"theta": theta[rows], "offset": offset[rows], "tau": tau[rows]}
            source = bokeh.models.ColumnDataSource({k: v.astype(np.float32) for k, v in table.items()})
            for p, x in [(right, "offset"), (left, "theta")]:
                if first is None:
                    first = p.scatter(x, "tau", source=source, legend_label=label, **marks)
                else:  # the one legend hides a sampler's draws and divergences in both panels
                    first.js_link("visible", p.scatter(x, "tau", source=source, **marks), "visible")
    right.legend.items = right.legend.items[::-1]
    right.legend.click_policy = "hide"
    right.legend.location = "bottom_right"
    return bokeh.layouts.row(left, right)


def draws(tree, name: str) -> np.ndarray:
    """All draws of one parameter, chain after chain.

    Parameters
    ----------
    tree
        What `arviz.from_cmdstanpy` gives.
    name
        As in the Stan program, with indices from 1: ``"tau"``, ``"theta_3[6]"``.

    Returns
    -------
    numpy.ndarray, shape (chains * draws,)

    Raises
    ------
    ValueError
        If there is no such parameter, or the name is that of a whole vector.
    """
    variable, *index = re.findall(r"\w+", name)
    posterior = tree["posterior"]
    if variable not in posterior:
        raise ValueError(f"no {variable!r}; the posterior has {', '.join(map(str, posterior.data_vars))}")
    values = posterior[variable].transpose("chain", "draw", ...).to_numpy()
    sizes = values.shape[2:]
    if len(index) != len(sizes):
        one = f"'{variable}{[1] * len(sizes)}'" if sizes else f"{variable!r}"
        raise ValueError(f"{variable!r} has {values[0, 0].size} entries: ask for one, such as {one}")
    for i, size in zip(map(int, index), sizes, strict=True):
        if not 1 <= i <= size:
            raise ValueError(f"no {name!r}: its index runs from 1 to {size}")
    return values[(..., *(int(i) - 1 for i in index))].ravel()


def _greek(name: str) -> str:
    """Write ``theta_1[2]`` as it stands on a blackboard."""
    variable, *index = re.findall(r"\w+", name)
    variable = variable.replace("theta", "θ").replace("tau", "τ").replace("sigma", "σ")
    subscript = "".join(chr(0x2080 + int(c)) if c.isdigit() else c for c in variable).replace("_", "")
    return subscript + (f"[{','.join(index)}]" if index else "")
