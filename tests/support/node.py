"""Runs the scripts of pages in node, without a browser."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

COURSE = Path(__file__).parents[2]
BROWSER = COURSE / "book" / "browser"


def find(script: Path | str) -> Path:
    """Find a script of the pages by its name."""
    if isinstance(script, Path):
        return script
    (path,) = BROWSER.glob(f"*/{script}")
    return path


def run(body: str, *scripts: Path | str, **values):
    """Run the body of an async JavaScript function after `scripts`, and return what it returns.

    `scripts` are paths, or names of files below ``book/browser``; `values` are constants that the body may
    use, anything that can be written as JSON.
    """
    if not shutil.which("node"):
        pytest.skip("no node: scripts of pages are not tested; `apt-get install nodejs`")
    constants = "".join(f"const {name} = {json.dumps(value)};\n" for name, value in values.items())
    command = ["node", Path(__file__).with_suffix(".js"), *map(find, scripts)]
    done = subprocess.run(command, input=constants + body, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
