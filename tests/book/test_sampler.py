"""The sampler in the pages is Stan's: the same numbers as from CmdStan, and the right answer."""

import math
import shutil
from pathlib import Path

import arviz
import cmdstanpy
import node
import numpy as np
import polars as pl
import pytest
from cmdstanpy.utils import write_stan_json

import helpers
from book.browser.stan import build

LEVELS = ["day", "batch", "colony"]
PROGRAMS = sorted(path.stem for path in (node.COURSE / "stan").glob("*.stan"))
# Rounding differs in the last digit, and every leapfrog step makes more of it: with other seeds the two part
# after 11 rows or more, with this one and the second chain after 28 or more.
ROWS, SEED = 20, 1


@pytest.fixture(scope="session")
def scripts(tmp_path_factory) -> Path:
    """Folder with what pages load of every program."""
    if not shutil.which("em++"):
        pytest.skip(f"no em++: the sampler of the pages is not tested; `{build.INSTALL}`")
    build.build([helpers.stan_file(name) for name in PROGRAMS])
    folder = tmp_path_factory.mktemp("scripts")
    for name in PROGRAMS:
        (folder / f"{name}.js").write_text(build.page_script(name), "utf-8")
    return folder


def test_what_pages_load_carries_the_licences_of_what_is_in_it(scripts):
    for name in PROGRAMS:
        text = (scripts / f"{name}.js").read_text("utf-8")
        for owner in ["Stan Developers and their Assignees", "Eigen", "Boost Software License", "Tencent"]:
            assert owner in text, (name, owner)


def data_of(program: str) -> dict:
    """Data that a program reads, ready for JSON."""
    if program == "funnel":
        return {}
    if program.startswith("schools"):
        estimates = {"y": [28, 8, -3, 7, -1, 1, 18, 12], "sigma": [15, 10, 16, 11, 9, 11, 10, 18]}
        data = helpers.stan_data(pl.DataFrame(estimates | {"school": range(8)}), "school", ["y", "sigma"])[0]
    else:
        data = helpers.stan_data(helpers.measurements(), LEVELS, "y")[0]
    if program.startswith("tree"):
        data = helpers.tree_data(data, weight=0.3, write_nodes=True)
    return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in data.items()}


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


def sample(scripts, program, follow=(), data=None, **settings):
    settings = {"adaptDelta": 0.8, "seed": 1, "warmup": 1000, "draws": 1000, "chains": 4} | settings
    return node.run(
        SAMPLE, "sampler.js", scripts / f"{program}.js",
        program=program, data=data or data_of(program), settings=settings, follow=list(follow),
    )  # fmt: skip


def draws(result) -> dict[str, np.ndarray]:
    """Draws of each column, shape (chains, draws)."""
    table = np.array([chain["draws"] for chain in result["chains"]])
    table = table.reshape(len(table), -1, len(result["names"]))
    return {name: table[:, :, i] for i, name in enumerate(result["names"])}


@pytest.mark.parametrize("program", PROGRAMS)
def test_first_rows_are_those_of_cmdstan(scripts, program, tmp_path):
    if cmdstanpy.cmdstan_version() != build.VERSION:
        pytest.skip("pages sample with Stan 2.27; another Stan draws other random numbers")
    write_stan_json(str(tmp_path / "data.json"), data_of(program))
    fit = helpers.stan_model(program).sample(
        data=str(tmp_path / "data.json"), seed=SEED, chains=1, chain_ids=[2], iter_warmup=100,
        iter_sampling=20, save_warmup=True, sig_figs=18, show_progress=False,
    )  # fmt: skip
    native = fit.draws(inc_warmup=True, concat_chains=True)[:ROWS]
    names = [name.replace("[", ".").replace("]", "").replace(",", ".") for name in fit.column_names]
    result = sample(scripts, program, names, seed=SEED, chains=2, warmup=100, draws=20)
    assert result["names"] == names
    ours = np.array(result["followed"][1]).reshape(-1, len(names))
    assert len(ours) == 120
    np.testing.assert_allclose(ours[:ROWS], native, rtol=1e-5, atol=1e-12)


@pytest.mark.parametrize("program", ["noncentered", "tree_marginal"])
def test_draws_have_the_exact_means(scripts, program):
    """24 chains; a seed of which all is well would be found to be off by 4 MCSE once in 4,000."""
    exact = helpers.exact_posterior(helpers.stan_data(helpers.measurements(), LEVELS, "y")[0])
    runs = [draws(sample(scripts, program, seed=seed, chains=8)) for seed in (11, 12, 13)]
    chains = {name: np.concatenate([run[name] for run in runs]) for name in runs[0]}
    tau = "tau.1" if program == "tree_marginal" else "tau"
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


