"""A small U-Net for pictures of any size, which starts by changing nothing."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn

from gdmlib._checks import check_count, check_tensor
from gdmlib.nn.dense import fresh
from gdmlib.nn.residual import Residual, check_halves, convolution


class SmallUNet(nn.Module):
    """Convolutions at a half and at a quarter of the size, with a skip between; 0 at the start.

    Squares of 2 × 2 pixels become channels first and pixels again at the end, so that no
    convolution works at the full size.

    Args:
        inputs, outputs: Channels of pictures that come and go.
        features: Of the convolutions at a half of the size; twice as many at a quarter.
        generator: Draws the weights to start from.
    """

    def __init__(
        self, inputs: int, outputs: int, *, features: int = 24, generator: Generator | None = None
    ) -> None:
        super().__init__()
        self.inputs, f = check_count(inputs, "inputs"), check_count(features, "features")
        outputs = check_count(outputs, "outputs")

        def conv(a: int, b: int, stride: int = 1) -> nn.Conv2d:
            return convolution(a, b, border="zeros", stride=stride, gain=1.5, generator=generator)

        def block(n: int) -> nn.Module:
            return Residual(n, norm="none", border="zeros", generator=generator)

        self.first = nn.Sequential(nn.PixelUnshuffle(2), conv(4 * inputs, f), block(f))
        self.down = nn.Sequential(nn.SiLU(), conv(f, 2 * f, 2), block(2 * f), block(2 * f))
        self.up = nn.Sequential(nn.SiLU(), conv(2 * f, 4 * f), nn.PixelShuffle(2))
        self.last = nn.Sequential(block(f), nn.SiLU(), conv(f, 4 * outputs), nn.PixelShuffle(2))
        fresh(self.last[2], generator, zero=True)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, x: Tensor) -> Tensor:
        """Return pictures, (B, inputs, H, W) -> (B, outputs, H, W); sides multiples of four."""
        like = next(self.parameters())
        x = check_tensor(x, "x", shape=("B", self.inputs, "H", "W"), floating=True, like=like)
        h = self.first(check_halves(x, "x", 2, "the network"))
        return self.last(h + self.up(self.down(h))).contiguous()
