"""`calibrate` does what it says with workers killed, fits that hang, and the driver interrupted: for real."""

import contextlib
import functools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import distributed
import polars as pl
import psutil
import pytest
from calibrating import FOREVER, OPTIONS, PAUSE, agree, here, journal, program, reference, simulation, truth  # noqa: F401
from waiting import wait_for

import helpers

LIMIT = 10  # seconds for a fit that hangs; the others take a fraction of one, on a busy machine some
SCRIPT = """
import helpers
import psutil

def simulate(rng):
    mu = rng.normal()
    loops = {forever} if mu == {hangs} else {pause}
    return {{"mu": mu}}, {{"y": rng.normal(mu), "refuse": 0, "loops": loops}}

def said(rows):
    print("result", flush=True)

if __name__ == "__main__":
    print("called", flush=True)
    options = {options!r}
    table = helpers.calibrate({program!r}, simulate, {n}, folder={folder!r}, watch=said, **options)
    children = [process.cmdline() for process in psutil.Process().children(recursive=True)]
    print("left behind", [line for line in children if "resource_tracker" not in line[-1]])
    print("went on with", table["replication"].to_list(), flush=True)
"""


class Cluster:
    """A scheduler and workers as processes of their own, by their commands, with folders of their own."""

    def __init__(self, folder, workers, threads=1, cache="cache"):
        dask, file = Path(sys.executable).with_name("dask"), folder / "scheduler.json"
        self.folder, self.scratch = folder, folder / "scratch"
        self.scratch.mkdir()
        env = os.environ | {"TMPDIR": str(self.scratch)}
        if cache:
            self.cache = folder / cache
            env["STAN_MODEL_CACHE"] = str(self.cache)
        self.log = (folder / "log").open("w")
        local = ["--scheduler-file", file, "--no-dashboard", "--dashboard-address", "127.0.0.1:0"]
        start = functools.partial(
            subprocess.Popen, env=env, cwd=folder, stderr=self.log, start_new_session=True
        )
        self.scheduler = start([dask, "scheduler", "--host", "127.0.0.1", "--port", "0", *local])
        only = [*local, "--nthreads", str(threads), "--host", "127.0.0.1"]
        self.workers = [start([dask, "worker", *only]) for _ in range(workers)]
        self.client = distributed.Client(scheduler_file=str(file), timeout=60)
        self.client.wait_for_workers(workers, timeout=60)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.close()
        for process in (*self.workers, self.scheduler):
            process.kill()  # processes that they started end with them
        for process in (*self.workers, self.scheduler):
            process.wait(30)
        self.log.close()


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    with Cluster(tmp_path_factory.mktemp("two"), workers=2) as cluster:
        yield cluster


def kill_a_worker_in_mid_fit(*roots):
    """Kill one worker process, of those below, while CmdStan runs for it."""

    def killed():
        for root in roots:
            for process in psutil.Process(root).children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    if process.name() == "pausing":
                        worker = process.parent()
                        assert worker.pid not in (os.getpid(), *roots)
                        worker.kill()
                        return True
        return False

    wait_for(killed)


