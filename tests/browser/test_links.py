"""The book is whole, refers to nothing out in the network, and holds no secret. No browser here."""

import functools
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from book_pages import PAGES
from bs4 import BeautifulSoup
from leaks import leaks

MEGABYTE = 1_000_000
CSS_URL = re.compile(r"""(?:url\(|@import)\s*["']?([^"')\s]+)""")


@functools.cache
def soup(page: Path) -> BeautifulSoup:
    return BeautifulSoup(page.read_text("utf-8"), "html.parser")


@functools.cache
def anchors(page: Path) -> set[str]:
    return {tag[key] for tag in soup(page).find_all(True) for key in ("id", "name") if tag.get(key)}


def references(file: Path):
    """All that a page or a style sheet loads, and all links of a page into the book."""
    if file.suffix == ".css":
        yield from CSS_URL.findall(file.read_text("utf-8"))
        return
    for tag in soup(file).find_all(True):
        for attribute in ("href", "src", "data", "poster", "action"):
            address = tag.get(attribute)
            away = tag.name == "a" and urlsplit(address or "").scheme in ("http", "https", "mailto")
            if address is not None and not away:
                yield address
        yield from (part.split()[0] for part in tag.get("srcset", "").split(",") if part)


def broken(book: Path, page: Path, address: str) -> str | None:
    """Say what is wrong with an address on a page, if anything is."""
    parts = urlsplit(address)
    if parts.scheme == "data":
        return None
    if parts.scheme or parts.netloc:
        return "not in the book"
    target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    if not target.is_relative_to(book) or not target.is_file():
        return "no such file in the book"
    if parts.fragment and target.suffix == ".html" and unquote(parts.fragment) not in anchors(target):
        return "no such place on the page"
    return None


def test_every_page_is_there_and_smaller_than_two_megabytes(book):
    files = [book / f"{page}.html" for page in PAGES]
    assert [file.name for file in files if not file.is_file() or file.stat().st_size >= 2 * MEGABYTE] == []


def test_links_lead_somewhere_and_nothing_is_loaded_from_outside(book):
    # What lies in _static are the theme's templates.
    pages = [page for page in book.rglob("*.html") if "_static" not in page.relative_to(book).parts]
    found = [(file, address) for file in [*pages, *book.rglob("*.css")] for address in references(file)]
    assert len(found) > 100
    wrong = [f"{file.relative_to(book)}: {a}: {why}" for file, a in found if (why := broken(book, file, a))]
    assert not wrong, "\n".join(wrong)


def test_the_book_holds_no_secret_path_or_name(book):
    assert leaks(book) == []
