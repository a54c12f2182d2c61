"""What tests of the built book share: Chromium cut off from the network, and a server of the book.

`make browser` runs them. ``BOOK`` names another folder than ``_build/html``, ``CHROMIUM`` another browser.
Where one of the two is missing all tests are skipped; with ``NO_SKIPS=1`` they fail.
"""

import functools
import http.server
import os
import re
import shutil
import threading
import time
from pathlib import Path

import pytest
from book_pages import COURSE, LOOKS, Log, listen, wait
from playwright.sync_api import Error, Page, sync_playwright

# No name and no other address is ever resolved: not for scripts, workers or sockets either
NO_NETWORK = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"


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
            return
        if self.path.startswith("/slow/"):  # the same files, but scripts of figures take their time
            self.path = self.path.removeprefix("/slow")
            time.sleep(2 if "bokeh" in self.path else 0)
        super().do_GET()

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
def opened(fresh, book, site):
    """Function that opens a page of the book from the disk, or from `home`, and waits until it is drawn.

    With `programs` false, it is opened as in a book that was built without em++.
    """

    def open_page(name: str, look: str = "light", home: str = "", programs: bool = True) -> tuple[Page, Log]:
        page, log = fresh(**LOOKS[look])

        def without(route):
            response = route.fetch()
            text, n = re.subn(r'"programs": \[[^]]*\]', '"programs": []', response.text())
            assert n == 1
            route.fulfill(response=response, body=text)

        if not programs:
            home = site
            page.route(f"**/{name}", without)
        try:
            page.goto(f"{home or book.as_uri()}/{name}")
        except Error as error:
            pytest.fail(f"{name}: {error.message}", pytrace=False)
        wait(page, "look.settled()", 20)
        wait(page, "look.settled() && look.fitted()", 30)
        return page, log

    return open_page


@pytest.fixture(scope="session")
def screenshots(book) -> Path:
    """Folder beside the book where screenshots are left."""
    folder = book.parent / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
