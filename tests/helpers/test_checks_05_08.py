"""The checks of lessons 5 to 8 know right answers in any form, and have a hint for each typical mistake."""

from math import isclose

import numpy as np
import polars as pl
import pytest
from answering import edited, given, refused, right, switch, wrong  # noqa: F401
from scipy.stats import halfcauchy, multivariate_normal

import helpers
from helpers.checks import lesson_05, lesson_07

# Lesson 5


def test_05_1_guesses():
    guess = {"pooled": 7.5, "above": 0.5, "ahead": 0}
    right("05.1", guess, {"pooled": np.float64(8), "above": 1 / 2, "ahead": pl.Series([1.5])})
    wrong("05.1", guess | {"pooled": 2}, "too low")
    wrong("05.1", guess | {"pooled": 12}, "too high")
    wrong("05.1", guess | {"above": 0.03}, "above 28")
    wrong("05.1", guess | {"ahead": 10}, "longer bar")
    wrong("05.1", guess | {"ahead": 3}, "longer bar")
    wrong("05.1", guess | {"ahead": -5}, "one value")
    refused("05.1", 8, "int", "'pooled'")
    refused("05.1", {"pooled": 8}, "'above'")
    refused("05.1", guess | {"ahead": "none"}, "a str", "'ahead'")
    refused("05.1", guess | {"pooled": "about 8"}, "str", "points")


@pytest.mark.parametrize("theta", [5, 100])
@pytest.mark.parametrize("tau", [1, 5, 100, halfcauchy(scale=5), halfcauchy(scale=25)])
def test_05_1_holds_under_any_prior_that_anyone_would_take(theta, tau):
    data = lesson_05.one_level(lesson_05.EFFECT, lesson_05.ERROR)
    exact = helpers.exact_posterior(data, {"theta": (0, theta), "tau": tau}, sigma=lesson_05.ERROR)
    ahead = exact.mean("theta_1[1]") - exact.mean("theta_1[7]")
    assert -0.2 < ahead < 0.8
    right("05.1", {"pooled": 7.7, "above": 0.5, "ahead": ahead})


def pulled(y, sigma, theta=5.0, tau=10.0):
    return (y / sigma**2 + theta / tau**2) / (1 / sigma**2 + 1 / tau**2)


def test_05_2_dial_by_hand():
    answer = {"A": pulled(28, 15), "G": pulled(18, 10), "tau": 62.5**0.5}
    right("05.2", answer, {"A": 12.1, "G": 11.5, "tau": 7.9})
    assert isclose(pulled(28, 15, tau=answer["tau"]), pulled(18, 10, tau=answer["tau"]))
    for mean, word in [
        (28, "own estimate"),
        (5, "θ alone"),
        (16.5, "plain average"),
        ((28 / 15 + 5 / 10) / (1 / 15 + 1 / 10), "squared"),
        ((28 * 225 + 5 * 100) / 325, "not by variance"),
        (28 / 225 / (1 / 225 + 1 / 100), "θ/τ²"),
        (28 / 225 + 5 / 100, "divided"),
        (20, "1/τ²"),
        (40, "between"),
    ]:
        wrong("05.2", answer | {"A": mean}, "A:", word)
    wrong("05.2", answer | {"G": 18}, "G:")
    wrong("05.2", answer | {"tau": 62.5}, "square")
    wrong("05.2", answer | {"tau": 10}, "differ")
    refused("05.2", [12.1, 11.5, 7.9], "list", "'tau'")
    refused("05.2", answer | {"A": [12.1]}, "list", "'A'")


def test_05_3_how_many():
    answer = {"draws": (5 * 1.17 / 0.036) ** 2, "errors": 0.036 / (1.17 / 2000**0.5)}
    right("05.3", answer, {"draws": 26_000, "errors": 1.4})
    wrong("05.3", answer | {"draws": (1.17 / 0.036) ** 2}, "one standard error")
    wrong("05.3", answer | {"draws": 5 * 1.17 / 0.036}, "square")
    wrong("05.3", answer | {"draws": 5 * (1.17 / 0.036) ** 2}, "square all")
    wrong("05.3", answer | {"draws": 4000}, "a fifth")
    wrong("05.3", answer | {"errors": 0.036 / (1.17 / 4000**0.5)}, "independent")
    wrong("05.3", answer | {"errors": 0.026}, "How many times")
    wrong("05.3", answer | {"errors": 5}, "1.17/√ESS")
    refused("05.3", 26_000, "'draws'")
    refused("05.3", {"draws": "many", "errors": 1.4}, "str")


