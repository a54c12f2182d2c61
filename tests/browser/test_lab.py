"""Lessons run in JupyterLab, as `make lab` starts it, without a network, and look there as they should."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from conftest import COURSE, changed, pixels, wait

TOKEN = "for-this-test"
NOTEBOOK = "const widget = jupyterapp.shell.currentWidget, cells = [...widget.content.model.cells];"
READY = f"""() => {{ {NOTEBOOK}
  return widget.sessionContext.isReady && widget.sessionContext.session?.kernel?.status == "idle" }}"""
DONE = f"""() => {{ {NOTEBOOK}
  const failed = cells.some((cell) => cell.outputs?.toJSON().some((out) => out.output_type == "error"))
  return failed || cells.every((cell) => cell.type != "code" || cell.executionCount)
    && widget.sessionContext.session.kernel.status == "idle" }}"""
ERRORS = f"""() => {{ {NOTEBOOK}
  return cells.flatMap((cell) => cell.outputs?.toJSON() ?? []).filter((out) => out.output_type == "error")
    .map((out) => `${{out.ename}}: ${{out.evalue}}`) }}"""
# for each cell how many figures were sent to it
FIGURES = f"""() => {{ {NOTEBOOK}
  return cells.map((cell) => (cell.outputs?.toJSON() ?? [])
    .filter((out) => String(out.data?.["text/html"] ?? "").includes("data-root-id")).length) }}"""


def copy_of_the_course(folder: Path) -> Path:
    """Copy what git has, or would have, of the course."""
    names = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(names, cwd=COURSE, capture_output=True, text=True, check=True)
    for name in filter(None, done.stdout.split("\0")):
        if (COURSE / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(COURSE / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def lab(tmp_path_factory, book, chromium):
    """Address of JupyterLab in a copy of the course; settings, history and the like stay there, too."""
    course = copy_of_the_course(tmp_path_factory.mktemp("course"))
    own = tmp_path_factory.mktemp("jupyter")
    environ = os.environ | {
        "JUPYTER_CONFIG_PATH": str(course / "book" / "jupyter"),
        "BOKEH_RESOURCES": "inline",
        "PYTHONPATH": str(course),
        "JUPYTER_CONFIG_DIR": str(own),
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
        server = subprocess.Popen(command, cwd=course, env=environ, stdout=log, stderr=log)
    try:
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/api?token={TOKEN}", timeout=10)
                break
            except OSError:  # not there yet, or too busy to answer
                assert server.poll() is None, (own / "log").read_text()
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


@pytest.fixture(scope="module")
def run(lab, fresh, screenshots):
    """Function that opens a lesson in JupyterLab and runs all its cells; it gives the page and its log."""

    def run_all(lesson: str, seconds: float):
        page, log = fresh(viewport={"width": 1400, "height": 1000})
        # a workspace of its own: in the common one the last lesson would open again beside this one
        page.goto(f"{lab}/lab/workspaces/{lesson}/tree/lessons/{lesson}.md?token={TOKEN}")
        page.locator(".jp-Notebook .jp-CodeCell").first.wait_for(timeout=300_000)
        page.wait_for_function(READY, timeout=300_000)
        # counts of a run that was saved would look like those of this one
        page.evaluate("jupyterapp.commands.execute('notebook:clear-all-cell-outputs')")
        page.locator("#jp-MainMenu").get_by_text("Run", exact=True).click()
        page.get_by_text("Run All Cells", exact=True).click()
        wait(page, DONE, seconds)
        page.screenshot(path=screenshots / f"lab-{lesson}.png")
        assert page.evaluate(ERRORS) == []
        assert page.evaluate(DONE), f"{lesson} did not finish within {seconds} seconds"
        return page, log

    return run_all


@pytest.fixture(scope="module")
def first(run):
    """Lesson 1, run."""
    return run("01-data-generation", 90)


def scroll_to(page, cell: int):
    """Bring a cell of the notebook into view; JupyterLab makes only those that are."""
    page.evaluate("i => jupyterapp.shell.currentWidget.content.scrollToItem(i, 'center')", cell)
    found = page.locator(f".jp-Notebook .jp-Cell[data-windowed-list-index='{cell}']")
    found.wait_for()
    return found


def test_every_figure_of_a_lesson_is_drawn(first):
    page, _ = first
    numbers = page.evaluate(FIGURES)
    assert sum(numbers) > 3
    for cell, number in enumerate(numbers):
        if number:
            figures = scroll_to(page, cell).locator(".bk-Figure")
            figures.nth(number - 1).wait_for(timeout=300_000)
            for figure in figures.all():
                with_data = pixels(figure)
                page.evaluate("look.showData(false)")
                assert changed(with_data, pixels(figure)) > 50, f"a figure of cell {cell} shows no data"
                page.evaluate("look.showData(true)")


@pytest.fixture
def saved(first):
    """Function that opens an address in another tab, once lesson 1 was saved as it ran."""
    page, _ = first
    page.evaluate("jupyterapp.commands.execute('docmanager:save')")
    tab = page.context.new_page()
    yield lambda address: tab.goto(address) and tab
    tab.close()


def test_exported_html_shows_every_figure_with_its_data(first, saved, lab):
    page, _ = first
    tab = saved(f"{lab}/nbconvert/html/lessons/01-data-generation.md?token={TOKEN}")
    figures = tab.locator(".bk-Figure")
    figures.nth(sum(page.evaluate(FIGURES)) - 1).wait_for(timeout=300_000)
    for figure in figures.all():
        with_data = pixels(figure)
        tab.evaluate("look.showData(false)")
        assert changed(with_data, pixels(figure)) > 50
        tab.evaluate("look.showData(true)")


@pytest.mark.parametrize("ending", ["md", "ipynb"])
def test_figures_are_there_when_a_lesson_is_opened_again(saved, lab, ending):
    tab = saved(f"{lab}/lab/workspaces/{ending}/tree/lessons/01-data-generation.{ending}?token={TOKEN}")
    tab.locator(".jp-Notebook .jp-CodeCell").first.wait_for(timeout=300_000)
    tab.wait_for_function(READY, timeout=300_000)
    cell = next(cell for cell, number in enumerate(tab.evaluate(FIGURES)) if number)
    scroll_to(tab, cell).locator(".bk-Figure").first.wait_for(timeout=300_000)


def test_exercises_admonitions_and_formulas_are_rendered(first):
    page, _ = first
    kinds = page.evaluate(f"() => {{ {NOTEBOOK} return cells.map((cell) => cell.type) }}")
    exercises = 0
    for cell, kind in enumerate(kinds):
        if kind == "markdown":
            found = scroll_to(page, cell)
            found.locator(".myst").wait_for()
            text = found.inner_text()
            for left in (":::", "$", "Unknown Directive", "Unknown Role"):
                assert left not in text
            exercises += text.count("Exercise")
    assert exercises > 3


def test_an_answer_is_checked_in_the_notebook(first):
    page, _ = first
    for answer, verdict in (("[3, 2, 1]", "✘ Not yet."), ("[1, 2, 3]", "✔ Right.")):
        last = page.evaluate(f"() => {{ {NOTEBOOK} return cells.length - 1 }}")
        scroll_to(page, last).click()
        page.keyboard.press("Escape")
        page.keyboard.press("b")
        page.keyboard.press("Enter")
        page.keyboard.insert_text(f'helpers.check("01.1", {answer})')
        page.keyboard.press("Shift+Enter")
        output = page.locator(".jp-OutputArea-output", has_text=verdict)
        output.wait_for(timeout=300_000)


def test_figures_that_move_do_so_in_jupyterlab(run):
    page, _ = run("02-centered-model", 240)
    find = "cells.findIndex((cell) => cell.sharedModel.source.includes('moving.pooling('))"
    cell = page.evaluate(f"() => {{ {NOTEBOOK} return {find} }}")
    figures = scroll_to(page, cell).locator(".bk-Figure")
    figures.first.wait_for(timeout=300_000)
    before, text = pixels(figures.first), page.evaluate("look.get('pooling.text', 'text')")
    page.evaluate_handle("look.handle('pooling.slider')").as_element().press("ArrowRight")
    page.wait_for_function("text => look.get('pooling.text', 'text') != text", arg=text)
    page.evaluate("look.painted()")
    assert changed(before, pixels(figures.first)) > 50


def test_jupyterlab_asks_for_nothing_from_outside(first, lab):
    _, log = first
    assert len(log.requests) > 20
    assert log.beyond(f"{lab}/", f"{lab.replace('http', 'ws')}/") == []
