"""Claims of lesson 24."""

from __future__ import annotations

import torch

from gdmlib.restoration import composite, flows_from, warp
from tests.book.claims.registry import claim


@claim("24", "imitated-noise")
def imitated_noise() -> tuple[str, ...]:
    """A least-squares slope on imitations of spread 1, used on noise of spread 2."""
    draws = torch.randn(2, 1_000_000, generator=torch.Generator().manual_seed(0)).double()
    x, n = draws
    slope = ((x + n) * x).mean() / (x + n).square().mean()
    on_imitations = float((slope * (x + n) - x).square().mean())
    used = float((slope * (x + 2 * n) - x).square().mean())
    assert abs(on_imitations - 0.5) < 0.01 and abs(used - 1.25) < 0.01
    return f"{used:.2f}", f"{on_imitations:.2f}", f"{4 / 5:.2f}"


@claim("24", "half-way")
def half_way() -> tuple[str, ...]:
    """A ball at column 4, and at 12 in the second frame; at t = 1/4 it is at column 6."""
    second = torch.zeros(1, 1, 4, 20)
    second[..., 12] = 1
    forward = torch.tensor([0.0, 8.0])[None, :, None, None].expand(1, 2, 4, 20)
    _, flow = flows_from(0.25, forward, -forward)
    found = warp(second, flow)
    assert found[0, 0, 0].argmax() == 6
    ahead = round(float(flow[0, 1, 0, 0]))
    return (f"{ahead} to the right", f"{ahead} to the left", "2 to the right", "8 to the right")


@claim("24", "halo")
def halo() -> tuple[str, ...]:
    """A black hair over half of a pixel, from white to black, and multiplied twice."""
    black, white = torch.zeros(1, 1, 1, 1), torch.ones(1, 1, 1, 1)
    half = 0.5 * white
    picture = composite(half, black, white)
    pasted = float(composite(half, picture, black))
    truth = float(composite(half, black, black))
    return f"{pasted:.2f}", f"{truth:.0f}, as", f"{float(picture):.1f}"
