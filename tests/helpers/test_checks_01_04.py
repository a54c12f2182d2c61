"""Lessons 1 to 4: right answers hold in whatever form, and each typical mistake gets a hint of its own."""

import re
from pathlib import Path

import arviz
import numpy as np
import polars as pl
import pytest
from answering import drawn, edited, given, perfect, rows, says, with_tau  # noqa: F401

import helpers
from helpers.checks import exercises
from helpers.data import LEVELS

LESSON_1 = Path(__file__).parents[2] / "lessons" / "01-data-generation.md"


def read(df, levels):
    return helpers.stan_data(df, levels, "y", remark=False)[0]


DATA = read(helpers.measurements(), LEVELS)
OWN_LEVELS = ["class", "pupil"]  # of a reader
OWN = read(helpers.simulate([6, 4, 5], theta=10, tau=1.5, sigma=1, seed=3, levels=OWN_LEVELS), OWN_LEVELS)

BATCHES = [1, 1, 1, 2, 2, 3, 4, 4, 4, 5, 5, 6, 7, 8, 8, 8, 8]
CALENDAR = {"index_1": [1, 1, 1, 1, 2, 2, 2, 3], "index_2": BATCHES, "length": 47}
# Of the same shape: two colonies and three, in place of three and two.
SWAPPED = CALENDAR | {"index_2": [1, 1, 2, 2, 2, *BATCHES[5:]]}
DAYS = pl.Enum(["monday", "wednesday", "thursday"])

LEAVES = pl.DataFrame(
    {
        "plot": ["north", "north", "north", "south", "south", "east"],
        "plant": ["a", "a", "b", "a", "b", "a"],
        "length": [4.1, 3.9, 5.2, 4.8, 5.0, 3.3],
    }
)
PLANTS = (LEAVES, ["plot", "plant"])
ORDERED = LEAVES.with_columns(pl.col("plot").cast(pl.Enum(["north", "south", "east"])))


def children(data):
    return [data["J_1"], *(np.bincount(data[f"index_{k}"])[1:] for k in (1, 2, 3))]


RIGHT = children(DATA)
BY_CALENDAR = children(read(helpers.measurements().with_columns(pl.col("day").cast(DAYS)), LEVELS))


def day(samples, i):
    return helpers.draws(samples, f"theta_1[{i}]")


def widths(of):
    return {tau: of(tau) for tau in (0.1, 1, 10)}


def by_counting(samples):
    theta_1 = samples["posterior"]["theta_1"].values.reshape(-1, 3)
    return sum(row[0] - row[1] > 0 for row in theta_1) / len(theta_1)