def test_rows_come_while_the_chain_runs_and_hold_what_was_asked_for(scripts):
    result = sample(scripts, "noncentered", ["tau", "divergent__"], warmup=300, draws=200, chains=2)
    for followed, tau, divergent in zip(
        result["followed"], draws(result)["tau"], draws(result)["divergent__"], strict=True
    ):
        rows = np.array(followed).reshape(-1, 2)
        assert len(rows) == 500
        np.testing.assert_array_equal(rows[300:], np.column_stack([tau, divergent]))


def test_one_seed_gives_one_answer_and_another_seed_another(scripts):
    first, again, other = (
        sample(scripts, "centered", seed=seed, warmup=50, draws=20, chains=2) for seed in (1, 1, 2)
    )
    first, again, other = ([chain["draws"] for chain in run["chains"]] for run in (first, again, other))
    assert first == again
    assert first[0] != first[1]
    assert first[0] != other[0]


def test_step_size_and_metric_are_told(scripts):
    result = sample(scripts, "noncentered", warmup=200, draws=10, chains=1)
    lines = result["chains"][0]["adapted"].splitlines()
    assert lines[0] == "Adaptation terminated"
    step_size = float(lines[1].removeprefix("Step size = "))
    assert math.isclose(step_size, draws(result)["stepsize__"][0, 0], rel_tol=1e-4)
    assert len(lines[3].split(",")) == 3 + 28


FAILS = """
try {
  const run = course.sample(program, data, settings, ["theta"], () => {});
  return { value: await run.done };
} catch (error) {
  return { message: error.message };
}
"""
GOOD = {"adaptDelta": 0.8, "seed": 1, "warmup": 10, "draws": 10, "chains": 1}


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("adaptDelta", 1, "adapt_delta is 1: give a number from 0.01 to 0.999, such as 0.8."),
        ("adaptDelta", None, "adapt_delta is not a number: give a number from 0.01 to 0.999, such as 0.8."),
        ("seed", -1, "seed is -1: give a whole number from 0 to 4294967295."),
        ("seed", 1.5, "seed is 1.5: give a whole number from 0 to 4294967295."),
        ("warmup", 1e9, "warmup is 1000000000: give a whole number from 0 to 20000."),
        ("draws", 3, "draws is 3: give a whole number from 4 to 20000."),
        ("draws", "ten", "draws is not a number: give a whole number from 4 to 20000."),
        ("chains", 0, "chains is 0: give a whole number from 1 to 8."),
    ],
)
def test_impossible_settings_get_a_sentence(setting, value, message):
    told = node.run(FAILS, "sampler.js", program="funnel", data={}, settings=GOOD | {setting: value})
    assert told == {"message": message}


def test_what_stan_says_of_bad_data_is_handed_on(scripts):
    data = data_of("noncentered") | {"index_3": [99] * 47}
    told = node.run(
        FAILS, "sampler.js", scripts / "noncentered.js", program="noncentered", data=data, settings=GOOD
    )
    assert "index_3" in told["message"]
    assert "less than or equal to 17" in told["message"]


def test_a_run_that_was_stopped_gives_nothing_and_leaves_no_worker(scripts):
    stop = """
    let rows = 0;
    const run = course.sample("centered", data, settings, ["theta"], () => {
      rows += 1;
      if (rows === 3) run.stop();
    });
    const result = await run.done;
    const then = rows;
    await new Promise((done) => setTimeout(done, 500));
    return { result, later: rows - then };
    """  # node would not end while a worker runs
    settings = GOOD | {"warmup": 20_000, "draws": 20_000, "adaptDelta": 0.99, "chains": 2}
    told = node.run(stop, "sampler.js", scripts / "centered.js", data=data_of("centered"), settings=settings)
    assert told == {"result": None, "later": 0}


def test_without_a_compiler_pages_do_without_and_one_line_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(build, "OUT", tmp_path / "wasm")
    (tmp_path / "wasm").mkdir()
    (tmp_path / "wasm" / "centered.js").write_text("of some day")
    build.main(["if-possible"])
    told = "no em++, which compiles Stan for pages: `apt-get install --no-install-recommends emscripten`\n"
    assert capsys.readouterr().err == f"Pages will show stored draws and not sample: {told}"
    assert not (tmp_path / "wasm").exists()
    with pytest.raises(SystemExit, match=r"^make wasm: no em\+\+, which"):
        build.main([])


def test_a_program_that_stan_refuses_stops_the_build_with_stans_words(scripts, tmp_path):
    (tmp_path / "wrong.stan").write_text("parameters { real x } model { x ~ std_normal(); }")
    with pytest.raises(build.BuildError, match=r"(?s)^stanc fails:\n.*line 1.*expected"):
        build.build([tmp_path / "wrong.stan"], tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == [".lock"]
