"""Claims of lesson 22."""

from __future__ import annotations

import torch

from gdmlib.nn.unet import UNet
from tests.book.claims.registry import claim


@claim("22", "two-sentences")
def two_sentences() -> tuple[str, ...]:
    """Two true sentences with shares 0.8 and 0.2, and the product of their marginal answers."""
    joint = torch.tensor([[0.8, 0.0], [0.0, 0.2]])  # red or green, square or circle
    product = joint.sum(dim=1)[:, None] * joint.sum(dim=0)
    return (
        f"{product[0, 0]:.2f}",
        f"{joint[0, 0]:.2f}",
        f"{product[0, 1]:.2f}",
        f"{joint.sum():.2f}",
    )


@claim("22", "strong-guidance")
def strong_guidance() -> tuple[str, ...]:
    """(22.6), and what other formulas give."""
    none, told, w = 0.2, 0.5, 3
    right, more = none + w * (told - none), told + w * (told - none)
    return f"{right:.1f}", f"{more:.1f}", f"{told - w * (told - none):.1f}", f"{w * told:.1f}"


@claim("22", "never-trained")
def never_trained() -> None:
    """A vector of a class that is not in the batch gets no gradient."""
    net = UNet((1, 4, 4), channels=(2,), classes=3, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for parameter in net.parameters():
            parameter += 0.1
    x = torch.randn(4, 1, 4, 4, generator=torch.Generator().manual_seed(1))
    net(x, torch.full((4,), 0.5), torch.tensor([0, 1, 0, 1])).square().sum().backward()
    moved = net.embedding.of_class.grad.abs().sum(dim=1)
    assert bool((moved[:2] > 0).all()) and float(moved[2]) == 0.0
