"""Tell what an editor of the lessons would look at: ``make review``. It never fails.

Minutes of every section are estimated, for nobody has stood in a class with a watch: from words, lines of
code, figures and exercises.
"""

import re
from collections import Counter
from pathlib import Path

from tools.minutes import PAGE, stated
from tools.notebooks import LESSONS, NUMBERED, SOLUTIONS

WORDS_A_MINUTE = 130  # with formulas in between, and a second look
SECONDS_A_LINE = 8  # of code, read and run
FIGURE, MOVING, QUIZ = 2, 5, 1.5  # minutes for a figure, for one that moves, and for a quick question
OPTIONAL = "(optional)"  # at the end of the title of a section, whose minutes do not count
EXERCISE, WITH_CODE = 2, 3  # minutes to think, and more if the answer is code; reading is added

BLOCK = re.MULTILINE | re.DOTALL
TITLE = re.compile(r"^##+ (.*)\n", re.MULTILINE)
CELL = re.compile(r"^```\{code-cell\}.*?\n(.*?)^```", BLOCK)
CODE = re.compile(r"^```python\n(.*?)^```", BLOCK)
FENCE = re.compile(r"^```.*?^```", BLOCK)
ANSWER = re.compile(r"^```\{code-cell\}[^\n]*\n:tags: \[answer.*?^```$", BLOCK)
TASK = re.compile(r'^<(div|details) class="(?:exercise|solution)".*?^</\1>$', BLOCK)
QUESTION = re.compile(r'^<div class="quiz">\n(.*?)^</div>$', BLOCK)
OPTION = re.compile(r'^<details class="(\w+)"><summary>([^\n]+)</summary>\n\n(.*?)\n^</details>$', BLOCK)


def split(text: str) -> list[tuple[str, str]]:
    """Split a lesson into the titles and the texts of its sections; a ``#`` in code starts none."""
    text = text.split("\n---\n", 1)[1]
    hidden = FENCE.sub(lambda fence: re.sub("^#", "%", fence[0], flags=re.MULTILINE), text)
    found = list(TITLE.finditer(hidden))
    ends = [match.start() for match in found[1:]] + [len(text)]
    return [(match[1], text[match.end() : end]) for match, end in zip(found, ends, strict=True)]


def questions(text: str) -> list[list[tuple[str, str, str]]]:
    """Options of every quick question: ``"right"`` or ``"wrong"``, title, and answer."""
    return [OPTION.findall(question) for question in QUESTION.findall(text)]


def words(text: str) -> float:
    """Minutes to read the words of a text; code does not count."""
    return len(FENCE.sub("", text).split()) / WORDS_A_MINUTE


def prose(text: str) -> int:
    """Count the words of a lesson without code and without solutions."""
    rest = SOLUTIONS.sub("", f"{FENCE.sub('', text.split('---', 2)[2])}\n")
    return len(re.sub("</?[a-z][^>]*>", "", rest).split())


def code(lines: list[str]) -> float:
    """Minutes to read and run lines of code; claims are folded, and not read."""
    return SECONDS_A_LINE * sum(line[:6] not in ("assert", "") for line in lines) / 60


def reading(text: str) -> float:
    """Estimate the minutes to read and run a section, without its exercises."""
    rest = TASK.sub("", ANSWER.sub("", text))
    asked, rest = len(QUESTION.findall(rest)), QUESTION.sub("", rest)
    shown = [cell for cell in CELL.findall(rest) if "hide-cell" not in cell]
    figures, moving = ("".join(shown).count(call) for call in (".show(", ".show(helpers.figures."))
    pictures = FIGURE * (figures - moving) + MOVING * moving
    return words(rest) + code("\n".join(shown).splitlines()) + pictures + QUIZ * asked


def exercises(text: str) -> float:
    """Estimate the minutes for the exercises of a section."""
    minutes = 0.0
    for task in (match[0] for match in TASK.finditer(text)):
        lines = "".join(CODE.findall(task)).splitlines()
        minutes += words(task) + code(lines)
        minutes += EXERCISE if task.startswith("<div") else WITH_CODE if lines else 0
    return minutes


def minutes(lesson: Path) -> list[str]:
    """Tell what the lesson states and what is estimated, and the latter of every section."""
    parts = [(reading(text), exercises(text), title) for title, text in split(lesson.read_text("utf-8"))]
    needed = [part for part in parts if not part[2].endswith(OPTIONAL)]
    sums = [round(sum(column)) for column in list(zip(*needed, strict=True))[:2]]
    _, *claimed = stated(lesson.read_text("utf-8"))
    rows = [
        f"{lesson.stem}: {sums[0]} + {sums[1]} minutes, stated {claimed[0]} + {claimed[1]}; "
        f"{prose(lesson.read_text('utf-8'))} words"
    ]
    return rows + [f"  {read:4.0f} {solve:4.0f}  {title}" for read, solve, title in parts]


def telling(lessons: list[Path]) -> list[str]:
    """Tell of quick questions whose right option can be told by its length or its place."""
    found, places, longest = [], Counter(), 0
    for lesson in lessons:
        for options in questions(lesson.read_text("utf-8")):
            lengths = [len(title) for _, title, _ in options]
            right = [kind for kind, _, _ in options].index("right")
            places[right + 1] += 1
            longest += lengths[right] == max(lengths)
            if max(lengths) >= 2 * min(lengths):
                found.append(f"{lesson.stem}: options of {lengths} characters, {options[0][1]!r} the first")
    in_order = ", ".join(f"{number} at place {place}" for place, number in sorted(places.items()))
    return [*found, f"right options: {in_order}; {longest} of {places.total()} are the longest"]


def plan() -> list[str]:
    """Tell how the plan of two hours fits the sections that it names."""
    text = PAGE.read_text("utf-8").split("### Two contact hours")[1].split("###")[0]
    rows = re.findall(r"^\| (\d+) \| (.*) \|$", text, re.MULTILINE)
    found = [f"plan for two hours: {sum(int(given) for given, _ in rows)} minutes"]
    for given, what in rows:
        if lesson := re.search(r"\(\.\./\.\./lessons/(.*?)\)", what):
            named = re.findall(r'"(.*?)"', what)
            parts = split((LESSONS / lesson[1]).read_text("utf-8"))
            taken = sum(reading(part) for title, part in parts if title.startswith(tuple(named)))
            found.append(f"  {given} for {lesson[1]}, estimated {taken:.0f}: {', '.join(named)}")
    return found


if __name__ == "__main__":
    texts = sorted(LESSONS.glob(NUMBERED))
    for told in [*map(minutes, texts), telling(texts), plan()]:
        print(*told, sep="\n")
