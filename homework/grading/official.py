"""The lesson as the instructor wrote it, which is what runs whatever a student handed in."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import astuple, dataclass
from pathlib import Path

from gdmlib.handin.notebook import StudentCell, read_cells

# Below a heading of this form everything belongs to that exercise.
_HEADING = re.compile(r"^#{2,4} (Exercise .+)$", flags=re.MULTILINE)


class LessonError(Exception):
    """The course folder does not hold this lesson; the message says which file is missing."""


@dataclass(frozen=True)
class Cell:
    """One cell of the lesson.

    Attributes:
        key: What names it: the ``grade_id``, else the cell's id; no two cells have the same.
        kind: ``"markdown"``, ``"given"``, ``"solution"`` or ``"test"``.
        source: The instructor's text, with the solution or the hidden tests.
        visible: What students got instead: the open stub, the visible tests.
        points: What the test earns; 0 for other cells.
        title: The exercise, such as ``"Exercise 2.1 · Another family"``; empty outside exercises.
    """

    key: str
    kind: str
    source: str
    visible: str
    points: float = 0.0
    title: str = ""


@dataclass(frozen=True)
class Official:
    """A lesson: its cells in order, and a digest that changes when one of them does."""

    lesson: str
    cells: tuple[Cell, ...]
    digest: str


def lessons(course: Path) -> list[str]:
    """Return the names of the lessons that the course folder holds, in order."""
    found = (course / "source").glob("*/*.ipynb")
    return sorted(path.stem for path in found if path.stem == path.parent.name)


def official(course: Path, lesson: str) -> Official:
    """Return a lesson of the course folder, from its source and its release.

    Raises:
        LessonError: If either is not there, or they do not belong together.
    """
    sources, releases = (_read(course / kind / lesson / f"{lesson}.ipynb") for kind in _KINDS)
    if [cell.kind for cell in sources] != [cell.kind for cell in releases]:
        raise LessonError(
            f"source/{lesson} and release/{lesson} have different cells: make the homework again"
        )
    cells, title = [], ""
    for number, (cell, released) in enumerate(zip(sources, releases, strict=True)):
        kind = _kind(cell)
        if kind == "markdown":
            title = heading(cell.source, title)
        key = cell.grade_id or cell.cell_id or f"cell-{number}"
        points = cell.points if kind in ("test", "solution") else 0.0
        exercise = title if kind in ("test", "solution") else ""
        cells.append(Cell(key, kind, cell.source, released.source, points, exercise))
    listed = json.dumps([astuple(cell) for cell in cells])
    return Official(lesson, tuple(cells), hashlib.sha256(listed.encode()).hexdigest())


_KINDS = ("source", "release")


def _read(path: Path) -> list[StudentCell]:
    """Return the cells of one of our own notebooks."""
    if not path.is_file():
        raise LessonError(f"there is no {path}: make the homework again")
    return read_cells(path.read_bytes())


def _kind(cell: StudentCell) -> str:
    """Return what a cell of ours is for."""
    if cell.kind != "code":
        return "markdown"
    if cell.solution:
        return "solution"
    return "test" if cell.grade else "given"


def heading(text: str, before: str) -> str:
    """Return the exercise that a text opens, else the one that was open."""
    headings = _HEADING.findall(text)
    return headings[-1].strip() if headings else before
