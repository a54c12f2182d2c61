"""What the leaves of a tree measure: numbers, numbers with outliers, counts, or successes of trials."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from helpers.inputs import as_floats, as_list, did_you_mean, is_number, read_tree, short_repr
from helpers.priors import PARAMETERS, prior_given

# The item of the data that belongs to the measurements, of each likelihood that has one
SIZE = {"poisson": "exposure", "binomial": "trials"}
LIKELIHOODS = tuple(PARAMETERS)
LARGEST = 2**31 - 1  # of the whole numbers of Stan
_SCALE = {"poisson": "logs of a rate", "binomial": "log odds"}
_FRACTION = {
    "poisson": "a fraction is no count: give the count, and what it was counted over as exposure",
    "binomial": "a fraction is no count: give the successes, and the trials of each",
}


@dataclass(frozen=True, eq=False)
class Measured:
    """A tree of groups, and what was measured at its leaves.

    Attributes
    ----------
    sizes : list of int
        Nodes of each level, outermost first.
    parents : list of array
        Of the nodes of every level below the first, from 0.
    leaf, y : array, shape (N,)
        Of every measurement its leaf, from 0, and its value.
    size : array, shape (N,), or None
        Its trials or its exposure, for counts.
    nu : float or None
        The degrees of freedom of Student's t; None if they are unknown, or there are none.
    nu_prior : tuple or None
        Shape and rate of their gamma prior, if they are unknown.
    """

    sizes: list[int]
    parents: list[np.ndarray]
    leaf: np.ndarray
    y: np.ndarray
    size: np.ndarray | None
    nu: float | None
    nu_prior: tuple[float, float] | None


def as_likelihood(x) -> str:
    """Read the name of a likelihood."""
    if isinstance(x, str) and x in LIKELIHOODS:
        return x
    near = did_you_mean(x, LIKELIHOODS) if isinstance(x, str) else ""
    raise ValueError(f"likelihood is {short_repr(x)}{near}: give one of {', '.join(map(repr, LIKELIHOODS))}")


def read_measurements(data: Mapping, values: str, likelihood: str, nu, prior) -> Measured:
    """Read a dictionary such as `stan_data` gives, for one of the likelihoods.

    Priors are read by `priors.read_prior`; here stands what takes the measurements to tell: whether those
    that have no default are given.

    Raises
    ------
    TypeError
        If `data` or `prior` is not a dictionary.
    ValueError
        If an item is missing or malformed, does not suit the likelihood, or would not be used; if ν is given
        twice, or not, or is not wanted; if counts have no priors. The message has the remedy.
    """
    likelihood, size = as_likelihood(likelihood), None
    nu, nu_prior = _read_nu(nu, prior_given(prior, likelihood), likelihood)
    sizes, parents, leaf, y, _ = read_tree(data, values, None, likelihood in SIZE)
    refuse_unused(data, values, likelihood)
    if nu_prior:
        _refuse_repeats(leaf, y, values)
    if likelihood in SIZE:
        size = _read_size(data, y, likelihood)
        if found := count_problem(y, size, likelihood):
            at_size, i, remedy = found
            name, entry = (SIZE[likelihood], size[i]) if at_size else (values, y[i])
            raise ValueError(f"{name!r} is {entry:.16g} at position {i + 1}: {remedy}")
        _refuse_no_prior(prior, y, size, likelihood)
    return Measured(sizes, parents, leaf, y, size, nu, nu_prior)


def count_problem(y: np.ndarray, size: np.ndarray, likelihood: str) -> tuple[bool, int, str] | None:
    """Find the first entry that is no count, or does not suit its trials or its exposure.

    Returns
    -------
    tuple or None
        Whether it is the trials or exposure that is wrong, its place, and the remedy; None if all is well.
    """
    large = f"give at most {LARGEST}, where Stan's whole numbers end"
    problems = [
        (False, y != np.floor(y), _FRACTION[likelihood]),
        (False, y < 0, "a count is 0 or more"),
        (False, y > LARGEST, large),
    ]
    if likelihood == "binomial":
        whole = (size >= 1) & (size == np.floor(size))
        problems += [
            (True, ~whole, "give whole trials, 1 or more, or leave it out"),
            (True, size > LARGEST, large),
            (False, y > size, "more successes than trials ({}): correct one of them"),
        ]
    else:
        problems.append((True, ~((size > 0) & np.isfinite(size)), "give finite exposures above 0"))
    for at_size, bad, remedy in problems:
        if bad.any():
            i = int(bad.argmax())
            return at_size, i, remedy.format(f"{size[i]:.16g}")
    return None


def program_data(tree: Measured, likelihood: str) -> dict[str, int | float | np.ndarray]:
    """Write what the programs for any depth need of the measurements, of every leaf where sums will do.

    Raises
    ------
    ValueError
        If the counts of a leaf, or their trials, add up to more than Stan's whole numbers hold.
    """
    n, none = np.bincount(tree.leaf), np.zeros(0, dtype=np.int64)
    if likelihood == "normal":
        mean = np.bincount(tree.leaf, tree.y) / n
        mean += np.bincount(tree.leaf, tree.y - mean[tree.leaf]) / n  # the digits that a long sum loses
        return {"n": n, "y_mean": mean, "y_squares": np.bincount(tree.leaf, (tree.y - mean[tree.leaf]) ** 2)}
    found = {"family": LIKELIHOODS.index(likelihood), "N": 0, "y": np.zeros(0), "leaf": none, "count": none}
    found |= {"trials": none, "exposure": np.zeros(0), "nu_given": tree.nu or 0.0}
    found["prior_nu"] = np.array(tree.nu_prior or (1.0, 1.0))
    if likelihood == "student_t":
        return found | {"N": len(tree.y), "y": tree.y, "leaf": tree.leaf + 1}
    found |= {"count": np.bincount(tree.leaf, tree.y), SIZE[likelihood]: np.bincount(tree.leaf, tree.size)}
    for name in ("count", "trials"):
        if found[name].max(initial=0) > LARGEST:
            where = f"{name} of leaf {found[name].argmax() + 1}"
            raise ValueError(
                f"{where} adds up to {found[name].max():.0f}: Stan's whole numbers end at {LARGEST}"
            )
        found[name] = found[name].astype(np.int64)
    return found


def _read_size(data: Mapping, y: np.ndarray, likelihood: str) -> np.ndarray:
    """Read trials or exposures; an exposure that is not given is 1."""
    name = SIZE[likelihood]
    if name not in data and likelihood == "poisson":
        return np.ones_like(y)
    if name not in data:
        raise ValueError(
            "no 'trials' in the data: name their column, as in helpers.stan_data(..., trials='n')"
        )
    size = as_floats(data[name], repr(name))
    if size.shape != y.shape:
        raise ValueError(f"{name!r} has shape {size.shape}: give one for each of the {y.size} counts")
    return size


def refuse_unused(data: Mapping, values: str, likelihood: str) -> None:
    """Refuse trials or exposures that the likelihood has no place for."""
    for meant, name in SIZE.items():
        if isinstance(data, Mapping) and name in data and name != values and meant != likelihood:
            raise ValueError(
                f"{name!r} of the data would not be used: give likelihood={meant!r}, or leave it out"
            )


def _read_nu(nu, given: dict, likelihood: str) -> tuple[float | None, tuple[float, float] | None]:
    """Read the degrees of freedom, or their prior."""
    if likelihood != "student_t":
        if nu is not None:
            raise ValueError(
                f"nu is {short_repr(nu)}, which likelihood={likelihood!r} does not have: leave it out"
            )
        return None, None
    if (nu is None) != ("nu" in given):
        what = "needs nu, its degrees of freedom" if nu is None else "has nu and a prior of nu"
        raise ValueError(
            f"likelihood='student_t' {what}: give nu=4, or prior={{'nu': (2, 0.1)}} if it is unknown"
        )
    if nu is not None:
        if not (is_number(nu) and nu > 0):
            raise ValueError(f"nu is {short_repr(nu)}: give a number above 0, such as nu=4")
        return float(nu), None
    pair = as_list(given["nu"])
    if pair is None or len(pair) != 2 or not all(is_number(x) and x > 0 for x in pair):
        raise ValueError(
            f"prior of nu is {short_repr(given['nu'])}: give shape and rate of a gamma density, above 0, "
            "such as (2, 0.1)"
        )
    return None, (float(pair[0]), float(pair[1]))


def _refuse_repeats(leaf: np.ndarray, y: np.ndarray, values: str) -> None:
    """Refuse equal measurements in a group if ν is unknown: with ν and σ near 0 the density is infinite."""
    order = np.lexsort((y, leaf))
    again = (np.diff(leaf[order]) == 0) & (np.diff(y[order]) == 0)
    if again.any():
        i = order[1 + again.argmax()]
        raise ValueError(
            f"{values!r} is {y[i]:.16g} at position {i + 1}, as before in the same group, and with nu "
            "unknown no posterior exists: give more digits, or nu=4"
        )


def _refuse_no_prior(prior: Mapping | None, y: np.ndarray, size: np.ndarray, likelihood: str) -> None:
    """Refuse to go on without priors for counts: those of the lessons are in another unit."""
    centre = 0 if likelihood == "binomial" else round(math.log(max(y.sum(), 0.5) / size.sum()), 1)
    lines = {"theta": f'"theta": ({centre:g}, 1.5)', "tau": '"tau": 1'}
    missing = {name: line for name, line in lines.items() if name not in (prior or {})}
    if missing:
        line = ", ".join(missing.values())
        remedy = f"add {line} to prior" if prior else f"write prior={{{line}}}"
        raise ValueError(
            f"likelihood={likelihood!r} has no default prior of {' and '.join(missing)} on the scale of "
            f"{_SCALE[likelihood]}: {remedy}, or what you know to be plausible"
        )
