"""Every program also passes a current compiler, which many readers have."""

import subprocess

import pytest
from leaks import COURSE

from tools.newest import VERSION, current_stanc, objections


def test_it_is_the_version_that_the_first_page_names():
    said = subprocess.run([current_stanc(), "--version"], capture_output=True, text=True, check=True).stdout
    assert f"v{VERSION}" in said
    assert f"compiler of Stan {VERSION.rsplit('.', 1)[0]}" in (COURSE / "README.md").read_text("utf-8")


@pytest.mark.parametrize("program", sorted(COURSE.glob("stan/*.stan")), ids=lambda path: path.stem)
def test_no_program_of_the_course_is_objected_to(program):
    assert objections(program, program.parent) == ""


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("data { int N; real y[N]; }", "Syntax error"),  # arrays as they were written before 2.26
        ("model { target += log_density(1); }", "log_density"),
        ("parameters { real x; } model { x ~ normal(0, 1) }", 'Expected either ";"'),
    ],
)
def test_what_a_current_compiler_does_not_take_is_reported(tmp_path, program, words):
    (tmp_path / "old.stan").write_text(program)
    assert words in objections(tmp_path / "old.stan", tmp_path)
