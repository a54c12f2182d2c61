"""Sphinx extension: pages that sample get the scripts for it, and the compiled programs if there are any."""

import json
import os
import shutil
from pathlib import Path

from book.browser.stan.build import OUT, PROGRAMS, page_script

BROWSER = Path(__file__).parents[1] / "browser"
# In the order in which pages load them; worker.js goes into the scripts of the programs.
SHARED = ["stan/sampler.js", "stan/diagnostics.js"]
# What is on a page that samples, and the scripts that it needs besides
PAGES = {
    '"sampling.start"': ["panel/panel.js"],  # the name of a model in a figure
    'id="your-data"': [
        *(
            f"your_data/{name}.js"
            for name in ["numbers", "csv", "grid", "guess", "clean", "rules", "remarks"]
        ),
        *(f"your_data/{name}.js" for name in ["zip", "notebook", "takeaway"]),
        *(f"your_data/{name}.js" for name in ["page", "pictures", "outcome", "table", "your-data"]),
    ],
}


def bring_sampler(app, exception):
    """Put the programs and the scripts into the book, and have the pages load what they need."""
    if exception or app.builder.format != "html":
        return
    out = Path(app.outdir)
    programs = [name for name in PROGRAMS if (OUT / f"{name}.js").is_file()]
    static = out / "_static" / "sampler"
    static.mkdir(parents=True, exist_ok=True)
    for name in programs:
        (static / f"{name}.js").write_text(page_script(name), "utf-8")
    needed = set()
    for page in out.rglob("*.html"):
        text = page.read_text("utf-8")
        scripts = [script for mark, scripts in PAGES.items() if mark in text for script in scripts]
        if scripts:
            scripts = [*SHARED, *scripts]
            needed.update(scripts)
            folder = f"{os.path.relpath(static, page.parent)}/"
            course = json.dumps({"programs": programs, "folder": folder})
            load = "".join(
                f'<script defer src="{folder}{Path(script).name}"></script>\n' for script in scripts
            )
            head = f"<script>globalThis.course = {course};</script>\n{load}</head>"
            page.write_text(text.replace("</head>", head, 1), "utf-8")
    for script in needed:
        shutil.copyfile(BROWSER / script, static / Path(script).name)


def setup(app):
    """Register with Sphinx."""
    app.connect("build-finished", bring_sampler)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
