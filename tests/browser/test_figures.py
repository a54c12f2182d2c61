"""Figures are drawn: their data, in pixels, with a caption."""

import functools
import json
import re

import numpy as np
import pytest
from bs4 import BeautifulSoup
from conftest import PAGES, changed, pixels


@functools.cache
def source(book, url: str) -> BeautifulSoup:
    """What was sent for a page, before its scripts ran."""
    return BeautifulSoup((book / url.removeprefix(f"{book.as_uri()}/")).read_text("utf-8"), "html.parser")


def embedded(soup) -> tuple[list[str], int]:
    """Ids of the roots that a page brings along as data, and how many figures there are in them."""
    roots, figures = [], 0

    def count(model):
        nonlocal figures
        figures += model.get("type") == "object" and model.get("name") == "Figure"
        return model

    for script in soup.find_all("script"):
        for match in re.finditer(r"const docs_json = ", script.text):
            documents, _ = json.JSONDecoder(object_hook=count).raw_decode(script.text, match.end())
            roots += [root["id"] for document in documents.values() for root in document["roots"]]
    return roots, figures


@pytest.fixture(scope="module", params=PAGES)
def page(request, opened):
    """A page of the book, all of it unfolded."""
    page, _ = opened(f"{request.param}.html")
    page.evaluate("look.unfold()")
    return page


def test_images_show_something(page):
    for image in page.locator("article img").all():
        assert len(np.unique(pixels(image).reshape(-1, 3), axis=0)) > 5, image.get_attribute("src")


def test_every_figure_draws_its_data(page, book):
    roots, figures = embedded(source(book, page.url))
    assert page.locator("[data-root-id]").count() == len(roots)
    drawn = page.locator(".bk-Figure").all()
    assert len(drawn) == figures
    before = [pixels(figure) for figure in drawn]
    page.evaluate("look.showData(false)")  # axes, grids and legends stay
    for i, (figure, with_data) in enumerate(zip(drawn, before, strict=True)):
        assert changed(with_data, pixels(figure)) > 50, f"figure {i + 1} shows no data"


def test_cells_that_show_figures_have_them_and_a_caption(page, book):
    for cell in source(book, page.url).select("div.cell"):
        code = "".join(part.text for part in cell.select(".cell_input"))
        if re.search(r"^\s*bokeh\.io\.show\(", code, re.MULTILINE) and "def " not in code:
            assert cell.select("[data-root-id]"), f"no figure under\n{code}"
        if cell.select("[data-root-id]"):
            below = cell.find_next_sibling()
            assert below.name == "p", f"no caption under\n{code}"
            assert below.find(True).name == "em", f"no caption under\n{code}"
            assert below.text.startswith(below.em.text)


def test_figures_are_drawn_if_their_scripts_come_slowly(opened, book, site):
    name = next(name for name in PAGES if embedded(source(book, f"{book.as_uri()}/{name}.html"))[1] > 0)
    page, _ = opened(f"{name}.html", home=f"{site}/slow")
    roots = page.locator("[data-root-id]")
    assert roots.count() > 0
    assert all(root.locator(".bk-Figure").count() for root in roots.all())
