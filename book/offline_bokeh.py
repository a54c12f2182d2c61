"""Sphinx extension: pages load BokehJS from the book itself, at the version that drew their figures."""

import re
import shutil
from pathlib import Path

from bokeh.settings import settings

CDN = re.compile(r"https://cdn\.bokeh\.org/bokeh/release/(bokeh[\w-]*?)-[\d.]+\.min\.js")


def bring_bokeh_home(app, exception):
    """Copy BokehJS from the installed package and point every page to the copy."""
    if exception or app.builder.format != "html":
        return
    out = Path(app.outdir)
    local = out / "_static" / "bokeh"
    local.mkdir(parents=True, exist_ok=True)
    for script in (Path(settings.bokehjs_path()) / "js").glob("bokeh*.min.js"):
        shutil.copyfile(script, local / script.name)
    for page in out.rglob("*.html"):
        text = page.read_text("utf-8")
        up = "../" * (len(page.relative_to(out).parts) - 1)
        moved = CDN.sub(lambda match, up=up: f"{up}_static/bokeh/{match[1]}.min.js", text)
        if moved != text:
            page.write_text(moved, "utf-8")


def setup(app):
    """Register with Sphinx."""
    app.connect("build-finished", bring_bokeh_home)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
