"""Every page can be read on a phone, without moving it from side to side."""

import pytest
from conftest import PAGES

each_page = pytest.mark.parametrize("page", PAGES)


@each_page
def test_a_page_opens_on_a_phone_without_an_error(visit, page):
    errors = visit(page, "phone").log.errors
    assert not errors, "\n".join(errors)


@each_page
def test_only_what_scrolls_by_itself_is_wider_than_a_phone(visit, page):
    found = visit(page, "phone").found
    assert not found["hanging"], "\n".join(found["hanging"])
    assert found["width"] <= 1
