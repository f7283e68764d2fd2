"""Law 8, operators and priors: what a solver climbs is the gradient of log p, number by number.

``derivatives.py`` moves all numbers of a model together in random directions; here
`gdmlib.inverse.gradient`, which the solvers ask, is held against differences of ``log_prob`` by
each number of an event alone.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gdmlib.inverse import gradient

from .derivatives import _NearlyEqual
from .laws import fail_unless

LAW = "8, priors"


def check_input_gradient(name: str, prior: Any, x: Tensor, tolerance: float = 1e-6) -> None:
    """The gradient of each event is that of its own log p, by central differences in float64."""
    step = 1e-6
    with _NearlyEqual():
        found = gradient(prior, x)
        fail_unless(found.shape == x.shape, LAW, name, f"shape {tuple(found.shape)}, not x's")
        flat = x.flatten(1)
        moves = step * torch.eye(flat.shape[1], dtype=x.dtype)
        numerical = torch.empty_like(flat)
        with torch.no_grad():
            for i, event in enumerate(flat):
                ends = [(event + sign * moves).reshape(-1, *x.shape[1:]) for sign in (1, -1)]
                above, below = (prior.log_prob(end) for end in ends)
                numerical[i] = (above - below) / (2 * step)
    gap = (found.flatten(1) - numerical).abs() / (1 + numerical.abs())
    worst = float(gap.max())
    fail_unless(worst <= tolerance, LAW, name, f"the gradient is off by {worst:.3g}, relatively")
