"""The pages around the lessons say what is so: minutes, links, terms, references, messages, recipes."""

import re
import tomllib
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import yaml
from texts import COURSE, without_code

import helpers
from tools import minutes, notebooks, review

NUMBERED = [path.name for path in sorted(COURSE.glob(f"lessons/{notebooks.NUMBERED}"))]
TEXTS = {path.name: path.read_text("utf-8") for path in sorted(COURSE.glob("lessons/*.md"))}
PAGES = [COURSE / "README.md", COURSE / "CONTRIBUTING.md", *sorted((COURSE / "book" / "pages").glob("*.md"))]


def read(name):
    return (COURSE / name).read_text("utf-8")


def test_lessons_of_the_first_part_are_told_in_few_words():
    assert sum(review.prose(TEXTS[name]) for name in NUMBERED[:4]) < 9000


def test_pages_and_lessons_agree_on_minutes():
    stated = {name: minutes.stated(TEXTS[name]) for name in NUMBERED}
    assert all(in_all == reading + exercises for in_all, reading, exercises in stated.values())
    rows = re.findall(r"^\| \[.*\]\(lessons/(.*?)\) \|.*\| (\d+) \|$", read("README.md"), re.MULTILINE)
    assert {name: int(number) for name, number in rows} == {name: row[0] for name, row in stated.items()}
    in_all = sum(row[0] for row in stated.values())
    assert f"about {in_all} minutes" in read("README.md")
    assert max(row[0] for row in stated.values()) <= 60, "a lesson is to fit an hour, with its exercises"
    table = minutes.TABLE.search(read("book/pages/instructors.md"))[0].splitlines()
    shown = [re.fullmatch(r"(\| .* \| )\d+ \|", row)[1] for row in table]
    expected = [minutes.line(COURSE / "lessons" / name) for name in NUMBERED]
    assert shown == expected, "`python -m tools.minutes`"


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
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


def test_every_form_of_a_term_occurs_and_leads_to_a_lesson_that_uses_it():
    def uses(text, form):
        return re.search(rf"(?<![\w-]){re.escape(form)}(?![\w-])", text.replace("*", ""), re.IGNORECASE)

    block = re.search(r"^```\{glossary\}\n(.*?)^```", read("book/pages/glossary.md"), re.M | re.S)[1]
    everything, known = "\n".join(TEXTS.values()), []
    for entry in block.strip().split("\n\n"):
        forms = re.findall(r"^(?! ).+", entry, re.MULTILINE)
        lesson = TEXTS[re.search(r"\(\.\./\.\./lessons/(.*?)\)", entry)[1]]
        assert any(uses(lesson, form) for form in forms), forms
        assert [form for form in forms if not uses(everything, form)] == []
        known += [form.lower() for form in forms]
    assert len(known) == len(set(known)) > 80


def test_dois_are_well_formed_and_shown_as_linked():
    links = re.findall(r"\[(.*?)\]\(https://doi\.org/(.*?)\)", read("book/pages/references.md"))
    assert len(links) >= 20
    assert len({doi.lower() for _, doi in links}) == len(links)
    for shown, doi in links:
        assert re.fullmatch(r"10\.\d{4,9}/[-._;()/:\w]+", doi)
        assert shown == f"doi:{doi}" or not shown.startswith("doi:")


# What others say, and what is not said at all: names of files, commands, marks
OTHERS = r"""No module named|NameError|The port 8888 is already in use|trying another port|No such kernel
variable does not exist|Scale parameter is 0|but must be positive|TypeError|token=|.venv|.ipynb|book.zip
make book|helpers|helpers.check|output_notebook|.md|more recent than|File Changed|has changed on disk
Unreadable Notebook|$\tau$|CERTIFICATE_VERIFY_FAILED|modell (neu).stan|modell__neu_|="""


def test_messages_in_troubleshooting_are_those_that_the_course_gives():
    kinds = ["helpers/**/*.py", "book/browser/**/*.js", "tools/**/*.py"]
    source = "\n".join(path.read_text("utf-8") for kind in kinds for path in COURSE.glob(kind))
    source = re.sub(r'"\n\s*f?"', "", source)  # messages over several lines
    rows = re.findall(r"^\| (.*?) \|", read("book/pages/troubleshooting.md"), re.MULTILINE)
    quoted = re.findall("`(.+?)`", "\n".join(rows))
    # A message breaks where something is put in: …, a name in quotes, a missing tool, another message.
    breaks = re.compile(r"…(?: is)?|'.*?'|^no (?=C|make)|[:,] ")
    pieces = {piece.strip() for message in quoted for piece in breaks.split(message)}
    ours = pieces - {"", *re.split(r"[|\n]", OTHERS)}
    assert len(ours) > 12
    assert {piece for piece in ours if piece not in source} == set()


def test_plans_name_sections_and_exercises_that_there_are():
    page = read("book/pages/instructors.md")
    exercises = dict(re.findall(r"^\*\*Exercise (\S+)\. (.*)\*\*$", "\n".join(TEXTS.values()), re.MULTILINE))
    titles = [title for text in TEXTS.values() for title, _ in review.split(text)] + [*exercises.values()]
    plans = page.split("## Plans")[1].split("## Minutes")[0] + read("README.md").split("## The lessons")[0]
    quoted = [name.rstrip(" …") for name in re.findall(r'"([A-Z][^"\n]*)"', plans)]
    assert len(quoted) > 15
    assert [name for name in quoted if not any(title.startswith(name) for title in titles)] == []
    named = re.findall(r"\b0\d\.\d\b", page) + re.findall(r"exercises? (\d\d\.\d)", page)
    assert set(named) <= exercises.keys()


def test_map_names_every_lesson():
    tree = ET.fromstring(read("lessons/figures/map.svg"))
    text = " ".join("".join(node.itertext()) for node in tree.iter("{http://www.w3.org/2000/svg}text"))
    assert [int(number) for number in re.findall(r"\b(\d+)  ", text)] == [int(name[:2]) for name in NUMBERED]


def test_recipe_for_your_own_data_gives_right_answers(tmp_path, monkeypatch):
    page = read("book/pages/instructors.md").split("**Another number of levels")[1]
    make = re.search(r"`(helpers\.simulate\(.*?\))` makes", page)[1]
    recipe = re.search(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)[1]
    monkeypatch.chdir(tmp_path)
    df = eval(make, {"helpers": helpers})
    df.select("school", "class", points="y").write_csv("pupils.csv", float_precision=1)
    shown = re.search(r"^```text\n(.*?)^```", page, re.MULTILINE | re.DOTALL)[1]
    assert Path("pupils.csv").read_text().startswith(shown)
    scope = {}
    exec(recipe, scope)
    # 4 marks of each program, 6 MCSEs: a false alarm in fewer than 1 in 10,000,000 seeds, were they normal
    for marks in scope["marks"].values():
        assert marks["error_in_mcse"].abs().max() < 6
    assert {row[0] for row in scope["marks"]["tree"].rows()} == {"theta", "tau", "sigma", "P(tau < 4)"}
    assert (scope["data"]["J_1"], scope["data"]["J_2"]) == (5, 15)
