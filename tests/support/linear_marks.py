"""`slopes` and `crossed` on tables of all kinds, and how far they are from their exact posteriors."""

import functools

import numpy as np
import polars as pl
from arviz_stats import mcse
from linear_tables import PENICILLIN, SLEEP, crossing, lines, penicillin, sleepstudy

import helpers


def alike():
    """Lines of six groups that have the same slope, but for what the noise makes of it."""
    rng = np.random.default_rng(3)
    X = np.tile([-1.5, -0.5, 0.5, 1.5], 6)
    y = 10 + np.repeat(rng.normal(size=6), 4) + X + rng.normal(size=24)
    return lines([4] * 6, X, y, prior_tau=[2, 1])


def plates():
    """Batches within days, and plates that meet all batches; a predictor, and nothing centered."""
    rng = np.random.default_rng(4)
    batch, plate = np.repeat(np.arange(6), 4), np.tile(np.arange(4), 6)
    X = rng.normal(size=24)
    y = 10 + rng.normal(size=6)[batch] + rng.normal(0, 0.5, 4)[plate] + X + rng.normal(0, 0.7, 24)
    return crossing([batch // 2, batch, plate], X, y, centered=[0, 0, 0])


CASES = {
    "sleepstudy": ("slopes", lambda: sleepstudy() | SLEEP, {}),
    "slopes alike": ("slopes", alike, {"adapt_delta": 0.99}),
    "penicillin": (
        "crossed",
        lambda: penicillin() | PENICILLIN | {"centered": [1, 1]},
        {"adapt_delta": 0.95},
    ),
    "plates": ("crossed", plates, {"adapt_delta": 0.99}),
}


@functools.cache
def exact(name):
    program, make, _ = CASES[name]
    ask = helpers.exact_slopes if program == "slopes" else helpers.exact_crossed
    return ask(make(), tolerance=1e-4)  # far below a Monte Carlo standard error


def marks(run, post) -> pl.DataFrame:
    """As `score`, and of P(τ < its mean) of every τ, and of P(ρ < -0.5)."""
    below = {name: float(post.mean(name)) for name in post.names if name.startswith("tau")}
    below |= {"rho": -0.5} if "rho" in post.names else {}
    rows = []
    for name in [name for name in post.names if "_" not in name]:
        values = helpers.draws(run, name).reshape(run["posterior"].sizes["chain"], -1)
        rows.append((f"E[{name}]", values, post.mean(name)))
        if name in below:
            share = (values < below[name]).astype(float)
            rows.append((f"P({name} < {below[name]:.2g})", share, post.cdf(name, below[name])))
    with np.errstate(divide="ignore"):  # where no draw of a faulty program is on the other side
        found = [(what, (values.mean() - right) / np.float64(mcse(values))) for what, values, right in rows]
    return pl.DataFrame(found, schema=["quantity", "error_in_mcse"], orient="row")
