r"""PixelCNN: the chain rule over the pixels of an image, with a convolutional network a factor.

.. math:: p(x) = \prod_i p(x_i \mid x_1, \ldots, x_{i-1})

Pixels are visited row by row, and the colours of a pixel in their order. One network computes the
parameters of all factors at once, for its convolutions see only the past. So a likelihood costs one
pass; a sample needs the pixels one after the other.

- :class:`PixelCNN` (van den Oord et al. 2016a, https://arxiv.org/abs/1601.06759): masked
  convolutions in residual blocks. Stacked, they leave a *blind spot*: some pixels to the upper
  right are never seen, however deep the network is.
- :class:`GatedPixelCNN` (van den Oord et al. 2016b, https://arxiv.org/abs/1606.05328): a stack for
  the rows above and one for the row to the left see all of the past between them; gates replace
  the rectifiers; classes can be given.

Either takes a softmax over the levels, or the mixture of logistic densities of PixelCNN++
(Salimans et al. 2017, https://arxiv.org/abs/1701.05517).

Images are floating-point tensors (B, C, H, W) whose values are levels k / (L - 1), k = 0 … L - 1,
see `gdmlib.autoregressive.pixel_model`, where what does not depend on the network is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import relu

from gdmlib._checks import check_count
from gdmlib.autoregressive.pixel_heads import PixelHead
from gdmlib.autoregressive.pixel_model import Memory, PixelModel
from gdmlib.autoregressive.pixelcnn_layers import (
    GATE_STD,
    ClassShift,
    ConvMemory,
    MaskedConv2d,
    Position,
    RowsAbove,
    RowsMemory,
    check_features,
    gate,
)

# --- The plain PixelCNN --------------------------------------------------------------------------


class ResidualBlock(nn.Module):
    """Halve the features, look around, double them again; add the result to what came in.

    Args:
        features: The number of features, 2h; each 1 x 1 convolution halves or doubles it.
        kernel_size: Of the masked convolution in the middle.
        colours: The number of groups of features.
        num_classes: Of the model; a class shifts the features after the middle convolution.
        scale: The standard deviation of what is added, so that a sum of many stays in scale.
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
        h = features // 2
        gain = math.sqrt(2)  # a rectifier halves the mean square

        def conv(source: int, target: int, kernel: int, gain: float) -> MaskedConv2d:
            return MaskedConv2d(
                source, target, kernel, colours=colours, gain=gain, generator=generator
            )

        self.reduce = conv(features, h, 1, gain)
        self.look = conv(h, h, kernel_size, gain)
        self.expand = conv(h, features, 1, gain * scale)
        self.shift = ClassShift(num_classes, h, generator)

    def forward(self, t: Tensor, labels: Tensor | None) -> Tensor:
        """Return features of the same shape, (B, 2h, H, W)."""
        a = self.shift(self.look(relu(self.reduce(relu(t)))), labels)
        return t + self.expand(relu(a))


class Readout(nn.Module):
    """The last layers: from the features of a pixel to the numbers of its head.

    Two 1 x 1 convolutions, each after a rectifier. A new network is nearly indifferent: the last
    weights are small, and the bias is the head's choice.

    Args:
        features: The number F of features that come in.
        head: Says how many numbers it needs.
        power: The mean square of the features in a new network.
        generator: Draws the weights to start from.
    """

    def __init__(
        self, features: int, head: PixelHead, power: float, generator: Generator | None
    ) -> None:
        super().__init__()
        colours = len(head.groups)
        gain = math.sqrt(2 / power)
        self.hidden = MaskedConv2d(
            features, features, 1, colours=colours, gain=gain, generator=generator
        )
        self.last = MaskedConv2d(
            features, head.num_parameters, 1, colours=colours, gain=0.1, generator=generator
        )
        with torch.no_grad():
            self.last.bias.copy_(head.initial_bias())

    def forward(self, t: Tensor) -> Tensor:
        """Return the numbers of shape (B, P, H, W) from features (B, F, H, W)."""
        return self.last(relu(self.hidden(relu(t))))


