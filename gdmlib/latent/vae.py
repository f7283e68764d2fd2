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
from abc import ABC, abstractmethod
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
    ordinary,
)
from gdmlib._random import standard_normal, uniform
from gdmlib.densities.density import Binary, Model, Support
from gdmlib.densities.gaussian import LOG_2PI, standard_log_prob
from gdmlib.nn.dense import dense

LIKELIHOODS = ("bernoulli", "gaussian")


def kl_to_standard(mean: Tensor, log_variance: Tensor) -> Tensor:
    r"""Return the divergence of normals from the standard one, in nats, in the shape of ``mean``.

    :math:`\tfrac12 (\mu^2 + \sigma^2 - 1 - \log \sigma^2)`: Kingma and Welling (2014), appendix B.
    """
    check_tensor(mean, "mean", floating=True)
    check_tensor(log_variance, "log_variance", shape=tuple(mean.shape), like=mean)
    return _kl(mean, log_variance)


def _kl(mean: Tensor, log_variance: Tensor) -> Tensor:
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance)


def normal_log_prob(x: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return the log-density of independent normals, summed over the last dimension."""
    squared = (x - mean).square() * torch.exp(-log_variance)
    return -0.5 * (squared + log_variance + LOG_2PI).sum(dim=-1)


class LatentModel(Model, ABC):
    """A joint density p(z) p(x | z) with a standard normal code, and a normal q(z | x).

    A subclass gives ``latent``, ``_encode``, ``_log_likelihood`` and ``_draw``.
    """

    latent: int

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log-variance of q(z | x), (B, *event_shape) -> (B, latent), twice."""
        return self._encode(self.check(x))

    def log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        """Return log p(x | z) in nats, (B, *event_shape) and (B, latent) -> (B,).

        Codes of shape (k, B, latent) give (k, B): the same events with k codes each.
        """
        x = self.check(x)
        leading = tuple(z.shape[:-2])
        check_tensor(z, "z", shape=(*leading, len(x), self.latent), like=self._like())
        return self._log_likelihood(x, ordinary(z))

    def elbo(
        self,
        x: Tensor,
        samples: int = 1,
        generator: Generator | None = None,
        closed_form: bool = True,
    ) -> Tensor:
        """Return the evidence lower bound of each event in nats, (B, *event_shape) -> (B,).

        Args:
            x: Events.
            samples: Codes to average over.
            generator: Draws the codes.
            closed_form: Whether the divergence is computed, or estimated from the same codes.
        """
        x, k = self.check(x), check_count(samples, "samples")
        mean, log_variance = self._encode(x)
        z = self._propose(mean, log_variance, k, generator)
        if closed_form:
            return self._log_likelihood(x, z).mean(dim=0) - _kl(mean, log_variance).sum(dim=1)
        return self._log_weights(x, z, mean, log_variance).mean(dim=0)

    def importance_bound(self, x: Tensor, k: int, generator: Generator | None = None) -> Tensor:
        """Return the importance-weighted bound with k codes for each event, in nats, (B,).

        In expectation it grows with k, up to log p(x); one code gives the ELBO. Burda et al.
        (2016), equation 8. All k codes are decoded in one pass.
        """
        x, k = self.check(x), check_count(k, "k")
        mean, log_variance = self._encode(x)
        z = self._propose(mean, log_variance, k, generator)
        return self._log_weights(x, z, mean, log_variance).logsumexp(dim=0) - math.log(k)

    @torch.no_grad()
    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        """Draw n events, shape (n, *event_shape)."""
        z = standard_normal((check_count(n), self.latent), self._like(), generator)
        return self._draw(z, generator)

    def score(self, x: Tensor) -> Tensor:
        """Return what each event costs, (B, *event_shape) -> (B,): minus the ELBO, in nats."""
        return -self.elbo(x)

    def _propose(
        self, mean: Tensor, log_variance: Tensor, k: int, generator: Generator | None
    ) -> Tensor:
        """Draw k codes for each event, (k, B, latent), as functions of the encoder's numbers."""
        noise = standard_normal((k, *mean.shape), mean, generator)
        return torch.addcmul(mean, noise, torch.exp(0.5 * log_variance))

    def _log_weights(self, x: Tensor, z: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
        """Return log p(x | z) + log p(z) - log q(z | x), (k, B)."""
        prior = standard_log_prob(z)
        return self._log_likelihood(x, z) + prior - normal_log_prob(z, mean, log_variance)

    @abstractmethod
    def _encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log-variance of the code of valid events."""

    @abstractmethod
    def _log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        """Return log p(x | z) of valid events, (B,), or (k, B) for k codes each."""

    @abstractmethod
    def _draw(self, z: Tensor, generator: Generator | None) -> Tensor:
        """Draw an event for each code."""


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
        return self.decoder(z).unflatten(1, tuple(self.event_shape))

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
        divergence = _kl(mean, log_variance).mean(dim=0)
        price = self.beta * divergence.clamp(min=self.free_bits).sum()
        return price - self._log_likelihood(x, z).mean()

    def _encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_variance = self.encoder(x.flatten(1)).chunk(2, dim=1)
        return mean, log_variance

    def _log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        y, x = self.decoder(z), x.flatten(1)
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
