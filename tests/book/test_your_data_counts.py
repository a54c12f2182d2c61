"""Counts, successes and outliers on "Your data": what the page makes of them is what Python makes of them."""

import io
import json
import random
import warnings

import nbformat
import node
import numpy as np
import polars as pl
import pytest
from nbclient import NotebookClient
from reading import SCRIPTS, case, in_page

import helpers
from helpers.inputs import RESERVED

LINK = {"theta": [0, 1.5], "tau": 1}
OWN = {"theta": [10, 3], "tau": 5, "sigma": 5}
SIZE = {"poisson": "exposure", "binomial": "trials"}


def in_python(one: dict, told: dict) -> dict:
    """Tell what Python makes of the table that the page hands over."""
    schema = {name: getattr(pl, kind) for name, kind in told["schema"]}
    df = pl.read_csv(io.StringIO(told["csv"]), schema=schema)
    options, also = one["options"], {}
    depth = len(one["levels"])
    if df.width > depth + 1:
        also = {SIZE[options["likelihood"]]: df.columns[-1]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data, _ = helpers.stan_data(df, df.columns[:depth], df.columns[depth], **also)
    nu = {"nu": options["nu"]} if options["likelihood"] == "student_t" else {}
    return helpers.tree_data(
        data, prior=options["prior"], values=df.columns[depth], shared_tau=options["sharedTau"],
        weight=options["weight"], write_nodes=options["writeNodes"], likelihood=options["likelihood"], **nu,
    )  # fmt: skip


def some_case(rng: random.Random) -> dict:
    """Make a table of counts or numbers, with trials or exposure or without."""
    likelihood = rng.choice(["student_t", "poisson", "binomial"])
    rows = []
    for _ in range(rng.randint(2, 30)):
        n = rng.randint(1, 9)
        y = {"student_t": f"{rng.gauss(10, 2):.2f}", "poisson": rng.randint(0, 20)}
        one = y.get(likelihood, rng.randint(0, n))
        size = n if likelihood == "binomial" else f"{rng.uniform(0.1, 3):.2f}"
        rows.append(f"{rng.choice('abc')},{rng.randint(1, 4)},{one},{size}")
    size = "s" if likelihood == "binomial" or (likelihood == "poisson" and rng.random() < 0.6) else None
    options = {"sharedTau": rng.random() < 0.5, "weight": rng.choice([0, 0.25, 1]), "likelihood": likelihood}
    options |= {"prior": OWN if likelihood == "student_t" else LINK, "nu": rng.choice([1.5, 4, 30])}
    return case("\n".join(["a,b,y,s", *rows]), ["a", "b"], "y", size=size, **options)


def test_counts_and_outliers_become_the_dictionary_of_python():
    rng = random.Random(20261129)
    cases = [some_case(rng) for _ in range(150)]
    results = in_page(*cases)
    for one, told in zip(cases, results, strict=True):
        assert "data" in told, (one, told)
        expected = in_python(one, told)
        assert list(told["data"]) == list(expected)
        for item, value in expected.items():
            np.testing.assert_allclose(told["data"][item], value, rtol=1e-12, err_msg=f"{item} of {one}")
    assert {told["data"]["family"] for told in results} == {1, 2, 3}


TABLE = "g,y,n\na,{y},{n}\na,1,2\nb,2,3\n"
REFUSED = [
    ("binomial", 2.5, 3, "“y” is 2.5 in line 2: a fraction is no count"),
    ("binomial", -1, 3, "“y” is -1 in line 2: a count is 0 or more"),
    ("binomial", 4, 3, "“y” is 4 in line 2, and “n” 3: more successes than trials"),
    ("binomial", 0, 0, "“n” is 0 in line 2: trials are a whole number, 1 or more"),
    ("binomial", 1, 1.5, "“n” is 1.5 in line 2: trials are a whole number"),
    ("binomial", 1, 2**31, "“n” is 2147483648 in line 2: this page counts up to"),
    ("poisson", 0.5, 1, "“y” is 0.5 in line 2: a fraction is no count"),
    ("poisson", 2**31, 1, "“y” is 2147483648 in line 2: this page counts up to"),
    ("poisson", 1, 0, "“n” is 0 in line 2: an exposure is above 0"),
    ("poisson", 1, -2, "“n” is -2 in line 2: an exposure is above 0"),
]


@pytest.mark.parametrize(("likelihood", "y", "n", "words"), REFUSED)
def test_what_is_no_count_is_refused_as_python_refuses_it(likelihood, y, n, words):
    text = TABLE.format(y=y, n=n)
    [told] = in_page(case(text, ["g"], "y", size="n", likelihood=likelihood, prior=LINK))
    assert words in told["problem"]
    assert told["problem"].endswith(".")
    with pytest.raises(ValueError, match=r"column '[ny]'"):
        helpers.stan_data(pl.read_csv(io.StringIO(text)), "g", "y", **{SIZE[likelihood]: "n"})


def test_yes_and_no_without_trials_are_one_trial_each():
    yes, more = (
        case(f"g,trials,y\na,5,0\na,6,1\nb,7,{y}\n", ["g"], "y", likelihood="binomial", prior=LINK)
        for y in (1, 2)
    )
    told, wrong = in_page(yes, more)
    assert told["csv"] == "g,y,trials_\na,0,1\na,1,1\nb,1,1\n"
    assert (told["data"]["count"], told["data"]["trials"]) == ([1, 1], [2, 1])
    assert "data.csv has a column “trials_” of ones" in told["said"]
    assert "“y” is 2 in line 4, and each row is one trial" in wrong["problem"]


def test_a_column_of_trials_is_noticed_and_never_chosen():
    named = "site,plot,hits,{n}\nx,a,3,8\nx,b,0,8\ny,a,5,7\ny,b,7,7\n"
    noticed = [case(named.format(n=n)) for n in ("trials", "n", "Total", "n.tested", "sample size")]
    for told in in_page(*noticed):
        assert told["guess"] == {"value": "hits", "levels": ["site", "plot"]}
        [one] = [remark for remark in told["remarks"] if remark["rule"] == "numbers"]
        assert "are they successes of trials?" in one["text"]
        assert (one["fix"]["likelihood"], one["fix"]["size"]) == ("binomial", told["names"][3])
        assert "family" not in told["data"]
    other = [
        case(named.format(n="m"), ["site", "plot"], "hits"),
        case(named.format(n="n").replace("7,7", "7,6"), ["site", "plot"], "hits"),
    ]
    for told in in_page(*other):
        assert "are they counts?" in next(one["text"] for one in told["remarks"] if one["rule"] == "numbers")


# ---- the notebook

MAKE = """
return jobs.map(({ text, levels, value, size, likelihood, prior }) => {
  const grid = course.readGrid(text);
  const { table, did } = course.takeColumns(grid, { levels, value, size, likelihood });
  const options = { prior, sharedTau: true, weight: 0, writeNodes: true, likelihood, nu: 4 };
  const own = table.columns[levels.length + 1]?.name ?? null;
  const program = likelihood === "normal" ? "tree_marginal" : "tree_family";
  const job = { table, levels, value, size: own, likelihood, program, options, settings, reserved, did: [] };
  const data = course.treeData(course.stanData(table), options);
  return { csv: course.toCsv(table), notebook: course.notebook(job), data };
});
"""
SETTINGS = {"adaptDelta": 0.9, "seed": 1, "warmup": 500, "draws": 500, "chains": 4}
CELLS = helpers.measurements().write_csv()
COUNTS = "site,exposure,n,area\n" + "".join(
    f"{'abcdef'[i % 6]},{(3 * i) % 7 + i % 6},{(3 * i) % 7 + 8},{1 + i % 3}\n" for i in range(24)
)
JOBS = [
    {"text": CELLS, "levels": ["day", "batch", "colony"], "value": "y", "size": None, "likelihood": "normal"},
    {
        "text": CELLS,
        "levels": ["day", "batch", "colony"],
        "value": "y",
        "size": None,
        "likelihood": "student_t",
    },
    {"text": COUNTS, "levels": ["site"], "value": "exposure", "size": "area", "likelihood": "poisson"},
    {"text": COUNTS, "levels": ["site"], "value": "exposure", "size": "n", "likelihood": "binomial"},
]


@pytest.fixture(scope="module")
def handed() -> list[dict]:
    jobs = [job | {"prior": LINK if job["likelihood"] in SIZE else OWN} for job in JOBS]
    return node.run(MAKE, *SCRIPTS, jobs=jobs, settings=SETTINGS, reserved=RESERVED.split())


@pytest.mark.parametrize("which", range(4), ids=[job["likelihood"] for job in JOBS])
def test_the_notebook_of_every_likelihood_runs_and_is_marked(handed, which, tmp_path):
    """Its draws are marked in MCSE; 6 of them happen by chance once in 500 million times."""
    given = handed[which]
    (tmp_path / "data.csv").write_text(given["csv"], "utf-8")
    notebook = nbformat.reads(given["notebook"], as_version=4)
    nbformat.validate(notebook)
    [marks] = [cell for cell in notebook.cells if "helpers.score(" in cell.source]
    marks.source = marks.source.replace("helpers.score", "marks = helpers.score")
    last = "import json; json.dump([marks.to_dicts(), flat['J'].tolist()], open('marks.json', 'w'))"
    notebook.cells.append(nbformat.v4.new_code_cell(last))
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": tmp_path}}).execute()
    rows, sizes = json.loads((tmp_path / "marks.json").read_text())
    assert sizes == given["data"]["J"]
    wanted = ["theta", "tau"] + ([] if JOBS[which]["likelihood"] in SIZE else ["sigma"])
    assert [row["quantity"] for row in rows][: len(wanted)] == wanted
    assert all(abs(row["error_in_mcse"]) < 6 for row in rows), rows
