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
from collections.abc import Sequence

import torch
from torch import Generator, Tensor, nn

from gdmlib._checks import check_count
from gdmlib.autoregressive.pixel_model import Memory, PixelModel
from gdmlib.autoregressive.pixelcnn import Readout, ReadoutMemory
from gdmlib.autoregressive.pixelcnn_layers import (
    ClassShift,
    ConvMemory,
    MaskedConv2d,
    Position,
    check_features,
)

#: Standard deviation of a new LSTM's state, about, after a few rows.
STATE_STD = 0.3


class RowLSTMLayer(nn.Module):
    """One LSTM along the rows, and a 1 x 1 convolution of its state that is added to the input.

    Args:
        features: The number h of units; input and output have 2h features.
        kernel_size: The width of both convolutions, odd.
        colours: The number of groups of features.
        num_classes: Of the model; a class shifts what goes into the gates.
        scale: The standard deviation of what is added.
        generator: Draws the weights to start from.
    """

    def __init__(
        self,
        features: int,
        kernel_size: int,
        colours: int,
        num_classes: int | None,
        scale: float,
        generator: Generator | None,
    ) -> None:
        super().__init__()
        h = features
        self.units = h
        self.input = MaskedConv2d(
            2 * h,
            4 * h,
            kernel_size,
            colours=colours,
            rows=False,
            parts=4,
            gain=math.sqrt(0.5),
            generator=generator,
        )
        # The row above is past for all colours: no mask.
        self.state = nn.Conv1d(h, 4 * h, kernel_size, padding=kernel_size // 2, bias=False)
        normal = torch.randn(self.state.weight.shape, generator=generator)
        std = math.sqrt(0.5 / (h * kernel_size)) / STATE_STD
        self.state.weight = nn.Parameter(std * normal)
        gain = scale / STATE_STD
        self.expand = MaskedConv2d(h, 2 * h, 1, colours=colours, gain=gain, generator=generator)
        self.shift = ClassShift(num_classes, 4 * h, generator)
        with torch.no_grad():
            self.input.bias[h : 2 * h] = 1.0  # the gate f: remember at first

    def forward(self, t: Tensor, labels: Tensor | None) -> Tensor:
        """Return features of the same shape, (B, 2h, H, W)."""
        a = self.shift(self.input(t), labels)
        h = c = t.new_zeros(len(t), self.units, t.shape[3])
        rows = []
        for row in a.unbind(dim=2):
            h, c = lstm_cell(row + self.state(h), c)
            rows.append(h)
        return t + self.expand(torch.stack(rows, dim=2))


def lstm_cell(a: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """Return state and memory from what goes into the gates, with channels in dimension 1."""
    output, forget, update, content = a.chunk(4, dim=1)
    c = torch.sigmoid(forget) * c + torch.sigmoid(update) * torch.tanh(content)
    return torch.sigmoid(output) * torch.tanh(c), c


class RowLSTM(PixelModel):
    """A PixelRNN of row LSTMs: a masked 7 x 7 convolution, some layers, two 1 x 1 convolutions.

    Args:
        event_shape: Channels, height and width, (C, H, W).
        levels: The number of levels of a pixel.
        features: The units h of a layer. With a softmax head, a multiple of the number of colours.
        layers: The number of LSTMs.
        kernel_size: The width of the convolutions of an LSTM.
        first_kernel: Of the first convolution, which sees the image.
        position: Whether to learn a number for each feature and place, which the features of the
            first convolution are shifted by.
        components, num_classes: See `PixelModel`.
        generator: Draws the weights to start from; None uses torch's global generator.
    """

    def __init__(
        self,
        event_shape: Sequence[int],
        levels: int = 2,
        *,
        features: int = 16,
        layers: int = 2,
        kernel_size: int = 3,
        first_kernel: int = 7,
        position: bool = False,
        components: int | None = None,
        num_classes: int | None = None,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(event_shape, levels, components=components, num_classes=num_classes)
        check_count(layers, "layers")
        colours = len(self.head.groups)
        wide = 2 * check_features(features, colours)
        self.look = MaskedConv2d(
            self.event_shape[0], wide, first_kernel, kind="A", colours=colours, generator=generator
        )
        self.position = Position(wide if position else None, *self.event_shape[1:])
        self.layers = nn.ModuleList(
            RowLSTMLayer(features, kernel_size, colours, self.num_classes, layers**-0.5, generator)
            for _ in range(layers)
        )
        self.readout = Readout(wide, self.head, 2.0, generator)

    def _outputs(self, z: Tensor, labels: Tensor | None) -> Tensor:
        t = self.position(self.look(z))
        for layer in self.layers:
            t = layer(t, labels)
        return self.readout(t)

    def memory(self, n: int, labels: Tensor | None = None) -> Memory:
        """Return an empty memory for n images that are made pixel by pixel."""
        return _RowMemory(self, n, labels)


class _RowMemory:
    """Memory of a `RowLSTM`: what the row above gives is done once a row, the rest once a pixel."""

    def __init__(self, model: RowLSTM, n: int, labels: Tensor | None) -> None:
        width = model.event_shape[2]
        self.look = ConvMemory(model.look, n, width)
        self.position, self.next = model.position, 0
        self.cells = []
        for layer in model.layers:
            assert isinstance(layer, RowLSTMLayer)
            self.cells.append(_CellMemory(layer, n, width, labels))
        self.readout = ReadoutMemory(model.readout, n, width)

    def start_row(self) -> None:
        self.look.start_row(self.position.row(self.next))
        self.next += 1
        for cell in self.cells:
            cell.start_row()

    def evaluate(self, column: int, group: int) -> Tensor:
        t = self.look.evaluate(column, group)
        for cell in self.cells:
            t = t + cell.step(t, column, group)
        return self.readout.step(t, column, group)

    def remember(self, value: Tensor, column: int, group: int) -> None:
        self.look.put(value, column, group)


class _CellMemory:
    def __init__(self, layer: RowLSTMLayer, n: int, width: int, labels: Tensor | None) -> None:
        self.layer = layer
        self.input = ConvMemory(layer.input, n, width)
        self.expand = ConvMemory(layer.expand, n, width)
        self.shift = layer.shift.row(labels)
        self.share = layer.units // self.input.colours
        self.h = layer.state.weight.new_zeros(n, layer.units, width)
        self.c = torch.zeros_like(self.h)
        self.c_above = self.c

    def start_row(self) -> None:
        extra = self.layer.state(self.h)
        self.input.start_row(extra if self.shift is None else extra + self.shift)
        self.c_above, self.c = self.c, torch.zeros_like(self.c)

    def step(self, t: Tensor, column: int, group: int) -> Tensor:
        part = slice(group * self.share, (group + 1) * self.share)
        a = self.input.step(t, column, group)
        h, c = lstm_cell(a, self.c_above[:, part, column])
        self.h[:, part, column], self.c[:, part, column] = h, c
        return self.expand.step(h, column, group)
