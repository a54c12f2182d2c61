"""On the page "Your data" a table is checked, drawn, sampled and handed back, and never leaves the page."""

import re
import zipfile

import cmdstanpy
import numpy as np
import pytest
from conftest import LOOKS

import helpers

PAGE = "book/pages/your-data.html"
ROWS = ["school,pupil,mark", "north,ann,11.5", "north,bob,9.25", "south,cem,8", "south,dan,12"]
SMALL = "\n".join(ROWS)


@pytest.fixture
def form(request, opened, book, site):
    """The page, with what a reader does on it; from a server if the test asks for that, else the disk."""
    served = getattr(request, "param", "disk") == "server"
    if not (book / PAGE).is_file():
        pytest.fail(f"the book has no {PAGE}", pytrace=False)
    page, log = opened(PAGE, home=site if served else "")
    page.wait_for_function("document.querySelector('#yours-checked').textContent != ''")
    form = Form(page)
    yield form
    assert log.errors == []
    assert log.beyond(site if served else book.as_uri()) == []


from_both = pytest.mark.parametrize("form", ["disk", "server"], indirect=True)


class Form:
    """The page as its reader sees it; controls are found by their labels."""

    def __init__(self, page):
        self.page = page

    def paste(self, text: str):
        self.page.get_by_label("Paste a table").fill(text)
        self.page.wait_for_timeout(500)

    def told(self, name: str) -> str:
        return self.page.inner_text(f"#yours-{name}")

    def set(self, label: str, value):
        self.page.get_by_label(label, exact=True).fill(str(value))

    def button(self, name: str):
        return self.page.get_by_role("button", name=name, exact=True)

    def get(self, model: str, item: str):
        return self.page.evaluate("([model, item]) => look.get(model, item)", [f"yours.{model}", item])

    def sample(self) -> str:
        self.button("Sample").click()
        self.page.wait_for_function(
            "!document.querySelector('#yours-status').textContent.match(/ing[ :].*…$/)", timeout=300_000
        )
        return self.told("status")


@pytest.fixture
def samples(form) -> Form:
    if not form.page.evaluate("course.programs.length"):
        pytest.skip("this book cannot sample: it was built without em++")
    return form


@from_both
def test_the_page_begins_with_the_course_and_its_draws(form):
    df = helpers.measurements()
    assert f"{len(df)} measurements" in form.told("checked")
    assert len(form.get("nodes", "data")["x"]) == 1 + 3 + 8 + 17
    assert len(form.get("leaves", "data")["x"]) == 17
    assert len(form.get("trace.4", "data")["x"]) > 100
    assert "No alarm sounds" in form.told("results")


def test_the_tree_is_drawn_from_the_page_as_it_was_from_python(form, book):
    drawn = form.get("nodes", "data")
    form.paste(SMALL)
    assert form.get("nodes", "data")["label"] == ["population", "north", "south"]
    form.paste(form.get("tree", "tags")[0]["csv"])
    again = form.get("nodes", "data")
    assert again["label"] == drawn["label"]
    for column in ("x", "y", "parent_x", "parent_y", "size", "n"):
        np.testing.assert_allclose(again[column], drawn[column], err_msg=column)


def test_a_table_is_read_and_its_columns_can_be_chosen(form):
    form.paste(SMALL)
    assert "4 rows" in form.told("read")
    form.page.get_by_label("Level 2", exact=True).select_option("pupil")
    assert "2 (school), 4 (pupil)" in form.told("checked")
    form.page.get_by_label("Measured number").select_option("school")
    assert "“school” is chosen twice" in form.told("checked")
    form.page.get_by_label("Level 1, the outermost").select_option("pupil")
    assert "“pupil” is chosen twice" in form.told("checked")


