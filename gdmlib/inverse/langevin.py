r"""Langevin sampling: from p(x | y) with any prior whose gradient is right, a flow's, say.

A step uphill and noise of matching strength,

.. math:: x' = x + h\, \nabla \log p(x \mid y) + \sqrt{2 h}\; n, \qquad \log p(x \mid y) = \log p(x)
    - \frac{\lVert A x - y \rVert^2}{2 \sigma^2} + \text{const},

leaves the posterior as it is when h is small. For any h it does if x' is taken only with the
probability of Metropolis and Hastings, which needs log p itself (Roberts and Tweedie 1996,
"Exponential convergence of Langevin distributions and their discrete approximations").
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Generator, Tensor

from gdmlib._checks import check_above_zero, check_count
from gdmlib._random import standard_normal, uniform
from gdmlib.inverse.batches import rows_of, start_of
from gdmlib.inverse.operators import Operator
from gdmlib.inverse.prior import Prior, value_and_gradient
from gdmlib.inverse.restored import Restored
from gdmlib.latent.schedule import shaped

ENOUGH = 20
"""So many steps, none of which is taken, are no chance: the pictures cannot move."""


def langevin(
    operator: Operator,
    y: Tensor,
    prior: Prior,
    n: int = 1,
    *,
    noise: float,
    lr: float,
    steps: int = 500,
    start: Tensor | None = None,
    generator: Generator | None = None,
) -> Restored:
    """Walk with n pictures for each measurement; their last places are samples of p(x | y).

    Args:
        operator: A.
        y: Measurements, shape (..., *measurement_shape).
        prior: With ``log_prob``, each step is judged; with a gradient alone, all are taken.
        n: How many pictures of each.
        noise: Standard deviation σ of the measurements' noise, more than 0.
        lr: The step h, in squared units of x. Good where half or more of the steps are taken.
        steps: So many.
        start: Pictures to start from, (..., *event_shape); None for the least that agrees.
        generator: Draws all noise.

    Returns:
        The pictures, shape (n, ..., *event_shape), and in ``history`` of each step ``taken``, the
        share of the pictures that moved.

    Raises:
        FloatingPointError: If the walk diverges, or no step at all is taken.
    """
    check_above_zero(noise, "noise")
    check_above_zero(lr, "lr")
    n, steps = check_count(n), check_count(steps, "steps")
    rows, batch = rows_of(operator, y)
    x = start_of(operator, rows, batch, start).repeat(n, *[1] * len(operator.event_shape))
    rows = rows.repeat(n, *[1] * (rows.ndim - 1))

    def value(x: Tensor) -> tuple[Tensor | None, Tensor]:
        nats, slope = value_and_gradient(prior, x)
        missed = rows - operator(x)
        if nats is not None:
            nats = nats - missed.flatten(1).square().sum(dim=1) / (2 * noise**2)
        return nats, slope + operator.adjoint(missed) / noise**2

    nats, slope = value(x)
    history: list[dict[str, Any]] = []
    for _ in range(steps):
        z = standard_normal(x.shape, x, generator)
        new = x + lr * slope + math.sqrt(2 * lr) * z
        if not bool(new.isfinite().all()):
            raise FloatingPointError(f"the walk diverged; take an lr below {lr:g}")
        new_nats, new_slope = value(new)
        taken = torch.ones(len(x), dtype=torch.bool, device=x.device)
        if nats is not None and new_nats is not None:
            back = (x - new - lr * new_slope).flatten(1).square().sum(dim=1) / (4 * lr)
            forth = z.flatten(1).square().sum(dim=1) / 2
            chance = uniform((len(x),), x, generator)
            taken = chance.log().to(x) < new_nats - nats + forth - back
            nats = torch.where(taken, new_nats, nats)
        at = shaped(taken, x).bool()
        x, slope = torch.where(at, new, x), torch.where(at, new_slope, slope)
        history.append({"taken": float(taken.double().mean())})
    if len(x) * steps >= ENOUGH and not any(entry["taken"] for entry in history):
        raise FloatingPointError(
            f"none of {len(x) * steps} steps was taken; take an lr below {lr:g}"
        )
    image = x.reshape(n, *batch, *operator.event_shape)
    return Restored(image, steps, tuple(history))
