"""The programs and the data are found wherever the course lands: checkout, handout, installed wheel."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import helpers

COURSE = Path(__file__).parents[2]
REPORT = (
    "import json, helpers; "
    "print(json.dumps([helpers.__file__, str(helpers.stan_file('centered')), len(helpers.measurements())]))"
)


def report(folder, packages):
    """What a Python in `folder`, with `packages` on its path, finds."""
    environ = os.environ | {"PYTHONPATH": str(packages)}
    done = subprocess.run(
        [sys.executable, "-c", REPORT], cwd=folder, env=environ, capture_output=True, check=True
    )
    module, program, rows = json.loads(done.stdout)
    return Path(module).parent, Path(program), rows


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Folder with the wheel of the course installed."""
    built, site = tmp_path_factory.mktemp("wheel"), tmp_path_factory.mktemp("site")
    hatch = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", built]
    subprocess.run(hatch, cwd=COURSE, check=True, capture_output=True)
    (archive,) = built.glob("*.whl")
    shutil.unpack_archive(archive, site, "zip")
    return site


def test_checkout(tmp_path):
    assert report(tmp_path, COURSE) == (COURSE / "helpers", COURSE / "stan" / "centered.stan", 47)


def test_installed_wheel_brings_programs_and_data(wheel, tmp_path):
    module, program, rows = report(tmp_path, wheel)
    assert (module, rows) == (wheel / "helpers", 47)
    assert program == wheel / "helpers" / "stan" / "centered.stan"
    assert program.read_text() == (COURSE / "stan" / "centered.stan").read_text()


def test_handout_uses_the_programs_beside_its_lessons(wheel, tmp_path):
    shutil.copytree(COURSE / "stan", tmp_path / "stan")
    (tmp_path / "lessons").mkdir()
    assert report(tmp_path / "lessons", wheel)[1] == tmp_path / "stan" / "centered.stan"


def test_table_of_a_lesson_is_found_from_any_folder(tmp_path, monkeypatch):
    stored = COURSE / "lessons" / "data" / "seeds.csv"
    monkeypatch.chdir(tmp_path)
    assert helpers.table_file("seeds.csv") == stored
    (tmp_path / "data").mkdir()
    for own in (tmp_path / "data" / "seeds.csv", tmp_path / "seeds.csv"):  # a reader's own
        own.touch()
        assert helpers.table_file(Path("seeds.csv")) == own


def test_table_that_is_nowhere_is_refused_with_what_to_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = re.escape(f"no table 'sedes.csv' in {tmp_path}: go to the folder of the lessons first")
    with pytest.raises(FileNotFoundError, match=said):
        helpers.table_file("sedes.csv")
    with pytest.raises(TypeError, match="name is 5: give the name of a table"):
        helpers.table_file(5)


def test_no_lesson_reads_a_table_of_its_working_folder_only():
    for lesson in sorted(COURSE.glob("lessons/*.md")):
        bare = re.findall(r"""\bpl\.(?:read|scan)_\w+\(\s*["'].*""", lesson.read_text("utf-8"))
        assert bare == [], lesson.name
