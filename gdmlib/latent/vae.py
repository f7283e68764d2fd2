r"""The variational autoencoder: a density with a hidden cause, trained through a lower bound.

Kingma and Welling (2014, arXiv:1312.6114), equation 3. A picture is drawn in two steps, first a
code :math:`z` from a standard normal, then :math:`x` given :math:`z` by a decoder. Its probability
is an integral over all codes. An encoder :math:`q(z \mid x)` that proposes the codes which matter
bounds it from below (the ELBO, Jensen's inequality):

.. math::

    \log p(x) = \log \int p(x \mid z)\, p(z)\, dz \;\ge\;
    \mathbb{E}_{q(z \mid x)} \log p(x \mid z) - \mathrm{KL}\bigl(q(z \mid x) \,\|\, p(z)\bigr) .

With k proposals the bound is tighter (Burda, Grosse and Salakhutdinov, 2016, arXiv:1509.00519,
equation 8).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, softplus

from gdmlib._checks import (
    check_count,
    check_event_shape,
    check_not_negative,
    check_sizes,
    check_tensor,
)
from gdmlib._random import standard_normal, uniform
from gdmlib.densities.density import Binary, Support
from gdmlib.latent.latent_model import LatentModel, kl, kl_to_standard, normal_log_prob
from gdmlib.nn.dense import dense

__all__ = ["VAE", "LatentModel", "kl_to_standard"]

LIKELIHOODS = ("bernoulli", "gaussian")


class VAE(LatentModel):
    """Dense encoder and decoder; the decoder has the encoder's hidden layers in reverse.

    Args:
        event_shape: The shape of an event; a number d stands for (d,).
        latent: How many numbers a code has.
        hidden: Sizes of the encoder's hidden layers; a number is that of the only one.
        likelihood: ``"bernoulli"`` for zeros and ones, ``"gaussian"`` for real numbers.
        variance: Of the Gaussian decoder, one for all pixels; None learns it.
        beta: What `loss` asks for each nat of the divergence: 1 is the bound, more makes codes
            simpler (Higgins et al., 2017, beta-VAE, ICLR).
        free_bits: Nats of divergence of each number of the code, on average over a batch, for which
            `loss` asks nothing (Kingma et al., 2016, arXiv:1606.04934, appendix C.8).
        k: Codes of the bound on which `loss` descends; more than 1 is an importance-weighted
            autoencoder.
        generator: Draws the weights to start from.
    """

    log_variance: Tensor

    def __init__(
        self,
        event_shape: int | Sequence[int],
        *,
        latent: int,
        hidden: int | Iterable[int] = (400,),
        likelihood: str = "bernoulli",
        variance: float | None = None,
        beta: float = 1.0,
        free_bits: float = 0.0,
        k: int = 1,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        if likelihood not in LIKELIHOODS:
            raise ValueError(f"likelihood: expected one of {LIKELIHOODS}, got {likelihood!r}")
        if variance is not None and not (likelihood == "gaussian" and 0 < variance < math.inf):
            raise ValueError(
                "variance: expected a positive number for a Gaussian decoder, or None, got "
                f"{variance} for likelihood={likelihood!r}"
            )
        self.event_shape = check_event_shape(event_shape)
        self.latent, self.k = check_count(latent, "latent"), check_count(k, "k")
        self.likelihood = likelihood
        self.support = Binary() if likelihood == "bernoulli" else Support()
        self.beta = check_not_negative(beta, "beta")
        self.free_bits = check_not_negative(free_bits, "free_bits")
        if self.k > 1 and (self.beta != 1 or self.free_bits):
            raise ValueError(
                f"k: the bound with {k} codes has no divergence of its own that beta and free_bits "
                "could change; leave them at 1 and 0, or use k=1"
            )
        sizes, d = check_sizes(hidden, "hidden"), math.prod(self.event_shape)
        self.encoder = dense(d, sizes, 2 * self.latent, generator)
        self.decoder = dense(self.latent, sizes[::-1], d, generator)
        log_variance = torch.tensor(0.0 if variance is None else math.log(variance))
        if likelihood == "gaussian" and variance is None:
            self.log_variance = nn.Parameter(log_variance)
        else:
            self.register_buffer("log_variance", log_variance)

    def decode(self, z: Tensor) -> Tensor:
        """Return the mean of p(x | z), shape (B, latent) -> (B, *event_shape)."""
        y = self.decode_logits(z)
        return y.sigmoid() if self.likelihood == "bernoulli" else y

    def decode_logits(self, z: Tensor) -> Tensor:
        """Return what the decoder says, before a sigmoid, (B, latent) -> (B, *event_shape)."""
        z = check_tensor(z, "z", shape=("B", self.latent), floating=True, like=self._like())
        return self._decode(z).unflatten(1, tuple(self.event_shape))

    def score(self, x: Tensor) -> Tensor:
        """Return what each event costs, (B, *event_shape) -> (B,): minus the bound of k codes."""
        return super().score(x) if self.k == 1 else -self.importance_bound(x, self.k)

    def loss(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        """Return what a step descends on, (): minus the bound, with ``beta`` and ``free_bits``.

        Args:
            x: Events, shape (B, *event_shape).
            generator: Draws the codes.
        """
        if self.k > 1:
            return -self.importance_bound(x, self.k, generator).mean()
        x = self.check(x)
        mean, log_variance = self._encode(x)
        z = self._propose(mean, log_variance, 1, generator)
        divergence = kl(mean, log_variance).mean(dim=0)
        price = self.beta * divergence.clamp(min=self.free_bits).sum()
        return price - self._log_likelihood(x, z).mean()

    def _encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_variance = self.encoder(x.flatten(1)).to(x).chunk(2, dim=1)
        return mean, log_variance

    def _decode(self, z: Tensor) -> Tensor:
        return self.decoder(z).to(z)  # mixed precision, too, returns the model's dtype

    def _log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        y, x = self._decode(z), x.flatten(1)
        if self.likelihood == "gaussian":
            return normal_log_prob(x, y, self.log_variance)
        if y.shape[-2] == len(x):
            nats = binary_cross_entropy_with_logits(y, x.expand_as(y), reduction="none")
            return -nats.sum(dim=-1)
        # Codes that all events share: log p = x y - log(1 + exp(y)), in one product.
        return (y @ x.T).squeeze(-2) - softplus(y).sum(dim=-1)

    def _draw(self, z: Tensor, generator: Generator | None) -> Tensor:
        y = self.decode_logits(z)
        if self.likelihood == "bernoulli":
            return (uniform(y.shape, y, generator) < y.sigmoid()).to(y)
        return y + torch.exp(0.5 * self.log_variance) * standard_normal(y.shape, y, generator)
