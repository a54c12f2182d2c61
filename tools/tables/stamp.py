"""Tables that take minutes to make are stored, with a stamp of what they were made from.

A test stamps the programs, the data and the settings as they are now, and says which table is stale.
"""

import hashlib
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

LESSONS = Path(__file__).parents[2] / "lessons"
COMMENTS_AND_SPACE = re.compile(r"(?://[^\n]*|/\*.*?\*/|\s)+", re.DOTALL)


def stamp(*parts: object) -> str:
    """Hash what a table or a picture is made from: texts of programs, data, settings."""
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:16]


def statements(program: Path) -> str:
    """Read a Stan program without what changes no result: its comments, and where its lines end."""
    return COMMENTS_AND_SPACE.sub(" ", program.read_text("utf-8"))


@dataclass(frozen=True)
class Table:
    """A stored table.

    Parameters
    ----------
    file : Path
        Where it is stored.
    row : callable
        Makes a row, a dictionary, from a setting.
    settings : list of tuple
        Of every row. They are its first columns.
    parts : callable
        Gives what the stamp is of.
    """

    file: Path
    row: Callable[..., dict]
    settings: list[tuple]
    parts: Callable[[], list]

    def stamp(self) -> str:
        """Stamp the table as it would be made now; it stands in the column ``origin``."""
        return stamp(*self.parts())

    def write(self) -> None:
        """Make every row, and write the file in one step."""
        rows = []
        for number, setting in enumerate(self.settings, start=1):
            said = f"\r{self.file.stem} {number} of {len(self.settings)} ...\033[K"
            print(said, end="", file=sys.stderr, flush=True)
            rows.append(self.row(*setting))
        pl.DataFrame(rows).with_columns(origin=pl.lit(self.stamp())).write_csv(scratch := f"{self.file}.tmp")
        os.replace(scratch, self.file)
        print(file=sys.stderr)
