"""Images as planes of coefficients, from coarse to fine, and the density of one plane."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad, pixel_shuffle, pixel_unshuffle

from gdmlib._checks import check_tensor
from gdmlib.autoregressive.causal_image import CausalImage, Front
from gdmlib.autoregressive.mcgsm import MCGSM
from gdmlib.autoregressive.neighbourhood import Neighbourhood

BASIS = ((1, 1, 1, 1), (1, -1, 1, -1), (1, 1, -1, -1), (1, -1, -1, 1))
"""Twice the Haar basis of 2 x 2 pixels: the sum, and differences of columns, rows and diagonals."""


def haar(images: Tensor) -> Tensor:
    """Rotate each block of 2 x 2 pixels, (B, 1, H, W) -> (B, 4, H/2, W/2).

    Channel 0 is the coarse image, twice the mean of each block; the others are its details.
    """
    check_tensor(images, "images", shape=("B", 1, "H", "W"), floating=True)
    check_divides(images.shape, 1)
    basis = torch.tensor(BASIS, dtype=images.dtype, device=images.device) / 2
    return torch.einsum("kp,bphw->bkhw", basis, pixel_unshuffle(images, 2))


def inverse_haar(coefficients: Tensor) -> Tensor:
    """Undo `haar`, (B, 4, H/2, W/2) -> (B, 1, H, W); the inverse of a rotation is its transpose."""
    check_tensor(coefficients, "coefficients", shape=("B", 4, "H", "W"), floating=True)
    basis = torch.tensor(BASIS, dtype=coefficients.dtype, device=coefficients.device) / 2
    return pixel_shuffle(torch.einsum("kp,bkhw->bphw", basis, coefficients), 2)


def chain(images: Tensor, levels: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Take images, (B, 1, H, W), that are halved so often apart into planes, as they are drawn.

    Yields:
        A plane, (B, h, w), and those of its size that are known, (B, K, h, w), none for the
        coarsest image; then, at each level, the coarse image and the details before this one.
    """
    coarse, fine = images, []
    for _ in range(levels):
        fine.append(haar(coarse))
        coarse = fine[-1][:, :1]
    yield coarse[:, 0], coarse[:, :0]
    for coefficients in reversed(fine):
        for k in (1, 2, 3):
            yield coefficients[:, k], coefficients[:, :k]


def windows(known: Tensor, radius: int) -> Tensor:
    """Return the square around each place in all planes, (B, K, h, w) -> (B, h, w, K · size²).

    The size is 2 · radius + 1. Beyond the border the nearest value is repeated.
    """
    if known.shape[1] == 0:
        return known.movedim(1, 3)
    size = 2 * radius + 1
    squares = pad(known, (radius,) * 4, mode="replicate").unfold(2, size, 1).unfold(3, size, 1)
    return squares.movedim(1, 3).flatten(3)


def check_divides(shape: Sequence[int], levels: int, name: str = "images") -> None:
    """Refuse images, (..., H, W), that cannot be halved so often."""
    height, width = shape[-2:]
    block = 2**levels
    if height % block or width % block:
        fits = f"crop to {height - height % block} x {width - width % block}, or "
        raise ValueError(
            f"{name}: {height} x {width} pixels cannot be halved {levels} times; expected "
            f"multiples of {block}; {fits if min(height, width) >= block else ''}use fewer levels"
        )


class Plane(CausalImage):
    """The density of one plane of coefficients, given the planes that are known.

    Args:
        conditional: The density of a coefficient given its neighbourhood and the windows, in this
            order.
        neighbourhood: The causal context in the plane itself.
        known: The known planes, shape (B, K, h, w).
        radius: Of the windows.
        padding: The value outside of the plane.
    """

    def __init__(
        self,
        conditional: MCGSM,
        neighbourhood: Neighbourhood,
        known: Tensor,
        radius: int,
        padding: float,
    ) -> None:
        super().__init__(neighbourhood, (1, *known.shape[2:]), padding)
        self.conditional = conditional
        self.windows = windows(known, radius)

    def contexts(self, plane: Tensor) -> Tensor:
        """Return what the model of each coefficient sees, (B, h, w) -> (B, h, w, D)."""
        own = self.neighbourhood.contexts(self.neighbourhood.pad(plane, self.padding))
        return torch.cat([own, self.windows], dim=-1)

    def _map(self, contexts: Tensor, pixels: Tensor) -> Tensor:
        seen = torch.cat([contexts, self.windows], dim=-1)
        rows = self.conditional.log_prob(pixels.flatten(), seen.flatten(0, 2))
        return rows.reshape(pixels.shape)

    def _state(self, n: int, height: int, width: int, visits: Tensor) -> Tensor:
        """Return the windows in the order in which they are looked through."""
        return self.windows.flatten(1, 2)[:, visits]

    def _step(self, contexts: Tensor, front: Front, u: Tensor, z: Tensor, state: Any) -> Tensor:
        seen = torch.cat([contexts, state[:, front.visits]], dim=-1)
        return self.conditional.draw(seen.flatten(0, 1), u.flatten(), z.flatten()).reshape(u.shape)
