"""Put a student's answers and the official cells into the order in which they run.

The official cells always run, once and in order. A student's code runs where it stands among them,
but for what a test needs and meets only later: that is run before the test, and what it uses, too.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

from gdmlib.handin.code import ANY_NAME, binds, is_open, uses
from gdmlib.handin.notebook import StudentCell

from .match import Index, Piece, take_apart
from .official import Official
from .remarks import remarks

# So many given cells must be there in a notebook that holds no exercise of the lesson.
_RECOGNISED = 3


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
    index = Index(official)
    pieces = take_apart(index, cells)
    if not any(cell.source.strip() for cell in cells):
        return Arranged((), reason="the notebook is empty")
    if not _belongs(index, pieces):
        return Arranged((), reason="the notebook holds none of this lesson's cells")
    stood = _where_it_stood(pieces, len(index.cells))
    order = _Order(index, pieces, stood)
    for solution in index.solutions:
        order.serve(solution)
    order.open_stubs()
    return Arranged(order.steps(), remarks(index, pieces, stood, order.place))


def _belongs(index: Index, pieces: list[Piece]) -> bool:
    """Return whether a notebook has anything in common with the lesson."""
    exercises = {*index.solutions, *index.tests}
    if any(piece.home in exercises for piece in pieces):
        return True
    known = {piece.home for piece in pieces if piece.official}
    return len(known) >= min(_RECOGNISED, len(index.cells) // 2)


def _where_it_stood(pieces: list[Piece], end: int) -> list[int]:
    """Return for each piece the official cell before which it stands.

    The largest set of pieces that are in the official order says where the others are: between the
    neighbours that they have there, and as late as that allows, for then most is defined.
    """
    known = [i for i, piece in enumerate(pieces) if piece.home is not None]
    tails: list[int] = []  # the last home of the best chain of each length
    chains: list[int] = []
    before: dict[int, int | None] = {}
    for i in known:
        length = bisect_right(tails, pieces[i].home or 0)
        before[i] = chains[length - 1] if length else None
        tails[length : length + 1], chains[length : length + 1] = [pieces[i].home or 0], [i]
    anchors: dict[int, int] = {}
    at = chains[-1] if chains else None
    while at is not None:
        anchors[at] = pieces[at].home or 0
        at = before[at]
    places, place = [], end
    for i in reversed(range(len(pieces))):
        place = anchors.get(i, place)
        places.append(place)
    return places[::-1]


class _Order:
    """Before which official cell each piece runs; `len(index.cells)` is after the last."""

    def __init__(self, index: Index, pieces: list[Piece], stood: list[int]) -> None:
        self.index, self.pieces, self.place = index, pieces, list(stood)
        for i, piece in enumerate(pieces):
            # An answer far above its exercise may need what stands between.
            if piece.home in index.solutions:
                self.place[i] = max(self.place[i], piece.home or 0)
        running = (i for i, piece in enumerate(pieces) if piece.runs)
        self.running = sorted(running, key=lambda i: (self.place[i], i))
        fixed = ((i, cell) for i, cell in enumerate(index.cells) if cell.kind in ("given", "test"))
        self.given: dict[str, int] = {}  # where a name is first bound by an official cell
        for i, cell in fixed:
            for name in binds(cell.source):
                self.given.setdefault(name, i)

    def serve(self, solution: int) -> None:
        """Let the answers of an exercise, and what they use, run before its test."""
        test = self.index.test_of(solution)
        if test is None:
            return
        needed = self.index.needed[solution]
        waiting: list[tuple[str, int | None]] = [(name, None) for name in sorted(needed)]
        seen = set()
        while waiting:
            name, user = waiting.pop()
            if name in seen or (name not in needed and self.given.get(name, test) < test):
                continue
            seen.add(name)
            if name in needed or user is None:
                chosen = self._answers(name, solution, test)
            else:
                chosen = self._helpers(name, user, test)
            for i in chosen:
                if self.place[i] > test:
                    self._move(i, test, user)
                waiting += [(used, i) for used in sorted(uses(self.pieces[i].source))]

    def _move(self, i: int, test: int, user: int | None) -> None:
        """Let a piece run before a test, and before the piece that uses it."""
        self.running = [other for other in self.running if other != i]
        if user is None:
            self.place[i] = test
            after = (n for n, o in enumerate(self.running) if (self.place[o], o) > (test, i))
            self.running.insert(next(after, len(self.running)), i)
        else:
            self.place[i] = self.place[user]
            self.running.insert(self.running.index(user), i)

    def _answers(self, name: str, solution: int, test: int) -> list[int]:
        """Return the pieces that answer an exercise; those before its test, if there are any."""
        bind = [i for i in self.running if name in binds(self.pieces[i].source)]
        closed = [i for i in bind if not is_open(self.pieces[i].source, frozenset({name}))]
        marked = [i for i in self.running if self.pieces[i].home == solution]
        return _first(
            [i for i in closed if self.place[i] <= test],
            [i for i in closed if i in marked],
            closed,
            marked,
            bind,
        )

    def _helpers(self, name: str, user: int, test: int) -> list[int]:
        """Return the pieces that bind a name for another piece."""
        bind = [i for i in self.running if name in binds(self.pieces[i].source)]
        star = [i for i in self.running if ANY_NAME in binds(self.pieces[i].source) and i < user]
        return _first(
            [i for i in bind if self.place[i] <= test], [i for i in bind if i < user], bind, star
        )

    def open_stubs(self) -> None:
        """Let the release's open answer run where nothing answers its exercise."""
        for solution in self.index.solutions:
            stubs = [
                i
                for i, piece in enumerate(self.pieces)
                if piece.official and piece.home == solution
            ]
            answered = any(self.answers(i, solution) for i in self.running)
            if stubs and not answered:
                test = self.index.test_of(solution)
                self._move(stubs[0], self.place[stubs[0]] if test is None else test, None)

    def answers(self, i: int, solution: int) -> bool:
        """Return whether a piece answers an exercise, and runs before its test."""
        test = self.index.test_of(solution)
        timely = test is None or self.place[i] <= test
        bound = binds(self.pieces[i].source) & self.index.needed[solution]
        return timely and (bool(bound) or self.pieces[i].home == solution)

    def steps(self) -> tuple[Step, ...]:
        """Return everything that runs, in order."""
        keys = {cell.key for cell in self.index.cells if cell.kind != "solution"}
        steps = []
        waiting = list(self.running)
        for at in range(len(self.index.cells) + 1):
            while waiting and self.place[waiting[0]] <= at:
                steps.append(self._own(waiting.pop(0), keys))
            if at < len(self.index.cells):
                cell = self.index.cells[at]
                if cell.kind in ("given", "test"):
                    steps.append(Step(cell.kind, cell.key, cell.source, cell.title))
        return tuple(steps)

    def _own(self, i: int, keys: set[str]) -> Step:
        """Return the step that runs a piece, under a key of its own."""
        whose = next((s for s in self.index.solutions if self.answers(i, s)), None)
        cell = None if whose is None else self.index.cells[whose]
        name = f"own-{self.pieces[i].number}" if cell is None else cell.key
        others = (f"{name}/{count}" for count in range(2, len(keys) + 3))
        key = next(key for key in (name, *others) if key not in keys)
        keys.add(key)
        return Step("own", key, self.pieces[i].source, "" if cell is None else cell.title)


def _first(*choices: Iterable[int]) -> list[int]:
    """Return the first choice that is not empty."""
    return next((found for found in map(list, choices) if found), [])
