"""Find, compile and cache Stan programs."""

import copy
import glob
import hashlib
import json
import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import platformdirs
from filelock import FileLock

CACHE_VARIABLE = "STAN_MODEL_CACHE"
UNUSED_SECONDS = 30 * 24 * 3600
INCLUDE = re.compile(r'^\s*#include\s+[<"]?([^>"\s]+)[>"]?', re.MULTILINE)


class StanError(ValueError):
    """Stan refused a program; the message is Stan's own, with line and caret."""

    def _render_traceback_(self) -> list[str]:
        # IPython prints these lines in place of a traceback: what is wrong is in the Stan program,
        # and the frames of the Python that asked for it would only push Stan's message off the screen.
        return str(self).splitlines()


def stan_file(name: str | os.PathLike) -> Path:
    """Path of a Stan program.

    Parameters
    ----------
    name
        Name of a program of the course, without ``.stan``, or the path of a ``.stan`` file. Names are
        looked up in the folder ``stan`` of the working directory, then of its parent (so that a lesson
        sees the programs beside it, which its reader edits), then where `helpers` itself was installed.

    Raises
    ------
    FileNotFoundError
        If there is no such program; the message lists those there are.
    """
    if str(name).endswith(".stan"):
        path = Path(name).expanduser().resolve()
        if not path.is_file():
            raise FileNotFoundError(f"no Stan program at {path}: check the path, or give a name")
        return path
    here = Path(__file__).resolve().parent
    folders = [Path.cwd() / "stan", Path.cwd().parent / "stan", here.parent / "stan", here / "stan"]
    for folder in folders:
        if (folder / f"{name}.stan").is_file():
            return folder / f"{name}.stan"
    known = sorted({path.stem for folder in folders for path in folder.glob("*.stan")})
    raise FileNotFoundError(f"no Stan program {str(name)!r}; there are {', '.join(known) or 'none'}")


def stan_model(name: str | os.PathLike, **options: Any):
    """Compile a Stan program, or take it from the cache.

    A program is compiled once for its text (with whatever it includes), the options and the CmdStan in
    use, however many processes ask at once. It is compiled in a temporary folder and moved into the cache
    only when it has run, so a compile that is killed leaves nothing that a later one could trip over. The
    program's own folder is never written to.

    Parameters
    ----------
    name
        Name of a program of the course, such as ``"centered"``, or the path of a ``.stan`` file.
    **options
        `stanc_options`, `cpp_options` and `user_header` of `cmdstanpy.CmdStanModel`.

    Returns
    -------
    cmdstanpy.CmdStanModel

    Raises
    ------
    FileNotFoundError
        If there is no such program.
    StanError
        If Stan or the C++ compiler refuses the program; the message is theirs.

    Notes
    -----
    The cache is the user's own: the platform's cache folder, or the one that the environment variable
    ``STAN_MODEL_CACHE`` names. Programs unused for 30 days are removed from it.
    """
    import cmdstanpy

    source = stan_file(name)
    unknown = options.keys() - {"stanc_options", "cpp_options", "user_header"}
    if unknown:
        raise TypeError(
            f"stan_model has no option {min(unknown)!r}: use stanc_options, cpp_options or user_header"
        )
    options = copy.deepcopy(options)
    stanc = options.setdefault("stanc_options", {})
    stanc["include-paths"] = [str(source.parent), *_as_list(stanc.get("include-paths", []))]
    entry = _cache() / f"{source.stem}-{_key(source, options)}"
    executable = entry / (source.stem + (".exe" if os.name == "nt" else ""))

    # CmdStan builds its own parts for new C++ options inside its own folder: those compiles take turns.
    lock = entry if not options.get("cpp_options") else entry.with_name("cpp-options")
    if not _runs(executable):
        with FileLock(f"{lock}.lock"):
            if not _runs(executable):  # another process may have compiled it while we waited
                _compile(source, entry, options)
    os.utime(entry)
    return cmdstanpy.CmdStanModel(
        stan_file=entry / source.name, exe_file=executable, stanc_options=options["stanc_options"]
    )


