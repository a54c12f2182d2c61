"""Find, compile and cache Stan programs."""

import contextlib
import copy
import difflib
import glob
import hashlib
import json
import logging
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs
from filelock import FileLock

from helpers.inputs import shown

if TYPE_CHECKING:
    import cmdstanpy
    from cmdstanpy.compilation import CompilerOptions

ROOM = 50_000_000  # bytes that a compile takes at most, in the cache and in the temporary folder
UNUSED_SECONDS = 30 * 24 * 3600
ENTRY = re.compile(r".+-[0-9a-f]{16}(\..+\.tmp)?")  # names in the cache that are ours
INCLUDE = re.compile(r'#include\s*(?:"([^"\n]*)"|<([^>\n]*)>|(\S+))')


class StanError(ValueError):
    """A program does not compile; the message is Stan's own, with line and caret, or the C++ compiler's."""

    def _render_traceback_(self) -> list[str]:
        # IPython prints these lines in place of a traceback: what is wrong is in the Stan program,
        # and the frames of the Python that asked for it would only push Stan's message off the screen.
        return str(self).splitlines()


def stan_file(name: str | os.PathLike) -> Path:
    """Path of a Stan program.

    Parameters
    ----------
    name : str or path
        Name of a program of the course, such as ``"centered"``, or the path of a ``.stan`` file. Names are
        looked up in the folder ``stan`` of the working directory, then of its parent (so that a lesson
        sees the programs beside it, which its reader edits), then where `helpers` itself was installed.

    Returns
    -------
    pathlib.Path
        The program, which exists.

    Raises
    ------
    FileNotFoundError
        If there is no such program; the message names the nearest, and lists those there are.
    TypeError
        If `name` is neither text nor a path, or empty.
    """
    if not isinstance(name, str | os.PathLike) or not str(name).strip("./ "):
        raise TypeError(f"name is {shown(name)}: give the name of a program, or the path of a .stan file")
    path = Path(name).expanduser()
    if path.suffix == ".stan" and (path.is_file() or len(path.parts) > 1):
        if not path.is_file():
            raise FileNotFoundError(f"no Stan program at {path.resolve()}: check the path")
        return path.resolve()
    folders = _folders()
    for folder in folders:
        if (folder / path.with_suffix(".stan")).is_file():
            return folder / path.with_suffix(".stan")
    known = sorted({program.stem for folder in folders for program in folder.glob("*.stan")})
    near = difflib.get_close_matches(path.with_suffix("").name.lower(), known, n=1)
    meant = f" (did you mean {near[0]!r}?)" if near else ""
    raise FileNotFoundError(f"no Stan program {str(name)!r}{meant}; there are {', '.join(known) or 'none'}")


def _folders() -> list[Path]:
    """Folders in which programs of the course are looked up, by order of preference."""
    here = Path(__file__).resolve().parent
    return [Path.cwd() / "stan", Path.cwd().parent / "stan", here.parent / "stan", here / "stan"]


def stan_model(name: str | os.PathLike, **options: Any) -> "cmdstanpy.CmdStanModel":
    """Compile a Stan program, or take it from the cache.

    A program is compiled once for its text (with whatever it includes), the options and the CmdStan in
    use, however many processes ask at once. It is compiled in a temporary folder and moved into the cache
    only when it has run, so a compile that is killed leaves nothing that a later one could trip over. The
    program's own folder is never written to.

    Parameters
    ----------
    name : str or path
        Name of a program of the course, such as ``"centered"``, or the path of a ``.stan`` file. What it
        includes may be beside it, or be the course's own ``tree.stanfunctions``.
    **options
        `stanc_options`, `cpp_options` and `user_header` of `cmdstanpy.CmdStanModel`.

    Returns
    -------
    cmdstanpy.CmdStanModel
        Compiled, and tried. What it samples goes into a temporary folder of this process, which a later
        process removes if this one is killed; if there is no room for the draws its `sample` says so.

    Raises
    ------
    FileNotFoundError
        If there is no such program.
    StanError
        If Stan or the C++ compiler refuses the program; the message is theirs.
    TypeError, ValueError
        If an option is not one of these three, or not one that cmdstanpy knows.
    OSError
        If the cache cannot be written, or if others could change what is in it; the message says where it
        is and how to move it.

    Notes
    -----
    The cache is the user's own: the platform's cache folder, or the one that the environment variable
    ``STAN_MODEL_CACHE`` names. Programs unused for 30 days are removed from it.

    ``STAN_MODEL_CACHE`` may also name a folder that somebody filled for all, such as root for a class. What
    it lacks goes into the user's own cache. A compiled program is run only if nobody but the user, root and
    the owner of this module (who could make the user run anything as it is) can change it, or put another
    in its place: all else is as if it were not there.
    """
    from cmdstanpy.compilation import CompilerOptions
    from cmdstanpy.utils import get_logger

    from helpers.scratch import claim

    # cmdstanpy sets up its log when it first speaks, over the level that a lesson chose: make it do so now
    level = logging.getLogger("cmdstanpy").level
    get_logger().setLevel(level or logging.getLogger("cmdstanpy").level)

    claim()
    source = stan_file(name)
    known = {"stanc_options", "cpp_options", "user_header"}
    if options.keys() - known:
        unknown = min(options.keys() - known)
        raise TypeError(
            f"stan_model has no option {unknown!r}: use stanc_options, cpp_options or user_header"
        )
    compiler = CompilerOptions(**copy.deepcopy(options))  # a copy, because cmdstanpy adds to dictionaries
    compiler.validate()
    for folder in (source.parent, *_folders()):  # a copy of a program may include what the original did
        if folder.is_dir():
            compiler.add_include_path(str(folder))
    key = f"{source.stem}-{_key(source, compiler)}"
    shared = os.environ.get("STAN_MODEL_CACHE")
    entry = Path(shared).expanduser().resolve() / key if shared else None
    if entry is None or _fault(entry / source.stem):
        entry = _cache() / key
        # CmdStan builds its own parts for new C++ options inside its own folder: those compiles take turns.
        lock = entry.with_name("cpp-options") if compiler.cpp_options else entry
        if _fault(entry / source.stem):
            with FileLock(f"{lock}.lock"):
                if _fault(entry / source.stem):  # another process may have compiled it while we waited
                    _compile(source, entry, compiler)
    with contextlib.suppress(OSError):  # a cache shared by a class: its owner keeps it in use
        os.utime(entry)
    return _model(entry / source.name, compiler, exe_file=entry / source.stem)


