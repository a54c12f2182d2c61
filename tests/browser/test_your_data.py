"""On the page "Your data" a table is checked, drawn, sampled and handed back, and never leaves the page."""

import re
import time
import zipfile

import cmdstanpy
import numpy as np
import pytest
from book_pages import PATIENCE

import helpers
from helpers.data import LEVELS

PAGE = "book/pages/your-data.html"
SMALL = "school,pupil,mark\nnorth,ann,11.5\nnorth,bob,9.25\nsouth,cem,8\nsouth,dan,12"


@pytest.fixture
def form(request, opened, book, site):
    """The page, with what a reader does on it; from a server if the test asks for that, else the disk."""
    home = site if getattr(request, "param", "disk") == "server" else book.as_uri()
    page, log = opened(PAGE, home=home)
    yield Form(page)
    assert log.errors == []
    assert log.beyond(home) == []


class Form:
    """The page as its reader sees it; controls are found by their labels."""

    def __init__(self, page):
        self.page = page

    def paste(self, text: str):
        self.page.get_by_label("Paste a table").fill(text)
        self.page.wait_for_timeout(400)

    def open(self, path, told: str):
        """Open a file, and wait until the page tells something that holds these words."""
        self.page.get_by_label("Or open a file").set_input_files(path)
        find = "words => document.querySelector('#yours-read').textContent.includes(words)"
        self.page.wait_for_function(find, arg=told)

    def told(self, name: str) -> str:
        return self.page.inner_text(f"#yours-{name}")

    def field(self, label: str):
        return self.page.get_by_label(label, exact=True)

    def set(self, **values):
        """Fill in numbers of the form."""
        for label, value in values.items():
            self.field(label).fill(str(value))

    def button(self, name: str):
        return self.page.get_by_role("button", name=name, exact=True)

    def get(self, model: str, item: str):
        return self.page.evaluate("([model, item]) => look.get(model, item)", [f"yours.{model}", item])

    def sample(self, **values) -> str:
        self.set(**values)
        self.button("Sample").click()
        over = "!document.querySelector('#yours-status').textContent.match(/ing[ :].*…$/)"
        self.page.wait_for_function(over, timeout=PATIENCE)
        return self.told("status")

    def take(self, name: str, folder):
        """Press a button, and save what it hands over in a folder."""
        with self.page.expect_download() as download:
            self.button(name).click()
        path = folder / download.value.suggested_filename
        download.value.save_as(path)
        return path


@pytest.fixture
def samples(form) -> Form:
    if not form.page.evaluate("course.programs.length"):
        pytest.skip("this book cannot sample: it was built without em++")
    return form


def leaves_are_of(form, draws, averages):
    """Hold the right picture against draws of the leaves, shape (draws, leaves)."""
    leaves = form.get("leaves", "data")
    np.testing.assert_allclose(leaves["x"], averages, rtol=1e-12)
    np.testing.assert_allclose(leaves["y"], draws.mean(axis=0), rtol=1e-9)
    for end, sign in (("high", 1), ("low", -1)):
        sd = sign * np.subtract(leaves[end], leaves["y"])
        np.testing.assert_allclose(sd, draws.std(axis=0, ddof=1), rtol=1e-6)


def row_is_of(form, symbol, draws):
    """Hold mean, sd and quantiles in the table of results against draws."""
    cells = form.page.locator("#yours-results tr", has_text=symbol).locator("td").all_inner_texts()
    wanted = [draws.mean(), draws.std(ddof=1), *np.quantile(draws, [0.05, 0.95])]
    np.testing.assert_allclose(list(map(float, cells[:4])), wanted, atol=0.1 * draws.std())


