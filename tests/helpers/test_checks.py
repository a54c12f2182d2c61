"""Exercises answer back: a verdict is what it says, and the lessons and the checks announce each other."""

import math
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import xarray as xr
from IPython.core.interactiveshell import InteractiveShell

import helpers
from helpers import checks
from helpers.checks import WrongAnswer, answers, exercise, programs

COURSE = Path(__file__).parents[2]
LESSONS = sorted((COURSE / "lessons").glob("*.md"))
NUMBER = re.compile(r'helpers\.check\("(\d\d\.\d+)"')


@pytest.fixture
def two(monkeypatch):
    """Two exercises of a lesson 97: one wants a 3, the other may say anything that is odd in HTML."""
    checks.exercises()  # now all of the lessons' are known
    monkeypatch.setattr(checks, "CHECKS", dict(checks.CHECKS))
    checks.exercises.cache_clear()

    @exercise("97.1")
    def three(answer):
        if not isinstance(answer, int):
            raise TypeError(f"the answer is a {type(answer).__name__}: give a whole number")
        if answer != 3:
            raise WrongAnswer("Count again.")
        return "Three it is."

    @exercise("97.2")
    def odd(answer):
        raise WrongAnswer("<b>1 < 2</b>")

    yield
    checks.exercises.cache_clear()


def test_a_verdict_is_true_or_false_and_says_why(two):
    right, wrong = helpers.check("97.1", 3), helpers.check("97.1", 4)
    assert right
    assert str(right) == repr(right) == "✔ Right. Three it is."
    assert not wrong
    assert isinstance(wrong, helpers.Verdict)
    assert str(wrong) == "✘ Not yet. Count again."


def test_a_verdict_in_html_is_text_and_has_a_colour_of_its_own(two):
    assert "&lt;b&gt;1 &lt; 2&lt;/b&gt;" in helpers.check("97.2", None)._repr_html_()
    right, wrong = (helpers.check("97.1", n)._repr_html_() for n in (3, 4))
    assert re.search(r"color: (#\w+)", right)[1] != re.search(r"color: (#\w+)", wrong)[1]


def test_a_number_may_lack_its_zero():
    assert helpers.check("1.1", [2, 3, 1])
    assert helpers.check(1.1, [2, 3, 1])


@pytest.mark.parametrize("number", ["98.7", "x", "", "97.9", "97-1", "97.1 "])
def test_an_unknown_number_names_those_there_are(two, number):
    known = "97.1, 97.2" if number.startswith("97") else ", ".join(checks.exercises())
    with pytest.raises(ValueError, match=f"^no exercise '{number}' answers back; there are {known}$"):
        helpers.check(number, 3)


def test_a_check_prints_nothing(two, capfd):
    helpers.check("97.1", 3)
    helpers.check("97.1", 4)
    assert capfd.readouterr() == ("", "")


def exercises_of(lesson):
    """Numbers and texts of the exercises of a lesson, in order."""
    form = r'^<div class="exercise" id="\S+">\n\n\*\*Exercise (\S+)\. (.*?)^</div>$'
    return re.findall(form, lesson.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def announced(lesson):
    """Numbers in exercises that say ``helpers.check("NN.k"``, with the number of the exercise they are in."""
    return [(number, said) for number, text in exercises_of(lesson) for said in NUMBER.findall(text)]


def test_every_check_is_announced_in_the_exercise_of_its_number():
    in_lessons = [pair for lesson in LESSONS for pair in announced(lesson)]
    assert [number for number, mentioned in in_lessons if number != mentioned] == []
    assert sorted(mentioned for _, mentioned in in_lessons) == list(checks.exercises())


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)
def test_exercises_are_in_order_and_their_solutions_proven_right(lesson):
    text = lesson.read_text("utf-8")
    numbers = [number for number, _ in exercises_of(lesson)]
    assert numbers == [f"{lesson.name[:2]}.{k}" for k in range(1, len(numbers) + 1)]
    proven = re.findall(r'^ *assert helpers\.check\("(\S+)", ', text, re.MULTILINE)
    assert sorted(set(proven)) == sorted({number for number, _ in announced(lesson)})


def test_checks_are_in_the_module_of_their_lesson():
    for module in Path(checks.__file__).parent.glob("lesson_*.py"):
        numbers = re.findall(r'^@exercise\("(\S+)"\)$', module.read_text("utf-8"), re.MULTILINE)
        assert {number[:2] for number in numbers} == {module.stem[-2:]}


