"""In a notebook service, two cells bring the course: a bare environment, an empty home, and the handout."""

import json
import os
import re
import subprocess
import sys
import zipfile

import cmdstanpy
import nbformat
from nbclient import NotebookClient

from tools.handout import COURSE, pack

# Colab is known by a module that its kernels have loaded.
COLAB = "import sys, types\nsys.modules['google.colab'] = types.ModuleType('google.colab')"
WHERE = "import helpers, os; print(helpers.__file__); print(os.getcwd())"


def run(folder, *cells):
    """Run cells in a kernel that begins with them; return them with their outputs."""
    made = [nbformat.v4.new_code_cell(cell) for cell in cells]
    notebook = nbformat.v4.new_notebook(cells=made)
    resources = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=1800, kernel_name="service", resources=resources).execute()
    return notebook.cells


def test_two_cells_in_a_bare_environment_let_lesson_2_run(tmp_path, monkeypatch):
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
    monkeypatch.setenv("CMDSTAN", cmdstanpy.cmdstan_path())  # To build one is for the tests of set-up.
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", f"{venv / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("PYTHONPATH", raising=False)  # There is nothing of the course but the handout.

    page = (COURSE / "book" / "pages" / "notebook-service.md").read_text("utf-8")
    first, second = re.findall(r"^```ipython3\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    run(content, first)
    text = zipfile.ZipFile(content / "handout.zip").read("handout/lessons/02-centered-model.ipynb").decode()
    lesson = [cell.source for cell in nbformat.reads(text, 4).cells if cell.cell_type == "code"]
    cells = run(content, COLAB, second, *lesson, WHERE)  # This is a new kernel: the session was restarted.
    module, folder = cells[-1].outputs[-1].text.splitlines()
    assert module.startswith(f"{venv}/")
    assert folder == f"{content}/handout/lessons"
    for cell in cells[2:]:
        kinds = [kind for output in cell.outputs for kind in output.get("data", {})]
        assert "application/vnd.bokehjs_load.v0+json" in kinds, "each cell of Colab has to load Bokeh"
