"""The terminals of the page "Many replications": its commands, run as they stand there."""

import contextlib
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import psutil

COURSE = Path(__file__).parents[2]
PAGE = COURSE / "book" / "pages" / "beyond.md"


def page_commands() -> dict[str, str]:
    """Commands and code of the page: scheduler, workers one and two, kill, and the lines for the notebook."""
    text = PAGE.read_text("utf-8").split("## On your own machine")[1].split("## On a cluster")[0]
    blocks = re.findall(r"^```(?:bash|python)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    starts = {
        "scheduler": ".venv/bin/dask scheduler",
        "one": ".venv/bin/dask worker",
        "two": ".venv/bin/dask worker",
        "client": "from distributed",
        "run": "table = helpers.calibrate",
        "kill": "kill",
    }
    found = {}
    for name, start in starts.items():
        block = next(b for b in blocks if b.startswith(start))
        blocks.remove(block)
        found[name] = block
    return found


def free_ports() -> dict[str, str]:
    """Ports that nobody has, for those of the page."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    ports = [str(s.getsockname()[1]) for s in sockets]
    for s in sockets:
        s.close()
    return dict(zip(("8786", "8787"), ports, strict=True))


class Terminals:
    """The terminals of the page: a folder like the course's, and processes started there by its commands."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.ports, self.processes = folder, free_ports(), {}
        self.environment = os.environ | {"PYTHONPATH": str(COURSE)}  # what workers are sent is defined there
        (folder / ".venv").symlink_to(sys.prefix)

    def __enter__(self) -> "Terminals":
        return self

    def __exit__(self, *_) -> None:
        for process in self.processes.values():
            with contextlib.suppress(psutil.Error):
                for child in psutil.Process(process.pid).children(recursive=True):
                    child.kill()
            process.kill()
            process.wait()

    def text(self, command: str) -> str:
        """Give a command or code of the page, with our ports."""
        return re.sub("|".join(self.ports), lambda m: self.ports[m[0]], command)

    def start(self, name: str, command: str, before: str = ":") -> None:
        """Start what is to run in a terminal of its own; what it prints goes to a file."""
        with (self.folder / f"{name}.log").open("w") as log:
            command = ["sh", "-c", f"{before}\nexec {self.text(command)}"]
            self.processes[name] = subprocess.Popen(
                command, cwd=self.folder, stdout=log, stderr=subprocess.STDOUT, env=self.environment
            )

    def type(self, command: str) -> None:
        """Run a command that ends by itself."""
        subprocess.run(["sh", "-c", self.text(command)], cwd=self.folder, check=True, capture_output=True)


def connect(terminals: Terminals, workers: int):
    """Connect as the page does, and wait for the workers."""
    scope = {}
    exec(terminals.text(page_commands()["client"]), scope)
    scope["client"].wait_for_workers(workers, timeout=60)
    return scope["client"]
