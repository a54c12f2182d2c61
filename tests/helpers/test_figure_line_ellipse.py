"""Lines and their ellipse are those of the bivariate normal distribution, in Python as in the page."""

import itertools
from pathlib import Path
from statistics import NormalDist

import node
import numpy as np
import pytest
from scipy.stats import chi2

from helpers import figures
from helpers.figures.line_ellipse import BETA, START, THETA, X, Z, closest, place, state
from helpers.plots import COLORS
from helpers.priors import UNIT

CODE = Path(figures.__file__).with_name("line_ellipse.js").read_text("utf-8")
ENDS = [(0, 0.1, 1.5, 2), (0, 0.1, 1.2, 1.5), (-0.95, -0.8, 0, 0.5, 0.95)]
SETTINGS = list(itertools.product(*ENDS))
SPREAD = [setting for setting in SETTINGS if min(setting[:2]) > 0]
STATES = """
return settings.map((setting) => {
  const source = () => ({ data: {} })
  const models = { ellipses: source(), groups: source(), mark: source(), text: {} }
  const all = { ...models, ...constants, sliders: setting.map((value) => ({ value })) }
  new Function(...Object.keys(all), code)(...Object.values(all))
  const { ellipses, groups, mark, text } = models
  return { ellipses: ellipses.data, groups: groups.data, closest: mark.data, ...text }
})
"""


@pytest.fixture(scope="module")
def figure():
    return figures.lines()


@pytest.fixture(scope="module")
def from_page(figure):
    """Function that gives what the script makes of the models, in node, at every setting of the sliders."""
    (callback,) = named(figure, "rho").js_property_callbacks["change:value"]
    constants = {name: callback.args[name] for name in ("theta", "beta", "ends", "rings", "pairs", "unit")}
    return lambda settings: node.run(STATES, settings=settings, code=CODE, constants=constants)


def named(figure, name):
    return figure.select_one({"name": f"lines.{name}"})


def places(slider):
    """All values that a slider comes to, without what rounding would add."""
    steps = round((slider.end - slider.start) / slider.step)
    return np.round(slider.start + slider.step * np.arange(steps + 1), 2).tolist()


def covariance(tau_1, tau_2, rho):
    return np.array([[tau_1**2, rho * tau_1 * tau_2], [rho * tau_1 * tau_2, tau_2**2]])


def test_page_and_python_agree_on_all_that_is_drawn(from_page):
    for setting, found in zip(SETTINGS, from_page(SETTINGS), strict=True):
        expected = state(*setting)
        assert found.keys() == expected.keys()
        for name in ("ellipses", "groups", "closest"):
            assert found[name].keys() == expected[name].keys()
            for column, values in expected[name].items():
                np.testing.assert_allclose(found[name][column], values, rtol=0, atol=1e-12)


def test_page_and_python_say_the_same_wherever_sliders_stand(figure, from_page):
    settings = list(itertools.product(*(places(named(figure, name)) for name in ("tau1", "tau2", "rho"))))
    said = [found["text"] for found in from_page(settings)]
    assert said == [state(*setting)["text"] for setting in settings]


@pytest.mark.parametrize("setting", SPREAD)
def test_ellipses_hold_exactly_the_shares_they_claim(figure, setting):
    shares = [int(label.split("%")[0]) / 100 for label in named(figure, "ellipses").data["share"]]
    outlines = state(*setting)["ellipses"]
    inverse = np.linalg.inv(covariance(*setting))
    for intercept, slope, share in zip(*outlines.values(), shares, strict=True):
        off = np.column_stack([intercept - THETA, slope - BETA])
        np.testing.assert_allclose(chi2.cdf(np.einsum("ij,jk,ik->i", off, inverse, off), df=2), share)
        turned = np.diff(np.unwrap(np.arctan2(off[:, 1] / setting[1], off[:, 0] / setting[0])))
        assert abs(turned.sum()) > 6, "an outline goes all the way round"


def test_any_standard_normal_pair_goes_where_cholesky_sends_it():
    z = np.array([[0, 0], [1, 0], [0, 1], [-2, 0.5]])
    intercept, slope = place(z, 2, 0.5, 0.6)
    assert intercept == pytest.approx([10, 12, 10, 6], abs=1e-12)
    assert slope == pytest.approx([1, 1.3, 1.4, 0.6], abs=1e-12)
    for setting in SPREAD:
        factor = np.linalg.cholesky(covariance(*setting))
        expected = [THETA, BETA] + Z @ factor.T
        np.testing.assert_allclose(np.column_stack(place(Z, *setting)), expected, rtol=0, atol=1e-12)


