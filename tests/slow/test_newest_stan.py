"""A release of CmdStan installs and samples with either compiler: clang is what a Mac has in place of gcc."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools import newest

COURSE = Path(__file__).parent.parent.parent
# The density of every program against the model's formulas, and draws against the exact posterior
MARKED = "without_a_warning or density or gives_the_exact_posterior"
FILES = [f"tests/test_{name}.py" for name in ("models", "posterior", "schools", "tree")]
FILES += ["tests/slow/test_many_seeds.py", "tests/slow/test_tree_seeds.py"]


@pytest.mark.parametrize("compiler", ["g++", "clang++"])
def test_a_release_installs_and_every_program_compiles_and_samples(tmp_path, compiler):
    if not shutil.which(compiler):
        pytest.skip(f"no {compiler}")
    cmdstan = newest.installed(compiler, tmp_path / "cmdstan")
    own = {"CMDSTAN": str(cmdstan), "CXX": compiler, "STAN_MODEL_CACHE": str(tmp_path / "cache")}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", MARKED, *FILES]
    done = subprocess.run(command, cwd=COURSE, env=os.environ | own, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    programs = {path.stem for path in COURSE.glob("stan/*.stan")}
    assert {
        path.name.rpartition("-")[0] for path in (tmp_path / "cache").iterdir() if path.is_dir()
    } >= programs
