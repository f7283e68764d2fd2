"""Make the homework: release versions of the lessons and a course folder that grades them.

``make homework`` writes ``course/`` (or the folder that ``COURSE`` names):

- ``source/``, ``release/``: the lessons with and without solutions, by nbgrader's own tools;
- ``grade.py``, ``grading/``, ``nbgrader_config.py``, ``gradebook.db``: all that grading takes;
- ``library/``, ``Dockerfile``: the library's own sources, and a container that grades with them;
- ``syllabus.csv``: every exercise and its points;
- ``submitted/``: where submissions go. Whatever is there, and the gradebook, is never removed.

Where ``STUDENTS`` names a list of the class, or did so before, every student has copies of their
own in ``personal/<student>/``, with a seed that only the file ``key`` tells; see `tools.personal`.

The instructor's own hidden tests stand in a private folder, one file a test cell,
``<private>/<lesson>/<grade_id>.py``; they are added to the hidden tests of that cell.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
from filelock import FileLock, Timeout
from nbformat import NotebookNode

from gdmlib._files import check_writable
from gdmlib.handin.code import uses
from gdmlib.handin.personal import NAME
from tools import addresses, personal
from tools.handin import add_check, seal
from tools.handout import for_students
from tools.notebooks import LESSON, lessons
from tools.personal import KeyFileError, PersonalError
from tools.syllabus import Exercise, syllabus, test_cells, write_syllabus

ROOT = Path(__file__).resolve().parents[1]
COURSE = ROOT / "course"  # nothing that make clean removes lies in it
TEMPLATE = (
    "nbgrader_config.py", "grade.py", "export.py", "similar.py", "challenge.py",
    "README.md", "Dockerfile", ".dockerignore", "grading", "examples",
)  # fmt: skip
LIBRARY = ("pyproject.toml", "constraints.txt", "README.md", "LICENSE", "gdmlib", "results")
BEGIN_HIDDEN, END_HIDDEN = "### BEGIN HIDDEN TESTS", "### END HIDDEN TESTS"


class HomeworkError(RuntimeError):
    """The homework could not be made; the message says why."""


def add_private_tests(notebook: NotebookNode, folder: Path, *, seeded: bool = False) -> None:
    """Add the instructor's own tests, ``folder/<grade_id>.py``, to the hidden tests.

    Raises:
        HomeworkError: If a file belongs to no test cell of the notebook, or needs a student's seed
            in a course without any.
    """
    cells = {cell.metadata.nbgrader.grade_id: cell for _, cell in test_cells(notebook)}
    for path in sorted(folder.glob("*.py")):
        if path.stem not in cells:
            known = ", ".join(cells)
            raise HomeworkError(f"{path}: there is no test cell {path.stem!r}; there are: {known}")
        cell, tests = cells[path.stem], path.read_text(encoding="utf-8").rstrip()
        if not seeded and NAME in uses(tests):
            raise HomeworkError(f"{path} uses {NAME}, which there is with STUDENTS=file.csv only")
        if END_HIDDEN in cell.source:
            cell.source = cell.source.replace(END_HIDDEN, f"{tests}\n{END_HIDDEN}", 1)
        else:
            cell.source += f"\n{BEGIN_HIDDEN}\n{tests}\n{END_HIDDEN}"


def write_source(path: Path, course: Path, private: Path | None, own: Path | None = None) -> None:
    """Write the instructor version of one lesson into the course folder.

    Args:
        path: The lesson.
        course: The course folder.
        private: The instructor's own hidden tests.
        own: What lessons have in courses with a seed for each student; None: this is no such one.
    """
    notebook = nbformat.read(path, as_version=4)
    if own is not None:
        personal.add_seed(notebook)
        personal.add_exercise(notebook, own / path.stem / "exercise.ipynb")
        add_private_tests(notebook, own / path.stem, seeded=True)
    if private is not None:
        add_private_tests(notebook, private / path.stem, seeded=own is not None)
    book = addresses.book(addresses.repository())
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        elif cell.cell_type == "markdown":
            cell.source = for_students(cell.source, book)
    # The hash and the timings belong to the published outputs, which the student's copy lacks.
    notebook.metadata.pop("gdm", None)
    add_check(notebook, path.stem)
    target = course / "source" / path.stem / path.name
    target.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, target)


@contextmanager
def plain_name(folder: Path) -> Iterator[Path]:
    """Yield another path to a folder: nbgrader reads paths as patterns, with brackets and all."""
    with tempfile.TemporaryDirectory() as place:
        link = Path(place, "course")
        link.symlink_to(folder, target_is_directory=True)
        yield link


def release(course: Path, stems: list[str]) -> None:
    """Make the release versions with nbgrader's ``generate_assignment``."""
    # Imported here: the syllabus alone needs no nbgrader.
    from nbgrader.apps import NbGraderAPI
    from traitlets.config.loader import PyFileConfigLoader

    config = PyFileConfigLoader("nbgrader_config.py", path=str(course)).load_config()
    with plain_name(course) as root:
        config.CourseDirectory.root = str(root)
        api = NbGraderAPI(config=config)
        for stem in stems:
            outcome = api.generate_assignment(stem, force=True)
            if not outcome["success"]:
                details = outcome.get("log") or outcome.get("error")
                raise HomeworkError(f"{stem}: nbgrader could not make the release:\n{details}")
            source, made = (course / k / stem / f"{stem}.ipynb" for k in ("source", "release"))
            seal(source, made)


