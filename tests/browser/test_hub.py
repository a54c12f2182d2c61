"""A student logs in on the Hub's page, starts a server there, and runs lesson 2."""

import asyncio
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from book_pages import PATIENCE
from jupyterlab import FIGURES, answers, open_notebook, run_all, scroll_to

from tools.classroom import rehearsal

LESSON = "course/lessons/02-centered-model.md"


@pytest.fixture(scope="module")
def hub(chromium):
    """Give what is known of a Hub that runs for one user."""
    scratch = Path(tempfile.mkdtemp(prefix="class-"))
    with rehearsal.guarded(scratch):
        run = rehearsal.prepare(scratch, ["user00"], shared=True)
        started = rehearsal.start_hub(scratch, shared=True)
        answers(f"{run['url']}/hub/login", started, scratch / "hub" / "log")
        yield run
        with ThreadPoolExecutor() as threads:  # Playwright has a loop in this one
            assert threads.submit(asyncio.run, rehearsal.open_to_strangers(run, scratch)).result() == []
        assert (scratch / "compiles").read_text() == ""


def log_in(page, run, password):
    page.goto(run["url"])
    page.locator("input[name=username]").fill("user00")
    page.locator("input[name=password]").fill(password)
    page.locator("input[type=submit]").click()


def test_a_student_logs_in_starts_a_server_and_runs_a_lesson(hub, fresh, screenshots):
    page, log = fresh(viewport={"width": 1400, "height": 1000})
    log_in(page, hub, "wrong")
    page.get_by_text("Invalid username or password").wait_for()
    log_in(page, hub, hub["password"])
    page.wait_for_url("**/user/user00/lab/**", timeout=PATIENCE)  # the Hub shows how far it is until then
    open_notebook(page, f"{hub['url']}/user/user00/lab/workspaces/one/tree/{LESSON}")
    run_all(page, 300)
    cell = next(cell for cell, number in enumerate(page.evaluate(FIGURES)) if number)
    figure = scroll_to(page, cell).locator(".bk-Figure").first
    figure.wait_for(timeout=PATIENCE)
    figure.scroll_into_view_if_needed()
    page.screenshot(path=screenshots / "hub.png")
    assert page.evaluate("jupyterapp.shell.currentWidget.context.path") == LESSON
    assert log.beyond(hub["url"], hub["url"].replace("http", "ws", 1)) == []
