"""A quick question answers whoever clicks, and has one right answer."""

from book_pages import PAGES, PATIENCE
from bs4 import BeautifulSoup

QUESTION = ".quiz"
CHOSEN = {"wrong": ("No.", "✘"), "right": ("Yes.", "✔")}


def questions(book):
    """Page and tag of every quick question of the book."""
    for page in PAGES:
        if (file := book / f"{page}.html").is_file():
            for question in BeautifulSoup(file.read_text("utf-8"), "html.parser").select(QUESTION):
                yield page, question


def test_every_question_has_one_right_answer_among_several_and_says_so(book):
    found = list(questions(book))
    assert len(found) >= 8
    for page, question in found:
        options = question.select("details")
        kinds = [kind for option in options for kind in option["class"] if kind in CHOSEN]
        assert len(kinds) == len(options) > 1, f"{page}: {question.text}"
        assert kinds.count("right") == 1, f"{page}: {question.text}"
        for option, kind in zip(options, kinds, strict=True):
            option.summary.extract()
            assert option.text.strip().startswith(CHOSEN[kind][0]), f"{page}: {option.text}"


def test_an_option_that_is_chosen_says_whether_it_is_right(opened, book):
    """By mouse and by keyboard, on the first question of the book."""
    name, _ = next(questions(book))
    question = opened(f"{name}.html")[0].locator(QUESTION).first
    edge = "option => getComputedStyle(option).borderInlineStart"
    sign = "option => getComputedStyle(option.querySelector('summary'), '::before').content"
    for kind, (first_word, mark) in CHOSEN.items():
        option = question.locator(f"details.{kind}").first
        summary = option.locator("summary")
        answer = option.locator(".sd-card-body, .sd-summary-content").first
        closed = option.evaluate(edge)
        for choose in (summary.click, lambda summary=summary: summary.press("Enter")):
            assert not answer.is_visible()
            choose()
            answer.wait_for(state="visible", timeout=PATIENCE)
            assert answer.inner_text().startswith(first_word)
            assert option.evaluate(edge) != closed
            assert mark in option.evaluate(sign)
            assert question.locator("details[open]").count() == 1
            summary.click()
            answer.wait_for(state="hidden", timeout=PATIENCE)
