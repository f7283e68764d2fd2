"""Densities of images by causal neighbourhoods: borders, and sampling in wavefronts."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor

from gdmlib._checks import check_count, check_event_shape
from gdmlib._random import standard_normal, uniform
from gdmlib.autoregressive.chain_rule import ChainRule
from gdmlib.autoregressive.neighbourhood import Neighbourhood
from gdmlib.nn.precision import full_precision


def wavefronts(height: int, width: int, lag: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Sweep an image so that pixels which do not need one another come together.

    Let each row stay ``lag`` columns behind the row above. All pixels with the same
    ``column + lag * row`` are then computed at once, in ``width + lag * (height - 1)`` steps
    instead of ``width * height``. A pixel may need any pixel at an offset (dy, dx) from it with
    ``dx + lag * dy < 0``: all of those come in earlier steps. ``lag = 1`` gives the anti-diagonals.

    Yields:
        The rows and the columns of the pixels of one step, int64.
    """
    height, width = check_count(height, "height"), check_count(width, "width")
    rows = torch.arange(height)
    for step in range(width + lag * (height - 1)):
        columns = step - lag * rows
        here = (columns >= 0) & (columns < width)
        yield rows[here], columns[here]


class Front(NamedTuple):
    """The pixels that a step of a sweep draws: rows ``first`` to ``last``, some of all visits."""

    step: int
    first: int
    last: int  # not included
    visits: slice


@lru_cache(maxsize=32)
def _fronts(height: int, width: int, lag: int) -> tuple[Tensor, list[Front]]:
    """Return rows and columns of all pixels in the order of the visits, (H W, 2), and all steps."""
    # What is kept for the next call must not be marked by the mode of the first one.
    with torch.inference_mode(False):
        steps = list(wavefronts(height, width, lag))
        places = torch.cat([torch.stack(step, dim=1) for step in steps])
    fronts, done = [], 0
    for step, (rows, _) in enumerate(steps):
        if len(rows):
            visits = slice(done, done + len(rows))
            fronts.append(Front(step, int(rows[0]), int(rows[-1]) + 1, visits))
            done = visits.stop
    return places, fronts


