"""Law of coders: decode(encode(x)) = x, and the file is as long as -log2 p(x) says.

A coder is a pair of functions, ``encode(model, x) -> bytes`` and ``decode(model, data) -> x``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .builders import seeded
from .laws import fail_unless

LAW = "of coders"
CONTAINER = 52
"""Bytes that a file may have beside its content."""


def check_coder(
    name: str,
    model: Any,
    encode: Callable[[Any, Tensor], bytes],
    decode: Callable[[Any, bytes], Tensor],
    n: int = 5000,
) -> None:
    """Events come back, and their bits are -log2 p within 1 %, but for a constant."""
    x = model.sample(n, seeded(3))
    data = encode(model, x)
    found = decode(model, data)
    fail_unless(torch.equal(found, x), LAW, name, "what was decoded is not what was encoded")
    ideal = -float(model.log_prob(x).detach().sum()) / math.log(2)
    bits = 8 * len(data)
    room = 0.01 * ideal + 8 * CONTAINER
    fail_unless(
        ideal - 1 <= bits <= ideal + room, LAW, name,
        f"{bits} bits for events of {ideal:.0f} bits, expected at most {room:.0f} more",
    )  # fmt: skip
    few = encode(model, x[:1])
    fail_unless(torch.equal(decode(model, few), x[:1]), LAW, name, "a single event is lost")
