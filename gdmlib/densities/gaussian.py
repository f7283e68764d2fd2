r"""The Gaussian, in one dimension and in many.

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
from collections.abc import Sequence

import torch
from torch import Generator, Tensor, nn

from gdmlib._checks import check_count, check_dtype, check_events, check_not_negative, check_tensor
from gdmlib._random import standard_normal

LOG_2PI = math.log(2 * math.pi)


class Normal(nn.Module):
    r"""The univariate Gaussian :math:`\mathcal{N}(\mu, \sigma^2)`.

    Args:
        mean, std: Numbers, or tensors of shape (). The standard deviation is positive, in the units
            of x.

    Raises:
        ValueError: If a value is not finite, not a scalar, or the standard deviation is not
            positive.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: float | Tensor, std: float | Tensor) -> None:
        super().__init__()
        self.event_shape = torch.Size(())
        mean, std = _floating(mean), _floating(std)
        check_tensor(mean, "mean", shape=(), floating=True)
        check_tensor(std, "std", shape=(), floating=True)
        if not std > 0:
            raise ValueError(f"std: expected a positive number, got {float(std.detach()):.6g}")
        dtype = torch.promote_types(mean.dtype, std.dtype)
        self.register_buffer("mean", mean.to(dtype, copy=True))
        self.register_buffer("std", std.to(dtype, copy=True))

    @classmethod
    def fit(cls, x: Tensor) -> Normal:
        """Fit by maximum likelihood: the mean, and the variance with 1/N.

        Args:
            x: Observations, shape (N,), N at least 2.

        Raises:
            ValueError: If x is empty, a single value, constant, or holds NaN. The likelihood of
                constant data grows without bound as the standard deviation goes to zero: it has no
                maximum.
        """
        check_tensor(x, "x", ndim=1, floating=True)
        if len(x) < 2:
            raise ValueError("x: expected at least 2 observations to fit a Gaussian, got 1")
        if x.min() == x.max():
            raise ValueError(
                f"x: all {len(x)} observations equal {float(x[0]):.6g}: their variance is 0 and "
                "the likelihood has no maximum"
            )
        wide = x.double()
        return cls(wide.mean(), wide.std(correction=0)).to(x.dtype)

    @property
    def variance(self) -> Tensor:
        """The variance, shape ()."""
        return self.std**2

    def extra_repr(self) -> str:
        """Return what the printed model says of itself."""
        return f"mean={float(self.mean):.4g}, std={float(self.std):.4g}"

    def log_prob(self, x: Tensor) -> Tensor:
        """Return the log-density of each x, shape (B,) -> (B,), in nats."""
        check_events(x, "x", self.event_shape, self.mean)
        z = (x - self.mean) / self.std
        return -0.5 * (LOG_2PI + z**2) - self.std.log()

    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        """Draw n values, shape (n,)."""
        z = standard_normal((check_count(n),), self.mean, generator)
        return self.mean + self.std * z

    def cdf(self, x: Tensor) -> Tensor:
        """Return the probability of a value of at most x, shape (B,) -> (B,)."""
        check_events(x, "x", self.event_shape, self.mean)
        # erfc keeps its digits in the lower tail, where 1 + erf would round to 0.
        return 0.5 * torch.erfc((self.mean - x) / (self.std * math.sqrt(2)))

    def icdf(self, u: Tensor) -> Tensor:
        """Return the value below which a share u lies, shape (B,) -> (B,): the cdf's inverse."""
        check_events(u, "u", self.event_shape, self.mean)
        low, high = float(u.detach().min()), float(u.detach().max())
        if low < 0 or high > 1:
            raise ValueError(
                f"u: expected probabilities from 0 to 1, got values from {low:.6g} to {high:.6g}"
            )
        return self.mean + self.std * torch.special.ndtri(u)

    def entropy(self) -> Tensor:
        """Return the differential entropy in nats, shape ()."""
        return 0.5 * (1 + LOG_2PI) + self.std.log()

    def kl(self, other: Normal) -> Tensor:
        """Return the divergence KL(self || other) in nats, shape ()."""
        ratio = self.std / other.std
        shift = (self.mean - other.mean) / other.std
        return 0.5 * (ratio**2 + shift**2 - 1) - ratio.log()


