"""What sampling in a page costs, against CmdStan's own program: run `python tests/bench_pages.py`.

What is printed are ratios within one run; the two take turns, one chain at a time.
"""

import sys
import tempfile
from pathlib import Path

import node
import numpy as np
from cmdstanpy.utils import write_stan_json

sys.path[:0] = [str(Path(__file__).parents[1]), str(node.SAMPLER)]
import build  # noqa: E402

import helpers  # noqa: E402

LEVELS = ["day", "batch", "colony"]
REPEATS = 7
# Seconds in the program itself: neither start-up nor the writing of files counts
STEPS = """
let steps = 0;
const settings = { adaptDelta: 0.8, seed, warmup: 1000, draws: 1000, chains: 1 };
const run = course.sample(program, data, settings, ["n_leapfrog__"], (_, rows) => {
  for (const row of rows) steps += row;
});
const { chains } = await run.done;
return [chains[0].seconds, steps];
"""


def ours(program: str, data: dict, seed: int, folder: Path) -> float:
    """Microseconds that a leapfrog step takes in WebAssembly, in node, whose engine is Chromium's."""
    script = folder / f"{program}.js"
    script.write_text(build.page_script(program), "utf-8")
    seconds, steps = node.run(STEPS, "sampler.js", script, program=program, data=data, seed=seed)
    return 1e6 * seconds / steps


def native(program: str, data: dict, seed: int, folder: Path) -> float:
    """Microseconds that a leapfrog step takes in CmdStan."""
    write_stan_json(str(folder / "data.json"), data)
    fit = helpers.stan_model(program).sample(
        data=str(folder / "data.json"), seed=seed, chains=1, save_warmup=True, show_progress=False
    )
    steps = fit.method_variables()["n_leapfrog__"].sum()  # of warmup, too
    return 1e6 * fit.time[0]["total"] / steps


def main() -> None:
    """Print one line a program."""
    build.build([helpers.stan_file(name) for name in build_programs()])
    frames = {
        "47": helpers.measurements(),
        "10,000": helpers.simulate([10, 10, 10, 10], 10, 0.5, 1, 1, LEVELS),
    }
    for rows, df in frames.items():
        data, _ = helpers.stan_data(df, LEVELS, "y")
        for program in build_programs():
            if rows != "47" and program != "tree_marginal":
                continue
            given = helpers.tree_data(data, write_nodes=False) if program.startswith("tree") else data
            given = {name: np.asarray(value).tolist() for name, value in given.items()}
            with tempfile.TemporaryDirectory() as folder:
                took = [
                    [time(program, given, seed, Path(folder)) for time in (ours, native)]
                    for seed in range(1, REPEATS + 1)
                ]
            page, cmdstan = np.median(took, axis=0)
            low, high = np.quantile([a / b for a, b in took], [0, 1])
            print(
                f"{program:13} {rows:>6} measurements: {page:6.2f} µs a step in a page, "
                f"{cmdstan:6.2f} in CmdStan, ratio {page / cmdstan:.2f} ({low:.2f} to {high:.2f})"
            )


def build_programs() -> list[str]:
    """Programs that pages offer."""
    return ["centered", "noncentered", "tree", "tree_marginal"]


if __name__ == "__main__":
    main()