BROKEN = [
    ("", "read", "There is no table"),
    ("a,b\n1,2\n3\n", "read", "Line 3 has 1 field"),
    ('a,b\n"x,2\n', "read", "never closed"),
    (SMALL.replace("12", "?"), "asked", "Leave out 1 row without a number?"),
    (SMALL.replace("12", "<12"), "checked", "“<12” in “mark” (in line 5, the 4th row below the names)"),
    (
        SMALL.replace("9.25", '"4,930"').replace("11.5", "8"),
        "asked",
        "marks of thousands, or decimal commas?",
    ),
    ("Experiment 3,,\n" + SMALL, "asked", "line 2 does: school, pupil, mark"),
    ("g,y\na,1\na,1\nb,2\nb,2\n", "checked", "no posterior exists"),
    ("weight,time,chick\n42,0,1\n51,2,1\n40,0,2\n", "checked", "Which column is measured?"),
    ("g,<img src=x onerror=alert(1)>\na,b\n", "checked", "Which column is measured?"),
    ("<img src=x onerror=alert(1)>,y\na,<img src=x onerror=alert(1)>\nb,1.5\nb,2\n", "asked", "<img src=x"),
]


def test_a_broken_table_gets_a_sentence_and_no_sampling(form):
    for text, where, words in BROKEN:
        form.paste(text)
        assert words in form.told(where)
        assert form.button("Sample").is_disabled()
        assert form.button("Notebook").is_disabled()
        form.paste(SMALL)
        assert form.button("Notebook").is_enabled()


IMPOSSIBLE = [
    ("adapt_delta", 1, "adapt_delta is 1"),
    ("seed", -1, "seed is -1"),
    ("draws", "", "draws is not a number"),
    ("warmup", 1.5, "warmup is 1.5"),
    ("draws", 1_000_000, "draws is 1000000"),
    ("θ: sd", 0, "The prior of θ needs a mean, and an sd above 0."),
    ("τ: scale of the half-normal", -1, "The prior of τ needs a scale above 0."),
    ("σ: scale of the half-normal", "", "The prior of σ needs a scale above 0."),
]


def test_an_impossible_setting_gets_a_sentence(form):
    for label, value, words in IMPOSSIBLE:
        before = form.page.get_by_label(label, exact=True).input_value()
        form.set(label, value)
        assert words in form.told("status")
        assert form.button("Sample").is_disabled()
        form.set(label, before)
        assert form.told("status") == "" or not form.page.evaluate("course.programs.length")


def test_a_weight_that_cannot_be_gets_a_sentence(form):
    weight = form.page.get_by_label("with weight")
    assert weight.is_disabled()
    form.page.get_by_label("tree, all nodes sampled").check()
    weight.fill("2")
    assert "The weight is a number from 0 to 1." in form.told("status")


def test_a_file_can_be_opened(form, tmp_path):
    path = tmp_path / "mine.csv"
    path.write_bytes(SMALL.replace(",", ";").replace(".", ",").encode())
    form.page.get_by_label("Or open a file").set_input_files(path)
    form.page.wait_for_function("document.querySelector('#yours-read').textContent.startsWith('4 rows')")
    assert "decimal commas" in form.told("read")
    path = tmp_path / "old.csv"
    path.write_bytes("Größe,y\n1,2\n".encode("latin-1"))
    form.page.get_by_label("Or open a file").set_input_files(path)
    form.page.wait_for_function("document.querySelector('#yours-read').textContent.includes('UTF-8')")
    assert form.button("Notebook").is_disabled()


def test_the_notebook_is_there_before_sampling(form, tmp_path):
    form.paste(SMALL)
    with form.page.expect_download() as download:
        form.button("Notebook").click()
    download.value.save_as(tmp_path / "analysis.ipynb")
    assert "levels=['school'], values='mark'" in (tmp_path / "analysis.ipynb").read_text("utf-8")
    assert "data.csv" in form.told("status")


def test_the_table_as_it_was_read_is_handed_over(form, tmp_path):
    form.paste(SMALL.replace(",", ";").replace(".", ","))
    with form.page.expect_download() as download:
        form.button("Table (data.csv)").click()
    download.value.save_as(tmp_path / "data.csv")
    assert (tmp_path / "data.csv").read_text(
        "utf-8"
    ) == "school,mark\nnorth,11.5\nnorth,9.25\nsouth,8\nsouth,12\n"


THOUSANDS = 'site,y\nn,"4,930"\nn,"5,120"\ns,"6,001"\ns,"5,800"\n'


