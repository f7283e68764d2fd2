"""What a challenge asks, and for how many points: the file ``challenge/settings.toml``."""

from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from gdmlib._files import write_atomically

KINDS = {"density": "nats", "pictures": "frechet"}


class ChallengeError(Exception):
    """The challenge cannot be run; the message says what to do."""


@dataclass(frozen=True)
class Task:
    """One data set, and what an entry for it may use.

    Attributes:
        kind: ``"density"`` (points in a plane) or ``"pictures"`` (16 × 16 digits).
        train, heldout: How many examples to learn from, and to be measured on.
        seconds: Processor seconds of training.
        answer_seconds: Processor seconds of one batch of answers, or of one sampling step.
        parameters, bytes_: Numbers that the weights may hold, and bytes.
        samples: Pictures to draw; 0 for densities.
        steps: Sampling steps, a track each; empty for densities.
        points: By track: (score, points) pairs; a score at least as good earns the points.
    """

    kind: str
    train: int
    heldout: int
    seconds: float
    answer_seconds: float
    parameters: int
    bytes_: int
    samples: int
    steps: tuple[int, ...]
    points: dict[str, tuple[tuple[float, float], ...]]

    @property
    def tracks(self) -> tuple[str, ...]:
        """The names of the tracks, such as ``"steps-2"``."""
        return tuple(f"steps-{n}" for n in self.steps) or (KINDS[self.kind],)

    def earned(self, track: str, score: float) -> float:
        """Return the points of a score; lower scores are better."""
        return max((p for bound, p in self.points[track] if score <= bound), default=0.0)

    def most(self, track: str) -> float:
        """Return the points of the best threshold."""
        return max(p for _, p in self.points[track])


# Another key makes other data: scale.py puts the thresholds where its data are. These here stand in
# where a teacher's settings leave a track's out.
TASKS = {
    "density": Task(
        *("density", 2000, 4000, 20.0, 10.0, 20_000, 200_000, 0, ()),
        {"nats": ((1.9, 4.0), (2.2, 3.0), (2.8, 2.0), (3.4, 1.0))},
    ),
    "pictures": Task(
        *("pictures", 3000, 4000, 60.0, 5.0, 500_000, 2_500_000, 2000, (1, 2, 4)),
        {f"steps-{n}": ((1.5, 4.0), (2.5, 3.0), (4.0, 2.0), (8.0, 1.0)) for n in (1, 2, 4)},
    ),
}


def dumps(tasks: dict[str, Task]) -> str:
    """Return the settings as a teacher edits them."""
    lines = ["# Lower scores are better; a score at least as good as a bound earns its points."]
    for name, task in tasks.items():
        lines += ["", f"[{name}]"]
        for field in fields(Task):
            if field.name not in ("kind", "points"):
                value = getattr(task, field.name)
                lines.append(
                    f"{field.name.rstrip('_')} = {list(value) if field.name == 'steps' else value}"
                )
        lines.append(f"[{name}.points]")
        lines += [
            f"{track} = {[list(pair) for pair in task.points[track]]}" for track in task.tracks
        ]
    return "\n".join(lines) + "\n"


def write(path: Path, tasks: dict[str, Task]) -> None:
    """Write the settings, whole or not at all."""
    write_atomically(path, lambda part: part.write_text(dumps(tasks), encoding="utf-8"))


def read(path: Path) -> dict[str, Task]:
    """Return the tasks of a settings file; what it leaves out is as it was made.

    Raises:
        ChallengeError: If it is not there, or says something that is none of it.
    """
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ChallengeError(f"there is no {path}: run python challenge.py --new first") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ChallengeError(f"{path} cannot be read: {error}") from None
    if strange := sorted(set(told) - set(TASKS)):
        raise ChallengeError(f"{path}: expected {', '.join(TASKS)}, got {', '.join(strange)}")
    return {name: _task(path, TASKS[name], values) for name, values in told.items()}


def _task(path: Path, task: Task, values: dict[str, Any]) -> Task:
    known = {f.name.rstrip("_"): f.name for f in fields(Task) if f.name not in ("kind", "points")}
    changes: dict[str, Any] = {}
    for name, value in values.items():
        where = f"{path}: {task.kind}.{name}"
        if name == "points":
            continue
        if name not in known:
            raise ChallengeError(f"{where}: there is no such setting; there are {', '.join(known)}")
        if name == "steps":
            right = isinstance(value, list) and all(type(n) is int and n > 0 for n in value)
            right = right and len(set(value)) == len(value) and bool(value) == bool(task.steps)
            changes[name] = tuple(value) if right else ()
        else:
            whole = isinstance(getattr(task, known[name]), int)
            right = type(value) is int or (type(value) is float and not whole)
            right = right and math.isfinite(value) and value >= (name != "samples")
            changes[known[name]] = value
        if not right:
            raise ChallengeError(f"{where}: expected positive numbers of its kind, got {value!r}")
    task = replace(task, **changes)
    points = values.get("points", {})
    if strange := sorted(set(points) - set(task.tracks)):
        raise ChallengeError(f"{path}: {task.kind}.points: there is no track {', '.join(strange)}")
    told = {track: _points(path, track, pairs) for track, pairs in points.items()}
    if missing := [track for track in task.tracks if track not in task.points | told]:
        raise ChallengeError(f"{path}: {task.kind}.points: {', '.join(missing)} has no thresholds")
    return replace(task, points=task.points | told)


def _points(path: Path, track: str, pairs: Any) -> tuple[tuple[float, float], ...]:
    """Return thresholds; a better score never earns less."""
    try:
        found = sorted((float(bound), float(points)) for bound, points in pairs)
    except (TypeError, ValueError):
        found = []
    earned = [points for _, points in found]
    numbers = [n for pair in found for n in pair]
    if not found or earned != sorted(earned, reverse=True) or not all(map(math.isfinite, numbers)):
        raise ChallengeError(
            f"{path}: {track}: expected pairs [score, points] in which a lower score never earns "
            f"less, got {pairs!r}"
        )
    return tuple(found)
