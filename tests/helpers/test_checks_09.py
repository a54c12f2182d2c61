"""The checks of lesson 9 know right answers in any form, and have a hint for each typical mistake."""

import arviz
import numpy as np
import polars as pl
import pytest
from answering import refused, right, wrong

import helpers
from helpers.checks import programs
from helpers.data import LEVELS

NAMES = ["theta", "tau", "sigma"]


def test_09_1_shapes():
    shapes = {"too narrow": "up, then down", "too wide": "down, then up", "too low": "below"}
    right("09.1", shapes, {name: shape.upper() for name, shape in shapes.items()})
    wrong("09.1", shapes | {"too low": "above"}, "how many of them are below")
    wrong("09.1", shapes | {"too low": "up, then down"}, "one side")
    wrong("09.1", shapes | {"too narrow": "above"}, "either side")
    wrong("09.1", shapes | {"too narrow": "down, then up"}, "rank 0")
    wrong("09.1", shapes | {"too wide": "up, then down"}, "opposite")
    refused("09.1", shapes | {"too low": "down"}, "'too low'", "'below'")
    refused("09.1", {"too low": "below"}, "'too narrow'")


def rank(rng, mean=4 / 5, sd=5**-0.5, n=99, change=lambda rank: rank):
    mu = rng.normal()
    y = rng.normal(mu, 0.5)
    return change((rng.normal(mean * y, sd, n) < mu).sum()), y


def consistent_with_itself(rng):
    """Take the sd of a measurement for its variance, in simulation and posterior alike: ranks are even."""
    mu = rng.normal()
    y = rng.normal(mu, 0.5**0.5)
    return (rng.normal(2 / 3 * y, 3**-0.5, 99) < mu).sum(), y


