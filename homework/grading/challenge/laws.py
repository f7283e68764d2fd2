"""The data of a challenge: drawn with the teacher's key, so that no file holds what is held out.

The distributions themselves depend on the key. What the library draws, or a copy of its code, is
therefore another distribution than the one that an entry is measured on.
"""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Generator, Tensor

from gdmlib.data import glyphs
from gdmlib.data.fonts import FONTS

from ..key import number

HALF = 5.0  # the square [-5, 5]² holds all points of the plane
_COMPONENTS = 8


def generator(key: bytes, label: str) -> Generator:
    """Return a generator of this label's own."""
    return Generator().manual_seed(number(key, label))


class Plane:
    """Points in a plane: a mixture of Gaussians, bent by two shears that keep areas.

    Because areas are kept, the exact density is known, and with it the best possible score.
    """

    def __init__(self, key: bytes) -> None:
        g = generator(key, "plane/law")
        angle = torch.arange(_COMPONENTS) * 2 * math.pi / _COMPONENTS
        radius = 1 + 1.2 * torch.rand(_COMPONENTS, generator=g)
        self.means = radius[:, None] * torch.stack([angle.cos(), angle.sin()], 1)
        self.scales = 0.08 + 0.35 * torch.rand(_COMPONENTS, 2, generator=g)
        self.weights = 0.5 + torch.rand(_COMPONENTS, generator=g)
        self.weights /= self.weights.sum()
        self.bends = torch.stack(
            [
                0.5 + 0.4 * torch.rand(2, generator=g),
                1.5 + torch.rand(2, generator=g),
                2 * math.pi * torch.rand(2, generator=g),
            ],
            1,
        )

    def sample(self, n: int, generator: Generator) -> Tensor:
        """Return points, shape (n, 2); the few outside of the square are drawn again."""
        found = torch.empty(0, 2)
        while len(found) < n:
            at = torch.multinomial(self.weights, n, True, generator=generator)
            z = self.means[at] + self.scales[at] * torch.randn(n, 2, generator=generator)
            a, b = z.unbind(1)
            a = a + self._bend(0, b)
            b = b + self._bend(1, a)
            x = torch.stack([a, b], 1)
            found = torch.cat([found, x[x.abs().amax(1) < HALF]])
        return found[:n]

    def log_prob(self, x: Tensor) -> Tensor:
        """Return the exact log-density in nats, shape (n,)."""
        a, b = x.double().unbind(1)
        b = b - self._bend(1, a)
        a = a - self._bend(0, b)
        z = (torch.stack([a, b], 1)[:, None] - self.means) / self.scales
        each = -0.5 * z.square().sum(2) - self.scales.log().sum(1) - math.log(2 * math.pi)
        return (each + self.weights.log()).logsumexp(1)

    def _bend(self, i: int, x: Tensor) -> Tensor:
        size, frequency, phase = self.bends[i]
        return size * (frequency * x + phase).sin()


def pictures(key: bytes, label: str, n: int) -> Tensor:
    """Return digits, shape (n, 1, 16, 16), whose fonts and frequencies only the key tells."""
    g = generator(key, "pictures/law")
    of_class = 0.3 + 0.7 * torch.rand(10, generator=g)
    of_font = torch.rand(len(FONTS), generator=g)
    chance = generator(key, f"pictures/{label}")
    found = torch.empty(0, 1, 16, 16)
    for attempt in range(100):
        # The cache is where submissions may read.
        with _private_cache():
            seed = number(key, f"pictures/{label}/{attempt}")
            drawn = glyphs(2 * n, size=16, seed=seed)
        assert drawn.y is not None
        keep = of_class[drawn.y] * of_font[drawn.attributes["font"]]
        found = torch.cat([found, drawn.x[torch.rand(len(keep), generator=chance) < keep]])
        if len(found) >= n:
            break
    return found[:n]


@contextmanager
def _private_cache() -> Iterator[None]:
    """Let the library keep what it draws where nobody else looks, and remove it."""
    before = os.environ.get("GDMLIB_CACHE")
    with tempfile.TemporaryDirectory(prefix="challenge-") as folder:
        os.environ["GDMLIB_CACHE"] = folder
        try:
            yield
        finally:
            if before is None:
                del os.environ["GDMLIB_CACHE"]
            else:
                os.environ["GDMLIB_CACHE"] = before


def training_data(key: bytes, kind: str, n: int) -> Tensor:
    """Return what entries learn from."""
    return _draw(key, kind, "train", n)


def heldout_data(key: bytes, kind: str, n: int) -> Tensor:
    """Return what entries are measured on; it is drawn each time, and nowhere kept."""
    return _draw(key, kind, "heldout", n)


def _draw(key: bytes, kind: str, label: str, n: int) -> Tensor:
    if kind == "density":
        return Plane(key).sample(n, generator(key, f"plane/{label}"))
    return pictures(key, label, n)
