"""Put a student's answers and the official cells into the order in which they run."""

from __future__ import annotations

from dataclasses import dataclass

from .notebook import StudentCell
from .official import Official


@dataclass(frozen=True)
class Step:
    """A piece of code to run.

    Attributes:
        kind: ``"given"`` or ``"test"`` (official text), or ``"own"`` (the student's).
        key: Names the step; no two steps have the same. Of official cells it is the cell's; of the
            (first) text that answers an exercise the solution cell's; else ``"own-1"`` and so on.
        source: The code, IPython's magics allowed.
        title: The exercise; empty outside exercises.
    """

    kind: str
    key: str
    source: str
    title: str = ""


@dataclass(frozen=True)
class Arranged:
    """The steps in order, and in words what was put back or moved.

    Attributes:
        steps: Every official given and test cell once, in order, and the student's code.
        notes: Sentences for student and instructor.
        reason: Why there is nothing to grade ("it holds none of this lesson's cells"), else empty.
    """

    steps: tuple[Step, ...]
    notes: tuple[str, ...] = ()
    reason: str = ""


def arrange(official: Official, cells: list[StudentCell]) -> Arranged:
    """Return the steps of a submission: every answer before its test, wherever it stood."""
    raise NotImplementedError
