"""Figures that move show what the mathematics says, wherever their controls are set, also without a mouse."""

import re

import numpy as np
import pytest
from book_pages import PAGES, changed, pixels

import helpers
from helpers.data import LEVELS
from helpers.figures.leapfrog_walk import KICKS


class Figure:
    """A figure on a page, by the names of its models."""

    def __init__(self, page):
        self.page = page

    def get(self, model: str, item: str):
        return self.page.evaluate("([model, item]) => look.get(model, item)", [model, item])

    def data(self, model: str) -> dict:
        """Columns of a data source."""
        columns = self.get(model, "data")
        return {name: np.array(column) for name, column in columns.items()}

    def said(self, model: str, words: str) -> float:
        """Read the number that follows some words of a text."""
        return float(re.search(rf"{words} ([\d.]*\d)", self.get(model, "text"))[1])

    def set(self, model: str, item: str, value):
        """Set a property as the page's own controls do, and let the figure answer."""
        self.page.evaluate("([model, item, value]) => look.set(model, item, value)", [model, item, value])

    def press(self, slider: str, key: str):
        """Press a key on the handle of a slider."""
        self.page.evaluate_handle("slider => look.handle(slider)", slider).as_element().press(key)
        self.page.evaluate("look.painted()")

    def picture(self, model: str) -> np.ndarray:
        """Take a picture of the whole figure of which a model is part."""
        return pixels(self.page.evaluate_handle("model => look.rootOf(model)", model).as_element())


@pytest.fixture(scope="class")
def shown(request, opened, book) -> Figure:
    """The figure of a class of tests, on the first page that has it; each test sets what it relies on."""
    name, _ = request.cls.sliders[0]
    for page in PAGES:
        file = book / f"{page}.html"
        if file.is_file() and f'"{name}"' in file.read_text("utf-8"):
            return Figure(opened(f"{page}.html")[0])
    pytest.fail(f"no page shows the figure {name.partition('.')[0]!r}", pytrace=False)


class Moving:
    """What all these figures have to do; `sliders` have, for each, a data source that follows it."""

    sliders: tuple[tuple[str, str], ...]

    def test_arrow_keys_move_the_sliders_and_the_picture(self, shown):
        for slider, source in self.sliders:
            start, end, step = (shown.get(slider, item) for item in ("start", "end", "step"))
            middle = start + step * round((end - start) / step / 2)
            shown.set(slider, "value", middle)
            before, picture = shown.data(source), shown.picture(slider)
            for _ in range(3):
                shown.press(slider, "ArrowLeft")
            assert shown.get(slider, "value") == pytest.approx(middle - 3 * step)
            assert any(not np.array_equal(shown.data(source)[name], before[name]) for name in before)
            assert changed(picture, shown.picture(slider)) > 50

    def test_the_tab_key_walks_through_the_figure_and_out_of_it(self, shown):
        slider, _ = self.sliders[0]
        shown.page.evaluate("name => look.beginWalk(name)", slider)
        for _ in range(30):
            shown.page.keyboard.press("Tab")
            if shown.page.evaluate("look.hasLeft()"):
                break
        assert shown.page.evaluate("look.notReached()") == []
        assert shown.page.evaluate("look.hasLeft()")


def cells():
    return helpers.stan_data(helpers.measurements(), levels=LEVELS, values="y")[0]


class TestPooling(Moving):
    sliders = (("pooling.slider", "pooling.colonies"),)

    def test_pooling_shows_the_exact_means_given_tau(self, shown):
        exact = helpers.exact_posterior(cells())
        taus = shown.data("pooling.curve")["tau"]
        for place in (0, 17, 40, len(taus) - 1):
            shown.set("pooling.slider", "value", place)
            given, drawn = exact.conditional(taus[place]), shown.data("pooling.colonies")
            leaves = given.filter(given["name"].str.starts_with("theta_3["))
            np.testing.assert_allclose(drawn["mean"], leaves["mean"], rtol=1e-6)
            np.testing.assert_allclose(drawn["sd"], leaves["sd"], rtol=1e-6)
            assert shown.said("pooling.text", "With probability") == pytest.approx(
                exact.cdf("tau", taus[place]), abs=0.006
            )
            assert shown.data("pooling.now")["tau"] == pytest.approx([taus[place]])
            np.testing.assert_allclose(shown.data("pooling.below")["tau"], taus[: place + 1])
        # at the ends: all colonies alike, and each at the average of its own cells
        shown.set("pooling.slider", "value", 0)
        assert np.ptp(shown.data("pooling.colonies")["mean"]) < 0.01
        shown.set("pooling.slider", "value", len(taus) - 1)
        drawn = shown.data("pooling.colonies")
        assert abs(drawn["mean"] - drawn["own"]).max() < 0.1


