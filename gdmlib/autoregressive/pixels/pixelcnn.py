"""The plain PixelCNN: masked convolutions in residual blocks.

Van den Oord, Kalchbrenner and Kavukcuoglu (2016a), "Pixel recurrent neural networks",
https://arxiv.org/abs/1601.06759. Stacked, masked convolutions leave a *blind spot*: some pixels to
the upper right are never seen, however deep the network is.
"""

from __future__ import annotations

import math

from torch import Tensor
from torch.nn.functional import relu

from gdmlib.autoregressive.pixels.layers import ALONE, Layer, LayerMemory, Setting
from gdmlib.autoregressive.pixels.stack import Stack
from gdmlib.nn.conv_memory import ConvMemory, PointMemory


class ResidualBlock(Layer):
    """Halve the features, look around, double them again; add the result to what came in.

    Args:
        features: Their number h inside; 2h come in and go out.
        kernel_size: Of the masked convolution in the middle.
        setting: The network around.
    """

    def __init__(self, features: int, kernel_size: int, setting: Setting = ALONE) -> None:
        super().__init__(setting)
        h = features
        gain = math.sqrt(2)  # a rectifier halves the mean square
        self.reduce = setting.conv(2 * h, h, 1, gain=gain)
        self.look = setting.conv(h, h, kernel_size, gain=gain)
        self.expand = setting.conv(h, 2 * h, 1, gain=gain * setting.scale)
        self.shift = setting.shift(h)

    def forward(self, t: Tensor, labels: Tensor | None) -> Tensor:
        """Return features of the same shape, (B, 2h, H, W)."""
        a = self.look(relu(self.reduce(relu(t)), inplace=True))
        return t + self.expand(self.dropout(relu(self.shift(a, labels), inplace=True)))

    def memory(self, n: int, width: int, labels: Tensor | None) -> _ResidualMemory:
        """Return an empty memory for n images of this width and these classes."""
        return _ResidualMemory(self, n, width, labels)


class _ResidualMemory(LayerMemory):
    """Memory of a `ResidualBlock`."""

    def __init__(self, block: ResidualBlock, n: int, width: int, labels: Tensor | None) -> None:
        self.reduce, self.expand = PointMemory(block.reduce), PointMemory(block.expand)
        self.look = ConvMemory(block.look, n, width)
        self.shift = block.shift.row(labels)

    def start_row(self, v: Tensor | None) -> None:
        self.look.start_row(self.shift)

    def step(self, t: Tensor, column: int, group: int) -> Tensor:
        a = self.look.step(self.reduce.step(t.relu(), group).relu(), column, group)
        return t + self.expand.step(a.relu(), group)


class PixelCNN(Stack):
    """The PixelCNN of 2016: a masked 7 x 7 convolution, residual blocks, two 1 x 1 convolutions.

    It has a blind spot, see `dependence_map`. Arguments are those of a `Stack`; between blocks
    there are twice as many features as inside.
    """

    layer = ResidualBlock
