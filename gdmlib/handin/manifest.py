"""What a release says of its own exercises, so that a copy of it can be checked anywhere.

The manifest is text: a line a cell, and a checksum at the end. It stands in the source of the
release's last cell, for sources are what every editor keeps, and a second time in the notebook's
metadata, for a student may delete the cell. The library holds none: a teacher's release may differ
from the lesson of the same name.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from gdmlib.handin.code import squeeze
from gdmlib.handin.notebook import StudentCell

KEY = "gdm_handin"  # among the notebook's metadata
CALL = re.compile(r'handin\.check\(\s*"""\n?(.*?)"""', flags=re.DOTALL)

_PERSONAL = re.compile(r"personal ([0-9a-f]{12}) ([0-9a-f]{12})")
_LESSON = re.compile(r"[\w.-]+")
_ANSWER = re.compile(r"(\S+) answer ([\w-]+) ([0-9a-f]{12})((?: \w+)*)")
_TEST = re.compile(r"(\S+) test ([\w-]+) ([0-9a-f]{12}) ([0-9.e+-]+)")


class ManifestError(ValueError):
    """There is no manifest, or it is not as the release had it; the message says what to do."""


@dataclass(frozen=True)
class Entry:
    """One cell that must be there.

    Attributes:
        exercise: Its number, such as ``"2.1"``, or ``"-"``.
        kind: ``"answer"`` or ``"test"``.
        grade_id: nbgrader's name of the cell.
        digest: Of its text in the release, white space left out: the open answer, or the test.
        points: What a test earns.
        names: What an answer must bind, for its tests ask for it.
    """

    exercise: str
    kind: str
    grade_id: str
    digest: str
    points: float = 0.0
    names: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """What readers call the exercise."""
        return self.grade_id if self.exercise == "-" else f"Exercise {self.exercise}"

    def line(self) -> str:
        """Return the entry as the manifest has it."""
        last = [f"{self.points:g}"] if self.kind == "test" else list(self.names)
        return " ".join([self.exercise, self.kind, self.grade_id, self.digest, *last])


@dataclass(frozen=True)
class Personal:
    """Whose copy it is, as checksums alone, for a notebook may be shown around.

    Attributes:
        cell: Of the cell that sets the seed.
        student: Of the student's name in small letters.
    """

    cell: str
    student: str


@dataclass(frozen=True)
class Manifest:
    """The exercises of one lesson, in order, and whose copy it is; None: it is for everybody."""

    lesson: str
    entries: tuple[Entry, ...]
    personal: Personal | None = None

    @property
    def answers(self) -> list[Entry]:
        """The answers, in order."""
        return [entry for entry in self.entries if entry.kind == "answer"]

    @property
    def tests(self) -> list[Entry]:
        """The tests, in order."""
        return [entry for entry in self.entries if entry.kind == "test"]

    def dumps(self) -> str:
        """Return the text, checksum included."""
        own = [f"personal {self.personal.cell} {self.personal.student}"] if self.personal else []
        lines = [self.lesson, *own, *(entry.line() for entry in self.entries)]
        return "\n".join([*lines, f"sum {digest(' '.join(lines))}"]) + "\n"


def call(text: str) -> str:
    """Return the call in a notebook's last cell that holds a manifest; `CALL` finds it."""
    return f'handin.check("""\n{text.rstrip()}\n""")'


def digest(text: str) -> str:
    """Return what tells one cell from another; an editor may change its white space."""
    return hashlib.sha256(squeeze(text).encode()).hexdigest()[:12]


def loads(text: str) -> Manifest:
    """Return the manifest of a text.

    Raises:
        ManifestError: If a line is none, or the checksum is that of another text.
    """
    lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    if len(lines) < 2 or lines[-1] != f"sum {digest(' '.join(lines[:-1]))}":
        raise ManifestError(
            "the list of the lesson's tests, in the last cell, was changed: take that cell anew "
            "from a fresh copy of the lesson"
        )
    lesson, *rest = lines[:-1]
    if not _LESSON.fullmatch(lesson):
        raise ManifestError(f"expected a lesson's name in the first line, got {lesson!r}")
    own = _PERSONAL.fullmatch(rest[0]) if rest else None
    personal = None if own is None else Personal(*own.groups())
    return Manifest(lesson, tuple(map(_entry, rest[own is not None :])), personal)


def _entry(line: str) -> Entry:
    if answer := _ANSWER.fullmatch(line):
        exercise, grade_id, sign, names = answer.groups()
        return Entry(exercise, "answer", grade_id, sign, names=tuple(names.split()))
    if test := _TEST.fullmatch(line):
        exercise, grade_id, sign, points = test.groups()
        return Entry(exercise, "test", grade_id, sign, points=float(points))
    raise ManifestError(f"expected an answer or a test, got {line!r}: is this another version?")


def find(cells: Iterable[StudentCell], metadata: dict) -> Manifest:
    """Return the manifest that a notebook carries: in a cell, or else in its metadata.

    Raises:
        ManifestError: If it carries none that is whole.
    """
    texts = [text for cell in cells for text in CALL.findall(cell.source)]
    texts += [metadata[KEY]] if isinstance(metadata.get(KEY), str) else []
    wrong: ManifestError | None = None
    for text in texts:
        try:
            return loads(text)
        except ManifestError as error:
            wrong = wrong or error
    raise wrong or ManifestError(
        "the notebook does not say what its tests are, for its last cell is gone: name a fresh "
        "copy of the lesson beside it, as in `python -m gdmlib.handin mine.ipynb --release "
        "fresh.ipynb`"
    )
