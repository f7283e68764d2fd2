"""Public functions of conditional adversaries and of pix2pix, see ``functions.py``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from gdmlib.adversarial import (
    ConcatenatedDiscriminator,
    ConditionalBatchNorm2d,
    ConditionalGenerator,
    DCDiscriminator,
    PatchDiscriminator,
    Pix2Pix,
    ProjectionDiscriminator,
    UNetGenerator,
    count_classes,
)

from .builders import normal, randomise, seeded, uniform
from .calls import Call, call, whole

QUESTIONS, ANSWERS = 2 * uniform(3, 2, 8, 8) - 1, 2 * uniform(3, 1, 8, 8, seed=1) - 1


def unet(**options: Any) -> UNetGenerator:
    sizes: dict[str, Any] = {"channels": (2, 3), "norm": "none"} | options
    event_shape = sizes.pop("event_shape", (2, 8, 8))
    return UNetGenerator(event_shape, 1, **sizes, generator=seeded())


def patches(**options: Any) -> PatchDiscriminator:
    sizes: dict[str, Any] = {"in_channels": 3, "channels": 2, "layers": 1, "plain": 1} | options
    return PatchDiscriminator(**sizes, generator=seeded())


def game(**options: Any) -> Pix2Pix:
    return randomise(Pix2Pix(unet(), patches(), **options), 0).eval()


def maker(**options: Any) -> ConditionalGenerator:
    sizes: dict[str, Any] = {"latent": 2, "channels": (3, 2), "classes": 3} | options
    event_shape = sizes.pop("event_shape", (1, 4, 4))
    return ConditionalGenerator(event_shape, **sizes, generator=seeded())


def critic(channels: int) -> DCDiscriminator:
    return DCDiscriminator((channels, 4, 4), channels=(2, 3), norm=None, generator=seeded())


CLASSES, LATENTS, PICTURES = torch.tensor([0, 2, 1]), normal(3, 2), normal(3, 1, 4, 4)
by_norm, beside = (randomise(maker(way=way), 0).eval() for way in ("norm", "concatenation"))
scaled = randomise(ConditionalBatchNorm2d(2, 3), 0).eval()
for module in (by_norm, beside, scaled):
    for name, value in module.named_buffers():
        if name.endswith("running_var"):
            value.abs_().add_(0.5)
projected = randomise(ProjectionDiscriminator(critic(1), classes=3, generator=seeded()), 0)
planes = randomise(ConcatenatedDiscriminator(critic(4), classes=3), 0)
translator, autoencoder = randomise(unet(norm="batch"), 0).eval(), randomise(unet(skips=False), 0)
noisy = randomise(unet(noise=1, dropout=0.5), 0)
judge, pixels = randomise(patches(), 0), randomise(patches(layers=0, plain=0), 0)
mixed = game(l1=10.0, l2=1.0)

FUNCTIONS = [
    call("ConditionalBatchNorm2d", lambda x, labels: scaled(x, labels), normal(3, 2, 4, 4), CLASSES,
         model=scaled),
    call("ConditionalGenerator", lambda z, labels: by_norm(z, labels), LATENTS, CLASSES,
         model=by_norm),
    call("ConditionalGenerator, concatenated", lambda z, labels: beside(z, labels), LATENTS,
         CLASSES, model=beside),
    call("ProjectionDiscriminator", lambda x, labels: projected(x, labels), PICTURES, CLASSES,
         model=projected),
    call("ConcatenatedDiscriminator", lambda x, labels: planes(x, labels), PICTURES, CLASSES,
         model=planes),
    whole("count_classes", lambda labels: count_classes(labels, 3), CLASSES),
    call("UNetGenerator", lambda x: translator(x), QUESTIONS, model=translator),
    call("UNetGenerator, no skips", lambda x: autoencoder(x), QUESTIONS, model=autoencoder),
    whole("UNetGenerator, noisy", lambda x: noisy(x, seeded()), QUESTIONS, model=noisy),
    call("PatchDiscriminator", lambda x: judge(x), normal(3, 3, 8, 8), model=judge),
    call("PatchDiscriminator of pixels", lambda x: pixels(x), normal(3, 3, 8, 8), model=pixels),
    call("PatchDiscriminator.both", lambda real, fake: list(judge.both(real, fake)),
         normal(3, 3, 8, 8), normal(3, 3, 8, 8, seed=1), model=judge),
    call("Pix2Pix", lambda x: mixed(x), QUESTIONS, model=mixed),
    call("Pix2Pix.judge", lambda x, real, fake: list(mixed.judge(x, real, fake)), QUESTIONS,
         ANSWERS, -ANSWERS, model=mixed),
    call("Pix2Pix.error", mixed.error, ANSWERS, ANSWERS.flip(-1), model=mixed),
    call("Pix2Pix.score", mixed.score, QUESTIONS, ANSWERS, model=mixed),
    whole("Pix2Pix.loss", mixed.loss, QUESTIONS, ANSWERS, model=mixed),
]  # fmt: skip

FITS: list[Call] = []

COUNTS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "ConditionalGenerator": (lambda event_shape: maker(event_shape=event_shape), (1, 4, 8)),
    "ConditionalGenerator, latent": (lambda latent: maker(latent=latent), 3),
    "ConditionalGenerator, classes": (lambda classes: maker(classes=classes), 4),
    "ConditionalGenerator, channels": (lambda channels: maker(channels=channels), (2, 3)),
    "ConditionalBatchNorm2d": (lambda features: ConditionalBatchNorm2d(features, 3), 4),
    "UNetGenerator": (lambda event_shape: unet(event_shape=event_shape), (2, 4, 8)),
    "UNetGenerator, channels": (lambda channels: unet(channels=channels), (3, 2)),
    "UNetGenerator, noise": (lambda noise: unet(noise=noise), 3),
    "PatchDiscriminator": (lambda in_channels: patches(in_channels=in_channels), 3),
    "PatchDiscriminator, channels": (lambda channels: patches(channels=channels), 3),
    "PatchDiscriminator, layers": (lambda layers: patches(layers=layers), 2),
    "PatchDiscriminator, plain": (lambda plain: patches(plain=plain), 2),
    "PatchDiscriminator.of_patch": (lambda patch: PatchDiscriminator.of_patch(
        patch, 3, channels=2, generator=seeded()), 10),
}  # fmt: skip

CHANCE: dict[str, Callable[..., nn.Module | Tensor | tuple[Tensor, ...]]] = {
    "ConditionalGenerator": partial(ConditionalGenerator, (1, 4, 4), latent=2, classes=3),
    "ProjectionDiscriminator": partial(ProjectionDiscriminator, critic(1), classes=3),
    "UNetGenerator": partial(UNetGenerator, (2, 8, 8), 1, channels=(2, 3)),
    "UNetGenerator, noisy": partial(noisy, QUESTIONS),
    "PatchDiscriminator": partial(PatchDiscriminator, 3, channels=2, layers=1),
}
"""What draws by a generator."""