WHICH = ("\ndata {\n", "\ndata {\n  int which;\n")  # for `switch`
WIDE = ("tau ~ cauchy(0, 5);", "tau ~ normal(0, 25);")


def test_05_4_a_right_program_may_move_whatever_it_likes(edited, tmp_path):
    right("05.4", edited("schools_noncentered", WIDE), str(edited("schools_centered", WIDE)))
    other = tmp_path / "other.stan"
    other.write_text("""
data { int N; vector[N] y; vector[N] sigma; }
parameters { real theta; real log_tau; }
transformed parameters { real tau = exp(log_tau); }
model {
  theta ~ normal(0, 5);
  target += normal_lpdf(tau | 0, 25) + log_tau;
  y ~ normal(theta, sqrt(square(tau) + square(sigma)));
}
generated quantities {
  vector[N] theta_1;
  for (j in 1:N) {
    real v = 1 / (1 / square(sigma[j]) + 1 / square(tau));
    theta_1[j] = normal_rng(v * (y[j] / square(sigma[j]) + theta / square(tau)), sqrt(v));
  }
}
""")
    right("05.4", other)


def test_05_4_hints(edited, given):
    theta, y = "theta ~ normal(0, 5);", "y ~ normal(theta_1[index_1], sigma);"
    cases = [
        ([WIDE[0], theta, y], "old prior"),
        (["tau ~ normal(0, 5);", theta, y], "scale is still 5"),
        (["tau ~ cauchy(0, 25);", theta, y], "still a half-Cauchy"),
        (["tau ~ normal(0, 625);", theta, y], "not a variance"),
        ([WIDE[0], "theta ~ normal(0, 25);", y], "not that of theta"),
        ([WIDE[1], "theta ~ normal(0, 25);", y], "as it was"),
        ([WIDE[1], theta], "not those of this model"),
    ]
    changes = [(theta, ""), (y, ""), (WIDE[0], switch(" ".join(lines) for lines, _ in cases))]
    path = edited("schools_noncentered", *changes, WHICH)
    for which, (_, words) in enumerate(cases):
        given(which=which)
        wrong("05.4", path, words)


def test_05_4_wants_a_path_and_the_names_it_asks_for(edited):
    refused("05.4", 25, "int", "path")
    nameless = edited(
        "schools_noncentered",
        ("vector[J_1] theta_1 =", "vector[J_1] effect ="),
        ("y ~ normal(theta_1[index_1]", "y ~ normal(effect[index_1]"),
        WIDE,
    )
    wrong("05.4", nameless, "'theta_1", "names")


@pytest.mark.parametrize(
    ("tau", "given", "words"), [(0.02, (1, 1), "means of study 2"), (0.3, (3,), "twice")]
)
def test_05_5_wrong_means_that_lie_close_to_the_right_ones(tau, given, words):
    """All lie within a tenth of a posterior sd, as far as draws may be off."""
    y, sigma = [0.2, 0.3, 0.1, 0.5, 0.35], [0.2, 0.15, 0.3, 0.25, 0.2]
    data = lesson_05.one_level(y, sigma)
    posts = [helpers.exact_posterior(data, {"theta": (0, 1), "tau": x}, sigma=sigma) for x in (tau, 3 * tau)]
    answer = {"y": y, "sigma": sigma, "theta": (0, 1), "tau": tau}
    answer["above"] = [1 - post.cdf("theta", 0) for post in posts]
    means = [post.mean("theta_1") for post in posts]
    right("05.5", answer | {"extreme": [mean[3] for mean in means]})
    # study 2 under both priors, or study 4 under the first one only
    extreme = (
        [means[0][given[0]]] * 2 if len(given) == 1 else [m[j] for m, j in zip(means, given, strict=True)]
    )
    for x, mean, post in zip(extreme, means, posts, strict=True):
        assert abs(x - mean[3]) < 0.1 * post.sd("theta_1[4]")
    wrong("05.5", answer | {"extreme": extreme}, words)


