"""The packages of the course in ``.venv``, as they are locked."""

import fcntl
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tools.machine import PIP, SILENCE, SetupError, check_space, run, say

UV = {"UV_HTTP_TIMEOUT": str(SILENCE), "UV_HTTP_CONNECT_TIMEOUT": str(SILENCE), "UV_HTTP_RETRIES": "1"}
PACKAGES_GB = 1.6  # 1.5 was measured


def cut_requirement(lock: str, name: str) -> str:
    """Return the lines of the text of a requirements file that pin package `name`, with its hashes."""
    found = re.search(rf"^{re.escape(name)}==.*\n(?:[ \t]+.*\n?)*", lock, re.MULTILINE)
    if not found:
        raise SetupError(f"requirements.txt does not pin {name}: run `git checkout requirements.txt`")
    return found[0]


def base_python() -> str:
    """Find the Python behind the one that runs this, which may be that of the ``.venv`` to be made again."""
    name = "bin/python{}.{}".format(*sys.version_info)
    return sys.executable if sys.prefix == sys.base_prefix else str(Path(sys.base_prefix, name))


def contents(venv: Path) -> set[str]:
    """List the programs and packages in folder `venv`, without what changes with use or an update."""
    found = [p for where in ("pyvenv.cfg", "bin/*", "lib/*/site-packages/*") for p in venv.glob(where)]
    return {str(p.relative_to(venv)) for p in found if not p.name.endswith((".dist-info", "__pycache__"))}


def is_whole(top: Path) -> bool:
    """Tell whether the ``.venv`` in folder `top` was finished, there, and still has all that it had then."""
    venv = top / ".venv"
    place, had = (f.read_text() if f.is_file() else "" for f in (venv / ".ready", venv / "contents.txt"))
    python = shutil.which(venv / "bin/python")
    if place.strip() != str(top) or not python or not contents(venv).issuperset(had.splitlines()):
        return False
    return subprocess.run([python, "-c", ""]).returncode == 0


def wants(top: Path) -> str:
    """Read what the ``.venv`` in folder `top` is made from: the text, as times of files depend on clocks."""
    return "".join((top / name).read_text() for name in ("requirements.txt", "pyproject.toml"))


def is_current(top: Path) -> bool:
    """Tell whether the ``.venv`` in folder `top` is whole, and made from what is there now."""
    made_from = top / ".venv" / "made-from.txt"
    return made_from.is_file() and made_from.read_text() == wants(top) and is_whole(top)


def make_venv(top: Path, base: str) -> None:
    """Make an empty ``.venv`` in folder `top`, with Python `base`."""
    if not importlib.util.find_spec("ensurepip"):
        name = "python{}.{}-venv".format(*sys.version_info)
        raise SetupError(f"this Python cannot make a .venv: `apt install python3-venv` (or {name})")
    say("Installing the packages into .venv (a minute or two)")
    shutil.rmtree(top / ".venv", ignore_errors=True)
    check_space(top, PACKAGES_GB)
    run(base, "-m", "venv", top / ".venv", hint=f"does {base} itself run?")


def fill_venv(top: Path) -> None:
    """Bring the ``.venv`` in folder `top` to what is locked there: uv by pip, all else by uv."""
    venv, lock = top / ".venv", top / "requirements.txt"
    python, uv, pin = venv / "bin" / "python", venv / "bin" / "uv", venv / "uv.txt"
    pin.write_text(cut_requirement(lock.read_text(), "uv"))
    run(python, *PIP, "install", "--require-hashes", "-r", pin)
    for name, value in UV.items():
        os.environ.setdefault(name, value)
    sync = [uv, "pip", "sync", "--require-hashes", "--python", python, lock]
    try:
        run(*sync)
    except SetupError:  # some networks have certificates of their own, which pip found
        os.environ["UV_SYSTEM_CERTS"] = "true"
        run(*sync)
    course = ["--no-deps", "--no-build-isolation", "--python", python, "-e"]
    # as a path, uv would read what follows a `;` in it as a condition
    run(uv, "pip", "install", *course, top.as_uri(), hint="did its files change? `git status` tells")


def install_packages(top: Path, base: str) -> None:
    """Make ``.venv`` in folder `top`, with Python `base`, hold what is locked there and the course itself."""
    if is_current(top):  # perhaps in a folder where nobody may write
        return
    venv = top / ".venv"
    with open(top / "requirements.txt", "r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # of two at once, the second waits and then finds nothing to do
        if is_current(top):
            return
        wanted, whole = wants(top), is_whole(top)
        (venv / ".ready").unlink(missing_ok=True)
        if not whole:  # never finished, moved or damaged: a package half there looks whole, so start afresh
            make_venv(top, base)
        fill_venv(top)
        (venv / "contents.txt").write_text("\n".join(sorted(contents(venv))))
        (venv / "made-from.txt").write_text(wanted)
        (venv / ".ready").write_text(f"{top}\n")
