"""What networks that are told a time, and perhaps a class, have in common; the one for vectors."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Protocol

import torch
from torch import Generator, Tensor, nn

from gdmlib._checks import (
    check_count,
    check_event_shape,
    check_events,
    check_labels,
    check_sizes,
    check_tensor,
    check_values,
)
from gdmlib._random import standard_normal
from gdmlib.nn.dense import blank, fresh


class Timed(Protocol):
    """A network of (x, time, labels): ``labels`` may be left out, and without classes must."""

    def __call__(self, x: Tensor, time: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return something in the shape of the events x, (B, *event_shape)."""


def time_features(time: Tensor, waves: int = 8) -> Tensor:
    """Return sines and cosines of times from 0 to 1, shape (B,) -> (B, 2 * waves).

    The first wave has a quarter of a period, and each has twice as many as the one before.
    """
    check_tensor(time, "time", ndim=1, floating=True)
    k = torch.arange(check_count(waves, "waves"), dtype=time.dtype, device=time.device)
    angle = (math.pi / 2) * time[:, None] * 2**k
    return torch.cat([angle.sin(), angle.cos()], dim=1)


class Embedding(nn.Module):
    """Time and class as one vector.

    Args:
        width: Its size.
        classes: How many classes there are; the label ``classes`` stands for none of them.
        generator: Draws the weights.
        waves: Of `time_features`.
    """

    def __init__(
        self, width: int, classes: int | None, generator: Generator | None, waves: int = 8
    ) -> None:
        super().__init__()
        self.waves = waves
        self.classes = None if classes is None else check_count(classes, "classes")
        self.of_time = nn.Sequential(
            fresh(blank(nn.Linear, 2 * waves, width), generator),
            nn.SiLU(),
            fresh(blank(nn.Linear, width, width), generator),
        )
        self.of_class: nn.Parameter | None = None
        if self.classes is not None:
            start = standard_normal((self.classes + 1, width), torch.empty(0), generator)
            self.of_class = nn.Parameter(0.5 * start)

    def forward(self, time: Tensor, labels: Tensor | None, like: Tensor) -> Tensor:
        """Return vectors, (B, width); no labels mean no class for all."""
        found = self.of_time(time_features(check_time(time, like), self.waves))
        labels = self.check(labels, len(like))
        return found if labels is None else found + self._told(labels)

    def _told(self, labels: Tensor) -> Tensor:
        """Return the vectors of labels, (B, width)."""
        assert self.of_class is not None
        return self.of_class[labels]

    def check(self, labels: Tensor | None, length: int) -> Tensor | None:
        """Return labels, (B,), ``classes`` for none; None where there are no classes."""
        if self.classes is None:
            if labels is not None:
                raise ValueError("labels: this network was built without classes; leave them out")
            return None
        if labels is None:
            return torch.full((length,), self.classes, device=next(self.parameters()).device)
        return check_labels(labels, "labels", num_classes=self.classes + 1, length=length)


def check_time(time: Tensor, like: Tensor) -> Tensor:
    """Return times from 0 to 1, one an event of ``like``, in its dtype."""
    time = check_tensor(time, "time", shape=(len(like),), floating=True, like=like)
    return check_values(time, "time", (time >= 0) & (time <= 1), "times from 0 to 1")


class TimedMLP(nn.Module):
    """Dense layers for vectors or small events, told the time, and the class if there are any.

    Args:
        event_shape: The shape of an event; a number d stands for (d,).
        hidden: Sizes of the inner layers.
        classes: How many classes there are; None for a network that knows of none.
        generator: Draws the weights; the last layer starts at 0.
    """

    def __init__(
        self,
        event_shape: int | Sequence[int],
        *,
        hidden: int | Iterable[int] = (128, 128, 128),
        classes: int | None = None,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        self.event_shape = check_event_shape(event_shape)
        sizes, d = check_sizes(hidden, "hidden"), math.prod(self.event_shape)
        if not sizes:
            raise ValueError("hidden: expected at least one size, got none")
        self.embedding = Embedding(sizes[0], classes, generator, waves=3)
        self.classes = self.embedding.classes
        # With this gain numbers keep their size from layer to layer.
        layers = [
            fresh(blank(nn.Linear, a, b), generator, gain=6**0.5)
            for a, b in pairwise([d + sizes[0], *sizes])
        ]
        last = fresh(blank(nn.Linear, sizes[-1], d), generator, zero=True)
        self.body = nn.Sequential(*[part for layer in layers for part in (layer, nn.SiLU())], last)

    def forward(self, x: Tensor, time: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return something in the shape of x.

        Args:
            x: Events, shape (B, *event_shape).
            time: From 0 to 1, shape (B,).
            labels: Classes, ``classes`` for none, shape (B,); None for none at all.
        """
        x = check_events(x, "x", self.event_shape, like=next(self.parameters()))
        told = self.embedding(time, labels, x)
        return self.body(torch.cat([x.flatten(1), told], dim=1)).reshape(x.shape)
