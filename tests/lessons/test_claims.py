"""What the lessons say is checked: statements by claims, numbers by code; and `make claims` reports it."""

import ast
import inspect
import re

import cmdstanpy
import nbformat
import pytest

from tools import claims, recording
from tools.notebooks import CHECKED, LESSONS, SOLUTION, with_solutions

by_lesson = pytest.mark.parametrize("lesson", sorted(LESSONS.glob("*.md")), ids=lambda path: path.stem)


def tags(cell):
    return set(cell.metadata.get("tags", []))


def numbers(text):
    """Numbers of a program or of its output, as written there."""
    found = re.findall(r"(?<![\w.])\d[\d_]*(?:\.\d+)?(?:e-?\d+)?", text)
    return {float(number.replace("_", "")) for number in found}


def prose(lesson):
    """Text of a lesson without its header, code, links, directives, tags and the numbers of exercises."""
    text = lesson.read_text("utf-8").split("\n---\n", 1)[1]
    text = re.sub(r"^\*\*Exercise \d\d\.\d+\.|Solution of \d\d\.\d+|<[^>\n]*>", "", text, flags=re.MULTILINE)
    text = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"^:(label|class|tags):.*$", "", text, flags=re.MULTILINE)
    return re.sub(r"`[^`\n]*`|!\[[^\]]*\]\([^)]*\)|\]\([^)]*\)", "", text)


@by_lesson
def test_claims_are_comparisons_in_folded_cells_that_put_nothing_out(lesson):
    notebook = with_solutions(lesson)
    folded = [cell for cell in notebook.cells if tags(cell) & {claims.CLAIMS, "hide-cell"}]
    assert folded
    for cell in folded:
        assert tags(cell) == {claims.CLAIMS, "hide-cell"}
        assert "print(" not in cell.source
        assert "assert " in cell.source
    others = [cell.source for cell in notebook.cells if not tags(cell) & {claims.CLAIMS, SOLUTION}]
    assert [code for code in others if re.search(r"^\s*assert ", code, re.MULTILINE)] == []
    for claim in claims.claims(notebook):
        if ast.unparse(claim).startswith("assert helpers.check(") and claim.msg is None:
            continue  # the answer to an exercise, which is a claim as it stands
        what = f"line {claim.lineno} of its cell: {ast.unparse(claim)}"
        assert isinstance(claim.msg, ast.Constant), f"no statement: {what}"
        assert claims.compared(claim.test), f"`make claims` cannot say what this saw: {what}"
        assert ".pop(" not in what, f"`make claims` computes it twice, so it must change nothing: {what}"


@by_lesson
def test_every_decimal_and_percentage_occurs_in_code_or_checked_output(lesson):
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

<details class="solution"><summary>Solution of 01.1</summary>

```python
import numpy as np
for y in (1, 2):
    assert (np.array([y, 5]) > 0).all(), "y is positive"
assert callable(print)
```

</details>
"""


def test_report_and_status_name_what_failed_and_runs_go_on(tmp_path, capsys):
    tiny, broken = tmp_path / "tiny.md", tmp_path / "broken.md"
    tiny.write_text(LESSON)
    broken.write_text(LESSON.replace("x = 3", "x = 1 / 0"))
    report = tmp_path / "_build" / "claims.md"
    assert claims.main([tiny, broken], seeds=1, report=report) == 1
    rows = [[part.strip() for part in line.split("|")[1:-1]] for line in report.read_text().splitlines()]
    assert rows[2:] == [
        ["tiny", "x is about 3", "1 of 1", "3 to 3"],
        ["tiny", "x is small", "0 of 1", "3 to 3"],
        ["tiny", "y is positive", "2 of 2", "1 to 5"],
        ["tiny", "callable(print)", "1 of 1", ""],
        ["tiny", claims.TO_THE_END, "1 of 1", ""],
        ["broken", claims.TO_THE_END, "0 of 1", ""],
    ]
    assert capsys.readouterr().out == report.read_text()


def test_every_run_has_seeds_of_its_own(monkeypatch):
    class Model:
        def sample(self, data=None, *, seed, **options):
            return data, seed, options

    assert claims.jobs(["a", "b"], 2) == [("a", 1000), ("a", 2000), ("b", 1000), ("b", 2000)]
    monkeypatch.setattr(cmdstanpy, "CmdStanModel", Model)
    recording.shift_seeds(1000)
    assert Model().sample({}, seed=11, chains=2) == ({}, 1011, {"chains": 2, "parallel_chains": 1})
    assert "data" in inspect.signature(Model.sample).parameters, "calibrate looks for its options there"
