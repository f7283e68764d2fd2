r"""The posterior of a Gaussian prior, or of a mixture: known exactly, with its uncertainty.

For x ~ N(μ, C) and y = A x + n with n ~ N(0, s² I), x given y is normal with mean
:math:`\mu + K (y - A\mu)` and covariance :math:`C - K A C`, where
:math:`K = C A^\top (A C A^\top + s^2 I)^{-1}` (Kay 1993, theorem 10.3). Mean and mode are the same
here, and only here. Of a mixture each component has such a posterior, and what they weigh changes.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor
from torch.distributions import MultivariateNormal

from gdmlib._checks import (
    check_above_zero,
    check_count,
    check_kind,
    check_not_negative,
    check_tensor,
)
from gdmlib._random import standard_normal
from gdmlib.densities.mixture import GaussianMixture
from gdmlib.inverse.operators import Operator, check_operator


class GaussianPosterior:
    """What measurements leave open, if events are Gaussian.

    Args:
        mean: Of the prior, shape (d,) for events of d numbers, flattened.
        covariance: Of the prior, shape (d, d), symmetric and positive semi-definite.
        operator: What was measured.
        noise: s, standard deviation of the noise; 0 where the measurements are exact.

    Attributes:
        covariance: Of the posterior, shape (d, d): the same for all measurements.
    """

    def __init__(
        self, mean: Tensor, covariance: Tensor, operator: Operator, noise: float = 0.0
    ) -> None:
        d = check_operator(operator).event_shape.numel()
        check_tensor(mean, "mean", shape=(d,), floating=True, digits=True)
        check_tensor(covariance, "covariance", shape=(d, d), like=mean)
        if not torch.allclose(covariance, covariance.mT, rtol=1e-4, atol=1e-6):
            raise ValueError("covariance: expected a symmetric matrix")
        self.operator, self.noise = operator, check_not_negative(noise, "noise")
        self.prior_mean = mean
        units = torch.eye(d, dtype=mean.dtype, device=mean.device)
        self._a = operator(units.unflatten(1, operator.event_shape)).flatten(1).mT
        seen = self._a @ covariance
        inner = seen @ self._a.mT
        inner.diagonal().add_(noise**2)
        # a pseudo-inverse: without noise, measurements that repeat one another leave it singular
        self.gain = seen.mT @ torch.linalg.pinv(inner, hermitian=True)
        rest = covariance - self.gain @ seen
        self.covariance = (rest + rest.mT) / 2

    def mean(self, y: Tensor) -> Tensor:
        """Return the posterior mean, which is the mode, (..., *measurement_shape) -> events."""
        error = self._flat(y) - self._a @ self.prior_mean
        return (self.prior_mean + error @ self.gain.mT).unflatten(-1, self.operator.event_shape)

    @property
    def spread(self) -> Tensor:
        """The standard deviation of every number of an event, shape (*event_shape)."""
        return self.covariance.diagonal().clamp(min=0).sqrt().view(self.operator.event_shape)

    def sample(self, y: Tensor, n: int, generator: Generator | None = None) -> Tensor:
        """Draw n events for each measurement, shape (n, ..., *event_shape)."""
        mean = self.mean(y)
        values, basis = torch.linalg.eigh(self.covariance)
        root = basis * values.clamp(min=0).sqrt()
        d = len(self.prior_mean)
        shape = (check_count(n, "n"), *mean.shape[: mean.ndim - len(self.operator.event_shape)], d)
        z = standard_normal(shape, mean, generator)
        return mean + (z @ root.mT).unflatten(-1, self.operator.event_shape)

    def log_prob(self, x: Tensor, y: Tensor) -> Tensor:
        """Return log p(x | y) in nats, shape (...); the noise must not be 0.

        Raises:
            ValueError: If the covariance of the posterior is singular: it then has no density.
        """
        x = self.operator.check_events(x)
        check_tensor(x, "x", like=self.prior_mean)
        factor, failed = torch.linalg.cholesky_ex(self.covariance)
        if failed:
            raise ValueError(
                "covariance: the posterior is flat, for the measurements are exact or the prior "
                "is, and has no density; use noise > 0"
            )
        mean = self.mean(y).flatten(-len(self.operator.event_shape))
        flat = x.flatten(-len(self.operator.event_shape))
        return MultivariateNormal(mean, scale_tril=factor).log_prob(flat)

    def _flat(self, y: Tensor) -> Tensor:
        y = self.operator.check_measurements(y)
        return y.flatten(-len(self.operator.measurement_shape))


def mixture_posterior(
    mixture: GaussianMixture, operator: Operator, y: Tensor, *, noise: float
) -> GaussianMixture:
    r"""Return p(x | y) of a Gaussian mixture, which is one again, exactly.

    .. math:: w_k' \propto w_k\, \mathcal N(y \mid A \mu_k,\ A \Sigma_k A^\top + \sigma^2 I), \quad
        \mu_k' = \mu_k + K_k (y - A \mu_k), \quad \Sigma_k' = \Sigma_k - K_k A \Sigma_k,

    with :math:`K_k = \Sigma_k A^\top (A \Sigma_k A^\top + \sigma^2 I)^{-1}`.

    Args:
        mixture: p(x), of vectors of d numbers.
        operator: A, whose events have d numbers.
        y: One measurement, shape (*measurement_shape).
        noise: Its standard deviation, more than 0.
    """
    check_above_zero(noise, "noise")
    check_kind(mixture, "mixture", GaussianMixture, "a GaussianMixture")
    check_operator(operator, mixture.event_shape)
    d = mixture.means.shape[1]
    check_tensor(y, "y", shape=tuple(operator.measurement_shape), like=mixture.means)
    wide = mixture.means.double()
    eye = torch.eye(d).to(mixture.means).reshape(d, *operator.event_shape)
    a = operator(eye).reshape(d, -1).mT.double()  # (m, d)
    means, covariances = wide, mixture.covariances.double()
    missed = y.reshape(-1).double() - means @ a.mT
    seen = a @ covariances @ a.mT + noise**2 * torch.eye(len(a)).to(a)
    gain = torch.linalg.solve(seen, a @ covariances).mT  # (K, d, m)
    heard = GaussianMixture(mixture.weights.double(), torch.zeros_like(missed), _even(seen))
    # Each component at what it missed: the log-joint of the measurement.
    joint = torch.stack([heard.log_joint(row[None])[0, k] for k, row in enumerate(missed)])
    left = torch.eye(d).to(a) - gain @ a
    after = left @ covariances @ left.mT + noise**2 * gain @ gain.mT  # symmetric whatever rounding
    moved = means + (gain @ missed[:, :, None])[:, :, 0]
    found = GaussianMixture(joint.softmax(dim=0), moved, _even(after))
    return found.to(mixture.means.dtype)


def _even(x: Tensor) -> Tensor:
    return (x + x.mT) / 2
