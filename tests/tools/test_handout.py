"""Students get all that they need, and no solutions."""

import os
import re
import subprocess
import zipfile
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tools.handout import pack, without_solutions

COURSE = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def handout(tmp_path_factory):
    """The handout, unpacked."""
    folder = tmp_path_factory.mktemp("handout")
    pack(folder / "handout.zip")
    zipfile.ZipFile(folder / "handout.zip").extractall(folder)
    return folder / "handout"


def test_solutions_go_and_all_else_stays():
    text = (
        "A\n\n:::{solution} x\n:class: dropdown\n\nhidden\n\n```python\n1\n```\n:::\n\n:::{exercise} B\n:::\n"
    )
    assert without_solutions(text) == "A\n\n:::{exercise} B\n:::\n"
    nested = "::::{solution} x\n:::{admonition} y\nhidden\n:::\nhidden\n::::\nC\n"
    assert without_solutions(nested) == "C\n"


def test_on_a_server_everybody_may_read_what_one_has_unpacked(handout):
    entries = zipfile.ZipFile(handout.parent / "handout.zip").infolist()
    assert {entry.external_attr >> 16 & 0o777 for entry in entries} == {0o644}


def test_handout_holds_no_solution(handout):
    blocks = [
        block
        for lesson in COURSE.glob("lessons/*.md")
        for block in re.findall(r"^:::\{solution\} .*?\n:::$", lesson.read_text(), re.MULTILINE | re.DOTALL)
    ]
    prose = [re.sub(r"^```.*?^```$", "", block, flags=re.MULTILINE | re.DOTALL) for block in blocks]
    solutions = [line for text in prose for line in text.splitlines() if len(line) > 60]
    assert len(solutions) > 30
    texts = [path.read_text() for path in handout.glob("lessons/*.*") if path.suffix in (".md", ".ipynb")]
    assert len(texts) == 2 * len(list(COURSE.glob("lessons/*.md")))
    assert [line for line in solutions if any(line in text for text in texts)] == []
    assert not any("{solution}" in text for text in texts)


def test_handout_has_whatever_a_command_of_it_needs(handout):
    make = ["make", "--dry-run", "lab"]
    assert subprocess.run(make, cwd=handout, capture_output=True).returncode == 0
    listed = subprocess.run(
        ["make", "--no-print-directory"], cwd=handout, capture_output=True, text=True, check=True
    ).stdout
    assert re.findall(r"^  ([a-z-]+) ", listed, re.MULTILINE) == ["help", "setup", "lab", "clean"]
    for needed in (
        ".python-version",
        "requirements.txt",
        "tools/jupyter/jupyter_server_config.py",
        "LICENSE",
    ):
        assert (handout / needed).is_file()
    programs = {path.name for path in COURSE.glob("stan/*.stan*")}
    assert {path.name for path in handout.glob("stan/*")} == programs
    packed = {path.relative_to(handout) for path in handout.rglob("helpers/**/*") if path.is_file()}
    tracked = subprocess.run(
        ["git", "ls-files", "helpers"], cwd=COURSE, capture_output=True, text=True, check=True
    )
    code = {Path(name) for name in tracked.stdout.split() if not name.endswith(".md")}
    assert code <= packed


def test_a_lesson_of_the_handout_runs_where_it_was_unpacked(handout, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(handout))
    notebook = nbformat.read(handout / "lessons" / "02-centered-model.ipynb", as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell("print(helpers.__file__)"))
    where = {"metadata": {"path": str(handout / "lessons")}}
    NotebookClient(notebook, timeout=600, resources=where).execute()
    assert notebook.cells[-1].outputs[0].text.strip() == os.path.join(handout, "helpers", "__init__.py")
