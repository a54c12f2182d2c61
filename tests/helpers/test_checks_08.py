"""The checks of lesson 8 know right answers in any form, and have a hint for each typical mistake."""

import re

import arviz
import numpy as np
import polars as pl
import pytest
from answering import TestAnswers, drawn, given, of, says  # noqa: F401
from scipy.stats import halfnorm, norm

import helpers
from helpers.checks import lesson_08

MOVED = {"changes": ["theta", "tau[1]", "rho"], "rho": 0.61}

ANSWERS = {
    "08.1": [({"program": "one_slope.stan"}, "a dict: .*path")],
    "08.2": [
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
    "08.3": [
        (0.0641, "✔ average and single people"),
        (pl.Series([0.0601]), "✔"),
        *[(share, f"✘ {words}") for share, words in {
            0.937: "who get slower", 6.3: "per cent", 4e-6: "beta.1., the mean", 1 / 18: "counts the people",
            0.0454: "of the people in the data", 0.0565: "one beta.1. and one tau", 0.41: "of rho",
            0.072: "Near.*too rough", 0.2: "^For each draw",
        }.items()],
        ("few", "a str: .*share"),
    ],
    "08.4": [
        ({"data": [1, 2]}, "'samples'"),
        ({"data": [1, 2], "samples": None}, "a list: .*data | priors"),
        ({"data": {"J_1": 2, "index_1": [1, 2], "reaction": [1, 2]}, "samples": None}, "a dict: .*'y'"),
        ({"data": {"J_1": 2, "index_1": [1, 2], "y": [1, 2]}, "samples": 3}, "arviz"),
    ],
}  # fmt: skip


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


def test_08_2_the_correlations_in_the_check_are_the_exact_ones():
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


PROGRAM = """
data {
  int<lower=1> N;
  int<lower=1> J;
  array[N] int<lower=1, upper=J> group;
  vector[N] x;
  vector[N] y;
}
parameters {
  real theta;
  real beta;
  real<lower=0> tau;
  real<lower=0> sigma;
  vector[J] u;
}
model {
  theta ~ normal(10, 3);
  beta ~ normal(0, 2);
  tau ~ normal(0, 5);
  sigma ~ normal(0, 5);
  u ~ normal(0, tau);
  y ~ normal(theta + u[group] + beta * x, sigma);
}
"""


def test_08_1_a_right_program_is_told_and_one_without_a_name(tmp_path, given):
    path = tmp_path / "one_slope.stan"
    path.write_text(PROGRAM, "utf-8")
    given()
    says("08.1", path, "✔ All four means are right")
    given(lambda post: post.drop_vars("beta"))
    says("08.1", path, "✘ keep the names")
    given(lambda post: post.assign(sigma=2 * post["sigma"]))
    says("08.1", path, "✘ The mean of sigma lies .* formula")


def perfect(change, kept):
    """Independent draws of the four numbers, from the posterior of another model or from a prior."""
    data = lesson_08.fed()
    exact = helpers.exact_crossed(data | change | {"X": data["X"] * change.get("X", 1)}, tolerance=1e-4)
    rng = np.random.default_rng(7)
    named = {}
    for name, known in lesson_08.NAMES.items():
        p = rng.uniform(1e-4, 1 - 1e-4, size=(4, 1000))
        named[name] = (
            halfnorm(scale=5).ppf(p) if name in kept else exact.quantile(known, p.ravel()).reshape(p.shape)
        )
    return arviz.from_dict({"posterior": named})


@pytest.mark.parametrize(("change", "kept", "hint"), [({}, {}, "✔ All four"), *lesson_08.OTHER_MODELS])
def test_08_1_draws_of_another_model_are_told_which(change, kept, hint, drawn):
    drawn(perfect(change, kept))
    says("08.1", "one_slope.stan", hint if hint[0] == "✔" else f"✘ {re.escape(hint)}")


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
def test_08_4_draws_of_ones_own_table_are_held_against_the_exact_answer():
    lines, crossed = dose_table(), crossed_table()
    of_lines, of_crossed = samples_of(lines, "slopes"), samples_of(crossed, "crossed", centered=[1, 1])
    for data, samples, words in [
        (lines, of_lines, "✔ one unit more of the first predictor changes y by .*on average.*MCSE"),
        (crossed, of_crossed, r"✔ With 95%, tau\[1\], of 10 groups, is .*; tau\[2\], of 4 groups, is .*MCSE"),
        (lines | {"prior_sigma": 0.1}, of_lines, "✘ sigma lies .* exact mean"),
        (crossed | {"prior_tau": [3, 0.5]}, of_crossed, r"✘ tau\[2\] lies .*these priors"),
        (lines, of_crossed, "✘ keep the names"),
    ]:
        says("08.4", {"data": data, "samples": samples}, words)


@pytest.mark.parametrize(
    ("table", "column"), [("sleepstudy.csv", "reaction"), ("penicillin.csv", "diameter")]
)
def test_08_4_a_table_of_the_lesson_is_not_ones_own(table, column):
    y = pl.read_csv(helpers.table_file(table), comment_prefix="#")[column].to_numpy()[::-1]
    says("08.4", {"data": {"J_1": 2, "index_1": [1, 2], "y": y}, "samples": None}, f"✘ numbers of {table}")


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        ({"J_1": 500, "index_1": []}, "500 groups would take minutes: give a part of the table, 400"),
        ({"J": [500, 70], "index": []}, "70 groups besides the largest factor's would take minutes: .* 60"),
    ],
)
def test_08_4_what_would_take_minutes_is_refused_with_a_remedy(groups, said):
    with pytest.raises(ValueError, match=said):
        helpers.check("08.4", {"data": groups | {"y": [1.0, 2.0]}, "samples": None})
