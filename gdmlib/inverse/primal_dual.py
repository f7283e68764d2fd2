r"""Total variation: of all pictures that explain the measurements, the one with the least edges.

:math:`\mathrm{TV}(x) = \sum \sqrt{(\partial_1 x)^2 + (\partial_2 x)^2}` (Rudin, Osher and Fatemi
1992, doi:10.1016/0167-2789(92)90242-F), minimised by the primal–dual method of Chambolle and Pock
2011 (doi:10.1007/s10851-010-0251-1, algorithm 1), over-relaxed as in Condat 2013
(doi:10.1007/s10957-012-0245-9). The dual says how far away the minimum can be.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gdmlib._checks import check_above_zero, check_count, check_not_negative, check_tensor
from gdmlib.inverse.batches import batch_of, check_start
from gdmlib.inverse.operators import Operator, check_operator
from gdmlib.inverse.restored import Restored

RELAXATION = 1.9
"""How far each step goes: 1 is Chambolle and Pock's, 2 no longer converges."""


def differences(x: Tensor) -> Tensor:
    """Return what a pixel's lower and right neighbours have more: (..., H, W) -> (..., 2, H, W).

    Beyond the border the picture goes on as it is.
    """
    d = x.new_zeros(*x.shape[:-2], 2, *x.shape[-2:])
    d[..., 0, :-1, :] = x.diff(dim=-2)
    d[..., 1, :, :-1] = x.diff(dim=-1)
    return d


def differences_adjoint(p: Tensor) -> Tensor:
    """Return the adjoint of `differences`, which is minus the divergence."""
    down, across = p[..., 0, :-1, :], p[..., 1, :, :-1]
    x = p.new_zeros(*p.shape[:-3], *p.shape[-2:])
    x[..., :-1, :] -= down
    x[..., 1:, :] += down
    x[..., :-1] -= across
    x[..., 1:] += across
    return x


def variation(x: Tensor) -> Tensor:
    """Return the isotropic total variation of each picture, (..., C, H, W) -> (...)."""
    x = check_tensor(x, "x", shape=(..., "C", "H", "W"), floating=True)
    return differences(x).square().sum(-3).sqrt().sum((-3, -2, -1))


@torch.no_grad()
def total_variation(
    operator: Operator,
    y: Tensor,
    weight: float | None = None,
    *,
    steps: int = 1_000,
    tolerance: float = 1e-3,
    start: Tensor | None = None,
    ratio: float = 20.0,
    every: int = 25,
) -> Restored:
    r"""Minimise :math:`\tfrac12 \|A x - y\|^2 + w \mathrm{TV}(x)`, or TV(x) subject to A x = y.

    Args:
        operator: A, of pictures (C, H, W).
        y: Measurements, shape (..., *measurement_shape); pictures of a batch are independent.
        weight: w, about the variance of the noise times 10 for pictures in [0, 1]; None asks that
            the measurements are met exactly.
        steps: At most.
        tolerance: Ends when the gap of each picture is at most this share of its objective.
        start: Where to start; the pseudo-inverse unless said otherwise.
        ratio: How large a step the dual makes for one of the primal; 20 suits pictures in [0, 1].
        every: After how many steps the gap is looked at.

    Returns:
        The picture, and the largest relative gap. Where A has a null space, the gap speaks of all
        pictures that are at most ‖x‖ away from x in it.
    """
    steps, every = check_count(steps, "steps"), check_count(every, "every")
    check_above_zero(ratio, "ratio")
    check_not_negative(tolerance, "tolerance")
    radius = 1.0 if weight is None else check_above_zero(weight, "weight")
    y = check_operator(operator).check_measurements(y)
    dual_step = ratio * radius / math.sqrt(8)  # the norm of `differences` is below √8
    primal_step = 1 / (8 * dual_step)
    if start is None:
        x = operator.pseudo_inverse(y)
    else:
        x = operator.project(check_start(operator, y, batch_of(operator, y), start), y)
    p = torch.zeros_like(differences(x))
    history, share = [], math.inf
    for step in range(1, steps + 1):
        nearer = x - primal_step * differences_adjoint(p)
        if weight is None:
            nearer = operator.project(nearer, y)
        else:
            nearer = operator.proximal(nearer, y, primal_step)
        q = _shorten(p + dual_step * differences(2 * nearer - x), radius)
        x, p = x.lerp(nearer, RELAXATION), p.lerp(q, RELAXATION)
        if step % every == 0 or step == steps:
            share = float(gap(operator, y, nearer, q, weight).max())
            history.append({"step": step, "gap": share})
            if share <= tolerance:
                break
    return Restored(nearer, step, tuple(history), share)


def gap(operator: Operator, y: Tensor, x: Tensor, p: Tensor, weight: float | None) -> Tensor:
    r"""Return how far the objective is above its minimum at most, as a share of it, shape (...).

    For every p of at most the length w in each pixel, and :math:`d = D^\top p`, the objective is at
    least :math:`\min_x \tfrac12\|A x - y\|^2 + \langle d, x\rangle`; in the null space of A that
    minimum is taken over a ball around x (the partial gap of Chambolle and Pock, section 3.1).
    """
    d = differences_adjoint(p)
    u = operator.solve_gram(operator(d))  # d = Aᵀu, but for what lies in the null space
    unseen = d - operator.adjoint(u)
    event, seen = (-3, -2, -1), tuple(range(-len(operator.measurement_shape), 0))
    reach = x.square().sum(event).sqrt()
    loss = reach * unseen.square().sum(event).sqrt()  # what the ball can gain
    objective = (1.0 if weight is None else weight) * variation(x)
    below = (d * x).sum(event) - loss
    if weight is not None:
        error = operator(x) - y
        objective = objective + 0.5 * error.square().sum(seen)
        # the best A x is y - u; along Aᵀu, <d, x> differs by that much
        below = below - (u * error).sum(seen) - 0.5 * u.square().sum(seen)
    return (objective - below) / objective.clamp(min=1e-12)


def _shorten(p: Tensor, radius: float) -> Tensor:
    """Return the nearest vectors of at most this length, one a pixel."""
    length = p.square().sum(-3, keepdim=True).sqrt()
    return p / (length / radius).clamp(min=1)
