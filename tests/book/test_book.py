"""The book is rebuilt when what it shows may have changed, and not built at all when a cell fails."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from datetime import date
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest

from book.sphinx import sampling
from tools.tables import picture

COURSE = Path(__file__).parents[2]

LESSON = """---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  name: python3
---

# A lesson

```{code-cell} ipython3
import bokeh.io, bokeh.plotting
bokeh.io.output_notebook(hide_banner=True)
p = bokeh.plotting.figure(height=100)
p.line([1, 2], [1, 2])
bokeh.io.show(p)
CELL
```

The funnel has a neck. Funnels do; $x$ is not linked.

:::{exercise} 01.1 Count
:label: ex-01-count
:nonumber:

How many?
:::

:::{solution} ex-01-count
:class: dropdown

Fortytwo.
:::
"""
GLOSSARY = """# Glossary

:::{glossary}
funnel
funnels
  A shape.
:::
"""


def build(folder, cell, **variables):
    """Build a book of one lesson with the course's own settings."""
    for name in ("_config.yml", "book"):
        source = COURSE / name
        shutil.copytree(source, folder / name) if source.is_dir() else shutil.copy(source, folder / name)
    toc = "format: jb-book\nroot: index\nchapters:\n  - file: lessons/lesson\n  - file: book/pages/glossary\n"
    toc += "  - file: book/pages/instructors\n"
    (folder / "_toc.yml").write_text(toc)
    (folder / "book" / "glossary.md").write_text(GLOSSARY)
    (folder / "book" / "instructors.md").write_text("# For instructors\n\nThe answer is Fortytwo.\n")
    (folder / "index.md").write_text("# A book\n")
    (folder / "lessons").mkdir()
    (folder / "lessons" / "lesson.md").write_text(LESSON.replace("CELL", cell))
    command = ["jupyter-book", "build", ".", "-W", "-n", "--keep-going"]
    environ = os.environ | {
        "BOKEH_RESOURCES": "cdn",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    environ |= variables
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True)


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """A book of one lesson, built with success."""
    folder = tmp_path_factory.mktemp("book")
    done = build(folder, "print('hello')")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "_build" / "html"


def test_a_sound_lesson_builds_and_its_scripts_are_in_the_book(book):
    page = book / "lessons" / "lesson.html"
    text = page.read_text()
    assert "hello" in text
    scripts = set(re.findall(r"[\w./:]*(?:bokeh|mathjax)[\w./-]*\.js", text))
    assert {"bokeh.min.js", "tex-svg.js"} <= {Path(script).name for script in scripts}
    assert all((page.parent / script).stat().st_size > 1000 for script in scripts)


def test_first_use_of_a_term_is_linked_to_the_glossary(book):
    text = (book / "lessons" / "lesson.html").read_text()
    links = re.findall(r'<a class="term[^>]*href="([^"]*)"[^>]*>(\w+)</a>', text)
    assert links == [("../book/pages/glossary.html#term-funnel", "funnel")]


def test_an_exercise_has_its_number_in_its_title(book):
    assert ">Exercise 01.1 Count<" in (book / "lessons" / "lesson.html").read_text()


def test_a_lesson_says_when_and_with_what_it_ran_and_downloads_as_notebook(book):
    text = (book / "lessons" / "lesson.html").read_text()
    colophon = re.search(r'<p class="colophon">(.*?)</p>', text)[1]
    assert f"bokeh {version('bokeh')}" in colophon
    assert f"{date.today().year}" in colophon
    notebook = book / "lessons" / re.search(r'href="([^"]*\.ipynb)"', colophon)[1]
    cells = nbformat.read(notebook, as_version=4).cells
    assert any("print('hello')" in cell.source for cell in cells)
    assert "Run on" not in (book / "index.html").read_text()


def holding(folder, text):
    """Names of the files of a book that hold a text."""
    return {path.name for path in folder.rglob("*") if path.is_file() and text.encode() in path.read_bytes()}


RUN_BY_LESSONS = [
    "stan/a.stan",
    "stan/a.stanfunctions",
    "helpers/a.py",
    "helpers/figures/a.js",
    "lessons/a.csv",
    "requirements.txt",
]


