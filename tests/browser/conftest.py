"""What tests of the built book share: Chromium cut off from the network, and pages looked at once.

`make browser` runs them. ``BOOK`` names another folder than ``_build/html``, ``CHROMIUM`` another browser.
Where one of the two is missing all tests are skipped; with ``NO_SKIPS=1`` they fail.
"""

import contextlib
import functools
import http.server
import io
import os
import shutil
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Error, Page, TimeoutError, sync_playwright
from sphinx_external_toc.parsing import parse_toc_yaml

COURSE = Path(__file__).parent.parent.parent
PAGES = list(parse_toc_yaml(COURSE / "_toc.yml"))
LOOKS = {
    "light": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}, "has_touch": True},
}
# No name and no other address is ever resolved: not for scripts, workers or sockets either
NO_NETWORK = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
INLINE = ("data:", "blob:", "about:")


@pytest.fixture(scope="session")
def book() -> Path:
    """Folder of the built book."""
    folder = Path(os.environ.get("BOOK", COURSE / "_build" / "html")).resolve()
    if not (folder / "index.html").is_file():
        pytest.skip(f"no book in {folder}: `make book` first")
    return folder


@pytest.fixture(scope="session")
def chromium():
    """Chromium without a network."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if not path or not Path(path).is_file():
        pytest.skip(f"no Chromium: {path or 'chromium'} is not there; `apt-get install chromium`")
    with sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu", "--hide-scrollbars", NO_NETWORK]
        browser = playwright.chromium.launch(executable_path=path, args=options)
        yield browser
        browser.close()


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files, and does not tell."""

    def do_GET(self):
        """Send a file; and nothing for the icon that Chromium asks for of itself."""
        if self.path == "/favicon.ico":
            self.send_response(204)
            self.end_headers()
        else:
            super().do_GET()

    def translate_path(self, path):
        """Find the file; below /slow/ are the same ones, but scripts of figures take their time."""
        if path.startswith("/slow/"):
            path = path.removeprefix("/slow")
            time.sleep(2 if "bokeh" in path else 0)
        return super().translate_path(path)

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture(scope="session")
def site(book) -> str:
    """Address of a server of the book, without a slash at the end."""
    handler = functools.partial(Quiet, directory=book)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


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


@pytest.fixture(scope="session")
def fresh(chromium):
    """Function that opens an empty page, with `look.js`, and its `Log`; the page before it is closed."""
    last = []

    def fresh_page(**options) -> tuple[Page, Log]:
        while last:
            last.pop().close()
        context = chromium.new_context(**options)
        last.append(context)
        context.add_init_script(path=Path(__file__).with_name("look.js"))
        page = context.new_page()
        return page, listen(page)

    return fresh_page


@pytest.fixture(scope="session")
def opened(fresh, book):
    """Function that opens a page of the book from the disk, or from `home`, and waits until it is drawn."""

    def open_page(name: str, look: str = "light", home: str = "") -> tuple[Page, Log]:
        page, log = fresh(**LOOKS[look])
        try:
            page.goto(f"{home or book.as_uri()}/{name}")
        except Error as error:
            pytest.fail(f"{name}: {error.message}", pytrace=False)
        wait(page, "look.settled()", 20)
        wait(page, "look.settled() && look.fitted()", 5)
        return page, log

    return open_page


@pytest.fixture(scope="session")
def screenshots(book) -> Path:
    """Folder beside the book where screenshots are left."""
    folder = book.parent / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def pixels(locator) -> np.ndarray:
    """Take a picture of an element: shape (height, width, 3)."""
    png = locator.screenshot(timeout=300_000)
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def changed(before, after) -> int:
    """Count the pixels that are clearly not what they were."""
    if before.shape != after.shape:
        return 0
    return int((abs(before - after).max(axis=2) > 40).sum())


@dataclass
class Visit:
    """A page as it was seen: what it asked for, its errors, and what `look.js` found on it."""

    log: Log
    home: str
    found: dict


@pytest.fixture(scope="session")
def visit(opened, book, site, screenshots):
    """Function that gives the `Visit` of a page in one of `LOOKS`; every page is visited once in each.

    The dark look is seen from the server, the others from the files on the disk.
    """

    @functools.cache
    def see(name: str, look: str) -> Visit:
        home = site if look == "dark" else book.as_uri()
        page, log = opened(f"{name}.html", look, home)
        page.screenshot(path=screenshots / f"{name.replace('/', '-')}-{look}.png", full_page=True)
        return Visit(log, home, page.evaluate("look.all()"))

    return lambda name, look="light": see(name, look)
