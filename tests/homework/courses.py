"""A tiny lesson that grades in seconds, and submissions of any lesson."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

TINY = "01_tiny"
DOUBLE = "def double(x):\n    ### BEGIN SOLUTION\n    return 2 * x\n    ### END SOLUTION"
DOUBLE_TEST = (
    "assert double(2) == 4, 'law of doubling: double(2) must be 4'\n"
    "### BEGIN HIDDEN TESTS\nassert double(-3) == -6, 'hidden: also below zero'\n"
    "### END HIDDEN TESTS"
)
HALF = "def half(x):\n    ### BEGIN SOLUTION\n    return x / 2\n    ### END SOLUTION"
HALF_TEST = "assert half(2) == 1, 'law of halving: half(2) must be 1'"


def script(name: str, root: Path) -> ModuleType:
    """Return a program of the course folder, such as ``grade.py``, as a module."""
    spec = importlib.util.spec_from_file_location(name, root / "homework" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def nothing_handed_in(course: Path, folder: Path) -> Path:
    """Make a folder a course with the lessons of another one, and return it."""
    for kind in ("source", "release"):
        (folder / kind).symlink_to(course / kind)
    (folder / "submitted").mkdir()
    return folder


def exercise_cell(source: str, grade_id: str, points: int | None = None) -> nbformat.NotebookNode:
    """Return a solution cell or, with points, a test cell."""
    metadata = {
        "grade": points is not None,
        "grade_id": grade_id,
        "locked": points is not None,
        "schema_version": 3,
        "solution": points is None,
        "task": False,
        "cell_type": "code",
    }
    if points is not None:
        metadata["points"] = points
    fold = {"tags": ["hide-input"], "jupyter": {"source_hidden": True}, "nbgrader": metadata}
    return new_code_cell(source, id=grade_id, metadata=fold)


def tiny_notebook() -> nbformat.NotebookNode:
    """Return a lesson of two exercises."""
    notebook = new_notebook(
        cells=[
            new_markdown_cell("# Tiny\n\n### Exercise 1.1 · Double it", id="title"),
            exercise_cell(DOUBLE, "double-solution"),
            exercise_cell(DOUBLE_TEST, "double-test", 2),
            new_markdown_cell("### Exercise 1.2 · Halve it", id="halve"),
            exercise_cell(HALF, "half-solution"),
            exercise_cell(HALF_TEST, "half-test", 3),
        ]
    )
    notebook.metadata.kernelspec = {
        "name": "python3",
        "display_name": "Python 3",
        "language": "python",
    }
    return notebook


def submit(course: Path, student: str, stem: str, edit: Callable | None = None) -> Path:
    """Submit the release of a lesson, edited, and return the submitted file."""
    path = course / "submitted" / student / stem / f"{stem}.ipynb"
    path.parent.mkdir(parents=True)
    notebook = nbformat.read(course / "release" / stem / f"{stem}.ipynb", as_version=4)
    if edit is not None:
        edit(notebook)
    nbformat.write(notebook, path)
    return path


def answers(replacements: dict[str, str]) -> Callable[[nbformat.NotebookNode], None]:
    """Return an edit that replaces solution cells, by grade_id."""

    def edit(notebook: nbformat.NotebookNode) -> None:
        left = dict(replacements)
        for cell in notebook.cells:
            grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
            if grade_id in left:
                cell.source = left.pop(grade_id)
        assert not left, f"no such exercise: {sorted(left)}"

    return edit


def solutions(path: Path) -> dict[str, str]:
    """Return the sources of a lesson's solution cells, by grade_id."""
    notebook = nbformat.read(path, as_version=4)
    return {
        cell.metadata.nbgrader.grade_id: cell.source
        for cell in notebook.cells
        if cell.metadata.get("nbgrader", {}).get("solution")
    }
