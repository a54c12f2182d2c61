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
fit = helpers.stan_model("funnel").sample(seed=1, iter_sampling=1000, show_progress=False)
print(fit.draws().shape[:2])
"""


@pytest.fixture
def own(tmp_path):
    """An environment with empty places for temporary files and for compiled programs."""
    (tmp_path / "tmp").mkdir()
    places = {"TMPDIR": tmp_path / "tmp", "STAN_MODEL_CACHE": tmp_path / "cache", "PYTHONPATH": COURSE}
    return os.environ | {name: str(path) for name, path in places.items()}


@pytest.fixture
def source(tmp_path):
    (tmp_path / "tiny.stan").write_text(PROGRAM)
    return tmp_path / "tiny.stan"


def python(code, environ, *words, **options):
    """Start a Python that runs the code."""
    command = [sys.executable, "-c", code, *map(str, words)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": COURSE}
    return subprocess.Popen(command, env=environ, **pipes | options)


def run(code, environ, *words, **options):
    """Run the code in a Python; give the last line that it writes."""
    process = python(code, environ, *words, **options)
    out, err = process.communicate()
    assert process.returncode == 0, err
    return out.splitlines()[-1]


def test_kills_at_random_moments_of_a_compile_cost_nothing(tmp_path, own, source):
    def at_work():
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get("TMPDIR", "").startswith(str(tmp_path)):
                    return True
        return False

    start = time.monotonic()
    entry = Path(run(COMPILE, own, source)).parent
    length = time.monotonic() - start
    random.seed(1)
    for kill in (
        os.kill,
        os.killpg,
        os.kill,
        os.killpg,
    ):  # This kills Python alone, or with all that it started.
        shutil.rmtree(entry, ignore_errors=True)
        process = python(COMPILE, own, source, start_new_session=True)
        process.stdout.readline()  # It has begun.
        time.sleep(random.uniform(0, 0.7 * length))
        with contextlib.suppress(ProcessLookupError):  # It may just have ended.
            kill(process.pid, signal.SIGKILL)
        process.communicate()
    assert Path(run(COMPILE, own, source)).parent == entry
    wait_for(lambda: not at_work())
    assert sorted(path.name for path in entry.iterdir()) == ["tiny", "tiny.stan"]
    assert [path for path in entry.parent.iterdir() if path.suffix != ".lock"] == [entry]


@needs.namespaces
def test_a_fit_on_a_full_disk_never_gives_fewer_draws(own, source, disk):
    own["TMPDIR"] = str(disk.folder)
    said = python(COMPILE, own, source, preexec_fn=disk.enter).communicate()[1].splitlines()[-1]
    assert said == f"OSError: no room in {disk.folder} to compile tiny.stan: free 50 MB there"
    del own["STAN_MODEL_CACHE"]
    # All chains take the room from each other, so that the end of a file is hit in many places.
    for size in ("100k", "450k", "700k"):
        disk.resize(size)
        process = python(FIT, own, preexec_fn=disk.enter)
        out, err = process.communicate()
        if process.returncode == 0:
            assert size != "100k"
            assert out.splitlines()[-1] == "(1000, 4)"
        else:
            last = err.splitlines()[-1]
            assert last.startswith("OSError: no room for the draws in "), err
            assert last.endswith(": free some there, and sample again")
    disk.resize("4M")
    assert run(FIT, own, preexec_fn=disk.enter) == "(1000, 4)"


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
    print(helpers.check("04.2", helpers.stan_file("noncentered")))
    for n in (2, 3):
        table = helpers.calibrate("it's ($x), y.stan", simulate, n, folder="journal [1]", **options)
        assert table["status"].to_list() == ["ok"] * n, table
"""


def test_all_of_the_course_works_in_a_folder_of_any_name(tmp_path):
    folder = tmp_path.joinpath(
        "course (1)", "R&D", "Anna's Mac", "a;b", "x$y, z"
    )  # Each is in the one before.
    for name in ("helpers", "stan"):
        shutil.copytree(COURSE / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("lessons", "tmp"):
        (folder / name).mkdir()
    (folder / "lessons" / "it's ($x), y.stan").write_text(PROGRAM)
    (folder / "lessons" / "script.py").write_text(ANYWHERE)
    environ = os.environ | {"PYTHONPATH": str(folder), "TMPDIR": str(folder / "tmp")}
    options = {"cwd": folder / "lessons", "env": environ, "capture_output": True, "text": True}
    done = subprocess.run([sys.executable, "script.py"], **options)
    assert done.returncode == 0, done.stderr
    place, verdict = done.stdout.splitlines()
    assert place == f"{folder}/helpers/__init__.py"
    assert "noncentered.stan stopped" in verdict
