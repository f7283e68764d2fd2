"""Two-dimensional toy data: drawn, not stored, so that there is always one more sample.

Every toy has a label for each point: the component that the point was drawn from. Labels are
drawn first and uniformly, then points given labels, so the points are independent draws from
one fixed density. Where that density is a Gaussian mixture, its parameters are given.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Generator, Tensor

from gdmlib._checks import check_count, check_not_negative
from gdmlib._random import draw
from gdmlib.data import declare
from gdmlib.data.dataset import Dataset, check_name

Drawn = tuple[Tensor, Tensor, dict[str, Tensor]]


def _labels(n: int, count: int, generator: Generator | None) -> Tensor:
    return draw(torch.randint, count, (n,), generator=generator)


def _uniform(n: int, generator: Generator | None) -> Tensor:
    return draw(torch.rand, n, generator=generator, dtype=torch.float32)


def _normal(n: int, generator: Generator | None) -> Tensor:
    return draw(torch.randn, n, 2, generator=generator, dtype=torch.float32)


def _float(numbers: float | list[float] | list[list[float]]) -> Tensor:
    """Return numbers as float32, whatever torch's default is."""
    return torch.tensor(numbers, dtype=torch.float32)


def _polar(radius: Tensor, angle: Tensor) -> Tensor:
    return torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1)


def _mixture(modes: Tensor, noise: float, n: int, generator: Generator | None) -> Drawn:
    y = _labels(n, len(modes), generator)
    x = modes[y] + noise * _normal(n, generator)
    return x, y, {"modes": modes, "std": _float(noise)}


def _two_moons(n: int, noise: float, generator: Generator | None) -> Drawn:
    y = _labels(n, 2, generator)
    angle = math.pi * _uniform(n, generator)
    upper = _polar(torch.ones_like(angle), angle)
    lower = _float([1.0, 0.5]) - upper
    x = torch.where(y[:, None] == 0, upper, lower) - _float([0.5, 0.25])
    return x + noise * _normal(n, generator), y, {}


def _two_rings(n: int, noise: float, generator: Generator | None) -> Drawn:
    y = _labels(n, 2, generator)
    radius = _float([1.0, 2.0])[y]
    x = _polar(radius, 2 * math.pi * _uniform(n, generator))
    return x + noise * _normal(n, generator), y, {}


def _on_a_circle(angle: Tensor, noise: float, n: int, generator: Generator | None) -> Drawn:
    return _mixture(_polar(torch.full_like(angle, 2.0), angle), noise, n, generator)


def _eight_gaussians(n: int, noise: float, generator: Generator | None) -> Drawn:
    angle = torch.arange(8, dtype=torch.float32) * math.pi / 4
    return _on_a_circle(angle, noise, n, generator)


def _two_blobs(n: int, noise: float, generator: Generator | None) -> Drawn:
    return _mixture(_float([[-1.0, -0.5], [1.0, 0.5]]), noise, n, generator)


def _blobs(n: int, noise: float, generator: Generator | None) -> Drawn:
    angle = math.pi / 2 + torch.arange(3, dtype=torch.float32) * 2 * math.pi / 3
    return _on_a_circle(angle, noise, n, generator)


def _pinwheel(n: int, noise: float, generator: Generator | None) -> Drawn:
    # Five Gaussians on the radii of a wheel, then turned the more the farther they lie out
    # (the construction of Johnson et al., 2016, arXiv:1603.06277).
    y = _labels(n, 5, generator)
    blob = _normal(n, generator) * _float([0.3, noise]) + _float([1.0, 0.0])
    angle = 2 * math.pi * y.float() / 5 + 0.25 * blob[:, 0].exp()
    along, across = blob[:, 0], blob[:, 1]
    x = torch.stack(
        [
            along * angle.cos() - across * angle.sin(),
            along * angle.sin() + across * angle.cos(),
        ],
        dim=1,
    )
    return 2 * x, y, {}


def _checkerboard(n: int, noise: float, generator: Generator | None) -> Drawn:
    # The eight dark squares of a 4 x 4 board on [-2, 2]^2.
    y = _labels(n, 8, generator)
    row = torch.div(y, 2, rounding_mode="floor")
    column = 2 * (y % 2) + row % 2
    corner = torch.stack([column, row], dim=1).float() - 2.0
    x = corner + draw(torch.rand, n, 2, generator=generator, dtype=torch.float32)
    return x + noise * _normal(n, generator), y, {}


def _two_spirals(n: int, noise: float, generator: Generator | None) -> Drawn:
    y = _labels(n, 2, generator)
    # The square root spreads the points evenly along the arm.
    turn = _uniform(n, generator).sqrt()
    angle = 3 * math.pi * turn
    x = _polar(2.5 * turn, angle) * (1 - 2 * y)[:, None]
    return x + noise * _normal(n, generator), y, {}


# name -> how it is drawn, the noise that it has unless told otherwise, what its labels mean
_TOYS: dict[str, tuple[Callable[[int, float, Generator | None], Drawn], float, str]] = {
    "two_moons": (_two_moons, 0.08, "upper lower"),
    "two_rings": (_two_rings, 0.1, "inner outer"),
    "eight_gaussians": (_eight_gaussians, 0.1, "0 1 2 3 4 5 6 7"),
    "pinwheel": (_pinwheel, 0.1, "0 1 2 3 4"),
    "checkerboard": (_checkerboard, 0.0, "0 1 2 3 4 5 6 7"),
    "two_spirals": (_two_spirals, 0.07, "first second"),
    "two_blobs": (_two_blobs, 0.6, "left right"),
    "blobs": (_blobs, 0.6, "0 1 2"),
}
_ALSO_CALLED = {"spirals": "two_spirals"}

TOYS: tuple[str, ...] = tuple(_TOYS)
"""Names that :func:`toy` knows."""


@declare.rendered(content=f"{len(TOYS)} densities in the plane", licence="CC0", arguments="name, n")
def toy(
    name: str, n: int, generator: Generator | None = None, noise: float | None = None
) -> Dataset:
    """Draw ``n`` points from a two-dimensional toy density.

    Args:
        name: One of :data:`TOYS`: ``two_moons``, ``two_rings`` (radii 1 and 2), ``eight_gaussians``
            (on a circle of radius 2), ``pinwheel`` (five arms), ``checkerboard`` (eight unit
            squares on [-2, 2]²), ``two_spirals``, ``two_blobs``, ``blobs`` (three).
        noise: Standard deviation of the Gaussian noise, in the units of the plane (for the pinwheel
            the half width of its arms before they are turned). None takes the toy's own.

    Returns:
        ``x`` of shape ``(n, 2)`` and the component labels ``y`` of shape ``(n,)``. All components
        are equally probable. Where the density is a mixture of isotropic Gaussians
        (``eight_gaussians``, ``two_blobs``, ``blobs``), ``attributes`` holds its ``modes`` ``(K,
        2)`` and ``std`` ``()``, so that the exact density is known.
    """
    key = check_name(_ALSO_CALLED.get(name, name), _TOYS, "toy data set")
    n = check_count(n)
    draw, own_noise, classes = _TOYS[key]
    scale = check_not_negative(own_noise if noise is None else float(noise), "noise")
    x, y, attributes = draw(n, scale, generator)
    return Dataset(
        name=key,
        x=x,
        y=y,
        classes=tuple(classes.split()),
        source="drawn by gdmlib",
        licence="CC0 1.0 (no rights reserved)",
        attributes=attributes,
        columns=("x1", "x2"),
        shared=tuple(attributes),
    )
