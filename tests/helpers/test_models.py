"""Compiling: once, however many ask; anew when anything changes; unharmed by other users."""

import os
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
from makes import PROGRAM, quick  # noqa: F401
from needs import root

import helpers

COURSE = Path(__file__).parents[2]
ASK = "import sys, helpers; print(helpers.stan_model(sys.argv[1]).exe_file)"


@pytest.fixture
def tmp_path():
    """A folder to which every user of the machine finds the way, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        folder.chmod(0o711)
        yield folder


@pytest.fixture
def source(tmp_path):
    """A small program in a folder of its own."""
    path = tmp_path / "course" / "tiny.stan"
    path.parent.mkdir()
    path.write_text(PROGRAM)
    return path


def test_four_at_once_compile_once_and_leave_the_source_alone(quick, source):
    source.parent.chmod(0o500)
    ask = [subprocess.Popen([sys.executable, "-c", ASK, source], stdout=subprocess.PIPE) for _ in range(4)]
    answers = {process.communicate()[0].strip() for process in ask}
    assert [process.returncode for process in ask] == [0] * 4
    assert len(answers) == 1
    assert quick.compiles() == 1
    assert list(source.parent.iterdir()) == [source]


@pytest.mark.parametrize("spoilt", [b"#!/bin/nothing\n", b"#!/bin/sh\nexit 3\n", b"\x7fELF, cut short"])
def test_an_executable_that_does_not_start_is_compiled_anew(quick, source, spoilt):
    executable = Path(helpers.stan_model(source).exe_file)
    executable.write_bytes(spoilt)
    assert subprocess.run([helpers.stan_model(source).exe_file, "info"], capture_output=True).returncode == 0
    assert quick.compiles() == 2


@pytest.mark.parametrize("include", ["#include prior.stan", '#include "prior.stan"', "#include <prior.stan>"])
def test_an_edit_is_compiled_anew_and_nothing_else_is(quick, tmp_path, source, include):
    source.write_text(f"parameters {{ real x; }}\nmodel {{ {include}\n}}\n")
    included = source.with_name("prior.stan")
    included.write_text("x ~ normal(0, 1);\n")
    first = helpers.stan_model(source).exe_file
    source.touch()
    copy = shutil.copytree(source.parent, tmp_path / "copy") / source.name
    assert helpers.stan_model(source).exe_file == helpers.stan_model(copy).exe_file == first
    assert quick.compiles() == 1
    included.write_text("x ~ normal(0, 2);\n")
    assert helpers.stan_model(source).exe_file != first
    source.write_text(source.read_text() + "// changed\n")
    helpers.stan_model(source)
    assert quick.compiles() == 3


def test_other_options_flags_or_cmdstan_are_another_program(quick, source, monkeypatch):
    header = source.with_name("mine.hpp")
    header.write_text("// mine\n")
    options = {"stanc_options": {"include-paths": [str(source.parent)]}, "user_header": str(header)}
    found = [helpers.stan_model(source).exe_file, helpers.stan_model(source, **options).exe_file]
    assert options["stanc_options"] == {"include-paths": [str(source.parent)]}, "the caller's changed"
    found.append(helpers.stan_model(source, stanc_options={"warn-pedantic": True}).exe_file)
    found.append(helpers.stan_model(source, cpp_options={"STAN_THREADS": True}).exe_file)
    header.write_text("// mine, changed\n")
    found.append(helpers.stan_model(source, **options).exe_file)
    monkeypatch.setenv("CXXFLAGS", "-O1")
    found.append(helpers.stan_model(source).exe_file)
    monkeypatch.setattr(cmdstanpy, "cmdstan_version", lambda: (2, 99))
    found.append(helpers.stan_model(source).exe_file)
    assert len(set(found)) == len(found) == quick.compiles()


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("tiny.hpp:7: error: no match\nmake: *** Error 1", "update CmdStan, or report it\n.*no match"),
        ("ld: undefined reference to `f'\ncollect2: error", "does not compile: .*\n.*ld: undefined"),
        ("g++: not found", "does not compile: .*\ng\\+\\+: not found$"),
        (
            "g++: internal compiler error: Killed (program cc1plus)",
            "was killed, for want of memory: .*1.5 GB",
        ),
        ("clang: error: unable to execute command: Killed", "was killed, for want of memory"),
        ("fatal error: malformed or corrupted AST file: no rvalue.hpp", r"`rm -r .*/model_header\*.gch\*`,"),
    ],
)
def test_a_failing_compiler_is_not_blamed_on_the_program(quick, source, said, told):
    quick.let_make(f"#!/bin/sh\nprintf '%s\\n' {shlex.quote(said)}\nexit 2\n")
    with pytest.raises(helpers.StanError, match=rf"^Stan accepts .*/tiny\.stan, but (.|\n)*{told}") as caught:
        helpers.stan_model(source)
    assert "disk" not in str(caught.value)
    assert not list(quick.cache.glob("*.tmp"))


def test_what_compiles_and_does_not_start_is_told_and_not_kept(quick, source):
    script = (
        'for last; do :; done\nprintf "#!/bin/sh\\necho no libtbb >&2; exit 1" > "$last"\nchmod +x "$last"\n'
    )
    quick.let_make(f"#!/bin/sh\n{script}")
    with pytest.raises(helpers.StanError, match=r"^tiny\.stan compiles, but .* does not start: no libtbb$"):
        helpers.stan_model(source)
    assert [path.suffix for path in quick.cache.iterdir()] == [".lock"]


def test_a_compiler_without_room_is_told_from_one_that_fails(quick, source):
    said = "tiny.hpp: fatal error: error writing to /tmp/cc.s: No space left on device"
    quick.let_make(f"#!/bin/sh\necho {said}\nexit 2\n")
    with pytest.raises(OSError, match=r"^no room in .* to compile tiny\.stan: free 50 MB there$"):
        helpers.stan_model(source)
    assert not list(quick.cache.glob("*.tmp"))


def test_a_program_that_is_not_there_is_answered_with_the_nearest(monkeypatch):
    with pytest.raises(FileNotFoundError, match=r"no Stan program 'nothing'; there are .*centered"):
        helpers.stan_model("nothing")
    with pytest.raises(FileNotFoundError, match=r"no Stan program at .*nowhere/to\.stan"):
        helpers.stan_model("nowhere/to.stan")
    for name in ("centred", "Centered", "centerd.stan"):
        with pytest.raises(FileNotFoundError, match=r"\(did you mean 'centered'\?\)"):
            helpers.stan_file(name)
    monkeypatch.chdir(COURSE / "lessons")
    assert helpers.stan_file("centered.stan") == helpers.stan_file("centered")


@pytest.mark.parametrize("name", [None, 7, ["centered"], b"centered", "", ".", "../"])
def test_what_names_no_program_is_refused_in_one_line(name):
    for helper in (helpers.stan_file, helpers.stan_model):
        with pytest.raises(
            TypeError, match=r"^name is .*: give the name of a program, or the path of a .stan"
        ):
            helper(name)


def test_an_unknown_option_is_refused():
    with pytest.raises(TypeError, match="no option 'optimise'"):
        helpers.stan_model("centered", optimise=True)


def test_a_cache_that_cannot_be_made_is_named_with_the_remedy(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("STAN_MODEL_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(OSError, match=r"cannot make .*file/cache .*set STAN_MODEL_CACHE"):
        helpers.stan_model("centered")


def test_only_programs_unused_for_a_month_leave_the_cache(quick, source):
    used = Path(helpers.stan_model(source).exe_file).parent
    names = ("old-0123456789abcdef", "cut-0123456789abcdef.tmp", "my thesis", "new-0123456789abcdef")
    unused, killed, thesis, recent = (quick.cache / name for name in names)
    for folder, age in [(used, 31), (unused, 31), (killed, 31), (thesis, 31), (recent, 29)]:
        folder.mkdir(exist_ok=True)
        os.utime(folder, (time.time() - age * 24 * 3600,) * 2)
    helpers.stan_model(source)
    source.write_text(PROGRAM + "// changed\n")
    helpers.stan_model(source)
    there = [folder.exists() for folder in (used, unused, killed, thesis, recent)]
    assert there == [True, False, False, True, True]


@pytest.mark.parametrize("source", sorted(COURSE.glob("stan/*.stan")), ids=lambda path: path.stem)
def test_every_program_of_the_course_compiles_without_a_warning(source):
    model = helpers.stan_model(source)
    assert model.exe_info()["stan_version_major"] == "2"
    asked = [stanc_path(), "--info", "--include-paths=.", source]
    checked = subprocess.run(asked, cwd=source.parent, capture_output=True, text=True)
    assert (checked.returncode, checked.stderr) == (0, "")


FIT = """
import logging, helpers
data, _ = helpers.stan_data(helpers.measurements(), ["day", "batch", "colony"], "y")
{}
model = helpers.stan_model("centered")
{}
model.sample(data=data, seed=11, show_progress=False)
"""


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("", "", ""),
        ("level('ERROR')", "", ""),
        ("level('WARNING')", "", "WARNING - Non-fatal error"),
        ("", "level('INFO')", "INFO - CmdStan start"),
        ("import cmdstanpy; cmdstanpy.utils.get_logger()", "", ""),
    ],
)
def test_the_log_says_what_the_reader_chose_and_nothing_by_default(before, after, said):
    # in a process of its own: cmdstanpy sets up its log once, when it first speaks
    code = FIT.format(before, after).replace("level(", "logging.getLogger('cmdstanpy').setLevel(")
    run = subprocess.run([sys.executable, "-c", code], cwd=COURSE, capture_output=True, text=True, check=True)
    assert said in run.stderr
    assert bool(run.stderr) == bool(said)


def ask_as(uid: int, source: Path, shared: Path) -> Path:
    """Have user `uid`, whose home is beside the program's folder, compile it; return the executable."""
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
    return Path(done.stdout.strip())


