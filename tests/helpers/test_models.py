"""Compiling: once, however many ask; anew when anything changes; unharmed by whoever kills it."""

import logging
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cmdstanpy
import pytest
from cmdstanpy.compilation import stanc_path
from needs import root

import helpers

COURSE = Path(__file__).parents[2]
PROGRAM = "parameters { real x; } model { x ~ normal(0, 1); }\n"
ASK = "import sys, helpers; print(helpers.stan_model(sys.argv[1]).exe_file)"


@pytest.fixture
def tmp_path():
    """A folder to which every user of the machine finds the way, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        folder.chmod(0o711)
        yield folder


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, and in MAKE a `make` that leaves a line in a log for every compile."""
    make = tmp_path / "make"
    make.write_text(f'#!/bin/sh\necho compile >> "{tmp_path}/compiles"\nexec make "$@"\n')
    make.chmod(0o755)
    monkeypatch.setenv("MAKE", str(make))
    monkeypatch.setenv("STAN_MODEL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def quick(cache, tmp_path, monkeypatch):
    """The same, with a `make` that makes in no time an executable that starts and does nothing else."""
    make = Path(os.environ["MAKE"])
    script = 'for last; do :; done\nprintf "#!/bin/sh\\nexit 0\\n" > "$last"\nchmod +x "$last"\n'
    make.write_text(f'#!/bin/sh\necho compile >> "{tmp_path}/compiles"\n{script}')
    return cache


def compiles(cache: Path) -> int:
    log = cache.parent / "compiles"
    return len(log.read_text().splitlines()) if log.exists() else 0


def program(folder: Path, text: str = PROGRAM) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "tiny.stan"
    path.write_text(text)
    return path


def test_four_at_once_compile_once_and_leave_the_source_folder_alone(quick, tmp_path):
    source = program(tmp_path / "readonly")
    source.parent.chmod(0o500)
    ask = [subprocess.Popen([sys.executable, "-c", ASK, source], stdout=subprocess.PIPE) for _ in range(4)]
    answers = {process.communicate()[0].strip() for process in ask}
    assert [process.returncode for process in ask] == [0] * 4
    assert len(answers) == 1
    assert compiles(quick) == 1
    assert list(source.parent.iterdir()) == [source]


def test_an_executable_cut_short_is_compiled_anew(quick, tmp_path):
    source = program(tmp_path / "cut")
    executable = Path(helpers.stan_model(source).exe_file)
    executable.write_bytes(b"#!/bin/nothing\n")
    assert subprocess.run([helpers.stan_model(source).exe_file, "info"], capture_output=True).returncode == 0
    assert compiles(quick) == 2


@pytest.mark.parametrize("include", ["#include prior.stan", '#include "prior.stan"', "#include <prior.stan>"])
def test_an_edit_is_compiled_anew_and_nothing_else_is(quick, tmp_path, include):
    source = program(tmp_path / "edited", f"parameters {{ real x; }}\nmodel {{ {include}\n}}\n")
    included = source.with_name("prior.stan")
    included.write_text("x ~ normal(0, 1);\n")
    first = helpers.stan_model(source).exe_file
    source.touch()
    assert helpers.stan_model(source).exe_file == first
    assert (
        helpers.stan_model(shutil.copytree(source.parent, tmp_path / "copy") / source.name).exe_file == first
    )
    assert compiles(quick) == 1
    included.write_text("x ~ normal(0, 2);\n")
    assert helpers.stan_model(source).exe_file != first
    source.write_text(source.read_text() + "// changed\n")
    helpers.stan_model(source)
    assert compiles(quick) == 3


def test_other_options_flags_or_cmdstan_are_another_program(quick, tmp_path, monkeypatch):
    source = program(tmp_path / "options")
    header = source.with_name("mine.hpp")
    header.write_text("// mine\n")
    options = {"stanc_options": {"warn-pedantic": True}, "cpp_options": None}
    found = [helpers.stan_model(source).exe_file, helpers.stan_model(source, **options).exe_file]
    assert options == {"stanc_options": {"warn-pedantic": True}, "cpp_options": None}, "the caller's changed"
    found.append(helpers.stan_model(source, cpp_options={"STAN_THREADS": True}).exe_file)
    found.append(helpers.stan_model(source, user_header=str(header)).exe_file)
    monkeypatch.setenv("CXXFLAGS", "-O1")
    found.append(helpers.stan_model(source).exe_file)
    monkeypatch.setattr(cmdstanpy, "cmdstan_version", lambda: (2, 99))
    found.append(helpers.stan_model(source).exe_file)
    assert len(set(found)) == len(found) == compiles(quick)


def test_a_syntax_error_is_shown_in_stans_own_words_about_the_readers_own_file(quick, tmp_path):
    source = program(tmp_path / "wrong", "parameters {\n  real x\n}\nmodel { }\n")
    with pytest.raises(helpers.StanError) as caught:
        helpers.stan_model(source)
    message = str(caught.value)
    assert f"in '{source}', line " in message
    assert "^" in message
    assert re.search(r'";" (is )?expected|[Ee]xpected ";"|Ill-formed', message)
    assert caught.value._render_traceback_() == message.splitlines()
    assert compiles(quick) == 0


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "tiny.hpp:7:1: error: no match for min\nmake: *** Error 1",
            "update CmdStan, or report it\n.*no match",
        ),
        (
            "/usr/bin/ld: undefined reference to `f'\ncollect2: error: ld",
            "does not compile: .*\n.*ld: undefined",
        ),
        ("g++: not found", "does not compile: .*\ng\\+\\+: not found$"),
        (
            "g++: internal compiler error: Killed (program cc1plus)",
            "was killed, for want of memory: .*1.5 GB",
        ),
        ("clang: error: unable to execute command: Killed", "was killed, for want of memory"),
        (
            "fatal error: malformed or corrupted AST file: could not find file rvalue.hpp",
            "`rm -r .*/model_header\\*.gch\\*`, and run it again",
        ),
    ],
)
def test_a_failing_compiler_is_not_blamed_on_the_program(cache, tmp_path, said, told):
    said = shlex.quote(said)
    Path(os.environ["MAKE"]).write_text(f"#!/bin/sh\nprintf '%s\\n' {said}\nexit 2\n")
    with pytest.raises(helpers.StanError, match=rf"^Stan accepts .*/tiny\.stan, but (.|\n)*{told}") as caught:
        helpers.stan_model(program(tmp_path / "fails"))
    assert "disk" not in str(caught.value)
    assert not list(cache.glob("*.tmp"))


