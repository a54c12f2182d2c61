"""Find, compile and cache Stan programs."""

import contextlib
import copy
import difflib
import errno
import functools
import hashlib
import json
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from helpers.compiling.cache import find, own_folder, prune, store
from helpers.compiling.compiler import Program, ask_stan, gather, run_make, temporary_folder
from helpers.compiling.originals import edited
from helpers.compiling.progress import compiling
from helpers.inputs import short_repr

if TYPE_CHECKING:
    import cmdstanpy
    from cmdstanpy.compilation import CompilerOptions

ROOM_TO_COMPILE = 50_000_000  # bytes that it takes at most, in the cache and in the temporary folder


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
        raise TypeError(
            f"name is {short_repr(name)}: give the name of a program, or the path of a .stan file"
        )
    path = Path(name).expanduser()
    if path.suffix == ".stan" and (path.is_file() or len(path.parts) > 1):
        if not path.is_file():
            raise FileNotFoundError(f"no Stan program at {path.resolve()}: check the path")
        return path.resolve()
    folders = _folders()
    path = path if path.suffix == ".stan" else path.with_name(f"{path.name}.stan")  # model.v2 has no suffix
    for folder in folders:
        if (folder / path).is_file():
            return folder / path
    beside = {program.name for program in Path.cwd().glob("*.stan")}
    known = sorted({program.stem for folder in folders for program in folder.glob("*.stan")} | beside)
    near = difflib.get_close_matches(path.stem.lower(), known, n=1)
    meant = f" (did you mean {near[0]!r}?)" if near else ""
    raise FileNotFoundError(f"no Stan program {str(name)!r}{meant}; there are {', '.join(known) or 'none'}")


def _folders() -> list[Path]:
    """Folders in which programs of the course are looked up, by order of preference."""
    here = Path(__file__).resolve().parent
    places = [Path.cwd(), Path.cwd().parent, here.parent, here]
    return [folder for place in places if (folder := place / "stan").is_dir()]


def program_files(name: str | os.PathLike) -> dict[str, str]:
    """Read a program and all that it includes: texts by name, which compile side by side in any folder."""
    source = stan_file(name)
    return gather(source, [source.parent, *_folders()]).texts


def stan_model(name: str | os.PathLike, **options: Any) -> "cmdstanpy.CmdStanModel":
    """Compile a Stan program, or take it from the cache.

    A program is compiled once for its text (with whatever it includes), the options and the CmdStan in
    use, however many processes ask at once. Nothing is left of a compile that is killed. The program's folder
    is never written to; it and the program may have any name, of which the model's has the letters, digits
    and underscores.

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
        Compiled, and tried. Its `sample` says nothing of a run of less than three seconds, and how far it is
        of a longer one (``show_progress=False``: nothing). If the program stops, it raises a
        `RuntimeError` with Stan's reason in one line, whose ``__cause__`` has the whole log; if there is no
        room for the draws, an `OSError`.

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
    The log of cmdstanpy is silent, unless a level is set for it: what stops a run is raised as an error,
    notes of the warm-up are harmless, and divergences stand in the samples. To read it,
    ``logging.getLogger("cmdstanpy").setLevel("INFO")``.

    The cache is the user's own: the platform's cache folder, or the one that the environment variable
    ``STAN_MODEL_CACHE`` names. Programs unused for 30 days are removed from it. The variable may also name a
    folder that root filled for a class; what it lacks goes into the user's own cache. A compiled program is
    run only if it, its folder and the cache belong to root or to the user, and nobody else can write there:
    all else is as if it were not there.
    """
    from cmdstanpy.compilation import CompilerOptions

    from helpers.compiling.model import Model

    _quieten()
    source = stan_file(name)
    known = {"stanc_options", "cpp_options", "user_header"}
    if options.keys() - known:
        unknown = min(options.keys() - known)
        raise TypeError(
            f"stan_model has no option {unknown!r}: use stanc_options, cpp_options or user_header"
        )
    options = copy.deepcopy(options)  # a copy, because cmdstanpy adds to dictionaries
    header = options.pop("user_header", None)
    compiler = CompilerOptions(**options)
    compiler.validate()
    if header:
        header = Path(header).expanduser().absolute()
        if not header.is_file():
            raise ValueError(f"no user_header at {header}: check the path")
        compiler.stanc_options["allow-undefined"] = True
    named = compiler.stanc_options.pop("include-paths", [])
    # a copy of a program may include what the original did
    program = gather(source, [*map(Path, named), source.parent, *_folders()])
    key = f"{program.name}-{_key(program, compiler, header)}"
    _tell_of_edits(source)
    executable = find(key, program.name)
    if not executable:
        entry = own_folder() / key
        with FileLock(f"{entry}.lock"):  # whoever waited here finds what another process compiled meanwhile
            executable = find(key, program.name) or _compile(program, entry, compiler, header)
    return Model(
        source.name,
        stan_file=executable.with_suffix(".stan"),
        exe_file=executable,
        stanc_options=compiler.stanc_options,
        cpp_options=compiler.cpp_options,
    )


