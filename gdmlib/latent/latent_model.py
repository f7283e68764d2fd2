"""What models with a normal code have in common: their bounds, from one batch of codes."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Generator, Tensor

from gdmlib._checks import check_count, check_tensor, ordinary
from gdmlib._random import standard_normal
from gdmlib.densities.density import Model
from gdmlib.densities.gaussian import LOG_2PI, standard_log_prob


def kl_to_standard(mean: Tensor, log_variance: Tensor) -> Tensor:
    r"""Return the divergence of normals from the standard one, in nats, in the shape of ``mean``.

    :math:`\tfrac12 (\mu^2 + \sigma^2 - 1 - \log \sigma^2)`: Kingma and Welling (2014), appendix B.
    """
    check_tensor(mean, "mean", floating=True)
    check_tensor(log_variance, "log_variance", shape=tuple(mean.shape), like=mean)
    return kl(mean, log_variance)


def kl(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return what `kl_to_standard` does, of numbers that are known to be valid."""
    return 0.5 * (mean.square() + log_variance.expm1() - log_variance)  # expm1: never below 0


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
        check_tensor(z, "z", floating=True)
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
            return self._log_likelihood(x, z).mean(dim=0) - kl(mean, log_variance).sum(dim=1)
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
