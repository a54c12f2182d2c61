"""`score`: mark a sampler against the exact posterior."""

import numpy as np
import polars as pl

from helpers.exact.answers import Answers
from helpers.inputs import describe_type, is_number, short_repr
from helpers.tree import draws


def score(samples, exact: Answers, below: float = 0.1) -> pl.DataFrame:
    """Mark a sampler against the exact posterior.

    Parameters
    ----------
    samples
        What `arviz.from_cmdstanpy` gives: a DataTree with the group ``posterior``.
    exact
        The exact posterior of the same model and data.
    below
        The threshold of the row ``P(tau < …)``, in the unit of the measurements.

    Returns
    -------
    polars.DataFrame
        A row for θ, τ, σ (unless it is known) and P(τ < `below`); if there are several τ, two rows for each;
        and one for β and ρ, if the model has them. ``quantity``, ``estimate`` (the mean over the draws),
        ``exact``, ``error``, ``mcse`` (ArviZ's, of the mean), ``error_in_mcse``: about standard normal for a
        sampler that is right. The latter is nan if all draws agree, as then nothing is known of the error.

    Raises
    ------
    TypeError
        If the samples are not what ArviZ gives, or `exact` is not what `exact_posterior` gives.
    ValueError
        If the samples lack one of the parameters, if a draw is not a finite number, or if `below` is not one.
    """
    from arviz_stats import mcse

    if not isinstance(exact, Answers):
        raise TypeError(f"exact is {describe_type(exact)}: give what helpers.exact_posterior gives")
    if not is_number(below):
        raise ValueError(f"below is {short_repr(below)}: give a finite number")
    names = [name for name in exact.names if "_" not in name]  # those with a number are of one group
    below = float(below)
    rows = [(name, _by_chain(samples, name), exact.mean(name)) for name in names]
    for name in names:
        if name.startswith("tau"):
            share = (_by_chain(samples, name) < below).astype(float)
            rows.append((f"P({name} < {below:g})", share, exact.cdf(name, below)))
    table = []
    for quantity, values, truth in rows:
        estimate, error_of_mean = float(values.mean()), float(mcse(values))
        error = estimate - truth
        table.append(
            (
                quantity,
                estimate,
                truth,
                error,
                error_of_mean,
                error / error_of_mean if error_of_mean > 0 else np.nan,
            )
        )
    columns = ["quantity", "estimate", "exact", "error", "mcse", "error_in_mcse"]
    return pl.DataFrame(table, schema=columns, orient="row")


def _by_chain(samples, name: str) -> np.ndarray:
    """Draws of one parameter, shape (chains, draws)."""
    x = draws(samples, name)
    bad = ~np.isfinite(x)
    if bad.any():
        i = bad.argmax()
        raise ValueError(f"draw {i + 1} of {name!r} is {x[i]}: look at the fit, which gave no finite number")
    return x.reshape(samples["posterior"].sizes["chain"], -1)
