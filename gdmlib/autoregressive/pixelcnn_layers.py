r"""Convolutions that see only the past, and their memory for sampling pixel by pixel.

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
"""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import conv2d, pad

from gdmlib._checks import check_count

#: Standard deviation of tanh(a) σ(b) for independent standard normal a and b.
GATE_STD = 0.34


def gate(a: Tensor, dim: int = 1) -> Tensor:
    """Return tanh of the first half of the channels times the sigmoid of the second half."""
    value, switch = a.chunk(2, dim=dim)
    return torch.tanh(value) * torch.sigmoid(switch)


def colour_groups(channels: int, colours: int, parts: int = 1) -> Tensor:
    """Return the group of each channel, int64 of shape (channels,).

    Args:
        channels: Their number, a multiple of colours · parts.
        colours: The number of groups.
        parts: How many times the channels go through all the groups: 2 for what a gate takes in.

    Raises:
        ValueError: If the channels cannot be shared out equally.
    """
    if channels % (colours * parts):
        raise ValueError(
            f"expected a number of channels that {colours * parts} divides, since each of "
            f"{colours} colours gets the same share, got {channels}"
        )
    return torch.arange(colours).repeat_interleave(channels // (colours * parts)).repeat(parts)


def check_features(features: int, colours: int) -> int:
    """Return the number of features if the colours can share them out equally."""
    if check_count(features, "features") % colours:
        raise ValueError(
            f"features: expected a multiple of {colours}, the same share for each colour, got "
            f"{features}"
        )
    return features


class MaskedConv2d(nn.Module):
    """A convolution whose output at a pixel depends on the past alone; it keeps height and width.

    Args:
        in_channels, out_channels: Numbers of features; each a multiple of ``colours`` (the latter
            of ``colours · parts``).
        kernel_size: Width and height of the square of which the causal part is used, odd.
        kind: ``"A"`` or ``"B"``, whether a group of features sees itself at the centre.
        colours: The number of groups.
        rows: Whether the rows above are seen; otherwise only what is to the left in the pixel's own
            row.
        parts: How often the output channels go through the groups, see `colour_groups`.
        gain: The output's standard deviation at first, for uncorrelated inputs of unit mean square.
            Only the inputs that the mask lets through count.
        generator: Draws the weights to start from.

    Attributes:
        weight: Parameter of shape (out, in, k // 2 + 1, k), or (out, in, 1, k // 2 + 1) without
            rows.
        mask: Boolean, of that shape: the weights that count.
        bias: Parameter of shape (out,), zero at first.

    Raises:
        ValueError: If the kernel is even, the kind unknown, or the channels cannot be shared out.
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
        if check_count(kernel_size, "kernel_size") % 2 == 0:
            raise ValueError(f"kernel_size: expected an odd number, got {kernel_size}")
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
        normal = torch.randn(mask.shape, generator=generator)
        self.weight = nn.Parameter(gain * normal / seen.sqrt())
        self.bias = nn.Parameter(torch.zeros(out_channels))

    def masked_weight(self) -> Tensor:
        """Return the weights, zero where the mask forbids."""
        return self.weight * self.mask

    def forward(self, x: Tensor) -> Tensor:
        """Return the features of shape (B, out, H, W) from those of shape (B, in, H, W)."""
        if self.margin:
            x = pad(x, (self.margin, self.margin * self.rows, self.margin * self.rows, 0))
        return conv2d(x, self.masked_weight(), self.bias)


class RowsAbove(nn.Module):
    """A convolution over rows above the pixel, and columns on both sides: no mask is needed.

    Args:
        in_channels, out_channels: Numbers of features.
        kernel_size: The width k, odd.
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
        if check_count(kernel_size, "kernel_size") % 2 == 0 or kernel_size < 3:
            raise ValueError(f"kernel_size: expected an odd number above 1, got {kernel_size}")
        self.margin = kernel_size // 2
        self.strict = strict
        height = self.margin + (not strict)
        size = (out_channels, in_channels, height, kernel_size)
        normal = torch.randn(size, generator=generator)
        self.weight = nn.Parameter(gain * normal / math.sqrt(math.prod(size[1:])))
        self.bias = nn.Parameter(torch.zeros(out_channels))

    def forward(self, x: Tensor) -> Tensor:
        """Return the features of shape (B, out, H, W) from those of shape (B, in, H, W)."""
        if self.strict:
            x = x[:, :, :-1]
        return conv2d(pad(x, (self.margin, self.margin, self.margin, 0)), self.weight, self.bias)


class ClassShift(nn.Module):
    """Adds a vector to the features, one for each class; does nothing if there are no classes.

    Args:
        num_classes: The number of classes, or None.
        features: The number F of features.
        generator: Draws the vectors to start from.
    """

    def __init__(
        self, num_classes: int | None, features: int, generator: Generator | None = None
    ) -> None:
        super().__init__()
        self.table: nn.Parameter | None = None
        if num_classes is not None:
            normal = torch.randn(num_classes, features, generator=generator)
            self.table = nn.Parameter(0.1 * normal)

    def row(self, labels: Tensor | None) -> Tensor | None:
        """Return what is added, (B, F, 1), or None."""
        return None if self.table is None or labels is None else self.table[labels][:, :, None]

    def forward(self, a: Tensor, labels: Tensor | None) -> Tensor:
        """Return the features, (B, F, H, W), with what their classes add."""
        shift = self.row(labels)
        return a if shift is None else a + shift[..., None]


class Position(nn.Module):
    """Adds to the features of each pixel what was learned for its place; at first, nothing.

    A convolution treats all places alike, but for what it notices of the border. Where objects are
    centred, a pixel's place says much.

    Args:
        features, height, width: The shape (F, H, W) of what is added; None for ``features`` adds
            nothing.
    """

    def __init__(self, features: int | None, height: int, width: int) -> None:
        super().__init__()
        self.table: nn.Parameter | None = None
        if features is not None:
            self.table = nn.Parameter(torch.zeros(features, height, width))

    def row(self, i: int) -> Tensor | None:
        """Return what is added to row i, (1, F, W), or None."""
        return None if self.table is None else self.table[None, :, i].detach()

    def forward(self, a: Tensor) -> Tensor:
        """Return the features, (B, F, H, W), with what their places add."""
        return a if self.table is None else a + self.table


# --- Sampling: what one more pixel changes -------------------------------------------------------


class ConvMemory:
    """Evaluates a `MaskedConv2d` at one pixel after another, remembering what it has seen.

    When a row begins, the part of the sum that comes from the rows above is complete, and is done
    for the whole row at once. What is left for a pixel is the part from its left: one product of a
    matrix with the few columns that the kernel covers.

    Args:
        conv: The convolution, whose weights are read once.
        n: The number of images.
        width: Their width.
    """

    def __init__(self, conv: MaskedConv2d, n: int, width: int) -> None:
        weight = conv.masked_weight().detach()
        out, channels, height, _ = weight.shape
        self.margin, self.colours = conv.margin, conv.colours
        self.share = channels // self.colours
        left = weight[:, :, -1, : self.margin + 1].permute(2, 1, 0).reshape(-1, out)
        groups = conv.target.to(left.device)
        self.members = [(groups == c).nonzero().flatten() for c in range(self.colours)]
        self.left = [left[:, rows].contiguous() for rows in self.members]
        self.bias = conv.bias.detach()
        self.above = weight[:, :, :-1] if height > 1 else None
        # The current row lies with its channels last, so that a window of it is a row of a matrix.
        self.current = weight.new_zeros(n, width + self.margin, channels)
        self.past = weight.new_zeros(n, channels, height - 1, width + 2 * self.margin)
        self.started = False
        if self.margin == 0:  # the same in every row
            self.start_row()

    def start_row(self, extra: Tensor | None = None) -> None:
        """Move to the next row, at first to row 0.

        Args:
            extra: Added to the output of the row, shape (n, out, W) or (n, out, 1).
        """
        total = self.bias[None, :, None]
        if self.above is not None:
            if self.started:
                row = pad(self.row(), (self.margin, self.margin))[:, :, None]
                self.past = torch.cat([self.past[:, :, 1:], row], dim=2)
            total = total + conv2d(self.past, self.above)[:, :, 0]
        if extra is not None:
            total = total + extra
        self.started = True
        self.current.zero_()
        columns = total.permute(2, 0, 1)
        self.rest = [columns[..., rows].contiguous().unbind(0) for rows in self.members]

    def row(self) -> Tensor:
        """Return the input of the row so far, (n, in, W); zeros before the first row."""
        return self.current[:, self.margin :].permute(0, 2, 1)

    def put(self, value: Tensor, column: int, colour: int = 0) -> None:
        """Remember the input of a group at a column of this row, shape (n, in / colours)."""
        start = colour * self.share
        self.current[:, column + self.margin, start : start + self.share] = value

    def evaluate(self, column: int, colour: int = 0) -> Tensor:
        """Return the output of a group at a column of this row, shape (n, out / colours)."""
        window = self.current[:, column : column + self.margin + 1].flatten(1)
        rest = self.rest[colour]
        return torch.addmm(rest[column if len(rest) > 1 else 0], window, self.left[colour])

    def step(self, value: Tensor, column: int, colour: int = 0) -> Tensor:
        """Remember the input of a group, and return its output."""
        if self.margin == 0 and self.colours == 1:  # nothing but the value itself counts
            rest = self.rest[0]
            return torch.addmm(rest[column if len(rest) > 1 else 0], value, self.left[0])
        self.put(value, column, colour)
        return self.evaluate(column, colour)


class RowsMemory:
    """Evaluates a `RowsAbove` row after row, remembering the last few rows of its input."""

    def __init__(self, layer: RowsAbove, n: int, width: int) -> None:
        self.layer = layer
        channels, height = layer.weight.shape[1:3]
        self.rows = layer.weight.new_zeros(n, channels, height, width + 2 * layer.margin)

    def step(self, row: Tensor) -> Tensor:
        """Take in the next row of the input, (n, in, W), and return that of the output.

        A strict layer takes the row above the one that it returns; for row 0, zeros.
        """
        row = pad(row, (self.layer.margin, self.layer.margin))[:, :, None]
        self.rows = torch.cat([self.rows[:, :, 1:], row], dim=2)
        return conv2d(self.rows, self.layer.weight, self.layer.bias)[:, :, 0]
