"""Comparisons of two sets of samples, and the judge of pictures: their lines of `functions.py`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from gdmlib import metrics
from gdmlib.metrics.judge_training import disturb, mix

from .builders import normal, seeded
from .calls import Call, call


def judge(**sizes: Any) -> metrics.Judge:
    options = {"event_shape": (1, 4, 4), "features": 3, "classes": 3, "channels": (2, 2)} | sizes
    return metrics.Judge(**options, generator=seeded()).double().eval()


A, B, C = normal(30, 3), normal(20, 3, seed=1), normal(25, 3, seed=2)
PICTURES, CLASSES = normal(4, 1, 4, 4).sigmoid(), torch.tensor([0, 1, 1, 0])
trained = judge()
trained.accuracy = 0.5  # NaN is not even equal to itself


def compared(fake: Tensor, real: Tensor, repeats: int = 2) -> metrics.Floored:
    return metrics.with_floor(
        metrics.frechet_distance, fake, real, repeats=repeats, generator=seeded()
    )


def remembered(
    samples: Tensor, train: Tensor, heldout: Tensor, permutations: int = 20
) -> metrics.Memorisation:
    return metrics.memorisation(
        samples, train, heldout, permutations=permutations, generator=seeded()
    )


def followed(a: Tensor, b: Tensor, halvings: int = 2) -> metrics.Extrapolated:
    return metrics.extrapolated(
        metrics.frechet_distance, a, b, halvings=halvings, generator=seeded()
    )


def usual(log_prob: Tensor, heldout: Tensor, draws: int = 20) -> metrics.Typicality:
    return metrics.typicality(log_prob, heldout, draws=draws, generator=seeded())


FUNCTIONS = [
    call("frechet_distance", metrics.frechet_distance, A, B, single=False),
    call("kernel_distance", metrics.kernel_distance, A, B, single=False),
    call("with_floor", compared, B, A, single=False),
    call("extrapolated", followed, A, B, single=False),
    call("typicality", usual, A[:, 0], B[:, 0], single=False),
    call("coverage", lambda real, fake: metrics.coverage(real=real, fake=fake), A, B, single=False),
    call("memorisation", remembered, C, A, B, single=False),
    call("Judge.features", trained.features, PICTURES, model=trained, smooth=True),
    call("Judge.logits", trained.logits, PICTURES, model=trained, smooth=True),
    call("Judge.probs", trained.probs, PICTURES, model=trained, smooth=True),
    call("Judge.predict", trained.predict, PICTURES, model=trained),
    call("Judge.score", trained.score, PICTURES, CLASSES, model=trained),
    call("disturb", lambda x: disturb(x, seeded()), PICTURES),
    call("mix", lambda x, y: mix(x, y, 3, seeded()), PICTURES, CLASSES, single=False),
]

FITS: list[Call] = []

COUNTS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "kernel_distance": (lambda degree: metrics.kernel_distance(A, B, degree), 2),
    "with_floor": (lambda repeats: compared(B, A, repeats), 3),
    "extrapolated": (lambda halvings: followed(A, B, halvings), 2),
    "typicality": (lambda draws: usual(A[:, 0], B[:, 0], draws), 9),
    "coverage": (lambda k: metrics.coverage(real=A, fake=B, k=k), 3),
    "memorisation": (lambda permutations: remembered(C, A, B, permutations), 9),
    "Judge": (lambda event_shape: judge(event_shape=event_shape), (1, 8, 4)),
    "Judge, classes": (lambda classes: judge(classes=classes), 2),
    "Judge, features": (lambda features: judge(features=features), 2),
    "Judge, channels": (lambda channels: judge(channels=channels), (2, 3)),
    "mix": (lambda classes: mix(PICTURES, CLASSES, classes, seeded()), 4),
}

CHANCE: dict[str, Callable[..., Any]] = {
    "Judge": partial(metrics.Judge, (1, 4, 4), features=2, channels=(2, 2)),
    "with_floor": partial(metrics.with_floor, metrics.frechet_distance, B, A),
    "extrapolated": partial(metrics.extrapolated, metrics.frechet_distance, A, B),
    "typicality": partial(metrics.typicality, A[:5, 0], B[:, 0], draws=999),
    "memorisation": partial(metrics.memorisation, C, A, B, permutations=20),
    "disturb": partial(disturb, PICTURES),
    "mix": partial(mix, PICTURES, CLASSES, 3),
}
"""What draws by a generator."""
