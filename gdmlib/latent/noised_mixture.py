r"""A Gaussian mixture under noise: a world in which everything that a diffusion learns is known.

After t steps of noise a mixture of Gaussians is another one, with means
:math:`\sqrt{\bar\alpha_t}\, \mu_k` and covariances :math:`\bar\alpha_t \Sigma_k + (1 -
\bar\alpha_t) I`. So its density, its score and its best denoiser have closed forms at every t, and
a sampler that is given them has no error but its own.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from gdmlib._checks import check_count, check_digits, check_events
from gdmlib.densities.mixture import GaussianMixture
from gdmlib.latent.denoiser import Ask, Denoiser
from gdmlib.latent.schedule import Schedule
from gdmlib.nn.precision import full_precision


class NoisedMixture(Denoiser):
    """A Gaussian mixture and its noisy versions.

    Args:
        mixture: The data, t = 0.
        schedule: The noise.
        variance: As for `Denoiser`.
    """

    def __init__(
        self, mixture: GaussianMixture, schedule: Schedule, *, variance: str = "large"
    ) -> None:
        super().__init__(schedule, variance=variance)
        if not isinstance(mixture, GaussianMixture):
            raise ValueError(f"mixture: expected a GaussianMixture, got {type(mixture).__name__}")
        self.mixture = mixture
        self.event_shape = mixture.event_shape

    def marginal(self, t: int) -> GaussianMixture:
        """Return the mixture after t steps of noise, t = 0 to T."""
        at = self.schedule.check_steps(t, 1, least=0)
        return self._at(float(self.schedule.alpha_bar[at]))

    def log_prob(self, x: Tensor, t: int = 0) -> Tensor:
        """Return log q_t(x) of each event, shape (B, d) -> (B,), in nats, t = 0 to T."""
        return self.marginal(t).log_prob(x)

    @torch.no_grad()
    def sample(self, n: int, generator: Generator | None = None, t: int = 0) -> Tensor:
        """Draw n events after t steps of noise, shape (n, d), without a chain."""
        return self.marginal(t).sample(check_count(n), generator)

    @full_precision
    def velocity(self, x: Tensor, u: float) -> Tensor:
        r"""Return the exact velocity of flow matching at x, shape (B, d), time 0 <= u <= 1.

        With independent pairs it is :math:`\mathbb E[x_1 - x_0 \mid x_u]`; time runs from noise at
        0 to data at 1.
        """
        check_events(x, "x", self.event_shape, self._like())
        if not 0 <= u <= 1:
            raise ValueError(f"u: expected a time from 0, noise, to 1, data, got {u}")
        if u == 0:
            return self._mean(x) - x
        clean = self._posterior_mean(x, u, (1 - u) ** 2)
        if u == 1:  # the noise that is left is nothing, and its mean is not seen
            return clean
        return clean - (x - u * clean) / (1 - u)

    def _mean(self, x: Tensor) -> Tensor:
        return (self.mixture.weights @ self.mixture.means).expand_as(x)

    def _at(self, bar: float) -> GaussianMixture:
        mixture = self.mixture
        eye = torch.eye(mixture.means.shape[1]).to(mixture.means)
        covariances = bar * mixture.covariances + (1 - bar) * eye
        return GaussianMixture(mixture.weights, bar**0.5 * mixture.means, covariances)

    def _clean(self, x: Tensor, alpha_bar: Tensor, time: Tensor, ask: Ask) -> Tensor:
        if ask.labels is not None:
            raise ValueError("labels: a mixture has no classes to ask for; leave them out")
        parts = torch.empty_like(x)
        for bar in alpha_bar.unique().tolist():
            rows = (alpha_bar == bar).to(x.device)
            parts[rows] = self._posterior_mean(x[rows], bar**0.5, 1 - bar)
        return parts

    def _posterior_mean(self, x: Tensor, signal: float, variance: float) -> Tensor:
        """Return E[x0 | signal x0 + noise of this variance = x], (B, d)."""
        check_digits(x)
        mixture = self.mixture
        eye = torch.eye(x.shape[1]).to(x)
        covariances = mixture.covariances
        noisy = signal**2 * covariances + variance * eye
        seen = GaussianMixture(mixture.weights, signal * mixture.means, noisy)
        gain = torch.linalg.solve(noisy, signal * covariances)  # both are symmetric and commute
        away = x[:, None] - signal * mixture.means
        guesses = mixture.means + torch.einsum("bki,kij->bkj", away, gain)
        return (seen.responsibilities(x)[:, :, None] * guesses).sum(dim=1)
