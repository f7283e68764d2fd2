"""The gated PixelCNN: two stacks, so that nothing of the past is out of sight.

Van den Oord, Kalchbrenner, Vinyals, Espeholt, Graves and Kavukcuoglu (2016b), "Conditional image
generation with PixelCNN decoders", https://arxiv.org/abs/1606.05328. A stack for the rows above and
one for the row to the left see all of the past between them; gates replace the rectifiers. With the
mixture of logistic densities as its head, it is a step towards PixelCNN++ (Salimans et al. 2017,
https://arxiv.org/abs/1701.05517).
"""

from __future__ import annotations

import math
from typing import ClassVar

from torch import Tensor
from torch.nn.functional import glu, linear

from gdmlib.autoregressive.pixels.layers import ALONE, GATE_STD, Layer, LayerMemory, Setting, gate
from gdmlib.autoregressive.pixels.stack import Stack
from gdmlib.nn.conv_memory import ConvMemory, PointMemory, RowsMemory
from gdmlib.nn.masked_conv import MaskedConv2d, RowsAbove


class GatedLayer(Layer):
    """One layer of the two stacks (van den Oord et al. 2016b, figure 2).

    The vertical stack's features of row i know the rows before i, on both sides. They are given to
    the horizontal stack, which knows what is to the left in row i as well. There is no way back.

    Args:
        features: The number p of features of either stack. The vertical one needs no groups, since
            all that it knows is past for all colours.
        kernel_size: The width of both convolutions, odd and at least 3.
        setting: The network around.
    """

    widening = 1

    def __init__(self, features: int, kernel_size: int, setting: Setting = ALONE) -> None:
        super().__init__(setting)
        p, generator = features, setting.generator
        # What comes out of a gate is small, what comes out of the first convolutions is not.
        gain = 1 / GATE_STD if setting.depth else 1.0
        half = math.sqrt(0.5)  # left and link share the unit variance
        self.above = RowsAbove(p, 2 * p, kernel_size, gain=gain, generator=generator)
        self.left = setting.conv(
            p, 2 * p, kernel_size, rows=False, parts=2, gain=half / math.sqrt(1 + setting.depth)
        )
        self.link = MaskedConv2d(2 * p, 2 * p, 1, gain=half, generator=generator)
        self.mix = setting.conv(p, p, 1, gain=setting.scale / GATE_STD)
        self.shift_above = setting.shift(2 * p)
        self.shift_left = setting.shift(2 * p)

    def forward(self, v: Tensor, h: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the features of both stacks, each (B, p, H, W)."""
        a = self.shift_above(self.above(v), labels)
        b = self.shift_left(self.left(h), labels)
        return gate(a), h + self.mix(self.dropout(gate(b.add_(self.link(a)))))

    def memory(self, n: int, width: int, labels: Tensor | None) -> _GatedMemory:
        """Return an empty memory for n images of this width and these classes."""
        return _GatedMemory(self, n, width, labels)


class _GatedMemory(LayerMemory):
    """Memory of a `GatedLayer`: the vertical stack moves once a row, the other once a pixel."""

    def __init__(self, layer: GatedLayer, n: int, width: int, labels: Tensor | None) -> None:
        self.above, self.left = RowsMemory(layer.above, n, width), ConvMemory(layer.left, n, width)
        self.link = layer.link.masked_weight().detach()[:, :, 0, 0], layer.link.bias.detach()
        self.mix = PointMemory(layer.mix)
        self.shift_above = layer.shift_above.row(labels)
        self.shift_left = layer.shift_left.row(labels)

    def start_row(self, v: Tensor | None) -> Tensor:
        assert v is not None
        a = self.above.step(v)
        a = a if self.shift_above is None else a + self.shift_above
        extra = linear(a, *self.link)
        self.left.start_row(extra if self.shift_left is None else extra + self.shift_left)
        return gate(a, dim=2)

    def step(self, h: Tensor, column: int, group: int) -> Tensor:
        a = self.left.step(h, column, group)
        a[:, : a.shape[1] // 2].tanh_()  # what goes into a gate is needed once
        return h + self.mix.step(glu(a, dim=1), group)


class GatedPixelCNN(Stack):
    """The gated PixelCNN. Arguments are those of a `Stack`; both kernels are at least 3."""

    layer = GatedLayer
    usual: ClassVar = {"features": 32, "layers": 10, "kernel_size": 5}

    def _build_first(self, features: int, kernel_size: int, setting: Setting) -> None:
        channels, generator = self.event_shape[0], setting.generator
        self.above = RowsAbove(channels, features, kernel_size, strict=True, generator=generator)
        self.left = setting.conv(channels, features, kernel_size, kind="A", rows=False)

    @property
    def reach(self) -> int:
        """How many columns a pixel sees to either side, and rows upwards."""
        margins = [layer.left.margin for layer in self.layers]
        return self.left.margin + sum(margins)

    def _outputs(self, z: Tensor, labels: Tensor | None) -> Tensor:
        v, h = self.above(z), self.position(self.left(z))
        for layer in self.layers:
            v, h = layer(v, h, labels)
        return self.readout(h)

    def _first(self) -> tuple[MaskedConv2d, RowsAbove]:
        return self.left, self.above
