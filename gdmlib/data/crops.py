"""Levels of pixels, their way to densities and back, and squares out of photographs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Generator, Tensor

from gdmlib._checks import check_count, check_tensor
from gdmlib._random import draw

LUMA = (0.299, 0.587, 0.114)
"""The weights of red, green and blue in grey, ITU-R BT.601."""


def grey_levels(picture: Tensor) -> Tensor:
    """Turn a colour picture in [0, 1], (3, H, W), into grey levels 0 to 255, (H, W)."""
    return luminance(255 * picture).round()


def luminance(picture: Tensor) -> Tensor:
    """Return the luma of colour pictures, (..., 3, H, W) -> (..., H, W)."""
    return torch.einsum("...chw,c->...hw", picture, picture.new_tensor(LUMA))


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


class Crops:
    """Cuts squares out of pictures; ``prepare`` of `gdmlib.training.train`.

    What it cuts by is four numbers in [0, 1) a square: which picture, in proportion to areas; row
    and column; how to turn and mirror it. Each batch moves all of them alike, around the ends, so
    that each epoch has other squares: ``train(model, torch.rand(n, 4), prepare=crops)``.

    Args:
        pictures: (C, H, W) each.
        size: Side of a square.
        generator: Draws how far a batch is moved.
    """

    def __init__(
        self, pictures: Iterable[Tensor], *, size: int, generator: Generator | None = None
    ) -> None:
        self.pictures, self.size = list(pictures), check_count(size, "size")
        if not self.pictures:
            raise ValueError("pictures: expected at least one, got none")
        smallest = min(min(x.shape[-2:]) for x in self.pictures)
        if size > smallest:
            raise ValueError(f"size: the smallest picture has {smallest} pixels a side, got {size}")
        areas = torch.tensor([float(x[0].numel()) for x in self.pictures]).cumsum(0)
        self.shares, self.generator = areas / areas[-1], generator

    def __call__(self, numbers: Tensor) -> Tensor:
        """Return squares, (B, C, size, size), by numbers in [0, 1), (B, 4)."""
        numbers = check_tensor(numbers, "numbers", shape=("B", 4), floating=True).cpu()
        moved = (numbers + draw(torch.rand, 4, generator=self.generator).cpu()) % 1
        which = torch.searchsorted(self.shares, moved[:, 0].contiguous(), right=True)
        found = []
        for k, (row, column, turn) in zip(
            which.clamp(max=len(self.pictures) - 1).tolist(), moved[:, 1:].tolist(), strict=True
        ):
            picture, size = self.pictures[k], self.size
            rooms = [n - size + 1 for n in picture.shape[-2:]]
            i, j = (min(int(u * n), n - 1) for u, n in zip((row, column), rooms, strict=True))
            found.append(turned(picture[:, i : i + size, j : j + size], int(8 * turn)))
        return torch.stack(found)


def turned(x: Tensor, turn: int) -> Tensor:
    """Return one of the eight ways to lay a square on a square, (..., size, size)."""
    return torch.rot90(x.flip(-1) if turn >= 4 else x, turn % 4, (-2, -1))
