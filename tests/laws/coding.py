"""Law of coders: decode(encode(x)) = x, and the file is as long as -log2 p(x) says.

A coder is a pair of functions, ``encode(x) -> bytes`` and ``decode(data) -> x``. What a lossy one
gives back is what its rounded code stands for, and what it should cost is what that code costs.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from .builders import seeded
from .laws import fail_unless

LAW = "of coders"
CONTAINER = 52
"""Bytes that a file may have beside its content."""


def check_stream(
    name: str,
    encode: Callable[[Tensor], bytes],
    decode: Callable[[bytes], Tensor],
    x: Tensor,
    ideal: float,
    *,
    back: Tensor | None = None,
    room: float = CONTAINER,
    chance: float = 1.0,
) -> None:
    """What was written comes back, and costs what it should, within 1 % but for a constant.

    Args:
        name: Of the coder.
        encode: From events to bytes.
        decode: And back.
        x: Events.
        ideal: Bits that they should cost.
        back: What should come back, if not x bit for bit.
        room: Bytes beside the content: the container, tuning, the ends of lanes.
        chance: Bits by which chance may make a file shorter.
    """
    data = encode(x)
    found = decode(data)
    same = torch.equal(found, x) if back is None else torch.allclose(found, back, atol=1e-5)
    fail_unless(same, LAW, name, "what was decoded is not what was encoded")
    bits, most = 8 * len(data), 0.01 * ideal + 8 * room
    fail_unless(
        ideal - chance <= bits <= ideal + most, LAW, name,
        f"{bits} bits for events of {ideal:.0f} bits, expected at most {most:.0f} more",
    )  # fmt: skip


def check_coder(
    name: str,
    model: Any,
    encode: Callable[[Any, Tensor], bytes],
    decode: Callable[[Any, bytes], Tensor],
    n: int = 5000,
) -> None:
    """Events come back, and their bits are -log2 p within 1 %, but for a constant."""
    x = model.sample(n, seeded(3))
    ideal = -float(model.log_prob(x).detach().sum()) / math.log(2)
    check_stream(name, partial(encode, model), partial(decode, model), x, ideal)
    few = encode(model, x[:1])
    fail_unless(torch.equal(decode(model, few), x[:1]), LAW, name, "a single event is lost")
