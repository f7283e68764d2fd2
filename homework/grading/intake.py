"""Everything below ``submitted/``: whose it is, which lesson, or why it cannot be graded."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from gdmlib.handin.notebook import UnreadableNotebook, read_cells

from .archive import Found, ReadingError, is_zip, walk
from .official import lessons, official
from .recognise import Recogniser, clean, named
from .whose import Owned, owners

_MOST_NAMED = 8  # files that a sentence lists
_SIGNS = 3  # that make a notebook another lesson's: one name may be chance


@dataclass(frozen=True)
class Handed:
    """What one student handed in for one lesson; there is one for each such pair.

    Attributes:
        student: The student's name, as the folder or the learning platform gives it; where nothing
            tells it, the file's name.
        lesson: The lesson; empty where nothing tells which.
        place: The file below ``submitted/``; what lies in a zip follows it, as in
            ``"all.zip/Ada Lovelace_12_assignsubmission_file_/x.ipynb"``.
        data: The notebook's bytes; empty where it could not be read.
        reason: Why it cannot be graded, as a sentence; else empty.
        notes: What else the student and the instructor should know, such as which files were
            not graded.
    """

    student: str
    lesson: str
    place: str
    data: bytes = field(repr=False)
    reason: str = ""
    notes: tuple[str, ...] = ()


def handed_in(
    course: Path, *, student: str | None = None, lesson: str | None = None
) -> Iterator[Handed]:
    """Yield what was handed in, by student and lesson; a notebook is read when it is its turn.

    Args:
        course: The course folder.
        student: Only this student's.
        lesson: Only this lesson's.
    """
    inbox = _Inbox(course)
    student = None if student is None else unicodedata.normalize("NFC", student)
    for (who, what), group in sorted(inbox.groups().items()):
        if student in (None, who) and lesson in (None, what):
            yield inbox.entry(who, what, group)


class _Inbox:
    """The files below ``submitted/`` of one course."""

    def __init__(self, course: Path) -> None:
        self.lessons = lessons(course)
        self.recogniser = Recogniser(official(course, lesson) for lesson in self.lessons)
        self._lesson_of: dict[tuple[str, ...], str] = {}
        folder = course / "submitted"
        found = list(walk(folder)) if folder.is_dir() else []
        self.owned = list(owners(found, self.lessons, self.lesson_of))

    def lesson_of(self, found: Found) -> str:
        """Return the lesson of a file, by the names that lead to it, else by what is in it."""
        if found.parts not in self._lesson_of:
            lesson = self._by_names(found, found.name)
            if not lesson and found.is_notebook:
                lesson = self._by_content(found)
            self._lesson_of[found.parts] = lesson
        return self._lesson_of[found.parts]

    def _by_names(self, found: Found, name: str) -> str:
        """Return the lesson that a path names: a folder of that name before all."""
        folders = found.parts[-2::-1] if not found.empty else found.parts[::-1]
        exact = {lesson: lesson for lesson in self.lessons}
        for part in folders:
            stem = part[:-4] if is_zip(part) else part
            if stem in exact:
                return stem
        return next(filter(None, (named(part, self.lessons) for part in (name, *folders))), "")

    def _by_content(self, found: Found) -> str:
        try:
            return self.recogniser.lesson(read_cells(_read(found)))
        except (ReadingError, UnreadableNotebook):
            return ""

    def groups(self) -> dict[tuple[str, str], list[Owned]]:
        """Return the files of each student and lesson; what else lies there goes with them."""
        groups: dict[tuple[str, str], list[Owned]] = {}
        others: list[Owned] = []
        for owned in self.owned:
            lesson = self.lesson_of(owned.found)
            if _counts(owned.found) or lesson or not owned.student:
                key = owned.student or clean(owned.found.place), lesson
                groups.setdefault(key, []).append(owned)
            else:
                others.append(owned)
        self._part(groups)
        for owned in others:
            keys = sorted(key for key in groups if key[0] == owned.student)
            groups.setdefault(keys[0] if keys else (owned.student, ""), []).append(owned)
        return groups

    def _part(self, groups: dict[tuple[str, str], list[Owned]]) -> None:
        """Take a notebook named after another lesson out of a lesson's folder that has its own."""
        for (student, lesson), group in list(groups.items()):
            own = [owned for owned in group if _named(owned, self.lessons) in ("", lesson)]
            if not any(owned.found.is_notebook for owned in own):
                continue
            for owned in group:
                if owned not in own:
                    key = student, _named(owned, self.lessons)
                    groups.setdefault(key, []).append(owned)
            groups[student, lesson] = own

    def entry(self, student: str, lesson: str, group: list[Owned]) -> Handed:
        """Return one student's work for one lesson."""
        readings = [_Reading(owned, lesson) for owned in group if _readable(owned.found)]
        notes = [owned.note for owned in group if owned.note]
        notes += self._namesakes(student)
        if not readings:
            return Handed(student, lesson, group[0].found.place, b"", _nothing(group), _all(notes))
        best = max(readings, key=_Reading.rank)
        left = [owned.found for owned in group if owned is not best.owned]
        if left:
            notes.append(f"Graded: {best.owned.found.place}; not graded: {_list(left)}.")
        reason = best.reason or self._doubt(student, lesson, best)
        return Handed(student, lesson, best.owned.found.place, best.data, reason, _all(notes))

    def _doubt(self, student: str, lesson: str, reading: _Reading) -> str:
        """Return why a readable notebook cannot be graded, or nothing."""
        place = reading.owned.found.place
        if not reading.owned.student:
            return f"nothing tells whose {place} is: put it into submitted/<student>/"
        if not lesson:
            return f"nothing tells which lesson {place} is: name it like the lesson"
        counts = self.recogniser.counts(read_cells(reading.data))
        other, signs = next(iter(counts.most_common(1)), ("", 0))
        if signs >= _SIGNS and not counts[lesson]:
            return f"{place} is the notebook of lesson {other}"
        return ""

    def _namesakes(self, student: str) -> Iterator[str]:
        """Yield a sentence where names differ in upper and lower case only."""
        names = {owned.student for owned in self.owned} - {student}
        same = sorted(name for name in names if name.casefold() == student.casefold())
        if same:
            yield f"{', '.join(same)} is the same name but for upper and lower case: one person?"


