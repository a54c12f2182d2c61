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

import helpers
import helpers.calibration as calibration
import helpers.plots

PROGRAM = """data {
  real y;
  int refuse;
  int loops;
}
transformed data {
  real x = y;
  if (refuse) reject("this one is refused");
  for (k in 1:loops) x = cos(x);
}
parameters {
  real mu;
}
model {
  mu ~ normal(0, 1);
  y ~ normal(mu, 1);
}
generated quantities {
  real no_matter = x;
}
"""
OPTIONS = {"chains": 2, "iter_warmup": 200, "iter_sampling": 500, "show_progress": False}
PAUSE = 2_500_000  # loops: about a tenth of a second in each chain, with no effect on the draws
FOREVER = 2**31 - 1  # half a minute and more
SCRIPT = """
import sys
import helpers

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
    print("went on with", table["replication"].to_list(), flush=True)
"""


def simulation(cases=None, loops=0):
    """Return a simulation in which single replications do something else.

    A function within a function is sent to workers as it is; they cannot import this module.
    """
    cases = {truth(i): what for i, what in (cases or {}).items()}

    def simulate(rng):
        mu = rng.normal()
        data = {"y": rng.normal(mu), "refuse": 0, "loops": loops}
        what = cases.get(mu, {})
        if what == "raise":
            raise ZeroDivisionError("no such day")
        if what == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        return {"mu": mu}, data | what

    return simulate


def truth(i):
    return float(calibration._seeds(1, i)[0].normal())


def agree(table, reference, replications):
    """Say whether a table has just these replications of another; shrinkage depends on all of them."""
    expected = reference.filter(pl.col("replication").is_in(list(replications)))
    return table.drop("seconds", "shrinkage").equals(expected.drop("seconds", "shrinkage"))


