"""Folders and programs may be called anything: no name reaches `make` or a shell, or is taken apart."""

import re
from pathlib import Path

import arviz
import cmdstanpy
import pytest

import helpers
from helpers.compiling.compiler import gather

COURSE = Path(__file__).parents[2]
FOLDERS = ["course (1)", "R&D", "Anna's Mac", "a;b", "x$y, z"]
PROGRAMS = ["model.v2", "modell (neu)", "it's", "mit$geld", "a b", "ünï", "8schools", "-o x", 'say "hi"']
PROGRAM = 'parameters { real x; }\nmodel {\n  #include "my prior, $1.stan"\n}\n'


@pytest.fixture
def words(tmp_path, monkeypatch):
    """A `make` that makes, in no time, what starts and does nothing, and notes what it was told."""
    log, make = tmp_path / "words", tmp_path / "make"
    script = 'for last; do :; done\nprintf "#!/bin/sh\\nexit 0\\n" > "$last"\nchmod +x "$last"\n'
    make.write_text(f'#!/bin/sh\nprintf \'%s\\n\' "$@" >> "{log}"\n{script}')
    make.chmod(0o755)
    monkeypatch.setenv("MAKE", str(make))
    monkeypatch.setenv("STAN_MODEL_CACHE", str(tmp_path / "cache"))
    return log


def program(folder: Path, name: str = "tiny") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "my prior, $1.stan").write_text("x ~ normal(0, 1);\n")
    path = folder / f"{name}.stan"
    path.write_text(PROGRAM)
    return path


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("folder", ["a; touch pwned", "x$y, z"])
def test_make_is_told_plain_names_only_whatever_the_readers_are(tmp_path, words, folder, name):
    source = program(tmp_path / folder, name)
    model = helpers.stan_model(source)
    told = words.read_text().splitlines()
    assert len(told) == 3  # the options of stanc, two of them, and what to make
    assert all(re.fullmatch(r"(STANCFLAGS\+=--[a-z-]+=)?[\w@+./-]+", word, re.ASCII) for word in told)
    assert re.fullmatch(r"\w+", model.name, re.ASCII)
    assert list(model.src_info()["parameters"]) == ["x"]
    assert helpers.stan_model(source).exe_file == model.exe_file
    assert words.read_text().splitlines() == told, "it is compiled once"


def test_the_same_text_in_another_folder_is_the_same_program(tmp_path, words):
    first = helpers.stan_model(program(tmp_path / "R&D")).exe_file
    assert {helpers.stan_model(program(tmp_path / folder)).exe_file for folder in FOLDERS} == {first}
    source = program(tmp_path / "R&D")
    source.with_name("my prior, $1.stan").write_text("x ~ normal(0, 2);\n")
    assert helpers.stan_model(source).exe_file != first


def test_two_includes_of_one_name_from_two_folders_stay_two(tmp_path):
    for folder in ("a", "b", "b/c"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "It.stan").write_text(f"// {folder}\n")
    source = tmp_path / "it.stan"
    source.write_text(
        "#include a/It.stan\n#include <b/It.stan>\n#include missing.stan\n#include b/c/It.stan\n"
    )
    texts = gather(source, [tmp_path]).texts
    first, *included = texts.values()
    names = [name.strip('"') for name in re.findall(r"#include (.*)", first)]
    assert names.pop(2) == "missing.stan"
    assert included == [texts[name] for name in names] == ["// a\n", "// b\n", "// b/c\n"]
    assert len({name.lower() for name in texts}) == 4


@pytest.mark.parametrize("wrong", ["program", "include"])
def test_a_message_of_stan_names_the_readers_own_file_and_line(tmp_path, words, wrong):
    source = program(tmp_path / "Anna's, x$y", "it's.v2")
    at = {"program": source, "include": source.with_name("my prior, $1.stan")}[wrong]
    at.write_text("parameters {\n  real x\n}\n" if wrong == "program" else "\nx ~ normal(0 1);\n")
    with pytest.raises(helpers.StanError) as caught:
        helpers.stan_model(source)
    line = 3 if wrong == "program" else 2
    assert str(caught.value).startswith(f"{source} does not compile:\nSyntax error in '{at}', line {line}, ")
    assert not words.exists()


def test_a_header_of_ones_own_may_be_anywhere_and_include_what_is_beside_it(tmp_path, monkeypatch):
    monkeypatch.setenv("STAN_MODEL_CACHE", str(tmp_path / "cache"))
    source = program(tmp_path / "R&D; touch pwned")
    header, beside = source.with_name("my $own.hpp"), source.with_name("it's.hpp")
    header.write_text('#include "it\'s.hpp"\n')
    beside.write_text('#include "nowhere.hpp"\n')  # which ends the compiler at once, with the place
    with pytest.raises(helpers.StanError, match=f"mend {re.escape(str(header))}\n.*nowhere.hpp") as caught:
        helpers.stan_model(source, user_header=header)
    assert str(beside) in str(caught.value)
    header.unlink()
    with pytest.raises(ValueError, match=f"^no user_header at {re.escape(str(header))}: check the path$"):
        helpers.stan_model(source, user_header=header)


def test_what_a_shell_would_run_is_not_run_and_the_draws_can_be_read(tmp_path, monkeypatch):
    source = program(tmp_path / "a; touch pwned; & $x, (it's)", "b; touch pwned.v2")
    # neither the cache nor the folder for temporary files has a name that make could use
    monkeypatch.setenv("STAN_MODEL_CACHE", str(source.parent / "R&D, cache"))
    (tmp_path / "tmp o'brien").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp o'brien"))
    monkeypatch.setattr("cmdstanpy._TMPDIR", str(tmp_path / "tmp o'brien"))
    model = helpers.stan_model(source)
    fit = model.sample(chains=2, seed=1, show_progress=False, output_dir=source.parent)
    read = cmdstanpy.from_csv(fit.runset.csv_files)
    assert (read.draws() == fit.draws()).all()
    assert list(fit.summary().index) == ["lp__", "x"]
    assert arviz.from_cmdstanpy(fit)["posterior"]["x"].shape == (2, 1000)
    assert [*tmp_path.rglob("pwned"), *Path(cmdstanpy.cmdstan_path()).glob("pwned*")] == []


def test_a_cmdstan_that_make_cannot_use_is_named_with_the_remedy(tmp_path, words, monkeypatch):
    place = tmp_path / "a$b" / "cmdstan"
    place.mkdir(parents=True)
    for path in Path(cmdstanpy.cmdstan_path()).iterdir():
        (place / path.name).symlink_to(path)
    monkeypatch.setenv("CMDSTAN", str(place))
    with pytest.raises(helpers.StanError, match=r"/a\$b/cmdstan, apart at the '\$' in it: .*set CMDSTAN"):
        helpers.stan_model(program(tmp_path / "course"))
    assert not words.exists()
