"""A class as its platform lists it, and who of it is a student of ``grades.csv``."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

# What platforms call the columns by which they tell people apart, the surest first.
IDS = {
    "canvas": ("ID", "SIS User ID", "SIS Login ID"),
    "moodle": ("ID number", "Username", "Email address"),
    "gradescope": ("SID", "Email"),
}
ANY = "your platform"  # a list of a class from wherever it is, or your own with a column "student"
IDS[ANY] = ("SIS Login ID", "student", "ID number", "Username", "SID", "Email address", "Email")
OWN = "name in grades.csv"  # a column of yours, which then decides
_NAMES = ("Student", "Name", "Full name")
_PARTS = (("First name", "Last name"), ("First name", "Surname"))
_POINTS = "points possible"  # a row of Canvas's that is no person


class ExportError(ValueError):
    """Grades cannot be exported; the message names everybody whom it is about."""


@dataclass(frozen=True)
class Person:
    """One row of a roster.

    Attributes:
        line: Its line in the file.
        row: Its columns.
        id: What the platform tells it by; empty where the roster has none.
    """

    line: int
    row: Mapping[str, str]
    id: str

    def get(self, column: str) -> str:
        """Return a column, whatever its upper and lower case; empty where it is missing."""
        return next((v for k, v in self.row.items() if k.casefold() == column.casefold()), "")

    @property
    def name(self) -> str:
        """What people call it."""
        return next(self.names(), "") or self.id or f"line {self.line}"

    def names(self) -> Iterator[str]:
        """Yield its names."""
        yield from filter(None, (self.get(column) for column in _NAMES))
        for parts in _PARTS:
            yield from filter(None, [" ".join(filter(None, map(self.get, parts)))])

    def exact(self) -> set[str]:
        """Return what names this person and nobody else."""
        own = self.get(OWN)
        if own:
            return {unicodedata.normalize("NFC", own)}
        columns = {column for ids in IDS.values() for column in ids}
        found = {self.get(column) for column in columns} | set(self.names())
        return {unicodedata.normalize("NFC", text) for text in found if text}

    def loose(self) -> set[str]:
        """Return the name in the forms that platforms give to files: none if yours decides."""
        return set() if self.get(OWN) else set().union(*map(_forms, self.names()))


class Roster:
    """Everybody in a class."""

    def __init__(self, people: Iterable[Person], columns: list[str]) -> None:
        self.people, self.columns = list(people), columns

    def match(self, students: Iterable[str]) -> dict[str, Person]:
        """Return the person of each student.

        Raises:
            ExportError: If a student is nobody's or several people's, or two are one person, or a
                person has no id, or an id is there twice. All of them are named.
        """
        found: dict[str, Person] = {}
        problems = list(self._twice())
        for student in sorted(set(students)):
            fitting = self.fitting(student)
            if len(fitting) == 1:
                found[student] = fitting[0]
            elif fitting:
                lines = ", ".join(f"{person.name} (line {person.line})" for person in fitting)
                problems.append(f"{student} may be several people of the roster: {lines}")
            else:
                problems.append(f"{student} is not in the roster")
        by_line: dict[int, list[str]] = {}
        for student, person in found.items():
            by_line.setdefault(person.line, []).append(student)
            if not person.id:
                problems.append(f"{student} has no id in line {person.line} of the roster")
        for names in by_line.values():
            if len(names) > 1:
                problems.append(f"{' and '.join(names)} are one person of the roster: keep one")
        if problems:
            raise ExportError(
                "\n".join(
                    [
                        "nothing was exported:",
                        *(f"- {problem}" for problem in problems),
                        f"A column {OWN!r} in the roster decides who is who.",
                    ]
                )
            )
        return found

    def fitting(self, student: str) -> list[Person]:
        """Return whom a student's name fits: first as it is, then by its words."""
        name = unicodedata.normalize("NFC", student)
        fitting = [person for person in self.people if name in person.exact()]
        if not fitting:
            # Namesakes bear their number: "Ada Lovelace_123".
            name, _, number = name.rpartition("_") if re.search(r"_\d+$", name) else (name, "", "")
            fitting = [p for p in self.people if _forms(name) & p.loose()]
            numbered = [p for p in fitting if number and number in p.exact()]
            fitting = numbered or fitting
        return fitting

    def _twice(self) -> Iterator[str]:
        """Yield what is wrong with a roster that lists somebody twice."""
        lines: dict[str, list[Person]] = {}
        for person in self.people:
            if person.id:
                lines.setdefault(person.id, []).append(person)
        for name, people in lines.items():
            if len(people) > 1:
                where = " and ".join(str(person.line) for person in people)
                yield f"{people[0].name}, id {name}, is twice in the roster: lines {where}"


def read_roster(path: Path, platform: str) -> Roster:
    """Return the class that a file lists: what the platform exports, or a table of your own.

    Raises:
        ExportError: If it is no table, or has no column of ids that the platform knows.
        OSError: If it cannot be read.
    """
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", errors="replace")
    lines = text.splitlines()
    delimiter = max(",;\t", key=lines[0].count) if lines else ","
    reader = csv.DictReader(io.StringIO(text), delimiter=delimiter)
    columns = [name for name in reader.fieldnames or [] if name]
    known = {name.casefold(): name for name in columns}
    column = next((known[c.casefold()] for c in IDS[platform] if c.casefold() in known), None)
    if column is None:
        raise ExportError(
            f"{path}: expected a column {' or '.join(map(repr, IDS[platform]))}, got "
            f"{', '.join(map(repr, columns)) or 'no columns'}: use {platform}'s own list of the "
            "class"
        )
    people = []
    for row in reader:
        values = {k: (v or "").strip() for k, v in row.items() if isinstance(k, str)}
        person = Person(reader.line_num, values, values[column])
        if any(values.values()) and person.get("Student").casefold() != _POINTS:
            people.append(person)
    return Roster(people, columns)


def _forms(name: str) -> set[str]:
    """Return a name's words in one order, and joined, with any of them first."""
    plain = unicodedata.normalize("NFKD", name).casefold()
    words = re.findall(r"[^\W_]+", "".join(c for c in plain if not unicodedata.combining(c)))
    joined = {"".join(words[i:] + words[:i]) for i in range(len(words))}
    return {" ".join(sorted(words)), *joined} - {""}
