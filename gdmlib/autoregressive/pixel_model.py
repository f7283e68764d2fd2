r"""The chain rule over the pixels of an image: what all such models share.

.. math:: p(x) = \prod_i p(x_i \mid x_1, \ldots, x_{i-1})

Pixels are visited row by row, and the colours of a pixel in their order. One network computes the
parameters of all factors at once, for it sees only the past of each pixel. So a likelihood costs
one pass; a sample needs the pixels one after the other, and a `Memory` makes each of them cheap.

Images are floating-point tensors (B, C, H, W) whose values are levels k / (L - 1), k = 0 … L - 1: 0
and 1 for binary images, multiples of 1/255 for photographs. `quantise` makes them so.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Generator, Tensor, nn

from gdmlib._checks import check_count, check_dtype, check_labels, check_mask, check_tensor
from gdmlib._random import uniform
from gdmlib.autoregressive.pixel_heads import LogisticMixtureHead, PixelHead, SoftmaxHead
from gdmlib.autoregressive.pixelcnn_layers import MaskedConv2d
from gdmlib.densities.discretised_logistic import check_levels, draw_level


def quantise(x: Tensor, levels: int) -> Tensor:
    """Round values in [0, 1] to the nearest of the levels k / (levels - 1).

    Raises:
        ValueError: If x is not floating-point, has values outside of [0, 1], or levels is less than
            2.
    """
    check_levels(levels)
    check_tensor(x, "x", floating=True)
    low, high = float(x.min()), float(x.max())
    if low < 0 or high > 1:
        raise ValueError(f"x: expected values in [0, 1], got values from {low:.6g} to {high:.6g}")
    return (x * (levels - 1)).round() / (levels - 1)


def check_image_levels(x: Tensor, levels: int) -> Tensor:
    """Return x if all its values are levels k / (levels - 1), up to rounding."""
    scaled = x * (levels - 1)
    level = scaled.round()
    off = ((scaled - level).abs() > 1e-3) | (level < 0) | (level >= levels)
    if bool(off.any()):
        raise ValueError(
            f"x: expected {levels} levels, k / {levels - 1} for k = 0 to {levels - 1}, got "
            f"{float(x[off][0]):.6g}; use quantise(x, {levels}), or build the model with other "
            "levels"
        )
    return x


class Memory(Protocol):
    """What a network keeps between pixels, so that only what a new pixel changes is computed."""

    def start_row(self) -> None:
        """Move to the next row, at first to row 0."""
        ...

    def evaluate(self, column: int, group: int) -> Tensor:
        """Return the numbers of a group of colours at this pixel, (n, P / groups)."""
        ...

    def remember(self, value: Tensor, column: int, group: int) -> None:
        """Take in the colours of a group, scaled to [-1, 1], (n, colours of the group)."""
        ...


class PixelModel(nn.Module, ABC):
    """A density of images by the chain rule over pixels. Subclasses give the network.

    Args:
        event_shape: Channels, height and width, (C, H, W).
        levels: The number L of levels of a pixel, at least 2.
        components: The number of logistic densities of the mixture head; None takes a softmax over
            the levels.
        num_classes: The number of classes that images are conditioned on; None for no classes.

    Attributes:
        event_shape: (C, H, W).
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
        sizes = tuple(event_shape) if isinstance(event_shape, Sequence) else ()
        if len(sizes) != 3:
            raise ValueError(f"event_shape: expected (channels, height, width), got {event_shape}")
        for size in sizes:
            check_count(size, "event_shape")
        self.event_shape = torch.Size(sizes)
        self.levels = check_levels(levels)
        self.num_classes = None if num_classes is None else check_count(num_classes, "num_classes")
        self.head: PixelHead = SoftmaxHead(sizes[0], levels)
        if components is not None:
            self.head = LogisticMixtureHead(sizes[0], levels, components)

    @property
    def num_parameters(self) -> int:
        """The number of weights that count; those that a mask holds at zero do not."""
        masked = sum(int((~m.mask).sum()) for m in self.modules() if isinstance(m, MaskedConv2d))
        return sum(p.numel() for p in self.parameters()) - masked

    @abstractmethod
    def _outputs(self, z: Tensor, labels: Tensor | None) -> Tensor:
        """Return the head's numbers for all pixels, (B, C, H, W) in [-1, 1] -> (B, P, H, W)."""

    @abstractmethod
    def memory(self, n: int, labels: Tensor | None = None) -> Memory:
        """Return an empty memory for n images that are made pixel by pixel."""

    # --- probabilities

    def log_prob(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return log p(x) of each image, in nats.

        Args:
            x: Levels k / (L - 1), shape (B, C, H, W).
            labels: The class of each image, int64 of shape (B,), if the model has classes.

        Returns:
            Shape (B,).
        """
        self._check(x, labels)
        # Mixed precision ends here: the head's logarithms need all their digits.
        rows = _pixels(self._outputs(2 * x - 1, labels)).to(x.dtype)
        return self.head.log_prob(rows, _pixels(x)).reshape(len(x), -1).sum(dim=1)

    def pixel_distribution(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return the conditional probabilities of all levels of all pixels.

        Args:
            x: Levels k / (L - 1), shape (B, C, H, W).
            labels: The class of each image, if the model has classes.

        Returns:
            Shape (B, C, H, W, L). The last dimension sums to 1; it is the distribution of a pixel's
            colour given, from ``x``, the pixels and the colours before it.
        """
        self._check(x, labels)
        return self._log_distribution(x, labels).exp()

    def _log_distribution(self, x: Tensor, labels: Tensor | None) -> Tensor:
        n, colours, height, width = x.shape
        rows = _pixels(self._outputs(2 * x - 1, labels))
        found = self.head.distribution(rows, _pixels(x))
        return found.reshape(n, height, width, colours, self.levels).permute(0, 3, 1, 2, 4)

    # --- samples

    @torch.no_grad()
    def sample(
        self, n: int, generator: Generator | None = None, labels: Tensor | None = None
    ) -> Tensor:
        """Draw n images, pixel after pixel; only what a new pixel changes is computed.

        Args:
            n: The number of images.
            generator: Source of randomness; None uses torch's global generator.
            labels: The class of each image, int64 of shape (n,), if the model has classes.

        Returns:
            Levels k / (L - 1), shape (n, C, H, W).
        """
        x, u = self._start(n, generator, labels)
        return self._draw(x, u, torch.zeros_like(x, dtype=torch.bool), labels)

    @torch.no_grad()
    def complete(
        self,
        x: Tensor,
        known: Tensor,
        generator: Generator | None = None,
        labels: Tensor | None = None,
    ) -> Tensor:
        """Draw the unknown pixels, each given all pixels before it.

        This is a draw from p(unknown | known) if the known pixels come first, the upper rows, say.
        A known pixel that comes later than an unknown one has no influence on it.

        Args:
            x: Levels k / (L - 1), shape (B, C, H, W); unknown pixels may hold any.
            known: True where a pixel is known, shape (C, H, W) or (B, C, H, W).
            generator: Source of randomness; None uses torch's global generator.
            labels: The class of each image, if the model has classes.

        Returns:
            Shape (B, C, H, W).
        """
        self._check(x, labels)
        fixed = check_mask(known, "known", x.shape[1:], x.shape).to(x.device).expand(x.shape)
        u = uniform(x.shape, self._like(), generator)
        return self._draw(x, u, fixed, labels)

    def _draw(self, x: Tensor, u: Tensor, known: Tensor, labels: Tensor | None) -> Tensor:
        """Visit the pixels in order and draw those that are not known, with the numbers u."""
        n, _, height, width = x.shape
        memory = self.memory(n, labels)
        pixels, chances, fixed = (t.permute(2, 3, 0, 1).contiguous() for t in (x, u, known))
        settled = fixed.flatten(2).all(dim=2).tolist()
        for i in range(height):
            memory.start_row()
            for j in range(width):
                for group, colours in enumerate(self.head.groups):
                    parameters = memory.evaluate(j, group)
                    pixel = pixels[i, j]
                    for colour in () if settled[i][j] else colours:
                        drawn = self._draw_colour(parameters, pixel, colour, chances[i, j])
                        pixel[:, colour] = torch.where(
                            fixed[i, j, :, colour], pixel[:, colour], drawn
                        )
                    memory.remember(2 * pixel[:, colours[0] : colours[-1] + 1] - 1, j, group)
        return pixels.permute(2, 3, 0, 1).contiguous()

    def _draw_colour(self, parameters: Tensor, pixel: Tensor, colour: int, u: Tensor) -> Tensor:
        log_probs = self.head.conditional(parameters, pixel, colour)
        return draw_level(log_probs, u[:, colour]).to(pixel) / (self.levels - 1)

    def _start(
        self, n: int, generator: Generator | None, labels: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Return black images and the uniform numbers for them, all drawn beforehand."""
        like = self._like()
        self._check_labels(labels, check_count(n))
        shape = (n, *self.event_shape)
        return like.new_zeros(shape), uniform(shape, like, generator)

    # --- checks

    def _like(self) -> Tensor:
        return next(self.parameters())

    def _check(self, x: Tensor, labels: Tensor | None) -> None:
        check_tensor(x, "x", shape=("B", *self.event_shape), floating=True)
        check_dtype(x, "x", self._like())
        check_image_levels(x, self.levels)
        self._check_labels(labels, len(x))

    def _check_labels(self, labels: Tensor | None, n: int) -> None:
        if self.num_classes is None:
            if labels is not None:
                raise ValueError("labels: this model has no classes; build it with num_classes=...")
            return
        if labels is None:
            raise ValueError(
                f"labels: expected a class from 0 to {self.num_classes - 1} for each of {n} images"
            )
        check_labels(labels, "labels", num_classes=self.num_classes, length=n)


def _pixels(images: Tensor) -> Tensor:
    """Return one row a pixel, (B, C, H, W) -> (B · H · W, C)."""
    return images.permute(0, 2, 3, 1).flatten(0, 2)


@torch.no_grad()
def plain_sample(
    model: PixelModel, n: int, generator: Generator | None = None, labels: Tensor | None = None
) -> Tensor:
    """Draw n images by the definition: the whole network for every pixel, of which one is used.

    Given the same generator, ``model.sample`` draws the same images; it is tested against this.
    """
    x, u = model._start(n, generator, labels)
    training = model.training
    model.eval()
    for i in range(x.shape[2]):
        for j in range(x.shape[3]):
            for group, colours in enumerate(model.head.groups):
                numbers = model._outputs(2 * x - 1, labels)[:, :, i, j]
                parameters = model.head.split(numbers)[group]
                for colour in colours:
                    chances = u[:, :, i, j]
                    drawn = model._draw_colour(parameters, x[:, :, i, j], colour, chances)
                    x[:, colour, i, j] = drawn
    model.train(training)
    return x


# --- Who depends on whom -------------------------------------------------------------------------


def dependence_map(
    model: PixelModel,
    pixel: tuple[int, int],
    *,
    colour: int = 0,
    images: int = 4,
    generator: Generator | None = None,
) -> Tensor:
    """Return how strongly the distribution of one pixel depends on each pixel of the image.

    It is the derivative of the log-probabilities of the pixel's levels, in a random direction, by
    the whole image, in float64: the largest magnitude over a few random images (and classes). Where
    it is zero there is no way from that pixel to this one, unless by a rare accident.

    Args:
        model: It is not changed.
        pixel: Row and column.
        colour: Of the pixel's distribution.
        images: The number of random images.
        generator: Source of randomness; None uses torch's global generator.

    Returns:
        Float64, shape (C, H, W), at least 0.

    Raises:
        ValueError: If the pixel is not in the image.
    """
    row, column, colour = _check_pixel(model.event_shape, pixel, colour)
    twin = copy.deepcopy(model).double().eval()
    like = twin._like()
    check_count(images, "images")
    labels = None
    if model.num_classes is not None:
        labels = torch.arange(images, device=like.device) % model.num_classes
    level = uniform((images, *model.event_shape), like, generator) * model.levels
    x = (level.floor() / (model.levels - 1)).requires_grad_()
    numbers = twin._outputs(2 * x - 1, labels)[:, :, row, column]
    log_probs = twin.head.distribution(numbers, x[:, :, row, column])[:, colour]
    direction = uniform(log_probs.shape, like, generator)
    (slope,) = torch.autograd.grad((direction * log_probs).sum(), x)
    return slope.abs().amax(dim=0)


def past(event_shape: Sequence[int], pixel: tuple[int, int], colour: int = 0) -> Tensor:
    """Return which values come before a colour of a pixel, Boolean of shape (C, H, W).

    All colours of all pixels in the rows above and to the left, and the pixel's own colours before
    this one. ``past(...) & (dependence_map(...) == 0)`` is what a model does not see.
    """
    row, column, colour = _check_pixel(event_shape, pixel, colour)
    before = torch.zeros(*event_shape, dtype=torch.bool)
    before[:, :row] = True
    before[:, row, :column] = True
    before[:colour, row, column] = True
    return before


def _check_pixel(
    event_shape: Sequence[int], pixel: tuple[int, int], colour: int
) -> tuple[int, int, int]:
    channels, height, width = event_shape
    row, column = pixel
    if not (0 <= row < height and 0 <= column < width and 0 <= colour < channels):
        raise ValueError(
            f"pixel: expected row, column and colour inside of {(height, width, channels)}, got "
            f"{(row, column, colour)}"
        )
    return row, column, colour
