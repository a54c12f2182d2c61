"""The pages around the lessons say what is so: times, links, terms, references, messages, recipes."""

import inspect
import re
import tomllib
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import yaml

from helpers import checks
from tools import minutes
from tools.notebooks import LESSONS

COURSE = Path(__file__).parents[2]

TEXTS = sorted(LESSONS.glob("*.md"))
PAGES = [COURSE / "README.md", COURSE / "CONTRIBUTING.md", *sorted((COURSE / "book" / "pages").glob("*.md"))]
by_page = pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)


def read(name):
    return (COURSE / name).read_text("utf-8")


def without_code(text):
    return re.sub(r"^(`{3,}).*?^\1|`[^`\n]+`", "", text, flags=re.MULTILINE | re.DOTALL)


def test_first_page_and_lessons_agree_on_minutes():
    rows = re.findall(r"^\| \[.*\]\((lessons/.*?)\) \|.*\| (\d+) \|$", read("README.md"), re.MULTILINE)
    in_table = {name: int(number) for name, number in rows}
    assert in_table == {f"lessons/{text.name}": minutes.stated(text.read_text())[0] for text in TEXTS}
    in_all = re.search(r"about (\d+) minutes", read("README.md"))[1]
    assert int(in_all) == sum(in_table.values())


def test_what_a_lesson_says_it_takes_adds_up():
    for text in TEXTS:
        in_all, reading, exercises = minutes.stated(text.read_text())
        assert in_all == reading + exercises, text.name


def test_table_of_minutes_is_fresh():
    shown = read("book/pages/instructors.md").split(minutes.BEGIN)[1].split(minutes.END)[0]
    now = minutes.table(TEXTS, minutes.measured())
    assert shown.strip() == now, "run `python tools/minutes.py --write`"


def test_estimated_minutes_are_near_the_stated_ones_as_the_page_says():
    seconds, ours, theirs = minutes.measured(), [], []
    for text in TEXTS:
        parts = minutes.sections(text, seconds)
        ours.append(sum(part.reading + part.exercises for part in parts))
        theirs.append(minutes.stated(text.read_text())[0])
        assert abs(ours[-1] / theirs[-1] - 1) < 2 / 5, text.name
    assert abs(sum(ours) / sum(theirs) - 1) < 1 / 6


def test_minutes_count_what_is_there():
    text = """---\n---\n
# Lesson 9. Its name
## First
one two three
```{code-cell} ipython3
# a comment is a line of code, and no title
bokeh.io.show(p)
bokeh.io.show(helpers.figures.dial())
```
```{code-cell} ipython3
:tags: [claims, hide-cell]

assert x, "not read"
```
::::{admonition} Quick question
:class: quiz
not counted by its words
:::{dropdown} No
:::
::::
## Second
:::{exercise} 09.1 A
:label: a
:::
:::{solution} a
```python
x = 1
assert helpers.check("09.1", x)
```
:::
"""
    first, second = [minutes.section("9", *part, 6) for part in minutes.split(text)]
    words, lines = 3 / minutes.WORDS_A_MINUTE, 3 * minutes.SECONDS_A_LINE
    shown = minutes.FIGURE + minutes.MOVING + minutes.QUIZ
    assert first.reading == pytest.approx(words + (lines + 6) / 60 + shown)
    assert (first.title, second.title, first.exercises) == ("First", "Second", 0)
    read_too = 9 / minutes.WORDS_A_MINUTE  # words of the text of both, marks and labels among them
    thought = minutes.EXERCISE + minutes.WITH_CODE + minutes.SECONDS_A_LINE / 60
    assert second.exercises == pytest.approx(thought + read_too)


@by_page
def test_links_lead_somewhere(page):
    targets = re.findall(r"\]\(([^)\s]+)\)", without_code(page.read_text("utf-8")))
    here = [target.split("#")[0] for target in targets if not target.startswith("http")]
    assert [target for target in here if not (page.parent / target).exists()] == []
    assert here, "a page that leads nowhere"


