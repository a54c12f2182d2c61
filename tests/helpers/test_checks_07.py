"""The checks of lesson 7 know right answers in any form, and have a hint for each typical mistake."""

import arviz
import numpy as np
import polars as pl
import pytest
from answering import TestAnswers, drawn, given, of, says  # noqa: F401
from scipy.stats import norm

import helpers
from helpers.checks import lesson_07
from helpers.checks.lesson_02 import cells


def by_colony(y, colony):
    """What each cell differs by from its colony's mean."""
    return y - (np.bincount(colony, y) / np.bincount(colony))[colony]


def slope(y, colony):
    return by_colony(y, colony) @ np.tile(np.arange(10) - 4.5, len(y) // 10)


def correlation(y, colony):
    return np.mean([np.corrcoef(y[colony == k], range(10))[0, 1] for k in np.unique(colony)])


def halves(y, colony):
    y = y.reshape(-1, 10)
    return np.array([y[:, 5:].mean() - y[:, :5].mean()])


def sorting(y, colony):
    y.sort()
    colony[:] = 0
    return y[0]


def two_cells(y, colony):
    return np.mean(y[7::10] - y[::10])


def is_known(y, colony):
    return float(any(np.array_equal(y, table) for table, _, _ in lesson_07.tables()))


TEXT = "With a half-normal prior of scale 5 for tau, the Bayes factor for complete pooling is 23; "
TEXT += "with scale 1 it is 5, so that we report the hierarchical model and the interval of tau."
FACTORS = {"1": 4.78, "20": 92.9, "report": TEXT}
OWN = {"data": {"J_1": 3, "index_1": [1, 1, 2, 2, 3], "y": [9.0, 9.5, 10, 13, 11]}, "prior": {"tau": 1}}
TWO = OWN["data"] | {"J_1": 2, "J_2": 3, "index_1": [1, 2, 2], "index_2": [1, 1, 2, 2, 3]}
WORMS = {"J_1": 3, "index_1": [1, 1, 2, 2, 3], "up": [3, 4, 12, 2, 8], "trials": [20, 20, 20, 10, 10]}
OTHER = {"data": WORMS, "prior": {"theta": (0, 1.5), "tau": 1}, "values": "up", "likelihood": "binomial"}

ANSWERS = {
    "07.1": [
        *((f, "✔ 10 of 10") for f in (slope, correlation, halves)),
        (lambda y, colony: y.std(), "✘ 0 of 10.*backwards.*larger σ"),
        (lambda y, colony: y.max(), "✘ backwards"),
        (lambda y, colony: np.mean((y - y.mean()) ** 3), "✘ backwards"),
        (sorting, "✘ backwards"),
        (lambda y, colony: np.corrcoef(y, np.arange(len(y)))[0, 1], "✘ begin anew"),
        (two_cells, "✘ [4-7] of 10.*have a say"),
        (lambda y, colony: 3, "✘ 3 for every data set"),
        (lambda y, colony: np.random.default_rng().random(), "✘ two answers"),
        (is_known, "✘ an alarm in 10 of 10.*besides"),
        (lambda y, colony: np.nan, "nan"),
        (lambda y, colony: by_colony(y, colony), "one number"),
        (lambda y: y.mean(), r"statistic\(y, colony\)"),
        (3.2, "without calling it"),
    ],
    "07.2": [({"program": "predicting.stan"}, "a dict: .*path")],
    "07.3": [
        ({1: np.float64(4.7), 20: pl.Series([94.0]), "Report": TEXT}, "✔"),
        *of(FACTORS, "1", {1.564: "1: .*logarithms", 0.2094: "other way", 23.25: "5", 92.9: "swapped"}),
        *of(FACTORS, "1", {0.827: "1: .*probability", 9.55: "half-normal"}),
        *of(FACTORS, "20", {4.53: "20: .*logarithms", -4.53: "other way", 50: "exp"}),
        *of(FACTORS, "report", {
            "Pooling is better, by a factor of 23.": "has 8 words",
            " ".join([TEXT] * 5): "left out",
            TEXT.replace("5", "five").replace("23", "large").replace("1", "one"): "in digits",
            TEXT.replace("prior", "one").replace("half-normal", "").replace("scale", "size"): "Which one",
            TEXT + " This is not significant.": "tests",
            TEXT + " This proves that colonies are equal.": "no proof",
            TEXT + " We accept complete pooling.": "nothing is decided",
            TEXT + " There are no differences between colonies.": "tell a small τ",
            TEXT + " So colonies do not differ.": "tell a small τ",
            TEXT + " So groups are identical.": "tell a small τ",
        }),
        (FACTORS | {"report": TEXT + " This isn't proof, and rules nothing out."}, "✔"),
        (FACTORS | {"report": TEXT + " There is no difference in elpd, to four significant digits."}, "✔"),
        (FACTORS | {"report": TEXT + " It does not show that there is no effect, nor prove one."}, "✔"),
        (FACTORS | {"report": 23}, "an int: .*sentences"),
        (FACTORS | {"1": "five"}, "a str: .*factor"),
        ({"report": TEXT}, "'1'"),
    ],
    "07.4": [
        (OWN, "'elpd'"),
        (OWN | {"elpd": -9, "likelihood": "gamma"}, "'gamma'.*'poisson'"),
        (OWN | {"elpd": -9, "likelihood": "student_t"}, "an hour: .*'nu'"),
        (OWN | {"elpd": "-9"}, "a str: .*'elpd'"),
        (OWN | {"elpd": -9, "data": [9, 12, 18]}, "a list: .*stan_data"),
    ],
}  # fmt: skip


def test_07_1_a_statistic_that_sorts_its_table_spoils_no_other():
    before = [y.copy() for y, _, _ in lesson_07.tables()]
    says("07.1", sorting, "✘ 0 of 10")
    assert all(np.array_equal(y, table[0]) for y, table in zip(before, lesson_07.tables(), strict=True))


PROGRAM = """
data { int N, J_1; array[N] int index_1; vector[N] y; }
parameters { real theta; real<lower=0> tau, sigma; vector[J_1] theta_1_tilde; }
transformed parameters { vector[J_1] theta_1 = theta + tau * theta_1_tilde; }
model {
  theta ~ normal(10, 3);
  tau ~ normal(0, 5);
  sigma ~ normal(0, 5);
  theta_1_tilde ~ std_normal();
  y ~ normal(theta_1[index_1], sigma);
}
generated quantities {
  vector[N] log_lik;
  array[N] real y_rep = normal_rng(theta_1[index_1], sigma);
  for (n in 1:N) log_lik[n] = normal_lpdf(y[n] | theta_1[index_1[n]], sigma);
}
"""


class Draws:
    """Draws of a right program, by chain, draw and measurement, and what mistakes would make of them."""

    def __init__(self, post):
        data = lesson_07.one_level()[0]
        group = np.array(data["index_1"]) - 1
        self.y = np.array(data["y"])
        one_each = [post[name].values[..., None] for name in ("tau", "sigma", "theta")]
        self.tau, self.sigma, self.theta = one_each
        self.group = post["theta_1"].values[..., group]
        self.log_lik, self.y_rep = post["log_lik"].values, post["y_rep"].values
        rng = np.random.default_rng(1)
        self.z, self.shared = rng.normal(size=self.y_rep.shape), rng.normal(size=self.sigma.shape)
        self.new = self.theta + self.tau * rng.normal(size=(*self.y_rep.shape[:2], 4))[..., group]


# What may be in place of log_lik, and of y_rep, and what is said of it. A right y_rep is refused once in
# 600,000 times; right θ, τ and σ are once in half a million.
LOG_LIK = [
    (lambda d: d.log_lik, "✔ elpd_loo.*k̂.*Exactly"),
    (lambda d: d.log_lik.sum(axis=2), "✘ 'log_lik' has 1 for 20 measurements.*sum"),
    (lambda d: d.log_lik[..., :4], "✘ 'log_lik' has 4 for 20"),
    (lambda d: 0 * d.log_lik + d.log_lik.sum(axis=2, keepdims=True), r"✘ sum over all.*y\[n\]"),
    (lambda d: np.exp(d.log_lik), "✘ 'log_lik'.*density"),
    (lambda d: -d.log_lik, "✘ opposite sign"),
    (lambda d: d.log_lik + np.log(2 * np.pi) / 2, "✘ constant"),
    (lambda d: norm.logpdf(d.y, d.group, d.sigma**2), "✘ 'log_lik'.*not its square"),
    (lambda d: norm.logpdf(d.y_rep, d.group, d.sigma), "✘ 'log_lik'.*of y_rep"),
    (lambda d: norm.logpdf(d.y, d.theta, d.sigma), "✘ 'log_lik': theta is"),
    (lambda d: d.log_lik[..., ::-1], "✘ given which group"),
    (lambda d: norm.logpdf(d.y, d.group, 2 * d.sigma), "✘ given which group"),
    (lambda d: np.full(d.z.shape, np.nan), "✘ 'log_lik' is nan"),
]
Y_REP = [
    (lambda d: d.group + d.sigma * d.z, "✔"),
    (lambda d: d.group, "✘ 'y_rep'.*mean of its group.*error"),
    (lambda d: d.y + 0 * d.z, "✘ measured"),
    (lambda d: d.group + d.sigma**2 * d.z, "✘ 'y_rep'.*not its square"),
    (lambda d: d.theta + d.sigma * d.z, "✘ 'y_rep': theta is"),
    (lambda d: d.theta + np.hypot(d.tau, d.sigma) * d.z, "✘ new group.*another question"),
    (lambda d: d.new + d.sigma * d.z, "✘ new group.*another question"),
    (lambda d: d.group[..., ::-1] + d.sigma * d.z, "✘ distribution that"),
    (lambda d: d.group + 1.1 * d.sigma * d.z, "✘ distribution that"),
    (lambda d: d.group + d.sigma * d.shared, "✘ share an error"),
]


@pytest.fixture
def path(tmp_path):
    """Write a right program."""
    path = tmp_path / "predicting.stan"
    path.write_text(PROGRAM)
    return path


def test_07_2_each_mistake_in_what_a_program_predicts_is_told(path, given):
    def replaced(name, make):
        def change(post):
            x = make(Draws(post))
            return post.drop_vars(name).assign({name: (["chain", "draw", "cell"][: x.ndim], x)})

        return change

    for name, cases in {"log_lik": LOG_LIK, "y_rep": Y_REP}.items():
        for make, words in cases:
            given(replaced(name, make))
            says("07.2", path, words)
        given(lambda post, name=name: post.drop_vars(name))
        says("07.2", path, f"✘ no '{name}'")
    given(lambda post: post.drop_vars("theta_1"))
    says("07.2", path, "✘ keep the names")
    given(lambda post: post.assign(sigma=2 * post["sigma"]))
    says("07.2", path, "✘ sigma has the mean.*exactly")


@pytest.mark.parametrize(("name", "prior"), [("theta", (10, 1e3)), ("tau", 1e3)])
def test_07_2_a_flat_prior_shows_in_the_mean(name, prior, path, drawn):
    data, _ = lesson_07.one_level()
    exact = helpers.exact_posterior(data, helpers.PRIOR | {name: prior}).draws(8000, seed=1)["posterior"]
    chains = {x: exact[x].values.reshape(4, 2000) for x in ("theta", "tau", "sigma")}
    drawn(arviz.from_dict({"posterior": chains}))
    says("07.2", path, "✘ has the mean.*exactly.*priors")


def test_07_3_evidences_and_densities_at_zero_give_the_same_factors():
    for scale in (1, 5, 20):
        exact = helpers.exact_posterior(cells(), helpers.PRIOR | {"tau": scale})
        at_zero = exact.density("tau", 0) / ((2 / np.pi) ** 0.5 / scale)
        assert lesson_07.factor(scale) == pytest.approx(at_zero, rel=1e-6)
    assert [lesson_07.factor(scale) for scale in (1, 20)] == pytest.approx([4.7768, 92.904], rel=1e-4)


@pytest.mark.parametrize("asked", [OWN, OTHER], ids=["cells", "worms"])
def test_07_4_an_elpd_of_ones_own_is_held_against_the_exact_one(asked):
    more = {name: x for name, x in asked.items() if name not in ("data", "prior")}
    exact = helpers.exact_loo(asked["data"], asked["prior"], **more)
    y = np.array(asked["data"][more.get("values", "y")])
    pooled = helpers.exact_loo(asked["data"], asked["prior"] | {"tau": 1e-6 * np.std(y)}, **more)
    evidence = helpers.exact_posterior(asked["data"], asked["prior"], **more).log_evidence
    for elpd, words in [
        (exact, "✔ Measurement [34], .* is predicted worst.*others let one expect about"),
        (exact.elpd + 0.005, "✔"),
        (exact.elpd / len(y), "✘ mean"),
        (-2 * exact.elpd, "✘ deviance"),
        (-exact.elpd, "✘ sign"),
        (exact.elpd + exact.p, "✘ Nothing was left out"),
        (evidence, "✘ evidence"),
        (pooled.elpd, "✘ complete pooling"),
        (exact.elpd + 0.1, "✘ near.*exact_loo"),
        (exact.elpd - 20, "✘ another one.*'leave_out'"),
    ]:
        says("07.4", asked | {"elpd": elpd}, words)


def test_07_4_what_is_expected_is_on_the_scale_of_the_data():
    found = helpers.check("07.4", OTHER | {"elpd": helpers.exact_loo(**OTHER)})  # the third, 12 of 20
    rest = {"J_1": 3, "index_1": [1, 1, 2, 3], "up": [3, 4, 2, 8], "trials": [20, 20, 10, 10]}
    exact = helpers.exact_posterior(**OTHER | {"data": rest})
    assert f" {20 * exact.mean('theta_1[2]', scale='data'):.4g}. " in found.text


@pytest.mark.parametrize("more", [{"sigma": [0.5] * 5}, {"shared_tau": False}, {"leave_out": "theta_1"}])
def test_07_4_other_models_are_said_in_the_answer(more):
    table = OWN if "shared_tau" not in more else OWN | {"data": TWO}  # one level has one τ anyway
    exact = helpers.exact_loo(**table, **more)
    says("07.4", table | {"elpd": exact.elpd}, "✘")
    says("07.4", table | more | {"elpd": exact.elpd}, "✔ lowest" if "leave_out" in more else "✔ worst")


def test_07_4_a_measurement_alone_in_its_group_is_said_to_be():
    far = OWN | {"data": OWN["data"] | {"y": [9.0, 9.5, 10, 10.5, 18]}}
    says("07.4", far | {"elpd": helpers.exact_loo(**far)}, "✔ Measurement 5, 18, .*alone in its group")


@pytest.mark.parametrize(
    ("more", "most"), [({}, 400), ({"shared_tau": False}, 50), ({"likelihood": "student_t", "nu": 4}, 20)]
)
def test_07_4_what_would_take_minutes_is_refused_with_a_remedy(more, most):
    data = {"J_1": 2, "index_1": [1, 2] * most, "y": np.arange(2.0 * most)}
    with pytest.raises(ValueError, match=f"{2 * most} out.*at most {most}, or .*'leave_out': 'theta_1'"):
        helpers.check("07.4", {"data": data, "prior": {"tau": 1}, "elpd": -100} | more)
