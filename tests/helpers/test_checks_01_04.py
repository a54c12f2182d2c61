"""Lessons 1 to 4: right answers hold in whatever form, and each typical mistake gets a hint of its own."""

import re
from pathlib import Path

import arviz
import numpy as np
import polars as pl
import pytest
import xarray as xr
from answering import given  # noqa: F401

import helpers
from helpers.checks import exercises, programs
from helpers.data import LEVELS

COURSE = Path(__file__).parents[2]


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


def test_01_2_right_in_either_order_of_the_days(data):
    says("01.2", CALENDAR, "one parent", right=True)
    alphabetical = {name: data[name] for name in ("index_1", "index_2")} | {"length": 47}
    says("01.2", alphabetical, "alphabet", right=True)


def test_01_2_a_tree_of_the_same_shape_is_not_the_same_tree():
    swapped = [1, 1, 2, 2, 2, *CALENDAR["index_2"][5:]]  # two colonies and three, in place of three and two
    says("01.2", CALENDAR | {"index_2": swapped}, "not the order: .* above node 3 of those that index_2")


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
    says("01.4", (*PLANTS, [1, 1, 2, 2, 3]), r"same shape; stan_data, .*\[1, 2, 2, 3, 3\]", right=True)
    upside_down = [1, 1, 1, 2, 2]  # a and b in every plot, plots in every plant
    answer = (LEAVES, ["plant", "plot"], upside_down)
    says("01.4", answer, "But read what it remarks on", right=True)
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


