"""Tabulate the minutes of the lessons on the instructors' page: ``python -m tools.minutes 03``.

It runs the lessons that begin so, or all, and writes a line for each: the minutes that the lesson states at
its top, and the seconds that its cells take.
"""

import re
import sys
import tempfile
import time
from pathlib import Path

from tools.notebooks import LESSONS, chosen, make_workplace, read_lesson, run

PAGE = LESSONS.parent / "book" / "pages" / "instructors.md"
TABLE = re.compile(r"(?<= \| seconds that the cells run \|\n\|---\|---\|---\|---\|\n)(?:\|.*\n)*")


def stated(text: str) -> tuple[int, int, int]:
    """Minutes that a lesson's text says it takes: in all, to read and run, for the exercises."""
    found = re.search(r"It takes\*\* about (\d+) minutes: (\d+) to read and run, (\d+) for", text)
    return tuple(map(int, found.groups()))


def line(lesson: Path) -> str:
    """Line of a lesson in the table, less its seconds."""
    text = lesson.read_text("utf-8")
    _, reading, exercises = stated(text)
    name = re.search(r"^# Lesson (.*)$", text, re.MULTILINE)[1]
    return f"| [{name}](../../lessons/{lesson.name}) | {reading} | {exercises} | "


def seconds(lesson: Path) -> float:
    """Run a lesson and measure what its cells take, and starting Python."""
    with tempfile.TemporaryDirectory() as folder:
        workplace, start = make_workplace(Path(folder)), time.perf_counter()
        run(read_lesson(lesson), workplace)
        return time.perf_counter() - start


if __name__ == "__main__":
    page = PAGE.read_text("utf-8")
    lines = {row.split(" | ")[0]: row for row in TABLE.search(page)[0].splitlines()}
    for lesson in (path for path in chosen(sys.argv[1:]) if path.name[0].isdigit()):
        row = f"{line(lesson)}{seconds(lesson):.0f} |"
        lines[row.split(" | ")[0]] = row
        print(row)
    table = "\n".join(sorted(lines.values(), key=lambda row: int(re.search(r"\d+", row)[0])))
    PAGE.write_text(TABLE.sub(lambda _: f"{table}\n", page), "utf-8")
