"""Public functions of the autoencoders that take tensors, see ``functions.py``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import Tensor, nn

from gdmlib import latent

from .builders import normal, randomise, seeded, uniform
from .calls import Call, call, whole

PICTURES = uniform(3, 1, 4, 4)
CODES = normal(3, 2)


def deep(event_shape: Any = (1, 4, 4), **options: Any) -> latent.DeepAutoencoder:
    sizes = {"latent": 2, "hidden": (5,)} | options
    return latent.DeepAutoencoder(event_shape, **sizes, generator=seeded())


def conv(event_shape: Any = (1, 4, 4), **options: Any) -> latent.ConvAutoencoder:
    sizes = {"latent": 2, "channels": (2, 3)} | options
    return latent.ConvAutoencoder(event_shape, **sizes, generator=seeded())


def linear(event_shape: Any = (1, 4, 4), latents: Any = 2) -> latent.LinearAutoencoder:
    return latent.LinearAutoencoder(event_shape, latent=latents, generator=seeded())


MODELS = {
    "LinearAutoencoder": randomise(linear(), 0),
    "DeepAutoencoder": randomise(deep(), 0),
    "DeepAutoencoder, sparse": randomise(deep(latent=4, sparse=2, l1=0.1), 0),
    "ConvAutoencoder": randomise(conv(), 0),
}


def of(name: str, model: Any) -> list[Call]:
    codes = normal(3, model.latent)
    return [
        call(f"{name}.encode", model.encode, PICTURES, model=model, smooth=True),
        call(f"{name}.decode", model.decode, codes, model=model, smooth=True),
        call(f"{name}.forward", lambda x: model(x), PICTURES, model=model, smooth=True),
        call(f"{name}.score", model.score, PICTURES, model=model, smooth=True),
        whole(f"{name}.loss", model.loss, PICTURES, model=model, smooth=True),
    ]


FUNCTIONS = [entry for name, model in MODELS.items() for entry in of(name, model)]
FITS = [whole("LinearAutoencoder.fit", lambda x: latent.LinearAutoencoder.fit(x, latent=2), CODES)]
COUNTS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "LinearAutoencoder": (lambda event_shape: linear(event_shape), (1, 2, 3)),
    "LinearAutoencoder, latent": (lambda latent: linear(latents=latent), 3),
    "LinearAutoencoder.fit, latent": (lambda latent: _fit(latent), 2),
    "DeepAutoencoder": (lambda event_shape: deep(event_shape), 5),
    "DeepAutoencoder, hidden": (lambda hidden: deep(hidden=hidden), (3, 2)),
    "DeepAutoencoder, sparse": (lambda sparse: deep(sparse=sparse), 1),
    "ConvAutoencoder": (lambda event_shape: conv(event_shape), (1, 8, 4)),
    "ConvAutoencoder, channels": (lambda channels: conv(channels=channels), (2,)),
}


def _fit(size: Any) -> latent.LinearAutoencoder:
    return latent.LinearAutoencoder.fit(PICTURES, latent=size)


CHANCE: dict[str, Callable[..., nn.Module | Tensor | tuple[Tensor, ...]]] = {
    "LinearAutoencoder": partial(latent.LinearAutoencoder, 5, latent=2),
    "DeepAutoencoder": partial(latent.DeepAutoencoder, 5, latent=2, hidden=3),
    "ConvAutoencoder": partial(latent.ConvAutoencoder, (1, 4, 4), latent=2, channels=2),
    "DeepAutoencoder.loss": partial(randomise(deep(noise=0.5), 0).loss, PICTURES),
}
"""What draws by a generator."""
