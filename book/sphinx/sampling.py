"""Sphinx extension: pages that sample get the scripts for it, and the compiled programs if there are any."""

import json
import os
import shutil
from pathlib import Path

from book.browser.stan.build import OUT, PROGRAMS, page_script
from helpers import diagnostics

BROWSER = Path(__file__).parents[1] / "browser"
LIMITS = {"rHat": diagnostics.R_HAT, "ess": diagnostics.ESS, "eBfmi": diagnostics.E_BFMI}
# In the order in which pages load them; worker.js goes into the scripts of the programs.
SHARED = ["stan/sampler.js", "stan/diagnostics.js", "stan/summary.js"]
PANEL = ["panel/draws.js", "panel/panel.js"]
# From a text to the data of a program, and what is taken along: they need no page.
TABLES = ["likelihoods", "numbers", "csv", "grid", "guess", "clean", "rules", "remarks", "crossing", "zip"]
TABLES += ["notebook", "takeaway", "messages", "exact"]
FORMS = ["page", "pictures", "marks", "outcome", "table", "settings", "your-data"]
# What is on a page that samples, and the scripts that it needs besides
PAGES = {
    '"sampling.start"': PANEL,  # the name of a model in a figure
    'id="your-data"': [f"your_data/{name}.js" for name in (*TABLES, *FORMS)],
}


def facts(programs: list[str], folder: str) -> dict:
    """Collect what scripts are told as ``course``: programs, the folder with them, and where alarms begin."""
    return {"programs": programs, "folder": folder, "limits": LIMITS}


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
    for script in {script for scripts in (SHARED, *PAGES.values()) for script in scripts}:
        shutil.copyfile(BROWSER / script, static / Path(script).name)
    for page in out.rglob("*.html"):
        text = page.read_text("utf-8")
        scripts = [script for mark, scripts in PAGES.items() if mark in text for script in scripts]
        if scripts:
            folder = f"{os.path.relpath(static, page.parent)}/"
            names = [Path(script).name for script in (*SHARED, *scripts)]
            load = "".join(f'<script defer src="{folder}{name}"></script>\n' for name in names)
            told = json.dumps(facts(programs, folder))
            head = f"<script>globalThis.course = {told};</script>\n{load}</head>"
            page.write_text(text.replace("</head>", head, 1), "utf-8")


def setup(app):
    """Register with Sphinx."""
    app.connect("build-finished", bring_sampler)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
