"""Counts, successes and outliers: how they are read and refused, and the density of `tree_family`."""

import logging
import re

import arviz
import numpy as np
import polars as pl
import pytest
import scipy.stats

import helpers
from helpers import tree_data, unflatten

PRIOR = {"theta": (0, 1.5), "tau": 1}
SPREADS = {"theta": (10, 3), "tau": 5, "sigma": 5}
FRAME = pl.DataFrame(
    {"plate": ["b", "a", "b", "a"], "y": [3, 0, 8, 2], "sown": [8, 7, 8, 2], "hours": [0.5, 1.0, 2.0, 4.0]}
)
SOWN, HOURS = {"trials": "sown"}, {"exposure": "hours"}
TREE = {"J_1": 2, "J_2": 3, "index_1": [1, 2, 2], "index_2": [1, 1, 2, 3, 3]}
COUNTS = TREE | {"y": [3, 0, 8, 2, 4]}
SUCCESSES = COUNTS | {"trials": [8, 7, 8, 2, 5]}
RATES = COUNTS | {"exposure": [0.5, 1, 2, 4, 3]}
NUMBERS = TREE | {"y": [9.5, 11, 12, 8.5, 30]}


# --- the frame ------------------------------------------------------------------------------------------


def test_trials_go_under_their_own_name_in_the_order_of_counts():
    data, labelled = helpers.stan_data(FRAME.cast({"y": pl.Float64}), "plate", "y", trials="sown")
    assert (data["y"].tolist(), data["trials"].tolist()) == ([0, 2, 3, 8], [7, 2, 8, 8])
    assert (data["y"].dtype, data["trials"].dtype) == (np.int64, np.int64)
    assert (labelled["sown"].to_list(), "sown" in data) == ([7, 2, 8, 8], False)


def test_exposure_goes_under_its_own_name_as_floats():
    data, _ = helpers.stan_data(FRAME, "plate", "y", exposure="sown")
    assert (data["exposure"].tolist(), data["exposure"].dtype) == ([7, 2, 8, 8], np.float64)
    assert data["y"].dtype == np.int64


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({"y": [0.375, 0, 1, 1]}, SOWN, "column 'y' is 0.375 in row 0: a fraction is no count: "
         "give the successes, and the trials of each"),
        ({"y": [3, 0, 2.5, 1]}, HOURS, "column 'y' is 2.5 in row 2: a fraction is no count: "
         "give the count, and what it was counted over as exposure"),
        ({"y": [3, -1, 8, 2]}, SOWN, "column 'y' is -1 in row 1: a count is 0 or more"),
        ({"y": [3, 0, 2**31, 2]}, HOURS, "column 'y' is 2147483648 in row 2: give at most"),
        ({"y": [3, 0, 9, 2]}, SOWN, r"column 'y' is 9 in row 2: more successes than trials \(8\)"),
        ({"sown": [8, 7, 8, 0]}, SOWN, "column 'sown' is 0 in row 3: give whole trials, 1 or more"),
        ({"sown": [8, 7.5, 8, 2]}, SOWN, "column 'sown' is 7.5 in row 1: give whole trials"),
        ({"sown": [2**31, 7, 8, 2]}, SOWN, "column 'sown' is 2147483648 in row 0: give at most"),
        ({"hours": [0.5, 1, -2, 4]}, HOURS, "column 'hours' is -2.0 in row 2: give finite expos"),
        ({"hours": [0.5, 1, 2, 0]}, HOURS, "column 'hours' is 0.0 in row 3: give finite exposures"),
        ({"hours": [0.5, 1, None, 4]}, HOURS, "column 'hours' is null in row 2: drop such rows"),
        ({"sown": ["8", "7", "8", "2"]}, SOWN, "column 'sown' is '8' in row 0: make numbers of"),
        ({}, {"trials": "sewn"}, r"no column 'sewn' \(did you mean 'sown'\?\); the frame has"),
        ({}, {"trials": 8}, r"trials is 8: name the column that has them, as .*trials=pl.lit\(8\)\)"),
        ({}, {"trials": "y"}, "column 'y' is named twice"),
        ({}, {"trials": "sown", "exposure": "hours"}, "trials and exposure are given: name trials"),
        ({}, {"trials": "sown", "values": ["y", "hours"]}, "values has 2 columns: with trials give one"),
        ({"trials": [1, 2, 3, 4]}, {"trials": "sown", "values": "trials"}, "'trials' would overwrite"),
    ],
)  # fmt: skip
def test_a_frame_whose_counts_are_none_is_refused_in_one_line(change, options, message):
    frame = FRAME.with_columns(pl.Series(name, x, strict=False) for name, x in change.items())
    with pytest.raises(ValueError, match=message) as error:
        helpers.stan_data(frame, "plate", **({"values": "y"} | options))
    assert str(error.value).isprintable()


