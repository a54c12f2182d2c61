"""The figure of pooling opens with the exact answer, and its tables hold it for every other τ."""

import bokeh.models
import numpy as np
import polars as pl
import pytest
from scipy.special import ndtr

import helpers
from helpers.data import LEVELS
from helpers.figures import pooling
from helpers.figures.pooling_slider import WIDTH

DATA, CELLS = helpers.stan_data(helpers.measurements(), LEVELS, "y")


@pytest.fixture(scope="module")
def exact():
    return helpers.exact_posterior(DATA)


@pytest.fixture(scope="module")
def figure():
    return pooling(DATA)


def named(figure, name):
    return figure.select_one({"name": f"pooling.{name}"})


def tables(figure):
    """Means and sds that the slider chooses from, shape (values of τ, leaves)."""
    (callback,) = named(figure, "slider").js_property_callbacks["change:value"]
    leaves = len(named(figure, "colonies").data["own"])
    return [callback.args[name].reshape(-1, leaves) for name in ("means", "sds")]


def test_tables_are_exact_at_every_tau_of_the_slider(figure, exact):
    tau, slider = named(figure, "curve").data["tau"], named(figure, "slider")
    assert (slider.start, slider.step, slider.end) == (0, 1, len(tau) - 1)
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
    (dashed,) = figure.select({"type": bokeh.models.Span})  # where all colonies are if τ is zero
    assert dashed.location == pytest.approx(exact.conditional(0)["mean"].to_numpy().mean(), rel=1e-12)


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
        whole, parts = exact.conditional(tau)[-17:], [exact.conditional(tau, s)[-17:] for s in sigma]
        held = 0.0
        for w, part in zip(weight / weight.sum(), parts, strict=True):
            ends = [whole["mean"] + sign * WIDTH * whole["sd"] for sign in (-1, 1)]
            low, high = (ndtr(((end - part["mean"]) / part["sd"]).to_numpy()) for end in ends)
            held = held + w * (high - low)
        assert held == pytest.approx(np.full(17, 0.89), abs=0.005)


def test_marks_are_the_averages_of_the_colonies_own_cells(figure):
    groups = CELLS.group_by("colony_stan", "day_stan")
    colonies = groups.agg(pl.col("y").mean(), n=pl.len()).sort("colony_stan")
    shown = named(figure, "colonies").data
    assert list(shown["number"]) == colonies["colony_stan"].to_list()
    assert shown["own"] == pytest.approx(colonies["y"].to_numpy(), rel=1e-12)
    assert list(shown["n"]) == colonies["n"].to_list()
    assert shown["color"] == [helpers.COLORS[day - 1] for day in colonies["day_stan"]]


def test_any_depth_and_any_prior_but_no_other_dictionary():
    data = {"N": 5, "J_1": 3, "index_1": [1, 1, 2, 2, 3], "y": [9.0, 10.0, 11.5, 11.0, 9.8]}
    figure = pooling(data, prior={"theta": (0, 1)})
    tau = named(figure, "curve").data["tau"]
    given = helpers.exact_posterior(data, prior={"theta": (0, 1)}).conditional(tau[[0, 30]])
    mean = given["mean"].to_numpy().reshape(2, -1)[:, 1:]
    assert tables(figure)[0][[0, 30]] == pytest.approx(mean, rel=1e-6)
    with pytest.raises(ValueError, match=r"^no 'index_1' in the data[^\n]*$"):
        pooling({"J_1": 1, "y": [1.0]})
