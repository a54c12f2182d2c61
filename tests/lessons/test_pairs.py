"""A lesson is a text and a notebook: an edit of either survives, and saved notebooks keep their figures."""

import asyncio
import calendar
import os
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import jupytext
import nbformat
import pytest
from jupytext import AsyncTextFileContentsManager
from jupytext.cli import jupytext as jupytext_command
from nbclient import NotebookClient
from tornado.web import HTTPError
from traitlets.config import PyFileConfigLoader

from tools.handout import pack
from tools.notebooks import read_lesson, refuse_edited, write

COURSE = Path(__file__).parents[2]
TEXT, NOTEBOOK = "lessons/02-centered-model.md", "lessons/02-centered-model.ipynb"
EDIT = "import helpers  # an edit"
OTHER = "import numpy as np  # another edit"


def plain(folder):
    """Jupytext's own contents manager, which reads its settings from `pyproject.toml`."""
    return AsyncTextFileContentsManager(root_dir=str(folder))


def of_the_course(folder):
    """The contents manager of `make lab`."""
    config = PyFileConfigLoader("jupyter_server_config.py", str(COURSE / "tools" / "jupyter")).load_config()
    return config.ServerApp.contents_manager_class(config=config, root_dir=str(folder))


@pytest.fixture
def course(tmp_path):
    """A copy of one lesson, whose text and notebook are of one age."""
    (tmp_path / "lessons").mkdir()
    for name in (TEXT, NOTEBOOK, "pyproject.toml"):
        shutil.copyfile(COURSE / name, tmp_path / name)
    age(tmp_path, 0, 0)
    return tmp_path


def age(folder, text, notebook):
    """Set when text and notebook were last written, in seconds after a common moment."""
    for name, seconds in ((TEXT, text), (NOTEBOOK, notebook)):
        os.utime(folder / name, (1.7e9 + seconds, 1.7e9 + seconds))


def edit(path, old="import helpers", new=EDIT):
    """Edit a file as another program would, which does not know of its pair."""
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")


def sources(notebook):
    """What the cells of a notebook say."""
    return [cell["source"] for cell in notebook["cells"]]


def open_and_save(manager, path, times=1):
    """Open a lesson, as often at once, run its first code cell, and save it; return what was open."""

    async def work():
        model, *_ = await asyncio.gather(*[manager.get(path) for _ in range(times)])
        opened = sources(model["content"])
        cell = next(cell for cell in model["content"]["cells"] if cell["cell_type"] == "code")
        cell["outputs"] = [nbformat.v4.new_output("stream", text="it ran\n")]
        await manager.save({"type": "notebook", "format": "json", "content": model["content"]}, path)
        return opened

    return asyncio.run(work())


def holds(folder, edited):
    """Which of text and notebook hold an edit."""
    pair = [jupytext.read(folder / TEXT), nbformat.read(folder / NOTEBOOK, as_version=4)]
    return [any(edited in source for source in sources(notebook)) for notebook in pair]


@pytest.mark.parametrize("path", [TEXT, NOTEBOOK], ids=["text", "notebook"])
def test_edit_of_the_notebook_survives_and_one_of_the_text_is_kept_beside_it(course, path):
    edit(course / TEXT, "import numpy as np", OTHER)
    edited = (course / TEXT).read_text()
    edit(course / NOTEBOOK)
    age(course, 5, 10)
    opened = open_and_save(of_the_course(course), path, times=5)
    assert any(EDIT in source for source in opened)
    assert holds(course, EDIT) == [True, True]
    assert "it ran" in (course / NOTEBOOK).read_text()
    assert (course / f"{TEXT}.bak").read_text() == edited


def test_jupytext_itself_opens_no_pair_that_would_lose_an_edit(course):
    edit(course / NOTEBOOK)
    age(course, 0, 5)
    with pytest.raises(HTTPError, match="is more recent than"):
        open_and_save(plain(course), TEXT)
    assert holds(course, EDIT) == [False, True]


