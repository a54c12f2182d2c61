"""The checks of lesson 2 know right answers in any form, and have a hint for each typical mistake."""

import arviz
import numpy as np
import pytest
from answering import TestAnswers, drawn, perfect, says, with_tau  # noqa: F401

import helpers
from helpers.data import LEVELS


def read(df, levels):
    return helpers.stan_data(df, levels, "y", remark=False)[0]


DATA = read(helpers.measurements(), LEVELS)
OWN_LEVELS = ["class", "pupil"]  # of a reader
OWN = read(helpers.simulate([6, 4, 5], theta=10, tau=1.5, sigma=1, seed=3, levels=OWN_LEVELS), OWN_LEVELS)


def day(samples, i):
    return helpers.draws(samples, f"theta_1[{i}]")


def by_counting(samples):
    theta_1 = samples["posterior"]["theta_1"].values.reshape(-1, 3)
    return sum(row[0] - row[1] > 0 for row in theta_1) / len(theta_1)


ANSWERS = {
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
    "02.2": [(3, "path"), (None, "path")],
    "02.3": [
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
    "02.4": [({}, "tuple of three"), (({}, 3), "samples"), ((3, {}), "dictionary"), ((1, 2, 3, 4), "tuple")],
}


ONE = """
data {
  int<lower=0> N;
  vector[N] y;
  real sigma;
}
parameters {
  real mu;
}
model {
  mu ~ normal(9, 0.5);
  y ~ normal(mu, sigma);
}
"""


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("vector[N] y", "array[N] real y", "✔ 10.61 .* average 11.40"),
        ("N", "n", "✘ With the data of this check"),
    ],
)
def test_02_2_a_program_from_an_empty_file_is_run(tmp_path, old, new, words):
    (tmp_path / "one.stan").write_text(ONE.replace(old, new), "utf-8")
    says("02.2", tmp_path / "one.stan", words)


def of_one(mean, sd, **others):
    """Samples as of a program that draws mu independently."""
    rng = np.random.default_rng(seed=1)
    return arviz.from_dict({"posterior": {"mu": rng.normal(mean, sd, size=(4, 1000))} | others})


@pytest.mark.parametrize(
    ("normal", "words"),
    [
        ((10.61, 0.287), "✔ Which of the two"),
        ((11.4, 0.35), "✘ cells alone"),
        ((11.385, 0.348), "✘ cells alone"),
        ((9.811, 0.2034), "✘ for the prior it is 0.5"),
        ((10.935, 0.22), "✘ sigma is one already"),
        ((10.326, 0.3345), "✘ another sigma than 0.9"),
        ((10.2, 0.3536), "✘ what sigma is for"),
        ((9.676, 0.407), "✘ Only the first cell"),
        ((9, 0.5), "✘ from the prior"),
        ((10.61, 0.4), "✘ not from the posterior"),
    ],
)
def test_02_2_each_typical_mistake_has_its_hint(drawn, normal, words):
    drawn(of_one(*normal))
    says("02.2", "reader.stan", words)


def test_02_2_sigma_is_known_and_mu_has_its_name(drawn):
    drawn(of_one(10.61, 0.287, sigma=np.ones((4, 1000))))
    says("02.2", "reader.stan", "✘ it comes with the data")
    drawn(arviz.from_dict({"posterior": {"m": np.ones((4, 1000))}}))
    says("02.2", "reader.stan", "✘ no 'mu' among")


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
