"""Chromium, for tests of the figures that move, and a page with nothing but a figure."""

import contextlib
import os
import shutil

import pytest
from bokeh.embed import file_html
from bokeh.resources import INLINE
from playwright.sync_api import sync_playwright

PATIENCE = 300_000  # milliseconds, on a busy machine
READ = """() => {
    const models = [...Bokeh.documents[0]._all_models.values()]
    const items = {
        ColumnDataSource: "data", Div: "text", GlyphRenderer: "visible", RadioButtonGroup: "active",
        Select: "value", Slider: "value", Span: "location",
    }
    const plain = (value) => ArrayBuffer.isView(value) || Array.isArray(value) ? Array.from(value, plain)
        : value?.constructor != Object ? value
        : Object.fromEntries(Object.entries(value).map(([name, item]) => [name, plain(item)]))
    globalThis.figures = models.filter((model) => model.type == "Figure")
    globalThis.get = (name) => models.find((model) => model.name == name)
    globalThis.read = () => Object.fromEntries([
        ...models.filter((m) => m.name && m.type in items).map((m) => [m.name, plain(m[items[m.type]])]),
        ...figures.filter((m) => m.name).map(({name, x_range: x, y_range: y, below: [axis]}) => [
            name, {x: [x.start, x.end], y: [y.start, y.end], label: axis.axis_label},
        ]),
    ])
}"""


@contextlib.contextmanager
def chromium():
    """Start Chromium; one at a time, as Playwright refuses the second."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if not path:
        pytest.skip("no Chromium on the PATH: figures that move are not tested; `apt-get install chromium`")
    with sync_playwright() as playwright:
        options = {"executable_path": path, "args": ["--no-sandbox", "--disable-gpu"], "timeout": PATIENCE}
        browser = playwright.chromium.launch(**options)
        yield browser
        browser.close()


class Shown:
    """A figure on a page; `failures` are the errors that the page reports."""

    def __init__(self, browser, figure, width=720):
        self.page, self.failures = browser.new_page(viewport={"width": width, "height": 900}), []
        self.page.set_default_timeout(PATIENCE)
        self.page.on("pageerror", lambda error: self.failures.append(str(error)))
        self.page.on("console", lambda m: m.type != "error" or self.failures.append(m.text))
        self.page.set_content(file_html(figure, INLINE, "figure"))
        self.page.wait_for_function("globalThis.Bokeh?.documents[0]?.is_idle")
        self.page.evaluate(READ)

    def read(self) -> dict:
        """Read what all models hold that have a name: sources, texts, controls and panels."""
        return self.page.evaluate("read()")

    def set(self, *settings: dict) -> list[dict]:
        """Move controls as a reader might, several times; and read what the figure then shows, each time.

        Each setting has the names of models and their new properties: ``{"walk.step": {"value": 0}}``.
        """
        return self.page.evaluate(
            """async (settings) => {
                const shown = []
                for (const setting of settings) {
                    for (const [name, properties] of Object.entries(setting)) get(name).setv(properties)
                    await new Promise((done) => setTimeout(done)) // callbacks are run a little later
                    shown.push(read())
                }
                return shown
            }""",
            list(settings),
        )

    def panels(self, width: int) -> list[list[float]]:
        """Make the page so wide; and give left, top, right and bottom edge of every panel, in pixels."""
        self.page.set_viewport_size({"width": width, "height": 900})
        self.page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        self.page.wait_for_function("Bokeh.documents[0].is_idle")
        boxes = "figures.map((figure) => Bokeh.index.find_one(figure).el.getBoundingClientRect().toJSON())"
        return [
            [box[edge] for edge in ("left", "top", "right", "bottom")] for box in self.page.evaluate(boxes)
        ]
