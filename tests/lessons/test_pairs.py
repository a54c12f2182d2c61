"""A lesson is a text and a notebook: an edit of either survives, and saved notebooks keep their figures."""

import asyncio
import calendar
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import jupytext
import nbformat
import pytest
from jupytext import AsyncTextFileContentsManager
from nbclient import NotebookClient
from tornado.web import HTTPError
from traitlets.config import PyFileConfigLoader

COURSE = Path(__file__).parents[2]
from tools.handout import pack
from tools.notebooks import read_lesson, refuse_edited, write

LESSON = "02-centered-model"
TEXT, NOTEBOOK = f"lessons/{LESSON}.md", f"lessons/{LESSON}.ipynb"
EDIT = "import helpers  # an edit"
OTHER = "import numpy as np  # another edit"
FROM = pytest.mark.parametrize("path", [TEXT, NOTEBOOK], ids=["text", "notebook"])


def plain(folder):
    """Jupytext's own contents manager, which reads its settings from `pyproject.toml`."""
    return AsyncTextFileContentsManager(root_dir=str(folder))


def of_the_course(folder):
    """The contents manager of `make lab`."""
    config = PyFileConfigLoader("jupyter_server_config.py", str(COURSE / "tools" / "jupyter")).load_config()
    return config.ServerApp.contents_manager_class(config=config, root_dir=str(folder))


MANAGED = pytest.mark.parametrize("manager", [plain, of_the_course])


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


def open_and_save(manager, path):
    """Open a lesson, run its first code cell, and save it; return what was open."""

    async def work():
        model = await manager.get(path)
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


@FROM
def test_edit_of_the_notebook_alone_survives_open_run_and_save(course, path):
    edit(course / NOTEBOOK)
    age(course, 0, 5)
    opened = open_and_save(of_the_course(course), path)
    assert any(EDIT in source for source in opened)
    assert holds(course, EDIT) == [True, True]
    assert "it ran" in (course / NOTEBOOK).read_text()


@FROM
def test_jupytext_itself_opens_no_pair_that_would_lose_an_edit(course, path):
    edit(course / NOTEBOOK)
    age(course, 0, 5)
    with pytest.raises(HTTPError, match="is more recent than"):
        open_and_save(plain(course), path)
    assert holds(course, EDIT) == [False, True]


@FROM
@MANAGED
def test_edit_of_the_text_alone_survives_open_run_and_save(course, path, manager):
    edit(course / TEXT)
    age(course, 5, 0)
    open_and_save(manager(course), path)
    assert holds(course, EDIT) == [True, True]
    assert not list(course.rglob("*.bak"))


@FROM
def test_text_edited_before_its_notebook_is_kept_beside_it(course, path):
    edit(course / TEXT, "import numpy as np", OTHER)
    edited = (course / TEXT).read_text()
    edit(course / NOTEBOOK)
    age(course, 5, 10)
    open_and_save(of_the_course(course), path)
    assert holds(course, EDIT) == [True, True]
    assert (course / f"{TEXT}.bak").read_text() == edited


def test_text_is_kept_when_its_lesson_is_asked_for_many_times_at_once(course):
    before = (course / TEXT).read_text()
    edit(course / NOTEBOOK)
    age(course, 0, 5)

    async def work():
        manager = of_the_course(course)
        return await asyncio.gather(*[manager.get(path) for path in [TEXT, NOTEBOOK] * 5])

    assert all(any(EDIT in source for source in sources(model["content"])) for model in asyncio.run(work()))
    assert (course / f"{TEXT}.bak").read_text() == before


@FROM
@MANAGED
@pytest.mark.parametrize("seconds", [-7 * 86400, -2, 0, 2, 7 * 86400])
def test_pair_that_says_the_same_opens_whichever_was_written_last(course, path, manager, seconds):
    before = (course / TEXT).read_text()
    age(course, 0, seconds)
    model = asyncio.run(manager(course).get(path))
    assert sources(model["content"]) == sources(jupytext.read(course / TEXT))
    assert (course / TEXT).read_text() == before
    assert not list(course.rglob("*.bak"))


@FROM
def test_saving_a_lesson_that_nobody_edited_leaves_its_text(course, path):
    open_and_save(of_the_course(course), path)
    assert (course / TEXT).read_text() == (COURSE / TEXT).read_text()


