"""A quick question answers whoever clicks, and has one right answer."""

import pytest
from bs4 import BeautifulSoup
from conftest import PAGES

QUESTION = ".quiz"
CHOSEN = {"wrong": ("No.", "✘"), "right": ("Yes.", "✔")}


def questions(book):
    """Page and tag of every quick question of the book."""
    for page in PAGES:
        if (file := book / f"{page}.html").is_file():
            for question in BeautifulSoup(file.read_text("utf-8"), "html.parser").select(QUESTION):
                yield page, question


def test_there_are_quick_questions(book):
    assert len(list(questions(book))) >= 8


def test_every_question_has_one_right_answer_among_several_and_says_so(book):
    for page, question in questions(book):
        options = question.select("details")
        kinds = [kind for option in options for kind in option["class"] if kind in CHOSEN]
        assert len(kinds) == len(options) > 1, f"{page}: {question.text}"
        assert kinds.count("right") == 1, f"{page}: {question.text}"
        for option, kind in zip(options, kinds, strict=True):
            option.summary.extract()
            assert option.text.strip().startswith(CHOSEN[kind][0]), f"{page}: {option.text}"


@pytest.fixture
def question(opened, book):
    """The first quick question of the book, on its page, with all options closed."""
    page, _ = next(questions(book))
    return opened(f"{page}.html")[0].locator(QUESTION).first


@pytest.mark.parametrize("by", ["mouse", "keyboard"])
@pytest.mark.parametrize("kind", CHOSEN)
def test_an_option_that_is_chosen_says_whether_it_is_right(question, kind, by):
    option = question.locator(f"details.{kind}").first
    answer, first_word = option.locator(".sd-card-body, .sd-summary-content").first, CHOSEN[kind][0]
    assert not answer.is_visible()
    edge = "option => getComputedStyle(option).borderInlineStart"
    closed = option.evaluate(edge)
    if by == "mouse":
        option.locator("summary").click()
    else:
        option.locator("summary").press("Enter")
    answer.wait_for(state="visible", timeout=300_000)
    assert answer.inner_text().startswith(first_word)
    assert option.evaluate(edge) != closed
    sign = "option => getComputedStyle(option.querySelector('summary'), '::before').content"
    assert CHOSEN[kind][1] in option.evaluate(sign)
    assert question.locator("details[open]").count() == 1
