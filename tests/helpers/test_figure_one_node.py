"""The cloud under the centering dial is the exact posterior, and what the figure says of it is so."""

import json
import math
from pathlib import Path

import bokeh.embed
import numpy as np
import polars as pl
import pytest
from chromium import browser, opened, panels, tab  # noqa: F401

import helpers.figures
from helpers.figures.one_node import CELLS, GROUP, PARENT, SIZES, TAU, density, posterior, ratio

MAP = Path(__file__).parents[2] / "lessons" / "data" / "centering.csv"
SETTINGS = [(0, 0), (1, 0), (1, 1), (0.35, 2), (0.5, 3), (0, 6), (1, 6)]  # weight, place of the size


def closed_form(n):
    """Write the posterior of log τ, and of the group's offset given τ, without helpers: all is normal."""
    scores = np.array([1 - 2 * (i + 0.5) / 20 for i in range(20)])
    scores = -math.sqrt(2) * np.array([_erfinv(score) for score in scores])
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


def _erfinv(x):
    """Invert the error function by Newton's method."""
    y = 0.0
    for _ in range(60):
        y -= (math.erf(y) - x) / (2 / math.sqrt(math.pi) * math.exp(-(y**2)))
    return y


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("w", [0, 0.3, 1])
def test_cloud_is_the_exact_posterior(w, n):
    cloud = density(w, n)
    p, given = closed_form(n)
    mean, sd = given(cloud["log_tau"])
    scale = np.exp(cloud["log_tau"]) ** (w - 1)
    np.testing.assert_allclose(cloud["density"], p(cloud["log_tau"]), rtol=1e-6)
    np.testing.assert_allclose(cloud["mean"], scale * mean, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(cloud["sd"], scale * sd, rtol=1e-6)
    lines = cloud["log_tau"]
    assert abs(np.sum(cloud["density"]) * (lines[1] - lines[0]) - 0.99927) < 1e-3  # from 0.0007 to 0.99997


def test_centered_is_the_node_and_noncentered_its_offset():
    centered, noncentered = density(1, 4), density(0, 4)
    tau = np.exp(centered["log_tau"])
    exact = posterior(4).conditional(tau).filter(name=f"theta_1[{GROUP}]")
    for cloud, unit in [(centered, 1), (noncentered, tau)]:
        np.testing.assert_allclose(cloud["mean"] * unit, exact["mean"] - PARENT, atol=1e-12)
        np.testing.assert_allclose(cloud["sd"] * unit, exact["sd"], rtol=1e-12)


@pytest.mark.parametrize(("w", "n"), [(0, 2), (1, 2), (0.5, 8), (1, 64), (1, 1)])
def test_shades_hold_half_nine_tenths_and_all_but_a_hundredth_of_the_draws(w, n):
    tree = posterior(n).draws(20_000, seed=1)["posterior"]
    tau, node = tree["tau"].values[0], tree["theta_1"].values[0, :, GROUP - 1]
    assert tree["theta"].values.std() < 1e-5
    x = tau ** (w - 1) * (node - PARENT)  # from node = parent + τ^(1 - w) (x - w parent)
    cloud = density(w, n)
    places = []
    for values, cells in [(np.log(tau), cloud["log_tau"]), (x, cloud["x"])]:
        places.append(np.floor((values - cells[0]) / (cells[1] - cells[0]) + 0.5).astype(int))
    inside = [(place >= 0) & (place < CELLS) for place in places]
    shade = cloud["image"][tuple(np.clip(place, 0, CELLS - 1) for place in places)] * (inside[0] & inside[1])
    for least, share in [(3, 0.5), (2, 0.9), (1, 0.99)]:
        # five standard errors, a false alarm in 1,700,000; and what cells and the thin neck smear
        tolerance = 5 * math.sqrt(share * (1 - share) / 20_000) + 0.004
        assert abs(np.mean(shade >= least) - share) < tolerance


def test_moments_of_the_cloud_are_those_of_draws():
    w, n = 0.4, 8
    tree = posterior(n).draws(20_000, seed=2)["posterior"]
    tau, node = tree["tau"].values[0], tree["theta_1"].values[0, :, GROUP - 1]
    x = tau ** (w - 1) * (node - PARENT)
    cloud = density(w, n)
    p = cloud["density"] / cloud["density"].sum()
    seen = (np.log(tau) > cloud["log_tau"][0]) & (np.log(tau) < cloud["log_tau"][-1])
    for draws, mean in [
        (np.log(tau), p @ cloud["log_tau"]),
        (x, p @ cloud["mean"]),
        (x**2, p @ (cloud["mean"] ** 2 + cloud["sd"] ** 2)),
        (x**2 * np.log(tau), p @ ((cloud["mean"] ** 2 + cloud["sd"] ** 2) * cloud["log_tau"])),
    ]:
        draws = draws[seen]
        # independent draws: five standard errors, a false alarm in 1,700,000
        assert abs(draws.mean() - mean) < 5 * draws.std() / math.sqrt(len(draws))


@pytest.mark.parametrize("n", SIZES)
def test_ratio_is_that_of_the_widths_at_the_ends_of_nine_tenths(n):
    low, high = posterior(n).quantile("tau", [0.05, 0.95])
    _, given = closed_form(n)
    for w in (0, 0.7, 1):
        wide, narrow = (end ** (w - 1) * given(math.log(end))[1] for end in (high, low))
        assert abs(ratio(w, n) / (wide / narrow) - 1) < 1e-6


@pytest.fixture(scope="module")
def page(browser):
    return opened(browser, helpers.figures.weight(pl.read_csv(MAP)))


def set_to(page, w, place):
    """Turn the dial as a reader might, and read what the figure then shows."""
    shown = page.evaluate(
        """async ([w, place]) => {
            get("weight.w").value = w
            get("weight.size").value = place
            await new Promise((done) => setTimeout(done)) // callbacks are run a little later
            const plain = (name) => Object.fromEntries(
                Object.entries(get("weight." + name).data).map(([column, values]) => [column, [...values]])
            )
            const names = ["rows", "cloud", "bars", "curve", "now"]
            const shown = Object.fromEntries(names.map((name) => [name, plain(name)]))
            shown.cloud.image = [[...shown.cloud.image[0]]]
            const panel = get("weight.panel")
            shown.frame = [panel.x_range.start, panel.x_range.end, panel.y_range.start, panel.y_range.end]
            shown.here = get("weight.here").location
            shown.text = get("weight.text").text
            return shown
        }""",
        [w, place],
    )
    shown["cloud"]["image"] = np.reshape(shown["cloud"]["image"], (CELLS, CELLS))
    return shown


@pytest.mark.parametrize(("w", "place"), SETTINGS)
def test_figure_shows_the_cloud(page, w, place):
    n, shown = SIZES[place], None
    shown = set_to(page, w, place)
    cloud = density(w, n)
    for column in ("log_tau", "density", "mean", "sd"):
        np.testing.assert_allclose(shown["rows"][column], cloud[column], rtol=1e-6, atol=1e-9)
    # of cells whose density is equal but for rounding either may come first
    assert np.mean(shown["cloud"]["image"] != cloud["image"]) < 1e-3
    edges = []
    for cells in (cloud["x"], cloud["log_tau"]):
        half = (cells[1] - cells[0]) / 2
        edges += [cells[0] - half, cells[-1] + half]
    np.testing.assert_allclose(shown["frame"], edges, rtol=1e-6)
    x, y, dw, dh = (shown["cloud"][k][0] for k in ("x", "y", "dw", "dh"))
    np.testing.assert_allclose([x, x + dw, y, y + dh], edges, rtol=1e-6)
    np.testing.assert_allclose(shown["now"]["ratio"], ratio(w, n), rtol=1e-6)
    np.testing.assert_allclose(shown["curve"]["ratio"], ratio(np.array(shown["curve"]["w"]), n), rtol=1e-6)
    ends = np.log(posterior(n).quantile("tau", [0.05, 0.95]))
    np.testing.assert_allclose(shown["bars"]["log_tau"], ends, rtol=1e-6)
    width = np.interp(ends, cloud["log_tau"], cloud["sd"])
    np.testing.assert_allclose(shown["bars"]["right"], width, rtol=2e-3)  # interpolated
    np.testing.assert_allclose(shown["bars"]["left"], -np.array(shown["bars"]["right"]))
    assert shown["here"] == n
    assert page.failures == []


@pytest.mark.parametrize(
    ("w", "place", "words"),
    [
        (1, 1, "11 times as wide at the upper one: a funnel."),
        (1, 3, "1.6 times as wide at the upper one: a blunt funnel."),
        (0.5, 3, "about as wide at the one as at the other."),
        (0, 6, "1.7 times as wide at the lower one: a blunt funnel upside down."),
    ],
)
def test_figure_says_what_it_shows(page, w, place, words):
    told = set_to(page, w, place)["text"]
    assert told == f"90% of τ lie between the dashed lines. The cloud is {words}"


def test_figure_starts_as_its_controls_say(browser):
    figure = helpers.figures.weight(pl.read_csv(MAP))
    first = {
        name: figure.select_one({"name": f"weight.{name}"}) for name in ("rows", "cloud", "bars", "text")
    }
    values = [figure.select_one({"name": f"weight.{name}"}).value for name in ("w", "size")]
    page = opened(browser, figure)
    set_to(page, 0.3, 5)
    shown = set_to(page, *values)
    for name in ("rows", "bars"):
        for column, expected in first[name].data.items():
            np.testing.assert_allclose(shown[name][column], expected, rtol=1e-9, atol=1e-12)
    assert np.mean(shown["cloud"]["image"] != first["cloud"].data["image"][0]) < 1e-3
    assert shown["text"] == first["text"].text
    page.close()


@pytest.mark.parametrize("n", SIZES)
def test_nothing_of_the_shades_is_cut_off_but_the_neck(n):
    for w in np.linspace(0, 1, 11):
        image = density(w, n)["image"]
        assert image[-1].max() == image[:, 0].max() == image[:, -1].max() == 0
        assert image[0].max() <= (n <= 4)
        assert image.max() == 3


def test_measured_are_those_of_the_map():
    figure = helpers.figures.weight(pl.read_csv(MAP))
    rows = pl.read_csv(MAP).filter(pl.col("τ/σ") == 0.4)
    for program in ("centered", "noncentered"):
        line = figure.select_one({"name": f"weight.{program}"}).data_source.data
        for n, shown in zip(line["x"], line["y"], strict=True):
            part = rows.filter(n=n)
            efficiency = 1000 * part[f"{program} ESS"].to_numpy() / part[f"{program} gradients"].to_numpy()
            assert abs(shown / np.prod(efficiency) ** (1 / len(part)) - 1) < 1e-9
        assert list(line["x"]) == SIZES


def test_table_that_lacks_something_is_refused():
    table = pl.read_csv(MAP)
    with pytest.raises(ValueError, match=r"no column 'τ/σ' in the table: give the rows of .*centering.csv"):
        helpers.figures.weight(table.drop("τ/σ"))
    with pytest.raises(ValueError, match=r"no rows with n = 8 and τ/σ = 0.4 in the table"):
        helpers.figures.weight(table.filter(pl.col("n") != 8))


@pytest.mark.parametrize("with_table", [True, False])
def test_every_control_obeys_the_keyboard(browser, with_table):
    page = opened(browser, helpers.figures.weight(pl.read_csv(MAP) if with_table else None))
    for key in ("ArrowLeft", "ArrowRight"):
        assert tab(page) == "slider"
        before = page.evaluate("[...get('weight.rows').data.sd]")
        page.keyboard.press(key)
        assert page.evaluate("[...get('weight.rows').data.sd]") != before
    expected = density(0.95, SIZES[2])["sd"]
    np.testing.assert_allclose(page.evaluate("[...get('weight.rows').data.sd]"), expected, rtol=1e-6)
    assert page.failures == []
    page.close()


@pytest.mark.parametrize(("width", "beside"), [(700, True), (390, False), (350, False)])
def test_panels_fit_the_page(browser, width, beside):
    page = opened(browser, helpers.figures.weight(pl.read_csv(MAP)), width)
    boxes = sorted(panels(page), key=lambda box: box[1] - box[3])  # the tall one first
    assert len(boxes) == 3
    assert all(left >= 0 and right <= width and right - left > 250 for left, _, right, _ in boxes)
    assert (min(boxes[1][0], boxes[2][0]) >= boxes[0][2]) == beside
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()


def test_figure_is_small_enough_to_send():
    figure = helpers.figures.weight(pl.read_csv(MAP))
    assert len(json.dumps(bokeh.embed.json_item(figure))) < 200_000
