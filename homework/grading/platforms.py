"""The files that learning platforms read: Canvas's and Moodle's tables, Gradescope's results."""

from __future__ import annotations

import csv
import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

from gdmlib._files import write_atomically

from .export import Grade
from .feedback import read_marks
from .roster import ExportError, Person, Roster

_CANVAS = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section")
_MOODLE = ("ID number", "Username", "Email address", "First name", "Last name", "Surname")
_WHEN = (1980, 1, 1, 0, 0, 0)  # the same grades make the same file


def write_canvas(path: Path, grades: list[Grade], roster: Roster, course: Path) -> None:
    """Write what Canvas's gradebook imports: its own columns, a column a lesson.

    An assignment of the lesson's name that the roster has, with Canvas's number, is filled; another
    lesson becomes a new assignment. Whoever has no grade is left out.
    """
    lessons = _lessons(grades)
    headings = {lesson: _assignment(lesson, roster.columns) for lesson in lessons}
    known = [c for c in _CANVAS if c in _CANVAS[:2] or _has(roster, c)]
    points = {g.result.lesson: f"{g.result.max_score:g}" for g in grades}
    rows = [["    Points Possible", *[""] * (len(known) - 1), *(points[n] for n in lessons)]]
    for person, own in _by_person(grades):
        texts = [person.name if c == "Student" else person.get(c) for c in known]
        rows.append([*texts, *(_text(own, lesson) for lesson in lessons)])
    _write_csv(path, [*known, *headings.values()], rows)


def write_moodle(path: Path, grades: list[Grade], roster: Roster, course: Path) -> None:
    """Write what Moodle's grade import takes: who, and a grade and its feedback a lesson."""
    lessons = _lessons(grades)
    known = [column for column in _MOODLE if _has(roster, column)]
    header = [*known, *(name for lesson in lessons for name in (lesson, f"{lesson} feedback"))]
    rows = []
    for person, own in _by_person(grades):
        row = [person.get(column) for column in known]
        for lesson in lessons:
            row += [_text(own, lesson), _feedback(own[lesson], course) if lesson in own else ""]
        rows.append(row)
    _write_csv(path, header, rows)


def write_gradescope(path: Path, grades: list[Grade], roster: Roster, course: Path) -> None:
    """Write a zip of ``<id>/<lesson>/results.json``, each as an autograder of Gradescope's leaves.

    Raises:
        ExportError: If two ids would make the same folder.
    """
    folders: dict[str, Person] = {}
    for person, _ in _by_person(grades):
        folder = re.sub(r"[^\w.@+-]", "_", person.id).strip(".") or "_"
        other = folders.setdefault(folder, person)
        if other is not person:
            raise ExportError(
                f"nothing was exported: the ids of {other.name} ({other.id}) and {person.name} "
                f"({person.id}) make the same folder"
            )
    names = {person.line: folder for folder, person in folders.items()}

    def write(part: Path) -> None:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
            for grade in grades:
                name = f"{names[grade.person.line]}/{grade.result.lesson}/results.json"
                text = json.dumps(results(grade, course), ensure_ascii=False, indent=1)
                archive.writestr(zipfile.ZipInfo(name, _WHEN), text)

    write_atomically(path, write)


def results(grade: Grade, course: Path) -> dict:
    """Return one submission's ``results.json``: the score, and a test for each exercise."""
    result = grade.result
    marks = read_marks(_read_feedback(grade, course))
    said = [grade.said, result.reason and f"{result.reason.rstrip('.')}."]
    if not marks and not result.reason:  # such as a challenge's, which has no exercises
        said.append(_read_feedback(grade, course).partition("\n")[2].strip())
    return {
        "score": round(grade.score, 4),
        "output": " ".join(filter(None, said)),
        "output_format": "text",
        "visibility": "visible",
        "tests": [
            {
                "name": mark.title,
                "score": mark.got,
                "max_score": mark.most,
                "output": mark.said,
                "visibility": "visible",
            }
            for mark in marks
        ],
        "extra_data": {"lesson": result.lesson, "days_late": grade.days},
    }


Writer = Callable[[Path, list[Grade], Roster, Path], None]
WRITERS: dict[str, tuple[Writer, str]] = {
    "canvas": (write_canvas, "canvas.csv"),
    "moodle": (write_moodle, "moodle.csv"),
    "gradescope": (write_gradescope, "gradescope.zip"),
}


def _lessons(grades: list[Grade]) -> list[str]:
    return sorted({grade.result.lesson for grade in grades})


def _by_person(grades: list[Grade]) -> list[tuple[Person, dict[str, Grade]]]:
    """Return everybody's grades by lesson, in the roster's order."""
    people: dict[int, tuple[Person, dict[str, Grade]]] = {}
    for grade in grades:
        own = people.setdefault(grade.person.line, (grade.person, {}))[1]
        own[grade.result.lesson] = grade
    return [people[line] for line in sorted(people)]


def _assignment(lesson: str, columns: list[str]) -> str:
    """Return the heading of a lesson's column: Canvas's own, such as "02_x (8412)", if there is."""
    heading = re.compile(rf"{re.escape(lesson)}( \(\d+\))?")
    return next((column for column in columns if heading.fullmatch(column.strip())), lesson)


def _has(roster: Roster, column: str) -> bool:
    return column.casefold() in {name.casefold() for name in roster.columns}


def _text(own: dict[str, Grade], lesson: str) -> str:
    return f"{round(own[lesson].score, 4):g}" if lesson in own else ""


def _read_feedback(grade: Grade, course: Path) -> str:
    path = course / "feedback" / grade.result.student / f"{grade.result.lesson}.md"
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _feedback(grade: Grade, course: Path) -> str:
    return "\n\n".join(filter(None, [grade.said, _read_feedback(grade, course).strip()]))


def _write_csv(path: Path, header: list[str], rows: list[list[str]]) -> None:
    def write(part: Path) -> None:
        with part.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([header, *rows])

    write_atomically(path, write)