def test_the_page_begins_with_the_course_and_its_draws(form):
    data, _ = helpers.stan_data(helpers.measurements(), LEVELS, "y")
    flat = helpers.tree_data(data)
    assert "47 measurements; groups of each level: 3 (day), 8 (batch), 17 (colony)." in form.told("checked")
    nodes = form.get("nodes", "data")
    assert nodes["label"][:4] == ["population", "monday", "thursday", "wednesday"]
    assert nodes["n"][-17:] == flat["n"].tolist()
    x = np.array(nodes["x"])
    np.testing.assert_array_equal(x[-17:], np.arange(17))
    np.testing.assert_allclose(nodes["parent_x"][1:], x[flat["parent"]])
    below = [x[1:][flat["parent"] == node].mean() for node in range(12)]
    np.testing.assert_allclose(x[:12], below)  # over the middle of its children
    names, chains = (form.get("tree", "tags")[0][item] for item in ("names", "chains"))
    chains = np.reshape(chains, (4, 1000, -1))
    draws = chains.reshape(4000, -1)
    leaves_are_of(form, draws[:, -17:], flat["y_mean"])
    for name, symbol in (("theta", "θ"), ("tau.1", "τ"), ("sigma", "σ")):
        row_is_of(form, symbol, draws[:, names.index(name)])
    np.testing.assert_array_equal(form.get("trace.4", "data")["y"], chains[3, ::2, names.index("tau.1")])
    assert "No alarm sounds" in form.told("results")
    assert form.told("status") == "" or not form.page.evaluate("course.programs.length")


def test_a_table_is_read_drawn_and_its_columns_can_be_chosen(form):
    form.paste(SMALL)
    assert "4 rows" in form.told("read")
    assert form.get("nodes", "data")["label"] == ["population", "north", "south"]
    form.field("Level 2").select_option("pupil")
    assert "2 (school), 4 (pupil)" in form.told("checked")
    form.field("Measured number").select_option("school")
    assert "“school” is chosen twice" in form.told("checked")
    form.paste("weight,time,chick\n42,0,1\n51,2,1\n40,0,2\n49,2,2\n41,0,3\n")
    assert "choose it above" in form.told("checked")
    form.field("Measured number").select_option("weight")
    assert "5 measurements" in form.told("checked")
    form.paste("site,y\nn,1.5\nn,2.5\nN,3.5\nN,4\n")
    assert "“N” and “n” in “site” are different groups" in form.told("checked")
    assert form.button("Notebook").is_enabled()  # a remark is no refusal


DRUGS = "plate,drug,y\na,X,1.5\na,Y,2.5\nb,X,3.5\nb,Y,4\nc,X,6\nc,Y,7.5\n"
DIFFERENT = "They are different things that share a name: nested"
SAME = "It is the same thing in all of them: crossed"


def test_a_crossed_table_goes_on_only_after_an_answer(form):
    form.paste(DRUGS)
    assert "stand under every “plate”" in form.told("asked")
    assert "Answer the question above first" in form.told("checked")
    for name in ("Sample", "Notebook", "Table (data.csv)"):
        assert form.button(name).is_disabled()
    form.button(DIFFERENT).click()
    assert form.told("asked") == ""
    assert "3 (plate), 6 (drug)" in form.told("checked")
    assert form.button("Notebook").is_enabled()
    assert form.button("Sample").is_enabled() == bool(form.page.evaluate("course.programs.length"))
    form.page.get_by_role("button", name="Undo: “drug” is nested").click()
    assert form.button("Notebook").is_disabled()


def test_crossed_groups_are_not_sampled_but_taken_along(form, tmp_path):
    form.paste(DRUGS)
    form.button(SAME).click()
    assert "3 (plate), 2 (drug)" in form.told("checked")
    assert "too sure of the mean" in form.told("checked")
    link = form.page.locator("#yours-checked a").get_attribute("href")
    assert link == "../../lessons/08-slopes-and-crossed.html#groups-that-cross"
    assert form.button("Sample").is_disabled()
    assert "not sampled in this page: take the notebook" in form.told("status")
    for label in ("with weight", "Spread of groups"):
        assert form.field(label).is_hidden()
    assert form.page.get_by_label("tree_marginal, all nodes").is_hidden()
    form.set(**{"τ: scale of the half-normal": 0})
    assert "The prior of τ needs a scale above 0." in form.told("status")
    assert form.button("Notebook and table (.zip)").is_disabled()
    form.set(**{"τ: scale of the half-normal": 2.5})
    with zipfile.ZipFile(form.take("Notebook and table (.zip)", tmp_path)) as archive:
        notebook = archive.read("analysis.ipynb").decode()
        assert archive.read("data.csv").decode() == DRUGS
    assert "crossed=['plate', 'drug'], values='y'" in notebook
    assert "[2.5] * data" in notebook
    form.field(WHAT).select_option("student_t")
    assert "brms, in R, and bambi, in Python" in form.told("checked")
    assert form.button("Notebook").is_disabled()
    form.paste(SMALL)
    assert form.button("Draws and notebook (.zip)").is_disabled()
    assert form.button("Notebook").is_enabled()
    assert form.field("Spread of groups").is_visible()


