"""Make the paired notebooks from the lessons: ``make notebooks``.

A lesson's text is its source. The notebook beside it is run anew and keeps the outputs only of cells tagged
``nbval-check-output``: those that must be the same for every reader, and that nbval compares.
"""

import contextlib
import os
import re
import sys
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

LESSONS = Path(__file__).parent.parent / "lessons"
NUMBERED = "[0-9]*.md"  # lessons; the other texts are appendices, a-*.md and so on
CHECKED = "nbval-check-output"
FOLDED = "hide-cell"
ANSWER = "answer"  # an empty cell below an exercise
SOLUTION = "solution"
SOLUTIONS = re.compile(r'^<details class="solution">.*?^</details>\n+', re.MULTILINE | re.DOTALL)


def to_notebook(text: str, name: str) -> nbformat.NotebookNode:
    """Notebook from a lesson's text, its checks folded, with cell ids that do not change from run to run."""
    notebook = jupytext.reads(text, "md:myst")
    for number, cell in enumerate(notebook.cells, start=1):
        cell["id"] = f"{name}-{number}"
        if FOLDED in cell.metadata.get("tags", []):
            cell.metadata["jupyter"] = {"source_hidden": True}  # JupyterLab and VS Code show a line to open
    return notebook


def read_lesson(lesson: Path) -> nbformat.NotebookNode:
    """Notebook of a lesson, without outputs."""
    return to_notebook(lesson.read_text("utf-8"), lesson.stem)


def without_solutions(text: str) -> str:
    """Take the solutions out of a lesson's text."""
    return SOLUTIONS.sub("", text)


def with_solutions(lesson: Path) -> nbformat.NotebookNode:
    """Code cells of a lesson and, in cells tagged ``solution``, the code of its solutions, as a notebook."""
    notebook = nbformat.v4.new_notebook()
    for cell in read_lesson(lesson).cells:
        if cell.cell_type == "code" and ANSWER not in cell.metadata.get("tags", []):
            notebook.cells.append(cell)
        for solution in SOLUTIONS.findall(f"{cell.source}\n"):
            for code in re.findall(r"^```python\n(.*?)^```", solution, re.MULTILINE | re.DOTALL):
                notebook.cells.append(nbformat.v4.new_code_cell(code, metadata={"tags": [SOLUTION]}))
    return notebook


def make_workplace(folder: Path) -> Path:
    """Make a folder to run a lesson in, which the lesson may write to: beside it the tables and programs."""
    lessons = folder / "lessons"
    lessons.mkdir(parents=True, exist_ok=True)
    for link, target in {
        folder / "stan": LESSONS.parent / "stan",
        lessons / "data": LESSONS / "data",
    }.items():
        if not link.exists():
            with contextlib.suppress(FileExistsError):  # another process was faster
                link.symlink_to(target)
    return lessons


def run(notebook: nbformat.NotebookNode, folder: Path) -> nbformat.NotebookNode:
    """Execute a notebook in `folder` and keep what its checked cells put out."""
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(folder)}}).execute()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.metadata.pop("execution", None)  # times
            if CHECKED in cell.metadata.get("tags", []):
                cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
            else:
                cell.outputs, cell.execution_count = [], None
    return notebook


def refuse_edited(lesson: Path) -> None:
    """Stop before a notebook is overwritten that was edited by itself, as in VS Code."""
    path = lesson.with_suffix(".ipynb")
    if path.exists() and path.stat().st_mtime > lesson.stat().st_mtime + 1:  # second, as Jupytext allows
        cells = [[cell.source for cell in jupytext.read(file).cells] for file in (path, lesson)]
        if cells[0] != cells[1]:
            raise SystemExit(
                f"{path.name} was edited after {lesson.name}: "
                f"`.venv/bin/jupytext --sync lessons/{path.name}` brings the edit into the text, "
                f"`touch lessons/{lesson.name}` gives it up"
            )


def write(notebook: nbformat.NotebookNode, lesson: Path) -> None:
    """Write the notebook of a lesson, as old as its text: neither is an edit of the other."""
    path = lesson.with_suffix(".ipynb")
    nbformat.write(notebook, path)
    written = lesson.stat()
    os.utime(path, ns=(written.st_atime_ns, written.st_mtime_ns))


def chosen(starts: list[str]) -> list[Path]:
    """Find the lessons whose names begin so, or all."""
    lessons = sorted({lesson for start in starts or [""] for lesson in LESSONS.glob(f"{start}*.md")})
    if not lessons:
        raise SystemExit(f"no lesson begins with {' or '.join(starts)}: give its number, such as 03")
    return lessons


if __name__ == "__main__":
    lessons = chosen(sys.argv[1:])
    for lesson in lessons:
        refuse_edited(lesson)
    for lesson in lessons:
        print(f"running {lesson.name} ...", file=sys.stderr)
        write(run(read_lesson(lesson), LESSONS), lesson)
