"""What tests share that run the helpers in processes of their own, with places of their own."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from waiting import wait_for

COURSE = Path(__file__).parents[2]


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
