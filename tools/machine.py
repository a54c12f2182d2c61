"""What the steps of set-up share: the machine's tools and disk, commands, and errors of one line."""

import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

# Silence of the network is borne twice for nine seconds: a proxy that hangs is given up within half a minute.
SILENCE = 9
PIP = ["-m", "pip", "--no-cache-dir", "--disable-pip-version-check", "--retries=1", f"--timeout={SILENCE}"]
ROOM = "free some space, then `make setup` again"


class SetupError(Exception):
    """What is wrong and what to do about it, in one line."""


def say(text: str, end: str = "\n") -> None:
    """Show progress."""
    print(text, file=sys.stderr, end=end, flush=True)


def cores() -> int:
    """Count the processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def check_space(folder: Path, gigabytes: float) -> None:
    """Raise `SetupError` if the disk that holds `folder` has less than `gigabytes` (1e9 bytes) free."""
    free = shutil.disk_usage(folder).free / 1e9
    if free < gigabytes:
        raise SetupError(f"{folder} has {free:.1f} GB free and {gigabytes} GB are needed: make room there")


def check_tools(environ: dict[str, str], system: str = platform.system()) -> None:
    """Raise `SetupError` unless `make` and the C++ compiler that CmdStan would call both run."""
    for what, command in {
        "C++ compiler": compiler(environ, system),
        "make": environ.get("MAKE") or "make",
    }.items():
        program = shutil.which(command.split()[0], path=environ.get("PATH", ""))
        # macOS has stand-ins that fail until the developer tools are installed
        if not program or subprocess.run([program, "--version"], capture_output=True).returncode:
            raise SetupError(
                f"no {what} ({command} does not run), and CmdStan needs one: {compiler_hint(environ, system)}"
            )


def compiler(environ: dict[str, str], system: str = platform.system()) -> str:
    """Name the C++ compiler that CmdStan would call."""
    return environ.get("CXX") or ("clang++" if system == "Darwin" else "g++")


def is_gcc(command: str) -> bool:
    """Tell whether a C++ compiler is GCC."""
    said = subprocess.run([*command.split(), "--version"], capture_output=True, text=True)
    return "Free Software Foundation" in said.stdout


def compiler_hint(environ: dict[str, str], system: str = platform.system()) -> str:
    """Say how a C++ compiler and `make` are installed on this machine."""
    conda = "`conda install -c conda-forge cxx-compiler make`"
    if environ.get("CONDA_PREFIX"):
        return conda
    if system == "Darwin":  # they come with what Homebrew needs, too
        return f"`xcode-select --install`, or {conda}"
    ways = {"apt": "apt install g++ make", "dnf": "dnf install gcc-c++ make", "pacman": "pacman -S gcc make"}
    found = [way for program, way in ways.items() if shutil.which(program, path=environ.get("PATH", ""))]
    return f"`{(found or [ways['apt']])[0]}`, or {conda}"


def no_room(said: str) -> bool:
    """Tell whether a program says in `said` that it failed for want of space."""
    return bool(re.search(r"No space left on device|Disk quota exceeded", said))


def run(*command, hint="is the network up, or HTTPS_PROXY to be set?") -> None:
    """Run one command, which shows its own progress on a terminal; `hint` is what to look at if it fails."""
    out, err = (None, None) if sys.stderr.isatty() else (subprocess.DEVNULL, subprocess.PIPE)
    done = subprocess.run(command, stdout=out, stderr=err, text=True, errors="replace")
    if done.returncode:
        name = " ".join([word for word in map(str, command[1:]) if word[0] != "-"][:2])
        why = re.findall(r"(?im)^ *((?:error|caused by|cause:).*)", done.stderr or "")
        why = why or ["its message is above"]
        if err is None:  # it went to the terminal, unread by us
            hint += " Is the disk full?"
        elif no_room(done.stderr):
            why, hint = ["No space left on device"], ROOM
        raise SetupError(f"`{name}` failed ({why[-1]}): {hint}")
