"""Find the tables of the lessons, wherever a notebook runs."""

import os
from pathlib import Path

from helpers.inputs import shown


def table_file(name: str | os.PathLike) -> Path:
    """Path of a table that a lesson reads.

    Parameters
    ----------
    name : str or path
        Name of a table, such as ``"seeds.csv"``. It is looked up in the working directory, then in the folder
        ``lessons`` there, then in that of the course from which `helpers` is imported.

    Returns
    -------
    pathlib.Path
        The table, which exists.

    Raises
    ------
    FileNotFoundError
        If there is no such table; the message says where the notebook runs, and where it should.
    TypeError
        If `name` is neither text nor a path.
    """
    if not isinstance(name, str | os.PathLike):
        raise TypeError(f"name is {shown(name)}: give the name of a table, such as 'seeds.csv'")
    here = Path.cwd()
    for folder in (
        here,
        here / "data",
        here / "lessons" / "data",
        Path(__file__).resolve().parents[1] / "lessons" / "data",
    ):
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(
        f"no table {str(name)!r} in {here}: go to the folder of the lessons first, as with %cd course/lessons"
    )