def _cache() -> Path:
    """Folder of the compiled programs, made if need be."""
    folder = os.environ.get(CACHE_VARIABLE) or platformdirs.user_cache_path("hierarchical-models") / "stan"
    folder = Path(folder).expanduser().resolve()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _as_list(value: str | list[str]) -> list[str]:
    return value.split(",") if isinstance(value, str) else list(value)


def _key(source: Path, options: dict) -> str:
    """Hash of all that decides what the compiled program does."""
    import cmdstanpy

    cmdstan = Path(cmdstanpy.cmdstan_path())
    parts = [json.dumps(options, sort_keys=True, default=str), str(cmdstan), str(cmdstanpy.cmdstan_version())]
    files = [cmdstan / "make" / "local", *_with_includes(source, options["stanc_options"]["include-paths"])]
    if "user_header" in options:
        files.append(Path(options["user_header"]))
    parts += [path.read_text("utf-8") if path.is_file() else "" for path in files]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _with_includes(source: Path, folders: list[str]) -> list[Path]:
    """Return the program and every file it includes, at any depth."""
    found, queue = [], [source]
    while queue:
        path = queue.pop()
        if path in found:
            continue
        found.append(path)
        for included in INCLUDE.findall(path.read_text("utf-8")):
            # one that is missing is left for Stan to report, with its line
            queue += [p for folder in folders if (p := Path(folder) / included).is_file()][:1]
    return found


def _runs(executable: Path) -> bool:
    """Whether a compiled program is there and starts: not cut short, its libraries where they were."""
    if not executable.is_file():
        return False
    try:
        return subprocess.run([executable, "info"], capture_output=True, timeout=60).returncode == 0
    except OSError:
        return False


def _compile(source: Path, entry: Path, options: dict) -> None:
    """Compile `source` into the cache folder `entry`; the caller holds its lock."""
    import cmdstanpy
    from cmdstanpy.compilation import CompilerOptions, stanc_path

    # Ask Stan first, about the reader's own file, so that its message names that file.
    flags = CompilerOptions(**options).compose_stanc(None)
    asked = subprocess.run([stanc_path(), *flags, "--info", source], capture_output=True, text=True)
    if asked.returncode:
        raise StanError(f"{source} does not compile:\n{asked.stderr.strip() or asked.stdout.strip()}")

    for leftover in entry.parent.glob(f"{glob.escape(entry.name)}.*.tmp"):  # of a compile that was killed
        shutil.rmtree(leftover, ignore_errors=True)
    print(f"compiling {source.name} (about 20 s, once) ...", file=sys.stderr, flush=True)
    folder = Path(tempfile.mkdtemp(dir=entry.parent, prefix=f"{entry.name}.", suffix=".tmp"))
    logger = logging.getLogger("cmdstanpy")

    def no_news(record):  # what cmdstanpy tells of a compile names the temporary folder only
        return record.levelno > logging.INFO

    logger.addFilter(no_news)
    try:
        program = shutil.copyfile(source, folder / source.name)
        try:
            model = cmdstanpy.CmdStanModel(stan_file=program, **copy.deepcopy(options))  # it adds to them
        except ValueError as error:
            raise StanError(f"{source} does not compile:\n{error}") from None
        if not _runs(Path(model.exe_file)):
            raise StanError(f"{source} compiles, but the result does not start: is the disk full?")
        for path in folder.iterdir():  # objects and C++ of no further use
            if path not in (program, Path(model.exe_file)):
                path.unlink()
        shutil.rmtree(entry, ignore_errors=True)  # it was there but did not run
        folder.rename(entry)
    finally:
        logger.removeFilter(no_news)
        shutil.rmtree(folder, ignore_errors=True)
    _prune(entry)


def _prune(newest: Path) -> None:
    """Remove programs that nobody has used for a month."""
    for entry in newest.parent.iterdir():
        if entry.is_dir() and time.time() - entry.stat().st_mtime > UNUSED_SECONDS:
            shutil.rmtree(entry, ignore_errors=True)
