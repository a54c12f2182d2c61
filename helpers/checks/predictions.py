"""What a program predicts, held against its own draws, and an elpd, held against the exact one."""

from collections.abc import Mapping

import numpy as np
from scipy.stats import norm

from helpers.checks import WrongAnswer, answers, programs
from helpers.exact import exact_loo, exact_posterior
from helpers.likelihoods import SIZE
from helpers.priors import PRIOR


def hold(samples, data: Mapping) -> np.ndarray:
    """Hold log_lik and y_rep of a program for three levels against its other draws.

    Parameters
    ----------
    samples : xarray.DataTree
        As `programs.sample` gives it.
    data : dict
        What the program got.

    Returns
    -------
    array, shape (chains, draws, N)
        log_lik.

    Raises
    ------
    WrongAnswer
        If one of the two is not there, or not what it should be, with a hint at why.
    """
    post = {name: x.values for group in samples.children.values() for name, x in group.data_vars.items()}
    for name in ("theta_1", "theta_2", "theta_3"):
        programs.by_chain(samples, f"{name}[1]")  # says so if there is none
    for name in ("log_lik", "y_rep"):
        if name not in post:
            raise WrongAnswer(f"There is no {name!r}: declare it at the top of generated quantities.")
        if (shape := post[name].shape[2:]) != (data["N"],):
            n, more = shape[0] if shape else 1, "" if shape else " Which cells are odd, a sum does not say."
            raise WrongAnswer(f"{name!r} has {n} for {data['N']} cells. Give one for each.{more}")
        if np.isnan(post[name]).any():
            raise WrongAnswer(f"{name!r} is nan. A cell has no mean of its own: use that of index_3[n].")
    log_lik = post["log_lik"]
    post = {name: x.reshape(-1, x.shape[-1] if x.ndim == 3 else 1) for name, x in post.items()}
    day, batch, colony = (np.array(data[f"index_{k}"]) - 1 for k in (1, 2, 3))
    means = [post["theta_3"][:, colony], post["theta_2"][:, batch[colony]]]
    means += [post["theta_1"][:, day[batch[colony]]], post["theta"]]
    log_density(post, np.array(data["y"]), means)
    anew(post, np.array(data["y"]), means)
    return log_lik


WHERE = [("theta_2", "batch"), ("theta_1", "day"), ("theta", "population")]
NO_ROOT = "Stan's normal takes σ, not its square."


def log_density(post: dict, y: np.ndarray, means: list) -> None:
    """Refuse a log_lik that is not the log density of each cell, draw by draw.

    Parameters
    ----------
    post : dict of array, shape (draws, N) or (draws, 1)
        ``log_lik``, ``y_rep``, ``sigma`` and ``tau``.
    y : array, shape (N,)
        The cells.
    means : list of array, shape (draws, N) or (draws, 1)
        Means of each cell's colony, of its batch, of its day, and θ.

    Raises
    ------
    WrongAnswer
        Where it is not, with a hint at why.
    """

    def is_(other):  # of 12 digits
        return np.allclose(post["log_lik"], other, rtol=1e-6, atol=1e-6)

    sigma = post["sigma"]
    truth = norm.logpdf(y, means[0], sigma)
    wrong = [
        (truth.sum(axis=1, keepdims=True), "each entry is the sum over all cells. Take y[n], not y."),
        (np.exp(truth), "this is the density. Its logarithm was asked for: normal_lpdf."),
        (-truth, "this has the opposite sign."),
        (-2 * truth, "this is a deviance. Leave out the -2."),
        (truth + np.log(2 * np.pi) / 2, "its constant is missing, log(2π)/2. normal_lpdf has it."),
        (norm.logpdf(y, means[0], sigma**2), NO_ROOT),
        (norm.logpdf(post["y_rep"], means[0], sigma), "this is of y_rep. How well is y predicted?"),
    ]
    for (name, of), mean in zip(WHERE, means[1:], strict=True):
        wrong.append((norm.logpdf(y, mean, sigma), f"{name} is the mean of its {of}. Take its colony's."))
    if not is_(truth):
        answers.refuse_mistakes(is_, [(other, f"'log_lik': {hint}") for other, hint in wrong])
        if np.allclose(np.sort(post["log_lik"]), np.sort(truth), atol=1e-6):
            raise WrongAnswer("'log_lik': right numbers, in another order. Entry n is that of cell n.")
        raise WrongAnswer("'log_lik': entry n is normal_lpdf of y[n], given its colony's mean and sigma.")


def anew(post: dict, y: np.ndarray, means: list) -> None:
    """Refuse a y_rep that is no new cell of the same colony; arguments and errors as of `log_density`.

    Given a draw it is normal about its colony, and no cell has to do with another. Each of three numbers is
    more than five standard errors off once in two million times.
    """
    y_rep, tau, sigma = (post[name] for name in ("y_rep", "tau", "sigma"))

    def off(x):
        return abs(x.mean()) / max(x.std(), 1e-9) * len(x) ** 0.5

    def is_(model):
        z = (y_rep - model[0]) / model[1]
        return max(off(z.mean(axis=1)), off((z**2).mean(axis=1) - 1)) < programs.TOO_FAR

    for other, hint in [
        (y, "these are the cells that were measured. Draw new ones, with normal_rng."),
        (means[0], "this is its colony's mean. A cell differs from it, by an error of size σ."),
    ]:
        if np.allclose(y_rep, other, rtol=1e-6):
            raise WrongAnswer(f"'y_rep': {hint}")
    new = "New groups are another question: here each cell is in its colony, theta_3[index_3[n]]."
    wrong = [
        ((means[0], sigma**2), NO_ROOT),
        ((means[3], np.hypot(3**0.5 * tau, sigma)), f"this cell is of a new day. {new}"),
        ((means[1], np.hypot(tau, sigma)), f"this cell is of a new colony. {new}"),
    ]
    for (name, of), mean in zip(WHERE, means[1:], strict=True):
        wrong.append(((mean, sigma), f"{name} is the mean of its {of}. Take its colony's."))
    if not is_((means[0], sigma)):
        answers.refuse_mistakes(is_, [(model, f"'y_rep': {hint}") for model, hint in wrong])
        raise WrongAnswer("'y_rep': entry n is a draw from the normal distribution that y[n] has.")
    z = (y_rep - means[0]) / sigma
    if off(z.sum(axis=1) ** 2 - (z**2).sum(axis=1)) > programs.TOO_FAR:
        raise WrongAnswer("'y_rep': all cells share an error. Draw one for each.")


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
