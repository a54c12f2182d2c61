"""`calibrate` does what it says with workers killed, fits that hang, and the driver interrupted: for real."""

import contextlib
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
from calibrating import FOREVER, OPTIONS, PAUSE, agree, here, journal, program, simulation, truth  # noqa: F401
from waiting import wait_for

import helpers

N = 12  # The replications of a driver are more than ten, so that it starts two processes.
DRIVEN = 4 * PAUSE  # These loops give a driver's fits a second, in which they are found.
LIMIT = 10  # These are the seconds for a fit that hangs; others take a fraction of one.
SCRIPT = """
import helpers
import psutil

def simulate(rng):
    mu = rng.normal()
    loops = {forever} if mu == {hangs} else {pause}
    return {{"mu": mu}}, {{"y": rng.normal(mu), "refuse": 0, "loops": loops}}

def said(rows):
    print("result", flush=True)

if {guard}:
    print("called", flush=True)
    options = {options!r}
    table = helpers.calibrate({program!r}, simulate, {n}, folder={folder!r}, watch=said, **options)
    children = [process.cmdline() for process in psutil.Process().children(recursive=True)]
    print("left behind", [line for line in children if "resource_tracker" not in line[-1]])
    print("went on with", table["replication"].to_list(), flush=True)
"""


@pytest.fixture(scope="module")
def reference(program, here, tmp_path_factory):
    """Make the table that all ways of running must give: all replications at once, in this process."""
    folder = tmp_path_factory.mktemp("reference")
    return helpers.calibrate(program, simulation(), 16, here, folder=folder, **OPTIONS)


@contextlib.contextmanager
def cluster(folder):
    """Start a scheduler and two workers by their commands, with folders of their own."""
    dask, file = Path(sys.executable).with_name("dask"), folder / "scheduler.json"
    (folder / "scratch").mkdir()
    env = os.environ | {"TMPDIR": str(folder / "scratch"), "STAN_MODEL_CACHE": str(folder / "cache")}
    local = ["--host", "127.0.0.1", "--scheduler-file", file, "--no-dashboard"]
    local += ["--dashboard-address", "127.0.0.1:0"]
    commands = [["scheduler", "--port", "0", *local], *[["worker", "--nthreads", "1", *local]] * 2]
    with (folder / "log").open("w") as log:
        options = {"env": env, "cwd": folder, "stderr": log, "start_new_session": True}
        started = [subprocess.Popen([dask, *words], **options) for words in commands]
        try:
            with distributed.Client(scheduler_file=str(file), timeout=60) as client:
                client.wait_for_workers(2, timeout=60)
                yield client, *started
        finally:
            for process in started:
                process.kill()  # The processes that it started end with it.
                process.wait()


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


# Workers


def test_a_killed_worker_leaves_no_trace_and_a_lost_scheduler_is_told(program, reference, tmp_path):
    slow = {i: {"loops": 30 * PAUSE} for i in (4, 10)}  # These are still at work when they are looked for.
    killed, simulate, kept = [], simulation(slow, loops=PAUSE), tmp_path / "kept"

    def kill(rows):
        if len(killed) < 2 and rows["replication"][0] in (2, 8):
            kill_a_worker_in_mid_fit(*(worker.pid for worker in workers))
            killed.append(rows)

    def lose(rows):
        scheduler.kill()
        scheduler.wait()

    with cluster(tmp_path) as (client, scheduler, *workers):
        options = OPTIONS | {"folder": kept}
        table = helpers.calibrate(program, simulate, 14, client, watch=kill, **options)
        assert len(killed) == 2
        assert agree(table, reference, range(14))
        assert agree(pl.concat(killed), table, [rows["replication"][0] for rows in killed])
        assert sorted(line["replication"] for line in journal(kept)) == list(range(14))
        assert (tmp_path / "log").read_text().count("compiling pausing.stan") == 1
        assert len([entry for entry in (tmp_path / "cache").iterdir() if entry.is_dir()]) == 1
        scratch = [*(tmp_path / "scratch").rglob("*")]
        assert any("worker-" in path.name for path in scratch), "this looks where the workers are"
        assert not [path for path in scratch if path.suffix in (".csv", ".json", ".txt")], "fits are deleted"
        with pytest.raises(RuntimeError, match=r"^lost the scheduler: start it again"):
            helpers.calibrate(program, simulate, 30, client, watch=lose, **options)
        assert len(journal(kept)) > 14, "what was finished is kept"


