"""Causal neighbourhoods: the pixels that the prediction of a pixel may look at.

Pixels are ordered row by row, from the left to the right. A pixel's context is a set of pixels that
come before it, given by their offsets ``(dy, dx)`` to it::

    (-2,-2) (-2,-1) (-2, 0) (-2, 1) (-2, 2)
    (-1,-2) (-1,-1) (-1, 0) (-1, 1) (-1, 2)         half_plane(rows=2, columns=2)
    ( 0,-2) ( 0,-1)    x

One shape serves the whole image, so that a model of a pixel given its context is a model of images
of any size, except at the border, where the context sticks out. Two ways to deal with it:

- leave out the border: only pixels whose whole context is in the image, the *interior*, are
  predicted, given the rest;
- pad: what lies outside reads as a constant, and every pixel is predicted.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import torch
from torch import Tensor
from torch.nn.functional import pad

from gdmlib._checks import check_count, check_mask, check_tensor


class Neighbourhood:
    """The offsets of a causal context.

    Args:
        offsets: Pairs ``(dy, dx)`` from the predicted pixel, all of them before it: dy < 0, or dy =
            0 and dx < 0. Their order is the order of the context's coordinates.

    Attributes:
        offsets: As given.
        top, left, right: How far the context reaches, in pixels.
        lag: How many columns a row must stay behind the one above it, see `wavefronts`.
    """

    def __init__(self, offsets: Sequence[tuple[int, int]]) -> None:
        pairs = tuple((int(dy), int(dx)) for dy, dx in offsets)
        if any(pair != (dy, dx) for pair, (dy, dx) in zip(pairs, offsets, strict=True)):
            raise ValueError(f"offsets: expected pairs of whole numbers, got {list(offsets)}")
        if not pairs:
            raise ValueError("offsets: expected at least one pair (dy, dx), got none")
        if len(set(pairs)) < len(pairs):
            raise ValueError("offsets: a pair is repeated; list each one once")
        ahead = [pair for pair in pairs if pair >= (0, 0)]
        if ahead:
            raise ValueError(
                f"offsets: {ahead[0]} is not causal: it does not come before the pixel itself in "
                "reading order; expected dy < 0, or dy = 0 and dx < 0"
            )
        self.offsets = pairs
        self.top = -min(dy for dy, _ in pairs)
        self.left = max(0, -min(dx for _, dx in pairs))
        self.right = max(0, *(dx for _, dx in pairs))
        # dx + lag · dy < 0 for every offset, see `wavefronts`.
        self.lag = max([1, *(dx // -dy + 1 for dy, dx in pairs if dy < 0)])

    @classmethod
    def from_mask(cls, mask: Tensor, pixel: tuple[int, int] | None = None) -> Neighbourhood:
        """Take the offsets from a picture of the context.

        Args:
            mask: Boolean, shape (h, w): True where the context is.
            pixel: Row and column of the predicted pixel in the mask; by default the middle of the
                last row, ``(h - 1, w // 2)``.
        """
        check_tensor(mask, "mask", ndim=2)
        check_mask(mask, "mask", mask.shape)
        row, column = (mask.shape[0] - 1, mask.shape[1] // 2) if pixel is None else pixel
        return cls([(int(y) - row, int(x) - column) for y, x in mask.nonzero().tolist()])

    @classmethod
    def half_plane(cls, rows: int, columns: int) -> Neighbourhood:
        """Return the rectangle of ``rows`` rows above and ``columns`` columns to either side.

        In the pixel's own row it ends on its left. It has rows · (2 columns + 1) + columns pixels.
        """
        rows, columns = check_count(rows, "rows", 0), check_count(columns, "columns", 0)
        around = product(range(-rows, 1), range(-columns, columns + 1))
        return cls([offset for offset in around if offset < (0, 0)])

    def __len__(self) -> int:
        return len(self.offsets)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Neighbourhood) and self.offsets == other.offsets

    def __hash__(self) -> int:
        return hash(self.offsets)

    def __repr__(self) -> str:
        return (
            f"Neighbourhood({len(self)} pixels: {self.top} up, {self.left} to the left, "
            f"{self.right} to the right)"
        )

    def mask(self) -> Tensor:
        """Return the picture of the context, Boolean, with the predicted pixel at (top, left)."""
        picture = torch.zeros(self.top + 1, self.left + 1 + self.right, dtype=torch.bool)
        for dy, dx in self.offsets:
            picture[self.top + dy, self.left + dx] = True
        return picture

    def pad(self, images: Tensor, value: float) -> Tensor:
        """Add a border of ``value`` above and to both sides, (B, H, W) -> (B, H', W')."""
        return pad(images, (self.left, self.right, self.top, 0), value=value)

    def interior(self, images: Tensor) -> Tensor:
        """Return the pixels whose whole context is in the image, (B, H, W) -> (B, H', W')."""
        return self.window(images).clone()

    def window(self, images: Tensor) -> Tensor:
        """Return the same pixels as a view: what is written into it is written into the images."""
        self.check_fit(images.shape[-2], images.shape[-1])
        return images[:, self.top :, self.left : images.shape[-1] - self.right]

    def contexts(self, images: Tensor) -> Tensor:
        """Return the context of each pixel of the interior; to have one for each pixel, pad first.

        Shape (B, H, W) -> (B, H - top, W - left - right, len(self)), in the order of the offsets.
        """
        check_tensor(images, "images", ndim=3)
        self.check_fit(images.shape[1], images.shape[2])
        windows = images.unfold(1, self.top + 1, 1).unfold(2, self.left + 1 + self.right, 1)
        rows, columns = torch.tensor(self.offsets, device=images.device).T
        return windows[..., self.top + rows, self.left + columns]

    def pairs(self, images: Tensor, padding: float | None = None) -> tuple[Tensor, Tensor]:
        """Return all contexts and pixels as rows: the data of a regression.

        Shape (B, 1, H, W) -> (M, len(self)) and (M,); with no ``padding``, without the border.
        """
        check_tensor(images, "images", shape=("B", 1, "H", "W"), floating=True)
        flat = images[:, 0] if padding is None else self.pad(images[:, 0], padding)
        return self.contexts(flat).reshape(-1, len(self)), self.interior(flat).reshape(-1)

    def check_fit(self, height: int, width: int) -> None:
        """Refuse an image in which no pixel has its whole context."""
        if height <= self.top or width <= self.left + self.right:
            raise ValueError(
                f"images: {height} x {width} pixels are too few for a context that reaches "
                f"{self.top} up, {self.left} to the left and {self.right} to the right; use images "
                f"of at least {self.top + 1} x {self.left + self.right + 1} pixels, or a smaller "
                "neighbourhood"
            )
