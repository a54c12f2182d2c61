"""Priors of the hierarchical models: those of the lessons, and a guard against them on other data."""

import re
from collections.abc import Mapping
from importlib.resources import files

import numpy as np

from helpers.inputs import as_list, describe_type, did_you_mean, is_number, short_repr

# What stands above the measurements of the lessons, in lines such as "# unit: a.u."
_HEADER = {"unit": "a.u.", "prior": "theta 10 3, tau 5, sigma 5"}
_NUMBER = r"(-?\d+(?:\.\d+)?(?:e-?\d+)?)"


def table_lines(text: str) -> dict[int, str]:
    """Give the lines of a table that are neither empty nor comments, by their numbers in the file."""
    lines = enumerate(text.splitlines(), start=1)
    return {number: line for number, line in lines if line.strip() and line[0] != "#"}


def read_header(text: str) -> tuple[str, dict]:
    """Read the unit of the measurements, and the priors in that unit, from the top of their table.

    Raises
    ------
    ValueError
        If unit, priors or the column ``y`` are missing, or if the priors are not as the message says.
    """
    header = dict(re.findall(r"^# *(\w+): *(.*?)[ ,]*$", text, re.MULTILINE))
    missing = {name: f"'# {name}: {line}'" for name, line in _HEADER.items() if not header.get(name)}
    if "y" not in next(iter(table_lines(text).values()), "").split(","):
        missing["column y"] = "'day,batch,colony,y'"
    if missing:
        raise ValueError(
            f"measurements.csv has no {', no '.join(missing)}: begin it with lines such as "
            f"{', '.join(missing.values())}"
        )
    wanted = f"theta {_NUMBER} {_NUMBER}, *tau {_NUMBER}, *sigma {_NUMBER}"
    found = re.fullmatch(wanted, header["prior"])
    mean, *spreads = [float(x) if re.search(r"[.e]", x) else int(x) for x in found.groups()] if found else [0]
    if not spreads or min(spreads) <= 0:
        raise ValueError(
            f"measurements.csv has the prior {short_repr(header['prior'])}: write mean and sd of theta and "
            f"the scales of tau and sigma, all but the mean above 0, as in {_HEADER['prior']!r}"
        )
    return header["unit"], {"theta": (mean, spreads[0]), "tau": spreads[1], "sigma": spreads[2]}


TABLE = files(__package__).joinpath("measurements.csv").read_text("utf-8-sig")
UNIT, PRIOR = read_header(TABLE)
# What has a prior, of each likelihood
PARAMETERS = {"normal": [*PRIOR], "student_t": [*PRIOR, "nu"], "poisson": ["theta", "tau"]}
PARAMETERS["binomial"] = PARAMETERS["poisson"]
MADE_UP = {"theta": (10, 3), "tau": 5, "sigma": 5}  # for what the checks simulate, whatever is measured

# In prior sds of θ: where a table of few groups lies further off, θ may come out beyond all of its numbers.
_OFF = 1.5
_FAR = 3  # in scales of a spread: a half-normal spread is above 3 of them once in 370 times
_NARROW = 20  # a half-normal spread is below a twentieth of its scale once in 25 times


def prior_given(prior: Mapping | None, likelihood: str = "normal") -> dict:
    """Copy what the reader gave, or refuse it if it is no dictionary, or has names that the model has not."""
    if not (prior is None or isinstance(prior, Mapping)):
        raise TypeError(f"prior is {describe_type(prior)}: give a dictionary, such as {{'tau': 1}}")
    given, known = dict(prior or {}), PARAMETERS[likelihood]
    if unknown := [name for name in given if name not in known]:
        near, names = did_you_mean(unknown[0], known), f"{', '.join(known[:-1])} and {known[-1]}"
        if likelihood != "normal" and unknown[0] in PARAMETERS["student_t"]:
            raise ValueError(f"likelihood={likelihood!r} has no {unknown[0]}: leave it out of prior")
        raise ValueError(f"no prior for {short_repr(unknown[0])}{near}: give some of {names}")
    return given


