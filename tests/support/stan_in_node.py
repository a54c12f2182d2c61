"""What tests of the sampler in the pages share: programs compiled for pages sample in node."""

import functools
import shutil
import tempfile
from pathlib import Path

import cmdstanpy
import node
import numpy as np
import pytest
from cmdstanpy.utils import write_stan_json

import helpers
from book.browser.stan import build
from helpers.data import LEVELS

SETTINGS = {"adaptDelta": 0.8, "seed": 1, "warmup": 1000, "draws": 1000, "chains": 4}
# Rounding differs in the last digit, and every leapfrog step makes more of it: with other seeds the two part
# after 11 rows or more, with this one and the second chain after 28 or more.
ROWS, SEED = 20, 1
SAMPLE = """
const rows = new Map();
const onRows = (chain, some) => rows.set(chain, [...(rows.get(chain) ?? []), ...some]);
const run = course.sample(program, data, settings, follow, onRows);
const { names, chains } = await run.done;
return {
  names, followed: chains.map((_, i) => rows.get(i + 1)),
  chains: chains.map(({ draws, adapted }) => ({ draws, adapted })),
};
"""


@functools.cache
def script(program: str) -> Path:
    """Compile a program unless it is there, and give the script that pages load."""
    if not shutil.which("em++"):
        pytest.skip(f"no em++: the sampler of the pages is not tested; `{build.INSTALL}`")
    build.build([helpers.stan_file(program)])
    path = Path(tempfile.mkdtemp(prefix="scripts-"), f"{program}.js")
    path.write_text(build.page_script(program), "utf-8")
    return path


def data_of(program: str) -> dict:
    """Give data that a program reads, ready for JSON."""
    data = helpers.stan_data(helpers.measurements(), LEVELS, "y")[0]
    if program.startswith("tree"):
        other = {"likelihood": "student_t", "nu": 4} if program == "tree_family" else {}
        data = helpers.tree_data(data, weight=0.3, write_nodes=True, **other)
    return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in data.items()}


def run(body: str, program: str, data=None, follow=(), **settings):
    """Run a JavaScript body that may sample with `program`, `data`, `settings` and `follow`."""
    return node.run(
        body, "stan/sampler.js", script(program), program=program,
        data=data or data_of(program), settings=SETTINGS | settings, follow=list(follow),
    )  # fmt: skip


def sample(program: str, follow=(), **settings) -> dict:
    """Sample: names of all columns, the rows that were followed, and of each chain draws and adaptation."""
    return run(SAMPLE, program, follow=follow, **settings)


def draws(result: dict) -> dict[str, np.ndarray]:
    """Draws of each column, shape (chains, draws)."""
    table = np.array([chain["draws"] for chain in result["chains"]])
    table = table.reshape(len(table), -1, len(result["names"]))
    return {name: table[:, :, i] for i, name in enumerate(result["names"])}


def first_rows_agree(program: str, folder: Path) -> None:
    """Hold the first rows of a chain, warmup included, against those of CmdStan."""
    if cmdstanpy.cmdstan_version() != build.VERSION:
        pytest.skip("pages sample with Stan 2.27; another Stan draws other random numbers")
    write_stan_json(str(folder / "data.json"), data_of(program))
    fit = helpers.stan_model(program).sample(
        data=str(folder / "data.json"), seed=SEED, chains=1, chain_ids=[2], iter_warmup=100,
        iter_sampling=20, save_warmup=True, sig_figs=18, show_progress=False,
    )  # fmt: skip
    native = fit.draws(inc_warmup=True, concat_chains=True)[:ROWS]
    names = [name.replace("[", ".").replace("]", "").replace(",", ".") for name in fit.column_names]
    result = sample(program, names, seed=SEED, chains=2, warmup=100, draws=20)
    assert result["names"] == names
    ours = np.array(result["followed"][1]).reshape(-1, len(names))
    assert len(ours) == 120
    np.testing.assert_allclose(ours[:ROWS], native, rtol=1e-5, atol=1e-12)
