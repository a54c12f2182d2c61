"""A student logs in on the Hub's page, starts a server there, and runs lesson 2."""

import asyncio
import json
import tempfile
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from conftest import wait
from test_lab import DONE, ERRORS, FIGURES, READY, scroll_to

from tools.classroom import rehearsal

LESSON = "02-centered-model"


@pytest.fixture(scope="module")
def hub(chromium):
    """Give what is known of a Hub that runs for one user."""
    scratch = Path(tempfile.mkdtemp(prefix="class-"))
    with rehearsal.guarded(scratch):
        run = rehearsal.prepare(scratch, ["user00"], shared=True)
        started = rehearsal.start_hub(scratch, shared=True)
        while True:
            try:
                urllib.request.urlopen(f"{run['url']}/hub/login", timeout=10)
                break
            except OSError:  # not there yet, or too busy to answer
                assert started.poll() is None, (scratch / "hub" / "log").read_text()
                time.sleep(0.2)
        yield run
        with ThreadPoolExecutor() as threads:  # Playwright has a loop in this one
            assert threads.submit(asyncio.run, rehearsal.open_to_strangers(run, scratch)).result() == []
        assert (scratch / "compiles").read_text() == ""


def log_in(page, run, password):
    page.goto(run["url"])
    page.locator("input[name=username]").fill("user00")
    page.locator("input[name=password]").fill(password)
    page.locator("input[type=submit]").click()


def test_a_wrong_password_opens_nothing(hub, fresh):
    page, _ = fresh()
    log_in(page, hub, "wrong")
    page.get_by_text("Invalid username or password").wait_for()


def test_a_student_logs_in_starts_a_server_and_runs_a_lesson(hub, fresh, screenshots):
    page, log = fresh(viewport={"width": 1400, "height": 1000})
    log_in(page, hub, hub["password"])
    page.wait_for_url("**/user/user00/lab/**", timeout=300_000)  # the Hub shows how far it is until then
    page.goto(f"{hub['url']}/user/user00/lab/workspaces/one/tree/course/lessons/{LESSON}.md")
    page.locator(".jp-Notebook .jp-CodeCell").first.wait_for(timeout=300_000)
    page.wait_for_function(READY, timeout=300_000)
    page.locator("#jp-MainMenu").get_by_text("Run", exact=True).click()
    page.get_by_text("Run All Cells", exact=True).click()
    wait(page, DONE, 300)
    assert page.evaluate(ERRORS) == []
    assert page.evaluate(DONE), "the lesson did not finish"
    numbers = page.evaluate(FIGURES)
    cell = next(cell for cell, number in enumerate(numbers) if number)
    figure = scroll_to(page, cell).locator(".bk-Figure").first
    figure.wait_for(timeout=300_000)
    figure.scroll_into_view_if_needed()
    page.screenshot(path=screenshots / "hub.png")
    saved = json.dumps(page.evaluate("jupyterapp.shell.currentWidget.context.path"))
    assert saved == f'"course/lessons/{LESSON}.md"'
    assert log.beyond(hub["url"], hub["url"].replace("http", "ws", 1)) == []