def test_a_replication_that_kills_its_workers_is_named(program, reference, tmp_path, capfd):
    killed = []

    def kill(rows):
        if not killed:
            kill_a_worker_in_mid_fit(os.getpid())
            killed.append(rows)

    # The driver itself simulates the first ten, as a key for what it keeps: none of them may die.
    simulate = simulation({11: "die"} | {i: {"loops": 10 * PAUSE} for i in range(1, 6)})
    table = helpers.calibrate(program, simulate, N, folder=tmp_path, watch=kill, **OPTIONS)
    assert killed
    bad, good = table.filter(replication=11), table.filter(pl.col("replication") != 11)
    assert bad["status"].to_list() == ["every worker that tried it died"]
    assert bad.select("truth", "rank", "mean", "sd", "ess", "seconds").null_count().row(0) == (1,) * 6
    assert agree(good, reference, range(11))
    assert sorted(line["replication"] for line in journal(tmp_path)) == list(range(N))
    assert capfd.readouterr().err == ""


def test_fits_that_hang_or_fail_are_rows_that_say_so(program, reference, here, tmp_path):
    cases = {3: {"loops": FOREVER}, 4: {"refuse": 1}, 5: "raise", 6: {"y": [1.0, 2.0]}}
    options = OPTIONS | {"folder": tmp_path, "timeout": LIMIT}
    table = helpers.calibrate(program, simulation(cases), 8, here, **options)
    status = dict(table.select("replication", "status").iter_rows())
    assert status.pop(3) == f"timeout: the fit took more than {LIMIT} s"
    assert status.pop(4) == "CmdStan: this one is refused (line 8, column 14 to column 44)"
    assert status.pop(5) == "ZeroDivisionError: no such day"
    assert status.pop(6).startswith("CmdStan: mismatch in number dimensions declared and found in context")
    assert set(status.values()) == {"ok"}
    assert agree(table.filter(status="ok"), reference, status)
    failed = table.filter(pl.col("status") != "ok")
    assert failed["truth"].to_list() == [truth(3), truth(4), None, truth(6)]
    unknown = failed.select("rank", "mean", "sd", "z_score", "ess", "r_hat", "divergences")
    assert unknown.null_count().row(0) == (4,) * 7
    assert failed["seconds"].null_count() == 0
    children = psutil.Process().children(recursive=True)
    assert [process for process in children if process.name() == "pausing"] == []


# The driver


class Driver:
    """A script that calls `calibrate`, as if from a terminal of its own."""

    def __init__(self, program, folder, hangs=None, timeout=600, guard='__name__ == "__main__"'):
        values = {"program": str(program), "folder": str(folder / "kept"), "n": N, "pause": DRIVEN}
        values |= {"forever": FOREVER, "hangs": None if hangs is None else truth(hangs), "guard": guard}
        script = folder / "script.py"
        script.write_text(SCRIPT.format(options=OPTIONS | {"timeout": timeout}, **values))
        self.errors = folder / "errors"
        with self.errors.open("w") as errors:
            pipes = {"stdout": subprocess.PIPE, "stderr": errors, "text": True, "start_new_session": True}
            self.process = subprocess.Popen([sys.executable, script], **pipes)
        assert self.process.stdout.readline() == "called\n"

    def wait_for_child(self, word):
        """Wait until it has a process, or one of its processes has, with a word in its command."""

        def there():
            assert self.process.poll() is None, self.errors.read_text()
            for process in psutil.Process(self.process.pid).children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    if word in " ".join(process.cmdline()):
                        return True
            return False

        wait_for(there)

    def results(self, count):
        """Wait for so many results."""
        for _ in range(count):
            assert self.process.stdout.readline() == "result\n"

    def wait_until_gone(self):
        """Wait until all processes that it started have ended."""

        def left():
            for process in psutil.process_iter():
                with contextlib.suppress(psutil.Error, ProcessLookupError):
                    alive = process.status() != psutil.STATUS_ZOMBIE
                    if alive and os.getsid(process.pid) == self.process.pid:
                        return True
            return False

        wait_for(lambda: not left())


