"""Compiles and fits go through kills, full disks and folders of any name."""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import needs
import psutil
import pytest
from disks import disk  # noqa: F401
from makes import PROGRAM
from waiting import wait_for

COURSE = Path(__file__).parents[2]
COMPILE = "import sys, helpers; print('begun', flush=True); print(helpers.stan_model(sys.argv[1]).exe_file)"
FIT = """
import sys, helpers
model = helpers.stan_model("funnel")
fit = model.sample(seed=1, iter_sampling=int(sys.argv[1]), show_progress=False)
print(fit.draws().shape[:2])
"""


@pytest.fixture
def own(tmp_path):
    """An environment with empty places for temporary files and for compiled programs."""
    (tmp_path / "tmp").mkdir()
    places = {"TMPDIR": tmp_path / "tmp", "STAN_MODEL_CACHE": tmp_path / "cache", "PYTHONPATH": COURSE}
    return os.environ | {name: str(path) for name, path in places.items()}


def python(code, environ, *words, **options):
    """Start a Python that runs the code."""
    command = [sys.executable, "-c", code, *map(str, words)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": COURSE}
    return subprocess.Popen(command, env=environ, **pipes | options)


def run(code, environ, *words, **options):
    """Run the code in a Python; give what it writes."""
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


def wait_until_nobody_works(tmp_path):
    """Wait until no process is left whose temporary files belong below a folder."""

    def at_work():
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get("TMPDIR", "").startswith(str(tmp_path)):
                    return True
        return False

    wait_for(lambda: not at_work())


@pytest.mark.parametrize("who", ["all", "python only"])
def test_kills_at_random_moments_of_a_compile_cost_nothing(tmp_path, own, who):
    source = tmp_path / "tiny.stan"
    source.write_text(PROGRAM)
    start = time.monotonic()
    entry = Path(run(COMPILE, own, source).split()[1]).parent
    length = time.monotonic() - start
    random.seed(who)
    killed = 0
    while killed < 3:
        shutil.rmtree(entry, ignore_errors=True)
        process = python(COMPILE, own, source, start_new_session=True)
        process.stdout.readline()  # it has begun
        time.sleep(random.uniform(0, 0.7 * length))
        if process.poll() is None:
            killed += 1
        else:  # the machine is less busy now
            length *= 0.8
        kill(process, who)
    assert Path(run(COMPILE, own, source).split()[1]).parent == entry
    wait_until_nobody_works(tmp_path)
    assert sorted(path.name for path in entry.iterdir()) == ["tiny", "tiny.stan"]
    assert [path for path in entry.parent.iterdir() if path.suffix != ".lock"] == [entry]


@needs.namespaces
@pytest.mark.parametrize("what", ["STAN_MODEL_CACHE", "TMPDIR"])
def test_a_compile_on_a_full_disk_says_so_and_leaves_nothing(tmp_path, own, disk, what):
    source = tmp_path / "tiny.stan"
    source.write_text(PROGRAM)
    own[what] = str(disk.folder / "own") if what == "STAN_MODEL_CACHE" else str(disk.folder)
    disk.resize("300k")
    # before it compiles, and where the room goes meanwhile
    late = f"import helpers.models; helpers.models.ROOM_TO_COMPILE = 0; {COMPILE}"
    for code, room in ((COMPILE, 50), (late, 0)):
        process = python(code, own, source, preexec_fn=disk.enter)
        assert process.communicate()[1].splitlines()[-1] == (
            f"OSError: no room in {own[what]} to compile tiny.stan: free {room} MB there"
        )
    assert [p for p in (tmp_path / "cache").glob("*") if p.suffix != ".lock"] == []
    assert [p for p in disk.seen.rglob("*") if p.is_file() and p.suffix != ".lock"] == []
    disk.resize("60M")
    assert Path(run(COMPILE, own, source, preexec_fn=disk.enter).split()[1]).name == "tiny"


@needs.namespaces
def test_a_fit_on_a_full_disk_says_so_and_never_gives_fewer_draws(own, disk):
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
    disk.resize("4M")
    assert run(FIT, own, 1000, preexec_fn=disk.enter).splitlines()[-1] == "(1000, 4)"


ANYWHERE = """
import helpers

def simulate(rng):
    return {"x": float(rng.normal())}, {}

if __name__ == "__main__":
    print(helpers.__file__)
    data, _ = helpers.stan_data(helpers.measurements(), levels=["day", "batch", "colony"], values="y")
    options = {"chains": 1, "show_progress": False}
    fit = helpers.stan_model("noncentered").sample(data, seed=1, iter_sampling=50, **options)
    assert fit.draws().shape[0] == 50
    print(helpers.check("04.3", helpers.stan_file("noncentered")))
    for n in (2, 3):
        table = helpers.calibrate("it's ($x), y.stan", simulate, n, folder="journal [1]", **options)
        assert table["status"].to_list() == ["ok"] * n, table
"""


def test_a_lesson_checks_and_calibration_run_in_a_folder_of_any_name(tmp_path):
    folder = tmp_path.joinpath("course (1)", "R&D", "Anna's Mac", "a;b", "x$y, z")  # one in the other
    for name in ("helpers", "stan"):
        shutil.copytree(COURSE / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "lessons").mkdir()
    source = folder / "lessons" / "it's ($x), y.stan"
    source.write_text(PROGRAM)
    temporary = folder / "tmp"
    temporary.mkdir()
    environ = os.environ | {"PYTHONPATH": str(folder), "TMPDIR": str(temporary)}
    source.with_name("script.py").write_text(ANYWHERE)
    command = [sys.executable, "script.py"]
    done = subprocess.run(
        command, cwd=source.parent, env=environ, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    place, verdict = done.stdout.splitlines()
    assert place == f"{folder}/helpers/__init__.py"
    assert "no 'y_new'" in verdict