def test_05_5_own_data():
    y, sigma = [0.9, 0.1, 0.5, 1.6, 0.4, 0.7], [0.3, 0.4, 0.2, 0.6, 0.3, 0.4]
    data = lesson_05.one_level(y, sigma)
    posts = [helpers.exact_posterior(data, {"theta": (0, 1), "tau": tau}, sigma=sigma) for tau in (0.5, 1.5)]
    answer = {"y": y, "sigma": sigma, "theta": (0, 1), "tau": 0.5}
    answer["extreme"] = [post.mean("theta_1[4]") for post in posts]
    answer["above"] = [1 - post.cdf("theta", 0) for post in posts]
    draws = [helpers.draws(post.draws(1000, seed=1), "theta_1[4]").mean() for post in posts]
    right("05.5", answer, answer | {"extreme": np.array(draws)})
    assert "Study 4" in helpers.check("05.5", answer).text
    negative = [-x for x in y]
    wrong("05.5", answer | {"y": negative}, "extreme")
    wrong("05.5", answer | {"extreme": [1.6, 1.6]}, "the estimate itself")
    wrong("05.5", answer | {"extreme": [1.6 - mean for mean in answer["extreme"]]}, "by how much")
    wrong("05.5", answer | {"extreme": [post.mean("theta_1[5]") for post in posts]}, "study 5")
    wrong("05.5", answer | {"extreme": [answer["extreme"][0]] * 2}, "With 3 tau")
    wrong("05.5", answer | {"tau": 0.1}, "the priors those you used")
    wrong("05.5", answer | {"above": [1 - p for p in answer["above"]]}, "below zero")
    wrong("05.5", answer | {"above": [0.8, 0.8]}, "theta is above 0")
    wrong("05.5", answer | {"y": y[:3], "sigma": sigma[:3]}, "3 studies")
    refused("05.5", y, "list", "'sigma'")
    refused("05.5", answer | {"above": [0.9]}, "'above'", "two numbers")
    refused("05.5", answer | {"y": "a"}, "str", "estimates")
    with pytest.raises(ValueError, match="sigma"):
        helpers.check("05.5", answer | {"sigma": sigma[:5]})


def test_05_5_two_studies_may_be_equally_extreme():
    y, sigma = [-1.0, 0.0, 0.0, 0.0, 1.0], [0.5, 0.5, 0.5, 0.5, 0.2]
    posts = [
        helpers.exact_posterior(lesson_05.one_level(y, sigma), {"theta": (0, 1), "tau": tau}, sigma=sigma)
        for tau in (1, 3)
    ]
    answer = {"y": y, "sigma": sigma, "theta": (0, 1), "tau": 1}
    answer["above"] = [1 - post.cdf("theta", 0) for post in posts]
    right(
        "05.5",
        *(answer | {"extreme": [post.mean(name) for post in posts]} for name in ("theta_1[1]", "theta_1[5]")),
    )


# Lesson 6


def test_06_1_flip():
    guess = {"lambda": 2, "tau": 0.5, "left_out": 0.75}
    right("06.1", guess, {"lambda": 1, "tau": 8**-0.5, "left_out": 3 / 4})
    wrong("06.1", guess | {"tau": 0.25}, "square of τ")
    wrong("06.1", guess | {"tau": 2}, "solve")
    wrong("06.1", guess | {"left_out": 0.25}, "you keep")
    wrong("06.1", guess | {"left_out": 0.5}, "square")
    wrong("06.1", guess | {"left_out": 6}, "as a share")
    wrong("06.1", guess | {"left_out": 75}, "per cent")
    wrong("06.1", guess | {"left_out": 0.9}, "divide n")
    wrong("06.1", {"lambda": 8, "tau": 1, "left_out": 0.75}, "too high")
    wrong("06.1", {"lambda": 0.08, "tau": 0.1, "left_out": 0.75}, "too low")
    wrong("06.1", guess | {"lambda": 0}, "above 0")
    refused("06.1", 2, "int", "'left_out'")
    refused("06.1", guess | {"tau": None}, "NoneType", "'tau'")


def test_06_2_mixed_company():
    weight = [1] * 5 + [0] * 40
    right("06.2", weight, np.array(weight, dtype=float), np.array(weight) > 0, pl.Series(weight))
    wrong("06.2", [1] * 45, "Group 6", "says less")
    wrong("06.2", [0] * 45, "Group 1", "says more")
    wrong("06.2", [0] * 5 + [1] * 40, "other way round")
    wrong("06.2", [1, 0], "2 weights", "45")
    wrong("06.2", [0.94] * 5 + [0.07] * 40, "0 or 1")
    refused("06.2", 1, "an int", "45 weights")
    refused("06.2", [[1], [0, 0]], "a list", "45 weights")


MOVED = ("  vector[J_3] theta_3_tilde;", "  vector[J_3] theta_3;")
COMPUTED = ("  vector[J_3] theta_3 = theta_2[index_2] + tau * theta_3_tilde;\n", "")
OFFSETS = "  theta_3_tilde ~ std_normal();"