def test_a_compiler_without_room_is_told_from_one_that_fails(cache, tmp_path):
    said = "tiny.hpp: fatal error: error writing to /tmp/cc.s: No space left on device"
    Path(os.environ["MAKE"]).write_text(f"#!/bin/sh\necho {said}\nexit 2\n")
    with pytest.raises(OSError, match=r"^no room in .* to compile tiny\.stan: free 50 MB there$"):
        helpers.stan_model(program(tmp_path / "full"))
    assert not list(cache.glob("*.tmp"))


def test_a_name_that_is_not_there_is_answered_with_those_that_are(monkeypatch):
    with pytest.raises(FileNotFoundError, match=r"no Stan program 'nothing'; there are .*centered"):
        helpers.stan_model("nothing")
    with pytest.raises(FileNotFoundError, match=r"no Stan program at .*nowhere/to\.stan"):
        helpers.stan_model("nowhere/to.stan")
    monkeypatch.chdir(COURSE / "lessons")
    assert helpers.stan_file("centered.stan") == helpers.stan_file("centered")


@pytest.mark.parametrize("name", ["centred", "Centered", "centerd.stan"])
def test_a_misspelt_name_is_answered_with_the_nearest(name):
    with pytest.raises(FileNotFoundError, match=r"\(did you mean 'centered'\?\)"):
        helpers.stan_file(name)


def test_an_unknown_option_is_refused():
    with pytest.raises(TypeError, match="no option 'optimise'"):
        helpers.stan_model("centered", optimise=True)


