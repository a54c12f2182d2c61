"""`calibrate` does what it says with workers killed, fits that hang, and the driver interrupted: for real."""

import contextlib
import functools
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import distributed
import numpy as np
import polars as pl
import psutil
import pytest
import scipy.stats
from filelock import FileLock
from polars.testing import assert_frame_equal

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
        chains.append((options["chain_ids"], options["timeout"]))
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
    first, second = ([left for k, left in chains if k == chain] for chain in (1, 2))
    assert (len(first), len(second)) == (7, 4), "the second chain of a fit that hangs or fails is not run"
    assert max(second) < 3, "the second chain has the time that the first has left"
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


N = 12  # replications of a driver: more than ten, so that it starts two processes


class Driver:
    """A script that calls `calibrate`, as if from a terminal of its own."""

    def __init__(self, program, folder, hangs=None, timeout=60):
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
    assert gone(pid)

    cases, n = ({}, N) if hangs is None else ({2: {"loops": FOREVER}}, 2)
    simulate = simulation(cases, loops=PAUSE)
    table = helpers.calibrate(program, simulate, n, here, folder=tmp_path / "kept", **OPTIONS)
    assert agree(table, reference, range(n))
    numbers = [line["replication"] for line in journal(tmp_path / "kept")]
    assert sorted(numbers) == sorted({*range(n), *done}), "none is run again"


def test_a_killed_driver_leaves_a_whole_journal_and_no_process(program, reference, here, tmp_path):
    # The third fit hangs. CmdStan does not notice that its worker is gone: the system has to end it.
    driver = Driver(program, tmp_path, hangs=2, timeout=3)
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
    options = OPTIONS | {"timeout": 3, "folder": tmp_path / "kept"}
    table = helpers.calibrate(program, simulate, N, here, **options)
    assert table["status"].to_list() == ["ok"] * 2 + ["timeout: the fit took more than 3 s"] + ["ok"] * (
        N - 3
    )
    assert agree(table.filter(status="ok"), reference, [0, 1, *range(3, N)])
    numbers = [line["replication"] for line in journal(tmp_path / "kept")]
    assert sorted(numbers) == list(range(N)), "what was finished is not run again"
    assert before >= 4


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
    ended = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60)
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


def test_no_more_than_a_few_replications_are_on_their_way(program, here, tmp_path, monkeypatch):
    started, most, count = [], [], here.map

    def counted(function, packed, numbers, **options):
        started.extend(numbers)
        most.append(len(started) - len(done))
        return count(function, packed, numbers, **options)

    def at_once(packed, i):
        numbers = {name: [0.5] for name in ("truth", "mean", "sd", "ess", "r_hat")}
        return {"replication": i, "status": "ok", "seconds": 0, "divergences": 0, "rank": [i % 100]} | numbers

    done = []
    monkeypatch.setattr(calibration, "_replicate", at_once)
    monkeypatch.setattr(here, "map", counted)
    options = OPTIONS | {"folder": tmp_path, "watch": done.append}
    table = helpers.calibrate(program, simulation(), 500, here, **options)
    assert table["rank"].to_list() == [i % 100 for i in range(500)]
    assert sorted(started) == list(range(500))
    assert max(most) == 4, "two for each thread"


# Arguments, and the folder