class PixelCNN(PixelModel):
    """The PixelCNN of 2016: a masked 7 x 7 convolution, residual blocks, two 1 x 1 convolutions.

    It has a blind spot, see `dependence_map`.

    Args:
        event_shape: Channels, height and width, (C, H, W).
        levels: The number of levels of a pixel.
        features: The features of a residual block inside, h; between blocks there are twice as
            many. With a softmax head, a multiple of the number of colours.
        layers: The number of residual blocks.
        kernel_size: Of the blocks' masked convolutions.
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
        features: int = 32,
        layers: int = 7,
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
            self.event_shape[0],
            wide,
            first_kernel,
            kind="A",
            colours=colours,
            generator=generator,
        )
        self.position = Position(wide if position else None, *self.event_shape[1:])
        self.blocks = nn.ModuleList(
            ResidualBlock(wide, kernel_size, colours, self.num_classes, layers**-0.5, generator)
            for _ in range(layers)
        )
        self.readout = Readout(wide, self.head, 2.0, generator)

    def _outputs(self, z: Tensor, labels: Tensor | None) -> Tensor:
        t = self.position(self.look(z))
        for block in self.blocks:
            t = block(t, labels)
        return self.readout(t)

    def memory(self, n: int, labels: Tensor | None = None) -> Memory:
        """Return an empty memory for n images that are made pixel by pixel."""
        return _PlainMemory(self, n, labels)


class ReadoutMemory:
    """Memory of a `Readout`."""

    def __init__(self, readout: Readout, n: int, width: int) -> None:
        self.hidden = ConvMemory(readout.hidden, n, width)
        self.last = ConvMemory(readout.last, n, width)

    def step(self, t: Tensor, column: int, group: int) -> Tensor:
        """Return the numbers of a group of colours from the features of a pixel."""
        return self.last.step(self.hidden.step(t.relu(), column, group).relu_(), column, group)


class _PlainMemory:
    """Memory of a `PixelCNN`: one a convolution.

    All features of the rows above are complete when a row begins, in every layer.
    """

    def __init__(self, model: PixelCNN, n: int, labels: Tensor | None) -> None:
        width = model.event_shape[2]
        self.look = ConvMemory(model.look, n, width)
        self.position, self.next = model.position, 0
        self.blocks = []
        for block in model.blocks:
            assert isinstance(block, ResidualBlock)
            reduce, look = ConvMemory(block.reduce, n, width), ConvMemory(block.look, n, width)
            expand = ConvMemory(block.expand, n, width)
            self.blocks.append((reduce, look, expand, block.shift.row(labels)))
        self.readout = ReadoutMemory(model.readout, n, width)

    def start_row(self) -> None:
        self.look.start_row(self.position.row(self.next))
        self.next += 1
        for _, look, _, shift in self.blocks:
            look.start_row(shift)

    def evaluate(self, column: int, group: int) -> Tensor:
        t = self.look.evaluate(column, group)
        for reduce, look, expand, _ in self.blocks:
            a = look.step(reduce.step(t.relu(), column, group).relu_(), column, group)
            t = t + expand.step(a.relu_(), column, group)
        return self.readout.step(t, column, group)

    def remember(self, value: Tensor, column: int, group: int) -> None:
        self.look.put(value, column, group)


# --- The gated PixelCNN --------------------------------------------------------------------------


class GatedLayer(nn.Module):
    """One layer of the two stacks (van den Oord et al. 2016b, figure 2).

    The vertical stack's features of row i know the rows before i, on both sides. They are given to
    the horizontal stack, which knows what is to the left in row i as well. There is no way back.

    Args:
        features: The number p of features of either stack.
        kernel_size: The width of both convolutions, odd.
        colours: The number of groups of features of the horizontal stack; the vertical one needs
            none, since all that it knows is past for all colours.
        num_classes: Of the model; a class shifts what goes into the gates.
        depth: How many layers come before this one, from 0, as a share of all.
        scale: The standard deviation of what the horizontal stack adds.
        dropout: The share of the gates' outputs that is set to zero in training.
        generator: Draws the weights to start from.
    """

    def __init__(
        self,
        features: int,
        kernel_size: int,
        colours: int,
        num_classes: int | None,
        depth: float,
        scale: float,
        dropout: float,
        generator: Generator | None,
    ) -> None:
        super().__init__()
        p = features
        # What comes out of a gate is small, what comes out of the first convolutions is not.
        gain = 1 / GATE_STD if depth else 1.0
        self.above = RowsAbove(p, 2 * p, kernel_size, gain=gain, generator=generator)
        half = math.sqrt(0.5)  # left and link share the unit variance
        self.left = MaskedConv2d(
            p,
            2 * p,
            kernel_size,
            colours=colours,
            rows=False,
            parts=2,
            gain=half / math.sqrt(1 + depth),
            generator=generator,
        )
        self.link = MaskedConv2d(2 * p, 2 * p, 1, gain=half, generator=generator)
        self.mix = MaskedConv2d(
            p, p, 1, colours=colours, gain=scale / GATE_STD, generator=generator
        )
        self.shift_above = ClassShift(num_classes, 2 * p, generator)
        self.shift_left = ClassShift(num_classes, 2 * p, generator)
        self.dropout = dropout

    def forward(self, v: Tensor, h: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the features of both stacks, each (B, p, H, W)."""
        a = self.shift_above(self.above(v), labels)
        b = self.shift_left(self.left(h), labels)
        g = nn.functional.dropout(gate(b + self.link(a)), self.dropout, self.training)
        return gate(a), h + self.mix(g)


