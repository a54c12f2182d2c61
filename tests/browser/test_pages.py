"""Every page of the book opens without a network, from the disk and from a server, and can be read."""

from itertools import pairwise

import pytest
from conftest import PAGES

each_page = pytest.mark.parametrize("page", PAGES)
each_look = pytest.mark.parametrize("look", ["light", "dark"])


@each_look
@each_page
def test_a_page_opens_without_an_error(visit, page, look):
    errors = visit(page, look).log.errors
    assert not errors, "\n".join(errors)


@each_look
@each_page
def test_a_page_asks_for_nothing_beyond_the_book(visit, page, look):
    seen = visit(page, look)
    assert len(seen.log.requests) > 5
    beyond = seen.log.beyond(f"{seen.home}/")
    assert not beyond, "\n".join(beyond)


def test_the_network_is_off_while_we_look(opened, site):
    page, _ = opened("README.html", home=site)
    port = site.rpartition(":")[2]
    fetch = "url => fetch(url, {mode: 'no-cors'}).then(() => 'answered', () => 'failed')"
    assert page.evaluate(fetch, f"{site}/README.html") == "answered"
    assert page.evaluate(fetch, f"http://localhost:{port}/README.html") == "failed"


@each_page
def test_formulas_are_typeset(visit, page):
    assert visit(page).found["formulas"] == {"bare": [], "wrong": [], "raw": []}


def test_there_are_formulas(visit):
    assert sum(visit(page).found["formulas_seen"] for page in PAGES) > 100


@each_page
def test_headings_are_in_order(visit, page):
    levels = [level for level, _ in visit(page).found["headings"]]
    assert levels[:1] == [1]
    assert levels.count(1) == 1
    assert all(below <= above + 1 for above, below in pairwise(levels)), levels


@each_look
@each_page
def test_text_stands_out_from_its_ground(visit, page, look):
    found = visit(page, look).found
    assert found["theme"] == look
    assert not found["faint"], "\n".join(found["faint"])


@each_page
def test_in_the_dark_figures_lie_on_a_light_card(visit, page):
    assert all(luminance > 0.8 for luminance in visit(page, "dark").found["cards"])


@each_page
def test_every_control_can_be_reached_with_the_keyboard(visit, page):
    unreachable = visit(page).found["unreachable"]
    assert not unreachable, "\n".join(unreachable)


@each_page
def test_images_are_loaded_and_described(visit, page):
    for image in visit(page).found["images"]:
        assert image["width"] > 0, image
        assert len(image["alt"]) > 20, image


@pytest.mark.parametrize("served", [True, False], ids=["http", "file"])
def test_search_finds_the_funnel(opened, book, site, served):
    home = site if served else book.as_uri()
    page, log = opened("search.html?q=funnel", home=home)
    results = page.locator("#search-results li a")
    results.nth(3).wait_for(timeout=300_000)
    pages = {
        link.partition("#")[0].partition("?")[0] for link in results.evaluate_all("a => a.map(x => x.href)")
    }
    assert f"{home}/lessons/03-funnel-diagnosis.html" in pages
    for link in pages:
        assert link.startswith(f"{home}/")
        assert (book / link.removeprefix(f"{home}/")).is_file(), link
    assert log.beyond(f"{home}/") == []
