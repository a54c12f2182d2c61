"""What tests of `calibrate` share: a program whose posterior is known, and tables of it."""

import json
import os
import signal

import distributed
import polars as pl
import pytest

import helpers
from helpers.calibration.job import seeds

PROGRAM = """data {
  real y;
  int refuse;
  int loops;
}
transformed data {
  real x = y;
  if (refuse) reject("this one is refused");
  for (k in 1:loops) x = cos(x);
}
parameters {
  real mu;
}
model {
  mu ~ normal(0, 1);
  y ~ normal(mu, 1);
}
generated quantities {
  real no_matter = x;
}
"""
OPTIONS = {"chains": 2, "iter_warmup": 200, "iter_sampling": 500, "show_progress": False}
PAUSE = 2_500_000  # loops: about a tenth of a second in each chain, with no effect on the draws
FOREVER = 2**31 - 1  # half a minute and more


def simulation(cases=None, loops=0):
    """Return a simulation in which single replications do something else.

    A function within a function is sent to workers as it is; they cannot import this module.
    """
    cases = {truth(i): what for i, what in (cases or {}).items()}

    def simulate(rng):
        mu = rng.normal()
        data = {"y": rng.normal(mu), "refuse": 0, "loops": loops}
        what = cases.get(mu, {})
        if what == "raise":
            raise ZeroDivisionError("no such day")
        if what == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        return {"mu": mu}, data | what

    return simulate


def truth(i):
    return float(seeds(1, i)[0].normal())


def agree(table, reference, replications):
    """Say whether a table has just these replications of another; shrinkage depends on all of them."""
    expected = reference.filter(pl.col("replication").is_in(list(replications)))
    return table.drop("seconds", "shrinkage").equals(expected.drop("seconds", "shrinkage"))


def journal(folder):
    (path,) = folder.glob("*.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="session")
def program(tmp_path_factory):
    path = tmp_path_factory.mktemp("program") / "pausing.stan"
    path.write_text(PROGRAM)
    helpers.stan_model(path)
    return path


@pytest.fixture(scope="module")
def here():
    """Give a client of this process, with two threads."""
    options = {"n_workers": 1, "threads_per_worker": 2, "dashboard_address": "127.0.0.1:0"}
    with distributed.Client(processes=False, **options) as client:
        yield client


@pytest.fixture(scope="module")
def reference(program, here, tmp_path_factory):
    """Make the table that all ways of running must give: a hundred replications at once."""
    folder = tmp_path_factory.mktemp("reference")
    return helpers.calibrate(program, simulation(), 100, here, folder=folder, **OPTIONS)