class MultivariateNormal(nn.Module):
    r"""The multivariate Gaussian :math:`\mathcal{N}(\mu, \Sigma)`.

    Args:
        mean: Shape (d,).
        covariance: Shape (d, d), symmetric and positive definite.
        scale_tril: Instead of the covariance, a lower triangular L with positive diagonal, Σ = L
            Lᵀ.

    Raises:
        ValueError: If shapes or dtypes do not agree, or the covariance is not symmetric, or
            singular.
    """

    mean: Tensor
    scale_tril: Tensor

    def __init__(
        self,
        mean: Tensor,
        covariance: Tensor | None = None,
        *,
        scale_tril: Tensor | None = None,
    ) -> None:
        super().__init__()
        check_tensor(mean, "mean", ndim=1, floating=True)
        if (covariance is None) == (scale_tril is None):
            raise ValueError("expected either a covariance or a scale_tril, and not both")
        if covariance is not None:
            check_tensor(covariance, "covariance", shape=(len(mean), len(mean)), floating=True)
            check_dtype(covariance, "covariance", mean)
            scale_tril = cholesky(covariance, "covariance")
        assert scale_tril is not None
        check_scale_tril(scale_tril, "scale_tril", len(mean))
        check_dtype(scale_tril, "scale_tril", mean)
        self.event_shape = mean.shape
        self.register_buffer("mean", mean.clone())
        self.register_buffer("scale_tril", scale_tril.clone(memory_format=torch.contiguous_format))

    @classmethod
    def fit(cls, x: Tensor, ridge: float = 0.0) -> MultivariateNormal:
        """Fit by maximum likelihood: the mean, and the covariance with 1/N.

        Args:
            x: Observations, shape (N, d), N at least 2.
            ridge: Added to the diagonal of the covariance, in squared units of x. With 0 the fit is
                the maximum of the likelihood, which exists only if the observations span all d
                dimensions.

        Raises:
            ValueError: If x is empty, a single point, or holds NaN; if the covariance is singular
                (a constant column, linearly dependent columns, no more points than dimensions) and
                ridge is 0.
        """
        check_tensor(x, "x", ndim=2, floating=True)
        check_not_negative(ridge, "ridge")
        n, d = x.shape
        if n < 2:
            raise ValueError(f"x: expected at least 2 points to fit a Gaussian, got {n}")
        constant = (x.min(dim=0).values == x.max(dim=0).values).nonzero().flatten().tolist()
        if constant and ridge == 0:
            raise ValueError(
                f"x: constant in column {_some(constant)}, so the covariance is singular: rank at "
                f"most {d - len(constant)} of {d}, smallest eigenvalue 0; drop the column, or use "
                "ridge=1e-3"
            )
        wide = x.double()
        mean = wide.mean(dim=0)
        centred = wide - mean
        covariance = centred.T @ centred / n + ridge * torch.eye(d).to(wide)
        # The data were rounded to their dtype: directions thinner than that are rounding, not data.
        rounding = torch.finfo(x.dtype).eps * wide.abs().amax(dim=0) / covariance.diagonal().sqrt()
        noise = max(float(rounding.max()) ** 2, 10 * torch.finfo(wide.dtype).eps)
        tolerance = 0.0 if ridge > 0 else d * noise
        scale_tril = cholesky(covariance, "covariance of x", tolerance)
        return cls(mean, scale_tril=scale_tril).to(x.dtype)

    @property
    def covariance(self) -> Tensor:
        """The covariance matrix, shape (d, d)."""
        return self.scale_tril @ self.scale_tril.T

    def extra_repr(self) -> str:
        """Return what the printed model says of itself."""
        return f"dimensions={len(self.mean)}"

    def log_prob(self, x: Tensor) -> Tensor:
        """Return the log-density of each x, shape (B, d) -> (B,), in nats."""
        z = self._whiten(x)
        return -0.5 * (z.shape[1] * LOG_2PI + (z**2).sum(dim=1)) - self._half_log_det()

    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        """Draw n points, shape (n, d)."""
        z = standard_normal((check_count(n), *self.event_shape), self.mean, generator)
        return self.mean + z @ self.scale_tril.T

    def marginal(self, index: Sequence[int] | Tensor) -> MultivariateNormal:
        """Return the density of some coordinates, in the order asked for.

        Args:
            index: The coordinates to keep: integers from 0 to d - 1, or a Boolean mask of shape
                (d,).

        Raises:
            ValueError: If the index is empty, out of range, or repeats a coordinate.
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
            index: The known coordinates: integers from 0 to d - 1, or a Boolean mask of shape (d,).
            values: What is known of them, one value a coordinate, shape (k,).

        Returns:
            Over the d - k remaining coordinates, in their original order.

        Raises:
            ValueError: If the index is empty, out of range, repeats a coordinate or leaves none.
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
        z = torch.linalg.solve_triangular(factor[:k, :k], residual, upper=False)
        mean = self.mean[rest] + (factor[k:, :k] @ z)[:, 0]
        return MultivariateNormal(mean, scale_tril=factor[k:, k:])

    def mahalanobis(self, x: Tensor) -> Tensor:
        """Return the distance to the mean in standard deviations, shape (B, d) -> (B,)."""
        return torch.linalg.vector_norm(self._whiten(x), dim=1)

    def entropy(self) -> Tensor:
        """Return the differential entropy in nats, shape ()."""
        return 0.5 * len(self.mean) * (1 + LOG_2PI) + self._half_log_det()

    def kl(self, other: MultivariateNormal) -> Tensor:
        """Return the divergence KL(self || other) in nats, shape ()."""
        check_tensor(other.mean, "other.mean", shape=self.event_shape)
        shift = (self.mean - other.mean)[:, None]
        both = torch.cat([self.scale_tril, shift], dim=1)
        # One solve gives both terms: tr(Σ₂⁻¹Σ₁) and the squared distance of the means.
        whitened = torch.linalg.solve_triangular(other.scale_tril, both, upper=False)
        log_det_ratio = other._half_log_det() - self._half_log_det()
        return 0.5 * ((whitened**2).sum() - len(self.mean)) + log_det_ratio

    def _whiten(self, x: Tensor) -> Tensor:
        """Return z = L⁻¹ (x - μ), shape (B, d): standard normal if x is from this density."""
        check_events(x, "x", self.event_shape, self.mean)
        return torch.linalg.solve_triangular(self.scale_tril, (x - self.mean).T, upper=False).T

    def _half_log_det(self) -> Tensor:
        return self.scale_tril.diagonal().log().sum()


def cholesky(covariance: Tensor, name: str, tolerance: float = 0.0) -> Tensor:
    """Return the lower triangular L with positive diagonal and L Lᵀ = covariance.

    The factor is computed in float64 from the correlation matrix, which does not depend on the
    units of the coordinates (Demmel 1989, "On floating-point errors in Cholesky"). An eigenvalue
    of that matrix that is no larger than the rounding of its entries counts as zero.

    Args:
        covariance: Shape (d, d).
        name: How the caller calls it; it opens the message of an error.
        tolerance: A larger threshold for the eigenvalues of the correlation matrix.

    Raises:
        ValueError: If the matrix is not symmetric, or not positive definite: the message gives the
            rank and the smallest eigenvalue, and the way out.
    """
    wide = covariance.double()
    values = wide.detach()
    asymmetry = float((values - values.T).abs().max())
    eps = torch.finfo(covariance.dtype).eps
    if asymmetry > 100 * eps * float(values.abs().max()):
        raise ValueError(
            f"{name}: expected a symmetric matrix, but it differs from its transpose by "
            f"{asymmetry:.3g}; use (C + C.T) / 2"
        )
    d = len(wide)
    std = wide.diagonal().clamp(min=0).sqrt()
    if bool((std > 0).all()):
        correlation = (wide + wide.T) / (2 * std[:, None] * std)
        eigenvalues = torch.linalg.eigvalsh(correlation.detach())
        zero = max(tolerance, eps) * float(eigenvalues[-1])
        rank = int((eigenvalues > zero).sum())
        if rank == d:
            return (std[:, None] * torch.linalg.cholesky(correlation)).to(covariance.dtype)
    else:
        rank = int(torch.linalg.matrix_rank(values, hermitian=True))
    smallest = float(torch.linalg.eigvalsh(values)[0])
    raise ValueError(
        f"{name}: singular or not positive definite: rank {rank} of {d}, smallest eigenvalue "
        f"{smallest:.3g}; use more points, drop dependent coordinates, or add a ridge to the "
        "diagonal (ridge=1e-3)"
    )


def triangularise(factor: Tensor) -> Tensor:
    """Return the lower triangular T with positive diagonal and T Tᵀ = A Aᵀ, shape (k, d) -> (k, k).

    With the QR decomposition Aᵀ = Q R, A Aᵀ = Rᵀ R, so that T is Rᵀ up to the signs of its columns.
    A Aᵀ itself is never formed: that would square the condition number.
    """
    upper = torch.linalg.qr(factor.double().T, mode="r").R
    signs = torch.where(upper.diagonal() < 0, -1.0, 1.0).to(upper)
    return (upper.T * signs).tril().to(factor.dtype)


def check_scale_tril(scale_tril: Tensor, name: str, d: int) -> Tensor:
    """Return the factor if it is (d, d), lower triangular and positive on the diagonal."""
    check_tensor(scale_tril, name, shape=(d, d), floating=True)
    if bool(scale_tril.triu(1).any()):
        raise ValueError(f"{name}: expected a lower triangular matrix, got entries above; use tril")
    smallest = float(scale_tril.detach().diagonal().min())
    if smallest <= 0:
        raise ValueError(f"{name}: expected a positive diagonal, got {smallest:.3g}")
    return scale_tril


def _floating(value: float | Tensor) -> Tensor:
    """Return a number as a tensor of torch's default dtype; leave a tensor as it is."""
    if isinstance(value, Tensor):
        return value
    return torch.tensor(value, dtype=torch.get_default_dtype())


def _coordinates(index: Sequence[int] | Tensor, d: int) -> list[int]:
    """Return an index or a Boolean mask as a list of distinct coordinates of d."""
    index = torch.as_tensor(index)
    check_tensor(index, "index", ndim=1, integer=True)
    if index.dtype == torch.bool:
        check_tensor(index, "index", shape=(d,))
        index = index.nonzero().flatten()
        check_tensor(index, "index")
    coordinates = index.tolist()
    low, high = min(coordinates), max(coordinates)
    if low < 0 or high >= d:
        raise ValueError(f"index: expected 0 to {d - 1}, got values from {low} to {high}")
    if len(set(coordinates)) < len(coordinates):
        raise ValueError(f"index: a coordinate is repeated in {_some(coordinates)}")
    return coordinates


def _some(numbers: Sequence[int], most: int = 8) -> str:
    """Write a list of numbers, cut short."""
    text = ", ".join(str(number) for number in numbers[:most])
    return text + (", ..." if len(numbers) > most else "")
