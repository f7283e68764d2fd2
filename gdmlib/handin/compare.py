"""Compare a notebook with its manifest, without running it: what is missing, doubled, changed.

A cell is recognised by its text, white space left out, or else by nbgrader's name for it; an answer
also by what it binds. Ids, outputs, execution counts and whatever else editors add or drop mean
nothing here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gdmlib.handin.code import ANY_NAME, binds, parses, squeeze, statements
from gdmlib.handin.manifest import Entry, Manifest, digest
from gdmlib.handin.notebook import StudentCell
from gdmlib.handin.words import FRESH, Finding, broken_at, capital, cells_at, listed, quoted

_MOST_STATEMENTS = 80  # in a cell that is searched for a test that was merged into it


@dataclass(frozen=True)
class Compared:
    """What a comparison found.

    Attributes:
        findings: What to mend.
        open: The exercises whose answer nobody has written yet: not a fault.
        tests: The test that stands in a cell, by the cell's number.
    """

    findings: tuple[Finding, ...]
    open: tuple[str, ...]
    tests: dict[int, Entry]


def compare(manifest: Manifest, cells: list[StudentCell]) -> Compared:
    """Return what differs between a notebook and its release."""
    notebook = _Notebook(manifest, cells)
    findings = [found for entry in manifest.tests for found in notebook.test(entry)]
    findings += [found for entry in manifest.answers for found in notebook.answer(entry)]
    findings += notebook.order()
    findings.sort(key=lambda finding: finding.cells or (len(cells) + 1,))
    return Compared(tuple(findings), tuple(notebook.open), dict(sorted(notebook.tests.items())))


class _Notebook:
    """A student's cells, and where in them the release's are."""

    def __init__(self, manifest: Manifest, cells: list[StudentCell]) -> None:
        self.manifest = manifest
        self.cells = dict(enumerate(cells, start=1))
        self.by_text: dict[str, list[int]] = {}
        self.by_name: dict[str, list[int]] = {}
        for number, cell in self.cells.items():
            self.by_text.setdefault(digest(cell.source), []).append(number)
            if cell.grade_id:
                self.by_name.setdefault(cell.grade_id, []).append(number)
        self.signs = {entry.digest for entry in manifest.tests}
        self.open: list[str] = []
        self.tests: dict[int, Entry] = {}
        self.place: dict[str, int] = {}  # where the cell of a grade_id stands

    # --- tests ------------------------------------------------------------------------------------

    def test(self, entry: Entry) -> Iterator[Finding]:
        """Yield what is wrong with a test."""
        of = f"the test {entry.grade_id} of {entry.title}"
        same, named = (
            self.by_text.get(entry.digest, []),
            self.by_name.get(entry.grade_id, []),
        )
        every = sorted({*same, *named})
        if not every:
            yield self._merged(entry, of) or Finding(
                "test-missing",
                f"{capital(of)} is missing.",
                f"Copy its cell from {FRESH} to below your answer.",
            )
            return
        best = max(every, key=lambda n: (n in same, n in named, self._is_code(n), -n))
        self.place[entry.grade_id] = best
        self.tests[best] = entry
        cell = self.cells[best]
        if len(every) > 1:
            others = tuple(n for n in every if n != best)
            yield Finding(
                "test-doubled",
                f"{capital(of)} is there {len(every)} times, in cells {listed(every)}.",
                f"Keep cell {best} and delete {cells_at(others)}; move what you wrote into one of "
                "them to a cell of its own.",
                tuple(every),
            )
        if not self._is_code(best):
            yield self._as_text(best, of)
        elif best not in same:
            emptied = not squeeze(cell.source)
            yield Finding(
                "test-emptied" if emptied else "test-edited",
                f"Cell {best}, {of}, {'is empty' if emptied else 'was changed'}.",
                f"Put back its text from {FRESH}: the original decides on the points.",
                (best,),
            )
        elif best not in named:
            yield self._nameless(best, of)
        elif cell.points != entry.points:
            yield Finding(
                "points-changed",
                f"Cell {best}, {of}, says that it is worth {cell.points:g} points, not "
                f"{entry.points:g}.",
                f"Copy the cell from {FRESH}: its metadata were changed.",
                (best,),
            )

    def _merged(self, entry: Entry, of: str) -> Finding | None:
        """Return a finding if a test that has no cell of its own stands within another."""
        for number, cell in self.cells.items():
            if self._is_code(number) and _within(entry, cell.source):
                self.place[entry.grade_id] = number
                return Finding(
                    "test-merged",
                    f"{capital(of)} has no cell of its own: it was merged into cell {number}.",
                    f"Split cell {number}, so that your code and the test have a cell each.",
                    (number,),
                )
        return None

    # --- answers ----------------------------------------------------------------------------------

    def answer(self, entry: Entry) -> Iterator[Finding]:
        """Yield what is wrong with an answer; an open one is noted, and is no fault."""
        of = f"the answer to {entry.title}"
        named = self.by_name.get(entry.grade_id, [])
        stubs = self.by_text.get(entry.digest, [])
        bound = [
            n for n in self.cells if n not in named and n not in stubs and self._binds(n, entry)
        ]
        if not named:
            yield self._unnamed(entry, of, stubs, bound)
            return
        best = max(named, key=lambda n: (self._is_code(n), n not in stubs, -n))
        self.place[entry.grade_id] = best
        source = self.cells[best].source
        if len(named) > 1:
            yield Finding(
                "answer-doubled",
                f"{capital(of)} has {len(named)} cells of the same name: {listed(named)}.",
                "Keep one: merge what belongs to the answer into it and delete the others, or add "
                "a new cell for what you want to keep beside it.",
                tuple(named),
            )
        missing = sorted(set(entry.names) - binds(source))
        if not self._is_code(best):
            yield self._as_text(best, of)
        elif bound and (best in stubs or not squeeze(source)):
            yield self._elsewhere(best, of, bound)
        elif best in stubs:
            self.open.append(entry.title)
        elif not squeeze(source):
            yield Finding(
                "answer-emptied",
                f"Cell {best}, {of}, is empty.",
                f"Write your answer there; its first lines are in {FRESH}.",
                (best,),
            )
        elif not parses(source):
            yield Finding(
                "answer-broken",
                f"Cell {best}, {of}, is not valid Python{broken_at(source)}.",
                "Mend it: while it is not, none of its code runs.",
                (best,),
            )
        elif missing and ANY_NAME not in binds(source) and len(named) == 1:
            if bound:
                yield self._elsewhere(best, of, bound)
            else:
                yield Finding(
                    "answer-renamed",
                    f"Cell {best}, {of}, does not define {quoted(missing)}.",
                    "The tests call it by that name: give it back.",
                    (best,),
                )

    def _unnamed(self, entry: Entry, of: str, stubs: list[int], bound: list[int]) -> Finding:
        """Return what is wrong with an answer if no cell bears its name."""
        if bound or stubs:
            best = [*bound, *stubs][0]
            self.place[entry.grade_id] = best
            if not bound:
                self.open.append(entry.title)
            return self._nameless(best, of)
        return Finding(
            "answer-missing",
            f"The cell for {of} is missing.",
            f"Copy the cell from {FRESH} to below the exercise, and write your answer into it.",
        )

    def _binds(self, number: int, entry: Entry) -> bool:
        """Return whether a cell of no other answer defines what this one must."""
        cell = self.cells[number]
        others = {e.grade_id for e in self.manifest.entries} - {entry.grade_id}
        return (
            bool(entry.names)
            and self._is_code(number)
            and cell.grade_id not in others
            and digest(cell.source) not in self.signs
            and set(entry.names) <= binds(cell.source)
        )

    # --- both -------------------------------------------------------------------------------------

    def order(self) -> Iterator[Finding]:
        """Yield the tests that stand above the answer that they test."""
        for answer in self.manifest.answers:
            at = self.place.get(answer.grade_id)
            tests = [e for e in self.manifest.tests if e.exercise == answer.exercise]
            places = [self.place[e.grade_id] for e in tests if e.grade_id in self.place]
            above = sorted({place for place in places if at is not None and place < at})
            if above and answer.exercise != "-":
                yield Finding(
                    "order",
                    f"The answer to {answer.title}, cell {at}, stands below its test, "
                    f"{cells_at(above)}.",
                    "Move it to above the test: a notebook runs from top to bottom.",
                    (*above, at or 0),
                )

    def _is_code(self, number: int) -> bool:
        return self.cells[number].kind == "code"

    def _as_text(self, number: int, of: str) -> Finding:
        return Finding(
            "not-code",
            f"Cell {number}, {of}, is a text cell, so it does not run.",
            "Change its type to Code.",
            (number,),
        )

    def _nameless(self, number: int, of: str) -> Finding:
        return Finding(
            "metadata-lost",
            f"Cell {number}, {of}, has lost its metadata, by which it is told from other cells.",
            f"Copy the whole cell, not its text alone, from {FRESH}, put your answer into it and "
            f"delete cell {number}.",
            (number,),
        )

    def _elsewhere(self, number: int, of: str, bound: list[int]) -> Finding:
        return Finding(
            "answer-elsewhere",
            f"{capital(of)} stands in {cells_at(bound)}, and not in its own cell, {number}.",
            f"Move its code to cell {number}.",
            (number, *bound),
        )


def _within(entry: Entry, source: str) -> bool:
    """Return whether a test's text stands among the statements of a longer cell."""
    parts = statements(source) or []
    if not 1 < len(parts) <= _MOST_STATEMENTS:
        return False
    texts = [squeeze(part) for part in parts]
    spans = ((i, j) for i in range(len(texts)) for j in range(i + 1, len(texts) + 1))
    return any(digest("".join(texts[i:j])) == entry.digest for i, j in spans)