def shown(capfd, *cells):
    """What IPython prints of the last of some cells, without colours."""
    shell = InteractiveShell(colors="nocolor")
    for cell in ("import helpers", *cells):
        capfd.readouterr()
        shell.run_cell(cell)
    return capfd.readouterr().out.strip()


def test_each_kind_of_error_of_a_check_is_one_line_in_ipython(two, capfd):
    for kind in ("RuntimeError", "KeyError", "ZeroDivisionError", "OSError", "polars.exceptions.ShapeError"):
        source = f"import polars\ndef stop(answer): raise {kind}('first\\nsecond')"
        exec(compile(source, checks.__file__, "exec"), scope := {})
        exercise("97.3")(scope["stop"])
        checks.exercises.cache_clear()
        said = shown(capfd, "helpers.check('97.3', 3)")
        assert re.fullmatch(rf"{kind.split('.')[-1]}: .*first.*second.*", said)


@pytest.mark.parametrize(
    ("number", "answer", "kind"),
    [
        ("02.1", "15", "TypeError"),
        ("03.2", "fixed_tau.stan", "FileNotFoundError"),
        ("03.2", "no/such.stan", "FileNotFoundError"),
        ("05.4", ".", "TypeError"),
        ("98.7", "3", "ValueError"),
    ],
)
def test_an_answer_of_another_kind_shows_one_line_and_not_the_check(number, answer, kind, capfd):
    assert re.fullmatch(f"{kind}: .*", shown(capfd, f"helpers.check({number!r}, {answer!r})"))


def test_a_program_that_does_not_compile_shows_what_stan_says_only(capfd, tmp_path):
    (tmp_path / "mine.stan").write_text("parameters { real x }")
    said = shown(capfd, f"helpers.check('03.2', {str(tmp_path / 'mine.stan')!r})")
    assert said.startswith(f"{tmp_path}/mine.stan does not compile:\nSyntax error")
    assert "lesson_03" not in said


def test_an_error_in_the_readers_own_function_shows_its_line_and_no_check(capfd):
    said = shown(capfd, "def mine(*design):\n    return None + 1", "helpers.check('01.3', mine)")
    assert "return None + 1" in said
    assert "lesson_01" not in said


@pytest.mark.parametrize(
    ("read", "answer", "meant"),
    [(answers.number, x, 2) for x in (np.float32(2), np.array([2.0]), pl.Series([2]), xr.DataArray(2))]
    + [(answers.number, pl.DataFrame({"a": [2]}), 2)]
    + [(answers.array, x, [2, 3]) for x in ((2, 3), np.array([2.0, 3]), pl.Series([2, 3]), range(2, 4))]
    + [(answers.whole, x, [2, 3]) for x in ([2.0, 3.0], xr.DataArray([2, 3]))],
)
def test_numbers_count_in_whatever_they_come(read, answer, meant):
    assert np.array_equal(read(answer, "numbers"), meant)


@pytest.mark.parametrize("key", [0.1, "0.1", "0.10", " .1 ", np.float64(0.1), 0.3 / 3])
@pytest.mark.parametrize("name", [0.1, "0.1"])
def test_a_key_counts_as_number_and_as_text(name, key):
    assert answers.items({key: "it", 10: "other"}, [name, "10"], "a dictionary") == ["it", "other"]


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("index_1", ["Index_1", "index 1", "index-1", "INDEX1", "index₁", " index_1 "]),
        ("theta", ["θ", "Theta", "$\\theta$", "Θ"]),
        ("lambda", ["λ", "Lambda"]),
        ("P(tau<0.1)", ["P(tau < 0.1)", "p(τ<0.1)"]),
        ("too narrow", ["too_narrow", "Too narrow", "too-narrow"]),
        ("noncentered", ["non-centered", "non-centred", "Noncentered"]),
        ("log_p", ["log p", "log-p", "logp"]),
    ],
)
def test_a_key_counts_however_it_is_written(name, keys):
    other = {"index_2": "other", "tau": "other", "P": "other", "too wide": "other", "centered": "other"}
    for key in keys:
        assert answers.items({key: "it"} | other, [name], "a dictionary") == ["it"]
        assert answers.optional({key: "it"} | other, name) == "it"