def drawn(line):
    return MOVED, COMPUTED, (OFFSETS, line)


@pytest.mark.parametrize(
    ("program", "words"),
    [("noncentered", ["theta_3", "parameter"]), ("centered", ["theta_1 and theta_2", "noncentered"])],
)
def test_06_3_right_draws_in_another_form(program, words):
    wrong("06.3", helpers.stan_file(program), "draws are right", *words)


def test_06_3_right_and_hints(edited, given):
    cases = [
        ("theta_3 ~ normal(theta_2[index_2], tau);", ""),
        ("for (j in 1:J_3) target += normal_lpdf(theta_3[j] | theta_2[index_2[j]], tau);", ""),
        ("", "ties theta_3"),
        ("theta_3 ~ std_normal();", "ties theta_3"),
        ("theta_3 ~ normal(theta, tau);", "about θ"),
        ("theta_3 ~ normal(theta_1[index_1[index_2]], tau);", "about their days"),
        ("theta_3 ~ normal(theta_2[index_2], sigma);", "which spread"),
        ("theta_3 ~ normal(theta_2[index_2], square(tau));", "which spread"),
    ]
    path = edited("noncentered", *drawn(switch(line for line, _ in cases)), WHICH)
    for which, (_, words) in enumerate(cases):
        given(which=which)
        wrong("06.3", path, words) if words else right("06.3", path, str(path))


def test_06_3_wants_a_path():
    refused("06.3", ["program"], "list", "path")


def test_06_4_pilot():
    sizes = [1, 1, 1, 3, 3, 3, 60, 60, 60, 60]
    df = helpers.simulate([10, sizes], theta=10, tau=0.6, sigma=1, seed=8, levels="group")
    data, _ = helpers.stan_data(df, levels="group", values="y")
    exact = helpers.exact_posterior(data)
    tau, sigma = exact.mean("tau"), exact.mean("sigma")
    weight = (np.array(sizes) * (tau / sigma) ** 2 > 2).astype(float)
    answer = {"data": data, "tau": tau, "sigma": sigma, "weight": weight}
    right("06.4", answer, answer | {"weight": [weight], "tau": tau + exact.sd("tau") / 2})
    right("06.4", answer | {"weight": weight > 0}, answer | {"weight": pl.Series(weight)})
    open_to_both = answer | {"weight": np.where(np.array(sizes) == 3, 1 - weight, weight)}
    right("06.4", open_to_both)
    wrong("06.4", answer | {"weight": 1 - weight}, "other way round")
    wrong("06.4", answer | {"weight": np.ones(10)}, "Group 1", "says less")
    wrong("06.4", answer | {"weight": weight[:9]}, "9 weights")
    wrong("06.4", answer | {"weight": weight / 2}, "0 or 1")
    wrong("06.4", answer | {"tau": sigma, "sigma": tau}, "swapped")
    wrong("06.4", answer | {"tau": 5}, "'tau'", "stuck")
    wrong("06.4", answer | {"sigma": 5}, "'sigma'", "prior")
    narrow = helpers.exact_posterior(data, {"tau": 0.05})
    other_prior = answer | {"tau": narrow.mean("tau"), "sigma": narrow.mean("sigma")}
    wrong("06.4", other_prior, "'tau'", "prior")
    quiet = np.array(sizes) * (narrow.mean("tau") / narrow.mean("sigma")) ** 2 > 2
    right("06.4", other_prior | {"prior": {"tau": 0.05}, "weight": quiet.astype(int)})
    refused("06.4", data, "'tau'")
    refused("06.4", answer | {"data": [1, 2]}, "list", "stan_data")
    refused("06.4", answer | {"weight": 1}, "int", "'weight'")
    with pytest.raises(ValueError, match="give them as an item 'prior' of your answer"):
        helpers.check("06.4", answer | {"data": data | {"y": data["y"] + 1000}})
    deep = helpers.stan_data(helpers.measurements(), levels=["day", "batch"], values="y")[0]
    refused("06.4", answer | {"data": deep}, "one level")


# Lesson 7


