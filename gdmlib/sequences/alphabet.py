"""An alphabet: which characters there are, and the number of each."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from gdmlib._checks import check_count, check_kind, check_tensor, check_values


class Alphabet:
    """Characters and their numbers, from 0.

    Args:
        characters: All different; their order is that of the numbers.
    """

    def __init__(self, characters: Iterable[str]) -> None:
        listed = check_kind(characters, "characters", Iterable, "characters, such as a string")
        self.characters = tuple(listed)
        if not self.characters or not all(isinstance(c, str) and len(c) == 1 for c in listed):
            raise ValueError(f"characters: expected single characters, got {characters!r}")
        self._numbers = {character: i for i, character in enumerate(self.characters)}
        if len(self._numbers) < len(self.characters):
            raise ValueError("characters: expected different ones, some come twice")

    @classmethod
    def of(cls, text: str) -> Alphabet:
        """Return the alphabet of a text, sorted."""
        return cls(sorted(set(check_kind(text, "text", str, "a string"))))

    def __len__(self) -> int:
        return len(self.characters)

    def encode(self, text: str) -> Tensor:
        """Return the number of each character, int64 of shape (length,).

        Raises:
            ValueError: If a character is not in the alphabet; the message says which, and where.
        """
        check_kind(text, "text", str, "a string")
        for place, character in enumerate(text):
            if character not in self._numbers:
                strange = sorted(set(text) - set(self._numbers))
                shown = "".join(self.characters)
                raise ValueError(
                    f"text: {character!r} at place {place} is not among the {len(self)} "
                    f"characters {shown!r}; replace or leave out {' '.join(map(repr, strange))}"
                )
        return torch.tensor([self._numbers[character] for character in text], dtype=torch.int64)

    def decode(self, symbols: Tensor) -> str:
        """Return the text of numbers of shape (length,)."""
        check_tensor(symbols, "symbols", ndim=1, integer=True, nonempty=False)
        fits = (symbols >= 0) & (symbols < len(self))
        check_values(symbols, "symbols", fits, f"numbers 0 to {len(self) - 1}")
        return "".join(self.characters[i] for i in symbols.tolist())

    def strings(self, text: str, length: int, stride: int | None = None) -> Tensor:
        """Cut a text into strings of one length, (N, length); what is left at its end is dropped.

        Args:
            text: At least ``length`` characters.
            length: Of a string.
            stride: From the start of one string to that of the next; by default they do not
                overlap.
        """
        length = check_count(length, "length")
        stride = length if stride is None else check_count(stride, "stride")
        codes = self.encode(text)
        if len(codes) < length:
            raise ValueError(f"text: expected at least {length} characters, got {len(codes)}")
        return codes.unfold(0, length, stride).clone()