def _model(program: Path, compiler: "CompilerOptions", **options: Any) -> "cmdstanpy.CmdStanModel":
    from helpers.scratch import Model

    stanc, cpp = copy.deepcopy((compiler.stanc_options, compiler.cpp_options))
    header = compiler.user_header or None
    return Model(stan_file=program, stanc_options=stanc, cpp_options=cpp, user_header=header, **options)


def _cache() -> Path:
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


def _key(source: Path, compiler: "CompilerOptions") -> str:
    """Hash of the program, what it includes, the options and the CmdStan in use."""
    import cmdstanpy

    cmdstan = Path(cmdstanpy.cmdstan_path())
    stanc = {k: v for k, v in compiler.stanc_options.items() if k != "include-paths"}  # their files count
    flags = {name: os.environ.get(name) for name in ("CXX", "CXXFLAGS", "CPPFLAGS", "LDFLAGS", "LDLIBS")}
    parts = [stanc, compiler.cpp_options, flags, str(cmdstan), cmdstanpy.cmdstan_version()]
    files = [cmdstan / "make" / "local", Path.home() / ".config" / "stan" / "make.local"]
    files += _with_includes(source, compiler.stanc_options["include-paths"])
    if compiler.user_header:
        files.append(Path(compiler.user_header))
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode())
    for path in files:
        digest.update(hashlib.sha256(path.read_bytes() if path.is_file() else b"").digest())
    return digest.hexdigest()[:16]


def _with_includes(source: Path, folders: list[str]) -> list[Path]:
    """Return the program and every file it includes, at any depth."""
    found, queue = [], [source]
    while queue:
        path = queue.pop()
        if path in found:
            continue
        found.append(path)
        for names in INCLUDE.findall(path.read_text("utf-8", errors="replace")):
            # one that is missing is left for Stan to report, with its line
            queue += [file for folder in folders if (file := Path(folder, "".join(names))).is_file()][:1]
    return found


def _fault(executable: Path) -> str:
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


def _compile(source: Path, entry: Path, compiler: "CompilerOptions") -> None:
    """Compile `source` into the cache folder `entry`; the caller holds its lock."""
    from cmdstanpy.compilation import stanc_path

    # Ask Stan first, about the reader's own file, so that its message names that file.
    flags = compiler.compose_stanc(None)
    asked = subprocess.run([stanc_path(), *flags, "--info", source], capture_output=True, text=True)
    if asked.returncode:
        raise StanError(f"{source} does not compile:\n{asked.stderr.strip() or asked.stdout.strip()}")

    for place in (entry.parent, Path(tempfile.gettempdir())):
        if shutil.disk_usage(place).free < ROOM:
            raise OSError(f"no room in {place} to compile {source.name}: free {ROOM // 10**6} MB there")
    for leftover in entry.parent.glob(f"{glob.escape(entry.name)}.*.tmp"):  # of a compile that was killed
        shutil.rmtree(leftover, ignore_errors=True)
    print(f"compiling {source.name} (about 20 s, once) ...", file=sys.stderr, flush=True)
    folder = Path(tempfile.mkdtemp(dir=entry.parent, prefix=f"{entry.name}.", suffix=".tmp"))
    folder.chmod(entry.parent.stat().st_mode & 0o777)  # whoever may read the cache may read what is in it
    logger = logging.getLogger("cmdstanpy")

    def no_news(record):  # what cmdstanpy tells of a compile names the temporary folder only
        return record.levelno > logging.INFO

    logger.addFilter(no_news)
    try:
        program, executable = folder / source.name, folder / source.stem
        shutil.copyfile(source, program)
        try:
            _model(program, compiler)
        except ValueError as error:
            hint = "run it again; if that fails too, is the disk full, or was the cache deleted meanwhile?"
            raise StanError(f"Stan accepts {source}, but the C++ compiler fails: {hint}\n{error}") from None
        for path in (folder, *folder.iterdir()):
            path.chmod(path.stat().st_mode & ~0o022)  # a umask may let the group write
        if fault := _fault(executable):
            raise StanError(f"{source} compiles, but the result does not start: {fault}")
        for path in folder.iterdir():  # objects and C++ of no further use
            if path not in (program, executable):
                path.unlink()
        if entry.exists():  # it did not start; a program that still runs may keep the name busy
            entry.rename(folder.with_suffix(".old.tmp"))
        folder.rename(entry)
    finally:
        logger.removeFilter(no_news)
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(folder.with_suffix(".old.tmp"), ignore_errors=True)
    _prune(entry.parent)


def _prune(cache: Path) -> None:
    """Remove programs that nobody has used for a month."""
    for entry in cache.iterdir():
        ours = ENTRY.fullmatch(entry.name) and entry.is_dir()
        if ours and time.time() - entry.stat().st_mtime > UNUSED_SECONDS:
            shutil.rmtree(entry, ignore_errors=True)
