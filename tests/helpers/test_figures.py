"""In a browser every figure that moves shows what Python computes, wherever its controls are set."""

import json
from pathlib import Path

import bokeh.embed
import numpy as np
import polars as pl
import pytest
import xarray as xr
from chromium import Shown, chromium

import helpers
from helpers import figures
from helpers.data import LEVELS
from helpers.figures.leapfrog_walk import FRAMES, KICKS, leapfrog
from helpers.figures.one_node import CELLS, SIZES, density, posterior, ratio

CELLS_OF_COURSE = helpers.measurements()
DATA, _ = helpers.stan_data(CELLS_OF_COURSE, LEVELS, "y")
EXACT = helpers.exact_posterior(DATA)
MAP = Path(__file__).parents[2] / "lessons" / "data" / "centering.csv"


def sampling():
    tree, zeros = EXACT.draws(4000, seed=1), (("chain", "draw"), np.zeros((1, 4000)))
    tree["sample_stats"] = xr.DataTree(xr.Dataset({"energy": zeros, "diverging": zeros}))
    return figures.sampling(DATA, tree)


FIGURES = {  # each, and how many characters it may have to be sent
    "lines": (figures.lines, 50_000),
    "pooling": (lambda: figures.pooling(DATA), 100_000),
    "sampling": (sampling, 250_000),
    "walk": (figures.walk, 200_000),
    "weight": (lambda: figures.weight(pl.read_csv(MAP)), 200_000),
}


@pytest.fixture(scope="module")
def browser():
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def shown(browser):
    """Function that gives a figure by its name, each opened once."""
    opened = {}

    def show(name: str) -> Shown:
        if name not in opened:
            opened[name] = Shown(browser, FIGURES[name][0]())
        return opened[name]

    yield show
    assert not [(name, figure.failures) for name, figure in opened.items() if figure.failures]


@pytest.mark.parametrize("name", FIGURES)
def test_figure_is_small_enough_to_send(name):
    make, most = FIGURES[name]
    assert len(json.dumps(bokeh.embed.json_item(make()))) < most


@pytest.mark.parametrize("width", [350, 740])
@pytest.mark.parametrize("name", FIGURES)
def test_panels_fit_the_page_beside_each_other_or_below(shown, name, width):
    boxes = shown(name).panels(width)
    assert len(boxes) == {"sampling": 3, "weight": 3}.get(name, 2)
    assert all(left >= 0 and right <= width and right - left > 250 for left, _, right, _ in boxes)
    assert shown(name).page.evaluate("document.documentElement.scrollWidth") <= width
    pairs = [(a, b) for a in boxes for b in boxes if a is not b]
    beside = [a[2] <= b[0] for a, b in pairs]
    assert any(beside) == (width == 740)
    below = [a[3] <= b[1] for a, b in pairs]
    assert sum(np.array(beside) | below) == len(pairs) / 2, "no panel covers another"


@pytest.mark.parametrize(
    ("make", "away", "rtol"),
    [
        ("lines", {"lines.tau2": {"value": 0}, "lines.rho": {"value": 0.5}}, 1e-12),
        ("pooling", {"pooling.slider": {"value": 3}}, 1e-6),  # these two have tables in single precision
        ("walk", {"walk.step": {"value": -1}, "walk.start": {"value": -1}, "walk.form": {"active": 1}}, 1e-9),
        (lambda: figures.walk(noncentered=True), {"walk.form": {"active": 0}}, 1e-9),
        ("weight", {"weight.w": {"value": 0.3}, "weight.size": {"value": 5}}, 1e-9),
    ],
)
def test_figure_starts_as_its_controls_say(browser, make, away, rtol):
    # from Python; and after they were moved away and back, from the script
    figure = Shown(browser, (FIGURES[make][0] if isinstance(make, str) else make)())
    first = figure.read()
    back = {name: dict.fromkeys(changed, first[name]) for name, changed in away.items()}
    moved, again = figure.set(away, back)
    assert moved.keys() == again.keys() == first.keys()
    assert moved != first
    if "weight.cloud" in first:  # of cells whose density is equal but for rounding either may come first
        cells = [state["weight.cloud"].pop("image") for state in (first, again)]
        assert np.mean(np.not_equal(*cells)) < 1e-3
    assert_alike(again, first, rtol)
    assert figure.failures == []
    figure.page.close()


