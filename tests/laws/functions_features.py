"""Public functions of deep features that take tensors, see ``functions.py``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from gdmlib import features
from gdmlib.nn.photo_features import PhotoFeatures

from .builders import normal, randomise, seeded, uniform
from .calls import Call, call

PICTURES, STYLE = uniform(2, 3, 8, 8), uniform(3, 8, 8, seed=1)
GREY, KINDS = uniform(4, 1, 8, 8), torch.tensor([0, 1, 1, 0])
POINTS = normal(12, 3)

eye = randomise(PhotoFeatures(((2,), (3,)), gate="elu", classes=2, generator=seeded()), 0)
space = randomise(features.Embedding(8, channels=(2,), features=3, generator=seeded()), 0)
style = features.StyleLoss(eye, STYLE, scales=1)
content = features.ContentLoss(eye, STYLE)


def embedding(**sizes: Any) -> features.Embedding:
    options = {"size": 8, "channels": (2,), "features": 3} | sizes
    return features.Embedding(**options, generator=seeded())


FUNCTIONS = [
    call("gram", features.gram, PICTURES, smooth=True),
    call("StyleLoss", lambda x: style(x), PICTURES[0], single=False),
    call("ContentLoss", lambda x: content(x), PICTURES[0], single=False),
    call("nearest", lambda queries: features.nearest(queries, k=3), POINTS, single=False),
    call(
        "nearest in a gallery",
        lambda queries, gallery: features.nearest(queries, gallery, k=3),
        POINTS[:4],
        POINTS,
        single=False,
    ),
    call("at_error", lambda x: features.at_error("blur", x, 1e-3), STYLE, single=False),
    call("Embedding", lambda x: space(x), GREY, model=space),
    call("Embedding.loss", space.loss, GREY, KINDS, model=space, single=False),
]
FITS: list[Call] = []
COUNTS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "nearest, k": (lambda k: features.nearest(POINTS, k=k), 2),
    "StyleLoss, scales": (lambda scales: features.StyleLoss(eye, STYLE, scales=scales), 1),
    "Embedding, size": (lambda size: embedding(size=size), 8),
    "Embedding, features": (lambda features: embedding(features=features), 2),
    "paint, steps": (lambda steps: features.paint(style, STYLE, steps=steps), 1),
}
CHANCE: dict[str, Callable[..., Any]] = {
    "Embedding": lambda generator: features.Embedding(8, channels=(2,), generator=generator),
    "warped": lambda generator: features.warped(GREY, generator=generator),
    "at_error, noise": lambda generator: features.at_error(
        "noise", STYLE, 1e-3, generator=generator
    ),
}
