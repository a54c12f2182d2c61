"""Where the sampler's files go: a folder that goes even if its process is killed, and may be full."""

import atexit
import contextlib
import errno
import fcntl
import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import cmdstanpy
import psutil
from cmdstanpy.compilation import CompilerOptions, stanc_path

ROOM = 1_000_000  # bytes; with less, a fit that failed failed for want of room
_held: dict[int, tuple[str, int]] = {}  # of this process: its number, its folder, and the locked descriptor


def claim() -> None:
    """Give cmdstanpy a temporary folder that is found and removed later if this process is killed.

    The folder is locked as long as the process lives. Those of this user's dead processes are removed, and
    with them the CmdStan processes that still write there. A second call does nothing, unless the folder is
    gone or the process was forked.
    """
    if os.getpid() in _held and os.path.isdir(cmdstanpy._TMPDIR):
        return
    prefix = f"hierarchical-models-{os.getuid()}-"
    _sweep(prefix)
    while True:
        folder = tempfile.mkdtemp(prefix=prefix)
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except FileNotFoundError:  # another process swept it before it was locked
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError:  # a disk that knows no locks: then as cmdstanpy does it
            os.close(descriptor)
            os.rmdir(folder)
            return
        if os.path.isdir(folder):
            break
        os.close(descriptor)
    _held[os.getpid()] = folder, descriptor  # programs that are started do not inherit the descriptor
    before = cmdstanpy._TMPDIR
    for name, module in list(sys.modules.items()):  # they imported it by value
        if name.partition(".")[0] == "cmdstanpy" and hasattr(module, "_TMPDIR"):
            module._TMPDIR = folder
    atexit.unregister(cmdstanpy._cleanup_tmpdir)  # it would run in forked processes, too
    atexit.register(_remove, folder, os.getpid())
    if not os.path.basename(before).startswith(prefix):
        with contextlib.suppress(OSError):  # it holds fits made before this call
            os.rmdir(before)
        atexit.register(_remove, before, os.getpid())


class Model(cmdstanpy.CmdStanModel):
    """A compiled program, with what it includes beside it."""

    def src_info(self):  # noqa: D102
        # asked from within its folder, because Stan takes the name of another apart at commas
        folder, name = os.path.split(self.stan_file)
        options = CompilerOptions(
            stanc_options={k: v for k, v in self.stanc_options.items() if k != "include-paths"}
        )
        command = [stanc_path(), *options.compose_stanc(None), "--include-paths=.", "--info", name]
        asked = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        if asked.returncode:
            raise ValueError(f"Stan does not read {self.stan_file}: {asked.stderr.strip()}")
        return json.loads(asked.stdout)

    @functools.wraps(cmdstanpy.CmdStanModel.sample)
    def sample(self, *args, **options):  # noqa: D102
        # CmdStan does not notice that its draws were not written, and cmdstanpy that it is for want of room
        try:
            return super().sample(*args, **options)
        except (OSError, RuntimeError, ValueError) as error:
            folder = options.get("output_dir") or cmdstanpy._TMPDIR
            full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT)
            if not full and shutil.disk_usage(folder).free > ROOM:
                raise
            raise OSError(f"no room for the draws in {folder}: free some there, and sample again") from None


def _remove(folder: str, pid: int) -> None:
    if os.getpid() == pid:
        shutil.rmtree(folder, ignore_errors=True)


def _sweep(prefix: str) -> None:
    """Remove this user's folders whose processes are dead."""
    for folder in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:  # of another user, or no folder
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(descriptor).st_uid != os.getuid():
                continue
            orphans = []
            for process in psutil.process_iter():
                with contextlib.suppress(psutil.Error):
                    ours = process.uids().real == os.getuid()
                    if ours and any(word.startswith(f"file={folder}/") for word in process.cmdline()):
                        process.kill()
                        orphans.append(process)
            psutil.wait_procs(orphans, timeout=5)
            shutil.rmtree(folder, ignore_errors=True)
        except OSError:  # its process lives
            continue
        finally:
            os.close(descriptor)
