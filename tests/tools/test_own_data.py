"""Priors and unit of the table of measurements reach the two programs, and lessons that quote them."""

import shutil

import pytest
from texts import COURSE

import helpers
from tools import own_data

OWN = {"theta": (-5.5, 0.25), "tau": 8, "sigma": 0.5}


@pytest.fixture
def course(tmp_path):
    for name in ("stan", "lessons"):
        shutil.copytree(COURSE / name, tmp_path / name, ignore=shutil.ignore_patterns("data", "figures"))
    return tmp_path


def texts(course):
    return {path.name: path.read_text("utf-8") for path in course.rglob("*.*") if path.is_file()}


def test_programs_of_the_course_have_the_priors_of_its_table(course):
    before = texts(course)
    own_data.write_priors(course)
    assert texts(course) == before


def test_priors_can_be_written_and_written_back_without_a_trace(course, monkeypatch):
    before = texts(course)
    with monkeypatch.context() as other:
        other.setattr(helpers, "PRIOR", OWN)
        other.setattr(helpers, "UNIT", "mg/l")
        own_data.write_priors(course)
    written = ["theta ~ normal(-5.5, 0.25);", "tau ~ normal(0, 8);", "theta   ~ Normal(-5.5, 0.25)", "(mg/l)"]
    assert [line for line in written if line not in texts(course)["centered.stan"]] == []
    own_data.write_priors(course)
    assert texts(course) == before


def test_a_claim_is_found_under_its_heading_or_its_exercise():
    text = '## One\n\n```python\nassert x, "x is 1"\n```\n\n## Two\n\n```python\nassert y, "y is 2"\n```\n'
    assert own_data.section(text, "x is 1") == "One"
    assert own_data.section(text, "y is 2 [NameError: name 'y' is not defined]") == "Two"
    assert own_data.section(text, "helpers.check('03.2', 0.01)") == "exercise 03.2"
