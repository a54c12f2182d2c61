"""One line on what takes more than a few seconds, in plain ASCII on stderr, which the book leaves out."""

import contextlib
import re
import sys
import time
from collections.abc import Callable, Iterator

LATE = 3.0  # seconds that sampling takes before a line tells of it
ITERATION = re.compile(r"^(Chain \[\d+\] )?Iteration: +(\d+) / (\d+)")


def _say(text: str, end: str) -> None:
    print(text, end=end, file=sys.stderr, flush=True)


@contextlib.contextmanager
def compiling(name: str) -> Iterator[None]:
    """Say that a program is being compiled, and then how long it took."""
    start, ended = time.monotonic(), "failed after"
    _say(f"compiling {name} (about 20 s, once) ...", end="")
    try:
        yield
        ended = "took"
    finally:
        _say(f" {ended} {time.monotonic() - start:.0f} s", end="\n")


@contextlib.contextmanager
def sampling(name: str) -> Iterator[Callable[[int, str, int], None]]:
    """Say how far the chains are, in a line that replaces itself, once they have run for a while.

    What is yielded gets the number of chains, and a line that CmdStan prints, with the number of its process.
    """
    start, share, number, last = time.monotonic(), {}, 1, None

    def say(seconds: int, end: str = "") -> None:
        nonlocal last
        last = seconds
        _say(f"\rsampling {name} ... {sum(share.values()) / number:4.0%} in {seconds} s", end)

    def read(chains: int, line: str, process: int) -> None:
        nonlocal number
        if not (match := ITERATION.match(line)):
            return
        number, share[process, match[1]] = chains, int(match[2]) / int(match[3])
        seconds = time.monotonic() - start
        if seconds >= LATE and int(seconds) != last:  # once a second will do
            say(int(seconds))

    try:
        yield read
        number, share = 1, {"all": 1}  # CmdStan's last lines come after its end, and not to `read`
    finally:
        if last is not None:
            say(int(time.monotonic() - start), end="\n")
