"""Run the notebooks of the book side by side, so that Sphinx finds them in its cache.

One that fails is not in the cache: Sphinx runs it again, and stops with what it says.
"""

from pathlib import Path

import yaml
from jupyter_cache import get_cache
from jupyter_cache.executors import load_executor
from myst_nb.core.read import is_myst_markdown_notebook

COURSE = Path(__file__).parent.parent

if __name__ == "__main__":
    cache = get_cache(COURSE / "_build" / ".jupyter_cache")
    pages = [*COURSE.glob("lessons/*.md"), *COURSE.glob("book/pages/*.md")]
    for path in sorted(pages, reverse=True):  # those that take longest are among the last lessons
        if is_myst_markdown_notebook(path.read_text("utf-8")):
            cache.add_nb_to_project(str(path), read_data={"name": "myst_nb_md", "type": "plugin"})
    timeout = yaml.safe_load((COURSE / "_config.yml").read_text())["execute"]["timeout"]
    load_executor("local-parallel", cache).run_and_cache(timeout=timeout)
