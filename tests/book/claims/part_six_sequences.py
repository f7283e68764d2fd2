"""Claims of lesson 20."""

from __future__ import annotations

import math

import torch

from gdmlib.sequences import NGram, WaveNet
from tests.book.claims.registry import claim


@claim("20", "zero")
def zero() -> None:
    """With next to no strength, an unseen continuation costs more than any bound."""
    x = torch.tensor([[0, 1, 0, 1, 0, 1, 2]])
    for strength, least in ((1e-6, 15), (1e-9, 25)):
        model = NGram.fit(x, 3, order=2, strength=strength).double()
        bits = -model.log_prob(torch.tensor([[0, 1, 0, 2, 0, 1, 0]])) / math.log(2)
        assert float(bits.detach()) > least


@claim("20", "cached-cost")
def cached_cost() -> tuple[str, ...]:
    """Places that are computed, with a cache and without."""
    with_cache = 512 / 256
    without = sum(range(1, 513)) / sum(range(1, 257))
    return (f"By {with_cache:.0f} with the cache, and by {without:.0f} without",)


@claim("20", "reach")
def reach() -> tuple[str, ...]:
    """How many places back the library's network sees."""
    sees = [
        WaveNet(4, 2, channels=1, skip=1, dilations=[2**i for i in range(n)]).reach for n in (6, 7)
    ]
    assert 1 + 6 == 7  # without dilation
    return f"It sees {sees[0]}, and would see {sees[1]}", "It sees 32", "It sees 12"
