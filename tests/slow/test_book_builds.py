"""Books that lack something are built, or not, as they should be."""

from small_book import build


def holding(folder, text):
    """Names of the files of a book that hold a text."""
    return {path.name for path in folder.rglob("*") if path.is_file() and text.encode() in path.read_bytes()}


def test_a_book_without_solutions_holds_none(tmp_path):
    for solutions in ("yes", "no"):
        (tmp_path / solutions).mkdir()
        assert build(tmp_path / solutions, "print('hello')", SOLUTIONS=solutions).returncode == 0
    whole, html = (tmp_path / solutions / "_build" / "html" for solutions in ("yes", "no"))
    assert {"lesson.html", "lesson.ipynb", "instructors.html"} <= holding(whole, "Fortytwo")
    assert holding(html, "ortytwo") == set()
    assert "lesson.html" in holding(html, "How many?")


def test_a_failing_cell_fails_the_build(tmp_path):
    assert build(tmp_path, "raise RuntimeError('no')").returncode != 0
