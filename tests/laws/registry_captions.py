"""Captions and pictures so small that all captions are listed, and all pictures integrated over."""

from __future__ import annotations

from functools import partial

import torch

from gdmlib.captions import Captioner, CaptionGaussians
from gdmlib.data import Grammar, Slot

from .builders import normal, randomise, seeded, tensor, uniform
from .domains import box, finite
from .laws import Case

SMALL = Grammar("a", Slot("size", ("", "small")), Slot("shape", ("dot", "line", "ring")))
"""Six captions of two places."""

PICTURES = uniform(3, 1, 4, 4)


def captioner(seed: int = 0, told: bool = True) -> Captioner:
    sizes = {"channels": (2, 3), "features": 4, "hidden": 5}
    model = Captioner(SMALL, (1, 4, 4), **sizes, told=told, generator=seeded(seed))
    return randomise(model, seed, 0.5)


def gaussians(seed: int = 0, kind: type[CaptionGaussians] = CaptionGaussians) -> CaptionGaussians:
    words = SMALL.everything()
    columns = [torch.nn.functional.one_hot(column).double() for column in words.T]
    return kind(
        torch.cat(columns, dim=1),
        normal(5, 2, seed=seed),
        tensor([0.8, 0.3], [0.3, 0.6]),
        normal(6, seed=seed + 1),
    )


CASES = [
    Case("Captioner", captioner, partial(captioner, 1), finite(torch.arange(6)), PICTURES),
    Case(
        "Captioner, by place",
        partial(captioner, told=False),
        partial(captioner, 1, False),
        finite(torch.arange(6)),
        PICTURES,
    ),
    Case("CaptionGaussians", gaussians, partial(gaussians, 1), box([-9, -9], [9, 9], cells=40)),
]
CAUSAL: list[object] = []