def assert_alike(found, expected, rtol):
    """Assert that two states are the same: numbers nearly, all else entirely."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for name, item in expected.items():
            assert_alike(found[name], item, rtol)
    elif np.asarray(expected).dtype.kind in "fi":
        np.testing.assert_allclose(found, expected, rtol=rtol, atol=rtol)
    else:
        assert found == expected


def test_pooling_shows_the_exact_means_at_every_tau(shown):
    curve = shown("pooling").read()["pooling.curve"]
    states = shown("pooling").set(*({"pooling.slider": {"value": at}} for at in range(len(curve["tau"]))))
    given = EXACT.conditional(curve["tau"]).filter(pl.col("name").str.starts_with("theta_3"))
    for name in ("mean", "sd"):
        drawn = [state["pooling.colonies"][name] for state in states]
        np.testing.assert_allclose(drawn, given[name].to_numpy().reshape(len(states), -1), rtol=1e-6)
    for at, state in enumerate(states):
        share = f"{curve['cdf'][at]:.3f}"
        assert state["pooling.text"].startswith(f"With probability {share}, τ is smaller than ")
        assert state["pooling.now"] == {"tau": [curve["tau"][at]], "density": [curve["density"][at]]}
        assert state["pooling.below"] == {name: column[: at + 1] for name, column in curve.items()}
    left, right = (states[at]["pooling.colonies"] for at in (0, -1))
    assert np.ptp(left["mean"]) < 0.01, "all colonies alike"
    np.testing.assert_allclose(right["mean"], right["own"], atol=0.1)  # each for itself


PATHS = [  # step and start, as logarithms, and kick
    (-0.7, 0, 0), (-1.3, -1, 1), (-0.7, -1.3, 2), (0, 0.5, 3), (-1.7, -2, 4), (-0.5, -0.6, 5), (-1, 0.2, 6),
]  # fmt: skip


def controls(step, start, form, kick):
    return {
        "walk.step": {"value": step}, "walk.start": {"value": start}, "walk.form": {"active": form},
        "walk.kick": {"data": {"number": [kick]}},
    }  # fmt: skip


@pytest.mark.parametrize("form", [0, 1], ids=["centered", "noncentered"])
def test_walk_shows_the_leapfrogs_path(shown, form):
    states = shown("walk").set(*(controls(step, start, form, kick) for step, start, kick in PATHS))
    lengths = [len(state["walk.path"]["x"]) for state in states]
    assert form == 1 or (min(lengths) < 5 and lengths.count(61) >= 2), "some paths diverge, some do not"
    for (step, start, kick), state in zip(PATHS, states, strict=True):
        path = leapfrog(10**step, 10**start, KICKS[kick], form == 1)
        broken = path["error"][-1] > 1000
        reached = len(path["move"]) - broken
        for column, expected in path.items():
            np.testing.assert_allclose(state["walk.path"][column], expected[:reached], rtol=1e-6, atol=1e-6)
        end = state["walk.break"]
        assert end["move"] == path["move"][reached:]
        np.testing.assert_allclose(
            [end["to_x"], end["to_log_tau"]], [path[c][reached:] for c in ("x", "log_tau")]
        )
        assert state["walk.text"].startswith("<b>Divergence" if broken else "Largest energy error")
        frame = state["walk.panel"]
        assert [frame["x"][1], frame["y"][1]] == [FRAMES[form][axis]["end"] for axis in "xy"]
        assert frame["label"] == FRAMES[form]["label"]
        assert [state[f"walk.hill.{i}"] for i in (0, 1)] == [form == 0, form == 1]


def test_walk_never_draws_what_is_no_number(shown):
    settings = [
        controls(step, start, 0, kick)
        for step in [*np.arange(-1.7, 0.01, 0.4), 0] for start in np.arange(-2, 0.51, 0.5) for kick in (0, 1)
    ]  # fmt: skip
    for state in shown("walk").set(*settings):
        path, end = state["walk.path"], state["walk.break"]
        columns = [*path.values(), *end.values()]
        assert all(x is not None and abs(x) < 1e7 for column in columns for x in column)
        assert len(path["x"]) + len(end["x"]) <= 61
        assert (len(path["x"]) == 61) == (not end["x"])


def test_buttons_of_the_walk_obey_the_keyboard(shown):
    shown("walk").set(controls(-1, 0, 0, len(KICKS) - 1))
    page = shown("walk").page
    page.get_by_role("button", name="kick again").press("Space")
    page.wait_for_function("get('walk.kick').data.number[0] == 0")  # after the last comes the first
    page.get_by_role("button", name="noncentered").press("Enter")
    page.wait_for_function("get('walk.form').active == 1")


@pytest.mark.parametrize(
    ("w", "place", "words"),
    [
        (0, 0, None),
        (0.35, 2, None),
        (1, 6, None),
        (1, 1, "11 times as wide at the upper one: a funnel."),
        (1, 3, "1.6 times as wide at the upper one: a blunt funnel."),
        (0.5, 3, "about as wide at the one as at the other."),
        (0, 6, "1.7 times as wide at the lower one: a blunt funnel upside down."),
    ],
)
def test_weight_shows_the_exact_cloud(shown, w, place, words):
    n = SIZES[place]
    (state,) = shown("weight").set({"weight.w": {"value": w}, "weight.size": {"value": place}})
    rows, drawn, curve, bars, frame = (
        state[f"weight.{name}"] for name in ("rows", "cloud", "curve", "bars", "panel")
    )
    cloud = density(w, n)
    for column in ("log_tau", "density", "mean", "sd"):
        np.testing.assert_allclose(rows[column], cloud[column], rtol=1e-6, atol=1e-9)
    # of cells whose density is equal but for rounding either may come first
    assert np.mean(np.reshape(drawn["image"], (CELLS, CELLS)) != cloud["image"]) < 1e-3
    edges = []
    for cells in (cloud["x"], cloud["log_tau"]):
        half = (cells[1] - cells[0]) / 2
        edges.append([cells[0] - half, cells[-1] + half])
    np.testing.assert_allclose([frame["x"], frame["y"]], edges, rtol=1e-6)
    (x,), (y,), (dw,), (dh,) = (drawn[name] for name in ("x", "y", "dw", "dh"))
    np.testing.assert_allclose([[x, x + dw], [y, y + dh]], edges, rtol=1e-6)
    np.testing.assert_allclose(state["weight.now"]["ratio"], ratio(w, n), rtol=1e-6)
    np.testing.assert_allclose(curve["ratio"], ratio(np.array(curve["w"]), n), rtol=1e-6)
    ends = np.log(posterior(n).quantile("tau", [0.05, 0.95]))
    np.testing.assert_allclose(bars["log_tau"], ends, rtol=1e-6)
    width = np.interp(ends, cloud["log_tau"], cloud["sd"])
    np.testing.assert_allclose(bars["right"], width, rtol=2e-3)  # interpolated
    np.testing.assert_allclose(bars["left"], -np.array(bars["right"]))
    assert state["weight.here"] == n
    if words:
        assert state["weight.text"] == f"90% of τ lie between the dashed lines. The cloud is {words}"
