"""What calibration costs on many workers: run `python tools/tables/bench_calibration.py` (6 minutes).

It takes two idle cores. First real fits, on one worker and on two, started by the commands of the page
"Beyond one machine". Then a hundred workers that only sleep, for the limits of the scheduler and of the loop
of `helpers.calibrate`. What other programs disturbed is run again. Writes `lessons/data/beyond.csv`, and the
paragraphs of the page that quote it; with `page` as its argument only these, from the table as it is.
"""

import asyncio
import contextlib
import functools
import os
import pickle
import platform
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from unittest import mock

import cloudpickle
import cmdstanpy
import dask
import numpy as np
import polars as pl
import psutil

import helpers.calibration.job as engine

COURSE = Path(__file__).parents[2]
PAGE, TABLE = COURSE / "book" / "pages" / "beyond.md", COURSE / "lessons" / "data" / "beyond.csv"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
PROGRAM, FITS, REPEATS = "tree_marginal", 80, 5
QUIET, PATIENCE = 0.1, 1800  # cores that other programs may use; seconds to wait for that
MANY, TASKS = 100, 2000  # simulated workers, and what they do in each run
LENGTHS = (0.2, 0.1, 0.05)  # seconds; and before these, as long as a fit takes
NAMES = ("CmdStan", "workers", "scheduler", "client")  # that take processor time
HOSTS = 2  # processes that play the simulated workers
UNWATCHED = {"worker.profile.enabled": False, "admin.system-monitor.interval": "1h"}


def page_commands() -> dict[str, str]:
    """Commands and code of the page: scheduler, workers one and two, kill, and the lines for the notebook."""
    text = PAGE.read_text("utf-8").split("## On your own machine")[1].split("## On a cluster")[0]
    blocks = re.findall(r"^```(?:bash|python)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    starts = {
        "scheduler": ".venv/bin/dask scheduler",
        "one": ".venv/bin/dask worker",
        "two": ".venv/bin/dask worker",
        "client": "from distributed",
        "run": "table = helpers.calibrate",
        "kill": "kill",
    }
    found = {}
    for name, start in starts.items():
        block = next(b for b in blocks if b.startswith(start))
        blocks.remove(block)
        found[name] = block
    return found


def free_ports() -> dict[str, str]:
    """Ports that nobody has, for those of the page."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    ports = [str(s.getsockname()[1]) for s in sockets]
    for s in sockets:
        s.close()
    return dict(zip(("8786", "8787"), ports, strict=True))


class Terminals:
    """The terminals of the page: a folder like the course's, and processes started there by its commands."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.ports, self.processes = folder, free_ports(), {}
        places = [
            COURSE,
        ]  # what workers are sent is defined there
        self.environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, places))}
        (folder / ".venv").symlink_to(sys.prefix)

    def __enter__(self) -> "Terminals":
        return self

    def __exit__(self, *_) -> None:
        for process in self.processes.values():
            with contextlib.suppress(psutil.Error):
                for child in psutil.Process(process.pid).children(recursive=True):
                    child.kill()
            process.kill()
            process.wait()

    def text(self, command: str) -> str:
        """Give a command or code of the page, with our ports."""
        return re.sub("|".join(self.ports), lambda m: self.ports[m[0]], command)

    def start(self, name: str, command: str, before: str = ":") -> None:
        """Start what is to run in a terminal of its own; what it prints goes to a file."""
        with (self.folder / f"{name}.log").open("w") as log:
            command = ["sh", "-c", f"{before}\nexec {self.text(command)}"]
            self.processes[name] = subprocess.Popen(
                command, cwd=self.folder, stdout=log, stderr=subprocess.STDOUT, env=self.environment
            )

    def type(self, command: str) -> None:
        """Run a command that ends by itself."""
        subprocess.run(["sh", "-c", self.text(command)], cwd=self.folder, check=True, capture_output=True)


