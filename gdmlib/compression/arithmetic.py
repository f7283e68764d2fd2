r"""Arithmetic coding: a whole message is one number between 0 and 1.

The interval [0, 1) is cut into pieces as long as the first symbol's possible values are probable;
the piece of the value that came is cut in the same way for the second symbol, and so on. The
length of the last piece is the probability p of the message, and a number in it can be named with
:math:`\lceil -\log_2 p \rceil + 1` bits. Whatever model gives the pieces, the message is as short
as the model finds it probable.

Nobody keeps an interval of a millionth of a millionth exactly: as soon as its two ends agree in
their first bit, that bit is written and the interval doubled (Witten, Neal and Cleary 1987,
doi:10.1145/214762.214771). All numbers are whole, so that the receiver computes the very same.
"""

from __future__ import annotations

import numpy as np

from gdmlib.compression.slots import check_share

_BITS = 48  # of an end of the interval: a width stays above 2^46
_TOP = 1 << _BITS
_HALF, _QUARTER = _TOP >> 1, _TOP >> 2


class ArithmeticEncoder:
    """Writes symbols, first in first out."""

    def __init__(self) -> None:
        self._low, self._width = 0, _TOP
        self._pending = 0  # bits that are the opposite of the next one
        self._written: list[int] = []

    def encode(self, start: int, width: int, bits: int) -> None:
        """Write a symbol that has the slots ``start`` to ``start + width - 1`` of 2^bits.

        An empty share, and one that is not within the slots, is a ValueError.
        """
        check_share(start, start + width, width, bits)
        low = self._width * start >> bits
        high = self._width * (start + width) >> bits
        self._low, self._width = self._low + low, high - low
        while True:
            if self._low + self._width <= _HALF:
                self._write(0)
            elif self._low >= _HALF:
                self._write(1)
                self._low -= _HALF
            elif self._low >= _QUARTER and self._low + self._width <= _HALF + _QUARTER:
                # Around the middle: the next bit is open, and the one after it its opposite.
                self._pending += 1
                self._low -= _QUARTER
            else:
                return
            self._low, self._width = 2 * self._low, 2 * self._width

    def finish(self) -> bytes:
        """Return all bits, the last ones filled up with zeros to whole bytes."""
        # Two more bits name a quarter that lies within the interval.
        self._pending += 1
        self._write(0 if self._low < _QUARTER else 1)
        written = self._written + [0] * (-len(self._written) % 8)
        return np.packbits(np.array(written, dtype=np.uint8)).tobytes()

    def _write(self, bit: int) -> None:
        self._written.append(bit)
        self._written.extend([1 - bit] * self._pending)
        self._pending = 0


class ArithmeticDecoder:
    """Reads them: it follows the encoder's interval, and looks where the number lies in it."""

    def __init__(self, data: bytes) -> None:
        self._bits = np.unpackbits(np.frombuffer(data, np.uint8)).tolist()
        self._place = 0
        self._low, self._width, self._value = 0, _TOP, 0
        for _ in range(_BITS):
            self._value = 2 * self._value + self._next()

    def peek(self, bits: int) -> int:
        """Return the slot of 2^bits in which the number lies: it says which symbol comes."""
        return (((self._value - self._low + 1) << bits) - 1) // self._width

    def pop(self, start: int, width: int, bits: int) -> None:
        """Go on behind the symbol that `peek` has named."""
        check_share(start, start + width, width, bits)
        low = self._width * start >> bits
        high = self._width * (start + width) >> bits
        self._low, self._width = self._low + low, high - low
        while True:
            if self._low + self._width <= _HALF:
                shift = 0
            elif self._low >= _HALF:
                shift = _HALF
            elif self._low >= _QUARTER and self._low + self._width <= _HALF + _QUARTER:
                shift = _QUARTER
            else:
                return
            self._low, self._width = 2 * (self._low - shift), 2 * self._width
            self._value = 2 * (self._value - shift) + self._next()

    def _next(self) -> int:
        self._place += 1
        return self._bits[self._place - 1] if self._place <= len(self._bits) else 0
