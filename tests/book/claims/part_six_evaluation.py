"""What the questions of lesson 19 state in numbers."""

from __future__ import annotations

import math

import torch
from torch.distributions import Normal

from gdmlib import metrics

from .registry import claim


@claim("19", "half-noise")
def half_noise() -> tuple[str, ...]:
    """The bound, reached where the noise has no density; and what a share mistaken gives."""
    p = Normal(torch.zeros(400).double(), 0.01)
    noise = Normal(torch.full((400,), 50.0).double(), 1.0)
    x = p.sample()
    right, wrong = (
        torch.logaddexp(
            p.log_prob(x).sum() + math.log(share), noise.log_prob(x).sum() + math.log(1 - share)
        )
        - p.log_prob(x).sum()
        for share in (0.1, 0.9)
    )
    return f"{-right:.2f} nats", f"{-wrong:.2f} nats"


@claim("19", "which-order")
def which_order() -> tuple[str, ...]:
    """The library's line through two sizes, and the raw numbers."""
    measured = {"A": {1000: 12.0, 500: 17.0}, "B": {500: 14.0, 250: 24.0}}
    found = {}
    for name, at in measured.items():
        sets = torch.zeros(max(at), 1).double()
        line = metrics.extrapolated(lambda a, b, at=at: at[len(a)], sets, sets, halvings=1)
        found[name] = line.value
    assert found["B"] < found["A"]
    return f"{found['B']:.0f} and {found['A']:.0f}", "12 is less than 14"


@claim("19", "preferred")
def preferred() -> None:
    """The truth itself prefers what is flat, and never draws it."""
    covariance = torch.full((64, 64), 0.5).double() + 0.5 * torch.eye(64).double()
    p = torch.distributions.MultivariateNormal(torch.zeros(64).double(), covariance)
    x = p.sample((500,))
    flat = x.mean(1, keepdim=True).expand_as(x)
    assert p.log_prob(flat).mean() > p.log_prob(x).mean() + 20
    assert p.log_prob(x).max() < p.log_prob(flat).min()
    assert metrics.typicality(p.log_prob(flat[:20]), p.log_prob(x)).p_value < 0.01
