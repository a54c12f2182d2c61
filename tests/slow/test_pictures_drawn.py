"""All pictures to project come out of the lessons as they are."""

from tools import pictures


def test_eight_pictures_and_a_sheet_are_drawn_from_the_lessons(tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "OUT", tmp_path / "pictures")
    pictures.main()
    made = sorted(path.name for path in pictures.OUT.iterdir())
    numbered = [f"{place}-{name}" for place, (name, _, _) in enumerate(pictures.PICTURES, start=1)]
    assert made == sorted([f"{name}.{kind}" for name in numbered for kind in ("png", "svg")] + ["sheet.pdf"])
    assert min(path.stat().st_size for path in pictures.OUT.iterdir()) > 10_000
