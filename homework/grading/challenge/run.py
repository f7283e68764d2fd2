"""Run a challenge: train what was handed in, measure it, and write leaderboard and grades."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from pathlib import Path

from safetensors.torch import save_file

import gdmlib
from gdmlib._files import write_atomically

from ..feedback import feedback
from ..key import KeyFileError, make_key, read_key
from ..table import Result, Table, alone
from . import laws, settings
from .arena import Arena
from .board import Board, Row
from .entry import Entry, EntryError, entries
from .scale import fitting
from .score import Referee, Score, Trained
from .settings import ChallengeError, Task

LESSON = "challenge"  # how the names of its rows in grades.csv begin


def begin(course: Path) -> Path:
    """Make the folder of a challenge, and return it; what is there stays.

    All of ``handout/`` is for students; it is drawn with the course's ``key``.

    Raises:
        KeyFileError: If the key with which it was made is missing.
    """
    folder = course / "challenge"
    key = make_key(course)
    (folder / "entries").mkdir(parents=True, exist_ok=True)
    (folder / "handout").mkdir(exist_ok=True)
    kept = folder / "settings.toml"
    tasks = settings.read(kept) if kept.exists() else settings.TASKS
    data = {name: laws.training_data(key, t.kind, t.train) for name, t in tasks.items()}
    if not kept.exists():
        settings.write(kept, {name: fitting(t, data[name], key) for name, t in tasks.items()})
    for name, x in data.items():
        save_file({"x": x.contiguous()}, folder / "handout" / f"{name}.safetensors")
    return folder


def run(
    course: Path,
    *,
    student: str | None = None,
    again: bool = False,
    tell: Callable[[str], None] = print,
) -> list[Row]:
    """Train and measure all entries, or one student's; what did not change is left as it is.

    Args:
        course: The course folder.
        student: Only this one's.
        again: Whether to train anew what was measured before.
        tell: Is told a line for each entry and track.

    Raises:
        ChallengeError: If there is no challenge, or nothing to measure.
    """
    folder = course / "challenge"
    tasks = settings.read(folder / "settings.toml")
    try:
        key, found = read_key(course), entries(folder / "entries")
    except (EntryError, KeyFileError, OSError) as error:
        raise ChallengeError(str(error)) from None
    found = [entry for entry in found if entry.kind in tasks]
    wanted = [entry for entry in found if student in (None, entry.student)]
    if not wanted:
        raise ChallengeError(
            f"there is nothing to measure: put entries at {folder / 'entries'}/<student>/"
            f"{' or '.join(f'{kind}.py' for kind in tasks)}"
        )
    with alone(course), Arena(course) as arena:
        if arena.fence:
            tell(arena.fence)
        board = Board(folder)
        board.keep({(track, e.student) for e in found for track in tasks[e.kind].tracks})
        referees = {kind: Referee(key, task, arena) for kind, task in tasks.items()}
        done: list[Row] = []
        for entry in wanted:
            digest = _digest(entry, tasks[entry.kind], key)
            known = [board.rows.get((t, entry.student)) for t in tasks[entry.kind].tracks]
            rows = [row for row in known if row is not None and row.digest == digest]
            if again or len(rows) < len(known):
                rows = measure(referees[entry.kind], entry, digest)
            board.put(rows)
            _grade(course, rows)
            done += rows
            for row in rows:
                tell(f"{row.student:<20} {row.track:<8} {row.points:g}/{row.most:g}  {row.said}")
        return [board.rows[row.track, row.student] for row in done]


def measure(referee: Referee, entry: Entry, digest: str = "") -> list[Row]:
    """Train an entry and measure it on every track of its task."""
    trained: Trained | None = None
    rows = []
    reason = ""
    try:
        trained = referee.train(entry.source())
    except EntryError as error:
        reason = f"{error}."
    for track in referee.task.tracks:
        row = Row(track, entry.student, most=referee.task.most(track), said=reason, digest=digest)
        if trained is not None:
            row = _measured(referee, trained, row)
        rows.append(row)
    return rows


def _measured(referee: Referee, trained: Trained, row: Row) -> Row:
    """Return a row with its score, or with the reason why it has none."""
    known = {"seconds": round(trained.seconds, 1), "parameters": trained.parameters}
    try:
        score = referee.score(trained, row.track)
    except EntryError as error:
        return Row(**vars(row) | known | {"said": f"{error}."})
    value, spread = rounded(score)
    points = referee.task.earned(row.track, value)
    return Row(
        **vars(row)
        | known
        | {"score": value, "error": spread, "points": points, "said": score.said}
    )


def rounded(score: Score) -> tuple[float, float]:
    """Return score and error with the decimals that two digits of the error need.

    So chance decides no ranks: who differs by less than that is equal.
    """
    decimals = 3 if score.error <= 0 else max(0, 1 - math.floor(math.log10(score.error)))
    return round(score.value, decimals), round(score.error, decimals)


def _digest(entry: Entry, task: Task, key: bytes) -> str:
    """Return what changes when an entry would have to be measured again."""
    known = [gdmlib.__version__, repr(task), hashlib.sha256(key).hexdigest()]
    try:
        data = entry.path.read_bytes()
    except OSError:
        data = b""
    return hashlib.sha256("\0".join(known).encode() + data).hexdigest()[:16]


def _grade(course: Path, rows: list[Row]) -> None:
    """Write points and words where export.py takes them from."""
    table, results = Table(course / "grades.csv"), []
    for row in rows:
        lesson = f"{LESSON}-{row.track}"
        failed = row.score is None
        results.append(
            Result(
                *(row.student, lesson, row.points, row.most, "failed" if failed else "graded"),
                reason=row.said if failed else "",
                digest=row.digest,
            )
        )
        heading = f"{lesson}: {row.points:g} of {row.most:g} points"
        text = feedback(heading, [], [] if failed else [row.said], row.said if failed else "")
        path = course / "feedback" / row.student / f"{lesson}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, text)
    table.put(*results)


def _write(path: Path, text: str) -> None:
    write_atomically(path, lambda part: part.write_text(text, encoding="utf-8"))