def test_07_1_the_list():
    parent = [0, 0, 1, 1, 2, 3, 4, 4, 4, 5, 5]
    answer = {"J": [2, 3, 6], "parent": parent}
    right("07.1", answer, {"J": np.array([2, 3, 6]), "parent": tuple(parent)})
    wrong("07.1", answer | {"parent": [0, 0, 1, 1, 2, 1, 2, 2, 2, 3, 3]}, "anew")
    wrong("07.1", answer | {"parent": [p + 1 for p in parent]}, "population as node 1")
    wrong("07.1", answer | {"parent": [p - 1 for p in parent]}, "from 0")
    wrong("07.1", answer | {"parent": [0, 1, 1, 3, 4, 4, 4, 0, 2, 5, 5]}, "another order")
    wrong("07.1", answer | {"parent": [0, 0, 1, 1, 2, 3, 4, 4, 5, 5, 5]}, "node 9")
    wrong("07.1", answer | {"parent": [0, *parent]}, "population has no parent")
    wrong("07.1", answer | {"parent": parent[:5]}, "5 entries")
    wrong("07.1", answer | {"J": [2, 5, 11]}, "last node")
    wrong("07.1", answer | {"J": [1, 2, 3, 6]}, "population")
    wrong("07.1", answer | {"J": [2, 3]}, "count")
    refused("07.1", parent, "list", "'parent'")
    refused("07.1", answer | {"parent": [[0], [1]]}, "'parent'")


def test_07_2_noticed():
    right("07.2", [1, 2], np.array([2, 1]))
    wrong("07.2", [1, 2, 3], "Mistake 3", "like any other")
    wrong("07.2", [2], "Mistake 1", "level")
    wrong("07.2", [1], "Mistake 2", "batch 11")
    wrong("07.2", [], "Mistake 1")
    refused("07.2", [4, 28], "list", "numbers of the mistakes")
    refused("07.2", "1, 2", "str")


def test_07_3_which():
    right("07.3", {"least": "day", "moves": "day"})
    wrong("07.3", {"least": "colony", "moves": "day"}, "'least'", "nodes")
    wrong("07.3", {"least": "batch", "moves": "day"}, "'least'", "few")
    wrong("07.3", {"least": "day", "moves": "colony"}, "'moves'")
    refused("07.3", {"least": "monday", "moves": "day"}, "'monday'", "'batch'")
    refused("07.3", "day", "str", "'moves'")


def test_07_3_a_marginal_reweighted_is_what_the_other_prior_gives():
    data = lesson_05.one_level(lesson_05.EFFECT, lesson_05.ERROR)
    exact, doubled = (helpers.exact_posterior(data, {"tau": tau}, sigma=[9] * 8) for tau in (5, 10))
    truth = doubled.mean("tau") / exact.mean("tau") - 1
    assert isclose(lesson_07.rise(exact, "tau", scale=5, to=40), truth, rel_tol=0.01)


def test_07_4_grows():
    right("07.4", {"one": 1.08, "own": 1.73}, {"one": 1.2, "own": 1.5})
    wrong("07.4", {"one": 1.7, "own": 1.7}, "Less, with one τ")
    wrong("07.4", {"one": 1.1, "own": 1.1}, "More, with a τ for each")
    wrong("07.4", {"one": 1.1, "own": 4}, "Less, with a τ for each")
    wrong("07.4", {"one": 0.08, "own": 0.73}, "'one' is less than 1")
    refused("07.4", 1.08, "float", "'own'")
    refused("07.4", {"one": float("nan"), "own": 1.7}, "nan", "'one'")
    refused("07.4", {"one": "little", "own": 2}, "str", "'one'")


def y_new(edited, lines, *more):
    block = "generated quantities {\n"
    return edited("tree", (block, block + lines + "\n"), *more)


