"""What hosts are told fits the course: GitHub's workflows, Codespaces, notebook services, an old make."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

COURSE = Path(__file__).parents[2]
FILES = COURSE.glob(".github/workflows/*.yml")
WORKFLOWS = {path.stem: yaml.safe_load(path.read_text("utf-8")) for path in FILES}
ACTION = yaml.safe_load((COURSE / ".github" / "actions" / "course" / "action.yml").read_text("utf-8"))
DEVCONTAINER = json.loads((COURSE / ".devcontainer" / "devcontainer.json").read_text("utf-8"))
MAKEFILE = (COURSE / "Makefile").read_text("utf-8")
TARGETS = set(" ".join(re.findall(r"^([\w./ -]+):(?!=)", MAKEFILE, re.MULTILINE)).split())
by_workflow = pytest.mark.parametrize("name", WORKFLOWS)


def make_targets(text):
    """Words after `make` in the text of commands, without settings and what follows."""
    calls = re.findall(r"^\s*make ((?:[^\s&;|]+ ?)+)", text, re.MULTILINE)
    return {word for words in calls for word in words.split() if re.fullmatch(r"[\w./-]+", word)}


def called(content):
    """Targets of `make` that a workflow, or our action, calls."""
    jobs = [*content["jobs"].values()] if "jobs" in content else [content["runs"]]
    targets = make_targets("\n".join(step.get("run", "") for job in jobs for step in job["steps"]))
    for matrix in (job.get("strategy", {}).get("matrix", {}) for job in jobs):
        rows = [row["target"] for row in matrix.get("include", []) if "target" in row]
        targets |= {*matrix.get("target", []), *rows}
    return targets


@by_workflow
def test_a_workflow_calls_what_the_makefile_has_and_ends(name):
    assert called(WORKFLOWS[name])
    assert called(WORKFLOWS[name]) | called(ACTION) <= TARGETS
    assert WORKFLOWS[name]["permissions"] == {"contents": "read"}
    for job in WORKFLOWS[name]["jobs"].values():
        assert job["timeout-minutes"] <= 180
        assert job.get("permissions", {}).keys() <= {"pages", "id-token"}
        used = [step["uses"] for step in job["steps"] + ACTION["runs"]["steps"] if "uses" in step]
        pinned = r"actions/[\w-]+@v\d+|\./\.github/actions/\w+"
        assert [action for action in used if not re.fullmatch(pinned, action)] == []


def test_github_runs_whatever_ci_runs_elsewhere():
    elsewhere = make_targets((COURSE / ".ci" / "run").read_text("utf-8"))
    assert elsewhere
    assert elsewhere <= called(WORKFLOWS["test"]) | called(WORKFLOWS["nightly"])


def test_a_cached_cmdstan_belongs_to_one_set_up_and_one_compiler(tmp_path):
    steps = ACTION["runs"]["steps"]
    (key,) = [step["with"]["key"] for step in steps if step.get("uses", "").startswith("actions/cache@")]
    (hashed,) = re.findall(r"hashFiles\('(.*?)'\)", key)
    assert (COURSE / hashed).is_file()  # GitHub takes a missing file for an unchanged one.
    assert "steps.compiler.outputs.name" in key
    (compiler,) = [step["run"] for step in steps if step.get("id") == "compiler"]
    environ = os.environ | {"GITHUB_OUTPUT": str(tmp_path / "out")}
    subprocess.run(["bash", "-eo", "pipefail", "-c", compiler], env=environ, check=True)
    assert re.fullmatch(r"name=[A-Za-z0-9.-]*\d+\.\d+[A-Za-z0-9.-]*\n", (tmp_path / "out").read_text())


def test_codespaces_sets_up_with_the_python_of_the_course():
    assert f":{(COURSE / '.python-version').read_text().strip()}-" in DEVCONTAINER["image"]
    command = DEVCONTAINER["postCreateCommand"]
    assert make_targets(command) == {"setup"} <= TARGETS
    assert [script for script in re.findall(r"\S+\.py", command) if not (COURSE / script).is_file()] == []


def test_make_lab_in_codespaces_listens_where_it_is_forwarded():
    environ = os.environ | DEVCONTAINER["remoteEnv"]
    options = {"cwd": COURSE, "env": environ, "capture_output": True, "text": True, "check": True}
    said = subprocess.run(["make", "-s", "--dry-run", "--old-file=setup", "lab"], **options).stdout
    words = said.splitlines()[-1].split("lab ", 1)[1]
    words = subprocess.run(["bash", "-c", f"printf '%s\\n' {words}"], **options).stdout.splitlines()
    (port,) = DEVCONTAINER["forwardPorts"]
    assert f"--port={port}" in words
    assert list(DEVCONTAINER["portsAttributes"]) == [str(port)]
    (pattern,) = [word.split("=", 1)[1] for word in words if word.startswith("--ServerApp.allow_origin_pat=")]
    assert re.match(pattern, "https://a-name-8888.app.github.dev")
    assert not re.match(pattern, "https://a-name.app.github.dev.example.org")
    assert not re.match(pattern, "https://appagithubadev")


def test_the_makefile_needs_no_newer_make_than_a_mac_has():
    # macOS has GNU make 3.81; these came with 3.82 to 4.4.
    newer = r"\.ONESHELL|\.SHELLFLAGS|\.SHELLSTATUS|\.RECIPEPREFIX|\.EXTRA_PREREQS|\.WAIT|\.NOTINTERMEDIATE"
    newer += r"|\$\((file|guile|let|intcmp) |^[\w.-]+ *(!=|:::?=|\?:=) *|^[^#\t]*&:|--output-sync|--shuffle"
    newer += r"|^(undefine|load|-load) |: *private |^define .*="
    assert [line for line in MAKEFILE.splitlines() if re.search(newer, line)] == []


def test_make_lab_as_root_says_what_to_add_or_adds_it():
    make = ["make", "-s", "--old-file=setup", "BIN=/nowhere", "IS_ROOT=0", "lab"]
    done = subprocess.run([*make, "AS_ROOT="], cwd=COURSE, capture_output=True, text=True)
    assert 'add --allow-root, as in `make lab LAB="--allow-root"`' in done.stderr
    for option in ("AS_ROOT=--allow-root", "LAB=--allow-root"):
        command = [*make, "--dry-run", "AS_ROOT=", option]
        told = subprocess.run(command, cwd=COURSE, capture_output=True, text=True, check=True).stdout
        assert "be another user" not in told
        assert "--allow-root" in told.splitlines()[-1]