# One program makes all mistakes, as each compile takes seconds: `given` chooses which.
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
  real y_3 = normal_rng(mistake == 7 ? sister : mistake == 8 ? day : stranger,
                        mistake == 9 ? 1e-9 : mistake == 10 ? tau : sigma);
}
"""


def test_01_6_wrong(program, given):
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
        "y_3 varies too little",
    ]
    path = program(CELLS_MISTAKEN)
    given(mistake=0)
    says("01.6", path, "in the batch", right=True)
    for mistake, said in enumerate(words, start=1):
        given(mistake=mistake)
        says("01.6", path, said)


def test_01_6_program_as_it_was_given(program):
    lesson = (COURSE / "lessons" / "01-data-generation.md").read_text("utf-8")
    says("01.6", program(re.search(r"^```stan\n(.*?)^```", lesson, re.MULTILINE | re.DOTALL)[1]), "no y_3")


# Lesson 2


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (109, "variance: take"),
        (23, "do not add up"),
        (10, "if you rounded. Else .* θ is uncertain"),
        (59**0.5, "How many steps"),
        ((9 + 200 / np.pi) ** 0.5, "mean of τ²"),
        ((9 + 100 * (1 - 2 / np.pi)) ** 0.5, "mean of τ²"),
        (30, "Add the variances"),
    ],
)
def test_02_1_wrong(answer, words):
    says("02.1", answer, words)


def test_02_1_right():
    for answer in (109**0.5, 10.4, np.sqrt(np.array(109)), np.float32(10.44)):
        says("02.1", answer, "darker than dark", right=True)


def day(samples, i):
    return helpers.draws(samples, f"theta_1[{i}]")


def test_02_2_right():
    says("02.2", lambda s: (day(s, 1) > day(s, 2)).mean(), "counted", right=True)

    def by_counting(samples):
        theta_1 = samples["posterior"]["theta_1"].values.reshape(-1, 3)
        return sum(row[0] - row[1] > 0 for row in theta_1) / len(theta_1)

    says("02.2", by_counting, "counted", right=True)


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        (lambda s: (day(s, 1) < day(s, 2)).mean(), "opposite"),
        (lambda s: (day(s, 1) > day(s, 3)).mean(), "day 3"),
        (
            lambda s: (s["posterior"]["theta_1"][..., 1] > s["posterior"]["theta_1"][..., 2]).values.mean(),
            "from 0",
        ),
        (lambda s: (day(s, 1) > day(s, 2)).sum(), "what share"),
        (lambda s: (day(s, 1) > day(s, 2)).sum() / 4000, "another number of draws"),
        (lambda s: float(day(s, 1).mean() > day(s, 2).mean()), "two means"),
        (lambda s: 0.55, "same of two different"),
        (lambda s: (day(s, 1) > helpers.draws(s, "theta")).mean(), "In what share"),
    ],
)
def test_02_2_wrong(mistake, words):
    says("02.2", mistake, words)


NONCENTERED = helpers.stan_file("noncentered").read_text("utf-8")
CENTERED = helpers.stan_file("centered").read_text("utf-8")
DATA = "data {\n"


def test_02_3_noncentered(program):
    says("02.3", program(NONCENTERED, ("normal(10, 3)", "normal(0, 1)")), "wrong question", right=True)


def test_02_3_centered_and_wrong(program, given):
    path = program(
        CENTERED,
        (DATA, DATA + "  real m; real s; real scale;\n"),
        ("theta ~ normal(10, 3)", "theta ~ normal(m, s)"),
        ("tau ~ normal(0, 5)", "tau ~ normal(0, scale)"),
    )
    for m, s, scale, words in [
        (0, 1, 5, "wrong question"),
        (10, 3, 5, "hardly moved"),
        (0, 3, 5, "hardly moved"),
        (10, 1, 5, "hardly moved"),
        (1, 1, 5, "theta is not where"),
        (0, 1, 1, "is not where"),
    ]:
        given(m=m, s=s, scale=scale)
        says("02.3", path, words, right=(m, s, scale) == (0, 1, 5))


@pytest.fixture(scope="module")
def own():
    """Data of a reader, of two levels."""
    df = helpers.simulate([6, 4, 5], theta=10, tau=1.5, sigma=1, seed=3, levels=["class", "pupil"])
    return helpers.stan_data(df, ["class", "pupil"], "y", remark=False)[0]


def perfect(data, kick=1.0, n_steps=7, offsets=False, prior=None, **stats):
    """Samples as of a perfect sampler: 4 chains of 1000 independent draws, and what it would note."""
    posterior = helpers.exact_posterior(data, prior=prior).draws(4000, seed=1)["posterior"]
    rng = np.random.default_rng(seed=1)
    energy = kick * rng.normal(size=(4, 1000)) + (1 - kick) * np.cumsum(rng.normal(size=(4, 1000)), axis=1)
    noted = {"energy": energy, "diverging": np.zeros((4, 1000), dtype=bool)}
    noted |= {
        name: np.full((4, 1000), value) for name, value in {"tree_depth": 3, "n_steps": n_steps}.items()
    }
    named = {name: x.values.reshape(4, 1000, *x.shape[2:]) for name, x in posterior.data_vars.items()}
    named |= {"theta_1_tilde": named["theta_1"]} if offsets else {}
    return arviz.from_dict({"posterior": named, "sample_stats": noted | stats})


def with_tau(samples, change):
    """Return a copy in which τ is something else."""
    posterior = samples["posterior"].to_dataset()
    samples = samples.copy()
    samples["posterior"] = xr.DataTree(
        posterior.assign(tau=(("chain", "draw"), change(posterior["tau"].values)))
    )
    return samples


def test_02_4_right(own, data):
    says("02.4", (own, perfect(own)), "89% interval of τ", right=True)
    says("02.4", (data, perfect(data)), "89% interval of τ", right=True)
    as_lists = {name: np.asarray(item).tolist() for name, item in own.items()}
    says("02.4", (as_lists, perfect(own)), "89% interval of τ", right=True)


def test_02_4_right_on_another_scale_with_its_own_priors(own):
    far = own | {"y": 2000 + 10 * own["y"]}
    prior = {"theta": (2100, 60), "tau": 50, "sigma": 50}
    says("02.4", (far, perfect(far, prior=prior), prior), "89% interval of τ", right=True)
    samples = perfect(far, prior=prior)
    with pytest.raises(ValueError, match=r"write prior=.*give them as the last part of your answer"):
        helpers.check("02.4", (far, samples))


def test_own_data_with_own_priors_go_through_every_check_of_a_fit(own):
    far = own | {"y": 2000 + 10 * own["y"]}
    prior = {"theta": (2100, 60), "tau": 50, "sigma": 50}
    one = perfect(far, prior=prior)
    other = {"centered": one, "noncentered": perfect(far, n_steps=31, prior=prior, offsets=True)}
    for number, answer in [
        ("02.4", (far, one)),
        ("03.4", (far, one, True)),
        ("04.4", (far, other, "centered")),
    ]:
        assert helpers.check(number, (*answer, prior)), number
        assert helpers.check(number, [*answer, prior]), number
        with pytest.raises(ValueError, match="give them as the last part of your answer"):
            helpers.check(number, answer)


def test_02_4_priors_that_are_not_those_of_the_fit_or_clash(own):
    far = own | {"y": 2000 + 10 * own["y"]}
    prior = {"theta": (2100, 60), "tau": 50, "sigma": 50}
    says("02.4", (far, perfect(far, prior=prior), prior | {"tau": 3}), "by your draws, exactly")
    lessons = {"theta": (10, 3), "tau": 5, "sigma": 5}
    says(
        "02.4", (far, perfect(far, prior=lessons), lessons), r"Normal\(10, 3\), and your measurements average"
    )


def test_02_4_wrong(own, data):
    says("02.4", (own, perfect(data)), "3 nodes in level 1, the dictionary 6")
    says("02.4", (own, perfect(own, prior={"tau": 0.3})), "by your draws, exactly")
    says(
        "02.4", (own, with_tau(perfect(own), lambda tau: tau + np.arange(4)[:, None])), "chains disagree on τ"
    )
    says("02.4", (own, helpers.exact_posterior(own).draws(1000, seed=1)), "one chain")
    changed = own | {"y": own["y"] + 3}
    says("02.4", (changed, perfect(own)), "by your draws, exactly")


# Lesson 3


def test_03_1_right():
    says("03.1", lambda chain: arviz.rhat(chain.reshape(2, -1)), "first of two hills", right=True)
    cut = [slice(None, 500), slice(500, None)]
    says("03.1", lambda c: float(arviz.rhat(np.array([c[part] for part in cut]))), "two hills", right=True)
    classic = lambda c: arviz.rhat(c.reshape(2, -1), method="identity")  # noqa: E731
    says("03.1", classic, "two hills", right=True)


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        (lambda chain: arviz.rhat(chain.reshape(-1, 2).T, method="identity"), "draws 1, 3, 5"),
        (lambda chain: arviz.rhat(chain[None]), "nan: R-hat needs"),
        (lambda chain: arviz.rhat(chain), "an array with two rows"),
        (lambda chain: arviz.rhat(chain[:500]), "an array with two rows"),
        (lambda chain: 1.0, "jumps halfway"),
        (lambda chain: arviz.rhat(np.array([chain[:333], chain[-333:]])), "leave no draw out"),
        (lambda chain: 1 + abs(chain[500:].mean() - chain[:500].mean() > 5), "climbs all the time"),
        (lambda chain: chain.std(), "other units"),
        (lambda chain: 2.0, "near 1"),
    ],
)
def test_03_1_wrong(mistake, words):
    says("03.1", mistake, words)


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (0.159, "perfect sampler"),
        (0.3, "More than there is"),
        (0.12, "half of it or more"),
        (16, "0 to 1|0 and 1"),
    ],
)
def test_03_2_wrong(share, words):
    says("03.2", share, words)


def test_03_2_right():
    for share in (0, 0.01, np.float64(0.04)):
        says("03.2", share, "Far fewer", right=True)


TAU = "  real<lower=0> tau;\n"


def test_03_3_centered(program):
    text = CENTERED.replace(TAU, "").replace("  tau ~ normal(0, 5);", "//")
    says("03.3", program(text, (DATA, DATA + TAU)), "No funnel", right=True)


def test_03_3_noncentered_and_wrong(program, given):
    text = NONCENTERED.replace(TAU, "")  # its prior may stay: it is a constant now
    for k in (1, 2, 3):
        given = f"(part[{k}] == 0 ? sigma : part[{k}] * tau ^ power)"
        text = text.replace(f"tau * theta_{k}_tilde", f"{given} * theta_{k}_tilde")
    text = text.replace("theta ~ normal(10, 3)", "theta ~ normal(10, width)")
    path = program(text, (DATA, DATA + TAU + "  vector[3] part; real power; real width;\n"))
    given(part=[1, 1, 1], power=1, width=3)
    says("03.3", path, "No funnel", right=True)
    for wrong in (
        {"part": [0.2, 0.2, 0.2]},
        {"part": [0.2, 1, 1]},
        {"part": [1, 1, 0.1]},
        {"part": [1, 1, 0]},  # σ for the colonies
        {"power": 2},
        {"power": 0},  # a spread of 1, whatever τ is
        {"width": 1000},  # the prior of θ is lost
    ):
        given(**{"part": [1, 1, 1], "power": 1, "width": 3} | wrong)
        says("03.3", path, "the τ that it is given")


def test_03_3_program_as_it_was(program):
    says("03.3", program(CENTERED), "still a parameter")


def test_03_4_right(own):
    says("03.4", (own, perfect(own), True), "0 of four alarms sound, with 0 div.*MCSEs", right=True)
    says("03.4", (own, perfect(own, kick=0.05), False), "1 of four alarms", right=True)
    walk = with_tau(perfect(own), lambda tau: np.sort(tau, axis=1))
    says("03.4", (own, walk, np.bool_(False)), r"^3 of four alarms sound.*off by [^M]*$", right=True)
    few = np.arange(4000).reshape(4, 1000) % 500 == 0
    for trust in (True, False):  # some divergences: it depends on where
        says("03.4", (own, perfect(own, diverging=few), trust), "with 8 divergences", right=True)
    deep = np.where(np.arange(4000).reshape(4, 1000) % 50 == 0, 10, 3)
    for trust in (True, False):  # trees as deep as they may be: slow, not wrong
        says("03.4", (own, perfect(own, tree_depth=deep), trust), "0 of four alarms", right=True)
    assert not helpers.check("03.4", (own, perfect(own), False))


@pytest.mark.parametrize(
    "fault",
    [
        lambda own: perfect(own, kick=0.05),
        lambda own: with_tau(perfect(own), lambda tau: np.sort(tau, axis=1)),
        lambda own: with_tau(perfect(own), lambda tau: tau + np.arange(4)[:, None]),
    ],
)
def test_03_4_trust_in_spite_of_an_alarm(own, fault):
    says("03.4", (own, fault(own), True), r"[1-4] of 4 sound for τ. Which")


def test_03_4_doubt_without_an_alarm(own):
    says("03.4", (own, perfect(own), False), "What makes you doubt")


def test_03_4_other_samples(own, data):
    says("03.4", (own, perfect(data), True), "of another fit")
    elsewhere = with_tau(perfect(own), lambda tau: tau + 0.5)  # as of a table of the same shape
    says("03.4", (own, elsewhere, True), r"mean of τ is \d\d MCSEs off")
    says("03.4", (own, elsewhere, False), r"0 of four alarms.*\d\d\.\d MCSEs", right=True)


# Lesson 4


def test_04_1_right():
    says("04.1", lambda theta, tau, z: theta + tau * z, "knows nothing of τ", right=True)
    says("04.1", lambda theta, tau, z: [theta - tau * one for one in z], "knows nothing of τ", right=True)


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        (lambda theta, tau, z: theta + tau**2 * z, "τ²"),
        (lambda theta, tau, z: theta + tau**0.5 * z, "√τ"),
        (lambda theta, tau, z: theta + z, "deviation of 1"),
        (lambda theta, tau, z: tau * z, "where has θ gone"),
        (lambda theta, tau, z: tau * (theta + z), "τ θ"),
        (lambda theta, tau, z: (z - theta) / tau, "way back"),
        (lambda theta, tau, z: np.random.default_rng().normal(theta, tau, size=len(z)), "only compute"),
        (lambda theta, tau, z: theta + tau * abs(z), "not distributed"),
    ],
)
def test_04_1_wrong(mistake, words):
    says("04.1", mistake, words)


def widths(of):
    return {tau: of(tau) for tau in (0.1, 1, 10)}


def test_04_2_right():
    says("04.2", widths(lambda tau: 0.3 / tau), "falls as τ grows", right=True)
    says("04.2", {0.1: 3, 1.0: 0.3, np.float64(10): np.float64(0.03)}, "falls as τ grows", right=True)
    says("04.2", {"0.1": 3, "1": 0.3, "10.0": 0.03}, "falls as τ grows", right=True)
    says("04.2", {0.3 / 3: 3, np.int64(1): 0.3, 10: pl.Series([0.03])}, "falls as τ grows", right=True)
    says("04.2", widths(lambda tau: (1 + (tau / 0.3) ** 2) ** -0.5), "With the prior", right=True)
    says("04.2", {0.1: 1, 1: 0.3, 10: 0.03}, "With the prior", right=True)


@pytest.mark.parametrize(
    ("of", "words"),
    [
        (lambda tau: 0.3, "how closely the mean"),
        (lambda tau: 0.3 * tau, "multiply by τ"),
        (lambda tau: tau / 0.3, "how many τ"),
        (lambda tau: 1, "prior of the offset"),
        (lambda tau: 0.3 / tau**2, "dividing by τ"),
    ],
)
def test_04_2_wrong(of, words):
    says("04.2", widths(of), words)


NEW_CELL = """
generated quantities {
  real mean = normal_rng(normal_rng(normal_rng(theta, tau), tau), tau);
  real y_new = normal_rng(mean, sigma);
}
"""
NEW_CELL_MISTAKEN = """
generated quantities {
  int colony = categorical_rng(rep_vector(1.0 / J_3, J_3));
  int batch = index_2[colony];
  int day = index_1[batch];
  vector[13] mistakes = [
    normal_rng(theta, sqrt(3 * square(tau) + square(sigma))), normal_rng(theta, sigma),
    normal_rng(theta, sqrt(3) * tau), normal_rng(normal_rng(theta, tau), sigma),
    normal_rng(normal_rng(normal_rng(theta, tau), tau), sigma), normal_rng(theta, tau + sigma),
    normal_rng(theta_3[colony], sigma), normal_rng(normal_rng(theta_2[batch], tau), sigma),
    normal_rng(normal_rng(normal_rng(theta_1[day], tau), tau), sigma),
    normal_rng(theta_3[1], sigma), normal_rng(mean(theta_1), sqrt(3 * square(tau) + square(sigma))),
    normal_rng(10, sqrt(3 * square(tau) + square(sigma))), theta ]';
  real y_new = mistakes[1];
}
"""


def test_04_3_centered(program):
    says("04.3", program(CENTERED + NEW_CELL), "new colony, a new cell", right=True)


def test_04_3_noncentered_and_wrong(program, monkeypatch):
    path = program(NONCENTERED + NEW_CELL_MISTAKEN)
    words = [
        "new colony, a new cell",
        "directly from θ",
        "strays from it by σ",
        "Two levels are missing",
        "A level is missing",
        "Its variance is",
        "about the θ of its draw",
        "about the θ of its draw",
        "about the θ of its draw",
        "about the θ of its draw",
        "about the θ of its draw",
        "about the θ of its draw",
        "Its variance is",
    ]
    # It is sampled once; of the same draws the check is then given the one or the other cell.
    drawn, sample = [], programs.sample
    monkeypatch.setattr(programs, "sample", lambda *of, **how: drawn.append(sample(*of, **how)) or drawn[0])
    for which, said in enumerate(words):
        says("04.3", path, said, right=which == 0)
        cells = drawn[0]["posterior"]["mistakes"].values
        drawn[0]["posterior"]["y_new"].values[:] = cells[..., (which + 1) % len(words)]
        monkeypatch.setattr(programs, "sample", lambda *_, **__: drawn[0])


def test_04_3_program_as_it_was(program):
    says("04.3", program(NONCENTERED), "no 'y_new'")


def test_04_3_another_model(program):
    text = NONCENTERED.replace("tau ~ normal(0, 5)", "tau ~ normal(0, 0.2)")
    says("04.3", program(text + NEW_CELL), "posterior of tau has changed")


def runs(data, gradients=(7, 7), centered=lambda tau: tau, noncentered=lambda tau: tau):
    """Two perfect samplers that cost something, and may be spoilt."""
    one = with_tau(perfect(data, n_steps=gradients[0]), centered)
    return {
        "centered": one,
        "noncentered": with_tau(perfect(data, n_steps=gradients[1], offsets=True), noncentered),
    }


def slow(tau):
    """Walk through the same values slowly, so that few of them count."""
    return np.sort(tau.reshape(4, 50, 20), axis=2).reshape(4, 1000)


def test_04_4_right(own):
    says("04.4", (own, runs(own, (7, 31)), "centered"), "per 1000 gradients", right=True)
    says("04.4", (own, runs(own, centered=slow), "noncentered"), "per 1000 gradients", right=True)


def test_04_4_wrong(own, data):
    says("04.4", (own, runs(own, (7, 31)), "noncentered"), "the other one has more|what did they cost")
    says("04.4", (own, runs(own, (7, 700), centered=slow), "noncentered"), "what did they cost")
    says("04.4", (own, runs(own, centered=slow), "centered"), "the other one has more")
    swapped = dict(zip(("noncentered", "centered"), runs(own).values(), strict=True))
    says("04.4", (own, swapped, "centered"), "a mix-up")
    says("04.4", (own, runs(data), "centered"), "of another fit")
    bare = {name: arviz.from_dict({"posterior": dict(run["posterior"])}) for name, run in runs(own).items()}
    with pytest.raises(TypeError, match="give samples with what the sampler noted"):
        helpers.check("04.4", (own, bare, "centered"))
    says("04.4", (own, runs(own, (7, 31), centered=lambda tau: tau + 1), "centered"), "means nothing")


# All lessons

WRONG_KINDS = {
    "01.1": ["colony", 3, [1, 2], ["a", "b", "c"]],
    "01.2": [[1, 2], {"index_1": [1]}, CALENDAR | {"index_1": "1112"}, CALENDAR | {"length": "many"}],
    "01.3": [1.75, {4: 1.75}, lambda n, tau, sigma: None, lambda n, tau, sigma: "1.75"],
    "01.4": [LEAVES, (LEAVES, ["plot", "plant"]), (1, 2, 3), (*PLANTS, "112")],
    "01.5": [3, "design", None],
    "01.6": [3, None, [1.0, 2.0]],
    "02.1": ["ten", None, [10.4], True],
    "02.2": [0.55, lambda samples: "often", lambda samples: [0.5, 0.5]],
    "02.3": [3, None],
    "02.4": [{}, ({}, 3), (3, {}), ({}, {}, {}), (1, 2, 3, 4)],
    "03.1": [1.01, lambda chain: [1.0, 1.0]],
    "03.2": ["fewer", None],
    "03.3": [0.2, None],
    "03.4": [True, ({}, {}), ({}, {}, "yes"), ({}, {}, 1), ({}, {}, True)],
    "04.1": [11.0, lambda theta, tau, z: 3, lambda theta, tau, z: z[:3]],
    "04.2": [[3, 0.3, 0.03], {0.1: 3}, {0.1: "wide", 1: 0.3, 10: 0.03}],
    "04.3": [1.1, None],
    "04.4": ["centered", ({}, {}, "centered"), ({}, {"centered": 1, "noncentered": 2}, "both")],
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
