"""The message of a leaf is what quadrature says, in Python as in the page, for all four likelihoods."""

import itertools
import math
from pathlib import Path

import node
import numpy as np
import pytest
from chromium import Shown, chromium
from scipy import integrate, optimize, stats

from helpers import figures
from helpers.figures.leaf_message import EDGE, ENOUGH, LABEL, LIKELIHOODS, SLIDERS, messages

CODE = Path(figures.__file__).with_name("leaf_message.js").read_text("utf-8")
CURVES = ["leaf", "parent", "leaf_normal", "parent_normal"]
SETTINGS = [  # of each likelihood: the narrowest, the widest, what has no peak, two, or a flat one
    ("normal", 0, {"distance": 0}),
    ("normal", 0.05, {"distance": 8}),
    ("normal", 3, {"distance": 3.5}),
    ("student_t", 0, {"distance": 8, "nu": 2}),
    ("student_t", 0.35, {"distance": 0, "nu": 2}),
    ("student_t", 1, {"distance": 6, "nu": 4}),
    ("student_t", 0.4, {"distance": 4, "nu": 4}),
    ("student_t", 3, {"distance": 8, "nu": 30}),
    ("binomial", 1, {"successes": 0, "trials": 7}),
    ("binomial", 3, {"successes": 20, "trials": 20}),
    ("binomial", 0.05, {"successes": 10, "trials": 20}),
    ("binomial", 3, {"successes": 1, "trials": 20}),
    ("poisson", 0.5, {"count": 0}),
    ("poisson", 0, {"count": 20}),
    ("poisson", 0.1, {"count": 20}),
    ("poisson", 3, {"count": 20}),
    ("poisson", 3, {"count": 1}),
]
STATES = """
return settings.map(([kind, tau, measured]) => {
  const move = (slider, to) => Object.assign(slider, to)
  const one = (value) => ({ value, setv(to) { move(this, to) } })
  const values = { ...start, ...measured, tau }
  const sliders = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, one(value)]))
  const models = {
    sliders, choice: { active: kinds.indexOf(kind) }, curves: { data: { x } }, measured: {}, text: {},
    axis: {}, above: { binomial: {}, poisson: {} },
  }
  const all = { ...models, kinds, uses, label, units, enough }
  new Function(...Object.keys(all), code)(...Object.values(all))
  return models
})
"""


def states(settings):
    """What the script makes of the models, in node, for every likelihood, τ and what was measured."""
    _, units, starts = zip(*LIKELIHOODS.values(), strict=True)
    start = {name: 2 for name in SLIDERS} | {name: x for one in starts for name, x in one.items()}
    return node.run(
        STATES, settings=settings, code=CODE, start=start, kinds=[*LIKELIHOODS],
        uses=[[*one] for one in starts], x=np.linspace(-EDGE, EDGE, 401).tolist(),
        label=LABEL, units=units, enough=ENOUGH,
    )  # fmt: skip


@pytest.fixture(scope="module")
def from_page():
    return states(SETTINGS)


def density(kind, distance=0, nu=0, successes=0, trials=0, count=0):
    """The likelihood as scipy has it, a function of the leaf's value."""
    ends = np.array([-distance / 2, distance / 2])
    return {
        "normal": lambda u: stats.norm.pdf(ends, u).prod(),
        "student_t": lambda u: stats.t.pdf(ends, nu, u).prod(),
        "binomial": lambda u: stats.binom.pmf(successes, trials, 1 / (1 + math.exp(-u))),
        "poisson": lambda u: stats.poisson.pmf(count, math.exp(u)),
    }[kind]


def reference(kind, tau, measured):
    """Both curves by quadrature at some places, each divided by its supremum; and these places."""
    leaf = density(kind, **measured)

    def parent(p):
        if tau == 0:
            return leaf(p)
        # the leaf may be narrower than the step, so in pieces
        cuts = itertools.pairwise(np.linspace(p - 6 * tau, p + 6 * tau, 13))
        pieces = [integrate.quad(lambda u: leaf(u) * stats.norm.pdf(u, p, tau), *cut) for cut in cuts]
        return sum(value for value, _ in pieces)

    places = np.arange(0, 401, 20)
    x, curves = np.linspace(-EDGE, EDGE, 401), []
    for curve in (leaf, parent):
        y = np.array([curve(one) for one in x[::10]])
        at = x[::10][y.argmax()]
        within = {"bounds": (at - 0.5, at + 0.5), "method": "bounded"}
        # a curve without a peak rises to a probability of 1, far out
        one_sided = measured.get("successes") in (0, measured.get("trials", -1)) or measured.get("count") == 0
        top = 1 if one_sided else -optimize.minimize_scalar(lambda u, c=curve: -c(u), **within).fun
        curves.append(y[::2] / top)
    return places, curves


@pytest.mark.parametrize("place", range(len(SETTINGS)), ids=lambda i: "-".join(map(str, SETTINGS[i][:2])))
def test_both_curves_are_those_of_quadrature_in_page_and_python(from_page, place):
    kind, tau, measured = SETTINGS[place]
    places, expected = reference(kind, tau, measured)
    for found in (messages(kind, tau, **measured), from_page[place]["curves"]["data"]):
        for name, curve in zip(("leaf", "parent"), expected, strict=True):
            np.testing.assert_allclose(np.array(found[name])[places], curve, atol=2e-4, err_msg=name)


