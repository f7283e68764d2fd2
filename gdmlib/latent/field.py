"""Fields of velocities: a step along one, and its divergence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, cast

import torch
from torch import Tensor

METHODS = ("euler", "midpoint")


class Field(Protocol):
    """Velocities at points, (B, ...), and a time."""

    def __call__(self, x: Tensor, u: float) -> Tensor:
        """Return them, in the shape of x."""


def check_method(method: str) -> str:
    """Return how to solve the equation, if it is known."""
    if method not in METHODS:
        raise ValueError(f"method: expected one of {METHODS}, got {method!r}")
    return method


def slope(field: Field, x: Tensor, u: float, h: float, method: str) -> Tensor:
    """Return the velocity at which to take a step of h."""
    v = field(x, u)
    return v if method == "euler" else field(x + h / 2 * v, u + h / 2)


def divergence(
    field: Callable[[Tensor], Tensor], x: Tensor, probes: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Return the velocities at x and the divergence of the field there, (B,)."""
    v, pull = cast(tuple[Tensor, Callable[[Tensor], tuple[Tensor]]], torch.func.vjp(field, x))
    if probes is None:
        directions = torch.eye(x[0].numel()).to(x).reshape(-1, 1, *x.shape[1:]).expand(-1, *x.shape)
        scale = 1.0
    else:
        directions, scale = probes, 1 / len(probes)
    parts = [(pull(e.contiguous())[0] * e).flatten(1).sum(dim=1) for e in directions]
    return v, scale * torch.stack(parts).sum(dim=0)
