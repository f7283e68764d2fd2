"""A student's own copy of a lesson: a cell with a seed, and whether it is still that copy."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from gdmlib.handin.code import binds, statements
from gdmlib.handin.manifest import Personal, digest
from gdmlib.handin.notebook import StudentCell
from gdmlib.handin.words import Finding, cells_at

NAME = "student_seed"
CELL_ID = "student-seed"
_LINE = re.compile(rf"^({NAME}[ \t]*=[ \t]*)(\d+)\b", flags=re.MULTILINE)


def seed_cell(seed: int) -> str:
    """Return the text of the cell that gives a copy its seed."""
    words = "Your data are drawn with this number. Grading uses it whatever stands here."
    return f"# {words}\n{NAME} = {seed}"


def is_seed_cell(source: str) -> bool:
    """Return whether a cell sets the seed and does nothing else, whatever the seed is."""
    parts = statements(source)
    return parts is not None and len(parts) == 1 and binds(source) == {NAME}


def mark(seed: int, student: str) -> Personal:
    """Return what the manifest says of a student's copy."""
    return Personal(digest(seed_cell(seed)), digest(student.casefold()))


def seeds(cells: Iterable[StudentCell]) -> list[int]:
    """Return the seeds that a notebook's cells set, in order."""
    return [int(n) for c in cells if c.kind == "code" for _, n in _LINE.findall(c.source)]


def reseed(cells: Iterable[StudentCell], seed: int) -> list[StudentCell]:
    """Return the cells with another seed, wherever they set one."""
    return [replace(c, source=_LINE.sub(rf"\g<1>{seed}", c.source)) for c in cells]


def compare(
    personal: Personal | None, cells: Iterable[StudentCell], student: str = ""
) -> Iterator[Finding]:
    """Yield what is wrong with a copy's seed, and whether it is another student's.

    Args:
        personal: What the manifest says of the copy; None: it is nobody's own.
        cells: The notebook's.
        student: Whose it should be; empty: nobody asks.
    """
    if personal is None:
        if student:
            yield Finding(
                "not-personal",
                f"This is not the own copy of {student!r}: it is the copy without a seed.",
                "Take the one that was made for you, and put your answers into it.",
            )
        return
    if student and digest(student.casefold()) != personal.student:
        yield Finding(
            "other-student",
            f"This is another student's copy, and not that of {student!r}.",
            "Take the one that was made for you, and put your answers into it; where it is yours, "
            "name yourself as your course does.",
        )
    code = [(n, c) for n, c in enumerate(cells, start=1) if c.kind == "code"]
    setting = [(n, digest(c.source)) for n, c in code if NAME in binds(c.source)]
    changed = tuple(n for n, sign in setting if sign != personal.cell)
    if not setting:
        yield Finding(
            "seed-missing",
            f"The cell that sets `{NAME}` is missing.",
            "Copy it from your own copy of the lesson, as it was made for you.",
        )
    elif changed:
        whole = len(changed) == len(setting)
        yield Finding(
            "seed-changed",
            f"`{NAME}` is {'another' if whole else 'set a second time'}, in {cells_at(changed)}.",
            "Put back the cell from your own copy of the lesson: grading uses your seed."
            if whole
            else "Take another name there: grading uses your seed.",
            changed,
        )
