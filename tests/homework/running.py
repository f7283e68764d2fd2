"""Steps to run in the sandbox, and a course folder that holds little."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from grading.sandbox import Run, StepResult


@dataclass(frozen=True)
class Step:
    """A piece of code to run, as `grading.arrange` hands it on."""

    kind: str
    key: str
    source: str
    title: str = ""


def given(source: str, key: str = "given") -> Step:
    return Step("given", key, source)


def own(source: str, key: str = "own") -> Step:
    return Step("own", key, source)


def check(source: str, key: str = "test") -> Step:
    return Step("test", key, source)


def became(run: Run) -> dict[str, StepResult]:
    """Return the results of a run by the keys of the steps."""
    return {result.key: result for result in run.results}


def outcomes(run: Run) -> dict[str, str]:
    return {result.key: result.outcome for result in run.results}


def lesson_steps(notebook: Path) -> list[Step]:
    """Return the steps of a lesson whose exercises are solved as the lesson solves them."""
    steps = []
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            grading = cell["metadata"].get("nbgrader", {})
            kind = "test" if grading.get("grade") else "own" if grading else "given"
            steps.append(Step(kind, cell["id"], "".join(cell["source"])))
    return steps


def bare_course(folder: Path, root: Path, *stems: str) -> Path:
    """Make a course folder that holds some lessons' notebooks and the weights."""
    for stem in stems:
        target = folder / "source" / stem
        target.mkdir(parents=True)
        shutil.copy(root / "notebooks" / f"{stem}.ipynb", target)
    shutil.copytree(root / "checkpoints", folder / "checkpoints")
    return folder