@pytest.fixture
def shared(quick):
    """A cache, made already, with logs of compiles that any user can add to."""
    for name in ("compiles", "words"):
        (quick.log / name).touch()
        (quick.log / name).chmod(0o666)
    quick.cache.mkdir()
    quick.cache.chmod(0o755)
    return quick.cache


@root
def test_a_cache_that_root_filled_serves_all_but_edited_programs(shared, quick, tmp_path, source):
    first = Path(helpers.stan_model(source).exe_file)
    assert [ask_as(uid, source, shared) for uid in (61001, 61002)] == [first, first]
    assert quick.compiles() == 1
    source.write_text(PROGRAM.replace("1", "2"))
    mine = ask_as(61001, source, shared)
    assert mine.is_relative_to(tmp_path / "61001" / ".cache")
    assert ask_as(61001, source, shared) == mine
    assert quick.compiles() == 2


@root
def test_nobody_runs_what_another_user_put_into_a_cache(shared, tmp_path, source):
    os.chown(shared, 61001, 61001)
    shared.chmod(0o755)
    # where a program of theirs would be found by all
    theirs = ask_as(61001, source, tmp_path / "61001" / "put")
    planted = shared / theirs.parent.name
    shutil.copytree(theirs.parent, planted)
    (planted / theirs.name).write_text(f"#!/bin/sh\nid -u >> {tmp_path}/ran\n")
    for path in (planted, *planted.iterdir()):
        os.chown(path, 61001, 61001)
        path.chmod(0o755)
    (tmp_path / "ran").touch()
    (tmp_path / "ran").chmod(0o666)
    assert ask_as(61002, source, shared).is_relative_to(tmp_path / "61002" / ".cache")
    assert (tmp_path / "ran").read_text() == ""


@root
@pytest.mark.parametrize("what", ["executable", "entry", "cache"])
def test_a_program_of_root_that_others_may_change_is_not_run(shared, tmp_path, source, what):
    first = Path(helpers.stan_model(source).exe_file)
    {"executable": first, "entry": first.parent, "cache": shared}[what].chmod(0o777)
    assert ask_as(61001, source, shared).is_relative_to(tmp_path / "61001" / ".cache")


def test_a_cache_of_ones_own_that_all_may_write_to_is_refused(shared, source):
    shared.chmod(0o777)
    with pytest.raises(OSError, match=f"others may change {shared}.*`chmod go-w {shared}`"):
        helpers.stan_model(source)
