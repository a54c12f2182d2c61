"""The sampler's temporary folder: gone with its process, however that ends, and nobody else's is touched."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import needs
import psutil
import pytest
from waiting import wait_for

COURSE = Path(__file__).parents[2]
PREFIX = f"hierarchical-models-{os.getuid()}-"
# without the packages of `helpers`: they take seconds, and some have threads, which a fork would cut off
CLAIM = (
    f"import sys; sys.path.append({str(COURSE / 'helpers')!r}); import cmdstanpy, scratch; scratch.claim(); "
)
# a stand-in for CmdStan, that writes until it is stopped
WRITER = "import sys, time; time.sleep(600)"


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """A folder for temporary files that starts empty, for this process and those that it starts."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


def python(code: str) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", code], cwd=COURSE, stdout=subprocess.PIPE, text=True)


def run(code: str) -> str:
    process = python(code)
    out = process.communicate()[0]
    assert process.returncode == 0
    return out


def test_cmdstanpy_writes_where_it_is_told_everywhere_and_leaves_nothing(temporary):
    code = CLAIM + (
        "print({m._TMPDIR for n, m in list(sys.modules.items())"
        " if n.startswith('cmdstanpy') and hasattr(m, '_TMPDIR')})"
    )
    out = run(code)
    assert out.count(f"{temporary}/{PREFIX}") == 1
    assert out.count("'") == 2
    assert list(temporary.iterdir()) == []


def test_what_a_killed_process_leaves_goes_with_the_next_and_so_does_its_sampler(temporary):
    code = CLAIM + (
        "import subprocess, sys, time\n"
        f"words = [sys.executable, '-c', {WRITER!r}, 'output', f'file={{cmdstanpy._TMPDIR}}/x.csv']\n"
        "subprocess.Popen(words)\n"
        "print(cmdstanpy._TMPDIR, flush=True); time.sleep(600)"
    )
    process = python(code)
    folder = process.stdout.readline().strip()
    (orphan,) = psutil.Process(process.pid).children()
    process.send_signal(signal.SIGKILL)
    process.wait()
    try:
        assert orphan.is_running()
        assert Path(folder).is_dir()
        run(CLAIM)
        psutil.wait_procs([orphan])
        assert not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE
        assert list(temporary.iterdir()) == []
    finally:
        if orphan.is_running():
            orphan.kill()


def test_what_a_living_process_uses_stays(temporary):
    process = python(CLAIM + "print(cmdstanpy._TMPDIR, flush=True); input_ = __import__('time').sleep(600)")
    folder = Path(process.stdout.readline().strip())
    (folder / "draws.csv").touch()
    try:
        run(CLAIM)
        assert (folder / "draws.csv").exists()
    finally:
        process.kill()
        process.wait()


def test_a_forked_process_leaves_the_folder_of_its_parent_alone(temporary):
    out = run(
        CLAIM + "import atexit, os\n"
        "before = cmdstanpy._TMPDIR\n"
        "if os.fork() == 0:\n"
        "    scratch.claim(); assert cmdstanpy._TMPDIR != before\n"
        "    atexit._run_exitfuncs(); os._exit(0)\n"
        "assert os.wait()[1] == 0\n"
        "print(os.listdir(os.path.dirname(before)) == [os.path.basename(before)])"
    )
    assert out == "True\n"
    assert list(temporary.iterdir()) == []


def test_links_and_what_only_has_the_name_are_not_followed(temporary):
    kept = temporary / "kept"
    kept.mkdir()
    (kept / "thesis").touch()
    (temporary / f"{PREFIX}link").symlink_to(kept)
    (temporary / f"{PREFIX}file").touch()
    run(CLAIM)
    assert (kept / "thesis").exists()
    assert sorted(p.name for p in temporary.iterdir()) == [f"{PREFIX}file", f"{PREFIX}link", "kept"]


@needs.root
def test_a_folder_of_another_user_with_our_name_stays(temporary):
    other = temporary / f"{PREFIX}other"
    other.mkdir()
    os.chown(other, 61001, 61001)
    run(CLAIM)
    assert other.is_dir()


def test_a_folder_that_was_cleaned_away_is_made_again(temporary):
    code = CLAIM + "import shutil; shutil.rmtree(cmdstanpy._TMPDIR); scratch.claim(); import os"
    assert run(code + "; print(os.path.isdir(cmdstanpy._TMPDIR), len(os.listdir(os.environ['TMPDIR'])))") == (
        "True 1\n"
    )
    assert list(temporary.iterdir()) == []


def test_many_that_begin_at_once_have_a_folder_each(temporary):
    both = [
        python(CLAIM + "print(cmdstanpy._TMPDIR); import os; assert os.path.isdir(cmdstanpy._TMPDIR)")
        for _ in range(4)
    ]
    folders = {process.communicate()[0] for process in both}
    assert len(folders) == 4
    assert [process.returncode for process in both] == [0] * 4
    wait_for(lambda: not list(temporary.iterdir()))


def test_where_the_disk_knows_no_locks_it_is_as_if_we_were_not_there(temporary):
    code = "import fcntl; fcntl.flock = lambda *_: open('/nowhere/at/all')\n" + CLAIM
    assert run(code + "print(cmdstanpy._TMPDIR)").strip().startswith(f"{temporary}/tmp")
    assert list(temporary.iterdir()) == []
