"""Settings of the JupyterLab that ``make lab`` starts, and of the servers of a class."""

import asyncio
import re

from jupytext import AsyncTextFileContentsManager
from tornado.web import HTTPError

LOADS = "application/vnd.bokehjs_load.v0+json"  # the kind of output with which a cell loads BokehJS
VERSIONS = re.compile(r"^    (?:format|jupytext)_version: .*\n", re.MULTILINE)


def loading_outputs(content):
    """Find the outputs of a notebook that load BokehJS into the page."""
    outputs = [output for cell in content["cells"] for output in cell.get("outputs", ())]
    return [output for output in outputs if LOADS in output.get("data", {})]


def save_small(model, **_):
    """Save notebooks without BokehJS, and texts without the versions of Jupytext.

    A figure takes some kilobytes, BokehJS nine megabytes; it is put back when the notebook is opened. The
    versions would change the text of a lesson that nobody edited.
    """
    if model["type"] == "notebook":
        for output in loading_outputs(model["content"]):
            output["data"] = {LOADS: "", "text/plain": "Run this cell to load what draws the figures."}
    elif model["type"] == "file" and str(model["content"]).startswith("---\njupytext:\n"):
        head, mark, text = model["content"].partition("\n---\n")
        model["content"] = VERSIONS.sub("", head + mark) + text


def list_pairs_once(folder):
    """Leave out of a folder's list the notebooks beside their texts: the text is what opens both."""
    names = {entry["name"] for entry in folder["content"]}
    twice = {f"{name.removesuffix('.md')}.ipynb" for name in names if name.endswith(".md")}
    folder["content"] = [entry for entry in folder["content"] if entry["name"] not in twice]


class LessonsManager(AsyncTextFileContentsManager):
    """Jupytext's manager of paired files, which also opens a pair whose notebook was edited elsewhere.

    Jupytext refuses to open a notebook that is newer than its text and says something else, as after an
    edit in VS Code. Here the text is written anew from the notebook, and what it was is kept beside it.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.register_pre_save_hook(save_small)
        self.taking_over = asyncio.Lock()  # a lesson may be asked for twice at once

    async def get(self, path, content=True, **options):
        """Read a file or a folder; in notebooks, figures find BokehJS, as the installed Bokeh has it."""
        try:
            model = await super().get(path, content=content, **options)
        except HTTPError as refusal:
            if "is more recent than" not in str(refusal):
                raise
            async with self.taking_over:
                await self.take_over(path.strip("/").rpartition(".")[0])
            model = await super().get(path, content=content, **options)
        if content and model["type"] == "directory":
            list_pairs_once(model)
        if content and model["type"] == "notebook" and (outputs := loading_outputs(model["content"])):
            from bokeh.resources import INLINE

            scripts = "".join(f"<script>{script}</script>" for script in INLINE.js_raw)
            for output in outputs:
                output["data"] = {LOADS: "", "text/html": scripts}
        return model

    async def take_over(self, stem):
        """Write the text of a pair anew from its notebook, and keep what it was as ``.md.bak``."""
        older = await super().get(f"{stem}.md", type="file", format="text")
        newer = await super().get(f"{stem}.ipynb", load_alternative_format=False)
        if older["last_modified"] >= newer["last_modified"]:
            return  # it was taken over meanwhile
        await super().save(older, f"{stem}.md.bak")
        self.log.warning("%s.ipynb was edited elsewhere: its text before is in %s.md.bak", stem, stem)
        await super().save(newer, f"{stem}.ipynb")


c.ServerApp.contents_manager_class = LessonsManager  # noqa: F821, Jupyter provides c
c.ServerApp.root_dir = "."  # noqa: F821
