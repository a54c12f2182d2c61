"""The lessons keep their shape, and their notebooks keep step with them."""

import os
import re
import subprocess
import sys
from itertools import pairwise

import nbformat
import pytest
from network import watch_network
from texts import COURSE, checks

from helpers.diagnostics import E_BFMI, ESS, R_HAT
from tools.claims import CLAIMS
from tools.notebooks import ANSWER, CHECKED, LESSONS, NUMBERED, SOLUTIONS, read_lesson, run
from tools.review import questions

# What an exercise says that begins without a program, and a solution that shows a good sentence
EMPTY_FILE, MODEL_SENTENCE = "an empty file", "**One good answer.**"
TASK = re.compile(r'^\*\*Exercise (\S+)\. (.*?)^</div>$', re.MULTILINE | re.DOTALL)
WIDTH, FOLDED = 79, 77  # characters of code that the book shows in a line, and in what it folds
by_text = pytest.mark.parametrize("lesson", sorted(LESSONS.glob("*.md")), ids=lambda path: path.stem)
by_lesson = pytest.mark.parametrize("lesson", sorted(LESSONS.glob(NUMBERED)), ids=lambda path: path.stem)


@by_text
def test_notebook_is_in_step_with_its_text(lesson):
    def content(notebook):
        return [(c.id, c.cell_type, c.source, c.metadata.get("tags", [])) for c in notebook.cells]

    notebook, text = nbformat.read(lesson.with_suffix(".ipynb"), as_version=4), read_lesson(lesson)
    assert content(notebook) == content(text), f"run `make notebooks LESSON={lesson.name[:2]}`"
    assert text.metadata["jupytext"]["formats"] == "ipynb,md:myst"
    with_outputs = [cell for cell in notebook.cells if cell.get("outputs")]
    assert with_outputs == [cell for cell in notebook.cells if CHECKED in cell.metadata.get("tags", [])]
    assert with_outputs or lesson.stem[0].isalpha(), "nothing for nbval to compare"


def test_notebooks_keep_what_checked_cells_put_out_and_nothing_else(tmp_path):
    def code(source, tags):
        return nbformat.v4.new_code_cell(source, metadata={"tags": tags})

    shout = "import sys; print('log', file=sys.stderr); print('shown'); 6 * 7"
    notebook = nbformat.v4.new_notebook(cells=[code(shout, []), code(shout, [CHECKED])])
    untagged, checked = run(notebook, tmp_path).cells
    assert untagged.outputs == []
    assert [(o.get("name"), o.get("text"), o.get("data")) for o in checked.outputs] == [
        ("stdout", "shown\n", None),
        (None, None, {"text/plain": "42"}),
    ]
    assert "execution" not in checked.metadata


@by_lesson
def test_exercises_have_solutions_and_are_of_all_four_kinds(lesson):
    """A program from an empty file, which its check runs; a sentence to write; the reader's own data; others."""
    text, number = lesson.read_text("utf-8"), lesson.name[:2]
    form = r'<div class="exercise" id="(\S+)">\n\n\*\*Exercise (\S+)\. .*\*\*\n'
    exercises = {exercise: label for label, exercise in re.findall(form, text)}
    solved = re.findall(
        r'^<details class="solution"><summary>Solution of (\S+)</summary>$', text, re.MULTILINE
    )
    assert 4 <= len(exercises) <= 5
    assert sorted(exercises) == solved
    assert text.count('class="exercise"') == len(exercises)
    assert text.count('class="solution"') == len(solved)
    built = [exercise for exercise, task in TASK.findall(text) if EMPTY_FILE in task]
    assert any("programs.sample(" in checks().get(exercise, "") for exercise in built)
    assert MODEL_SENTENCE in "".join(SOLUTIONS.findall(text)), "what a good sentence says, to compare with"
    own = [exercise for exercise, label in exercises.items() if label == f"ex-{number}-own-data"]
    assert len(own) == 1
    assert own[0] in checks()


@by_lesson
def test_below_every_exercise_is_a_cell_to_answer_in(lesson):
    cells = read_lesson(lesson).cells
    answers = [cell for cell in cells if ANSWER in cell.metadata.get("tags", [])]
    for before, cell in pairwise(cells):
        if cell in answers:
            (number,) = re.findall(r"^\*\*Exercise (\S+)\. ", before.source, re.MULTILINE)
            assert before.source.endswith("</div>")
            assert cell.source == f"# {number}"
    assert len(answers) == lesson.read_text("utf-8").count('class="exercise"')