def read_prior(
    prior: Mapping | None, taus: int, likelihood: str = "normal"
) -> tuple[tuple[float, float], list, object]:
    """Fill in the priors of the lessons: mean and sd of θ, one entry for each of the τ, and σ.

    Counts have no σ, and it is None; `likelihoods.read_measurements` makes sure that they have the others.
    """
    given = prior_given(prior, likelihood)
    prior = PRIOR | given
    theta, tau = as_list(prior["theta"]), prior["tau"]
    if theta is None or len(theta) != 2 or not all(map(is_number, theta)) or theta[1] <= 0:
        raise ValueError(
            f"prior of theta is {short_repr(prior['theta'])}: give its mean and its standard deviation, "
            "above 0"
        )
    several = as_list(tau)
    tau = [tau] * taus if several is None else several
    if len(tau) != taus:
        raise ValueError(
            f"prior of tau has length {len(tau)}: give its scale, or one per level with shared_tau=False"
        )
    sigma = prior["sigma"] if "sigma" in PARAMETERS[likelihood] else None
    return (float(theta[0]), float(theta[1])), tau, sigma


def refuse_conflict(prior: Mapping | None, y: np.ndarray, errors: np.ndarray | None = None) -> None:
    """Refuse the priors of the lessons, where none was given, for measurements that are far from them.

    Parameters
    ----------
    prior
        What the reader gave; it is used as it stands, whatever the measurements are.
    y : array, shape (N,)
        The measurements.
    errors : array, shape (N,)
        Their known standard deviations, if σ is no parameter.

    Raises
    ------
    ValueError
        If a prior was not given, and that of the lessons does not suit the measurements: their mean is more
        than 1.5 sds from θ's, or their sd above 3 scales or below a twentieth. The message has the line to
        write.
    """
    given = dict(prior or {})
    wanted = [name for name in PRIOR if name not in given and (name != "sigma" or errors is None)]
    mean, sd, problems = float(np.mean(y)), _sd(y), []
    centre, width = PRIOR["theta"]
    if "theta" in wanted and abs(mean - centre) > _OFF * width:
        problems.append(f"theta ~ Normal({centre}, {width}), but the measurements have mean {mean:.4g}")
    spreads = [name for name in wanted if name != "theta"]
    if spreads and sd > 0:
        scale = PRIOR[spreads[0]]
        # Known errors may explain what is wide, and so may a spread whose prior was given.
        left = sd**2 - (0.0 if errors is None else float(np.mean(errors**2)))
        others = [
            x for name in ("tau", "sigma") if name in given for x in as_list(given[name]) or [given[name]]
        ]
        widest = max([scale, *(x if is_number(x) else np.inf for x in others)])
        if left > (_FAR * widest) ** 2 or sd < scale / _NARROW:
            names = " and ".join(spreads)
            problems.append(f"{names} ~ HalfNormal({scale}), but the measurements have sd {sd:.3g}")
    if problems:
        line = ", ".join(f'"{name}": {value}' for name, value in from_data(y).items() if name in wanted)
        remedy = f"add {line} to prior" if given else f"write prior={{{line}}}"
        raise ValueError(
            f"the lessons' priors are not for these data ({'; '.join(problems)}): {remedy}, or what you know "
            "to be plausible"
        )


def from_data(y: np.ndarray) -> dict[str, tuple[float, float] | float]:
    """Weakly informative priors from the size of the measurements: their mean, and twice their sd, rounded.

    They look at the data once. Whoever knows which values are plausible writes these instead.
    """
    mean, sd = float(np.mean(y)), _sd(y)
    scale = float(f"{2 * (sd or abs(mean) or 1):.2g}")
    step = 10.0 ** np.floor(np.log10(scale))  # digits of the mean that matter
    mean = float(f"{np.floor(mean / step + 0.5) * step:.12g}")
    mean, scale = (int(x) if x.is_integer() and abs(x) < 1e15 else x for x in (mean, scale))
    return {"theta": (mean, scale), "tau": scale, "sigma": scale}


def _sd(y: np.ndarray) -> float:
    """Give the standard deviation of the measurements about their mean; 0 for a single one."""
    return float(np.std(y, ddof=1)) if len(y) > 1 else 0.0
