"""Books that lack something are built, or not, as they should be."""

from test_book import book, build, holding  # noqa: F401


def test_a_book_without_solutions_holds_none(book, tmp_path):
    assert build(tmp_path, "print('hello')", SOLUTIONS="no").returncode == 0
    html = tmp_path / "_build" / "html"
    assert {"lesson.html", "lesson.ipynb", "instructors.html"} <= holding(book, "Fortytwo")
    assert holding(html, "ortytwo") == set()
    assert "lesson.html" in holding(html, "How many?")


def test_a_failing_cell_fails_the_build(tmp_path):
    done = build(tmp_path, "raise RuntimeError('no')")
    assert done.returncode != 0
