"""Whitening of regression data: what is linear is taken out before a model is fitted."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Whitening(nn.Module):
    r"""Remove what is linear: the correlations within contexts, and of contexts with pixels.

    .. math:: \tilde x = W (x - m), \qquad \tilde y = (y - \bar y - r^\top \tilde x) / \sigma

    with :math:`W` the inverse square root of the covariance of the contexts, :math:`r` the linear
    regression on whitened contexts and :math:`\sigma` the standard deviation of what is left.
    A fit then starts from data of unit size in every direction. Densities change by
    :math:`|d\tilde y / dy| = 1/\sigma`. Before `estimate` it changes nothing.

    Args:
        dim_context: The number D of coordinates of a context; 0 is allowed.
    """

    context_mean: Tensor
    matrix: Tensor
    regression: Tensor
    output_mean: Tensor
    output_std: Tensor

    def __init__(self, dim_context: int) -> None:
        super().__init__()
        self.register_buffer("context_mean", torch.zeros(dim_context))
        self.register_buffer("matrix", torch.eye(dim_context))
        self.register_buffer("regression", torch.zeros(dim_context))
        self.register_buffer("output_mean", torch.zeros(()))
        self.register_buffer("output_std", torch.ones(()))

    @torch.no_grad()
    def estimate(self, x: Tensor, y: Tensor, tolerance: float = 1e-7) -> None:
        """Estimate all from contexts, (N, D), and pixels, (N,), in place.

        A direction whose variance is below ``tolerance`` times the largest is left out (its
        whitened coordinate is 0): rounding is all that could be seen in it.

        Raises:
            ValueError: If the contexts explain the pixels exactly: the density would be infinite.
        """
        wide, target = x.double(), y.double()
        mean, output_mean = wide.mean(dim=0), target.mean()
        centred, residual = wide - mean, target - output_mean
        matrix = wide.new_zeros(x.shape[1], x.shape[1])
        if x.shape[1]:
            values, vectors = torch.linalg.eigh(centred.T @ centred / len(x))
            kept = values > tolerance * values[-1].clamp(min=torch.finfo(values.dtype).tiny)
            inverse_root = torch.where(kept, values.clamp(min=1e-300).rsqrt(), 0.0)
            matrix = (vectors * inverse_root) @ vectors.T
        white = centred @ matrix
        regression = white.T @ residual / len(x)
        residual -= white @ regression
        std = residual.square().mean().sqrt()
        if not float(std) > 1e-6 * float(target.square().mean().sqrt()):
            raise ValueError(
                "y: the pixels are an exact linear function of their contexts, so that the density "
                "is infinite; add noise (levels are dequantised by uniform noise), or look for "
                "constant images"
            )
        self.context_mean.copy_(mean)
        self.matrix.copy_(matrix)
        self.regression.copy_(regression)
        self.output_mean.copy_(output_mean)
        self.output_std.copy_(std)

    def context(self, x: Tensor) -> Tensor:
        """Return whitened contexts, shape (..., D) -> (..., D)."""
        return (x - self.context_mean) @ self.matrix

    def output(self, y: Tensor, white: Tensor) -> Tensor:
        """Return whitened pixels, (...), given whitened contexts, (..., D)."""
        return (y - self.output_mean - white @ self.regression) / self.output_std

    def inverse(self, residual: Tensor, white: Tensor) -> Tensor:
        """Return pixels, (...), from whitened pixels and whitened contexts, (..., D)."""
        return self.output_mean + white @ self.regression + self.output_std * residual

    def log_det(self) -> Tensor:
        """Return log |dỹ/dy|, shape (): add it to the log-density of the whitened pixel."""
        return -self.output_std.log()
