"""Triangular factors of covariances: L with a positive diagonal and L Lᵀ = Σ."""

from __future__ import annotations

import torch
from torch import Tensor

from gdmlib._checks import check_digits, check_values


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
    # Products of matrices round C[i, j] and C[j, i] apart, the more so the longer their sums are.
    if asymmetry > max(100 * eps, 1e-10) * float(values.abs().max()):
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


def check_scale_tril(factor: Tensor) -> None:
    """Refuse a factor that is not lower triangular, or not positive on the diagonal."""
    if bool(factor.triu(1).any()):
        raise ValueError("scale_tril: expected a lower triangle, got entries above; use tril")
    check_values(factor.diagonal(), "scale_tril", factor.diagonal() > 0, "a positive diagonal")


def solve_lower(factor: Tensor, b: Tensor) -> Tensor:
    """Return the z of ``factor`` z = b, shapes (..., d, d) and (..., d, k), for a lower factor."""
    check_digits(b)
    return torch.linalg.solve_triangular(factor, b, upper=False)
