"""What the densities share: checks of their input, and random numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Generator, Tensor

from gdmlib._checks import check_tensor


class Density(Protocol):
    """What a model must offer to be used as an explicit density ``p(x)``."""

    event_shape: torch.Size

    def log_prob(self, x: Tensor) -> Tensor:
        """Return the log-density of each event, shape (B,)."""
        ...

    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        """Draw n events, shape (n, *event_shape)."""
        ...


def check_events(x: Tensor, name: str, event_shape: Sequence[int], like: Tensor) -> Tensor:
    """Return real-valued events of shape (B, *event_shape) if they have the dtype of ``like``."""
    check_tensor(x, name, shape=("B", *event_shape), floating=True)
    return check_dtype(x, name, like)


def check_dtype(x: Tensor, name: str, like: Tensor) -> Tensor:
    """Return ``x`` if its dtype is that of the model's own numbers."""
    if x.dtype != like.dtype:
        raise ValueError(
            f"{name}: expected {like.dtype} like the model, got {x.dtype}; "
            f"use {name}.to({like.dtype}), or model.to({x.dtype})"
        )
    return x


def check_count(n: int, name: str = "n") -> int:
    """Return ``n`` if it is an integer of at least one."""
    if isinstance(n, bool) or not isinstance(n, int):
        raise ValueError(f"{name}: expected an integer, got {n!r}")
    if n < 1:
        raise ValueError(f"{name}: expected at least 1, got {n}")
    return n


def check_not_negative(value: float, name: str) -> float:
    """Return ``value`` if it is finite and not negative."""
    if not 0.0 <= value < float("inf"):
        raise ValueError(f"{name}: expected a finite number of at least 0, got {value}")
    return value


def check_probabilities(probs: Tensor, name: str) -> Tensor:
    """Return a vector of probabilities, (K,), if it is one; its sum may be off by rounding."""
    check_tensor(probs, name, ndim=1, floating=True)
    smallest, total = float(probs.detach().min()), float(probs.detach().sum())
    if smallest < 0.0:
        raise ValueError(f"{name}: expected probabilities of at least 0, got {smallest:.6g}")
    if abs(total - 1.0) > 1e-4:
        raise ValueError(f"{name}: expected a sum of 1, got {total:.6g}; use {name} / {name}.sum()")
    return probs


def standard_normal(shape: Sequence[int], like: Tensor, generator: Generator | None) -> Tensor:
    """Draw standard normal numbers where the generator lives, then move them to the model.

    Drawing on the generator's own device lets one seeded CPU generator serve a model anywhere.
    """
    device = torch.device("cpu") if generator is None else generator.device
    return torch.randn(*shape, generator=generator, dtype=like.dtype, device=device).to(like.device)


def uniform(n: int, like: Tensor, generator: Generator | None) -> Tensor:
    """Draw ``n`` float64 numbers, uniform on [0, 1), and move them to the model's device.

    Float64, because the finest step of a float32 draw, 2**-24, is larger than many a probability.
    """
    device = torch.device("cpu") if generator is None else generator.device
    return torch.rand(n, generator=generator, dtype=torch.float64, device=device).to(like.device)