class Clock:
    """Times the loop of `calibrate`, and the processors' time of processes and of those they waited for."""

    def __init__(self, **processes: list[int]) -> None:
        self.processes = {name: [psutil.Process(i) for i in ids] for name, ids in processes.items()}

    def used(self) -> dict[str, float]:
        busy = psutil.cpu_times()
        found = {"CmdStan": 0.0, "all": busy.user + busy.nice + busy.system}
        for name, processes in self.processes.items():
            times = [process.cpu_times() for process in processes]
            found[name] = sum(t.user + t.system for t in times)
            if name == "workers":
                found["CmdStan"] = sum(t.children_user + t.children_system for t in times)
        return found

    @staticmethod
    def foreign(used: dict[str, float]) -> float:
        return used["all"] - sum(used[name] for name in NAMES)

    def others(self, seconds: float) -> float:
        """Cores that other programs use now."""
        before = self.foreign(self.used())
        time.sleep(seconds)
        return (self.foreign(self.used()) - before) / seconds

    def run(self, calibrate: Callable[[], pl.DataFrame]) -> tuple[dict, pl.DataFrame]:
        """Call it, and give what a replication took."""
        loop, row = engine._records, {}

        def timed(*args, **kwargs) -> Iterator[dict]:
            before, start = self.used(), time.perf_counter()
            yield from loop(*args, **kwargs)
            row["seconds"], after = time.perf_counter() - start, self.used()
            row.update({name: after[name] - before[name] for name in before})

        end = time.monotonic() + PATIENCE
        while True:
            while self.others(2) > QUIET and time.monotonic() < end:
                pass
            with mock.patch.object(engine, "_records", timed):
                table = calibrate()
            others = self.foreign(row) / row["seconds"]
            if others < QUIET:
                break
            print(f"other programs used {others:.2f} cores: once more", file=sys.stderr)
            if time.monotonic() > end:
                raise RuntimeError("other programs are busy: run it when they are done")
        n = table["replication"].n_unique()
        if n < table["replication"].max() + 1 or (table["status"] != "ok").any():
            raise RuntimeError("replications are missing or failed")
        each = {f"ms of {name}": 1e3 * row[name] / n for name in NAMES}
        return {"tasks": n, "tasks per second": n / row["seconds"]} | each | {"others, cores": others}, table


def connect(terminals: Terminals, workers: int):
    """Connect as the page does, and wait for the workers."""
    scope = {}
    exec(terminals.text(page_commands()["client"]), scope)
    scope["client"].wait_for_workers(workers, timeout=60)
    return scope["client"]


def fits(repeat: int, simulate: Callable) -> Iterator[dict]:
    """Calibrate on one worker, then on two."""
    commands = page_commands()
    with (
        tempfile.TemporaryDirectory() as folder,
        tempfile.TemporaryDirectory() as journal,
        Terminals(Path(folder)) as terminals,
    ):
        terminals.start("scheduler", commands["scheduler"])
        for workers, name in enumerate(("one", "two"), 1):
            terminals.start(name, commands[name])
            with connect(terminals, workers) as client:
                calibrate = functools.partial(
                    helpers_calibrate, simulate, client=client, folder=journal, resume=False
                )
                calibrate(n=4 * workers, seed=1000)  # the first fit of a worker loads what it needs
                clock = Clock(
                    workers=list(client.run(os.getpid).values()),
                    scheduler=[terminals.processes["scheduler"].pid],
                    client=[os.getpid()],
                )
                row, table = clock.run(functools.partial(calibrate, n=FITS, seed=repeat))
                length = table.unique("replication")["seconds"].mean()
                yield {"tasks are": "fits", "workers": workers, "seconds a task": length} | row


def helpers_calibrate(simulate: Callable, **options) -> pl.DataFrame:
    """Calibrate the program that is timed."""
    return engine.calibrate(PROGRAM, simulate, show_progress=False, **options)


def asleep(seconds: float, packed: bytes, i: int) -> dict:
    """Stand in for a replication: sleep, and return as much."""
    job = engine._unpacked(packed)
    time.sleep(seconds)
    row = {"replication": i, "status": "ok", "seconds": seconds, "divergences": 0}
    values = [[float(x) for x in np.random.default_rng(i).random(len(job.parameters))] for _ in engine.RANKED]
    row |= dict(zip(engine.RANKED, values, strict=True))
    return row | {"rank": [int(99 * x) for x in row["rank"]]}


