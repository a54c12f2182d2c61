"""Sphinx extension: pages ask nothing of the network.

They load BokehJS from the book itself, at the version that drew their figures, and MathJax from there too.
"""

import re
import shutil
from importlib.metadata import distribution
from pathlib import Path

from bokeh.settings import settings

# Where a page asks for BokehJS, piece by piece, and draws as soon as it has the first
FROM_CDN = re.compile(r'js_urls = \["https://cdn\.bokeh\.org/[^]]*\]')
BOKEH = ["bokeh/bokeh.min.js", "bokeh/bokeh-widgets.min.js"]
# One file with everything, fonts included as outlines: those on a disk a browser may refuse to load.
MATHJAX = "mathjax/tex-svg.js"


def scripts() -> dict[str, Path]:
    """JavaScript that pages load: name in the book, and where the installed packages have it."""
    found = {name: settings.bokehjs_path() / "js" / Path(name).name for name in BOKEH}
    # Sphinx finds this package by a name that Python cannot import
    package = distribution("sphinx-mathjax-offline")
    return found | {MATHJAX: Path(package.locate_file("sphinx-mathjax-offline/static")) / MATHJAX}


def bring_scripts_home(app, exception):
    """Copy the scripts into the book, and have pages with figures load BokehJS before anything is drawn."""
    if exception or app.builder.format != "html":
        return
    out = Path(app.outdir)
    for name, source in scripts().items():
        target = out / "_static" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    for page in out.rglob("*.html"):
        text, asked = FROM_CDN.subn("js_urls = []", page.read_text("utf-8"))
        if asked:
            static = "../" * (len(page.relative_to(out).parts) - 1) + "_static"
            load = "".join(f'<script src="{static}/{name}"></script>\n' for name in BOKEH)
            page.write_text(text.replace("</head>", f"{load}</head>", 1), "utf-8")


def drop_thebe(app, pagename, templatename, context, doctree):
    """Leave out the scripts that would run cells on somebody's server: nothing here calls them."""
    scripts = context.get("script_files", [])
    context["script_files"] = [script for script in scripts if "thebe" not in str(script).lower()]


def set_mathjax(app, config):
    """Have every page load the book's own MathJax."""
    config.mathjax_path = MATHJAX


def setup(app):
    """Register with Sphinx."""
    app.connect("config-inited", set_mathjax)
    app.connect("html-page-context", drop_thebe, priority=900)
    app.connect("build-finished", bring_scripts_home)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
