"""What is given away, handout and wheel, runs, and holds no solution, no answer and no trace of a machine."""

import json
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
from texts import without_code

import helpers
from tools.handout import choose, pack
from tools.notebooks import SOLUTIONS, without_solutions

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
    title = "<summary>Solution of 01.1</summary>"
    solution = f'<details class="solution">{title}\n\nhidden\n\n```python\n1\n```\n\n</details>\n\n'
    other = '<details class="right"><summary>B</summary>\n\n**Yes.**\n\n</details>\n'
    assert without_solutions(f"A\n\n{solution}{other}") == f"A\n\n{other}"


def test_the_handout_holds_no_solution(given):
    prose, lessons = "", [path.read_text("utf-8") for path in COURSE.glob("lessons/*.md")]
    for block in SOLUTIONS.findall("\n".join(lessons)):
        prose += re.sub(r"^```.*?^```$", "", block, flags=re.MULTILINE | re.DOTALL) + "\n"
    solutions = [line for line in prose.splitlines() if len(line) > 60]
    assert len(solutions) > 30
    texts = [path.read_text("utf-8") for path in given.glob("handout/lessons/*.*") if path.suffix != ".svg"]
    assert len(texts) == 2 * len(lessons)
    assert [line for line in [*solutions, 'class="solution"'] if any(line in text for text in texts)] == []


ANSWER = """```{code-cell} ipython3
:tags: [answer, remove-cell]

# 01.2
```
"""
SOLUTION = '<details class="solution"><summary>Solution of 01.2</summary>\n\nhidden\n\n</details>\n'
LESSON = f"# A\n\n**Exercise 01.2. B**\n\n{ANSWER}\n{SOLUTION}\nC\n"


# Answers of those who give it


@pytest.fixture
def kept(tmp_path):
    """A course of one lesson and one program under git, with nothing that is not committed."""
    for name, text in {
        "lessons/01-a.md": LESSON,
        "stan/a.stan": "// a\n",
        "helpers/measurements.csv": "y\n1\n",
        "Makefile": (COURSE / "Makefile").read_text(),
        "b.py": "",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    who = ["-c", "user.name=a", "-c", "user.email=a"]
    for command in (["init", "--quiet"], ["add", "."], [*who, "commit", "--quiet", "--message=a"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    return tmp_path


def test_empty_cells_for_answers_are_handed_out_as_they_are(kept):
    files = choose("handout", course=kept)
    assert files["lessons/01-a.md"].decode() == LESSON.replace(f"{SOLUTION}\n", "")
    cells = json.loads(files["lessons/01-a.ipynb"])["cells"]
    [cell] = [cell for cell in cells if cell["cell_type"] == "code"]
    assert "".join(cell["source"]) == "# 01.2"
    assert cell["metadata"]["tags"] == ["answer", "remove-cell"]


@pytest.mark.parametrize("what", ["handout", "book"])
@pytest.mark.parametrize(
    "name",
    ["lessons/01-a.md", "lessons/02-new.md", "stan/a.stan", "stan/new.stan", "helpers/measurements.csv"],
)
def test_edited_lessons_programs_or_tables_are_not_given_away(kept, what, name):
    (kept / name).write_text("answer\n")
    said = rf"^{what}: not as in the last commit: {name}: undo them, commit them \(.*\), or add .*TAKE=edited"
    with pytest.raises(SystemExit, match=said):
        choose(what, course=kept)


def test_edits_go_out_or_stay_as_the_instructor_says(kept):
    (kept / "lessons" / "01-a.md").write_text("answer\n")
    (kept / "stan" / "new.stan").write_text("// answer\n")
    edited, committed = (choose("handout", take, kept) for take in ("edited", "committed"))
    assert edited["lessons/01-a.md"] == b"answer\n"
    assert "stan/new.stan" in edited
    assert [name for name, content in committed.items() if b"answer\n" in content] == []
    assert "stan/new.stan" not in committed


def test_without_git_all_is_taken_as_it_is_and_it_is_said(kept, capsys):
    shutil.rmtree(kept / ".git")
    (kept / "lessons" / "01-a.md").write_text("edited\n")
    assert choose("handout", course=kept)["lessons/01-a.md"] == b"edited\n"
    assert capsys.readouterr().err == "handout: no git here, so lessons and programs are taken as they are\n"


def test_a_git_that_cannot_tell_stops_with_what_it_says(kept):
    shutil.rmtree(kept / ".git")
    subprocess.run(["git", "init", "--quiet"], cwd=kept, check=True)
    with pytest.raises(SystemExit, match=r"^git cannot tell .*HEAD.*: add TAKE=edited"):
        choose("handout", course=kept)


def test_only_a_book_without_solutions_asks_whether_lessons_are_edited():
    make = ["make", "--dry-run", "--old-file=setup", "MAKE=true", "book"]  # else it calls another make
    for solutions, asks in {"yes": False, "no": True}.items():
        command = [*make, f"SOLUTIONS={solutions}"]
        told = subprocess.run(command, cwd=COURSE, check=True, capture_output=True, text=True).stdout
        assert ("tools.handout book" in told) == asks, solutions


# What it takes to run


def test_every_link_of_the_handout_leads_to_something_in_it(given):
    dead, seen = [], 0
    for path in sorted((given / "handout").rglob("*")):
        if path.suffix == ".md":
            text = path.read_text("utf-8")
        elif path.suffix == ".ipynb":
            cells = nbformat.read(path, as_version=4).cells
            text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
        else:
            continue
        for target in re.findall(r"\]\(([^)\s]+)\)", without_code(text)):
            if not re.match(r"https?:|#", target):
                seen += 1
                if not (path.parent / target.partition("#")[0]).exists():
                    dead.append(f"{path.name}: {target}")
    assert seen > 50
    assert dead == []


def test_the_handout_has_whatever_its_commands_need(given):
    handout = given / "handout"
    subprocess.run(["make", "--dry-run", "lab"], cwd=handout, check=True, capture_output=True)
    listed = subprocess.run(["make", "-s"], cwd=handout, check=True, capture_output=True, text=True).stdout
    assert re.findall(r"^  ([a-z-]+) ", listed, re.MULTILINE) == ["help", "setup", "lab", "clean"]
    done = subprocess.run(["make", "book"], cwd=handout, capture_output=True, text=True)
    assert done.stderr.startswith("make book: not in the handout; `make` lists what is\n")
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
