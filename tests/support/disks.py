"""A small disk that can be full and that nobody else sees: it is mounted in a namespace of its own."""

import os
import subprocess
from pathlib import Path

import needs
import pytest


class Disk:
    """A folder in which processes that are started with `enter` find a small disk.

    Start them with ``subprocess.Popen(..., preexec_fn=disk.enter)``; to themselves they are root there.
    `seen` shows to those outside what they see in the folder.
    """

    def __init__(self, folder: Path):
        folder.mkdir()
        self.folder = folder
        script = 'mount -t tmpfs -o size=4k tmpfs "$0" && echo mounted && exec cat'
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.keeper = subprocess.Popen(["unshare", *needs.MOUNTS, "sh", "-c", script, folder], **pipes)
        assert self.keeper.stdout.readline() == "mounted\n"
        self.seen = Path(f"/proc/{self.keeper.pid}/root{folder}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.keeper.communicate()  # it reads until its input ends, and its mounts end with it

    def enter(self) -> None:
        """Go where the disk is: for a process that has only just begun."""
        here = os.getcwd()
        names = [os.open(f"/proc/{self.keeper.pid}/ns/{kind}", os.O_RDONLY) for kind in ("user", "mnt")]
        for name in names:
            os.setns(name)
            os.close(name)
        os.chdir(here)

    def resize(self, size: str) -> None:
        """Give the disk another size, such as ``"300k"``."""
        self.run("mount", "-o", f"remount,size={size}", self.folder)

    def run(self, *words) -> None:
        """Run a command where the disk is."""
        subprocess.run(words, check=True, preexec_fn=self.enter)


@pytest.fixture
def disk(tmp_path):
    """Make a folder whose processes find a small disk there."""
    with Disk(tmp_path / "disk") as disk:
        yield disk
