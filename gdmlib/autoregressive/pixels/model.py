r"""The chain rule over the pixels of an image: what all such models share.

.. math:: p(x) = \prod_i p(x_i \mid x_1, \ldots, x_{i-1})

Pixels are visited row by row, and the colours of a pixel in their order. One network computes the
parameters of all factors at once, for it sees only the past of each pixel. So a likelihood costs
one pass; a sample needs the pixels one after the other, and a `Memory` makes each of them cheap.

Images are floating-point tensors (B, C, H, W) whose values are levels k / (L - 1), k = 0 … L - 1: 0
and 1 for binary images, multiples of 1/255 for photographs. `quantise` makes them so.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from gdmlib._checks import check_count, check_event_shape, check_labels
from gdmlib._random import pick
from gdmlib.autoregressive.chain_rule import Conditional
from gdmlib.autoregressive.pixels.heads import LogisticMixtureHead, PixelHead, SoftmaxHead
from gdmlib.densities.density import Levels
from gdmlib.nn.masked_conv import MaskedConv2d


class Memory(ABC):
    """What a network keeps between pixels, so that only what a new pixel changes is computed."""

    @abstractmethod
    def start_row(self) -> None:
        """Move to the next row, at first to row 0."""

    @abstractmethod
    def evaluate(self, column: int, group: int) -> Tensor:
        """Return the numbers of a group of colours at this pixel, (n, P / groups)."""

    @abstractmethod
    def remember(self, value: Tensor, column: int, group: int) -> None:
        """Take in the colours of a group, scaled to [-1, 1], (n, colours of the group)."""


class PixelModel(Conditional):
    """A density of images by the chain rule over pixels. Subclasses give the network.

    All methods take as ``labels`` the class of each image, integers of shape (B,), if and only if
    the model has classes.

    Args:
        event_shape: Channels, height and width, (C, H, W).
        levels: The number L of levels of a pixel, at least 2.
        components: The number of logistic densities of the mixture head; None takes a softmax over
            the levels.
        num_classes: The number of classes that images are conditioned on; None for no classes.

    Attributes:
        head: Turns the network's numbers into distributions.
    """

    def __init__(
        self,
        event_shape: Sequence[int],
        levels: int = 2,
        *,
        components: int | None = None,
        num_classes: int | None = None,
    ) -> None:
        super().__init__()
        self.event_shape = check_event_shape(event_shape, image=True)
        self.num_classes = None if num_classes is None else check_count(num_classes, "num_classes")
        channels = self.event_shape[0]
        self.head: PixelHead = SoftmaxHead(channels, levels)
        if components is not None:
            self.head = LogisticMixtureHead(channels, levels, components)
        self.levels = self.head.levels
        self.support = Levels(self.levels)

    @property
    def num_parameters(self) -> int:
        """The number of weights that count; those that a mask holds at zero do not."""
        masked = sum(int((~m.mask).sum()) for m in self.modules() if isinstance(m, MaskedConv2d))
        return super().num_parameters - masked

    @abstractmethod
    def _outputs(self, z: Tensor, labels: Tensor | None) -> Tensor:
        """Return the head's numbers for all pixels, (B, C, H, W) in [-1, 1] -> (B, P, H, W)."""

    @abstractmethod
    def memory(self, n: int, labels: Tensor | None = None) -> Memory:
        """Return an empty memory for n images that are made pixel by pixel."""

    # --- probabilities

    def pixel_distribution(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return p(level | all before) of each colour of each pixel, (B, C, H, W, L)."""
        rows = self._rows(self.check(x), self._labels(labels, len(x)))
        return _images(self.head.distribution(*rows).exp(), x)

    def _log_prob(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.head.log_prob(*self._rows(x, labels)).reshape(len(x), -1).sum(dim=1)

    def _conditional_log_prob(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        return _images(self.head.conditional_log_prob(*self._rows(x, labels)), x)

    def _rows(self, x: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return one row a pixel: the head's numbers, (B · H · W, P), and the colours, (…, C)."""
        # Mixed precision ends here: the head's logarithms need all their digits.
        numbers = self._outputs(2 * x - 1, labels).to(x.dtype)
        return numbers.permute(0, 2, 3, 1).flatten(0, 2), x.permute(0, 2, 3, 1).flatten(0, 2)

    # --- samples

    def _sweep(
        self, x: Tensor, known: Tensor, noise: Tensor, labels: Tensor | None = None
    ) -> Tensor:
        """Visit the pixels in order and draw those that are not known, with the numbers given."""
        # The many small steps are made in full precision, and leave no trace for derivatives.
        with torch.inference_mode(), torch.autocast(x.device.type, enabled=False):
            drawn = self._visit(x, known, noise, labels)
        return drawn.clone(memory_format=torch.contiguous_format)

    def _visit(self, x: Tensor, known: Tensor, noise: Tensor, labels: Tensor | None) -> Tensor:
        memory = self.memory(len(x), labels)
        # The colours of a pixel lie together, (H, W, n, C).
        pixels = x.permute(2, 3, 0, 1).clone(memory_format=torch.contiguous_format)
        chances, fixed = noise.permute(2, 3, 0, 1), known.permute(2, 3, 0, 1)
        all_known, any_known = (f.tolist() for f in (fixed.all(dim=2), fixed.any(dim=2)))
        for i, row in enumerate(pixels.unbind(0)):
            memory.start_row()
            for j, pixel in enumerate(row.unbind(0)):
                for group, colours in enumerate(self.head.groups):
                    parameters = memory.evaluate(j, group)
                    for colour in colours:
                        if all_known[i][j][colour]:
                            continue
                        log_probs = self.head.conditional(parameters, pixel, colour)
                        drawn = self._pick(log_probs, chances[i, j, :, colour], pixel)
                        if any_known[i][j][colour]:
                            held = fixed[i, j, :, colour]
                            drawn = torch.where(held, pixel[:, colour], drawn)
                        pixel[:, colour] = drawn
                    memory.remember(2 * pixel[:, colours[0] : colours[-1] + 1] - 1, j, group)
        return pixels.permute(2, 3, 0, 1)

    def _visits(self) -> Tensor:
        return torch.arange(self.event_shape.numel()).view(self.event_shape[0], -1).T.flatten()

    def _draw_one(self, x: Tensor, place: int, noise: Tensor, labels: Tensor | None) -> Tensor:
        row, j = divmod(place, x.shape[3])
        colour, i = divmod(row, x.shape[2])
        numbers = self._outputs(2 * x - 1, self._labels(labels, len(x)))[:, :, i, j]
        log_probs = self.head.distribution(numbers, x[:, :, i, j])[:, colour]
        return self._pick(log_probs, noise[:, colour, i, j], x)

    def _pick(self, log_probs: Tensor, u: Tensor, like: Tensor) -> Tensor:
        """Return pixels, (...), from the log-probabilities of their levels, (..., L)."""
        return pick(log_probs, u).to(like) / (self.levels - 1)

    # --- checks

    def _labels(self, labels: Tensor | None, n: int) -> Tensor | None:
        if self.num_classes is None:
            if labels is not None:
                raise ValueError("labels: this model has no classes; build it with num_classes=...")
            return None
        if labels is None:
            raise ValueError(
                f"labels: expected a class from 0 to {self.num_classes - 1} for each of {n} images"
            )
        return check_labels(labels, "labels", num_classes=self.num_classes, length=n)


def _images(rows: Tensor, like: Tensor) -> Tensor:
    """Return what was found of each pixel's colours, (B · H · W, C, …) -> (B, C, H, W, …)."""
    n, _, height, width = like.shape
    return rows.unflatten(0, (n, height, width)).movedim(3, 1)
