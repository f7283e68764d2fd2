"""Law 3, causality: what a factor of the chain rule may look at, and what it must look at.

The parameters of p(x_i | ·) do not depend on x_j for any j that is not visited before i, and do
depend on every j before i that the design promises: there is no blind spot.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .laws import fail_unless


@dataclass(frozen=True)
class CausalCase:
    """A model, events to look at, and the order in which it visits their coordinates.

    Attributes:
        name: Shown as the name of the test.
        build: Makes the model.
        events: Events, shape (M, *event_shape). A dependence is found if one of them shows it.
        order: The coordinates of a flattened event in the order of their visits: those of channel c
            of an image of height H and width W begin at c · H · W.
        conditionals: Returns from the model and events the parameters of each coordinate's factor,
            shape (M, d, ...), coordinates as in a flattened event.
        change: Returns other values than these for a coordinate, shape (M,) -> (M,).
        promised: Says whether the factor of coordinate i must look at coordinate j, which is
            visited before it.
        tolerance: The largest change that counts as none.
    """

    name: str
    build: Callable[[], Any]
    events: Tensor
    order: Sequence[int]
    conditionals: Callable[[Any, Tensor], Tensor] = lambda model, x: model.logits(x)
    change: Callable[[Tensor], Tensor] = lambda values: 1 - values
    promised: Callable[[int, int], bool] = lambda i, j: True
    tolerance: float = 1e-12

    def __str__(self) -> str:
        return self.name


@torch.no_grad()
def dependence(case: CausalCase) -> Tensor:
    """Return how much the parameters of i (rows) change when j (columns) does, at most, (d, d)."""
    model, x = case.build(), case.events
    before = case.conditionals(model, x)
    columns = []
    for j in range(x[0].numel()):
        changed = x.reshape(len(x), -1).clone()
        changed[:, j] = case.change(changed[:, j])
        moved = case.conditionals(model, changed.reshape(x.shape)) - before
        columns.append(moved.abs().reshape(len(x), before.shape[1], -1).amax(dim=(0, 2)))
    return torch.stack(columns, dim=1)


def check_causal(case: CausalCase) -> None:
    """No factor sees its own coordinate or a later one; each sees all that it is promised."""
    seen = dependence(case) > case.tolerance
    order = list(case.order)
    fail_unless(
        sorted(order) == list(range(len(seen))), "3, causality", case, f"no ordering: {order}"
    )
    place = {pixel: k for k, pixel in enumerate(order)}
    for i in range(len(seen)):
        for j in range(len(seen)):
            earlier = place[j] < place[i]
            what = "itself" if i == j else f"{j}, which comes later"
            fail_unless(
                earlier or not seen[i, j], "3, causality", case, f"the factor of {i} sees {what}"
            )
            blind = earlier and case.promised(i, j) and not seen[i, j]
            fail_unless(not blind, "3, causality", case, f"the factor of {i} is blind to {j}")
