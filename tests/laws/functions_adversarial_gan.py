"""Public functions of GANs that take tensors, see ``functions.py``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn

from gdmlib import adversarial
from gdmlib.nn.spectral import layer_norm, spectral

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
told = adversarial.GAN(
    adversarial.ConditionalGenerator((1, 4, 4), latent=3, channels=(3,), classes=2,
                                     generator=seeded()),
    adversarial.ConcatenatedDiscriminator(judge((3, 4, 4)), classes=2), latent=3, classes=2,
).eval()  # fmt: skip
told = randomise(told, 0)
for _name, _value in told.named_buffers():
    if _name.endswith("running_var"):
        _value.abs_().add_(0.5)

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

for _loss in adversarial.LOSSES.values():
    FUNCTIONS += [
        call(f"{_loss.name}.discriminator", lambda real, fake, loss=_loss: loss.discriminator(
            real, fake), normal(5), normal(5, seed=1), single=False),
        call(f"{_loss.name}.generator", lambda fake, real, loss=_loss: loss.generator(fake, real),
             normal(5), normal(5, seed=1), single=False),
    ]  # fmt: skip
FUNCTIONS += [
    whole("GAN.forward of classes", lambda z, labels: told(z, labels), LATENTS[:3],
          torch.tensor([0, 1, 0]), model=told),
    whole("GAN.sample of classes", lambda labels: told.sample(3, seeded(), labels=labels),
          torch.tensor([0, 1, 0]), model=told),
    whole("GAN.discriminator_loss of classes", lambda x, labels: told.discriminator_loss(
        (x, labels), seeded())["loss"], PICTURES, torch.tensor([0, 1, 0]), model=told),
    whole("r1_penalty", lambda real: adversarial.r1_penalty(judging, real), PICTURES,
          model=judging),
    whole("gradient_penalty", lambda real, fake: adversarial.gradient_penalty(
        judging, real, fake, generator=seeded()), PICTURES, -PICTURES, model=judging),
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

CHANCE: dict[str, Callable[..., Any]] = {
    "dense_players": lambda generator: nn.ModuleList(
        adversarial.dense_players(2, latent=2, hidden=3, generator=generator)
    ),
    "DCGenerator": partial(adversarial.DCGenerator, (1, 4, 4), latent=2, channels=2, classes=3),
    "DCDiscriminator": partial(adversarial.DCDiscriminator, (1, 4, 4), channels=2),
    "DCDiscriminator, spectral": partial(
        adversarial.DCDiscriminator, (1, 4, 4), channels=2, spectral=True
    ),
    "spectral": lambda generator: nn.Sequential(*spectral(_alone(), generator)),
    "GAN.sample": partial(points.sample, 3),
    "GAN.sample of classes": partial(told.sample, 2, labels=torch.tensor([0, 1])),
    "GAN.generator_loss": lambda generator: points.generator_loss(POINTS, generator),
    "GAN.discriminator_loss": lambda generator: points.discriminator_loss(POINTS, generator)[
        "loss"
    ],
    "Ensemble.sample": partial(many.sample, 3),
    "Ensemble.discriminator_loss": lambda generator: many.discriminator_loss(POINTS, generator),
    "gradient_penalty": partial(adversarial.gradient_penalty, judging, PICTURES, -PICTURES),
    "invert": lambda generator: (
        adversarial.invert(points, POINTS, steps=2, starts=1, generator=generator).latents
    ),
}
"""What draws by a generator."""


def _alone() -> nn.Module:
    """Return layers that are always the same."""
    parts = [nn.utils.skip_init(nn.Linear, 6, 5), nn.utils.skip_init(nn.Linear, 5, 4)]
    for seed, part in enumerate(parts):
        with torch.no_grad():
            part.weight.copy_(normal(*part.weight.shape, seed=seed))
            part.bias.zero_()
    return nn.Sequential(*parts)
