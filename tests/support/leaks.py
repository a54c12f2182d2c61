"""Traces of the machine that made a file: nothing of ours that readers get may hold any."""

import getpass
import re
import socket
from pathlib import Path

COURSE = Path(__file__).parents[2]


def names_of_this_machine() -> set[str]:
    """Names of user and computer, unless they are words of the course itself or too short to tell."""
    words = {
        word
        for pattern in ("*.md", "book/pages/*.md", "lessons/*.md", "helpers/*.py")
        for path in COURSE.glob(pattern)
        for word in re.findall(r"\w+", path.read_text("utf-8"))
    }
    return {name for name in (getpass.getuser(), socket.gethostname()) if len(name) > 4} - words


def kinds(home: Path, checkout: Path, names: set[str]) -> dict[str, re.Pattern[bytes]]:
    """What to look for. (Emscripten's programs have a home, of a web_user.)"""
    patterns = {
        "a home": rf"{re.escape(str(home))}\b|/(?:root/\S|home/(?!web_user)\w|Users/\w)|[A-Z]:\\+Users\b",
        "the checkout": re.escape(str(checkout)) + r"\b",
        "a temporary folder": r"/(?:tmp/\w+|var/folders/|ipykernel_\d)",
        "a name": "|".join(rf"(?<!\w){re.escape(name)}(?!\w)" for name in names) or r"(?!)",
        "a secret": r"token=\w{16}|PRIVATE KEY-----|\bghp_\w{20}|\bpypi-AgE|\bAKIA[A-Z0-9]{16}",
        # of packages, whosoever's: where an index keeps its pages and files, and how tools are told of it
        "a registry": r"(?://[\w.-]+|[\w-]\.[a-z]{2,})(?::\d+)?(?:/[\w.-]+)*/\+?simple\b(?![.-])"
        r"|-index-url[ =]http|\b(?:files|registry|packages)\.(?:[\w-]+\.)+(?:org|com|net|io|dev)\b",
        "an e-mail address": r"(?<![\w/@])[\w.+-]+@(?:\w[\w-]*\.)+(?:com|org|net|edu|io|de|uk)\b",
    }
    return {kind: re.compile(pattern.encode()) for kind, pattern in patterns.items()}


def leaks(folder: Path, names: set[str] | None = None) -> list[str]:
    """Say for each file what it lets out."""
    own = names_of_this_machine() if names is None else names
    wanted = kinds(Path.home(), COURSE, own)
    return [
        f"{path.relative_to(folder)}: {kind}: {found[0].decode(errors='replace')}"
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        for kind, pattern in wanted.items()
        if (found := pattern.search(path.read_bytes()))
    ]
