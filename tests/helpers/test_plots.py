"""The pictures show what is in the data, and no more."""

import itertools

import arviz
import bokeh.models
import numpy as np
import polars as pl
import pytest

import helpers
from helpers.data import LEVELS

CELLS = helpers.measurements()
LABELLED = helpers.stan_data(CELLS, LEVELS, "y")[1]


def drawn(figure, glyph, show):
    """Collect what glyphs of one kind show, as (property, property, ...) for every mark."""
    marks = []
    for renderer in figure.renderers:
        if isinstance(renderer.glyph, getattr(bokeh.models, glyph)):
            data = renderer.data_source.data
            given = [getattr(renderer.glyph, name) for name in show]
            n = len(next(iter(data.values())))
            marks += zip(*(data[x] if x in data else itertools.repeat(x, n) for x in given), strict=False)
    return marks


def texts(figure):
    """Collect the labels, row by row from the top, each from left to right."""
    marks = sorted(drawn(figure, "Text", show=["y", "x", "text"]), key=lambda mark: (-mark[0], mark[1]))
    return [[text for *_, text in row] for _, row in itertools.groupby(marks, key=lambda mark: mark[0])]


def hovered(figure, *columns):
    """Collect columns of the circles that answer to the mouse."""
    (hover,) = figure.select(bokeh.models.HoverTool)
    return [row for r in hover.renderers for row in zip(*map(r.data_source.data.get, columns), strict=True)]


@pytest.mark.parametrize(
    ("df", "levels", "rows"),
    [
        (CELLS, LEVELS, [["mon", "wed", "thu"], list("12341231"), list("12312112312111234")]),
        (LABELLED.reverse(), LEVELS, [[str(i + 1) for i in range(n)] for n in (3, 8, 17)]),
        (CELLS, "day", [["mon", "wed", "thu"]]),
        (pl.DataFrame({"x": ["a", "b"], "name": [1, 2]}), ["x", "name"], [["a", "b"], ["1", "2"]]),
    ],
    ids=["by appearance", "Stan's numbers", "one level", "any column"],
)
def test_tree_has_every_node_once_and_in_order(df, levels, rows):
    assert texts(helpers.draw_tree(df, levels)) == [["θ"], *rows]


def test_tree_has_a_dot_for_every_observation_below_its_parent():
    marks = drawn(helpers.draw_tree(CELLS, LEVELS), "Scatter", show=["y", "x", "size"])
    assert len({x for y, x, _ in marks if y == 0}) == sum(y == 0 for y, *_ in marks) == 47
    df = pl.DataFrame({"group": ["b", "a", "b", "a", "b"]})  # siblings stay together
    ends = sorted(drawn(helpers.draw_tree(df, "group"), "Segment", show=["x1", "y1", "y0", "x0"]))
    parents = [x0 for _, y1, _, x0 in ends if y1 == 0]
    assert len(parents) == 5
    assert parents[0] == parents[1] == parents[2] < parents[3] == parents[4]


def test_tree_edges_lead_to_the_parent():
    # no two nodes have one name, so that a node is found by the name of its parent
    names = {"school": [1, 1, 2, 2], "class": ["a", "b", "c", "c"]}
    figure = helpers.draw_tree(pl.DataFrame(names), ["school", "class"])
    label = {(x, y): text for x, y, text in drawn(figure, "Text", show=["x", "y", "text"])}
    edges = drawn(figure, "Segment", show=["x0", "y0", "x1", "y1"])
    found = sorted((label[x0, y0], label.get((x1, y1), "dot")) for x0, y0, x1, y1 in edges)
    dots = [("a", "dot"), ("b", "dot"), ("c", "dot"), ("c", "dot")]
    assert found == sorted([("θ", "1"), ("θ", "2"), ("1", "a"), ("1", "b"), ("2", "c"), *dots])


def test_tree_rows_are_named_after_their_levels():
    figure = helpers.draw_tree(CELLS, LEVELS)
    heights = sorted({y for y, _ in drawn(figure, "Scatter", show=["y", "x"])}, reverse=True)
    names = [figure.yaxis[0].major_label_overrides[y] for y in heights]
    assert names == ["population", "day", "batch", "colony", "observation"]
    assert set(heights) <= set(figure.yaxis[0].ticker.ticks)
    assert (figure.y_range.start, figure.y_range.end) == (-0.5, 4.5)


def test_tree_tells_the_mouse_where_a_node_is_and_its_size():
    df = pl.DataFrame({"day": ["wed", "mon", "wed"], "batch": [1, 1, 2], "y": [0.5, 1.5, 2.5]})
    for table in (df, helpers.stan_data(df, ["day", "batch"], "y")[1]):
        figure = helpers.draw_tree(table, ["day", "batch"])
        days = {("population", 3), ("day wed", 2), ("day mon", 1)}
        batches = {("day wed, batch 1", 1), ("day wed, batch 2", 1), ("day mon, batch 1", 1)}
        assert set(hovered(figure, "name", "n")) == days | batches
        assert "@name" in figure.select_one(bokeh.models.HoverTool).tooltips


