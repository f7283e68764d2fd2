r"""Autoencoders: a network that must say its input again after it has passed a narrow code.

.. math::

    z = e(x), \qquad \hat x = d(z), \qquad
    \mathcal{L} = \mathbb{E}\, \lVert x - d(e(x)) \rVert^2

A code that is as wide as the picture lets everything through, and the best network is the identity.
So something has to be in its way: few numbers in the code (Hinton and Salakhutdinov, 2006,
doi:10.1126/science.1127647), noise that has to be taken out again (Vincent et al., 2010, JMLR 11,
section 4), or a code most of whose numbers are 0 (Makhzani and Frey, 2013, arXiv:1312.5663).

Linear networks cannot do better than principal components, and all the best ones have their span
(Baldi and Hornik, 1989, doi:10.1016/0893-6080(89)90014-2). A denoiser learns the score: the best
one moves a noisy point by :math:`\sigma^2 \nabla \log p_\sigma` (Alain and Bengio, 2014, JMLR 15).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Generator, Tensor, nn

from gdmlib._checks import (
    check_count,
    check_event_shape,
    check_not_negative,
    check_sizes,
    check_tensor,
)
from gdmlib._random import standard_normal, widest
from gdmlib.densities.density import Model
from gdmlib.nn.dense import blank, silu_layers, start


class Autoencoder(Model):
    """An encoder and a decoder; a subclass gives both as ``encoder`` and ``decoder``.

    Args:
        event_shape: The shape of an event; a number d stands for (d,).
        latent: How many numbers a code has.
        noise: Standard deviation of what `loss` adds to its input; the clean one is the target.
        sparse: How many numbers of a code are kept, the largest; the others become 0.
        l1: What `loss` asks for each unit of the sum of a code's absolute values.

    Attributes:
        encoder: Network from events, (B, *event_shape), to codes, (B, latent).
        decoder: Network back, from codes to events.
    """

    encoder: nn.Module
    decoder: nn.Module

    def __init__(
        self,
        event_shape: int | Sequence[int],
        *,
        latent: int,
        noise: float = 0.0,
        sparse: int | None = None,
        l1: float = 0.0,
    ) -> None:
        super().__init__()
        self.event_shape = check_event_shape(event_shape)
        self.latent = check_count(latent, "latent")
        self.noise = check_not_negative(noise, "noise")
        self.l1 = check_not_negative(l1, "l1")
        self.sparse = None if sparse is None else check_count(sparse, "sparse")
        if self.sparse is not None and self.sparse > self.latent:
            raise ValueError(
                f"sparse: expected at most latent, {self.latent}, numbers to keep, got {sparse}"
            )

    def encode(self, x: Tensor) -> Tensor:
        """Return the code of each event, shape (B, *event_shape) -> (B, latent)."""
        return self._encode(self.check(x))

    def decode(self, z: Tensor) -> Tensor:
        """Return the event of each code, shape (B, latent) -> (B, *event_shape)."""
        z = check_tensor(z, "z", shape=("B", self.latent), floating=True, like=self._like())
        return self._decode(z)

    def forward(self, x: Tensor) -> Tensor:
        """Return the reconstruction of each event, in the shape of x."""
        return self._decode(self.encode(x))

    def score(self, x: Tensor) -> Tensor:
        """Return the squared error of each event, summed over it, (B, *event_shape) -> (B,)."""
        x = self.check(x)
        return _squared(self._decode(self._encode(x)) - x)

    def loss(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        """Return what a step descends on, (): the mean error behind noise, and the price of codes.

        Args:
            x: Clean events, shape (B, *event_shape).
            generator: Draws the noise.
        """
        x = self.check(x)
        seen = x + self.noise * standard_normal(x.shape, x, generator) if self.noise else x
        z = self._encode(seen)
        error = _squared(self._decode(z) - x).mean()
        return error + self.l1 * z.abs().sum(dim=1).mean() if self.l1 else error

    def _encode(self, x: Tensor) -> Tensor:
        z = self.encoder(x).to(x)
        if self.sparse is None:
            return z
        kept = z.topk(self.sparse, dim=1).indices
        return z * torch.zeros_like(z).scatter(1, kept, 1.0)

    def _decode(self, z: Tensor) -> Tensor:
        return self.decoder(z).to(z)  # mixed precision, too, returns the model's dtype


def _squared(difference: Tensor) -> Tensor:
    return difference.flatten(1).square().sum(dim=1)


class LinearAutoencoder(Autoencoder):
    """One layer without a gate on either side, with biases.

    Args:
        event_shape, latent, noise, sparse, l1: See `Autoencoder`; an event has d numbers in all.
        generator: Draws the weights to start from.
    """

    def __init__(
        self,
        event_shape: int | Sequence[int],
        *,
        latent: int,
        noise: float = 0.0,
        sparse: int | None = None,
        l1: float = 0.0,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(event_shape, latent=latent, noise=noise, sparse=sparse, l1=l1)
        d = math.prod(self.event_shape)
        self.encoder = nn.Sequential(nn.Flatten(), blank(nn.Linear, d, self.latent))
        self.decoder = nn.Sequential(
            blank(nn.Linear, self.latent, d), nn.Unflatten(1, tuple(self.event_shape))
        )
        start(self, generator)

    @classmethod
    def fit(cls, x: Tensor, *, latent: int) -> LinearAutoencoder:
        """Return the best one, in closed form: the mean and the first principal components.

        The error that remains is the sum of the other eigenvalues of the covariance.

        Args:
            x: Events, shape (N, *event_shape).
            latent: How many components to keep, at most the smaller of N and d.
        """
        x = check_tensor(x, "x", floating=True).detach()
        if x.ndim < 2:
            raise ValueError(f"x: expected events, shape (N, ...), got {tuple(x.shape)}")
        unused = Generator()  # what it draws is replaced
        model = cls(x.shape[1:], latent=latent, generator=unused).to(device=x.device, dtype=x.dtype)
        rows = x.flatten(1).to(widest(x.device))
        most = min(rows.shape)
        if model.latent > most:
            raise ValueError(
                f"latent: expected at most {most}, for {len(x)} events of {rows.shape[1]} numbers "
                f"have no more components, got {model.latent}"
            )
        mean = rows.mean(dim=0)
        components = torch.linalg.svd(rows - mean, full_matrices=False).Vh[: model.latent]
        # Its sign is free: the largest number of each component is positive.
        largest = components.gather(1, components.abs().argmax(dim=1, keepdim=True))
        components = components * largest.sign()
        numbers = (components, -components @ mean, components.T, mean)
        with torch.no_grad():
            for parameter, value in zip(model.parameters(), numbers, strict=True):
                parameter.copy_(value)
        return model.eval()

    def basis(self) -> Tensor:
        """Return orthonormal directions that span what the decoder can say, shape (d, latent)."""
        return torch.linalg.qr(self.decoder.get_parameter("0.weight")).Q


class DeepAutoencoder(Autoencoder):
    """Dense layers on both sides; the decoder has those of the encoder in reverse.

    Args:
        event_shape, latent, noise, sparse, l1: See `Autoencoder`.
        hidden: Sizes of the encoder's hidden layers; a number is that of the only one.
        generator: Draws the weights to start from.
    """

    def __init__(
        self,
        event_shape: int | Sequence[int],
        *,
        latent: int,
        hidden: int | Iterable[int] = (256, 64),
        noise: float = 0.0,
        sparse: int | None = None,
        l1: float = 0.0,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(event_shape, latent=latent, noise=noise, sparse=sparse, l1=l1)
        inner = check_sizes(hidden, "hidden")
        widths = [math.prod(self.event_shape), *inner, self.latent]
        self.encoder = nn.Sequential(nn.Flatten(), *silu_layers(widths))
        self.decoder = nn.Sequential(
            *silu_layers(widths[::-1]), nn.Unflatten(1, tuple(self.event_shape))
        )
        start(self, generator)
