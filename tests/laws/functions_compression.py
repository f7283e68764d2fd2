"""Coders: their lines of ``functions.py``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch

from gdmlib import compression as coding
from gdmlib.latent import VAE
from gdmlib.nn.photo_features import PhotoFeatures

from .builders import randomise, seeded, uniform
from .calls import call, whole
from .registry import BY_NAME
from .registry_images import cells, mcgsm_image

PICTURES = uniform(3, 1, 17, 9)
LEVELS = (255 * uniform(9, 12)).round()
BITS = (uniform(4, 1, 2, 2) < 0.5).double()
THREE = (2 * uniform(3, 1, 1, 3)).round() / 2
lossy = randomise(coding.LossyAutoencoder(hidden=3, generator=seeded()), 0, size=0.01)
CODE = lossy.encode(PICTURES, 1).detach().round()
image, bits = cells(mcgsm_image), BY_NAME["MADE"].model
back = coding.BitsBack(VAE((1, 2, 2), latent=2, hidden=(3,), generator=seeded()).double())


def _photograph_model() -> coding.IntegerMCGSM:
    options = {"components": 2, "scales": 2, "epochs": 1, "batch_size": 100}
    return coding.fit_photograph_model([LEVELS], generator=seeded(), **options)


grey = _photograph_model()
OTHERS = uniform(3, 1, 17, 9, seed=1)


def texture(**sizes: Any) -> coding.TextureDecoder:
    sizes = {"features": 3, "blocks": 1, "noise": 2} | sizes
    return coding.TextureDecoder(**sizes, generator=seeded())


second = randomise(texture(), 0)
judge = randomise(coding.TextureJudge(channels=2, layers=1, plain=1, norm="none"), 1)
seen = PhotoFeatures(((2,), (2,)), gate="elu", generator=seeded())
game = randomise(coding.HiFiC(texture(), judge, seen), 0).eval()


def numbers(data: bytes) -> np.ndarray:
    """Return a stream as numbers, which laws compare."""
    return np.frombuffer(data, dtype=np.uint8).copy()


# A stream has no dtype: no model is named, for a narrower one writes other files.
FUNCTIONS = [
    call("LossyAutoencoder.encode", lambda x: lossy.encode(x, 1), PICTURES, model=lossy,
         smooth=True),
    call("LossyAutoencoder.decode", lambda y: lossy.decode(y, 1), CODE, model=lossy, smooth=True),
    call("LossyAutoencoder.code_log_prob", lambda y: lossy.code_log_prob(y, 1), CODE, model=lossy),
    whole("LossyAutoencoder.loss", lambda x: lossy.loss(x, seeded()), PICTURES, model=lossy),
    call("TextureDecoder", lambda decoded: second(decoded, seeded()), PICTURES, model=second,
         single=False),
    call("TextureJudge", lambda x: judge(x), torch.cat([PICTURES, OTHERS], dim=1), model=judge),
    call("HiFiC.error", game.error, PICTURES, OTHERS, model=game),
    whole("compress", lambda images: numbers(coding.compress(image, images)), THREE),
    whole("compress bits", lambda x: numbers(coding.compress(bits, x)), BITS.flatten(1)),
    whole("BitsBack.compress", lambda x: numbers(back.compress(x)), BITS),
    whole("compress_lossy", lambda x: numbers(coding.compress_lossy(lossy, x, 1)), PICTURES[0, 0]),
    whole("compress_photograph", lambda levels: numbers(coding.compress_photograph(grey, levels)),
          LEVELS),
    whole("photograph_bits", lambda levels: coding.photograph_bits(grey, levels), LEVELS),
    whole("contexts_of", coding.contexts_of, LEVELS),
    whole("lossless_bytes", lambda levels: coding.lossless_bytes(levels, "PNG"), LEVELS),
    whole("lossy_file", lambda x: coding.lossy_file(x, "JPEG", 50), PICTURES[0, 0]),
]  # fmt: skip

FITS = [whole("LossyAutoencoder.initialise", lambda x: coding.LossyAutoencoder(
    hidden=2, generator=seeded()).double().initialise(x), PICTURES)]  # fmt: skip

COUNTS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "LossyAutoencoder, hidden": (lambda hidden: coding.LossyAutoencoder(
        hidden=hidden, generator=seeded()), 2),
    "TextureDecoder, features": (lambda features: texture(features=features), 2),
    "TextureDecoder, blocks": (lambda blocks: texture(blocks=blocks), 2),
    "TextureDecoder, noise": (lambda noise: texture(noise=noise), 2),
    "BitsBack, cells": (lambda cells: coding.BitsBack(back.model, cells=cells).start_bits, 8),
    "BitsBack, start": (lambda start: coding.BitsBack(back.model, start=start).start_bits, 8),
    "compress, bits": (lambda bits: numbers(coding.compress(image, THREE, bits)), 16),
}  # fmt: skip

CHANCE: dict[str, Callable[..., Any]] = {
    "LossyAutoencoder": partial(coding.LossyAutoencoder, hidden=2),
    "LossyAutoencoder.loss": partial(lossy.loss, PICTURES),
    "TextureDecoder": partial(coding.TextureDecoder, features=2, blocks=1),
    "TextureDecoder, noise": partial(second, PICTURES),
}
