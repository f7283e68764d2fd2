"""A seed for each student and lesson, which only the teacher's key tells.

A course has such seeds where it has a list of its students. They are computed anew whenever they
are needed, so what was handed in cannot change them, and grading again gives the same points.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Iterable
from dataclasses import astuple, replace
from pathlib import Path
from typing import Self

from gdmlib.handin.manifest import CALL, ManifestError, call, digest, find, loads
from gdmlib.handin.notebook import StudentCell
from gdmlib.handin.personal import CELL_ID, is_seed_cell, mark, reseed, seed_cell, seeds
from gdmlib.handin.words import capital

from .key import number, read_key
from .official import Cell, LessonError, Official
from .recognise import clean
from .roster import ANY, OWN, ExportError, Person, Roster, read_roster

STUDENTS = "students.csv"


class PersonalError(ValueError):
    """The list of students cannot be used; the message names everybody whom it is about."""


class UnknownStudent(Exception):  # noqa: N818 - it is what the student is
    """Nothing tells a student's seed; the message says what to do."""


class Personal:
    """The seeds of a class."""

    def __init__(self, key: bytes, roster: Roster) -> None:
        self._key, self.roster = key, roster

    @classmethod
    def of(cls, course: Path) -> Self | None:
        """Return the seeds of a course; None where it has no list of its students.

        Raises:
            PersonalError: If the list cannot be used.
            KeyFileError: If the key is missing or is none.
        """
        path = course / STUDENTS
        return cls(read_key(course), read_class(path)) if path.is_file() else None

    def seed(self, student: str, lesson: str) -> int:
        """Return a student's seed for a lesson; the student is named as in the list."""
        return number(self._key, f"personal/{lesson}/{student}")

    def name(self, student: str) -> str:
        """Return how the list names a student of ``submitted/``.

        Raises:
            UnknownStudent: If it may be nobody, or several people.
        """
        fitting = self.roster.fitting(student)
        if len(fitting) == 1:
            return fitting[0].id
        who = ", ".join(f"{person.name} (line {person.line})" for person in fitting)
        what = f"may be several people of {STUDENTS}: {who}" if fitting else f"is not in {STUDENTS}"
        raise UnknownStudent(
            f"{student} {what}, so nothing tells the seed; mend that list (a column {OWN!r} "
            "decides), and run make homework with STUDENTS=file.csv again"
        )

    def official(self, lesson: Official, student: str) -> Official:
        """Return a lesson as it is for one student, whatever that student handed in.

        Raises:
            UnknownStudent: If nothing tells whose seed it is.
            LessonError: If the lesson was made without seeds.
        """
        name = self.name(student)
        if not any(cell.key == CELL_ID for cell in lesson.cells):
            raise LessonError(f"{lesson.lesson} has no cell for a seed: make the homework again")
        cells = tuple(self._cell(cell, name, lesson.lesson) for cell in lesson.cells)
        listed = json.dumps([astuple(cell) for cell in cells])
        return Official(lesson.lesson, cells, hashlib.sha256(listed.encode()).hexdigest())

    def _cell(self, cell: Cell, name: str, lesson: str) -> Cell:
        seed = self.seed(name, lesson)
        if cell.key == CELL_ID:
            return replace(cell, source=seed_cell(seed), visible=seed_cell(seed))
        if cell.kind == "given" and CALL.search(cell.visible):
            return replace(cell, visible=self._call(cell.visible, name, lesson))
        return cell

    def _call(self, source: str, name: str, lesson: str) -> str:
        """Return the last cell with the list that this student's copy has."""
        own = mark(self.seed(name, lesson), name)
        texts = (replace(loads(text), personal=own).dumps() for text in CALL.findall(source))
        return CALL.sub(lambda _: call(next(texts)), source)

    def cells(self, lesson: Official, student: str, cells: list[StudentCell]) -> list[StudentCell]:
        """Return a notebook's cells with the student's own seed and list in the place of any.

        Args:
            lesson: As `official` returns it.
            student: Whose notebook it is.
            cells: The notebook's.
        """
        seed = self.seed(self.name(student), lesson.lesson)
        last = next((c.visible for c in lesson.cells if CALL.search(c.visible)), "")
        found = []
        for cell in reseed(cells, seed):
            if last and CALL.search(cell.source):
                cell = replace(cell, source=last)
            elif cell.kind == "code" and is_seed_cell(cell.source):
                cell = replace(cell, source=seed_cell(seed))
            found.append(cell)
        return found

    def remarks(
        self, student: str, lesson: str, cells: list[StudentCell], metadata: dict
    ) -> tuple[str, str]:
        """Return what is wrong with a copy, for the teacher and, without names, for the student."""
        name, found, sign = self.name(student), set(seeds(cells)), _whose(cells, metadata)
        others = {
            person.id
            for person in self.roster.people
            if self.seed(person.id, lesson) in found or digest(person.id.casefold()) == sign
        } - {name}
        if others:
            return (
                f"this is {' and '.join(sorted(others))}'s copy, or holds that seed; graded with "
                f"{name}'s own",
                "This is another student's copy, or holds the seed of one; it was graded with "
                "your own seed.",
            )
        if found == {0}:
            what = "this is the copy without a seed"
        elif found and found != {self.seed(name, lesson)}:
            what = "the seed was changed"
        else:
            return "", ""
        return f"{what}; graded with {name}'s own", f"{capital(what)}; your own was used."


def _whose(cells: list[StudentCell], metadata: dict) -> str:
    """Return the checksum of the student whose copy a notebook says that it is."""
    try:
        own = find(cells, metadata).personal
    except ManifestError:
        return ""
    return "" if own is None else own.student


def read_class(path: Path) -> Roster:
    """Return the students of a list: what a platform exports, or a table with a column ``student``.

    Raises:
        PersonalError: If it is no such list, or somebody is in it twice, without an id, or with
            one that can be no folder's name. All of them are named.
        OSError: If it cannot be read.
    """
    try:
        roster = read_roster(path, ANY)
    except ExportError as error:
        raise PersonalError(str(error)) from None
    people = [replace(p, id=unicodedata.normalize("NFC", p.id)) for p in roster.people]
    if problems := [*_without(people), *_twice(people)]:
        raise PersonalError("\n".join([f"{path}:", *(f"- {problem}" for problem in problems)]))
    if not people:
        raise PersonalError(f"{path} lists nobody: expected a row for each student")
    return Roster(people, roster.columns)


def _without(people: Iterable[Person]) -> list[str]:
    """Return who has no id, or one that is no folder's name."""
    found = [f"{p.name} (line {p.line}) has no id" for p in people if not p.id]
    return found + [
        f"{p.id!r} (line {p.line}) cannot be a folder's name; {clean(p.id)!r} could"
        for p in people
        if p.id and clean(p.id) != p.id
    ]


def _twice(people: Iterable[Person]) -> list[str]:
    """Return who is there twice; upper and lower case make no two folders everywhere."""
    lines: dict[str, list[Person]] = {}
    for person in people:
        if person.id:
            lines.setdefault(person.id.casefold(), []).append(person)
    return [
        f"{same[0].id} is there {len(same)} times: lines {', '.join(str(p.line) for p in same)}"
        for same in lines.values()
        if len(same) > 1
    ]
