"""Text and image: their lines of ``functions.py``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from gdmlib import adversarial, captions, data

from .builders import normal, randomise, seeded, uniform
from .calls import call, whole
from .registry_captions import PICTURES, SMALL, captioner

WORDS = SMALL.everything()
NUMBERS, TIME, EVENTS = torch.tensor([0, 6, 3]), uniform(3), uniform(3, 1, 4, 4, seed=2)
SCENES = data.SCENE_CAPTIONS.words(torch.arange(0, 2304, 600))
model = captioner()


def unet(**options: Any) -> captions.CaptionUNet:
    sizes = {"event_shape": (1, 4, 4), "channels": (2, 3), "generator": seeded()} | options
    return captions.CaptionUNet(SMALL, **sizes)


def judge(generator: torch.Generator, classes: Any = 3) -> captions.ClassifyingDiscriminator:
    body = adversarial.DCDiscriminator((1, 4, 4), channels=2, generator=generator)
    return captions.ClassifyingDiscriminator(body, classes, generator)


unet_, judging = randomise(unet(), 0), randomise(judge(seeded()), 0).eval()

FUNCTIONS = [
    call("Captioner.log_probs", model.log_probs, PICTURES, model=model),
    call("Captioner.best", model.best, PICTURES, model=model),
    call("CaptionUNet", lambda x, time, labels: unet_(x, time, labels), EVENTS, TIME, NUMBERS,
         model=unet_),
    call("ClassifyingDiscriminator", lambda x: judging(x), EVENTS, model=judging),
    whole("unsure", captions.unsure, normal(4, 3)),
    call("Grammar.number", lambda words: SMALL.number(words), WORDS),
    call("Grammar.words", lambda numbers: SMALL.words(numbers), torch.arange(6)),
    call("turned", data.turned, SCENES),
    call("upright", data.upright, SCENES),
    whole("Grammar.caption", lambda words: [ord(c) for c in SMALL.caption(words)], WORDS[0]),
]  # fmt: skip

FITS = [
    whole(
        "CaptionGaussians.fit",
        lambda x, y, features, log_prior: captions.CaptionGaussians.fit(x, y, features, log_prior),
        normal(20, 2), torch.arange(20) % 3, torch.eye(3).double(), normal(3),
    )
]  # fmt: skip

CONSTRUCTORS = [
    whole(
        "CaptionGaussians",
        lambda features, parts, covariance, log_prior: captions.CaptionGaussians(
            features, parts, covariance, log_prior
        ),
        torch.eye(3).double(), normal(3, 2), 2 * torch.eye(2).double(), normal(3),
    )
]  # fmt: skip

COUNTS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "Captioner": (lambda event_shape: captions.Captioner(
        SMALL, event_shape, channels=(2, 2), features=3, hidden=3, generator=seeded()), (1, 4, 8)),
    "Captioner, features": (lambda features: captions.Captioner(
        SMALL, (1, 4, 4), features=features, generator=seeded()), 3),
    "Captioner, hidden": (lambda hidden: captions.Captioner(
        SMALL, (1, 4, 4), hidden=hidden, generator=seeded()), 3),
    "CaptionUNet": (lambda event_shape: unet(event_shape=event_shape), (1, 2, 4)),
    "CaptionUNet, channels": (lambda channels: unet(channels=channels), (3, 2)),
    "ClassifyingDiscriminator": (lambda classes: judge(seeded(), classes), 3),
    "captioned_scenes": (lambda n: data.captioned_scenes(n, 8), 3),
    "captioned_scenes, size": (lambda size: data.captioned_scenes(2, size), 9),
    "captioned_glyphs": (lambda n: data.captioned_glyphs(n, 8), 3),
}  # fmt: skip

CHANCE: dict[str, Callable[..., Any]] = {
    "CaptionUNet": partial(captions.CaptionUNet, SMALL, (1, 4, 4), channels=(2, 3)),
    "Captioner": partial(captions.Captioner, SMALL, (1, 4, 4), features=3, hidden=3),
    "ClassifyingDiscriminator": judge,
}