def refuse(error, words, options):
    """Make sure of one line that says so, and that nothing was run or written."""
    options = {"simulate": simulation(), "n": 5} | OPTIONS | options
    with pytest.raises(error) as raised:
        helpers.calibrate(**options)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("error", "words", "options"),
    [
        (FileNotFoundError, "no Stan program 'centred' (did you mean 'centered'?)", {"program": "centred"}),
        (TypeError, "program is 3: give the name", {"program": 3}),
        (TypeError, "simulate is a dict: give a function", {"simulate": {}}),
        (ValueError, "n is 0: give the number of replications", {"n": 0}),
        (ValueError, "n is 2.5: give the number of replications", {"n": 2.5}),
        (ValueError, "n is True: give the number of replications", {"n": True}),
        (TypeError, "client is 'tcp://here:8786': give distributed.Client", {"client": "tcp://here:8786"}),
        (ValueError, "seed is -1: give a whole number", {"seed": -1}),
        (ValueError, "draws is 0: give the number of draws", {"draws": 0}),
        (ValueError, "draws is 1001, but a fit has 1000: give a smaller", {"draws": 1001}),
        (ValueError, "draws is 99, but a fit has 50: give a smaller", {"thin": 20}),
        (ValueError, "timeout is 0: give the seconds", {"timeout": 0}),
        (ValueError, "timeout is '60': give the seconds", {"timeout": "60"}),
        (TypeError, "folder is 3: give the path", {"folder": 3}),
        (TypeError, "watch is 'rows': give a function", {"watch": "rows"}),
        (TypeError, "calibrate has no option 'parallel_chains': replications run", {"parallel_chains": 2}),
        (TypeError, "calibrate has no option 'adaptdelta', nor has", {"adaptdelta": 0.9}),
        (ValueError, "adapt_delta", {"adapt_delta": 2}),
        (ValueError, "chains is 0: give a whole number, 1 or more", {"chains": 0}),
        (ValueError, "iter_sampling is '500': give a whole number", {"iter_sampling": "500"}),
        (ValueError, "cmdstanpy refuses the options of sample: TypeError", {"adapt_delta": "high"}),
        (ValueError, "step_size has 3 entries: give one for each chain", {"step_size": [0.1, 0.2, 0.3]}),
        (TypeError, "simulate has to return two dictionaries", {"simulate": lambda rng: {}}),
        (ValueError, "simulate gives no parameters", {"simulate": lambda rng: ({}, {})}),
        (ValueError, "simulate gives nan for 'mu'", {"simulate": lambda rng: ({"mu": np.nan}, {})}),
        (
            ValueError,
            "gives 'nu', which the program has not",
            {"simulate": lambda rng: ({"nu": 1}, {"y": 1})},
        ),
        (ValueError, "gives no 'refuse', which", {"simulate": lambda rng: ({"mu": 1}, {"y": 1})}),
        (TypeError, "gives 'high' for 'y'", {"simulate": lambda rng: ({"mu": 1}, {"y": "high"})}),
        (ValueError, "two answers", {"simulate": lambda rng: ({"mu": np.random.random()}, {"y": 1})}),  # noqa: NPY002
    ],
)
def test_a_wrong_argument_is_named_before_anything_runs(error, words, options, program, tmp_path):
    refuse(error, words, {"program": program, "folder": tmp_path / "kept"} | options)
    assert list(tmp_path.iterdir()) == []


def test_a_client_that_is_closed_is_refused(program, tmp_path):
    options = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": "127.0.0.1:0"}
    with distributed.Client(processes=False, **options) as client:
        pass
    options = {"program": program, "folder": tmp_path / "kept", "client": client}
    refuse(ValueError, "client is closed: give one that is connected", options)
    assert list(tmp_path.iterdir()) == []


def test_a_program_that_does_not_compile_is_shown_by_stan(tmp_path):
    (tmp_path / "wrong.stan").write_text("parameters { real mu }")
    with pytest.raises(helpers.StanError, match="does not compile"):
        helpers.calibrate(tmp_path / "wrong.stan", simulation(), 2, folder=tmp_path / "kept")
    assert not (tmp_path / "kept").exists()