MARKUP = "<img src=x onerror=alert(1)>"
BROKEN = [
    ("a,b\n1,2\n3\n", "read", "Line 3 has 1 field"),
    ("g,y\na,1\na,1\nb,2\nb,2\n", "checked", "no posterior exists"),
    (f"{MARKUP},y\na,{MARKUP}\nb,1.5\nb,2\n", "asked", "<img src=x"),
]
SEEDS = "bed,grown,sown\n" + "".join(
    f"{'abcdef'[i % 6]},{i % 6 + i // 6 % 3},{8 + i // 12}\n" for i in range(24)
)
PLATES = "plate,count,area\n" + "".join(f"{'abcdef'[i % 6]},{(5 * i) % 11},{1 + i % 3}\n" for i in range(24))
WHAT = "What was measured"


def test_what_was_measured_is_chosen_and_its_fields_follow(form):
    form.paste(SEEDS.replace("sown", "trials"))
    form.field("Measured number").select_option("grown")
    assert form.field(WHAT).input_value() == "normal"
    assert "are they successes of trials?" in form.told("checked")
    form.button("Take them as successes of trials").click()
    assert form.field("Column of trials").input_value() == "trials"
    assert "24 counts; groups of each level: 6 (bed)" in form.told("checked")
    assert [form.field(name).input_value() for name in ("θ: mean", "θ: sd")] == ["0", "1.5"]
    assert form.told("priors") == "Priors, in log odds"
    assert "the population's probability lies between 5% and 95%" in form.told("prior-meaning")
    for label, kind in (("σ: scale of the half-normal", None), ("ν: degrees of freedom, given", "student_t")):
        assert form.field(label).is_hidden()
        if kind:
            form.field(WHAT).select_option(kind)
            assert form.field(label).is_visible()
    form.paste(PLATES)
    form.field("Measured number").select_option("count")
    form.field(WHAT).select_option("poisson")
    assert "are they counts" not in form.told("checked")
    form.field("Column of exposure").select_option("area")
    assert form.told("priors") == "Priors, in log rates"
    assert "Before any data, the population's rate lies between" in form.told("prior-meaning")
    form.paste(PLATES.replace("a,0,1", "a,0,0"))
    assert "“area” is 0 in line 2: an exposure is above 0" in form.told("checked")
    assert form.button("Sample").is_disabled()
    form.paste(PLATES)
    form.page.get_by_label("Column of exposure").select_option("")
    assert form.button("Notebook").is_enabled()


IMPOSSIBLE = [
    ("draws", "", "draws is not a number"),
    ("θ: sd", 0, "The prior of θ needs a mean, and an sd above 0."),
    ("with weight", 2, "The weight is a number from 0 to 1."),
]


def test_what_cannot_be_gets_a_sentence_and_no_sampling(form):
    for text, where, words in BROKEN:
        form.paste(text)
        assert words in form.told(where)
        assert form.button("Sample").is_disabled()
        assert form.button("Notebook").is_disabled()
        form.paste(SMALL)
        assert form.button("Notebook").is_enabled()
    assert form.field("with weight").is_disabled()
    form.page.get_by_label("tree, all nodes sampled").check()
    for label, value, words in IMPOSSIBLE:
        before = form.field(label).input_value()
        form.set(**{label: value})
        assert words in form.told("status")
        assert form.button("Sample").is_disabled()
        form.set(**{label: before})
        assert form.told("status") == "" or not form.page.evaluate("course.programs.length")


def test_files_are_opened_and_drawn_as_far_as_there_is_room(form, tmp_path):
    rows = [f"s{i % 9},p{i % 900},{i % 7}.5" for i in range(3000)]
    (tmp_path / "large.csv").write_text("\n".join(["site,plot,y", *rows]))
    form.open(tmp_path / "large.csv", "3,000 rows")
    assert "no room for the groups of plot" in form.told("checked")
    assert len(form.get("nodes", "data")["x"]) == 1 + 9
    (tmp_path / "old.csv").write_bytes("Größe,y\n1,2\n".encode("latin-1"))
    form.open(tmp_path / "old.csv", "UTF-8")
    assert form.button("Notebook").is_disabled()


