"""Find which official cell each piece of a student's notebook belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from gdmlib.handin.code import binds, parses, squeeze, statements, uses
from gdmlib.handin.notebook import StudentCell

from .official import Official

# Shorter official texts, such as a lone `plt.show()`, are no sign that two cells were merged.
_SHORTEST_MERGED = 20

Block = tuple[str, ...]


@dataclass(frozen=True)
class Piece:
    """A student's cell, or the part of it that belongs to one official cell.

    Attributes:
        number: The student's cell, counted from 1.
        source: The text.
        home: The index of the official cell that it belongs to, or None.
        official: Whether it is that cell's own text, so that it needs no running.
        runs: Whether it is code of the student's.
        merged: Whether it was cut out of a longer cell.
        was_text: Whether it is code that stood in a text cell.
    """

    number: int
    source: str
    home: int | None
    official: bool = False
    runs: bool = True
    merged: bool = False
    was_text: bool = False


class Index:
    """A lesson, and what its cells are recognised by."""

    def __init__(self, official: Official) -> None:
        self.cells = official.cells
        self.by_key = {cell.key: i for i, cell in enumerate(self.cells)}
        self.by_text: dict[str, list[int]] = {}
        for i, cell in enumerate(self.cells):
            texts = {cell.visible, cell.visible if cell.kind == "solution" else cell.source}
            for text in {squeeze(text) for text in texts} - {""}:
                self.by_text.setdefault(text, []).append(i)
        self.solutions = [i for i, cell in enumerate(self.cells) if cell.kind == "solution"]
        self.tests = [i for i, cell in enumerate(self.cells) if cell.kind == "test"]

    @cached_property
    def needed(self) -> dict[int, frozenset[str]]:
        """What each solution binds for the tests: the names by which an answer is recognised."""
        fixed = [c.source for c in self.cells if c.kind in ("given", "test")]
        elsewhere = frozenset[str]().union(*map(binds, fixed))
        tested = frozenset[str]().union(*(uses(self.cells[t].source) for t in self.tests))
        found = {}
        for s in self.solutions:
            others = (binds(self.cells[o].source) for o in self.solutions if o != s)
            bound = binds(self.cells[s].source)
            alone = bound - elsewhere.union(*others)
            found[s] = (alone & tested) or alone or bound
        return found

    def test_of(self, solution: int) -> int | None:
        """Return the first test of a solution: its answers run before it."""
        later = [t for t in self.tests if t > solution]
        fitting = (t for t in later if uses(self.cells[t].source) & self.needed[solution])
        return next(fitting, later[0] if later else None)

    def answered(self, source: str) -> list[int]:
        """Return the solutions whose names a text binds."""
        bound = binds(source)
        return [s for s in self.solutions if bound & self.needed[s]]

    def home(self, cell: StudentCell) -> int | None:
        """Return the official cell that a cell's metadata names."""
        found = self.by_key.get(cell.grade_id)
        return self.by_key.get(cell.cell_id) if found is None else found


def take_apart(index: Index, cells: list[StudentCell]) -> list[Piece]:
    """Return the pieces of a notebook, in its order; nothing that is code is left out."""
    same = _same(index, cells)
    # What stands in a cell of its own was copied, not merged, where it is met a second time.
    missing = set(range(len(index.cells))) - {i for i in same if i is not None}
    blocks = _blocks(index, missing)
    pieces: list[Piece] = []
    for number, (cell, at) in enumerate(zip(cells, same, strict=True), start=1):
        if at is not None:
            pieces.append(Piece(number, cell.source, at, official=True, runs=False))
        else:
            pieces += _parts(index, blocks, number, cell)
    return pieces


def _same(index: Index, cells: list[StudentCell]) -> list[int | None]:
    """Return for each cell the official cell with the same text, white space left out."""
    found: list[int | None] = []
    used: set[int] = set()
    for cell in cells:
        fitting = index.by_text.get(squeeze(cell.source), [])
        named = [i for i in fitting if i == index.home(cell)]
        fresh = [i for i in fitting if i not in used]
        at = next(iter([*named, *fresh, *fitting]), None)
        found.append(at)
        used |= {at} if at is not None else set()
    return found


