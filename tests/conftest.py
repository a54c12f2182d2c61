"""What all tests share: lessons run once, cells and solutions together; and a skip may count as a failure."""

import os
from pathlib import Path

import nbformat
import pytest
from nbval.plugin import IPyNbFile

from tools.notebooks import CHECKED, LESSONS, make_workplace, with_solutions

HERE = Path(__file__).parent
# Every Python that starts with this on its path writes down which other computer it asks for. A datagram's
# `connect` sends nothing: that is how dask learns the address of this machine.
WATCH = """
import socket, sys

HERE = {"", "0.0.0.0", "127.0.0.1", "::1", "localhost", socket.gethostname()}

def watch(event, args):
    if event == "socket.getaddrinfo":
        asked = args[0]
    elif event == "socket.connect" and args[0].type == socket.SOCK_STREAM and isinstance(args[1], tuple):
        asked = args[1][0]
    else:
        return
    asked = asked.decode() if isinstance(asked, bytes) else asked or ""
    if asked not in HERE:
        with open(LOG, "a") as log:
            print(asked, file=log)

sys.addaudithook(watch)
"""


def watch_network(folder):
    """Write what notes which other computers are asked; give what turns it on, and the file of notes."""
    (folder / "watch").mkdir(exist_ok=True)
    notes = folder / "asked"
    (folder / "watch" / "sitecustomize.py").write_text(f"LOG = {str(notes)!r}\n{WATCH}")
    return {"PYTHONPATH": os.pathsep.join([str(folder / "watch"), os.environ.get("PYTHONPATH", "")])}, notes


class Lesson(IPyNbFile):
    """The cells of a lesson and, where they stand, its solutions, run by nbval in a workplace apart."""

    @classmethod
    def from_text(cls, parent, text):
        """Write the notebook, with the outputs that the committed one holds."""
        workplace = HERE.parent / "_build" / "lessons" / text.stem
        notebook, stored = with_solutions(text), nbformat.read(text.with_suffix(".ipynb"), as_version=4)
        stored = {cell.id: cell for cell in stored.cells}
        for cell in notebook.cells:
            if CHECKED in cell.metadata.get("tags", []):
                known = stored[cell.id]
                cell.outputs, cell.execution_count = known.outputs, known.execution_count
        path = make_workplace(workplace) / f"{text.stem}.ipynb"
        written = path.with_suffix(f".{os.getpid()}")  # all processes of a run write the same
        nbformat.write(notebook, written)
        written.replace(path)
        return cls.from_parent(parent, path=path)

    def setup(self):
        """Start a kernel that notes what is asked of the network."""
        environment, self.notes = watch_network(self.path.parents[1])
        self.notes.unlink(missing_ok=True)
        with pytest.MonkeyPatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            super().setup()

    def teardown(self):
        """Stop the kernel; lessons work offline."""
        super().teardown()
        assert not self.notes.exists(), f"{self.path.stem} asks the network: {self.notes.read_text()}"


class Lessons(pytest.Dir):
    """The folder `tests/lessons`, with the cells of all lessons beside its files."""

    def collect(self):
        """Lessons first, the last of them before others: they take longest."""
        for text in sorted(LESSONS.glob("*.md"), reverse=True):
            yield Lesson.from_text(self, text)
        yield from super().collect()


def pytest_collect_directory(path, parent):
    if path == HERE / "lessons":
        return Lessons.from_parent(parent, path=path)
    return None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    report = yield
    if report.skipped and os.environ.get("NO_SKIPS") and not hasattr(report, "wasxfail"):
        report.outcome, report.longrepr = "failed", f"{report.longrepr[2]}, and NO_SKIPS is set"
    return report
