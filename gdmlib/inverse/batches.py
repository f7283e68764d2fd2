"""What solvers share: what they are given, and batches of any number of dimensions."""

from __future__ import annotations

import torch
from torch import Tensor

from gdmlib._checks import check_finite, check_tensor
from gdmlib.inverse.operators import Operator, check_operator
from gdmlib.inverse.restored import Restored

GREY = 0.5


def rows_of(operator: Operator, y: Tensor) -> tuple[Tensor, torch.Size]:
    """Return measurements with one dimension of batch, and the dimensions there were."""
    y = check_operator(operator).check_measurements(y)
    return y.detach().reshape(-1, *operator.measurement_shape), batch_of(operator, y)


def batch_of(operator: Operator, y: Tensor) -> torch.Size:
    """Return the dimensions of measurements that are a batch."""
    return y.shape[: y.ndim - len(operator.measurement_shape)]


def grey(operator: Operator, y: Tensor) -> Tensor:
    """Return a grey picture for each measurement, (..., *event_shape)."""
    return y.new_full((*batch_of(operator, y), *operator.event_shape), GREY)


def nearest_to_grey(operator: Operator, y: Tensor) -> Tensor:
    """Return of all pictures that explain y those nearest to grey ones, (..., *event_shape)."""
    return operator.project(grey(operator, y), y)


def start_of(operator: Operator, rows: Tensor, batch: torch.Size, start: Tensor | None) -> Tensor:
    """Return pictures to start from, those given or the least that agrees, in one batch."""
    if start is None:
        return operator.pseudo_inverse(rows)
    start = check_start(operator, rows, batch, start).detach()
    return start.reshape(-1, *operator.event_shape)


def check_start(operator: Operator, y: Tensor, batch: torch.Size, start: Tensor) -> Tensor:
    """Return pictures to start from if there is one for each measurement, (..., *event_shape)."""
    shape = (*batch, *operator.event_shape)
    return check_tensor(start, "start", shape=shape, floating=True, like=y)


def shaped_as(found: Restored, batch: torch.Size) -> Restored:
    """Return what was found with the batch dimensions that the measurements had."""

    def back(x: Tensor) -> Tensor:
        return x.reshape(*batch, *x.shape[1:])

    return found._replace(image=back(found.image), frames=tuple(back(x) for x in found.frames))


def event_of(value: Tensor | float, name: str, operator: Operator, y: Tensor) -> Tensor:
    """Return an event, (*event_shape), of the dtype of y: the one given, or of equal numbers."""
    if isinstance(value, Tensor) and value.ndim:
        check_tensor(value, name, shape=operator.event_shape, floating=True)
        return value.to(y)
    number = float(check_finite(value, name))  # type: ignore[arg-type]
    return y.new_full(operator.event_shape, number)
