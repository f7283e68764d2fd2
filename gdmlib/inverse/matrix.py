"""A matrix as an operator, and matrices with orthonormal rows."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from gdmlib._checks import check_count, check_tensor
from gdmlib._random import draw
from gdmlib.inverse.operators import Operator


class Matrix(Operator):
    """A matrix, written out.

    Args:
        a: Shape (measurements, numbers of an event).
        event_shape: Of an event; None for a vector.
        orthonormal: True promises orthonormal rows, which saves the decomposition of A Aᵀ; the
            promise is checked on a few random vectors.
        copy: Whether to keep a copy of a; False saves its memory, if a is not changed later.

    Raises:
        ValueError: If the sizes disagree, or rows that should be orthonormal are not.
    """

    a: Tensor
    basis: Tensor | None

    def __init__(
        self,
        a: Tensor,
        event_shape: int | Sequence[int] | None = None,
        *,
        orthonormal: bool = False,
        copy: bool = True,
    ) -> None:
        check_tensor(a, "a", ndim=2, floating=True, digits=True)
        super().__init__(a.shape[1] if event_shape is None else event_shape, a.shape[:1])
        if self.event_shape.numel() != a.shape[1]:
            raise ValueError(
                f"a: expected {self.event_shape.numel()} columns, one for each number of an event "
                f"of shape {tuple(self.event_shape)}, got shape {tuple(a.shape)}"
            )
        if orthonormal:
            check_orthonormal(a)
            values, basis = a.new_ones(()), None
        else:
            values, basis = torch.linalg.eigh(a @ a.mT)
            values = values.clamp(min=0)
        self.register_buffer("a", a.clone() if copy else a)
        self.register_buffer("eigenvalues", values)
        self.register_buffer("basis", basis)

    def first(self, measurements: int) -> Matrix:
        """Return the operator of the first rows, which share their memory with this one."""
        m = check_count(measurements, "measurements")
        if m > len(self.a):
            raise ValueError(f"measurements: expected at most {len(self.a)}, got {m}")
        return Matrix(self.a[:m], self.event_shape, orthonormal=self.orthonormal, copy=False)

    def _apply_to(self, x: Tensor) -> Tensor:
        return x.flatten(-len(self.event_shape)) @ self.a.mT

    def _adjoint_of(self, y: Tensor) -> Tensor:
        return (y @ self.a).unflatten(-1, self.event_shape)

    def rotate(self, y: Tensor) -> Tensor:
        """Return the coordinates in the basis of eigenvectors of A Aᵀ."""
        return y if self.basis is None else y @ self.basis

    def rotate_back(self, c: Tensor) -> Tensor:
        """Return the measurements with these coordinates."""
        return c if self.basis is None else c @ self.basis.mT


def check_orthonormal(a: Tensor, probes: int = 4) -> None:
    """Raise a ValueError unless A Aᵀ v = v for a few random v, which takes no product A Aᵀ."""
    rows, columns = a.shape
    if rows > columns:
        raise ValueError(
            f"a: {rows} rows of {columns} numbers cannot be orthonormal; take at most {columns}"
        )
    v = draw(torch.randn, probes, rows, generator=Generator().manual_seed(0)).to(a)
    error = float(((v @ a) @ a.mT - v).norm() / v.norm())
    if not error < 1e-3:
        raise ValueError(
            f"a: expected orthonormal rows, but A Aᵀ v differs from v by {error:.2g} of its "
            "length; use orthonormal=False, or orthonormal_rows(a)"
        )


def orthonormal_rows(a: Tensor) -> Tensor:
    """Return orthonormal rows that span the same space, shape (m, n) with m of at most n.

    By Cholesky's factor of A Aᵀ, twice: products of matrices are many times faster than
    reflections, and the second turn takes away the rounding of the first (CholeskyQR2; Yamamoto,
    Nakatsukasa, Yanagisawa and Fukaya 2015, doi:10.1553/etna_vol44s306).
    """
    check_tensor(a, "a", ndim=2, floating=True, digits=True)
    for _ in range(2):
        factor, failed = torch.linalg.cholesky_ex(a @ a.mT)
        if failed:
            return torch.linalg.qr(a.mT).Q.mT.contiguous()
        a = torch.linalg.solve_triangular(factor, a, upper=False)
    return a
