"""Read the cells of whatever a student's editor wrote, or say in a sentence what it is instead."""

from __future__ import annotations

from dataclasses import dataclass


class UnreadableNotebook(Exception):
    """The file is no notebook; the message is a sentence for the student."""


@dataclass(frozen=True)
class StudentCell:
    """One cell of a notebook: its text and what tells where it belongs.

    Attributes:
        kind: ``"code"``, ``"markdown"`` or ``"raw"``.
        source: The text. It can always be written as UTF-8.
        grade_id: nbgrader's name of the cell, or nothing.
        cell_id: The notebook format's name of the cell, or nothing.
        grade, solution, points: nbgrader's metadata, to be believed of our own notebooks only.
    """

    kind: str
    source: str
    grade_id: str = ""
    cell_id: str = ""
    grade: bool = False
    solution: bool = False
    points: float = 0.0


def read_cells(data: bytes) -> list[StudentCell]:
    """Return the cells of a notebook file.

    Raises:
        UnreadableNotebook: If the file is damaged, or no notebook at all.
    """
    raise NotImplementedError
