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

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import pad

from gdmlib._checks import check_count, check_dtype, check_tensor
from gdmlib._random import standard_normal, uniform


class Neighbourhood:
    """The offsets of a causal context.

    Args:
        offsets: Pairs ``(dy, dx)`` from the predicted pixel, all of them before it: dy < 0, or dy =
            0 and dx < 0. Their order is the order of the context's coordinates.

    Attributes:
        offsets: As given.
        top, left, right: How far the context reaches, in pixels.
        lag: How many columns a row must stay behind the one above it, see `wavefronts`.

    Raises:
        ValueError: If there is no offset, one comes twice, or one is not causal.
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

        Raises:
            ValueError: If the mask is not Boolean, is empty, or is not causal.
        """
        check_tensor(mask, "mask", ndim=2)
        if mask.dtype != torch.bool:
            raise ValueError(f"mask: expected a Boolean tensor, got {mask.dtype}; use mask.bool()")
        row, column = (mask.shape[0] - 1, mask.shape[1] // 2) if pixel is None else pixel
        return cls([(int(y) - row, int(x) - column) for y, x in mask.nonzero().tolist()])

    @classmethod
    def half_plane(cls, rows: int, columns: int) -> Neighbourhood:
        """Return the rectangle of ``rows`` rows above and ``columns`` columns to either side.

        In the pixel's own row it ends on its left. It has rows · (2 columns + 1) + columns pixels.
        """
        if any(int(n) != n or n < 0 for n in (rows, columns)):
            raise ValueError(
                f"rows and columns: expected whole numbers of at least 0, got {rows} and {columns}"
            )
        mask = torch.ones(rows + 1, 2 * columns + 1, dtype=torch.bool)
        mask[rows, columns:] = False
        return cls.from_mask(mask, (rows, columns))

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
        """Return the picture of the context: Boolean, (top + 1, left + 1 + right).

        The predicted pixel is at ``(top, left)``.
        """
        picture = torch.zeros(self.top + 1, self.left + 1 + self.right, dtype=torch.bool)
        for dy, dx in self.offsets:
            picture[self.top + dy, self.left + dx] = True
        return picture

    def pad(self, images: Tensor, value: float) -> Tensor:
        """Add a border of ``value`` above and to both sides, (B, H, W) -> (B, H', W')."""
        return pad(images, (self.left, self.right, self.top, 0), value=value)

    def interior(self, images: Tensor) -> Tensor:
        """Return the pixels whose whole context is in the image, (B, H, W) -> (B, H', W')."""
        self.check_fit(images.shape[-2], images.shape[-1])
        return images[:, self.top :, self.left : images.shape[-1] - self.right]

    def contexts(self, images: Tensor) -> Tensor:
        """Return the context of each pixel of the interior.

        Args:
            images: Shape (B, H, W). To have a context for each pixel, pad first.

        Returns:
            Shape (B, H - top, W - left - right, len(self)), in the order of the offsets.

        Raises:
            ValueError: If the image is too small to hold the context.
        """
        check_tensor(images, "images", ndim=3)
        self.check_fit(images.shape[1], images.shape[2])
        windows = images.unfold(1, self.top + 1, 1).unfold(2, self.left + 1 + self.right, 1)
        rows, columns = torch.tensor(self.offsets, device=images.device).T
        return windows[..., self.top + rows, self.left + columns]

    def pairs(self, images: Tensor, padding: float | None = None) -> tuple[Tensor, Tensor]:
        """Return all contexts and pixels as rows: the data of a regression.

        Args:
            images: Shape (B, 1, H, W).
            padding: The value outside of the image; None leaves out the border.

        Returns:
            Contexts, shape (M, len(self)), and pixels, shape (M,).
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
                "of at least "
                f"{self.top + 1} x {self.left + self.right + 1} pixels, or a smaller neighbourhood"
            )


def wavefronts(height: int, width: int, lag: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Sweep an image so that pixels which do not need one another come together.

    Let each row stay ``lag`` columns behind the row above. All pixels with the same
    ``column + lag * row`` are then computed at once, in ``width + lag * (height - 1)`` steps
    instead of ``width * height``. A pixel may need any pixel at an offset (dy, dx) from it with
    ``dx + lag * dy < 0``: all of those come in earlier steps. ``lag = 1`` gives the anti-diagonals.

    Yields:
        The rows and the columns of the pixels of one step, int64.
    """
    rows = torch.arange(height)
    for step in range(width + lag * (height - 1)):
        columns = step - lag * rows
        here = (columns >= 0) & (columns < width)
        yield rows[here], columns[here]


class CausalImage(nn.Module, ABC):
    """What image densities by causal neighbourhoods share: borders, and sampling in wavefronts.

    A subclass gives ``_map``, the log-density of each pixel given contexts, and ``_step``, which
    draws the pixels of one wavefront.

    Args:
        neighbourhood: The causal context.
        event_shape: Of the images that ``sample`` draws: (1, height, width).
        padding: The value outside of the image.
    """

    def __init__(
        self, neighbourhood: Neighbourhood, event_shape: Sequence[int], padding: float
    ) -> None:
        super().__init__()
        shape = tuple(event_shape)
        if len(shape) != 3 or shape[0] != 1 or min(shape) < 1:
            raise ValueError(f"event_shape: expected (1, height, width), got {shape}")
        if not math.isfinite(padding):
            raise ValueError(f"padding: expected a finite number, got {padding}")
        self.neighbourhood = neighbourhood
        self.event_shape = torch.Size(shape)
        self.padding = padding

    def log_prob(self, images: Tensor) -> Tensor:
        """Return the log-density of each image, shape (B, 1, H, W) -> (B,), in nats.

        The images may have any size.
        """
        return self.pixel_log_prob(images).sum(dim=(1, 2))

    def pixel_log_prob(self, images: Tensor) -> Tensor:
        """Return log p(pixel | pixels before it) for each pixel, (B, 1, H, W) -> (B, H, W)."""
        self._check_images(images)
        padded = self.neighbourhood.pad(images[:, 0], self.padding)
        return self._map(self.neighbourhood.contexts(padded), images[:, 0])

    def interior_log_prob(self, images: Tensor) -> Tensor:
        """Return the same for the pixels whose context is in the image, given the others.

        Shape (B, 1, H, W) -> (B, H - top, W - left - right). Its mean is the rate of whole images
        of the papers.
        """
        self._check_images(images)
        contexts = self.neighbourhood.contexts(images[:, 0])
        return self._map(contexts, self.neighbourhood.interior(images[:, 0]))

    def loss(self, images: Tensor) -> Tensor:
        """Return what training minimises, the mean nats a pixel of the interior, ()."""
        return -self.interior_log_prob(images).mean()

    def score(self, images: Tensor) -> Tensor:
        """Return the mean nats a pixel of the interior of each image, (B, 1, H, W) -> (B,)."""
        return -self.interior_log_prob(images).double().flatten(1).mean(dim=1)

    @torch.no_grad()
    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        """Draw n images, shape (n, *event_shape)."""
        blank = self._reference().new_zeros(check_count(n), *self.event_shape)
        return self.complete(blank, torch.zeros(self.event_shape[1:]).bool(), generator)

    @torch.no_grad()
    def complete(self, images: Tensor, known: Tensor, generator: Generator | None = None) -> Tensor:
        """Draw the unknown pixels in their order, each given the pixels before it.

        Unknown pixels above known ones cannot see them: this is exact where all that is known comes
        before all that is not, as for the lower half of an image.

        Args:
            images: Shape (n, 1, H, W); the values of unknown pixels are not looked at, but must be
                finite.
            known: Boolean, shape (H, W).
            generator: Source of randomness.
        """
        self._check_images(images)
        check_tensor(known, "known", shape=tuple(images.shape[2:]))
        if known.dtype != torch.bool:
            raise ValueError(f"known: expected a Boolean tensor, got {known.dtype}")
        canvas = self.neighbourhood.pad(images[:, 0], self.padding)
        return self._fill(canvas, known.to(images.device), generator)[:, None]

    @torch.no_grad()
    def sample_interior(self, images: Tensor, generator: Generator | None = None) -> Tensor:
        """Draw the interior given the border, shape (n, 1, H, W) -> (n, 1, H, W).

        The border, as wide as the neighbourhood reaches, is the seed that the texture grows from.
        """
        self._check_images(images)
        inside = self.neighbourhood.interior(images[:, 0])
        known = torch.zeros(inside.shape[1:], dtype=torch.bool, device=images.device)
        result = images.clone()
        self.neighbourhood.interior(result[:, 0]).copy_(
            self._fill(images[:, 0].clone(), known, generator)
        )
        return result

    def _fill(self, canvas: Tensor, known: Tensor, generator: Generator | None) -> Tensor:
        """Draw the unknown pixels of the canvas' interior; return the interior."""
        shape = self.neighbourhood.interior(canvas).shape
        # All noise is drawn beforehand, so that the order of the sweep does not matter.
        u = uniform((shape.numel(),), canvas, generator).reshape(shape)
        z = standard_normal(shape, canvas, generator)
        top, left = self.neighbourhood.top, self.neighbourhood.left
        offsets = torch.tensor(self.neighbourhood.offsets, device=canvas.device)
        state = self._state(shape)
        for rows, columns in self._order(shape[1], shape[2]):
            rows, columns = rows.to(canvas.device), columns.to(canvas.device)
            y, x = rows + top, columns + left
            contexts = canvas[:, y[:, None] + offsets[:, 0], x[:, None] + offsets[:, 1]]
            noise = u[:, rows, columns], z[:, rows, columns]
            drawn = self._step(contexts, rows, columns, *noise, state)
            canvas[:, y, x] = torch.where(known[rows, columns], canvas[:, y, x], drawn)
        return self.neighbourhood.interior(canvas)

    def _order(self, height: int, width: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Return the order of the sweep; the plain one, pixel by pixel, gives the same image."""
        return wavefronts(height, width, self.neighbourhood.lag)

    def _check_images(self, images: Tensor) -> None:
        check_tensor(images, "images", shape=("B", 1, "H", "W"), floating=True)
        check_dtype(images, "images", self._reference())

    def _state(self, shape: torch.Size) -> Any:
        """Return what a sweep over images of shape (n, H, W) remembers besides the pixels."""
        return None

    @abstractmethod
    def _reference(self) -> Tensor:
        """Return a tensor with the model's dtype and device."""

    @abstractmethod
    def _map(self, contexts: Tensor, pixels: Tensor) -> Tensor:
        """Return log p(pixel | ...), shapes (B, H, W, D) and (B, H, W) -> (B, H, W)."""

    @abstractmethod
    def _step(
        self, contexts: Tensor, rows: Tensor, columns: Tensor, u: Tensor, z: Tensor, state: Any
    ) -> Tensor:
        """Draw the pixels at m rows and columns given contexts, (n, m, D) -> (n, m)."""
