"""Reports on other versions of the packages name what fails, and what is held back."""

import subprocess
import sys
import tomllib

import pytest
from leaks import COURSE
from packaging.requirements import Requirement

from tools import drift

PROJECT = tomllib.loads((COURSE / "pyproject.toml").read_text("utf-8"))
DIRECT = [*PROJECT["project"]["dependencies"], *PROJECT["dependency-groups"]["dev"]]


@pytest.mark.parametrize("words", DIRECT)
def test_every_package_that_is_asked_for_has_an_oldest_version_which_the_lock_satisfies(words):
    asked = Requirement(words)
    assert [limit.operator for limit in asked.specifier].count(">=") == 1
    locked = drift.pins((COURSE / "requirements.txt").read_text("utf-8"))
    assert locked[asked.name] in asked.specifier


def test_failed_tests_are_counted_and_named(tmp_path):
    (tmp_path / "test_it.py").write_text(
        "import pytest\n"
        "def test_good(): pass\n"
        "def test_bad(): assert 0\n"
        "@pytest.mark.skip\ndef test_not_now(): pass\n"
        "@pytest.fixture\ndef broken(): 1 / 0\n"
        "def test_broken(broken): pass\n"
    )
    words = ["-q", "-c", "/dev/null", "--rootdir", tmp_path, f"--junitxml={tmp_path}/report.xml"]
    subprocess.run([sys.executable, "-m", "pytest", *words, tmp_path], capture_output=True, cwd=tmp_path)
    counts, bad = drift.outcome(tmp_path / "report.xml")
    assert counts == "1 passed, 2 failed, 1 skipped"
    assert bad == ["test_it::test_bad", "test_it::test_broken"]


def test_what_is_held_back_says_by_whom(monkeypatch):
    said = '[{"name": "jupyter-book", "version": "1.0.4", "latest_version": "99.0"}]'
    monkeypatch.setattr(drift, "run", lambda *words: subprocess.CompletedProcess(words, 0, said))
    ((name, here, newest, who),) = drift.held_back(drift.Path(sys.executable))
    assert (name, here, newest) == ("jupyter-book", "1.0.4", "99.0")
    assert who.startswith("pyproject.toml (<2")
