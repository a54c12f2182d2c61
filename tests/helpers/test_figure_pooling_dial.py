"""The pooling dial shows the exact answer: at every τ that its slider can be moved to."""

import json

import bokeh.embed
import bokeh.models
import numpy as np
import polars as pl
import pytest
from scipy.special import ndtr

import helpers
import helpers.figures
from helpers.data import LEVELS
from helpers.figures.pooling_dial import WIDTH


@pytest.fixture(scope="module")
def data():
    return helpers.stan_data(helpers.measurements(), LEVELS, "y")[0]


@pytest.fixture(scope="module")
def exact(data):
    return helpers.exact_posterior(data)


@pytest.fixture(scope="module")
def figure(data):
    return helpers.figures.pooling(data)


def named(figure, name):
    return figure.select_one({"name": f"pooling.{name}"})


def tables(figure):
    """Means and sds that the slider chooses from, shape (values of τ, leaves)."""
    (callback,) = named(figure, "slider").js_property_callbacks["change:value"]
    leaves = len(named(figure, "colonies").data["own"])
    return [callback.args[name].reshape(-1, leaves) for name in ("means", "sds")]


def test_the_slider_has_a_place_for_every_row_of_the_tables(figure):
    slider, means = named(figure, "slider"), tables(figure)[0]
    assert (slider.start, slider.step) == (0, 1)
    assert slider.end + 1 == len(means) == len(named(figure, "curve").data["tau"])


def test_tables_are_exact_at_every_tau(figure, exact):
    tau = named(figure, "curve").data["tau"]
    for name, table in zip(("mean", "sd"), tables(figure), strict=True):
        given = exact.conditional(tau)[name].to_numpy().reshape(len(tau), -1)[:, -17:]
        assert table == pytest.approx(given, rel=1e-6)


def test_it_opens_at_the_posterior_median_with_the_exact_answer(figure, exact):
    slider, colonies, now = (named(figure, name) for name in ("slider", "colonies", "now"))
    tau = named(figure, "curve").data["tau"][slider.value]
    assert tau == pytest.approx(exact.quantile("tau", 0.5), rel=1e-12)
    given = exact.conditional(tau)[-17:]
    for name in ("mean", "sd"):
        assert colonies.data[name] == pytest.approx(given[name].to_numpy(), rel=1e-12)
    assert (colonies.data["low"] + colonies.data["high"]) / 2 == pytest.approx(colonies.data["mean"])
    assert colonies.data["high"] - colonies.data["low"] == pytest.approx(2 * WIDTH * given["sd"].to_numpy())
    assert now.data["density"] == pytest.approx([tau * np.log(10) * exact.density("tau", tau)])
    assert "probability 0.500" in named(figure, "text").text


def test_curve_is_a_density_of_log_tau_that_agrees_with_its_cdf(figure):
    curve = named(figure, "curve").data
    grown = np.cumsum(np.diff(np.log10(curve["tau"])) * (curve["density"][1:] + curve["density"][:-1]) / 2)
    assert grown == pytest.approx(np.diff(curve["cdf"]).cumsum(), abs=2e-3)  # trapezoids, 16 to a decade
    assert curve["cdf"][0] < 0.01
    assert curve["cdf"][-1] > 0.999


def test_bars_hold_89_percent(figure, exact):
    # given τ a mean is a mixture of normal distributions over σ; is 1.6 sd of it still 89%?
    sigma = np.linspace(0.6, 1.6, 41)
    for tau in named(figure, "curve").data["tau"][::12]:
        weight = np.exp(exact.log_density(np.full(41, tau), sigma) - exact.log_density(tau, 0.94))
        weight /= weight.sum()
        whole, parts = exact.conditional(tau)[-17:], [exact.conditional(tau, s)[-17:] for s in sigma]
        held = 0.0
        for w, part in zip(weight, parts, strict=True):
            ends = [whole["mean"] + sign * WIDTH * whole["sd"] for sign in (-1, 1)]
            low, high = (ndtr(((end - part["mean"]) / part["sd"]).to_numpy()) for end in ends)
            held = held + w * (high - low)
        assert held == pytest.approx(np.full(17, 0.89), abs=0.005)


def test_marks_are_the_averages_of_the_colonies_own_cells(figure):
    _, cells = helpers.stan_data(helpers.measurements(), LEVELS, "y")
    colonies = (
        cells.group_by("colony_stan", "day_stan").agg(pl.col("y").mean(), n=pl.len()).sort("colony_stan")
    )
    shown = named(figure, "colonies").data
    assert list(shown["number"]) == colonies["colony_stan"].to_list()
    assert shown["own"] == pytest.approx(colonies["y"].to_numpy(), rel=1e-12)
    assert list(shown["n"]) == colonies["n"].to_list()
    assert shown["color"] == [helpers.COLORS[day - 1] for day in colonies["day_stan"]]


def test_dashed_line_is_where_all_colonies_are_if_tau_is_zero(figure, exact):
    (span,) = figure.select({"type": bokeh.models.Span})
    assert span.location == pytest.approx(exact.conditional(0)["mean"].to_numpy().mean(), rel=1e-12)


def test_it_fits_a_page(figure):
    assert len(json.dumps(bokeh.embed.json_item(figure))) < 100_000


def test_any_depth_and_any_prior():
    data = {"N": 5, "J_1": 3, "index_1": [1, 1, 2, 2, 3], "y": [9.0, 10.0, 11.5, 11.0, 9.8]}
    figure = helpers.figures.pooling(data, prior={"theta": (0, 1)})
    tau = named(figure, "curve").data["tau"]
    given = helpers.exact_posterior(data, prior={"theta": (0, 1)}).conditional(tau[[0, 30]])
    assert tables(figure)[0][[0, 30]] == pytest.approx(
        given["mean"].to_numpy().reshape(2, -1)[:, 1:], rel=1e-6
    )


def test_data_that_cannot_be_read_are_refused_in_one_line():
    with pytest.raises(ValueError, match=r"no 'index_1' in the data") as refused:
        helpers.figures.pooling({"J_1": 1, "y": [1.0]})
    assert "\n" not in str(refused.value)
