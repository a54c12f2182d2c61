"""The two pictures show what is in the data, and no more."""

import arviz
import bokeh.models
import numpy as np
import polars as pl
import pytest

import helpers

LEVELS = ["day", "batch", "colony"]


def texts(figure):
    found = []
    for renderer in figure.renderers:
        if isinstance(renderer.glyph, bokeh.models.Text) and "label" in renderer.data_source.data:
            found.append(list(renderer.data_source.data["label"]))
    return found


def test_tree_has_every_node_once_in_order_of_appearance():
    figure = helpers.draw_tree(helpers.measurements(), LEVELS)
    assert texts(figure) == [["mon", "wed", "thu"], list("12341231"), list("12312112312111234")]


def test_tree_of_a_labelled_frame_carries_stans_numbers():
    _, labelled = helpers.stan_data(helpers.measurements(), LEVELS, "y")
    figure = helpers.draw_tree(labelled.reverse(), LEVELS)
    assert texts(figure) == [[str(i + 1) for i in range(n)] for n in (3, 8, 17)]


def test_tree_has_a_dot_for_every_observation_of_an_interleaved_frame():
    df = pl.DataFrame({"group": ["b", "a", "b", "a", "b"]})
    dots = [r.data_source.data for r in helpers.draw_tree(df, ["group"]).renderers[3:]]
    assert sum(len(d["x"]) for d in dots if "label" not in d and "y" in d and set(d["y"]) == {0}) == 5


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