@pytest.fixture
def built(tmp_path):
    """A course of empty files that looks built, and a `make` that says what it would do again."""
    shutil.copy(COURSE / "Makefile", tmp_path)
    first = [*RUN_BY_LESSONS, "lessons/a.md", "README.md"]
    first += ["_toc.yml", "_config.yml", "LICENSE", "CONTRIBUTING.md", "pyproject.toml"]
    first += ["book/sphinx/page_extras.py", "book/browser/panel/panel.js", "_build/wasm/centered.js"]
    (tmp_path / "_build").mkdir()
    (tmp_path / "_build" / ".solutions").write_text("yes\n")
    for age, names in enumerate([["_build/html/index.html", "_build/.done"], ["_build/.executed"], first]):
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
            os.utime(tmp_path / name, (time.time() - 10 * age,) * 2)

    def again(*options):
        make = ["make", "--dry-run", "--old-file=setup", "_build/.done", *options]
        done = subprocess.run(make, cwd=tmp_path, capture_output=True, text=True, check=True)
        return {
            what for what in ("rm -rf _build/.jupyter_cache", "jupyter-book build") if what in done.stdout
        }

    return tmp_path, again


def test_nothing_changed_nothing_to_do(built):
    assert built[1]() == set()


@pytest.mark.parametrize("changed", RUN_BY_LESSONS)
def test_what_lessons_run_makes_them_run_again(built, changed):
    folder, again = built
    os.utime(folder / changed, (time.time() + 10,) * 2)
    assert again() == {"rm -rf _build/.jupyter_cache", "jupyter-book build"}


CHANGED = [
    "lessons/a.md",
    "README.md",
    "_toc.yml",
    "book/sphinx/page_extras.py",
    "book/browser/panel/panel.js",
]


@pytest.mark.parametrize("changed", [*CHANGED, "_build/wasm/centered.js"])
def test_a_changed_text_is_built_again(built, changed):
    folder, again = built
    os.utime(folder / changed, (time.time() + 10,) * 2)
    assert again() == {"jupyter-book build"}


def test_a_page_that_samples_gets_what_it_takes_and_no_other_does(tmp_path, monkeypatch):
    monkeypatch.setattr(sampling, "OUT", tmp_path / "wasm")
    monkeypatch.setattr(sampling, "page_script", lambda name: f"compiled {name}")
    html = tmp_path / "html"
    (html / "lessons").mkdir(parents=True)
    (html / "index.html").write_text("<head></head>no such figure")
    (html / "lessons" / "a.html").write_text(f"<head></head>{next(iter(sampling.PAGES))}")
    app = SimpleNamespace(builder=SimpleNamespace(format="html"), outdir=html)

    def built(programs):
        (html / "lessons" / "a.html").write_text(f"<head></head>{next(iter(sampling.PAGES))}")
        (tmp_path / "wasm").mkdir(exist_ok=True)
        for name in programs:
            (tmp_path / "wasm" / f"{name}.js").touch()
        sampling.bring_sampler(app, None)
        head = (html / "lessons" / "a.html").read_text().partition("</head>")[0]
        scripts = [html / "lessons" / path for path in re.findall(r'src="([^"]*)"', head)]
        assert len(scripts) == 3
        assert all(path.is_file() for path in scripts)
        return json.loads(re.search("course = (.*?);</script>", head)[1])

    assert built([]) == {"programs": [], "folder": "../_static/sampler/"}
    assert built(["funnel", "tree"])["programs"] == ["tree"]
    assert (html / "_static" / "sampler" / "tree.js").read_text() == "compiled tree"
    assert "<script" not in (html / "index.html").read_text()


def test_a_book_without_solutions_is_another_book(built):
    assert built[1]("SOLUTIONS=no") == {"jupyter-book build"}


def test_solutions_are_hidden_or_not_and_nothing_between(built):
    make = ["make", "--dry-run", "--old-file=setup", "_build/.done", "SOLUTIONS=No"]
    done = subprocess.run(make, cwd=built[0], capture_output=True, text=True)
    assert done.returncode != 0
    assert "SOLUTIONS is yes or no, not 'No'" in done.stderr


def test_a_book_that_was_deleted_is_built_again(built):
    folder, again = built
    (folder / "_build" / "html" / "index.html").unlink()
    assert again() == {"jupyter-book build"}


def test_picture_was_drawn_from_the_programs_as_they_are():
    from PIL import Image

    assert Image.open(picture.PICTURE).text["Source"] == picture.origin(), "run `make picture`"
