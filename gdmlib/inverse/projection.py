r"""The most probable picture: gradient ascent on log p(x) among those that agree with y.

Without noise, y = A x must hold exactly. A step up the prior, then the nearest picture that
agrees,

.. math:: x \leftarrow \Pi\bigl(x + \eta\, \nabla \log p(x)\bigr), \qquad
    \Pi(v) = v - A^\top (A A^\top)^{-1} (A v - y)

(Dave, Vadathya and Mitra 2017, "Compressive image recovery using recurrent generative model",
section 4). With noise of standard deviation σ the sum of both is climbed, again in two parts,

.. math:: x \leftarrow \arg\min_z\ \tfrac12 \lVert z - x - \eta\, \nabla \log p(x) \rVert^2 +
    \frac{\eta}{2 \sigma^2} \lVert A z - y \rVert^2 ,

which is the projection as σ goes to 0. Both move on in the direction of the last step, as well. A
step that does not climb is taken back: first it loses the momentum, then half of its length; one
that climbs lets the next be a little longer. So η is only where the search begins, and one that is
too large, which would diverge, is found out, halved and reported in the history.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import torch
from torch import Tensor

from gdmlib._checks import check_above_zero, check_count, check_share
from gdmlib.inverse.batches import rows_of, shaped_as, start_of
from gdmlib.inverse.operators import Operator
from gdmlib.inverse.prior import Prior, value_and_gradient
from gdmlib.inverse.restored import Restored
from gdmlib.latent.schedule import shaped

Move = Callable[[Tensor, Tensor], Tensor]


def map_by_projection(
    operator: Operator,
    y: Tensor,
    prior: Prior,
    *,
    start: Tensor | None = None,
    steps: int = 200,
    lr: float = 1e-4,
    momentum: float = 0.9,
    growth: float = 1.1,
    keep: Collection[int] = (),
) -> Restored:
    """Climb log p(x) among the pictures with A x = y.

    Args:
        operator: A, whose measurements are independent of one another.
        y: Measurements without noise, shape (..., *measurement_shape).
        prior: What is climbed; see `gdmlib.inverse.prior`.
        start: Pictures to start from, (..., *event_shape); None for the least that agrees.
        steps: Gradients that are asked for.
        lr: Length η of the first step, in squared units of x a nat.
        momentum: Share of the last step that is taken again.
        growth: A step that climbs makes the next so many times as long.
        keep: Iterations whose pictures are kept, 0 for the start.

    Returns:
        The pictures, and in ``history`` after each step, of each picture: ``log_prob`` (NaN for a
        prior that has none), ``lr``, and ``halved``, whether the step length was halved.

    Raises:
        FloatingPointError: If no step, however short, climbs from the start.
    """

    def move(v: Tensor, lengths: Tensor) -> Tensor:
        return operator.project(v, rows)

    rows, batch = rows_of(operator, y)
    x = start_of(operator, rows, batch, start)
    x = operator.project(x, rows)
    left = _size(operator(operator.project(x + 1, rows)) - rows) / (1 + _size(rows))
    bound = 1e4 * torch.finfo(x.dtype).eps
    if bool((left > bound).any()):
        raise ValueError(
            f"operator: after its projection, measurements are off by {float(left.max()):.2g}, "
            f"relatively, which should be less than {bound:.1g}: no picture has these measurements "
            "(use proximal_map for noisy ones), or `project` takes its rows for what they are not"
        )

    def cost(x: Tensor) -> Tensor:
        return torch.zeros(len(x)).to(x)

    return shaped_as(_climb(prior, cost, move, x, steps, lr, momentum, growth, keep), batch)


def proximal_map(
    operator: Operator,
    y: Tensor,
    prior: Prior,
    *,
    noise: float,
    start: Tensor | None = None,
    steps: int = 200,
    lr: float = 1e-4,
    momentum: float = 0.9,
    growth: float = 1.1,
    keep: Collection[int] = (),
) -> Restored:
    """Climb log p(x) - ‖A x - y‖² / 2σ²; the other arguments are those of `map_by_projection`.

    Args:
        noise: Its standard deviation σ, more than 0.
    """
    check_above_zero(noise, "noise", advice="; without noise use map_by_projection")

    def move(v: Tensor, lengths: Tensor) -> Tensor:
        # As few calls as there are different lengths.
        moved = torch.empty_like(v)
        for length in lengths.unique().tolist():
            which = lengths == length
            moved[which] = operator.proximal(v[which], rows[which], length / noise**2)
        return moved

    def cost(x: Tensor) -> Tensor:
        return (operator(x) - rows).flatten(1).square().sum(dim=1) / (2 * noise**2)

    rows, batch = rows_of(operator, y)
    x = start_of(operator, rows, batch, start)
    return shaped_as(_climb(prior, cost, move, x, steps, lr, momentum, growth, keep), batch)


def _size(x: Tensor) -> Tensor:
    return x.flatten(1).square().mean(dim=1).sqrt()


def _climb(
    prior: Prior,
    cost: Callable[[Tensor], Tensor],
    move: Move,
    x: Tensor,
    steps: int,
    lr: float,
    momentum: float,
    growth: float,
    keep: Collection[int],
) -> Restored:
    """Climb log p - cost from x, each picture with a step length and a momentum of its own."""
    steps = check_count(steps, "steps")
    check_share(momentum, "momentum")
    check_above_zero(lr, "lr")
    if check_above_zero(growth, "growth") < 1:
        raise ValueError(f"growth: expected at least 1, got {growth}")
    length = torch.full((len(x),), lr, dtype=torch.float64)
    before, fresh = x, torch.ones(len(x), dtype=torch.bool)  # fresh: without momentum
    climbed = torch.zeros(len(x), dtype=torch.bool)
    (nats, slope), paid = value_and_gradient(prior, x), cost(x)
    if not bool(slope.isfinite().all()) or (nats is not None and not bool(nats.isfinite().all())):
        raise FloatingPointError(
            "prior: log p or its gradient is NaN or infinite where the search starts; give another "
            "start, such as what total variation finds"
        )
    history: list[dict[str, Any]] = []
    frames = [x] if 0 in keep else []
    for step in range(1, steps + 1):
        push = momentum * shaped((~fresh).double(), x) * (x - before)
        there = x + shaped(length, x) * slope + push
        held = there.flatten(1).isfinite().all(dim=1)  # or the step is far too long
        new = move(torch.where(shaped(held, x).bool(), there, x), length)
        (new_nats, new_slope), asked = value_and_gradient(prior, new), cost(new)
        if nats is None or new_nats is None:  # no density: the trapezoid of its gradient
            rise = (0.5 * (slope + new_slope) * (new - x)).flatten(1).sum(dim=1)
            rounding = torch.zeros_like(rise)
        else:
            rise = new_nats - nats
            rounding = 8 * torch.finfo(nats.dtype).eps * nats.abs()
        good = held & (rise - asked + paid >= -rounding)
        good &= new_slope.flatten(1).isfinite().all(dim=1)
        at = shaped(good, x).bool()
        before, x = torch.where(at, x, before), torch.where(at, new, x)
        slope, paid = torch.where(at, new_slope, slope), torch.where(good, asked, paid)
        if nats is not None and new_nats is not None:
            nats = torch.where(good, new_nats, nats)
        good = good.cpu()
        halved = ~good & fresh
        length = torch.where(good, growth * length, torch.where(halved, length / 2, length))
        fresh, climbed = ~good, climbed | good
        reached = torch.full((len(x),), torch.nan) if nats is None else nats - paid
        history.append({"log_prob": reached, "lr": length.clone(), "halved": halved})
        if step in keep:
            frames.append(x)
    if not bool(climbed.all()):
        raise FloatingPointError(
            f"prior: from picture {int((~climbed).nonzero()[0])} no step raised log p, not even "
            f"one of length {float(length.min()):.1g}: give a smaller lr or more steps; or the "
            "gradient is not that of log_prob"
        )
    return Restored(image=x, iterations=steps, history=tuple(history), frames=tuple(frames))
