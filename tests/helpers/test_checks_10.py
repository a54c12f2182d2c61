"""The checks of lesson 10 know right answers in any form, and have a hint for each typical mistake."""

import numpy as np
import pytest
import xarray as xr
from answering import TestAnswers, changed, drawn, given, of, perfect, says  # noqa: F401

import helpers
from helpers.checks import lesson_05, lesson_10
from helpers.data import LEVELS

FLIP = {"lambda": 2, "tau": 0.5, "left_out": 0.75}
ONE_LEVEL = lesson_05.one_level([1.0, 2.0], [1, 1])
PILOT = {"data": ONE_LEVEL, "tau": 1, "sigma": 1, "weight": [0, 0]}
SEVERAL = helpers.stan_data(helpers.measurements(), LEVELS, "y", remark=False)[0]

ANSWERS = {
    "10.1": [
        ({"lambda": 1, "tau": 8**-0.5, "left_out": 3 / 4}, "✔"),
        *of(FLIP, "tau", {0.25: "square of τ", 2: "solve"}),
        *of(FLIP, "left_out", {0.25: "you keep", 0.5: "square", 6: "as a share", 75: "per cent"}),
        (FLIP | {"left_out": 0.9}, "✘ divide n"),
        ({"lambda": 8, "tau": 1, "left_out": 0.75}, "✘ too high"),
        ({"lambda": 0.08, "tau": 0.1, "left_out": 0.75}, "✘ too low"),
        (FLIP | {"lambda": 0}, "✘ above 0"),
        (2, "an int: .*'left_out'"),
        (FLIP | {"tau": None}, "a NoneType: .*'tau'"),
    ],
    "10.3": [(["program"], "a list: .*path")],
    "10.4": [
        (PILOT["data"], "'tau'"),
        (PILOT | {"data": [1, 2]}, "a list: .*stan_data"),
        (PILOT | {"data": SEVERAL}, "one level"),
        (PILOT | {"weight": 1}, "an int: .*'weight'"),
        (PILOT | {"weight": [[1], [0, 0]]}, "a list: .*'weight'"),
    ],
}


PROGRAM = """
data {
  int<lower=0> which;
  int<lower=1> N, J;
  array[N] int<lower=1, upper=J> group;
  vector[N] y;
  array[J] int<lower=0, upper=1> centered;
}
parameters {
  real theta;
  real<lower=0> tau, sigma;
  vector[J] x;
}
transformed parameters {
  vector[J] mu;
  for (j in 1:J) {
    if (which == 1) mu[j] = centered[j] ? theta + tau * x[j] : x[j];
    else if (which == 2) mu[j] = theta + tau * x[j];
    else if (which == 3) mu[j] = x[j];
    else mu[j] = centered[j] ? x[j] : theta + tau * x[j];
  }
}
model {
  theta ~ normal(10, 3);
  tau ~ normal(0, which == 4 ? 0.2 : 5);
  sigma ~ normal(0, 5);
  for (j in 1:J) {
    if (which == 3 || (which == 1 ? !centered[j] : centered[j] && which != 2))
      x[j] ~ normal(which == 5 ? 0 : theta, tau);
    else if (which != 6)
      x[j] ~ std_normal();
  }
  y ~ normal(mu[group], sigma);
}
"""
SAID = [  # of the program with each `which`
    "✔ each group in its own form",
    "✘ other way round",
    r"✘ x\[1\] is the mean itself",
    r"✘ x\[2\] is an offset",
    "✘ MCSEs from the exact one",
    "✘ MCSEs from the exact one",
    "✘ offsets in your draws range",
]


def test_10_3_each_program_of_another_form_or_model_is_told(tmp_path, given):
    path = tmp_path / "each_its_own.stan"
    path.write_text(PROGRAM, "utf-8")
    for which, said in enumerate(SAID):
        given(which=which)
        says("10.3", path, said)


def test_10_3_draws_under_other_names_are_told(drawn):
    data, _ = lesson_10.groups_of_one_level()
    centered = xr.DataArray(data["centered"] == 1, dims="theta_1_dim_0")

    def named(post):
        mu = post["theta_1"]
        x = xr.where(centered, mu, (mu - post["theta"]) / post["tau"]).transpose(*mu.dims)
        return post.assign(mu=mu, x=x)

    samples = perfect(data)
    for change, said in [
        (named, "✔ each group in its own form"),
        (lambda post: named(post).drop_vars("mu"), "✘ no 'mu"),
        (lambda post: named(post).drop_vars("x"), "✘ no 'x"),
        (lambda post: named(post).assign(sigma=post["sigma"] + 1), "✘ mean of sigma is"),
    ]:
        drawn(changed(samples, change))
        says("10.3", "each_its_own.stan", said)


def test_10_4_a_pilot_of_ones_own_groups_is_held_against_the_exact_one():
    sizes = np.array([1, 1, 1, 3, 3, 3, 60, 60, 60, 60])
    df = helpers.simulate([10, sizes.tolist()], theta=10, tau=0.6, sigma=1, seed=8, levels="group")
    data, _ = helpers.stan_data(df, levels="group", values="y")
    exact, narrow = helpers.exact_posterior(data), helpers.exact_posterior(data, {"tau": 0.05})
    tau, sigma = exact.mean("tau"), exact.mean("sigma")
    weight = (sizes * (tau / sigma) ** 2 > 2).astype(float)
    answer = {"data": data, "tau": tau, "sigma": sigma, "weight": weight}
    other = {"tau": narrow.mean("tau"), "sigma": narrow.mean("sigma")}
    quiet = sizes * (other["tau"] / other["sigma"]) ** 2 > 2
    for change, words in [
        ({"weight": [weight], "tau": tau + exact.sd("tau") / 2}, "✔"),
        ({"weight": weight > 0}, "✔"),
        ({"weight": np.where(sizes == 3, 1 - weight, weight)}, "✔"),  # these are open to both
        (other | {"prior": {"tau": 0.05}, "weight": quiet.astype(int)}, "✔"),
        ({"weight": 1 - weight}, "✘ other way round"),
        ({"weight": np.ones(10)}, "✘ Group 1.*say less"),
        ({"weight": weight[:9]}, "✘ 9 weights"),
        ({"weight": weight / 2}, "✘ 0 or 1"),
        ({"tau": sigma, "sigma": tau}, "✘ swapped"),
        ({"tau": 5}, "✘ 'tau'.*stuck"),
        ({"sigma": 5}, "✘ 'sigma'.*prior"),
        (other, "✘ 'tau'.*prior"),
    ]:
        says("10.4", answer | change, words)
    with pytest.raises(ValueError, match="give them as an item 'prior' of your answer"):
        helpers.check("10.4", answer | {"data": data | {"y": data["y"] + 1000}})
