"""What denoisers are given: noisy pictures, and how strong the noise is."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from gdmlib._checks import check_finite, check_tensor, check_values


def check_noisy(
    y: Tensor,
    sigma: float | Tensor,
    *,
    name: str = "y",
    channels: int | str = "channels",
    side: int = 1,
    like: Tensor | None = None,
    zero: bool = False,
) -> tuple[Tensor, Tensor]:
    """Return noisy pictures, (..., C, H, W), and the level of noise in each, (...).

    Args:
        y: The pictures.
        sigma: The standard deviation of the noise, one number or one for each picture.
        name: What the pictures are called.
        channels: How many they must have, or a word for any number.
        side: Pixels that each side must have at least.
        like: A model's own number, whose dtype is expected.
        zero: Whether there may be no noise.
    """
    shape = (..., channels, "height", "width")
    y = check_tensor(y, name, shape=shape, what="pictures", floating=True, like=like)
    if min(y.shape[-2:]) < side:
        raise ValueError(
            f"{name}: expected pictures with sides of at least {side}, got {tuple(y.shape)}"
        )
    return y, check_levels(sigma, y, zero)


def check_levels(sigma: float | Tensor, y: Tensor, zero: bool = False) -> Tensor:
    """Return levels of noise, one for each picture, (...), as they came or on the processor."""
    batch = y.shape[:-3]
    if isinstance(sigma, Tensor):
        check_tensor(sigma, "sigma", floating=True)
        if sigma.ndim and sigma.shape != batch:
            raise ValueError(
                f"sigma: expected one number, or one for each picture, shape {tuple(batch)}, got "
                f"{tuple(sigma.shape)}"
            )
        levels = sigma
    else:
        number = float(check_finite(sigma, "sigma"))
        levels = torch.tensor(number, dtype=torch.float64, device="cpu")
    fits = levels >= 0 if zero else levels > 0
    least = "of at least 0" if zero else "above 0"
    check_values(levels, "sigma", fits, f"standard deviations of noise, finite numbers {least}")
    return levels.expand(batch)


def plane_by_plane(denoise: Callable[[Tensor, float], Tensor], y: Tensor, levels: Tensor) -> Tensor:
    """Return clean pictures, shaped like y, each channel of each picture by itself.

    Args:
        denoise: From one noisy plane, (H, W), and its level, the clean one.
        y: Noisy pictures, (..., C, H, W).
        levels: Of each picture, (...); see `check_noisy`.
    """
    planes = y.detach().flatten(0, -3)
    each = levels[..., None].expand(y.shape[:-2]).flatten().tolist()
    made = [denoise(plane, level) for plane, level in zip(planes, each, strict=True)]
    return torch.stack(made).view(y.shape).to(y)