# --- the dictionary -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "likelihood", "options", "message"),
    [
        (COUNTS, "binomal", {}, r"likelihood is 'binomal' \(did you mean 'binomial'\?\): give one of"),
        (COUNTS, None, {}, "likelihood is None: give one of 'normal', 'student_t', 'poisson'"),
        (COUNTS, "binomial", {}, "no 'trials' in the data: name their column, as in helpers.stan_data"),
        (SUCCESSES | {"trials": [8, 8]}, "binomial", {}, r"'trials' has shape \(2,\): give one for"),
        (SUCCESSES | {"trials": [8, 7, 8, 2, 0]}, "binomial", {}, "'trials' is 0 at position 5: give"),
        (SUCCESSES | {"y": [3, 0, 9, 2, 4]}, "binomial", {}, r"'y' is 9 at position 3: more succes"),
        (SUCCESSES | {"y": [0.4] * 5}, "binomial", {}, "'y' is 0.4 at position 1: a fraction is no"),
        (RATES | {"exposure": [1, 1, 1, 1, None]}, "poisson", {}, "'exposure' is nan at position 5"),
        (RATES | {"y": [3, -1, 8, 2, 4]}, "poisson", {}, "'y' is -1 at position 2: a count is 0"),
        (COUNTS | {"y": [2**31 - 1] * 5}, "poisson", {}, "count of leaf 1 adds up to 4294967294: "),
        (SUCCESSES, "normal", {}, "'trials' of the data would not be used: give likelihood='binomial', or"),
        (SUCCESSES, "poisson", {}, "'trials' of the data would not be used: give likelihood='bi"),
        (RATES, "student_t", {"nu": 4}, "'exposure' of the data would not be used: give likel"),
        (NUMBERS | {"sigma": [1] * 5}, "student_t", {"nu": 4}, "'sigma' of the data would not"),
        (NUMBERS | {"y": [1, 1, 2, 3, 3]}, "student_t", {"nu": 4}, "equal within every group"),
        (NUMBERS, "normal", {"nu": 4}, "nu is 4, which likelihood='normal' does not have: leave it out"),
        (NUMBERS | {"y": [1, 2, 3, 4, 4]}, "student_t", {"prior": {"nu": (2, 1)}}, "position 5, as before"),
        (NUMBERS, "student_t", {}, "needs nu, its degrees of freedom: give nu=4, or prior="),
        (NUMBERS, "student_t", {"nu": 4, "prior": {"nu": (2, 0.1)}}, "has nu and a prior .* nu=4"),
        (NUMBERS, "student_t", {"nu": 0}, "nu is 0: give a number above 0, such as nu=4"),
        (NUMBERS, "student_t", {"nu": np.inf}, "nu is inf: give a number above 0"),
        (NUMBERS, "student_t", {"prior": {"nu": 4}}, "prior of nu is 4: give shape and rate"),
        (NUMBERS, "student_t", {"prior": {"nu": (2, 0)}}, r"prior of nu is \(2, 0\): give shape"),
        (NUMBERS, "normal", {"prior": {"nu": (2, 1)}}, "no prior for 'nu': give some of theta, tau and"),
        (NUMBERS, "student_t", {"nu": 4, "prior": {"sd": 1}}, "some of theta, tau, sigma and nu"),
        (RATES, "poisson", {"prior": PRIOR | {"sigma": 1}}, "'poisson' has no sigma: leave it out"),
        (RATES, "poisson", {"prior": PRIOR | {"nu": 1}}, "'poisson' has no nu: leave it out of"),
        (RATES, "poisson", {"prior": PRIOR | {"mu": 1}}, "no prior for 'mu': .* of theta and tau"),
        (RATES, "poisson", {"prior": PRIOR | {"tau": 0}}, "prior of tau is 0: give the scale of"),
    ],
)  # fmt: skip
def test_data_that_do_not_suit_their_likelihood_are_refused(data, likelihood, options, message):
    own = {"prior": PRIOR} if likelihood in ("poisson", "binomial") else {}
    with pytest.raises(ValueError, match=message) as error:
        tree_data(data, **(own | options), likelihood=likelihood)
    assert str(error.value).isprintable()


