"""Every program also passes a current compiler, which many readers have."""

import subprocess

import pytest
from leaks import COURSE

from tools.newest import VERSION, current_stanc, objections


def test_it_is_the_version_that_the_page_on_cmdstan_names():
    said = subprocess.run([current_stanc(), "--version"], capture_output=True, text=True, check=True).stdout
    assert f"v{VERSION}" in said
    page = (COURSE / "book" / "pages" / "cmdstan.md").read_text("utf-8")
    assert f"compiler of Stan {VERSION.rsplit('.', 1)[0]}" in page


@pytest.mark.parametrize("program", sorted(COURSE.glob("stan/*.stan")), ids=lambda path: path.stem)
def test_no_program_of_the_course_is_objected_to(program):
    assert objections(program, program.parent) == ""


def test_what_a_current_compiler_does_not_take_is_reported(tmp_path):
    old = tmp_path / "old.stan"
    old.write_text("data { int N; real y[N]; }")  # Arrays were written like this before 2.26.
    assert "Syntax error" in objections(old, tmp_path)
