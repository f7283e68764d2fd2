r"""The Gaussian in many dimensions.

.. math::

    \log p(x) = -\tfrac12 \left[ d \ln 2\pi + \ln|\Sigma|
                + (x - \mu)^\top \Sigma^{-1} (x - \mu) \right]

Neither the inverse of the covariance nor its determinant is ever computed. With the Cholesky factor
:math:`\Sigma = L L^\top` the quadratic form is the squared length of :math:`z = L^{-1}(x - \mu)`,
one triangular solve, and :math:`\ln|\Sigma| = 2 \sum_i \ln L_{ii}` cannot overflow. The same factor
samples: :math:`x = \mu + L z` with standard normal :math:`z`.
"""

from __future__ import annotations

import math
import reprlib
from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from gdmlib._checks import (
    check_events,
    check_not_negative,
    check_shapes,
    check_tensor,
    check_values,
)
from gdmlib._random import standard_normal
from gdmlib.densities.cholesky import check_scale_tril, cholesky, solve_lower, triangularise
from gdmlib.densities.density import Density

LOG_2PI = math.log(2 * math.pi)


def standard_log_prob(z: Tensor) -> Tensor:
    """Return the log-density of independent standard normals, summed over the last dimension."""
    return -0.5 * (z.square().sum(dim=-1) + z.shape[-1] * LOG_2PI)


