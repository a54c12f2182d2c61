"""Sphinx extension: what every page gets beside its text.

Links from the first use of a term to the glossary, the notebook of the page, and a
last line that says with what and when the page was made. And addresses that pages
once had, which lead to where they are now.
"""

import html
import os
import platform
import re
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import cmdstanpy
import nbformat
from docutils import nodes
from myst_nb.sphinx_ import NbMetadataCollector
from sphinx_design.dropdown import dropdown_title

from tools.notebooks import to_notebook, without_solutions

PACKAGES = ["arviz", "bebi103", "bokeh", "cmdstanpy", "iqplot", "numpy", "polars"]
NOTEBOOKS = "notebooks"
GLOSSARY = "book/pages/glossary"
INSTRUCTORS = "book/pages/instructors"  # with answers to questions for a test
# Pages that have moved, and where to
MOVED = {
    "lessons/06-when-to-center": "lessons/10-when-to-center",
    "lessons/07-any-depth": "lessons/06-spread-for-every-level",
    "lessons/08-integrating-out": "lessons/11-integrating-out",
    "lessons/09-calibration": "lessons/12-calibration",
    "lessons/10-counts-and-outliers": "lessons/09-counts-and-outliers",
    "lessons/11-does-it-fit": "lessons/07-does-it-fit",
    "lessons/12-slopes-and-crossed": "lessons/08-slopes-and-crossed",
}
FORWARD = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>This page has moved</title>
<script>location.replace("{to}" + location.hash)</script>
<noscript><meta http-equiv="refresh" content="0; url={to}"></noscript>
<link rel="canonical" href="{to}">
<p>This page has moved: <a href="{to}">{to}</a>
"""
# Where a link would be in the way, or wrong: in titles, code, formulas, and links.
NOT_IN = (nodes.title, dropdown_title, nodes.literal, nodes.literal_block, nodes.math, nodes.math_block)
NOT_IN += (nodes.reference, nodes.raw)


def link_terms(app, doctree, docname):
    """Link the first use of every term on a page to the glossary."""
    if docname == GLOSSARY or GLOSSARY not in app.env.found_docs or app.builder.format != "html":
        return
    terms = {}  # every form of a term, and where the first form of it stands in the glossary
    for item in app.env.get_doctree(GLOSSARY).findall(nodes.definition_list_item):
        forms = list(item.findall(nodes.term))
        terms |= {form.astext().lower(): forms[0]["ids"][0] for form in forms}
    any_term = "|".join(sorted(map(re.escape, terms), key=len, reverse=True))
    pattern = re.compile(rf"(?<![\w-])({any_term})(?![\w-]|\.js)", re.IGNORECASE)
    seen, page = set(), app.builder.get_relative_uri(docname, GLOSSARY)
    skipped = {
        id(text)
        for part in doctree.findall()
        if isinstance(part, NOT_IN)
        for text in part.findall(nodes.Text)
    }
    for text in [text for text in doctree.findall(nodes.Text) if id(text) not in skipped]:
        pieces, end = [], 0
        for match in pattern.finditer(text):
            anchor = terms[match[1].lower()]
            if anchor not in seen:
                seen.add(anchor)
                to = {"refuri": f"{page}#{anchor}", "classes": ["term"], "internal": True}
                pieces += [nodes.Text(text[end : match.start()]), nodes.reference("", match[1], **to)]
                end = match.end()
        if pieces:
            text.parent.replace(text, [*pieces, nodes.Text(text[end:])])


def made_with() -> str:
    """Versions that the pages were made with."""
    cmdstan = ".".join(map(str, cmdstanpy.cmdstan_version() or ("unknown",)))
    named = [f"{name} {version(name)}" for name in PACKAGES]
    return ", ".join([f"Python {platform.python_version()}", f"CmdStan {cmdstan}", *named])


def is_lesson(page: str) -> bool:
    """Tell a lesson from other pages, which may have cells too but make no notebook."""
    return page.startswith("lessons/")


def finish_page(app, pagename, templatename, context, doctree):
    """Add the last line of a page, and the button that downloads its notebook."""
    if doctree is None:
        return
    course = f"Course {version('hierarchical-models-course')}"
    run = is_lesson(pagename) and NbMetadataCollector.get_exec_data(app.env, pagename)
    if run:
        when = datetime.fromtimestamp(run["mtime"]).strftime("%-d %B %Y, %H:%M")
        line = f"{course}. Run on {when}, in {run['runtime']:.0f} seconds, with {made_with()}."
        notebook = f"{context['pathto']('', 1)}{NOTEBOOKS}/{Path(pagename).name}.ipynb"
        told = "Download this page as a notebook"
        button = {"type": "link", "url": notebook, "tooltip": told, "label": "download-notebook-button"}
        context["header_buttons"].insert(0, button | {"icon": "fas fa-download"})
        link = f'<a href="{html.escape(notebook)}" download>{told}</a>'
    else:
        line, link = f"{course}. Built on {datetime.now().strftime('%-d %B %Y')}.", ""
    context["body"] += f'<p class="colophon">{html.escape(line)} {link}</p>'


def write_notebooks(app, exception):
    """Put the notebooks into the book, as the book is: with solutions or without."""
    if exception or app.builder.format != "html":
        return
    folder = Path(app.outdir, NOTEBOOKS)
    folder.mkdir(exist_ok=True)
    for page in app.env.found_docs:
        if is_lesson(page):
            text = Path(app.env.doc2path(page)).read_text("utf-8")
            text = without_solutions(text) if app.config.hide_solutions else text
            nbformat.write(to_notebook(text, Path(page).name), folder / f"{Path(page).name}.ipynb")


def forward_old_addresses(app, exception):
    """Let the addresses that pages once had lead to where they are now."""
    if exception or app.builder.format != "html":
        return
    for old, new in MOVED.items():
        to = f"{os.path.relpath(new, Path(old).parent)}.html"
        Path(app.outdir, f"{old}.html").write_text(FORWARD.format(to=to), "utf-8")


def keep_answers_out(app, docname, source):
    """Keep solutions, and answers that are meant for those who teach, out of a book for students."""
    if not app.config.hide_solutions:
        return
    if is_lesson(docname):
        source[0] = without_solutions(source[0])
    if docname == INSTRUCTORS:
        source[0] = source[0].splitlines()[0] + "\n\nThis page is not in the book for students.\n"


def setup(app):
    """Register with Sphinx."""
    hidden = os.environ.get("SOLUTIONS") == "no"  # as `make book SOLUTIONS=no` says
    app.add_config_value("hide_solutions", hidden, "env")
    app.connect("source-read", keep_answers_out)
    app.connect("doctree-resolved", link_terms)
    app.connect("html-page-context", finish_page, priority=600)
    app.connect("build-finished", write_notebooks)
    app.connect("build-finished", forward_old_addresses)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