class TestNested(Moving):
    sliders = (("nested.slider", "nested.leaves"),)

    @pytest.mark.parametrize("node", ["theta", "theta_1[2]", "theta_2[5]", "theta_3[13]"])
    def test_nested_weights_make_the_exact_mean(self, shown, node):
        data = cells()
        exact = helpers.exact_posterior(data)
        leaf = np.array(data["index_3"]) - 1
        averages = np.append(np.bincount(leaf, data["y"]) / np.bincount(leaf), 10)  # and the prior mean of θ
        taus = shown.get("nested.slider", "tags")
        shown.set("nested.node", "value", node)
        for place in (2, 15, len(taus) - 1):
            shown.set("nested.slider", "value", place)
            totals = shown.data("nested.totals")
            totals = dict(zip(totals["kin"].tolist(), totals["weight"].tolist(), strict=True))
            weights = np.append(shown.data("nested.leaves")["weight"], totals["prior of θ"])
            given = exact.conditional(taus[place], exact.mean("sigma"))
            mean = given.filter(given["name"] == node)["mean"].item()
            assert weights @ averages == pytest.approx(mean, rel=1e-5)
            assert shown.said("nested.text", "has the mean") == pytest.approx(mean, abs=0.006)
            assert weights.sum() == pytest.approx(1, abs=1e-5)
            assert sum(totals.values()) == pytest.approx(1, abs=1e-5)

    def test_a_tap_on_a_node_chooses_it(self, shown):
        names = list(shown.get("nested.nodes", "data")["name"])
        shown.page.evaluate("i => look.tap('nested.nodes', i)", names.index("theta_2[5]"))
        assert shown.get("nested.node", "value") == "theta_2[5]"


def leapfrog(q, p, step, slope):
    """Make one move of the leapfrog, with unit mass."""
    p = p - step / 2 * slope(q)
    q = q + step * p
    return q, p - step / 2 * slope(q)


def funnel(noncentered: bool):
    """Minus the log density of log τ ~ Normal(0, 3), x ~ Normal(0, τ), or z ~ Normal(0, 1); and its slope."""
    if noncentered:
        return lambda q: q[1] ** 2 / 18 + q[0] ** 2 / 2, lambda q: np.array([q[0], q[1] / 9])

    def slope(q):
        x, log_tau = q
        return np.array([x / np.exp(2 * log_tau), log_tau / 9 + 1 - (x / np.exp(log_tau)) ** 2])

    return lambda q: q[1] ** 2 / 18 + q[1] + (q[0] / np.exp(q[1])) ** 2 / 2, slope


