"""Nested shrinkage shows the exact weights: of every leaf, for every node, at every τ of its slider."""

import json

import bokeh.embed
import bokeh.models
import numpy as np
import pytest

import helpers
import helpers.figures
from helpers.data import LEVELS
from helpers.figures.nested_weights import weights

TAUS = [0.0, 1e-3, 0.15, 1.0, 30.0]
UNEVEN = helpers.simulate([2, [1, 3], [1, 2, 1, 1], 2], 10, 1, 1, seed=5)


@pytest.fixture(scope="module")
def data():
    return helpers.stan_data(helpers.measurements(), LEVELS, "y")[0]


@pytest.fixture(scope="module")
def figure():
    return helpers.figures.nested(helpers.measurements(), LEVELS)


def named(figure, name):
    return figure.select_one({"name": f"nested.{name}"})


def arguments(figure):
    return named(figure, "slider").js_property_callbacks["change:value"][0].args


def leaf_averages(data):
    leaf = np.array(data[f"index_{sum(name.startswith('J_') for name in data)}"]) - 1
    return np.bincount(leaf, data["y"]) / np.bincount(leaf)


@pytest.mark.parametrize("tau", TAUS)
@pytest.mark.parametrize("prior", [(10, 3), (-4, 0.5)])
def test_weighted_averages_are_the_exact_means(data, tau, prior):
    exact = helpers.exact_posterior(data, prior={"theta": prior})
    mean = weights(data, tau, 0.9, {"theta": prior}) @ [*leaf_averages(data), prior[0]]
    assert mean == pytest.approx(exact.conditional(tau, 0.9)["mean"].to_numpy(), abs=1e-9, rel=0)


@pytest.mark.parametrize("tau", TAUS[1:])
def test_weights_agree_with_the_precision_matrix_of_all_nodes(data, tau):
    # the density of nodes and measurements, written line by line as in centered.stan; no covariance, no tree
    sigma, sizes = 0.9, [1, 3, 8, 17]
    start = np.cumsum([0, *sizes])
    precision, linear = np.zeros((29, 29)), np.zeros((29, 18))
    precision[0, 0] = linear[0, 17] = 1 / 3**2
    parents = [np.ones(3, dtype=int), data["index_1"], data["index_2"]]
    for k, parent in enumerate(parents):
        for i, j in zip(start[k + 1] + np.arange(sizes[k + 1]), start[k] + parent - 1, strict=True):
            precision[np.ix_([i, j], [i, j])] += np.array([[1, -1], [-1, 1]]) / tau**2
    n = np.bincount(data["index_3"])[1:]
    precision[12:, 12:] += np.diag(n / sigma**2)
    linear[12:, :17] = np.diag(n / sigma**2)
    assert weights(data, tau, sigma) == pytest.approx(np.linalg.solve(precision, linear), abs=1e-7)


def test_no_node_takes_less_than_nothing_and_all_take_one(data):
    for tau in TAUS:
        table = weights(data, tau, 0.9)
        assert table.sum(axis=1) == pytest.approx(np.ones(29), abs=1e-12)
        assert table.min() > -1e-12


def test_without_spread_every_cell_counts_the_same(data):
    alike = weights(data, 0.0, 0.9)[:, :17] / np.bincount(data["index_3"])[1:]
    assert np.ptp(alike) < 1e-12


def test_the_table_holds_the_weights_of_every_place_of_the_slider(figure, data):
    slider, args = named(figure, "slider"), arguments(figure)
    sigma = helpers.exact_posterior(data).mean("sigma")
    assert args["table"].shape == (len(slider.tags), 29, 18)
    assert (slider.start, slider.end, slider.step) == (0, len(slider.tags) - 1, 1)
    for tau, table in zip(slider.tags, args["table"], strict=True):
        assert table == pytest.approx(weights(data, tau, sigma), abs=1e-7)


def test_kin_are_those_of_the_tree(figure, data):
    kinds = named(figure, "totals").data["kin"]
    assert kinds == ["own cells", "same batch", "same day", "another day", "prior of θ"]
    batch = np.array(data["index_2"]) - 1
    lines = np.array([np.array(data["index_1"])[batch] - 1, batch, np.arange(17)])  # of each colony
    expected = [["own cells"] * 17]
    for k in range(3):
        for node in range(lines[k].max() + 1):
            row = np.array(["another day"] * 17, dtype=object)
            # later lines overwrite: the closest kinship that node and leaf have
            some_leaf = (lines[k] == node).argmax()
            for j, kind in enumerate(["same day", "same batch", "own cells"][:k]):
                row[lines[j] == lines[j, some_leaf]] = kind
            row[lines[k] == node] = "own cells"
            expected.append(row.tolist())
    assert [[kinds[i] for i in row] for row in arguments(figure)["kin"]] == expected