def sleeps(repeat: int, simulate: Callable, lengths: list[float]) -> Iterator[dict]:
    """Calibrate on many workers that sleep."""
    import bench_calibration  # by its name: workers then find `asleep` as they find `_replicate`

    with (
        tempfile.TemporaryDirectory() as folder,
        tempfile.TemporaryDirectory() as journal,
        Terminals(Path(folder)) as terminals,
    ):
        terminals.start("scheduler", page_commands()["scheduler"])
        for host in range(HOSTS):
            what = f"{sys.executable} {__file__} tcp://127.0.0.1:8786 {MANY // HOSTS}"
            terminals.start(f"host {host}", what)
        with connect(terminals, MANY) as client:
            clock = Clock(
                workers=[terminals.processes[f"host {host}"].pid for host in range(HOSTS)],
                scheduler=[terminals.processes["scheduler"].pid],
                client=[os.getpid()],
            )
            for length in lengths:
                replicate = functools.partial(bench_calibration.asleep, length)
                calibrate = functools.partial(
                    helpers_calibrate, simulate, client=client, folder=journal, resume=False
                )
                with mock.patch.object(engine, "_replicate", replicate):
                    calibrate(n=2 * MANY, seed=1000)
                    row, _ = clock.run(functools.partial(calibrate, n=TASKS, seed=repeat))
                yield {"tasks are": "sleep", "workers": MANY, "seconds a task": length} | row


async def host(address: str, workers: int) -> None:
    """Play many workers, until killed."""
    from distributed import Worker

    # A worker watches itself, on a core of its own; here they would all do so on ours.
    dask.config.set({f"distributed.{name}": value for name, value in UNWATCHED.items()})
    options = {"nthreads": 1, "host": "127.0.0.1", "dashboard": False, "memory_limit": 0}
    async with contextlib.AsyncExitStack() as stack:
        with tempfile.TemporaryDirectory() as folder:
            for _ in range(workers):
                await stack.enter_async_context(Worker(address, local_directory=folder, **options))
            await asyncio.Event().wait()


def sizes(simulate: Callable) -> dict[str, int]:
    """Bytes that go to a worker with each replication, and that come back."""
    packed = cloudpickle.dumps(engine._job(PROGRAM, simulate, 1, 99, 60, {}))
    return {"bytes sent": len(packed), "bytes back": len(pickle.dumps(asleep(0, packed, 1)))}


def measure() -> pl.DataFrame:
    """Run everything: one row for each kind of task, number of workers and repeat."""
    from tools.tables import calibration  # the lesson's simulation

    cloudpickle.register_pickle_by_value(calibration)  # as that of a notebook is
    rows = []
    for repeat in range(1, REPEATS + 1):
        for row in fits(repeat, calibration.imagine):
            rows.append({"repeat": repeat} | row)
            print(f"{rows[-1]}", file=sys.stderr)
    length = round(float(np.median([r["seconds a task"] for r in rows if r["workers"] == 1])), 2)
    for repeat in range(1, REPEATS + 1):
        for row in sleeps(repeat, calibration.imagine, [length, *LENGTHS]):
            rows.append({"repeat": repeat} | row)
            print(f"{rows[-1]}", file=sys.stderr)
    return pl.DataFrame(rows).with_columns(pl.lit(v).alias(k) for k, v in sizes(calibration.imagine).items())


def told(values: pl.Series | np.ndarray, digits: int) -> str:
    """Median, and from where to where."""
    values = np.asarray(values)
    low, middle, high = (f"{x:,.{digits}f}" for x in (values.min(), np.median(values), values.max()))
    return middle if low == high else f"{middle} ({low} to {high})"


