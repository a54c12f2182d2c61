"""The two pictures show what is in the data, and no more."""

import itertools

import arviz
import bokeh.models
import numpy as np
import polars as pl
import pytest

import helpers
from helpers.data import LEVELS


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


def test_tree_has_every_node_once_in_order_of_appearance():
    figure = helpers.draw_tree(helpers.measurements(), LEVELS)
    assert texts(figure) == [["θ"], ["mon", "wed", "thu"], list("12341231"), list("12312112312111234")]


def test_tree_of_a_labelled_frame_carries_stans_numbers():
    _, labelled = helpers.stan_data(helpers.measurements(), LEVELS, "y")
    figure = helpers.draw_tree(labelled.reverse(), LEVELS)
    assert texts(figure) == [["θ"], *([str(i + 1) for i in range(n)] for n in (3, 8, 17))]


def test_tree_of_an_interleaved_frame_keeps_siblings_together():
    df = pl.DataFrame({"group": ["b", "a", "b", "a", "b"]})
    ends = sorted(drawn(helpers.draw_tree(df, "group"), "Segment", show=["x1", "y1", "y0", "x0"]))
    parents = [x0 for _, y1, _, x0 in ends if y1 == 0]
    assert len(parents) == 5
    assert parents[0] == parents[1] == parents[2] < parents[3] == parents[4]


def test_tree_has_a_dot_for_every_observation():
    marks = drawn(helpers.draw_tree(helpers.measurements(), LEVELS), "Scatter", show=["y", "x", "size"])
    assert len({x for y, x, _ in marks if y == 0}) == sum(y == 0 for y, *_ in marks) == 47


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
    figure = helpers.draw_tree(helpers.measurements(), LEVELS)
    heights = sorted({y for y, _ in drawn(figure, "Scatter", show=["y", "x"])}, reverse=True)
    names = [figure.yaxis[0].major_label_overrides[y] for y in heights]
    assert names == ["population", "day", "batch", "colony", "observation"]
    assert set(heights) <= set(figure.yaxis[0].ticker.ticks)
    assert (figure.y_range.start, figure.y_range.end) == (-0.5, 4.5)


@pytest.mark.parametrize("labelled", [False, True])
def test_tree_tells_the_mouse_where_a_node_is_and_how_many_observations_it_has(labelled):
    df = pl.DataFrame({"day": ["wed", "mon", "wed"], "batch": [1, 1, 2], "y": [0.5, 1.5, 2.5]})
    if labelled:
        _, df = helpers.stan_data(df, ["day", "batch"], "y")
    figure = helpers.draw_tree(df, ["day", "batch"])
    days = {("population", 3), ("day wed", 2), ("day mon", 1)}
    batches = {("day wed, batch 1", 1), ("day wed, batch 2", 1), ("day mon, batch 1", 1)}
    assert set(hovered(figure, "name", "n")) == days | batches
    assert "@name" in figure.select_one(bokeh.models.HoverTool).tooltips


def test_tree_gives_each_outermost_group_its_colour_with_labels_or_numbers():
    df = helpers.measurements()
    trees = [df, helpers.stan_data(df, LEVELS, "y")[1]]
    found = [set(hovered(helpers.draw_tree(tree, LEVELS), "name", "color")) for tree in trees]
    assert found[0] == found[1]
    colors = {day: {c for name, c in found[0] if name.startswith(f"day {day}")} for day in df["day"]}
    assert [len(c) for c in colors.values()] == [1, 1, 1]
    assert len(set.union(*colors.values())) == 3
    figure = helpers.draw_tree(df, LEVELS)
    shown = dict(drawn(figure, "Scatter", show=["x", "fill_color"])[:47])
    days = {name: c for name, c in found[0] if "," not in name and name != "population"}
    assert [shown[x] for x in sorted(shown)] == [days[f"day {day}"] for day in df["day"]]
    assert set(days.values()) <= {c for (c,) in drawn(figure, "Scatter", show=["fill_color"])[47:]}


@pytest.mark.parametrize("labelled", [False, True])
def test_circles_of_the_courses_tree_do_not_overlap(labelled):
    df = helpers.measurements()
    if labelled:
        _, df = helpers.stan_data(df, LEVELS, "y")
    figure = helpers.draw_tree(df, LEVELS)
    marks = sorted(drawn(figure, "Scatter", show=["y", "x", "size"]))
    xs = [x for _, x, _ in marks]
    # the frame is about 665 of the 740 pixels, of which bokeh leaves a tenth empty
    pixel = 1.1 * (max(xs) - min(xs)) / 665
    for (y, x, size), (y_next, x_next, _) in itertools.pairwise(sorted(set(marks))):
        assert y != y_next or x_next - x > size * pixel