ANSWERS = {
    "01.1": [
        ((1, 2, 3), "✔ share"),
        (np.array([1, 2, 3]), "✔ share"),
        ([3, 2, 1], "✘ reverse"),
        ([2, 1, 3], "✘ share"),
        ([3, 1, 2], "✘ share"),
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
        (lambda n, tau, sigma: sigma / n**0.5, "✘ forgets the tree"),
        (lambda n, tau, sigma: ((3 * tau**2 + sigma**2) / n) ** 0.5, "✘ a day of its own"),
        (lambda n, tau, sigma: (3 * tau**2 + sigma**2) ** 0.5, "✘ single cell"),
        (lambda n, tau, sigma: (tau**2 + sigma**2 / n) ** 0.5, "✘ Count the steps"),
        (lambda n, tau, sigma: 3 * tau + sigma / n**0.5, "✘ do not add up"),
        (lambda n, tau, sigma: 1.75, "✘ Write down"),
        (1.75, "without calling it"),
        (lambda n, tau, sigma: None, "returns a number"),
    ],
    "01.4": [
        ((LEAVES.sort("length"), PLANTS[1], np.array([1, 2, 2, 3, 3])), "✔ stan_data agrees"),
        ((ORDERED, PLANTS[1], [1, 1, 2, 2, 3]), "✔ stan_data agrees"),
        ((*PLANTS, [1, 1, 2, 2, 3]), r"✔ same shape; stan_data, .*\[1, 2, 2, 3, 3\]"),
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
    "01.5": [
        (RIGHT, "✔ lopsided"),
        (BY_CALENDAR, "✔ lopsided"),
        ([3, *(np.bincount(DATA[f"index_{k}"]) for k in (1, 2, 3))], "✘ begins with 0"),
        (RIGHT[1:], "✘ Four entries"),
        ([3, 8, 17, 47], "✘ 24 batches"),
        ([*RIGHT[:3], 3], "✘ 51 cells"),
        ([3, RIGHT[1][::-1], *RIGHT[2:]], "✘ another tree"),
        ([3, RIGHT[1][:2], *RIGHT[2:]], "✘ simulate refuses"),
        ("design", "the list that you pass"),
        (None, "the list that you pass"),
    ],
    "01.6": [(3, "path"), (None, "path"), ([1.0, 2.0], "path")],
    "02.1": [
        (10.4, "✔ darker than dark"),
        (np.sqrt(np.array(109)), "✔ darker than dark"),
        (109, "✘ variance: take"),
        (23, "✘ do not add up"),
        (10, "✘ if you rounded. Else .* θ is uncertain"),
        (59**0.5, "✘ How many steps"),
        ((9 + 200 / np.pi) ** 0.5, "✘ mean of τ²"),
        ((9 + 100 * (1 - 2 / np.pi)) ** 0.5, "✘ mean of τ²"),
        (30, "✘ Add the variances"),
        ("ten", "as a number"),
        (True, "as a number"),
    ],
    "02.2": [
        (by_counting, "✔ counted"),
        (lambda s: (day(s, 1) < day(s, 2)).mean(), "✘ opposite"),
        (lambda s: (day(s, 1) > day(s, 3)).mean(), "✘ day 3"),
        (lambda s: (day(s, 2) > day(s, 3)).mean(), "✘ from 0"),
        (lambda s: 100 * (day(s, 1) > day(s, 2)).mean(), "✘ in per cent"),
        (lambda s: (day(s, 1) > day(s, 2)).sum(), "✘ what share"),
        (lambda s: (day(s, 1) > day(s, 2)).sum() / 4000, "✘ another number of draws"),
        (lambda s: day(s, 1).mean() > day(s, 2).mean(), "✘ two means"),
        (lambda s: 0.55, "✘ same of two different"),
        (lambda s: (day(s, 1) > helpers.draws(s, "theta")).mean(), "✘ In what share"),
        (0.55, "without calling it"),
        (lambda s: [0.5, 0.5], "returns one number"),
    ],
    "02.3": [(3, "path"), (None, "path")],
    "02.4": [({}, "tuple of three"), (({}, 3), "samples"), ((3, {}), "dictionary"), ((1, 2, 3, 4), "tuple")],
    "03.1": [
        (lambda c: float(arviz.rhat(np.array([c[:500], c[500:]]))), "✔ first of two hills"),
        (lambda c: arviz.rhat(c.reshape(2, -1), method="identity"), "✔ two hills"),
        (lambda c: arviz.rhat(c.reshape(-1, 2).T, method="identity"), "✘ draws 1, 3, 5"),
        (lambda c: arviz.rhat(c[None]), "✘ nan: R-hat needs"),
        (arviz.rhat, "✘ an array with two rows"),
        (lambda c: 1.0, "✘ jumps halfway"),
        (lambda c: arviz.rhat(np.array([c[:333], c[-333:]])), "✘ leave no draw out"),
        (lambda c: 1 + abs(c[500:].mean() - c[:500].mean() > 5), "✘ climbs all the time"),
        (np.std, "✘ other units"),
        (lambda c: 2.0, "✘ near 1"),
        (1.01, "without calling it"),
        (lambda c: [1.0, 1.0], "returns one number"),
    ],
    "03.2": [
        (0, "✔ Far fewer"),
        (np.float64(0.04), "✔ Far fewer"),
        (0.159, "✘ perfect sampler"),
        (0.3, "✘ More than there is"),
        (0.12, "✘ half of it or more"),
        (16, "✘ between 0 and 1"),
        ("fewer", "from 0 to 1"),
    ],
    "03.3": [(0.2, "path"), (None, "path")],
    "03.4": [
        (True, "tuple of three"),
        (({}, {}, "yes"), "True if you trust"),
        (({}, {}, 1), "True if you trust"),
        (({}, {}, True), "samples"),
    ],
    "04.1": [
        (lambda theta, tau, z: [theta - tau * one for one in z], "✔ knows nothing of τ"),
        (lambda theta, tau, z: theta + tau**2 * z, "✘ τ²"),
        (lambda theta, tau, z: theta + tau**0.5 * z, "✘ √τ"),
        (lambda theta, tau, z: theta + z, "✘ deviation of 1"),
        (lambda theta, tau, z: tau * z, "✘ where has θ gone"),
        (lambda theta, tau, z: tau * (theta + z), "✘ τ θ"),
        (lambda theta, tau, z: (z - theta) / tau, "✘ way back"),
        (lambda theta, tau, z: np.random.default_rng().normal(theta, tau, size=len(z)), "✘ only compute"),
        (lambda theta, tau, z: theta + tau * abs(z), "✘ not distributed"),
        (11.0, "without calling it"),
        (lambda theta, tau, z: 3, "a mean for each z"),
        (lambda theta, tau, z: z[:3], "a mean for each z"),
    ],
    "04.2": [
        ({"0.1": 3, "1": 0.3, "10.0": 0.03}, "✔ falls as τ grows"),
        ({0.3 / 3: 3, np.int64(1): 0.3, 10: pl.Series([0.03])}, "✔ falls as τ grows"),
        (widths(lambda tau: (1 + (tau / 0.3) ** 2) ** -0.5), "✔ With the prior"),
        ({0.1: 1, 1: 0.3, 10: 0.03}, "✔ With the prior"),
        (widths(lambda tau: 0.3), "✘ how closely the mean"),
        (widths(lambda tau: 0.3 * tau), "✘ multiply by τ"),
        (widths(lambda tau: tau / 0.3), "✘ how many τ"),
        (widths(lambda tau: 1), "✘ prior of the offset"),
        (widths(lambda tau: 0.3 / tau**2), "✘ dividing by τ"),
        ([3, 0.3, 0.03], "dictionary"),
        ({0.1: 3}, "no 1: give"),
        ({0.1: "wide", 1: 0.3, 10: 0.03}, "standard deviations"),
    ],
    "04.3": [(1.1, "path")],
    "04.4": [("centered", "a tuple"), (({}, {}, "centered"), "'centered'"), (({}, {}, 1, {}, 2), "a tuple")],
}


@pytest.mark.parametrize(("number", "answer", "words"), rows(ANSWERS))
def test_an_answer_is_told_what_it_is_and_what_to_look_at(number, answer, words):
    says(number, answer, words)


def test_every_check_is_tried_with_answers_of_the_wrong_kind():
    refusing = [
        number for number, group in ANSWERS.items() if any(words[0] not in "✔✘" for _, words in group)
    ]
    assert refusing == [number for number in exercises() if number < "05"]


def test_01_4_says_what_stan_data_says_of_a_frame_it_refuses():
    with pytest.raises(ValueError, match="no column 'plnt'"):
        helpers.check("01.4", (LEAVES, ["plot", "plnt"], [1, 2]))


# One program makes all mistakes, as each compile takes seconds: `given` chooses which.
CELLS = """
data { real tau; real sigma; int mistake; }
generated quantities {
  real day = normal_rng(10, tau);
  real batch = normal_rng(day, tau);
  real other_batch = normal_rng(mistake == 5 ? 10 : mistake == 6 ? normal_rng(10, tau) : day, tau);
  real colony = normal_rng(batch, tau);
  real sister = normal_rng(mistake == 2 ? other_batch : mistake == 3 ? colony : batch, tau);
  real stranger = normal_rng(mistake == 4 ? batch : other_batch, tau);
  real y_1 = normal_rng(colony, sigma);
  real y_2 = normal_rng(mistake == 1 ? colony : sister, sigma);
  real y_3 = normal_rng(stranger, mistake == 7 ? tau : sigma);
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


def test_01_6_three_cells_are_judged_by_their_covariances(tmp_path, given):
    path = tmp_path / "cells.stan"
    as_given = re.search(r"^```stan\n(.*?)^```", LESSON_1.read_text("utf-8"), re.MULTILINE | re.DOTALL)[1]
    for text, words in [(IN_ONE, "✔ in the batch"), (as_given, "✘ no y_3")]:
        path.write_text(text, "utf-8")
        says("01.6", str(path), words)
    path.write_text(CELLS, "utf-8")
    for mistake, words in enumerate(
        [
            "✔ in the batch",
            "✘ still share their colony",
            "✘ less than a batch",
            "✘ y_2 varies too much",
            "✘ y_3 shares more than the day",
            "✘ y_3 varies too little",
            "✘ shares no day",
            "✘ y_3 varies too little",
        ]
    ):
        given(mistake=mistake)
        says("01.6", path, words)


def test_02_3_the_answer_to_the_wrong_question_in_another_form(edited):
    says("02.3", edited("noncentered", ("normal(10, 3)", "normal(0, 1)")), "✔ wrong question")


@pytest.mark.parametrize(
    ("prior", "words"),
    [
        ({"theta": (10, 3)}, "✘ hardly moved"),
        ({"theta": (0, 3)}, "✘ hardly moved"),
        ({"theta": (10, 1)}, "✘ hardly moved"),
        ({"theta": (1, 1)}, "✘ theta is not where"),
        ({"theta": (0, 1), "tau": 1}, "✘ is not where"),
    ],
)
def test_02_3_a_prior_that_is_not_the_mistyped_one_is_seen(drawn, prior, words):
    drawn(perfect(DATA, prior))
    says("02.3", "reader.stan", words)


FAR = OWN | {"y": 2000 + 10 * OWN["y"]}  # on another scale
PRIOR = {"theta": (2100, 60), "tau": 50, "sigma": 50}
LESSONS = {"theta": (10, 3), "tau": 5, "sigma": 5}


def test_02_4_own_fits_are_held_against_their_exact_posterior():
    one = perfect(OWN)
    as_lists = {name: np.asarray(item).tolist() for name, item in OWN.items()}
    for answer in [(OWN, one), (DATA, perfect(DATA)), (as_lists, one)]:
        says("02.4", answer, "✔ 89% interval of τ")
    for answer, words in [
        ((OWN, perfect(DATA)), "✘ 3 nodes in level 1, the dictionary 6"),
        ((OWN, perfect(OWN, {"tau": 0.3})), "✘ by your draws, exactly"),
        ((OWN | {"y": OWN["y"] + 3}, one), "✘ by your draws, exactly"),
        ((OWN, with_tau(one, lambda tau: tau + np.arange(4)[:, None])), "✘ chains disagree on τ"),
        ((OWN, helpers.exact_posterior(OWN).draws(1000, seed=1)), "✘ one chain"),
        ((FAR, perfect(FAR, PRIOR), PRIOR | {"tau": 3}), "✘ by your draws, exactly"),
        ((FAR, perfect(FAR, LESSONS), LESSONS), r"✘ Normal\(10, 3\), and your measurements average"),
    ]:
        says("02.4", answer, words)


def test_own_data_with_own_priors_go_through_every_check_of_a_fit():
    one = perfect(FAR, PRIOR)
    other = {"centered": one, "noncentered": perfect(FAR, PRIOR, n_steps=31, offsets=True)}
    for number, answer in [
        ("02.4", (FAR, one)),
        ("03.4", (FAR, one, True)),
        ("04.4", (FAR, other, "centered")),
    ]:
        assert helpers.check(number, (*answer, PRIOR)), number
        assert helpers.check(number, [*answer, PRIOR]), number
        with pytest.raises(ValueError, match=r"write prior=.*give them as the last part of your answer"):
            helpers.check(number, answer)


def test_03_3_a_fixed_tau_has_to_be_used_in_all_three_levels(edited, given):
    declared = "  real<lower=0> tau;\n"
    used = [  # σ in place of τ where a part is 0
        (f"tau * theta_{k}_tilde", f"(part[{k}] == 0 ? sigma : part[{k}] * tau ^ power) * theta_{k}_tilde")
        for k in (1, 2, 3)
    ]
    width = ("theta ~ normal(10, 3)", "theta ~ normal(10, width)")
    items = f"data {{\n{declared}  vector[3] part; real power; real width;\n"
    path = edited("noncentered", (declared, ""), ("data {\n", items), *used, width)
    right = {"part": [1, 1, 1], "power": 1, "width": 3}
    for wrong in (
        {},
        {"part": [0.2, 1, 1]},
        {"part": [1, 1, 0]},
        {"power": 2},
        {"width": 1000},
    ):
        given(**right | wrong)
        says("03.3", path, "✘ the τ that it is given" if wrong else "✔ No funnel")


def test_03_3_the_program_as_it_was_still_has_tau_as_parameter(drawn):
    drawn(perfect(DATA))
    says("03.3", "reader.stan", "✘ still a parameter")


def test_03_4_a_diagnosis_is_held_against_alarms_and_the_truth():
    one, every = perfect(OWN), np.arange(4000).reshape(4, 1000)
    walk = with_tau(one, lambda tau: np.sort(tau, axis=1))
    apart = with_tau(one, lambda tau: tau + every // 1000)
    kick, few = perfect(OWN, kick=0.05), perfect(OWN, diverging=every % 500 == 0)
    deep = perfect(OWN, tree_depth=np.where(every % 50 == 0, 10, 3))
    elsewhere = with_tau(one, lambda tau: tau + 0.5)  # as of a table of the same shape
    for samples, trust, words in [
        (one, True, "✔ 0 of four alarms sound, with 0 div.*MCSEs"),
        (one, False, "✘ What makes you doubt"),
        (kick, False, "✔ 1 of four alarms"),
        (kick, True, r"✘ [1-4] of 4 sound for τ. Which"),
        (walk, np.bool_(False), r"✔ ^3 of four alarms sound.*off by [^M]*$"),
        (walk, True, r"✘ [1-4] of 4 sound for τ. Which"),
        (apart, True, r"✘ [1-4] of 4 sound for τ. Which"),
        (few, True, "✔ with 8 divergences"),  # it depends on where they are
        (few, False, "✔ with 8 divergences"),
        (deep, True, "✔ 0 of four alarms"),  # trees as deep as they may be: slow, not wrong
        (deep, False, "✔ 0 of four alarms"),
        (perfect(DATA), True, "✘ of another fit"),
        (elsewhere, True, r"✘ mean of τ is \d\d MCSEs off"),
        (elsewhere, False, r"✔ 0 of four alarms.*\d\d\.\d MCSEs"),
    ]:
        says("03.4", (OWN, samples, trust), words)


# One program draws all cells; of the same draws the check is given the one or the other.
NEXT_WEEK = """
generated quantities {
  int colony = categorical_rng(rep_vector(1.0 / J_3, J_3));
  int batch = index_2[colony];
  vector[10] cells = [
    normal_rng(theta, sqrt(3 * square(tau) + square(sigma))), normal_rng(theta, sigma),
    normal_rng(theta, sqrt(3) * tau), normal_rng(normal_rng(theta, tau), sigma),
    normal_rng(normal_rng(normal_rng(theta, tau), tau), sigma), normal_rng(theta, tau + sigma),
    normal_rng(theta_3[colony], sigma), normal_rng(normal_rng(theta_2[batch], tau), sigma),
    normal_rng(normal_rng(normal_rng(theta_1[index_1[batch]], tau), tau), sigma),
    normal_rng(10, sqrt(3 * square(tau) + square(sigma))) ]';
  real y_new = cells[1];
}
"""


def test_04_3_each_wrong_walk_from_theta_to_a_new_cell_is_told(tmp_path, given):
    path = tmp_path / "next_week.stan"
    path.write_text(helpers.stan_file("noncentered").read_text("utf-8") + NEXT_WEEK, "utf-8")
    words = ["✔ new colony, a new cell", "✘ directly from θ", "✘ strays from it by σ"]
    words += ["✘ Two levels are missing", "✘ A level is missing", "✘ Its variance is"]
    words += ["✘ about the θ of its draw"] * 4
    for k, said in enumerate(words):
        given(lambda post, k=k: post.assign(y_new=post["cells"][..., k]))
        says("04.3", path, said)
    given(lambda post: post.drop_vars("y_new"))
    says("04.3", path, "✘ no 'y_new'")
    given(lambda post: post.assign(tau=post["tau"] + 1))
    says("04.3", path, "✘ posterior of tau has changed")


def runs(data, gradients=(7, 7), centered=lambda tau: tau, noncentered=lambda tau: tau):
    """Two perfect samplers that cost something, and may be spoilt."""
    other = perfect(data, n_steps=gradients[1], offsets=True)
    one = with_tau(perfect(data, n_steps=gradients[0]), centered)
    return {"centered": one, "noncentered": with_tau(other, noncentered)}


def slow(tau):
    """Walk through the same values slowly, so that few of them count."""
    return np.sort(tau.reshape(4, 50, 20), axis=2).reshape(4, 1000)


def test_04_4_the_form_with_more_effective_draws_a_gradient_wins():
    cheap, slowed = runs(OWN, (7, 31)), runs(OWN, centered=slow)
    swapped = dict(zip(("noncentered", "centered"), runs(OWN).values(), strict=True))
    bare = {name: arviz.from_dict({"posterior": dict(run["posterior"])}) for name, run in cheap.items()}
    for samples, winner, words in [
        (cheap, "centered", "✔ per 1000 gradients"),
        (slowed, "noncentered", "✔ per 1000 gradients"),
        (cheap, "noncentered", "✘ the other one has more|what did they cost"),
        (runs(OWN, (7, 700), centered=slow), "noncentered", "✘ what did they cost"),
        (slowed, "centered", "✘ the other one has more"),
        (swapped, "centered", "✘ a mix-up"),
        (runs(DATA), "centered", "✘ of another fit"),
        (runs(OWN, (7, 31), centered=lambda tau: tau + 1), "centered", "✘ means nothing"),
        (bare, "centered", "give samples with what the sampler noted"),
    ]:
        says("04.4", (OWN, samples, winner), words)
