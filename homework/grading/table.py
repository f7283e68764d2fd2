"""What was graded: the table, nbgrader's gradebook, and the lock that keeps two graders apart."""

from __future__ import annotations

import csv
import os
import socket
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from filelock import FileLock, Timeout

from gdmlib._files import write_atomically

Key = tuple[str, str]


@dataclass(frozen=True)
class Result:
    """What one submission earned: a row of ``grades.csv``.

    Attributes:
        student, lesson: Whose work it is; the lesson is empty where nothing tells which it is.
        score, max_score: Points.
        status: ``"graded"`` or ``"failed"``.
        reason: Why it could not be graded, else what somebody should look at, else empty.
        file: What was graded, below ``submitted/``.
        digest: Changes with the file, the lesson and the settings; empty: to be graded again.
        look: What the teacher alone should know; it is not exported.
    """

    student: str
    lesson: str
    score: float
    max_score: float
    status: str
    reason: str = ""
    file: str = ""
    digest: str = ""
    look: str = ""

    @property
    def key(self) -> Key:
        """What there is one row of."""
        return self.student, self.lesson


class Table:
    """``grades.csv``, which is whole at any moment."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: dict[Key, Result] = {}
        if path.is_file():
            with path.open(newline="", encoding="utf-8-sig") as file:
                for row in map(_result, csv.DictReader(file)):
                    self.rows[row.key] = row

    def put(self, *results: Result) -> None:
        """Enter results and write the table."""
        changed = {result.key: result for result in results}
        if any(self.rows.get(key) != result for key, result in changed.items()):
            self.rows |= changed
            self.write()

    def keep(self, keys: set[Key]) -> None:
        """Drop what could not be graded and is not there any more; grades and challenges stay."""
        rows = {
            k: row
            for k, row in self.rows.items()
            if row.status == "graded" or k in keys or row.lesson.startswith("challenge-")
        }
        if rows != self.rows:
            self.rows = rows
            self.write()

    def write(self) -> None:
        """Write the table, sorted, in the place of the old one."""
        write_atomically(self.path, self._write)

    def _write(self, path: Path) -> None:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, [field.name for field in fields(Result)])
            writer.writeheader()
            writer.writerows(asdict(self.rows[key]) for key in sorted(self.rows))


def _result(row: Mapping[str, Any]) -> Result:
    """Return a row of a table, of an older one, too."""
    values: dict[str, Any] = {field.name: row.get(field.name) or "" for field in fields(Result)}
    for name in ("score", "max_score"):
        values[name] = _number(values[name])
    return Result(**values)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


class UnknownLesson(Exception):  # noqa: N818 - it is what the lesson is
    """The gradebook does not know the lesson; the message says what to do."""


class Gradebook:
    """nbgrader's gradebook of a course folder, so that its other commands know the scores."""

    def __init__(self, course: Path) -> None:
        # Imported here, for it takes two seconds.
        from nbgrader.api import Gradebook as Nbgrader
        from nbgrader.coursedir import CourseDirectory
        from traitlets.config.loader import PyFileConfigLoader

        config = PyFileConfigLoader("nbgrader_config.py", path=str(course)).load_config()
        found = config.Execute.get("timeout")
        self.timeout = float(found) if found else None  # seconds a cell may take
        self._quiet = warnings.catch_warnings()
        self._quiet.__enter__()
        # nbgrader's own use of SQLAlchemy and of dates
        warnings.simplefilter("ignore")
        folder = CourseDirectory(config=config)
        self._book = Nbgrader(folder.db_url, folder.course_id)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._book.close()
        self._quiet.__exit__(None, None, None)

    def score(self, student: str, lesson: str) -> tuple[float, float] | None:
        """Return score and maximum of a submission, changes by hand included, if it is there."""
        from nbgrader.api import MissingEntry

        try:
            submission = self._book.find_submission(lesson, student)
        except MissingEntry:
            return None
        return submission.score, submission.max_score

    def enter(
        self, student: str, lesson: str, points: Mapping[str, float], reason: str = ""
    ) -> tuple[float, float, bool]:
        """Enter the points of each test; what was graded by hand stays and is marked for a look.

        Args:
            student, lesson: Whose work it is.
            points: By the test's name; a test that is not there earned nothing.
            reason: Why the submission could not be graded, else empty.

        Returns:
            Score, maximum, and whether somebody's own grade is among them.
        """
        from nbgrader.api import MissingEntry

        try:
            self._book.find_assignment(lesson)
        except MissingEntry:
            raise UnknownLesson(
                f"the gradebook does not know lesson {lesson}: run make homework again"
            ) from None
        self._book.update_or_create_student(student)
        submission = self._book.update_or_create_submission(lesson, student)
        by_hand = False
        for notebook in submission.notebooks:
            for grade in notebook.grades:
                tested = grade.name in points or bool(reason)
                grade.auto_score = points.get(grade.name, 0.0) if tested else None
                grade.needs_manual_grade = grade.manual_score is not None or not tested
                by_hand = by_hand or grade.manual_score is not None
            for comment in notebook.comments:
                comment.auto_comment = f"Not graded: {reason}." if reason else None
        self._book.db.commit()
        return submission.score, submission.max_score, by_hand


@contextmanager
def alone(course: Path) -> Iterator[None]:
    """Wait until no other grader works on this course, saying so, and keep others waiting."""
    lock, who = FileLock(course / ".grading.lock"), course / ".grading.who"
    try:
        lock.acquire(timeout=0)
    except Timeout:
        name = who.read_text(encoding="utf-8") if who.is_file() else "another process"
        print(f"waiting for {name}, which grades this course", flush=True)
        lock.acquire()
    try:
        who.write_text(f"process {os.getpid()} on {socket.gethostname()}", encoding="utf-8")
        yield
    finally:
        who.unlink(missing_ok=True)
        lock.release()
