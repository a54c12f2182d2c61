"""The panel starts with the draws that it was given, and brings along what the sampler of a page needs."""

import json

import bokeh.embed
import numpy as np
import pytest
import xarray as xr
from chromium import browser, opened, panels  # noqa: F401

import helpers
import helpers.figures
from helpers.data import LEVELS
from helpers.figures.stored_draws import PROGRAMS

CHAINS, DRAWS = 3, 50


@pytest.fixture(scope="module")
def data():
    return helpers.stan_data(helpers.measurements(), levels=LEVELS, values="y")[0]


@pytest.fixture(scope="module")
def samples():
    """What a fit might have given, with each value another one."""
    rng = np.random.default_rng(1)
    shape = (CHAINS, DRAWS)
    plain = {
        "theta": rng.normal(10, 1, shape),
        "tau": rng.gamma(2, 0.1, shape),
        "sigma": rng.gamma(9, 0.1, shape),
    }
    posterior = {name: (("chain", "draw"), x) for name, x in plain.items()}
    posterior["theta_1"] = (("chain", "draw", "theta_1_dim_0"), rng.normal(10, 1, (*shape, 3)))
    # draws first, which is as good
    stats = {"energy": (("draw", "chain"), rng.normal(80, 5, shape[::-1]))}
    stats["diverging"] = (("draw", "chain"), rng.random(shape[::-1]) < 0.1)
    return xr.DataTree.from_dict({"posterior": xr.Dataset(posterior), "sample_stats": xr.Dataset(stats)})


def source(figure, name: str) -> dict:
    return figure.select_one({"name": f"sampling.{name}"}).data


def start(figure) -> dict:
    (tag,) = figure.select_one({"name": "sampling.start"}).tags
    return json.loads(tag)


def test_figure_shows_the_draws_chain_after_chain(data, samples):
    figure = helpers.figures.sampling(data, samples)
    draws, offsets, trace = (source(figure, name) for name in ("draws", "offsets", "trace"))
    posterior, stats = samples["posterior"], samples["sample_stats"]
    for name in ("theta", "tau", "sigma"):
        assert draws[name].dtype == np.float32
        np.testing.assert_allclose(draws[name].reshape(CHAINS, DRAWS), posterior[name].values, rtol=1e-6)
    np.testing.assert_allclose(draws["energy"].reshape(CHAINS, DRAWS), stats["energy"].values.T, rtol=1e-6)
    assert (draws["divergent"].reshape(CHAINS, DRAWS) == stats["diverging"].values.T).all()
    distance = posterior["theta_1"].values[..., 0] - posterior["theta"].values
    np.testing.assert_allclose(offsets["offset"], distance.ravel(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(offsets["tau"], draws["tau"])
    np.testing.assert_allclose(trace["tau"], posterior["tau"].values, rtol=1e-6)
    np.testing.assert_allclose(trace["draw"], [np.arange(1, DRAWS + 1)] * CHAINS)
    assert len(set(trace["color"])) == CHAINS


def test_crosses_are_the_divergent_draws(data, samples):
    figure = helpers.figures.sampling(data, samples)
    draws, offsets, crosses = (source(figure, name) for name in ("draws", "offsets", "divergent"))
    rows = samples["sample_stats"]["diverging"].values.T.ravel()
    assert 0 < rows.sum() < CHAINS * DRAWS
    for column, table in [("theta", draws), ("tau", draws), ("offset", offsets)]:
        np.testing.assert_array_equal(crosses[column], table[column][rows])


def test_page_is_told_the_data_as_stan_reads_them(data, samples):
    told = start(helpers.figures.sampling(data, samples))
    assert told["levels"].keys() == data.keys()
    for name, item in data.items():
        np.testing.assert_array_equal(told["levels"][name], item)
    flat = helpers.tree_data(data, write_nodes=True)
    assert told["flat"].keys() == flat.keys()
    for name, item in flat.items():
        np.testing.assert_array_equal(told["flat"][name], item)
    whole = [
        told["levels"]["N"],
        told["levels"]["index_1"][0],
        told["flat"]["J"][0],
        told["flat"]["parent"][0],
    ]
    assert all(isinstance(number, int) for number in whole)  # Stan refuses 3.0 for a whole number


def test_page_is_told_the_exact_probability_and_the_settings(data, samples):
    figure = helpers.figures.sampling(
        data, samples, program="tree", weight=0.3, adapt_delta=0.95, seed=4, warmup=200
    )
    told = start(figure)
    assert told["exact"] == pytest.approx(helpers.exact_posterior(data).cdf("tau", told["below"]), abs=1e-12)
    assert told["below"] == 0.1
    expected = {"program": "tree", "weight": 0.3, "adaptDelta": 0.95, "seed": 4, "warmup": 200}
    assert {name: told[name] for name in expected} == expected
    assert (told["chains"], told["draws"]) == (CHAINS, DRAWS)
    text = figure.select_one({"name": "sampling.start"}).text
    assert text.endswith(f"Program tree, adapt_delta 0.95, seed 4, {CHAINS} × (200 + {DRAWS}).")


def test_programs_are_those_of_the_course():
    assert all(helpers.stan_file(name).is_file() for name in PROGRAMS)


def test_what_cannot_be_shown_is_refused(data, samples):
    with pytest.raises(ValueError, match="program is 'centred': give one of centered, noncentered, tree"):
        helpers.figures.sampling(data, samples, program="centred")
    two = helpers.stan_data(helpers.measurements(), levels=LEVELS[:2], values="y")[0]
    with pytest.raises(ValueError, match="the data have 2 levels: the centered program is for three"):
        helpers.figures.sampling(two, samples)
    with pytest.raises(ValueError, match="no 'energy' among their statistics"):
        helpers.figures.sampling(
            data, xr.DataTree.from_dict({"posterior": samples["posterior"].to_dataset()})
        )
    flat = samples["posterior"].to_dataset().drop_vars("theta_1")
    flat = xr.DataTree.from_dict({"posterior": flat, "sample_stats": samples["sample_stats"].to_dataset()})
    with pytest.raises(ValueError, match="no 'theta_1'"):
        helpers.figures.sampling(data, flat)


@pytest.mark.parametrize(("width", "beside"), [(740, True), (390, False), (350, False)])
def test_panels_fit_the_page(browser, data, samples, width, beside):
    page = opened(browser, helpers.figures.sampling(data, samples), width)
    trace, left, right = sorted(panels(page), key=lambda box: (box[1], box[0]))
    assert all(box[0] >= 0 and box[2] <= width and box[2] - box[0] > 250 for box in (trace, left, right))
    assert trace[3] <= left[1]
    assert (right[0] >= left[2]) == beside
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.failures == []
    page.close()


def test_figure_is_small_enough_to_send(data, samples):
    many = samples.isel(draw=np.arange(4000 // CHAINS) % DRAWS)
    assert len(json.dumps(bokeh.embed.json_item(helpers.figures.sampling(data, many)))) < 250_000
