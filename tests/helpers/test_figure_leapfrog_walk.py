"""The path that a reader sees in the funnel is the leapfrog's, and what is said of it is so."""

import json
import math

import bokeh.embed
import numpy as np
import pytest
from chromium import browser, opened, panels, tab  # noqa: F401

import helpers.figures
from helpers.figures.leapfrog_walk import FRAMES, KICKS, leapfrog

STEPS = np.arange(-1.7, 0.01, 0.05)  # all that the sliders offer
STARTS = np.arange(-2, 0.51, 0.05)


@pytest.fixture(scope="module")
def page(browser):
    return opened(browser, helpers.figures.walk())


def set_to(page, step, start, form, kick=0):
    """Set the controls as a reader might, and read what the figure then shows."""
    return page.evaluate(
        """async ([step, start, form, kick]) => {
            get("walk.step").value = step
            get("walk.start").value = start
            get("walk.form").active = form
            get("walk.kick").data = {number: [kick]}
            await new Promise((done) => setTimeout(done)) // callbacks are run a little later
            const plain = (name) => Object.fromEntries(
                Object.entries(get(name).data).map(([column, values]) => [column, [...values]])
            )
            return {path: plain("walk.path"), end: plain("walk.break"), text: get("walk.text").text}
        }""",
        [step, start, form, kick],
    )


def independent(step, tau, kick, noncentered):
    """Write the same path in another way: positions only, by Störmer and Verlet, slopes by hand."""

    def force(x, v):
        if noncentered:
            return np.array([-x, -v / 9])
        return np.array([-x / math.exp(2 * v), -v / 9 - 1 + x * x / math.exp(2 * v)])

    def density(x, v):
        log_p = -((v / 3) ** 2) / 2
        return log_p - x * x / 2 if noncentered else log_p - (x / math.exp(v)) ** 2 / 2 - v

    q = [np.array([1.0 if noncentered else tau, math.log(tau)])]
    q.append(q[0] + step * np.array(kick) + step**2 / 2 * force(*q[0]))
    error = [0.0]
    start = np.dot(kick, kick) / 2 - density(*q[0])
    while len(error) <= 60 and error[-1] <= 1000:
        try:
            q.append(2 * q[-1] - q[-2] + step**2 * force(*q[-1]))
            p = (q[-1] - q[-3]) / (2 * step)
            error.append(p @ p / 2 - density(*q[-2]) - start)
        except OverflowError:
            error.append(math.inf)
    return np.array(q[: len(error)]), np.array(error)


SETTINGS = [
    (-0.7, 0, 0),
    (-1.3, -1, 1),
    (-0.7, -1.3, 2),
    (0, 0.5, 3),
    (-1.7, -2, 4),
    (-0.5, -0.6, 5),
    (-1, 0.2, 6),
]


@pytest.mark.parametrize(("step", "start", "kick"), SETTINGS)
@pytest.mark.parametrize("form", [0, 1])
def test_figure_shows_the_leapfrogs_path(page, step, start, kick, form):
    shown = set_to(page, step, start, form, kick)
    q, error = independent(10**step, 10**start, KICKS[kick], form == 1)
    reached = error <= 1000
    for column, expected in [("x", q[:, 0]), ("log_tau", q[:, 1]), ("error", error)]:
        np.testing.assert_allclose(shown["path"][column], expected[reached], rtol=1e-6, atol=1e-6)
    assert shown["path"]["move"] == list(range(sum(reached)))
    assert shown["end"]["move"] == ([] if all(reached) else [sum(reached)])
    thrown_to = list(zip(shown["end"]["to_x"], shown["end"]["to_log_tau"], strict=True))
    np.testing.assert_allclose(thrown_to, [point for point, on in zip(q, reached, strict=True) if not on])
    assert shown["text"].startswith("<b>Divergence" if shown["end"]["move"] else "Largest energy error")
    assert page.failures == []


def test_settings_of_the_test_above_diverge_and_do_not():
    ends = [len(independent(10**s, 10**t, KICKS[k], False)[1]) for s, t, k in SETTINGS]
    assert min(ends) < 5
    assert ends.count(61) >= 2


