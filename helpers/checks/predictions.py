"""An elpd, held against the exact one, and what the other measurements let one expect."""

from collections.abc import Mapping

import numpy as np

from helpers.checks import WrongAnswer, answers
from helpers.exact import exact_loo, exact_posterior
from helpers.likelihoods import SIZE
from helpers.priors import PRIOR


def refuse_elpd(elpd: float, exact, data: Mapping, prior: Mapping | None, model: dict) -> None:
    """Say in what an elpd differs from the exact one, which is that of `exact_loo` with the arguments."""
    y = np.asarray(data[model["values"]])
    pooled = {**(prior or {}), "tau": 1e-6 * float(np.std(y))}
    mistakes = [
        (lambda: exact.elpd / exact.n_data_points, "This is the mean. Give the sum of all log densities."),
        (lambda: -2 * exact.elpd, "This is a deviance, -2 times elpd."),
        (lambda: -exact.elpd, "This has the opposite sign."),
        (lambda: exact.elpd + exact.p, "Nothing was left out here. Take elpd, without p."),
        (lambda: exact_posterior(data, prior, **_model(model)).log_evidence, "This is the log evidence."),
        (lambda: exact_loo(data, pooled, **model).elpd, "This is of complete pooling. Take your prior of τ."),
    ]
    answers.refuse_mistakes(lambda other: abs(elpd - other()) < 0.01, mistakes)
    if abs(elpd - exact.elpd) < 1:
        raise WrongAnswer("It is near. Is it from draws, or rounded? helpers.exact_loo gives more digits.")
    raise WrongAnswer(
        "'elpd' is another one. Is it of this table, with this prior and one τ? What else you told exact_loo "
        "belongs in the answer, too: 'values', 'likelihood', 'nu', 'sigma', 'shared_tau' or 'leave_out'."
    )


def expected(i: int, data: Mapping, prior: Mapping | None, model: dict) -> str:
    """Say what the other measurements lead one to expect in place of the one at i, counted from 0."""
    levels = sum(name.startswith("J_") for name in data)
    leaf = np.asarray(data[f"index_{levels}"])
    if np.sum(leaf == leaf[i]) == 1:
        return "It is alone in its group."
    size = SIZE.get(model["likelihood"])
    rest = {name: x for name, x in data.items() if name != "N"}
    for name in {model["values"], f"index_{levels}", size} & {*data}:
        rest[name] = np.delete(np.asarray(data[name]), i)
    known = {"sigma": np.delete(np.asarray(model["sigma"]), i)} if "sigma" in model else {}
    # that the lessons' priors suit the table was seen with all of it
    prior = dict(prior or {}) if size else PRIOR | dict(prior or {})
    mean = exact_posterior(rest, prior, **_model(model) | known).mean(
        f"theta_{levels}[{leaf[i]}]", scale="data"
    )
    mean *= np.asarray(data[size])[i] if size in data else 1
    return f"The others let one expect about {mean:.4g}."


def _model(model: dict) -> dict:
    """Leave out what `exact_posterior` does not take, and ask for no more digits than are shown."""
    return {name: x for name, x in model.items() if name != "leave_out"} | {"tolerance": 1e-5}