def test_a_word_counts_however_it_is_written():
    assert answers.word(" Day", "'least'", ["day", "Batch"], "one of two") == "day"
    assert answers.word("batch", "'least'", ["day", "Batch"], "one of two") == "Batch"
    assert answers.word("up then down", "'low'", ["up, then down", "below"], "one") == "up, then down"
    assert answers.word("τ", "'least'", ["theta", "tau"], "one") == "tau"
    with pytest.raises(TypeError, match=r"^'least' is 'colony': give one of two$"):
        answers.word("colony", "'least'", ["day", "Batch"], "one of two")


@pytest.mark.parametrize(
    ("answer", "named"),
    [(3, "an int"), ([], "a list"), (pl.Series([1, 2]), "a polars.Series"), (None, "a None")],
)
def test_what_an_answer_is_has_its_article_and_its_package(answer, named):
    with pytest.raises(TypeError, match=rf"^the answer is {named}\w*: give a function"):
        answers.function(answer, "a function")


@pytest.mark.parametrize("read", [answers.number, answers.array, answers.whole])
@pytest.mark.parametrize("answer", [math.nan, [1.0, math.nan], pl.Series([None, 1.0])], ids=repr)
def test_nan_is_no_answer_as_comparisons_let_it_pass(read, answer):
    with pytest.raises(TypeError, match=r"give numbers$"):
        read(answer, "numbers")


@pytest.mark.parametrize("apart", [1, math.nan])
def test_chains_that_disagree_are_said_to_and_not_averaged(apart):
    draws = np.random.default_rng(1).normal(size=(4, 1000))
    assert programs.away(draws, 0, "tau") < programs.TOO_FAR
    draws[3] += apart  # R-hat is 1.1, which some call fine
    with pytest.raises(WrongAnswer, match="disagree on tau"):
        programs.away(draws, 0.25, "tau")


@pytest.mark.parametrize(
    ("change", "off"),
    [
        (lambda y, theta, nodes: y, set()),
        (lambda y, theta, nodes: y + 0.2, {"mean"}),
        (lambda y, theta, nodes: theta + 1.2 * (y - theta), {"variance"}),
        (lambda y, theta, nodes: (y + nodes[:, 0]) / 2**0.5 + (1 - 2**0.5) * theta, {"nodes"}),
    ],
)
def test_what_is_wrong_with_a_prediction_shows_in_the_number_for_it(change, off):
    """In 8000 draws; a right one is beyond the limit in any of the three once in 600,000 times."""
    rng = np.random.default_rng(1)
    theta, spread = rng.normal(10, 1, 8000), np.ones(8000)
    nodes = rng.normal(theta, spread, (3, 8000)).T
    y = change(rng.normal(theta, spread), theta, nodes)
    found = programs.prediction(y, theta, spread**2, nodes)
    assert {name for name, errors in found.items() if abs(errors) > programs.TOO_FAR} == off


def test_an_error_below_a_check_in_a_library_shows_one_line_too(two, capfd):
    """Its traceback goes through the check and NumPy, and through no code of the reader's."""
    source = "def below(answer): numpy.linalg.cholesky(answer)"
    exec(compile(source, checks.__file__, "exec"), scope := {"numpy": np})
    exercise("97.3")(scope["below"])
    checks.exercises.cache_clear()
    assert re.fullmatch("LinAlgError: .*", shown(capfd, "helpers.check('97.3', [[1, 2]])"))


def test_an_edited_program_of_the_course_itself_is_no_answer(tmp_path, monkeypatch):
    shutil.copytree(COURSE / "stan", tmp_path / "stan" / "original")
    shutil.copytree(COURSE / "stan", tmp_path / "stan", dirs_exist_ok=True)
    (tmp_path / "lessons").mkdir()
    monkeypatch.chdir(tmp_path / "lessons")
    with open("../stan/centered.stan", "a") as program:
        program.write("// mine\n")
    for name in ("../stan/centered.stan", "centered"):
        verdict = helpers.check("02.2", name)
        assert not verdict
        assert "copy it beside this lesson" in verdict.text
        command = re.search("bring the course's back by `!(.*)` in a cell", verdict.text)[1]
    subprocess.run(command, shell=True, check=True, capture_output=True)
    for program in (COURSE / "stan").glob("*.stan"):
        assert program.read_text() == Path("../stan", program.name).read_text()


def test_an_answer_in_several_parts_is_asked_for_in_one():
    with pytest.raises(TypeError, match="the answer has 3 parts: put them into one pair of brackets"):
        helpers.check("01.1", 1, 2, 3)
