"""Groups that cross on "Your data": the page asks first, and the notebook fits the model that was meant."""

import base64
import io
import json
import zipfile

import nbformat
import node
import numpy as np
import polars as pl
import pytest
from nbclient import NotebookClient
from reading import PRIOR, SCRIPTS

from helpers.inputs import RESERVED

# `given` are answers in the order of the questions.
MAKE = """
const make = ({ text, levels, value, given }) => {
  const { table } = course.takeColumns(course.readGrid(text), { levels, value });
  const tree = course.stanData(table);
  const remarks = course.remarks(table, tree);
  const [answers, left] = [{}, [...given]];
  let found = course.crossing(table, tree, remarks, answers);
  while (found.ask && left.length) {
    answers[found.ask.id] = left.shift();
    found = course.crossing(table, tree, remarks, answers);
  }
  const did = found.did.map((one) => one.text);
  const kind = { size: null, likelihood: "normal", program: "crossed", remarked: true, options: { prior } };
  const job = { table, levels, value, given: text, did, ...kind, settings, reserved, crossing: found.model };
  return { ...found, job };
};
"""
TELL = """
return cases.map((one) => {
  const { ask, did, model, job } = make(one);
  return { ask, did, model, notebook: model && course.notebook(job), csv: course.toCsv(job.table) };
});
"""
PACK = """
const parts = await course.takeaway(make(one).job);
return parts.map((part) => Buffer.from(part).toString("base64"));
"""
SETTINGS = {"adaptDelta": 0.95, "seed": 1, "warmup": 1000, "draws": 1000, "chains": 4}
NESTED, CROSSED = "nested", "crossed"


def run(body: str, **values):
    """Run JavaScript that may `make` what the page makes of a table and of answers."""
    constants = {"prior": PRIOR, "settings": SETTINGS, "reserved": RESERVED.split()}
    return node.run(MAKE + body, *SCRIPTS, **constants, **values)


def tell(text: str, levels: list[str], *given: str, value: str = "y") -> dict:
    """Tell what the page asks, has done and hands over of one table, after some answers."""
    [told] = run(TELL, cases=[{"text": text, "levels": levels, "value": value, "given": given}])
    return told


def table(labels: list[tuple], names: str) -> str:
    """Write labels as CSV, each row twice, with measurements that differ."""
    rng = np.random.default_rng(20261129)
    effects = {}
    rows = []
    for row in [*labels, *labels]:
        shift = sum(effects.setdefault((k, label), rng.normal(0, 2)) for k, label in enumerate(row))
        rows.append(",".join([*map(str, row), f"{10 + shift + rng.normal():.3f}"]))
    return "\n".join([names, *rows])


DRUGS = table([(plate, drug) for plate in "abcde" for drug in "WXYZ"], "plate,drug,y")
BATCHES = [(day, f"{day}{batch}") for day in ("mon", "tue", "wed") for batch in (1, 2)]
LOTS = table([(*batch, lot) for batch in BATCHES for lot in "PQR"], "day,batch,lot,y")
REPEATS = table([(plate, drug, n) for plate in "abc" for drug in "XY" for n in (1, 2, 3)], "plate,drug,rep,y")
TAKEN = DRUGS.replace("plate,drug,y", "y,drug,µm")
LONE = table([("mon", plate, drug) for plate in "abc" for drug in "XYZ"], "day,plate,drug,y")


def test_a_crossed_table_is_asked_about_until_answered():
    told = tell(DRUGS, ["plate", "drug"])
    assert told["ask"]["text"].startswith(
        "The same labels of “drug” stand under every “plate”. Is “W” the same"
    )
    assert [choice for choice, _ in told["ask"]["options"]] == [NESTED, CROSSED]
    assert (told["did"], told["model"]) == ([], None)


@pytest.mark.parametrize("answer", [NESTED, CROSSED])
def test_either_answer_is_told_and_can_be_taken_back(answer):
    told = tell(DRUGS, ["plate", "drug"], answer)
    [did] = told["did"]
    assert "ask" not in told
    assert did["text"].startswith(f"“drug” is {answer}: “W”")
    assert did["undo"] == 'crossed:["plate","drug"]'
    assert (told["model"] is None) == (answer == NESTED)


