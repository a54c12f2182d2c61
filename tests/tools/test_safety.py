"""JupyterLab, as the course starts it, opens no door to the reader's machine."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import psutil
import pytest
from waiting import wait_for

COURSE = Path(__file__).parents[2]


def answer(server: dict, path: str, **headers: str) -> int | None:
    """Ask JupyterLab, and return the HTTP status (302: go to the login page), or None if nobody answers."""
    connection = http.client.HTTPConnection(server["hostname"], server["port"], timeout=300)
    try:
        connection.request("GET", f"/{path}", headers=headers)
    except ConnectionError:
        return None
    return connection.getresponse().status


@pytest.fixture
def lab(tmp_path):
    """What `make lab` starts: its process, and what its file for this user says of it."""
    own = {f"JUPYTER_{name}_DIR": str(tmp_path / name) for name in ("CONFIG", "RUNTIME", "DATA")}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        options = f"--no-browser --port={free.getsockname()[1]}" + " --allow-root" * (os.geteuid() == 0)
    command = ["make", "--old-file=setup", f"BIN={Path(sys.executable).parent}", "lab", f"LAB={options}"]
    with open(tmp_path / "log", "w") as log:
        pipes = {"stdout": log, "stderr": log, "start_new_session": True}
        started = subprocess.Popen(command, cwd=COURSE, env=os.environ | own, **pipes)

    def told():
        assert started.poll() is None, (tmp_path / "log").read_text()
        return [text for path in tmp_path.glob("RUNTIME/jpserver-*.json") if (text := path.read_text())]

    try:
        server = json.loads(wait_for(told)[0])
        wait_for(lambda: answer(server, "api"))
        yield psutil.Process(started.pid), server
    finally:
        os.killpg(started.pid, signal.SIGKILL)
        started.wait()


def test_lab_listens_to_this_machine_only_and_wants_its_token(lab):
    process, server = lab
    token = {"Authorization": f"token {server['token']}"}
    assert len(server["token"]) >= 32
    for path in ("api/contents/README.md", "api/kernels", "files/README.md", "lab"):
        assert answer(server, path) in (302, 403), path
        assert answer(server, path, Authorization="token " + "0" * 48) in (302, 403), path
        assert answer(server, path, **token) == 200, path
    asked = urllib.request.Request(server["url"] + "api/kernels", method="POST", data=b"{}", headers=token)
    with urllib.request.urlopen(asked, timeout=300) as reply:
        assert reply.status == 201

    def listening():
        found = set()
        for one in [process, *process.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):  # It may just have ended.
                found |= {tuple(c.laddr) for c in one.net_connections("tcp") if c.status == "LISTEN"}
        return found if len(found) >= 6 else None  # The server has one, and its kernel five.

    assert {host for host, _ in wait_for(listening)} <= {"127.0.0.1", "::1"}