def test_tree_passes_options_on_to_bokeh():
    figure = helpers.draw_tree(
        helpers.measurements(), LEVELS, y_range=(1, 2), width=300, tooltips=None, tools=""
    )
    assert (figure.y_range.start, figure.y_range.end, figure.width) == (1, 2, 300)


def test_tree_takes_the_name_of_one_level():
    assert texts(helpers.draw_tree(helpers.measurements(), "day")) == [["θ"], ["mon", "wed", "thu"]]


def test_tree_of_columns_with_any_name_is_drawn():
    df = pl.DataFrame({"x": ["a", "b"], "name": [1, 2]})
    assert texts(helpers.draw_tree(df, ["x", "name"])) == [["θ"], ["a", "b"], ["1", "2"]]


@pytest.mark.parametrize(
    ("df", "levels", "error", "message"),
    [
        (pl.DataFrame({"day": []}), "day", ValueError, "the frame has no rows"),
        (
            pl.DataFrame({"day": ["mon"]}),
            "dya",
            ValueError,
            r"no column 'dya' \(did you mean 'day'\?\); the frame has 'day'",
        ),
        (pl.DataFrame({"day": ["mon"]}), ["day", "day"], ValueError, "'day' is named twice"),
        (pl.DataFrame({"day": ["mon"]}), [], ValueError, "levels is .*: name at least one column"),
        (pl.DataFrame({"day": ["mon", None]}), "day", ValueError, "'day' is null in row 1"),
        (pl.DataFrame({"day": ["a", "b"], "day_stan": [1, None]}), "day", ValueError, "'day_stan' is null"),
        (
            pl.DataFrame({"day": ["mon"]}).to_pandas(),
            "day",
            TypeError,
            r"pandas.DataFrame, .* pl.from_pandas\(df\)",
        ),
    ],
)
def test_tree_refuses_what_stan_data_refuses(df, levels, error, message):
    with pytest.raises(error, match=message):
        helpers.draw_tree(df, levels)


@pytest.fixture
def samples():
    rng = np.random.default_rng(1)
    shape = (4, 100)
    posterior = {"theta": rng.normal(10, 1, shape), "tau": rng.uniform(0.1, 1, shape)}
    posterior["theta_1"] = rng.normal(10, 1, (*shape, 3))
    stats = {"diverging": np.arange(400).reshape(shape) % 100 == 7}
    return arviz.from_dict({"posterior": posterior, "sample_stats": stats})


def test_draws_count_from_one_and_run_chain_after_chain(samples):
    expected = samples["posterior"]["theta_1"].to_numpy()[:, :, 1].ravel()
    assert (helpers.draws(samples, "theta_1[2]") == expected).all()


def test_draws_of_a_whole_vector_are_refused(samples):
    with pytest.raises(ValueError, match=r"'theta_1' has 3 entries: ask for one, such as 'theta_1\[1\]'"):
        helpers.draws(samples, "theta_1")


def test_draws_count_no_further_than_there_are_entries(samples):
    with pytest.raises(ValueError, match=r"no 'theta_1\[0\]': .*from 1 to 3"):
        helpers.draws(samples, "theta_1[0]")
    with pytest.raises(ValueError, match=r"no 'phi'; the posterior has theta, tau, theta_1"):
        helpers.draws(samples, "phi")


@pytest.mark.parametrize("name", ["theta_1[-1]", "theta_1)1(", "theta_1[a]", "theta_1[]", "theta_1[1]x", ""])
def test_draws_of_what_is_not_a_name_are_refused(samples, name):
    with pytest.raises(ValueError, match=r"^name is '.*': write tau or theta_1\[2\]$"):
        helpers.draws(samples, name)
    with pytest.raises(ValueError, match=r"^name is '.*': write tau or theta_1\[2\]$"):
        helpers.funnel({"one": samples}, node=name)


def turned(tree):
    """Put the dimensions of every group into another order."""
    return tree.map_over_datasets(lambda group: group.transpose(..., "draw", "chain", missing_dims="ignore"))


def test_draws_run_chain_after_chain_whatever_the_order_of_dimensions(samples):
    tree = turned(samples)
    assert tree["posterior"]["theta_1"].dims[-2:] == ("draw", "chain")
    for name in ("tau", "theta_1[2]"):
        assert (helpers.draws(tree, name) == helpers.draws(samples, name)).all()


def panel(figure):
    """Read one panel: for every sampler and kind of mark, the (x, y) that it shows."""
    return [
        (r.glyph.marker, np.stack([r.data_source.data[r.glyph.x], r.data_source.data[r.glyph.y]], axis=1))
        for r in figure.renderers
    ]