def test_a_folder_that_cannot_be_written_is_named(program, here, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(
        OSError, match=r"^cannot write to .*file.below \(Not a directory\): give another folder$"
    ):
        helpers.calibrate(program, simulation(), 2, here, folder=tmp_path / "file" / "below", **OPTIONS)


def test_a_full_disk_is_named_and_what_was_finished_is_kept(tmp_path):
    kept = calibration._Journal(tmp_path / "kept.jsonl")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))  # no file may grow beyond
    done = set()
    try:
        with kept:
            for i in range(1000):
                kept.add({"replication": i, "status": "ok"})
                done.add(i)
    except OSError as error:
        said = str(error)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    again = "mend it, and the same call goes on from here"
    assert said == f"cannot write to {kept.path} (File too large): {again}"
    assert not kept.path.read_bytes().endswith(b"\n"), "half a line is left"
    with kept:
        assert kept.finished() == done
        kept.add({"replication": 1000, "status": "ok"})
        assert kept.finished() == done | {1000}


def test_a_second_call_waits_for_the_first_and_goes_on_from_there(program, here, tmp_path, capfd):
    call = functools.partial(
        helpers.calibrate, program, simulation(), folder=tmp_path, client=here, **OPTIONS
    )
    three = call(n=3)
    (journal,) = tmp_path.glob("*.jsonl")
    told, tables = "", []
    with FileLock(journal.with_suffix(".lock")):
        second = threading.Thread(target=lambda: tables.append(call(n=4)))
        second.start()
        end = time.monotonic() + 60
        while "waiting for it" not in told and time.monotonic() < end:
            told += capfd.readouterr().err
            time.sleep(0.05)
        assert "another process is at this table" in told
        assert len(journal.read_bytes().splitlines()) == 3
        assert not tables
    second.join(60)
    assert_frame_equal(tables[0].filter(pl.col("replication") < 3).drop("shrinkage"), three.drop("shrinkage"))
    assert tables[0]["replication"].unique().to_list() == [0, 1, 2, 3]


def test_resume_false_begins_anew(program, here, tmp_path):
    call = functools.partial(helpers.calibrate, program, simulation(), 3, here, folder=tmp_path, **OPTIONS)
    first, done = call(), []
    second = call(resume=False, watch=done.append)
    assert len(done) == 3
    assert second.drop("seconds").equals(first.drop("seconds"))
    assert call(watch=done.append).equals(second)
    assert len(done) == 3


# The numbers


def test_mean_sd_and_rank_are_those_of_the_exact_posterior(reference):
    """With y ~ normal(mu, 1) and mu ~ normal(0, 1), mu given y is normal(y / 2, sqrt(1 / 2)).

    The seed is fixed, so this is settled once for a machine; for a new seed the chance of a false alarm is
    below 1 in 100,000: 200 normal deviates beyond 6 standard errors, with room for the error of ESS; and 100
    binomial ranks farther than 3 sqrt(99) from their mean, less than 2 exp(-18) each after Hoeffding.
    """
    assert reference["status"].unique().to_list() == ["ok"]
    assert len({calibration._seeds(1, i)[1] for i in range(100)}) == reference["truth"].n_unique() == 100
    y = np.array([calibration._simulated(simulation(), 1, i)[1]["y"] for i in range(100)])
    mean, sd, ess, true = (reference[name].to_numpy() for name in ("mean", "sd", "ess", "truth"))
    exact = 0.5**0.5
    assert (abs(mean - y / 2) < 7 * exact / ess**0.5).all()
    assert (abs(sd - exact) < 7 * exact / ess**0.5).all()
    assert 0.5 < ((mean - y / 2) ** 2 * ess / exact**2).mean() < 2
    below = scipy.stats.norm.cdf(true, y / 2, exact)
    assert (abs(reference["rank"].to_numpy() - 99 * below) < 3 * 99**0.5).all()
    np.testing.assert_allclose(reference["z_score"], (mean - true) / sd)
    np.testing.assert_allclose(reference["shrinkage"], 1 - (sd / true.std(ddof=1)) ** 2)