def left_behind(session):
    """Give the processes that a driver started, and that are still there."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            if os.getsid(process.pid) == session and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.cmdline())
    return found


def test_two_worker_processes_give_the_same_table_and_compile_once(program, reference, two, tmp_path):
    done = []
    table = helpers.calibrate(
        program, simulation(), 100, two.client, folder=tmp_path, watch=done.append, **OPTIONS
    )
    assert table.drop("seconds").equals(reference.drop("seconds"))
    assert len(done) == 100
    assert agree(pl.concat(done).sort("replication"), reference, range(100)), "what watch is given"
    assert two.folder.joinpath("log").read_text().count("compiling pausing.stan") == 1
    assert len([entry for entry in two.cache.iterdir() if entry.is_dir()]) == 1


# Workers that are killed, fits that hang or fail


def test_a_worker_killed_in_mid_fit_leaves_no_trace_in_the_table(program, reference, two, tmp_path):
    killed = []

    def kill(rows):
        if len(killed) < 2 and rows["replication"][0] in (2, 8):
            kill_a_worker_in_mid_fit(*[worker.pid for worker in two.workers])
            killed.append(rows)

    simulate = simulation(loops=PAUSE)
    table = helpers.calibrate(program, simulate, 14, two.client, folder=tmp_path, watch=kill, **OPTIONS)
    assert len(killed) == 2
    assert agree(table, reference, range(14))
    assert sorted(line["replication"] for line in journal(tmp_path)) == list(range(14))


def test_output_of_fits_is_deleted_on_the_workers(two):
    kinds = (".csv", ".json", ".txt", ".R")
    assert [path for path in two.scratch.rglob("*") if path.suffix in kinds] == []
    assert any(two.scratch.rglob("worker-*")), "this looks where the workers are"


def test_workers_of_this_machine_may_be_killed_and_one_that_always_dies_is_named(
    program, reference, tmp_path, capfd
):
    killed = []

    def kill(rows):
        if not killed:
            kill_a_worker_in_mid_fit(os.getpid())
            killed.append(rows)

    simulate = simulation({13: "die"} | {i: {"loops": PAUSE} for i in range(6)})
    table = helpers.calibrate(program, simulate, 16, folder=tmp_path, watch=kill, **OPTIONS)
    assert killed
    bad = table.filter(replication=13)
    assert bad["status"].to_list() == ["every worker that tried it died"]
    assert bad.select("truth", "rank", "mean", "sd", "ess", "seconds").null_count().row(0) == (1,) * 6
    good = [i for i in range(16) if i != 13]
    assert agree(table.filter(pl.col("replication") != 13), reference, good)
    assert sorted(line["replication"] for line in journal(tmp_path)) == list(range(16))
    assert capfd.readouterr().err == ""


def test_fits_that_hang_or_fail_are_rows_that_say_so(program, reference, here, tmp_path, monkeypatch):
    import cmdstanpy

    chains, sample = [], cmdstanpy.CmdStanModel.sample

    @functools.wraps(sample)
    def counted(self, **options):
        chains.append((options["chain_ids"], options["timeout"]))
        return sample(self, **options)

    monkeypatch.setattr(cmdstanpy.CmdStanModel, "sample", counted)
    cases = {3: {"loops": FOREVER}, 4: {"refuse": 1}, 5: "raise", 6: {"y": [1.0, 2.0]}}
    call = functools.partial(helpers.calibrate, program, folder=tmp_path, timeout=LIMIT, **OPTIONS)
    table = call(simulation(cases), 8, here)
    status = dict(table.select("replication", "status").iter_rows())
    assert status.pop(3) == f"timeout: the fit took more than {LIMIT} s"
    assert status.pop(4) == "CmdStan: this one is refused (line 8, column 14 to column 44)"
    assert status.pop(5) == "ZeroDivisionError: no such day"
    assert status.pop(6).startswith("CmdStan: mismatch in number dimensions declared and found in context")
    assert set(status.values()) == {"ok"}
    first, second = ([left for k, left in chains if k == chain] for chain in (1, 2))
    assert (len(first), len(second)) == (7, 4), "the second chain of a fit that hangs or fails is not run"
    assert max(second) < LIMIT, "the second chain has the time that the first has left"
    assert agree(table.filter(status="ok"), reference, status)
    failed = table.filter(pl.col("status") != "ok")
    assert failed["truth"].to_list() == [truth(3), truth(4), None, truth(6)]
    assert (
        failed.select("rank", "mean", "sd", "z_score", "ess", "r_hat", "divergences").null_count().row(0)
        == (4,) * 7
    )
    assert failed["seconds"].null_count() == 0
    assert left_behind_of_this_process() == []


def left_behind_of_this_process():
    children = psutil.Process().children(recursive=True)
    return [process.cmdline() for process in children if process.name() == "pausing"]


# The driver interrupted


N = 12  # replications of a driver: more than ten, so that it starts two processes


class Driver:
    """A script that calls `calibrate`, as if from a terminal of its own."""

    def __init__(self, program, folder, hangs=None, timeout=600):
        script = folder / "script.py"
        values = {"program": str(program), "folder": str(folder / "kept"), "n": N, "pause": PAUSE}
        values |= {"forever": FOREVER, "hangs": None if hangs is None else truth(hangs)}
        script.write_text(SCRIPT.format(options=OPTIONS | {"timeout": timeout}, **values))
        self.errors = folder / "errors"
        with self.errors.open("w") as errors:
            self.process = subprocess.Popen(
                [sys.executable, script],
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,
            )
        assert self.process.stdout.readline() == "called\n"

    def wait_for(self, what):
        wait_for(lambda: what() or self.process.poll() is not None)
        assert self.process.poll() is None, self.errors.read_text()

    def children(self):
        return psutil.Process(self.process.pid).children(recursive=True)

    def fitting(self):
        with contextlib.suppress(psutil.Error):
            return any(process.name() == "pausing" for process in self.children())

    def finish(self):
        """Give what it wrote: to the output, and to the errors."""
        output = self.process.communicate()[0]
        return output, self.errors.read_text().splitlines()


def wait_until_gone(session):
    """Wait until all processes of a driver have ended."""
    wait_for(lambda: not left_behind(session))


@pytest.mark.parametrize(
    ("to", "times", "when"),
    [("terminal", 1, "result"), ("notebook", 2, "one hangs"), ("terminal", 1, "workers start")],
)
def test_ctrl_c_leaves_a_table_and_no_process(to, times, when, program, reference, here, tmp_path):
    hangs = 2 if when == "one hangs" else None
    driver = Driver(program, tmp_path, hangs)
    pid = driver.process.pid
    if when == "workers start":
        driver.wait_for(driver.children)
        time.sleep(0.3)
    else:
        for _ in range(1 if hangs is None else 4):
            assert driver.process.stdout.readline() == "result\n"
        driver.wait_for(driver.fitting)
    for _ in range(times):
        if to == "terminal":
            os.killpg(pid, signal.SIGINT)
        else:
            os.kill(pid, signal.SIGINT)
        time.sleep(0.1)
    output, errors = driver.finish()
    assert driver.process.returncode == 0, errors
    assert "left behind []" in output
    done = json.loads(output.partition("went on with ")[2])
    assert len(done) < N
    assert len(done) >= (when == "result")
    assert errors == [f"interrupted: the same call goes on from here, {len(done)} of {N}"]
    wait_until_gone(pid)

    cases, n = ({}, N) if hangs is None else ({2: {"loops": FOREVER}}, 2)
    simulate = simulation(cases, loops=PAUSE)
    table = helpers.calibrate(program, simulate, n, here, folder=tmp_path / "kept", **OPTIONS)
    assert agree(table, reference, range(n))
    numbers = [line["replication"] for line in journal(tmp_path / "kept")]
    assert sorted(numbers) == sorted({*range(n), *done}), "none is run again"


def test_a_killed_driver_leaves_a_whole_journal_and_no_process(program, reference, here, tmp_path):
    # The third fit hangs. CmdStan does not notice that its worker is gone: the system has to end it.
    driver = Driver(program, tmp_path, hangs=2, timeout=LIMIT)
    for _ in range(4):
        assert driver.process.stdout.readline() == "result\n"
    driver.wait_for(driver.fitting)
    driver.process.kill()
    driver.process.wait()
    wait_until_gone(driver.process.pid)
    (path,) = tmp_path.glob("kept/*.jsonl")
    before = [line["replication"] for line in journal(tmp_path / "kept") if line["status"] == "ok"]
    with path.open("ab") as file:
        file.write(b'{"replication": 7, "status": "ok", "sec')  # as if killed in mid-line
    simulate = simulation({2: {"loops": FOREVER}}, loops=PAUSE)
    options = OPTIONS | {"timeout": LIMIT, "folder": tmp_path / "kept"}
    table = helpers.calibrate(program, simulate, N, here, **options)
    slow = f"timeout: the fit took more than {LIMIT} s"
    assert table["status"].to_list() == ["ok"] * 2 + [slow] + ["ok"] * (N - 3)
    assert agree(table.filter(status="ok"), reference, [0, 1, *range(3, N)])
    numbers = [line["replication"] for line in journal(tmp_path / "kept") if line["status"] == "ok"]
    assert sorted(numbers) == [0, 1, *range(3, N)], "what was finished is not run again"
    assert len(before) >= 3


def test_a_script_without_the_guard_is_told_so_in_a_line(program, tmp_path):
    script = tmp_path / "script.py"
    values = {
        "program": str(program),
        "folder": str(tmp_path),
        "n": 2,
        "pause": 0,
        "forever": 0,
        "hangs": None,
    }
    text = SCRIPT.format(options=OPTIONS, **values)
    script.write_text(text.replace('if __name__ == "__main__":', "if True:"))
    ended = subprocess.run([sys.executable, script], capture_output=True, text=True)
    assert ended.returncode == 1
    last = ended.stderr.splitlines()[-1]
    assert last.startswith("RuntimeError: ")
    assert 'call calibrate below `if __name__ == "__main__":`' in last
    assert ended.stderr.count("Traceback") == 1, ended.stderr
    assert len(ended.stderr.splitlines()) < 20, ended.stderr


# Workers elsewhere


def test_functions_of_any_kind_reach_workers_with_several_threads(program, reference, tmp_path):
    def general(shift, rng):
        mu = rng.normal() + shift
        return {"mu": mu}, {"y": rng.normal(mu), "refuse": 0, "loops": 0}

    notebook = {"__name__": "__main__"}
    exec(
        "def simulate(rng):\n    mu = rng.normal()\n"
        "    return {'mu': mu}, {'y': rng.normal(mu), 'refuse': 0, 'loops': 0}",
        notebook,
    )
    assert notebook["simulate"].__module__ == "__main__"
    kinds = {
        "closure": simulation(),
        "lambda": lambda rng: general(0, rng),
        "partial": functools.partial(general, 0),
        "notebook": notebook["simulate"],
    }
    with Cluster(tmp_path, workers=1, threads=2, cache=None) as cluster:
        for kind, simulate in kinds.items():
            folder = tmp_path / kind
            table = helpers.calibrate(program, simulate, 4, cluster.client, folder=folder, **OPTIONS)
            assert agree(table, reference, range(4)), kind

        # The scheduler goes, in the midst of it.
        folder, done = tmp_path / "lost", []

        def lose(rows):
            done.append(rows)
            if len(done) == 3:
                cluster.scheduler.kill()
                cluster.scheduler.wait()

        call = functools.partial(helpers.calibrate, program, simulation(loops=PAUSE), 12)
        with pytest.raises(
            RuntimeError, match=r"^lost the scheduler: start it again, and the same call goes on"
        ):
            call(cluster.client, folder=folder, watch=lose, **OPTIONS)
        kept = [line["replication"] for line in journal(folder)]
        assert len(kept) == len(set(kept)) >= 3
