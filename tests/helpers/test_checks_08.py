"""The checks of lesson 8 know right answers in any form, and have a hint for each typical mistake."""

import arviz
import numpy as np
import polars as pl
import pytest
from answering import edited, given, of, rows, says  # noqa: F401
from scipy.stats import norm

import helpers
from helpers.checks import exercises, lesson_08

MOVED = {"changes": ["theta", "tau[1]", "rho"], "rho": 0.61}
TEXT = "On day 0, the correlation of a person's reaction time with its rise is hardly known: 95% interval "
TEXT += "-0.45 to 0.60, so that we can say neither whether fast people lose more nor whether they lose less."
SHARE = {"share": 0.0641, "report": TEXT}
DESIGN = {"guess": "samples", "plates": 0.95, "samples": 0.66}

ANSWERS = {
    "08.1": [
        (MOVED, "✔ Same people"),
        ({"changes": pl.Series(["Theta", "TAU 1", "rho"]), "ρho": 0, "rho": np.array([0.6])}, "✔"),
        ({"changes": {"theta": True, "tau[1]": True, "rho": True, "sigma": False}, "Rho": 0.615}, "✔"),
        *of(MOVED, "changes", {
            ("tau[1]", "rho"): "θ is the typical person's.*Which day",
            ("theta", "rho"): "lines spread",
            ("theta", "tau[1]"): "not of people alone",
            ("theta", "tau[1]", "rho", "beta[1]"): "a slope is per day",
            ("theta", "tau[1]", "rho", "tau[2]"): "slopes of people others",
            ("theta", "tau[1]", "rho", "sigma"): "same lines",
        }),
        *of(MOVED, "rho", {0.07: "'rho': .*from 0", 0.815: "last one", -0.52: "added", 0.75: "no prior"}),
        *of(MOVED, "rho", {0.638: "median", 0.54: "how much it changed", 0.3: "take 4.5"}),
        (MOVED | {"changes": ["theta", "mu"]}, "'mu': .*list of names"),
        (MOVED | {"changes": "theta"}, "a str: .*list of names"),
        (["theta"], "'changes' and 'rho'"),
    ],
    "08.2": [({"program": "new_person.stan"}, "a dict: .*path")],
    "08.3": [
        (SHARE, "✔ A good report"),
        ({"Share": pl.Series([0.0601]), "report": TEXT.replace("-0.45 to ", "−0.45–")}, "✔"),
        *of(SHARE, "share", {0.937: "who get slower", 6.3: "per cent", 4e-6: "beta.1., the mean"}),
        *of(SHARE, "share", {1 / 18: "counts the people", 0.0454: "of the people in the data"}),
        *of(SHARE, "share", {0.0565: "one beta.1. and one tau", 0.41: "of rho", 0.072: "Near.*too rough"}),
        *of(SHARE, "share", {0.2: "'share': For each draw"}),
        *of(SHARE, "report", {
            "Between -0.45 and 0.60.": "has 4 words",
            " ".join([TEXT] * 4): "left out",
            TEXT.replace("-0.45 to 0.60", "0.07"): "ends of an interval",
            TEXT.replace("-0.45 to 0.60", "wide"): "ends of an interval",
            TEXT.replace("-0.45", "0.45"): "not the ends",
            TEXT.replace("0.60", "0.95"): "not the ends",
            TEXT + " It is not significant.": "says 'not significant': leave that to tests",
            TEXT + " This proves it.": "no proof",
            TEXT + " So they are uncorrelated.": "known that well",
            TEXT + " There is no correlation.": "known that well",
            TEXT + " A slow start causes a steep rise.": "causes",
        }),
        (SHARE | {"report": TEXT + " This isn't proof that they are independent."}, "✔"),
        (SHARE | {"report": TEXT + " With probability 0.95. One day costs 10.4 ms, and sigma is 1.7."}, "✔"),
        (SHARE | {"report": 0.07}, "a float: .*sentence"),
        (SHARE | {"share": "few"}, "a str: .*probability"),
        ({"share": 0.06}, "'report'"),
    ],
    "08.4": [
        (DESIGN, "✔ Samples, as you guessed: their sd is 31% smaller"),
        ({"Guess": "Plates", "plates": np.array([1.1]), "samples": pl.Series([0.58])}, "✔ other than you"),
        (DESIGN | {"plates": 0.6, "samples": 0.95}, "✘ swapped"),
        *of(DESIGN, "plates", {3.9: "'plates': is it", 0.7: "'plates': is it"}),
        *of(DESIGN, "samples", {0.43: "'samples': .*variance", 0.2: "mean sd of θ in ten"}),
        (DESIGN | {"guess": "both"}, "'both': .*'plates' or 'samples'"),
        (DESIGN | {"plates": "less"}, "a str: .*'plates'"),
        ("samples", "'guess'"),
    ],
    "08.5": [
        ({"data": [1, 2]}, "'samples'"),
        ({"data": [1, 2], "samples": None}, "a list: .*data | priors"),
        ({"data": {"J_1": 2, "index_1": [1, 2], "reaction": [1, 2]}, "samples": None}, "a dict: .*'y'"),
        ({"data": {"J_1": 2, "index_1": [1, 2], "y": [1, 2]}, "samples": 3}, "arviz"),
    ],
}  # fmt: skip


