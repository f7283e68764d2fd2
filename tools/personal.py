"""Copies of the lessons for each student of a course, with a seed of the student's own.

Opt-in: ``make homework COURSE=... STUDENTS=class.csv``. The list is kept as ``students.csv`` in the
course folder, and the seeds are computed from the course's ``key`` (`grading.personal`). What such
courses have beside the lessons stands in ``homework/personal/<lesson>/``: an exercise, and hidden
tests that draw their data with the seed, one file a test cell.
"""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from gdmlib._files import write_atomically
from gdmlib.handin.manifest import KEY, loads
from gdmlib.handin.personal import CELL_ID, mark, seed_cell
from tools.handin import put
from tools.notebooks import LESSON

# The grader is a package of the course folder, whose template this is.
sys.path.append(str(Path(__file__).resolve().parents[1] / "homework"))

from grading.key import KeyFileError, make_key
from grading.personal import STUDENTS, Personal, PersonalError, read_class

__all__ = [
    "STUDENTS", "KeyFileError", "PersonalError", "add_exercise", "add_seed", "of", "read_class",
    "write_copies",
]  # fmt: skip


def of(course: Path, students: Path | None) -> Personal | None:
    """Return the seeds of a course; None where it has no list of its students.

    Args:
        course: The course folder.
        students: A list that takes the place of the one that is there.

    Raises:
        PersonalError, KeyFileError: If the list or the key cannot be used.
    """
    if students is not None:
        data = students.read_bytes()
        make_key(course)
        write_atomically(course / STUDENTS, lambda part: part.write_bytes(data))
    return Personal.of(course)


def add_seed(notebook: NotebookNode) -> None:
    """Add the cell with the seed below the title; a student's own copy has another number."""
    notebook.cells.insert(1, new_code_cell(seed_cell(0), id=CELL_ID))


def add_exercise(notebook: NotebookNode, path: Path) -> None:
    """Add an exercise, where there is one for this lesson, below the last of its tests."""
    if path.is_file():
        graded = [i for i, cell in enumerate(notebook.cells) if "nbgrader" in cell.metadata]
        notebook.cells[graded[-1] + 1 : graded[-1] + 1] = nbformat.read(path, as_version=4).cells


def write_copies(course: Path, stems: list[str], seeds: Personal) -> None:
    """Write ``personal/<student>/<lesson>.ipynb`` in the place of those that are there."""
    folder = course / "personal"
    for path in folder.glob("*/*.ipynb"):
        if LESSON.fullmatch(path.stem):
            path.unlink()
    for stem in stems:
        release = nbformat.read(course / "release" / stem / f"{stem}.ipynb", as_version=4)
        manifest = loads(release.metadata[KEY])
        for person in seeds.roster.people:
            seed = seeds.seed(person.id, stem)
            cell = next(cell for cell in release.cells if cell.get("id") == CELL_ID)
            cell.source = seed_cell(seed)
            put(release, replace(manifest, personal=mark(seed, person.id)))
            path = folder / person.id / f"{stem}.ipynb"
            path.parent.mkdir(parents=True, exist_ok=True)
            nbformat.write(release, path)
    for place in folder.glob("*/"):
        if not any(place.iterdir()):
            shutil.rmtree(place)
