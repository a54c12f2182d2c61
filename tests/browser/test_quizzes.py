"""A quick question answers whoever clicks."""

from book_pages import PATIENCE


def test_an_option_that_is_chosen_says_whether_it_is_right(opened):
    """By mouse and by keyboard, on the first question of the book; `tests/lessons` looks at all of them."""
    question = opened("lessons/01-data-generation.html")[0].locator(".quiz").first
    edge = "option => getComputedStyle(option).borderInlineStart"
    sign = "option => getComputedStyle(option.querySelector('summary'), '::after').content"
    for kind, first_word, mark in (("wrong", "No.", "✘"), ("right", "Yes.", "✔")):
        option = question.locator(f"details.{kind}").first
        summary = option.locator("summary")
        answer = option.locator("p").first
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
