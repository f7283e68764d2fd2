"""The graded notebook of a submission, which nbgrader's formgrader and feedback pages show."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook, new_output

from gdmlib._files import write_atomically

from .arrange import Step
from .sandbox import Run, StepResult

_OUTPUT = 5000  # characters of what a cell printed


def write_graded(course: Path, student: str, lesson: str, steps: Sequence[Step], run: Run) -> None:
    """Write ``autograded/<student>/<lesson>/<lesson>.ipynb``: what ran, and what came out."""
    path = course / "source" / lesson / f"{lesson}.ipynb"
    source = nbformat.read(path, as_version=4)
    results = {result.key: result for result in run.results}
    notebook = new_notebook(metadata=source.metadata)
    notebook.cells = _cells(source.cells, steps, results)
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
    path = graded_path(course, student, lesson)
    write_atomically(path, lambda part: nbformat.write(notebook, part))


def graded_path(course: Path, student: str, lesson: str) -> Path:
    """Return where the graded notebook of a submission lies."""
    return course / "autograded" / student / lesson / f"{lesson}.ipynb"


def _cells(
    official: list[NotebookNode], steps: Sequence[Step], results: dict[str, StepResult]
) -> list[NotebookNode]:
    """Return the lesson's cells with the student's among them, in the order in which they ran."""
    place = {_key(cell, number): number for number, cell in enumerate(official)}
    # What does not run, text and answers that are missing, comes before what follows it.
    ran = {place[step.key] for step in steps if step.key in place}
    waiting = [at for at in range(len(official)) if at not in ran]
    cells: list[NotebookNode] = []
    for step in steps:
        at = place.get(step.key)
        while at is not None and waiting and waiting[0] < at:
            cells.append(_empty(official[waiting.pop(0)]))
        cell = new_code_cell(step.source, metadata={} if at is None else official[at].metadata)
        cell.outputs = _outputs(results.get(step.key))
        cells.append(cell)
    return cells + [_empty(official[at]) for at in waiting]


def _empty(cell: NotebookNode) -> NotebookNode:
    """Return a cell that did not run: text as it is, an answer without anything in it."""
    if cell.cell_type != "code":
        return cell.copy()
    return new_code_cell("", metadata=cell.metadata)


def _key(cell: NotebookNode, number: int) -> str:
    """Return what `grading.official` calls a cell."""
    grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
    return grade_id or cell.get("id") or f"cell-{number}"


def _outputs(result: StepResult | None) -> list[NotebookNode]:
    """Return what a step printed, and its error."""
    outputs = []
    if result is not None and result.output:
        outputs.append(new_output("stream", name="stdout", text=result.output[:_OUTPUT]))
    if result is not None and result.outcome not in ("passed", "not-run"):
        name = result.error or result.outcome
        line = f"{name}: {result.message}" if result.message else name
        outputs.append(new_output("error", ename=name, evalue=result.message, traceback=[line]))
    return outputs
