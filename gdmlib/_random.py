"""Random numbers, drawn where the generator lives and then moved to the model.

Drawing on the generator's own device lets one seeded CPU generator serve a model anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Generator, Tensor


def _home(generator: Generator | None) -> torch.device:
    return torch.device("cpu") if generator is None else generator.device


def draw(
    function: Callable[..., Tensor], *sizes: Any, generator: Generator | None, **options: Any
) -> Tensor:
    """Return ``function(*sizes)``, such as `torch.randn`, drawn by a generator that lives anywhere.

    The numbers come where a tensor is that is made without saying where.
    """
    if generator is None:
        return function(*sizes, **options)
    x = function(*sizes, generator=generator, device=generator.device, **options)
    return x.to(torch.empty(0).device)


def between(low: float, high: float, *sizes: int, generator: Generator | None) -> Tensor:
    """Draw numbers uniform on [low, high), where `draw` has them."""

    def uniform_(*sizes: int, device: Any = None, generator: Generator | None = None) -> Tensor:
        return torch.empty(*sizes, device=device).uniform_(low, high, generator=generator)

    return draw(uniform_, *sizes, generator=generator)


def standard_normal(shape: Sequence[int], like: Tensor, generator: Generator | None) -> Tensor:
    """Draw standard normal numbers in the dtype of ``like``, on its device."""
    z = torch.randn(*shape, generator=generator, dtype=like.dtype, device=_home(generator))
    return z.to(like.device)


def widest(device: torch.device) -> torch.dtype:
    """Return float64, or float32 on Apple's GPUs, which have nothing wider."""
    return torch.float32 if device.type == "mps" else torch.float64


def uniform(shape: Sequence[int], like: Tensor, generator: Generator | None) -> Tensor:
    """Draw numbers, uniform on [0, 1), on the device of ``like``, in the widest dtype it has.

    Float64, because the finest step of a float32 draw, 2**-24, is larger than many a probability.
    """
    u = torch.rand(*shape, generator=generator, dtype=torch.float64, device=_home(generator))
    dtype = widest(like.device)
    if dtype != u.dtype:  # rounding must not make a 1
        u = u.to(dtype).clamp(max=1 - torch.finfo(dtype).eps / 2)
    return u.to(like.device)


def permutation(n: int, generator: Generator | None) -> Tensor:
    """Draw an order of 0 to n - 1, int64 of shape (n,), on the CPU."""
    return torch.randperm(n, generator=generator, device=_home(generator)).cpu()


def cumulate(log_weights: Tensor) -> Tensor:
    """Return a discrete cdf, P(x <= k), from log-probabilities up to a constant, (..., K)."""
    wide = log_weights.to(widest(log_weights.device))
    cumulative = torch.softmax(wide, dim=-1).cumsum(dim=-1)
    # By rounding the sum is only nearly 1, and a large u would pass it, or find what is impossible.
    return cumulative / cumulative[..., -1:]


def pick(log_weights: Tensor, u: Tensor) -> Tensor:
    """Invert a discrete cdf: the first k whose cumulative probability exceeds u.

    Args:
        log_weights: Log-probabilities up to a constant, shape (..., K), or (K,) for all u.
        u: Numbers from `uniform`, shape (...).

    Returns:
        Indices, int64 of shape (...).
    """
    cdf, u = cumulate(log_weights).contiguous(), u[..., None].contiguous()
    return torch.searchsorted(cdf, u, right=True)[..., 0]
