r"""The row LSTM: a recurrent network that reads an image row by row.

A row's state is made from the row above it by convolutions along the row, so that all columns are
done at once (van den Oord et al. 2016a, section 3.1, https://arxiv.org/abs/1601.06759):

.. math::

    [o_i, f_i, u_i, g_i] &= K^{ss} * h_{i-1} + K^{is} * x_i \\
    c_i &= \sigma(f_i) \odot c_{i-1} + \sigma(u_i) \odot \tanh(g_i) \\
    h_i &= \sigma(o_i) \odot \tanh(c_i)

K^is is masked, and sees what is to the left in the row; K^ss sees a few columns of the row above.
With each row upwards the view grows wider by the reach of K^ss: a triangle. Unlike a convolution's
view it never ends, but what is far to the side and only a few rows above is out of sight.
"""

from __future__ import annotations

import math
from typing import ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, pad

from gdmlib._random import draw
from gdmlib.autoregressive.pixels.layers import ALONE, Layer, LayerMemory, Setting
from gdmlib.autoregressive.pixels.stack import Stack
from gdmlib.nn.conv_memory import ConvMemory, PointMemory
from gdmlib.nn.dense import blank

#: Standard deviation of a new LSTM's state, about, after a few rows.
STATE_STD = 0.3


def lstm_cell(a: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """Return state and memory from what goes into the gates; features come last."""
    output, forget, update, content = a.chunk(4, dim=-1)
    c = torch.sigmoid(forget) * c + torch.sigmoid(update) * torch.tanh(content)
    return torch.sigmoid(output) * torch.tanh(c), c


class RowLSTMLayer(Layer):
    """One LSTM along the rows, and a 1 x 1 convolution of its state that is added to the input.

    Args:
        features: The number h of units; input and output have 2h features.
        kernel_size: The width of both convolutions, odd.
        setting: The network around.
    """

    def __init__(self, features: int, kernel_size: int, setting: Setting = ALONE) -> None:
        super().__init__(setting)
        h = self.units = features
        self.input = setting.conv(
            2 * h, 4 * h, kernel_size, rows=False, parts=4, gain=math.sqrt(0.5)
        )
        # The row above is past for all colours: no mask.
        options = {"padding": kernel_size // 2, "bias": False}
        self.state = cast(nn.Conv1d, blank(nn.Conv1d, h, 4 * h, kernel_size, **options))
        normal = draw(torch.randn, self.state.weight.shape, generator=setting.generator)
        std = math.sqrt(0.5 / (h * kernel_size)) / STATE_STD
        self.state.weight = nn.Parameter(std * normal)
        self.expand = setting.conv(h, 2 * h, 1, gain=setting.scale / STATE_STD)
        self.shift = setting.shift(4 * h)
        with torch.no_grad():
            self.input.bias[h : 2 * h] = 1.0  # the gate f: remember at first

    def forward(self, t: Tensor, labels: Tensor | None) -> Tensor:
        """Return features of the same shape, (B, 2h, H, W)."""
        a = self.shift(self.input(t), labels).permute(2, 0, 3, 1)
        h = c = t.new_zeros(len(t), t.shape[3], self.units)
        rows = []
        for row in a.unbind(dim=0):
            h, c = lstm_cell(row + self.from_above(h), c)
            rows.append(h)
        states = torch.stack(rows, dim=1).permute(0, 3, 1, 2)
        return t + self.expand(self.dropout(states))

    def from_above(self, h: Tensor) -> Tensor:
        """Return what a row of states gives to the gates of the next, (B, W, h) -> (B, W, 4h)."""
        margin = self.state.kernel_size[0] // 2
        windows = pad(h, (0, 0, margin, margin)).unfold(1, 2 * margin + 1, 1)
        return linear(windows.flatten(2), self.state.weight.flatten(1))

    def memory(self, n: int, width: int, labels: Tensor | None) -> _RowLSTMMemory:
        """Return an empty memory for n images of this width and these classes."""
        return _RowLSTMMemory(self, n, width, labels)


class _RowLSTMMemory(LayerMemory):
    """Memory of a layer: what the row above gives is done once a row, the rest once a pixel."""

    def __init__(self, layer: RowLSTMLayer, n: int, width: int, labels: Tensor | None) -> None:
        self.from_above, self.shift = layer.from_above, layer.shift.row(labels)
        self.input, self.expand = ConvMemory(layer.input, n, width), PointMemory(layer.expand)
        self.share = layer.units // layer.input.colours
        self.h = layer.state.weight.new_zeros(n, width, layer.units)
        self.c = torch.zeros_like(self.h)
        self.c_above = self.c

    def start_row(self, v: Tensor | None) -> None:
        extra = self.from_above(self.h)
        self.input.start_row(extra if self.shift is None else extra + self.shift)
        self.c_above, self.c = self.c, torch.zeros_like(self.c)

    def step(self, t: Tensor, column: int, group: int) -> Tensor:
        part = slice(group * self.share, (group + 1) * self.share)
        a = self.input.step(t, column, group)
        h, c = lstm_cell(a, self.c_above[:, column, part])
        self.h[:, column, part], self.c[:, column, part] = h, c
        return t + self.expand.step(h, group)


class RowLSTM(Stack):
    """A PixelRNN of row LSTMs: a masked 7 x 7 convolution, some layers, two 1 x 1 convolutions.

    Arguments are those of a `Stack`; a layer of h features, its units, hands on 2h.
    """

    layer = RowLSTMLayer
    usual: ClassVar = {"features": 16, "layers": 2, "kernel_size": 3}
