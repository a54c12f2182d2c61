"""Compiles and fits go through kills, full disks, folders that are read-only and caches that are spoilt."""

import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import cmdstanpy
import needs
import pytest
from disks import disk  # noqa: F401
from processes import COURSE, kill, own, python, run, wait_until_nobody_works  # noqa: F401

import helpers

PROGRAM = "parameters { real x; } model { x ~ normal(0, 1); }\n"
COMPILE = "import sys, helpers; print('begun', flush=True); print(helpers.stan_model(sys.argv[1]).exe_file)"
FIT = """
import sys, helpers
model = helpers.stan_model("funnel")
fit = model.sample(seed=1, iter_sampling=int(sys.argv[1]), show_progress=False)
print(fit.draws().shape[:2])
"""


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
    for code, room in (
        (COMPILE, 50),
        (f"import helpers.models; helpers.models.ROOM_TO_COMPILE = 0; {COMPILE}", 0),
    ):
        process = python(code, own, source, preexec_fn=disk.enter)
        assert process.communicate()[1].splitlines()[-1] == (
            f"OSError: no room in {own[what]} to compile tiny.stan: free {room} MB there"
        )
    assert [p for p in (tmp_path / "cache").glob("*") if p.suffix != ".lock"] == []
    assert [p for p in disk.seen.rglob("*") if p.is_file() and p.suffix != ".lock"] == []
    disk.resize("60M")
    assert Path(run(COMPILE, own, source, preexec_fn=disk.enter).split()[1]).name == "tiny"


def test_two_cmdstans_side_by_side_have_programs_of_their_own_and_both_work(tmp_path, own):
    source = tmp_path / "tiny.stan"
    source.write_text(PROGRAM)
    real = Path(cmdstanpy.cmdstan_path())
    second = tmp_path / "cmdstan-2.27.1"
    second.mkdir()
    for path in real.iterdir():
        (second / path.name).symlink_to(path)
    (second / "makefile").unlink()
    text = (real / "makefile").read_text()
    (second / "makefile").write_text(text.replace("CMDSTAN_VERSION := 2.27.0", "CMDSTAN_VERSION := 2.27.1"))
    log, make = tmp_path / "compiles", tmp_path / "make"
    make.write_text(f'#!/bin/sh\necho compile >> "{log}"\nexec make "$@"\n')
    make.chmod(0o755)
    both = [own | {"CMDSTAN": str(path), "MAKE": str(make)} for path in (real, second)]
    found = [run(COMPILE, environ, source).split()[1] for environ in both * 2]
    assert found[:2] == found[2:]
    assert found[0] != found[1]
    assert log.read_text().count("compile") == 2
    for program, environ in zip(found, both, strict=False):
        fit = (
            f"import cmdstanpy; m = cmdstanpy.CmdStanModel(exe_file={program!r}); "
            "print(m.sample(seed=1, show_progress=False).draws().shape)"
        )
        assert run(fit, environ).splitlines()[-1] == "(1000, 4, 8)"


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
    disk.resize("4M")
    assert run(FIT, own, 1000, preexec_fn=disk.enter).splitlines()[-1] == "(1000, 4)"


@pytest.mark.parametrize("end", [1, 10, 300])
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


@pytest.mark.parametrize("spoil", ["cut short", "not executable", "of another machine"])
def test_a_spoilt_program_in_the_cache_is_compiled_anew(tmp_path, own, spoil):
    program = Path(helpers.stan_model("funnel").exe_file)
    entry = tmp_path / "cache" / program.parent.name
    shutil.copytree(program.parent, entry)
    spoilt = entry / program.name
    if spoil == "cut short":
        os.truncate(spoilt, spoilt.stat().st_size // 2)
    elif spoil == "not executable":
        spoilt.chmod(0o644)
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
