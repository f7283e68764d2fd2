"""What a reconstruction gives back."""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor


class Restored(NamedTuple):
    """A restored picture, and how it was found.

    Attributes:
        image: What was restored, shape (..., *event_shape).
        iterations: How many steps were made.
        history: What was noted along the way, one entry a note.
        gap: How far the objective is above its minimum at most, where a method can tell.
        frames: Pictures along the way, where they were asked for.
    """

    image: Tensor
    iterations: int = 0
    history: tuple[dict[str, Any], ...] = ()
    gap: float | None = None
    frames: tuple[Tensor, ...] = ()
