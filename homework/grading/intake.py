"""Everything below ``submitted/``: whose it is, which lesson, or why it cannot be graded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Handed:
    """What one student handed in for one lesson; there is one for each such pair.

    Attributes:
        student: The student's name, as the folder or the learning platform gives it.
        lesson: The lesson; empty where nothing tells which.
        place: The file below ``submitted/``; what lies in a zip follows it, as in
            ``"all.zip/Ada Lovelace_12_assignsubmission_file_/x.ipynb"``.
        data: The notebook's bytes; empty where there is a reason.
        reason: Why it cannot be graded, as a sentence; else empty.
        notes: What else the student and the instructor should know, such as which files were
            not graded.
    """

    student: str
    lesson: str
    place: str
    data: bytes
    reason: str = ""
    notes: tuple[str, ...] = ()


def handed_in(
    course: Path, *, student: str | None = None, lesson: str | None = None
) -> Iterator[Handed]:
    """Yield what was handed in, by student and lesson; each notebook is read when it is its turn.

    An entry without a student or a lesson is yielded whatever is asked for only where nothing is
    asked for.

    Args:
        course: The course folder.
        student: Only this student's.
        lesson: Only this lesson's.
    """
    raise NotImplementedError
