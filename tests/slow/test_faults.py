"""Compiles and fits go through kills, full disks, folders that are read-only and caches that are spoilt."""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import cmdstanpy
import needs
import psutil
import pytest
from disks import disk  # noqa: F401
from waiting import wait_for

import helpers

COURSE = Path(__file__).parents[2]
PROGRAM = "parameters { real x; } model { x ~ normal(0, 1); }\n"
COMPILE = "import sys, helpers; print('begun', flush=True); print(helpers.stan_model(sys.argv[1]).exe_file)"
FIT = """
import sys, helpers
model = helpers.stan_model("funnel")
print("begun", flush=True)
fit = model.sample(seed=1, iter_sampling=int(sys.argv[1]), show_progress=False)
print(fit.draws().shape[:2])
"""


@pytest.fixture
def own(tmp_path):
    """An environment with empty places for temporary files and for compiled programs."""
    (tmp_path / "tmp").mkdir()
    return os.environ | {
        "TMPDIR": str(tmp_path / "tmp"),
        "STAN_MODEL_CACHE": str(tmp_path / "cache"),
        "PYTHONPATH": str(COURSE),
    }


def python(code, environ, *words, **options):
    command = [sys.executable, "-c", code, *map(str, words)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": COURSE}
    return subprocess.Popen(command, env=environ, **pipes | options)


def run(code, environ, *words, **options):
    process = python(code, environ, *words, **options)
    out, err = process.communicate()
    assert process.returncode == 0, err
    return out


def kill(process, who):
    """Kill a process, alone or with all that it started."""
    if who == "all":
        with contextlib.suppress(ProcessLookupError):  # it has ended just now
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.communicate()


def at_work(tmp_path):
    """Processes whose temporary files belong below a folder."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get("TMPDIR", "").startswith(str(tmp_path)):
                found.append(process)
    return found


def wait_until_nobody_works(tmp_path):
    wait_for(lambda: not at_work(tmp_path))


@pytest.mark.parametrize("who", ["all", "python only"])
def test_kills_at_random_moments_of_sampling_leave_neither_process_nor_file(tmp_path, own, who):
    del own["STAN_MODEL_CACHE"]  # compiled already, as the course's own
    random.seed(who)
    for _ in range(6):
        process = python(FIT, own, 3_000_000, start_new_session=True)
        process.stdout.readline()  # it has begun
        time.sleep(random.uniform(0, 1))
        assert process.poll() is None
        kill(process, who)
    assert run(FIT, own, 1000).splitlines()[-1] == "(1000, 4)"
    wait_until_nobody_works(tmp_path)
    assert list((tmp_path / "tmp").iterdir()) == []


@needs.namespaces
def test_a_fit_on_a_full_disk_says_so_in_one_line_and_never_gives_fewer_draws(own, disk):
    own["TMPDIR"] = str(disk.folder)
    del own["STAN_MODEL_CACHE"]
    # all at the same time, so that they take it from each other; the end of a file is hit in many places
    for size in ("100k", "350k", "500k", "650k", "800k"):
        disk.resize(size)
        process = python(FIT, own, 1000, preexec_fn=disk.enter)
        out, err = process.communicate()
        if process.returncode == 0:
            assert out.splitlines()[-1] == "(1000, 4)"
        else:
            last = err.splitlines()[-1]
            assert last.startswith("OSError: no room for the draws in "), err
            assert last.endswith(": free some there, and sample again")
        assert process.returncode or size != "100k"
        assert list(disk.seen.iterdir()) == []
    disk.resize("4M")
    assert run(FIT, own, 1000, preexec_fn=disk.enter).splitlines()[-1] == "(1000, 4)"


@pytest.mark.parametrize("end", [1, 2, 10, 300])
def test_draws_that_were_cut_short_are_never_read(tmp_path, end):
    fit = helpers.stan_model("funnel").sample(seed=1, show_progress=False, chains=1, iter_sampling=50)
    whole = Path(fit.runset.csv_files[0]).read_bytes()
    draws = whole[: whole.index(b"# \n#  Elapsed")]
    (tmp_path / "funnel_1.csv").write_bytes(draws[:-end])
    with pytest.raises(ValueError, match=r"(?i)csv"):
        cmdstanpy.from_csv(str(tmp_path / "funnel_1.csv")).draws()


LESSON = """
import errno, os, sys, polars, helpers
try:
    open("x", "w")
except OSError as error:
    assert error.errno == errno.EROFS
else:
    raise AssertionError("this folder can be written")
assert os.stat(os.path.expanduser("~")).st_dev != os.stat(".").st_dev
model = helpers.stan_model("noncentered")
data, _ = helpers.stan_data(helpers.measurements(), levels=["day", "batch", "colony"], values="y")
fit = model.sample(data=data, seed=1, chains=2, iter_sampling=200, show_progress=False)
own = os.path.join(os.path.expanduser("~"), "mine.stan")
open(own, "w").write(helpers.stan_file("funnel").read_text())
helpers.stan_model(own)
print(fit.draws().shape[:2])
"""


@needs.namespaces
def test_a_read_only_course_and_a_home_on_another_disk_will_do(tmp_path, own, disk):
    course = tmp_path / "course"
    for name in ("helpers", "lessons", "stan"):
        shutil.copytree(COURSE / name, course / name, ignore=shutil.ignore_patterns("__pycache__"))
    disk.resize("100M")
    own |= {"HOME": str(disk.folder), "PYTHONPATH": str(course)}
    own |= {"CMDSTAN": cmdstanpy.cmdstan_path(), "XDG_CACHE_HOME": f"{own['HOME']}/.cache"}
    del own["STAN_MODEL_CACHE"]
    disk.run("mount", "--bind", course, course)
    disk.run("mount", "-o", "remount,bind,ro", course)
    out = run(LESSON, own, cwd=course / "lessons", preexec_fn=disk.enter)
    assert out.splitlines()[-1] == "(200, 2)"
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.parametrize("spoil", ["empty", "cut short", "not executable", "a folder", "of another machine"])
def test_a_spoilt_program_in_the_cache_is_compiled_anew(tmp_path, own, spoil):
    program = Path(helpers.stan_model("funnel").exe_file)
    entry = tmp_path / "cache" / program.parent.name
    shutil.copytree(program.parent, entry)
    spoilt = entry / program.name
    if spoil == "empty":
        spoilt.write_bytes(b"")
    elif spoil == "cut short":
        os.truncate(spoilt, spoilt.stat().st_size // 2)
    elif spoil == "not executable":
        spoilt.chmod(0o644)
    elif spoil == "a folder":
        spoilt.unlink()
        spoilt.mkdir()
    else:
        with open(spoilt, "r+b") as file:
            file.seek(18)  # of an ELF file: the kind of processor
            file.write(b"\xb7\x00")
    make = tmp_path / "make"  # puts a good one in its place, and says so
    make.write_text(f'#!/bin/sh\ntouch {tmp_path}/made\nfor last; do :; done\ncp {program} "$last"\n')
    make.chmod(0o755)
    out = run(COMPILE, own | {"MAKE": str(make)}, COURSE / "stan" / "funnel.stan")
    assert (tmp_path / "made").exists()
    assert Path(out.split()[1]).read_bytes() == program.read_bytes()
    assert sorted(path.name for path in entry.iterdir()) == ["funnel", "funnel.stan"]


@pytest.mark.parametrize("years", [-50, 50])
def test_a_clock_that_jumps_does_not_cost_a_compile(tmp_path, own, years):
    program = Path(helpers.stan_model("funnel").exe_file)
    entry = tmp_path / "cache" / program.parent.name
    shutil.copytree(program.parent, entry)
    at = time.time() + years * 365 * 24 * 3600
    for path in (entry, *entry.iterdir()):
        os.utime(path, (at, at))
    out = run(COMPILE, own | {"MAKE": "false"}, COURSE / "stan" / "funnel.stan")
    assert Path(out.split()[1]) == entry / "funnel"
    assert abs(entry.stat().st_mtime - time.time()) < 3600


# For every Python that is started, the clock jumps by so many years once there is the file.
JUMP = """
import os, time
real = time.time
time.time = lambda: real() + {years} * 365 * 86400 * os.path.exists({file!r})
"""
CALIBRATE = """
import pathlib
import helpers

def simulate(rng):
    return {"x": 0.0}, {"N": 3}

if __name__ == "__main__":
    options = {"chains": 1, "iter_sampling": 200, "show_progress": False, "timeout": 600}
    first = helpers.calibrate("tiny.stan", simulate, 4, folder="journal", **options)
    jump = lambda rows: pathlib.Path("jump").touch()
    table = helpers.calibrate("tiny.stan", simulate, 20, folder="journal", watch=jump, **options)
    assert table["replication"].unique().sort().to_list() == list(range(20)), table
    assert table["status"].unique().to_list() == ["ok"], table
    assert table.head(len(first)).drop("shrinkage").equals(first.drop("shrinkage"))
"""


@pytest.mark.parametrize("years", [-1, 1])
def test_a_clock_that_jumps_ends_no_calibration(tmp_path, own, years):
    (tmp_path / "clock").mkdir()
    (tmp_path / "clock" / "sitecustomize.py").write_text(JUMP.format(years=years, file=f"{tmp_path}/jump"))
    (tmp_path / "tiny.stan").write_text("data { int N; } " + PROGRAM)
    (tmp_path / "script.py").write_text(CALIBRATE)
    environ = own | {"PYTHONPATH": f"{tmp_path}/clock:{COURSE}"}
    script = [sys.executable, "script.py"]
    done = subprocess.run(script, cwd=tmp_path, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "jump").exists()
    wait_until_nobody_works(tmp_path)