def test_citation_names_this_version():
    citation = yaml.safe_load(read("CITATION.cff"))
    project = tomllib.loads(read("pyproject.toml"))["project"]
    assert citation["version"] == project["version"]
    assert " AND ".join(citation["license"]) == project["license"]
    assert {"cff-version", "message", "title", "authors", "date-released"} <= citation.keys()
    assert citation["title"] in read("README.md").splitlines()[0]


def glossary():
    """Forms and definition of every term."""
    block = re.search(
        r"^```\{glossary\}\n(.*?)^```", read("book/pages/glossary.md"), re.MULTILINE | re.DOTALL
    )[1]
    for entry in block.strip().split("\n\n"):
        lines = entry.splitlines()
        yield (
            [line for line in lines if line[0] != " "],
            " ".join(line.strip() for line in lines if line[0] == " "),
        )


def prose(lesson):
    return without_code(lesson.read_text("utf-8").split("\n---\n", 1)[1]).replace("*", "")


def test_every_form_of_a_term_occurs_in_a_lesson():
    texts = "\n".join(lesson.read_text("utf-8") for lesson in TEXTS).replace("*", "")
    forms = [form for forms, _ in glossary() for form in forms]
    assert len(forms) > 80
    assert len({form.lower() for form in forms}) == len(forms), "a form is there twice"
    missing = [f for f in forms if not re.search(rf"(?<![\w-]){re.escape(f)}(?![\w-])", texts, re.IGNORECASE)]
    assert missing == []


def test_every_term_leads_to_a_lesson_that_uses_it():
    for forms, definition in glossary():
        names = re.findall(r"\(\.\./lessons/(.*?)\)", definition)
        assert names, forms
        text = prose(LESSONS / names[0]) + (LESSONS / names[0]).read_text("utf-8") * (
            forms[0] == "adapt_delta"
        )
        assert re.search("|".join(rf"\b{re.escape(form)}\b" for form in forms), text, re.IGNORECASE), forms


def test_dois_are_well_formed_and_shown_as_linked():
    text = read("book/pages/references.md")
    links = re.findall(r"\[(.*?)\]\(https://doi\.org/(.*?)\)", text)
    assert len(links) >= 20
    assert len({doi.lower() for _, doi in links}) == len(links)
    for shown, doi in links:
        assert re.fullmatch(r"10\.\d{4,9}/[-._;()/:\w]+", doi)
        assert shown == f"doi:{doi}" or not shown.startswith("doi:")


# What others say, and what is not said at all: names of files, commands, marks
OTHERS = [
    "No module named",
    "NameError",
    "The port 8888 is already in use",
    "trying another port",
    "No such kernel",
]
OTHERS += ["variable does not exist", "Scale parameter is 0", "but must be positive", "TypeError", "token="]
OTHERS += [".venv", ".ipynb", "book.zip", "make book", "helpers", "helpers.check", "output_notebook"]
OTHERS += [".md", "more recent than", "File Changed", "has changed on disk", "Unreadable Notebook"]
OTHERS += [":::{exercise}", r"$\tau$", "CERTIFICATE_VERIFY_FAILED", "modell (neu).stan", "modell__neu_"]


def test_messages_in_troubleshooting_are_those_that_the_course_gives():
    files = [*(COURSE / "helpers").rglob("*.py"), *(COURSE / "book" / "browser").rglob("*.js")]
    source = "\n".join(path.read_text("utf-8") for path in files)
    source = re.sub(r'"\n\s*f?"', "", source)  # messages over several lines
    rows = re.findall(r"^\| (.*?) \|", read("book/pages/troubleshooting.md"), re.MULTILINE)
    quoted = [message for row in rows for message in re.findall("`(.+?)`", row)]
    # a message breaks where something is put in: …, a name in quotes, a tool that is missing, another message
    pieces = [
        p.strip() for message in quoted for p in re.split(r"…(?: is)?|'.*?'|^no (?=C|make)|[:,] ", message)
    ]
    ours = [piece for piece in pieces if piece not in ["", "=", *OTHERS]]
    assert len(ours) > 12
    assert [piece for piece in ours if piece not in source] == []


