r"""Convolutions that see only the past.

Pixels are read row by row, from the left to the right, and within a pixel its colours in their
order (red, green, blue). A convolution respects this order if the weights of what comes later are
zero (van den Oord et al. 2016a, https://arxiv.org/abs/1601.06759)::

    1 1 1 1 1
    1 1 1 1 1
    1 1 c 0 0        c: the pixel itself
    0 0 0 0 0
    0 0 0 0 0

Rows below the pixel are all zero, so the kernels here end with the pixel's own row. At the centre
the colours decide. Features come in as many equal groups as there are colours; those of group
``a`` may know colours up to ``a``, or, before the first layer, are colour ``a`` itself:

- type A, the first layer: a group sees the groups before its own, not itself;
- type B, all others: a group sees itself too, for it holds only what it may know.

With one group, type A leaves out the pixel and type B leaves it in.

All outputs have their channels last in memory: so small convolutions are fastest.
"""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import conv2d, pad

from gdmlib._checks import check_count
from gdmlib._random import draw


def colour_groups(channels: int, colours: int, parts: int = 1) -> Tensor:
    """Return the group of each channel, int64 of shape (channels,).

    The channels go ``parts`` times through all the groups: twice for what a gate takes in.
    """
    if channels % (colours * parts):
        raise ValueError(
            f"expected a number of channels that {colours * parts} divides, since each of "
            f"{colours} colours gets the same share, got {channels}"
        )
    return torch.arange(colours).repeat_interleave(channels // (colours * parts)).repeat(parts)


def _check_kernel(kernel_size: int, least: int) -> int:
    size = check_count(kernel_size, "kernel_size")
    if size % 2 == 0 or size < least:
        above = " above 1" * (least > 1)
        raise ValueError(f"kernel_size: expected an odd number{above}, got {size}")
    return size


def _convolve(x: Tensor, weight: Tensor, bias: Tensor, margins: tuple[int, int, int]) -> Tensor:
    """Return the convolution of x with zeros to its left, to its right and above."""
    x = pad(x, (*margins, 0)) if any(margins) else x
    # Of one channel it cannot be told whether it comes last, hence twice.
    return _channels_last(conv2d(x, _channels_last(weight), bias))


def _channels_last(x: Tensor) -> Tensor:
    """Let the channels of a pixel lie side by side, which is faster; `torch.vmap` cannot do it."""
    try:
        return x.contiguous(memory_format=torch.channels_last)
    except RuntimeError as error:
        if "vmap" not in str(error):
            raise
        return x


class MaskedConv2d(nn.Module):
    """A convolution whose output at a pixel depends on the past alone; it keeps height and width.

    Args:
        in_channels: A multiple of ``colours``.
        out_channels: A multiple of ``colours · parts``.
        kernel_size: Width and height of the square of which the causal part is used, odd.
        kind: ``"A"`` or ``"B"``, whether a group of features sees itself at the centre.
        colours: The number of groups.
        rows: Whether the rows above are seen, or only what is to the left in the pixel's own row.
        parts: How often the output channels go through the groups, see `colour_groups`.
        gain: The output's standard deviation at first, for uncorrelated inputs of unit mean square.
        generator: Draws the weights to start from.

    Attributes:
        weight: Shape (out, in, k // 2 + 1, k), or (out, in, 1, k // 2 + 1) without rows.
        mask: Boolean, of that shape: the weights that count.
        bias: Shape (out,), zero at first.
        source, target: The group of each channel that comes in, and that goes out.
    """

    mask: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        kind: str = "B",
        colours: int = 1,
        rows: bool = True,
        parts: int = 1,
        gain: float = 1.0,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        kernel_size = _check_kernel(kernel_size, 1)
        if kind not in ("A", "B"):
            raise ValueError(f'kind: expected "A" or "B", got {kind!r}')
        self.margin = kernel_size // 2
        self.colours = colours
        self.rows = rows and self.margin > 0
        self.source = colour_groups(in_channels, colours)
        self.target = colour_groups(out_channels, colours, parts)
        size = (self.margin + 1, kernel_size) if self.rows else (1, self.margin + 1)
        mask = torch.ones(out_channels, in_channels, *size, dtype=torch.bool)
        mask[:, :, -1, self.margin + 1 :] = False
        later = torch.ge if kind == "A" else torch.gt
        mask[:, :, -1, self.margin] = ~later(self.source, self.target[:, None])
        self.register_buffer("mask", mask, persistent=False)
        # Only what the mask lets through adds to the output.
        seen = mask.flatten(1).sum(dim=1).clamp(min=1)[:, None, None, None]
        normal = draw(torch.randn, mask.shape, generator=generator)
        self.weight = nn.Parameter(gain * normal / seen.sqrt())
        self.bias = nn.Parameter(torch.zeros(out_channels))

    def masked_weight(self) -> Tensor:
        """Return the weights, zero where the mask forbids."""
        return self.weight * self.mask

    def forward(self, x: Tensor) -> Tensor:
        """Return the features of shape (B, out, H, W) from those of shape (B, in, H, W)."""
        above = self.margin * self.rows
        return _convolve(x, self.masked_weight(), self.bias, (self.margin, above, above))


class RowsAbove(nn.Module):
    """A convolution over rows above the pixel, and columns on both sides: no mask is needed.

    Args:
        in_channels, out_channels: Numbers of features.
        kernel_size: The width k, odd and at least 3.
        strict: Whether to take the k // 2 rows strictly above, which makes features of row i out of
            an image's rows before i. Otherwise the row itself counts too: features of row i that
            know only rows before i are turned into such features again.
        gain, generator: See `MaskedConv2d`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        strict: bool = False,
        gain: float = 1.0,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        kernel_size = _check_kernel(kernel_size, 3)
        self.margin = kernel_size // 2
        self.strict = strict
        size = (out_channels, in_channels, self.margin + (not strict), kernel_size)
        normal = draw(torch.randn, size, generator=generator)
        self.weight = nn.Parameter(gain * normal / math.sqrt(math.prod(size[1:])))
        self.bias = nn.Parameter(torch.zeros(out_channels))

    def forward(self, x: Tensor) -> Tensor:
        """Return the features of shape (B, out, H, W) from those of shape (B, in, H, W)."""
        x = x[:, :, :-1] if self.strict else x
        return _convolve(x, self.weight, self.bias, (self.margin,) * 3)
