"""What the commands of the Makefile run is what they promise."""

import shlex
import subprocess
import sys
from pathlib import Path

COURSE = Path(__file__).parents[2]


def test_make_test_all_runs_every_slow_test():
    """Of two folders that are named, pytest drops one that is in the other, and says nothing of it."""
    asked = ["make", "--dry-run", "--old-file=book", "test-all"]
    lines = subprocess.run(asked, cwd=COURSE, check=True, capture_output=True, text=True).stdout.splitlines()
    collected = set()
    for line in (line for line in lines if "bin/pytest" in line):
        command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-n0", *shlex.split(line)[1:]]
        command[command.index("-n") : command.index("-n") + 2] = []
        told = subprocess.run(command, cwd=COURSE, check=True, capture_output=True, text=True).stdout
        collected |= {name.partition("::")[0] for name in told.splitlines()}
    for folder in ("slow", "browser", "helpers"):
        files = {str(path.relative_to(COURSE)) for path in (COURSE / "tests" / folder).glob("test_*.py")}
        assert files, folder
        assert files <= collected, folder
