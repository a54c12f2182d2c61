"""The panel starts with the draws that it was given, and brings along what the sampler of a page needs."""

import json

import numpy as np
import pytest
import xarray as xr

import helpers
from helpers.data import LEVELS
from helpers.figures import sampling

CHAINS, DRAWS = 3, 50
DATA, _ = helpers.stan_data(helpers.measurements(), LEVELS, "y")


@pytest.fixture(scope="module")
def samples():
    """What a fit might have given, with each value another one."""
    rng, shape = np.random.default_rng(1), (CHAINS, DRAWS)
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


def told(figure) -> dict:
    (tag,) = figure.select_one({"name": "sampling.start"}).tags
    return json.loads(tag)


def test_figure_shows_the_draws_chain_after_chain(samples):
    figure = sampling(DATA, samples)
    draws, offsets, trace, crosses = (source(figure, n) for n in ("draws", "offsets", "trace", "divergent"))
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
    rows = stats["diverging"].values.T.ravel()
    assert 0 < rows.sum() < CHAINS * DRAWS
    for column, table in [("theta", draws), ("tau", draws), ("offset", offsets)]:
        np.testing.assert_array_equal(crosses[column], table[column][rows])


def test_page_is_told_the_data_as_stan_reads_them(samples):
    start = told(sampling(DATA, samples))
    for name, data in [("levels", DATA), ("flat", helpers.tree_data(DATA, write_nodes=True))]:
        assert start[name].keys() == data.keys()
        for key, item in data.items():
            np.testing.assert_array_equal(start[name][key], item)
    levels, flat = start["levels"], start["flat"]
    whole = [levels["N"], levels["index_1"][0], flat["J"][0], flat["parent"][0]]
    assert all(isinstance(number, int) for number in whole)  # Stan refuses 3.0 for a whole number


def test_page_is_told_the_exact_probability_and_the_settings(samples):
    figure = sampling(DATA, samples, program="tree", weight=0.3, adapt_delta=0.95, seed=4, warmup=200)
    start = told(figure)
    assert start["exact"] == pytest.approx(helpers.exact_posterior(DATA).cdf("tau", 0.1), abs=1e-12)
    expected = {"below": 0.1, "program": "tree", "weight": 0.3, "adaptDelta": 0.95, "seed": 4, "warmup": 200}
    expected |= {"chains": CHAINS, "draws": DRAWS}
    assert {name: start[name] for name in expected} == expected
    text = figure.select_one({"name": "sampling.start"}).text
    assert text == f"Shown: the draws of the cells above, {CHAINS} × {DRAWS}."


def test_what_cannot_be_shown_is_refused(samples):
    two, _ = helpers.stan_data(helpers.measurements(), LEVELS[:2], "y")
    with pytest.raises(ValueError, match="the data have 2 levels: the centered program is for three"):
        sampling(two, samples)
    posterior, stats = samples["posterior"].to_dataset(), samples["sample_stats"].to_dataset()
    with pytest.raises(ValueError, match="no 'energy' among their statistics"):
        sampling(DATA, xr.DataTree.from_dict({"posterior": posterior}))
    lacking = {"posterior": posterior.drop_vars("theta_1"), "sample_stats": stats}
    with pytest.raises(ValueError, match="no 'theta_1'"):
        sampling(DATA, xr.DataTree.from_dict(lacking))
