"""What the programs cost, from 47 measurements to a million (15 minutes).

Programs take turns, repeat by repeat, so that their ratios mean the same on a busy laptop and a quiet server.
Writes the table `lessons/data/bench.csv` and the picture `lessons/figures/bench.png`, and prints the ratios.
"""

import contextlib
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import arviz_stats
import cmdstanpy
import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import polars as pl

import helpers
from helpers.data import LEVELS
from helpers.plots import COLORS
from tools.tables.stamp import LESSONS, stamp, statements

TABLE = LESSONS / "data" / "bench.csv"
THETA, TAU, SIGMA = 10, 0.5, 1  # of the simulated trees (a.u.)
WELL_MEASURED = {"20 × 400": 2}  # τ of those that differ
DESIGNS = {
    "10³": [5, 5, 6, [7] * 100 + [6] * 50],
    "10⁴": [10, 10, 10, 10],
    "10⁵": [90, 10, [6] * 400 + [5] * 500, [20] * 2900 + [21] * 2000],
    "10⁶": [282, 7, 15, [34] * 22830 + [33] * 6780],
    "20 × 400": [20, 400],  # one level, well measured
}
# Programs, with their weight. What moves in the same coordinates has the same gradients per draw and the same
# ESS per gradient; where the three-level programs would take hours, those of `tree` stand in.
PROGRAMS = {
    "centered": ("centered", None),
    "noncentered": ("noncentered", None),
    "tree, weight 1": ("tree", 1),
    "tree, weight 0": ("tree", 0),
    "tree_marginal": ("tree_marginal", 0),
    "tree_marginal, not rescaled": ("not rescaled", 0),
}
LEFT_OUT = {"20 × 400": ["centered", "noncentered"]}  # they have three levels
SLOW = {"10⁵": ["centered", "noncentered"], "10⁶": ["centered", "noncentered", "tree, weight 0"]}
CHAINS = {"47": (4, 1000), "10³": (4, 1000), "10⁴": (1, 500), "10⁵": (1, 500), "10⁶": (1, 500)}  # and draws
CHAINS["20 × 400"] = (4, 1000)
REPEATS = {"47": 5, "10³": 5, "10⁴": 5, "10⁵": 3, "10⁶": 3, "20 × 400": 5}


def origin() -> str:
    """Stamp the programs, less their comments, and the designs that the table is measured with."""
    programs = [*dict.fromkeys(name for name, _ in PROGRAMS.values() if name != "not rescaled")]
    files = [helpers.stan_file(name) for name in programs]
    files.append(helpers.stan_file("tree").with_suffix(".stanfunctions"))
    return stamp(*map(statements, files), DESIGNS, THETA, TAU, WELL_MEASURED, SIGMA, PROGRAMS, CHAINS, SLOW)


def not_rescaled() -> Path:
    """Write `tree_marginal` with spreads in units of their rough size, not of their posterior's width."""
    program = helpers.stan_file("tree_marginal").read_text("utf-8")
    program, one = re.subn(r"real unit_sigma = .*;", "real unit_sigma = 1;", program)
    program, other = re.subn(r"unit_tau\[t\] = .*;", "unit_tau[t] = 1;", program)
    if (one, other) != (1, 1):
        raise RuntimeError("tree_marginal.stan has changed: say here where its units are")
    folder = Path(tempfile.mkdtemp())
    (folder / "tree.stanfunctions").write_text(
        helpers.stan_file("tree").with_suffix(".stanfunctions").read_text("utf-8"), "utf-8"
    )
    path = folder / "not_rescaled.stan"
    path.write_text(program, "utf-8")
    return path


def run(command: list) -> tuple[float, float | None]:
    """Run a program: seconds that CmdStan says sampling took, and peak memory (MB; where there is /proc)."""
    with tempfile.TemporaryFile("w+") as printed:
        process = subprocess.Popen([str(part) for part in command], stdout=printed, stderr=subprocess.STDOUT)
        peak, status = None, Path(f"/proc/{process.pid}/status")
        while process.poll() is None:
            with contextlib.suppress(OSError, TypeError):  # it may just have ended
                peak = int(re.search(r"VmHWM:\s+(\d+)", status.read_text())[1]) / 1e3
            time.sleep(0.005)
        printed.seek(0)
        text = printed.read()
    if process.returncode:
        raise RuntimeError(text[-2000:])
    return float(re.search(r"([\d.e+-]+) seconds \(Sampling\)", text)[1]), peak


