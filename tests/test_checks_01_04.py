"""Lessons 1 to 4: right answers hold in whatever form, and each typical mistake gets a hint of its own."""

import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import helpers
from helpers.checks import exercises, programs

COURSE = Path(__file__).parent.parent

LEVELS = ["day", "batch", "colony"]


def says(number, answer, words, right=False):
    """Check an answer, and what is said of it, which must not be long."""
    verdict = helpers.check(number, answer)
    assert verdict.right == right, verdict
    assert re.search(words, verdict.text), verdict
    assert len(verdict.text) < 220
    return verdict


@pytest.fixture(scope="module")
def data():
    return helpers.stan_data(helpers.measurements(), LEVELS, "y")[0]


# Lesson 1

CALENDAR = {
    "index_1": [1, 1, 1, 1, 2, 2, 2, 3],
    "index_2": [1, 1, 1, 2, 2, 3, 4, 4, 4, 5, 5, 6, 7, 8, 8, 8, 8],
    "length": 47,
}


@pytest.mark.parametrize(
    ("order", "words"),
    [([3, 2, 1], "reverse"), ([2, 1, 3], "share"), ([1, 3, 2], "share"), ([3, 1, 2], "share")],
)
def test_01_1_wrong_orders(order, words):
    says("01.1", order, words)


def test_01_1_right():
    says("01.1", [1, 2, 3], "share", right=True)
    says("01.1", (1, 2, 3), "share", right=True)
    says("01.1", np.array([1, 2, 3]), "share", right=True)


def test_01_2_right_in_any_order_of_the_days(data):
    says("01.2", CALENDAR, "one parent", right=True)
    alphabetical = {name: data[name] for name in ("index_1", "index_2")} | {"length": 47}
    says("01.2", alphabetical, "another order", right=True)
    backwards = {
        "index_1": [4 - day for day in CALENDAR["index_1"]][::-1],
        "index_2": [9 - batch for batch in CALENDAR["index_2"]][::-1],
        "length": 47,
    }
    says("01.2", backwards, "another order", right=True)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"index_1": [0, 0, 0, 0, 1, 1, 1, 2]}, "from 0"),
        ({"index_1": [4, 3, 1]}, "one entry for each parent"),
        ({"index_1": [1, 1, 1, 2, 2, 3]}, "6 entries"),
        ({"index_1": [1, 1, 1, 1, 1, 2, 2, 2]}, "all nodes of the level above"),
        ({"index_1": [1, 1, 1, 2, 2, 2, 2, 3]}, "Entry 4 of index_1"),
        ({"index_2": [1, 1, 1, 1, 2, 3, 4, 4, 4, 5, 5, 6, 7, 8, 8, 8, 8]}, "Entry 4 of index_2"),
        ({"index_2": [3, 2, 1, 3, 2, 1, 1, 4]}, "one entry for each parent"),
        ({"index_2": [1, 1, 1, 2, 2, 3, 4, 4, 4, 1, 1, 2, 3, 1, 1, 1, 1]}, "labels of the batches"),
        ({"index_2": [1] * 9 + [2] * 4 + [3] * 4}, "the day of each colony"),
        ({"length": 17}, "have a colony as their parent"),
        ({"length": 8}, "have a colony as their parent"),
    ],
)
def test_01_2_wrong(change, words):
    says("01.2", CALENDAR | change, words)


def test_01_3_right():
    says("01.3", lambda n, tau, sigma: (3 * tau**2 + sigma**2 / n) ** 0.5, "no number of cells", right=True)
    says("01.3", lambda n, t, s: np.sqrt(t * t + t * t + t * t + s * s / n), "no number of cells", right=True)


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        (lambda n, tau, sigma: 3 * tau**2 + sigma**2 / n, "variance: take"),
        (lambda n, tau, sigma: sigma / n**0.5, "forgets the tree"),
        (lambda n, tau, sigma: ((3 * tau**2 + sigma**2) / n) ** 0.5, "a day of its own"),
        (lambda n, tau, sigma: (3 * tau**2 + sigma**2) ** 0.5, "single cell"),
        (lambda n, tau, sigma: (tau**2 + sigma**2 / n) ** 0.5, "Count the steps"),
        (lambda n, tau, sigma: 3 * tau + sigma / n**0.5, "do not add up"),
        (lambda n, tau, sigma: 1.75, "Write down"),
    ],
)
def test_01_3_wrong(mistake, words):
    says("01.3", mistake, words)