SPLITS = {
    "two crossed": (DRUGS, ["plate", "drug"], [CROSSED], "crossed=['plate', 'drug'], values='y'", [5, 4]),
    "one crosses two that are nested": (
        LOTS, ["day", "batch", "lot"], [CROSSED],
        "levels=['day', 'batch'], crossed=['lot'], values='y'", [3, 6, 3],
    ),
    "one is nested in cells": (
        REPEATS, ["plate", "drug", "rep"], [CROSSED, NESTED],
        "crossed=['plate', 'drug', 'rep'], values='y'", [3, 2, 18],
    ),
    "three crossed": (
        REPEATS, ["plate", "drug", "rep"], [CROSSED, CROSSED],
        "crossed=['plate', 'drug', 'rep'], values='y'", [3, 2, 3],
    ),
    "y is a factor": (TAKEN, ["y", "drug"], [CROSSED], "crossed=['y_', 'drug'], values='y'", [5, 4]),
    "a single day": (
        LONE, ["day", "plate", "drug"], [CROSSED], "crossed=['plate', 'drug'], values='y'", [3, 3],
    ),
}  # fmt: skip


@pytest.mark.parametrize("which", SPLITS)
def test_factors_of_the_notebook_are_those_that_were_meant(which, tmp_path, monkeypatch):
    text, levels, answers, call, sizes = SPLITS[which]
    told = tell(text, levels, *answers, value=text.split("\n")[0].split(",")[-1])
    assert [size for _, size in told["model"]["factors"]] == sizes
    cells = nbformat.reads(told["notebook"], as_version=4).cells
    assert call in cells[1].source
    assert 'helpers.stan_model("crossed")' in cells[2].source.replace("'", '"')
    assert "helpers.exact_crossed(data)" in cells[-1].source
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data.csv").write_text(told["csv"], "utf-8")
    scope = {}
    exec(cells[1].source, scope)
    data, labelled = scope["data"], scope["labelled"]
    assert data["J"].tolist() == sizes
    np.testing.assert_array_equal(data["y"], labelled["y"])
    # A number of a group belongs to one label, of what was read or made of it, and to no other.
    for index, factor in zip(data["index"], scope["factors"], strict=True):
        outer = ["day", "batch"] if factor == "batch" else [factor]
        pairs = labelled.select(outer).with_columns(pl.Series("index", index)).unique()
        assert len(pairs) == len(set(index)) == labelled.select(outer).n_unique()
    assert {name: np.shape(data[name]) for name in data if name.startswith("prior_")} == {
        "prior_theta": (2,), "prior_beta": (0, 2), "prior_tau": (len(sizes),), "prior_sigma": (),
    }  # fmt: skip


def test_zip_of_a_crossed_table_has_no_draws_and_says_so():
    parts = run(PACK, one={"text": DRUGS, "levels": ["plate", "drug"], "value": "y", "given": [CROSSED]})
    with zipfile.ZipFile(io.BytesIO(b"".join(map(base64.b64decode, parts)))) as archive:
        assert set(archive.namelist()) == {"README.txt", "data.csv", "as-given.csv", "analysis.ipynb"}
        assert "draws" not in archive.read("README.txt").decode()
        assert "“drug” is crossed" in archive.read("analysis.ipynb").decode()


@pytest.mark.parametrize("which", ["two crossed", "one crosses two that are nested"])
def test_notebook_of_crossed_groups_runs_and_is_marked(which, tmp_path):
    """Its draws are marked in MCSE; 6 of them happen by chance once in 500 million times."""
    text, levels, answers, _, sizes = SPLITS[which]
    told = tell(text, levels, *answers)
    (tmp_path / "data.csv").write_text(told["csv"], "utf-8")
    notebook = nbformat.reads(told["notebook"], as_version=4)
    nbformat.validate(notebook)
    marks = notebook.cells[-1]
    marks.source = marks.source.replace("helpers.score", "marks = helpers.score")
    last = "import json; json.dump(marks.to_dicts(), open('marks.json', 'w'))"
    notebook.cells.append(nbformat.v4.new_code_cell(last))
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": tmp_path}}).execute()
    rows = json.loads((tmp_path / "marks.json").read_text())
    taus = {f"tau[{f + 1}]" for f in range(len(sizes))}
    assert {row["quantity"] for row in rows} >= {"theta", "sigma", *taus}
    assert all(abs(row["error_in_mcse"]) < 6 for row in rows), rows
