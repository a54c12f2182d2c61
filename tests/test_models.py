"""Compiling: once, however many ask; anew when anything changes; unharmed by whoever kills it."""

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cmdstanpy.compilation import stanc_path

import helpers

COURSE = Path(__file__).parent.parent
PROGRAM = "parameters { real x; } model { x ~ normal(0, 1); }\n"
ASK = "import sys, helpers; print(helpers.stan_model(sys.argv[1]).exe_file)"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, and in MAKE a `make` that leaves a line in a log for every compile."""
    make = tmp_path / "make"
    make.write_text(f'#!/bin/sh\necho compile >> "{tmp_path}/compiles"\nexec make "$@"\n')
    make.chmod(0o755)
    monkeypatch.setenv("MAKE", str(make))
    monkeypatch.setenv("STAN_MODEL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def compiles(cache: Path) -> int:
    log = cache.parent / "compiles"
    return len(log.read_text().splitlines()) if log.exists() else 0


def program(folder: Path, text: str = PROGRAM) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "tiny.stan"
    path.write_text(text)
    return path


def test_eight_at_once_compile_once_and_leave_the_source_folder_alone(cache, tmp_path):
    source = program(tmp_path / "readonly")
    source.parent.chmod(stat.S_IRUSR | stat.S_IXUSR)
    ask = [subprocess.Popen([sys.executable, "-c", ASK, source], stdout=subprocess.PIPE) for _ in range(8)]
    answers = {process.communicate()[0].strip() for process in ask}
    assert [process.returncode for process in ask] == [0] * 8
    assert len(answers) == 1
    assert compiles(cache) == 1
    assert list(source.parent.iterdir()) == [source]


def test_a_compile_killed_at_any_moment_costs_nothing(cache, tmp_path):
    source = program(tmp_path / "killed")
    for seconds in (2, 4, 6, 9):
        process = subprocess.Popen([sys.executable, "-c", ASK, source], start_new_session=True)
        time.sleep(seconds)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert compiles(cache) > 0, "no compile was under way when it was killed"
    fit = helpers.stan_model(source).sample(chains=1, iter_warmup=50, iter_sampling=50, show_progress=False)
    assert fit.num_draws_sampling == 50
    assert not list(cache.glob("*.tmp"))


def test_an_executable_cut_short_is_compiled_anew(cache, tmp_path):
    source = program(tmp_path / "cut")
    executable = Path(helpers.stan_model(source).exe_file)
    executable.write_bytes(executable.read_bytes()[:10_000])
    assert subprocess.run([helpers.stan_model(source).exe_file, "info"], capture_output=True).returncode == 0
    assert compiles(cache) == 2


def test_only_what_changes_the_program_compiles_it_anew(cache, tmp_path):
    included = program(tmp_path / "edited").with_name("prior.stan")
    included.write_text("x ~ normal(0, 1);\n")
    source = program(tmp_path / "edited", "parameters { real x; }\nmodel {\n#include prior.stan\n}\n")
    first = helpers.stan_model(source)
    source.touch()
    assert helpers.stan_model(source).exe_file == first.exe_file
    assert compiles(cache) == 1
    included.write_text("x ~ normal(0, 2);\n")
    assert helpers.stan_model(source).exe_file != first.exe_file
    assert compiles(cache) == 2


def test_other_options_are_another_program(cache, tmp_path):
    source = program(tmp_path / "options")
    options = {"stanc_options": {"warn-pedantic": True}}
    assert helpers.stan_model(source, **options).exe_file != helpers.stan_model(source).exe_file
    assert options == {"stanc_options": {"warn-pedantic": True}}, "the caller's dictionary was changed"


def test_a_syntax_error_is_shown_in_stans_own_words(cache, tmp_path):
    source = program(tmp_path / "wrong", "parameters {\n  real x\n}\nmodel { }\n")
    with pytest.raises(helpers.StanError) as caught:
        helpers.stan_model(source)
    message = str(caught.value)
    assert str(source) in message
    assert "line 3" in message or "line 2" in message
    assert '";" is expected' in message or "Ill-formed" in message
    assert caught.value._render_traceback_() == message.splitlines()
    assert compiles(cache) == 0


def test_a_name_that_is_not_there_is_answered_with_those_that_are():
    with pytest.raises(FileNotFoundError, match=r"no Stan program 'centred'; there are .*centered"):
        helpers.stan_model("centred")
    with pytest.raises(FileNotFoundError, match=r"no Stan program at .*nowhere\.stan"):
        helpers.stan_model("nowhere.stan")


def test_an_unknown_option_is_refused():
    with pytest.raises(TypeError, match="no option 'optimise'"):
        helpers.stan_model("centered", optimise=True)


def test_programs_unused_for_a_month_leave_the_cache(cache, tmp_path):
    old = cache / "old-0123456789abcdef"
    old.mkdir(parents=True)
    long_ago = time.time() - 31 * 24 * 3600
    os.utime(old, (long_ago, long_ago))
    helpers.stan_model(program(tmp_path / "new"))
    assert not old.exists()


@pytest.mark.parametrize("source", sorted(COURSE.glob("stan/*.stan")), ids=lambda path: path.stem)
def test_every_program_of_the_course_compiles_without_a_warning(source):
    model = helpers.stan_model(source.stem)
    assert model.exe_info()["stan_version_major"] == "2"
    checked = subprocess.run([stanc_path(), "--info", source], capture_output=True, text=True)
    assert (checked.returncode, checked.stderr) == (0, "")
