"""One page to print, with the tree and the first exercises: a part of ``make pictures``."""

import re

from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin

import helpers
from tools.notebooks import LESSONS

LESSON = LESSONS / "01-data-generation.md"
# Each exercise, and how the paragraph of the lesson begins that it rests on
EXERCISES = {"01.1": "", "01.2": '"The day of batch', "01.3": "Each of the three steps down"}
# What a paragraph says of the screen, or of the cells below it
NOT_ON_PAPER = re.compile(r" Rest the pointer[^.]*\.| \(On a phone[^)]*\)| We can check this.*", re.DOTALL)
LINES = 2  # to write on
TEX = {r"\theta": "θ", r"\tau": "τ", r"\sigma": "σ", "^2": "²", r"\cdot": "·", "{": "", "}": ""}
PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Where the numbers come from</title>
<style>
@page {{ size: A4; margin: 13mm 16mm }}
body {{ font: 9.5pt/1.35 "DejaVu Serif", serif; margin: 0 }}
h1 {{ font-size: 14pt; margin: 0 0 2mm }}
h2 {{ font-size: 10.5pt; margin: 3mm 0 1mm }}
p, ol {{ margin: 1mm 0 }}
code {{ font-size: 8.5pt }}
svg {{ display: block; width: 100%; height: auto; max-height: 72mm }}
.line {{ border-bottom: 0.3pt solid #666; height: 6.5mm }}
</style>
<h1>Where the numbers come from</h1>
{tree}
{caption}
{exercises}
</html>
"""


def plain(tex: str) -> str:
    """Write a short formula without TeX."""
    for sign, letter in TEX.items():
        tex = tex.replace(sign, letter)
    if "\\" in tex:
        raise SystemExit(f"the sheet cannot print the formula {tex}: add its signs to TEX in tools/sheet.py")
    return f"<i>{tex.strip()}</i>"


def to_html(text: str) -> str:
    """Render a text of a lesson, formulas included."""
    markdown = MarkdownIt().use(dollarmath_plugin, renderer=lambda tex, _: plain(tex))
    return markdown.render(text)


def paragraph(text: str, start: str) -> str:
    """Find the paragraph that begins so."""
    found = [part for part in text.split("\n\n") if part.startswith(start)]
    if len(found) != 1:
        raise SystemExit(f"{len(found)} paragraphs of {LESSON.name} begin with {start!r}: correct EXERCISES")
    return NOT_ON_PAPER.sub("", found[0])


def exercise(text: str, number: str) -> tuple[str, str]:
    """Title and text of an exercise; how to check an answer by computer is left out."""
    pattern = rf"^\*\*Exercise {re.escape(number)}\. (.*?)\*\*\n\n(.*?)\n\n</div>"
    title, asked = re.search(pattern, text, re.MULTILINE | re.DOTALL).groups()
    parts = [part for part in asked.split("\n\n") if not part.startswith("Check yourself")]
    return title, "\n\n".join(parts)


def refuse_other_tree(html: str) -> None:
    """Refuse text that does not name the levels and the first groups of the tree that is drawn above it."""
    labels = helpers.measurements()[helpers.LEVELS[0]].unique(maintain_order=True)
    said = re.sub("<[^>]*>", " ", html).lower()
    names = [name.replace("_", " ").lower() for name in [*helpers.LEVELS, *map(str, labels)]]
    if missing := [name for name in names if not re.search(rf"(?<!\w){re.escape(name)}(?!\w)", said)]:
        raise SystemExit(
            f"no sheet: {LESSON.name} does not name {', '.join(missing)} of helpers/measurements.csv in what "
            "the sheet prints: rewrite exercise 01.2 and the paragraph above it first"
        )


def sheet(tree: str) -> str:
    """Make the page, in HTML, from the lesson's text and a drawing of the tree."""
    text, written = LESSON.read_text("utf-8"), ""
    for number, rests_on in EXERCISES.items():
        title, asked = exercise(text, number)
        written += f"<h2>{number} {title}</h2>\n"
        if rests_on:
            written += to_html(paragraph(text, rests_on))
        written += to_html(asked) + '<div class="line"></div>\n' * LINES
    caption = to_html(paragraph(text, "*Every circle"))
    refuse_other_tree(caption + written)
    return PAGE.format(tree=tree[tree.index("<svg") :], caption=caption, exercises=written)
