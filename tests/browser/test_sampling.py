"""The panel "Sample here": complete without the sampler; with it, Stan's draws in a page that stays awake."""

import re

import arviz
import numpy as np
import pytest
from book_pages import LOOKS, PAGES, PATIENCE, changed, pixels

from book.browser.stan.build import PROGRAMS

LESSONS = [name for name in PAGES if re.match(r"lessons/(04|11)-", name)]
DRAWN = "document.querySelectorAll('.sampling-table td').length > 0"
OVER = "/^(Done|Stopped|No draws)/.test(document.querySelector('.sampling-status').textContent)"
SHORT = {"warmup": 50, "draws": 50}


class Panel:
    """The panel on a page, as a reader has it."""

    def __init__(self, page, log):
        self.page, self.log = page, log
        page.wait_for_function(DRAWN, timeout=PATIENCE)

    @property
    def status(self) -> str:
        return self.page.inner_text(".sampling-status")

    def button(self, name: str):
        return self.page.locator(".sampling-form").get_by_role("button", name=name)

    def focus(self) -> str:
        """Say which field, or else which button, has the focus."""
        return self.page.evaluate("document.activeElement.name || document.activeElement.textContent")

    def set(self, program: str, **fields):
        """Fill in the form."""
        self.page.locator(".sampling-form").get_by_label("program").select_option(program)
        for name, value in fields.items():
            self.page.fill(f".sampling-form input[name={name}]", str(value))

    def run(self, program: str, **fields) -> str:
        """Sample, wait for the end, and return what the panel then says."""
        self.set(program, **fields)
        self.button("Sample").click()
        self.page.wait_for_function(OVER, timeout=PATIENCE)
        return self.status

    def table(self) -> list:
        """Of each row of the tables its cells without words of worry, and how many of these it has."""
        return self.page.evaluate("""[...document.querySelectorAll(".sampling-table tbody tr")].map((row) => {
            const copy = row.cloneNode(true), words = [...copy.querySelectorAll("strong")]
            words.forEach((word) => word.remove())
            return [[...copy.cells].map((cell) => cell.textContent.trim()), words.length]
        })""")

    def rows(self) -> dict[str, list[str]]:
        return {name: cells for (name, *cells), _ in self.table()}

    def worries(self) -> dict[str, int]:
        return {cells[0]: words for cells, words in self.table() if words}

    def data(self, model: str) -> dict:
        return self.page.evaluate("(name) => look.get(name, 'data')", f"sampling.{model}")

    def draws(self) -> dict:
        """Draws of the picture, shape (4, draws)."""
        return {name: np.reshape(values, (4, -1)) for name, values in self.data("draws").items()}

    def bfmi(self) -> list[float]:
        return [float(number) for number in self.rows()["E-BFMI of each chain"][0].split(",")]

    def agrees_with_arviz(self, draws: dict):
        """Hold the tables against ArviZ."""
        rows = self.rows()
        for name, letter in [("theta", "θ"), ("tau", "τ"), ("sigma", "σ")]:
            if name in draws:
                x = draws[name]
                told = [float(cell) for cell in rows[letter]]
                np.testing.assert_allclose(told[:3], [x.mean(), x.std(ddof=1), arviz.rhat(x)], atol=6e-4)
                effective = [arviz.ess(x), arviz.ess(x, method="tail", prob=(0.05, 0.95))]
                np.testing.assert_allclose(told[3:], effective, atol=0.6)
        below = (draws["tau"] < 0.1).astype(float)
        told = [float(number) for number in re.findall(r"[\d.]+\d", rows["P(τ < 0.1)"][0])]
        np.testing.assert_allclose(told, [below.mean(), arviz.mcse(below)], atol=6e-5)


@pytest.fixture
def panel(opened):
    """Function that opens the panel of a page."""
    return lambda page=LESSONS[0], **options: Panel(*opened(f"{page}.html", **options))


@pytest.fixture(scope="module")
def with_programs(book):
    """Sampling is tested where the book was built with programs."""
    if not all((book / "_static" / "sampler" / f"{name}.js").is_file() for name in PROGRAMS):
        pytest.skip("this book cannot sample: it was built without em++")


samples = pytest.mark.usefixtures("with_programs")


@pytest.mark.parametrize("page", LESSONS)
def test_stored_draws_are_described_as_arviz_does(panel, page):
    shown = panel(page)
    draws, rows = shown.draws(), shown.rows()
    shown.agrees_with_arviz(draws)
    np.testing.assert_allclose(shown.bfmi(), arviz.bfmi(draws["energy"]), atol=0.006)
    below = (draws["tau"] < 0.1).astype(float)
    assert rows["exact"] == ["0.3545"]
    off = (below.mean() - 0.35448) / arviz.mcse(below)
    side = "high" if off > 0 else "low"
    assert rows["difference"] == [f"{abs(off):.1f} MCSE too {side}"]
    assert rows["divergences"] == [f"{int(draws['divergent'].sum())} of 4000 draws"]
    assert len(shown.data("divergent")["tau"]) == draws["divergent"].sum()


