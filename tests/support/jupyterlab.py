"""What tests of lessons in JupyterLab share: all cells of a notebook are run, and its cells are found."""

import time
import urllib.request

from book_pages import PATIENCE, wait

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


def answers(address: str, server, log) -> None:
    """Wait until a server that was started answers; if it ends instead, its log says why."""
    while True:
        try:
            urllib.request.urlopen(address, timeout=10)
            return
        except OSError:  # not there yet, or too busy to answer
            assert server.poll() is None, log.read_text()
            time.sleep(0.1)


def open_notebook(page, address: str) -> None:
    """Open a notebook, and wait for its kernel."""
    page.goto(address)
    page.locator(".jp-Notebook .jp-CodeCell").first.wait_for(timeout=PATIENCE)
    page.wait_for_function(READY, timeout=PATIENCE)


def run_all(page, seconds: float) -> None:
    """Run all cells; none fails."""
    # counts of a run that was saved would look like those of this one
    page.evaluate("jupyterapp.commands.execute('notebook:clear-all-cell-outputs')")
    page.locator("#jp-MainMenu").get_by_text("Run", exact=True).click()
    page.get_by_text("Run All Cells", exact=True).click()
    wait(page, DONE, seconds)
    assert page.evaluate(ERRORS) == []
    assert page.evaluate(DONE), f"the notebook did not finish within {seconds} seconds"


def scroll_to(page, cell: int):
    """Bring a cell of the notebook into view; JupyterLab makes only those that are."""
    page.evaluate("i => jupyterapp.shell.currentWidget.content.scrollToItem(i, 'center')", cell)
    found = page.locator(f".jp-Notebook .jp-Cell[data-windowed-list-index='{cell}']")
    found.wait_for()
    return found