def journal(folder):
    (path,) = folder.glob("*.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="session")
def program(tmp_path_factory):
    path = tmp_path_factory.mktemp("program") / "pausing.stan"
    path.write_text(PROGRAM)
    helpers.stan_model(path)
    return path


@pytest.fixture(scope="module")
def here():
    """Give a client of this process, with two threads."""
    options = {"n_workers": 1, "threads_per_worker": 2, "dashboard_address": "127.0.0.1:0"}
    with distributed.Client(processes=False, **options) as client:
        yield client


@pytest.fixture(scope="module")
def reference(program, here, tmp_path_factory):
    """Make the table that all ways of running must give: a hundred replications at once."""
    folder = tmp_path_factory.mktemp("reference")
    return helpers.calibrate(program, simulation(), 100, here, folder=folder, **OPTIONS)


class Cluster:
    """A scheduler and workers as processes of their own, by their commands, with folders of their own."""

    def __init__(self, folder, workers, threads=1):
        dask, file = Path(sys.executable).with_name("dask"), folder / "scheduler.json"
        self.folder, self.scratch = folder, folder / "scratch"
        self.scratch.mkdir()
        self.cache = folder / "cache"
        env = os.environ | {"TMPDIR": str(self.scratch), "STAN_MODEL_CACHE": str(self.cache)}
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
            process.terminate()
        for process in (*self.workers, self.scheduler):
            process.wait(30)
        self.log.close()


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    with Cluster(tmp_path_factory.mktemp("two"), workers=2) as cluster:
        yield cluster


def kill_a_worker_in_mid_fit(*roots):
    """Kill one worker process, of those below, while CmdStan runs for it."""
    for _ in range(1000):
        for root in roots:
            for process in psutil.Process(root).children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    if process.name() == "pausing":
                        worker = process.parent()
                        assert worker.pid not in (os.getpid(), *roots)
                        worker.kill()
                        return
        time.sleep(0.01)
    raise AssertionError("no worker runs CmdStan")


def left_behind(session):
    """Give the processes that a driver started, and that are still there."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            if os.getsid(process.pid) == session and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.cmdline())
    return found


# Results depend on nothing but the arguments


def test_one_worker_and_a_larger_n_give_the_table_of_two_at_once(program, reference, tmp_path):
    options = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": "127.0.0.1:0"}
    with distributed.Client(processes=False, **options) as client:
        calls = [
            helpers.calibrate(program, simulation(), n, client, folder=tmp_path, **OPTIONS) for n in (7, 20)
        ]
    for table, n in zip(calls, (7, 20), strict=True):
        assert agree(table, reference, range(n))
    assert [line["replication"] for line in journal(tmp_path)] == list(range(20))


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


def test_the_order_of_finishing_does_not_matter(program, reference, here, tmp_path):
    late = simulation({i: {"loops": 3 * PAUSE} for i in range(0, 12, 2)})
    table = helpers.calibrate(program, late, 12, here, folder=tmp_path, **OPTIONS)
    order = [line["replication"] for line in journal(tmp_path)]
    assert order != sorted(order)
    assert agree(table, reference, range(12))


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
        chains.append(options["chain_ids"])
        return sample(self, **options)

    monkeypatch.setattr(cmdstanpy.CmdStanModel, "sample", counted)
    cases = {3: {"loops": FOREVER}, 4: {"refuse": 1}, 5: "raise", 6: {"y": [1.0, 2.0]}}
    call = functools.partial(helpers.calibrate, program, folder=tmp_path, timeout=3, **OPTIONS)
    table = call(simulation(cases), 8, here)
    status = dict(table.select("replication", "status").iter_rows())
    assert status.pop(3) == "timeout: the fit took more than 3 s"
    assert status.pop(4) == "CmdStan: this one is refused (line 8, column 14 to column 44)"
    assert status.pop(5) == "ZeroDivisionError: no such day"
    assert status.pop(6).startswith("CmdStan: mismatch in number dimensions declared and found in context")
    assert set(status.values()) == {"ok"}
    assert sorted(chains) == [1] * 7 + [2] * 4, "the second chain of a fit that hangs or fails is not run"
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


def test_failed_fits_are_tried_again(program, reference, here, tmp_path):
    tries = tmp_path / "tries"

    def simulate(rng):  # for the same numbers another answer, as on a machine that was out of memory
        mu = rng.normal()
        if mu == fails and not tries.exists():
            tries.touch()
            raise MemoryError
        return {"mu": mu}, {"y": rng.normal(mu), "refuse": 0, "loops": 0}

    fails = truth(11)
    call = functools.partial(helpers.calibrate, program, simulate, 12, here, folder=tmp_path, **OPTIONS)
    assert call().filter(pl.col("status") != "ok")["replication"].to_list() == [11]
    table = call()
    assert agree(table, reference, range(12))
    assert len(journal(tmp_path)) == 13


# The driver interrupted


class Driver:
    """A script that calls `calibrate`, as if from a terminal of its own."""

    def __init__(self, program, folder, hangs=None, timeout=60):
        script = folder / "script.py"
        values = {"program": str(program), "folder": str(folder / "kept"), "n": 8, "pause": PAUSE}
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
        for _ in range(3000):
            if what():
                return
            assert self.process.poll() is None, self.errors.read_text()
            time.sleep(0.01)
        raise AssertionError("waited for nothing")

    def children(self):
        return psutil.Process(self.process.pid).children(recursive=True)

    def fitting(self):
        with contextlib.suppress(psutil.Error):
            return any(process.name() == "pausing" for process in self.children())

    def finish(self):
        """Give what it wrote: to the output, and to the errors."""
        output = self.process.communicate(timeout=60)[0]
        return output, self.errors.read_text().splitlines()


def gone(session):
    """Say whether all processes of a driver end within some seconds."""
    for _ in range(150):
        if not (left := left_behind(session)):
            return True
        time.sleep(0.1)
    raise AssertionError(left)


def resumed(program, reference, here, folder, n=8):
    table = helpers.calibrate(program, simulation(loops=PAUSE), n, here, folder=folder / "kept", **OPTIONS)
    assert agree(table, reference, range(n))
    numbers = [line["replication"] for line in journal(folder / "kept")]
    assert sorted(numbers) == list(range(n)), "none is run again"


@pytest.mark.parametrize(
    ("to", "times", "when"),
    [
        ("terminal", 1, "result"),
        ("notebook", 2, "first fit"),
        ("terminal", 1, "workers start"),
    ],
)
def test_ctrl_c_leaves_a_table_and_no_process(to, times, when, program, reference, here, tmp_path):
    driver = Driver(program, tmp_path)
    pid = driver.process.pid
    if when == "result":
        assert driver.process.stdout.readline() == "result\n"
        driver.wait_for(driver.fitting)
    elif when == "first fit":
        driver.wait_for(driver.fitting)
    else:
        driver.wait_for(driver.children)
        time.sleep(0.3)
    for _ in range(times):
        if to == "terminal":
            os.killpg(pid, signal.SIGINT)
        else:
            os.kill(pid, signal.SIGINT)
        time.sleep(0.1)
    output, errors = driver.finish()
    assert driver.process.returncode == 0, errors
    done = json.loads(output.partition("went on with ")[2])
    assert len(done) < 8
    assert len(done) >= (when == "result")
    assert errors == [f"interrupted: the same call goes on from here, {len(done)} of 8"]
    assert gone(pid)
    resumed(program, reference, here, tmp_path)


def test_a_killed_driver_leaves_a_whole_journal_and_no_process(program, reference, here, tmp_path):
    # The third fit hangs. CmdStan does not notice that its worker is gone: the system has to end it.
    driver = Driver(program, tmp_path, hangs=2, timeout=5)
    for _ in range(4):
        assert driver.process.stdout.readline() == "result\n"
    assert driver.fitting()
    driver.process.kill()
    driver.process.wait()
    assert gone(driver.process.pid)
    (path,) = tmp_path.glob("kept/*.jsonl")
    with path.open("ab") as file:
        file.write(b'{"replication": 7, "status": "ok", "sec')  # as if killed in mid-line
    before = len(path.read_text().splitlines()) - 1
    simulate = simulation({2: {"loops": FOREVER}}, loops=PAUSE)
    options = OPTIONS | {"timeout": 5, "folder": tmp_path / "kept"}
    table = helpers.calibrate(program, simulate, 8, here, **options)
    assert table["status"].to_list() == ["ok"] * 2 + ["timeout: the fit took more than 5 s"] + ["ok"] * 5
    assert agree(table.filter(status="ok"), reference, [0, 1, 3, 4, 5, 6, 7])
    numbers = [line["replication"] for line in journal(tmp_path / "kept")]
    assert sorted(numbers) == list(range(8)), "what was finished is not run again"
    assert before >= 4