def gradient(program: Path, data: Path, seed: int) -> tuple[float, float | None]:
    """Time one gradient (µs), and peak memory (MB): steps of no length, and hardly a draw written."""
    draws, step, seconds = 3, 2.0**-40, 0.0
    while seconds < 0.2:
        how = [f"num_samples={draws}", "num_warmup=0", f"thin={draws}", "adapt", "engaged=0", "algorithm=hmc"]
        how += ["engine=static", f"int_time={16 * step!r}", f"stepsize={step!r}", "random", f"seed={seed}"]
        with tempfile.TemporaryDirectory() as folder:
            output = ["data", f"file={data}", "init=0.5", "output", f"file={folder}/out.csv"]
            seconds, memory = run([program, "sample", *how, *output])
        cost = 1e6 * seconds / (16 * draws)
        draws *= 8
    return cost, memory


def fit(program: Path, data: Path, chains: int, draws: int, seed: int) -> dict:
    """Sample, chain after chain, and return what it gave and took."""
    tables, seconds, memory, start = [], 0.0, 0.0, time.perf_counter()
    for chain in range(1, chains + 1):
        with tempfile.TemporaryDirectory() as folder:
            output = Path(folder, "out.csv")
            how = [f"num_samples={draws}", f"num_warmup={draws}", f"id={chain}", "random", f"seed={seed}"]
            took, peak = run([program, "sample", *how, "data", f"file={data}", "output", f"file={output}"])
            seconds, memory = seconds + took, max(memory, peak or 0)
            header = next(line for line in output.open() if not line.startswith("#")).strip().split(",")
            tau = "tau" if "tau" in header else "tau.1"
            tables.append(
                pl.read_csv(output, comment_prefix="#", columns=[tau, "n_leapfrog__", "divergent__"]).rename(
                    {tau: "tau"}
                )
            )
    wall = time.perf_counter() - start
    tau = np.array([table["tau"] for table in tables])
    gradients = sum(table["n_leapfrog__"].sum() for table in tables)
    bulk, tail = arviz_stats.ess(tau), arviz_stats.ess(tau, method="tail", prob=(0.05, 0.95))
    return {
        "gradients per draw": gradients / tau.size,
        "divergences": sum(table["divergent__"].sum() for table in tables),
        "bulk ESS per 1000 gradients": 1000 * bulk / gradients,
        "tail ESS per 1000 gradients": 1000 * tail / gradients,
        "bulk ESS per second": bulk / seconds,
        "seconds in all": wall,
        "peak MB": memory,
    }


def measure() -> pl.DataFrame:
    """Run everything: one row for each size, program and repeat."""
    paths = {name: helpers.stan_file(name) for name, _ in PROGRAMS.values() if name != "not rescaled"}
    paths["not rescaled"] = not_rescaled()
    exe = {name: Path(helpers.stan_model(path).exe_file) for name, path in paths.items()}
    rows = []
    for size in CHAINS:
        df, levels = helpers.measurements(), LEVELS[: len(DESIGNS.get(size, "....")) - 1]
        if size != "47":
            df = helpers.simulate(
                DESIGNS[size], THETA, WELL_MEASURED.get(size, TAU), SIGMA, seed=1, levels=levels
            )
        data, _ = helpers.stan_data(df, levels, "y")
        nodes = sum(helpers.tree_data(data)["J"])
        with tempfile.TemporaryDirectory() as folder:
            files = {None: Path(folder, "data.json")}
            cmdstanpy.write_stan_json(str(files[None]), data)
            for weight in (0, 1):
                files[weight] = Path(folder, f"{weight}.json")
                cmdstanpy.write_stan_json(str(files[weight]), helpers.tree_data(data, weight=weight))
            for repeat in range(1, REPEATS[size] + 1):
                for name, (program, weight) in PROGRAMS.items():
                    if name in LEFT_OUT.get(size, []):
                        continue
                    print(f"\r{size}, repeat {repeat}, {name} ...\033[K", end="", file=sys.stderr, flush=True)
                    cost, memory = gradient(exe[program], files[weight], repeat)
                    row = {"size": size, "measurements": data["N"], "nodes": nodes, "program": name}
                    row |= {"repeat": repeat, "µs per gradient": cost, "peak MB": memory}
                    if name not in SLOW.get(size, []):
                        row |= fit(exe[program], files[weight], *CHAINS[size], seed=repeat)
                    rows.append(row)
    print(file=sys.stderr)
    return pl.DataFrame(rows, infer_schema_length=None)