@pytest.mark.parametrize(
    ("data", "likelihood", "given", "line"),
    [
        (SUCCESSES, "binomial", None, 'write prior={"theta": (0, 1.5), "tau": 1}, or'),
        (SUCCESSES, "binomial", {"theta": (1, 1)}, 'add "tau": 1 to prior, or'),
        (
            RATES,
            "poisson",
            None,
            'write prior={"theta": (0.5, 1.5), "tau": 1}, or',
        ),  # 17 counts in 10.5 hours
        (COUNTS, "poisson", {"tau": 2}, 'add "theta": (1.2, 1.5) to prior, or'),
        (COUNTS | {"y": [0] * 5}, "poisson", {}, 'write prior={"theta": (-2.3, 1.5), "tau": 1}, or'),
    ],
)
def test_counts_without_priors_are_told_the_line_to_write(data, likelihood, given, line):
    with pytest.raises(ValueError, match=re.escape(line)) as error:
        tree_data(data, given, likelihood=likelihood)
    assert "has no default prior of" in str(error.value)
    if line.startswith("write"):
        written = eval(re.search(r"prior=(\{.*\})", str(error.value))[1])
        assert tree_data(data, written, likelihood=likelihood)["prior_tau"].tolist() == [1]


def test_the_priors_of_the_lessons_guard_students_t_as_well():
    with pytest.raises(ValueError, match="the lessons' priors are not for these data"):
        tree_data(NUMBERS | {"y": [0.1, 0.2, 0.3, 0.5, 0.1]}, likelihood="student_t", nu=4)


def test_equal_counts_are_data_like_any_others():
    assert tree_data(COUNTS | {"y": [3] * 5}, PRIOR, likelihood="poisson")["count"].tolist() == [6, 3, 6]


def test_counts_trials_and_exposures_of_a_leaf_add_up():
    flat = tree_data(SUCCESSES, PRIOR, likelihood="binomial", weight=1)
    assert (flat["family"], flat["count"].tolist(), flat["trials"].tolist()) == (3, [3, 8, 6], [15, 8, 7])
    assert (flat["N"], flat["y"].tolist(), flat["exposure"].tolist()) == (0, [], [])
    assert (flat["prior_sigma"], flat["nu_given"], flat["weight"].tolist()) == (1, 0, [1] * 5)
    flat = tree_data(RATES, PRIOR, likelihood="poisson")
    assert (flat["family"], flat["exposure"].tolist(), flat["trials"].tolist()) == (2, [1.5, 2, 7], [])
    assert tree_data(COUNTS, PRIOR, likelihood="poisson")["exposure"].tolist() == [2, 1, 2]


def test_measurements_with_outliers_are_passed_one_by_one():
    flat = tree_data(NUMBERS, SPREADS, likelihood="student_t", nu=4)
    assert (flat["family"], flat["N"], flat["leaf"].tolist()) == (1, 5, [1, 1, 2, 3, 3])
    assert (flat["y"].tolist(), flat["count"].tolist(), flat["nu_given"]) == (NUMBERS["y"], [], 4)
    flat = tree_data(NUMBERS, SPREADS | {"nu": (2, 0.1)}, likelihood="student_t")
    assert (flat["nu_given"], flat["prior_nu"].tolist()) == (0, [2, 0.1])


# --- the program ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def program():
    logging.getLogger("cmdstanpy").setLevel(logging.CRITICAL)
    return helpers.stan_model("tree_family")


CASES = {
    "student_t": (NUMBERS, SPREADS, 4),
    "student_t, nu unknown": (NUMBERS, SPREADS | {"nu": (2, 0.1)}, None),
    "poisson": (RATES, PRIOR, None),
    "binomial": (SUCCESSES, PRIOR, None),
}
every_case = pytest.mark.parametrize("case", CASES)


