"""Priors and unit of the table of measurements reach the three programs, and lessons that quote them."""

import re
import shutil

import pytest
from texts import COURSE

import helpers
from helpers import data, priors
from tools import own_data, sheet
from tools.tables import seeds

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
    written[2] = "tau[k] ~ HalfNormal(8)"
    assert [line for line in written if line not in texts(course)["spreads.stan"]] == []
    own_data.write_priors(course)
    assert texts(course) == before


def test_a_claim_is_found_under_its_heading_or_its_exercise():
    text = '## One\n\n```python\nassert x, "x is 1"\n```\n\n## Two\n\n```python\nassert y, "y is 2"\n```\n'
    assert own_data.section(text, "x is 1") == "One"
    assert own_data.section(text, "y is 2 [NameError: name 'y' is not defined]") == "Two"
    assert own_data.section(text, "helpers.check('03.2', 0.01)") == "exercise 03.2"


@pytest.mark.parametrize(
    ("times", "change"), [(10, "divide y and the priors by 9.4"), (0.1, "multiply .* by 11")]
)
def test_a_unit_too_small_or_large_stops_and_names_a_factor(times, change):
    y = {"y": 10 + times * (seeds.cells()["y"] - 10)}
    scales = {"theta": (10, 3 * times), "tau": 5 * times, "sigma": 5 * times}
    with pytest.raises(SystemExit, match=rf"^a third of the posterior of τ .*{change}, and name that unit$"):
        own_data.check_spread(helpers.exact_posterior(seeds.cells() | y, scales))


def test_only_a_spread_clearly_above_zero_is_remarked_upon(capsys):
    own_data.check_spread(helpers.exact_posterior(seeds.cells()))
    assert capsys.readouterr().out == ""
    apart = helpers.simulate([3, 4, 2, 2], theta=10, tau=2, sigma=1, seed=1, levels=helpers.LEVELS)
    with pytest.raises(SystemExit):
        # The unit does not suit either, which another test is about.
        own_data.check_spread(helpers.exact_posterior(helpers.stan_data(apart, helpers.LEVELS, "y")[0]))
    assert capsys.readouterr().out.startswith("with this table the spread τ is clearly above zero")


@pytest.mark.parametrize(("old", "new"), [("11.40", "n.a."), ("11.40", ""), ("11.40", "inf")])
def test_a_cell_that_is_no_number_is_named_by_its_line(monkeypatch, old, new):
    text = "# a\n\n" + priors.TABLE.replace(old, new, 1)
    monkeypatch.setattr(data, "TABLE", text)
    said = f"line 6 of helpers/measurements.csv has {new!r} in y: give a number, or leave the line out"
    with pytest.raises(ValueError, match=f"^{re.escape(said)}$"):
        helpers.measurements()
    with pytest.raises(SystemExit, match=f"^{re.escape(said)}$"):
        own_data.check()


def test_all_that_a_table_does_not_say_is_named_at_once():
    with pytest.raises(ValueError, match=r"^measurements.csv has no unit, no prior, no column y: begin .*$"):
        priors.read_header("week,plate,well,conc\n1,1,1,0.5\n")


def test_a_sheet_with_exercises_on_another_tree_is_refused(monkeypatch):
    other = priors.TABLE.replace("day,batch", "day,dish").replace("monday", "sunday")
    monkeypatch.setattr(data, "TABLE", other)
    monkeypatch.setattr(helpers, "LEVELS", ["day", "dish", "colony"])
    with pytest.raises(SystemExit, match=r"^no sheet: 01-data-generation.md does not name dish, sunday of"):
        sheet.sheet("<svg></svg>")