@pytest.mark.parametrize("order", [lambda tree: tree, turned])
def test_funnel_shows_every_draw_once_where_it_is(samples, order):
    theta, tau = helpers.draws(samples, "theta"), helpers.draws(samples, "tau")
    offset = helpers.draws(samples, "theta_1[2]") - theta
    divergent = np.arange(400) % 100 == 7
    left, right = helpers.funnel({"one": order(samples)}, node="theta_1[2]").children
    for figure, x in [(left, theta), (right, offset)]:
        shown = dict(panel(figure))
        assert set(shown) == {"circle", "x"}
        for marker, rows in [("circle", ~divergent), ("x", divergent)]:
            expected = np.stack([x[rows], tau[rows]], axis=1)
            # single precision, for pages of half the size
            np.testing.assert_allclose(shown[marker], expected, rtol=1e-6, atol=1e-6)


def test_funnel_has_a_log_axis_for_tau_in_both_panels(samples):
    for figure in helpers.funnel({"one": samples}).children:
        assert isinstance(figure.y_scale, bokeh.models.LogScale)
        assert isinstance(figure.yaxis[0], bokeh.models.LogAxis)
        assert isinstance(figure.x_scale, bokeh.models.LinearScale)


def test_funnel_writes_parameters_in_greek(samples):
    left, right = helpers.funnel({"one": samples}, node="theta_1[3]", parent="tau").children
    assert (left.xaxis.axis_label, left.yaxis.axis_label) == ("θ (a.u.)", "τ (a.u.)")
    assert right.xaxis.axis_label == "θ₁[3] − τ (a.u.)"


def test_funnel_draws_every_sampler_of_many(samples):
    names = [f"sampler {i}" for i in range(8)]
    left, right = helpers.funnel(dict.fromkeys(names, samples)).children
    assert [item.label.value for item in right.legend[0].items] == names
    assert len(left.renderers) == len(right.renderers) == 16


def test_funnel_draws_the_first_sampler_on_top(samples):
    _, right = helpers.funnel({"one": samples, "other": samples}).children
    first = right.legend[0].items[0]
    assert first.label.value == "one"
    assert first.renderers[0] in right.renderers[-2:]


def test_funnel_passes_options_on_to_both_panels(samples):
    options = {"x_range": (0, 1), "y_range": (0.1, 1), "width": 200, "y_axis_label": "spread"}
    for figure in helpers.funnel({"one": samples}, **options).children:
        assert (figure.x_range.start, figure.x_range.end, figure.y_range.start) == (0, 1, 0.1)
        assert (figure.width, figure.yaxis.axis_label) == (200, "spread")


def test_funnel_marks_every_divergent_draw_and_keeps_its_axes(samples):
    left, right = helpers.funnel({"one": samples, "other": samples}).children
    crosses = [r for r in left.renderers if r.glyph.marker == "x"]
    assert [len(r.data_source.data["tau"]) for r in crosses] == [4, 4]
    assert left.y_range is right.y_range
    assert (left.y_range.start, left.y_range.end) == (3e-4, 3)
    assert [item.label.value for item in right.legend[0].items] == ["one", "other"]
    assert right.xaxis.axis_label == "θ₁[1] − θ (a.u.)"


def test_funnel_legend_hides_a_sampler_in_both_panels(samples):
    left, right = helpers.funnel({"one": samples}).children
    (item,) = right.legend[0].items
    callbacks = item.renderers[0].js_property_callbacks["change:visible"]
    hidden = {callback.args["other"].id for callback in callbacks}
    assert hidden == {r.id for r in [*left.renderers, *right.renderers]} - {item.renderers[0].id}


def test_dots_stand_at_their_estimates_in_the_order_of_the_table_beside_the_exact_value():
    table = pl.DataFrame({"run": ["b", "b", "a"], "share": [0.1, 0.3, 0.2]})
    p = helpers.dots(table, "share", 0.25, frame_width=300)
    data = [r.data_source.data for r in p.renderers]
    drawn = [pair for d in data for pair in zip(d["cat"], d["share"], strict=True)]
    assert sorted(drawn) == [("a", 0.2), ("b", 0.1), ("b", 0.3)]
    assert p.y_range.factors == ["a", "b"]  # from bottom to top
    assert p.xaxis.axis_label == "share, estimated by one run"
    assert p.frame_width == 300
    (line,) = p.select(bokeh.models.Span)
    assert (line.location, line.dimension) == (0.25, "height")
    (label,) = p.select(bokeh.models.Label)
    assert (label.text, label.x) == ("exact", 0.25)
    with pytest.raises(ValueError, match="no column 'P'; the table has 'run', 'share'"):
        helpers.dots(table, "P", 0.25)
