"""The checks of lesson 1 know right answers in any form, and have a hint for each typical mistake."""

import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from answering import TestAnswers, given, says  # noqa: F401

import helpers
from helpers.data import LEVELS

LESSON_1 = Path(__file__).parents[2] / "lessons" / "01-data-generation.md"


def read(df, levels):
    return helpers.stan_data(df, levels, "y", remark=False)[0]


DATA = read(helpers.measurements(), LEVELS)
BATCHES = [1, 1, 1, 2, 2, 3, 4, 4, 4, 5, 5, 6, 7, 8, 8, 8, 8]
CALENDAR = {"index_1": [1, 1, 1, 1, 2, 2, 2, 3], "index_2": BATCHES, "length": 47}
SWAPPED = CALENDAR | {"index_2": [1, 1, 2, 2, 2, *BATCHES[5:]]}
LEAVES = pl.DataFrame(
    {
        "plot": ["north", "north", "north", "south", "south", "east"],
        "plant": ["a", "a", "b", "a", "b", "a"],
        "length": [4.1, 3.9, 5.2, 4.8, 5.0, 3.3],
    }
)
PLANTS = (LEAVES, ["plot", "plant"])
ORDERED = LEAVES.with_columns(pl.col("plot").cast(pl.Enum(["north", "south", "east"])))


ANSWERS = {
    "01.1": [
        ((2, 3, 1), "✔ share"),
        (np.array([2, 3, 1]), "✔ share"),
        ([1, 3, 2], "✘ reverse"),
        ([3, 2, 1], "✘ share"),
        ([1, 2, 3], "✘ share"),
        ("colony", "a str: give"),
        ([1, 2], "give"),
        (["a", "b", "c"], "give"),
    ],
    "01.2": [
        (CALENDAR, "✔ one parent"),
        ({"index_1": DATA["index_1"], "index_2": DATA["index_2"], "length": 47}, "✔ alphabet"),
        (SWAPPED, "✘ not the order: .* above node 3 of those that index_2"),
        (CALENDAR | {"index_1": [0, 0, 0, 0, 1, 1, 1, 2]}, "✘ from 0"),
        (CALENDAR | {"index_1": [4, 3, 1]}, "✘ one entry for each parent"),
        (CALENDAR | {"index_1": [1, 1, 1, 2, 2, 3]}, "✘ 6 entries"),
        (CALENDAR | {"index_1": [1, 1, 1, 1, 1, 2, 2, 2]}, "✘ all nodes of the level above"),
        (CALENDAR | {"index_1": [1, 1, 1, 2, 2, 2, 2, 3]}, "✘ Entry 4 of index_1"),
        (CALENDAR | {"index_2": [1, 1, 1, 1, *BATCHES[4:]]}, "✘ Entry 4 of index_2"),
        (
            CALENDAR | {"index_2": [1, 1, 1, 2, 2, 3, 4, 4, 4, 1, 1, 2, 3, 1, 1, 1, 1]},
            "✘ labels of the bat",
        ),
        (CALENDAR | {"index_2": [1] * 9 + [2] * 4 + [3] * 4}, "✘ the day of each colony"),
        (CALENDAR | {"length": 17}, "✘ have a colony as their parent"),
        ({"index_1": [1]}, "'index_2': give"),
        (CALENDAR | {"index_1": "1112"}, "give"),
        (CALENDAR | {"length": "many"}, "'length'"),
    ],
    "01.3": [
        (lambda n, t, s: np.sqrt(t * t + t * t + t * t + s * s / n), "✔ no number of cells"),
        (lambda n, tau, sigma: 3 * tau**2 + sigma**2 / n, "✘ variance: take"),
        (lambda n, tau, sigma: sigma / n**0.5, "✘ What else strays"),
        (lambda n, tau, sigma: ((3 * tau**2 + sigma**2) / n) ** 0.5, "✘ a day of its own"),
        (lambda n, tau, sigma: (3 * tau**2 + sigma**2) ** 0.5, "✘ single cell"),
        (lambda n, tau, sigma: (tau**2 + sigma**2 / n) ** 0.5, "✘ Count the steps"),
        (lambda n, tau, sigma: 3 * tau + sigma / n**0.5, "✘ do not add up"),
        (lambda n, tau, sigma: 1.75, "✘ Write down"),
        (1.75, "without calling it"),
        (lambda n, tau, sigma: None, "returns a number"),
    ],
    "01.4": [(3, "path"), (None, "path"), ([1.0, 2.0], "path")],
    "01.5": [
        ((LEAVES.sort("length"), PLANTS[1], np.array([1, 2, 2, 3, 3])), "✔ stan_data agrees"),
        ((ORDERED, PLANTS[1], [1, 1, 2, 2, 3]), "✔ stan_data agrees"),
        ((*PLANTS, [1, 1, 2, 2, 3]), r"✔ same shape. stan_data, .*\[1, 2, 2, 3, 3\]"),
        ((LEAVES, ["plant", "plot"], [1, 1, 1, 2, 2]), "✔ But read what it remarks on"),
        ((helpers.measurements(), LEVELS, DATA["index_1"]), "✔ stan_data agrees"),
        ((*PLANTS, [0, 1, 1, 2, 2]), "✘ from 0"),
        ((*PLANTS, [1, 2, 2]), "✘ one entry for each parent"),
        ((*PLANTS, [1, 1, 1, 2, 2, 3]), "✘ 6 entries"),
        ((*PLANTS, [1, 1, 1, 2, 3]), "✘ other parents"),
        ((LEAVES, ["plot"], [1, 1, 1]), "✘ one level"),
        ((LEAVES, ["plot", "plant", "length"], [1, 2, 2, 3, 3]), "✘ 'length' names every row"),
        ((LEAVES.unique("plot"), PLANTS[1], [1, 2, 3]), "✘ 'plant' adds nothing"),
        (PLANTS, "a tuple of three"),
        ((1, 2, 3), "your polars frame"),
        ((*PLANTS, "112"), "index_1"),
    ],
}


