"""Firefox and WebKit, each asked in its own way for the same commands of WebDriver."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import urllib.request
from pathlib import Path

import pytest
from waiting import wait_for

PATIENCE = 300_000  # milliseconds, on a busy machine
KEYS = {"ArrowRight": "\ue014"}
MINI_BROWSERS = "webkit2gtk-4.*/MiniBrowser"
# What a script gives back, or the error that ended it
ASYNC = """const done = arguments[arguments.length - 1];
(async () => { %s })().then((value) => done({ value }), (error) => done({ error: `${error}` }));"""


def find(program: str, package: str) -> str:
    """Find a program, or skip the test and name the package that brings it."""
    path = shutil.which(program) or shutil.which(program.removesuffix("-esr"))
    if not path:
        pytest.skip(f"no {program}: pages are not tried in it; `apt-get install {package}`")
    return path


@contextlib.contextmanager
def running(command: list[str], **options):
    """Run a program that starts others, and end them all."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, start_new_session=True, **quiet | options)
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


class Browser:
    """One window of a browser; `ask` sends a command of WebDriver and gives what comes back."""

    def __init__(self, ask):
        self.ask = ask
        ask("SetTimeouts", "timeouts", script=PATIENCE, pageLoad=PATIENCE)

    def open(self, address: str):
        """Open a page."""
        self.ask("Navigate", "url", url=address)

    def run(self, body: str):
        """Run the body of an async JavaScript function in the page, and return what it returns."""
        told = self.ask("ExecuteAsyncScript", "execute/async", script=ASYNC % body, args=[])
        assert "error" not in told, told["error"]
        return told.get("value")

    def press(self, key: str):
        """Press a key where the focus is."""
        steps = [{"type": kind, "value": KEYS[key]} for kind in ("keyDown", "keyUp")]
        keys = {"type": "key", "id": "keyboard", "actions": steps}
        self.ask("PerformActions", "actions", actions=[keys])


@contextlib.contextmanager
def firefox(folder: Path):
    """Start Firefox with its profile in an empty folder; it is asked over its own protocol, Marionette."""
    command = [find("firefox-esr", "firefox-esr"), "--headless", "--marionette", "--profile", str(folder)]
    (folder / "user.js").write_text('user_pref("marionette.port", 0);\n')  # any that is free
    chosen = folder / "MarionetteActivePort"
    with running(command):
        port = int(wait_for(lambda: chosen.is_file() and chosen.read_text()))
        with socket.create_connection(("127.0.0.1", port)) as line, line.makefile("rb") as answers:

            def receive():
                length = b""
                while (digit := answers.read(1)) != b":":
                    length += digit
                return json.loads(answers.read(int(length)))

            def ask(command: str, _: str = "", **values):
                words = json.dumps([0, 1, f"WebDriver:{command}", values])
                line.sendall(f"{len(words)}:{words}".encode())
                *_, error, result = receive()
                assert error is None, error
                return result.get("value", result)

            receive()  # its greeting
            ask("NewSession")
            yield Browser(ask)


@contextlib.contextmanager
def webkit(_: Path):
    """Start WebKit in a screen that nobody sees; it is asked over HTTP."""
    screen = [find("Xvfb", "xvfb"), "-displayfd", "1", "-nolisten", "tcp"]
    driver = find("WebKitWebDriver", "webkit2gtk-driver")
    binary = str(next(Path("/usr/lib").glob(f"*/{MINI_BROWSERS}")))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with running(screen, stdout=subprocess.PIPE, text=True) as shown:
        environ = os.environ | {"DISPLAY": f":{shown.stdout.readline().strip()}"}
        with running([driver, f"--port={port}"], env=environ):
            address = f"http://127.0.0.1:{port}/"

            def post(path: str, values: dict):
                request = urllib.request.Request(address + path, json.dumps(values).encode())
                with urllib.request.urlopen(request) as answer:
                    return json.load(answer)["value"]

            wait_for(lambda: answers(address))
            options = {"webkitgtk:browserOptions": {"binary": binary, "args": ["--automation"]}}
            session = post("session", {"capabilities": {"alwaysMatch": options}})["sessionId"]
            yield Browser(lambda _, path, **values: post(f"session/{session}/{path}", values))


def answers(address: str) -> bool:
    """Whether a server answers."""
    with contextlib.suppress(OSError):
        urllib.request.urlopen(f"{address}status").close()
        return True
    return False
