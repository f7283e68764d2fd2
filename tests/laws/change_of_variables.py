"""Law 6, change of variables: what a flow says of its maps is what autograd finds.

log|det| is that of autograd's Jacobian, both ways; and the one way undoes the other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .laws import fail_unless

LAW = "6, change of variables"


@dataclass(frozen=True)
class MapCase:
    """An invertible map and where to look at it.

    Attributes:
        name: Shown as the name of the test.
        build: Makes the map, float64: ``forward(x)`` and ``inverse(y)`` return the image and the
            logarithm of the volume's change.
        points: Events on the side of the data, (M, ...).
    """

    name: str
    build: Callable[[], Any]
    points: Tensor

    def __str__(self) -> str:
        return self.name


def log_volume(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Return log|det J| of a function of batches at each event, (M,), by autograd's Jacobian."""
    found = []
    for event in x:
        jacobian = torch.autograd.functional.jacobian(lambda e: function(e[None])[0], event)
        size = event.numel()
        found.append(torch.linalg.slogdet(jacobian.reshape(size, size)).logabsdet)
    return torch.stack(found)


def check_log_det(case: MapCase, tolerance: float = 1e-9) -> None:
    """The log-determinants of both ways are those of autograd's Jacobians."""
    model, x = case.build(), case.points
    y, log_det = model(x)
    for way, function, at, found in [
        ("forward", model, x, log_det),
        ("inverse", model.inverse, y.detach(), model.inverse(y.detach())[1]),
    ]:
        fail_unless(found.shape == (len(x),), LAW, case, f"{way}: shape {tuple(found.shape)}")
        exact = log_volume(lambda e, f=function: f(e)[0], at)
        worst = float((found - exact).detach().abs().max())
        says = f"{way}: the log-determinant is off by {worst:.3g}"
        fail_unless(worst <= tolerance, LAW, case, says)


@torch.no_grad()
def check_inverse(case: MapCase, tolerance: float = 1e-9) -> None:
    """f⁻¹(f(x)) = x and f(f⁻¹(y)) = y, with and without autograd, and the volumes cancel."""
    model, x = case.build(), case.points
    y, there = model(x)
    back, again = model.inverse(y)
    with torch.enable_grad():  # a way of its own, where numbers come one by one
        graph = model.inverse(y)[0].detach()
    for what, found, wanted in [
        ("f⁻¹(f(x)) is not x", back, x),
        ("with autograd f⁻¹(f(x)) is not x", graph, x),
        ("f(f⁻¹(y)) is not y", model(back)[0], y),
        ("the log-determinants of both ways do not cancel", again, -there),
    ]:
        worst = float((found - wanted).abs().max()) if found.shape == wanted.shape else float("inf")
        fail_unless(worst <= tolerance, LAW, case, f"{what}, by {worst:.3g}")
