"""The leaderboard: a row an entry and track, as CSV for programs and as Markdown for people."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from gdmlib._files import write_atomically


@dataclass(frozen=True)
class Row:
    """What one entry reached on one track.

    Attributes:
        track, student: Which, whose.
        rank: From 1; equal scores share one; 0 where there is no score.
        score, error: As measured, rounded as they are shown; lower is better.
        points, most: What it earned, and what was to be had.
        seconds, parameters: Processor seconds of its training, numbers in its weights.
        said: A sentence: what was measured, or why nothing was.
        digest: Changes with the entry, the settings and the key.
    """

    track: str
    student: str
    rank: int = 0
    score: float | None = None
    error: float = 0.0
    points: float = 0.0
    most: float = 0.0
    seconds: float = 0.0
    parameters: int = 0
    said: str = ""
    digest: str = ""


class Board:
    """``leaderboard.csv`` and ``leaderboard.md``, which are whole at any moment."""

    def __init__(self, folder: Path) -> None:
        self.csv, self.markdown = folder / "leaderboard.csv", folder / "leaderboard.md"
        self.rows: dict[tuple[str, str], Row] = {}
        if self.csv.is_file():
            with self.csv.open(newline="", encoding="utf-8-sig") as file:
                for row in map(_row, csv.DictReader(file)):
                    self.rows[row.track, row.student] = row

    def put(self, rows: Iterable[Row]) -> None:
        """Enter rows and write both files."""
        self.rows |= {(row.track, row.student): row for row in rows}
        self.write()

    def keep(self, keys: set[tuple[str, str]]) -> None:
        """Drop rows of entries that are no more."""
        self.rows = {key: row for key, row in self.rows.items() if key in keys}
        self.write()

    def write(self) -> None:
        """Write both files."""
        rows = ranked(self.rows.values())
        self.rows = {(row.track, row.student): row for row in rows}
        write_atomically(self.csv, lambda path: _write_csv(path, rows))
        text = markdown(rows)
        write_atomically(self.markdown, lambda path: path.write_text(text, encoding="utf-8"))


def ranked(rows: Iterable[Row]) -> list[Row]:
    """Return rows by track and rank; who is equal has one rank, and stands by name."""
    listed = sorted(
        rows, key=lambda r: (r.track, r.score is None, r.score or 0.0, r.student.casefold())
    )
    found: list[Row] = []
    for row in listed:
        scores = [r.score for r in listed if r.track == row.track and r.score is not None]
        rank = 0 if row.score is None else 1 + sum(s < row.score for s in scores)
        found.append(Row(**asdict(row) | {"rank": rank}))
    return found


def markdown(rows: list[Row]) -> str:
    """Return the tables, one a track."""
    lines = ["# Leaderboard", "", "Lower is better; equal scores share a rank."]
    for track in dict.fromkeys(row.track for row in rows):
        lines += ["", f"## {track}", ""]
        lines += ["| rank | entry | score | points | seconds | parameters | |", "|" + "---|" * 7]
        for row in rows:
            if row.track == track:
                score = "" if row.score is None else f"{row.score:g} ± {row.error:g}"
                cells = [str(row.rank or "-"), row.student, score, f"{row.points:g}/{row.most:g}"]
                cells += [f"{row.seconds:.1f}", str(row.parameters), row.said]
                lines.append("| " + " | ".join(map(_cell, cells)) + " |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    """Return text that neither ends a cell nor is read as markup."""
    text = " ".join(text.split())
    for mark in "\\`*_[]<>|":
        text = text.replace(mark, f"\\{mark}")
    return text


def _write_csv(path: Path, rows: list[Row]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Row)])
        writer.writeheader()
        writer.writerows(map(asdict, rows))


def _row(told: Mapping[str, str]) -> Row:
    """Return a row of the file; what is no number counts as none."""

    def number(name: str) -> float:
        try:
            return float(told.get(name) or 0)
        except ValueError:
            return 0.0

    text = {name: told.get(name) or "" for name in ("track", "student", "said", "digest")}
    numbers = {name: number(name) for name in ("error", "points", "most", "seconds")}
    score = number("score") if told.get("score") else None
    whole = {name: int(number(name)) for name in ("rank", "parameters")}
    return Row(**text, **numbers, **whole, score=score)  # type: ignore[arg-type]