def paragraphs(first_line: str, table: pl.DataFrame) -> str:
    """Say on the page what the table holds."""
    real = {n: table.filter(pl.col("tasks are") == "fits", workers=n).sort("repeat") for n in (1, 2)}
    idle = table.filter(pl.col("tasks are") == "sleep")
    lengths = idle["seconds a task"].unique().sort(descending=True).to_list()
    asleep = {length: idle.filter(pl.col("seconds a task") == length) for length in lengths}
    times = real[2]["tasks per second"] / real[1]["tasks per second"]
    date, machine = re.match(r"# (\S+), (.*)", first_line).groups()

    rows = []
    for n, runs in real.items():
        between = 1000 * (n / runs["tasks per second"] - runs["seconds a task"])
        cells = [told(runs["tasks per second"], 2), told(1000 * runs["seconds a task"], 0), told(between, 0)]
        rows.append(f"| {n} | {' | '.join(cells)} |")
    first, many = lengths[0], {name: asleep[lengths[0]][f"ms of {name}"].median() for name in NAMES[1:]}
    fit, possible = f"{first:.2f}", MANY / first
    sent, back = table["bytes sent"][0], table["bytes back"][0]
    drawn = []
    for length, runs in asleep.items():
        share = 100 * runs["tasks per second"] * length / MANY
        cells = [f"{MANY / length:,.0f}", told(runs["tasks per second"], 0), told(share, 0)]
        cells += [told(runs[f"ms of {name}"], 1) for name in NAMES[1:]]
        drawn.append(f"| {length:g} | {' | '.join(cells)} |")
    last = asleep[lengths[-1]]
    reached = last["tasks per second"].median()
    cost = {name: last[f"ms of {name}"].median() for name in NAMES[1:]}
    most = 1000 / round(cost["scheduler"], 1)
    return f"""
Measured on {date} ({machine}), with the program and the simulation of lesson 9. Numbers are medians, of
{real[1].height} runs here and of {min(runs.height for runs in asleep.values())} below, with the smallest and
the largest.

| workers | replications per second | a fit, ms | between two fits, ms |
|---|---|---|---|
{chr(10).join(rows)}

Two workers do **{told(times, 2)} times** as many as one. To 2 it lacks what the two cores have to do besides:
they run scheduler and notebook, too ({told(real[2]["ms of scheduler"], 0)} and
{told(real[2]["ms of client"], 0)} ms of processor time for each replication), and whatever else is on the
computer. CmdStan has {told(real[1]["ms of CmdStan"], 0)} ms of a fit; the rest is Python, which starts
four chains and reads what they wrote.

### And a hundred workers?

First by arithmetic. A fit takes {fit} s, so a hundred workers finish {MANY} / {fit} = {possible:.0f} in a
second. With each go {sent / 1000:.1f} kB to a worker, and {back / 1000:.1f} kB come back:
{possible:.0f} × {(sent + back) / 1000:.1f} kB = {possible * (sent + back) / 1e6:.1f} MB in a second, which no
network minds. Scheduler and notebook take {many["scheduler"]:.1f} and {many["client"]:.1f} ms of processor
time for each (table below), and have a core apiece: at {possible:.0f} in a second they are busy for
{possible * many["scheduler"] / 10:.0f}% and {possible * many["client"] / 10:.0f}% of the time. Both keep up.
The scheduler would be the first to be full: with a hundred workers, if a fit took less than
{MANY} × {many["scheduler"]:.1f} ms = {MANY * many["scheduler"] / 1000:.2f} s.

Then by trial: {MANY} workers, the same scheduler, and the same loop of `calibrate`, but instead of fitting
each worker sleeps, as long as a fit takes, and then for less and less. Two cores play all of them (so
the workers do not profile themselves, as real ones do). The last
three columns are processor time for each replication.

| sleep, s | possible per second | done per second | share, % | workers, ms | scheduler, ms | notebook, ms |
|---|---|---|---|---|---|---|
{chr(10).join(drawn)}

With fits like ours the workers are kept busy. With shorter ones it breaks: these two cores manage
{reached:,.0f} replications in a second. Of the {sum(cost.values()):.1f} ms that each then costs,
{cost["workers"]:.1f} go into playing workers, who have cores of their own in a real cluster. So the limit
there lies between {reached:,.0f} and 1000 / {cost["scheduler"]:.1f} = {most:,.0f} in a second.

At that pace ten thousand replications take {10_000 / reached:.0f} seconds: whoever reaches the limit is
nearly done. If you still want more, share the work: two schedulers with half of the workers each, two
notebooks, `seed=1` in one and `seed=2` in the other, and `pl.concat` for the tables. (Several replications in
one task would do it, too; `calibrate` makes each a task of its own.) With slow fits the limit is another: in
the end all wait for the last.
"""


def write(first_line: str, table: pl.DataFrame) -> None:
    """Write the table, and the paragraphs of the page."""
    scratch = TABLE.with_suffix(".csv.tmp")
    scratch.write_text(f"{first_line}\n{table.write_csv()}", "utf-8")
    scratch.replace(TABLE)
    before, rest = PAGE.read_text("utf-8").split(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n{paragraphs(*read())}\n{END}{rest.split(END)[1]}", "utf-8")


def read() -> tuple[str, pl.DataFrame]:
    """Read the table, and the line above it."""
    with TABLE.open(encoding="utf-8") as lines:
        return next(lines).strip(), pl.read_csv(TABLE, comment_prefix="#")


def main() -> None:
    """Measure, and write."""
    if len(sys.argv) == 3:  # as `sleeps` calls it
        asyncio.run(host(sys.argv[1], int(sys.argv[2])))
        return
    if sys.argv[1:] == ["page"]:  # other words for the same numbers
        write(*read())
        return
    table = measure().with_columns(pl.col(pl.Float64).round_sig_figs(4))
    version = ".".join(map(str, cmdstanpy.cmdstan_version()))
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, CmdStan {version}"
    write(f"# {date.today()}, {machine}", table)


if __name__ == "__main__":
    main()
