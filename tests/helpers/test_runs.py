"""Runs: how far they are is told late and in one line, and so is why one stopped."""

import re

import pytest
from IPython.core.interactiveshell import InteractiveShell
from makes import PROGRAM, quick  # noqa: F401

import helpers
from helpers.compiling import progress

LEVELS = ["day", "batch", "colony"]
CELLS = helpers.stan_data(helpers.measurements(), LEVELS, "y", remark=False)[0]


def compiled(name, capfd):
    """Compile a program, which says so if it has not been yet, and forget what it said."""
    model = helpers.stan_model(name)
    capfd.readouterr()
    return model


def test_a_run_that_takes_long_says_in_one_line_how_far_it_is(monkeypatch, capfd):
    model = compiled("funnel", capfd)
    monkeypatch.setattr(progress, "LATE", 0)
    model.sample(chains=2, seed=1)
    out, err = capfd.readouterr()
    assert out == ""
    assert re.fullmatch(r"(\rsampling funnel\.stan \.\.\. [ \d]{3}% in \d+ s)+\n", err)
    assert " 100% in " in err.split("\r")[-1]


def test_a_run_that_does_not_take_long_says_nothing(monkeypatch, capfd):
    model = compiled("funnel", capfd)
    monkeypatch.setattr(progress, "LATE", float("inf"))
    model.sample(chains=2, seed=1)
    assert capfd.readouterr() == ("", "")


def test_a_run_without_progress_stays_silent_however_long(monkeypatch, capfd):
    model = compiled("funnel", capfd)
    monkeypatch.setattr(progress, "LATE", 0)
    model.sample(chains=1, seed=1, show_progress=False)
    assert capfd.readouterr() == ("", "")


def test_a_compile_says_that_it_started_and_how_long_it_took(quick, tmp_path, capfd):
    source = tmp_path / "tiny.stan"
    source.write_text(PROGRAM)
    helpers.stan_model(source)
    helpers.stan_model(source)
    start, _, seconds = capfd.readouterr().err.partition(" ... took ")
    assert start == "compiling tiny.stan (about 20 s, once)"
    assert seconds.removesuffix(" s\n").isdigit()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({**CELLS, "y": None}, r"y, error: null values not allowed$"),
        (
            {k: v for k, v in CELLS.items() if k != "y"},
            r"variable does not exist; .*\(line \d+\): give y in ",
        ),
        (
            CELLS | {"index_1": [1, 2]},
            r"dims declared=\(8\); dims found=\(2\) \(line \d+\): look at index_1 in",
        ),
        (CELLS | {"index_1": [9] * 8}, r"index_1(\[1\])? is 9, but must be less than or equal to 3"),
    ],
    ids=["null", "forgotten", "dimension", "range"],
)
def test_a_run_that_stops_gives_the_reason_of_stan_in_one_line(data, said):
    with pytest.raises(RuntimeError, match=rf"^centered\.stan stopped: [^\n]*{said}[^\n]*$") as caught:
        helpers.stan_model("centered").sample(data=data, seed=1)
    assert "Command and output files:" in str(caught.value.__cause__), "the whole log"


@pytest.mark.parametrize(
    ("does", "said"),
    [
        ("kill -9 $$", r"the system killed it \(signal 9\), perhaps for want of memory"),
        ("exit 3", "it ended with code 3"),
        ("echo Iteration; echo last words; exit 1", "last words"),
        ("echo '  Log probability evaluates to log(0).'; echo failed; exit 1", r".*evaluates to log\(0\)\."),
        (
            "echo \"Exception: f: bad (in '/x/a.stanfunctions', line 5, column 2, included from\"; exit 1",
            r"f: bad \(a\.stanfunctions, line 5\)",
        ),
    ],
)
def test_the_reason_is_found_also_where_stan_names_no_exception(quick, tmp_path, does, said):
    program = tmp_path / "program"
    program.write_text(f'#!/bin/sh\n[ "$1" = info ] && exit 0\n{does}\n')
    quick.let_make(f'#!/bin/sh\nfor last; do :; done\ncp {program} "$last"\nchmod +x "$last"\n')
    (tmp_path / "tiny.stan").write_text(PROGRAM)
    with pytest.raises(RuntimeError, match=f"^tiny.stan stopped: {said}$"):
        helpers.stan_model(tmp_path / "tiny.stan").sample(chains=2)


def test_a_run_that_stops_is_one_line_in_a_notebook(capfd):
    compiled("centered", capfd)
    shell = InteractiveShell()
    shell.run_cell("import helpers; helpers.stan_model('centered').sample(seed=1)")
    assert capfd.readouterr().out.strip().count("\n") == 0


def test_a_program_that_stan_has_a_remark_on_is_taken(quick, tmp_path):
    source = tmp_path / "halved.stan"
    source.write_text("data { int N; }\nparameters { real x; }\nmodel { x ~ normal(N / 2, 1); }\n")
    assert list(helpers.stan_model(source).src_info()["parameters"]) == ["x"]


def test_the_frame_in_place_of_the_dictionary_is_refused_in_one_line(capfd):
    with pytest.raises(TypeError, match=r"^data is a polars\.DataFrame: give the dictionary, "):
        compiled("centered", capfd).sample(data=helpers.measurements(), seed=1)


def test_whoever_takes_an_edited_program_of_the_course_is_told(quick, tmp_path, monkeypatch, capfd):
    original = tmp_path / "stan" / "original"
    original.mkdir(parents=True)
    (original / "tiny.stan").write_text(PROGRAM)
    monkeypatch.chdir(tmp_path)
    for text, told in ((PROGRAM, False), (f"{PROGRAM}// mine\n", True)):
        (tmp_path / "stan" / "tiny.stan").write_text(text)
        helpers.stan_model("tiny")
        said = "stan/tiny.stan was edited, and lessons build on it: `!cp stan/original/tiny.stan stan`"
        assert (said in capfd.readouterr().err) == told
