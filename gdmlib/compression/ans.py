r"""Asymmetric numeral systems: a stack of bits from which symbols are taken and onto which they go.

Duda (2013, arXiv:1311.2540). All that was written is one natural number :math:`s`. A symbol whose
probability is :math:`f / 2^b`, and whose share of the slots :math:`0 \ldots 2^b - 1` begins at c,
is pushed by

.. math:: s \leftarrow \lfloor s / f \rfloor\, 2^b + c + (s \bmod f),

which makes the number :math:`2^b / f` times as large: it grows by :math:`-\log_2 p` bits. The step
back is exact: the slot :math:`s \bmod 2^b` says which symbol it was. What was pushed last comes
back first. To keep numbers small, their lower 32 bits are put aside when they pass 63.
"""

from __future__ import annotations

import numpy as np

from gdmlib._checks import check_count
from gdmlib.compression.container import CorruptStreamError
from gdmlib.compression.slots import check_share

Array = np.ndarray

LOW = np.uint64(1 << 31)
"""The smallest state: between symbols, every state lies in [2^31, 2^63)."""
_WORD = np.uint64(32)
_MASK = np.uint64(0xFFFFFFFF)


class Stack:
    """Several such numbers side by side, the lanes, so that numpy pushes many symbols at once.

    Args:
        lanes: How many. Each costs 8 bytes in the end.

    Attributes:
        state: The numbers, uint64 of shape (lanes,).
    """

    def __init__(self, lanes: int = 1) -> None:
        self.state = np.full(check_count(lanes, "lanes"), LOW, dtype=np.uint64)
        self._words = np.empty(1024, dtype=np.uint32)
        self._count = 0

    def __len__(self) -> int:
        """Return how many bits the stack holds, those of the states included."""
        return 32 * self._count + 64 * len(self.state)

    def push(self, start: Array, width: Array, bits: int) -> None:
        """Put a symbol on each of the first lanes.

        Args:
            start, width: Where the share of each symbol begins, and how many of the 2^bits slots it
                has, at least 1: integers of shape (n,), n at most the number of lanes.
            bits: At most 31.
        """
        n = len(start)
        _check(start, width, bits, len(self.state))
        width = width.astype(np.uint64)
        state = self.state[:n]
        full = state >= width << np.uint64(63 - bits)
        count = int(full.sum())
        if count:
            if self._count + count > len(self._words):
                self._words = np.concatenate([self._words, np.empty_like(self._words)])
                return self.push(start, width, bits)
            self._words[self._count : self._count + count] = (state[full] & _MASK).astype(np.uint32)
            self._count += count
            state = np.where(full, state >> _WORD, state)
        whole, rest = np.divmod(state, width)
        self.state[:n] = (whole << np.uint64(bits)) + start.astype(np.uint64) + rest
        return None

    def peek(self, n: int, bits: int) -> Array:
        """Return the slots on top of the first n lanes, int64 (n,): they say which symbols lie."""
        return (self.state[:n] & np.uint64((1 << bits) - 1)).astype(np.int64)

    def pop(self, start: Array, width: Array, bits: int) -> None:
        """Take the symbols away whose shares `peek` has named.

        Raises:
            CorruptStreamError: If there is nothing left to take.
        """
        n = len(start)
        _check(start, width, bits, len(self.state))
        slot = self.peek(n, bits)
        rest = (slot - start).astype(np.uint64)
        state = width.astype(np.uint64) * (self.state[:n] >> np.uint64(bits)) + rest
        empty = state < LOW
        count = int(empty.sum())
        if count:
            if count > self._count:
                raise CorruptStreamError("the stream ends before its last symbol")
            self._count -= count
            state[empty] = (state[empty] << _WORD) | self._words[
                self._count : self._count + count
            ].astype(np.uint64)
        self.state[:n] = state

    @property
    def is_empty(self) -> bool:
        """Whether everything that was pushed has been taken away again."""
        return self._count == 0 and bool((self.state == LOW).all())

    def to_bytes(self) -> bytes:
        """Return all that the stack holds: the states, then the words."""
        words = self._words[: self._count].astype("<u4").tobytes()
        return self.state.astype("<u8").tobytes() + words

    @classmethod
    def from_bytes(cls, data: bytes, lanes: int = 1) -> Stack:
        """Return the stack that `to_bytes` wrote.

        Raises:
            CorruptStreamError: If this cannot be the content of a stack of so many lanes.
        """
        stack = cls(lanes)
        head = 8 * lanes
        if len(data) < head or len(data) % 4:
            raise CorruptStreamError(
                f"expected {head} bytes of states and whole words of 4, got {len(data)} bytes"
            )
        stack.state = np.frombuffer(data[:head], "<u8").astype(np.uint64)
        if bool(((stack.state < LOW) | (stack.state >> np.uint64(63) > 0)).any()):
            raise CorruptStreamError("a state of the coder is out of its range")
        words = np.frombuffer(data[head:], "<u4").astype(np.uint32)
        stack._words = np.concatenate([words, np.empty(1024, dtype=np.uint32)])
        stack._count = len(words)
        return stack


def _check(start: Array, width: Array, bits: int, lanes: int) -> None:
    if start.shape != width.shape or not 1 <= len(start) <= lanes:
        raise ValueError(
            f"start, width: expected as many of each, from 1 to {lanes} lanes, got shapes "
            f"{start.shape} and {width.shape}"
        )
    check_share(int(start.min()), int((start + width).max()), int(width.min()), bits)
