"""Programs compile for pages, also after a kill, and draw from the posterior that is exact."""

import subprocess
import sys

import arviz
import numpy as np
import pytest
import stan_in_node
from stan_in_node import draws, sample
from waiting import wait_for

import helpers
from book.browser.stan import build
from helpers.data import LEVELS

BUILD = """
from pathlib import Path
from book.browser.stan import build
build.build([Path({program!r})], Path({out!r}))
"""


@pytest.fixture(autouse=True)
def compiler():
    """Skip all this where there is no em++."""
    stan_in_node.script(build.PROGRAMS[0])


@pytest.mark.parametrize(("program", "tau"), [("noncentered", "tau"), ("tree_marginal", "tau.1")])
def test_draws_in_pages_have_the_exact_means(program, tau):
    """24 chains; a seed of which all is well would be found to be off by 4 MCSE once in 4,000."""
    exact = helpers.exact_posterior(helpers.stan_data(helpers.measurements(), LEVELS, "y")[0])
    runs = [draws(sample(program, seed=seed, chains=8)) for seed in (11, 12, 13)]
    chains = {name: np.concatenate([run[name] for run in runs]) for name in ("theta", tau, "sigma")}
    found = {
        "mean of θ": (chains["theta"], exact.mean("theta")),
        "mean of τ": (chains[tau], exact.mean("tau")),
        "mean of σ": (chains["sigma"], exact.mean("sigma")),
        "P(τ < 0.1)": (chains[tau] < 0.1, exact.cdf("tau", 0.1)),
    }
    for what, (x, true) in found.items():
        assert len(np.unique(x[:, 0])) in (2, 24), f"{what}: chains differ"
        error = float(arviz.mcse(x.astype(float)))
        assert abs(x.mean() - true) < 4 * error, what
        assert error < 0.02, what


def test_a_killed_build_leaves_nothing_and_a_finished_one_is_kept(tmp_path):
    program, out = tmp_path / "small.stan", tmp_path / "out"
    program.write_text("parameters { real x; } model { x ~ std_normal(); }")
    words = [sys.executable, "-c", BUILD.format(program=str(program), out=str(out))]
    with subprocess.Popen(words, stderr=subprocess.DEVNULL) as killed:
        wait_for(lambda: list(out.glob("compiling-*/*.cpp")) or killed.poll() is not None)
        killed.kill()
    assert not list(out.glob("*.js"))
    build.build([program], out)
    assert sorted(path.name for path in out.iterdir()) == [".lock", "small.js"]
    written = (out / "small.js").stat().st_mtime_ns
    build.build([program], out)
    assert (out / "small.js").stat().st_mtime_ns == written
    before = build.key(program, out, "em++")
    program.write_text("parameters { real x; } model { x ~ normal(1, 1); }")
    assert build.key(program, out, "em++") != before != build.key(program, out, "another em++")


def test_a_program_that_stan_refuses_stops_with_stans_words(tmp_path):
    (tmp_path / "wrong.stan").write_text("parameters { real x } model { x ~ std_normal(); }")
    with pytest.raises(build.BuildError, match=r"(?s)^stanc fails:\n.*line 1.*expected"):
        build.build([tmp_path / "wrong.stan"], tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == [".lock"]
