"""A current compiler of Stan programs, beside that of CmdStan 2.27: readers have the one or the other."""

import os
import platform
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import platformdirs
import pytest

VERSION = "2.39.0"
WHEEL = "httpstan==4.17.0"  # carries it; nothing else of it is used
SHA256 = "7f73e29a415718ddc45e4703c0253a9d4adc6a21aa7110ccf36821a0f94202cd"
TAGS = ["--only-binary=:all:", "--platform=manylinux2014_x86_64", "--python-version=3.12"]


def current_stanc() -> Path:
    """Path of the compiler, downloaded the first time; without it the test is skipped, in CI it fails."""
    path = platformdirs.user_cache_path("hierarchical-models") / f"stanc-{VERSION}"
    if path.is_file():
        return path
    with tempfile.TemporaryDirectory() as folder:
        pin = Path(folder, "pin.txt")
        pin.write_text(f"{WHEEL} --hash=sha256:{SHA256}\n")
        words = ["download", "--quiet", "--no-deps", "--require-hashes", *TAGS, "-r", pin, "-d", folder]
        here = (platform.system(), platform.machine()) == ("Linux", "x86_64")
        if not here or subprocess.run([sys.executable, "-m", "pip", *words]).returncode != 0:
            if os.environ.get("CI"):
                pytest.fail(f"no {WHEEL} from the package index")
            pytest.skip(f"needs {WHEEL}, for Linux on x86-64, from the package index")
        (wheel,) = Path(folder).glob("*.whl")
        path.parent.mkdir(parents=True, exist_ok=True)
        half = path.with_name(f"{path.name}.{os.getpid()}")
        half.write_bytes(zipfile.ZipFile(wheel).read("httpstan/stanc"))
        half.chmod(0o755)
        return half.rename(path)


def objections(program: Path, include: Path) -> str:
    """What the current compiler says of a program: nothing if all is well."""
    asked = [current_stanc(), f"--include-paths={include}", f"--o={os.devnull}", program]
    checked = subprocess.run(asked, capture_output=True, text=True)
    said = checked.stdout + checked.stderr
    return said or ("" if checked.returncode == 0 else f"it ended with {checked.returncode}")
