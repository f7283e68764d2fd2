"""What one more pixel changes: memories of the convolutions that see only the past.

A sampler visits the pixels of n images row by row, from the left to the right, and the groups of a
pixel in their order. Each memory is told the features of a pixel once, and never looks at them
again; the weights it reads when it is made.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

from gdmlib.nn.masked_conv import MaskedConv2d, RowsAbove


class _Groups:
    """The weights of a `MaskedConv2d` by the groups of its channels.

    Outputs lie group after group in ``order``, so that those of a group are one piece, its part.
    """

    def __init__(self, conv: MaskedConv2d) -> None:
        weight = conv.masked_weight().detach()
        self.weight, self.bias = weight, conv.bias.detach()
        self.order = torch.argsort(conv.target, stable=True).to(weight.device)
        self.out, self.share = len(weight), len(weight) // conv.colours
        # For each feature of a pixel: what it gives to the pixel itself, to the next, and so on.
        taps = weight[self.order][:, :, -1, : conv.margin + 1].flip(2).permute(1, 2, 0)
        self.taps = taps.flatten(1).contiguous().chunk(conv.colours)


class PointMemory:
    """Evaluates a 1 x 1 `MaskedConv2d` at one pixel after another."""

    def __init__(self, conv: MaskedConv2d) -> None:
        groups = _Groups(conv)
        self.taps, self.share = groups.taps, groups.share
        self.bias = self.total = groups.bias[groups.order]

    def step(self, value: Tensor, group: int) -> Tensor:
        """Take in the features of a group, (n, in / colours); return (n, out / colours)."""
        self.total = torch.addmm(self.total if group else self.bias, value, self.taps[group])
        if len(self.taps) == 1:
            return self.total
        return self.total[:, group * self.share : (group + 1) * self.share]


class ConvMemory:
    """Evaluates a `MaskedConv2d` at one pixel after another.

    When a row begins, the part of the sums that comes from the rows above is complete, and is done
    for the whole row at once. What is left is what a pixel gives to its own row: one product of its
    features with a matrix, added at once to the sums of all pixels that see it.
    """

    def __init__(self, conv: MaskedConv2d, n: int, width: int) -> None:
        groups = _Groups(conv)
        weight, out, share = groups.weight, groups.out, groups.share
        self.margin, self.width = conv.margin, width
        self.order, self.bias, self.taps = groups.order, groups.bias, groups.taps
        self.past = _blank(weight, n, conv.margin, width + 2 * conv.margin)
        self.above: Tensor | None = None
        if conv.rows:
            self.above = weight[:, :, :-1].contiguous(memory_format=torch.channels_last)
        self.values: list[list[Tensor]] = [[] for _ in self.taps]
        # The last pixels reach over the border: what lies there is never read.
        self.sums = weight.new_zeros(n, width + self.margin, out)
        row = self.sums.flatten(1)
        starts = range(0, width * out, out)
        self.seeing = [row[:, start : start + self.taps[0].shape[1]] for start in starts]
        self.parts = [
            [row[:, s : s + share] for s in range(start, start + out, share)] for start in starts
        ]

    def row(self) -> Tensor:
        """Return the input of the complete row, (n, W, in); zeros before the first row."""
        if not self.values[0]:
            return self.past.new_zeros(len(self.sums), self.width, self.past.shape[1])
        return torch.cat([torch.stack(values, dim=1) for values in self.values], dim=2)

    def start_row(self, extra: Tensor | None = None) -> None:
        """Move to the next row, at first to row 0; add ``extra``, (n or 1, W or 1, out), to it."""
        total = self.bias
        if self.above is not None:
            if self.values[0]:
                self.past = _next(self.past, self.row(), self.margin)
            total = total + conv2d(self.past, self.above)[:, :, 0].transpose(1, 2)
        if extra is not None:
            total = total + extra
        if len(self.taps) > 1:
            total = total[..., self.order]
        self.sums[:, : self.width] = total
        self.values = [[] for _ in self.taps]

    def put(self, value: Tensor, column: int, group: int = 0) -> None:
        """Take in the features of a group, (n, in / colours); they are kept, not copied."""
        self.seeing[column].addmm_(value, self.taps[group])
        self.values[group].append(value)

    def evaluate(self, column: int, group: int = 0) -> Tensor:
        """Return the output of a group at a column of this row, a view of (n, out / colours)."""
        return self.parts[column][group]

    def step(self, value: Tensor, column: int, group: int = 0) -> Tensor:
        """Take in the features of a group, and return its output."""
        self.put(value, column, group)
        return self.evaluate(column, group)


class RowsMemory:
    """Evaluates a `RowsAbove` row after row, remembering the last few rows of its input."""

    def __init__(self, layer: RowsAbove, n: int, width: int) -> None:
        self.margin, self.bias = layer.margin, layer.bias.detach()
        self.weight = layer.weight.detach().contiguous(memory_format=torch.channels_last)
        self.past = _blank(self.weight, n, self.weight.shape[2], width + 2 * self.margin)

    def step(self, row: Tensor) -> Tensor:
        """Take in the next row, (n, W, in), a strict layer that above it; return the output."""
        self.past = _next(self.past, row, self.margin)
        return conv2d(self.past, self.weight, self.bias)[:, :, 0].transpose(1, 2)


def _blank(weight: Tensor, n: int, height: int, width: int) -> Tensor:
    """Return zeros for the rows that a convolution with these weights sees, channels last."""
    return weight.new_zeros(n, height, width, weight.shape[1]).permute(0, 3, 1, 2)


def _next(past: Tensor, row: Tensor, margin: int) -> Tensor:
    """Return the rows one further down: the first goes, and this one, (n, W, in), comes."""
    new = pad(row, (0, 0, margin, margin))[:, None]
    return torch.cat([past.permute(0, 2, 3, 1)[:, 1:], new], dim=1).permute(0, 3, 1, 2)
