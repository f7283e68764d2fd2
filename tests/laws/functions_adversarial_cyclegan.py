"""Residual networks and CycleGAN: their lines of `functions.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gdmlib.nn.residual import Residual

from .builders import normal, randomise, seeded
from .calls import call

FEATURES = normal(3, 2, 4, 4)
block = randomise(Residual(2, generator=seeded()), 0)
learned = randomise(Residual(2, norm="none", gate="prelu", border="zeros", generator=seeded()), 0)

FUNCTIONS = [
    call("Residual", lambda x: block(x), FEATURES, model=block, smooth=True),
    call("Residual without norm", lambda x: learned(x), FEATURES, model=learned, smooth=True),
]
FITS: list[Any] = []
COUNTS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "Residual": (lambda features: Residual(features, generator=seeded()), 3),
}