@pytest.mark.parametrize(("number", "answer", "words"), rows(ANSWERS))
def test_an_answer_is_told_what_it_is_and_what_to_look_at(number, answer, words):
    says(number, answer, words)


def test_every_check_is_tried_with_answers_of_the_wrong_kind():
    refusing = {number for number, _, words in rows(ANSWERS) if words[0] not in "✔✘"}
    assert sorted(refusing) == [number for number in exercises() if number.startswith("08.")]


def sleep(less=0.0):
    """The sleep study as the lesson has it, with days counted from `less`."""
    people = pl.read_csv(helpers.table_file("sleepstudy.csv"), comment_prefix="#").rename({"reaction": "y"})
    data, _ = helpers.stan_data(people, "subject", "y", predictors="days", remark=False)
    return data | lesson_08.PRIOR | {"X": data["X"] - less}


def below_0(exact):
    """P(slope < 0) of a new person, and of all in the data: slopes are normal given spreads, as weighted."""
    rule = exact._rule
    keep = rule.weights > 1e-14 * rule.weights.max()
    weights = rule.weights[keep] / rule.weights[keep].sum()
    mean, variance = exact._integral.describe(rule.x[:, keep])
    new = norm.cdf(-mean[1] / np.sqrt(variance[1] + rule.x[1, keep] ** 2))
    own = [k for k, name in enumerate(exact._integral.nodes) if name.startswith("beta_1")]
    return weights @ new, np.mean(norm.cdf(-mean[own] / np.sqrt(variance[own])) @ weights)


def test_08_1_the_correlations_in_the_check_are_the_exact_ones():
    middle, first, last, added = (helpers.exact_slopes(sleep(x), tolerance=1e-4) for x in (4.5, 0, 9, -4.5))
    known = [lesson_08.MIDDLE, *(rho for rho, _ in lesson_08.RHO[:3])]
    assert [exact.mean("rho") for exact in (middle, first, last, added)] == pytest.approx(known, abs=1e-3)
    assert middle.quantile("rho", 0.5) == pytest.approx(lesson_08.RHO[4][0], abs=1e-3)
    for name, (changes, _) in lesson_08.CHANGES.items():
        least = 0.1 if name == "rho" else 0.1 * first.mean(name)
        assert (abs(middle.mean(name) - first.mean(name)) > least) == changes, name


def test_08_3_the_shares_in_the_check_are_the_exact_ones():
    exact = helpers.exact_slopes(sleep(), tolerance=1e-4)
    new, of_people = below_0(exact)
    assert new == pytest.approx(lesson_08.BELOW, abs=2e-5)
    known = [share for share, _, _ in lesson_08.OTHERS]
    at_means = norm.cdf(-exact.mean("beta[1]") / exact.mean("tau[2]"))
    found = [exact.cdf("beta[1]", 0), 1 / 18, of_people, at_means, exact.cdf("rho", 0)]
    assert found == pytest.approx(known[2:], abs=2e-4)


