"""The cloud under the slider is the exact posterior, and its shades hold what they say."""

import math
from pathlib import Path
from statistics import NormalDist

import numpy as np
import polars as pl
import pytest
from scipy.special import ndtr

from helpers import figures
from helpers.figures.one_node import CELLS, GROUP, SIZES, TAU, density, posterior, ratio

MAP = Path(__file__).parents[2] / "lessons" / "data" / "centering.csv"


def closed_form(n):
    """Write the posterior of log τ, and of the group's offset given τ, without helpers: all is normal."""
    scores = np.array([NormalDist().inv_cdf((i + 0.5) / 20) for i in range(20)])
    offsets = scores / np.sqrt(np.mean(scores**2)) * math.sqrt(TAU**2 + 1 / n)

    def log_p(log_tau):
        tau2 = np.exp(2 * log_tau)
        likelihood = -10 * np.log(tau2 + 1 / n) - np.sum(offsets**2) / (2 * (tau2 + 1 / n))
        return likelihood - tau2 / (2 * 5**2) + log_tau

    grid = np.linspace(-30, 4, 200_001)
    log_norm = np.log(np.sum(np.exp(log_p(grid) - log_p(-1))) * (grid[1] - grid[0])) + log_p(-1)

    def given(log_tau):
        precision = n + np.exp(-2 * log_tau)
        return n * offsets[GROUP - 1] / precision, precision**-0.5

    return lambda log_tau: np.exp(log_p(log_tau) - log_norm), given


@pytest.mark.parametrize("n", SIZES)
def test_cloud_and_ratio_of_widths_are_those_of_the_exact_posterior(n):
    p, given = closed_form(n)
    low, high = posterior(n).quantile("tau", [0.05, 0.95])
    for w in (0, 0.3, 1):
        cloud = density(w, n)
        lines, (mean, sd) = cloud["log_tau"], given(cloud["log_tau"])
        scale = np.exp(lines) ** (w - 1)
        np.testing.assert_allclose(cloud["density"], p(lines), rtol=1e-6)
        np.testing.assert_allclose(cloud["mean"], scale * mean, rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(cloud["sd"], scale * sd, rtol=1e-6)
        assert abs(np.sum(p(lines)) * (lines[1] - lines[0]) - 0.99927) < 1e-3  # from 0.0007 to 0.99997
        wide, narrow = (end ** (w - 1) * given(math.log(end))[1] for end in (high, low))
        assert abs(ratio(w, n) / (wide / narrow) - 1) < 1e-6
    within = np.linspace(math.log(low), math.log(high), 10_001)
    held = np.sum(p(within)[1:] + p(within)[:-1]) / 2 * (within[1] - within[0])
    assert abs(held - 0.9) < 1e-6


@pytest.mark.parametrize("n", SIZES)
def test_shades_are_the_densest_cells_that_hold_what_they_say(n):
    for w in np.linspace(0, 1, 11):
        cloud = density(w, n)
        step = cloud["x"][1] - cloud["x"][0]
        edges = np.append(cloud["x"] - step / 2, cloud["x"][-1] + step / 2)
        below = ndtr((edges - cloud["mean"][:, None]) / cloud["sd"][:, None])
        mass = cloud["density"][:, None] * np.diff(below) * (cloud["log_tau"][1] - cloud["log_tau"][0])
        wide = (cloud["sd"] > step)[:, None]  # lines that are narrower are drawn wider
        for least, share in [(3, 0.5), (2, 0.9), (1, 0.99)]:
            held = cloud["image"] >= least
            assert abs(mass[held].sum() - share) < 0.003
            assert mass[held & wide].min() > 0.9 * mass[~held & wide].max()
        # and nothing of them is cut off but the neck
        image = cloud["image"]
        assert image[-1].max() == image[:, 0].max() == image[:, -1].max() == 0
        assert image[0].max() <= (n <= 4)
        assert image.shape == (CELLS, CELLS)


def test_measured_are_those_of_the_map():
    figure = figures.weight(pl.read_csv(MAP))
    rows = pl.read_csv(MAP).filter(pl.col("τ/σ") == 0.4)
    for program in ("centered", "noncentered"):
        line = figure.select_one({"name": f"weight.{program}"}).data_source.data
        for n, shown in zip(line["x"], line["y"], strict=True):
            part = rows.filter(n=n)
            efficiency = 1000 * part[f"{program} ESS"].to_numpy() / part[f"{program} gradients"].to_numpy()
            assert abs(shown / np.prod(efficiency) ** (1 / len(part)) - 1) < 1e-9
        assert list(line["x"]) == SIZES


def test_table_may_be_left_out_but_lack_nothing():
    table = pl.read_csv(MAP)
    assert figures.weight().select_one({"name": "weight.here"}) is None
    with pytest.raises(ValueError, match=r"no column 'τ/σ' in the table: give the rows of .*centering.csv"):
        figures.weight(table.drop("τ/σ"))
    with pytest.raises(ValueError, match=r"no rows with n = 8 and τ/σ = 0.4 in the table"):
        figures.weight(table.filter(pl.col("n") != 8))