@samples
@pytest.mark.parametrize("served", [True, False], ids=["http", "file"])
def test_a_page_samples_and_one_seed_gives_one_answer(panel, site, served):
    shown = panel(home=site if served else "")
    figure = shown.page.locator(".cell:has(.sampling-table) .bk-Figure").last
    stored, before = shown.rows(), pixels(figure)
    assert shown.run("noncentered", seed=5).startswith("Done in")
    shown.page.evaluate("look.painted()")
    assert changed(before, pixels(figure)) > 500
    first = shown.rows()
    assert first != stored
    caption = shown.page.inner_text(".sampling-table caption >> nth=0")
    assert caption.endswith("noncentered, adapt_delta 0.8, seed 5, 4 × (1000 + 1000)")
    # The seed is fixed, so this is no chance; it is about four MCSE of a run.
    assert abs(float(first["P(τ < 0.1)"][0].partition(",")[0]) - 0.3545) < 0.05
    shown.run("noncentered", seed=6)
    assert shown.rows() != first
    shown.run("noncentered", seed=5)
    assert shown.rows() == first
    assert shown.log.errors == []
    assert shown.log.beyond(f"{site}/", "file:") == []


@samples
def test_tables_and_pictures_are_of_the_draws_that_came(panel):
    shown = panel()
    shown.run("centered", seed=3, warmup=200, draws=300)  # so few that the picture has them all
    shown.agrees_with_arviz(shown.draws())
    shown.run("centered", seed=2, warmup=200, draws=900)
    divergences = int(shown.rows()["divergences"][0].split()[0])
    assert len(shown.data("divergent")["tau"]) == divergences > 0
    worries = shown.worries()  # the seed is fixed, so these are no chance
    assert worries["τ"] >= 2, "bulk and tail ESS at the least"
    assert worries["E-BFMI of each chain"] == 1
    assert 500 < len(shown.data("draws")["tau"]) <= 1300
    trace = shown.data("trace")
    assert [numbers[0] for numbers in trace["draw"]] == [-199] * 4
    for numbers, tau in zip(trace["draw"], trace["tau"], strict=True):
        assert 890 < numbers[-1] <= 900
        assert len(tau) == len(numbers)
        assert min(tau) > 0
    ends = [shown.page.evaluate(f"look.get('sampling.panel', 'x_range').{end}") for end in ("start", "end")]
    assert ends == [-200, 900]
    shown.run("tree_marginal", seed=1, warmup=1000, draws=1000)
    assert shown.worries() == {}
    assert len(shown.data("divergent")["tau"]) == 0


@samples
def test_every_program_samples_the_same_posterior(panel):
    shown = panel(LESSONS[-1])
    options = shown.page.locator("select[name=program] option")
    offered = options.evaluate_all("all => all.map(one => one.value)")
    assert {*offered} == {*PROGRAMS} - {"tree_family"}, "what takes other data than the cells is not offered"
    for program in offered:
        shown.set(program)
        assert shown.page.locator("input[name=weight]").is_visible() == (program == "tree")
        weight = {"weight": 0.1} if program == "tree" else {}
        assert shown.run(program, seed=2, **weight).startswith("Done")
        means = [float(shown.rows()[letter][0]) for letter in "θτσ"]
        assert (abs(np.subtract(means, [10.664, 0.186, 0.940])) < [0.1, 0.08, 0.05]).all()  # the exact ones
        draws, offsets = shown.data("draws"), shown.data("offsets")
        assert abs(np.mean(draws["theta"]) - means[0]) < 0.03, "the picture is of the same draws"
        near = np.array(offsets["offset"])[np.array(offsets["tau"]) < 0.05]
        assert np.ptp(near) < np.ptp(offsets["offset"]) / 2, "a node nears its parent"
    lowest = []
    for weight in (0, 1):
        shown.run("tree", weight=weight, seed=1)
        lowest.append(min(shown.bfmi()))
    assert lowest[0] > 0.5
    assert lowest[1] < 0.3


