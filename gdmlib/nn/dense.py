"""Networks of dense layers, or of convolutions, that start from a generator's numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.nn.utils import skip_init

from gdmlib._random import between

GATES: dict[str, type[nn.Module]] = {"tanh": nn.Tanh, "relu": nn.ReLU}
"""What stands between two layers: a tanh is smooth, and a rectifier follows sharp edges sooner."""


def dense(
    inputs: int,
    hidden: Iterable[int],
    outputs: int,
    generator: Generator | None,
    gate: str = "tanh",
) -> nn.Sequential:
    """Return dense layers with gates between them; the last one starts at 0."""
    widths = [inputs, *hidden, outputs]
    return _stack([blank(nn.Linear, a, b) for a, b in pairwise(widths)], generator, gate)


def convolutions(
    inputs: int,
    channels: Iterable[int],
    outputs: int,
    generator: Generator | None,
    gate: str = "tanh",
) -> nn.Sequential:
    """Return convolutions of 3 × 3, of 1 × 1 in the middle; the last one starts at 0."""
    widths = [*pairwise([inputs, *channels, outputs])]
    sizes = [3 if i in (0, len(widths) - 1) else 1 for i in range(len(widths))]
    layers = [
        blank(nn.Conv2d, a, b, size, padding=size // 2)
        for (a, b), size in zip(widths, sizes, strict=True)
    ]
    return _stack(layers, generator, gate)


def blank(kind: type[nn.Module], *sizes: int, **options: Any) -> nn.Module:
    """Return a layer whose numbers are not drawn yet: PyTorch would draw by its own generator.

    It is where a tensor is that is made without saying where.
    """
    return skip_init(kind, *sizes, device=torch.empty(0).device, **options)


@torch.no_grad()
def fresh(
    layer: nn.Module, generator: Generator | None, *, gain: float = 1.0, zero: bool = False
) -> nn.Module:
    """Return a layer with weights uniform in ±gain/√inputs, or 0, and biases of 0."""
    weight, bias = layer.weight, layer.bias
    assert isinstance(weight, Tensor)
    assert isinstance(bias, Tensor)
    size = gain * weight[0].numel() ** -0.5
    if zero:
        weight.zero_()
    else:
        weight.copy_(between(-size, size, *weight.shape, generator=generator))
    bias.zero_()
    return layer


def silu_layers(widths: Sequence[int]) -> list[nn.Module]:
    """Return dense layers with smooth gates between them, to be drawn by `start`."""
    parts: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        parts += [blank(nn.Linear, inputs, outputs), nn.SiLU()]
    return parts[:-1]


@torch.no_grad()
def start(model: nn.Module, generator: Generator | None) -> None:
    """Draw weights uniform in ±√(3 / inputs), which keeps the size of numbers; biases are 0."""
    for layer in model.modules():
        if isinstance(layer, nn.ConvTranspose2d):  # a quarter of its kernel meets a pixel
            size = math.sqrt(12 / layer.weight[:, 0].numel())
            layer.weight.copy_(between(-size, size, *layer.weight.shape, generator=generator))
            if layer.bias is not None:
                layer.bias.zero_()
        elif isinstance(layer, (nn.Linear, nn.Conv2d)):
            fresh(layer, generator, gain=math.sqrt(3))


def _stack(layers: list[nn.Module], generator: Generator | None, gate: str) -> nn.Sequential:
    """Start the layers, the last one at 0, and put gates between.

    A network that starts at 0 makes the map it steers start as the identity.
    """
    if gate not in GATES:
        raise ValueError(f"gate: expected one of {', '.join(GATES)}, got {gate!r}")
    for layer in layers:
        fresh(layer, generator)
    fresh(layers[-1], generator, zero=True)
    parts: list[nn.Module] = [layers[0]]
    for layer in layers[1:]:
        parts += [GATES[gate](), layer]
    return nn.Sequential(*parts)
