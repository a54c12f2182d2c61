"""Nested shrinkage has the exact weights: of every leaf, for every node, at every τ of its slider."""

import bokeh.models
import numpy as np
import pytest

import helpers
from helpers.data import LEVELS
from helpers.figures import nested
from helpers.figures.nested_weights import weights

TAUS = [0.0, 1e-3, 0.15, 1.0, 30.0]
UNEVEN = helpers.simulate([2, [1, 3], [1, 2, 1, 1], 2], 10, 1, 1, seed=5)
DATA, _ = helpers.stan_data(helpers.measurements(), LEVELS, "y")
LEAF = np.array(DATA["index_3"]) - 1
N = np.bincount(LEAF)


@pytest.fixture(scope="module")
def figure():
    return nested(helpers.measurements(), LEVELS)


def named(figure, name):
    return figure.select_one({"name": f"nested.{name}"})


def arguments(figure):
    return named(figure, "slider").js_property_callbacks["change:value"][0].args


@pytest.mark.parametrize("tau", TAUS)
def test_weighted_averages_are_the_exact_means(tau):
    for prior in [(10, 3), (-4, 0.5)]:
        exact = helpers.exact_posterior(DATA, prior={"theta": prior})
        table = weights(DATA, tau, 0.9, {"theta": prior})
        mean = table @ [*np.bincount(LEAF, DATA["y"]) / N, prior[0]]
        assert mean == pytest.approx(exact.conditional(tau, 0.9)["mean"].to_numpy(), abs=1e-9, rel=0)
        assert table.sum(axis=1) == pytest.approx(np.ones(29), abs=1e-12)
        assert table.min() > -1e-12
        assert tau > 0 or np.ptp(table[:, :17] / N) < 1e-12, "without spread every cell counts the same"


@pytest.mark.parametrize("tau", TAUS[1:])
def test_weights_agree_with_the_precision_matrix_of_all_nodes(tau):
    # the density of nodes and measurements, written line by line as in centered.stan; no covariance, no tree
    sigma, sizes = 0.9, [1, 3, 8, 17]
    start = np.cumsum([0, *sizes])
    precision, linear = np.zeros((29, 29)), np.zeros((29, 18))
    precision[0, 0] = linear[0, 17] = 1 / 3**2
    parents = [np.ones(3, dtype=int), DATA["index_1"], DATA["index_2"]]
    for k, parent in enumerate(parents):
        for i, j in zip(start[k + 1] + np.arange(sizes[k + 1]), start[k] + parent - 1, strict=True):
            precision[np.ix_([i, j], [i, j])] += np.array([[1, -1], [-1, 1]]) / tau**2
    precision[12:, 12:] += np.diag(N / sigma**2)
    linear[12:, :17] = np.diag(N / sigma**2)
    assert weights(DATA, tau, sigma) == pytest.approx(np.linalg.solve(precision, linear), abs=1e-7)


def test_table_holds_the_weights_of_every_place_of_the_slider(figure):
    slider, args = named(figure, "slider"), arguments(figure)
    sigma = helpers.exact_posterior(DATA).mean("sigma")
    assert args["table"].shape == (len(slider.tags), 29, 18)
    assert (slider.start, slider.end, slider.step) == (0, len(slider.tags) - 1, 1)
    for tau, table in zip(slider.tags, args["table"], strict=True):
        assert table == pytest.approx(weights(DATA, tau, sigma), abs=1e-7)


def test_kin_are_those_of_the_tree(figure):
    kinds = named(figure, "totals").data["kin"]
    assert kinds == ["own cells", "same batch", "same day", "another day", "prior of θ"]
    batch = np.array(DATA["index_2"]) - 1
    lines = np.array([np.array(DATA["index_1"])[batch] - 1, batch, np.arange(17)])  # of each colony
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


def test_it_opens_with_the_colony_that_lies_furthest_out(figure):
    node, slider, leaves, totals = (named(figure, name) for name in ("node", "slider", "leaves", "totals"))
    exact = helpers.exact_posterior(DATA)
    tau = slider.tags[slider.value]
    assert node.value == "theta_3[13]"
    assert tau == pytest.approx(exact.quantile("tau", 0.5), rel=1e-12)
    row = weights(DATA, tau, exact.mean("sigma"))[-17:][12]
    assert leaves.data["weight"] == pytest.approx(row[:17], rel=1e-9)
    assert leaves.data["size"] ** 2 / 36**2 == pytest.approx(row[:17], rel=1e-9)
    other = [*range(9), *range(13, 17)]
    assert totals.data["weight"] == pytest.approx([row[12], row[9:12].sum(), 0, row[other].sum(), row[17]])
    assert totals.data["share"][2] == "–", "thursday has one batch only"
    mean = exact.conditional(tau, exact.mean("sigma")).filter(name="theta_3[13]")["mean"].item()
    assert f"{mean:.2f} a.u." in named(figure, "text").text
    assert "12.70 a.u." in named(figure, "text").text


def test_menu_and_tree_name_nodes_as_stan_does(figure):
    names = helpers.exact_posterior(DATA).conditional(1.0)["name"].to_list()
    menu, nodes, leaves = (
        named(figure, "node").options,
        named(figure, "nodes").data,
        named(figure, "leaves").data,
    )
    assert [value for value, _ in menu] == list(nodes["name"]) == names
    assert dict(menu)["theta_3[13]"] == "colony 13 (thursday, 1, 4)"
    assert [name.split("[")[-1].rstrip("]") for name in names[1:]] == list(nodes["label"])[1:]
    assert list(nodes["x"])[-17:] == list(leaves["x"]), "a disc stands under its leaf"
    assert np.all(np.diff(leaves["x"]) > 0)


def test_a_tap_fades_nothing(figure):
    tree = figure.children[2]
    of_nodes = [marks for marks in tree.renderers if marks.data_source is named(figure, "nodes")]
    assert len(of_nodes) == 3
    assert all(marks.nonselection_glyph is None for marks in of_nodes)
    (tap,) = tree.select({"type": bokeh.models.TapTool})
    assert [marks.data_source for marks in tap.renderers] == [named(figure, "nodes")]


@pytest.mark.parametrize("levels", [["level_1"], ["level_1", "level_2"], ["level_1", "level_2", "level_3"]])
def test_any_depth_values_and_prior(levels):
    df = UNEVEN.rename({"y": "height"})
    figure = nested(df, levels, "height", prior={"theta": (0, 1)})
    same = [f"same {level}" for level in levels[-2::-1]]
    assert named(figure, "totals").data["kin"] == ["own cells", *same, "another level_1", "prior of θ"]
    assert sum(named(figure, "totals").data["weight"]) == pytest.approx(1)
    data, _ = helpers.stan_data(df, levels, "height")
    sigma = helpers.exact_posterior(data, {"theta": (0, 1)}, "height").mean("sigma")
    for tau, table in list(zip(named(figure, "slider").tags, arguments(figure)["table"], strict=True))[::9]:
        assert table == pytest.approx(weights(data, tau, sigma, {"theta": (0, 1)}, "height"), abs=1e-7)
    assert arguments(figure)["prior_mean"] == 0


def test_a_tree_too_large_for_a_picture_is_refused():
    df = helpers.simulate([30, 4, 2], 10, 1, 1, seed=1)
    with pytest.raises(ValueError, match=r"^the tree has 150 nodes: [^\n]* at most 100$"):
        nested(df, ["level_1", "level_2"])