def test_ranks_of_a_right_program_are_uniform(reference):
    """For a new seed the chance of a false alarm is that of chi² on 9 degrees of freedom beyond 50, 1e-7."""
    counts = np.bincount(reference["rank"].to_numpy() // 10, minlength=10)
    assert ((counts - 10) ** 2 / 10).sum() < 50
    assert calibration.rank_test(reference)["replications"].to_list() == [100]


def table_of(ranks, draws=99, parameter="mu"):
    return pl.DataFrame(
        {"rank": ranks, "draws": draws, "parameter": parameter}, schema_overrides={"rank": int}
    )


@pytest.mark.parametrize(("n", "draws"), [(50, 99), (200, 19), (1000, 99)])
def test_uniform_ranks_stay_inside_the_band_as_often_as_it_says(n, draws):
    """Of 2,000 tables 95% are inside, within 5 standard errors: a false alarm is less likely than 1e-6.

    The share has a standard error of 0.0049; the band, from 4,000 simulations, has one of 0.0034.
    """
    rng = np.random.default_rng(1)
    ranks = rng.integers(draws + 1, size=(2000, n))
    points = np.arange(1, draws + 1)
    ((_, _, _, _, low, high),) = calibration._differences(table_of(ranks[0], draws), 0.95)
    ecdf = (
        (ranks[:, :, None] < points).mean(axis=1)
        if n * draws < 30_000
        else np.array([np.searchsorted(np.sort(row), points) / n for row in ranks])
    )
    difference = ecdf - points / (draws + 1)
    inside = ((difference >= low) & (difference <= high)).all(axis=1)
    assert abs(inside.mean() - 0.95) < 5 * (0.0049**2 + 0.0034**2) ** 0.5
    answers = [calibration.rank_test(table_of(row, draws))["inside"][0] for row in ranks[:50]]
    assert answers == inside[:50].tolist()


def test_ranks_that_are_shifted_or_heaped_leave_the_band():
    rng = np.random.default_rng(1)
    beta = scipy.stats.beta
    for a, b, sign in [(1, 2, 1), (2, 1, -1), (2, 2, None), (0.5, 0.5, None)]:
        ranks = rng.binomial(99, beta(a, b).rvs(300, random_state=rng))
        ((_, n, largest, inside),) = calibration.rank_test(table_of(ranks)).rows()
        assert (n, inside) == (300, False)
        assert sign is None or np.sign(largest) == sign


def test_fits_that_failed_have_no_rank_and_are_left_out():
    rng = np.random.default_rng(1)
    ranks = rng.integers(100, size=100).tolist()
    test = calibration.rank_test(table_of(ranks))
    assert calibration.rank_test(table_of([None, *ranks, None])).equals(test)
    assert test["replications"].to_list() == [100]
    with pytest.raises(ValueError, match=r"^no fit gave a rank of 'mu': look at the column status$"):
        calibration.rank_test(table_of([None, None]))
    with pytest.raises(ValueError, match=r"^no column 'draws': give a table of calibrate$"):
        calibration.rank_test(table_of(ranks).drop("draws"))
    for probability in (0, 1, 95):
        with pytest.raises(
            ValueError, match=f"^probability is {probability}: give a number between 0 and 1$"
        ):
            calibration.rank_test(table_of(ranks), probability)


def test_the_figure_draws_the_numbers_of_the_test():
    rng = np.random.default_rng(1)
    tables = {"few": table_of(rng.integers(100, size=50)), "many": table_of(rng.integers(100, size=400))}
    figure = helpers.plots.rank_ecdf(tables)
    numbers = {label: next(calibration._differences(table, 0.95)) for label, table in tables.items()}
    lines = {item.label.value: item.renderers[0].data_source.data for item in figure.legend[0].items}
    assert list(lines) == ["few", "many"]
    for label, (_, _, points, difference, _, _) in numbers.items():
        np.testing.assert_array_equal(lines[label]["x"], [0, *points, 1])
        np.testing.assert_array_equal(lines[label]["y"], [0, *difference, 0])
    (band,) = [r.data_source.data for r in figure.renderers if "y1" in r.data_source.data]
    np.testing.assert_array_equal(band["y1"], [0, *numbers["few"][4], 0])
    np.testing.assert_array_equal(band["y2"], [0, *numbers["few"][5], 0])