@pytest.mark.parametrize("manager", [plain, of_the_course])
@pytest.mark.parametrize("path", [TEXT, NOTEBOOK], ids=["text", "notebook"])
@pytest.mark.parametrize(("edited", "seconds"), [(True, -5), (False, -2), (False, 7 * 86400)])
def test_pair_opens_and_saves_unless_the_notebook_alone_was_edited(course, path, manager, edited, seconds):
    if edited:
        edit(course / TEXT)
    age(course, 0, seconds)
    before = (course / TEXT).read_text()
    assert open_and_save(manager(course), path) == sources(read_lesson(course / TEXT))
    assert holds(course, EDIT) == [edited, edited]
    if manager is of_the_course:  # Jupytext's own adds its version
        assert (course / TEXT).read_text() == before
    assert not list(course.rglob("*.bak"))


def cloned(folder):
    """Clone the course, as its readers do."""
    git = ["git", "clone", "--quiet", "--no-local", "--depth=1", f"file://{COURSE}", folder / "clone"]
    subprocess.run(git, check=True)
    return folder / "clone"


def handed_out(folder):
    """Unpack the handout. A zip has no time zone: it has to be past everywhere."""
    pack(folder / "handout.zip")
    with zipfile.ZipFile(folder / "handout.zip") as archive:
        [time] = {info.date_time for info in archive.infolist()}
        assert calendar.timegm((*time, 0, 0, 0)) + 12 * 3600 < (folder / "handout.zip").stat().st_mtime
        archive.extractall(folder)
    return folder / "handout"


@pytest.mark.parametrize("given", [cloned, handed_out])
def test_every_lesson_as_it_is_given_opens_from_text_and_notebook(tmp_path, given):
    """In Jupytext's own manager, which refuses what that of the course would take over."""
    folder = given(tmp_path)
    lessons = sorted(path for kind in ("md", "ipynb") for path in (folder / "lessons").glob(f"*.{kind}"))
    assert len(lessons) == 2 * len(list(COURSE.glob("lessons/*.md")))
    for lesson in lessons:
        asyncio.run(plain(folder).get(f"lessons/{lesson.name}"))


def test_stale_tab_is_told_that_the_notebook_changed_on_disk(course):
    """JupyterLab compares hashes before it saves."""
    manager = of_the_course(course)

    def digest(content):
        return asyncio.run(manager.get(TEXT, content=content, require_hash=True))["hash"]

    opened = digest(content=True)
    assert digest(content=False) == opened
    edit(course / NOTEBOOK)
    assert digest(content=False) != opened


def test_saved_notebooks_keep_figures_and_find_bokehjs_when_opened(course, monkeypatch):
    monkeypatch.setenv("BOKEH_RESOURCES", "inline")
    code = "from bokeh import io, plotting; io.output_notebook(hide_banner=True); io.show(plotting.figure())"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    NotebookClient(notebook, resources={"metadata": {"path": str(course)}}).execute()
    cell, manager, path = notebook.cells[0], of_the_course(course), "lessons/figure.ipynb"
    cell.outputs = [output for output in cell.outputs if output.output_type == "display_data"]
    loads, *figure = [output.data for output in cell.outputs]
    assert len(str(loads)) > 1e6
    assert any("data-root-id" in data.get("text/html", "") for data in figure)
    asyncio.run(manager.save({"type": "notebook", "format": "json", "content": notebook}, path))
    assert (course / path).stat().st_size < 20_000
    opened = asyncio.run(manager.get(path))["content"].cells[0].outputs
    assert "Bokeh" in opened[0]["data"]["text/html"]
    for outputs in (nbformat.read(course / path, as_version=4).cells[0].outputs, opened):
        assert [output["data"] for output in outputs[1:]] == figure


def test_notebooks_are_not_written_over_an_edit_that_is_in_no_text(course, monkeypatch):
    age(course, 0, 5)
    write(read_lesson(course / TEXT), course / TEXT)
    assert (course / NOTEBOOK).stat().st_mtime_ns == (course / TEXT).stat().st_mtime_ns
    age(course, 0, 5)
    refuse_edited(course / TEXT)  # the two say the same
    edit(course / NOTEBOOK)
    age(course, 5, 0)
    refuse_edited(course / TEXT)  # the text was edited last, and is the source
    age(course, 0, 5)
    with pytest.raises(SystemExit, match=f"jupytext --sync {re.escape(NOTEBOOK)}"):
        refuse_edited(course / TEXT)
    monkeypatch.chdir(course)
    jupytext_command(["--quiet", "--sync", NOTEBOOK])
    assert holds(course, EDIT) == [True, True]
    refuse_edited(course / TEXT)
