"""The exercises of a course and their points: the table ``syllabus.csv``."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import nbformat
from nbformat import NotebookNode


@dataclass(frozen=True)
class Exercise:
    """One row of the syllabus."""

    lesson: str
    grade_id: str
    title: str
    points: float


def test_cells(notebook: NotebookNode) -> Iterator[tuple[str, NotebookNode]]:
    """Yield (title of the exercise, test cell) of each autograded cell, in order."""
    title = ""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            headings = re.findall(r"^#{2,4} (Exercise .+)$", cell.source, flags=re.MULTILINE)
            title = headings[-1] if headings else title
        elif cell.metadata.get("nbgrader", {}).get("grade"):
            yield title, cell


def syllabus(paths: list[Path]) -> list[Exercise]:
    """Return every exercise of these lessons and its points."""
    return [
        Exercise(path.stem, cell.metadata.nbgrader.grade_id, title, cell.metadata.nbgrader.points)
        for path in paths
        for title, cell in test_cells(nbformat.read(path, as_version=4))
    ]


def write_syllabus(path: Path, exercises: list[Exercise]) -> None:
    """Write the syllabus as CSV."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(field.name for field in fields(Exercise))
        writer.writerows(astuple(exercise) for exercise in exercises)
