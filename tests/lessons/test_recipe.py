"""Who follows CONTRIBUTING's recipe for a lesson, with the template as it stands, gets tests that pass."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import jupytext
import pytest

COURSE = Path(__file__).parents[2]
from tools import minutes

NAME = "10-its-name"
# As `make notebooks` does for all lessons; and the solutions, with the lesson before them
NOTEBOOK = """
from tools import notebooks
lesson = notebooks.LESSONS / "10-its-name.md"
notebooks.write(notebooks.run(notebooks.read_lesson(lesson), notebooks.LESSONS), lesson)
"""
SOLVE = """
import pathlib, sys, notebooks
from nbclient import NotebookClient
where = {"metadata": {"path": str(notebooks.make_workplace(pathlib.Path(sys.argv[1])))}}
NotebookClient(notebooks.with_solutions(notebooks.LESSONS / "10-its-name.md"), timeout=300, resources=where).execute()
"""


def template():
    """The lesson and its checks, as they stand on the page."""
    page = (COURSE / "book" / "pages" / "lesson-template.md").read_text("utf-8")
    found = re.findall(r"^`{5}(\w+)\n(.*?)^`{5}$", page, re.MULTILINE | re.DOTALL)
    assert [language for language, _ in found] == ["markdown", "python"]
    return [text for _, text in found]


def replaced(path, old, new):
    text = path.read_text("utf-8")
    assert text.count(old) == 1, old
    path.write_text(text.replace(old, new), "utf-8")


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A copy of the course in which somebody has followed the recipe."""
    course = tmp_path_factory.mktemp("recipe") / "course"
    ignored = shutil.ignore_patterns("__pycache__", "slow", "browser")
    for name in ("book", "helpers", "lessons", "stan", "tests"):
        shutil.copytree(COURSE / name, course / name, ignore=ignored)
    for name in ("README.md", "CONTRIBUTING.md", "_toc.yml", "pyproject.toml"):
        shutil.copy(COURSE / name, course)
    lesson, checks = template()
    (course / "lessons" / f"{NAME}.md").write_text(lesson, "utf-8")
    (course / "helpers" / "checks" / "lesson_10.py").write_text(checks, "utf-8")
    last = "      - file: lessons/09-calibration\n"
    replaced(course / "_toc.yml", last, f"{last}      - file: lessons/{NAME}\n")
    readme = course / "README.md"
    (row,) = re.findall(r"^\| \[9\. .*\n", readme.read_text("utf-8"), re.MULTILINE)
    replaced(
        readme, row, f"{row}| [10. Its name](lessons/{NAME}.md) | draw something, compute something | 45 |\n"
    )
    in_all = re.search(r"about (\d+) minutes", readme.read_text("utf-8"))[1]
    replaced(readme, f"about {in_all} minutes", f"about {int(in_all) + 45} minutes")
    box = '<text class="name" x="400" y="49">9  Calibration</text>'
    replaced(course / "lessons" / "figures" / "map.svg", box, f'{box}<text class="name" x="0" y="0">10  Its name</text>')
    run(course, "-c", NOTEBOOK)
    run(course, "minutes.py", "--write")
    return course


def run(course, *words):
    environ = os.environ | {"PYTHONPATH": str(course)}
    done = subprocess.run(
        [sys.executable, *words], cwd=course / "book", env=environ, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_templates_header_is_that_of_every_lesson():
    header = jupytext.reads(template()[0], fmt="md:myst").metadata
    assert all(header == jupytext.read(lesson).metadata for lesson in (COURSE / "lessons").glob("*.md"))


def test_a_lesson_made_by_the_recipe_passes_all_tests_of_lessons(course):
    """Those of its own, those of its notebook, and those that look at what all lessons share."""
    tests = [f"../tests/test_{name}.py" for name in ("lessons", "claims", "checks", "pages")]
    chosen = f"{NAME} or lesson_10 or agree_on_minutes or adds_up or map or announced or place"
    run(course, "-m", "pytest", "-q", *tests, f"../lessons/{NAME}.ipynb", "-k", chosen, "-n", "0")


def test_the_template_takes_about_the_minutes_that_it_says():
    text = template()[0]
    parts = [minutes.section(NAME, *part, seconds=5) for part in minutes.split(text)]
    assert abs(sum(part.reading + part.exercises for part in parts) / minutes.stated(text)[0] - 1) < 2 / 5


def test_its_solutions_run_and_its_own_checks_find_them_right(course, tmp_path):
    run(course, "-c", SOLVE, str(tmp_path))


def test_checks_of_the_template_are_formatted_and_documented_as_all_code(tmp_path):
    path = tmp_path / "lesson_10.py"
    path.write_text(template()[1], "utf-8")
    settings = ["--config", COURSE / "pyproject.toml"]
    for words in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *words, *settings, path], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
