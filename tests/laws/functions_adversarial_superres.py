"""Public functions of super-resolution that take tensors, see ``functions.py``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gdmlib import adversarial, metrics
from gdmlib.data import resize
from gdmlib.nn.photo_features import PhotoFeatures
from gdmlib.nn.upsample import upsampler

from .builders import randomise, seeded, uniform
from .calls import Call, call

LOW, HIGH = uniform(2, 3, 4, 4), uniform(2, 3, 16, 16)
OTHER = uniform(2, 3, 16, 16, seed=1)


def srresnet(**sizes: Any) -> adversarial.SRResNet:
    options = {"features": 3, "fine": 2, "blocks": 1, "kernel": 3, "norm": "none"} | sizes
    return adversarial.SRResNet(**options, generator=seeded())


def rrdbnet(**sizes: Any) -> adversarial.RRDBNet:
    options = {"features": 3, "blocks": 1, "growth": 2} | sizes
    return adversarial.RRDBNet(**options, generator=seeded())


def discriminator(**sizes: Any) -> adversarial.SRDiscriminator:
    options = {"features": (2, 3), "hidden": 4, "norm": "none"} | sizes
    return adversarial.SRDiscriminator(**options, generator=seeded())


def features(**sizes: Any) -> PhotoFeatures:
    options = {"stages": ((2,), (3, 2)), "classes": 2, "gate": "elu"} | sizes
    return PhotoFeatures(**options, generator=seeded())


small, dense = randomise(srresnet(), 0), randomise(rrdbnet(), 0)
judge, seen = randomise(discriminator(), 0), randomise(features(), 0)

FUNCTIONS = [
    call("resize.shrink", lambda x: resize.shrink(x, 2), HIGH, smooth=True),
    call("resize.enlarge", lambda x: resize.enlarge(x, 2), LOW, smooth=True),
    call("resize.crop_to_multiple", lambda x: resize.crop_to_multiple(x, 3), HIGH, smooth=True),
    call("resize.luma", resize.luma, HIGH, smooth=True),
    call("resize.to_levels", resize.to_levels, HIGH),
    call("on_luma", lambda x, y: metrics.on_luma(metrics.psnr, x, y), HIGH, OTHER, smooth=True),
    call("perceptual_distance", metrics.perceptual_distance, HIGH, OTHER),
    call("SRResNet", lambda x: small(x), LOW, model=small, smooth=True),
    call("SRResNet.score", small.score, LOW, HIGH, model=small, smooth=True),
    call("RRDBNet", lambda x: dense(x), LOW, model=dense, smooth=True),
    call("SRDiscriminator", lambda x: judge(x), HIGH, model=judge, smooth=True),
    call("PhotoFeatures", lambda x: seen(x), HIGH, model=seen, smooth=True),
    call("PhotoFeatures.each", seen.each, HIGH, model=seen),
    call("PhotoFeatures.logits", seen.logits, HIGH, model=seen, smooth=True),
]
FITS: list[Call] = []
COUNTS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "resize.shrink": (lambda scale: resize.shrink(HIGH, scale), 2),
    "resize.enlarge": (lambda scale: resize.enlarge(LOW, scale), 2),
    "resize.crop_to_multiple": (lambda unit: resize.crop_to_multiple(HIGH, unit), 3),
    "upsampler, factor": (lambda factor: upsampler(2, 2, factor, generator=seeded()), 2),
    "SRResNet, features": (lambda features: srresnet(features=features), 2),
    "SRResNet, blocks": (lambda blocks: srresnet(blocks=blocks), 2),
    "SRResNet, steps": (lambda steps: srresnet(steps=steps), (2,)),
    "RRDBNet, blocks": (lambda blocks: rrdbnet(blocks=blocks), 2),
    "RRDBNet, growth": (lambda growth: rrdbnet(growth=growth), 3),
    "SRDiscriminator, features": (lambda features: discriminator(features=features), (2,)),
    "SRDiscriminator, hidden": (lambda hidden: discriminator(hidden=hidden), 3),
    "PhotoFeatures, classes": (lambda classes: features(classes=classes), 3),
}