def test_tree_gives_each_outermost_group_its_colour():
    found = [set(hovered(helpers.draw_tree(tree, LEVELS), "name", "color")) for tree in (CELLS, LABELLED)]
    assert found[0] == found[1], "with labels or with numbers"
    colors = {day: {c for name, c in found[0] if name.startswith(f"day {day}")} for day in CELLS["day"]}
    assert [len(c) for c in colors.values()] == [1, 1, 1]
    assert len(set.union(*colors.values())) == 3
    shown = dict(drawn(helpers.draw_tree(CELLS, LEVELS), "Scatter", show=["x", "fill_color"])[:47])
    assert [{shown[x]} for x in sorted(shown)] == [colors[day] for day in CELLS["day"]]


def test_circles_of_the_courses_tree_do_not_overlap():
    for table in (CELLS, LABELLED):
        marks = sorted(set(drawn(helpers.draw_tree(table, LEVELS), "Scatter", show=["y", "x", "size"])))
        xs = [x for _, x, _ in marks]
        # the frame is about 665 of the 740 pixels, of which bokeh leaves a tenth empty
        pixel = 1.1 * (max(xs) - min(xs)) / 665
        for (y, x, size), (y_next, x_next, _) in itertools.pairwise(marks):
            assert y != y_next or x_next - x > size * pixel


def test_pictures_of_helpers_can_be_saved_from_their_toolbar():
    runs = pl.DataFrame({"run": ["a", "a", "b"], "share": [0.25, 0.5, 0.75]})
    ranks = pl.read_parquet(helpers.table_file("calibration.parquet")).filter(run="centered")
    dots, tree = helpers.dots(runs, "share", 0.5), helpers.draw_tree(CELLS, LEVELS)
    for figure in (dots, tree, helpers.rank_ecdf(ranks)):
        assert figure.select_one(bokeh.models.SaveTool)
        assert figure.toolbar_location


def test_tree_passes_options_on_to_bokeh():
    figure = helpers.draw_tree(CELLS, LEVELS, y_range=(1, 2), width=300, tooltips=None, tools="")
    assert (figure.y_range.start, figure.y_range.end, figure.width) == (1, 2, 300)


@pytest.mark.parametrize(
    ("df", "levels", "error", "message"),
    [
        (CELLS.clear(), "day", ValueError, "the frame has no rows"),
        (CELLS, "dya", ValueError, r"no column 'dya' \(did you mean 'day'\?\); the frame has 'day'"),
        (CELLS, ["day", "day"], ValueError, "'day' is named twice"),
        (CELLS, [], ValueError, "levels is .*: name at least one column"),
        (pl.DataFrame({"day": ["mon", None]}), "day", ValueError, "'day' is null in row 1"),
        (pl.DataFrame({"day": ["a", "b"], "day_stan": [1, None]}), "day", ValueError, "'day_stan' is null"),
        (CELLS.to_pandas(), "day", TypeError, r"pandas.DataFrame, .* pl.from_pandas\(df\)"),
    ],
)
def test_tree_refuses_what_stan_data_refuses(df, levels, error, message):
    with pytest.raises(error, match=message):
        helpers.draw_tree(df, levels)


# --- draws, and the funnel of them ----------------------------------------------------------------------


@pytest.fixture
def samples():
    rng = np.random.default_rng(1)
    shape = (4, 100)
    posterior = {"theta": rng.normal(10, 1, shape), "tau": rng.uniform(0.1, 1, shape)}
    posterior["theta_1"] = rng.normal(10, 1, (*shape, 3))
    stats = {"diverging": np.arange(400).reshape(shape) % 100 == 7}
    return arviz.from_dict({"posterior": posterior, "sample_stats": stats})


def turned(tree):
    """Put the dimensions of every group into another order."""
    return tree.map_over_datasets(lambda group: group.transpose(..., "draw", "chain", missing_dims="ignore"))


def test_draws_count_from_one_and_run_chain_after_chain(samples):
    for tree in (samples, turned(samples)):
        for name, i in [("theta_1[2]", 1), ("theta_1[3]", 2)]:
            expected = samples["posterior"]["theta_1"].to_numpy()[:, :, i].ravel()
            assert (helpers.draws(tree, name) == expected).all()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("theta_1", r"'theta_1' has 3 entries: ask for one, such as 'theta_1\[1\]'"),
        ("theta_1[0]", r"no 'theta_1\[0\]': .*from 1 to 3"),
        ("theta_1[4]", r"no 'theta_1\[4\]': .*from 1 to 3"),
        ("phi", "no 'phi'; the posterior has theta, tau, theta_1"),
        *((name, r"^name is '.*': write tau or theta_1\[2\]$")
          for name in ("theta_1[-1]", "theta_1)1(", "theta_1[a]", "theta_1[]", "theta_1[1]x", "")),
    ],
)  # fmt: skip
def test_draws_of_what_is_no_single_number_are_refused(samples, name, message):
    for ask in (lambda: helpers.draws(samples, name), lambda: helpers.funnel({"one": samples}, node=name)):
        with pytest.raises(ValueError, match=message):
            ask()