PROGRAM = """rho = L[2, 1];
  real y_new;
  {
    vector[2] u = diag_pre_multiply(tau, L) * to_vector(normal_rng([0, 0], 1));
    y_new = normal_rng(theta + u[1] + 9 * (beta[1] + u[2]), sigma);
  }"""


class Draws:
    """Draws of a right program, and what may stand in place of y_new."""

    def __init__(self, post):
        rng = np.random.default_rng(2)
        self.right, self.theta, self.rho, self.sigma = (
            post[name].values for name in ("y_new", "theta", "rho", "sigma")
        )
        self.beta, (self.own, self.slope) = post["beta"].values[..., 0], np.moveaxis(post["tau"].values, 2, 0)
        self.z = rng.normal(size=(2, *self.theta.shape))
        self.noise = rng.normal(size=self.theta.shape)
        self.first = [post[name].values[..., 0] for name in ("theta_1", "beta_1")]
        self.offsets = post["z"].values[..., 0]

    def new(self, day=9, z=None, rho=None, tau=None, sigma=None):
        """Draw a new person on a day, with something other than it should be."""
        z, rho = self.z if z is None else z, self.rho if rho is None else rho
        own, slope = (self.own, self.slope) if tau is None else tau
        second = rho * z[0] + np.sqrt(1 - rho**2) * z[1]
        noise = self.noise * (self.sigma if sigma is None else sigma)
        return self.theta + own * z[0] + day * (self.beta + slope * second) + noise

    def turned(self):
        """With the offsets multiplied by L transposed."""
        own = self.own * (self.z[0] + self.rho * self.z[1])
        slope = self.slope * np.sqrt(1 - self.rho**2) * self.z[1]
        return self.theta + own + 9 * (self.beta + slope) + self.sigma * self.noise


# A right y_new is refused once in 600,000 times; right means of the six parameters once in 300,000.
Y_NEW = [
    (lambda d: d.new(), "✔ A new person"),
    (lambda d: d.new(sigma=0), "✘ 'y_new': .*person's line.*σ"),
    (lambda d: d.theta + 9 * d.beta, "✘ draw a line about"),
    (lambda d: d.theta + 9 * d.beta + d.sigma * d.noise, "✘ typical"),
    (lambda d: d.first[0] + 9 * d.first[1] + d.sigma * d.noise, "✘ a person in the data"),
    (lambda d: d.first[0] + 9 * d.first[1], "✘ a person in the data"),
    (lambda d: d.new(z=np.moveaxis(d.offsets, 2, 0)), "✘ a person in the data"),
    (lambda d: d.new(rho=0), "✘ no correlation"),
    (lambda d: d.new(z=d.z[[0, 0]], rho=1 + 0 * d.rho), "✘ both offsets are one number"),
    (lambda d: d.turned(), "✘ wrong way round"),
    (lambda d: d.new(tau=(d.own**2, d.slope**2)), "✘ square it"),
    (lambda d: d.new(tau=(1, 1)), "✘ tau is missing"),
    (lambda d: d.new(sigma=d.sigma**2), "✘ normal takes σ"),
    (lambda d: d.new(tau=(d.own, 0)), "✘ slope of all"),
    (lambda d: d.new(day=0), "✘ day 0"),
    (lambda d: d.new(day=1), "✘ day 1"),
    (lambda d: d.new() + 30, "✘ draw a line about"),
    (lambda d: d.new() * np.nan, "✘ draw a line about"),
    (lambda d: d.new(tau=(0, d.slope)), "✘ draw a line about"),
]


