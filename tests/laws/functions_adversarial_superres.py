"""Public functions of super-resolution that take tensors, see ``functions.py``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn

from gdmlib import adversarial, data, metrics
from gdmlib.adversarial.content import VGGFeatures
from gdmlib.adversarial.rrdb import RRDB, DenseBlock
from gdmlib.data import resize
from gdmlib.nn.photo_features import PhotoFeatures
from gdmlib.nn.upsample import KINDS, upsampler

from .builders import randomise, seeded, uniform
from .calls import Call, call, whole

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


def vgg() -> nn.Module:
    """Return a network with the layers of a VGG, two of them."""
    network = nn.Module()
    network.features = nn.Sequential(
        adversarial.srgan.convolution(3, 2, border="zeros", generator=seeded()), nn.ReLU()
    )
    return network


seen_by_vgg, block = VGGFeatures(vgg(), 2).double(), randomise(DenseBlock(3, 2, seeded()), 0)
of_three = randomise(RRDB(3, 2, seeded()), 0)
game = adversarial.SRGAN(randomise(srresnet(), 1), judge, features=seen, pixel=0.5)
compared = adversarial.SRGAN(game.network, judge, features=seen, loss="relativistic")
PAIRS = resize.EnlargingPairs([HIGH[0], OTHER[1]], size=8, scale=4, generator=seeded())


def pairs(numbers: Any) -> Any:
    PAIRS.generator = seeded()
    return list(PAIRS(numbers))


FUNCTIONS = [
    call("resize.shrink", lambda x: resize.shrink(x, 2), HIGH, smooth=True),
    call("resize.enlarge", lambda x: resize.enlarge(x, 2), LOW, smooth=True),
    call("resize.crop_to_multiple", lambda x: resize.crop_to_multiple(x, 3), HIGH, smooth=True),
    call("resize.luma", resize.luma, HIGH, smooth=True),
    call("resize.shrink by 1", lambda x: resize.shrink(x, 1), HIGH),
    call("resize.enlarge by 1", lambda x: resize.enlarge(x, 1), HIGH),
    call("resize.shrink, nearest", lambda x: resize.shrink(x, 2, method="nearest"), HIGH),
    call("resize.luma of grey", resize.luma, HIGH[:, :1]),
    call("EnlargingPairs", pairs, uniform(3, 4)),
    call("resize.to_levels", resize.to_levels, HIGH),
    call("on_luma", lambda x, y: metrics.on_luma(metrics.psnr, x, y), HIGH, OTHER, smooth=True),
    call("perceptual_distance", metrics.perceptual_distance, HIGH, OTHER),
    call("SRResNet", lambda x: small(x), LOW, model=small, smooth=True),
    call("SRResNet.score", small.score, LOW, HIGH, model=small, smooth=True),
    call("RRDBNet", lambda x: dense(x), LOW, model=dense, smooth=True),
    call("SRDiscriminator", lambda x: judge(x), HIGH, model=judge, smooth=True),
    call("DenseBlock", lambda x: block(x), LOW, model=block, smooth=True),
    call("RRDB", lambda x: of_three(x), LOW, model=of_three, smooth=True),
    call("VGGFeatures", lambda x: seen_by_vgg(x), HIGH, model=seen_by_vgg),
    whole("SRGAN.generator_loss", lambda low, high: list(game.generator_loss((low, high)).values()),
          LOW, HIGH, model=game),
    whole("SRGAN.generator_loss, relativistic", lambda low, high: compared.generator_loss(
        (low, high))["loss"], LOW, HIGH, model=compared),
    whole("SRGAN.discriminator_loss", lambda low, high: game.discriminator_loss((low, high)), LOW,
          HIGH, model=game),
    call("PhotoFeatures", lambda x: seen(x), HIGH, model=seen, smooth=True),
    call("PhotoFeatures.each", seen.each, HIGH, model=seen),
    call("PhotoFeatures.logits", seen.logits, HIGH, model=seen, smooth=True),
]  # fmt: skip
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
CHANCE: dict[str, Callable[..., Any]] = {
    **{f"upsampler, {kind}": partial(upsampler, 2, 2, 2, kind=kind) for kind in KINDS},
    "SRResNet": partial(adversarial.SRResNet, features=2, blocks=1),
    "RRDBNet": partial(adversarial.RRDBNet, features=2, blocks=1, growth=2),
    "SRDiscriminator": partial(adversarial.SRDiscriminator, features=(2,), hidden=2),
    "PhotoFeatures": partial(PhotoFeatures, ((2,),)),
    "EnlargingPairs": lambda generator: resize.EnlargingPairs(
        [torch.rand(3, 20, 20, generator=seeded())], size=8, generator=generator
    )(torch.rand(4, 4, generator=seeded())),
    "edge_pairs": lambda generator: data.edge_pairs(3, 8, generator=generator).x,
    "colour_pairs": lambda generator: data.colour_pairs(3, 8, generator=generator).x,
    "facade_pairs": lambda generator: data.facade_pairs(2, 24, generator=generator).x,
}
"""What draws by a generator."""
