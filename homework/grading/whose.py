"""Whose each file is: by folders, by names, and by the ways of the learning platforms."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby

from .archive import Found, is_zip
from .recognise import clean, named, rest_of

# How platforms name the folder or the file of a submission, in a download of a whole class.
_PLATFORMS = (
    # Moodle: "Ada Lovelace_12345_assignsubmission_file_", a folder, or before the file's name
    r"(?P<name>.+?)_(?P<id>\d+)_assignsubmission_(?:file|onlinetext)(?:_(?P<rest>.*))?",
    # Blackboard: "Homework 2_ada01_attempt_2026-01-31-10-00-00_x.ipynb"
    r"(?P<task>.*)_(?P<name>[^_]+)_attempt_(?P<when>\d{4}(?:-\d\d){5})(?:_(?P<rest>.+)|\.txt)?",
    # Brightspace: "12345-67890 - Ada Lovelace - Jan 31, 2026 1000 AM"
    r"\d+-\d+ - (?P<name>.+?) - \w+ \d+, \d{4} \d+ ?[AP]M(?: - (?P<rest>.+))?",
    # Sakai: "Lovelace, Ada(ada01)"
    r"(?P<name>[^,()]+, [^,()]+\([^()]+\))",
)
# Canvas: "lovelaceada_123_456_x.ipynb", or "lovelaceada_LATE_123_456_x.ipynb". People, too, give
# names like these, so in a student's folder one of them is no sign.
_CANVAS = r"(?P<name>[^\W_][^_]*?)(?:_LATE)?_(?P<id>\d{2,})_\d{2,}_(?P<rest>.+)"
_STRONG = [re.compile(pattern, flags=re.DOTALL) for pattern in _PLATFORMS]
_WEAK = re.compile(_CANVAS, flags=re.DOTALL)
# Folders by which one person keeps versions apart.
_VERSION = re.compile(
    r"(?:attempt|version|try|versuch|draft|backup|submission|old|new|final|alt|neu|v)[-_ ]*\d*",
    flags=re.IGNORECASE,
)


@dataclass(frozen=True)
class Owned:
    """A file and its student.

    Attributes:
        student: The name, or nothing where nothing tells it.
        found: The file.
        name: The file's name as the student gave it, without what a platform added.
        when: When it was handed in, where the platform says it in a form that can be compared.
        note: What is uncertain about the student, as a sentence; else empty.
    """

    student: str
    found: Found
    name: str
    when: str = ""
    note: str = ""


def owners(
    found: list[Found], lessons: list[str], lesson_of: Callable[[Found], str]
) -> Iterator[Owned]:
    """Yield every file with its student.

    Args:
        found: The files, in the order of their paths.
        lessons: The course's.
        lesson_of: Returns the lesson of a file, or nothing.
    """
    yield from _Sorter(lessons, lesson_of).nobodys(found, 0)


class _Sorter:
    """Walks down from folders that are nobody's to those that are somebody's."""

    def __init__(self, lessons: list[str], lesson_of: Callable[[Found], str]) -> None:
        self.lessons, self.lesson_of = lessons, lesson_of

    def nobodys(self, found: list[Found], depth: int) -> Iterator[Owned]:
        """Yield the owners of what lies in a folder that is nobody's."""
        groups = [(part, list(g)) for part, g in groupby(found, key=lambda f: f.parts[depth])]
        matches = [self._platform(part, inside, depth) for part, inside in groups]
        ids: dict[str, set[str]] = {}
        for known in filter(None, matches):
            ids.setdefault(clean(known["name"]), set()).add(known.groupdict().get("id") or "")
        for (part, inside), match in zip(groups, matches, strict=True):
            if match is not None:
                yield from self._from_platform(match, inside, depth, ids)
            elif len(inside[0].parts) > depth + 1:
                yield from self._folder(part, inside, depth)
            else:
                yield from map(self._loose, inside)

    def _loose(self, item: Found) -> Owned:
        """Return the owner of a file that lies in no student's folder: its name may tell."""
        if item.empty and not named(item.name, self.lessons):
            return Owned(clean(item.name), item, item.name)
        rest = rest_of(item.name, self.lessons)
        # Of other files, such as a list of names, the name is no student's.
        telling = item.is_notebook or is_zip(item.name) or named(item.name, self.lessons)
        return Owned(clean(rest) if rest and telling else "", item, item.name)

    def _folder(self, part: str, inside: list[Found], depth: int) -> Iterator[Owned]:
        """Yield the owners of what lies in a folder or zip."""
        lesson = named(part, self.lessons)
        student = rest_of(part, self.lessons) if lesson or is_zip(part) else part
        if not student or self.is_bulk(inside, depth + 1):
            yield from self.nobodys(inside, depth + 1)
            return
        for item in inside:
            yield self._strip(Owned(clean(student), item, item.name))

    def _from_platform(
        self, match: re.Match[str], inside: list[Found], depth: int, ids: dict[str, set[str]]
    ) -> Iterator[Owned]:
        """Yield the owners of what a platform named."""
        groups, student = match.groupdict(), clean(match["name"])
        head = f"{groups.get('task') or ''}_{match['name']}"
        lesson = named(head, self.lessons)
        if groups.get("task") is not None and lesson and head.startswith(f"{lesson}_"):
            student = clean(head[len(lesson) + 1 :])  # a user's name may hold underscores
        note = ""
        if len(ids[clean(match["name"])]) > 1 and groups.get("id"):
            note = f"Several students are called {student}: their numbers tell them apart."
            student = f"{student}_{groups['id']}"
        for item in inside:
            direct = len(item.parts) == depth + 1
            name = (direct and groups.get("rest")) or item.name
            yield Owned(student, item, name, groups.get("when") or "", note)

    def _strip(self, owned: Owned) -> Owned:
        """Return a student's file without what a platform put before its name."""
        match = self._platform(owned.name, [owned.found], len(owned.found.parts) - 1)
        if match is None or not match.groupdict().get("rest"):
            return owned
        return replace(owned, name=match["rest"], when=match.groupdict().get("when") or "")

    def _platform(self, part: str, inside: list[Found], depth: int) -> re.Match[str] | None:
        """Return what a platform says in the name of a folder or file."""
        for pattern in _STRONG:
            if match := pattern.fullmatch(part):
                return match
        match = _WEAK.fullmatch(part)
        is_file = len(inside[0].parts) == depth + 1
        # A lesson's own name, with numbers before it, may look like a platform's.
        return match if match and is_file and not named(match["name"], self.lessons) else None

    def is_bulk(self, inside: list[Found], depth: int) -> bool:
        """Return whether a folder or zip holds several students' work."""
        parts = [item.parts[depth:] for item in inside if len(item.parts) > depth]
        if any(pattern.fullmatch(part) for path in parts for part in path for pattern in _STRONG):
            return True
        weak = {m["name"] for path in parts if len(path) == 1 and (m := _WEAK.fullmatch(path[0]))}
        if len(weak) > (0 if is_zip(inside[0].parts[depth - 1]) else 1):
            return True
        files = [item for item in inside if len(item.parts) == depth + 1 and self.lesson_of(item)]
        if files:
            return self._is_bulk_of_files(files, any(map(is_zip, inside[0].parts[:depth])))
        return self._is_bulk_of_folders(inside, depth)

    def _is_bulk_of_files(self, files: list[Found], zipped: bool) -> bool:
        """Return whether notebooks of the same lesson are by several people.

        On the disk, where a folder is a student's, only Classroom's "Ada - x.ipynb" is a sign.
        """
        people: dict[str, set[str]] = {}
        for item in files:
            rest = rest_of(item.name, self.lessons)
            told = rest and not _VERSION.fullmatch(rest)
            if told and (zipped or item.name.startswith(f"{rest} - ")):
                people.setdefault(self.lesson_of(item), set()).add(rest)
        return any(len(names) > 1 for names in people.values())

    def _is_bulk_of_folders(self, inside: list[Found], depth: int) -> bool:
        """Return whether several folders, none of them a version's, hold the same lesson."""
        seen: dict[str, str] = {}
        folders = [item for item in inside if len(item.parts) > depth + 1]
        for part, group in groupby(folders, key=lambda f: f.parts[depth]):
            items = list(group)
            lesson, zipped = named(part, self.lessons), any(map(is_zip, items[0].parts[:depth]))
            # Below a folder on the disk a lesson's folder means <student>/<lesson>/.
            if _VERSION.fullmatch(part) or (lesson and not zipped):
                continue
            if self.is_bulk(items, depth + 1):
                return True
            if lesson:
                continue
            for lesson in filter(None, map(self.lesson_of, items)):
                if seen.setdefault(lesson, part) != part:
                    return True
        return False
