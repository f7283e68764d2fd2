r"""Layers that make features larger: sub-pixel convolution, and two others to compare it with.

A *sub-pixel convolution* makes r² features for each one that is wanted, and lays them out as r × r
pixels (Shi et al. 2016, https://arxiv.org/abs/1609.05158, section 3.2). Each of the r² is a
convolution of its own, so at random they differ, and a checkerboard of r × r stands over whatever
the network draws. *ICNR* starts all r² alike: at first the layer is a convolution followed by the
nearest pixel (Aitken et al. 2017, https://arxiv.org/abs/1707.02937).

A *transposed convolution* with a kernel that the factor does not divide covers some pixels more
often than others, and shows the same pattern for good (Odena, Dumoulin and Olah 2016,
https://doi.org/10.23915/distill.00003); *resizing* first, and then a convolution, cannot.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Generator, Tensor, nn

from gdmlib._checks import check_count
from gdmlib.nn.dense import blank, fresh
from gdmlib.nn.residual import convolution

KINDS = ("pixel_shuffle", "transposed", "resize")
"""A sub-pixel convolution, a transposed one, the nearest pixel and then a convolution."""


def upsampler(
    inputs: int,
    outputs: int,
    factor: int = 2,
    *,
    kind: str = "pixel_shuffle",
    border: str = "replicate",
    generator: Generator | None = None,
) -> nn.Sequential:
    """Return a layer from (B, inputs, h, w) to (B, outputs, factor · h, factor · w).

    Whichever it is, a constant comes out constant at the start, and the biases are 0; a transposed
    convolution needs a kernel of twice the factor for that, with the weights of a tent.

    Args:
        inputs, outputs: Features.
        factor: How many times larger.
        kind: One of `KINDS`.
        border: What convolutions see beyond the border, see `gdmlib.nn.residual`.
        generator: Draws the weights.
    """
    factor = check_count(factor, "factor")
    if kind == "pixel_shuffle":
        layer = convolution(inputs, outputs * factor**2, border=border, generator=generator)
        icnr(layer, factor)
        return nn.Sequential(layer, nn.PixelShuffle(factor))
    if kind == "resize":
        layer = convolution(inputs, outputs, border=border, generator=generator)
        return nn.Sequential(nn.Upsample(scale_factor=factor, mode="nearest"), layer)
    if kind == "transposed":
        return nn.Sequential(_Transposed(inputs, outputs, factor, generator))
    raise ValueError(f"kind: expected one of {', '.join(KINDS)}, got {kind!r}")


@torch.no_grad()
def icnr(layer: nn.Conv2d, factor: int) -> nn.Conv2d:
    """Let the factor² kernels that a pixel shuffle puts side by side start as one; biases are 0."""
    weight = layer.weight
    if len(weight) % check_count(factor, "factor") ** 2:
        raise ValueError(
            f"layer: expected a multiple of {factor**2} features, for a pixel shuffle by {factor}, "
            f"got {len(weight)}"
        )
    weight.copy_(weight[:: factor**2].repeat_interleave(factor**2, dim=0))
    if layer.bias is not None:
        layer.bias.zero_()
    return layer


class _Transposed(nn.Module):
    """A transposed convolution between features, whose kernels start as tents times numbers."""

    def __init__(self, inputs: int, outputs: int, factor: int, generator: Generator | None) -> None:
        super().__init__()
        inputs, outputs = check_count(inputs, "inputs"), check_count(outputs, "outputs")
        side = 2 * factor - factor % 2
        layer = cast(
            nn.ConvTranspose2d,
            blank(nn.ConvTranspose2d, inputs, outputs, side, stride=factor, padding=factor // 2),
        )
        mix = cast(nn.Conv2d, fresh(blank(nn.Conv2d, inputs, outputs, 1), generator))
        steps = torch.arange(side, dtype=mix.weight.dtype) - (side - 1) / 2
        tent = 1 - steps.abs() / factor
        with torch.no_grad():
            layer.weight.copy_(mix.weight.transpose(0, 1) * torch.outer(tent, tent))
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        self.layer, self.factor = layer, factor

    def forward(self, x: Tensor) -> Tensor:
        """Return larger features; the border is that of the last pixel repeated."""
        x = nn.functional.pad(x, (1, 1, 1, 1), mode="replicate")
        larger = self.layer(x)
        height, width = (self.factor * (n - 2) for n in x.shape[-2:])
        rows, columns = (
            (n - m) // 2 for n, m in zip(larger.shape[-2:], (height, width), strict=True)
        )
        return larger[..., rows : rows + height, columns : columns + width]
