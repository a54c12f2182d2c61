"""Run the lessons with other seeds and report what every claim of their text saw: ``make claims``.

A claim is an ``assert`` in a cell tagged ``claims`` or in the code of a solution: a comparison, with a
statement as its message, or ``helpers.check`` of an answer, which needs none. Here it does not stop the run.
It records whether it held and the values that it compared, and the report says of each claim how often it
held, and from where to where the values went.
"""

import ast
import json
import os
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from itertools import product
from multiprocessing import get_context
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError

from tools.notebooks import LESSONS, SOLUTION, make_workplace, with_solutions

CLAIMS = "claims"
REPORT = LESSONS.parent / "_build" / "claims.md"
FIRST = (
    "from tools.recording import recorder, shift_seeds\nshift_seeds({shift})\nclaim_ = recorder({record!r})"
)
TO_THE_END = "every cell runs"


def claims(notebook: nbformat.NotebookNode) -> list[ast.Assert]:
    """Collect the asserts of the claims cells and of the solutions of a notebook."""
    cells = [cell for cell in notebook.cells if {CLAIMS, SOLUTION} & set(cell.metadata.get("tags", []))]
    return [node for c in cells for node in ast.walk(ast.parse(c.source)) if isinstance(node, ast.Assert)]


def compared(test: ast.expr) -> list[ast.expr]:
    """Find the operands of ``low < x < high``, of ``(x < high).all()``, or such joined by ``and``."""
    if isinstance(test, ast.BoolOp):
        parts = [compared(part) for part in test.values]
        return [operand for part in parts for operand in part] if all(parts) else []
    if isinstance(test, ast.Call) and isinstance(test.func, ast.Attribute) and test.func.attr == "all":
        test = test.func.value
    return [test.left, *test.comparators] if isinstance(test, ast.Compare) else []


class _Record(ast.NodeTransformer):
    """Make of every assert ``claim_(statement, held, *values)``; numbers as they stand are no values.

    One without a statement, such as ``assert helpers.check("03.2", answer)``, is its own.
    """

    def visit_Assert(self, node: ast.Assert) -> ast.Expr:
        values = [x for x in compared(node.test) if any(isinstance(part, ast.Name) for part in ast.walk(x))]
        statement = node.msg or ast.Constant(ast.unparse(node.test))
        call = ast.Call(ast.Name("claim_", ast.Load()), [statement, node.test, *values], [])
        return ast.copy_location(ast.Expr(call), node)


def _guarded(statement: ast.stmt) -> ast.stmt:
    """Let a statement that fails be recorded as a claim that does not hold, and what follows be tried."""
    inside = [node for node in ast.walk(statement) if isinstance(node, ast.Assert)]
    name = ast.unparse((inside[0].msg or inside[0].test) if inside else statement).splitlines()[0]
    name = ast.literal_eval(name) if inside and inside[0].msg else name
    guard = ast.parse(
        "try:\n    pass\nexcept Exception as error_:\n"
        f"    claim_({name!r} + f' [{{type(error_).__name__}}: {{error_}}]'.splitlines()[0][:120], False)"
    ).body[0]
    guard.body = [_Record().visit(statement)]
    return guard


def _recording(cell: nbformat.NotebookNode, go_on: bool) -> str:
    """Write the code of a cell anew so that its claims are recorded."""
    tree = ast.parse(cell.source)
    tree.body = [_guarded(x) if go_on else _Record().visit(x) for x in tree.body]
    return ast.unparse(ast.fix_missing_locations(tree))


def examine(lesson: Path, shift: int, go_on: bool = False) -> list[dict]:
    """Run a lesson and its solutions with other seeds, in a folder of their own.

    Parameters
    ----------
    lesson : Path
        The lesson's text.
    shift : int
        What is added to the seed of every fit.
    go_on : bool
        Whether what cannot be computed is recorded like a claim that does not hold, and the rest is run.

    Returns
    -------
    list of dict
        For every claim in the order of the run ``claim``, its statement; ``held``; and ``seen``, the lowest
        and highest value of each expression compared. The last entry tells whether every cell ran.
    """
    notebook = with_solutions(lesson)
    for cell in notebook.cells:
        if {CLAIMS, SOLUTION} & set(cell.metadata.get("tags", [])):
            cell.source = _recording(cell, go_on)
    with tempfile.TemporaryDirectory() as folder:
        record = Path(folder, "claims.jsonl")
        first = FIRST.format(shift=shift, record=str(record))
        notebook.cells.insert(0, nbformat.v4.new_code_cell(first))
        where = {"metadata": {"path": str(make_workplace(Path(folder)))}}
        try:
            NotebookClient(notebook, timeout=1800, resources=where, allow_errors=go_on).execute()
            failure = None
        except (CellExecutionError, DeadKernelError, TimeoutError) as error:
            failure = str(error).strip().splitlines()[-1]
            print(f"\n{lesson.stem}, seeds + {shift}: {failure}", file=sys.stderr)
        lines = record.read_text("utf-8").splitlines() if record.exists() else []
    stopped = [
        {"claim": f"{cell.source.splitlines()[0]} … [{output.ename}: {output.evalue}]"[:120], "held": False}
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if go_on and output.output_type == "error"
    ]
    ended = {"claim": TO_THE_END, "held": failure is None and not stopped, "seen": []}
    return [*map(json.loads, lines), *({"seen": []} | record for record in stopped), ended]


def table(records: Iterable[tuple[str, dict]]) -> str:
    """Tabulate claims in Markdown: the lesson, the statement, how often it held, and what was seen."""
    rows = [("lesson", "claim", "held", "seen (lowest to highest)"), ("---",) * 4]
    grouped = {}
    for lesson, record in records:
        grouped.setdefault((lesson, record["claim"]), []).append(record)
    for (lesson, claim), group in grouped.items():
        of_each = zip(*(record["seen"] for record in group), strict=False)  # value: its ranges in all runs
        seen = [f"{min(r)[0]:.4g} to {max(high for _, high in r):.4g}" for r in of_each]
        held = f"{sum(record['held'] for record in group)} of {len(group)}"
        rows.append((lesson, claim.replace("|", "\\|"), held, "; ".join(seen)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "".join("| " + " | ".join(map(str.ljust, row, widths)) + " |\n" for row in rows)


def jobs(lessons: list[Path], seeds: int) -> list[tuple[Path, int]]:
    """List the runs: each lesson with 1000, 2000, … added to its seeds."""
    return [(lesson, 1000 * run) for lesson, run in product(lessons, range(1, seeds + 1))]


def main(lessons: list[Path], seeds: int, report: Path = REPORT) -> int:
    """Examine lessons with other seeds, print what their claims saw, and write it down.

    Parameters
    ----------
    lessons : list of Path
        The texts.
    seeds : int
        How often each lesson is run.
    report : Path
        File for the table that is printed.

    Returns
    -------
    int
        Exit status: 1 if any claim failed in any run, else 0.
    """
    found, runs = {}, jobs(lessons, seeds)
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        waiting = {pool.submit(examine, *job): job for job in runs}
        for done in as_completed(waiting):
            found[waiting[done]] = done.result()
            print(f"\r{len(found)} of {len(runs)} runs", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    records = [(lesson.stem, record) for lesson, shift in runs for record in found[lesson, shift]]
    report.parent.mkdir(exist_ok=True)
    report.write_text(table(records), "utf-8")
    print(table(records), end="")
    return int(not all(record["held"] for _, record in records))


if __name__ == "__main__":
    sys.exit(main(sorted(LESSONS.glob("*.md")), int(sys.argv[1])))
