"""Firefox and WebKit sample, and move figures, and come to the numbers that Chromium comes to."""

import json
from pathlib import Path

import pytest
import webdriver

LOOK = f"(() => {{ {Path(__file__).with_name('look.js').read_text('utf-8')} }})();"
# As a part of the page: scripts of drivers may have a global object of their own
BRING_LOOK = f"""const script = document.createElement("script");
script.text = {json.dumps(LOOK)};
document.head.append(script);"""
SETTLED = """const breath = () => new Promise((done) => setTimeout(done, 50));
const until = async (test) => { while (!test()) await breath(); };
await until(() => look.settled());"""
# Numbers as texts, since drivers may round them
PANEL = f"""{SETTLED}
const form = document.querySelector(".sampling-form");
const [status, table] = [".sampling-status", ".sampling-table"].map((one) => document.querySelector(one));
const values = {{ program: "noncentered", seed: 5, warmup: 100, draws: 100 }};
for (const [name, value] of Object.entries(values)) form.elements[name].value = value;
form.querySelector("button").click();
await until(() => /^(Done|No draws)/.test(status.textContent));
const draws = Object.values(look.get("sampling.draws", "data")).map((column) => column.map(String));
return [status.textContent.slice(0, 7), table.textContent, draws];"""
YOUR_DATA = f"""{SETTLED}
const at = (id) => document.getElementById(`yours-${{id}}`);
for (const [id, value] of Object.entries({{ seed: 5, warmup: 100, draws: 100 }})) at(id).value = value;
at("sample").click();
await until(() => !at("sample").disabled && !at("status").textContent.endsWith("…"));
const leaves = look.get("yours.leaves", "data").y.map(String);
return [at("status").textContent.slice(0, 15), at("results").textContent, leaves];"""
FIGURE = """await look.painted();
const columns = Object.values(look.get("pooling.colonies", "data"));
return [look.get("pooling.slider", "value"), columns.map((column) => column.map(String))];"""


class Chromium:
    """What `webdriver.Browser` does, in a page of Chromium."""

    def __init__(self, page):
        self.page = page

    def open(self, address: str):
        self.page.goto(address)

    def run(self, body: str):
        return self.page.evaluate(f"async () => {{ {body} }}")

    def press(self, key: str):
        self.page.keyboard.press(key)


@pytest.fixture(scope="module", params=[webdriver.firefox, webdriver.webkit])
def other(request, tmp_path_factory):
    """Firefox, and then WebKit."""
    with request.param(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def both(other, fresh, book):
    """Function that gives what Chromium says on a page, and what the other browser does."""

    def ask(name: str, question) -> list:
        told = []
        for browser in (Chromium(fresh()[0]), other):
            browser.open(f"{book.as_uri()}/{name}.html")
            browser.run(BRING_LOOK)
            told.append(question(browser))
        return told

    return ask


def sample(body: str):
    """Give a function that runs a script in a page that can sample."""

    def question(browser):
        if not browser.run("return course.programs.length"):
            pytest.skip("this book cannot sample: it was built without em++")
        return browser.run(body)

    return question


def move(browser) -> list:
    """Move the slider of the first figure that moves; give what it shows, before and afterwards."""
    browser.run(f"{SETTLED} look.handle('pooling.slider').focus()")
    before = browser.run(FIGURE)
    browser.press("ArrowRight")
    return [before, browser.run(FIGURE)]


def test_the_panel_draws_the_same_in_every_browser(both):
    ours, theirs = both("lessons/04-noncentered-repair", sample(PANEL))
    assert ours[0] == "Done in"
    assert theirs == ours


def test_your_data_gives_the_same_numbers_in_every_browser(both):
    ours, theirs = both("book/pages/your-data", sample(YOUR_DATA))
    assert ours[0] == "Done: 400 draws"
    assert theirs == ours


def test_an_arrow_key_moves_a_figure_in_every_browser(both):
    ours, theirs = both("lessons/04-noncentered-repair", move)
    (before, shown), (after, moved) = ours
    assert after == before + 1
    assert moved != shown
    assert theirs == ours
