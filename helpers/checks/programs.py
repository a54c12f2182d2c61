"""What the checks of a reader's Stan programs share: draw, and hold the draws against the exact answer."""

import logging
import os
from pathlib import Path

import arviz_base
import arviz_stats
import numpy as np

from helpers.checks import WrongAnswer, answers
from helpers.compiling import originals
from helpers.diagnostics import DISAGREE
from helpers.models import stan_file, stan_model

SEED = 3
TOO_FAR = 5.0  # Monte Carlo standard errors


def sample(program: str | os.PathLike, data: dict, **options):
    """Draw from a reader's program: 4 chains of 1000 draws, without a word in cmdstanpy's log.

    Parameters
    ----------
    program : str or path
        Path of the ``.stan`` file.
    data : dict
        What it gets. Further items do no harm.
    **options
        Passed to `cmdstanpy.CmdStanModel.sample`.

    Returns
    -------
    xarray.DataTree
        As `arviz.from_cmdstanpy` gives it.

    Raises
    ------
    TypeError
        If `program` is not a path.
    WrongAnswer
        If the program stops while it runs, or is one of the course that was edited.
    """
    if not isinstance(program, str | os.PathLike):
        raise answers.refuse(program, "the path of your Stan program")
    if "\n" in str(program):
        raise TypeError("the answer is the text of a program: save it to a file, and give the path of that")
    source = stan_file(Path(program))
    names, command = originals.edited(source.parent)
    if source.parent.resolve() == stan_file("centered").parent.resolve() and source.name in names:
        raise WrongAnswer(
            f"{os.path.relpath(source)} is the course's own, which lessons use, and was edited: copy it "
            f"beside this lesson, edit the copy, and bring the course's back by `{command}` in a cell."
        )
    model = stan_model(source)
    logger = logging.getLogger("cmdstanpy")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        fit = model.sample(**{"data": data, "seed": SEED} | options)
    except RuntimeError as error:
        raise WrongAnswer(f"With the data of this check, {error}.") from error
    finally:
        logger.setLevel(level)
    return arviz_base.from_cmdstanpy(fit, index_origin=1)


def distance(samples, name: str, truth: float) -> float:
    """How many Monte Carlo standard errors the mean of a parameter lies from its exact value.

    Raises
    ------
    WrongAnswer
        If the program has no such parameter, or chains that disagree.
    """
    return away(by_chain(samples, name), truth, name)


def by_chain(samples, name: str) -> np.ndarray:
    """Draws of one parameter, such as ``"tau"`` or ``"theta_1[2]"``, shape (chains, draws).

    Raises
    ------
    WrongAnswer
        If the program has no such parameter.
    """
    word, _, index = name.partition("[")
    draws = samples["posterior"].get(word)
    if draws is None or draws.ndim != (3 if index else 2):
        raise WrongAnswer(f"There is no {name!r} among the draws: keep the names of the parameters.")
    return draws.values[..., int(index[:-1]) - 1] if index else draws.values


def away(draws: np.ndarray, truth: float, name: str) -> float:
    """How many Monte Carlo standard errors the mean of draws, shape (chains, draws), lies from the truth.

    Raises
    ------
    WrongAnswer
        If the chains disagree; the message calls the draws by `name`.
    """
    if not arviz_stats.rhat(draws) < DISAGREE:
        raise WrongAnswer(f"The chains of your program disagree on {name}: R-hat is above {DISAGREE}.")
    return float(abs(np.mean(draws) - truth) / arviz_stats.mcse(draws))


def prediction(y_new: np.ndarray, theta: np.ndarray, variance: np.ndarray, nodes: np.ndarray) -> dict:
    """Hold draws of a new cell against theta and variance, draw by draw.

    Given θ and the spreads of a draw, a cell on a new day is normal about θ, and has nothing to do with the
    days in the data. So this needs no exact posterior, and how the chains mix does not matter: each result is
    a standard normal number, beyond `TOO_FAR` once in two million times.

    Parameters
    ----------
    y_new, theta, variance : array, shape (n,)
        Draws of the cell, of the mean of all days, and the variance that the cell has about it.
    nodes : array, shape (n, nodes)
        Draws of nodes in the data.

    Returns
    -------
    dict
        In standard errors: ``mean``, how far the cell lies from θ; ``variance``, how far its variance lies
        from what it should be; and ``nodes``, how closely it follows those in the data.
    """
    z = (y_new - theta) / np.sqrt(variance)
    away = nodes.mean(axis=1) - theta
    square = np.mean(z**2)
    size = np.sqrt(square) or 1.0
    return {
        "mean": z.mean() / size * np.sqrt(z.size),
        "variance": (square - 1) * np.sqrt(z.size / 2),
        "nodes": z @ away / size / np.sqrt(away @ away),
    }


def agrees(samples, exact, names: list[str]) -> bool:
    """Whether the means of some parameters, such as ``["theta", "tau"]``, are those of an `ExactPosterior`.

    Raises
    ------
    WrongAnswer
        If the program has no such parameter, or chains that disagree.
    """
    return all(distance(samples, name, exact.mean(name)) < TOO_FAR for name in names)
