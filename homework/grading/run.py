"""Grade all that was handed in, one submission after the other, so that none stops the others."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import gdmlib
from gdmlib._files import write_atomically

from .crew import Crew, Outcome
from .feedback import feedback, marks, points
from .graded import graded_path, write_graded
from .intake import Handed, handed_in
from .official import LessonError
from .personal import UnknownStudent
from .sandbox import Limits
from .table import Gradebook, Result, Table, UnknownLesson, alone

BY_HAND = "a grade given by hand stands: look at it in formgrader"


@dataclass(frozen=True)
class Report:
    """What a run of the grader found.

    Attributes:
        results: One for each submission that was looked for, graded now or before.
        before: How many of them were graded before and did not change.
        changed: Files below ``submitted/`` that are not as they were before the run.
    """

    results: list[Result]
    before: int
    changed: list[str]


def grade_course(
    course: Path,
    *,
    student: str | None = None,
    lesson: str | None = None,
    timeout: float | None = None,
    jobs: int = 1,
    again: bool = False,
) -> Report:
    """Grade every submission that matches; after each, all that is written is complete.

    Args:
        course: The course folder.
        student, lesson: Grade only this student's, only this lesson's.
        timeout: Seconds that a cell may take; by default what ``nbgrader_config.py`` says.
        jobs: How many submissions run at a time.
        again: Whether to grade anew what was graded before and did not change.
    """
    with alone(course), Gradebook(course) as gradebook:
        limits = Limits(seconds=timeout or gradebook.timeout or Limits.seconds)
        sums = _sums(course / "submitted")
        known: list[Result] = []

        def fresh() -> Iterator[Handed]:
            for handed in handed_in(course, student=student, lesson=lesson):
                row = None if again else desk.known(handed)
                if row is None:
                    yield handed
                else:
                    known.append(row)

        with Crew(course, limits, jobs) as crew:
            desk = _Desk(course, crew, gradebook)
            graded = [desk.enter(*done) for done in crew.outcomes(fresh())]
        desk.table.put(*known)
        results = sorted([*known, *graded], key=lambda result: result.key)
        if results and student is None and lesson is None:
            desk.table.keep({result.key for result in results})
        now = _sums(course / "submitted")
    changed = sorted(name for name in sums | now if sums.get(name) != now.get(name))
    return Report(results, len(known), changed)


class _Desk:
    """Writes down what each submission earned: gradebook, feedback, graded notebook, table."""

    def __init__(self, course: Path, crew: Crew, gradebook: Gradebook) -> None:
        self.course, self.crew, self.gradebook = course, crew, gradebook
        self.table = Table(course / "grades.csv")

    def digest(self, handed: Handed) -> str:
        """Return what changes when a submission would have to be graded again."""
        settings = [gdmlib.__version__, repr(self.crew.limits), handed.reason, *handed.notes]
        if handed.lesson:
            try:
                settings.append(self.crew.own(handed).digest)
            except UnknownStudent as error:
                settings.append(str(error))
        return hashlib.sha256("\0".join(settings).encode() + handed.data).hexdigest()[:16]

    def known(self, handed: Handed) -> Result | None:
        """Return the row of what was graded before, with the gradebook's score of today."""
        row = self.table.rows.get((handed.student, handed.lesson))
        try:
            if row is None or row.digest != self.digest(handed):
                return None
        except LessonError:
            return None
        if not self._feedback(handed).is_file():
            return None
        if not handed.lesson:
            return replace(row, file=handed.place)
        score = self.gradebook.score(handed.student, handed.lesson)
        if score is None:
            return None
        return replace(row, score=score[0], max_score=score[1], file=handed.place)

    def enter(self, handed: Handed, outcome: Outcome) -> Result:
        """Write down one submission's outcome, the table last, and say it in a line."""
        reason = outcome.reason
        earned = {} if reason else points(self.crew.official(handed.lesson), outcome.run)
        score, most, by_hand = 0.0, 0.0, False
        if handed.lesson:
            try:
                score, most, by_hand = self.gradebook.enter(
                    handed.student, handed.lesson, earned, reason
                )
            except UnknownLesson as error:
                reason, outcome = str(error), replace(outcome, again=True)
        remarks = [reason, *handed.notes, *([BY_HAND] if by_hand else [])]
        result = Result(
            handed.student,
            handed.lesson,
            score,
            most,
            status="failed" if reason else "graded",
            reason=" ".join(filter(None, remarks)),
            file=handed.place,
            digest="" if outcome.again else self.digest(handed),
            look=outcome.look,
        )
        self._write(handed, outcome, reason, result)
        self.table.put(result)
        print(_line(result), flush=True)
        return result

    def _write(self, handed: Handed, outcome: Outcome, reason: str, result: Result) -> None:
        """Write what the student and formgrader are to see."""
        steps, run = outcome.arranged.steps, outcome.run
        found = []
        if reason:
            old = graded_path(self.course, handed.student, handed.lesson or "unknown")
            shutil.rmtree(old.parent, ignore_errors=True)
        else:
            official = self.crew.official(handed.lesson)
            found = marks(official, steps, run, self.crew.limits)
            write_graded(self.course, handed.student, handed.lesson, steps, run)
        name = handed.lesson or "Unknown lesson"
        heading = f"{name}: {result.score:g} of {result.max_score:g} points"
        text = feedback(heading, found, [*handed.notes, *outcome.arranged.notes], reason)
        path = self._feedback(handed)
        write_atomically(path, lambda part: part.write_text(text, encoding="utf-8"))

    def _feedback(self, handed: Handed) -> Path:
        return self.course / "feedback" / handed.student / f"{handed.lesson or 'unknown'}.md"


def _line(result: Result) -> str:
    """Return what the instructor sees of a submission."""
    score = f"{result.score:g}/{result.max_score:g}"
    said = " ".join(filter(None, [score, result.reason, result.look]))
    return f"{result.student:<20} {result.lesson or '?':<36} {said}"


def _sums(folder: Path) -> dict[str, str]:
    """Return a checksum of every file below a folder; links are not followed."""
    sums = {}
    for place, _, names in os.walk(folder):
        for path in (Path(place, name) for name in names):
            try:
                if path.is_symlink():
                    found = f"link to {path.readlink()}"
                elif path.is_file():
                    with path.open("rb") as file:
                        found = hashlib.file_digest(file, "sha256").hexdigest()
                else:
                    found = "no file"
            except OSError as error:
                found = str(error.strerror)
            sums[str(path.relative_to(folder))] = found
    return sums
