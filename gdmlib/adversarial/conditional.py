r"""Adversaries that are told a class: three ways to tell it.

*Concatenation*: the class, as zeros and a one, is written beside what a network sees anyway, the
latent of a generator, the picture of a discriminator (Mirza and Osindero 2014,
https://arxiv.org/abs/1411.1784). *Class-conditional batch norm*: the generator's features are
normalised over the batch, all classes together, then scaled and shifted by numbers γ and β that
each class has for itself (Dumoulin, Shlens and Kudlur 2017, https://arxiv.org/abs/1610.07629;
Brock, Donahue and Simonyan 2019, https://arxiv.org/abs/1809.11096, BigGAN). *Projection*: from the
features φ(x) of a discriminator, the logit of "real, and of class c" is

    ψ · φ(x) + v_c · φ(x),

what it says of the picture plus how well its features agree with those of the class (Miyato and
Koyama 2018, https://arxiv.org/abs/1802.05637, equation (4)).

All take part in a `gdmlib.adversarial.GAN` with ``classes=...``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import interpolate, one_hot

from gdmlib._checks import (
    check_classes,
    check_count,
    check_event_shape,
    check_events,
    check_sizes,
    check_tensor,
)
from gdmlib._random import standard_normal
from gdmlib.adversarial.dcgan import DCDiscriminator
from gdmlib.adversarial.patches import convolution
from gdmlib.nn.dense import blank, fresh
from gdmlib.nn.norms import BatchNorm2d
from gdmlib.nn.residual import check_features

WAYS = ("norm", "concatenation")
"""How a `ConditionalGenerator` can be told the class."""


def count_classes(labels: Tensor, classes: int) -> Tensor:
    """Return how many examples each class has, int64 (classes,); one without any is an error.

    A generator that is asked for a class that nobody showed it draws whatever it started with.
    """
    classes = check_count(classes, "classes", least=2)
    counts = check_classes(labels, classes).bincount(minlength=classes)
    empty = (counts == 0).nonzero().flatten().tolist()
    if empty:
        raise ValueError(
            f"labels: no example of class {', '.join(map(str, empty))} of {classes}; add some, or "
            "number the classes that there are from 0 on"
        )
    return counts


class ConditionalBatchNorm2d(nn.Module):
    """Batch norm whose scale and shift belong to a class: (B, features, height, width) -> same.

    Args:
        features: Channels of the input.
        classes: How many classes there are.

    Attributes:
        scale, shift: γ and β of each class, (classes, features); they start at 1 and 0.
    """

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.features = check_count(features, "features")
        self.classes = check_count(classes, "classes", least=2)
        self.norm = BatchNorm2d(self.features, affine=False)
        self.scale = nn.Parameter(torch.ones(self.classes, self.features))
        self.shift = nn.Parameter(torch.zeros(self.classes, self.features))

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        """Return normalised features, scaled and shifted as their class has it.

        Args:
            x: Features, shape (B, features, height, width).
            labels: Classes, shape (B,).
        """
        shape = ("B", self.features, "height", "width")
        x = check_features(x, shape, self.scale)
        labels = check_classes(labels, self.classes, len(x))
        return (
            self.norm(x) * self.scale[labels][..., None, None]
            + (self.shift[labels][..., None, None])
        )


class ConditionalGenerator(nn.Module):
    """From latents and classes to pictures in [-1, 1]; each step doubles pixels and smooths.

    Args:
        event_shape: (channels, height, width); sides that can be halved once a number of channels.
        latent: How many numbers a picture is made from.
        channels: Features from the smallest size on.
        classes: How many classes there are.
        way: ``"norm"``, by class-conditional batch norm, or ``"concatenation"``, beside the latent.
        generator: Draws the weights.
    """

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        latent: int,
        channels: int | Iterable[int] = (64, 32),
        classes: int,
        way: str = "norm",
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        if way not in WAYS:
            raise ValueError(f"way: expected one of {', '.join(WAYS)}, got {way!r}")
        self.event_shape = check_event_shape(event_shape, image=True)
        self.latent, self.way = check_count(latent, "latent"), way
        self.classes = check_count(classes, "classes", least=2)
        widths = check_sizes(channels, "channels", none=False)
        depth, height, width = self.event_shape
        unit = 2 ** len(widths)
        if height % unit or width % unit:
            raise ValueError(
                f"event_shape: expected a height and a width that are multiples of {unit}, for "
                f"they are halved {len(widths)} times, got {height} × {width}; pad the pictures, "
                "or give fewer channels"
            )
        self.small = (widths[0], height // unit, width // unit)
        told = 0 if way == "norm" else self.classes
        dense = blank(nn.Linear, self.latent + told, math.prod(self.small))
        self.first = fresh(dense, generator, gain=1.7)
        self.steps = nn.ModuleList(
            convolution(a, b, generator, size=3) for a, b in pairwise([*widths, widths[-1]])
        )
        self.norms = nn.ModuleList(
            ConditionalBatchNorm2d(a, self.classes) if way == "norm" else BatchNorm2d(a)
            for a in [*widths, widths[-1]]
        )
        self.last = convolution(widths[-1], depth, generator, size=3, gain=1.0)

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        """Return a picture of each class, (B, *event_shape).

        Args:
            z: Latents, shape (B, latent).
            labels: Classes, shape (B,).
        """
        like = self.last.weight
        z = check_tensor(z, "z", shape=("B", self.latent), floating=True, like=like)
        labels = check_classes(labels, self.classes, len(z))
        if self.way == "concatenation":
            z = torch.cat([z, one_hot(labels, self.classes).to(z)], dim=1)
        h = self.first(z).unflatten(1, self.small)
        for norm, step in zip(self.norms, [*self.steps, None], strict=True):
            h = norm(h, labels) if self.way == "norm" else norm(h)
            h = h.relu()
            if step is not None:
                h = step(interpolate(h, scale_factor=2.0))
        return self.last(h).tanh()


class ConcatenatedDiscriminator(nn.Module):
    """A discriminator that sees the class as further channels, all 0 but that of the class.

    Args:
        body: From (B, channels + classes, height, width) to logits.
        classes: How many classes there are.
    """

    def __init__(self, body: nn.Module, *, classes: int) -> None:
        super().__init__()
        self.body, self.classes = body, check_count(classes, "classes", least=2)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        """Return logits of "real, and of this class".

        Args:
            x: Pictures, shape (B, channels, height, width).
            labels: Classes, shape (B,).
        """
        x = check_tensor(x, "x", ndim=4, floating=True, finite=False)
        labels = check_classes(labels, self.classes, len(x))
        planes = one_hot(labels, self.classes).to(x)[..., None, None].expand(-1, -1, *x.shape[2:])
        return self.body(torch.cat([x, planes], dim=1))


class ProjectionDiscriminator(nn.Module):
    """A discriminator whose features are compared with a vector of the class.

    Args:
        body: Has ``features(x) -> (B, width)`` and the head that reads a logit off them.
        classes: How many classes there are.
        generator: Draws the vectors of the classes.
    """

    def __init__(
        self, body: DCDiscriminator, *, classes: int, generator: Generator | None = None
    ) -> None:
        super().__init__()
        self.body, self.classes = body, check_count(classes, "classes", least=2)
        start = standard_normal((self.classes, body.width), torch.empty(0), generator)
        self.vectors = nn.Parameter(start / body.width**0.5)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        """Return logits of "real, and of this class", (B,).

        Args:
            x: Pictures, shape (B, *event_shape).
            labels: Classes, shape (B,).
        """
        x = check_events(x, "x", self.body.event_shape, self.vectors, finite=False)
        labels = check_classes(labels, self.classes, len(x))
        features = self.body.features(x)
        return self.body.head(features)[:, 0] + (features * self.vectors[labels]).sum(dim=1)