def test_thousands_are_asked_about_answered_and_taken_back(form):
    form.paste(THOUSANDS)
    assert form.button("Sample").is_disabled()
    assert form.button("Notebook").is_disabled()
    form.button("Thousands: 4,930 is 4930").click()
    assert "“4,930” is 4930" in form.told("read")
    assert "4930" in form.told("preview")
    assert form.page.get_by_label("θ: mean").input_value() == "5000"
    assert form.button("Notebook").is_enabled()
    form.page.get_by_role("button", name="Undo: The commas in “y”").click()
    assert form.button("Notebook").is_disabled()
    form.button("Decimals: 4,930 is 4.930").click()
    assert "“4,930” is 4.93" in form.told("read")
    form.paste(THOUSANDS + "s,4000\n")
    assert "marks of thousands, or decimal commas?" in form.told("asked")
    assert form.button("Notebook").is_disabled()


def test_questions_and_remedies_are_answered_by_keyboard(form):
    form.paste("Experiment 3,,\nclass,school,y\na,north,1.5\nb,north,NA\nc,south,3\nd,south,2\nd,south,4\n")
    for button in ("Take the names from line 2", "Leave out 1 row", "Put “school” before “class”"):
        form.button(button).focus()
        form.page.keyboard.press("Enter")
        assert form.button(button).count() == 0
        assert form.page.evaluate("document.activeElement.closest('#your-data') !== null")
    assert form.page.evaluate("document.activeElement.id") == "yours-checked"
    assert "4 measurements; groups of each level: 2 (school), 3 (class)" in form.told("checked")
    for words in ("Left out: line 1, above the names.", "Left out: 1 row without a number in “y” (line 4)."):
        assert words in form.told("read")


def test_a_wide_table_is_made_long_with_one_click(form):
    form.paste("id,site,t1,t2,t3\n1,n,4.5,5.5,6\n2,n,5,6.5,7\n3,s,4,5,6.5\n")
    assert form.page.get_by_label("Measured number").input_value() == ""
    form.button("Make the table long").click()
    assert "9 measurements" in form.told("checked")
    assert form.page.get_by_label("Measured number").input_value() == "value"
    form.page.get_by_role("button", name="Undo: Made long").click()
    assert form.button("Make the table long").count() == 1


def test_nothing_is_measured_until_it_is_chosen(form):
    form.paste("weight,time,chick\n42,0,1\n51,2,1\n40,0,2\n49,2,2\n41,0,3\n")
    assert "choose it above" in form.told("checked")
    form.page.get_by_label("Measured number").select_option("weight")
    assert "5 measurements" in form.told("checked")
    assert "If each is a count" in form.told("checked")


def test_crossed_groups_are_remarked_on_and_go_on(form):
    form.paste("plate,drug,y\na,X,1.5\na,Y,2.5\nb,X,3.5\nb,Y,4\nc,X,6\nc,Y,7.5\n")
    assert "this nested model does not describe that" in form.told("checked")
    assert form.button("Notebook").is_enabled()


def test_without_programs_the_page_says_so(fresh, site):
    page, log = fresh(**LOOKS["light"])

    def without(route):
        response = route.fetch()
        text, n = re.subn(r'"programs": \[[^]]*\]', '"programs": []', response.text())
        assert n == 1
        route.fulfill(response=response, body=text)

    page.route(f"**/{PAGE}", without)
    page.goto(f"{site}/{PAGE}")
    page.wait_for_function("document.querySelector('#yours-checked').textContent != ''")
    form = Form(page)
    assert "made without the programs" in form.told("status")
    assert form.button("Sample").is_disabled()
    assert form.button("Notebook").is_enabled()
    assert "No alarm sounds" in form.told("results")  # of the draws that the page begins with
    assert log.errors == []


