"""Set-up goes through kills, full disks, networks that hang or are not there: with processes of its own."""

import contextlib
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path

import needs
import psutil
import pytest
from disks import disk  # noqa: F401
from setting_up import (  # noqa: F401
    GOOD,
    INSIDE,
    TOP,
    asked,
    change_the_lock,
    checkout,
    fake_cmdstan,
    install_from,
    make_ready,
    program,
    shown,
    start_install,
    wheel,
)
from waiting import wait_for

from tools import cmdstan, machine, packages


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """A folder for temporary files that starts empty."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    return tmp_path / "tmp"


def started_for(folder):
    """Processes that work in a folder, or have it among their words."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if str(folder) in " ".join([*process.cmdline(), process.cwd()]) and process.pid != os.getpid():
                found.append(process)
    return found


@pytest.mark.parametrize("who", ["all", "python only"])
def test_kills_at_random_moments_of_a_build_cost_nothing(tmp_path, wheel, temporary, who):
    step = "echo x -c; mktemp > /dev/null; sleep 0.05"
    make = program(tmp_path / "make", f"for i in 1 2 3 4 5 6 7 8 9 10 11 12; do {step}; done; {GOOD}")
    folder = tmp_path / "cmdstan"
    start = time.monotonic()
    assert start_install(folder, wheel, make).wait() == 0
    length = time.monotonic() - start
    assert shown(folder) == ["cmdstan-2.27.0"]
    random.seed(who)
    killed = 0
    while killed < 6:
        shutil.rmtree(folder / "cmdstan-2.27.0", ignore_errors=True)
        process = start_install(folder, wheel, make, start_new_session=True)
        time.sleep(random.uniform(0, length))
        if who == "all":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        if process.wait() == 0:  # the machine is less busy now
            length *= 0.8
        else:
            killed += 1
        process.stderr.close()
        if cmdstan.known_cmdstan("", folder):  # whole, whenever it counts
            assert all((folder / "cmdstan-2.27.0" / "bin" / tool).is_file() for tool in ("stanc", "diagnose"))
    assert start_install(folder, wheel, make).wait() == 0
    assert shown(folder) == ["cmdstan-2.27.0"]
    wait_for(lambda: not started_for(tmp_path))
    assert list(temporary.iterdir()) == []


@needs.namespaces
def test_full_disk_ends_in_one_line_leaves_nothing_and_the_next_goes_through(tmp_path, disk):
    path = tmp_path / "big.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(INSIDE + "makefile", "CMDSTAN_VERSION := 2.27.0\n")
        archive.writestr(INSIDE + "lib/big", random.Random(1).randbytes(1_000_000))
    fill = "echo; head -c 1900000 /dev/urandom > more"
    writes = program(tmp_path / "make", f"{fill} || {{ rm more; exit 1; }}; {GOOD}")  # as g++ does
    options = {"before": "cmdstan.CMDSTAN_GB = 0", "preexec_fn": disk.enter}
    for size in ("400k", "1500k", "2400k"):  # no room for the wheel, for what is in it, for the build
        disk.resize(size)
        process = start_install(disk.folder, path, writes, **options)
        said = process.communicate()[1]
        assert process.returncode
        assert "No space left" in said, said
        assert "CmdStan did not build" not in said or f"no space left: {machine.ROOM}" in said, said
        assert shown(disk.seen) == []
    disk.resize("10M")
    assert start_install(disk.folder, path, writes, **options).wait() == 0
    assert shown(disk.seen) == ["cmdstan-2.27.0"]


# One step of the set-up, in a Python of its own
STEP = """
import os, pathlib, subprocess, sys
from tools import cmdstan, machine, packages
try:
    {step}
except machine.SetupError as error:
    sys.exit(f"set-up: {{error}}")
"""