@pytest.mark.parametrize(
    ("send", "times", "when"),
    [(os.killpg, 1, "result"), (os.kill, 2, "one hangs"), (os.killpg, 1, "workers start")],
    ids=["terminal", "notebook", "start"],
)
def test_ctrl_c_leaves_a_table_and_no_process(send, times, when, program, reference, here, tmp_path):
    driver = Driver(program, tmp_path, hangs=2 if when == "one hangs" else None)
    if when == "workers start":
        driver.wait_for_child("spawn_main")
    else:
        driver.results(4 if when == "one hangs" else 1)
        driver.wait_for_child("/pausing ")
    for _ in range(times):
        send(driver.process.pid, signal.SIGINT)
        time.sleep(0.1)
    output, errors = driver.process.communicate()[0], driver.errors.read_text()
    assert driver.process.returncode == 0, errors
    assert "left behind []" in output
    done = json.loads(output.partition("went on with ")[2])
    assert (when == "result") <= len(done) < N
    assert errors == f"interrupted: the same call goes on from here, {len(done)} of {N}\n"
    driver.wait_until_gone()

    cases, n = ({2: {"loops": FOREVER}}, 2) if when == "one hangs" else ({}, N)
    kept = tmp_path / "kept"
    table = helpers.calibrate(program, simulation(cases, loops=DRIVEN), n, here, folder=kept, **OPTIONS)
    assert agree(table, reference, range(n))
    numbers = [line["replication"] for line in journal(kept)]
    assert sorted(numbers) == sorted({*range(n), *done}), "none is run again"


def test_a_killed_driver_leaves_a_whole_journal_and_no_process(program, reference, here, tmp_path):
    # CmdStan does not notice that its worker is gone: the system has to end the third fit, which hangs.
    driver = Driver(program, tmp_path, hangs=2, timeout=LIMIT)
    driver.results(4)
    driver.wait_for_child("/pausing ")
    driver.process.kill()
    driver.process.wait()
    driver.wait_until_gone()
    kept = tmp_path / "kept"
    before = [line["replication"] for line in journal(kept) if line["status"] == "ok"]
    assert len(before) >= 3
    (path,) = kept.glob("*.jsonl")
    with path.open("ab") as file:
        file.write(b'{"replication": 7, "status": "ok", "sec')  # A kill may come in mid-line.
    simulate = simulation({2: {"loops": FOREVER}}, loops=DRIVEN)
    table = helpers.calibrate(program, simulate, N, here, **OPTIONS | {"timeout": LIMIT, "folder": kept})
    slow = f"timeout: the fit took more than {LIMIT} s"
    assert table["status"].to_list() == ["ok"] * 2 + [slow] + ["ok"] * (N - 3)
    assert agree(table.filter(status="ok"), reference, [0, 1, *range(3, N)])
    numbers = [line["replication"] for line in journal(kept) if line["status"] == "ok"]
    assert sorted(numbers) == [0, 1, *range(3, N)], "what was finished is not run again"


def test_a_script_without_the_guard_is_told_so_in_a_line(program, tmp_path):
    driver = Driver(program, tmp_path, guard="True")
    driver.process.communicate()
    errors = driver.errors.read_text()
    assert driver.process.returncode == 1
    last = errors.splitlines()[-1]
    assert last.startswith("RuntimeError: ")
    assert 'call calibrate below `if __name__ == "__main__":`' in last
    assert errors.count("Traceback") == 1, errors
    assert len(errors.splitlines()) < 20, errors