def _blocks(index: Index, missing: Iterable[int]) -> dict[str, list[tuple[Block, int]]]:
    """Return the texts that may have been merged into others, by their first line."""
    blocks: dict[str, list[tuple[Block, int]]] = {}
    for i in sorted(missing):
        lines = tuple(line for _, line in _written(index.cells[i].visible))
        if len(squeeze("".join(lines))) >= _SHORTEST_MERGED:
            blocks.setdefault(lines[0], []).append((lines, i))
    for fitting in blocks.values():
        fitting.sort(key=lambda block: -len(block[0]))
    return blocks


def _written(text: str) -> list[tuple[int, str]]:
    """Return the number and the text of each line that is not blank."""
    return [(i, line.rstrip()) for i, line in enumerate(text.split("\n")) if line.strip()]


def _cut(text: str, blocks: dict[str, list[tuple[Block, int]]]) -> list[tuple[str, int | None]]:
    """Cut a text where official texts stand in it, and return the parts and whose they are."""
    lines, written = text.split("\n"), _written(text)
    parts: list[tuple[str, int | None]] = []
    start = at = 0
    while at < len(written):
        for block, i in blocks.get(written[at][1], []):
            if tuple(line for _, line in written[at : at + len(block)]) == block:
                end = written[at + len(block) - 1][0] + 1
                parts.append(("\n".join(lines[start : written[at][0]]), None))
                parts.append(("\n".join(lines[written[at][0] : end]), i))
                start, at = end, at + len(block)
                break
        else:
            at += 1
    parts.append(("\n".join(lines[start:]), None))
    parts = [(part, i) for part, i in parts if part.strip()]
    # An official text within quotes, say, was not merged.
    whole = not parses(text) or all(parses(part) for part, i in parts if i is None)
    return parts if whole else [(text, None)]


def _parts(
    index: Index, blocks: dict[str, list[tuple[Block, int]]], number: int, cell: StudentCell
) -> Iterator[Piece]:
    """Yield the pieces of a cell that is no official one."""
    cut = _cut(cell.source, blocks)
    within = {i for _, i in cut}
    named = index.home(cell)
    for part, i in cut:
        if i is not None:
            yield Piece(number, part, i, official=True, runs=False, merged=True)
            continue
        same = index.by_text.get(squeeze(part), [])
        if same:
            yield Piece(number, part, same[0], official=True, runs=False, merged=True)
            continue
        home = None if named in within else named
        if cell.kind == "code" or _is_answer(index, part, home):
            yield from _answers(index, Piece(number, part, home, was_text=cell.kind != "code"))
        else:
            yield Piece(number, part, home, runs=False)


def _is_answer(index: Index, text: str, home: int | None) -> bool:
    """Return whether a text cell holds an answer: one keystroke makes text of a code cell."""
    return home in index.solutions or (parses(text) and bool(index.answered(text)))


def _answers(index: Index, piece: Piece) -> Iterator[Piece]:
    """Yield a piece, taken apart where it answers several exercises or stands in a changed test."""
    answered = index.answered(piece.source)
    strange = piece.home is not None and piece.home not in index.solutions
    parts = statements(piece.source) if len(answered) > 1 or (answered and strange) else None
    if not parts:
        home = piece.home
        if answered and home not in answered:
            home = answered[0]
        yield Piece(piece.number, piece.source, home, was_text=piece.was_text)
        return
    for whose, text in _groups(index, parts):
        home = whose if whose is not None else piece.home if strange else None
        yield Piece(piece.number, text, home, was_text=piece.was_text)


def _groups(index: Index, parts: list[str]) -> list[tuple[int | None, str]]:
    """Group statements by the exercise they answer; what an answer uses goes with it."""
    whose: list[int | None] = []
    users: dict[str, int] = {}  # for each name, the answer that takes it from a statement above
    for part in reversed(parts):
        answered = index.answered(part)
        direct = answered[0] if answered else None
        taken = next((users[name] for name in sorted(binds(part)) if name in users), None)
        owner = taken if direct is None else direct
        whose.append(owner)
        if owner is not None:
            users |= dict.fromkeys(uses(part), owner)
    groups: list[tuple[int | None, str]] = []
    for owner, part in zip(reversed(whose), parts, strict=True):
        if groups and groups[-1][0] == owner:
            groups[-1] = owner, f"{groups[-1][1]}\n{part}"
        else:
            groups.append((owner, part))
    return groups
