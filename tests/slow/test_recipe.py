"""Who follows CONTRIBUTING's recipe for a lesson, with the template as it stands, gets tests that pass."""

import os
import re
import shutil
import subprocess
import sys

import jupytext
from texts import COURSE

NAME = "99-its-name"
# These are the tests of the lesson's own, and those that look at what all lessons share.
CHOSEN = f"{NAME} or lesson_99 or agree_on_minutes or map_names or announced"
TESTS = ["tests/lessons", "tests/helpers/test_checks.py", "tests/book/test_pages.py"]


def replaced(path, *changes):
    text = path.read_text("utf-8")
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path.write_text(text, "utf-8")


def run(course, *words):
    environ = os.environ | {"PYTHONPATH": str(course)}
    done = subprocess.run([sys.executable, *words], cwd=course, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_lesson_made_by_the_recipe_passes_all_tests_of_lessons(tmp_path):
    """Its cells and its solutions pass, too, in which its own checks find the answers right."""
    course = tmp_path / "course"
    for name in ("book", "helpers", "lessons", "stan", "tests", "tools"):
        shutil.copytree(COURSE / name, course / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("README.md", "CONTRIBUTING.md", "_toc.yml", "pyproject.toml"):
        shutil.copy(COURSE / name, course)
    page = (COURSE / "book" / "pages" / "lesson-template.md").read_text("utf-8")
    found = re.findall(r"^`{5}(\w+)\n(.*?)^`{5}$", page, re.MULTILINE | re.DOTALL)
    (_, lesson), (_, checks) = found
    assert [language for language, _ in found] == ["markdown", "python"]
    header = jupytext.reads(lesson, fmt="md:myst").metadata
    assert all(header == jupytext.read(path).metadata for path in COURSE.glob("lessons/*.md"))

    (course / "lessons" / f"{NAME}.md").write_text(lesson, "utf-8")
    own = course / "helpers" / "checks" / "lesson_99.py"
    own.write_text(checks, "utf-8")
    last = "      - file: lessons/12-calibration\n"
    replaced(course / "_toc.yml", (last, f"{last}      - file: lessons/{NAME}\n"))
    readme = (course / "README.md").read_text("utf-8")
    (row,) = re.findall(r"^\| \[12\. .*\n", readme, re.MULTILINE)
    new = f"| [99. Its name](lessons/{NAME}.md) | draw something, compute something | 45 |\n"
    minutes = re.search(r"about (\d+) minutes", readme)
    summed = minutes[0].replace(minutes[1], str(int(minutes[1]) + 45))
    replaced(course / "README.md", (row, row + new), (minutes[0], summed))
    drawn = course / "lessons" / "figures" / "map.svg"
    (box,) = re.findall(r'<text class="name".*>12  .*</text>', drawn.read_text("utf-8"))
    new = '<text class="name" x="0" y="0">99  Its name</text>'
    replaced(drawn, (box, box + new))
    run(course, "-m", "tools.notebooks", "99")
    run(course, "-m", "tools.minutes", "99")

    said = run(course, "-m", "pytest", *TESTS, "-k", CHOSEN, "-n", "0", "-v")
    assert re.search(rf"{NAME}.*::Cell \d+ PASSED", said)
    assert "tests/helpers" in said
    for words in (["check"], ["format", "--check"]):
        run(course, "-m", "ruff", *words, "--config", "pyproject.toml", own)