@pytest.mark.parametrize(("step", "start", "kick"), SETTINGS)
@pytest.mark.parametrize("noncentered", [False, True])
def test_python_gives_the_leapfrogs_path(step, start, kick, noncentered):
    path = leapfrog(10**step, 10**start, KICKS[kick], noncentered)
    q, error = independent(10**step, 10**start, KICKS[kick], noncentered)
    assert len(path["error"]) == len(error)
    reached = error <= 1000
    for column, expected in [("x", q[:, 0]), ("log_tau", q[:, 1]), ("error", error)]:
        found = np.array(path[column])[reached]
        np.testing.assert_allclose(found, expected[reached], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("noncentered", [False, True])
def test_figure_starts_as_its_controls_say(browser, noncentered):
    figure = helpers.figures.walk(noncentered)
    at_first = {name: figure.select_one({"name": f"walk.{name}"}) for name in ("path", "break", "text")}
    values = [figure.select_one({"name": f"walk.{name}"}).value for name in ("step", "start")]
    page = opened(browser, figure)
    for form in (1 - noncentered, int(noncentered)):
        shown = set_to(page, *values, form)
        ranges = page.evaluate("[get('walk.panel').x_range.end, get('walk.panel').y_range.end]")
        assert ranges == [FRAMES[form][axis]["end"] for axis in "xy"]
        assert page.evaluate("[0, 1].map((i) => get('walk.hill.' + i).visible)") == [form == 0, form == 1]
        assert page.evaluate("get('walk.panel').below[0].axis_label") == FRAMES[form]["label"]
    for column, expected in at_first["path"].data.items():
        np.testing.assert_allclose(shown["path"][column], expected, rtol=1e-9, atol=1e-9)
    assert shown["end"] == at_first["break"].data
    assert shown["text"] == at_first["text"].text
    page.close()


@pytest.mark.parametrize(("tau", "kick"), [(1, (0.3, -0.8)), (0.05, (1.2, 0.5))])
def test_energy_error_goes_with_the_square_of_the_step(tau, kick):
    # over the same time, with steps that are short against τ
    errors = [np.abs(leapfrog(tau / k, tau, kick, moves=2 * k)["error"]).max() for k in (10, 20, 40, 80)]
    ratios = np.array(errors[:-1]) / errors[1:]
    np.testing.assert_allclose(ratios[-1], 4, rtol=0.05)


@pytest.mark.parametrize("noncentered", [False, True])
def test_path_leads_back_with_the_momentum_turned(noncentered):
    step, tau, kick = 0.1, 1.3, np.array([0.4, -0.7])
    there = leapfrog(step, tau, kick, noncentered)
    # the path that starts at the end can only be had from here: a leapfrog written out once more
    q, p = np.array([there["x"][-1], there["log_tau"][-1]]), -there["p"]

    def slope(x, v):
        if noncentered:
            return np.array([x, v / 9])
        return np.array([x / math.exp(2 * v), v / 9 + 1 - (x / math.exp(v)) ** 2])

    for _ in range(60):
        p = p - step / 2 * slope(*q)
        q = q + step * p
        p = p - step / 2 * slope(*q)
    np.testing.assert_allclose(q, [there["x"][0], there["log_tau"][0]], atol=1e-9)
    np.testing.assert_allclose(-p, kick, atol=1e-9)


def test_noncentered_path_never_diverges_wherever_the_controls_stand(page):
    # everything that the sliders offer, with every kick: a linear recursion, so all at once
    step, start, kick = np.ix_(10**STEPS, STARTS * math.log(10), range(len(KICKS)))
    error = 0
    q = [np.ones(1), start]
    p = [KICKS[kick, 0], KICKS[kick, 1]]
    k = [1, 1 / 9]
    before = sum(k[i] * q[i] ** 2 + p[i] ** 2 for i in (0, 1)) / 2
    for _ in range(60):
        for i in (0, 1):
            p[i] = p[i] - step / 2 * k[i] * q[i]
            q[i] = q[i] + step * p[i]
            p[i] = p[i] - step / 2 * k[i] * q[i]
        error = np.maximum(error, abs(sum(k[i] * q[i] ** 2 + p[i] ** 2 for i in (0, 1)) / 2 - before))
    assert error.max() < 10
    worst = np.unravel_index(error.argmax(), error.shape)
    shown = set_to(page, STEPS[worst[0]], STARTS[worst[1]], 1, int(worst[2]))
    np.testing.assert_allclose(max(shown["path"]["size"]), error[worst], rtol=1e-6)
    ends = page.evaluate("['step', 'start'].map((n) => [get('walk.' + n).start, get('walk.' + n).end])")
    np.testing.assert_allclose(ends, [STEPS[[0, -1]], STARTS[[0, -1]]], atol=1e-9)


def test_nothing_is_ever_drawn_that_is_no_number(page):
    for step in [*STEPS[::4], 0]:
        for start in STARTS[::5]:
            for kick in (0, 1):
                shown = set_to(page, step, start, 0, kick)
                columns = [*shown["path"].values(), *shown["end"].values()]
                assert all(x is not None and abs(x) < 1e7 for column in columns for x in column)
                assert len(shown["path"]["x"]) + len(shown["end"]["x"]) <= 61
                assert (len(shown["path"]["x"]) == 61) == (not shown["end"]["x"])
    assert page.failures == []


@pytest.mark.parametrize("form", [0, 1])
def test_shades_hold_half_nine_tenths_and_all_but_a_hundredth(form):
    figure = helpers.figures.walk()
    hill = figure.select_one({"name": f"walk.hill.{form}"})
    # share of 200,000 independent draws inside; false alarm: five standard errors, 1 in 500,000
    v, z = np.random.default_rng(seed=form).normal(size=(2, 200_000)) * [[3], [1]]
    x = z if form else z * np.exp(v)
    for xs, ys, share in zip(
        hill.data_source.data["x"], hill.data_source.data["y"], (0.99, 0.9, 0.5), strict=True
    ):
        edge = np.interp(v, ys[: len(ys) // 2], xs[: len(xs) // 2], left=0 if form else np.inf, right=0)
        # below what is drawn of the neck, -12 or lower, lie 3 in 100,000
        inside = np.mean(abs(x) < edge)
        assert abs(inside - share) < 5 * math.sqrt(share * (1 - share) / 200_000) + 3e-3 * (share < 0.99)


def test_every_control_obeys_the_keyboard(browser):
    page = opened(browser, helpers.figures.walk())
    state = "JSON.stringify([get('walk.form').active, get('walk.path').data])"
    for control, key in [
        ("centered", None),
        ("noncentered", "Enter"),
        ("kick again", "Space"),
        ("slider", "ArrowLeft"),
        ("slider", "ArrowLeft"),
    ]:
        assert tab(page) == control
        before = page.evaluate(state)
        if key:
            page.keyboard.press(key)
            assert page.evaluate(state) != before
    expected = leapfrog(10**-0.75, 10**-0.05, KICKS[1], noncentered=True)
    np.testing.assert_allclose(page.evaluate("[...get('walk.path').data.x]"), expected["x"], rtol=1e-9)
    page.close()


def test_after_the_last_kick_comes_the_first(page):
    set_to(page, -1, 0, 0, len(KICKS) - 1)
    page.get_by_role("button", name="kick again").click()
    page.wait_for_function("get('walk.kick').data.number[0] == 0")


@pytest.mark.parametrize(("width", "beside"), [(700, True), (390, False), (350, False)])
def test_panels_fit_the_page(browser, width, beside):
    page = opened(browser, helpers.figures.walk(), width)
    boxes = panels(page)
    assert len(boxes) == 2
    assert all(left >= 0 and right <= width and right - left > 250 for left, _, right, _ in boxes)
    assert (boxes[1][0] >= boxes[0][2]) == beside
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()


def test_figure_is_small_enough_to_send():
    assert len(json.dumps(bokeh.embed.json_item(helpers.figures.walk()))) < 200_000
