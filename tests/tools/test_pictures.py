"""What is projected and printed comes from the lessons: pictures by their captions, a sheet of exercises."""

import re

import bokeh.plotting
import nbformat
import pytest
from chromium import chromium
from PIL import Image

from tools import pictures
from tools.notebooks import LESSONS, read_lesson
from tools.sheet import EXERCISES, sheet

TREE = '<?xml version="1.0"?>\n<svg viewBox="0 0 740 360" width="740" height="360"></svg>'


@pytest.fixture(scope="module")
def browser():
    with chromium() as started:
        yield started


def test_every_picture_has_the_first_caption_of_its_lesson_that_begins_so():
    assert len(pictures.PICTURES) == 8
    for name, number, start in pictures.PICTURES:
        [lesson] = LESSONS.glob(f"{number}-*.md")
        before = ""
        for cell in read_lesson(lesson).cells:
            if cell.source.startswith(f"*{start}"):
                break
            before = cell.source
        assert "bokeh.io.show(" in before, name


def test_a_caption_that_is_in_no_lesson_is_named(monkeypatch):
    monkeypatch.setattr(pictures, "read_lesson", lambda _: nbformat.v4.new_notebook())
    with pytest.raises(SystemExit, match=r"^01-data-generation.md: no caption begins with 'Nowhere'"):
        pictures.draw("01", ["Nowhere"])


def test_a_picture_is_saved_sharp_and_as_svg_of_any_size(browser, tmp_path):
    p = bokeh.plotting.figure(width=300, height=200, tools="save")
    p.line([1, 2], [1, 2], legend_label="τ")
    pictures.save(browser, p, tmp_path / "1-line")
    assert Image.open(tmp_path / "1-line.png").size == (300 * pictures.SHARP, 200 * pictures.SHARP)
    svg = (tmp_path / "1-line.svg").read_text("utf-8")
    assert svg.startswith('<svg viewBox="0 0 300 200" ')
    assert "τ" in svg


def test_the_sheet_is_one_page_of_a4(browser, tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "OUT", tmp_path)
    (tmp_path / "tree.svg").write_text(TREE)
    pictures.print_sheet(browser, tmp_path / "tree.svg")
    assert len(re.findall(rb"/Type\s*/Page\b", (tmp_path / "sheet.pdf").read_bytes())) == 1


def test_the_sheet_holds_its_exercises_and_nothing_for_a_screen():
    page = sheet(TREE)
    assert re.findall(r"<h2>(\S+)", page) == [*EXERCISES]
    assert re.findall(r"\$|\\|\*\*|Check yourself|pointer|phone|Solution", page) == []