@pytest.mark.parametrize("order", [lambda tree: tree, turned], ids=["as it is", "turned"])
def test_funnel_shows_every_draw_once_where_it_is(samples, order):
    theta, tau = helpers.draws(samples, "theta"), helpers.draws(samples, "tau")
    offset = helpers.draws(samples, "theta_1[2]") - theta
    divergent = np.arange(400) % 100 == 7
    left, right = helpers.funnel({"one": order(samples)}, node="theta_1[2]").children
    for figure, x in [(left, theta), (right, offset)]:
        marks = [(r.glyph.marker, r.data_source.data, r.glyph) for r in figure.renderers]
        assert sorted(marker for marker, *_ in marks) == ["circle", "x"]
        for marker, data, glyph in marks:
            rows = divergent if marker == "x" else ~divergent
            shown = np.stack([data[glyph.x], data[glyph.y]], axis=1)
            # single precision, for pages of half the size
            np.testing.assert_allclose(shown, np.stack([x[rows], tau[rows]], axis=1), rtol=1e-6, atol=1e-6)


def test_funnel_has_one_log_axis_for_tau_and_names_in_greek(samples):
    left, right = helpers.funnel({"one": samples}, node="theta_1[3]", parent="tau").children
    for figure in (left, right):
        assert isinstance(figure.y_scale, bokeh.models.LogScale)
        assert isinstance(figure.yaxis[0], bokeh.models.LogAxis)
        assert isinstance(figure.x_scale, bokeh.models.LinearScale)
    assert left.y_range is right.y_range
    assert (left.y_range.start, left.y_range.end) == (3e-4, 3)
    labels = left.xaxis.axis_label, left.yaxis.axis_label, right.xaxis.axis_label
    assert labels == ("θ (a.u.)", "τ (a.u.)", "θ₁[3] − τ (a.u.)")
    assert helpers.funnel({"one": samples}).children[1].xaxis.axis_label == "θ₁[1] − θ (a.u.)"


def test_funnel_draws_every_sampler_the_first_on_top(samples):
    names = [f"sampler {i}" for i in range(8)]
    left, right = helpers.funnel(dict.fromkeys(names, samples)).children
    items = right.legend[0].items
    assert [item.label.value for item in items] == names
    assert len(left.renderers) == len(right.renderers) == 16
    assert items[0].renderers[0] in right.renderers[-2:]
    crosses = [r for r in left.renderers if r.glyph.marker == "x"]
    assert [len(r.data_source.data["tau"]) for r in crosses] == [4] * 8


def test_funnel_passes_options_on_to_both_panels(samples):
    options = {"x_range": (0, 1), "y_range": (0.1, 1), "width": 200, "y_axis_label": "spread"}
    for figure in helpers.funnel({"one": samples}, **options).children:
        assert (figure.x_range.start, figure.x_range.end, figure.y_range.start) == (0, 1, 0.1)
        assert (figure.width, figure.yaxis.axis_label) == (200, "spread")


def test_funnel_legend_hides_a_sampler_in_both_panels(samples):
    left, right = helpers.funnel({"one": samples}).children
    (item,) = right.legend[0].items
    callbacks = item.renderers[0].js_property_callbacks["change:visible"]
    hidden = {callback.args["other"].id for callback in callbacks}
    assert hidden == {r.id for r in [*left.renderers, *right.renderers]} - {item.renderers[0].id}


def test_dots_stand_at_their_estimates_beside_the_exact_value():
    table = pl.DataFrame({"run": ["b", "b", "a"], "share": [0.1, 0.3, 0.2]})
    p = helpers.dots(table, "share", 0.25, frame_width=300)
    data = [r.data_source.data for r in p.renderers]
    shown = [pair for d in data for pair in zip(d["cat"], d["share"], strict=True)]
    assert sorted(shown) == [("a", 0.2), ("b", 0.1), ("b", 0.3)]
    assert p.y_range.factors == ["a", "b"]  # from bottom to top
    assert (p.xaxis.axis_label, p.frame_width) == ("share, by one run", 300)
    (line,) = p.select(bokeh.models.Span)
    (label,) = p.select(bokeh.models.Label)
    assert (line.location, line.dimension, label.text, label.x) == (0.25, "height", "exact", 0.25)
    with pytest.raises(ValueError, match="no column 'P'; the table has 'run', 'share'"):
        helpers.dots(table, "P", 0.25)
