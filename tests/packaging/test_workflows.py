"""Workflows run pinned actions with the least rights, and what can publish runs no project code."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml

# A commit of a public action, and beside it the release that it is.
PINNED = re.compile(r"uses: (?P<action>[\w./-]+)@(?P<commit>[0-9a-f]{40}) # v\d+\.\d+\.\d+$")
# The only thing that a job which can publish may do.
DEPLOYMENT = "actions/deploy-pages"
# Started by strangers, these run with the rights of the repository.
UNSAFE_TRIGGERS = {"pull_request_target", "workflow_run", "issue_comment"}


def paths(root: Path) -> list[Path]:
    return sorted((root / ".github" / "workflows").glob("*.y*ml"))


def writes(permissions: object) -> bool:
    """Say whether these permissions let a job change or sign anything; None is the default, all."""
    if isinstance(permissions, dict):
        return any(right == "write" for right in permissions.values())
    return permissions not in ("read-all", {})


def unpinned(text: str) -> list[str]:
    uses = [line.strip().removeprefix("- ") for line in text.splitlines() if "uses:" in line]
    return [f"not a commit and its release: {line}" for line in uses if not PINNED.match(line)]


def job_faults(name: str, job: dict) -> list[str]:
    """Return what is wrong with one job: it publishes and runs something, or keeps the token."""
    found = []
    steps = job.get("steps", [])
    if writes(job.get("permissions", "read-all")):
        found += [
            f"{name} can write and runs {step.get('run') or step['uses']!r}"
            for step in steps
            if not step.get("uses", "").startswith(f"{DEPLOYMENT}@")
        ]
    for step in steps:
        if "checkout" in step.get("uses", "") and step.get("with", {}).get(
            "persist-credentials", True
        ):
            found.append(f"{name} leaves its token in the checkout")
        if "${{" in step.get("run", ""):
            found.append(f"{name} pastes an expression into a shell: hand it over by env")
    return found


def faults(text: str) -> list[str]:
    """Return everything that is wrong with a workflow."""
    workflow = yaml.safe_load(text)
    triggers = workflow[True]  # YAML reads the key `on` as a truth value
    found = unpinned(text)
    found += [f"trigger {name}" for name in UNSAFE_TRIGGERS.intersection(triggers)]
    if writes(workflow.get("permissions")):
        found.append("its default permissions can write")
    for name, job in workflow["jobs"].items():
        found += job_faults(name, job)
        if "self-hosted" in job["runs-on"] and "pull_request" in triggers:
            found.append(f"{name} runs strangers' code on a machine of ours")
    return found


def test_workflows_are_safe(root: Path) -> None:
    assert len(paths(root)) >= 5
    assert {path.name: faults(path.read_text()) for path in paths(root)} == {
        path.name: [] for path in paths(root)
    }


def test_one_action_has_one_commit(root: Path) -> None:
    commits: dict[str, set[str]] = {}
    for path in paths(root):
        for match in map(PINNED.search, path.read_text().splitlines()):
            if match:
                commits.setdefault(match["action"], set()).add(match["commit"])
    assert {action: len(found) for action, found in commits.items()} == dict.fromkeys(commits, 1)
    assert DEPLOYMENT in commits


# Rooms of the library whose tests need more than the library installs.
ELSEWHERE = {"handin", "reproduce"}


def test_the_matrix_of_dependencies_tests_every_room_of_the_library(root: Path) -> None:
    rooms = {path.parent.name for path in (root / "gdmlib").glob("[!_]*/__init__.py")} - ELSEWHERE
    text = (root / ".github" / "workflows" / "dependencies.yml").read_text()
    named = set(re.findall(r"tests/(\w+)(?=\s)", text))
    assert rooms - named == set()
    assert [room for room in sorted(named) if not (root / "tests" / room).is_dir()] == []


# What installs pytest together with all that the project's settings of it ask for.
WHOLE = ("make ", "bash .ci/run")


def lacks(text: str) -> list[str]:
    """Return the jobs that call pytest without the plugin that its settings need."""
    jobs = yaml.safe_load(text)["jobs"]
    runs = {name: "\n".join(s.get("run", "") for s in job["steps"]) for name, job in jobs.items()}
    return [
        name
        for name, run in runs.items()
        if "-m pytest" in run and "pytest-timeout" not in run and not any(w in run for w in WHOLE)
    ]


def test_whoever_calls_pytest_has_what_its_settings_need(root: Path) -> None:
    settings = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    assert "timeout" in settings and "--strict-config" in settings["addopts"]
    assert {path.name: lacks(path.read_text()) for path in paths(root)} == {
        path.name: [] for path in paths(root)
    }
    colab = (root / ".github" / "workflows" / "colab.yml").read_text()
    assert lacks(colab.replace(" pytest-timeout", "")) == ["lessons"]


# (what is wrong, the workflow it is planted in, what stands there, what is put there)
BROKEN = [
    ("not a commit", "pages.yml", r"deploy-pages@.*", "deploy-pages@v5"),
    ("not a commit", "test.yml", r"(checkout@[0-9a-f]{39})[0-9a-f] # .*", r"\1 # v7.0.1"),
    ("not a commit", "test.yml", r"(checkout@[0-9a-f]{40}) # .*", r"\1"),
    ("can write and runs", "pages.yml", r"( +)- id: deploy", r"\1- run: make book\n\g<0>"),
    ("can write and runs", "pages.yml", r"deploy-pages@", "upload-pages-artifact@"),
    ("default permissions", "pages.yml", r"(?m)^  contents: read", "  id-token: write"),
    ("default permissions", "links.yml", r"(?m)^permissions:\n  contents: read\n", ""),
    ("default permissions", "links.yml", r"(?m)^permissions:\n.*", "permissions: write-all"),
    ("leaves its token", "links.yml", r"persist-credentials: false", "fetch-depth: 1"),
    ("pastes an expression", "test.yml", r"bash .ci/run", "bash .ci/run ${{ github.head_ref }}"),
    ("trigger pull_request_target", "test.yml", r"(?m)^  pull_request:", "  pull_request_target:"),
    ("machine of ours", "gpu.yml", r"(?m)^on:", "on:\n  pull_request:"),
]


@pytest.mark.parametrize(("fault", "name", "there", "planted"), BROKEN)
def test_an_unsafe_workflow_is_noticed(
    root: Path, fault: str, name: str, there: str, planted: str
) -> None:
    text = (root / ".github" / "workflows" / name).read_text()
    broken, count = re.subn(there, planted, text, count=1)
    assert count == 1
    assert [found for found in faults(broken) if fault in found], faults(broken)
