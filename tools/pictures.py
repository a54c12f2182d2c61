"""Draw what is projected and printed: ``make pictures``.

Eight pictures of the lessons, as PNG and as SVG, drawn by the lessons' own cells; and a sheet to print.
"""

import contextlib
import io
import logging
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import bokeh.io
import bokeh.models
from bokeh.embed import file_html
from bokeh.resources import INLINE
from playwright.sync_api import Browser, sync_playwright

from tools.notebooks import LESSONS, read_lesson
from tools.sheet import sheet

OUT = LESSONS.parent / "_build" / "pictures"
# In the order of the plan for two hours: name, lesson, and how the picture's caption begins
PICTURES = [
    ("tree", "01", "Every circle is"),
    ("doubt", "02", "For each of four runs"),
    ("funnel", "03", "The smaller τ, the closer"),
    ("neal", "03", "On the left are"),
    ("repaired", "04", "Both samplers"),
    ("exact", "04", "The black curve is exact"),
    ("seeds", "04", "A dot is a run"),
    ("map", "10", "Each square"),
]
NOT_RUN = {"claims", "answer"}
SIZE = {"width": 820, "height": 1000}  # of the page on which they are drawn, in pixels
SHARP = 3  # pixels of the PNG for one of these


def draw(number: str, captions: list[str]) -> dict[str, bokeh.models.LayoutDOM]:
    """Run the cells of a lesson up to the last of some figures, and return these by their captions."""
    [lesson] = LESSONS.glob(f"{number}-*.md")
    shown, found, scope = [], {}, {}
    # Figures are kept; nothing is shown, and nobody is told of the progress.
    kept = {"show": bokeh.io.show, "output_notebook": bokeh.io.output_notebook}
    bokeh.io.show, bokeh.io.output_notebook = shown.append, lambda **_: None
    try:
        for cell in read_lesson(lesson).cells:
            if cell.cell_type == "markdown":
                for caption in captions:
                    if cell.source.startswith(f"*{caption}"):
                        found[caption] = shown[-1]
            elif not NOT_RUN & set(cell.metadata.get("tags", [])):
                with contextlib.redirect_stdout(io.StringIO()):
                    exec(cell.source, scope)
            if len(found) == len(captions):
                return found
    finally:
        bokeh.io.show, bokeh.io.output_notebook = kept["show"], kept["output_notebook"]
    missing = next(caption for caption in captions if caption not in found)
    raise SystemExit(
        f"{lesson.name}: no caption begins with {missing!r}: correct PICTURES in tools/pictures.py"
    )


def page(figure: bokeh.models.LayoutDOM) -> str:
    """Page with nothing but a figure, drawn as SVG and without tools."""
    for model in figure.references():
        if isinstance(model, bokeh.models.Plot):
            model.output_backend, model.toolbar_location = "svg", None
        if isinstance(model, bokeh.models.GridPlot):
            model.toolbar_location = None
    return file_html(figure, INLINE, "picture")


def save(browser: Browser, figure: bokeh.models.LayoutDOM, path: Path) -> None:
    """Write a figure as PNG and as SVG."""
    opened = browser.new_page(viewport=SIZE, device_scale_factor=SHARP)
    opened.set_content(page(figure))
    opened.wait_for_function("globalThis.Bokeh?.documents[0]?.is_idle")
    opened.evaluate("globalThis.view = [...Bokeh.index][0]")
    box = opened.evaluate("view.el.getBoundingClientRect().toJSON()")
    clip = {side: box[side] for side in ("x", "y", "width", "height")}
    opened.screenshot(path=path.with_suffix(".png"), clip=clip, full_page=True)
    svg = opened.evaluate("view.export('svg').ctx.get_serialized_svg(true)")
    # With a viewBox it takes any size, as on a slide.
    view_box = f'<svg viewBox="0 0 {box["width"]} {box["height"]}" '
    path.with_suffix(".svg").write_text(svg.replace("<svg ", view_box, 1), "utf-8")
    opened.close()


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Start Chromium."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if not path:
        raise SystemExit("no Chromium on the PATH: install it, or name another, `make pictures CHROMIUM=...`")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


def print_sheet(browser: Browser, tree: Path) -> None:
    """Write the sheet, with the tree as it was drawn."""
    opened = browser.new_page()
    opened.set_content(sheet(tree.read_text("utf-8")))
    opened.pdf(path=OUT / "sheet.pdf", format="A4")
    opened.close()


def main() -> None:
    """Write all pictures, and the sheet."""
    logging.getLogger("cmdstanpy").setLevel(logging.ERROR)
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    with chromium() as browser:
        figures = {}
        for number in sorted({number for _, number, _ in PICTURES}):
            print(f"running lesson {int(number)} ...", file=sys.stderr)
            figures |= draw(number, [caption for _, where, caption in PICTURES if where == number])
        for place, (name, _, caption) in enumerate(PICTURES, start=1):
            save(browser, figures[caption], OUT / f"{place}-{name}")
        print_sheet(browser, OUT / "1-tree.svg")
    print(f"eight pictures and sheet.pdf: {OUT}", file=sys.stderr)


if __name__ == "__main__":
    main()