class TestWalk(Moving):
    sliders = (("walk.step", "walk.path"), ("walk.start", "walk.path"))

    @pytest.mark.parametrize("kick", [0, 3])
    @pytest.mark.parametrize(("log_step", "log_start"), [(-0.7, 0.0), (-1.5, -0.5), (-0.3, 0.5), (0.0, -1.5)])
    @pytest.mark.parametrize("noncentered", [False, True], ids=["centered", "noncentered"])
    def test_the_walk_follows_the_leapfrog(self, shown, noncentered, log_step, log_start, kick):
        shown.set("walk.form", "active", int(noncentered))
        shown.set("walk.step", "value", log_step)
        shown.set("walk.start", "value", log_start)
        shown.set("walk.kick", "data", {"number": [kick]})
        path, broken = shown.data("walk.path"), shown.data("walk.break")
        potential, slope = funnel(noncentered)
        q, p = np.array([1.0 if noncentered else 10**log_start, np.log(10) * log_start]), KICKS[kick]
        before = potential(q) + p @ p / 2
        for move in path["move"]:
            np.testing.assert_allclose([path["x"][move], path["log_tau"][move]], q, rtol=1e-6, atol=1e-6)
            error = potential(q) + p @ p / 2 - before
            assert path["error"][move] == pytest.approx(error, rel=1e-6, abs=1e-6)
            with np.errstate(over="ignore", invalid="ignore"):
                q, p = leapfrog(q, p, 10**log_step, slope)
                after = potential(q) + p @ p / 2 - before
        # it ends after 60 moves, or where the next would be divergent
        assert len(path["move"]) == 61 or not after <= 1000
        assert len(broken["move"]) == (len(path["move"]) < 61)
        assert ("Divergence" in shown.get("walk.text", "text")) == len(broken["move"])

    def test_a_large_step_is_too_large_in_the_neck_of_the_funnel_only_if_centered(self, shown):
        shown.set("walk.step", "value", -0.3)
        shown.set("walk.start", "value", -1.5)
        broke = {}
        for form in (0, 1):
            shown.set("walk.form", "active", form)
            errors = abs(shown.data("walk.path")["error"])
            broke[form] = len(shown.data("walk.break")["move"]) == 1
            assert broke[form] or errors.max() < 1
        assert broke == {0: True, 1: False}

    def test_kick_again_kicks_again(self, shown):
        shown.set("walk.kick", "data", {"number": [4]})
        before = shown.data("walk.path")
        shown.page.get_by_role("button", name="kick again").click()
        after = shown.data("walk.path")
        assert shown.data("walk.kick")["number"].tolist() == [5]
        assert len(before["x"]) != len(after["x"]) or (before["x"][1:] != after["x"][1:]).all()


class TestWeight(Moving):
    sliders = (("weight.w", "weight.rows"), ("weight.size", "weight.rows"))

    @pytest.mark.parametrize(("weight", "place"), [(0, 0), (0.5, 1), (1, 1), (1, 6), (0.25, 4)])
    def test_the_weighted_cloud_is_the_exact_one(self, shown, weight, place):
        shown.set("weight.w", "value", weight)
        shown.set("weight.size", "value", place)
        rows, n = shown.data("weight.rows"), 2**place
        log_tau = rows["log_tau"]
        tau2 = np.exp(2 * log_tau)
        # a group's mean given τ, and what the sampler moves: x − w · parent = τ^(w − 1) (mean − parent)
        np.testing.assert_allclose(rows["sd"], np.sqrt(tau2 ** (weight - 1) / (n + 1 / tau2)), rtol=1e-5)
        # averages of 20 groups have the variance 0.4² + 1/n; given τ, each is Normal(10, √(τ² + 1/n))
        log_p = -10 * np.log(tau2 + 1 / n) - 10 * (0.16 + 1 / n) / (tau2 + 1 / n) - tau2 / 50 + log_tau
        p = np.exp(log_p - log_p.max())
        np.testing.assert_allclose(rows["density"] / rows["density"].sum(), p / p.sum(), rtol=1e-4)
        assert rows["density"].sum() * (log_tau[1] - log_tau[0]) == pytest.approx(1, abs=0.005)
        # the shades hold what they say, of what the frame shows
        cloud = shown.get("weight.cloud", "data")
        image = np.array(cloud["image"][0])
        x = cloud["x"][0] + cloud["dw"][0] * (np.arange(image.shape[1]) + 0.5) / image.shape[1]
        z = (x - rows["mean"][:, None]) / rows["sd"][:, None]
        mass = rows["density"][:, None] * np.exp(-(z**2) / 2) / rows["sd"][:, None]
        mass /= mass.sum()
        for shade, share in ((3, 0.5), (2, 0.9), (1, 0.99)):
            assert mass[image >= shade].sum() == pytest.approx(share, abs=0.01)
            held, wide = image >= shade, (rows["sd"] > x[1] - x[0])[:, None]  # narrower lines are drawn wider
            assert mass[held & wide].min() >= 0.9 * mass[~held & wide].max()
