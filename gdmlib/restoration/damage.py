"""Two ways to make a photograph old: the one that happened, and the one that we imagine.

`age` is what the years did, and `imitate` what somebody who has only seen old photographs thinks
that they did: some scratches, some noise, a little blur, one tint of brown. A restorer is trained
on imitations, because only these come with the photograph as it was, and is used on the others.
"""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor
from torch.nn.functional import avg_pool2d, interpolate, pad

from gdmlib._checks import check_tensor, check_values
from gdmlib._random import between, draw, standard_normal

SEPIA = (1.0, 0.86, 0.66)
"""Red, green and blue of yellowed paper."""


def check_pictures(x: Tensor, name: str, channels: int | str = "C") -> Tensor:
    """Return pictures (B, C, H, W) if their values are in [0, 1]."""
    x = check_tensor(x, name, shape=("B", channels, "H", "W"), floating=True)
    advice = "; divide levels by 255, or clamp(0, 1) what a filter made"
    return check_values(x, name, (x >= 0) & (x <= 1), "values in [0, 1]", advice)


def age(x: Tensor, generator: Generator | None = None) -> Tensor:
    """Return photographs after a century in a box, (B, 1, H, W) -> (B, 3, H, W), in [0, 1].

    In this order: blur, fading, stains and dark corners, grain that is coarser than a pixel, the
    yellowing of the paper, scratches that are curved, dark or bright, and dust. How much of each is
    drawn for each photograph.
    """
    x = check_pictures(x, "x", 1)

    def u(low: float, high: float, channels: int = 1) -> Tensor:
        return between(low, high, len(x), channels, 1, 1, generator=generator).to(x)

    y = x.lerp(_blurred(x), u(0.4, 1.0))
    y = u(0.17, 0.23) + u(0.48, 0.58) * y ** u(0.9, 1.1)
    stains = between(-1, 1, len(x), 1, 4, 4, generator=generator).to(x)
    large = interpolate(stains, size=x.shape[-2:], mode="bicubic", align_corners=True)
    y = y * (1 + u(0.03, 0.1) * large)
    grain = _blurred(standard_normal(x.shape, x, generator)) * 2.2
    y = y + u(0.02, 0.05) * grain
    tint = x.new_tensor(SEPIA)[None, :, None, None] + u(-0.03, 0.03, 3)
    y = y * tint
    marks = _lines(x, 3, bend=0.25, generator=generator)
    y = y + marks * torch.where(u(0, 1) < 0.5, u(0.3, 0.6), u(-0.5, -0.3))
    y = y.lerp(torch.full_like(y, 0.9), _dust(x, generator))
    return y.clamp(0, 1)


def imitate(x: Tensor, generator: Generator | None = None) -> Tensor:
    """Return photographs with the damage that one would think of, (B, 1, H, W) -> (B, 3, H, W).

    Blur, noise in each pixel alone, a little less contrast, one tint, straight white scratches.
    """
    x = check_pictures(x, "x", 1)

    def u(low: float, high: float) -> Tensor:
        return between(low, high, len(x), 1, 1, 1, generator=generator).to(x)

    y = x.lerp(_blurred(x), u(0.0, 1.0))
    y = u(0.03, 0.09) + u(0.7, 0.8) * y + u(0.01, 0.06) * standard_normal(x.shape, x, generator)
    y = y * x.new_tensor(SEPIA)[None, :, None, None]
    y = y + _lines(x, 3, bend=0.0, generator=generator) * u(0.3, 0.7)
    return y.clamp(0, 1)


def _blurred(x: Tensor) -> Tensor:
    """Return means over 3 × 3 pixels."""
    return avg_pool2d(pad(x, (1, 1, 1, 1), mode="replicate"), 3, stride=1)


def _lines(x: Tensor, most: int, *, bend: float, generator: Generator | None) -> Tensor:
    """Return up to ``most`` thin lines across each picture, 1 on a line and 0 elsewhere."""
    height, width = x.shape[-2:]
    row = torch.linspace(-1, 1, height).to(x)[:, None]
    column = torch.linspace(-1, 1, width).to(x)
    found = torch.zeros_like(x)
    for _ in range(most):
        there, turn, offset, curve, fine = (
            between(0, 1, len(x), 1, 1, 1, generator=generator).to(x) for _ in range(5)
        )
        cosine, sine = torch.cos(math.pi * turn), torch.sin(math.pi * turn)
        across = cosine * column + sine * row
        along = cosine * row - sine * column
        distance = (across - 1.6 * (offset - 0.5) - 2 * bend * (curve - 0.5) * along.square()).abs()
        breadth = (1.0 + fine) / max(height, width)
        found = torch.maximum(found, torch.exp(-((distance / breadth) ** 2)) * (there < 0.7))
    return found


def _dust(x: Tensor, generator: Generator | None) -> Tensor:
    """Return specks of some pixels, 1 on a speck."""
    seeds = draw(torch.rand, *x.shape, generator=generator).to(x) < 0.0007
    return (avg_pool2d(seeds.to(x), 3, stride=1, padding=1) * 9).clamp(max=1) * 0.8
