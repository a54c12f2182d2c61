"""Pack what students get: ``make handout``.

Lessons and notebooks without solutions, and everything that it takes to run them. An instructor's own answers
are in the same lessons and programs, so those that differ from the last commit are given away only if asked,
and so is a table of other measurements, which lessons and programs follow.
"""

import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from pathlib import Path

import nbformat

from tools.notebooks import to_notebook, without_solutions

COURSE = Path(__file__).parent.parent
# What it takes to run the lessons, besides these themselves, and the pages that they link to
KEPT = """
.python-version CITATION.cff LICENSE Makefile environment.yml pyproject.toml requirements.txt
tools/__init__.py tools/compile.py tools/install.py tools/machine.py tools/packages.py tools/cmdstan.py
tools/jupyter/**/*.*
book/pages/beyond.md book/pages/glossary.md book/pages/inputs.md book/pages/notation.md
book/pages/notebook-service.md book/pages/references.md book/pages/troubleshooting.md
book/static/cluster.svg book/static/dashboard.png
helpers/**/*.py helpers/**/*.js helpers/*.csv lessons/data/* lessons/figures/*
stan/*.stan stan/*.stanfunctions
"""
# Where in the Makefile begins what students do not get, but for ``clean``
LEFT_OUT = b"# From here on"
README = """# Hierarchical models in Stan, from Python

You need Linux or macOS (on Windows, WSL), Python 3.12 or newer, `make` and a C++ compiler. Then

    make lab

sets everything up, which takes some minutes the first time, and opens JupyterLab on
[lesson 1](lessons/01-data-generation.md). Work through `lessons/` in order: run the cells, guess before you
look, and let `helpers.check` tell you whether an answer holds. Copy a program of `stan/` beside the lesson
before you edit it. If something goes wrong, [this page](book/pages/troubleshooting.md) says what to do.

If you can install nothing, [two cells](book/pages/notebook-service.md) bring the course to a notebook
service, such as Google Colab.
"""
REMEDY = {
    "handout": (
        "undo them, commit them (they are then handed out), or add TAKE=committed (leaves them out) or "
        "TAKE=edited (hands them out)"
    ),
    "book": "undo them, commit them (they are then shown), or add TAKE=edited (shows them to students)",
}


def for_students(makefile: bytes) -> bytes:
    """Take out of the Makefile what students do not get; `make` then says so of these targets."""
    begin, end = makefile.index(LEFT_OUT), makefile.index(b"clean: ")
    targets = b" ".join(re.findall(rb"^([a-z-]+):.*## ", makefile[begin:end], re.MULTILINE))
    says_so = b"\t@echo 'make $@: not in the handout; `make` lists what is' >&2; exit 1\n"
    return makefile[:begin] + makefile[end:] + b"\n" + targets + b":\n" + says_so


def contents(course: Path = COURSE) -> dict[str, bytes]:
    """Collect the files of the handout, by their paths in it."""
    files = {"README.md": README.encode()}
    for pattern in KEPT.split():
        for path in sorted(course.glob(pattern)):
            files[path.relative_to(course).as_posix()] = path.read_bytes()
    # helpers.check compares with the originals, and tells how to get them back
    for path in sorted(course.glob("stan/*.stan*")):
        files[f"stan/original/{path.name}"] = path.read_bytes()
    files["Makefile"] = for_students(files["Makefile"])
    for lesson in sorted(course.glob("lessons/*.md")):
        text = without_solutions(lesson.read_text("utf-8"))
        files[f"lessons/{lesson.name}"] = text.encode()
        files[f"lessons/{lesson.stem}.ipynb"] = nbformat.writes(to_notebook(text, lesson.stem)).encode()
    return files


def committed(course: Path) -> dict[str, bytes]:
    """Collect the files of the handout from the last commit."""
    archive = subprocess.run(["git", "archive", "HEAD"], cwd=course, capture_output=True)
    if archive.returncode:
        said = archive.stderr.decode().strip().splitlines()[0]
        raise SystemExit(f"git cannot tell what was committed ({said}): add TAKE=edited, to take the folder")
    with tempfile.TemporaryDirectory() as folder, tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(folder, filter="data")
        return contents(Path(folder))


def choose(what: str, take: str = "", course: Path = COURSE) -> dict[str, bytes]:
    """Collect the files of the handout as they may be given away.

    Parameters
    ----------
    what
        What is made of them, ``"handout"`` or ``"book"``, for the message.
    take
        ``"edited"``, files as they are in the folder; ``"committed"``, those of the last commit; ``""``, if
        the two are the same.
    course
        Folder of the course.

    Raises
    ------
    SystemExit
        If the two differ and `take` does not say which.
    """
    here = contents(course)
    if take == "edited":
        return here
    if not (course / ".git").exists() or not shutil.which("git"):
        print(f"{what}: no git here, so lessons and programs are taken as they are", file=sys.stderr)
        return here
    last = committed(course)
    if take == "committed":
        return last
    changed = [name for name in here.keys() | last.keys() if here.get(name) != last.get(name)]
    # Answers are in lessons and programs; notebooks are made from the texts.
    watched = re.compile(r"(lessons/|stan/(?!original)|helpers/measurements\.csv).*(?<!\.ipynb)$")
    edited = sorted(name for name in changed if watched.match(name))
    if edited:
        raise SystemExit(f"{what}: not as in the last commit: {', '.join(edited)}: {REMEDY[what]}")
    return here


def pack(archive: Path, files: dict[str, bytes] | None = None) -> None:
    """Write the handout: of the files as they are in the folder, unless others are given."""
    archive.parent.mkdir(exist_ok=True)
    # A zip has no time zone. A text that came from the future would stay newer than its notebook, whatever is
    # edited in there; a day ago is past everywhere.
    written = time.gmtime(time.time() - 86400)[:6]
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, content in (files or contents()).items():
            info = zipfile.ZipInfo(f"{archive.stem}/{name}", date_time=written)
            # Readable for all: on a server, else, only the one who unpacks it reads it.
            info.external_attr = 0o644 << 16
            zipped.writestr(info, content, zipfile.ZIP_DEFLATED)
    print(f"the handout: {archive}", file=sys.stderr)


if __name__ == "__main__":
    what, take = sys.argv[1], os.environ.get("TAKE", "")
    if what == "book":  # which is built in the folder, so that it cannot take what was committed
        choose("book", take if take == "edited" else "")
    else:
        pack(COURSE / "_build" / "handout.zip", choose("handout", take))
