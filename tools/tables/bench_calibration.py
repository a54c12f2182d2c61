"""What calibration costs on many workers (6 minutes).

It takes two idle cores. First real fits, on one worker and on two, started by the commands of the page
"Many replications". Then a hundred workers that only sleep, for the limits of the scheduler and of the loop
of `helpers.calibrate`. What other programs disturbed is run again. Writes `lessons/data/beyond.csv`, which
the page quotes.
"""

import asyncio
import contextlib
import functools
import os
import pickle
import platform
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

import helpers
from helpers.calibration import cluster, run
from helpers.calibration.job import make_job
from helpers.calibration.journal import RANKED
from helpers.calibration.worker import unpacked
from tools.tables.terminals import PAGE, Terminals, connect, page_commands

COURSE = Path(__file__).parents[2]
TABLE = COURSE / "lessons" / "data" / "beyond.csv"
PROGRAM, FITS, REPEATS = "tree_marginal", 80, 5
QUIET, PATIENCE = 0.1, 1800  # cores that other programs may use; seconds to wait for that
MANY, TASKS = 100, 2000  # simulated workers, and what they do in each run
LENGTHS = (0.2, 0.1, 0.05)  # seconds; and before these, as long as a fit takes
NAMES = ("CmdStan", "workers", "scheduler", "client")  # that take processor time
HOSTS = 2  # processes that play the simulated workers
UNWATCHED = {"worker.profile.enabled": False, "admin.system-monitor.interval": "1h"}


class Clock:
    """Times the loop of `calibrate`, and the processors' time of processes and of those they waited for."""

    def __init__(self, **processes: list[int]) -> None:
        self.processes = {name: [psutil.Process(i) for i in ids] for name, ids in processes.items()}

    def used(self) -> dict[str, float]:
        """Processor time so far, in seconds, of each kind of process and of the whole machine."""
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
        """Processor time of programs that are not ours."""
        return used["all"] - sum(used[name] for name in NAMES)

    def others(self, seconds: float) -> float:
        """Cores that other programs use now."""
        before = self.foreign(self.used())
        time.sleep(seconds)
        return (self.foreign(self.used()) - before) / seconds

    def run(self, calibrate: Callable[[], pl.DataFrame]) -> tuple[dict, pl.DataFrame]:
        """Call it, and give what a replication took."""
        loop, row = run.run, {}

        def timed(*args, **kwargs) -> Iterator[dict]:
            before, start = self.used(), time.perf_counter()
            yield from loop(*args, **kwargs)
            row["seconds"], after = time.perf_counter() - start, self.used()
            row.update({name: after[name] - before[name] for name in before})

        end = time.monotonic() + PATIENCE
        while True:
            while self.others(2) > QUIET and time.monotonic() < end:
                pass
            with mock.patch.object(run, "run", timed):
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
    return helpers.calibrate(PROGRAM, simulate, show_progress=False, **options)


def asleep(seconds: float, packed: bytes, i: int) -> dict:
    """Stand in for a replication: sleep, and return as much."""
    job = unpacked(packed)
    time.sleep(seconds)
    row = {"replication": i, "status": "ok", "seconds": seconds, "divergences": 0}
    values = [[float(x) for x in np.random.default_rng(i).random(len(job.parameters))] for _ in RANKED]
    row |= dict(zip(RANKED, values, strict=True))
    return row | {"rank": [int(99 * x) for x in row["rank"]]}


def sleeps(repeat: int, simulate: Callable, lengths: list[float]) -> Iterator[dict]:
    """Calibrate on many workers that sleep."""
    from tools.tables import bench_calibration  # by its name, by which workers find `asleep`, too

    with (
        tempfile.TemporaryDirectory() as folder,
        tempfile.TemporaryDirectory() as journal,
        Terminals(Path(folder)) as terminals,
    ):
        terminals.start("scheduler", page_commands()["scheduler"])
        for host in range(HOSTS):
            what = f"{sys.executable} -m tools.tables.bench_calibration tcp://127.0.0.1:8786 {MANY // HOSTS}"
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
                with mock.patch.object(cluster, "replicate", replicate):
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
    packed = cloudpickle.dumps(make_job(PROGRAM, simulate, 1, 99, 60, {}))
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


def write(first_line: str, table: pl.DataFrame) -> None:
    """Write the table in one step."""
    scratch = TABLE.with_suffix(".csv.tmp")
    scratch.write_text(f"{first_line}\n{table.write_csv()}", "utf-8")
    scratch.replace(TABLE)
    print(f"{TABLE}: what {PAGE.name} quotes of it, a test compares", file=sys.stderr)


def main() -> None:
    """Measure, and write."""
    if len(sys.argv) == 3:  # as `sleeps` calls it
        asyncio.run(host(sys.argv[1], int(sys.argv[2])))
        return
    table = measure().with_columns(pl.col(pl.Float64).round_sig_figs(4))
    version = ".".join(map(str, cmdstanpy.cmdstan_version()))
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, CmdStan {version}"
    write(f"# {date.today()}, {machine}", table)


if __name__ == "__main__":
    main()
