r"""A Gaussian scale mixture: a Gaussian whose size is itself random.

.. math:: p(x) = \int p(\sigma)\, \mathcal{N}(x \mid \mu, \sigma^2 \Sigma)\, d\sigma
               \approx \sum_s \pi_s\, \mathcal{N}(x \mid \mu, \sigma_s^2 \Sigma)

All components share one shape, :math:`\Sigma`, and one centre; only the scale :math:`\sigma`
differs. The marginals are then symmetric, with a sharper peak and heavier tails than a Gaussian,
which is what differences of neighbouring pixels of a photograph look like (Wainwright and
Simoncelli, 2000, "Scale mixtures of Gaussians and the statistics of natural images"). The integral
of a continuous distribution of scales becomes a finite sum here, so the density is closed.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Generator, Tensor

from gdmlib._checks import (
    check_count,
    check_not_negative,
    check_positive,
    check_probabilities,
    check_shapes,
    check_tensor,
)
from gdmlib._random import pick, standard_normal, uniform
from gdmlib.densities.cholesky import cholesky, solve_lower
from gdmlib.densities.density import Mixture
from gdmlib.densities.exact import em
from gdmlib.densities.gaussian import LOG_2PI


class GaussianScaleMixture(Mixture):
    """A finite mixture of Gaussians that differ in their scale alone.

    Args:
        weights: The probability of each scale, shape (S,).
        scales: Positive factors of the standard deviation, shape (S,).
        shape: The matrix Σ that all components share, shape (d, d), symmetric and positive
            definite.
        mean: The centre, shape (d,); zero if left out.

    Raises:
        ValueError: If the matrix is singular.
    """

    weights: Tensor
    scales: Tensor
    scale_tril: Tensor
    mean: Tensor

    def __init__(
        self, weights: Tensor, scales: Tensor, shape: Tensor, mean: Tensor | None = None
    ) -> None:
        super().__init__()
        check_shapes(weights=(weights, "S"), scales=(scales, "S"), shape=(shape, "d d"))
        mean = torch.zeros_like(shape[0]) if mean is None else mean
        check_shapes(shape=(shape, "d d"), mean=(mean, "d"))
        check_probabilities(weights, "weights")
        check_positive(scales, "scales")
        self.event_shape = mean.shape
        self.register_buffer("weights", weights / weights.sum())
        self.register_buffer("scales", scales.clone())
        self.register_buffer("scale_tril", cholesky(shape, "shape").contiguous())
        self.register_buffer("mean", mean.clone())

    @classmethod
    def fit(
        cls,
        x: Tensor,
        *,
        scales: int,
        zero_mean: bool = False,
        n_iter: int = 200,
        tolerance: float = 1e-6,
        ridge: float = 0.0,
    ) -> GaussianScaleMixture:
        """Fit by expectation-maximisation; the result is a local maximum of the likelihood.

        The start is the Gaussian fit with scales from 1/4 to 4, so that no chance is involved. The
        fitted model is scaled so that the mean of σ² is 1: Σ is then the covariance of x.

        Args:
            x: Points, shape (N, d), N at least 2.
            scales: The number S of scales.
            zero_mean: Hold the centre at zero.
            n_iter: The most EM steps to take.
            tolerance: Stop when a step raises the mean log-likelihood by less than this, in nats.
            ridge: Added in each step to the diagonal of Σ, and to the variance of each component,
                in squared units of x. It keeps a scale from going to zero where many points
                coincide; with 0 the likelihood cannot fall.

        Raises:
            ValueError: If Σ becomes singular, or a scale zero: too many points coincide.
        """
        x = check_tensor(x, "x", ndim=2, floating=True).detach()
        scales = check_count(scales, "scales")
        check_not_negative(ridge, "ridge")
        if len(x) < 2:
            raise ValueError("x: expected at least 2 points to fit a scale mixture, got 1")
        wide = x.double()
        mean = wide.mean(dim=0) * (not zero_mean)
        centred = wide - mean
        start = torch.logspace(-2, 2, scales, base=2, dtype=wide.dtype, device=wide.device)
        start = start if scales > 1 else torch.ones_like(start)
        shape = centred.T @ centred / len(x) + ridge * torch.eye(x.shape[1]).to(wide)
        model = cls(torch.full_like(start, 1 / scales), start, shape, mean)
        step = partial(model.em_step, ridge=ridge, zero_mean=zero_mean)
        model.history, _, model.converged = em(
            model, model.log_prob, step, wide, n_iter=n_iter, tolerance=tolerance
        )
        model._normalise()
        return model.to(x.dtype)

    @property
    def covariance(self) -> Tensor:
        """The covariance of x, shape (d, d): Σ times the mean of σ²."""
        return (self.weights * self.scales**2).sum() * self.scale_tril @ self.scale_tril.mT

    @property
    def kurtosis(self) -> Tensor:
        """The kurtosis of every projection of x, shape (): 3 E σ⁴ / (E σ²)², a Gaussian has 3."""
        second = (self.weights * self.scales**2).sum()
        return 3 * (self.weights * self.scales**4).sum() / second**2

    def _log_joint(self, x: Tensor) -> Tensor:
        square = self._mahalanobis(x)[:, None] / self.scales**2
        d = x.shape[1]
        half_log_det = self.scale_tril.diagonal().log().sum() + d * self.scales.log()
        return self.weights.log() - 0.5 * (d * LOG_2PI + square) - half_log_det

    def _sample(self, n: int, generator: Generator | None) -> Tensor:
        scale = self.scales[pick(self.weights.log(), uniform((n,), self.weights, generator))]
        z = standard_normal((n, *self.event_shape), self.mean, generator)
        return self.mean + scale[:, None] * (z @ self.scale_tril.mT)

    @torch.no_grad()
    def em_step(self, x: Tensor, *, ridge: float = 0.0, zero_mean: bool = False) -> float:
        """Take one step of EM, in place; return the mean log-likelihood in nats *before* it.

        Given the probability of each scale for each point, the likelihood is maximised by the
        centre and Σ first, then by the scales and their weights (Meng and Rubin, 1993: with a ridge
        of 0 it still cannot fall).
        """
        log_joint = self.log_joint(x)
        log_prob = torch.logsumexp(log_joint, dim=1, keepdim=True)
        share = (log_joint - log_prob).exp()
        # A point that is likely to be of a small scale says much about the centre and the shape.
        precision = (share / self.scales**2).sum(dim=1)
        if not zero_mean:
            self.mean.copy_(precision @ x / precision.sum())
        centred = x - self.mean
        shape = (precision[:, None] * centred).T @ centred / len(x)
        shape = shape + ridge * torch.eye(x.shape[1]).to(x)
        self.scale_tril.copy_(cholesky(shape, "Σ"))
        total = share.sum(dim=0)
        variance = share.T @ self._mahalanobis(x) / x.shape[1] / total
        variance += ridge / shape.diagonal().mean()
        if not bool((variance > 0).all()):
            raise ValueError("x: a scale has become zero: too many points coincide; use a ridge")
        self.scales.copy_(variance.sqrt())
        self.weights.copy_(total / len(x))
        return float(log_prob.mean())

    def _mahalanobis(self, x: Tensor) -> Tensor:
        """Return (x - μ)ᵀ Σ⁻¹ (x - μ), shape (B, d) -> (B,)."""
        z = solve_lower(self.scale_tril, (x - self.mean).T)
        return (z**2).sum(dim=0)

    def _normalise(self) -> None:
        """Move the mean of σ² into Σ: only their product matters."""
        size = (self.weights * self.scales**2).sum().sqrt()
        self.scales /= size
        self.scale_tril *= size
