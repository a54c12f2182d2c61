"""Which programs of the course a reader has edited, and how to get them back.

A handout has a second copy of each, in ``stan/original``, and a checkout has git.
"""

import os
import subprocess
from pathlib import Path


def edited(folder: Path) -> tuple[list[str], str]:
    """Names of the programs in a folder that are not the course's any more, and what brings them back.

    Parameters
    ----------
    folder : pathlib.Path
        The folder ``stan``.

    Returns
    -------
    list of str
        Names of files; empty if there are none, or neither copies nor git to tell.
    str
        What to type in a cell of a notebook.
    """
    original, here = folder / "original", os.path.relpath(folder)
    if original.is_dir():
        names = [kept.name for kept in sorted(original.iterdir()) if not _same(kept, folder / kept.name)]
        return names, f"!cp {' '.join(f'{here}/original/{name}' for name in names)} {here}"
    names = _changed_in_git(folder)
    return names, f"!git checkout {' '.join(f'{here}/{name}' for name in names)}"


def _same(kept: Path, path: Path) -> bool:
    return path.is_file() and path.read_text("utf-8", "replace") == kept.read_text("utf-8", "replace")


def _changed_in_git(folder: Path) -> list[str]:
    """Names of files that are not as in the last commit; none where there is no git."""
    command = ["git", "-C", folder, "diff", "--name-only", "--relative", "HEAD", "--", "."]
    try:
        return subprocess.run(command, capture_output=True, text=True).stdout.splitlines()
    except OSError:  # git is not installed
        return []
