"""Who follows CONTRIBUTING's recipe for a lesson, with the template as it stands, gets tests that pass."""

import os
import re
import shutil
import subprocess
import sys

import jupytext
import pytest
from texts import COURSE

NAME = "10-its-name"
# Those of the lesson's own, and those that look at what all lessons share
CHOSEN = f"{NAME} or lesson_10 or agree_on_minutes or map_names or announced"
TESTS = ["tests/lessons", "tests/helpers/test_checks.py", "tests/book/test_pages.py"]


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


def run(course, *words):
    environ = os.environ | {"PYTHONPATH": str(course)}
    done = subprocess.run([sys.executable, *words], cwd=course, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A copy of the course in which somebody has followed the recipe."""
    course = tmp_path_factory.mktemp("recipe") / "course"
    for name in ("book", "helpers", "lessons", "stan", "tests", "tools"):
        shutil.copytree(COURSE / name, course / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("README.md", "CONTRIBUTING.md", "_toc.yml", "pyproject.toml"):
        shutil.copy(COURSE / name, course)
    lesson, checks = template()
    (course / "lessons" / f"{NAME}.md").write_text(lesson, "utf-8")
    (course / "helpers" / "checks" / "lesson_10.py").write_text(checks, "utf-8")
    last = "      - file: lessons/09-calibration\n"
    replaced(course / "_toc.yml", last, f"{last}      - file: lessons/{NAME}\n")
    readme = (course / "README.md").read_text("utf-8")
    (row,) = re.findall(r"^\| \[9\. .*\n", readme, re.MULTILINE)
    own = f"| [10. Its name](lessons/{NAME}.md) | draw something, compute something | 45 |\n"
    replaced(course / "README.md", row, row + own)
    in_all = re.search(r"about (\d+) minutes", readme)[1]
    replaced(course / "README.md", f"about {in_all} minutes", f"about {int(in_all) + 45} minutes")
    box = '<text class="name" x="400" y="49">9  Calibration</text>'
    ours = '<text class="name" x="0" y="0">10  Its name</text>'
    replaced(course / "lessons" / "figures" / "map.svg", box, box + ours)
    run(course, "-m", "tools.notebooks", "10")
    run(course, "-m", "tools.minutes", "10")
    return course


def test_the_templates_header_is_that_of_every_lesson():
    header = jupytext.reads(template()[0], fmt="md:myst").metadata
    assert all(header == jupytext.read(lesson).metadata for lesson in COURSE.glob("lessons/*.md"))


def test_a_lesson_made_by_the_recipe_passes_all_tests_of_lessons(course):
    """Its cells and its solutions among them, in which its own checks find the answers right."""
    said = run(course, "-m", "pytest", *TESTS, "-k", CHOSEN, "-n", "0", "-v")
    assert re.search(rf"{NAME}.*::Cell \d+ PASSED", said)
    assert "tests/helpers" in said


def test_checks_of_the_template_are_formatted_and_documented_as_all_code(course):
    checks = course / "helpers" / "checks" / "lesson_10.py"
    for words in (["check"], ["format", "--check"]):
        run(course, "-m", "ruff", *words, "--config", "pyproject.toml", checks)