LEAVES = pl.DataFrame(
    {
        "plot": ["north", "north", "north", "south", "south", "east"],
        "plant": ["a", "a", "b", "a", "b", "a"],
        "length": [4.1, 3.9, 5.2, 4.8, 5.0, 3.3],
    }
)
PLANTS = (LEAVES, ["plot", "plant"])


def test_01_4_right():
    says("01.4", (*PLANTS, [1, 2, 2, 3, 3]), "stan_data agrees", right=True)
    says(
        "01.4", (LEAVES.sort("length"), PLANTS[1], np.array([1, 2, 2, 3, 3])), "stan_data agrees", right=True
    )
    ordered = LEAVES.with_columns(pl.col("plot").cast(pl.Enum(["north", "south", "east"])))
    says("01.4", (ordered, PLANTS[1], [1, 1, 2, 2, 3]), "stan_data agrees", right=True)
    says("01.4", (*PLANTS, [1, 1, 2, 2, 3]), r"same tree, but stan_data, .*\[1, 2, 2, 3, 3\]", right=True)
    cells = (helpers.measurements(), LEVELS)
    says("01.4", (*cells, helpers.stan_data(*cells, "y")[0]["index_1"]), "stan_data agrees", right=True)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((*PLANTS, [0, 1, 1, 2, 2]), "from 0"),
        ((*PLANTS, [1, 2, 2]), "one entry for each parent"),
        ((*PLANTS, [1, 1, 1, 2, 2, 3]), "6 entries"),
        ((*PLANTS, [1, 1, 1, 2, 3]), "other parents"),
        ((LEAVES, ["plot"], [1, 1, 1]), "one level"),
        ((LEAVES, ["plot", "plant", "length"], [1, 2, 2, 3, 3]), "'length' names every row"),
        ((LEAVES.unique("plot"), PLANTS[1], [1, 2, 3]), "'plant' adds nothing"),
    ],
)
def test_01_4_wrong(answer, words):
    says("01.4", answer, words)


def test_01_4_says_what_stan_data_says_of_a_frame_that_it_refuses():
    with pytest.raises(ValueError, match="no column 'plnt'"):
        helpers.check("01.4", (LEAVES, ["plot", "plnt"], [1, 2]))


def children(data):
    return [data["J_1"], *(np.bincount(data[f"index_{k}"])[1:] for k in (1, 2, 3))]


def test_01_5_right(data):
    says("01.5", children(data), "lopsided", right=True)
    cells = helpers.measurements().with_columns(
        pl.col("day").cast(pl.Enum(["monday", "wednesday", "thursday"]))
    )
    says("01.5", children(helpers.stan_data(cells, LEVELS, "y")[0]), "lopsided", right=True)


def test_01_5_wrong(data):
    right = children(data)
    says("01.5", [data["J_1"], *(np.bincount(data[f"index_{k}"]) for k in (1, 2, 3))], "begins with 0")
    says("01.5", right[1:], "Four entries")
    says("01.5", [3, 8, 17, 47], "24 batches")
    says("01.5", [*right[:3], 3], "51 cells")
    says("01.5", [right[0], right[1][::-1], *right[2:]], "another tree")
    says("01.5", [right[0], right[1][:2], *right[2:]], "simulate refuses")


CELLS = """
data {
  real tau;
  real sigma;
}
generated quantities {
  real day = normal_rng(10, tau);
  real batch = normal_rng(day, tau);
  real colony = normal_rng(batch, tau);
  real sister = normal_rng(batch, tau);
  real other_batch = normal_rng(day, tau);
  real stranger = normal_rng(other_batch, tau);
  real y_1 = normal_rng(colony, sigma);
  real y_2 = normal_rng(sister, sigma);
  real y_3 = normal_rng(stranger, sigma);
}
"""
IN_ONE = """
data { real tau; real sigma; }
generated quantities {
  real y_1; real y_2; real y_3;
  {
    vector[6] z;
    real day;
    for (i in 1:6) z[i] = tau * normal_rng(0, 1);
    day = 7 + z[1];
    y_1 = day + z[2] + z[3] + sigma * normal_rng(0, 1);
    y_2 = normal_rng(day + z[2] + z[4], sigma);
    y_3 = normal_rng(day + z[5] + z[6], sigma);
  }
}
"""