@by_lesson
def test_quick_questions_have_one_right_option_each(lesson):
    text = lesson.read_text("utf-8")
    assert 2 <= len(questions(text)) <= 5
    assert text.count("**Quick question**\n") == text.count('<div class="quiz">\n') == len(questions(text))
    options = len(re.findall('<details class="(?:right|wrong)">', text))
    assert options == sum(map(len, questions(text))), "an option that is not well formed"
    for options in questions(text):
        assert sorted(kind for kind, _, _ in options) in (["right"] + ["wrong"] * n for n in (2, 3)), options
        for kind, _, answer in options:
            assert answer.startswith({"right": "**Yes.** ", "wrong": "**No.** "}[kind]), answer


def too_long(code, longest):
    return [line for line in code.splitlines() if len(line) > longest]


@by_text
def test_code_of_cells_and_solutions_fits_the_page(lesson):
    found = []
    for cell in read_lesson(lesson).cells:
        if cell.cell_type == "code":
            found += too_long(cell.source, FOLDED if CLAIMS in cell.metadata.get("tags", []) else WIDTH)
            continue
        text = f"{cell.source}\n"
        for part, longest in ("".join(SOLUTIONS.findall(text)), FOLDED), (SOLUTIONS.sub("", text), WIDTH):
            for code in re.findall(r"^```(?:python|stan)\n(.*?)^```", part, re.MULTILINE | re.DOTALL):
                found += too_long(code, longest)
    assert found == [], f"longer than {WIDTH} characters, or {FOLDED} in a check or a solution: break them"


def test_programs_in_stan_fit_the_page_that_shows_them():
    programs = sorted((COURSE / "stan").glob("*.stan*"))
    assert programs
    long = {path.name: lines for path in programs if (lines := too_long(path.read_text("utf-8"), WIDTH))}
    assert long == {}, f"longer than {WIDTH} characters: break them"


@by_text
def test_lesson_is_in_the_book_and_in_the_readme(lesson):
    assert f"lessons/{lesson.stem}" in (COURSE / "_toc.yml").read_text()
    assert f"lessons/{lesson.name}" in (COURSE / "README.md").read_text()


@by_text
def test_drawings_can_be_read_in_the_dark_on_a_phone_and_unseen(lesson):
    for alt, name in re.findall(r"!\[([^]]*)\]\(([^)]*\.svg)\)", lesson.read_text("utf-8")):
        text = (LESSONS / name).read_text("utf-8")
        width, height = re.search(r'viewBox="0 0 (\d+) (\d+)"', text).groups()
        assert f'<rect width="{width}" height="{height}" rx="14" fill="#fff"/>' in text, "a light ground"
        sizes = [float(size) for size in re.findall(r'font-size[=:]\s*"?([\d.]+)', text)]
        assert min(sizes) * 350 / float(width) > 12, "pixels of the smallest letters on a phone"
        assert "<title>" in text
        assert len(alt) > 80, "what is there to see, for those who do not"


def test_what_a_lesson_would_ask_of_the_network_is_noticed(tmp_path):
    environment, notes = watch_network(tmp_path)
    for ask in ("create_connection(('192.0.2.1', 80), 0.1)", "getaddrinfo('stan.invalid', 443)"):
        code = f"import contextlib, socket\nwith contextlib.suppress(OSError): socket.{ask}"
        subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | environment)
    assert set(notes.read_text().split()) == {"192.0.2.1", "stan.invalid"}


def test_alarms_of_lesson_3_and_the_glossary_are_those_of_the_checks():
    lesson = (LESSONS / "03-funnel-diagnosis.md").read_text("utf-8")
    table = dict(re.findall(r"^\| (\S.*?) \|.*\| (?:above|below) ([\d.]+) \|$", lesson, re.MULTILINE))
    expected = {"R-hat": R_HAT, "bulk ESS": ESS, "tail ESS": ESS, "E-BFMI": E_BFMI}
    assert {name: float(limit) for name, limit in table.items()} == expected
    glossary = (COURSE / "book" / "pages" / "glossary.md").read_text("utf-8")
    assert re.findall(r"We want it below ([\d.]+)\. |below ([\d.]+) is a reason", glossary) == [
        ("", str(E_BFMI)),
        (str(R_HAT), ""),
    ]
