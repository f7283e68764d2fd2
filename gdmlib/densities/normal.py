"""The Gaussian on a line."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from gdmlib._checks import check_positive, check_tensor, check_values
from gdmlib._random import standard_normal
from gdmlib.densities.density import Density
from gdmlib.densities.gaussian import LOG_2PI


class Normal(Density):
    r"""The univariate Gaussian :math:`\mathcal{N}(\mu, \sigma^2)`.

    Args:
        mean, std: Numbers, or tensors of shape (). The standard deviation is positive, in the units
            of x.
    """

    event_shape = torch.Size(())
    mean: Tensor
    std: Tensor

    def __init__(self, mean: float | Tensor, std: float | Tensor) -> None:
        super().__init__()
        mean, std = (
            x if isinstance(x, Tensor) else torch.tensor(x, dtype=torch.get_default_dtype())
            for x in (mean, std)
        )
        check_tensor(mean, "mean", shape=(), floating=True)
        check_positive(check_tensor(std, "std", shape=(), floating=True), "std")
        dtype = torch.promote_types(mean.dtype, std.dtype)
        self.register_buffer("mean", mean.to(dtype, copy=True))
        self.register_buffer("std", std.to(dtype, copy=True))

    @classmethod
    def fit(cls, x: Tensor) -> Normal:
        """Fit by maximum likelihood: the mean, and the variance with 1/N.

        Args:
            x: Observations, shape (N,), N at least 2.

        Raises:
            ValueError: If x is a single value, or constant: the likelihood then grows without bound
                as the standard deviation goes to zero, and has no maximum.
        """
        x = check_tensor(x, "x", ndim=1, floating=True).detach()
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

    def _log_prob(self, x: Tensor) -> Tensor:
        z = (x - self.mean) / self.std
        return -0.5 * (LOG_2PI + z**2) - self.std.log()

    def _sample(self, n: int, generator: Generator | None) -> Tensor:
        return self.mean + self.std * standard_normal((n,), self.mean, generator)

    def cdf(self, x: Tensor) -> Tensor:
        """Return the probability of a value of at most x, shape (B,) -> (B,)."""
        # erfc keeps its digits in the lower tail, where 1 + erf would round to 0.
        return 0.5 * torch.erfc((self.mean - self.check(x)) / (self.std * math.sqrt(2)))

    def icdf(self, u: Tensor) -> Tensor:
        """Return the value below which a share u lies, shape (B,) -> (B,): the cdf's inverse."""
        self.check(u, "u")
        check_values(u, "u", (u >= 0) & (u <= 1), "probabilities from 0 to 1")
        wide = u.to(torch.promote_types(u.dtype, torch.float32))  # it has no half precision
        return self.mean + self.std * torch.special.ndtri(wide).to(u)

    def entropy(self) -> Tensor:
        """Return the differential entropy in nats, shape ()."""
        return 0.5 * (1 + LOG_2PI) + self.std.log()

    def kl(self, other: Normal) -> Tensor:
        """Return the divergence KL(self || other) in nats, shape ()."""
        ratio = self.std / other.std
        shift = (self.mean - other.mean) / other.std
        return 0.5 * (ratio**2 + shift**2 - 1) - ratio.log()
