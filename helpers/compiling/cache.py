"""Programs that are compiled: where they are kept, which of them may be run, and how long they stay."""

import contextlib
import fcntl
import glob
import os
import re
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

import platformdirs

from helpers.compiling.compiler import StanError

UNUSED_SECONDS = 30 * 24 * 3600
ENTRY = re.compile(r".+-[0-9a-f]{16}(\..+\.tmp)?")  # names in the cache that are ours


def cache_folder() -> Path:
    """Folder in which this user's programs are compiled, made if need be."""
    named, mine = os.environ.get("STAN_MODEL_CACHE"), platformdirs.user_cache_path("hierarchical-models")
    folder = Path(named).expanduser().resolve() if named else mine / "stan"
    if named and folder.exists() and (folder.stat().st_uid != os.geteuid() or not os.access(folder, os.W_OK)):
        folder = mine / "stan"  # a class shares the one that is named, and only its owner compiles there
    try:
        folder.mkdir(0o755, parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(f"cannot make {folder} ({error.strerror}): set STAN_MODEL_CACHE to another") from None
    folder = folder.resolve()
    if not os.access(folder, os.W_OK):
        raise OSError(f"cannot write to {folder}: set STAN_MODEL_CACHE to a folder of your own")
    if other := _changeable(folder):
        raise OSError(
            f"others may change {other}, so what is compiled in {folder} would not be safe to run: "
            f"`chmod go-w {other}`, or set STAN_MODEL_CACHE to a folder of your own"
        )
    return folder


def _changeable(path: Path) -> Path | None:
    """Find what of a resolved path another user could change or replace; None if nothing."""
    trusted = {0, os.geteuid(), Path(__file__).stat().st_uid}
    for place in (path, *path.parents):
        info = place.lstat()
        if info.st_uid not in trusted or stat.S_ISLNK(info.st_mode):
            return place
        # In a sticky folder, such as /tmp, only its owner can rename what is there. Some systems let
        # the group write to everything: what is in a folder of our own is looked at for itself.
        loose = (
            stat.S_IWOTH
            if info.st_uid == os.geteuid() and stat.S_ISDIR(info.st_mode)
            else stat.S_IWOTH | stat.S_IWGRP
        )
        if info.st_mode & loose and not (stat.S_ISDIR(info.st_mode) and info.st_mode & stat.S_ISVTX):
            return place
    return None


def fault(executable: Path) -> str:
    """Say why a compiled program does not start; empty if it does, being whole, with its libraries there."""
    if not executable.is_file():
        return "it is not there"
    if other := _changeable(executable):
        return f"others may change {other}"
    try:
        tried = subprocess.run([executable, "info"], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return "" if tried.returncode == 0 else tried.stderr.strip() or f"it ends with {tried.returncode}"


def hold(executable: Path) -> int | None:
    """Keep a program from being pruned until what is returned is closed; None if it does not run."""
    try:
        held = _lock(executable.parent)
    except OSError:  # it is not there, or being removed just now
        return None
    if not fault(executable):
        return held
    os.close(held)
    return None


def _lock(entry: Path) -> int:
    held = os.open(entry, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(held, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(held)
        raise
    except OSError:  # a disk that knows no locks: nothing is ever pruned there
        pass
    return held


def move(built: Path, names: list[str], entry: Path) -> int:
    """Make an entry of the cache, in one step, of some files of folder `built`, the executable last."""
    for leftover in entry.parent.glob(f"{glob.escape(entry.name)}.*.tmp"):  # of a compile that was killed
        shutil.rmtree(leftover, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(dir=entry.parent, prefix=f"{entry.name}.", suffix=".tmp"))
    held = _lock(folder)
    try:
        folder.chmod(entry.parent.stat().st_mode & 0o777)  # whoever may read the cache may read what is in it
        for name in names:
            shutil.copy(built / name, folder)
        for path in (folder, *folder.iterdir()):
            path.chmod(path.stat().st_mode & ~0o022)  # a umask may let the group write
        if why := fault(folder / names[-1]):
            raise StanError(f"{names[0]} compiles, but the result does not start: {why}")
        if entry.exists():  # it did not start; a program that still runs may keep the name busy
            entry.rename(folder.with_suffix(".old.tmp"))
        folder.rename(entry)
        return held
    except BaseException:
        os.close(held)
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(folder.with_suffix(".old.tmp"), ignore_errors=True)


def prune(made: Path) -> None:
    """Remove programs beside the one just made that nobody has used for a month, and that nobody holds.

    The month is counted from when that one was made, by the clock of the disk that stamped them both.
    """
    now = made.stat().st_mtime
    for entry in made.parent.iterdir():
        if not ENTRY.fullmatch(entry.name) or not entry.is_dir():
            continue
        with contextlib.suppress(OSError):  # somebody holds it, or removed it before us
            if now - entry.stat().st_mtime > UNUSED_SECONDS:
                _remove(entry)


def _remove(entry: Path) -> None:
    unused = os.open(entry, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(unused, fcntl.LOCK_EX | fcntl.LOCK_NB)
        entry = entry.rename(entry.with_name(f"{entry.name}.old.tmp"))  # at once, for whoever comes to use it
        shutil.rmtree(entry, ignore_errors=True)
    finally:
        os.close(unused)
