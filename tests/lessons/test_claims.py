"""What the lessons say is checked: statements by claims, numbers by code; and `make claims` reports it."""

import ast
import inspect
import re
from pathlib import Path

import nbformat
import pytest

COURSE = Path(__file__).parents[2]
LESSONS = sorted((COURSE / "lessons").glob("*.md"))
from tools import claims
from tools.notebooks import CHECKED, read_lesson, with_solutions

by_lesson = pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)


def tags(cell):
    return set(cell.metadata.get("tags", []))


def numbers(text):
    """Numbers of a program or of its output, as written there."""
    found = re.findall(r"(?<![\w.])\d[\d_]*(?:\.\d+)?(?:e-?\d+)?", text)
    return {float(number.replace("_", "")) for number in found}


def prose(lesson):
    """Text of a lesson without its header, code, links, directives and the numbers of exercises."""
    text = lesson.read_text("utf-8").split("\n---\n", 1)[1]
    text = re.sub(r"^(:+\{exercise\}) \d\d\.\d+", r"\1", text, flags=re.MULTILINE)
    text = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"^:(label|class|tags):.*$", "", text, flags=re.MULTILINE)
    return re.sub(r"`[^`\n]*`|!\[[^\]]*\]\([^)]*\)|\]\([^)]*\)", "", text)


@by_lesson
def test_claims_are_comparisons_with_a_statement(lesson):
    collected = claims.claims(with_solutions(lesson))
    assert collected
    for claim in collected:
        if ast.unparse(claim).startswith("assert helpers.check(") and claim.msg is None:
            continue  # the answer to an exercise, which is a claim as it stands
        what = f"line {claim.lineno} of its cell: {ast.unparse(claim)}"
        assert isinstance(claim.msg, ast.Constant), f"no statement: {what}"
        assert claims.compared(claim.test), f"`make claims` cannot say what this saw: {what}"


@by_lesson
def test_cells_of_claims_are_folded_and_put_nothing_out(lesson):
    notebook = nbformat.read(lesson.with_suffix(".ipynb"), as_version=4)
    folded = [cell for cell in notebook.cells if tags(cell) & {claims.CLAIMS, "hide-cell"}]
    assert folded
    for cell in folded:
        assert tags(cell) == {claims.CLAIMS, "hide-cell"}
        assert "print(" not in cell.source
        assert cell.outputs == []
        assert "assert " in cell.source


@by_lesson
def test_every_assert_of_a_lesson_is_a_claim(lesson):
    others = [c for c in read_lesson(lesson).cells if c.cell_type == "code" and claims.CLAIMS not in tags(c)]
    assert [cell.source for cell in others if re.search(r"^\s*assert ", cell.source, re.MULTILINE)] == []


@by_lesson
def test_every_decimal_and_percentage_of_the_text_occurs_in_code_or_checked_output(lesson):
    stored = nbformat.read(lesson.with_suffix(".ipynb"), as_version=4)
    outputs = [str(cell.outputs) for cell in stored.cells if CHECKED in tags(cell)]
    known = numbers("\n".join([cell.source for cell in with_solutions(lesson).cells] + outputs))
    missing = {
        number + percent
        for number, percent in re.findall(r"(?<![\w.])(\d+\.\d+|\d+(?=\\?%))(\\?%)?", prose(lesson))
        if float(number) not in known and not (percent and round(float(number) / 100, 6) in known)
    }
    assert missing == set(), "assert it in a claims cell or in the code of the solution"


LESSON = """---
kernelspec:
  display_name: Python 3
  name: python3
---

```{code-cell} ipython3
:tags: [claims, hide-cell]

x = 3
assert 2 < x < 4, "x is about 3"
assert x < 2, "x is small"
```

:::{solution} an-exercise
```python
import numpy as np
for y in (1, 2):
    assert (np.array([y, 5]) > 0).all(), "y is positive"
assert callable(print)
```
:::
"""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    lesson = tmp_path_factory.mktemp("tiny") / "tiny.md"
    lesson.write_text(LESSON)
    return lesson


def test_a_false_claim_is_recorded_and_the_run_goes_on(tiny):
    assert claims.examine(tiny, shift=1) == [
        {"claim": "x is about 3", "held": True, "seen": [[3, 3]]},
        {"claim": "x is small", "held": False, "seen": [[3, 3]]},
        {"claim": "y is positive", "held": True, "seen": [[1, 5]]},
        {"claim": "y is positive", "held": True, "seen": [[2, 5]]},
        {"claim": "callable(print)", "held": True, "seen": []},
        {"claim": claims.TO_THE_END, "held": True, "seen": []},
    ]


def test_the_report_names_what_failed_and_so_does_the_exit_status(tiny, capsys):
    report = tiny.parent / "_build" / "claims.md"
    assert claims.main([tiny], seeds=2, report=report) == 1
    rows = [[part.strip() for part in line.split("|")[1:-1]] for line in report.read_text().splitlines()]
    assert rows[2:] == [
        ["tiny", "x is about 3", "2 of 2", "3 to 3"],
        ["tiny", "x is small", "0 of 2", "3 to 3"],
        ["tiny", "y is positive", "4 of 4", "1 to 5"],
        ["tiny", "callable(print)", "2 of 2", ""],
        ["tiny", claims.TO_THE_END, "2 of 2", ""],
    ]
    assert capsys.readouterr().out == report.read_text()


def test_a_lesson_that_breaks_is_reported(tmp_path):
    lesson = tmp_path / "broken.md"
    lesson.write_text(LESSON.replace("x = 3", "x = 1 / 0"))
    assert [(r["claim"], r["held"]) for r in claims.examine(lesson, shift=1)] == [(claims.TO_THE_END, False)]


def test_seeds_are_shifted(monkeypatch):
    import cmdstanpy

    class Model:
        def sample(self, data=None, *, seed, **options):
            return data, seed, options

    monkeypatch.setattr(cmdstanpy, "CmdStanModel", Model)
    claims.shift_seeds(1000)
    assert Model().sample({}, seed=11, chains=2) == ({}, 1011, {"chains": 2, "parallel_chains": 1})
    assert "data" in inspect.signature(Model.sample).parameters, "calibrate looks for its options there"
