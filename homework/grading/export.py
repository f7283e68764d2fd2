"""Grades for a learning platform: which they are, and when the work came."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from .archive import walk
from .late import LatePolicy, moment
from .roster import ExportError, Person, Roster
from .table import Result, Table


@dataclass(frozen=True)
class Grade:
    """What goes to the platform for one submission.

    Attributes:
        person: Whose.
        result: What it earned.
        score: What is left of that.
        days: How many days it was late.
    """

    person: Person
    result: Result
    score: float
    days: int = 0

    @property
    def said(self) -> str:
        """A sentence on what was taken off; empty where nothing was."""
        if not self.days:
            return ""
        off = self.result.score - self.score
        days = "1 day" if self.days == 1 else f"{self.days} days"
        return f"{days} late: {off:g} points off, of {self.result.score:g}."


@dataclass(frozen=True)
class Lateness:
    """A policy, what it starts from, and when the work came.

    Attributes:
        policy: What late work loses.
        due: By lesson; the entry ``""`` is for all that have none of their own.
        times: When the work came, by student and lesson.
    """

    policy: LatePolicy
    due: dict[str, datetime]
    times: dict[tuple[str, str], datetime]

    def late(self, result: Result) -> timedelta | None:
        """Return how late work came; None where nothing says when it did."""
        due = self.due.get(result.lesson, self.due.get(""))
        if due is None:
            return timedelta(0)
        came = self.times.get(result.key)
        return None if came is None else came - due


def grades_of(
    course: Path, roster: Roster, *, lesson: str | None = None, lateness: Lateness | None = None
) -> list[Grade]:
    """Return the grades of a course folder's table, by lesson and student.

    What could not be graded counts 0; work of which nothing tells the lesson is left out.

    Raises:
        ExportError: If there is nothing to export, or somebody cannot be told from others, or
            nothing says when somebody's work came.
    """
    _refuse_twice(course / "grades.csv")
    rows = [row for _, row in sorted(Table(course / "grades.csv").rows.items()) if row.lesson]
    rows = [row for row in rows if lesson in (None, row.lesson)]
    if not rows:
        of = f" of lesson {lesson}" if lesson else ""
        raise ExportError(f"grades.csv has no grade{of}: run python grade.py first")
    people = roster.match(row.student for row in rows)
    if lateness is not None:
        unknown = sorted({row.student for row in rows if lateness.late(row) is None})
        if unknown:
            raise ExportError(
                f"nothing was exported: nothing says when the work of {', '.join(unknown)} came"
            )
    found = [_grade(people[row.student], row, lateness) for row in rows]
    return sorted(found, key=lambda grade: (grade.result.lesson, grade.result.student))


def _refuse_twice(path: Path) -> None:
    """Raise if a table that somebody edited lists a student's lesson twice."""
    if path.is_file():
        keys = Counter((r["student"], r["lesson"]) for r in _rows(path, ("student", "lesson")))
        twice = [f"{student} for {lesson}" for (student, lesson), n in keys.items() if n > 1]
        if twice:
            raise ExportError(f"nothing was exported: twice in grades.csv: {', '.join(twice)}")


def _grade(person: Person, row: Result, lateness: Lateness | None) -> Grade:
    late = lateness.late(row) if lateness is not None else None
    if lateness is None or late is None:
        return Grade(person, row, row.score)
    policy = lateness.policy
    return Grade(person, row, policy.score(row.score, row.max_score, late), policy.days(late))


def read_due(text: str) -> dict[str, datetime]:
    """Return when lessons are due: a date for all, or a table ``lesson,due``.

    Raises:
        ExportError: If it is neither.
        OSError: If the table cannot be read.
    """
    if not text.casefold().endswith(".csv"):
        return {"": _moment(text, "--due")}
    rows = _rows(Path(text).expanduser(), ("lesson", "due"))
    return {row["lesson"]: _moment(row["due"], f"{text}, {row['lesson']}") for row in rows}


def read_times(path: Path) -> dict[tuple[str, str], datetime]:
    """Return when work came, from a table ``student,lesson,submitted``.

    Raises:
        ExportError: If it is no such table, or lists a student's lesson twice.
        OSError: If it cannot be read.
    """
    times: dict[tuple[str, str], datetime] = {}
    for row in _rows(path, ("student", "lesson", "submitted")):
        key = row["student"], row["lesson"]
        if key in times:
            raise ExportError(f"{path}: {key[0]} is there twice for lesson {key[1]}")
        times[key] = _moment(row["submitted"], f"{path}, {key[0]}")
    return times


def file_times(course: Path) -> dict[tuple[str, str], datetime]:
    """Return when the graded files were last changed, as zips and folders have it."""
    when = {found.place: found.when for found in walk(course / "submitted")}
    rows = Table(course / "grades.csv").rows.values()
    return {
        row.key: datetime.fromtimestamp(when[row.file]).astimezone()
        for row in rows
        if when.get(row.file)
    }


def _rows(path: Path, columns: Iterable[str]) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        missing = [name for name in columns if name not in (reader.fieldnames or [])]
        if missing:
            raise ExportError(f"{path}: expected a column {missing[0]!r}, got {reader.fieldnames}")
        return [{name: (row[name] or "").strip() for name in columns} for row in reader]


def _moment(text: str, where: str) -> datetime:
    try:
        return moment(text)
    except ValueError as error:
        raise ExportError(f"{where}: {error}") from None
