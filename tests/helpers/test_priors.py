"""Nobody's table gets the priors of the lessons without being told, unless it could be one of theirs."""

import re

import numpy as np
import pytest
import scipy.stats

import helpers
from helpers.priors import PRIOR, from_data, read_header

COMPUTED = [helpers.tree_data, helpers.exact_posterior]
both = pytest.mark.parametrize("function", COMPUTED, ids=lambda function: function.__name__)

# Other people's tables, by their size: mean and sd. Those of the R package lme4 are public.
TABLES = {
    "Oxide, of nlme": (2000, 6),
    "Pastes, of lme4": (60.1, 3.3),
    "sleepstudy, of lme4": (298.5, 56.3),
    "standardised": (0, 1),
    "shares": (0.4, 0.1),
    "percentages": (4.8, 1),
    "a little too bright": (18.2, 1.5),
    "near in mean, wide": (12, 40),
    "near in mean, narrow": (10, 0.1),
    "in another unit": (1.05e-8, 1e-9),
    "below zero": (-1e6, 3),
}


def table(mean, sd, n=24):
    """Six groups of four; mean and sd are met exactly."""
    y = np.random.default_rng(1).normal(size=n)
    y = mean + sd * (y - y.mean()) / y.std(ddof=1)
    return {"N": n, "J_1": 6, "index_1": np.arange(n) // 4 + 1, "y": y}


def told(function, data, *args, **kwargs):
    with pytest.raises(ValueError, match="the lessons' priors are not for these data") as error:
        function(data, *args, **kwargs)
    assert str(error.value).isprintable()
    return str(error.value)


@both
@pytest.mark.parametrize("name", TABLES)
def test_a_table_far_from_the_priors_is_refused_in_one_line(name, function):
    mean, sd = TABLES[name]
    words = told(function, table(mean, sd))
    assert ("have mean" in words) == (abs(mean - 10) > 4.5)
    assert ("have sd" in words) == (sd > 15 or sd < 0.25)


@both
@pytest.mark.parametrize("name", TABLES)
def test_the_line_that_the_refusal_gives_can_be_pasted(name, function):
    data = table(*TABLES[name])
    line = re.search(r"write prior=(\{.*\}), or", told(function, data))[1]
    prior = eval(line)
    assert prior.keys() == PRIOR.keys()
    function(data, prior=prior)
    mean, sd = TABLES[name]
    assert abs(prior["theta"][0] - mean) <= sd
    assert prior["tau"] == prior["sigma"] == prior["theta"][1] == pytest.approx(2 * sd, rel=0.05)


def test_public_tables_get_their_own_mean_with_the_line():
    """With the lessons' Normal(10, 3) the mean of Oxide came out as 12, without a word."""
    data = table(2000, 6)
    post = helpers.exact_posterior(data, from_data(data["y"]))
    assert post.mean("theta") == pytest.approx(2000, abs=1)


def test_without_priors_theta_is_not_pulled_out_of_the_numbers():
    """Two sites of 3.8 to 6 had a θ of 6.6 under the lessons' Normal(10, 3), without a word."""
    data = {"J_1": 2, "index_1": [1, 1, 2, 2], "y": [3.81, 4.2, 5.1, 6.0]}
    assert helpers.exact_posterior(data, PRIOR).mean("theta") > 6.5
    assert "have mean 4.777" in told(helpers.exact_posterior, data)
    for y in (np.array([5.2, 5.5, 5.6, 6.2]), np.array([14.8, 14.5, 14.4, 13.8])):  # just not refused
        assert abs(helpers.exact_posterior(data | {"y": y}).mean("theta") - y.mean()) < 1.1


@both
def test_our_cells_and_data_like_them_pass_in_silence(function):
    cells, _ = helpers.stan_data(helpers.measurements(), ["day", "batch", "colony"], "y")
    function(cells)
    for mean, sd in [(5.6, 1), (14.4, 1), (10, 0.3), (10, 14.5)]:
        function(table(mean, sd))


@both
def test_a_prior_that_is_given_is_used_as_it_stands(function):
    data = table(2000, 100)
    function(data, PRIOR)
    assert 'add "theta": (2000, 200) to prior' in told(function, data, {"tau": 50, "sigma": 50})
    assert 'add "tau": 200, "sigma": 200 to prior' in told(function, data, {"theta": (0, 1)})
    # the spread of one kind that may be wide explains the whole
    function(data, {"theta": (2000, 50), "sigma": 50})
    words = told(function, data, {"theta": (2000, 50), "sigma": 1})
    assert "tau ~ HalfNormal(5), but the measurements have sd 100" in words


def test_a_distribution_as_prior_may_explain_any_spread():
    data = table(10, 100)
    helpers.exact_posterior(data, {"sigma": scipy.stats.halfcauchy(scale=5)})


def test_known_errors_may_explain_a_wide_spread():
    data, errors = table(10, 40), np.full(24, 38.0)
    helpers.exact_posterior(data, sigma=errors)
    words = told(helpers.exact_posterior, data, sigma=errors / 4)
    assert "tau ~ HalfNormal(5)" in words
    assert "sigma" not in words.split("plausible")[0].replace("HalfNormal", "")


@both
def test_one_measurement_has_no_spread_to_be_in_conflict(function):
    function({"J_1": 1, "index_1": [1], "y": [9.0]})
    assert "have mean" in told(function, {"J_1": 1, "index_1": [1], "y": [90.0]})


@pytest.mark.parametrize("name", TABLES)
def test_priors_from_data_have_few_digits_and_the_size(name):
    mean, sd = TABLES[name]
    prior = from_data(table(mean, sd)["y"])
    assert float(f"{prior['tau']:.2g}") == prior["tau"]
    step = 10.0 ** np.floor(np.log10(prior["tau"]))
    assert abs(prior["theta"][0] - mean) <= step / 2 * 1.000001


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("# prior: theta 1 2, tau 3, sigma 4", "no unit: begin it with lines such as '# unit: a.u.'"),
        ("# unit: mm", "no prior: begin it with lines such as '# prior: theta 10 3"),
        ("# unit: mm\n# prior: theta 1, tau 3, sigma 4", "the prior 'theta 1, tau 3, sigma 4': write mean"),
        ("# unit: mm\n# prior: theta 1 2, tau 0, sigma 4", "all but the mean above 0"),
    ],
)
def test_a_table_without_unit_or_priors_is_refused_in_one_line(header, words):
    with pytest.raises(ValueError, match=re.escape(words)) as error:
        read_header(f"{header}\na,b,c,y\n1,1,1,0.5\n")
    assert str(error.value).isprintable()


def test_unit_and_priors_are_read_as_they_stand_above_the_table():
    unit, prior = read_header("# unit: mg/l\n# prior: theta -5.5 1e-3, tau 8,sigma 0.5,,\na,b,c,y\n")
    assert (unit, prior) == ("mg/l", {"theta": (-5.5, 0.001), "tau": 8, "sigma": 0.5})
