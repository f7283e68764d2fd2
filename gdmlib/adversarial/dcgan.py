"""Convolutional players: a generator that doubles a picture, a discriminator that halves it.

Radford, Metz and Chintala 2016 (https://arxiv.org/abs/1511.06434), section 3: strides in place of
pooling, batch norm, rectifiers in the generator and leaky ones in the discriminator, no norm at the
pictures' ends. Kernels are 4 × 4 where the paper has 5 × 5: a size that the stride divides reaches
every pixel equally often and leaves no checkerboard (Odena, Dumoulin and Olah 2016,
doi:10.23915/distill.00003).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

import torch
from torch import Generator, Tensor, nn

from gdmlib._checks import (
    check_classes,
    check_count,
    check_event_shape,
    check_events,
    check_sizes,
    check_tensor,
)
from gdmlib._random import draw
from gdmlib.nn.dense import blank
from gdmlib.nn.norms import BatchNorm2d
from gdmlib.nn.spectral import spectral as normalised

NORMS = ("batch", "group", None)


class DCGenerator(nn.Module):
    """From latents to pictures in [-1, 1]: a dense layer, then each layer doubles both sides.

    Args:
        event_shape: (channels, height, width); sides that can be halved once a layer.
        latent: How many numbers a picture is made from.
        channels: Of the maps from the smallest on; each of them is doubled once.
        classes: How many classes there are; the label's embedding joins the latent.
        generator: Draws the weights to start from.
    """

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        latent: int,
        channels: int | Iterable[int] = (128, 64),
        classes: int | None = None,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        self.event_shape = check_event_shape(event_shape, image=True)
        self.latent = check_count(latent, "latent")
        self.classes = None if classes is None else check_count(classes, "classes", least=2)
        widths = check_sizes(channels, "channels", none=False)
        small = (widths[0], *_smallest(self.event_shape, len(widths)))
        inputs = self.latent
        if self.classes is not None:
            self.embedding = blank(nn.Embedding, self.classes, self.latent)
            inputs *= 2
        layers: list[nn.Module] = [
            blank(nn.Linear, inputs, math.prod(small), bias=False),
            nn.Unflatten(1, small),
        ]
        for before, after in pairwise([*widths, self.event_shape[0]]):
            layers += [BatchNorm2d(before), nn.ReLU(inplace=True)]
            layers += [_doubling(before, after, bias=False)]
        last = _doubling(widths[-1], self.event_shape[0], bias=True)
        self.body = nn.Sequential(*layers[:-1], last, nn.Tanh())
        _start(self, generator)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return the picture of each latent, shape (B, latent) -> (B, *event_shape)."""
        like = next(self.parameters())
        z = check_tensor(z, "z", shape=("B", self.latent), floating=True, like=like)
        if (labels is None) is not (self.classes is None):
            raise ValueError(
                "labels: this generator is without classes; build it with classes=..."
                if self.classes is None
                else f"labels: expected one of {self.classes} classes for each latent"
            )
        if labels is not None and self.classes is not None:
            labels = check_classes(labels, self.classes, len(z))
            z = torch.cat([z, self.embedding(labels)], dim=1)
        return self.body(z)


class DCDiscriminator(nn.Module):
    """From pictures to logits of "real": each layer halves both sides, then a dense one.

    Args:
        event_shape: (channels, height, width); sides that can be halved once a layer.
        channels: Behind each convolution.
        spectral: Whether every layer is divided by its largest singular value.
        norm: "batch", as in the paper; "group", which looks at one picture alone; or None.
        generator: Draws the weights to start from.

    Attributes:
        width: How many numbers `features` gives.
    """

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        channels: int | Iterable[int] = (64, 128),
        spectral: bool = False,
        norm: str | None = "batch",
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        if norm not in NORMS:
            wanted = ", ".join(map(repr, NORMS))
            raise ValueError(f"norm: expected one of {wanted}, got {norm!r}")
        self.event_shape = check_event_shape(event_shape, image=True)
        widths = check_sizes(channels, "channels", none=False)
        small = _smallest(self.event_shape, len(widths))
        layers: list[nn.Module] = []
        for before, after in pairwise([self.event_shape[0], *widths]):
            kind = norm if layers else None  # none at the picture
            halving = {"stride": 2, "padding": 1, "bias": kind is None}
            layers += [blank(nn.Conv2d, before, after, 4, **halving)]
            layers += [*_norm(kind, after), nn.LeakyReLU(0.2, inplace=True)]
        self.body = nn.Sequential(*layers, nn.Flatten())
        self.width = widths[-1] * math.prod(small)
        self.head = blank(nn.Linear, self.width, 1)
        _start(self, generator)
        if spectral:
            normalised(self, generator)

    def features(self, x: Tensor) -> Tensor:
        """Return the numbers that the logit is read off, shape (B, width)."""
        like, shape = next(self.parameters()), self.event_shape
        x = check_events(x, "x", shape, like, finite=False)  # `fit` says when that was
        return self.body(x)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logit of each picture, shape (B, *event_shape) -> (B,)."""
        return self.head(self.features(x))[:, 0]


def _doubling(before: int, after: int, bias: bool) -> nn.Module:
    return blank(nn.ConvTranspose2d, before, after, 4, stride=2, padding=1, bias=bias)


def _norm(kind: str | None, channels: int) -> list[nn.Module]:
    if kind is None:
        return []
    if kind == "batch":
        return [BatchNorm2d(channels)]
    return [nn.GroupNorm(math.gcd(8, channels), channels)]


def _smallest(event_shape: Sequence[int], layers: int) -> tuple[int, int]:
    """Return the sides that are left when each layer has halved them."""
    _, height, width = event_shape
    factor = 2**layers
    if height % factor or width % factor:
        raise ValueError(
            f"event_shape: expected a height and a width that are multiples of {factor}, for "
            f"{layers} layers halve them, got {tuple(event_shape)}; pad the pictures, or name "
            "fewer channels"
        )
    return height // factor, width // factor


@torch.no_grad()
def _start(network: nn.Module, generator: Generator | None) -> None:
    """Draw all weights from N(0, 0.02²), as the paper does; a norm starts as none, a bias at 0."""
    for layer in network.modules():
        if isinstance(layer, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d, nn.Embedding)):
            weight = layer.weight
            spread = 1.0 if isinstance(layer, nn.Embedding) else 0.02
            weight.copy_(spread * draw(torch.randn, *weight.shape, generator=generator))
            bias = getattr(layer, "bias", None)
            if bias is not None:
                bias.zero_()
