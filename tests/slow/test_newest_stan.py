"""A release of CmdStan installs and samples with either compiler: clang is what a Mac has in place of gcc."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools import newest

COURSE = Path(__file__).parents[2]
# The density of every program is held against the model's formulas, and draws against the exact posterior.
MARKED = "without_a_warning or the_density_of or density_of_tree or gives_the_exact_posterior"
FILES = ["helpers/test_models.py", "helpers/test_tree.py", "helpers/test_likelihoods.py"]
FILES += ["lessons/test_densities.py", "slow/test_seeds.py"]


@pytest.mark.parametrize("compiler", ["g++", "clang++"])
def test_a_release_installs_and_every_program_compiles_and_samples(tmp_path, compiler):
    if not shutil.which(compiler):
        pytest.skip(f"no {compiler}")
    cmdstan = newest.installed(compiler, tmp_path / "cmdstan")
    own = {"CMDSTAN": str(cmdstan), "CXX": compiler, "STAN_MODEL_CACHE": str(tmp_path / "cache")}
    command = [sys.executable, "-m", "pytest", "-v", "-n0", "-p", "no:cacheprovider", "-k", MARKED]
    command += [f"tests/{name}" for name in FILES]
    done = subprocess.run(command, cwd=COURSE, env=os.environ | own, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert [name for name in FILES if f"tests/{name}::" not in done.stdout] == [], "a test has another name"
    programs = {path.stem for path in COURSE.glob("stan/*.stan")}
    compiled = {path.name.rpartition("-")[0] for path in (tmp_path / "cache").iterdir() if path.is_dir()}
    assert compiled >= programs