@samples
def test_draws_are_seen_as_they_come_and_stop_ends_it(panel):
    shown = panel()
    shown.set("centered", adaptDelta=0.999, warmup=5000, draws=5000)
    shown.button("Sample").click()
    come = "look.get('sampling.trace', 'data').draw.flat().filter((n) => n < 0).length > 40"
    shown.page.wait_for_function(come)
    assert shown.status == "Sampling …"
    assert shown.button("Sample").is_disabled()
    assert shown.focus() == "Stop"
    assert len(shown.page.workers) == 4
    assert not shown.page.locator(".sampling-table").is_visible()
    shown.button("Stop").click()
    shown.page.wait_for_function(OVER)
    assert shown.status.startswith("Stopped")
    while shown.page.workers:  # they end a moment later
        shown.page.wait_for_timeout(100)
    assert shown.button("Stop").is_disabled()
    assert shown.focus() == "Sample"
    assert shown.run("noncentered", adaptDelta=0.8, **SHORT).startswith("Done")


@samples
def test_after_stop_and_refusal_the_table_is_seen_again(panel):
    shown = panel()
    rows = shown.rows()
    shown.set("centered", adaptDelta=0.999, warmup=5000, draws=5000)
    for button in ("Sample", "Stop"):
        shown.button(button).click()
    shown.page.wait_for_function(OVER)
    shown.set("centered", adaptDelta=2)
    shown.button("Sample").click()
    assert shown.status.startswith("adapt_delta is 2")
    assert shown.page.locator(".sampling-table").is_visible()
    assert shown.rows() == rows


@samples
def test_impossible_settings_get_a_sentence_and_short_runs_a_table(panel):
    shown = panel()
    rows = shown.rows()
    good = {"weight": 0.5, "adaptDelta": 0.8, "seed": 1, "warmup": 50, "draws": 50}
    for setting, value, sentence in [
        ("adaptDelta", "", "adapt_delta is not a number: give a number from 0.01 to 0.999, such as 0.8."),
        ("draws", "1e9", "draws is 1000000000: give a whole number from 4 to 5000."),
        ("weight", "2", "weight is 2: give a number from 0, noncentered, to 1, centered."),
    ]:
        shown.set("tree", **good | {setting: value})
        shown.button("Sample").click()
        assert shown.status == sentence
        assert shown.rows() == rows
        assert shown.page.workers == []
        assert shown.button("Sample").is_enabled()
    for draws in (4, 5):
        assert shown.run("centered", warmup=0, draws=draws, seed=3).startswith("Done")
        assert not re.search("NaN|Infinity", shown.page.inner_text(".sampling-table"))
        assert shown.worries()["τ"] > 0
    assert shown.log.errors == []


@samples
def test_a_program_that_is_missing_gets_a_sentence(panel, site):
    shown = panel(home=site)
    shown.page.route("**/noncentered.js", lambda route: route.abort())
    told = shown.run("noncentered", **SHORT)
    assert told == "No draws: the book has no program noncentered: is the folder of the book whole?"
    assert shown.run("centered", **SHORT).startswith("Done")
    shown.page.unroute("**/noncentered.js")
    assert shown.run("noncentered", **SHORT).startswith("Done")


@pytest.mark.parametrize("page", LESSONS)
def test_a_book_without_programs_shows_the_stored_draws_and_says_so(panel, page):
    shown = panel(page, programs=False)
    assert shown.page.locator(".sampling-form").count() == 0
    text = shown.page.locator("section:has(.sampling-table)").last.inner_text()
    assert "This copy of the book cannot sample: it shows stored draws." in text
    for words in ("press “Sample”", "Try this", "nothing leaves your machine"):
        assert words not in text
    assert shown.rows()["divergences"][0].endswith("of 4000 draws")
    assert shown.log.errors == []


@samples
@pytest.mark.parametrize("look", LOOKS)
def test_the_panel_can_be_read_and_worked_with_the_keyboard(panel, screenshots, look):
    shown = panel(LESSONS[1], look=look)
    shown.page.locator(".sampling-form").get_by_label("program").focus()
    names = []
    for _ in range(6):
        names.append(shown.focus())
        shown.page.keyboard.press("Tab")
    assert names == ["program", "adaptDelta", "seed", "warmup", "draws", "Sample"]
    shown.set("centered", warmup=300, draws=300, seed=4)
    shown.page.locator(".sampling-form input[name=seed]").press("Enter")
    shown.page.wait_for_function(OVER, timeout=PATIENCE)
    assert shown.status.startswith("Done")
    assert shown.focus() == "seed"
    shown.page.evaluate("look.painted()")
    shown.page.locator(".cell:has(.sampling-table)").screenshot(path=screenshots / f"sampling-{look}.png")
    found = shown.page.evaluate("look.all()")
    assert [line for line in found["faint"] if "sampling" in line or "worry" in line] == []
    assert [line for line in found["unreachable"] if "Sample" in line] == []
    assert found["hanging"] == []
    assert found["width"] <= 1
