"""A book of one lesson, built with the course's own settings: what tests of how it is built share."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

COURSE = Path(__file__).parents[2]
LESSON = """---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  name: python3
---

# A lesson

```{code-cell} ipython3
import bokeh.io, bokeh.plotting
bokeh.io.output_notebook(hide_banner=True)
p = bokeh.plotting.figure(height=100)
p.line([1, 2], [1, 2])
bokeh.io.show(p)
CELL
```

The funnel has a neck. Funnels do; $x$ is not linked.

<div class="exercise" id="ex-01-count">

**Exercise 01.1. Count**

How many?

</div>

```{code-cell} ipython3
:tags: [answer, remove-cell]

# 01.1
```

<details class="solution"><summary>Solution of 01.1</summary>

Fortytwo.

</details>
"""
GLOSSARY = """# Glossary

:::{glossary}
funnel
funnels
  A shape.
:::
"""
PAGES = {
    "index": "# A book\n",
    "lessons/lesson": LESSON,
    "book/pages/glossary": GLOSSARY,
    "book/pages/instructors": "# For instructors\n\nThe answer is Fortytwo.\n",
}


def build(folder: Path, cell: str, **variables: str) -> subprocess.CompletedProcess:
    """Build the book in a folder, with a line of code in its lesson and variables of the environment."""
    shutil.copy(COURSE / "_config.yml", folder)
    shutil.copytree(COURSE / "book", folder / "book")
    index, *chapters = PAGES
    toc = [f"format: jb-book\nroot: {index}\nchapters:\n", *(f"  - file: {page}\n" for page in chapters)]
    (folder / "_toc.yml").write_text("".join(toc))
    (folder / "lessons").mkdir()
    for page, text in PAGES.items():
        (folder / f"{page}.md").write_text(text.replace("CELL", cell))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environ = os.environ | {"BOKEH_RESOURCES": "cdn", "PATH": path} | variables
    command = ["jupyter-book", "build", ".", "-W", "-n", "--keep-going"]
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True)
