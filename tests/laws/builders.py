"""What all registries build their models with."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn


def tensor(*values: object) -> Tensor:
    """Return a float64 tensor."""
    return torch.tensor(values, dtype=torch.float64)


def seeded(seed: int = 0) -> Generator:
    """Return a new generator with this seed."""
    return Generator().manual_seed(seed)


def randomise(model: nn.Module, seed: int, size: float = 0.4) -> nn.Module:
    """Move all real numbers of a model by normal noise of this size; return it in float64.

    New models are nearly indifferent, and would pass for one that looks at nothing. A rectifier has
    a derivative where no bias is left at 0, and a whitening does something.
    """
    generator = seeded(seed)
    model.double()
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if value.is_floating_point():
                value += size * torch.randn(value.shape, generator=generator).to(value)
            if name.endswith("alpha"):
                value.clamp_(-0.7, 0.9)
            elif name.endswith("output_std"):
                value.abs_().clamp_(0.7, 1.2)
    return model


def normal(*shape: int, seed: int = 0) -> Tensor:
    """Draw standard normal numbers, always the same."""
    return torch.randn(*shape, generator=seeded(seed)).double()


def uniform(*shape: int, seed: int = 0) -> Tensor:
    """Draw numbers from [0, 1), always the same."""
    return torch.rand(*shape, generator=seeded(seed)).double()


def softmax(*shape: int) -> Tensor:
    """Draw probabilities, always the same."""
    return normal(*shape).softmax(dim=-1)