def _tell_of_edits(source: Path) -> None:
    """Say so if a program of the course is not the course's any more: lessons and checks build on it."""
    if source.parent not in _folders():
        return
    names, command = edited(source.parent)
    if source.name in names:
        here = os.path.relpath(source)
        print(
            f"{here} was edited, and lessons build on it: `{command}` in a cell brings the course's back; "
            "to try something, edit a copy beside the lesson",
            file=sys.stderr,
        )


@functools.cache
def _quieten() -> None:
    """Silence the log of cmdstanpy, once, unless somebody has chosen what it says."""
    from cmdstanpy.utils import get_logger

    chosen = logging.getLogger("cmdstanpy").level
    logger = get_logger()  # this sets it up, with the level DEBUG, which nobody chose
    logger.setLevel(chosen if chosen > logging.DEBUG else logging.CRITICAL)


def _key(program: Program, compiler: "CompilerOptions", header: Path | None) -> str:
    """Hash of the program, what it includes, the options and the CmdStan in use."""
    import cmdstanpy

    cmdstan = Path(cmdstanpy.cmdstan_path())
    flags = {name: os.environ.get(name) for name in ("CXX", "CXXFLAGS", "CPPFLAGS", "LDFLAGS", "LDLIBS")}
    parts = [compiler.stanc_options, compiler.cpp_options, flags, cmdstan, cmdstanpy.cmdstan_version()]
    parts += [list(program.texts.items()), header]
    files = [cmdstan / "make" / "local", Path.home() / ".config" / "stan" / "make.local"]
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode())
    for path in files + [header] * bool(header):
        digest.update(hashlib.sha256(path.read_bytes() if path.is_file() else b"").digest())
    return digest.hexdigest()[:16]


def _compile(program: Program, entry: Path, compiler: "CompilerOptions", header: Path | None) -> Path:
    """Compile into the cache folder `entry`, whose lock the caller has."""
    disk = temporary_folder()
    with _room(disk, program), tempfile.TemporaryDirectory(dir=disk, ignore_cleanup_errors=True) as name:
        built = Path(name)
        program.write(built)
        ask_stan(program, built, compiler)
        with compiling(program.source.name):
            run_make(program, built, compiler, header)
        with _room(entry.parent, program):
            executable = store(built, [*program.texts, program.name], entry)
    prune(entry)
    return executable


@contextlib.contextmanager
def _room(folder: Path, program: Program) -> Iterator[None]:
    """Say where there is too little room to compile, before it is tried or when it has run out."""
    try:
        if shutil.disk_usage(folder).free < ROOM_TO_COMPILE:
            raise OSError(errno.ENOSPC, "too little")
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        name, room = program.source.name, ROOM_TO_COMPILE // 10**6
        raise OSError(f"no room in {folder} to compile {name}: free {room} MB there") from None
