"""What is given away, handout and wheel, runs, and holds no solution and no trace of a machine."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest
from leaks import COURSE, leaks, names_of_this_machine
from nbclient import NotebookClient

import helpers
from tools.handout import pack, without_solutions

NOTEBOOK = "02-centered-model.ipynb"


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """A folder with `handout` and `wheel`, unpacked, and the archives of which they are."""
    folder = tmp_path_factory.mktemp("given")
    pack(folder / "handout.zip")
    zipfile.ZipFile(folder / "handout.zip").extractall(folder)
    hatch = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder]
    subprocess.run(hatch, cwd=COURSE, check=True, capture_output=True)
    shutil.unpack_archive(next(folder.glob("*.whl")), folder / "wheel", "zip")
    return folder


# Solutions


def test_solutions_are_taken_out_and_all_else_stays():
    solution = ":::{solution} x\n:class: dropdown\n\nhidden\n\n```python\n1\n```\n:::\n\n"
    assert without_solutions(f"A\n\n{solution}:::{{exercise}} B\n:::\n") == "A\n\n:::{exercise} B\n:::\n"
    nested = "::::{solution} x\n:::{admonition} y\nhidden\n:::\nhidden\n::::\nC\n"
    assert without_solutions(nested) == "C\n"


def test_the_handout_holds_no_solution(given):
    prose, lessons = "", [path.read_text("utf-8") for path in COURSE.glob("lessons/*.md")]
    for block in re.findall(r"^:::\{solution\} .*?\n:::$", "\n".join(lessons), re.MULTILINE | re.DOTALL):
        prose += re.sub(r"^```.*?^```$", "", block, flags=re.MULTILINE | re.DOTALL) + "\n"
    solutions = [line for line in prose.splitlines() if len(line) > 60]
    assert len(solutions) > 30
    texts = [path.read_text("utf-8") for path in given.glob("handout/lessons/*.*") if path.suffix != ".svg"]
    assert len(texts) == 2 * len(lessons)
    assert [line for line in [*solutions, "{solution}"] if any(line in text for text in texts)] == []


# What it takes to run


def test_the_handout_has_whatever_its_commands_need(given):
    handout = given / "handout"
    subprocess.run(["make", "--dry-run", "lab"], cwd=handout, check=True, capture_output=True)
    listed = subprocess.run(["make", "-s"], cwd=handout, check=True, capture_output=True, text=True).stdout
    assert re.findall(r"^  ([a-z-]+) ", listed, re.MULTILINE) == ["help", "setup", "lab", "clean"]
    tracked = ["git", "ls-files", "helpers", "stan", ".python-version", "requirements.txt", "LICENSE"]
    tracked = subprocess.run(tracked, cwd=COURSE, check=True, capture_output=True, text=True).stdout.split()
    needed = ["tools/jupyter/jupyter_server_config.py", *(name for name in tracked if name[-3:] != ".md")]
    assert [name for name in needed if not (handout / name).is_file()] == []
    entries = zipfile.ZipFile(given / "handout.zip").infolist()
    assert {entry.external_attr >> 16 & 0o777 for entry in entries} == {0o644}, "all may read it on a server"


def test_a_lesson_of_the_handout_runs_where_it_was_unpacked(given, monkeypatch):
    handout = given / "handout"
    monkeypatch.setenv("PYTHONPATH", str(handout))
    notebook = nbformat.read(handout / "lessons" / NOTEBOOK, as_version=4)
    sampling = next(i for i, cell in enumerate(notebook.cells) if ".sample(" in cell.source)
    notebook.cells = notebook.cells[: sampling + 1]
    notebook.cells.append(nbformat.v4.new_code_cell("print(helpers.__file__)"))
    where = {"metadata": {"path": str(handout / "lessons")}}
    NotebookClient(notebook, timeout=600, resources=where).execute()
    assert notebook.cells[-1].outputs[0].text.strip() == str(handout / "helpers" / "__init__.py")


def test_an_installed_wheel_finds_programs_and_data(given, tmp_path):
    ask = (
        "import helpers; print(helpers.stan_file('centered'), helpers.__file__, len(helpers.measurements()))"
    )
    environ = os.environ | {"PYTHONPATH": str(given / "wheel")}
    shutil.copytree(COURSE / "stan", tmp_path / "stan")
    (tmp_path / "lessons").mkdir()
    own = given / "wheel" / "helpers" / "stan"
    for folder, programs in [(given, own), (tmp_path / "lessons", tmp_path / "stan")]:
        command = [sys.executable, "-c", ask]
        done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=True)
        assert done.stdout == f"{programs}/centered.stan {given}/wheel/helpers/__init__.py 47\n"
    assert (own / "centered.stan").read_text() == (COURSE / "stan" / "centered.stan").read_text()


def test_a_table_of_a_lesson_is_found_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert helpers.table_file("seeds.csv") == COURSE / "lessons" / "data" / "seeds.csv"
    (tmp_path / "data").mkdir()
    for own in (tmp_path / "data" / "seeds.csv", tmp_path / "seeds.csv"):  # These are a reader's own.
        own.touch()
        assert helpers.table_file(Path("seeds.csv")) == own
    said = re.escape(f"no table 'sedes.csv' in {tmp_path}: go to the folder of the lessons first")
    with pytest.raises(FileNotFoundError, match=said):
        helpers.table_file("sedes.csv")
    with pytest.raises(TypeError, match="name is 5: give the name of a table"):
        helpers.table_file(5)


def test_no_lesson_reads_a_table_of_its_working_folder_only():
    bare = r"""\bpl\.(?:read|scan)_\w+\(\s*["'].*"""
    texts = {lesson.name: lesson.read_text("utf-8") for lesson in COURSE.glob("lessons/*.md")}
    assert [name for name, text in texts.items() if re.search(bare, text)] == []


# Traces of a machine


def test_nothing_given_away_holds_a_secret_path_or_name(given, tmp_path):
    for folder in (COURSE / "lessons", COURSE / "stan", given / "handout", given / "wheel"):
        # Python keeps what it compiled beside what other tests here ran.
        ignored = shutil.ignore_patterns("__pycache__", *[".*"] * folder.is_relative_to(COURSE))
        shutil.copytree(folder, tmp_path / folder.name, ignore=ignored)
    assert leaks(tmp_path) == []


# Some are put together here, so that this file itself holds none.
PLANTED = [
    ("a home", "/".join(["", "home", "ada", ".cmdstan"])),
    ("the checkout", f"{COURSE}/helpers/models.py"),
    ("a temporary folder", "/".join(["", "tmp", "tmpab12cd", "centered.csv"])),
    ("a name", "written by lovelace-laptop"),
    ("a secret", "http://localhost:8888/lab?token=0123456789abcdef0123456789abcdef"),
    ("a registry", " ".join(["pip install", "--extra-index-url", "https://example.org/", "bokeh"])),
    ("a registry", "Looking in indexes: " + "/".join(["https://example.org:8443", "mirror", "simple"])),
    ("a registry", "https://" + ".".join(["files", "example", "org/ab/bokeh-3.10.whl"])),
    ("an e-mail address", "ada@example.org"),
]


@pytest.mark.parametrize(("kind", "text"), PLANTED)
def test_each_kind_of_trace_would_be_found(tmp_path, kind, text):
    notebook = nbformat.read(COURSE / "lessons" / NOTEBOOK, as_version=4)
    output = nbformat.v4.new_output("stream", text=text)
    notebook.cells.append(nbformat.v4.new_code_cell(outputs=[output]))
    nbformat.write(notebook, tmp_path / "planted.ipynb")
    found = {line.split(": ")[1] for line in leaks(tmp_path, {"lovelace-laptop"})}
    assert kind in found
    assert found <= {kind, "a home", "a temporary folder"}, "a checkout may stand in either"


def test_words_of_the_course_do_not_count_as_names(monkeypatch):
    monkeypatch.setattr("getpass.getuser", lambda: "colony")
    monkeypatch.setattr("socket.gethostname", lambda: "lovelace")
    assert names_of_this_machine() == {"lovelace"}
