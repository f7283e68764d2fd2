"""Say in words what a submission's cells lacked and what was done about it."""

from __future__ import annotations

from collections.abc import Iterator

from .match import Index, Piece


def remarks(
    index: Index, pieces: list[Piece], stood: list[int], place: list[int]
) -> tuple[str, ...]:
    """Return sentences for student and instructor, each once.

    Args:
        index: The lesson.
        pieces: The submission's.
        stood: Before which official cell each piece stood.
        place: Before which it runs.
    """
    found = [
        *_tests(index, pieces),
        *_given(index, pieces),
        *_answers(index, pieces, stood, place),
    ]
    return tuple(dict.fromkeys(found))


def _name(index: Index, i: int) -> str:
    """Return what readers call the exercise of a cell: ``"Exercise 1.1"``."""
    return index.cells[i].title.split(" · ")[0] or index.cells[i].key


def _tests(index: Index, pieces: list[Piece]) -> Iterator[str]:
    """Yield what was wrong with the test cells."""
    for test in index.tests:
        mine = [piece for piece in pieces if piece.home == test]
        if any(piece.official and not piece.merged for piece in mine):
            continue
        if any(piece.official for piece in mine):
            yield f"The test cell of {_name(index, test)} was merged with another; it was cut out."
        elif mine:
            yield f"The test cell of {_name(index, test)} was changed; the original was run."
        else:
            yield f"The test cell of {_name(index, test)} was missing and was put back."


def _given(index: Index, pieces: list[Piece]) -> Iterator[str]:
    """Yield what was wrong with the cells between the exercises."""
    given = [i for i, cell in enumerate(index.cells) if cell.kind == "given"]
    there = {piece.home for piece in pieces}
    missing = [i for i in given if i not in there]
    if missing:
        what = "cell was" if len(missing) == 1 else "cells were"
        yield f"{len(missing)} of the lesson's {len(given)} code {what} missing and put back."
    same = {piece.home for piece in pieces if piece.official}
    for i in given:
        if i in there and i not in same:
            yield (
                f"The lesson's cell {index.cells[i].key!r} was changed: "
                "the changed text was run, then the original."
            )


def _answers(
    index: Index, pieces: list[Piece], stood: list[int], place: list[int]
) -> Iterator[str]:
    """Yield what was wrong with the answers."""
    for solution in index.solutions:
        test, name = index.test_of(solution), _name(index, solution)
        mine = [
            i
            for i, piece in enumerate(pieces)
            if piece.home == solution or (piece.runs and solution in index.answered(piece.source))
        ]
        if not mine:
            yield f"{name} has no answer."
        if any(place[i] < stood[i] for i in mine if pieces[i].runs):
            yield f"The answer to {name} stood below its test and was run before it."
        if any(pieces[i].was_text for i in mine):
            yield f"The answer to {name} stood in a text cell and was run as code."
        late = [i for i in mine if pieces[i].runs and test is not None and place[i] > test]
        if late:
            yield (
                f"Below the test of {name} stands another answer "
                f"(cell {pieces[late[0]].number}); the one above it counts."
            )
