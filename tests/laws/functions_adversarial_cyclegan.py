"""Residual networks and CycleGAN: their lines of `functions.py`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from gdmlib import data
from gdmlib.adversarial import CycleGAN, ImagePool, PatchDiscriminator, ResNetGenerator
from gdmlib.nn.dense import dense
from gdmlib.nn.residual import Residual

from .builders import normal, randomise, seeded
from .calls import call, whole

FEATURES, PICTURES = normal(3, 2, 4, 4), normal(3, 1, 8, 8)
POINTS, OTHERS = normal(3, 2), normal(3, 2, seed=1)


def generator(**options: Any) -> ResNetGenerator:
    sizes: dict[str, Any] = {"in_channels": 1, "channels": 2, "blocks": 1} | options
    return ResNetGenerator(**sizes, generator=seeded())


def cyclegan(**options: Any) -> nn.Module:
    networks = [dense(2, (4,), outputs, seeded(outputs)) for outputs in (2, 2, 1, 1)]
    return randomise(CycleGAN(*networks, **options), 0)


block = randomise(Residual(2, generator=seeded()), 0)
learned = randomise(Residual(2, norm="none", gate="prelu", border="zeros", generator=seeded()), 0)


def drawn() -> CycleGAN:
    """Return a game of pictures: two networks of the library, and two judges of pixels."""
    judges = [PatchDiscriminator(1, channels=2, layers=0, plain=0, generator=seeded(k))
              for k in (2, 3)]  # fmt: skip
    maps = [generator(blocks=0, halvings=0) for _ in judges]
    return randomise(CycleGAN(*maps, *judges), 0, 0.1)


resnet, game = randomise(generator(), 0, 0.1), cyclegan()
pictures = drawn()


def _maps(x: Tensor, y: Tensor) -> Tensor:
    return torch.stack(list(game.map_loss((x, y)).values()))


FUNCTIONS = [
    call("Residual", lambda x: block(x), FEATURES, model=block, smooth=True),
    call("Residual without norm", lambda x: learned(x), FEATURES, model=learned, smooth=True),
    call("ResNetGenerator", lambda x: resnet(x), PICTURES, model=resnet),
    call("CycleGAN", lambda x: game(x), POINTS, model=game, smooth=True),
    call("CycleGAN.inverse", lambda y: game.inverse(y), POINTS, model=game, smooth=True),
    whole("CycleGAN.map_loss", _maps, POINTS, OTHERS, model=game, smooth=True),
    whole("CycleGAN.judge_loss", lambda x, y: game.judge_loss((x, y)), POINTS, OTHERS, model=game),
    call("CycleGAN of pictures", lambda x: pictures(x), PICTURES, model=pictures),
    call("CycleGAN.inverse of pictures", lambda y: pictures.inverse(y), PICTURES, model=pictures),
    whole("CycleGAN.map_loss of pictures", lambda x, y: list(pictures.map_loss((x, y)).values()),
          PICTURES, -PICTURES, model=pictures),
    whole("CycleGAN.judge_loss of pictures", lambda x, y: pictures.judge_loss((x, y)), PICTURES,
          -PICTURES, model=pictures),
    whole("ImagePool", lambda images: ImagePool(2)(images, seeded()), PICTURES),
]  # fmt: skip
FITS: list[Any] = []
COUNTS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "Residual": (lambda features: Residual(features, generator=seeded()), 3),
    "ResNetGenerator": (lambda channels: generator(channels=channels), 3),
    "ResNetGenerator, in_channels": (lambda in_channels: generator(in_channels=in_channels), 3),
    "ResNetGenerator, blocks": (lambda blocks: generator(blocks=blocks), 2),
    "ImagePool": (lambda size: ImagePool(size)(PICTURES, seeded()), 2),
    "unpaired": (lambda n: data.unpaired("night", n, size=8)[0].x, 2),
    "unpaired, size": (lambda size: data.unpaired("stripes", 2, size=size)[0].x, 9),
    "scans": (lambda n: data.scans(n, size=8)[0].x, 2),
}
CHANCE: dict[str, Callable[..., Any]] = {
    "Residual": partial(Residual, 2),
    "ResNetGenerator": partial(ResNetGenerator, 1, channels=2, blocks=1, halvings=1),
    "ImagePool": lambda generator: ImagePool(2)(PICTURES.repeat(4, 1, 1, 1), generator),
}
"""What draws by a generator."""
