"""The built book holds no secret, path or name of the machine that made it. No browser here."""

from leaks import leaks


def test_the_book_holds_no_secret_path_or_name(book):
    assert leaks(book) == []
