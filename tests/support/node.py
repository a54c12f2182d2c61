"""Runs the scripts of pages in node, without a browser."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from book.sphinx import sampling


def run(body: str, *scripts: Path | str, **values):
    """Run the body of an async JavaScript function after `scripts`, and return what it returns.

    `scripts` are paths, those below ``book/browser`` as seen from there; `values` are constants that the body
    may use, anything that can be written as JSON.
    """
    if not shutil.which("node"):
        pytest.skip("no node: scripts of pages are not tested; `apt-get install nodejs`")
    constants = "".join(f"const {name} = {json.dumps(value)};\n" for name, value in values.items())
    course = json.dumps(sampling.facts(sampling.PROGRAMS, folder=""))
    paths = [sampling.BROWSER / script for script in scripts]
    command = ["node", Path(__file__).with_suffix(".js"), course, *paths]
    done = subprocess.run(command, input=constants + body, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