def test_a_cache_that_cannot_be_made_is_named_with_the_remedy(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("STAN_MODEL_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(OSError, match=r"cannot make .*file/cache .*set STAN_MODEL_CACHE"):
        helpers.stan_model("centered")


def test_only_programs_unused_for_a_month_leave_the_cache(quick, tmp_path):
    source = program(tmp_path / "used")
    used = Path(helpers.stan_model(source).exe_file).parent
    unused, thesis, recent = (
        quick / "old-0123456789abcdef",
        quick / "my thesis",
        quick / "new-0123456789abcdef",
    )
    day = 24 * 3600
    for folder, age in [(used, 31), (unused, 31), (thesis, 31), (recent, 29)]:
        folder.mkdir(exist_ok=True)
        os.utime(folder, (time.time() - age * day,) * 2)
    helpers.stan_model(source)
    helpers.stan_model(program(tmp_path / "used", PROGRAM + "// changed\n"))
    assert [folder.exists() for folder in (used, unused, thesis, recent)] == [True, False, True, True]


def test_cmdstanpys_log_is_as_it_was(quick, tmp_path):
    logger = logging.getLogger("cmdstanpy")
    before = logger.filters[:], logger.level, logger.disabled
    helpers.stan_model(program(tmp_path / "log"))
    assert (logger.filters, logger.level, logger.disabled) == before


@pytest.mark.parametrize("source", sorted(COURSE.glob("stan/*.stan")), ids=lambda path: path.stem)
def test_every_program_of_the_course_compiles_without_a_warning(source):
    model = helpers.stan_model(source)
    assert model.exe_info()["stan_version_major"] == "2"
    asked = [stanc_path(), "--info", "--include-paths=.", source]
    checked = subprocess.run(asked, cwd=source.parent, capture_output=True, text=True)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_the_log_level_that_a_lesson_sets_holds_from_the_first_fit_on():
    # in a process of its own: cmdstanpy sets up its log once, when it first speaks
    code = """
import logging
logging.getLogger("cmdstanpy").setLevel(logging.ERROR)
import helpers
helpers.stan_model("funnel").sample(chains=1, show_progress=False, seed=1)
"""
    run = subprocess.run([sys.executable, "-c", code], cwd=COURSE, capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")


@pytest.mark.parametrize("name", [None, 7, ["centered"], b"centered", "", ".", "../"])
def test_what_names_no_program_is_refused_in_one_line(name):
    for helper in (helpers.stan_file, helpers.stan_model):
        with pytest.raises(
            TypeError, match=r"^name is .*: give the name of a program, or the path of a .stan file$"
        ):
            helper(name)


def ask_as(uid: int, source: Path, shared: Path) -> tuple[Path, str]:
    """Have user `uid`, whose home is beside `source`, compile it; return the executable and what was said."""
    home = source.parent.parent / str(uid)
    home.mkdir(exist_ok=True)
    os.chown(home, uid, uid)
    # Everything may be read, as the Python that runs this may lie in a closed home; what may be written,
    # and who owns what, is as for any user.
    may = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    command = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", *may]
    kept = {name: os.environ[name] for name in ("PATH", "MAKE", "PYTHONPATH") if name in os.environ}
    environ = kept | {"HOME": str(home), "CMDSTAN": cmdstanpy.cmdstan_path(), "STAN_MODEL_CACHE": str(shared)}
    asked = [*command, sys.executable, "-c", ASK, source]
    done = subprocess.run(asked, env=environ, cwd="/", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip()), done.stderr


@pytest.fixture
def open_folder(quick, tmp_path):
    """A cache, made already, with a log of compiles that any user can add to."""
    (tmp_path / "compiles").touch()
    (tmp_path / "compiles").chmod(0o666)
    quick.mkdir()
    return quick


@root
def test_a_cache_that_root_filled_serves_all_and_edits_go_to_the_users_own(open_folder, tmp_path):
    open_folder.chmod(0o755)
    source = program(tmp_path / "course")
    first = Path(helpers.stan_model(source).exe_file)
    for uid in (61001, 61002):
        assert ask_as(uid, source, open_folder)[0] == first
    assert compiles(open_folder) == 1
    source.write_text(PROGRAM.replace("1", "2"))
    mine = ask_as(61001, source, open_folder)[0]
    assert mine.is_relative_to(tmp_path / "61001" / ".cache")
    assert ask_as(61001, source, open_folder)[0] == mine
    assert compiles(open_folder) == 2


@root
@pytest.mark.parametrize("mode", [0o777, 0o1777])
def test_nobody_runs_what_another_user_put_into_an_open_cache(open_folder, tmp_path, mode):
    os.chown(open_folder, 61001, 61001)
    open_folder.chmod(mode)
    source = program(tmp_path / "course")
    # where a program of theirs would be found by all
    theirs = ask_as(61001, source, tmp_path / "61001" / "put")[0]
    planted = open_folder / theirs.parent.name
    shutil.copytree(theirs.parent, planted)
    (planted / theirs.name).write_text(f"#!/bin/sh\nid -u >> {tmp_path}/ran\n")
    for path in (planted, *planted.iterdir()):
        os.chown(path, 61001, 61001)
        path.chmod(0o755)
    (tmp_path / "ran").touch()
    (tmp_path / "ran").chmod(0o666)
    mine = ask_as(61002, source, open_folder)[0]
    assert mine.is_relative_to(tmp_path / "61002" / ".cache")
    assert (tmp_path / "ran").read_text() == ""


@root
@pytest.mark.parametrize("what", ["executable", "entry", "cache"])
def test_a_program_of_root_that_others_may_change_is_not_run(open_folder, tmp_path, what):
    source = program(tmp_path / "course")
    first = Path(helpers.stan_model(source).exe_file)
    loose = {"executable": first, "entry": first.parent, "cache": open_folder}[what]
    loose.chmod(0o777)
    assert ask_as(61001, source, open_folder)[0].is_relative_to(tmp_path / "61001" / ".cache")


def test_a_cache_of_ones_own_that_all_may_write_to_is_refused_with_the_remedy(open_folder, tmp_path):
    open_folder.chmod(0o777)
    with pytest.raises(OSError, match=f"others may change {open_folder}.*`chmod go-w {open_folder}`"):
        helpers.stan_model(program(tmp_path / "mine"))
