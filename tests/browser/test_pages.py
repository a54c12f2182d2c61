"""Every page of the book opens without a network, from the disk and from a server, and can be read."""

import re
from itertools import pairwise

import numpy as np
import pytest
from book_pages import LOOKS, PAGES, PATIENCE, changed, pixels
from bs4 import BeautifulSoup


def on_a_screen(found: dict) -> dict[str, list]:
    """What is wrong with formulas, headings, controls and images."""
    levels = [level for level, _ in found["headings"]]
    sound = levels.count(1) == 1 and all(below <= above + 1 for above, below in pairwise([0, *levels]))
    images = [image for image in found["images"] if image["width"] == 0 or len(image["alt"]) <= 20]
    formulas = {f"{kind} formulas": some for kind, some in found["formulas"].items()}
    wrong = {"unreachable by keyboard": found["unreachable"], "images not there or not described": images}
    return formulas | wrong | {"headings": [] if sound else levels}


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_opens_and_can_be_read(opened, book, site, screenshots, name, look):
    home = site if look == "dark" else book.as_uri()  # the others from the files on the disk
    page, log = opened(f"{name}.html", look, home)
    page.screenshot(path=screenshots / f"{name.replace('/', '-')}-{look}.png", full_page=True)
    if look == "light":
        page.set_viewport_size({"width": 1300, "height": 900})  # from where on 79 characters of code fit
    found = page.evaluate("look.all()")
    assert len(log.requests) > 5
    assert look in ("phone", found["theme"])
    wrong = {"errors": log.errors, "asked beyond the book": log.beyond(f"{home}/"), "faint": found["faint"]}
    wrong |= {"hangs out": found["hanging"], "pixels wider than the window": max(0, found["width"] - 1)}
    if look == "light":
        wrong |= on_a_screen(found) | of_figures(page, source(book, name)) | {"code": found["scrolling"]}
    if look == "dark":
        wrong["figures on a dark card"] = [card for card in found["cards"] if card <= 0.8]
    assert {what: some for what, some in wrong.items() if some} == {}


def source(book, name: str) -> BeautifulSoup:
    """What was sent for a page, before its scripts ran."""
    return BeautifulSoup((book / f"{name}.html").read_text("utf-8"), "html.parser")


def embedded(soup: BeautifulSoup) -> int:
    """How many figures a page brings along as data."""
    return sum(len(re.findall('"type":"object","name":"Figure"', script.text)) for script in soup("script"))


def of_figures(page, soup) -> dict[str, list]:
    """What is wrong with the figures and images of a page, all of which is unfolded."""
    drawn = page.locator(".bk-Figure").all()
    assert len(drawn) == embedded(soup)
    before = [pixels(figure) for figure in drawn]
    page.evaluate("look.showData(false)")  # axes, grids and legends stay
    pairs = enumerate(zip(drawn, before, strict=True), start=1)
    bare = [i for i, (figure, with_data) in pairs if changed(with_data, pixels(figure)) <= 50]
    images = page.locator("article img").all()
    empty = [image for image in images if len(np.unique(pixels(image).reshape(-1, 3), axis=0)) <= 5]
    return {"figures without data": bare, "empty images": empty} | captions(soup)


def captions(soup) -> dict[str, list]:
    """Cells that should show a figure and do not, and figures without a caption."""
    without, bare = [], []
    for cell in soup.select("div.cell"):
        code = "".join(part.text for part in cell.select(".cell_input"))
        shows = re.search(r"^\s*bokeh\.io\.show\(", code, re.MULTILINE) and "def " not in code
        if cell.select("[data-root-id]"):
            below = cell.find_next_sibling()
            first = below.find(True) if below.name == "p" else None
            if first is None or first.name != "em" or not below.text.startswith(first.text):
                bare.append(code)
        elif shows:
            without.append(code)
    return {"cells without their figure": without, "figures without a caption": bare}


def test_figures_are_drawn_if_their_scripts_come_slowly(opened, book, site):
    name = next(name for name in PAGES if embedded(source(book, name)))
    page, _ = opened(f"{name}.html", home=f"{site}/slow")
    roots = page.locator("[data-root-id]")
    assert roots.count() > 0
    assert all(root.locator(".bk-Figure").count() for root in roots.all())


def test_on_a_phone_what_scrolls_fades_until_its_end_is_seen(opened):
    page, _ = opened("lessons/09-counts-and-outliers.html", "phone")
    formulas = page.locator("mjx-container[display=true].more-right")
    assert formulas.count() > 0
    formulas.first.evaluate("formula => { globalThis.formula = formula; formula.scrollLeft = 10_000; }")
    page.wait_for_function("!formula.classList.contains('more-right')", timeout=PATIENCE)


def test_on_a_phone_no_circles_of_the_first_tree_overlap(opened):
    page, _ = opened("lessons/01-data-generation.html", "phone")
    gaps = page.evaluate("look.gapsInTree()")
    assert len(gaps) > 300
    assert min(gaps) > 20


def test_on_paper_all_is_unfolded_and_no_figure_is_cut(opened):
    page, _ = opened("lessons/02-centered-model.html")
    folded = "document.querySelectorAll('article details:not([open])').length"
    before = page.evaluate(folded)
    page.evaluate(f"addEventListener('beforeprint', () => {{ globalThis.onPaper = {folded}; }})")
    page.pdf()
    assert before > 10
    assert (page.evaluate("onPaper"), page.evaluate(folded)) == (0, before)
    page.emulate_media(media="print")
    whole = "cells => cells.map((cell) => getComputedStyle(cell).breakInside)"
    figures = page.locator(".cell_output:has([data-root-id])")
    assert set(figures.evaluate_all(whole)) == {"avoid"}


def test_the_network_is_off_while_we_look_and_there_are_formulas(opened, site):
    page, _ = opened("lessons/02-centered-model.html", home=site)
    fetch = "url => fetch(url, {mode: 'no-cors'}).then(() => 'answered', () => 'failed')"
    assert page.evaluate(fetch, f"{site}/README.html") == "answered"
    assert page.evaluate(fetch, f"{site}/README.html".replace("127.0.0.1", "localhost")) == "failed"
    assert page.evaluate("look.all().formulas_seen") > 10


@pytest.mark.parametrize("served", [True, False], ids=["http", "file"])
def test_search_finds_the_funnel(opened, book, site, served):
    home = site if served else book.as_uri()
    page, log = opened("search.html?q=funnel", home=home)
    results = page.locator("#search-results li a")
    results.nth(3).wait_for(timeout=PATIENCE)
    pages = {re.sub(r"[?#].*", "", link) for link in results.evaluate_all("a => a.map(x => x.href)")}
    assert f"{home}/lessons/03-funnel-diagnosis.html" in pages
    there = [path.relative_to(book).as_posix() for path in book.rglob("*.html")]
    assert pages <= {f"{home}/{path}" for path in there}
    assert log.beyond(f"{home}/") == []