def test_it_opens_with_the_colony_that_lies_furthest_out(figure, data):
    node, slider, totals = (named(figure, name) for name in ("node", "slider", "totals"))
    exact = helpers.exact_posterior(data)
    tau = slider.tags[slider.value]
    assert node.value == "theta_3[13]"
    assert tau == pytest.approx(exact.quantile("tau", 0.5), rel=1e-12)
    row = weights(data, tau, exact.mean("sigma"))[-17:][12]
    assert named(figure, "leaves").data["weight"] == pytest.approx(row[:17], rel=1e-9)
    assert named(figure, "leaves").data["size"] ** 2 / 36**2 == pytest.approx(row[:17], rel=1e-9)
    other = [*range(9), *range(13, 17)]
    assert totals.data["weight"] == pytest.approx([row[12], row[9:12].sum(), 0, row[other].sum(), row[17]])
    assert totals.data["share"][2] == "–", "thursday has one batch only"
    mean = exact.conditional(tau, exact.mean("sigma")).filter(name="theta_3[13]")["mean"].item()
    assert f"{mean:.2f} a.u." in named(figure, "text").text
    assert "12.70 a.u." in named(figure, "text").text


def test_menu_and_tree_name_nodes_as_stan_does(figure, data):
    names = helpers.exact_posterior(data).conditional(1.0)["name"].to_list()
    menu, nodes = named(figure, "node").options, named(figure, "nodes").data
    assert [value for value, _ in menu] == list(nodes["name"]) == names
    assert dict(menu)["theta_3[13]"] == "colony 13 (thursday, 1, 4)"
    assert [name.split("[")[-1].rstrip("]") for name in names[1:]] == list(nodes["label"])[1:]


def test_a_disc_stands_under_its_leaf(figure):
    nodes, leaves = named(figure, "nodes").data, named(figure, "leaves").data
    assert list(nodes["x"])[-17:] == list(leaves["x"])
    assert np.all(np.diff(leaves["x"]) > 0)


def test_a_tap_fades_nothing(figure):
    tree = figure.children[2]
    of_nodes = [marks for marks in tree.renderers if marks.data_source is named(figure, "nodes")]
    assert len(of_nodes) == 3
    assert all(marks.nonselection_glyph is None for marks in of_nodes)
    (tap,) = tree.select({"type": bokeh.models.TapTool})
    assert [marks.data_source for marks in tap.renderers] == [named(figure, "nodes")]


def test_it_fits_a_page(figure):
    assert len(json.dumps(bokeh.embed.json_item(figure))) < 120_000


@pytest.mark.parametrize("levels", [["level_1"], ["level_1", "level_2"], ["level_1", "level_2", "level_3"]])
def test_any_depth(levels):
    figure = helpers.figures.nested(UNEVEN, levels, "y")
    same = [f"same {level}" for level in levels[-2::-1]]
    kinds = ["own cells", *same, "another level_1", "prior of θ"]
    assert named(figure, "totals").data["kin"] == kinds
    assert sum(named(figure, "totals").data["weight"]) == pytest.approx(1)
    assert arguments(figure)["table"].sum(axis=-1) == pytest.approx(1, abs=1e-6)


def test_values_and_prior_are_those_asked_for():
    df = UNEVEN.rename({"y": "height"})
    figure = helpers.figures.nested(df, "level_1", "height", prior={"theta": (0, 1)})
    data, _ = helpers.stan_data(df, "level_1", "height")
    exact = helpers.exact_posterior(data, {"theta": (0, 1)}, "height")
    slider = named(figure, "slider")
    table = weights(data, slider.tags[3], exact.mean("sigma"), {"theta": (0, 1)}, "height")
    assert arguments(figure)["table"][3] == pytest.approx(table, abs=1e-7)
    assert arguments(figure)["prior_mean"] == 0


def test_a_tree_too_large_for_a_picture_is_refused_in_one_line():
    df = helpers.simulate([30, 4, 2], 10, 1, 1, seed=1)
    with pytest.raises(ValueError, match=r"the tree has 150 nodes: .* at most 100") as refused:
        helpers.figures.nested(df, ["level_1", "level_2"])
    assert "\n" not in str(refused.value)