class MultivariateNormal(Density):
    r"""The multivariate Gaussian :math:`\mathcal{N}(\mu, \Sigma)`.

    Args:
        mean: Shape (d,).
        covariance: Shape (d, d), symmetric and positive definite.
        scale_tril: Instead of the covariance, a lower triangular L, L Lᵀ = Σ, with L_ii > 0.

    Raises:
        ValueError: If the covariance is singular.
    """

    mean: Tensor
    scale_tril: Tensor

    def __init__(
        self, mean: Tensor, covariance: Tensor | None = None, *, scale_tril: Tensor | None = None
    ) -> None:
        super().__init__()
        if (covariance is None) == (scale_tril is None):
            raise ValueError("expected either a covariance or a scale_tril, and not both")
        if covariance is not None:
            check_shapes(mean=(mean, "d"), covariance=(covariance, "d d"))
            scale_tril = cholesky(covariance, "covariance")
        assert scale_tril is not None
        check_shapes(mean=(mean, "d"), scale_tril=(scale_tril, "d d"))
        check_scale_tril(scale_tril)
        self.event_shape = mean.shape
        self.register_buffer("mean", mean.clone())
        self.register_buffer("scale_tril", scale_tril.clone(memory_format=torch.contiguous_format))

    @classmethod
    def fit(cls, x: Tensor, *, ridge: float = 0.0) -> MultivariateNormal:
        """Fit by maximum likelihood: the mean, and the covariance with 1/N.

        Args:
            x: Observations, shape (N, d), N at least 2.
            ridge: Added to the diagonal of the covariance, in squared units of x. With 0 the fit is
                the maximum of the likelihood, which exists only if the observations span all d
                dimensions.

        Raises:
            ValueError: If x is a single point; if the covariance is singular (a constant column,
                linearly dependent columns, no more points than dimensions) and ridge is 0.
        """
        x = check_tensor(x, "x", ndim=2, floating=True).detach()
        check_not_negative(ridge, "ridge")
        n, d = x.shape
        if n < 2:
            raise ValueError(f"x: expected at least 2 points to fit a Gaussian, got {n}")
        constant = (x.min(dim=0).values == x.max(dim=0).values).nonzero().flatten().tolist()
        if constant and ridge == 0:
            raise ValueError(
                f"x: constant in columns {reprlib.repr(constant)}, so the covariance is singular: "
                f"rank at most {d - len(constant)} of {d}, smallest eigenvalue 0; drop them, or "
                "use ridge=1e-3"
            )
        wide = x.double()
        mean = wide.mean(dim=0)
        centred = wide - mean
        covariance = centred.T @ centred / n + ridge * torch.eye(d).to(wide)
        # The data were rounded to their dtype: directions thinner than that are rounding, not data.
        rounding = torch.finfo(x.dtype).eps * wide.abs().amax(dim=0) / covariance.diagonal().sqrt()
        noise = max(float(rounding.max()) ** 2, 10 * torch.finfo(wide.dtype).eps)
        tolerance = 0.0 if ridge > 0 else d * noise
        if tolerance >= 1:
            worst = int(rounding.argmax())
            raise ValueError(
                f"x: column {worst}, with numbers up to {float(x[:, worst].abs().max()):.3g}, was "
                f"rounded to {x.dtype}, which leaves no digits for its standard deviation, "
                f"{float(wide[:, worst].std()):.3g}; subtract the mean, before the rounding if "
                "you can, or use a ridge"
            )
        scale_tril = cholesky(covariance, "covariance of x", tolerance)
        return cls(mean, scale_tril=scale_tril).to(x.dtype)

    @property
    def covariance(self) -> Tensor:
        """The covariance matrix, shape (d, d)."""
        return self.scale_tril @ self.scale_tril.T

    def extra_repr(self) -> str:
        """Return what the printed model says of itself."""
        return f"dimensions={len(self.mean)}"

    def _log_prob(self, x: Tensor) -> Tensor:
        z = self._whiten(x)
        return -0.5 * (z.shape[1] * LOG_2PI + (z**2).sum(dim=1)) - self._half_log_det()

    def _sample(self, n: int, generator: Generator | None) -> Tensor:
        z = standard_normal((n, *self.event_shape), self.mean, generator)
        return self.mean + z @ self.scale_tril.T

    def marginal(self, index: Sequence[int] | Tensor) -> MultivariateNormal:
        """Return the density of some coordinates, in the order asked for.

        They are integers from 0 to d - 1, or a Boolean mask of shape (d,).
        """
        keep = _coordinates(index, len(self.mean))
        # x[keep] = μ[keep] + L[keep] z: the rows of L, made square and triangular again.
        scale_tril = triangularise(self.scale_tril[keep])
        return MultivariateNormal(self.mean[keep], scale_tril=scale_tril)

    def conditional(self, index: Sequence[int] | Tensor, values: Tensor) -> MultivariateNormal:
        r"""Return the density of the other coordinates, given that ``x[index] = values``.

        With the known coordinates k put first, the Cholesky factor has the blocks
        :math:`L_{kk}, 0; L_{rk}, L_{rr}`, so that :math:`x_k = \mu_k + L_{kk} z_k` and
        :math:`x_r = \mu_r + L_{rk} z_k + L_{rr} z_r`. Knowing :math:`x_k` is knowing :math:`z_k`:
        the rest has mean :math:`\mu_r + L_{rk} L_{kk}^{-1} (x_k - \mu_k)` and factor
        :math:`L_{rr}`. No inverse, no difference of matrices, and positive definite by design.

        Args:
            index: The known coordinates, as for `marginal`; the others keep their order.
            values: What is known of them, one value a coordinate, shape (k,).
        """
        d = len(self.mean)
        known = _coordinates(index, d)
        k = len(known)
        check_events(values, "values", (), self.mean)
        if len(values) != k:
            raise ValueError(f"values: expected {k}, one a known coordinate, got {len(values)}")
        if k == d:
            raise ValueError(f"index: all {d} coordinates are known, nothing remains")
        rest = [i for i in range(d) if i not in set(known)]
        factor = triangularise(self.scale_tril[known + rest])
        residual = (values - self.mean[known])[:, None]
        z = solve_lower(factor[:k, :k], residual)
        mean = self.mean[rest] + (factor[k:, :k] @ z)[:, 0]
        return MultivariateNormal(mean, scale_tril=factor[k:, k:])

    def mahalanobis(self, x: Tensor) -> Tensor:
        """Return the distance to the mean in standard deviations, shape (B, d) -> (B,)."""
        return torch.linalg.vector_norm(self._whiten(self.check(x)), dim=1)

    def entropy(self) -> Tensor:
        """Return the differential entropy in nats, shape ()."""
        return 0.5 * len(self.mean) * (1 + LOG_2PI) + self._half_log_det()

    def kl(self, other: MultivariateNormal) -> Tensor:
        """Return the divergence KL(self || other) in nats, shape ()."""
        check_tensor(other.mean, "other.mean", shape=self.event_shape)
        shift = (self.mean - other.mean)[:, None]
        both = torch.cat([self.scale_tril, shift], dim=1)
        # One solve gives both terms: tr(Σ₂⁻¹Σ₁) and the squared distance of the means.
        whitened = solve_lower(other.scale_tril, both)
        log_det_ratio = other._half_log_det() - self._half_log_det()
        return 0.5 * ((whitened**2).sum() - len(self.mean)) + log_det_ratio

    def _whiten(self, x: Tensor) -> Tensor:
        """Return z = L⁻¹ (x - μ), shape (B, d): standard normal if x is from this density."""
        return solve_lower(self.scale_tril, (x - self.mean).T).T

    def _half_log_det(self) -> Tensor:
        return self.scale_tril.diagonal().log().sum()


def _coordinates(index: Sequence[int] | Tensor, d: int) -> list[int]:
    """Return an index or a Boolean mask as a list of distinct coordinates of d."""
    index = torch.as_tensor(index)
    check_tensor(index, "index", ndim=1, integer=True)
    if index.dtype == torch.bool:
        check_tensor(index, "index", shape=(d,))
        index = index.nonzero().flatten()
        check_tensor(index, "index")
    check_values(index, "index", (index >= 0) & (index < d), f"0 to {d - 1}")
    coordinates = index.tolist()
    if len(set(coordinates)) < len(coordinates):
        raise ValueError(f"index: a coordinate is repeated in {reprlib.repr(coordinates)}")
    return coordinates