def test_01_5_says_what_stan_data_says_of_a_frame_it_refuses():
    with pytest.raises(ValueError, match="no column 'plnt'"):
        helpers.check("01.5", (LEAVES, ["plot", "plnt"], [1, 2]))


CELLS = """
data { real theta; real tau; real sigma; int mistake; }
generated quantities {
  real day = normal_rng(mistake == 8 ? 10 : theta, tau);
  real batch = normal_rng(day, tau);
  real above = mistake == 5 ? theta : mistake == 6 ? normal_rng(theta, tau) : day;
  real other_batch = normal_rng(above, tau);
  real colony = normal_rng(batch, tau);
  real sister = normal_rng(mistake == 2 ? other_batch : mistake == 3 ? colony : batch, tau);
  real stranger = normal_rng(mistake == 4 ? batch : other_batch, tau);
  real y_1 = normal_rng(colony, sigma);
  real y_2 = normal_rng(mistake == 1 ? colony : sister, sigma);
  real y_3 = normal_rng(stranger, mistake == 7 ? tau : sigma);
}
"""

IN_ONE = """
data { real theta; real tau; real sigma; }
generated quantities {
  real y_1; real y_2; real y_3;
  {
    vector[6] z;
    real day;
    for (i in 1:6) z[i] = tau * normal_rng(0, 1);
    day = theta + z[1];
    y_1 = day + z[2] + z[3] + sigma * normal_rng(0, 1);
    y_2 = normal_rng(day + z[2] + z[4], sigma);
    y_3 = normal_rng(day + z[5] + z[6], sigma);
  }
}
"""


def test_01_4_three_cells_are_judged_by_their_mean_and_covariances(tmp_path, given):
    path = tmp_path / "cells.stan"
    shown = re.search(r"^```stan\n(.*?)^```", LESSON_1.read_text("utf-8"), re.MULTILINE | re.DOTALL)[1]
    for text, words in [(IN_ONE, "✔ in the batch"), (shown, "✘ no y_1 among")]:
        path.write_text(text, "utf-8")
        says("01.4", str(path), words)
    path.write_text(CELLS, "utf-8")
    for mistake, words in enumerate(
        [
            "✔ in the batch",
            "✘ more than two colonies",
            "✘ less than two cells of one batch",
            "✘ y_2 varies too much",
            "✘ y_3 shares more than the day",
            "✘ y_3 varies too little",
            "✘ shares no day",
            "✘ y_3 varies too little",
            "✘ not centered on theta",
        ]
    ):
        given(mistake=mistake)
        says("01.4", path, words)
