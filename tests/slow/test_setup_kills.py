"""Set-up goes through kills, and networks that hang or are not there: with processes of its own."""

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import needs
import psutil
from setting_up import GOOD, TOP, program, shown, start_install, wheel  # noqa: F401
from waiting import wait_for

from tools import cmdstan, packages


def test_kills_at_random_moments_of_a_build_cost_nothing(tmp_path, wheel, monkeypatch):
    temporary, folder = tmp_path / "tmp", tmp_path / "cmdstan"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    step = "echo x -c; mktemp > /dev/null; sleep 0.05"
    make = program(tmp_path / "make", f"for i in 1 2 3 4 5 6 7 8 9 10 11 12; do {step}; done; {GOOD}")

    def at_work():
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                words = " ".join([*process.cmdline(), process.cwd()])
                if str(tmp_path) in words and process.pid != os.getpid():
                    return True
        return False

    start = time.monotonic()
    assert start_install(folder, wheel, make).wait() == 0
    length = time.monotonic() - start
    random.seed(1)
    for kill in [os.kill, os.killpg] * 5:  # This kills Python alone, or with all that it started.
        shutil.rmtree(folder / "cmdstan-2.27.0", ignore_errors=True)
        process = start_install(folder, wheel, make, start_new_session=True)
        time.sleep(random.uniform(0, length))
        kill(process.pid, signal.SIGKILL)
        process.communicate()
        if cmdstan.known_cmdstan("", folder):  # It is whole, whenever it counts.
            assert all((folder / "cmdstan-2.27.0" / "bin" / tool).is_file() for tool in ("stanc", "diagnose"))
    assert start_install(folder, wheel, make).wait() == 0
    assert shown(folder) == ["cmdstan-2.27.0"]
    wait_for(lambda: not at_work())
    assert list(temporary.iterdir()) == []


# One step of the set-up, in a Python of its own
STEP = """
import os, pathlib, subprocess, sys
from tools import cmdstan, machine, packages
try:
    {step}
except machine.SetupError as error:
    sys.exit(f"set-up: {{error}}")
"""
STEPS = {
    "packages": "packages.install_packages(pathlib.Path.cwd(), sys.argv[1])",
    "cmdstan": "cmdstan.install_cmdstan(pathlib.Path.cwd() / '.cmdstan')",
    "sync": """os.environ.update(packages.UV)
    subprocess.run([sys.argv[1], "-m", "venv", "--without-pip", "x"], check=True)
    machine.run(sys.argv[2], "pip", "sync", "--require-hashes", "--python", "x", "requirements.txt")""",
}
UV = Path(sys.executable).parent / "uv"


def begin(step, folder, *before, **environ):
    """Start one step of the set-up, with nothing at hand but the network, in a new folder."""
    folder.mkdir()
    for name in ("requirements.txt", "pyproject.toml"):
        shutil.copy(TOP / name, folder)
    own = {"HOME": folder, "UV_CACHE_DIR": folder / "cache", "PIP_CONFIG_FILE": os.devnull, "UV_NO_CONFIG": 1}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_"))}
    environ = kept | {name: str(value) for name, value in {**own, **environ}.items()}
    command = [*before, sys.executable, "-c", STEP.format(step=STEPS[step]), packages.base_python(), UV]
    return subprocess.Popen(command, cwd=folder, env=environ, stderr=subprocess.PIPE, text=True)


def ends_with_the_remedy(process):
    said = process.communicate()[1]
    assert process.returncode == 1, said
    (line,) = [line for line in said.splitlines() if line.startswith("set-up: ")]
    assert "is the network up, or HTTPS_PROXY to be set?" in line, said


def test_a_proxy_that_hangs_is_given_up_with_the_remedy(tmp_path):
    def take(server, taken):
        with contextlib.suppress(OSError):
            while True:
                taken.append(server.accept())  # It says nothing, ever.

    with contextlib.ExitStack() as stack:
        begun = []
        for step in STEPS:
            server, taken = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=100)), []
            threading.Thread(target=take, args=(server, taken), daemon=True).start()
            address = f"http://127.0.0.1:{server.getsockname()[1]}"
            names = [f"{kind}_proxy" for kind in ("http", "https", "all")]
            proxies = dict.fromkeys([*names, *map(str.upper, names)], address)
            begun.append((begin(step, tmp_path / step, **proxies, no_proxy="", NO_PROXY=""), taken))
        for process, taken in begun:
            ends_with_the_remedy(process)
            assert taken, "it was not asked"
    assert not list(tmp_path.glob("*/.cmdstan/building-*"))


@needs.namespaces
def test_without_a_network_each_step_ends_with_the_remedy(tmp_path):
    alone = ["unshare", *needs.NO_NETWORK]
    for process in [begin(step, tmp_path / step, *alone) for step in STEPS]:
        ends_with_the_remedy(process)
