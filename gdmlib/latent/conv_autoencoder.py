"""The autoencoder of pictures: convolutions that halve them, and back."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

from torch import Generator, nn

from gdmlib._checks import check_event_shape, check_sizes
from gdmlib.latent.autoencoder import Autoencoder
from gdmlib.nn.dense import blank, start


class ConvAutoencoder(Autoencoder):
    """Convolutions that halve the picture, a dense layer to the code, and all of it back.

    Args:
        event_shape: (channels, height, width); sides that can be halved once a layer.
        latent, noise, sparse, l1: See `Autoencoder`.
        channels: Channels behind each convolution of the encoder; each halves both sides.
        generator: Draws the weights to start from.
    """

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        latent: int,
        channels: int | Iterable[int] = (16, 32),
        noise: float = 0.0,
        sparse: int | None = None,
        l1: float = 0.0,
        generator: Generator | None = None,
    ) -> None:
        depth, height, width = shape = check_event_shape(event_shape, image=True)
        super().__init__(shape, latent=latent, noise=noise, sparse=sparse, l1=l1)
        widths = [depth, *check_sizes(channels, "channels")]
        factor = 2 ** (len(widths) - 1)
        if height % factor or width % factor:
            raise ValueError(
                f"event_shape: expected a height and a width that are multiples of {factor}, for "
                f"{len(widths) - 1} layers halve them, got {tuple(shape)}; pad the pictures"
            )
        small = (widths[-1], height // factor, width // factor)
        down: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            down += [blank(nn.Conv2d, inputs, outputs, 4, stride=2, padding=1), nn.SiLU()]
        up: list[nn.Module] = []
        for inputs, outputs in pairwise(widths[::-1]):
            up += [nn.SiLU(), blank(nn.ConvTranspose2d, inputs, outputs, 4, stride=2, padding=1)]
        size = math.prod(small)
        self.encoder = nn.Sequential(*down, nn.Flatten(), blank(nn.Linear, size, self.latent))
        self.decoder = nn.Sequential(
            blank(nn.Linear, self.latent, size), nn.Unflatten(1, small), *up
        )
        start(self, generator)
