"""The sampler in the pages is Stan's, and gives the same numbers as CmdStan."""

import math

import node
import numpy as np
import pytest
import stan_in_node
from stan_in_node import draws, sample

from book.browser.stan import build


@pytest.mark.parametrize("program", build.PROGRAMS)
def test_first_rows_are_those_of_cmdstan(program, tmp_path):
    stan_in_node.first_rows_agree(program, tmp_path)


def test_what_pages_load_carries_the_licences_of_what_is_in_it():
    for name in build.PROGRAMS:
        text = stan_in_node.script(name).read_text("utf-8")
        for owner in ["Stan Developers and their Assignees", "Eigen", "Boost Software License", "Tencent"]:
            assert owner in text, (name, owner)


def test_rows_come_while_chains_run_and_adaptation_is_told():
    result = sample("noncentered", ["tau", "divergent__"], warmup=300, draws=200, chains=2)
    columns = draws(result)
    for chain, followed in enumerate(result["followed"]):
        rows = np.array(followed).reshape(-1, 2)
        assert len(rows) == 500
        kept = np.column_stack([columns["tau"][chain], columns["divergent__"][chain]])
        np.testing.assert_array_equal(rows[300:], kept)
        lines = result["chains"][chain]["adapted"].splitlines()
        assert lines[0] == "Adaptation terminated"
        step_size = float(lines[1].removeprefix("Step size = "))
        assert math.isclose(step_size, columns["stepsize__"][chain, 0], rel_tol=1e-4)
        assert len(lines[3].split(",")) == 3 + 28


def test_one_seed_gives_one_answer_and_another_seed_another():
    runs = [sample("centered", seed=seed, warmup=50, draws=20, chains=2) for seed in (1, 1, 2)]
    first, again, other = ([chain["draws"] for chain in run["chains"]] for run in runs)
    assert first == again
    assert first[0] != first[1]
    assert first[0] != other[0]


IMPOSSIBLE = [
    ("adaptDelta", 1, "adapt_delta is 1: give a number from 0.01 to 0.999, such as 0.8."),
    ("seed", 1.5, "seed is 1.5: give a whole number from 0 to 4294967295."),
    ("warmup", 1e9, "warmup is 1000000000: give a whole number from 0 to 20000."),
    ("draws", "ten", "draws is not a number: give a whole number from 4 to 20000."),
    ("chains", 0, "chains is 0: give a whole number from 1 to 8."),
]


def test_impossible_settings_get_a_sentence():
    body = """return Promise.all(tries.map((settings) =>
      course.sample("funnel", {}, settings, [], () => {}).done.catch((error) => error.message)));"""
    tries = [stan_in_node.SETTINGS | {setting: value} for setting, value, _ in IMPOSSIBLE]
    assert node.run(body, "stan/sampler.js", tries=tries) == [sentence for *_, sentence in IMPOSSIBLE]


def test_what_stan_says_of_bad_data_is_handed_on():
    body = """const run = course.sample(program, data, settings, follow, () => {});
    return run.done.catch((error) => error.message);"""
    data = stan_in_node.data_of("noncentered") | {"index_3": [99] * 47}
    told = stan_in_node.run(body, "noncentered", data, warmup=10, draws=10, chains=1)
    assert "index_3" in told
    assert "less than or equal to 17" in told


def test_a_run_that_was_stopped_gives_nothing_and_leaves_no_worker():
    body = """
    let rows = 0;
    const run = course.sample(program, data, settings, ["theta"], () => {
      rows += 1;
      if (rows === 3) run.stop();
    });
    const result = await run.done;
    const then = rows;
    await new Promise((done) => setTimeout(done, 500));
    return { result, later: rows - then };
    """  # node would not end while a worker runs
    told = stan_in_node.run(body, "centered", warmup=20_000, draws=20_000, adaptDelta=0.99, chains=2)
    assert told == {"result": None, "later": 0}


def test_a_run_stopped_while_compiling_starts_no_worker():
    body = """
    let started = 0;
    globalThis.Worker = class { constructor() { started += 1; } postMessage() {} terminate() {} };
    const run = course.sample(program, data, settings, follow, () => {});
    run.stop();
    const result = await run.done;
    await new Promise((done) => setTimeout(done, 500));
    return { result, started };
    """
    assert stan_in_node.run(body, "centered") == {"result": None, "started": 0}


def test_a_page_compiles_a_program_once_for_all_runs():
    body = """
    const { compile } = WebAssembly;
    let compiled = 0;
    WebAssembly.compile = (bytes) => {
      compiled += 1;
      return compile(bytes);
    };
    for (let run = 0; run < 2; run++) await course.sample(program, data, settings, follow, () => {}).done;
    return compiled;
    """
    assert stan_in_node.run(body, "centered", warmup=10, draws=10) == 1


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
