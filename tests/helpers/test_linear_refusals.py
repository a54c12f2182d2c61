"""What `exact_slopes` and `exact_crossed` cannot use they refuse in one line, which names the item."""

import os
import traceback

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from linear_tables import crossing, lines

from helpers import exact_crossed, exact_slopes
from helpers.exact.linear_spreads import CrossedSpreads, SlopeSpreads
from helpers.exact.read_linear import read_crossed, read_slopes

LINES = lines([3, 2, 3], [0, 1, 2, 0, 1, 0, 1, 2])
CROSSED = crossing([[0, 0, 0, 1, 1, 1, 0, 1], [0, 1, 2, 0, 1, 2, 0, 2]], np.arange(8))
GONE = object()


def changed(data, **items):
    return {name: item for name, item in (data | items).items() if item is not GONE}


def refuses(function, data, message):
    with pytest.raises(ValueError, match=message) as error:
        function(data)
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 220


BOTH = [
    ({"prior_theta": GONE}, r"no 'prior_theta' in the data: give the priors .*data \| \{'prior_theta': "),
    ({"prior_sigma": GONE}, r"no 'prior_sigma' .*data \| \{'prior_sigma': "),
    ({"y": GONE}, "no 'y' in the data: see helpers.stan_data"),
    ({"prior_theta": [10, 0]}, "'prior_theta' has the sd 0: give a mean, and an sd above 0"),
    ({"prior_theta": 10}, r"'prior_theta' has shape \(\): give shape \(2,\)"),
    ({"prior_beta": [[0, -1]]}, "'prior_beta' has the sd -1"),
    ({"prior_beta": [0, 2]}, r"'prior_beta' has shape \(2,\): give shape \(1, 2\)"),
    ({"prior_beta": [[0, 2]] * 2}, r"'prior_beta' has shape \(2, 2\)"),
    ({"prior_tau": [2, 0]}, "'prior_tau' is 0: give numbers above 0"),
    ({"prior_tau": [2, 1, 1]}, r"'prior_tau' has shape \(3,\): give shape \(2,\)"),
    ({"prior_tau": 2}, r"'prior_tau' has shape \(\)"),
    ({"prior_sigma": -1}, "'prior_sigma' is -1: give numbers above 0"),
    ({"prior_sigma": [1, 2]}, r"'prior_sigma' has shape \(2,\): give one number"),
    ({"prior_sigma": "wide"}, "'prior_sigma' is 'wide': give numbers"),
    ({"y": [1.0, np.nan, *range(6)]}, "'y' is nan at position 2: give finite numbers"),
    ({"y": np.arange(7)}, "'X' has 8 rows and 'y' has 7|'index' 1 has 8 rows and 'y' has 7"),
    ({"X": np.ones((7, 1))}, "'X' has 7 rows and 'y' has 8: give one for each measurement"),
    ({"X": np.arange(8)}, r"'X' has shape \(8,\)"),
    ({"X": [[np.inf], *[[0]] * 7]}, "'X' is inf at position 1"),
    ({"X": [["a"]] * 8}, "'X' is 'a' at position 1: give numbers"),
]
OF_LINES = [
    *BOTH,
    ({"prior_rho": GONE}, r"no 'prior_rho' .*data \| \{'prior_rho': "),
    ({"prior_rho": 0}, "'prior_rho' is 0: give numbers above 0"),
    ({"J_2": 8}, "the data have two levels: slopes vary by one"),
    ({"X": np.empty((8, 0)), "prior_beta": []}, "'X' has no columns: give stan_data predictors"),
    ({"J_1": 2}, "'index_1' is 3 at position 6: give a group from 1 to 2"),
    ({"J_1": 2**63}, "'index_1' has 9223372036854775808 groups and 8 measurements: give one to each"),
    ({"J_1": 4}, "group 4 of 'index_1' has no measurement"),
    ({"J_1": 2.5}, "'index_1' has 2.5 groups: give a whole number"),
    ({"index_1": [0, *LINES["index_1"][1:]]}, "'index_1' is 0 at position 1"),
    ({"index_1": [1.5, *LINES["index_1"][1:]]}, "'index_1' is 1.5 at position 1"),
]
OF_CROSSED = [
    *BOTH,
    ({"index": GONE}, "no 'index' in the data"),
    ({"J": [2]}, "'J' and 'index' differ in length"),
    ({"J": 2}, "'J' and 'index' differ in length"),
    ({"J": [2, 2]}, r"'index\[2\]' is 3 at position 3: give a group from 1 to 2"),
    ({"J": [2, 4]}, r"group 4 of 'index\[2\]' has no measurement: leave it out"),
    ({"J": ["a", 3]}, r"'index\[1\]' has 'a' groups"),
    (
        {"J": [2] * 4, "index": [CROSSED["index"][0]] * 4, "prior_tau": [2] * 4},
        "4 factors, each with a tau .* at most 3",
    ),
]