def prepare(course: Path) -> None:
    """Make the folder, or see that it is a course folder and that we may write there.

    Raises:
        HomeworkError: If it holds other things, which making the homework might replace.
    """
    if course.is_dir():
        there = {path.name for path in course.iterdir() if not path.name.startswith(".")}
        if there - {"submitted"} and "nbgrader_config.py" not in there:
            raise HomeworkError(
                f"{course} holds other things ({', '.join(sorted(there)[:3])}) and is no course "
                "folder: name a new or an empty one"
            )
    check_writable(course / "grades.csv")
    (course / "submitted").mkdir(parents=True, exist_ok=True)


def copy(names: tuple[str, ...], source: Path, target: Path) -> None:
    """Copy files and folders in the place of older ones; what the source lacks is left out."""
    target.mkdir(exist_ok=True)
    for path in (source / name for name in names):
        if path.is_dir():
            shutil.rmtree(target / path.name, ignore_errors=True)
            hidden = shutil.ignore_patterns("__pycache__", ".*")
            shutil.copytree(path, target / path.name, ignore=hidden)
        elif path.exists():
            shutil.copy(path, target / path.name)


def build(
    course: Path, *, private: Path | None = None, students: Path | None = None, root: Path = ROOT
) -> list[Exercise]:
    """Make or renew the course folder and return its syllabus.

    Args:
        course: The folder to write; submissions, grades and the gradebook that are there stay.
        private: The folder of the instructor's own hidden tests.
        students: A list of the class, for copies of their own; it is kept in the course folder.
        root: The repository.

    Raises:
        HomeworkError: If there is no lesson, a private test fits no cell, the folder is another's
            or in use by a grader, or nbgrader fails.
        PersonalError, KeyFileError: If the list of students or the key cannot be used.
        OSError: If the folder cannot be written.
    """
    paths = lessons(root)
    if not paths:
        raise HomeworkError(f"there are no lessons in {root / 'notebooks'}")
    if private is not None and not private.is_dir():
        raise HomeworkError(f"{private}: there is no such folder of private tests")
    if students is not None and not students.is_file():
        raise HomeworkError(f"{students}: there is no such list of students")
    if students is not None:
        personal.read_class(students)
    prepare(course)
    with _no_grader(course):
        seeds = personal.of(course, students)
        own = None if seeds is None else root / "homework" / "personal"
        for folder in (*course.glob("source/*"), *course.glob("release/*")):
            if LESSON.fullmatch(folder.name):
                shutil.rmtree(folder)
        copy(TEMPLATE, root / "homework", course)
        copy(LIBRARY, root, course / "library")
        if (root / "checkpoints").is_dir():
            shutil.copytree(root / "checkpoints", course / "checkpoints", dirs_exist_ok=True)
        for path in paths:
            write_source(path, course, private, own)
        stems = [path.stem for path in paths]
        release(course, stems)
        if seeds is not None:
            personal.write_copies(course, stems, seeds)
        exercises = syllabus([course / "source" / stem / f"{stem}.ipynb" for stem in stems])
        write_syllabus(course / "syllabus.csv", exercises)
    return exercises


@contextmanager
def _no_grader(course: Path) -> Iterator[None]:
    """Keep graders waiting, or refuse while one is at work."""
    lock = FileLock(course / ".grading.lock", timeout=0)
    try:
        with lock:
            yield
    except Timeout:
        raise HomeworkError(f"{course}: a grader is at work there; wait until it is done") from None


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Make the homework's course folder.")
    parser.add_argument("--course", type=Path, default=COURSE)
    parser.add_argument("--private", type=Path, help="folder of your own hidden tests")
    parser.add_argument("--students", type=Path, help="list of the class: a seed for each student")
    options = parser.parse_args(arguments)
    # Not every shell expands the ~ of COURSE=~/course.
    course = options.course.expanduser().resolve()
    private = options.private and options.private.expanduser()
    students = options.students and options.students.expanduser()
    try:
        exercises = build(course, private=private, students=students)
    except (HomeworkError, KeyFileError, OSError, PersonalError) as error:
        print(f"make homework: {_line(error)}", file=sys.stderr)
        return 1
    points: dict[tuple[str, str], float] = {}
    for cell in exercises:  # an exercise with several test cells has a row for each
        exercise = cell.lesson, cell.title
        points[exercise] = points.get(exercise, 0) + cell.points
    for (lesson, title), worth in points.items():
        print(f"{lesson:<36} {worth:>4g}  {title}")
    print(f"{len(points)} exercises, {sum(points.values()):g} points; course folder: {course}")
    if (course / personal.STUDENTS).is_file():
        print("hand out personal/<student>/; keep the file key, and a copy of it, to yourself")
    return 0


def _line(error: Exception) -> str:
    """Return what an error says; of the system's, which file it is about first."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}; name another folder by COURSE=..."
    return str(error)


if __name__ == "__main__":
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    sys.exit(main())
