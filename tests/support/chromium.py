"""What tests of the figures that move share: Chromium, and a page with nothing but the figure."""

import os
import shutil

import pytest
from bokeh.embed import file_html
from bokeh.resources import INLINE
from playwright.sync_api import sync_playwright

PATIENCE = 300_000  # milliseconds, on a busy machine
# from inside a figure outwards: what has the focus
FOCUS = """() => {
    let at = document.activeElement
    while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement
    return at.getAttribute("role") == "slider" ? "slider" : at.innerText.trim()
}"""


@pytest.fixture(scope="module")  # of two at once, Playwright refuses the second
def browser():
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if not path:
        pytest.skip("no Chromium on the PATH: figures that move are not tested; `apt-get install chromium`")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu"], timeout=PATIENCE
        )
        yield chromium
        chromium.close()


def opened(browser, figure, width=720):
    """Open a page of this width with the figure; what goes wrong there is added to its `failures`."""
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.set_default_timeout(PATIENCE)
    page.failures = []
    page.on("pageerror", lambda error: page.failures.append(str(error)))
    page.on("console", lambda line: page.failures.append(line.text) if line.type == "error" else None)
    page.set_content(file_html(figure, INLINE, "figure"))
    page.wait_for_function("globalThis.Bokeh?.documents[0]?.is_idle")
    page.evaluate("() => { globalThis.get = (name) => Bokeh.documents[0].get_model_by_name(name) }")
    return page


def panels(page):
    """Where the panels are on the page: left, top, right and bottom edge of each, in pixels."""
    return page.evaluate(
        """() => [...Bokeh.documents[0]._all_models.values()].filter((model) => model.type == "Figure").map(
            (figure) => {
                const box = Bokeh.index.find_one(figure).el.getBoundingClientRect()
                return [box.left, box.top, box.right, box.bottom]
            }
        )"""
    )


def tab(page):
    """Press Tab, and say what has the focus then: "slider", or what is written on a button."""
    page.keyboard.press("Tab")
    return page.evaluate(FOCUS)
