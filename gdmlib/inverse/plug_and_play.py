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
from collections.abc import Iterator, Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from gdmlib._checks import (
    check_above_zero,
    check_count,
    check_kind,
    check_not_negative,
    check_numbers,
)
from gdmlib.inverse.batches import batch_of, check_start, nearest_to_grey
from gdmlib.inverse.operators import Operator, check_operator
from gdmlib.inverse.restored import Restored


@runtime_checkable
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
            \cdot noise^2)` against the denoised picture. 1 suits a denoiser that is exact; one that
            was learned takes away a little too much each time, and does better with 0.1 or 0.2.
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
    strength = check_above_zero(strength, "strength")
    moments = frames_at(len(levels), check_count(keep, "keep", least=0))
    check_denoiser(denoiser)
    y = check_operator(operator).check_measurements(y)
    if start is None:
        x = nearest_to_grey(operator, y)
    else:
        x = check_start(operator, y, batch_of(operator, y), start)
    history, frames, image = [], [], x
    for k, (made, new) in enumerate(rounds(operator, y, denoiser, x, levels, noise, strength)):
        change = float((new - x).square().mean().sqrt())
        history.append({"sigma": levels[k], "change": change})
        x, image = new, made if noise else new
        if k in moments:
            frames.append(x)
    return Restored(image, len(levels), tuple(history), None, tuple(frames))


def rounds(
    operator: Operator,
    y: Tensor,
    denoiser: Denoises,
    x: Tensor,
    levels: Sequence[float],
    noise: float,
    strength: float = 1.0,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield after each round of the splitting both copies: what is probable, what explains y."""
    for sigma in levels:
        made = denoiser.denoise(x, sigma)
        x = operator.proximal(made, y, sigma**2 / (strength * noise**2) if noise else math.inf)
        yield made, x


def falling(sigmas: Sequence[float], steps: int) -> list[float]:
    """Return so many levels, equal factors between the two that are given, or the levels given."""
    levels = check_numbers(sigmas, "sigmas", positive=True)
    if len(levels) == steps:
        return levels
    if len(levels) != 2:
        raise ValueError(
            f"sigmas: expected the first and the last level, or one for each of {steps} steps, "
            f"got {len(levels)}"
        )
    first, last = levels
    return [first * (last / first) ** (k / max(steps - 1, 1)) for k in range(steps)]


def check_denoiser(denoiser: Denoises) -> Denoises:
    """Return what takes noise out of pictures, if it can."""
    return check_kind(denoiser, "denoiser", Denoises, "something with denoise(pictures, sigma)")


def frames_at(steps: int, keep: int) -> set[int]:
    """Return after which of the steps to keep a picture, the last among them."""
    return {max(round((i + 1) * steps / keep) - 1, 0) for i in range(keep)} if keep else set()