class CausalImage(ChainRule):
    """A density of grey images of any size, given that of a pixel with its causal neighbourhood.

    ``log_prob`` is a density of *all* pixels: what a context sees outside of the image reads as
    ``padding``. ``interior_log_prob`` is the density of the pixels whose context lies in the image,
    given the others, which is what the papers call the rate of whole images.

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
        if not math.isfinite(padding):
            raise ValueError(f"padding: expected a finite number, got {padding}")
        self.neighbourhood = neighbourhood
        self.event_shape = check_event_shape(event_shape, image=True, channels=1)
        self.padding = padding

    def check(self, x: Tensor, name: str = "images") -> Tensor:
        """Return images, (B, 1, H, W) of any size, if they are valid."""
        return self.support.check(x, name, (1, "H", "W"), self._like())

    @full_precision
    def interior_log_prob(self, images: Tensor) -> Tensor:
        """Return log p of the pixels whose context is in the image, given the others, in nats.

        Shape (B, 1, H, W) -> (B, 1, H - top, W - left - right).
        """
        pixels = self.check(images)[:, 0]
        contexts = self.neighbourhood.contexts(pixels)
        return self._map(contexts, self.neighbourhood.window(pixels))[:, None]

    def score(self, images: Tensor) -> Tensor:
        """Return what the interior of each image costs, in nats a pixel, (B, 1, H, W) -> (B,)."""
        return -self.interior_log_prob(images).double().mean(dim=(1, 2, 3))

    def loss(self, images: Tensor) -> Tensor:
        """Return what training minimises, the mean nats a pixel of the interior, ()."""
        return -self.interior_log_prob(images).mean()

    @torch.no_grad()
    def sample_interior(self, images: Tensor, generator: Generator | None = None) -> Tensor:
        """Draw the interior given the border, shape (n, 1, H, W) -> (n, 1, H, W).

        The border, as wide as the neighbourhood reaches, is the seed that the texture grows from.
        """
        result = self.check(images).clone()
        inside = self.neighbourhood.window(result[:, 0])
        known = torch.zeros_like(inside, dtype=torch.bool)
        noise = self._noise(inside[:, None].shape, generator)
        inside.copy_(self._fill(result[:, 0].clone(), known, *noise))
        return result

    @full_precision
    def _conditional_log_prob(self, x: Tensor) -> Tensor:
        padded = self.neighbourhood.pad(x[:, 0], self.padding)
        return self._map(self.neighbourhood.contexts(padded), x[:, 0])[:, None]

    def _noise(self, shape: torch.Size, generator: Generator | None) -> tuple[Tensor, Tensor]:
        """Draw what chooses the expert of each pixel, and what moves it from its mean."""
        u = uniform((shape.numel(),), self._like(), generator)
        return u.reshape(shape), standard_normal(shape, self._like(), generator)

    def _sweep(self, x: Tensor, known: Tensor, noise: tuple[Tensor, Tensor]) -> Tensor:
        canvas = self.neighbourhood.pad(x[:, 0], self.padding)
        return self._fill(canvas, known[:, 0], *noise)[:, None]

    @full_precision
    def _fill(self, canvas: Tensor, known: Tensor, u: Tensor, z: Tensor) -> Tensor:
        """Draw the unknown pixels of the canvas' interior, (n, h, w); return the interior."""
        n, height, width = known.shape
        places, fronts = _fronts(height, width, self.neighbourhood.lag)
        visits = places @ places.new_tensor([width, 1])
        # Where each pixel, and each number of its context, lies in a flattened canvas.
        flat = places.new_tensor([canvas.shape[2], 1])
        target = (
            places + places.new_tensor([self.neighbourhood.top, self.neighbourhood.left])
        ) @ flat
        seen = target[:, None] + places.new_tensor(self.neighbourhood.offsets) @ flat
        visits, target, seen = (t.to(canvas.device) for t in (visits, target, seen))
        counts = [front.last - front.first for front in fronts]
        # Small steps: what they take is cut beforehand, and nothing is recorded.
        with torch.inference_mode():
            pixels, state = canvas.flatten(1), self._state(n, height, width, visits)
            given = known.flatten(1)[:, visits], pixels[:, target]
            noise = u.flatten(1)[:, visits], z.flatten(1)[:, visits]
            parts = [t.split(counts, dim=1) for t in (*given, *noise)]
            where_to = target.split(counts), seen.split(counts)
            for front, where, look, keep, old, chance, shift in zip(
                fronts, *where_to, *parts, strict=True
            ):
                contexts = pixels.index_select(1, look.flatten()).unflatten(1, look.shape)
                drawn = self._step(contexts, front, chance, shift, state)
                pixels.index_copy_(1, where, torch.where(keep, old, drawn))
            canvas = pixels.view_as(canvas)
            self._finish(canvas, state)
        return self.neighbourhood.interior(canvas)

    def _state(self, n: int, height: int, width: int, visits: Tensor) -> Any:
        """Return what a sweep over n images remembers besides the pixels.

        ``visits`` holds the place of each pixel, in the order of the visits, in a flat image.
        """
        return None

    def _finish(self, canvas: Tensor, state: Any) -> None:
        """Look at the state after the last pixel."""

    @abstractmethod
    def _map(self, contexts: Tensor, pixels: Tensor) -> Tensor:
        """Return log p(pixel | ...), shapes (B, H, W, D) and (B, H, W) -> (B, H, W)."""

    @abstractmethod
    def _step(self, contexts: Tensor, front: Front, u: Tensor, z: Tensor, state: Any) -> Tensor:
        """Draw the m pixels of a wavefront given contexts, (n, m, D) -> (n, m)."""
