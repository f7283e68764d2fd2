"""Operators that leave something out: single pixels, a border, the colours."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor
from torch.nn.functional import pad

from gdmlib._checks import (
    check_count,
    check_event_shape,
    check_mask,
    check_numbers,
    check_share,
    check_tensor,
)
from gdmlib._random import permutation
from gdmlib.inverse.operators import Operator


class Masking(Operator):
    """The pixels that are known: A picks them, its adjoint puts them back and zeros elsewhere.

    Args:
        mask: True where a pixel is known, shape (H, W), or (C, H, W) to choose in each channel.
        channels: How many channels share a mask of shape (H, W).
    """

    kept: Tensor

    def __init__(self, mask: Tensor, channels: int = 1) -> None:
        check_mask(mask, "mask")
        if mask.ndim == 2:
            mask = mask.expand(check_count(channels, "channels"), *mask.shape)
        check_tensor(mask, "mask", ndim=3)
        if not mask.any():
            raise ValueError("mask: no pixel is known; at least one must be True")
        super().__init__(mask.shape, (int(mask.sum()),))
        self.register_buffer("kept", mask.flatten().nonzero()[:, 0])
        self.register_buffer("eigenvalues", torch.ones((), device=mask.device))

    @classmethod
    def random(
        cls,
        event_shape: Sequence[int],
        *,
        missing: float,
        generator: Generator | None = None,
    ) -> Masking:
        """Return a mask of randomly chosen pixels.

        Args:
            event_shape: (C, H, W); the channels miss the same pixels.
            missing: Share of the pixels that are unknown, at least 0 and below 1.
            generator: Chooses them.
        """
        channels, height, width = check_event_shape(event_shape, image=True)
        n = height * width
        known = n - round(check_share(missing, "missing") * n)
        mask = torch.zeros(n, dtype=torch.bool)
        mask[permutation(n, generator)[:known].to(mask.device)] = True
        return cls(mask.unflatten(0, (height, width)), channels)

    def _apply_to(self, x: Tensor) -> Tensor:
        return x.flatten(-3)[..., self.kept]

    def _adjoint_of(self, y: Tensor) -> Tensor:
        return put_back(y, self.kept, self.event_shape)


def put_back(y: Tensor, kept: Tensor, event_shape: torch.Size) -> Tensor:
    """Return events with numbers at the places that were kept, and zeros elsewhere."""
    x = y.new_zeros(*y.shape[:-1], event_shape.numel())
    return x.index_copy(-1, kept, y).unflatten(-1, event_shape)


class Crop(Operator):
    """A rectangle out of a picture; to undo it is to imagine what lay around it.

    Args:
        event_shape: (C, H, W) of the whole picture.
        top, left: The first row and column of the rectangle.
        height, width: Its sides.
    """

    def __init__(
        self, event_shape: Sequence[int], *, top: int, left: int, height: int, width: int
    ) -> None:
        channels, *sides = check_event_shape(event_shape, image=True)
        self.borders: list[tuple[int, int]] = []
        seen = []
        for name, start, size, side in (
            ("top, height", top, height, sides[0]),
            ("left, width", left, width, sides[1]),
        ):
            start, size = check_count(start, name, least=0), check_count(size, name)
            if start + size > side:
                raise ValueError(
                    f"{name}: expected a rectangle inside of a side of {side}, got {start} to "
                    f"{start + size}"
                )
            self.borders.append((start, side - start - size))
            seen.append(size)
        super().__init__(event_shape, (channels, *seen))
        self.register_buffer("eigenvalues", torch.ones(()))

    def _apply_to(self, x: Tensor) -> Tensor:
        (top, _), (left, _) = self.borders
        _, height, width = self.measurement_shape
        return x[..., top : top + height, left : left + width]

    def _adjoint_of(self, y: Tensor) -> Tensor:
        return pad(y, (*self.borders[1], *self.borders[0]))


class Grey(Operator):
    """The brightness of a colour picture; to undo it is to colour it.

    Args:
        event_shape: (3, H, W), or other channels with as many weights.
        weights: Of the channels; those of ITU-R BT.601 unless said otherwise.
    """

    weights: Tensor

    def __init__(
        self, event_shape: Sequence[int], weights: Sequence[float] = (0.299, 0.587, 0.114)
    ) -> None:
        numbers = check_numbers(weights, "weights")
        _, *sides = check_event_shape(event_shape, image=True, channels=len(numbers))
        super().__init__(event_shape, (1, *sides))
        self.register_buffer("weights", torch.tensor(numbers)[:, None, None])
        self.register_buffer("eigenvalues", self.weights.square().sum())

    def _apply_to(self, x: Tensor) -> Tensor:
        return (self.weights * x).sum(-3, keepdim=True)

    def _adjoint_of(self, y: Tensor) -> Tensor:
        return self.weights * y
