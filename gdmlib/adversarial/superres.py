r"""SRResNet: a small picture made large, right on average.

The network works on the small picture, by residual blocks, and enlarges at the very end, by
sub-pixel convolutions (Ledig et al. 2017, https://arxiv.org/abs/1609.04802, section 2.1). Trained
on squared error it gives the mean of all large pictures that could have made the small one, and a
mean of sharp pictures is not sharp.

Its output is added to the bicubic enlargement, which it so starts as and has only to correct (Kim,
Lee and Lee 2016, https://arxiv.org/abs/1511.04587); the paper's network has to draw the whole
picture.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import torch
from torch import Generator, Tensor, nn

from gdmlib._checks import check_count, check_sizes, check_tensor
from gdmlib.data.resize import enlarge
from gdmlib.nn.residual import Residual, convolution, gate_named, norm_named
from gdmlib.nn.upsample import upsampler

BORDER = "zeros"


class Enlarger(nn.Module):
    """What makes a small picture ``scale`` times larger: a body at its size, and up-samplers.

    Subclasses name the body. The result is the bicubic enlargement plus what the network adds, 0 at
    the start.

    Args:
        body: From features to features at the size of the small picture.
        channels: Of the pictures, 3 for colour.
        features: Of the first convolution, and of all up-samplers but the last.
        fine: Of the last up-sampler, where each feature costs most; None for as many.
        steps: Factors of the up-samplers; their product is the scale.
        kernel: Side of the first and of the last convolution.
        upsample: One of `gdmlib.nn.upsample.KINDS`.
        base: Whether the bicubic enlargement is added.
        gate: One of `gdmlib.nn.residual.GATES`.
        generator: Draws the weights.
    """

    def __init__(
        self,
        body: nn.Module,
        *,
        channels: int,
        features: int,
        fine: int | None,
        steps: Iterable[int],
        kernel: int,
        upsample: str,
        base: bool,
        gate: str,
        generator: Generator | None,
    ) -> None:
        super().__init__()
        self.channels, self.base = check_count(channels, "channels"), base
        factors = check_sizes(steps, "steps", none=False)
        self.scale = math.prod(factors)
        last = features if fine is None else check_count(fine, "fine")

        def conv(a: int, b: int, gain: float = 1.0) -> nn.Conv2d:
            return convolution(a, b, kernel, border=BORDER, gain=gain, generator=generator)

        self.first = nn.Sequential(conv(channels, features), gate_named(gate))
        self.body = body
        self.up = nn.Sequential()
        sizes = [features] * len(factors) + [last]
        for factor, (a, b) in zip(factors, pairwise(sizes), strict=True):
            up = upsampler(a, b, factor, kind=upsample, border=BORDER, generator=generator)
            self.up.append(nn.Sequential(up, gate_named(gate)))
        self.last = conv(last, channels, gain=0.0 if base else 1.0)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, x: Tensor) -> Tensor:
        """Return pictures, (B, channels, h, w) -> (B, channels, scale · h, scale · w)."""
        shape = ("B", self.channels, "h", "w")
        x = check_tensor(x, "x", shape=shape, floating=True, like=next(self.parameters()))
        h = self.first(x)  # channels last from here on, as the weights are
        h = self.last(self.up(h + self.body(h)))
        # The bicubic filter computes in the precision of the picture, whatever the layers do.
        return (enlarge(x, self.scale) + h if self.base else h.to(x.dtype)).contiguous()

    def score(self, low: Tensor, high: Tensor) -> Tensor:
        """Return the mean squared error of each picture, (B,).

        Args:
            low: Small pictures, (B, channels, h, w).
            high: What they were, (B, channels, scale · h, scale · w).
        """
        made = self(low)
        check_tensor(high, "high", shape=tuple(made.shape), like=made)
        return (made - high).square().flatten(1).mean(1)


class SRResNet(Enlarger):
    """Residual blocks at the size of the small picture, then sub-pixel convolutions.

    Args:
        channels, features, fine, steps, kernel, upsample, base, generator: As for `Enlarger`; the
            paper has 64 features, steps (2, 2) and a kernel of 9, and no base.
        blocks: How many residual blocks; 16 in the paper.
        norm: Of the blocks: the paper's ``"batch"``, or ``"none"``, which is better (Lim et al.
            2017, https://arxiv.org/abs/1707.02921).
    """

    def __init__(
        self,
        *,
        channels: int = 3,
        features: int = 64,
        fine: int | None = None,
        blocks: int = 16,
        steps: Iterable[int] = (2, 2),
        kernel: int = 9,
        norm: str = "batch",
        upsample: str = "pixel_shuffle",
        base: bool = True,
        generator: Generator | None = None,
    ) -> None:
        features, blocks = check_count(features, "features"), check_count(blocks, "blocks")
        sizes: dict[str, Any] = {"norm": norm, "gate": "prelu", "border": BORDER}
        body = nn.Sequential(
            *(Residual(features, **sizes, generator=generator) for _ in range(blocks)),
            convolution(features, features, border=BORDER, generator=generator),
            norm_named(norm, features),
        )
        super().__init__(
            body, channels=channels, features=features, fine=fine, steps=steps, kernel=kernel,
            upsample=upsample, base=base, gate="prelu", generator=generator,
        )  # fmt: skip
