"""Figures that move do so in the book's pages, also without a mouse; `tests/helpers` says what they show."""

import numpy as np
import pytest
from book_pages import PAGES, changed, pixels

FIGURES = {  # the sliders of each, and a data source that follows it
    "leaf_message": {"tau": "curves"},
    "lines": {"tau1": "groups", "tau2": "groups", "rho": "groups"},
    "pooling": {"slider": "colonies"},
    "walk": {"step": "path", "start": "path"},
    "weight": {"w": "rows", "size": "rows"},
}


@pytest.fixture(scope="module", params=FIGURES)
def figure(request, opened, book):
    """Name of a figure, and the first page that has it, opened."""
    name = request.param
    holds = [page for page in PAGES if f'"{name}.' in (book / f"{page}.html").read_text("utf-8")]
    assert holds, "no page shows this figure"
    return name, opened(f"{holds[0]}.html")[0]


def test_arrow_keys_move_the_sliders_and_the_picture(figure):
    name, page = figure
    for slider, source in FIGURES[name].items():
        get = f"item => look.get('{name}.{slider}', item)"
        handle = page.evaluate_handle(f"look.handle('{name}.{slider}')").as_element()
        root = page.evaluate_handle(f"look.rootOf('{name}.{slider}')").as_element()
        seen = []
        for key in ("Home", "ArrowRight", "ArrowRight", "ArrowRight"):
            handle.press(key)
            page.evaluate("look.painted()")
            seen.append((page.evaluate(f"look.get('{name}.{source}', 'data')"), pixels(root)))
        start, step, value = (page.evaluate(get, item) for item in ("start", "step", "value"))
        assert value == pytest.approx(start + 3 * step)
        (before, picture), *_, (after, moved) = seen
        assert any(not np.array_equal(after[column], before[column]) for column in before)
        assert changed(picture, moved) > 50


def test_sliders_tell_their_names_and_their_values_as_written(figure):
    name, page = figure
    tree = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
    heard = {node["name"]["value"] for node in tree if node.get("role", {}).get("value") == "slider"}
    for slider in FIGURES[name]:
        handle = page.evaluate_handle(f"look.handle('{name}.{slider}')").as_element()
        assert page.evaluate(f"look.get('{name}.{slider}', 'title')") in heard
        handle.press("ArrowRight")
        page.evaluate("look.painted()")
        assert handle.get_attribute("aria-valuetext") == handle.query_selector(".noUi-tooltip").inner_text()


def test_the_tab_key_walks_through_the_figure_and_out_of_it(figure):
    name, page = figure
    page.evaluate("slider => look.beginWalk(slider)", f"{name}.{next(iter(FIGURES[name]))}")
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("look.hasLeft()"):
            break
    assert page.evaluate("look.notReached()") == []
    assert page.evaluate("look.hasLeft()")
