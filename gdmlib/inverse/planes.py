"""Denoisers that know one grey picture at a time."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from gdmlib._checks import check_values


def plane_by_plane(
    denoise: Callable[[Tensor, float], Tensor], y: Tensor, sigma: float | Tensor
) -> Tensor:
    """Return clean pictures, shaped like y, each channel of each picture by itself.

    Args:
        denoise: From one noisy plane, (H, W), and its level, the clean one.
        y: Noisy pictures, (..., C, H, W).
        sigma: The standard deviation of the noise, one number or one for each picture, (...).
    """
    levels = torch.as_tensor(sigma, dtype=torch.float64).cpu()
    check_values(
        levels,
        "sigma",
        (levels > 0) & torch.isfinite(levels),
        "standard deviations of noise, finite numbers above 0",
    )
    planes = y.detach().flatten(0, -3)
    each = levels.expand(y.shape[:-3])[..., None].expand(y.shape[:-2]).flatten().tolist()
    made = [denoise(plane, level) for plane, level in zip(planes, each, strict=True)]
    return torch.stack(made).view(y.shape).to(y)
