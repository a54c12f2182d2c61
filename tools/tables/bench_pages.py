"""What sampling in a page costs, against CmdStan's own program: run `python -m tools.tables.bench_pages`.

What is printed are ratios within one run; the two take turns, one chain at a time.
"""

import tempfile
from pathlib import Path

import numpy as np
from cmdstanpy.utils import write_stan_json

import helpers
from book.browser.stan import build
from helpers.data import LEVELS
from tests.support import node

DESIGN = [10, 10, 10, 10]
REPEATS = 5
FEW, MANY = (
    1000,
    16_000,
)  # draws; browsers make a program faster while it runs, in the first tenth of a second
# Time in the program itself: neither starting it nor writing files counts. Node has the engine of Chromium.
STEPS = """
const settings = { adaptDelta: 0.8, seed, warmup: 1000, chains: 1 };
const found = [];
for (const draws of [few, many]) {
  let steps = 0;
  const run = course.sample(program, data, { ...settings, draws }, ["n_leapfrog__"], (_, rows) => {
    for (const row of rows) steps += row;
  });
  const { chains } = await run.done;
  found.push([1e6 * chains[0].seconds, steps]);
}
return found;
"""


def ours(program: str, data: dict, seed: int, folder: Path) -> list:
    """Microseconds in WebAssembly, and leapfrog steps, with few draws and with many."""
    script = folder / f"{program}.js"
    script.write_text(build.page_script(program), "utf-8")
    return node.run(
        STEPS, "stan/sampler.js", script, program=program, data=data, seed=seed, few=FEW, many=MANY
    )


def native(program: str, data: dict, seed: int, folder: Path) -> list:
    """Do the same with CmdStan."""
    write_stan_json(str(folder / "data.json"), data)
    found = []
    for draws in (FEW, MANY):
        fit = helpers.stan_model(program).sample(
            data=str(folder / "data.json"), seed=seed, chains=1, iter_sampling=draws, save_warmup=True,
            show_progress=False,
        )  # fmt: skip
        found.append([1e6 * fit.time[0]["total"], fit.method_variables()["n_leapfrog__"].sum()])
    return found


def main() -> None:
    """Print one line a program."""
    build.build([helpers.stan_file(name) for name in build.PROGRAMS])
    for program, df in [
        *((program, helpers.measurements()) for program in build.PROGRAMS),
        ("tree_marginal", helpers.simulate(DESIGN, 10, 0.5, 1, 1, LEVELS)),
    ]:
        data, _ = helpers.stan_data(df, LEVELS, "y")
        data = helpers.tree_data(data) if program.startswith("tree") else data
        data = {name: np.asarray(value).tolist() for name, value in data.items()}
        with tempfile.TemporaryDirectory() as folder:
            found = np.array(
                [
                    [run(program, data, seed, Path(folder)) for run in (ours, native)]
                    for seed in range(1, REPEATS + 1)
                ]
            )
        time, steps = found[:, :, 1, 0] - found[:, :, 0, 0], found[:, :, 1, 1] - found[:, :, 0, 1]
        page, cmdstan = np.median(time / steps, axis=0)
        each = time[:, 0] / steps[:, 0] / (time[:, 1] / steps[:, 1])
        start = np.median(found[:, 0, 0, 0] - page * found[:, 0, 0, 1]) / 1000
        print(
            f"{program:13} {df.height:6,} measurements: {page:5.2f} µs a step in a page, {cmdstan:5.2f} in "
            f"CmdStan, ratio {page / cmdstan:.2f} ({each.min():.2f} to {each.max():.2f}); "
            f"and {start:.0f} ms to become fast"
        )


if __name__ == "__main__":
    main()