def test_plans_name_sections_and_exercises_that_there_are():
    text = read("book/pages/instructors.md").split("## Plans")[1].split("## Minutes")[0] + read("README.md")
    titles = [title for lesson in TEXTS for title, _ in minutes.split(lesson.read_text("utf-8"))]
    exercises = re.findall(
        r"^:::\{exercise\} (\S+) (.*)$", "\n".join(map(Path.read_text, TEXTS)), re.MULTILINE
    )
    titles += [title for _, title in exercises]
    quoted = [name.rstrip(" …") for name in re.findall(r'"([A-Z][^"\n]*)"', text)]
    assert len(quoted) > 15
    assert [name for name in quoted if not any(title.startswith(name) for title in titles)] == []
    numbers = re.findall(r"\b0\d\.\d\b", read("book/pages/instructors.md"))
    assert set(numbers) <= {number for number, _ in exercises}


def test_plan_for_two_hours_fits_its_minutes():
    plan = read("book/pages/instructors.md").split("### Two contact hours")[1].split("###")[0]
    rows = [(int(number), text) for number, text in re.findall(r"^\| (\d+) \| (.*) \|$", plan, re.MULTILINE)]
    assert sum(number for number, _ in rows) == 120
    seconds, checked = minutes.measured(), 0
    for number, text in rows:
        if lesson := re.search(r"\(\.\./lessons/(.*?)\)", text):
            parts = minutes.sections(LESSONS / lesson[1], seconds)
            named = re.findall(r'"(.*?)"', text)
            taken = [part.reading for part in parts for title in named if part.title.startswith(title)]
            assert len(taken) == len(named) > 1
            assert sum(taken) <= number, text
            checked += 1
    assert checked == 3


def test_page_names_all_checks_that_are_about_our_measurements():
    """Those whose code calls for the measurements, or for their exact posterior."""
    listed = re.search(r"The checks of (.*?) are about the 47 cells", read("book/pages/instructors.md"))[1]
    code = {number: inspect.getsource(checks._CHECKS[number]) for number in checks.exercises()}
    ours = {
        number for number, lines in code.items() if re.search(r"\b(cells|measurements|posterior)\(", lines)
    }
    assert set(re.findall(r"\d\d\.\d", listed)) == ours


def test_map_can_be_read():
    tree = ET.parse(LESSONS / "map.svg")
    text = " ".join("".join(node.itertext()) for node in tree.iter("{http://www.w3.org/2000/svg}text"))
    assert [int(number) for number in re.findall(r"\b(\d+)  ", text)] == [*range(1, len(TEXTS) + 1)]
    sizes = re.findall(r'font-size[=:]\s*"?([\d.]+)', read("lessons/figures/map.svg"))
    assert min(map(float, sizes)) >= 14


def test_recipe_for_your_own_data_gives_right_answers(tmp_path, monkeypatch):
    import helpers

    page = read("book/pages/instructors.md").split("## Your own data")[1]
    make = re.search(r"`(helpers\.simulate\(.*?\))` makes", page)[1]
    recipe = re.search(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)[1]
    monkeypatch.chdir(tmp_path)
    df = eval(make, {"helpers": helpers})
    df.select("school", "class", points="y").write_csv("pupils.csv", float_precision=1)
    shown = re.search(r"^```text\n(.*?)^```", page, re.MULTILINE | re.DOTALL)[1]
    assert (tmp_path / "pupils.csv").read_text().startswith(shown)
    scope = {}
    exec(recipe, scope)
    # 4 marks of each program, 6 MCSEs: a false alarm in fewer than 1 in 10,000,000 seeds, were they normal
    for marks in scope["marks"].values():
        assert marks["error_in_mcse"].abs().max() < 6
    assert {row[0] for row in scope["marks"]["tree"].rows()} == {"theta", "tau", "sigma", "P(tau < 4)"}
    assert (scope["data"]["J_1"], scope["data"]["J_2"]) == (5, 15)