class _Reading:
    """A notebook, read, so that several can be compared."""

    def __init__(self, owned: Owned, lesson: str) -> None:
        self.owned, self.lesson = owned, lesson
        self.data, self.reason = b"", ""
        try:
            self.data = _read(owned.found)
            read_cells(self.data)
        except ReadingError as error:
            self.reason = f"{owned.found.place} {error}"
        except UnreadableNotebook as error:
            self.reason = f"{owned.found.place}: {error}"

    def rank(self) -> tuple:
        """Return what the one that is graded has most of: the exact name, then the newest."""
        found, exact = self.owned.found, f"{self.lesson}.ipynb"
        return (
            not self.reason,
            found.parts == (self.owned.student, self.lesson, exact),
            self.owned.name == exact,
            self.owned.when,
            found.when,
            found.place,
        )


def _named(owned: Owned, known: list[str]) -> str:
    """Return the lesson in the name that a student gave a notebook, or nothing."""
    return named(owned.name, known) if owned.found.is_notebook else ""


def _readable(found: Found) -> bool:
    return found.is_notebook and not found.problem


def _counts(found: Found) -> bool:
    """Return whether something may be somebody's work: a notebook, or what cannot be opened."""
    return found.is_notebook or bool(found.problem)


def _read(found: Found) -> bytes:
    if found.problem:
        raise ReadingError(found.problem)
    return found.read()


def _nothing(group: list[Owned]) -> str:
    """Return in words what is there instead of a notebook."""
    found = [owned.found for owned in group]
    problems = [f"{item.place} {item.problem}" for item in found if item.problem]
    others = [item for item in found if not item.problem and not item.empty]
    if problems:
        rest = f"; beside it: {_list(others)}" if others else ""
        return "; ".join(problems[:_MOST_NAMED]) + rest
    if others:
        return f"there is no notebook, only {_list(others)}"
    return f"the folder {_list(found)} is empty"


def _list(found: Iterable[Found]) -> str:
    """Return the places of files, the first few of them by name."""
    places = sorted(item.place for item in found)
    more = len(places) - _MOST_NAMED
    return ", ".join(places[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _all(notes: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(notes))
