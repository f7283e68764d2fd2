r"""Linear measurements y = A x, and what a solver asks of them.

Every operator here knows an orthonormal basis in which :math:`A A^\top` is diagonal. One division
then solves :math:`(A A^\top + \rho I) u = y`, and with it come the pseudo-inverse, the projection
onto all pictures that explain the measurements (the lecture's
:math:`x - A^\top (A A^\top)^{-1} (A x - y)`, by Lagrange's multipliers), and the proximal map of
the squared error, by the identity of Woodbury. Golub and Van Loan, Matrix computations, 5.5.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Generator, Tensor, nn

from gdmlib._checks import check_count, check_event_shape, check_not_negative, check_tensor
from gdmlib._random import draw, standard_normal


class Operator(nn.Module):
    r"""A linear map from events to measurements; leading dimensions are a batch.

    A new one gives `_apply_to`, `_adjoint_of`, and the basis: `rotate` and `rotate_back` between
    measurements and the coordinates in which :math:`A A^\top` is diagonal, with `eigenvalues`
    (numbers, or a tensor that broadcasts against the coordinates).

    Args:
        event_shape: Of what is measured, such as (C, H, W).
        measurement_shape: Of what comes out.
    """

    eigenvalues: Tensor

    def __init__(self, event_shape: int | Sequence[int], measurement_shape: Sequence[int]) -> None:
        super().__init__()
        self.event_shape = check_event_shape(event_shape)
        self.measurement_shape = torch.Size(measurement_shape)

    # --- what a new operator says ---

    def _apply_to(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def _adjoint_of(self, y: Tensor) -> Tensor:
        raise NotImplementedError

    def rotate(self, y: Tensor) -> Tensor:
        """Return the coordinates of y in the basis of eigenvectors; here they are y itself."""
        return y

    def rotate_back(self, c: Tensor) -> Tensor:
        """Return the measurements with these coordinates."""
        return c

    # --- what all have ---

    def forward(self, x: Tensor) -> Tensor:
        """Return A x, (..., *event_shape) -> (..., *measurement_shape)."""
        return self._apply_to(self._check(x, "x", self.event_shape))

    def adjoint(self, y: Tensor) -> Tensor:
        r"""Return :math:`A^\top y`, (..., *measurement_shape) -> (..., *event_shape)."""
        return self._adjoint_of(self.check_measurements(y))

    def gram(self, y: Tensor) -> Tensor:
        r"""Return :math:`A A^\top y`."""
        return self(self.adjoint(y))

    def solve_gram(self, y: Tensor, ridge: float = 0.0) -> Tensor:
        r"""Return :math:`(A A^\top + \rho I)^{-1} y` for a ridge :math:`\rho \ge 0`.

        Without a ridge it is the pseudo-inverse: directions that A does not reach are left out.
        """
        y = self.check_measurements(y)
        ridge = check_not_negative(ridge, "ridge")
        values = self.eigenvalues.to(y.dtype)
        if ridge == 0:
            floor = self._floor(values)
            inverse = torch.where(values > floor, 1 / values.clamp(min=floor), 0.0)
        else:
            inverse = 1 / (values + ridge)
        return self.rotate_back(self.rotate(y) * inverse)

    def pseudo_inverse(self, y: Tensor) -> Tensor:
        r"""Return :math:`A^+ y`: of all least-squares solutions that of the smallest norm."""
        return self.adjoint(self.solve_gram(y))

    def project(self, x: Tensor, y: Tensor) -> Tensor:
        r"""Return the nearest event to x that has the measurements y: :math:`x - A^+(A x - y)`.

        Where no event has them, A x comes as near to y as it can.
        """
        return x - self.pseudo_inverse(self(x) - self.check_measurements(y))

    def proximal(self, x: Tensor, y: Tensor, weight: float) -> Tensor:
        r"""Return the z of least :math:`\tfrac12\|z-x\|^2 + \tfrac w2\|A z - y\|^2`.

        Args:
            x: Where to stay near, shape (..., *event_shape).
            y: Measurements, shape (..., *measurement_shape).
            weight: :math:`w > 0`; for noise of standard deviation s and a step of size t it is
                :math:`t / s^2`. Infinity gives `project`.
        """
        if not weight > 0:
            raise ValueError(f"weight: expected a positive number, got {weight}")
        if math.isinf(weight):
            return self.project(x, y)
        error = self(x) - self.check_measurements(y)
        return x - self.adjoint(self.solve_gram(error, ridge=1 / weight))

    def measure(self, x: Tensor, noise: float = 0.0, generator: Generator | None = None) -> Tensor:
        """Return A x + noise · n with standard normal n."""
        y = self(x)
        if check_not_negative(noise, "noise") == 0:
            return y
        return y + noise * standard_normal(y.shape, y, generator)

    def check_measurements(self, y: Tensor) -> Tensor:
        """Return y if it is measurements of this operator, shape (..., *measurement_shape)."""
        return self._check(y, "y", self.measurement_shape)

    def norm(self) -> float:
        """Return the largest singular value of A."""
        return math.sqrt(float(self.eigenvalues.max()))

    def rank(self) -> int:
        """Return how many independent measurements there are."""
        reached = self.eigenvalues > self._floor(self.eigenvalues)
        return int(reached.expand(self._coordinates()).sum())

    @property
    def orthonormal(self) -> bool:
        r"""Whether :math:`A A^\top = I`, up to rounding."""
        return bool(torch.allclose(self.eigenvalues, torch.ones_like(self.eigenvalues), atol=1e-4))

    def _coordinates(self) -> torch.Size:
        return self.measurement_shape

    def _floor(self, values: Tensor) -> Tensor:
        """Return below which an eigenvalue counts as 0."""
        sizes = max(self.event_shape.numel(), self.measurement_shape.numel())
        return values.max() * sizes * torch.finfo(values.dtype).eps

    def _check(self, x: Tensor, name: str, shape: torch.Size) -> Tensor:
        like = next((b for b in self.buffers() if b.is_floating_point() and b.ndim > 0), None)
        x = check_tensor(x, name, floating=True, like=like)
        if x.shape[-len(shape) :] != shape:
            wanted = ", ".join(map(str, shape))
            if name == "y":
                what, came = "what the operator measures", "measurements of shape"
            else:
                what, came = "an event of this operator", "shape"
            raise ValueError(
                f"{name}: expected shape (..., {wanted}), {what}, got {came} {tuple(x.shape)}"
            )
        return x

    def extra_repr(self) -> str:
        """Say the sizes."""
        return f"{tuple(self.event_shape)} -> {tuple(self.measurement_shape)}"


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
        check_tensor(a, "a", ndim=2, floating=True)
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
    check_tensor(a, "a", ndim=2, floating=True)
    for _ in range(2):
        factor, failed = torch.linalg.cholesky_ex(a @ a.mT)
        if failed:
            return torch.linalg.qr(a.mT).Q.mT.contiguous()
        a = torch.linalg.solve_triangular(factor, a, upper=False)
    return a
