"""Compiling Stan for pages goes through a kill, and is not done twice."""

import subprocess
import sys

import node
from test_sampler import build, scripts  # noqa: F401
from waiting import wait_for


def test_a_build_that_was_killed_leaves_nothing_that_counts_and_one_that_is_done_is_kept(scripts, tmp_path):
    program = tmp_path / "small.stan"
    program.write_text("parameters { real x; } model { x ~ std_normal(); }")
    out = tmp_path / "out"
    words = [
        sys.executable,
        "-c",
        KILLED.format(sampler=str(node.SAMPLER), program=str(program), out=str(out)),
    ]
    with subprocess.Popen(words, stderr=subprocess.DEVNULL) as killed:
        wait_for(lambda: list(out.glob("compiling-*/*.cpp")) or killed.poll() is not None)
        killed.kill()
    assert not list(out.glob("*.js"))
    build.build([program], out)
    assert sorted(path.name for path in out.iterdir()) == [".lock", "small.js"]
    written = (out / "small.js").stat().st_mtime_ns
    build.build([program], out)
    assert (out / "small.js").stat().st_mtime_ns == written
    before = build.key(program, out, "em++")
    program.write_text("parameters { real x; } model { x ~ normal(1, 1); }")
    assert build.key(program, out, "em++") != before != build.key(program, out, "another em++")


KILLED = """
import sys
import time
from pathlib import Path
from book.browser.stan import build
build.build([Path({program!r})], Path({out!r}))
"""
