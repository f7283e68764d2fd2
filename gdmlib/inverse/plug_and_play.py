r"""Plug and play: any denoiser serves as a prior for any linear measurement.

Half-quadratic splitting gives a picture two copies, one that is probable and one that explains the
measurements, and draws them together (Geman and Yang 1995, https://doi.org/10.1109/83.392335):

.. math:: \min_{x, z} \; \frac{1}{2 s^2} \|A z - y\|^2 - \log p(x)
    + \frac{1}{2 \sigma^2} \|x - z\|^2 .

The step in x is denoising at noise σ, whatever does it; the step in z is the operator's proximal
map, or, without noise in y, the projection onto all that explains it (Venkatakrishnan, Bouman and
Wohlberg 2013, https://doi.org/10.1109/GlobalSIP.2013.6737048). As σ falls from strong to faint,
large shapes come first and details later (Zhang et al. 2021, https://arxiv.org/abs/2008.13751).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from gdmlib._checks import check_count, check_not_negative, check_tensor
from gdmlib.inverse.operators import Operator
from gdmlib.inverse.restored import Restored

GREY = 0.5


class Denoises(Protocol):
    """What takes noise of a known strength out of pictures."""

    def denoise(self, y: Tensor, sigma: float | Tensor) -> Tensor:
        """Return clean pictures, shaped like y, (..., C, H, W)."""


@torch.no_grad()
def plug_and_play(
    operator: Operator,
    y: Tensor,
    denoiser: Denoises,
    *,
    noise: float = 0.0,
    steps: int = 60,
    sigmas: tuple[float, float] | Sequence[float] = (50 / 255, 1 / 255),
    strength: float = 1.0,
    start: Tensor | None = None,
    keep: int = 0,
) -> Restored:
    r"""Restore pictures by a denoiser that works at ever fainter noise.

    Args:
        operator: What measured.
        y: Measurements, (..., *measurement_shape).
        denoiser: Has a method ``denoise(picture, sigma)``.
        noise: Standard deviation of the noise in y. At 0 the result explains y exactly, else it is
            what the denoiser returned last.
        steps: How many.
        sigmas: The levels of the first and the last step, between which they fall by equal factors,
            or the level of each step, ``steps`` numbers. With noise none is below half of it.
        strength: Of the prior: with noise, the measurements weigh :math:`\sigma^2 / (strength
            \cdot noise^2)` against the denoised picture.
        start: Pictures to begin with, (..., *event_shape); by default what explains y and is as
            near as can be to a grey square.
        keep: How many pictures along the way to return as frames.

    Returns:
        The restored pictures; ``history`` has the level of each step, and how much it changed.
    """
    noise = check_not_negative(noise, "noise")
    levels = falling(sigmas, check_count(steps, "steps"))
    if noise:
        levels = [max(s, noise / 2) for s in levels]
    if not strength > 0:
        raise ValueError(f"strength: expected a positive number, got {strength}")
    x = begin(operator, y, start)
    moments = frames_at(len(levels), check_count(keep, "keep", least=0))
    history, frames = [], []
    made = x
    for k, sigma in enumerate(levels):
        made = denoiser.denoise(x, sigma)
        before, weight = x, sigma**2 / (strength * noise**2) if noise else math.inf
        x = operator.proximal(made, y, weight)
        history.append({"sigma": sigma, "change": float((x - before).square().mean().sqrt())})
        if k in moments:
            frames.append(x)
    return Restored(made if noise else x, len(levels), tuple(history), None, tuple(frames))


def falling(sigmas: Sequence[float], steps: int) -> list[float]:
    """Return so many levels, equal factors between the two that are given, or the levels given."""
    levels = [float(s) for s in sigmas]
    if not all(0 < s < math.inf for s in levels):
        raise ValueError(f"sigmas: expected positive numbers, got {levels}")
    if len(levels) == steps:
        return levels
    if len(levels) != 2:
        raise ValueError(
            f"sigmas: expected the first and the last level, or one for each of {steps} steps, "
            f"got {len(levels)}"
        )
    first, last = levels
    return [first * (last / first) ** (k / max(steps - 1, 1)) for k in range(steps)]


def begin(operator: Operator, y: Tensor, start: Tensor | None) -> Tensor:
    """Return pictures to begin with: those given, or the nearest to grey that explain y."""
    y = operator.check_measurements(y)
    batch = y.shape[: y.ndim - len(operator.measurement_shape)]
    if start is None:
        grey = torch.full((*batch, *operator.event_shape), GREY, dtype=y.dtype, device=y.device)
        return operator.project(grey, y)
    shape = (*batch, *operator.event_shape)
    return check_tensor(start, "start", shape=shape, floating=True, like=y)


def frames_at(steps: int, keep: int) -> set[int]:
    """Return after which of the steps to keep a picture, the last among them."""
    return {max(round((i + 1) * steps / keep) - 1, 0) for i in range(keep)} if keep else set()