class GatedPixelCNN(PixelModel):
    """The gated PixelCNN: two stacks, so that nothing of the past is out of sight.

    A pixel sees ``reach`` columns to either side, in the rows above as in its own.

    Args:
        event_shape: Channels, height and width, (C, H, W).
        levels: The number of levels of a pixel.
        features: The features of either stack. With a softmax head, a multiple of the number of
            colours.
        layers: The number of gated layers.
        kernel_size: Of the gated layers, odd and at least 3.
        first_kernel: Of the first convolutions, which see the image, odd and at least 3.
        position: Whether to learn a number for each feature and place, which the features of the
            first convolution are shifted by.
        components, num_classes: See `PixelModel`.
        dropout: The share of the gates' outputs that is set to zero in training, drawn from torch's
            global generator; never in samples.
        generator: Draws the weights to start from; None uses torch's global generator.
    """

    def __init__(
        self,
        event_shape: Sequence[int],
        levels: int = 2,
        *,
        features: int = 32,
        layers: int = 10,
        kernel_size: int = 5,
        first_kernel: int = 7,
        position: bool = False,
        components: int | None = None,
        num_classes: int | None = None,
        dropout: float = 0.0,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(event_shape, levels, components=components, num_classes=num_classes)
        check_count(layers, "layers")
        check_features(features, len(self.head.groups))
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout: expected a share of at least 0 and below 1, got {dropout}")
        colours = len(self.head.groups)
        channels = self.event_shape[0]
        self.above = RowsAbove(channels, features, first_kernel, strict=True, generator=generator)
        self.left = MaskedConv2d(
            channels,
            features,
            first_kernel,
            kind="A",
            colours=colours,
            rows=False,
            generator=generator,
        )
        self.position = Position(features if position else None, *self.event_shape[1:])
        self.layers = nn.ModuleList(
            GatedLayer(
                features,
                kernel_size,
                colours,
                self.num_classes,
                depth=i / layers,
                scale=layers**-0.5,
                dropout=dropout,
                generator=generator,
            )
            for i in range(layers)
        )
        self.readout = Readout(features, self.head, 2.0, generator)
        self.reach = first_kernel // 2 + layers * (kernel_size // 2)

    def _outputs(self, z: Tensor, labels: Tensor | None) -> Tensor:
        v, h = self.above(z), self.position(self.left(z))
        for layer in self.layers:
            v, h = layer(v, h, labels)
        return self.readout(h)

    def memory(self, n: int, labels: Tensor | None = None) -> Memory:
        """Return an empty memory for n images that are made pixel by pixel."""
        return _GatedMemory(self, n, labels)


class _GatedMemory:
    """Memory of a `GatedPixelCNN`: the vertical stack moves once a row, the other once a pixel."""

    def __init__(self, model: GatedPixelCNN, n: int, labels: Tensor | None) -> None:
        width = model.event_shape[2]
        self.above = RowsMemory(model.above, n, width)
        self.left = ConvMemory(model.left, n, width)
        self.position, self.next = model.position, 0
        self.vertical = []
        self.horizontal = []
        for layer in model.layers:
            assert isinstance(layer, GatedLayer)
            shift_above, shift_left = layer.shift_above.row(labels), layer.shift_left.row(labels)
            left, mix = ConvMemory(layer.left, n, width), ConvMemory(layer.mix, n, width)
            above = RowsMemory(layer.above, n, width)
            self.vertical.append((above, layer.link, left, shift_above, shift_left))
            self.horizontal.append((left, mix))
        self.readout = ReadoutMemory(model.readout, n, width)

    def start_row(self) -> None:
        v = self.above.step(self.left.row())
        self.left.start_row(self.position.row(self.next))
        self.next += 1
        for above, link, left, shift_above, shift_left in self.vertical:
            a = above.step(v)
            if shift_above is not None:
                a = a + shift_above
            extra = link(a[:, :, None])[:, :, 0]
            left.start_row(extra if shift_left is None else extra + shift_left)
            v = gate(a)

    def evaluate(self, column: int, group: int) -> Tensor:
        h = self.left.evaluate(column, group)
        for left, mix in self.horizontal:
            h = h + mix.step(gate(left.step(h, column, group)), column, group)
        return self.readout.step(h, column, group)

    def remember(self, value: Tensor, column: int, group: int) -> None:
        self.left.put(value, column, group)
