"""The book is rebuilt when what it shows may have changed, and not built at all when a cell fails."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

COURSE = Path(__file__).parent.parent
sys.path.insert(0, str(COURSE / "book"))
import picture  # noqa: E402

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
"""


def build(folder, cell):
    """Build a book of one lesson with the course's own settings."""
    for name in ("_config.yml", "book"):
        source = COURSE / name
        shutil.copytree(source, folder / name) if source.is_dir() else shutil.copy(source, folder / name)
    (folder / "_toc.yml").write_text("format: jb-book\nroot: index\nchapters:\n  - file: lessons/lesson\n")
    (folder / "index.md").write_text("# A book\n")
    (folder / "lessons").mkdir()
    (folder / "lessons" / "lesson.md").write_text(LESSON.replace("CELL", cell))
    command = ["jupyter-book", "build", ".", "-W", "-n", "--keep-going"]
    environ = os.environ | {
        "BOKEH_RESOURCES": "cdn",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True)


def test_a_sound_lesson_builds_and_its_figures_need_no_network(tmp_path):
    done = build(tmp_path, "print('hello')")
    assert done.returncode == 0, done.stdout + done.stderr
    page = tmp_path / "_build" / "html" / "lessons" / "lesson.html"
    text = page.read_text()
    assert "hello" in text
    assert "cdn.bokeh.org" not in text
    scripts = set(re.findall(r"[\w./]*_static/bokeh/[\w.-]+\.js", text))
    assert any(script.endswith("/bokeh.min.js") for script in scripts)
    assert all((page.parent / script).stat().st_size > 1000 for script in scripts)


def test_a_failing_cell_fails_the_build(tmp_path):
    done = build(tmp_path, "raise RuntimeError('no')")
    assert done.returncode != 0


RUN_BY_LESSONS = ["stan/a.stan", "stan/a.stanfunctions", "helpers/a.py", "lessons/a.csv", "requirements.txt"]


@pytest.fixture
def built(tmp_path):
    """A course of empty files that looks built, and a `make` that says what it would do again."""
    shutil.copy(COURSE / "Makefile", tmp_path)
    first = [*RUN_BY_LESSONS, "lessons/a.md", "README.md"]
    first += ["_toc.yml", "_config.yml", "LICENSE", "book/offline_bokeh.py", "pyproject.toml"]
    for age, names in enumerate([["_build/html/index.html", "_build/.done"], ["_build/.executed"], first]):
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
            os.utime(tmp_path / name, (time.time() - 10 * age,) * 2)

    def again():
        make = ["make", "--dry-run", "--old-file=setup", "_build/.done"]
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


@pytest.mark.parametrize("changed", ["lessons/a.md", "README.md", "_toc.yml", "_config.yml"])
def test_a_changed_text_is_built_again(built, changed):
    folder, again = built
    os.utime(folder / changed, (time.time() + 10,) * 2)
    assert again() == {"jupyter-book build"}


def test_a_book_that_was_deleted_is_built_again(built):
    folder, again = built
    (folder / "_build" / "html" / "index.html").unlink()
    assert again() == {"jupyter-book build"}


def test_picture_was_drawn_from_the_programs_as_they_are():
    from PIL import Image

    assert Image.open(picture.PICTURE).text["Source"] == picture.origin(), "run `make picture`"
