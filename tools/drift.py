"""Try the course with other versions of its packages: ``make future`` and ``make floor``.

``future`` takes the newest release of everything that ``pyproject.toml`` lets in, ``floor`` the oldest of
what it names. Each has an environment of its own in ``_build``, runs the tests there, builds the book, and
reports: ``_build/future.md``, ``_build/floor.md``. Words after the name go to pytest; then there is no book.
"""

import json
import os
import re
import subprocess
import sys
import tomllib
import xml.etree.ElementTree as ET
from importlib.metadata import distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

COURSE = Path(__file__).parent.parent
UV = Path(sys.executable).parent / "uv"
HOW = {"future": ["--upgrade"], "floor": ["--resolution", "lowest-direct"]}


def run(*command) -> subprocess.CompletedProcess:
    """Run a command that has to succeed; return what it printed."""
    return subprocess.run(
        [str(word) for word in command], cwd=COURSE, check=True, stdout=subprocess.PIPE, text=True
    )


def pins(text: str) -> dict[str, str]:
    """Versions in the text of a file of requirements."""
    return {
        canonicalize_name(name): version
        for name, version in re.findall(r"^([\w.-]+)==([^\s;\\]+)", text, re.M)
    }


def install(kind: str, folder: Path) -> Path:
    """Make the environment; return its Python."""
    chosen, venv = folder / "requirements.txt", folder / ".venv"
    chosen.unlink(missing_ok=True)  # uv would keep what stands there
    quiet = ["--quiet", "--no-header", "--no-annotate", "--no-emit-index-url"]
    asked = ["--group", "dev", "--python", sys.executable, *HOW[kind], "-o", chosen, "pyproject.toml"]
    run(UV, "pip", "compile", *quiet, *asked)
    run(UV, "venv", "--quiet", "--clear", "--python", sys.executable, venv)
    python = venv / "bin" / "python"
    run(UV, "pip", "sync", "--quiet", "--python", python, chosen)
    course = ["--no-deps", "--no-build-isolation", "--python", python, "-e", COURSE]
    run(UV, "pip", "install", "--quiet", *course)
    return python


def held_back(python: Path) -> list[tuple[str, str, str, str]]:
    """Find packages of which there is a newer release: name, version here, newest, and who excludes that."""
    outdated = json.loads(run(UV, "pip", "list", "--outdated", "--format=json", "--python", python).stdout)
    (site,) = python.parent.parent.glob("lib/python*/site-packages")
    installed = [(found.metadata["Name"], found.requires or []) for found in distributions(path=[str(site)])]
    asked = tomllib.loads((COURSE / "pyproject.toml").read_text("utf-8"))["dependency-groups"]["dev"]
    installed.append(("pyproject.toml", asked))
    rows = []
    for package in outdated:
        wants = [
            f"{who} ({asked.specifier})"
            for who, words in installed
            for asked in map(Requirement, words)
            if canonicalize_name(asked.name) == canonicalize_name(package["name"])
            and (asked.marker is None or asked.marker.evaluate({"extra": ""}))
            and package["latest_version"] not in asked.specifier
        ]
        rows.append(
            (package["name"], package["version"], package["latest_version"], ", ".join(sorted(set(wants))))
        )
    return rows


def outcome(report: Path) -> tuple[str, list[str]]:
    """Read counts, and names of the tests that failed, from pytest's report."""
    suite = ET.parse(report).getroot().find("testsuite")
    bad = [
        f"{case.get('classname')}::{case.get('name')}"
        for case in suite.iter("testcase")
        if case.find("failure") is not None or case.find("error") is not None
    ]
    total, skipped = int(suite.get("tests")), int(suite.get("skipped"))
    return f"{total - skipped - len(bad)} passed, {len(bad)} failed, {skipped} skipped", bad


def table(head: str, rows: list[tuple]) -> str:
    """Lay out rows as Markdown."""
    lines = [f"| {head} |", "|" + "---|" * (head.count("|") + 1)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def main(kind: str, asked: list[str]) -> int:
    """Try one kind; return 0 if all held."""
    folder = COURSE / "_build" / kind
    folder.mkdir(parents=True, exist_ok=True)
    python = install(kind, folder)
    locked, here = (
        pins((COURSE / "requirements.txt").read_text()),
        pins((folder / "requirements.txt").read_text()),
    )
    environ = os.environ | {"PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}"}
    report = folder / "tests.xml"
    report.unlink(missing_ok=True)
    words = ["-n", "auto", f"--junitxml={report}", *asked]
    done = subprocess.run([python, "-m", "pytest", *words], cwd=COURSE, env=environ)
    counts, bad = outcome(report) if report.exists() else ("they did not start", [])
    built = 0
    if not asked:
        book = [
            "-m",
            "jupyter_book.cli.main",
            "build",
            ".",
            "-W",
            "-n",
            "--keep-going",
            "--path-output",
            folder,
        ]
        run(python, "tools/compile.py")
        built = subprocess.run(
            [python, *book], cwd=COURSE, env=environ | {"BOKEH_RESOURCES": "cdn"}
        ).returncode
    changed = sorted(
        (name, locked.get(name, "—"), here[name]) for name in here if here[name] != locked.get(name)
    )
    parts = [
        f"# make {kind}",
        f"Python {sys.version.split()[0]}; {len(here)} packages, {len(changed)} not as locked.",
        f"- tests: {counts}",
        *(f"  - {name}" for name in bad),
        f"- book: {'not tried' if asked else 'built' if built == 0 else 'does not build'}",
        table(f"package | locked | {kind}", changed),
    ]
    if kind == "future":
        parts += ["Held back:", table("package | here | newest | because of", held_back(python))]
    text = "\n\n".join(parts).replace("\n\n- ", "\n- ").replace("\n\n  - ", "\n  - ") + "\n"
    folder.with_suffix(".md").write_text(text, "utf-8")
    print(text)
    return 1 if done.returncode or built else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