def test_09_2_own_rank():
    right("09.2", rank)
    right("09.2", lambda rng: list(rank(rng)), lambda rng: np.array(rank(rng)))
    right(
        "09.2", lambda rng: pl.Series(map(float, rank(rng))), lambda rng: [np.array([x]) for x in rank(rng)]
    )
    right("09.2", lambda rng: rank(rng, change=float))
    wrong("09.2", lambda rng: rank(rng, sd=1 / 5), "both ends", "root")
    wrong("09.2", lambda rng: rank(rng, mean=1 / 5), "both ends", "weight of y")
    wrong("09.2", lambda rng: rank(rng, sd=1), "middle", "wide", "precision")
    wrong("09.2", lambda rng: rank(rng, sd=0.5), "middle", "wide", "precision")
    wrong("09.2", lambda rng: rank(rng, mean=1, sd=0.5), "even", "both, prior and measurement")
    wrong("09.2", lambda rng: rank(rng, mean=0, sd=1), "even", "both, prior and measurement")
    wrong("09.2", lambda rng: rank(rng, change=lambda r: 99 - r // 2), "large")
    wrong("09.2", lambda rng: rank(rng, change=lambda r: r // 2), "small")
    wrong("09.2", lambda rng: rank(rng, n=400), "between 0 and 99")
    wrong("09.2", lambda rng: rank(rng, change=lambda r: r / 2), "whole")
    wrong("09.2", lambda rng: rank(np.random.default_rng(1)), "from rng")
    wrong("09.2", lambda rng: (rank(rng)[0], 1), "scatter")
    wrong("09.2", lambda rng: consistent_with_itself(rng), "scatter by 1.2")
    refused("09.2", 17, "function")
    refused("09.2", lambda rng: None, "rank and y")
    refused("09.2", lambda rng: rank(rng)[0], "rank and y")


def table(n=60, seed=1, status="ok", scales=(3, 5, 5), mean=10, low=()):
    """Make a table as calibrate does, with even ranks, but for the parameters named in `low`."""
    rng = np.random.default_rng(seed)
    truths = [rng.normal(mean, scales[0], n), *(abs(rng.normal(0, scale, n)) for scale in scales[1:])]
    return pl.concat(
        pl.DataFrame(
            {
                "replication": range(n),
                "parameter": name,
                "truth": truth,
                "rank": rng.integers(100, size=n) // (4 if name in low else 1),
                "draws": 99,
                "shrinkage": learned,
                "status": status,
            }
        )
        for name, truth, learned in zip(NAMES, truths, (0.9, 0.5, 0.7), strict=True)
    )


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    text = helpers.stan_file("noncentered").read_text("utf-8")
    line = "sigma ~ normal(0, 5);"
    assert line in text
    path = tmp_path_factory.mktemp("bug") / "planted.stan"
    path.write_text(text.replace(line, "sigma ~ normal(0, 0.5);"), "utf-8")
    return path


def test_09_3_planted(planted):
    found = table(low=["sigma"])
    right("09.3", {"program": planted, "table": found})
    right("09.3", {"program": str(planted), "table": found.filter(pl.col("replication") < 30)})
    wrong("09.3", {"program": planted, "table": table()}, "60 replications", "beyond doubt")
    wrong("09.3", {"program": helpers.stan_file("noncentered"), "table": found}, "nothing that can be seen")
    wrong("09.3", {"program": planted, "table": found.filter(pl.col("replication") < 10)}, "10", "too few")
    wrong("09.3", {"program": planted, "table": found.filter(pl.col("parameter") != "tau")}, "tau")
    failed = {"program": planted, "table": table(status="timeout: a chain")}
    wrong("09.3", failed, "60 fits failed", "timeout")
    refused("09.3", {"program": planted}, "'table'")
    refused("09.3", {"program": planted, "table": pl.DataFrame({"a": [1]})}, "calibrate")


def test_09_3_a_bug_may_keep_chains_apart(planted, monkeypatch):
    data = helpers.stan_data(helpers.measurements(), LEVELS, "y")[0]
    draws = helpers.exact_posterior(data).draws(4000, seed=1)["posterior"]
    chains = {name: draws[name].values.reshape(4, 1000) for name in NAMES}
    chains["tau"][3] += 1
    monkeypatch.setattr(programs, "sample", lambda *_, **__: arviz.from_dict({"posterior": chains}))
    right("09.3", {"program": planted, "table": table(low=["sigma"])})


def test_09_4_how_many():
    numbers = {"0.06": 625, "0.006": 62_500}
    right("09.4", numbers)
    right("09.4", {"0.06": 600, "0.006": 6e4}, {0.06: 625, 0.006: 62_500}, {"0.060": 625, 0.006: 62_500})
    wrong("09.4", numbers | {"0.06": 25}, "Square")
    wrong("09.4", numbers | {"0.06": 100}, "solve")
    wrong("09.4", numbers | {"0.006": 6250}, "root")
    wrong("09.4", numbers | {"0.006": 1e6}, "ten times narrower")
    refused("09.4", {"0.06": 625}, "0.006")


def test_09_5_own_design():
    df = helpers.simulate([6, 4], theta=0, tau=1, sigma=1, seed=1, levels="plate")
    data, _ = helpers.stan_data(df, levels="plate", values="y")
    flat = helpers.tree_data(data, prior={"theta": (0, 2), "tau": 1, "sigma": 1})
    mine = {"data": flat, "table": table(scales=(2, 1, 1), mean=0), "least": "tau"}
    right("09.5", mine)
    wrong("09.5", mine | {"least": "theta"}, "most is learned")
    wrong("09.5", mine | {"least": "sigma"}, "medians")
    refused("09.5", mine | {"least": "node"}, "'node'", "'sigma'")
    refused("09.5", mine | {"least": ["tau"]}, "'tau'", "'sigma'")
    wrong("09.5", mine | {"table": table(scales=(2, 2.5, 1), mean=0)}, "tau", "same prior")
    wrong("09.5", mine | {"table": table(scales=(2, 1, 1), mean=4)}, "theta", "same prior")
    wrong("09.5", mine | {"table": table(scales=(2, 1, 1), mean=0, low=["tau"])}, "tau", "not even")
    wrong("09.5", mine | {"table": table(n=40, scales=(2, 1, 1), mean=0)}, "40", "50 or more")
    refused("09.5", mine | {"data": data}, "tree_data")
