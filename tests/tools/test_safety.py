"""The course opens no door to the reader's machine, and carries nothing out of its makers'."""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import psutil
import pytest
from leaks import COURSE, leaks, names_of_this_machine
from waiting import wait_for

from tools.handout import contents

# How each kind looks where it gets out, in the output of a cell or in a page; put together here, so that
# this file itself holds none
MADE_UP = "https://example.org"
PLANTED = {
    "a home": "/".join(["", "home", "ada", ".cmdstan", "cmdstan-2.27.0"]),
    "the checkout": f"{COURSE}/helpers/models.py",
    "a temporary folder": "/".join(["", "tmp", "tmpab12cd", "centered.csv"]),
    "a name": "written by lovelace-laptop",
    "a secret": "http://localhost:8888/lab?token=0123456789abcdef0123456789abcdef",
    "a registry": " ".join(["pip install", "--extra-index-url", f"{MADE_UP}/", "bokeh"]),
    "a registry, by its pages": "Looking in indexes: " + "/".join([f"{MADE_UP}:8443", "mirror", "simple"]),
    "a registry, by its files": "Downloading https://"
    + ".".join(["files", "example", "org/ab/bokeh-3.10.whl"]),
    "a registry, by its name": "npm http fetch GET 200 https://"
    + ".".join(["registry", "example", "org/d3-dsv"]),
    "an e-mail address": "ada@example.org",
}


@pytest.fixture
def given(tmp_path):
    """What readers get without the book: lessons with their notebooks, the handout, the wheel."""
    for pattern in ("lessons/*.*", "stan/*"):
        for path in COURSE.glob(pattern):
            (tmp_path / path.parent.name).mkdir(exist_ok=True)
            shutil.copy(path, tmp_path / path.parent.name)
    for name, content in contents(COURSE).items():
        path = tmp_path / "handout" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    hatch = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", tmp_path]
    subprocess.run(hatch, cwd=COURSE, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    shutil.unpack_archive(wheel, tmp_path / "wheel", "zip")
    return tmp_path


def test_lessons_handout_and_wheel_hold_no_secret_path_or_name(given):
    assert leaks(given) == []
    assert len(list(given.rglob("*.ipynb"))) == 2 * len(list(COURSE.glob("lessons/*.md")))
    assert (given / "wheel" / "helpers" / "stan" / "centered.stan").is_file()


@pytest.mark.parametrize("kind", PLANTED)
def test_each_kind_of_trace_would_be_found(tmp_path, kind):
    notebook = nbformat.read(COURSE / "lessons" / "02-centered-model.ipynb", as_version=4)
    notebook.cells.append(
        nbformat.v4.new_code_cell(outputs=[nbformat.v4.new_output("stream", text=PLANTED[kind])])
    )
    nbformat.write(notebook, tmp_path / "planted.ipynb")
    found = leaks(tmp_path, {"lovelace-laptop"})
    kind = kind.split(",")[0]
    assert [line.split(": ")[:2] for line in found] in (
        [["planted.ipynb", kind]],
        [["planted.ipynb", "a home"], ["planted.ipynb", kind]],  # a checkout below a home is both
        [["planted.ipynb", kind], ["planted.ipynb", "a temporary folder"]],
    )


def test_words_of_the_course_are_no_names(monkeypatch):
    monkeypatch.setattr("getpass.getuser", lambda: "colony")
    monkeypatch.setattr("socket.gethostname", lambda: "lovelace")
    assert names_of_this_machine() == {"lovelace"}


def answer(server: dict, path: str, **headers: str) -> int:
    """Ask JupyterLab, and return the HTTP status; a way to the login page (302) is not gone."""
    connection = http.client.HTTPConnection(server["hostname"], server["port"], timeout=300)
    connection.request("GET", f"/{path}", headers=headers)
    return connection.getresponse().status


@pytest.fixture
def lab(tmp_path):
    """What `make lab` starts: its process, and what its file for this user says of it."""
    own = {f"JUPYTER_{name}_DIR": str(tmp_path / name) for name in ("CONFIG", "RUNTIME", "DATA")}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    root = "--allow-root" if os.geteuid() == 0 else ""
    command = [
        "make",
        "--old-file=setup",
        f"BIN={Path(sys.executable).parent}",
        "lab",
        f"LAB=--no-browser --port={port} {root}",
    ]
    with open(tmp_path / "log", "w") as log:
        started = subprocess.Popen(
            command, cwd=COURSE, env=os.environ | own, stdout=log, stderr=log, start_new_session=True
        )
    try:
        told = tmp_path / "RUNTIME"
        while not (files := list(told.glob("jpserver-*.json"))) or not files[0].read_text():
            assert started.poll() is None, (tmp_path / "log").read_text()
            time.sleep(0.1)
        server = json.loads(files[0].read_text())
        while True:
            try:
                answer(server, "api")
                break
            except ConnectionError:
                time.sleep(0.1)
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
    wait_for(lambda: any("ipykernel" in str(child.cmdline()) for child in process.children(True)))
    wait_for(lambda: len(addresses(process)) >= 6)  # the server's, and five of the kernel's
    assert {host for host, _ in addresses(process)} <= {"127.0.0.1", "::1"}


def addresses(process: psutil.Process) -> set[tuple[str, int]]:
    """Where a process and its children listen."""
    return {
        tuple(connection.laddr)
        for each in [process, *process.children(recursive=True)]
        for connection in each.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }
