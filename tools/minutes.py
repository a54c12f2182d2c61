"""Estimate how long each section of each lesson takes: ``python tools/minutes.py`` prints the table.

``--write`` puts it into ``book/pages/instructors.md``; ``--measure`` first runs the lessons and writes
``tools/seconds.csv``, how long the cells of each section take. The estimate counts words, lines of code,
figures and exercises. It is no timing of a class.
"""

import csv
import re
import sys
import tempfile
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from pathlib import Path

COURSE = Path(__file__).parents[1]
LESSONS = COURSE / "lessons"
SECONDS, PAGE = Path(__file__).with_name("seconds.csv"), COURSE / "book" / "pages" / "instructors.md"
BEGIN, END = "<!-- minutes: written by tools/minutes.py -->", "<!-- end of minutes -->"

WORDS_A_MINUTE = 130  # with formulas in between, and a second look
SECONDS_A_LINE = 8  # of code, read and run
FIGURE, MOVING, QUIZ = 2, 5, 1.5  # minutes for a figure, for one that moves, and for a quick question
EXERCISE, WITH_CODE = 2, 3  # minutes to think, and more if the answer is code; reading is added

TITLE = re.compile(r"^##+ (.*)\n", re.MULTILINE)
CELL = re.compile(r"^```\{code-cell\}.*?\n(.*?)^```", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
TASK = re.compile(r"^(:{3,})\{(exercise|solution)\}.*?^\1$", re.MULTILINE | re.DOTALL)
QUESTION = re.compile(r"^(:{4,})\{admonition\}[^\n]*\n:class: quiz.*?^\1$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Section:
    """A section of a lesson, and the minutes that it takes."""

    lesson: str
    title: str
    reading: float
    exercises: float


def stated(text: str) -> tuple[int, int, int]:
    """Minutes that a lesson's text says it takes: in all, to read and run, for the exercises."""
    found = re.search(r"It takes\*\* about (\d+) minutes: (\d+) to read and run, (\d+) for", text)
    return tuple(map(int, found.groups()))


def words(text: str) -> float:
    """Minutes to read the words of a text; code does not count."""
    return len(FENCE.sub("", text).split()) / WORDS_A_MINUTE


def split(text: str) -> list[tuple[str, str]]:
    """Split a lesson into the titles and the texts of its sections; a ``#`` in code starts none."""
    text = text.split("\n---\n", 1)[1]
    hidden = FENCE.sub(lambda fence: re.sub("^#", "%", fence[0], flags=re.MULTILINE), text)
    found = list(TITLE.finditer(hidden))
    ends = [match.start() for match in found[1:]] + [len(text)]
    return [(match[1], text[match.end() : end]) for match, end in zip(found, ends, strict=True)]


def section(lesson: str, title: str, text: str, seconds: float) -> Section:
    """Estimate the minutes of one section, whose cells run for so many seconds."""
    tasks = [match[0] for match in TASK.finditer(text)]
    rest = TASK.sub("", text)
    questions = QUESTION.findall(rest)
    rest = QUESTION.sub("", rest)
    shown = [cell for cell in CELL.findall(rest) if "hide-cell" not in cell]
    lines = [line for cell in shown for line in cell.splitlines() if line.strip()]
    figures = sum(cell.count(".show(") for cell in shown)
    reading = words(rest) + (SECONDS_A_LINE * len(lines) + seconds) / 60
    moving = sum(cell.count(".show(helpers.figures.") for cell in shown)
    reading += FIGURE * (figures - moving) + MOVING * moving + QUIZ * len(questions)
    exercises = 0.0
    for task in tasks:
        code = [line for line in "".join(CODE.findall(task)).splitlines() if line[:6] not in ("assert", "")]
        exercises += words(task) + SECONDS_A_LINE * len(code) / 60
        if "{exercise}" in task:
            exercises += EXERCISE
        elif code:
            exercises += WITH_CODE
    return Section(lesson, title, reading, exercises)


def sections(lesson: Path, seconds: dict[tuple[str, str], float]) -> list[Section]:
    """Estimate the minutes of all sections of a lesson, given the seconds that their cells run."""
    parts = split(lesson.read_text("utf-8"))
    return [section(lesson.stem, *part, seconds.get((lesson.stem, part[0]), 0)) for part in parts]


def measured(path: Path = SECONDS) -> dict[tuple[str, str], float]:
    """Read how long the cells of each section took."""
    with open(path, encoding="utf-8") as file:
        rows = csv.DictReader(line for line in file if not line.startswith("#"))
        return {(row["lesson"], row["section"]): float(row["seconds"]) for row in rows}


def table(lessons: list[Path], seconds: dict[tuple[str, str], float]) -> str:
    """Tabulate the minutes in Markdown, each lesson with its sum and with what its text says."""
    rows = ["| lesson and section | read and run | exercises |", "|---|---|---|"]
    total, said = [0.0, 0.0], 0
    for lesson in lessons:
        parts = sections(lesson, seconds)
        sums = [sum(part.reading for part in parts), sum(part.exercises for part in parts)]
        in_all, *claimed = stated(lesson.read_text("utf-8"))
        name = re.search(r"^# Lesson (.*)$", lesson.read_text("utf-8"), re.MULTILINE)[1]
        both = [f"**{round(ours)}** (stated: {theirs})" for ours, theirs in zip(sums, claimed, strict=True)]
        rows.append(f"| **[{name}](../../lessons/{lesson.name})** | {both[0]} | {both[1]} |")
        rows += [f"| {p.title} | {ceil(p.reading)} | {ceil(p.exercises) or ''} |" for p in parts]
        total, said = [t + s for t, s in zip(total, sums, strict=True)], said + in_all
    both = " | ".join(f"**{round(minutes)}**" for minutes in total)
    rows.append(f"| **All lessons**: {round(sum(total))} (stated: {said}) | {both} |")
    return "\n".join(rows)


def measure(lessons: list[Path]) -> None:
    """Run the lessons and write down how long the cells of each section take."""
    from nbclient import NotebookClient

    from tools.notebooks import make_workplace, read_lesson

    def clock(stamp: str) -> datetime:
        return datetime.fromisoformat(stamp.replace("Z", "+00:00"))

    took = {}
    for lesson in lessons:
        notebook, title = read_lesson(lesson), ""
        with tempfile.TemporaryDirectory() as folder:
            where = {"metadata": {"path": str(make_workplace(Path(folder)))}}
            NotebookClient(notebook, timeout=1200, resources=where).execute()
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                title = [title, *TITLE.findall(cell.source + "\n")][-1]
            else:
                times = cell.metadata["execution"]
                run = clock(times["shell.execute_reply"]) - clock(times["iopub.execute_input"])
                took[lesson.stem, title] = took.get((lesson.stem, title), 0) + run.total_seconds()
    with open(SECONDS, "w", encoding="utf-8", newline="") as file:
        file.write(
            f"# cells of each section run one by one, programs compiled before, {datetime.now():%Y-%m-%d}\n"
        )
        csv.writer(file).writerow(["lesson", "section", "seconds"])
        csv.writer(file).writerows((*where, round(seconds, 1)) for where, seconds in took.items())


if __name__ == "__main__":
    all_lessons = sorted(LESSONS.glob("*.md"))
    if "--measure" in sys.argv:
        measure(all_lessons)
    text = table(all_lessons, measured())
    if "--write" in sys.argv:
        before, rest = PAGE.read_text("utf-8").split(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.split(END)[1]}", "utf-8")
    else:
        print(text)
