"""In a notebook service, two cells bring the course: a bare environment, an empty home, and the handout."""

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import cmdstanpy
import nbformat
import pytest
from nbclient import NotebookClient

from tools.handout import README, pack

COURSE = Path(__file__).parents[2]

FIRST, SECOND = re.findall(r"^```ipython3\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
# Colab is known by a module that its kernels have loaded.
COLAB = "import sys, types\nsys.modules['google.colab'] = types.ModuleType('google.colab')"


@pytest.fixture
def service(tmp_path, monkeypatch):
    """Folder of a service in which a kernel begins: the handout, and a Python that can run a kernel."""
    content, venv = tmp_path / "content", tmp_path / "venv"
    content.mkdir()
    pack(content / "handout.zip")
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    subprocess.run([venv / "bin" / "pip", "install", "--quiet", "ipykernel"], check=True)
    argv = [str(venv / "bin" / "python"), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = tmp_path / "jupyter" / "kernels" / "service" / "kernel.json"
    spec.parent.mkdir(parents=True)
    spec.write_text(json.dumps({"argv": argv, "display_name": "service", "language": "python"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    monkeypatch.setenv("CMDSTAN", cmdstanpy.cmdstan_path())  # to build one is for the tests of set-up
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", f"{venv / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("PYTHONPATH", raising=False)  # nothing of the course but the handout
    return content


def run(folder, *cells):
    """Run cells in a kernel that begins with them; return them with their outputs."""
    made = [nbformat.v4.new_code_cell(cell) if isinstance(cell, str) else cell for cell in cells]
    resources = {"metadata": {"path": str(folder)}}
    notebook = nbformat.v4.new_notebook(cells=made)
    NotebookClient(notebook, timeout=1800, kernel_name="service", resources=resources).execute()
    return notebook.cells


def loads_bokeh(cell):
    return any("application/vnd.bokehjs_load.v0+json" in output.get("data", {}) for output in cell.outputs)


def test_two_cells_in_a_bare_environment_let_lesson_2_run(service):
    run(service, FIRST)
    text = zipfile.ZipFile(service / "handout.zip").read("handout/lessons/02-centered-model.ipynb").decode()
    lesson = [cell for cell in nbformat.reads(text, 4).cells if cell.cell_type == "code"]
    where = "import helpers, os; print(helpers.__file__); print(os.getcwd())"
    cells = run(service, COLAB, SECOND, *lesson, where)  # in a new kernel: the session was restarted
    module, folder = cells[-1].outputs[-1].text.splitlines()
    assert Path(module).is_relative_to(service.parent / "venv")
    assert Path(folder) == service / "handout" / "lessons"
    assert all(loads_bokeh(cell) for cell in cells[2:])