def flat_of(case, **options):
    data, prior, nu = CASES[case]
    return tree_data(data, prior, likelihood=case.partition(",")[0], nu=nu, **options)


def log_of_leaves(data, leaves, sigma, nu):
    """Log likelihood of the single measurements."""
    y, own = np.array(data["y"]), leaves[np.array(data["index_2"]) - 1]
    if "trials" in data:
        return scipy.stats.binom(data["trials"], 1 / (1 + np.exp(-own))).logpmf(y).sum()
    if "exposure" in data:
        return scipy.stats.poisson(np.array(data["exposure"]) * np.exp(own)).logpmf(y).sum()
    return scipy.stats.t(nu, own, sigma).logpdf(y).sum()


@every_case
@pytest.mark.parametrize("weight", [0, 1, [0.3, [0, 1, 0.6]]])
@pytest.mark.parametrize("shared", [True, False])
def test_density_of_tree_family_is_that_of_single_measurements(program, case, weight, shared):
    """Up to a constant; and so are its nodes, whatever the weights, and whether τ is shared."""
    data, prior, given = CASES[case]
    flat = flat_of(case, weight=weight, shared_tau=shared, write_nodes=True)
    rng, points, expected, nodes = np.random.default_rng(1), [], [], []
    for _ in range(5):
        theta, tau = rng.normal(*prior["theta"]), rng.uniform(0.2, 2, flat["prior_tau"].size)
        sigma, nu = rng.uniform(0.5, 2), given or rng.uniform(1, 20)
        own, x = [theta], []
        log_p = scipy.stats.norm(*prior["theta"]).logpdf(theta)
        log_p += scipy.stats.norm(0, prior["tau"]).logpdf(tau).sum() + np.log(tau).sum()
        for level, parent, w in zip([0, 0, 1, 1, 1], flat["parent"], flat["weight"], strict=True):
            spread, z = np.broadcast_to(tau, 2)[level], rng.normal()
            own.append(own[parent] + spread * z)
            x.append(w * own[parent] + spread**w * z)
            log_p -= z**2 / 2 + w * np.log(spread)
        if "sigma" in prior:
            log_p += scipy.stats.norm(0, prior["sigma"]).logpdf(sigma) + np.log(sigma)
        if "nu" in prior:
            log_p += scipy.stats.gamma(2, scale=10).logpdf(nu) + np.log(nu)
        expected.append(log_p + log_of_leaves(data, np.array(own[3:]), sigma, nu))
        points.append({"theta": theta, "tau": tau.tolist(), "x": x})
        points[-1] |= {"sigma": [sigma] * ("sigma" in prior), "nu": [nu] * ("nu" in prior)}
        nodes.append(own[1:])
    # Steps so short that the draw is the point, as in test_tree.
    run = program.sample(
        data=flat, inits=points, chains=5, iter_warmup=0, iter_sampling=1, adapt_engaged=False,
        step_size=1e-99, max_treedepth=1, seed=1, sig_figs=17, show_progress=False,
    )  # fmt: skip
    assert np.ptp(run.method_variables()["lp__"][0] - expected) < 1e-8
    assert np.abs(run.stan_variable("node") - nodes).max() < 1e-10


@every_case
def test_unflatten_makes_numbers_of_sigma_and_nu_or_drops_them(program, case):
    flat = flat_of(case, write_nodes=True)
    run = program.sample(data=flat, seed=1, iter_warmup=100, iter_sampling=20, show_progress=False)
    raw = arviz.from_cmdstanpy(run)
    posterior = unflatten(raw, flat)["posterior"]
    wanted = {
        "theta",
        "tau",
        *(["sigma"] if "student" in case else []),
        *(["nu"] if "unknown" in case else []),
    }
    assert {name for name in posterior.data_vars if posterior[name].ndim == 2} == wanted
    assert {"theta_1", "theta_2"} <= set(posterior.data_vars)
    for name in wanted & {"sigma", "nu"}:
        assert np.array_equal(posterior[name].values, raw["posterior"][name].values[..., 0])


def test_tree_and_tree_family_have_the_same_functions():
    # Included from one file, they would change what the stored tables say they were made from.
    texts = [helpers.stan_file(name).read_text("utf-8") for name in ("tree", "tree_family")]
    functions = [text[text.index("functions {") : text.index("data {")] for text in texts]
    assert functions[0] == functions[1]
