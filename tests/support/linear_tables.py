"""Small tables for lines that vary by group and for groups that cross, with their priors."""

import numpy as np
import polars as pl

import helpers

SLEEP = {"prior_theta": [250, 100], "prior_beta": [[0, 20]], "prior_tau": [100, 20], "prior_sigma": 50}
SLEEP["prior_rho"] = 2
PENICILLIN = {"prior_theta": [23, 5], "prior_beta": [], "prior_tau": [5, 5], "prior_sigma": 2}


def lines(counts, X, y=None, seed=1, **priors) -> dict:
    """Groups of so many measurements, with predictors X; measurements at random unless they are given."""
    index = np.repeat(np.arange(len(counts)), counts) + 1
    X = np.asarray(X, float).reshape(len(index), -1)
    random = np.random.default_rng(seed)
    about = (X[:, 0] - X[:, 0].mean()) / (np.std(X[:, 0]) or 1)
    y = 10 + about + random.normal(size=len(index)) if y is None else np.asarray(y, float)
    data = {"N": len(y), "J_1": len(counts), "index_1": index, "P": X.shape[1], "X": X, "y": y}
    own = {"prior_theta": [10, 3], "prior_beta": [[0, 2]] * X.shape[1], "prior_tau": [2, 1]}
    return data | own | {"prior_rho": 2, "prior_sigma": 2} | priors


def crossing(index, X=None, y=None, seed=1, **priors) -> dict:
    """Factors from the groups of every measurement, from 0; measurements at random unless they are given."""
    index = np.asarray(index) + 1
    X = np.empty((index.shape[1], 0)) if X is None else np.asarray(X, float).reshape(index.shape[1], -1)
    y = np.random.default_rng(seed).normal(10, 1, len(X)) if y is None else np.asarray(y, float)
    data = {"N": len(y), "F": len(index), "J": index.max(axis=1), "index": index, "P": X.shape[1], "X": X}
    own = {"prior_theta": [10, 3], "prior_beta": np.reshape([[0, 2]] * X.shape[1], (-1, 2))}
    return data | {"y": y} | own | {"prior_tau": [2] * len(index), "prior_sigma": 2} | priors


def table(name) -> pl.DataFrame:
    return pl.read_csv(helpers.table_file(f"{name}.csv"), comment_prefix="#")


def sleepstudy(**options) -> dict:
    options = {"levels": "subject", "predictors": "days", "remark": False} | options
    data, _ = helpers.stan_data(table("sleepstudy"), values="reaction", **options)
    data["y"] = data.pop("reaction")
    return data


def penicillin() -> dict:
    data, _ = helpers.stan_data(table("penicillin"), values="diameter", crossed=["plate", "sample"])
    data["y"] = data.pop("diameter")
    return data
