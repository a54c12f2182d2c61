"""The book is rebuilt when what it shows may have changed, and its pages get what is added to their text."""

import json
import os
import re
import shutil
import subprocess
import time
from datetime import date
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from PIL import Image
from small_book import COURSE, build

from book.browser.stan.build import PROGRAMS
from book.sphinx import sampling
from helpers.diagnostics import E_BFMI, ESS, R_HAT
from tools.tables import picture


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """A book of one lesson, built with success."""
    folder = tmp_path_factory.mktemp("book")
    done = build(folder, "print('hello')")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "_build" / "html"


def test_scripts_of_figures_and_formulas_are_in_the_book(book):
    page = book / "lessons" / "lesson.html"
    text = page.read_text()
    assert "hello" in text
    scripts = set(re.findall(r"[\w./:]*(?:bokeh|mathjax)[\w./-]*\.js", text))
    assert {"bokeh.min.js", "tex-svg.js"} <= {Path(script).name for script in scripts}
    assert all((page.parent / script).stat().st_size > 1000 for script in scripts)


def test_first_use_of_a_term_is_linked_and_exercises_have_numbers(book):
    text = (book / "lessons" / "lesson.html").read_text()
    links = re.findall(r'<a class="term[^>]*href="([^"]*)"[^>]*>(\w+)</a>', text)
    assert links == [("../book/pages/glossary.html#term-funnel", "funnel")]
    assert ">Exercise 01.1 Count<" in text


def test_a_lesson_says_when_and_with_what_it_ran_and_is_a_notebook(book):
    text = (book / "lessons" / "lesson.html").read_text()
    colophon = re.search(r'<p class="colophon">(.*?)</p>', text)[1]
    assert f"bokeh {version('bokeh')}" in colophon
    assert f"{date.today().year}" in colophon
    notebook = book / "lessons" / re.search(r'href="([^"]*\.ipynb)"', colophon)[1]
    cells = nbformat.read(notebook, as_version=4).cells
    assert any("print('hello')" in cell.source for cell in cells)
    assert "Run on" not in (book / "index.html").read_text()


def test_a_page_that_samples_gets_what_it_takes_and_no_other_does(tmp_path, monkeypatch):
    monkeypatch.setattr(sampling, "OUT", tmp_path / "wasm")
    monkeypatch.setattr(sampling, "page_script", lambda name: f"compiled {name}")
    html = tmp_path / "html"
    (html / "lessons").mkdir(parents=True)
    (html / "index.html").write_text("<head></head>no such figure")
    app = SimpleNamespace(builder=SimpleNamespace(format="html"), outdir=html)

    def told(mark, programs):
        (html / "lessons" / "a.html").write_text(f"<head></head>{mark}")
        (tmp_path / "wasm").mkdir(exist_ok=True)
        for name in programs:
            (tmp_path / "wasm" / f"{name}.js").touch()
        sampling.bring_sampler(app, None)
        head = (html / "lessons" / "a.html").read_text().partition("</head>")[0]
        scripts = [html / "lessons" / path for path in re.findall(r'src="([^"]*)"', head)]
        assert len(scripts) == len(sampling.SHARED) + len(sampling.PAGES[mark])
        assert all(path.is_file() for path in scripts)
        return json.loads(re.search("course = (.*?);</script>", head)[1])

    limits = {"rHat": R_HAT, "ess": ESS, "eBfmi": E_BFMI}
    for mark in sampling.PAGES:
        shutil.rmtree(tmp_path / "wasm", ignore_errors=True)
        assert told(mark, []) == {"programs": [], "folder": "../_static/sampler/", "limits": limits}
        assert told(mark, ["funnel", PROGRAMS[2]])["programs"] == [PROGRAMS[2]]
        assert (html / "_static" / "sampler" / f"{PROGRAMS[2]}.js").read_text() == f"compiled {PROGRAMS[2]}"
    assert "<script" not in (html / "index.html").read_text()


RUN = ["stan/a.stan", "stan/a.stanfunctions", "helpers/a.py", "helpers/figures/a.js", "lessons/data/a.csv"]
RUN += ["book/browser/your_data/example.py", "requirements.txt"]
SHOWN = [
    "lessons/a.md",
    "README.md",
    "_toc.yml",
    "_config.yml",
    "LICENSE",
    "CONTRIBUTING.md",
    "book/pages/a.md",
]
SHOWN += ["book/sphinx/page_extras.py", "book/static/a.css", "book/browser/panel/a.js", "_build/wasm/a.js"]
EXECUTE, BUILD = "rm -rf _build/.jupyter_cache", "jupyter-book build"


@pytest.fixture
def built(tmp_path):
    """A course of empty files that looks built, and a `make` that says what it would do again."""
    shutil.copy(COURSE / "Makefile", tmp_path)
    (tmp_path / "_build").mkdir()
    (tmp_path / "_build" / ".solutions").write_text("yes\n")
    ages = [
        ["_build/html/index.html", "_build/.done"],
        ["_build/.executed"],
        [*RUN, *SHOWN, "pyproject.toml"],
    ]
    for age, names in enumerate(ages):
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
            os.utime(tmp_path / name, (time.time() - 10 * age,) * 2)

    def again(*options):
        make = ["make", "--dry-run", "--old-file=setup", "_build/.done", *options]
        done = subprocess.run(make, cwd=tmp_path, capture_output=True, text=True)
        return {what for what in (EXECUTE, BUILD) if what in done.stdout} or done.stderr

    return tmp_path, again


@pytest.mark.parametrize("changed", [*RUN, *SHOWN])
def test_what_lessons_run_or_pages_show_makes_a_new_book(built, changed):
    folder, again = built
    assert again() == ""
    os.utime(folder / changed, (time.time() + 10,) * 2)
    assert again() == ({EXECUTE, BUILD} if changed in RUN else {BUILD})


def test_other_solutions_or_none_at_all_make_a_new_book(built):
    folder, again = built
    assert again("SOLUTIONS=no") == {BUILD}
    assert "SOLUTIONS is yes or no, not 'No'" in again("SOLUTIONS=No")
    (folder / "_build" / "html" / "index.html").unlink()
    assert again() == {BUILD}


def test_picture_was_drawn_from_the_programs_as_they_are():
    assert Image.open(picture.PICTURE).text["Source"] == picture.origin(), "run `make picture`"
