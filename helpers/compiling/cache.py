"""Programs that are compiled: where they are kept, which of them may be run, and how long they stay.

An entry of the cache is a folder NAME-HASH with a program, what it includes, and the executable.
"""

import contextlib
import os
import re
import shutil
import subprocess
from pathlib import Path

import platformdirs

from helpers.compiling.errors import StanError

UNUSED_SECONDS = 30 * 24 * 3600
ENTRY = re.compile(r".+-[0-9a-f]{16}(\.tmp)*")  # names in the cache that are ours


def named_folder() -> Path | None:
    """Folder that the user, or whoever teaches the class, names for the cache."""
    named = os.environ.get("STAN_MODEL_CACHE")
    return Path(named).expanduser().resolve() if named else None


def own_folder() -> Path:
    """Folder in which this user's programs are compiled, made if need be."""
    folder = named_folder()
    if (
        folder
        and folder.exists()
        and not (folder.stat().st_uid == os.geteuid() and os.access(folder, os.W_OK))
    ):
        folder = None  # a class shares it, and only its owner compiles there
    folder = folder or platformdirs.user_cache_path("hierarchical-models").resolve() / "stan"
    try:
        folder.mkdir(0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(f"cannot make {folder} ({error.strerror}): set STAN_MODEL_CACHE to another") from None
    if not os.access(folder, os.W_OK):
        raise OSError(f"cannot write to {folder}: set STAN_MODEL_CACHE to a folder of your own")
    if not is_safe(folder):
        raise OSError(
            f"others may change {folder}, so what is compiled there would not be safe to run: "
            f"`chmod go-w {folder}`, or set STAN_MODEL_CACHE to a folder of your own"
        )
    return folder


def is_safe(*paths: Path) -> bool:
    """Tell whether all these belong to root or to this user, and nobody else can write there."""
    infos = [path.lstat() for path in paths]
    return all(info.st_uid in (0, os.geteuid()) and not info.st_mode & 0o022 for info in infos)


def why_not_runnable(executable: Path) -> str:
    """Say why a compiled program does not start; empty if it does, being whole, with its libraries there."""
    try:
        tried = subprocess.run([executable, "info"], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return "" if tried.returncode == 0 else tried.stderr.strip() or f"it ends with {tried.returncode}"


def find(entry: str, name: str) -> Path | None:
    """Find a compiled program that may be run: in the folder that is named for all, or in this user's own."""
    for folder in filter(None, (named_folder(), own_folder())):
        executable = folder / entry / name
        with contextlib.suppress(OSError):  # it is not there
            if is_safe(executable, executable.parent, folder) and not why_not_runnable(executable):
                with contextlib.suppress(OSError):  # the owner of a shared folder keeps it in use
                    os.utime(executable.parent)
                return executable
    return None


def store(built: Path, names: list[str], entry: Path) -> Path:
    """Make an entry, whose lock the caller has, of files of the folder `built`, the executable last.

    It is there whole or not at all: a folder takes its name only when the executable in it has run.
    """
    folder = entry.with_name(f"{entry.name}.tmp")
    shutil.rmtree(folder, ignore_errors=True)  # it was left by a compile that was killed
    try:
        folder.mkdir()
        for name in names:
            shutil.copy(built / name, folder)
        for path in (folder, *folder.iterdir()):
            path.chmod(path.stat().st_mode & ~0o022)  # a umask may let the group write
        if why := why_not_runnable(folder / names[-1]):
            raise StanError(f"{names[0]} compiles, but the result does not start: {why}")
        shutil.rmtree(entry, ignore_errors=True)  # a program that does not start is replaced
        folder.rename(entry)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return entry / names[-1]


def prune(made: Path) -> None:
    """Remove programs beside the one just made that nobody has used for a month, by the clock of the disk."""
    now = made.stat().st_mtime
    for entry in made.parent.iterdir():
        with contextlib.suppress(OSError):  # another process removed it before us
            if ENTRY.fullmatch(entry.name) and now - entry.stat().st_mtime > UNUSED_SECONDS:
                # renamed first, so that whoever comes to use it just now finds it whole or not at all
                shutil.rmtree(entry.rename(f"{entry}.tmp"), ignore_errors=True)