def test_07_5_right_and_hints(edited, given):
    lines = "real y_new = theta; for (k in 1:K) y_new = normal_rng(y_new, tau[min(k, T)]);"
    other = "real y_new; { real v = square(sigma) + (T == 1 ? K * square(tau[1]) : dot_self(tau));"
    cases = [
        (lines + " y_new = normal_rng(y_new, sigma);", ""),
        (other + " y_new = normal_rng(theta, sqrt(v)); }", ""),
    ]
    cases += [
        ("real y_new = theta; for (k in 1:K) y_new = normal_rng(y_new, tau[min(k, T)]);", "narrow"),
        (
            "real y_new = theta; for (k in 1:3) y_new = normal_rng(y_new, tau[min(k, T)]);"
            " y_new = normal_rng(y_new, sigma);",
            "2 levels with a τ for each, y_new is too wide",
        ),
        (
            "real y_new = theta; for (k in 1:2) y_new = normal_rng(y_new, tau[min(k, T)]);"
            " y_new = normal_rng(y_new, sigma);",
            "3 levels with one τ, y_new is too narrow",
        ),
        (
            "real y_new = theta; for (k in 1:K) y_new = normal_rng(y_new, tau[1]);"
            " y_new = normal_rng(y_new, sigma);",
            "a τ for each, y_new is too narrow",
        ),
        (
            "real y_new = theta; for (k in 1:K) y_new = normal_rng(y_new, tau[k]);"
            " y_new = normal_rng(y_new, sigma);",
            "How many entries has tau",
        ),
        ("real y_new = normal_rng(x[1], sigma);", "At which node does your walk"),
        (  # a leaf of the data, none of a new day
            "real y_new = normal_rng(x[M - J[K] + categorical_rng(rep_vector(1.0 / J[K], J[K]))], sigma);",
            "none of those in the data",
        ),
        (  # a day of the data, with a new batch and a new colony
            "real y_new = x[categorical_rng(rep_vector(1.0 / J[1], J[1]))];"
            " for (k in 2:K) y_new = normal_rng(y_new, tau[min(k, T)]); y_new = normal_rng(y_new, sigma);",
            "none of those in the data",
        ),
    ]
    walks = switch(f"{lines.replace('y_new', 'at')} y_new = at;" for lines, _ in cases)
    path = y_new(edited, f"real y_new; {walks}", WHICH)
    for which, (_, words) in enumerate(cases):
        given(which=which)
        wrong("07.5", path, words) if words else right("07.5", path, str(path))


def test_07_5_a_program_that_names_it_otherwise(edited):
    wrong("07.5", y_new(edited, "real y = theta;"), "no real number y_new")


def test_07_5_a_model_that_was_changed_is_not_the_model(edited):
    block, prior = "generated quantities {\n", "theta ~ normal(prior_theta[1], prior_theta[2]);"
    walk = "real y_new = theta; for (k in 1:K) y_new = normal_rng(y_new, tau[min(k, T)]);"
    lines = f"{block}{walk} y_new = normal_rng(y_new, sigma);\n"
    other = (prior, "theta ~ normal(prior_theta[1] - 4, prior_theta[2] / 4);")
    wrong("07.5", edited("tree", (block, lines), other), "leave the model itself as it was")


def test_07_5_wants_a_path():
    refused("07.5", 1.06, "float", "path")


def test_07_6_own_tree():
    df = helpers.simulate([3, 5, 6], theta=50, tau=[3, 2], sigma=4, seed=1, levels=["school", "class"])
    data, _ = helpers.stan_data(df, levels=["school", "class"], values="y", remark=False)
    prior = {"theta": (50, 20), "tau": [10, 10], "sigma": 20}
    exact = helpers.exact_posterior(data, prior, shared_tau=False, tolerance=1e-6)
    tau = [exact.mean("tau[1]"), exact.mean("tau[2]")]
    answer = {"data": data, "prior": prior, "tau": tau, "nodes": 3}
    near = [tau[0] + 0.2 * exact.sd("tau[1]"), tau[1]]
    right("07.6", answer, answer | {"tau": np.array(near), "nodes": np.int64(3)})
    wrong("07.6", answer | {"nodes": 15}, "larger posterior standard deviation")
    wrong("07.6", answer | {"nodes": 90}, "3, 15")
    wrong("07.6", answer | {"tau": tau[::-1]}, "reverse")
    wrong("07.6", answer | {"tau": [tau[0], 4 * tau[1]]}, "level 2", "own τs")
    wrong("07.6", answer | {"prior": {"theta": (50, 20), "tau": [1, 1], "sigma": 20}}, "priors")
    wrong("07.6", answer | {"tau": tau[:1]}, "1 entries")
    refused("07.6", data, "'prior'")
    refused("07.6", answer | {"data": 3}, "int", "stan_data")
    refused("07.6", answer | {"data": lesson_05.one_level([1.0, 2.0], [1, 1])}, "two levels")
    refused("07.6", answer | {"tau": 3}, "int", "'tau'")
    refused("07.6", answer | {"tau": [float("nan")] * 2}, "nan", "'tau'")


# Lesson 8


def voice(n, tau=0.6, sigma=0.9):
    return 1 / (tau**2 + sigma**2 / n)