def test_table_and_notebook_are_there_before_sampling(form, tmp_path):
    form.paste(SMALL.replace(",", ";").replace(".", ","))
    table = form.take("Table (data.csv)", tmp_path)
    assert table.read_text("utf-8") == "school,mark\nnorth,11.5\nnorth,9.25\nsouth,8\nsouth,12\n"
    notebook = form.take("Notebook", tmp_path)
    assert "levels=['school'], values='mark'" in notebook.read_text("utf-8")
    assert (table.name, notebook.name) == ("data.csv", "analysis.ipynb")


def test_questions_are_asked_answered_and_taken_back(form):
    form.paste('site,y\nn,"4,930"\nn,"5,120"\ns,"6,001"\ns,"5,800"\n')
    assert form.button("Sample").is_disabled()
    assert form.button("Notebook").is_disabled()
    form.button("Thousands: 4,930 is 4930").click()
    assert "“4,930” is 4930" in form.told("read")
    assert "4930" in form.told("preview")
    assert form.field("θ: mean").input_value() == "5000"
    assert form.button("Notebook").is_enabled()
    form.page.get_by_role("button", name="Undo: The commas in “y”").click()
    assert form.button("Notebook").is_disabled()
    form.button("Decimals: 4,930 is 4.930").click()
    assert "“4,930” is 4.93" in form.told("read")


def test_the_form_can_be_worked_with_the_keyboard(form):
    reached = set()
    form.page.get_by_label("Paste a table").focus()
    for _ in range(40):
        reached.add(form.page.evaluate("document.activeElement.id || document.activeElement.name"))
        form.page.keyboard.press("Tab")
    names = ["csv", "file", "level-0", "value", "program", "shared", "theta-mean", "tau", "seed", "notebook"]
    assert {f"yours-{name}" for name in names} <= reached
    form.paste("Experiment 3,,\nclass,school,y\na,north,1.5\nb,north,NA\nc,south,3\nd,south,2\nd,south,4\n")
    for button in ("Take the names from line 2", "Leave out 1 row", "Put “school” before “class”"):
        form.button(button).press("Enter")
        assert form.button(button).count() == 0
        assert form.page.evaluate("document.activeElement.closest('#your-data') !== null")
    assert form.page.evaluate("document.activeElement.id") == "yours-checked"
    assert "4 measurements; groups of each level: 2 (school), 3 (class)" in form.told("checked")
    for words in ("Left out: line 1, above the names.", "Left out: 1 row without a number in “y” (line 4)."):
        assert words in form.told("read")


def test_without_programs_the_page_says_so(opened):
    page, log = opened(PAGE, programs=False)
    form = Form(page)
    assert "made without the programs" in form.told("status")
    assert form.button("Sample").is_disabled()
    assert form.button("Notebook").is_enabled()
    assert "No alarm sounds" in form.told("results")  # of the draws that the page begins with
    assert log.errors == []


@pytest.mark.parametrize("form", ["disk", "server"], indirect=True)
def test_a_table_is_sampled_and_its_draws_are_handed_over(samples, tmp_path):
    df = helpers.simulate([6, 5, 4], theta=100, tau=3, sigma=1, seed=1, levels=["school", "class"])
    samples.paste(df.select("school", "class", "y").write_csv())
    samples.button(DIFFERENT).click()  # classes of every school are numbered alike
    assert samples.sample(draws=400, warmup=400).startswith("Done: 1,600 draws")
    assert "120 measurements" in samples.told("results")
    with zipfile.ZipFile(samples.take("Draws and notebook (.zip)", tmp_path)) as archive:
        archive.extractall(tmp_path)
    fit = cmdstanpy.from_csv(sorted(map(str, tmp_path.glob("draws-*.csv"))))
    assert fit.draws().shape[:2] == (400, 4)
    data, _ = helpers.stan_data(df, ["school", "class"], "y")
    flat = helpers.tree_data(data, prior={"theta": (100, 10)})
    leaves_are_of(samples, fit.stan_variable("node")[:, 6:], flat["y_mean"])
    np.testing.assert_allclose(samples.get("theta", "location"), fit.stan_variable("theta").mean(), rtol=1e-9)
    row_is_of(samples, "σ", fit.stan_variable("sigma"))