def test_08_2_each_mistake_in_a_new_persons_time_is_told(edited, given):
    path = edited("slopes", ("real rho = L[2, 1];", f"real {PROGRAM}"))
    given()
    says("08.2", path, "✔ A new person")
    for make, words in Y_NEW:
        given(lambda post, make=make: post.assign(y_new=(("chain", "draw"), make(Draws(post)))))
        says("08.2", path, words)
    given(lambda post: post.drop_vars("y_new"))
    says("08.2", path, "✘ no 'real y_new'")
    given(lambda post: post.assign(y_new=post["theta_1"]))
    says("08.2", path, "✘ no 'real y_new'")
    for name in ("rho", "beta_1"):
        given(lambda post, name=name: post.drop_vars(name))
        says("08.2", path, "✘ keep the names")
    given(lambda post: post.assign(sigma=2 * post["sigma"]))
    says("08.2", path, "✘ other blocks")


def samples_of(data, model, seed=1, **more):
    """Draws of one of the lesson's programs."""
    fit = helpers.stan_model(model).sample(data | more, seed=seed, show_progress=False)
    return arviz.from_cmdstanpy(fit)


def dose_table():
    """Six groups of five doses, with a line each."""
    rng = np.random.default_rng(5)
    group, dose = np.divmod(np.arange(30), 5)
    y = rng.normal(3 + rng.normal(0, 1, 6)[group] + rng.normal(1, 0.5, 6)[group] * dose, 0.5)
    data, _ = helpers.stan_data(
        pl.DataFrame({"group": group, "dose": dose, "y": y}), "group", "y", predictors="dose", remark=False
    )
    priors = {"prior_theta": [3, 3], "prior_beta": [[0, 2]], "prior_tau": [2, 2]}
    return data | priors | {"prior_rho": 2, "prior_sigma": 2}


def crossed_table():
    """Ten plates that meet four drugs."""
    rng = np.random.default_rng(6)
    plate, drug = np.divmod(np.arange(40), 4)
    y = rng.normal(5 + rng.normal(0, 1, 10)[plate] + rng.normal(0, 2, 4)[drug], 0.5)
    data, _ = helpers.stan_data(
        pl.DataFrame({"plate": plate, "drug": drug, "y": y}), values="y", crossed=["plate", "drug"],
        remark=False,
    )  # fmt: skip
    return data | {"prior_theta": [5, 5], "prior_beta": [], "prior_tau": [3, 3], "prior_sigma": 2}


# Ten means, each beyond five standard errors once in 2 million times.
def test_08_5_draws_of_ones_own_table_are_held_against_the_exact_answer():
    lines, crossed = dose_table(), crossed_table()
    of_lines, of_crossed = samples_of(lines, "slopes"), samples_of(crossed, "crossed", centered=[1, 1])
    for data, samples, words in [
        (lines, of_lines, "✔ one unit more of the first predictor changes y by .*on average.*MCSE"),
        (crossed, of_crossed, r"✔ With 95%, tau\[1\], of 10 groups, is .*; tau\[2\], of 4 groups, is .*MCSE"),
        (lines | {"prior_sigma": 0.1}, of_lines, "✘ sigma lies .* exact mean"),
        (crossed | {"prior_tau": [3, 0.5]}, of_crossed, r"✘ tau\[2\] lies .*these priors"),
        (lines, of_crossed, "✘ keep the names"),
    ]:
        says("08.5", {"data": data, "samples": samples}, words)


@pytest.mark.parametrize(
    ("table", "column"), [("sleepstudy.csv", "reaction"), ("penicillin.csv", "diameter")]
)
def test_08_5_a_table_of_the_lesson_is_not_ones_own(table, column):
    y = pl.read_csv(helpers.table_file(table), comment_prefix="#")[column].to_numpy()[::-1]
    says("08.5", {"data": {"J_1": 2, "index_1": [1, 2], "y": y}, "samples": None}, f"✘ numbers of {table}")


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        ({"J_1": 500, "index_1": []}, "500 groups would take minutes: give a part of the table, 400"),
        ({"J": [500, 70], "index": []}, "70 groups besides the largest factor's would take minutes: .* 60"),
    ],
)
def test_08_5_what_would_take_minutes_is_refused_with_a_remedy(groups, said):
    with pytest.raises(ValueError, match=said):
        helpers.check("08.5", {"data": groups | {"y": [1.0, 2.0]}, "samples": None})
