"""Solutions run, with the lesson before them, and ask nothing of the network."""

import os
import subprocess
import sys

import pytest
from nbclient import NotebookClient
from test_lessons import COURSE, by_lesson

from tools.newest import objections
from tools.notebooks import make_workplace, with_solutions

# Every Python that starts with this on its path says which other computer it asks for, or for whose address.
# A datagram's `connect` sends nothing: that is how dask learns the address of this machine.
WATCH = """
import socket, sys

HERE = {{"", "0.0.0.0", "127.0.0.1", "::1", "localhost", socket.gethostname()}}

def watch(event, args):
    if event == "socket.getaddrinfo":
        asked = args[0]
    elif event == "socket.connect" and args[0].type == socket.SOCK_STREAM and isinstance(args[1], tuple):
        asked = args[1][0]
    else:
        return
    asked = asked.decode() if isinstance(asked, bytes) else asked or ""
    if asked not in HERE:
        with open({log!r}, "a") as log:
            print(asked, file=log)

sys.addaudithook(watch)
"""


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """A file in which stands what Pythons that are started now ask of the network."""
    log = tmp_path / "asked"
    (tmp_path / "watch").mkdir()
    (tmp_path / "watch" / "sitecustomize.py").write_text(WATCH.format(log=str(log)))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "watch"), prepend=os.pathsep)
    return log


@by_lesson
def test_code_of_every_solution_runs_and_asks_nothing_of_the_network(lesson, tmp_path, asked):
    folder = make_workplace(tmp_path)
    NotebookClient(with_solutions(lesson), timeout=600, resources={"metadata": {"path": str(folder)}}).execute()
    assert not asked.exists(), asked.read_text()
    written = sorted(folder.glob("*.stan"))
    assert {path.name: objections(path, COURSE / "stan") for path in written} == dict.fromkeys(
        (path.name for path in written), ""
    )


@pytest.mark.parametrize(
    ("ask", "of"),
    [
        ("create_connection(('192.0.2.1', 80), 0.1)", "192.0.2.1"),
        ("getaddrinfo('stan.invalid', 443)", "stan.invalid"),
    ],
)
def test_what_is_asked_of_the_network_is_noticed(asked, ask, of):
    code = f"import contextlib, socket\nwith contextlib.suppress(OSError): socket.{ask}"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert set(asked.read_text().split()) == {of}