@pytest.fixture
def program(tmp_path):
    """A function that writes a program, with some text replaced, and returns its path."""

    def write(text, *replacements):
        for old, new in replacements:
            assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times"
            text = text.replace(old, new)
        path = tmp_path / "reader.stan"
        path.write_text(text, "utf-8")
        return path

    return write


def test_01_6_right(program):
    says("01.6", program(CELLS), "in the batch", right=True)
    says("01.6", str(program(IN_ONE)), "in the batch", right=True)


# One program makes all mistakes, as each compile takes seconds: `mistaken` chooses which.
CELLS_MISTAKEN = """
data {
  real tau;
  real sigma;
  int mistake;
}
generated quantities {
  real day = normal_rng(10, tau);
  real batch = normal_rng(day, tau);
  real other_batch = normal_rng(mistake == 5 ? 10 : mistake == 6 ? normal_rng(10, tau) : day, tau);
  real colony = normal_rng(batch, tau);
  real sister = normal_rng(mistake == 2 ? other_batch : mistake == 3 ? colony : batch, tau);
  real stranger = normal_rng(mistake == 4 ? batch : other_batch, tau);
  real y_1 = normal_rng(colony, sigma);
  real y_2 = normal_rng(mistake == 1 ? colony : sister, sigma);
  real y_3 = normal_rng(mistake == 7 ? sister : mistake == 8 ? day : stranger, mistake == 9 ? 1e-9 : sigma);
}
"""


@pytest.fixture
def mistaken(monkeypatch):
    """A function that makes all checks give programs something besides their data."""
    sample = programs.sample

    def give(**items):
        def with_items(program, data, **options):
            return sample(program, data | items, **options)

        monkeypatch.setattr(programs, "sample", with_items)

    return give


def test_01_6_wrong(program, mistaken):
    words = [
        "still share their colony",
        "less than a batch",
        "y_2 varies too much",
        "y_3 shares more than the day",
        "y_3 varies too little",
        "shares no day",
        "y_3 shares more than the day",
        "y_3 varies too little",
        "y_3 varies too little",
    ]
    path = program(CELLS_MISTAKEN)
    mistaken(mistake=0)
    says("01.6", path, "in the batch", right=True)
    for mistake, said in enumerate(words, start=1):
        mistaken(mistake=mistake)
        says("01.6", path, said)


def test_01_6_program_as_it_was_given(program):
    lesson = (COURSE / "lessons" / "01-data-generation.md").read_text("utf-8")
    says("01.6", program(re.search(r"^```stan\n(.*?)^```", lesson, re.MULTILINE | re.DOTALL)[1]), "no y_3")


# All lessons

WRONG_KINDS = {
    "01.1": ["colony", 3, [1, 2], ["a", "b", "c"]],
    "01.2": [[1, 2], {"index_1": [1]}, CALENDAR | {"index_1": "1112"}, CALENDAR | {"length": "many"}],
    "01.3": [1.75, {4: 1.75}, lambda n, tau, sigma: None, lambda n, tau, sigma: "1.75"],
    "01.4": [LEAVES, (LEAVES, ["plot", "plant"]), (1, 2, 3), (*PLANTS, "112")],
    "01.5": [3, "design", None],
    "01.6": [3, None, [1.0, 2.0]],
}


@pytest.mark.parametrize(
    ("number", "answer"), [(number, answer) for number, group in WRONG_KINDS.items() for answer in group]
)
def test_an_answer_of_the_wrong_kind_is_refused_in_one_line_that_says_what_to_give(number, answer):
    with pytest.raises(TypeError, match="give ") as caught:
        helpers.check(number, answer)
    assert "\n" not in str(caught.value)


def test_every_check_is_tried_with_answers_of_the_wrong_kind():
    assert list(WRONG_KINDS) == [number for number in exercises() if number < "05"]
