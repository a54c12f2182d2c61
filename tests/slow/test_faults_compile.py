"""A compile goes through kills and full disks, and two CmdStans keep out of each other's way."""

import random
import shutil
import time
from pathlib import Path

import cmdstanpy
import needs
import pytest
from disks import disk  # noqa: F401
from test_faults import COMPILE, PROGRAM, kill, own, python, run, wait_until_nobody_works  # noqa: F401


@pytest.mark.parametrize("who", ["all", "python only"])
def test_kills_at_random_moments_of_a_compile_cost_nothing(tmp_path, own, who):
    source = tmp_path / "tiny.stan"
    source.write_text(PROGRAM)
    start = time.monotonic()
    entry = Path(run(COMPILE, own, source).split()[1]).parent
    length = time.monotonic() - start
    random.seed(who)
    killed = 0
    while killed < 5:
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
    assert [path for path in (tmp_path / "tmp").iterdir() if path.name.startswith("hierarchical")] == []


@needs.namespaces
@pytest.mark.parametrize("what", ["STAN_MODEL_CACHE", "TMPDIR"])
def test_a_compile_on_a_full_disk_says_so_and_leaves_nothing(tmp_path, own, disk, what):
    source = tmp_path / "tiny.stan"
    source.write_text(PROGRAM)
    own[what] = str(disk.folder)
    disk.resize("300k")
    # before it compiles, and where the room goes meanwhile
    for code, room in ((COMPILE, 50), (f"import helpers.models; helpers.models.ROOM = 0; {COMPILE}", 0)):
        process = python(code, own, source, preexec_fn=disk.enter)
        assert process.communicate()[1].splitlines()[-1] == (
            f"OSError: no room in {own[what]} to compile tiny.stan: free {room} MB there"
        )
    assert [p for p in (tmp_path / "cache").glob("*") if p.suffix != ".lock"] == []
    assert [p for p in disk.seen.iterdir() if p.suffix != ".lock"] == []
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
