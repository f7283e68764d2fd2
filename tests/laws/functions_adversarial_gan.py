"""Public functions of GANs that take tensors, see ``functions.py``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from gdmlib import adversarial
from gdmlib.nn.spectral import layer_norm

from .builders import normal, randomise, seeded, uniform
from .calls import Call, call, whole

PICTURES = 2 * uniform(3, 1, 4, 4) - 1
POINTS = normal(6, 2)


def gan(**options: Any) -> adversarial.GAN:
    players = adversarial.dense_players(2, latent=3, hidden=(5,), generator=seeded())
    return adversarial.GAN(*players, **{"latent": 3} | options)


def maker(event_shape: Any = (1, 4, 4), **options: Any) -> adversarial.DCGenerator:
    sizes = {"latent": 3, "channels": (4,)} | options
    return adversarial.DCGenerator(event_shape, **sizes, generator=seeded())


def judge(event_shape: Any = (1, 4, 4), **options: Any) -> adversarial.DCDiscriminator:
    sizes = {"channels": (4,), "norm": "group"} | options
    return adversarial.DCDiscriminator(event_shape, **sizes, generator=seeded())


points = randomise(gan(), 0)
smooth_less = randomise(gan(), 1)
smooth = randomise(gan(penalty="r1"), 0)
straight = randomise(gan(penalty="gradient", loss="wasserstein"), 0)
compared = randomise(gan(loss="relativistic"), 0)
many = adversarial.Ensemble([points, smooth_less])
drawing, judging = randomise(maker(), 0).eval(), randomise(judge(), 0)
flat = randomise(judge(norm=None, spectral=True), 0).eval()
LATENTS = normal(4, 3)

FUNCTIONS: list[Call] = [
    call("GAN.forward", lambda z: points(z), LATENTS, model=points),
    whole("GAN.generator_loss", lambda batch: points.generator_loss(batch, seeded()), POINTS,
          model=points),
    whole("GAN.generator_loss, relativistic", lambda batch: compared.generator_loss(
        batch, seeded()), POINTS, model=compared),
    whole("GAN.discriminator_loss", lambda batch: points.discriminator_loss(
        batch, seeded())["loss"], POINTS, model=points),
    whole("GAN.discriminator_loss, R1", lambda batch: smooth.discriminator_loss(
        batch, seeded())["penalty"], POINTS, model=smooth),
    whole("GAN.discriminator_loss, slope", lambda batch: straight.discriminator_loss(
        batch, seeded())["penalty"], POINTS, model=straight),
    whole("Ensemble.generator_loss", lambda batch: many.generator_loss(batch, seeded()), POINTS,
          model=many),
    whole("Ensemble.discriminator_loss", lambda batch: many.discriminator_loss(batch, seeded()),
          POINTS, model=many),
    call("Stacked.forward", lambda x: many.generator(x.transpose(0, 1)).transpose(0, 1),
         normal(3, 2, 3), model=many),
    whole("invert", lambda x: adversarial.invert(points, x, steps=3, generator=seeded()), POINTS),
    whole("invert, features", lambda x: adversarial.invert(points, x, features=torch.sin, steps=3,
          prior=0.1, generator=seeded()), POINTS),
    call("DCGenerator.forward", lambda z: drawing(z), LATENTS, model=drawing),
    call("DCDiscriminator.forward", lambda x: judging(x), PICTURES, model=judging),
    call("DCDiscriminator.features", judging.features, PICTURES, model=judging),
    call("DCDiscriminator.forward, spectral", lambda x: flat(x), PICTURES, model=flat),
]  # fmt: skip

FITS: list[Call] = []
COUNTS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "GAN": (lambda latent: gan(latent=latent), 3),
    "GAN.sample": (lambda n: points.sample(n, seeded()), 3),
    "Ensemble.sample": (lambda n: many.sample(n, seeded()), 3),
    "invert, steps": (lambda steps: adversarial.invert(points, POINTS, steps=steps,
        generator=seeded()), 2),
    "invert, starts": (lambda starts: adversarial.invert(points, POINTS, starts=starts, steps=2,
        generator=seeded()), 3),
    "dense_players": (lambda event_shape: adversarial.dense_players(
        event_shape, latent=2, generator=seeded()), (1, 2, 3)),
    "dense_players, hidden": (lambda hidden: adversarial.dense_players(
        2, latent=2, hidden=hidden, generator=seeded()), (3, 2)),
    "DCGenerator": (lambda event_shape: maker(event_shape), (1, 8, 4)),
    "DCGenerator, channels": (lambda channels: maker(channels=channels), (4, 3)),
    "DCDiscriminator": (lambda event_shape: judge(event_shape), (1, 8, 4)),
    "DCDiscriminator, channels": (lambda channels: judge(channels=channels), (4, 3)),
    "layer_norm, steps": (lambda steps: layer_norm(
        judging.head, judging.width, steps=steps, generator=seeded()), 3),
}  # fmt: skip