CHOSEN = [
    (None, None, "y", "student_t", None, ["θ", "τ", "σ"]),
    (PLATES, "plate", "count", "poisson", "area", ["θ (log rate)", "rate at θ", "τ (log rate)"]),
    (SEEDS, "bed", "grown", "binomial", "sown", ["θ (log odds)", "probability at θ", "τ (log odds)"]),
]


@pytest.mark.parametrize(
    ("text", "level", "value", "kind", "size", "names"), CHOSEN, ids=["t", "counts", "shares"]
)
def test_other_measurements_are_sampled_and_marked(samples, text, level, value, kind, size, names):
    """No mark is beyond 5 MCSE: a sampler that is right gets there once in two million times."""
    if text:
        samples.paste(text)
        samples.field("Measured number").select_option(value)
        samples.field("Level 1, the outermost").select_option(level)
    samples.field(WHAT).select_option(kind)
    if size:
        samples.page.locator("#yours-size").select_option(size)
    assert samples.sample(draws=1000, warmup=1000, adapt_delta=0.95).startswith("Done: 4,000 draws")
    rows = samples.page.locator("#yours-results table").first.locator("tbody th").all_inner_texts()
    assert rows == names
    assert samples.page.locator("#yours-results caption").inner_text().startswith("Against the exact answer")
    marks = samples.page.locator("#yours-results table").last.locator("tbody tr").all_inner_texts()
    assert len(marks) == (4 if kind == "student_t" else 3)
    errors = [float(row.split("\t")[-1].replace("−", "-")) for row in marks]
    assert max(map(abs, errors)) < 5, marks
    leaves = samples.get("leaves", "data")
    if kind != "student_t":
        assert min(leaves["y"]) > 0
        assert kind == "poisson" or max(leaves["y"]) < 1
        theta = samples.get("theta", "location")
        shrunk = np.sign(np.subtract(leaves["x"], theta)) * np.subtract(leaves["x"], leaves["y"])
        assert np.mean(shrunk) > 0, "groups are pulled to the mean"


@pytest.mark.parametrize("form", ["server"], indirect=True)
def test_the_seconds_of_a_run_count_from_the_click(samples):
    def late(route):
        time.sleep(1.5)
        route.continue_()

    samples.page.route("**/tree_marginal.js", late)
    told = samples.sample(draws=4, warmup=0)
    assert float(re.search(r"in ([\d.]+) seconds", told)[1]) >= 1.5


def test_every_program_and_spread_samples_and_bad_draws_are_called_bad(samples, book):
    samples.page.get_by_label("tree, all nodes sampled").check()
    assert samples.sample(draws=50, warmup=50, **{"with weight": 1}).startswith("Done")
    told = samples.told("results")
    assert "No alarm" not in told
    assert "ESS of τ is below 400" in told
    assert "Do not rely on these draws" in told
    link = samples.page.locator("#yours-results a")
    assert link.evaluate("link => link.href") == f"{book.as_uri()}/lessons/03-funnel-diagnosis.html"
    samples.paste(SMALL)
    for program in ("tree, all nodes sampled", "tree_marginal, all nodes"):
        samples.page.get_by_label(program).check()
        for spread in ("own", "shared"):
            samples.field("Spread of groups").select_option(spread)
            assert samples.sample(draws=100).startswith("Done: 400 draws"), (program, spread)
            assert ("τ of school" in samples.told("results")) == (spread == "own")


def test_sampling_can_be_stopped_and_begun_again(samples):
    samples.page.get_by_label("tree, all nodes sampled").check()
    samples.set(draws=20_000, **{"with weight": 1})
    samples.button("Sample").click()
    find = "words => document.querySelector('#yours-status').textContent.includes(words)"
    samples.page.wait_for_function(find, arg="%")
    samples.button("Stop").click()
    samples.page.wait_for_function(find, arg="Stopped")
    assert samples.sample(draws=50).startswith("Done: 200 draws")
