"""Levels of pixels, their way to densities and back, and squares out of photographs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from gdmlib._random import draw

LUMA = (0.299, 0.587, 0.114)
"""The weights of red, green and blue in grey, ITU-R BT.601."""


def grey_levels(picture: Tensor) -> Tensor:
    """Turn a colour picture in [0, 1], (3, H, W), into grey levels 0 to 255, (H, W)."""
    return torch.einsum("chw,c->hw", 255 * picture, torch.tensor(LUMA)).round()


def dequantise(levels: Tensor, generator: Generator | None = None) -> Tensor:
    """Add uniform noise to levels 0 to 255 and scale to [0, 1]: a density, not probabilities."""
    return (levels + draw(torch.rand, levels.shape, generator=generator)) / 256


def random_crops(
    images: Sequence[Tensor], n: int, size: int, generator: Generator | None = None
) -> Tensor:
    """Cut n squares at random places out of images at random, (H, W) each -> (n, size, size)."""
    which = draw(torch.randint, len(images), (n,), generator=generator)
    return crop_at(images, which, draw(torch.rand, n, 2, generator=generator), size)


def crop_at(images: Sequence[Tensor], which: Tensor, place: Tensor, size: int) -> Tensor:
    """Cut a square out of each image of ``which``, (n,), at a place in [0, 1)², (n, 2)."""
    return crop(images, which, corners(images, which, place, size), size)


def corners(images: Sequence[Tensor], which: Tensor, place: Tensor, size: int) -> Tensor:
    """Return row and column of the upper left corners of such squares, int64 (n, 2)."""
    room = torch.tensor([x.shape[-2:] for x in images]) - size + 1
    return (place.double() * room[which]).long()


def crop(images: Sequence[Tensor], which: Tensor, corner: Tensor, size: int) -> Tensor:
    """Cut a square at each corner, (..., H, W) each image -> (n, ..., size, size)."""
    crops = images[0].new_empty(len(which), *images[0].shape[:-2], size, size)
    for k, image in enumerate(images):
        chosen = which == k
        rows, columns = corner[chosen].unbind(1)
        windows = image.unfold(-2, size, 1).unfold(-2, size, 1)
        crops[chosen] = windows.movedim((-4, -3), (0, 1))[rows, columns]
    return crops