def test_08_1_how_loud():
    answer = {"limit": 1 / 0.36, "one": voice(60), "twenty": 20 * voice(3)}
    right("08.1", answer, {"limit": 2.78, "one": np.float64(2.68), "twenty": 31.7})
    wrong("08.1", answer | {"limit": float("inf")}, "the other")
    wrong("08.1", answer | {"limit": 1 / 0.6}, "square")
    wrong("08.1", answer | {"limit": 1 / 0.81}, "Which term")
    wrong("08.1", answer | {"one": 1 / (0.6 + 0.9 / 60)}, "square")
    wrong("08.1", answer | {"one": 60 / 0.81}, "a step of τ away")
    wrong("08.1", answer | {"one": 60 * voice(1)}, "60 colonies")
    wrong("08.1", answer | {"one": 1}, "n = 60")
    wrong("08.1", answer | {"twenty": voice(3)}, "one of the twenty")
    wrong("08.1", answer | {"twenty": voice(3) / 20}, "add up")
    wrong("08.1", answer | {"twenty": 60}, "three cells")
    refused("08.1", 2.78, "float", "'twenty'")
    refused("08.1", answer | {"limit": "1/tau²"}, "str", "'limit'")


def normal(covariance, at=(9, 10, 14)):
    return multivariate_normal(np.full(len(at), 10), covariance).logpdf(at)


def test_08_2_small_tree():
    three = np.array([[11, 9, 9], [9, 11, 10], [9, 10, 11]])
    answer = {"q_1": 1 / 2, "q_2": 2 / 3, "P": 7 / 6, "m": 12.5 / (7 / 6), "log_p": normal(three)}
    right("08.2", answer, {name: round(x, 3) for name, x in answer.items()})
    wrong("08.2", answer | {"q_1": 1}, "'q_1'", "of their group")
    wrong("08.2", answer | {"q_2": 2}, "'q_2'", "of their group")
    wrong("08.2", answer | {"q_2": 0.5}, "'q_2'", "two cells")
    wrong("08.2", answer | {"q_2": 1 / 3}, "'q_2'", "two cells")
    wrong("08.2", answer | {"q_1": 0.1}, "'q_1'", "a step of τ")
    wrong("08.2", answer | {"P": 7 / 12}, "'P'")
    wrong("08.2", answer | {"m": 10.5}, "groups count alike")
    wrong("08.2", answer | {"m": 11}, "cells count alike")
    wrong("08.2", answer | {"m": 12.5}, "by P")
    wrong("08.2", answer | {"m": 9}, "9 and 12")
    wrong("08.2", answer | {"log_p": normal(three - 9)}, "uncertainty of θ")
    wrong("08.2", answer | {"log_p": normal(np.full((3, 3), 10) + np.eye(3))}, "only those of one group")
    wrong("08.2", answer | {"log_p": normal(np.full((3, 3), 9) + 2 * np.eye(3))}, "Cells 2 and 3")
    wrong("08.2", answer | {"log_p": normal(11 * np.eye(3))}, "not independent")
    wrong("08.2", answer | {"log_p": normal([[11, 9], [9, 10.5]], at=(9, 12))}, "two means")
    wrong("08.2", answer | {"log_p": -7}, "log_density")
    refused("08.2", [0.5, 0.67], "list", "'q_1'")
    refused("08.2", answer | {"P": [1]}, "list", "'P'")


SD = "sqrt(square(tau) + square(sigma))"
MEAN = "v * (y[j] / square(sigma[j]) + theta / square(tau))"


PRIORS = "theta ~ normal(0, 5); tau ~ cauchy(0, 5);"


def test_08_3_right_and_hints(tmp_path, given):
    cases = [
        ({"draw": f"normal_rng({MEAN}, sqrt(v))"}, ""),
        ({"sd": "rep_vector(tau, N)"}, "standard errors"),
        ({"sd": "tau + sigma"}, "too small"),
        ({"sd": "square(tau) + square(sigma)"}, "too small"),
        ({"priors": "theta ~ normal(0, 5); tau ~ normal(0, 5);"}, "half-normal"),
        ({"priors": "theta ~ normal(0, 5); tau ~ cauchy(0, 10);"}, "of scale 5"),
        ({"priors": "tau ~ cauchy(0, 5);"}, "theta seems to have no prior"),
        ({"priors": "theta ~ normal(0, 5);"}, "Has each its prior"),
        ({"draw": MEAN}, "scatters too much or too little"),
        ({"draw": f"normal_rng({MEAN}, v)"}, "scatters too much or too little"),
        ({"draw": "normal_rng(theta, tau)"}, "another mean"),
    ]
    model = switch(
        f"{case.get('priors', PRIORS)} y ~ normal(theta, {case.get('sd', SD)});" for case, _ in cases
    )
    draw = switch(f"theta_1[j] = {case['draw']};" if "draw" in case else "" for case, _ in cases)
    path = tmp_path / "schools.stan"
    path.write_text(f"""
data {{ int N; vector[N] y; vector[N] sigma; int which; int drawn; }}
parameters {{ real theta; real<lower=0> tau; }}
model {{ {model} }}
generated quantities {{
  vector[drawn] theta_1;
  for (j in 1:drawn) {{
    real v = 1 / (1 / square(sigma[j]) + 1 / square(tau));
    {draw}
  }}
}}
""")
    for which, (case, words) in enumerate(cases):
        given(which=which, drawn=8 * ("draw" in case))
        wrong("08.3", path, words) if words else right("08.3", path)


