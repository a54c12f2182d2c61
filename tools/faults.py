"""Kill the genuine set-up of CmdStan twenty times at random moments, then let it finish: ``make faults``.

Half of the kills hit the download and the unpacking, half the build; every other one hits the Python alone.
It takes about twenty minutes. `tests/tools/test_install_faults.py` does the same with a stand-in, in seconds.
"""

import contextlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

COURSE = Path(__file__).parents[1]
KILLS = 20
INSTALL = (
    "import pathlib; from tools import install; install.install_cmdstan(pathlib.Path.home() / '.cmdstan')"
)
FIT = """
import helpers
fit = helpers.stan_model("funnel").sample(seed=1, show_progress=False, show_console=False)
assert fit.draws().shape[:2] == (1000, 4)
"""


def python(code: str, home: Path, **options) -> subprocess.Popen:
    """Start a Python for somebody with another home."""
    kept = {name: value for name, value in os.environ.items() if name not in ("CMDSTAN", "STAN_MODEL_CACHE")}
    environ = kept | {"HOME": str(home), "TMPDIR": str(home / "tmp"), "XDG_CACHE_HOME": str(home / ".cache")}
    return subprocess.Popen([sys.executable, "-c", code], cwd=COURSE, env=environ, **options)


def at_work(home: Path) -> list[psutil.Process]:
    """Find processes of that home."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get("HOME") == str(home):
                found.append(process)
    return found


def main() -> None:
    """Do it, and report."""
    random.seed(1)
    moments = [random.uniform(1, 25) for _ in range(KILLS // 2)]
    moments += [random.uniform(25, 120) for _ in range(KILLS // 2)]
    home = Path(tempfile.mkdtemp(prefix="faults-"))
    try:
        (home / "tmp").mkdir()
        slowest = 0.0
        for number, moment in enumerate(moments, start=1):
            process = python(INSTALL, home, start_new_session=True, stderr=subprocess.PIPE, text=True)
            time.sleep(moment)
            doing = process.poll()
            assert doing is None, f"it ended with {doing} after less than {moment:.0f} s"
            if number % 2:
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
            process.wait()
            end = time.monotonic()
            while left := at_work(home):
                assert time.monotonic() - end < 120, left
                time.sleep(0.1)
            slowest = max(slowest, time.monotonic() - end)
            said = os.read(process.stderr.fileno(), 100_000).decode().split("\n")[-2:]
            print(f"kill {number} after {moment:.0f} s; it said last: {said}", flush=True)
            assert not list((home / ".cmdstan").glob("cmdstan-*")), "something half made is taken for CmdStan"
        start = time.monotonic()
        assert python(INSTALL, home).wait() == 0
        print(f"the next one finished after {time.monotonic() - start:.0f} s")
        assert python(FIT, home).wait() == 0
        left = sorted(path.name for path in (home / ".cmdstan").iterdir())
        temporary = sorted(path.name for path in (home / "tmp").iterdir())
        print(f"in .cmdstan: {left}; temporary: {temporary}")
        print(f"processes outlived a kill by {slowest:.1f} s at most")
        assert not temporary
        *others, cmdstan = left
        assert others == [".setup.lock", "build.log"]
        assert re.fullmatch(r"cmdstan-\d+\.\d+\.\d+", cmdstan)
        assert at_work(home) == []
    finally:
        shutil.rmtree(home)


if __name__ == "__main__":
    main()