def test_page_and_python_agree_on_every_curve_at_every_place(from_page):
    for (kind, tau, measured), state in zip(SETTINGS, from_page, strict=True):
        expected = messages(kind, tau, **measured)
        for name in CURVES:  # JSON has no NaN, so it comes as text
            found = np.array([float(y) for y in state["curves"]["data"][name]])
            np.testing.assert_allclose(found, expected[name], atol=1e-9, err_msg=f"{name}, {kind}, τ {tau}")


def test_normal_curve_has_the_peak_and_curvature_of_the_leaf():
    for kind, tau, measured in SETTINGS:
        found, likelihood, h = messages(kind, tau, **measured), density(kind, **measured), 1e-3
        x, normal = found["x"], found["leaf_normal"]
        if np.isnan(normal).all():
            assert measured in [{"distance": 4, "nu": 4}, {"count": 0}] or measured["successes"] in (0, 20)
            continue
        # its logarithm is a parabola, of which some points tell the peak and the variance
        top = slice(normal.argmax() - 2, normal.argmax() + 3)
        square, slope, _ = np.polyfit(x[top], np.log(normal[top]), 2)
        peak, curvature = -slope / (2 * square), -2 * square
        below, at, above = (math.log(likelihood(peak + shift)) for shift in (-h, 0, h))
        assert abs(above - below) / (2 * h) < 1e-3
        assert (2 * at - below - above) / h**2 == pytest.approx(curvature, rel=1e-3)
        passed = np.exp(-((x - peak) ** 2) / (2 * (1 / curvature + tau**2)))
        np.testing.assert_allclose(found["parent_normal"], passed, atol=1e-6)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        (SETTINGS[8], "0 of 7: the data rule out large values, and nothing else."),
        (SETTINGS[9], "20 of 20: the data rule out small values, and nothing else."),
        (SETTINGS[12], "A count of 0: the data rule out large values, and nothing else."),
        (SETTINGS[1], "Two measurements, 8 apart: a normal curve, the same at any distance"),
        (SETTINGS[5], "Two measurements, 6 apart: there are two peaks, and a normal curve has only one."),
        (SETTINGS[6], "Two measurements, 4 apart: the peak is flat"),
        (("poisson", 0, {"count": 10}), "up to 6.1% at the leaf and 6.1% at its parent, which is too much"),
        (("poisson", 1, {"count": 10}), "up to 6.1% at the leaf and 2.9% at its parent, which is good"),
    ],
)
def test_text_of_the_page_says_what_its_curves_show(setting, words):
    (state,) = states([setting])
    assert words in state["text"]["text"]


def test_likelihood_that_is_none_of_the_four_is_refused():
    with pytest.raises(
        ValueError, match=r"^no likelihood 'binomal' [^\n]*did you mean 'binomial'\?[^\n]*'poisson'$"
    ):
        figures.leaf_message("binomal")


@pytest.fixture(scope="module")
def browser():
    with chromium() as started:
        yield started


@pytest.mark.parametrize("kind", LIKELIHOODS)
def test_figure_starts_as_its_controls_say_and_fits_a_phone(browser, kind):
    figure = Shown(browser, figures.leaf_message(kind))
    first, number = figure.read(), [*LIKELIHOODS].index(kind)
    away = {"leaf_message.likelihood": {"active": (number + 1) % 4}, "leaf_message.tau": {"value": 0.3}}
    back = {"leaf_message.likelihood": {"active": number}, "leaf_message.tau": {"value": 1}}
    moved, again = figure.set(away, back)
    assert moved["leaf_message.text"] != first["leaf_message.text"]
    for name in CURVES:
        curve = [np.array(state["leaf_message.curves"][name], dtype=float) for state in (again, first)]
        np.testing.assert_allclose(*curve, atol=1e-9)
    for state in (first, again):
        del state["leaf_message.curves"]
    assert again == first
    for width in (350, 740):
        ((left, _, right, _),) = figure.panels(width)
        assert left >= 0
        assert 250 < right - left <= right <= width
        assert figure.page.evaluate("document.documentElement.scrollWidth") <= width
    assert figure.failures == []
    figure.page.close()


def test_only_sliders_and_axis_of_the_likelihood_are_seen(browser):
    figure = Shown(browser, figures.leaf_message())
    seen = "name => Bokeh.index.find_one(get(`leaf_message.${name}`)).el.offsetHeight > 0"
    above = (
        "get('leaf_message.panel').above.filter((one) => one.visible).map((one) => one.axis_label ?? null)"
    )
    for kind in [*LIKELIHOODS, "binomial"]:
        _, unit, uses = LIKELIHOODS[kind]
        (state,) = figure.set({"leaf_message.likelihood": {"active": [*LIKELIHOODS].index(kind)}})
        assert {name for name in SLIDERS if figure.page.evaluate(seen, name)} == {"tau", *uses}
        assert state["leaf_message.panel"]["label"] == f"{LABEL} ({unit})"
        axes = {"binomial": ["probability"], "poisson": ["rate"]}.get(kind, [])
        assert figure.page.evaluate(above) == [*axes, None]  # the legend has none
    figure.page.close()


def test_successes_never_exceed_trials_whichever_is_moved(browser):
    figure = Shown(browser, figures.leaf_message())
    names = [f"leaf_message.{name}" for name in ("successes", "trials")]
    for trials, successes, left in [(20, 15, 15), (3, None, 3), (1, None, 1), (12, None, 1)]:
        moves = [{names[1]: {"value": trials}}, {names[0]: {"value": successes}}]
        state = figure.set(*moves[: 1 + (successes is not None)])[-1]
        assert [state[name] for name in names] == [left, trials]
        assert figure.page.evaluate("get('leaf_message.successes').end") == trials
        assert state["leaf_message.text"].startswith(f"{left} of {trials}:")
    figure.page.close()