def test_twelve_groups_are_spread_as_all_groups_would_be():
    assert Z.mean(axis=0) == pytest.approx([0, 0], abs=1e-12)
    assert np.cov(Z.T, bias=True) == pytest.approx(np.eye(2), abs=1e-4)
    held = chi2.cdf(np.sum(Z**2, axis=1), df=2)
    assert [(held < share).sum() for share in (0.5, 0.9)] == [6, 11]


def test_two_groups_in_colour_are_one_high_and_one_low(figure):
    groups = named(figure, "groups").data
    assert groups["color"][-2:] == COLORS[:2]
    assert len(set(groups["color"][:-2])) == 1
    scores = np.array([NormalDist().inv_cdf((i + 0.5) / 12) for i in range(12)])
    first, second = (scores / np.sqrt(np.mean(scores**2)))[[[9, 2], [6, 8]]]
    assert groups["intercept"][-2:] == pytest.approx(10 + 1.5 * first, rel=1e-12)
    assert groups["slope"][-2:] == pytest.approx(1 + 1.2 * (-0.8 * first + 0.6 * second), rel=1e-12)
    assert np.diff(groups["intercept"][-2:]) < 0 < np.diff(groups["slope"][-2:]), "the high one rises less"


@pytest.mark.parametrize("setting", SETTINGS)
def test_lines_are_those_of_the_dots_and_closest_where_said(setting):
    groups, (x, sd) = state(*setting)["groups"], closest(*setting)
    for end, column in zip(X, ("low", "high"), strict=True):
        np.testing.assert_allclose(groups[column], groups["intercept"] + end * groups["slope"], rtol=1e-12)
    # the twelve have the covariance of all groups, but for a correlation of less than 0.0001
    around = np.linspace(-40, 40, 8001)
    spread = np.std(groups["intercept"] + around[:, None] * groups["slope"], axis=1)
    assert spread.min() == pytest.approx(sd, abs=2e-3)
    if x is None:
        assert np.ptp(spread) < 1e-9
    else:
        assert around[spread.argmin()] == pytest.approx(x, abs=0.01 + 1e-3 * abs(x))


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        ((1.5, 1, -0.8), "tend to rise less: the lines are closest near x = 1.2, with an sd of 0.9"),
        ((1, 0.8, 0.6), "tend to rise more: the lines are closest near x = −0.7, with an sd of 0.8"),
        ((2, 0.1, -0.95), "near x = 19 (to the right of the picture), with an sd of 0.62 a.u. there."),
        ((2, 0.1, 0.95), "near x = −19 (to the left of the picture), with an sd of 0.62 a.u. there."),
        ((1.5, 1, 0), "nothing about its slope: the lines are closest near x = 0, with an sd of 1.5"),
        ((1.5, 1, 5e-17), "The height of a group at x = 0 says nothing about its slope"),
        ((1.5, 0, -0.8), "All lines are parallel, with an sd of 1.5 a.u. at every x."),
        ((0, 1, -0.8), "All lines pass through one point, at x = 0."),
        ((0, 0, 0.5), "All groups have the same line."),
    ],
)  # fmt: skip
def test_text_says_in_plain_words_what_the_lines_do(from_page, setting, text):
    (found,) = from_page([setting])
    assert text.replace("a.u.", UNIT) in found["text"]
    assert found["text"] == state(*setting)["text"]


def test_everything_stays_in_the_panels_wherever_sliders_stand(figure):
    left, right = (named(figure, name) for name in ("left", "right"))
    assert (right.x_range.start, right.x_range.end) == X
    most = [
        (named(figure, "tau1").end, named(figure, "tau2").end, rho) for rho in places(named(figure, "rho"))
    ]
    for setting in most:
        shown = state(*setting)
        for panel, name, axis, columns in [
            (left, "ellipses", "x_range", ["intercept"]),
            (left, "ellipses", "y_range", ["slope"]),
            (left, "groups", "x_range", ["intercept"]),
            (left, "groups", "y_range", ["slope"]),
            (right, "groups", "y_range", ["low", "high"]),
        ]:
            drawn, ends = np.concatenate([np.ravel(shown[name][c]) for c in columns]), getattr(panel, axis)
            assert ends.start < drawn.min()
            assert drawn.max() < ends.end


def test_it_opens_as_its_sliders_say_and_tells_who_cannot_see(figure):
    values = [named(figure, name).value for name in ("tau1", "tau2", "rho")]
    assert values == [*START.values()]
    assert named(figure, "text").text == state(*values)["text"]
    assert named(figure, "text").html_attributes == {"aria-live": "polite"}