@needs.namespaces
@pytest.mark.parametrize("tool", ["pip", "uv"])
def test_full_disk_is_told_where_a_tool_meets_it_and_the_network_is_not_blamed(tmp_path, disk, tool):
    size = 3_000_000
    info = "big-1.dist-info/"
    with zipfile.ZipFile(tmp_path / "big-1-py3-none-any.whl", "w") as archive:
        archive.writestr("big/data", bytes(size))
        archive.writestr(info + "METADATA", "Metadata-Version: 2.1\nName: big\nVersion: 1\n")
        archive.writestr(info + "WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(info + "RECORD", f"big/data,,\n{info}METADATA,,\n{info}WHEEL,,\n{info}RECORD,,\n")
    words = ["--no-index", "--find-links", tmp_path, "--target", disk.folder / "there", "big"]
    command = {
        "pip": [sys.executable, *machine.PIP, "install", *words],
        "uv": [Path(sys.executable).parent / "uv", "pip", "install", "--link-mode", "copy", *words],
    }[tool]
    asked = [sys.executable, "-c", STEP.format(step="machine.run(*sys.argv[1:])"), *command]
    environ = os.environ | {"UV_CACHE_DIR": f"{disk.folder}/cache", "TMPDIR": str(disk.folder)}

    def run():
        return subprocess.run(asked, env=environ, preexec_fn=disk.enter, capture_output=True, text=True)

    disk.resize("1M")
    last = run().stderr.splitlines()[-1]
    assert re.search(f"^set-up: .*No space left on device.*{re.escape(machine.ROOM)}$", last), last
    disk.resize(str(3 * size))
    assert run().returncode == 0


# The network

PACKAGES = "packages.install_packages(pathlib.Path.cwd(), sys.argv[1])"
CMDSTAN = "cmdstan.install_cmdstan(pathlib.Path.cwd() / '.cmdstan')"
SYNC = """
os.environ.update(packages.UV)
subprocess.run([sys.argv[1], "-m", "venv", "--without-pip", "x"], check=True)
machine.run(sys.argv[2], "pip", "sync", "--require-hashes", "--python", "x", "requirements.txt")
"""


def begin(step, folder, *before, **environ):
    """Start one step of the set-up, with nothing at hand but the network, in a new folder."""
    folder.mkdir()
    for name in ("requirements.txt", "pyproject.toml"):
        shutil.copy(TOP / name, folder)
    own = {
        "HOME": folder,
        "UV_CACHE_DIR": folder / "cache",
        "PIP_CONFIG_FILE": os.devnull,
        "UV_NO_CONFIG": "1",
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_"))}
    environ = kept | {name: str(value) for name, value in {**own, **environ}.items()}
    uv = Path(sys.executable).parent / "uv"
    code = STEP.format(step=step.strip().replace("\n", "\n    "))
    command = [*before, sys.executable, "-c", code, packages.base_python(), uv]
    return subprocess.Popen(command, cwd=folder, env=environ, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def hanging():
    """Start proxies that take every connection and never say a word: their addresses, and who asked."""
    with contextlib.ExitStack() as stack:

        def start():
            server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=100))
            taken = []

            def take():
                with contextlib.suppress(OSError):
                    while True:
                        connection, _ = server.accept()
                        taken.append(connection)

            threading.Thread(target=take, daemon=True).start()
            return f"http://127.0.0.1:{server.getsockname()[1]}", taken

        yield start


def test_a_proxy_that_hangs_is_given_up_with_the_remedy(tmp_path, hanging):
    begun = {}
    for name, step in {"packages": PACKAGES, "cmdstan": CMDSTAN, "sync": SYNC}.items():
        address, taken = hanging()
        variables = {
            name: address
            for kind in ("http", "https", "all")
            for name in (f"{kind}_proxy", f"{kind.upper()}_PROXY")
        }
        begun[name] = begin(step, tmp_path / name, **variables, no_proxy="", NO_PROXY=""), taken
    for name, (process, taken) in begun.items():
        said = process.communicate()[1]
        assert taken, f"{name} did not ask"
        assert process.returncode == 1, said
        (line,) = [line for line in said.splitlines() if line.startswith("set-up: ")]
        assert "is the network up, or HTTPS_PROXY to be set?" in line, said
    assert not list(tmp_path.glob("*/.cmdstan/building-*"))
    assert not list(tmp_path.glob("packages/.venv/tmp"))


@needs.namespaces
def test_without_a_network_each_step_ends_with_the_remedy(tmp_path):
    alone = ["unshare", *needs.NO_NETWORK]
    begun = [begin(PACKAGES, tmp_path / "a", *alone), begin(CMDSTAN, tmp_path / "b", *alone)]
    for process in begun:
        said = process.communicate()[1]
        (line,) = [line for line in said.splitlines() if line.startswith("set-up: ")]
        assert "is the network up, or HTTPS_PROXY to be set?" in line, said
