r"""A U-Net: a picture seen at several sizes, from fine to coarse and back, told time and class.

On the way down, each size is half the one before; on the way up, each is put together with what was
seen at that size on the way down, so that the network sees the whole and keeps the edges
(Ronneberger, Fischer and Brox 2015, https://arxiv.org/abs/1505.04597). Time and class scale and
shift the features of each block (Ho, Jain and Abbeel 2020, https://arxiv.org/abs/2006.11239,
appendix B; Dhariwal and Nichol 2021, https://arxiv.org/abs/2105.05233, section 3).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import cast

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import interpolate, silu

from gdmlib._checks import check_event_shape, check_events, check_sizes
from gdmlib.nn.dense import blank, fresh
from gdmlib.nn.timed import Embedding


class UNet(nn.Module):
    """A small U-Net.

    Args:
        event_shape: (channels, height, width); for L sizes, height and width must be multiples of
            2^(L - 1).
        channels: Features at each size, the finest first; L numbers.
        classes: How many classes there are; None for a network that knows of none.
        generator: Draws the weights; the last layer starts at 0.
    """

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        channels: int | Iterable[int] = (24, 40, 56),
        classes: int | None = None,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        self.event_shape = check_event_shape(event_shape, image=True)
        sizes = check_sizes(channels, "channels")
        if not sizes:
            raise ValueError("channels: expected at least one number of features, got none")
        self._check_halves(len(sizes))
        width = 2 * max(sizes)
        self.embedding = Embedding(width, classes, generator)
        self.classes = self.embedding.classes
        depth = self.event_shape[0]
        self.first = _conv(depth, sizes[0], generator)
        self.down = nn.ModuleList(Block(c, c, width, generator) for c in sizes)
        pairs = list(pairwise(sizes))
        self.halve = nn.ModuleList(_conv(a, b, generator, stride=2) for a, b in pairs)
        self.up = nn.ModuleList(Block(a + b, a, width, generator) for a, b in reversed(pairs))
        self.middle = Block(sizes[-1], sizes[-1], width, generator)
        self.norm = _norm(sizes[0])
        self.last = _conv(sizes[0], depth, generator, zero=True)

    def _check_halves(self, levels: int) -> None:
        _, height, width = self.event_shape
        unit = 2 ** (levels - 1)
        if height % unit or width % unit:
            raise ValueError(
                f"event_shape: a U-Net of {levels} sizes takes heights and widths that are "
                f"multiples of {unit}, so that they can be halved {levels - 1} times, got "
                f"{height} × {width}; pad the pictures to {-(-height // unit) * unit} × "
                f"{-(-width // unit) * unit}, or give fewer channels"
            )

    def forward(self, x: Tensor, time: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return something in the shape of x.

        Args:
            x: Pictures, shape (B, *event_shape).
            time: From 0 to 1, shape (B,).
            labels: Classes, ``classes`` for none, shape (B,); None for none at all.
        """
        x = check_events(x, "x", self.event_shape, like=self.first.weight)
        told = silu(self.embedding(time, labels, x))
        h, seen = self.first(x), []
        for i, block in enumerate(self.down):
            h = block(h, told)
            if i < len(self.halve):
                seen.append(h)
                h = self.halve[i](h)
        h = self.middle(h, told)
        for block in self.up:
            h = block(torch.cat([interpolate(h, scale_factor=2.0), seen.pop()], dim=1), told)
        return self.last(silu(self.norm(h)))


class Block(nn.Module):
    """Two convolutions with a shortcut; what is told scales and shifts the features between them.

    It starts as the shortcut alone.
    """

    def __init__(self, inputs: int, outputs: int, told: int, generator: Generator | None) -> None:
        super().__init__()
        self.norm = _norm(inputs)
        self.first = _conv(inputs, outputs, generator)
        self.told = fresh(blank(nn.Linear, told, 2 * outputs), generator)
        self.middle = _norm(outputs)
        self.second = _conv(outputs, outputs, generator, zero=True)
        self.short = _conv(inputs, outputs, generator, size=1) if inputs != outputs else None

    def forward(self, x: Tensor, told: Tensor) -> Tensor:
        """Return features, (B, outputs, height, width)."""
        scale, shift = self.told(told)[:, :, None, None].chunk(2, dim=1)
        h = self.first(silu(self.norm(x)))
        h = self.second(silu(self.middle(h) * (1 + scale) + shift))
        return h + (x if self.short is None else self.short(x))


def _conv(
    inputs: int,
    outputs: int,
    generator: Generator | None,
    *,
    size: int = 3,
    stride: int = 1,
    zero: bool = False,
) -> nn.Conv2d:
    layer = blank(nn.Conv2d, inputs, outputs, size, padding=size // 2, stride=stride)
    return cast(nn.Conv2d, fresh(layer, generator, zero=zero))


def _norm(features: int) -> nn.GroupNorm:
    return nn.GroupNorm(math.gcd(8, features), features)
