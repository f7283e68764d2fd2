"""What the networks of pixels are made of: layers, gates, and what depends on class and place."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import relu

from gdmlib._checks import check_count
from gdmlib._random import draw
from gdmlib.autoregressive.pixels.heads import PixelHead
from gdmlib.nn.conv_memory import PointMemory
from gdmlib.nn.masked_conv import MaskedConv2d

#: Standard deviation of tanh(a) σ(b) for independent standard normal a and b.
GATE_STD = 0.34


def gate(a: Tensor, dim: int = 1) -> Tensor:
    """Return tanh of the first half of the channels times the sigmoid of the second half."""
    value, switch = a.chunk(2, dim=dim)
    # Half of the channels lie apart if channels come last; clone() brings them together.
    return torch.tanh(value.clone()) * torch.sigmoid(switch)


def check_features(features: int, colours: int) -> int:
    """Return the number of features if the colours can share them out equally."""
    features = check_count(features, "features")
    if features % colours:
        raise ValueError(
            f"features: expected a multiple of {colours}, the same share for each colour, got "
            f"{features}"
        )
    return features


class ClassShift(nn.Module):
    """Adds a vector to the features, one for each class; does nothing if there are no classes."""

    def __init__(
        self, num_classes: int | None, features: int, generator: Generator | None = None
    ) -> None:
        super().__init__()
        self.table: nn.Parameter | None = None
        if num_classes is not None:
            normal = draw(torch.randn, num_classes, features, generator=generator)
            self.table = nn.Parameter(0.1 * normal)

    def row(self, labels: Tensor | None) -> Tensor | None:
        """Return what is added to a row of each image, (B, 1, F), or None."""
        return None if self.table is None or labels is None else self.table[labels][:, None]

    def forward(self, a: Tensor, labels: Tensor | None) -> Tensor:
        """Return the features, (B, F, H, W), with what their classes add."""
        shift = self.row(labels)
        return a if shift is None else a + shift[:, 0, :, None, None]


class Position(nn.Module):
    """Adds to the features of each pixel what was learned for its place; at first, nothing.

    A convolution treats all places alike, but for what it notices of the border. Where objects are
    centred, a pixel's place says much. With None for the features nothing is added.
    """

    def __init__(self, features: int | None, height: int, width: int) -> None:
        super().__init__()
        self.table: nn.Parameter | None = None
        if features is not None:
            self.table = nn.Parameter(torch.zeros(features, height, width))

    def row(self, i: int) -> Tensor | None:
        """Return what is added to row i, (1, W, F), or None."""
        return None if self.table is None else self.table[None, :, i].detach().transpose(1, 2)

    def forward(self, a: Tensor) -> Tensor:
        """Return the features, (B, F, H, W), with what their places add."""
        return a if self.table is None else a + self.table


# --- Layers, which a network stacks ---------------------------------------------------------------


class Setting(NamedTuple):
    """What a layer is told about the network that it is in.

    Attributes:
        colours: The number of groups of features.
        num_classes: Of the model; a class shifts what goes into the rectifiers or gates.
        depth: How many layers come before this one, from 0, as a share of all.
        scale: The standard deviation of what a layer adds, so that a sum of many stays in scale.
        dropout: The share of what a layer is about to add that is set to zero in training.
        generator: Draws the weights to start from.
    """

    colours: int = 1
    num_classes: int | None = None
    depth: float = 1.0
    scale: float = 1.0
    dropout: float = 0.0
    generator: Generator | None = None

    @property
    def conv(self) -> Callable[..., MaskedConv2d]:
        """`MaskedConv2d` for these colours."""
        return partial(MaskedConv2d, colours=self.colours, generator=self.generator)

    def shift(self, features: int) -> ClassShift:
        """Return what the classes add to so many features."""
        return ClassShift(self.num_classes, features, self.generator)


#: Of a layer in no network.
ALONE = Setting()


class LayerMemory(ABC):
    """What a layer keeps between the pixels of images that are made one pixel at a time."""

    @abstractmethod
    def start_row(self, v: Tensor | None) -> Tensor | None:
        """Move to the next row.

        Takes what the layer before says of the rows above alone, (n, W, features), if it does, and
        returns what this layer says of them.
        """

    @abstractmethod
    def step(self, t: Tensor, column: int, group: int) -> Tensor:
        """Return the new features of a group of a pixel from those that come, (n, F / groups)."""


class Layer(nn.Module, ABC):
    """A layer of a `Stack`; a subclass is built from ``(features, kernel_size, setting)``.

    Attributes:
        widening: How many times ``features`` come in and go out.
    """

    widening = 2

    def __init__(self, setting: Setting) -> None:
        super().__init__()
        self.dropout = nn.Dropout(setting.dropout)

    @abstractmethod
    def forward(self, *arguments: Any) -> Any:
        """Return the new features, of the same shape, from features and labels."""

    @abstractmethod
    def memory(self, n: int, width: int, labels: Tensor | None) -> LayerMemory:
        """Return an empty memory for n images of this width and these classes."""


class Readout(nn.Module):
    """The last layers: from the features of a pixel to the numbers of its head.

    Two 1 x 1 convolutions, each after a rectifier. A new network is nearly indifferent: the last
    weights are small, and the bias is the head's choice.
    """

    def __init__(self, features: int, head: PixelHead, setting: Setting) -> None:
        super().__init__()
        # What comes in has a mean square of 2, of which the rectifier leaves half: no gain.
        self.hidden = setting.conv(features, features, 1)
        self.last = setting.conv(features, head.num_parameters, 1, gain=0.1)
        with torch.no_grad():
            self.last.bias.copy_(head.initial_bias())

    def forward(self, t: Tensor) -> Tensor:
        """Return the numbers of shape (B, P, H, W) from features (B, F, H, W)."""
        return self.last(relu(self.hidden(relu(t)), inplace=True))

    def memory(self) -> ReadoutMemory:
        """Return a memory for images that are made pixel by pixel."""
        return ReadoutMemory(self)


class ReadoutMemory:
    """Memory of a `Readout`."""

    def __init__(self, readout: Readout) -> None:
        self.hidden, self.last = PointMemory(readout.hidden), PointMemory(readout.last)

    def step(self, t: Tensor, group: int) -> Tensor:
        """Return the numbers of a group of colours from the features of a pixel."""
        return self.last.step(self.hidden.step(t.relu(), group).relu(), group)
