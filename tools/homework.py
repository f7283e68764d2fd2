"""Make the homework: release versions of the lessons and a course folder that grades them.

``make homework`` writes ``_build/homework`` (or the folder that ``COURSE`` names):

- ``source/``, ``release/``: the lessons with and without solutions, by nbgrader's own tools;
- ``gradebook.db``, ``nbgrader_config.py``, ``grade.py``: all that grading takes;
- ``syllabus.csv``: every exercise and its points;
- ``submitted/``: where submissions go. Whatever is there, and the gradebook, is never removed.

The instructor's own hidden tests stand in a private folder, one file a test cell,
``<private>/<lesson>/<grade_id>.py``; they are added to the hidden tests of that cell.
"""

from __future__ import annotations

import argparse
import csv
import os
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import nbformat
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = ROOT / "homework"
TEMPLATE_FILES = ("nbgrader_config.py", "grade.py", "README.md", "Dockerfile")
BEGIN_HIDDEN, END_HIDDEN = "### BEGIN HIDDEN TESTS", "### END HIDDEN TESTS"


class HomeworkError(RuntimeError):
    """The homework could not be made; the message says why."""


@dataclass(frozen=True)
class Exercise:
    """One row of the syllabus."""

    lesson: str
    grade_id: str
    title: str
    points: float


def lessons(root: Path = ROOT) -> list[Path]:
    """Return the lessons' notebooks in order."""
    return sorted((root / "notebooks").glob("[0-9][0-9]_*.ipynb"))


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


def add_private_tests(notebook: NotebookNode, folder: Path) -> None:
    """Add the instructor's own tests, ``folder/<grade_id>.py``, to the hidden tests.

    Raises:
        HomeworkError: If a file belongs to no test cell of the notebook.
    """
    cells = {cell.metadata.nbgrader.grade_id: cell for _, cell in test_cells(notebook)}
    for path in sorted(folder.glob("*.py")):
        if path.stem not in cells:
            known = ", ".join(cells)
            raise HomeworkError(f"{path}: there is no test cell {path.stem!r}; there are: {known}")
        cell, tests = cells[path.stem], path.read_text().rstrip()
        if END_HIDDEN in cell.source:
            cell.source = cell.source.replace(END_HIDDEN, f"{tests}\n{END_HIDDEN}", 1)
        else:
            cell.source += f"\n{BEGIN_HIDDEN}\n{tests}\n{END_HIDDEN}"


def write_source(path: Path, course: Path, private: Path | None) -> None:
    """Write the instructor version of one lesson into the course folder."""
    notebook = nbformat.read(path, as_version=4)
    if private is not None:
        add_private_tests(notebook, private / path.stem)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    # The hash and the timings belong to the published outputs, which the student's copy lacks.
    notebook.metadata.pop("gdm", None)
    target = course / "source" / path.stem / path.name
    target.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, target)


def release(course: Path, stems: list[str]) -> None:
    """Make the release versions with nbgrader's ``generate_assignment``."""
    # Imported here: the syllabus alone needs no nbgrader.
    from nbgrader.apps import NbGraderAPI
    from traitlets.config.loader import PyFileConfigLoader

    config = PyFileConfigLoader("nbgrader_config.py", path=str(course)).load_config()
    api = NbGraderAPI(config=config)
    for stem in stems:
        outcome = api.generate_assignment(stem, force=True)
        if not outcome["success"]:
            details = outcome.get("log") or outcome.get("error")
            raise HomeworkError(f"{stem}: nbgrader could not make the release:\n{details}")


def write_syllabus(path: Path, exercises: list[Exercise]) -> None:
    """Write the syllabus as CSV."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(field.name for field in fields(Exercise))
        writer.writerows(astuple(exercise) for exercise in exercises)


def build(course: Path, *, private: Path | None = None, root: Path = ROOT) -> list[Exercise]:
    """Make or renew the course folder and return its syllabus.

    Args:
        course: The folder to write; submissions, grades and the gradebook that are there stay.
        private: The folder of the instructor's own hidden tests.
        root: The repository.

    Raises:
        HomeworkError: If there is no lesson, a private test fits no cell, or nbgrader fails.
    """
    paths = lessons(root)
    if not paths:
        raise HomeworkError(f"there are no lessons in {root / 'notebooks'}")
    if private is not None and not private.is_dir():
        raise HomeworkError(f"{private}: there is no such folder of private tests")
    for made in ("source", "release"):
        shutil.rmtree(course / made, ignore_errors=True)
    (course / "submitted").mkdir(parents=True, exist_ok=True)
    for name in TEMPLATE_FILES:
        shutil.copy(root / "homework" / name, course / name)
    weights = root / "checkpoints"
    if weights.is_dir():
        shutil.copytree(weights, course / "checkpoints", dirs_exist_ok=True)
    for path in paths:
        write_source(path, course, private)
    release(course, [path.stem for path in paths])
    exercises = syllabus(paths)
    write_syllabus(course / "syllabus.csv", exercises)
    return exercises


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Make the homework's course folder.")
    parser.add_argument("--course", type=Path, default=ROOT / "_build" / "homework")
    parser.add_argument("--private", type=Path, help="folder of your own hidden tests")
    options = parser.parse_args(arguments)
    try:
        exercises = build(options.course.resolve(), private=options.private)
    except HomeworkError as error:
        print(f"make homework: {error}", file=sys.stderr)
        return 1
    for exercise in exercises:
        print(f"{exercise.lesson:<36} {exercise.points:>4g}  {exercise.title}")
    total = sum(exercise.points for exercise in exercises)
    print(f"{len(exercises)} exercises, {total:g} points; course folder: {options.course}")
    return 0


if __name__ == "__main__":
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    sys.exit(main())
