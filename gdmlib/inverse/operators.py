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

from gdmlib._checks import (
    check_above_zero,
    check_event_shape,
    check_kind,
    check_not_negative,
    check_tensor,
)
from gdmlib._random import standard_normal


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
        return self._apply_to(self.check_events(x))

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
        if math.isinf(check_above_zero(weight, "weight", infinite=True)):
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
        return self._check(y, "y", self.measurement_shape, "what the operator measures")

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

    def check_events(self, x: Tensor, name: str = "x") -> Tensor:
        """Return x if it is events of this operator, shape (..., *event_shape)."""
        return self._check(x, name, self.event_shape, "an event of this operator")

    def _check(self, x: Tensor, name: str, shape: torch.Size, what: str) -> Tensor:
        like = next((b for b in self.buffers() if b.is_floating_point() and b.ndim > 0), None)
        return check_tensor(x, name, shape=(..., *shape), what=what, floating=True, like=like)

    def extra_repr(self) -> str:
        """Say the sizes."""
        return f"{tuple(self.event_shape)} -> {tuple(self.measurement_shape)}"


def check_operator(operator: Operator, events: torch.Size | None = None) -> Operator:
    """Return what measures, if it is an operator, of events of as many numbers where that is asked.

    Args:
        operator: What was given for one.
        events: The shape of the events of a model that is to be measured.
    """
    check_kind(operator, "operator", Operator, "an Operator, such as Matrix or Masking")
    if events is not None and events.numel() != operator.event_shape.numel():
        raise ValueError(
            f"operator: expected events of the model, {tuple(events)}, got "
            f"{tuple(operator.event_shape)}"
        )
    return operator
