"""Folders and programs may be called anything: no name reaches `make` or a shell, or is taken apart."""

import re
from pathlib import Path

import arviz
import cmdstanpy
import pytest
from makes import quick  # noqa: F401

import helpers
from helpers.compiling.compiler import gather

PROGRAMS = ["it's.v2 (neu)", "mit$geld", "ünï", "8schools", "-o x", 'say "hi"']
PROGRAM = 'parameters { real x; }\nmodel {\n  #include "my prior, $1.stan"\n}\n'


def program(folder: Path, name: str = "tiny") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "my prior, $1.stan").write_text("x ~ normal(0, 1);\n")
    path = folder / f"{name}.stan"
    path.write_text(PROGRAM)
    return path


@pytest.mark.parametrize("name", PROGRAMS)
def test_make_is_told_plain_names_only_whatever_the_readers_are(tmp_path, quick, name):
    source = program(tmp_path / "a; touch pwned, x$y", name)
    model = helpers.stan_model(source)
    told = quick.words()
    assert len(told) == 3  # the options of stanc, two of them, and what to make
    assert all(re.fullmatch(r"(STANCFLAGS\+=--[a-z-]+=)?[\w@+./-]+", word, re.ASCII) for word in told)
    assert re.fullmatch(r"\w+", model.name, re.ASCII)
    assert list(model.src_info()["parameters"]) == ["x"]
    assert helpers.stan_model(source).exe_file == model.exe_file
    assert quick.words() == told, "it is compiled once"


def test_the_same_text_in_another_folder_is_the_same_program(tmp_path, quick):
    first = helpers.stan_model(program(tmp_path / "R&D")).exe_file
    assert {
        helpers.stan_model(program(tmp_path / folder)).exe_file
        for folder in ("course (1)", "Anna's Mac; x$y")
    } == {first}
    source = program(tmp_path / "R&D")
    source.with_name("my prior, $1.stan").write_text("x ~ normal(0, 2);\n")
    assert helpers.stan_model(source).exe_file != first


def test_two_includes_of_one_name_from_two_folders_stay_two(tmp_path):
    for folder in ("a", "b", "b/c"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "It.stan").write_text(f"// {folder}\n")
    source = tmp_path / "it.stan"
    source.write_text("#include a/It.stan\n#include <b/It.stan>\n#include b/c/It.stan\n")
    texts = gather(source, [tmp_path]).texts
    names = [name.strip('"') for name in re.findall(r"#include (.*)", next(iter(texts.values())))]
    assert [texts[name] for name in names] == ["// a\n", "// b\n", "// b/c\n"]
    assert len({name.lower() for name in texts}) == 4


@pytest.mark.parametrize("wrong", ["program", "include"])
def test_a_message_of_stan_names_the_readers_own_file_and_line(tmp_path, quick, wrong):
    source = program(tmp_path / "Anna's, x$y", "it's.v2")
    at = {"program": source, "include": source.with_name("my prior, $1.stan")}[wrong]
    at.write_text("parameters {\n  real x\n}\n" if wrong == "program" else "\nx ~ normal(0 1);\n")
    with pytest.raises(helpers.StanError) as caught:
        helpers.stan_model(source)
    line, said = 3 if wrong == "program" else 2, str(caught.value)
    assert said.startswith(f"{source} does not compile:\nSyntax error in '{at}', line {line}, ")
    assert "^" in said
    assert re.search(r'";" (is )?expected|[Ee]xpected ";"|Ill-formed', said)
    assert caught.value._render_traceback_() == said.splitlines()
    assert quick.compiles() == 0


def test_a_header_of_ones_own_may_be_anywhere_with_what_it_includes(tmp_path, monkeypatch):
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


def test_what_a_shell_would_run_is_not_run_and_draws_can_be_read(tmp_path, monkeypatch):
    source = program(tmp_path / "a; touch pwned; & $x, (it's)", "b; touch pwned.v2")
    # neither the cache nor the folder for temporary files has a name that make could use
    monkeypatch.setenv("STAN_MODEL_CACHE", str(tmp_path / "R&D; cache"))
    (tmp_path / "tmp o'brien").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp o'brien"))
    fit = helpers.stan_model(source).sample(chains=2, seed=1, show_progress=False, output_dir=source.parent)
    read = cmdstanpy.from_csv(fit.runset.csv_files)
    assert (read.draws() == fit.draws()).all()
    assert list(fit.summary().index) == ["lp__", "x"]
    assert arviz.from_cmdstanpy(fit)["posterior"]["x"].shape == (2, 1000)
    assert [*tmp_path.rglob("pwned"), *Path(cmdstanpy.cmdstan_path()).glob("pwned*")] == []
