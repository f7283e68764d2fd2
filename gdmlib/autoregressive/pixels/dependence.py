"""Who depends on whom: what the distribution of a pixel looks at, and what it may look at."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from gdmlib._checks import check_count, check_event_shape, check_integer
from gdmlib._random import uniform
from gdmlib.autoregressive.pixels.model import PixelModel


@torch.enable_grad()
def dependence_map(
    model: PixelModel,
    pixel: tuple[int, int],
    *,
    colour: int = 0,
    images: int = 4,
    generator: Generator | None = None,
) -> Tensor:
    """Return how strongly the distribution of one pixel depends on each of the image, (C, H, W).

    It is the derivative of the log-probabilities of the pixel's levels, in a random direction, by
    the whole image, in float64: the largest magnitude over a few random images (and classes). Where
    it is zero there is no way from that pixel to this one, unless by a rare accident.

    Args:
        model: It is not changed.
        pixel: Row and column.
        colour: Of the pixel's distribution.
        images: The number of random images.
    """
    row, column, colour = _check_pixel(model.event_shape, pixel, colour)
    images = check_count(images, "images")
    twin = copy.deepcopy(model).double().eval()
    like = twin._like()
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
    channels, height, width = check_event_shape(event_shape, image=True)
    if len(tuple(pixel)) != 2:
        raise ValueError(f"pixel: expected a row and a column, got {pixel!r}")
    row, column = (check_integer(n, "pixel") for n in pixel)
    if not (0 <= row < height and 0 <= column < width and 0 <= colour < channels):
        raise ValueError(
            f"pixel: expected row, column and colour inside of {(height, width, channels)}, got "
            f"{(row, column, colour)}"
        )
    return row, column, colour
