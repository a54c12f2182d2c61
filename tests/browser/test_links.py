"""The book is whole, refers to nothing out in the network, and holds no secret. No browser here."""

import functools
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from book_pages import PAGES
from bs4 import BeautifulSoup
from leaks import leaks

MEGABYTE = 1_000_000
AWAY = ("http", "https", "mailto")
CSS_URL = re.compile(r"""(?:url\(|@import)\s*["']?([^"')\s]+)""")


@functools.cache
def soup(page: Path) -> BeautifulSoup:
    return BeautifulSoup(page.read_text("utf-8"), "html.parser")


@functools.cache
def anchors(page: Path) -> set[str]:
    return {tag[key] for tag in soup(page).find_all(True) for key in ("id", "name") if tag.get(key)}


def references(page: Path):
    """Tags and what they refer to."""
    for tag in soup(page).find_all(True):
        for attribute in ("href", "src", "data", "poster", "action"):
            if tag.get(attribute) is not None:
                yield tag, tag[attribute]
        for part in filter(None, tag.get("srcset", "").split(",")):
            yield tag, part.split()[0]


def broken(book: Path, page: Path, address: str) -> str | None:
    """Say what is wrong with an address on a page, if anything is."""
    parts = urlsplit(address)
    if parts.scheme == "data":
        return None
    if parts.scheme or parts.netloc:
        return "not in the book"
    target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    if not target.is_relative_to(book):
        return "outside the book"
    if not target.is_file():
        return "no such file"
    if parts.fragment and target.suffix == ".html" and unquote(parts.fragment) not in anchors(target):
        return "no such place on the page"
    return None


def test_every_page_is_there_and_smaller_than_two_megabytes(book):
    files = [book / f"{page}.html" for page in PAGES]
    assert [file.name for file in files if not file.is_file() or file.stat().st_size >= 2 * MEGABYTE] == []


def test_links_lead_somewhere_and_nothing_is_loaded_from_outside(book):
    wrong, seen = [], 0
    for page in sorted(book.rglob("*.html")):
        if "_static" in page.relative_to(book).parts:  # the theme's templates
            continue
        for tag, address in references(page):
            seen += 1
            if tag.name == "a" and urlsplit(address).scheme in AWAY:
                continue
            if why := broken(book, page, address):
                wrong.append(f"{page.relative_to(book)}: <{tag.name}> {address}: {why}")
    for sheet in sorted(book.rglob("*.css")):
        for address in CSS_URL.findall(sheet.read_text("utf-8")):
            if why := broken(book, sheet, address):
                wrong.append(f"{sheet.relative_to(book)}: {address}: {why}")
    assert seen > 100
    assert not wrong, "\n".join(wrong)


def test_the_book_holds_no_secret_path_or_name(book):
    assert leaks(book) == []
