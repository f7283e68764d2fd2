"""A map between pictures, of residual blocks.

Zhu et al. 2017 (https://arxiv.org/abs/1703.10593), section 7.2, after Johnson, Alahi and Fei-Fei
2016 (https://arxiv.org/abs/1603.08155).
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

from torch import Generator, Tensor, nn

from gdmlib._checks import check_count, check_tensor
from gdmlib.nn.dense import fresh
from gdmlib.nn.residual import (
    Residual,
    check_halves,
    convolution,
    norm_named,
)


class ResNetGenerator(nn.Module):
    """A map between pictures: halve, think in residual blocks, double, all with instance norm.

    Where the paper's doubles by a transposed convolution, this one repeats pixels and convolves,
    which leaves no checkerboard. Values of the result lie between -1 and 1.

    Args:
        in_channels, out_channels: Of the pictures; None for as many out as in.
        channels: Features at full size; each halving doubles them.
        blocks: Residual blocks at the smallest size; the paper has 6 for 128 × 128, else 9.
        halvings: How often the sides are halved: they must be multiples of 2^halvings.
        skip: Whether the result is x plus what the layers say, cut to -1 to 1, which starts as x: a
            prior that little must change. Otherwise it is the tanh of what they say.
        generator: Draws the weights.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int | None = None,
        *,
        channels: int = 64,
        blocks: int = 6,
        halvings: int = 2,
        skip: bool = False,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        self.in_channels = check_count(in_channels, "in_channels")
        self.out_channels = check_count(out_channels or in_channels, "out_channels")
        self.halvings = check_count(halvings, "halvings", least=0)
        widths = [check_count(channels, "channels") * 2**k for k in range(self.halvings + 1)]
        layers = _gated(self.in_channels, widths[0], 7, generator=generator)
        for a, b in pairwise(widths):
            layers += _gated(a, b, stride=2, generator=generator)
        for _ in range(check_count(blocks, "blocks", least=0)):
            layers.append(Residual(widths[-1], generator=generator))
        for a, b in pairwise(reversed(widths)):
            layers += [nn.Upsample(scale_factor=2), *_gated(a, b, generator=generator)]
        last = convolution(widths[0], self.out_channels, 7, generator=generator)
        self.skip = skip
        if skip and self.in_channels != self.out_channels:
            raise ValueError(
                f"skip: x is added to the result, so it needs as many channels out as in, got "
                f"{self.in_channels} and {self.out_channels}; give skip=False"
            )
        layers += [fresh(last, None, zero=True)] if skip else [last, nn.Tanh()]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Return pictures of the size of x, (B, in_channels, height, width)."""
        shape = ("B", self.in_channels, "height", "width")
        x = check_tensor(
            x, "x", shape=shape, floating=True, finite=False, like=next(self.parameters())
        )
        what = f"a generator that halves {self.halvings} times"
        x = check_halves(x, "x", self.halvings, what)
        if min(x.shape[-2:]) < 2 ** (self.halvings + 1):
            raise ValueError(
                f"x: {what} needs two pixels a side at the end, and so pictures of at least "
                f"{2 ** (self.halvings + 1)} × {2 ** (self.halvings + 1)}, got {x.shape[-2]} × "
                f"{x.shape[-1]}; give fewer halvings"
            )
        y = self.layers(x)
        return (x + y).clamp(-1, 1) if self.skip else y


def _gated(inputs: int, outputs: int, size: int = 3, **options: Any) -> list[nn.Module]:
    layer = convolution(inputs, outputs, size, gain=math.sqrt(3), **options)
    return [layer, norm_named("instance", outputs), nn.ReLU()]
