"""What tests of the built book share: its pages, the ways to look at them, and pictures of what is there."""

import contextlib
import io
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Page, TimeoutError
from sphinx_external_toc.parsing import parse_toc_yaml

COURSE = Path(__file__).parents[2]
PAGES = list(parse_toc_yaml(COURSE / "_toc.yml"))
LOOKS = {
    "light": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}, "has_touch": True},
}
INLINE = ("data:", "blob:", "about:")
PATIENCE = 300_000  # milliseconds, on a busy machine


@dataclass
class Log:
    """What a page asked for, and what went wrong on it."""

    requests: list[str]
    errors: list[str]

    def beyond(self, *homes: str) -> list[str]:
        """Requests for anything that does not begin with one of `homes`."""
        return [url for url in self.requests if not url.startswith((*homes, *INLINE))]


def listen(page: Page) -> Log:
    """Write down what a page asks for from now on, and the errors of its scripts, console and requests."""
    log = Log([], [])
    page.on("request", lambda request: log.requests.append(request.url))
    page.on("websocket", lambda socket: log.requests.append(socket.url))
    page.on("requestfailed", lambda request: log.errors.append(f"failed: {request.url} ({request.failure})"))
    page.on("response", lambda r: r.status < 400 or log.errors.append(f"status {r.status}: {r.url}"))
    page.on("pageerror", lambda error: log.errors.append(f"script: {error}"))
    page.on("console", lambda m: m.type != "error" or log.errors.append(f"console: {m.text}"))
    return log


def wait(page: Page, condition: str, seconds: float):
    """Wait until a condition holds on a page, but not forever: what is wrong then, the tests will say."""
    with contextlib.suppress(TimeoutError):
        page.wait_for_function(condition, timeout=1000 * seconds)


def pixels(locator) -> np.ndarray:
    """Take a picture of an element: shape (height, width, 3), wherever on the page it stands.

    One that does not begin at a whole pixel is moved to the nearest, and pictured with a row too many.
    """
    locator.scroll_into_view_if_needed(timeout=PATIENCE)
    box = locator.bounding_box()
    png = locator.screenshot(timeout=PATIENCE)
    image = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)
    top, left = (math.floor(box[side] % 1 + 0.5) for side in ("y", "x"))
    return image[top : top + int(box["height"]), left : left + int(box["width"])]


def changed(before, after) -> int:
    """Count the pixels that are clearly not what they were."""
    if before.shape != after.shape:
        return 0
    return int((abs(before - after).max(axis=2) > 40).sum())


def all_show_data(page: Page, figures: list) -> bool:
    """Whether every figure changes when its data are taken out; axes, grids and legends stay."""
    before = [pixels(figure) for figure in figures]
    page.evaluate("look.showData(false)")
    bare = [
        figure for figure, drawn in zip(figures, before, strict=True) if changed(drawn, pixels(figure)) <= 50
    ]
    page.evaluate("look.showData(true)")
    return not bare
