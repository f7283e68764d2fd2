"""A mixture of an image density with itself on flipped images."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from gdmlib._random import uniform
from gdmlib.densities.density import Density


class FlipEnsemble(Density):
    r"""The mixture of an image density with itself on flipped images: EoRIDE.

    .. math:: p(x) = \frac1K \sum_k q(\text{flip}_k(x))

    A flip moves pixels about, so that its Jacobian is 1 and the mixture is a density. It suits
    images whose statistics do not know left from right or, less so, up from down.

    There is no ``complete``: the flips visit the pixels in different orders, so that a pixel which
    is known before the others in one is known after them in another.

    Args:
        model: The density q of images, (..., H, W).
        vertical: Flip up and down as well: K is 4, otherwise 2.
        transpose: Swap rows and columns as well, which doubles K; for square images.
    """

    def __init__(self, model: Density, *, vertical: bool = True, transpose: bool = False) -> None:
        super().__init__()
        if len(model.event_shape) < 2:
            raise ValueError(
                f"model: expected a density of images, got events of {tuple(model.event_shape)}"
            )
        self.event_shape = model.event_shape
        if transpose and self.event_shape[-1] != self.event_shape[-2]:
            raise ValueError(
                f"transpose: expected square images, the model's are {tuple(self.event_shape)}"
            )
        self.model = model
        flips: list[tuple[int, ...]] = [(), (-1,)]
        if vertical:
            flips += [(-2,), (-2, -1)]
        self.flips = [(dims, swap) for swap in (False, True)[: 1 + transpose] for dims in flips]

    def check(self, x: Tensor, name: str = "images") -> Tensor:
        """Return images if they are valid events of the model."""
        return self.model.check(x, name)

    def _log_prob(self, x: Tensor) -> Tensor:
        each = [self.model.log_prob((x.mT if swap else x).flip(dims)) for dims, swap in self.flips]
        return torch.logsumexp(torch.stack(each), dim=0) - math.log(len(each))

    def _sample(self, n: int, generator: Generator | None) -> Tensor:
        images = self.model.sample(n, generator)
        chosen = (uniform((n,), images, generator) * len(self.flips)).long()
        for k, (dims, swap) in enumerate(self.flips):
            back = images[chosen == k].flip(dims)
            images[chosen == k] = back.mT if swap else back
        return images
