"""A network of pixels: a first convolution that sees the image, layers of one kind, a readout."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Generator, Tensor, nn

from gdmlib._checks import check_count, check_share
from gdmlib.autoregressive.pixels.layers import Position, Readout, Setting, check_features
from gdmlib.autoregressive.pixels.model import Memory, PixelModel
from gdmlib.nn.conv_memory import ConvMemory, RowsMemory
from gdmlib.nn.masked_conv import MaskedConv2d, RowsAbove


class Stack(PixelModel):
    """A model of pixels whose network is a stack of layers; a subclass says which.

    Args:
        event_shape, levels, components, num_classes: See `PixelModel`.
        features: The features of a layer inside. With a softmax head, a multiple of the number of
            colours. What is not given here and in the next two is as in ``usual``.
        layers: The number of layers.
        kernel_size: The width of their masked convolutions, odd.
        first_kernel: Of the first convolution, which sees the image.
        position: Whether to learn a number for each feature and place, which the features of the
            first convolution are shifted by.
        dropout: The share of what a layer is about to add that is set to zero in training, drawn
            from torch's global generator; never in samples.
        generator: Draws the weights to start from.

    Attributes:
        layer: The class of the layers.
        usual: Sizes for those that are not given.
    """

    layer: ClassVar[Any]
    usual: ClassVar[dict[str, int]] = {"features": 32, "layers": 7, "kernel_size": 3}
    look: MaskedConv2d
    layers: Any

    def __init__(
        self,
        event_shape: Sequence[int],
        levels: int = 2,
        *,
        features: int | None = None,
        layers: int | None = None,
        kernel_size: int | None = None,
        first_kernel: int = 7,
        position: bool = False,
        components: int | None = None,
        num_classes: int | None = None,
        dropout: float = 0.0,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(event_shape, levels, components=components, num_classes=num_classes)
        given = {"features": features, "layers": layers, "kernel_size": kernel_size}
        sizes = {
            name: check_count(self.usual[name] if size is None else size, name)
            for name, size in given.items()
        }
        colours, depth = len(self.head.groups), sizes["layers"]
        inside = check_features(sizes["features"], colours)
        wide = self.layer.widening * inside
        around = Setting(colours, generator=generator)
        self._build_first(wide, check_count(first_kernel, "first_kernel"), around)
        self.position = Position(wide if position else None, *self.event_shape[1:])
        dropout = check_share(dropout, "dropout")
        settings = [
            Setting(colours, self.num_classes, i / depth, depth**-0.5, dropout, generator)
            for i in range(depth)
        ]
        self.layers = nn.ModuleList(self.layer(inside, sizes["kernel_size"], s) for s in settings)
        self.readout = Readout(wide, self.head, around)

    def _build_first(self, features: int, kernel_size: int, setting: Setting) -> None:
        self.look = setting.conv(self.event_shape[0], features, kernel_size, kind="A")

    def _outputs(self, z: Tensor, labels: Tensor | None) -> Tensor:
        t = self.position(self.look(z))
        for layer in self.layers:
            t = layer(t, labels)
        return self.readout(t)

    def memory(self, n: int, labels: Tensor | None = None) -> _StackMemory:
        """Return an empty memory for n images that are made pixel by pixel."""
        return _StackMemory(self, n, labels)

    def _first(self) -> tuple[MaskedConv2d, RowsAbove | None]:
        """Return what sees the image, and what sees the rows above alone, if there is such."""
        return self.look, None


class _StackMemory(Memory):
    """Memory of a `Stack`: that of the first convolution, of each layer, of the readout.

    All features of the rows above are complete when a row begins, in every layer.
    """

    def __init__(self, model: Stack, n: int, labels: Tensor | None) -> None:
        width, (first, above) = model.event_shape[2], model._first()
        self.first = ConvMemory(first, n, width)
        self.above = None if above is None else RowsMemory(above, n, width)
        self.position, self.next = model.position, 0
        self.layers = [layer.memory(n, width, labels) for layer in model.layers]
        self.readout = model.readout.memory()

    def start_row(self) -> None:
        v = None if self.above is None else self.above.step(self.first.row())
        self.first.start_row(self.position.row(self.next))
        self.next += 1
        for layer in self.layers:
            v = layer.start_row(v)

    def evaluate(self, column: int, group: int) -> Tensor:
        t = self.first.evaluate(column, group)
        for layer in self.layers:
            t = layer.step(t, column, group)
        return self.readout.step(t, group)

    def remember(self, value: Tensor, column: int, group: int) -> None:
        self.first.put(value, column, group)
