"""A small grammar: which captions there are, what each says, and where a wrong one goes wrong.

A caption is a row of fixed words and of places, each of which is filled by one word of a list. So
captions are numbers, too, and all of them can be listed: a sum over all captions is a sum.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from gdmlib._checks import check_kind, check_labels, check_tensor, check_values


class CaptionError(ValueError):
    """A text is no caption of the grammar; the message says the word and the allowed ones."""


@dataclass(frozen=True)
class Slot:
    """A place of a caption.

    Attributes:
        name: What it says, such as ``"first colour"``.
        words: What may stand there; ``""`` is nothing at all, and two words may be one entry.
    """

    name: str
    words: tuple[str, ...]


class Grammar:
    """Fixed words and places in a row.

    Args:
        parts: Each a fixed word or a `Slot`.
    """

    def __init__(self, *parts: str | Slot) -> None:
        self.parts = tuple(check_kind(p, "parts", (str, Slot), "a word or a Slot") for p in parts)
        self.slots = tuple(part for part in self.parts if isinstance(part, Slot))
        if not self.slots:
            raise ValueError("parts: expected at least one Slot among them")
        self.sizes = tuple(len(slot.words) for slot in self.slots)

    def __len__(self) -> int:
        return math.prod(self.sizes)

    def parse(self, text: str) -> Tensor:
        """Return which word fills each place, int64 of shape (places,).

        Raises:
            CaptionError: If the text is no caption; the message says which word is wrong, and
                which words may stand there.
        """
        words = check_kind(text, "caption", str, "a string").split()
        found, at = [], 0
        allowed: list[str] = []  # what may come next, with what optional places have let pass
        for part in self.parts:
            options = part.words if isinstance(part, Slot) else (part,)
            allowed += [option for option in options if option]
            # Longest first: nothing at all fits everywhere.
            fits = [
                option
                for option in sorted(options, key=lambda o: -len(o.split()))
                if words[at : at + len(option.split())] == option.split()
            ]
            if not fits:
                got = repr(words[at]) if at < len(words) else "nothing"
                after = f" after {' '.join(words[:at])!r}" if at else ""
                what = f" as the {part.name}" if isinstance(part, Slot) else ""
                raise CaptionError(
                    f"caption: {got}{after} is not in the grammar{what}; expected one of: "
                    f"{', '.join(allowed)}"
                )
            if isinstance(part, Slot):
                found.append(part.words.index(fits[0]))
            if fits[0]:
                at, allowed = at + len(fits[0].split()), []
        if at < len(words):
            raise CaptionError(
                f"caption: it should end after {' '.join(words[:at])!r}, got {words[at]!r} next; "
                "leave out the rest"
            )
        return torch.tensor(found)

    def caption(self, words: Tensor) -> str:
        """Return the text of the words at each place, shape (places,)."""
        words = self.check(check_tensor(words, "words", ndim=1, integer=True)[None])[0]
        entries = iter(words.tolist())
        texts = [p if isinstance(p, str) else p.words[next(entries)] for p in self.parts]
        return " ".join(text for text in texts if text)

    def check(self, words: Tensor) -> Tensor:
        """Return words, int64 (B, places), if each is one of its place."""
        check_tensor(words, "words", shape=("B", len(self.sizes)), integer=True)
        sizes = torch.tensor(self.sizes, device=words.device)
        fits = (words >= 0) & (words < sizes)
        return check_values(words.long(), "words", fits, f"numbers below {self.sizes}")

    def number(self, words: Tensor) -> Tensor:
        """Return the number of each caption, (B, places) -> (B,), from 0 to len(grammar) - 1."""
        words = self.check(words)
        total = torch.zeros_like(words[:, 0])
        for column, size in zip(words.unbind(dim=1), self.sizes, strict=True):
            total = total * size + column
        return total

    def words(self, numbers: Tensor) -> Tensor:
        """Return the words of captions, given by their numbers, (B,) -> (B, places)."""
        left = check_labels(numbers, "numbers", num_classes=len(self))
        columns = []
        for size in reversed(self.sizes):
            columns.append(left % size)
            left = left // size
        return torch.stack(columns[::-1], dim=1)

    def everything(self) -> Tensor:
        """Return the words of all captions, (len(grammar), places), in the order of numbers."""
        return self.words(torch.arange(len(self)))