@from_both
def test_a_table_is_sampled_and_its_draws_are_handed_over(samples, tmp_path):
    df = helpers.simulate([6, 5, 4], theta=100, tau=3, sigma=1, seed=1, levels=["school", "class"])
    samples.paste(df.select("school", "class", "y").write_csv())
    samples.set("draws", 400)
    samples.set("warmup", 400)
    assert samples.sample().startswith("Done: 1,600 draws")
    assert "120 measurements" in samples.told("results")

    with samples.page.expect_download() as download:
        samples.button("Draws and notebook (.zip)").click()
    download.value.save_as(tmp_path / "all.zip")
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        archive.extractall(tmp_path)
    fit = cmdstanpy.from_csv(sorted(map(str, tmp_path.glob("draws-*.csv"))))
    assert fit.draws().shape[:2] == (400, 4)
    node = fit.stan_variable("node")[:, 6:]
    leaves = samples.get("leaves", "data")
    data, _ = helpers.stan_data(df, ["school", "class"], "y")
    flat = helpers.tree_data(data, prior={"theta": (100, 10)})
    np.testing.assert_allclose(leaves["x"], flat["y_mean"], rtol=1e-12)
    np.testing.assert_allclose(leaves["y"], node.mean(axis=0), rtol=1e-9)
    np.testing.assert_allclose(np.subtract(leaves["high"], leaves["y"]), node.std(axis=0, ddof=1), rtol=1e-6)
    np.testing.assert_allclose(samples.get("theta", "location"), fit.stan_variable("theta").mean(), rtol=1e-9)
    cells = samples.page.locator("#yours-results tr", has_text="σ").locator("td").all_inner_texts()
    sigma = fit.stan_variable("sigma")
    wanted = [sigma.mean(), sigma.std(ddof=1), *np.quantile(sigma, [0.05, 0.95])]
    np.testing.assert_allclose(list(map(float, cells[:4])), wanted, atol=0.1 * sigma.std())


def test_every_program_and_spread_samples(samples):
    samples.paste(SMALL)
    for program in ("tree, all nodes sampled", "tree_marginal, all nodes"):
        samples.page.get_by_label(program).check()
        for spread in ("own", "shared"):
            samples.page.get_by_label("Spread of groups").select_option(spread)
            samples.set("draws", 100)
            assert samples.sample().startswith("Done: 400 draws"), (program, spread)
            assert ("τ of school" in samples.told("results")) == (spread == "own")


def test_bad_draws_are_called_bad(samples):
    samples.page.get_by_label("tree, all nodes sampled").check()
    samples.page.get_by_label("with weight").fill("1")
    samples.set("draws", 50)
    samples.set("warmup", 50)
    assert samples.sample().startswith("Done")
    told = samples.told("results")
    assert "No alarm" not in told
    assert "ESS of τ is below 400" in told
    assert "Do not rely on these draws" in told


def test_sampling_can_be_stopped_and_begun_again(samples):
    samples.page.get_by_label("tree, all nodes sampled").check()
    samples.page.get_by_label("with weight").fill("1")
    samples.set("draws", 20_000)
    samples.button("Sample").click()
    samples.page.wait_for_function("document.querySelector('#yours-status').textContent.includes('%')")
    samples.button("Stop").click()
    samples.page.wait_for_function(
        "document.querySelector('#yours-status').textContent.startsWith('Stopped')"
    )
    samples.set("draws", 50)
    assert samples.sample().startswith("Done: 200 draws")


def test_a_large_table_is_drawn_as_far_as_there_is_room(form, tmp_path):
    rows = [f"s{i % 9},p{i % 900},{i % 7}.5" for i in range(3000)]
    (tmp_path / "large.csv").write_text("\n".join(["site,plot,y", *rows]))
    form.page.get_by_label("Or open a file").set_input_files(tmp_path / "large.csv")
    form.page.wait_for_function("document.querySelector('#yours-read').textContent.startsWith('3,000 rows')")
    assert "no room for the groups of plot" in form.told("checked")
    assert len(form.get("nodes", "data")["x"]) == 1 + 9


def test_all_of_the_form_can_be_reached_by_keyboard(form):
    reached = set()
    form.page.get_by_label("Paste a table").focus()
    for _ in range(40):
        reached.add(form.page.evaluate("document.activeElement.id || document.activeElement.name"))
        form.page.keyboard.press("Tab")
    names = ["csv", "file", "level-0", "value", "program", "shared", "theta-mean", "tau", "seed", "notebook"]
    assert {f"yours-{name}" for name in names} <= reached