@MANAGED
def test_every_lesson_of_a_clone_opens_from_text_and_notebook(tmp_path, manager):
    clone = tmp_path / "clone"
    subprocess.run(
        ["git", "clone", "--quiet", "--no-local", "--depth=1", f"file://{COURSE}", clone], check=True
    )
    shutil.copyfile(COURSE / "pyproject.toml", clone / "pyproject.toml")
    lessons = sorted((clone / "lessons").glob("[0-9]*.*"))
    assert len(lessons) == 2 * len(list(COURSE.glob("lessons/*.md")))
    for lesson in lessons:
        asyncio.run(manager(clone).get(lesson.relative_to(clone).as_posix()))
    assert not list(clone.rglob("*.bak"))


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """The handout."""
    path = tmp_path_factory.mktemp("packed") / "handout.zip"
    pack(path)
    return path


@MANAGED
def test_every_lesson_of_a_handout_opens_from_text_and_notebook(archive, tmp_path, manager):
    zipfile.ZipFile(archive).extractall(tmp_path)
    for lesson in sorted((tmp_path / "handout" / "lessons").glob("[0-9]*.*")):
        asyncio.run(manager(tmp_path / "handout").get(f"lessons/{lesson.name}"))
    assert not list(tmp_path.rglob("*.bak"))


def test_files_of_a_handout_are_past_in_every_time_zone(archive):
    """A zip stores times without their zone; a text from the future would stay newer than its notebook."""
    times = {info.date_time for info in zipfile.ZipFile(archive).infolist()}
    assert len(times) == 1
    packed = archive.stat().st_mtime
    far_west = 12 * 3600
    assert calendar.timegm((*times.pop(), 0, 0, 0)) + far_west < packed


def test_stale_tab_is_told_that_the_notebook_changed_on_disk(course):
    """JupyterLab compares hashes before it saves."""

    async def hashes():
        manager = of_the_course(course)
        first = await manager.get(TEXT, require_hash=True)
        again = await manager.get(TEXT, content=False, require_hash=True)
        edit(course / NOTEBOOK)
        edited = await manager.get(TEXT, content=False, require_hash=True)
        return first["hash"], again["hash"], edited["hash"]

    first, again, edited = asyncio.run(hashes())
    assert first == again != edited


def test_saved_notebooks_keep_figures_and_find_bokehjs_when_opened(course, monkeypatch):
    monkeypatch.setenv("BOKEH_RESOURCES", "inline")
    code = "from bokeh import io, plotting; io.output_notebook(hide_banner=True); io.show(plotting.figure())"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    NotebookClient(notebook, resources={"metadata": {"path": str(course)}}).execute()
    cell = notebook.cells[0]
    cell.outputs = [output for output in cell.outputs if output.output_type == "display_data"]
    loads, *figure = [output.data for output in cell.outputs]
    assert len(str(loads)) > 1e6
    assert any("data-root-id" in data.get("text/html", "") for data in figure)
    manager, path = of_the_course(course), "lessons/figure.ipynb"
    asyncio.run(manager.save({"type": "notebook", "format": "json", "content": notebook}, path))
    assert (course / path).stat().st_size < 20_000
    stored = nbformat.read(course / path, as_version=4)
    assert [output["data"] for output in stored.cells[0].outputs[1:]] == figure
    opened = asyncio.run(manager.get(path))["content"].cells[0].outputs
    assert "Bokeh" in opened[0]["data"]["text/html"]
    assert [output["data"] for output in opened[1:]] == figure


def test_notebooks_are_written_as_old_as_their_texts(course):
    age(course, 0, 5)
    write(pair(course / TEXT), course / TEXT)
    assert (course / NOTEBOOK).stat().st_mtime_ns == (course / TEXT).stat().st_mtime_ns


def test_notebooks_are_not_written_over_an_edit_that_is_in_no_text(course):
    age(course, 0, 5)
    refuse_edited(course / TEXT)  # the two say the same
    edit(course / NOTEBOOK)
    age(course, 5, 0)
    refuse_edited(course / TEXT)  # the text was edited last, and is the source
    age(course, 0, 5)
    with pytest.raises(SystemExit, match=f"jupytext --sync {re.escape(NOTEBOOK)}"):
        refuse_edited(course / TEXT)
    sync = [sys.executable, "-m", "jupytext", "--sync", NOTEBOOK]
    subprocess.run(sync, cwd=course, check=True, capture_output=True)
    assert holds(course, EDIT) == [True, True]
    refuse_edited(course / TEXT)
