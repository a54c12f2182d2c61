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

import pytest
from PIL import Image
from small_book import COURSE, build

from book.browser.stan.build import PROGRAMS
from book.sphinx import page_extras, sampling
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


def test_a_page_links_terms_frames_exercises_and_says_how_it_ran(book):
    text = (book / "lessons" / "lesson.html").read_text()
    links = re.findall(r'<a class="term[^>]*href="([^"]*)"[^>]*>(\w+)</a>', text)
    assert links == [("../book/pages/glossary.html#term-funnel", "funnel")]
    assert '<div class="exercise" id="ex-01-count">' in text
    assert "# 01.1" not in text, "the cell to answer in is for notebooks"
    colophon = re.search(r'<p class="colophon">(.*?)</p>', text)[1]
    assert f"bokeh {version('bokeh')}" in colophon
    assert f"{date.today().year}" in colophon
    notebook = book / "lessons" / re.search(r'href="([^"]*\.ipynb)"', colophon)[1]
    assert "print('hello')" in notebook.read_text()
    assert "Run on" not in (book / "index.html").read_text()


@pytest.mark.parametrize(("old", "new"), page_extras.MOVED.items())
def test_an_address_that_a_page_once_had_leads_to_where_it_is(book, old, new):
    toc = (COURSE / "_toc.yml").read_text("utf-8")
    assert f"- file: {new}\n" in toc
    assert f"- file: {old}\n" not in toc
    text = (book / f"{old}.html").read_text("utf-8")
    (link,) = re.findall(r'<a href="([^"]*)"', text)
    assert (book / old).parent / link == book / f"{new}.html"
    assert f'location.replace("{link}" + location.hash)' in text


@pytest.mark.parametrize("mark", sampling.PAGES)
@pytest.mark.parametrize("programs", [[], [PROGRAMS[2]]], ids=["without", "with"])
def test_a_page_that_samples_gets_what_it_takes_and_no_other_does(tmp_path, monkeypatch, mark, programs):
    monkeypatch.setattr(sampling, "OUT", tmp_path)
    monkeypatch.setattr(sampling, "page_script", lambda name: f"compiled {name}")
    for name in [*programs, "no program of pages"]:
        (tmp_path / f"{name}.js").touch()
    page, other = tmp_path / "html" / "lessons" / "a.html", tmp_path / "html" / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text(f"<head></head>{mark}")
    other.write_text("<head></head>no such figure")
    sampling.bring_sampler(SimpleNamespace(builder=SimpleNamespace(format="html"), outdir=other.parent), None)
    head = page.read_text().partition("</head>")[0]
    scripts = [page.parent / path for path in re.findall(r'src="([^"]*)"', head)]
    assert len(scripts) == len(sampling.SHARED) + len(sampling.PAGES[mark])
    assert all(path.is_file() for path in scripts)
    told = json.loads(re.search("course = (.*?);</script>", head)[1])
    limits = {"rHat": R_HAT, "ess": ESS, "eBfmi": E_BFMI}
    assert told == {"programs": programs, "folder": "../_static/sampler/", "limits": limits}
    for name in programs:
        assert (page.parent / told["folder"] / f"{name}.js").read_text() == f"compiled {name}"
    assert "<script" not in other.read_text()


RUN = ["stan/a.stan", "stan/a.stanfunctions", "helpers/a.py", "helpers/figures/a.js", "lessons/data/a.csv"]
RUN += ["book/browser/your_data/example.py", "requirements.txt"]
SHOWN = ["lessons/a.md", "README.md", "_toc.yml", "_config.yml", "LICENSE", "CONTRIBUTING.md"]
SHOWN += ["book/pages/a.md", "book/sphinx/page_extras.py", "book/static/a.css", "book/browser/panel/a.js"]
SHOWN += ["_build/wasm/a.js"]
EXECUTE, BUILD = "rm -rf _build/.jupyter_cache", "jupyter-book build"


@pytest.fixture
def built(tmp_path):
    """A course of empty files that looks built, and a `make` that says what it would do again."""
    shutil.copy(COURSE / "Makefile", tmp_path)
    (tmp_path / "_build").mkdir()
    (tmp_path / "_build" / ".solutions").write_text("yes\n")
    ages = dict.fromkeys([*RUN, *SHOWN, "pyproject.toml"], 20)  # seconds
    ages |= {"_build/.executed": 10, "_build/html/index.html": 0, "_build/.done": 0}
    for name, age in ages.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (time.time() - age,) * 2)

    def again(*options):
        make = ["make", "--dry-run", "--old-file=setup", "_build/.done", *options]
        done = subprocess.run(make, cwd=tmp_path, capture_output=True, text=True)
        return {what for what in (EXECUTE, BUILD) if what in done.stdout} or done.stderr

    return tmp_path, again


@pytest.mark.parametrize("changed", [*RUN, *SHOWN])
def test_what_lessons_run_or_pages_show_makes_a_new_book(built, changed):
    folder, again = built
    os.utime(folder / changed, (time.time() + 10,) * 2)
    assert again() == ({EXECUTE, BUILD} if changed in RUN else {BUILD})


def test_other_solutions_or_none_at_all_make_a_new_book(built):
    folder, again = built
    assert again() == ""
    assert again("SOLUTIONS=no") == {BUILD}
    assert "SOLUTIONS is yes or no, not 'No'" in again("SOLUTIONS=No")
    (folder / "_build" / "html" / "index.html").unlink()
    assert again() == {BUILD}


def test_picture_was_drawn_from_the_programs_as_they_are():
    assert Image.open(picture.PICTURE).text["Source"] == picture.origin(), "run `make cover`"
