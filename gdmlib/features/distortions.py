r"""Ways to damage a picture, by as much as one likes: equal PSNR, and not equal to the eye.

The mean squared error does not care *how* a picture differs (Wang and Bovik 2009,
https://doi.org/10.1109/MSP.2008.930649). Here every damage has an amount, and `at_error` finds the
amount that makes a given error. So the PSNR is the same by construction, and whatever a measure
says about the difference, it does not say because of the error.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image
from torch import Generator, Tensor, nn

from gdmlib._checks import check_above_zero, check_choice, check_tensor, check_values
from gdmlib._random import standard_normal

_HALVINGS = 22  # of the interval of amounts


def blurred(x: Tensor, amount: float, noise: Tensor) -> Tensor:
    """Blur by a Gaussian whose standard deviation is 15 pixels for an amount of 1."""
    place = torch.arange(-45, 46, dtype=x.dtype, device=x.device)
    bell = torch.softmax(-(place**2) / (2 * (15 * amount + 1e-3) ** 2), 0)
    along = bell.view(1, 1, 1, -1).expand(len(x), -1, -1, -1)
    for _ in range(2):  # along rows, then along columns
        wide = nn.functional.pad(x[None], (45, 45, 0, 0), mode="replicate")
        x = nn.functional.conv2d(wide, along, groups=len(x))[0].mT
    return x


def noisy(x: Tensor, amount: float, noise: Tensor) -> Tensor:
    """Add Gaussian noise, of standard deviation 1 for an amount of 1."""
    return (x + amount * noise).clamp(0, 1)


def faded(x: Tensor, amount: float, noise: Tensor) -> Tensor:
    """Take contrast away: all of it, for an amount of 1."""
    return x + amount * (x.mean((1, 2), keepdim=True) - x)


def lighter(x: Tensor, amount: float, noise: Tensor) -> Tensor:
    """Add light: all is white for an amount of 1."""
    return (x + amount).clamp(0, 1)


def jpeg(x: Tensor, amount: float, noise: Tensor) -> Tensor:
    """Save as JPEG, at a quality of 95 for an amount of 0 down to 1 for an amount of 1."""
    levels = (255 * x).round().byte().cpu().movedim(0, 2).numpy()
    file = io.BytesIO()
    Image.fromarray(levels.squeeze()).save(file, "JPEG", quality=round(95 - 94 * amount))
    found = torch.from_numpy(np.array(Image.open(file)).reshape(levels.shape))
    return found.movedim(2, 0).to(x) / 255


DISTORTIONS: dict[str, Callable[[Tensor, float, Tensor], Tensor]] = {
    "blur": blurred,
    "noise": noisy,
    "JPEG": jpeg,
    "contrast": faded,
    "light": lighter,
}
"""Damages by name: of a picture, (C, H, W), an amount in [0, 1], and noise in its shape."""


def at_error(name: str, x: Tensor, error: float, *, generator: Generator | None = None) -> Tensor:
    """Damage a picture so much that its mean squared error is the given one.

    The amount is found by halving an interval. JPEG has 95 qualities: it has the lowest whose error
    is smaller, or the highest if none is. The others meet the error to a thousandth.

    Args:
        name: One of `DISTORTIONS`.
        x: One picture in [0, 1], shape (C, H, W), C 1 or 3.
        error: The mean squared error.
        generator: Draws the noise.

    Raises:
        ValueError: If even an amount of 1 does not make so large an error.
    """
    damage = DISTORTIONS[check_choice(name, "name", DISTORTIONS)]
    check_tensor(x, "x", shape=("C", "H", "W"), what="one picture", floating=True)
    if len(x) not in (1, 3):
        raise ValueError(f"x: expected 1 or 3 channels, got shape {tuple(x.shape)}")
    check_values(x, "x", (x >= 0) & (x <= 1), "a picture in [0, 1]", "; use x.clamp(0, 1)")
    check_above_zero(error, "error")
    noise = standard_normal(x.shape, x, generator)

    def made(amount: float) -> float:
        return float((damage(x, amount, noise) - x).double().square().mean())

    most = made(1.0)
    if most < error:
        raise ValueError(
            f"error: {name} makes an error of at most {most:.3g} of this picture, got {error:.3g}"
        )
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if made(middle) < error else (low, middle)
    return damage(x, low, noise)