@pytest.mark.parametrize(("items", "message"), OF_LINES)
def test_lines_are_refused_in_a_line_that_names_the_item(items, message):
    refuses(exact_slopes, changed(LINES, **items), message)


@pytest.mark.parametrize(("items", "message"), OF_CROSSED)
def test_crossed_groups_are_refused_in_a_line_naming_the_item(items, message):

    refuses(exact_crossed, changed(CROSSED, **items), message)


@pytest.mark.parametrize("data", [None, 3, "data", [("y", 1)]])
def test_what_is_no_dictionary_is_refused_by_its_type(data):
    for function in (exact_slopes, exact_crossed):
        with pytest.raises(TypeError, match=r"data is .*: give the dictionary of helpers.stan_data"):
            function(data)


@pytest.mark.parametrize("tolerance", [0, -1, np.nan, "fine", None, True])
def test_a_tolerance_that_is_no_number_above_0_is_refused(tolerance):
    with pytest.raises(ValueError, match=r"tolerance is .*: give a number above 0, such as 1e-6"):
        exact_crossed(CROSSED, tolerance=tolerance)


# --- perfect fits -------------------------------------------------------------------------------------

X = LINES["X"][:, 0]
BY_GROUP = np.array([1.0, -2, 7])[LINES["index_1"] - 1]
FITS = {
    "a line each": LINES | {"y": BY_GROUP + X * (1 + BY_GROUP)},
    "a line each, far away": LINES | {"y": 1e6 + BY_GROUP + X * (1 + BY_GROUP) / 3},
    "all equal": LINES | {"y": np.full(8, 0.1)},
    "a sum of factors": CROSSED
    | {"y": np.array([0.1, 5])[CROSSED["index"][0] - 1] + CROSSED["index"][1] / 3},
}


@pytest.mark.parametrize("data", FITS.values(), ids=FITS)
def test_measurements_that_the_model_fits_exactly_are_refused(data):
    function = exact_slopes if "J_1" in data else exact_crossed
    refuses(function, data, "fits all measurements exactly, so that sigma may be as small as it likes")


def test_as_many_coefficients_as_measurements_have_a_posterior():
    """Nothing is left to judge σ by, but then no fit is better than another for it."""
    post = exact_crossed(crossing([[0, 1, 2]], y=[9, 10, 12]))
    assert 0 < post.mean("sigma") < 2
    assert post.accuracy < 1e-6


# --- at random ----------------------------------------------------------------------------------------

MORE = int(os.environ.get("FUZZ", "0"))
ODD = st.sampled_from(
    [None, np.nan, -np.inf, "x", "", 1.5, -1, 0, True, 10**400, 1j, [1], (), {}, 2**63, b"1"]
)


@settings(
    derandomize=not MORE,
    deadline=None,
    max_examples=MORE or 300,
    database=None,
    suppress_health_check=[*HealthCheck],
)
@given(st.data())
def test_whatever_is_put_in_is_refused_in_one_line_or_answered(data):
    """All is refused before the integral, which is left out here for its length, or has no finite answer."""
    read, good = data.draw(st.sampled_from([(read_lines, LINES), (read_factors, CROSSED)]))
    items = {name: np.asarray(item).tolist() for name, item in good.items()}
    name = data.draw(st.sampled_from(sorted(items)))
    inside = items[name]
    if isinstance(inside, list) and data.draw(st.booleans()):
        while isinstance(inside[0], list):
            inside = inside[data.draw(st.integers(0, len(inside) - 1))]
        inside[data.draw(st.integers(0, len(inside) - 1))] = data.draw(ODD)
    else:
        items[name] = data.draw(ODD)
    before, out = repr(items), None
    try:
        integral = read(items)
    except (TypeError, ValueError) as error:
        out = error
    assert repr(items) == before
    if out is None:
        point = np.full((len(integral.priors), 1), 0.8)
        with np.errstate(all="ignore"):
            found = [*integral.log_density(point), *np.ravel(integral.describe(point))]
        if not np.isfinite(found).all():
            function = exact_slopes if "J_1" in items else exact_crossed
            refuses(function, items, "no finite answer|does not converge")
    else:
        assert str(out).isprintable()
        assert "/helpers/" in traceback.extract_tb(out.__traceback__)[-1].filename, repr(out)


def read_lines(data):
    return SlopeSpreads(read_slopes(data))


def read_factors(data):
    return CrossedSpreads(read_crossed(data))
