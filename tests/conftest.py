"""What all tests share: lessons run once, cells and solutions together; and a skip may count as a failure."""

import os
from pathlib import Path

import nbformat
import pytest
from nbval.plugin import IPyNbFile
from network import watch_network

from tools.newest import objections
from tools.notebooks import CHECKED, LESSONS, make_workplace, with_solutions

HERE = Path(__file__).parent
BUILT = HERE.parent / "_build" / "lessons"


class Lesson(IPyNbFile):
    """The cells of a lesson and, where they stand, its solutions, run by nbval in a workplace apart."""

    def collect(self):
        """Write the notebook, with the outputs that the committed one holds, and find its cells."""
        text = LESSONS / f"{self.path.stem}.md"
        notebook, stored = with_solutions(text), nbformat.read(text.with_suffix(".ipynb"), as_version=4)
        stored = {cell.id: cell for cell in stored.cells}
        for cell in notebook.cells:
            if CHECKED in cell.metadata.get("tags", []):
                known = stored[cell.id]
                cell.outputs, cell.execution_count = known.outputs, known.execution_count
        make_workplace(self.path.parents[1])
        written = self.path.with_suffix(f".{os.getpid()}")  # all processes of a run write the same
        nbformat.write(notebook, written)
        written.replace(self.path)
        return super().collect()

    def setup(self):
        """Start a kernel that notes what is asked of the network, where no earlier run left a program."""
        for program in self.path.parent.glob("*.stan"):
            program.unlink()
        environment, self.notes = watch_network(self.path.parents[1])
        with pytest.MonkeyPatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            super().setup()

    def teardown(self):
        """Stop the kernel; nothing was asked of the network, and the newest Stan takes all programs."""
        super().teardown()
        assert not self.notes.exists(), f"{self.path.stem} asks the network: {self.notes.read_text()}"
        for program in sorted(self.path.parent.glob("*.stan")):
            assert objections(program, LESSONS.parent / "stan") == "", f"{self.path.stem}, {program.name}"


class Lessons(pytest.Dir):
    """The folder `tests/lessons`, with the cells of all lessons beside its files."""

    def collect(self):
        """Lessons first, the last of them before others: they take longest."""
        for text in sorted(LESSONS.glob("*.md"), reverse=True):
            yield Lesson.from_parent(self, path=BUILT / text.stem / "lessons" / f"{text.stem}.ipynb")
        yield from super().collect()


def pytest_collect_directory(path, parent):
    if path == HERE / "lessons":
        return Lessons.from_parent(parent, path=path)
    return None


def pytest_collection_modifyitems(items):
    """Slow tests and lessons before all else: files are handed out in this order, and each is long."""
    items.sort(key=lambda item: (item.path.parent != HERE / "slow", not isinstance(item.parent, Lesson)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    report = yield
    if report.skipped and os.environ.get("NO_SKIPS") and not hasattr(report, "wasxfail"):
        report.outcome, report.longrepr = "failed", f"{report.longrepr[2]}, and NO_SKIPS is set"
    return report