def test_08_3_right_without_schools(tmp_path):
    other = tmp_path / "other.stan"
    other.write_text("""
data { int N; vector[N] y; vector[N] sigma; }
parameters { real x; real log_tau; }
transformed parameters { real theta = 5 * x; real tau = exp(log_tau); }
model {
  x ~ std_normal();
  target += cauchy_lpdf(tau | 0, 5) + log_tau;
  y ~ multi_normal(rep_vector(theta, N), diag_matrix(square(tau) + square(sigma)));
}
""")
    right("08.3", str(other))
    assert "had back" in helpers.check("08.3", other).text


def test_08_3_schools_may_not_be_moved_and_a_program_is_a_path():
    wrong("08.3", helpers.stan_file("schools_noncentered"), "draws are right", "theta_1_tilde")
    refused("08.3", 2, "int", "path")


@pytest.fixture
def ruler(tmp_path):
    """Write tree_marginal with another curve and another logarithm of its slope."""

    def write(spread, log_slope):
        text = helpers.stan_file("tree_marginal").read_text("utf-8")
        start, end = text.index("  real spread("), text.index("}\n\ndata {")
        path = tmp_path / "ruler.stan"
        functions = f"real spread(real x, real scale) {{ return {spread}; }}\n"
        functions += f"real log_slope(real x, real scale) {{ {log_slope} }}\n"
        path.write_text(text[:start] + functions + text[end:])
        return path

    return write


def test_08_4_in_logarithms_however_it_is_written(ruler):
    right("08.4", ruler("scale * exp(x)", "return log(scale) + x;"))
    right("08.4", str(ruler("scale * exp(x)", "return x;")))  # a constant factor does no harm


def test_08_4_hints(ruler):
    wrong("08.4", helpers.stan_file("tree_marginal"), "no straight line")
    curve = helpers.stan_file("tree_marginal").read_text("utf-8")
    curve = curve[curve.index("    real low ") : curve.index("}\n\ndata {")].rsplit("}", 1)[0]
    for log_slope, words in [
        (curve, "that of the old curve"),
        ("return scale * exp(x);", "slope itself"),
        ("return -log(scale) - x;", "sign"),
    ]:
        wrong("08.4", ruler("scale * exp(x)", log_slope), words)


def test_08_4_wants_a_path():
    refused("08.4", {"program": 1}, "dict", "path")


def test_08_5_large_tree():
    df = helpers.simulate([10, 8, 6], theta=10, tau=[1, 0.4], sigma=0.5, seed=4, levels=["a", "b"])
    data, _ = helpers.stan_data(df, levels=["a", "b"], values="y", remark=False)
    exact = helpers.exact_posterior(data, shared_tau=False, tolerance=1e-6)
    tau = [exact.mean("tau[1]"), exact.mean("tau[2]")]
    flat = helpers.tree_data(data, shared_tau=False)
    answer = {"data": flat, "tau": tau, "best": 2}
    right("08.5", answer, answer | {"tau": np.array(tau) - 0.2 * exact.sd("tau[1]") * np.array([1, 0])})
    wrong("08.5", answer | {"best": 1}, "count the levels from 1")
    wrong("08.5", answer | {"best": 3}, "smallest")
    wrong("08.5", answer | {"tau": tau[::-1]}, "reverse")
    wrong("08.5", answer | {"tau": [tau[0], tau[1] ** 2]}, "level 2")
    wrong("08.5", answer | {"tau": tau[:1]}, "1 entries")
    wrong("08.5", answer | {"data": helpers.tree_data(data)}, "shared_tau=False")
    refused("08.5", answer | {"data": data}, "dict", "tree_data")
    refused("08.5", tau, "list", "'best'")
    refused("08.5", answer | {"best": "colony"}, "str", "number of a level")
