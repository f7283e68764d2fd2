r"""The linear variational autoencoder, whose bound is tight: probabilistic PCA.

Tipping and Bishop (1999, doi:10.1111/1467-9868.00196). The decoder is linear and its noise has one
variance, :math:`x \mid z \sim \mathcal{N}(W z + \mu, \sigma^2 I)`, so that

.. math::

    p(x) = \mathcal{N}(x;\, \mu,\; W W^\top + \sigma^2 I), \qquad
    p(z \mid x) = \mathcal{N}\bigl(z;\; M^{-1} W^\top (x - \mu),\; \sigma^2 M^{-1}\bigr), \quad
    M = W^\top W + \sigma^2 I .

At the maximum of the likelihood the columns of W are orthogonal, so the exact posterior has
independent numbers, which is what an encoder can say: ELBO and log-likelihood agree (Lucas, Tucker,
Grosse and Norouzi, 2019, arXiv:1911.02469).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Generator, Tensor, nn

from gdmlib._checks import check_count, check_digits, check_event_shape, check_tensor
from gdmlib._random import standard_normal, widest
from gdmlib.densities.cholesky import solve_lower
from gdmlib.densities.gaussian import LOG_2PI
from gdmlib.latent.latent_model import LatentModel, normal_log_prob
from gdmlib.nn.precision import full_precision


class LinearVAE(LatentModel):
    """A linear encoder and a linear decoder with one variance, and the exact density.

    Args:
        event_shape: The shape of an event of d numbers in all; a number d stands for (d,).
        latent: How many numbers a code has.
        generator: Draws the weights to start from.

    Attributes:
        weight, mean, log_variance: Parameters of the decoder: W (d, latent), μ (d,), log σ² ().
        encoder: Layer from x - μ to the means of the code.
        code_log_variance: Parameter (latent,): log-variances of the code, the same for every x.
    """

    def __init__(
        self, event_shape: int | Sequence[int], *, latent: int, generator: Generator | None = None
    ) -> None:
        super().__init__()
        self.event_shape = check_event_shape(event_shape)
        self.latent = check_count(latent, "latent")
        d = math.prod(self.event_shape)
        like = torch.empty(0)
        self.weight = nn.Parameter(standard_normal((d, self.latent), like, generator) * d**-0.5)
        self.mean = nn.Parameter(torch.zeros(d))
        self.log_variance = nn.Parameter(torch.zeros(()))
        start = standard_normal((self.latent, d), like, generator) * d**-0.5
        self.encoder = nn.Parameter(start)
        self.code_log_variance = nn.Parameter(torch.zeros(self.latent))

    @classmethod
    def fit(cls, x: Tensor, *, latent: int) -> LinearVAE:
        """Return the maximum of the likelihood, with the exact posterior as encoder.

        Tipping and Bishop (1999), equations 7 and 8: the variance is the mean of the eigenvalues of
        the covariance that are left out.

        Args:
            x: Events, shape (N, *event_shape), in N - 1 or more directions than ``latent``.
            latent: How many numbers a code has, less than d.

        Raises:
            ValueError: Also if nothing varies beside the code, so that the density is unbounded.
        """
        x = check_tensor(x, "x", floating=True).detach()
        if x.ndim < 2:
            raise ValueError(f"x: expected events, shape (N, ...), got {tuple(x.shape)}")
        unused = Generator()  # what it draws is replaced
        model = cls(x.shape[1:], latent=latent, generator=unused).to(device=x.device, dtype=x.dtype)
        rows = x.flatten(1).to(widest(x.device))
        d = rows.shape[1]
        if model.latent >= d:
            raise ValueError(f"latent: expected less than {d}, the size of an event, got {latent}")
        mean = rows.mean(dim=0)
        values, vectors = torch.linalg.eigh((rows - mean).T @ (rows - mean) / len(rows))
        values, vectors = values.flip(0).clamp(min=0), vectors.flip(1)
        variance = values[model.latent :].mean()
        if not variance > 1e-12 * values[0].clamp(min=1e-30):
            raise ValueError(
                f"x: {latent} directions hold all that varies in these {len(x)} events, so the "
                "likelihood has no maximum; use a smaller latent, or add noise"
            )
        kept = (values[: model.latent] - variance).clamp(min=0).sqrt()
        weight = vectors[:, : model.latent] * kept
        inner = kept.square() + variance  # M, which is diagonal here
        with torch.no_grad():
            model.weight.copy_(weight)
            model.mean.copy_(mean)
            model.log_variance.copy_(variance.log())
            model.encoder.copy_(weight.T / inner[:, None])
            model.code_log_variance.copy_(variance.log() - inner.log())
        return model.eval()

    @full_precision
    def log_prob(self, x: Tensor) -> Tensor:
        """Return log p(x) of each event exactly, (B, *event_shape) -> (B,), in nats."""
        rows = self.check(x).flatten(1) - self.mean
        eye = torch.eye(len(self.mean), dtype=rows.dtype, device=rows.device)
        covariance = self.weight @ self.weight.T + self.log_variance.exp() * eye
        check_digits(covariance)
        factor = torch.linalg.cholesky(covariance)
        white = solve_lower(factor, rows.T)
        log_det = factor.diagonal().log().sum()
        return -0.5 * (white.square().sum(0) + len(self.mean) * LOG_2PI) - log_det

    def decode(self, z: Tensor) -> Tensor:
        """Return the mean of p(x | z), shape (B, latent) -> (B, *event_shape)."""
        z = check_tensor(z, "z", shape=("B", self.latent), floating=True, like=self._like())
        return self._means(z).unflatten(1, tuple(self.event_shape))

    def loss(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        """Return minus the mean ELBO, ()."""
        return -self.elbo(x, generator=generator).mean()

    def _means(self, z: Tensor) -> Tensor:
        return (z @ self.weight.T).to(z) + self.mean

    def _encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean = ((x.flatten(1) - self.mean) @ self.encoder.T).to(x)
        return mean, self.code_log_variance.expand_as(mean)

    def _log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        return normal_log_prob(x.flatten(1), self._means(z), self.log_variance)

    def _draw(self, z: Tensor, generator: Generator | None) -> Tensor:
        y = self.decode(z)
        return y + torch.exp(0.5 * self.log_variance) * standard_normal(y.shape, y, generator)
