"""Lessons run in JupyterLab, as `make lab` starts it, without a network, and look there as they should."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys

import pytest
from book_pages import COURSE, PATIENCE, all_show_data, changed, pixels
from jupyterlab import FIGURES, NOTEBOOK, answers, open_notebook, run_all, scroll_to

TOKEN = "for-this-test"


@pytest.fixture(scope="module")
def lab(tmp_path_factory, chromium):
    """Address of JupyterLab in a copy of the course; settings, history and the like stay there, too."""
    own = tmp_path_factory.mktemp("jupyter")
    git = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(git, cwd=COURSE, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in names:
        if (COURSE / name).is_file():
            (own / "course" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(COURSE / name, own / "course" / name)
    environ = os.environ | {
        "JUPYTER_CONFIG_PATH": str(own / "course" / "tools" / "jupyter"),
        "BOKEH_RESOURCES": "inline",
        "PYTHONPATH": str(own / "course"),
        "JUPYTER_CONFIG_DIR": str(own / "config"),
        "JUPYTER_RUNTIME_DIR": str(own / "runtime"),
        "IPYTHONDIR": str(own / "ipython"),
    }
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", f"--port={port}"]
    command += [f"--IdentityProvider.token={TOKEN}", "--LabApp.expose_app_in_browser=True"]
    command += ["--allow-root"] if os.geteuid() == 0 else []
    with open(own / "log", "w") as log:
        server = subprocess.Popen(command, cwd=own / "course", env=environ, stdout=log, stderr=log)
    try:
        answers(f"http://127.0.0.1:{port}/api?token={TOKEN}", server, own / "log")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def address(lab: str, workspace: str, file: str) -> str:
    """Address of a lesson in a workspace of its own: in the common one others would open beside it."""
    return f"{lab}/lab/workspaces/{workspace}/tree/lessons/{file}?token={TOKEN}"


@pytest.fixture(scope="module")
def run(lab, fresh, screenshots):
    """Function that opens a lesson in JupyterLab and runs all its cells; it gives the page and its log."""

    def run_lesson(lesson: str, seconds: float):
        page, log = fresh(viewport={"width": 1400, "height": 1000})
        open_notebook(page, address(lab, lesson, f"{lesson}.md"))
        run_all(page, seconds)
        page.screenshot(path=screenshots / f"lab-{lesson}.png")
        return page, log

    return run_lesson


@pytest.fixture(scope="module")
def first(run):
    """Lesson 1, run."""
    return run("01-data-generation", 90)


def test_every_figure_of_a_lesson_is_drawn(first):
    page, _ = first
    numbers = page.evaluate(FIGURES)
    assert sum(numbers) > 3
    for cell, number in enumerate(numbers):
        if number:
            figures = scroll_to(page, cell).locator(".bk-Figure")
            figures.nth(number - 1).wait_for(timeout=PATIENCE)
            assert all_show_data(page, figures.all()), f"a figure of cell {cell} shows no data"


def test_saved_figures_are_there_when_opened_again_and_exported(first, lab):
    page, _ = first
    page.evaluate("jupyterapp.commands.execute('docmanager:save')")
    with contextlib.closing(page.context.new_page()) as tab:
        open_notebook(tab, address(lab, "again", "01-data-generation.ipynb"))
        cells = [cell for cell, number in enumerate(tab.evaluate(FIGURES)) if number]
        for cell in reversed(cells):  # whoever begins at the end has not passed the cell that loads BokehJS
            scroll_to(tab, cell).locator(".bk-Figure").first.wait_for(timeout=PATIENCE)
        tab.goto(f"{lab}/nbconvert/html/lessons/01-data-generation.md?token={TOKEN}")
        figures = tab.locator(".bk-Figure")
        figures.nth(sum(page.evaluate(FIGURES)) - 1).wait_for(timeout=PATIENCE)
        assert all_show_data(tab, figures.all())


def test_exercises_admonitions_and_formulas_are_rendered(first):
    page, _ = first
    kinds = page.evaluate(f"() => {{ {NOTEBOOK} return cells.map((cell) => cell.type) }}")
    exercises = 0
    for cell, kind in enumerate(kinds):
        if kind == "markdown":
            found = scroll_to(page, cell)
            text = found.locator(".jp-MarkdownOutput").inner_text()
            for left in (":::", "$", "<details", "<div"):
                assert left not in text
            exercises += text.count("Exercise")
    assert exercises > 3


def test_an_answer_is_checked_in_the_cell_below_its_exercise(first):
    page, _ = first
    find = "cells.findIndex((cell) => cell.sharedModel.source == '# 01.1')"
    cell = page.evaluate(f"() => {{ {NOTEBOOK} return {find} }}")
    for answer, verdict in (("[1, 3, 2]", "✘ Not yet."), ("[2, 3, 1]", "✔ Right.")):
        scroll_to(page, cell).locator(".cm-content").click()
        page.keyboard.press("Control+a")
        page.keyboard.insert_text(f'helpers.check("01.1", {answer})')
        page.keyboard.press("Shift+Enter")
        page.locator(".jp-OutputArea-output", has_text=verdict).wait_for(timeout=PATIENCE)


def test_checks_are_folded_and_open_by_a_click(first):
    page, _ = first
    find = "cells.findIndex((cell) => cell.getMetadata('tags')?.includes('claims'))"
    cell = scroll_to(page, page.evaluate(f"() => {{ {NOTEBOOK} return {find} }}"))
    assert not cell.get_by_text("assert").first.is_visible()
    cell.locator(".jp-InputPlaceholder").click()
    cell.get_by_text("assert").first.wait_for(timeout=PATIENCE)


def test_each_lesson_is_listed_once(first):
    page, _ = first
    names = [name.inner_text() for name in page.locator(".jp-DirListing-itemName").all()]
    lessons = sorted(path.name for path in (COURSE / "lessons").glob("*.md"))
    assert [name for name in names if name.endswith(".md")] == lessons


def test_jupyterlab_asks_for_nothing_from_outside(first, lab):
    _, log = first
    assert len(log.requests) > 20
    assert log.beyond(f"{lab}/", f"{lab.replace('http', 'ws')}/") == []


def test_figures_that_move_do_so_in_jupyterlab(run):
    page, _ = run("04-noncentered-repair", 240)
    find = "cells.findIndex((cell) => cell.sharedModel.source.includes('figures.pooling('))"
    cell = page.evaluate(f"() => {{ {NOTEBOOK} return {find} }}")
    figures = scroll_to(page, cell).locator(".bk-Figure")
    figures.first.wait_for(timeout=PATIENCE)
    before, text = pixels(figures.first), page.evaluate("look.get('pooling.text', 'text')")
    page.evaluate_handle("look.handle('pooling.slider')").as_element().press("ArrowRight")
    page.wait_for_function("text => look.get('pooling.text', 'text') != text", arg=text)
    page.evaluate("look.painted()")
    assert changed(before, pixels(figures.first)) > 50