def ratios(table: pl.DataFrame) -> None:
    """Print the ratios that matter, repeat by repeat: the median, and the smallest and the largest."""

    def ratio(size: str, figure: str, over: str, under: str) -> None:
        one, other = (
            table.filter(size=size, program=name).sort("repeat")[figure].to_numpy() for name in (over, under)
        )
        r = one / other
        print(f"{size:>4}  {figure:28} {over} / {under}: {np.median(r):.3g} ({r.min():.3g} to {r.max():.3g})")

    for figure in ("bulk ESS per 1000 gradients", "tail ESS per 1000 gradients", "bulk ESS per second"):
        for size in ("47", "10³", "10⁴"):
            for other in ("noncentered", "centered"):
                ratio(size, figure, "tree_marginal", other)
    for size in (size for size in CHAINS if size not in LEFT_OUT):
        ratio(size, "µs per gradient", "noncentered", "tree_marginal")
    ratio("47", "µs per gradient", "tree, weight 0", "noncentered")
    ratio("47", "bulk ESS per 1000 gradients", "tree, weight 0", "noncentered")
    ratio("10⁶", "bulk ESS per second", "tree_marginal", "tree_marginal, not rescaled")
    marginal = table.filter(size="10⁶", program="tree_marginal")["seconds in all"]
    print(f" 10⁶  500 + 500 draws of tree_marginal: {marginal.min():.1f} to {marginal.max():.1f} s in all")


def draw(table: pl.DataFrame) -> None:
    """Draw cost and yield against the size of the tree."""
    matplotlib.use("Agg")
    figure, panels = plt.subplots(1, 2, figsize=(9, 3.8), sharex=True, layout="constrained")
    styles = dict(zip(["centered", "noncentered", "tree, weight 0", "tree_marginal"], "ovs^", strict=True))
    grown = table.filter(pl.col("size") != "20 × 400")
    medians = grown.group_by("measurements", "program").agg(pl.selectors.numeric().median())
    for color, (name, marker) in zip([*COLORS[:2], COLORS[3], COLORS[2]], styles.items(), strict=True):
        rows = medians.filter(program=name).sort("measurements")
        yields = rows.drop_nulls("bulk ESS per second")
        panels[0].plot(rows["measurements"], rows["µs per gradient"], marker=marker, color=color, label=name)
        panels[1].plot(
            yields["measurements"], yields["bulk ESS per second"], marker=marker, color=color, label=name
        )
    panels[0].set(xscale="log", yscale="log", xlabel="measurements", ylabel="microseconds per gradient")
    panels[1].set(yscale="log", xlabel="measurements", ylabel="effective draws of τ per second")
    panels[0].legend(frameon=False)
    figure.savefig(LESSONS / "figures" / "bench.png", dpi=110, metadata={"Source": origin()})


def main() -> None:
    """Measure, write the table and the picture, print the ratios."""
    table = measure()
    print_table = table.with_columns(pl.col(pl.Float64).round_sig_figs(3))
    version = ".".join(map(str, cmdstanpy.cmdstan_version()))
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, CmdStan {version}"
    scratch = TABLE.with_suffix(".csv.tmp")
    scratch.write_text(f"# {date.today()}, {machine}, origin {origin()}\n{print_table.write_csv()}", "utf-8")
    scratch.replace(TABLE)
    draw(print_table)
    ratios(table)


if __name__ == "__main__":
    main()
