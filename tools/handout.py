"""Pack what students get: ``make handout``.

Lessons and notebooks without solutions, and everything that it takes to run them.
"""

import re
import sys
import time
import zipfile
from pathlib import Path

import jupytext
import nbformat

COURSE = Path(__file__).parent.parent
SOLUTION = re.compile(r"^(:{3,})\{solution\}.*?^\1\n+", re.MULTILINE | re.DOTALL)
# What it takes to run the lessons, besides these themselves
KEPT = """
.python-version CITATION.cff LICENSE Makefile environment.yml pyproject.toml requirements.txt
tools/__init__.py tools/compile.py tools/install.py tools/machine.py tools/packages.py tools/cmdstan.py
tools/jupyter/**/*.*
book/pages/glossary.md book/pages/notation.md book/pages/troubleshooting.md
helpers/**/*.py helpers/**/*.js helpers/*.csv lessons/data/* lessons/figures/*
stan/*.stan stan/*.stanfunctions
"""
# Targets of the Makefile that need what students do not get: `make` does not list them
UNLISTED = re.compile(rb"^((?!help|setup|lab|clean)[a-z-]+:.*?) ## .*$", re.MULTILINE)
README = """# Hierarchical models in Stan, from Python

You need Linux or macOS (on Windows, WSL), Python 3.12 or newer, `make` and a C++ compiler. Then

    make lab

sets everything up, which takes some minutes the first time, and opens JupyterLab on lesson 1. Work through
`lessons/` in order: run the cells, guess before you look, and let `helpers.check` tell you whether an answer
holds. The programs in `stan/` are yours to edit. If something goes wrong, look into
`book/pages/troubleshooting.md`.

## In a notebook service, such as Google Colab

Upload `handout.zip` and a notebook from its folder `lessons/`, and put two cells at the top of the notebook.
The first one unpacks the course and installs its packages:

```ipython3
!python3 -m zipfile -e handout.zip .
%pip install --quiet ./handout
```

Restart the session (in Colab: Runtime, Restart session), so that no old package stays in memory. The second
cell builds CmdStan, which takes some minutes unless there is one, and goes to the folder of the lessons:

```ipython3
import sys
!{sys.executable} handout/tools/install.py here
%cd handout/lessons
if "google.colab" in sys.modules:  # each of its cells is a page of its own, into which Bokeh has to be loaded
    import bokeh.io
    get_ipython().events.register("pre_run_cell", lambda _: bokeh.io.output_notebook(hide_banner=True))
```
"""


def without_solutions(text: str) -> str:
    """Take the solutions out of a lesson's text."""
    return SOLUTION.sub("", text)


def contents(course: Path = COURSE) -> dict[str, bytes]:
    """Collect the files of the handout, by their paths in it."""
    files = {"README.md": README.encode()}
    for pattern in KEPT.split():
        for path in sorted(course.glob(pattern)):
            files[path.relative_to(course).as_posix()] = path.read_bytes()
    files["Makefile"] = UNLISTED.sub(rb"\1", files["Makefile"])
    for lesson in sorted(course.glob("lessons/*.md")):
        text = without_solutions(lesson.read_text("utf-8"))
        files[f"lessons/{lesson.name}"] = text.encode()
        files[f"lessons/{lesson.stem}.ipynb"] = nbformat.writes(jupytext.reads(text, "md:myst")).encode()
    return files


def pack(archive: Path) -> None:
    """Write the handout."""
    archive.parent.mkdir(exist_ok=True)
    # A zip has no time zone. A text that came from the future would stay newer than its notebook, whatever is
    # edited in there; a day ago is past everywhere.
    written = time.gmtime(time.time() - 86400)[:6]
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, content in contents().items():
            info = zipfile.ZipInfo(f"{archive.stem}/{name}", date_time=written)
            info.external_attr = (
                0o644 << 16
            )  # readable for all, or on a server only the one who unpacks it reads it
            zipped.writestr(info, content, zipfile.ZIP_DEFLATED)
    print(f"the handout: {archive}", file=sys.stderr)


if __name__ == "__main__":
    pack(Path(sys.argv[1]))
