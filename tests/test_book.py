"""The book is rebuilt when what it shows may have changed, and not built at all when a cell fails."""

import os
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
    (folder / "_toc.yml").write_text("format: jb-book\nroot: lesson\n")
    (folder / "lesson.md").write_text(LESSON.replace("CELL", cell))
    command = ["jupyter-book", "build", ".", "-W", "-n", "--keep-going"]
    environ = os.environ | {
        "BOKEH_RESOURCES": "cdn",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True)


def test_a_sound_lesson_builds_and_its_figures_need_no_network(tmp_path):
    done = build(tmp_path, "print('hello')")
    assert done.returncode == 0, done.stdout + done.stderr
    page = (tmp_path / "_build" / "html" / "lesson.html").read_text()
    assert "hello" in page
    assert "cdn.bokeh.org" not in page
    assert "_static/bokeh/bokeh.min.js" in page
    assert (tmp_path / "_build" / "html" / "_static" / "bokeh" / "bokeh.min.js").stat().st_size > 100_000


def test_a_failing_cell_fails_the_build(tmp_path):
    done = build(tmp_path, "raise RuntimeError('no')")
    assert done.returncode != 0


@pytest.mark.parametrize("changed", ["stan/a.stan", "helpers/a.py", "lessons/a.csv", "requirements.txt"])
def test_what_lessons_run_makes_them_run_again(tmp_path, changed):
    shutil.copy(COURSE / "Makefile", tmp_path)
    for name in ("stan/a.stan", "helpers/a.py", "lessons/a.csv", "requirements.txt", "_build/.executed"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    make = ["make", "--silent", "--question", "_build/.executed"]
    assert subprocess.run(make, cwd=tmp_path).returncode == 0
    later = time.time() + 10
    os.utime(tmp_path / changed, (later, later))
    assert subprocess.run(make, cwd=tmp_path).returncode == 1


def test_picture_was_drawn_from_the_programs_as_they_are():
    from PIL import Image

    assert Image.open(picture.PICTURE).text["Source"] == picture.origin(), "run `make picture`"
