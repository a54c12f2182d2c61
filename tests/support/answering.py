"""What tests of the checks share: right answers, wrong ones, and programs with all mistakes in one."""

import pytest

import helpers
from helpers.checks import programs


def right(number, *answers):
    """Make sure that each answer is right."""
    for answer in answers:
        verdict = helpers.check(number, answer)
        assert verdict, verdict.text


def wrong(number, answer, *words):
    """Make sure that the answer is wrong, and that the hint has these words in it."""
    verdict = helpers.check(number, answer)
    assert not verdict
    assert [word for word in words if word not in verdict.text] == [], verdict.text


def refused(number, answer, *words):
    """Make sure that the answer is not of the kind that was asked for, and that one line says so."""
    with pytest.raises(TypeError) as caught:
        helpers.check(number, answer)
    text = str(caught.value)
    assert "\n" not in text
    assert [word for word in words if word not in text] == [], text


@pytest.fixture
def edited(tmp_path):
    """Write an edited copy of a program; each old text has to be there, once."""

    def edit(name, *changes):
        text = helpers.stan_file(name).read_text("utf-8")
        for old, new in changes:
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        path = tmp_path / f"edited_{len(list(tmp_path.iterdir()))}.stan"  # another one each time
        path.write_text(text, "utf-8")
        return path

    return edit


@pytest.fixture
def given(monkeypatch):
    """Make all checks give programs something besides their data."""
    sample = programs.sample

    def give(**items):
        def with_items(program, data, **options):
            return sample(program, data | items, **options)

        monkeypatch.setattr(programs, "sample", with_items)

    return give


def switch(cases):
    """Write statements of which a program runs those whose number, from 0, is its datum `which`."""
    return " else ".join(f"if (which == {k}) {{ {case} }}" for k, case in enumerate(cases)) + "\n"
