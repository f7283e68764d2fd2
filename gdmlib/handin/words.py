"""Findings, and the words that they are made of."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass

FRESH = "a freshly downloaded copy of the lesson"


@dataclass(frozen=True)
class Finding:
    """One thing to mend.

    Attributes:
        kind: A word, such as ``"test-missing"``.
        what: What is the case, as a sentence.
        do: What to do, as a sentence.
        cells: The cells that it is about, counted from 1.
    """

    kind: str
    what: str
    do: str
    cells: tuple[int, ...] = ()

    def __str__(self) -> str:
        return f"{self.what} {self.do}"


def broken_at(source: str) -> str:
    """Return where a text stops being Python, in words."""
    try:
        ast.parse(source)
    except SyntaxError as error:
        return f", from line {error.lineno} on" if error.lineno else ""
    except (ValueError, RecursionError, MemoryError):
        pass
    return ""


def capital(text: str) -> str:
    """Return a text as the beginning of a sentence."""
    return text[:1].upper() + text[1:]


def listed(numbers: Sequence[int]) -> str:
    """Return numbers as people write them: "3, 4 and 5"."""
    texts = [str(number) for number in numbers]
    return " and ".join([", ".join(texts[:-1]), texts[-1]]) if len(texts) > 1 else texts[0]


def cells_at(numbers: Sequence[int]) -> str:
    """Return which cells: "cell 3", "cells 3 and 4"."""
    return f"{'cell' if len(numbers) == 1 else 'cells'} {listed(numbers)}"


def quoted(names: Sequence[str]) -> str:
    """Return names in the marks of code."""
    return ", ".join(f"`{name}`" for name in names)
