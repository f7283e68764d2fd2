r"""RRDB, the network of ESRGAN: residual blocks inside residual blocks, densely connected.

In a dense block each convolution sees the input and what all convolutions before it made; the last
one brings the features back to their number, and a fifth of that is added to the input. Three such
blocks, and again a fifth of the result added to their input, are one *residual-in-residual dense
block*. No norm stands anywhere: batch norm shows as a pattern in large pictures (Wang et al. 2018,
https://arxiv.org/abs/1809.00219, section 3.1).

ESRGAN plays with the relativistic average loss, in which the discriminator does not say "real" but
"more real than the average made picture": ``SRGAN(RRDBNet(...), ..., loss="relativistic")``.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import leaky_relu

from gdmlib._checks import check_count
from gdmlib.adversarial.superres import BORDER, Enlarger
from gdmlib.nn.residual import check_features, convolution

SHARE = 0.2
"""How much of what a block makes is added to its input."""


class DenseBlock(nn.Module):
    """Five convolutions, each of which sees what all before it made; x + 0.2 · the last.

    Args:
        features: Of the input, and of the result.
        growth: Features that each convolution but the last adds.
        generator: Draws the weights.
    """

    def __init__(self, features: int, growth: int = 32, generator: Generator | None = None) -> None:
        super().__init__()
        self.features = check_count(features, "features")
        growth = check_count(growth, "growth")
        sizes = [growth] * 4 + [self.features]
        self.layers = nn.ModuleList(
            convolution(features + i * growth, n, border=BORDER, generator=generator)
            for i, n in enumerate(sizes)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return features in the shape of x, (B, features, h, w)."""
        shape = ("B", self.features, "h", "w")
        x = check_features(x, shape, next(self.parameters()))
        seen = x
        for layer in list(self.layers)[:-1]:
            seen = torch.cat([seen, leaky_relu(layer(seen), 0.2)], dim=1)
        return x + SHARE * self.layers[-1](seen)


class RRDB(nn.Module):
    """Three dense blocks, and x + 0.2 · what they make; arguments as for `DenseBlock`."""

    def __init__(self, features: int, growth: int = 32, generator: Generator | None = None) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(DenseBlock(features, growth, generator) for _ in range(3)))

    def forward(self, x: Tensor) -> Tensor:
        """Return features in the shape of x, (B, features, h, w)."""
        return x + SHARE * self.blocks(x)


class RRDBNet(Enlarger):
    """Such blocks at the size of the small picture, then the up-samplers.

    Args:
        channels, features, fine, steps, kernel, upsample, base, generator: As for `Enlarger`.
        blocks: How many; 23 in the paper.
        growth: As for `DenseBlock`.
    """

    def __init__(
        self,
        *,
        channels: int = 3,
        features: int = 64,
        fine: int | None = None,
        blocks: int = 23,
        growth: int = 32,
        steps: Iterable[int] = (2, 2),
        kernel: int = 3,
        upsample: str = "resize",
        base: bool = True,
        generator: Generator | None = None,
    ) -> None:
        features, blocks = check_count(features, "features"), check_count(blocks, "blocks")
        body = nn.Sequential(
            *(RRDB(features, growth, generator) for _ in range(blocks)),
            convolution(features, features, border=BORDER, generator=generator),
        )
        super().__init__(
            body, channels=channels, features=features, fine=fine, steps=steps, kernel=kernel,
            upsample=upsample, base=base, gate="leaky_relu", generator=generator,
        )  # fmt: skip
