"""The lessons keep their shape, and their notebooks keep step with them."""

import re
from pathlib import Path

import jupytext
import nbformat
import pytest

COURSE = Path(__file__).parents[2]
LESSONS = sorted((COURSE / "lessons").glob("*.md"))
from tools.notebooks import CHECKED, read_lesson, run

by_lesson = pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)


def stored(lesson):
    return nbformat.read(lesson.with_suffix(".ipynb"), as_version=4)


@by_lesson
def test_notebook_is_in_step_with_its_text(lesson):
    def content(notebook):
        return [(c.id, c.cell_type, c.source, c.metadata.get("tags", [])) for c in notebook.cells]

    assert content(stored(lesson)) == content(read_lesson(lesson)), "run `make notebooks`"


@by_lesson
def test_notebook_holds_the_outputs_of_checked_cells_and_no_others(lesson):
    for cell in stored(lesson).cells:
        if cell.cell_type == "code":
            assert bool(cell.outputs) == (CHECKED in cell.metadata.get("tags", [])), cell.source
    assert any(cell.get("outputs") for cell in stored(lesson).cells), "nothing for nbval to compare"


@by_lesson
def test_three_exercises_at_least_each_with_a_folded_solution(lesson):
    text = lesson.read_text("utf-8")
    labels = re.findall(r"^:::\{exercise\}.*\n:label: (\S+)", text, re.MULTILINE)
    solved = re.findall(r"^:::\{solution\} (\S+)\n:class: dropdown", text, re.MULTILINE)
    assert len(labels) >= 3
    assert sorted(labels) == sorted(solved)


def quizzes(text):
    """Options of every quick question: whether it is right, its title and its answer."""
    found = re.findall(r"^::::\{admonition\} Quick question\n(.*?)^::::$", text, re.MULTILINE | re.DOTALL)
    option = r"^:::\{dropdown\} ([^\n]+)\n:class-container: (\w+)\n\n(.*?)^:::$"
    return [
        [(kind, title, answer) for title, kind, answer in re.findall(option, quiz, re.MULTILINE | re.DOTALL)]
        for quiz in found
    ]


@by_lesson
def test_three_quick_questions_at_least_with_one_right_option_each(lesson):
    text = lesson.read_text("utf-8")
    questions = quizzes(text)
    assert 3 <= len(questions) <= 6
    assert text.count("Quick question") == text.count("\n:class: quiz\n") == len(questions)
    assert text.count(":::{dropdown}") == sum(map(len, questions)), "an option that is not well formed"
    for options in questions:
        kinds = [kind for kind, _, _ in options]
        assert sorted(kinds) in (["right"] + ["wrong"] * n for n in (2, 3)), options
        for kind, _, answer in options:
            assert answer.startswith({"right": "**Yes.** ", "wrong": "**No.** "}[kind]), answer


@by_lesson
def test_length_does_not_tell_the_right_option(lesson):
    for options in quizzes(lesson.read_text("utf-8")):
        lengths = [len(title) for _, title, _ in options]
        assert max(lengths) < 2 * min(lengths), options


def test_neither_does_its_place_nor_being_the_longest():
    questions = [options for lesson in LESSONS for options in quizzes(lesson.read_text("utf-8"))]
    places = [[kind for kind, _, _ in options].index("right") for options in questions]
    assert all(places.count(place) > len(places) / 6 for place in (0, 1, 2)), places
    assert max(places.count(place) for place in range(4)) < len(places) / 2, places
    longest = [max(options, key=lambda option: len(option[1]))[0] for options in questions]
    assert longest.count("right") < len(longest) / 2


def checks_of(lesson):
    """Exercises of a lesson: number, label, and the source of its check, empty if there is none."""
    text = lesson.read_text("utf-8")
    module = COURSE / "helpers" / "checks" / f"lesson_{lesson.name[:2]}.py"
    parts = re.split(r'^@exercise\("(\S+)"\)$', module.read_text("utf-8"), flags=re.MULTILINE)
    sources = dict(zip(parts[1::2], parts[2::2], strict=True))
    exercises = re.findall(r"^:::\{exercise\} (\S+).*\n:label: (\S+)", text, re.MULTILINE)
    return [(number, label, sources.get(number, "")) for number, label in exercises]


@by_lesson
def test_one_exercise_edits_a_stan_program_and_its_check_runs_it(lesson):
    assert any("programs.sample(" in source for _, _, source in checks_of(lesson))


@by_lesson
def test_one_exercise_that_answers_back_is_on_the_readers_own_data(lesson):
    own = [source for _, label, source in checks_of(lesson) if label == f"ex-{lesson.name[:2]}-own-data"]
    assert len(own) == 1
    assert own[0]


@by_lesson
def test_lesson_is_in_the_book_and_the_readme(lesson):
    assert f"lessons/{lesson.stem}" in (COURSE / "_toc.yml").read_text()
    assert f"lessons/{lesson.name}" in (COURSE / "README.md").read_text()


def test_drawings_of_lessons_can_be_read_in_the_dark_on_a_phone_and_unseen():
    shown = [
        (lesson.parent / name, alt)
        for lesson in LESSONS
        for alt, name in re.findall(r"!\[([^]]*)\]\(([^)]*\.svg)\)", lesson.read_text("utf-8"))
    ]
    assert shown
    for drawing, alt in shown:
        text = drawing.read_text("utf-8")
        width, height = re.search(r'viewBox="0 0 (\d+) (\d+)"', text).groups()
        assert f'<rect width="{width}" height="{height}" rx="14" fill="#fff"/>' in text, "a light ground"
        sizes = [float(size) for size in re.findall(r'font-size[=:]\s*"?([\d.]+)', text)]
        assert min(sizes) * 350 / float(width) > 12, "pixels of the smallest letters on a phone"
        assert "<title>" in text
        assert len(alt) > 80, "what is there to see, for those who do not"


@by_lesson
def test_code_fits_the_page(lesson):
    wide = [
        line
        for cell in read_lesson(lesson).cells
        if cell.cell_type == "code"
        for line in cell.source.splitlines()
        if len(line) > 92
    ]
    assert wide == []


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


def test_every_formats_header_names_the_pair():
    for lesson in LESSONS:
        assert jupytext.read(lesson).metadata["jupytext"]["formats"] == "ipynb,md:myst"
