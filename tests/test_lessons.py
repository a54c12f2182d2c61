"""The lessons keep their shape, their notebooks keep step with them, and their solutions run."""

import re
import sys
from pathlib import Path

import jupytext
import nbformat
import pytest
from nbclient import NotebookClient

COURSE = Path(__file__).parent.parent
LESSONS = sorted((COURSE / "lessons").glob("*.md"))
sys.path.insert(0, str(COURSE / "book"))
from notebooks import CHECKED, desk, pair, run, solved  # noqa: E402

by_lesson = pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)


def stored(lesson):
    return nbformat.read(lesson.with_suffix(".ipynb"), as_version=4)


@by_lesson
def test_notebook_is_in_step_with_its_text(lesson):
    def content(notebook):
        return [(c.id, c.cell_type, c.source, c.metadata.get("tags", [])) for c in notebook.cells]

    assert content(stored(lesson)) == content(pair(lesson)), "run `make notebooks`"


@by_lesson
def test_notebook_holds_the_outputs_of_checked_cells_and_no_others(lesson):
    for cell in stored(lesson).cells:
        if cell.cell_type == "code":
            assert bool(cell.outputs) == (CHECKED in cell.metadata.get("tags", [])), cell.source
    assert any(cell.get("outputs") for cell in stored(lesson).cells), "nothing for nbval to compare"


@by_lesson
def test_three_exercises_at_least_each_with_a_folded_solution(lesson):
    text = lesson.read_text("utf-8")
    labels = re.findall(r"^:::\{exercise\}.*\n:label: (\S+)", text, re.MULTILINE)
    solved = re.findall(r"^:::\{solution\} (\S+)\n:class: dropdown", text, re.MULTILINE)
    assert len(labels) >= 3
    assert sorted(labels) == sorted(solved)


@by_lesson
def test_lesson_is_in_the_book_and_the_readme(lesson):
    assert f"lessons/{lesson.stem}" in (COURSE / "_toc.yml").read_text()
    assert f"lessons/{lesson.name}" in (COURSE / "README.md").read_text()


@by_lesson
def test_code_fits_the_page(lesson):
    wide = [
        line
        for cell in pair(lesson).cells
        if cell.cell_type == "code"
        for line in cell.source.splitlines()
        if len(line) > 92
    ]
    assert wide == []


@by_lesson
def test_code_of_every_solution_runs(lesson, tmp_path):
    folder = desk(tmp_path)
    NotebookClient(solved(lesson), timeout=600, resources={"metadata": {"path": str(folder)}}).execute()


def test_notebooks_keep_what_checked_cells_put_out_and_nothing_else(tmp_path):
    def code(source, tags):
        return nbformat.v4.new_code_cell(source, metadata={"tags": tags})

    shout = "import sys; print('log', file=sys.stderr); print('shown'); 6 * 7"
    notebook = nbformat.v4.new_notebook(cells=[code(shout, []), code(shout, [CHECKED])])
    untagged, checked = run(notebook, tmp_path).cells
    assert untagged.outputs == []
    assert [(o.get("name"), o.get("text"), o.get("data")) for o in checked.outputs] == [
        ("stdout", "shown\n", None),
        (None, None, {"text/plain": "42"}),
    ]
    assert "execution" not in checked.metadata


def test_every_formats_header_names_the_pair():
    for lesson in LESSONS:
        assert jupytext.read(lesson).metadata["jupytext"]["formats"] == "ipynb,md:myst"
