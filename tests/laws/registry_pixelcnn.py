"""The models of pixels, on images so small that all of them can be listed."""

from __future__ import annotations

from itertools import product
from typing import Any

import torch
from torch import Generator, Tensor, nn

from gdmlib.autoregressive import GatedPixelCNN, PixelCNN, RowLSTM
from gdmlib.autoregressive.pixels.model import PixelModel
from gdmlib.densities.discretised_logistic import DiscretisedLogisticMixture

from .builders import randomise, seeded, tensor
from .causality import CausalCase
from .domains import Domain, finite
from .laws import Case

SMALL = {"layers": 1, "kernel_size": 3, "first_kernel": 3}
GREY = (1, 2, 2)
COLOUR = (3, 1, 2)


def images(event_shape: tuple[int, int, int], levels: int) -> Domain:
    """Return all images of these levels, float64; there are levels ** (C · H · W)."""
    pixels = event_shape[0] * event_shape[1] * event_shape[2]
    grid = torch.tensor(list(product(range(levels), repeat=pixels)), dtype=torch.float64)
    return finite(grid.reshape(-1, *event_shape) / (levels - 1))


def network(kind: type[PixelModel], seed: int, *args: object, **options: object) -> PixelModel:
    """Return a small model whose conditionals differ widely."""
    model = randomise(kind(*args, **SMALL, generator=seeded(seed), **options), seed, 0.2)
    with torch.no_grad():
        model.readout.last.weight *= 4
    return model


class OfClass(nn.Module):
    """A model with classes, given one of them."""

    def __init__(self, model: PixelModel, label: int) -> None:
        super().__init__()
        self.model, self.label = model, label
        self.event_shape = model.event_shape

    def __getattr__(self, name: str) -> Any:
        """Give what else the model says of images x, such as ``log_prob(x)``, for the class."""
        if name in ("log_prob", "conditional_log_prob", "pixel_distribution"):
            method = getattr(self.model, name)
            return lambda x: method(x, self.labels(len(x)))
        return super().__getattr__(name)

    def labels(self, n: int) -> Tensor:
        return torch.full((n,), self.label)

    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        return self.model.sample(n, generator, self.labels(max(int(n), 1)))

    def complete(self, x: Tensor, known: Tensor, generator: Generator | None = None) -> Tensor:
        return self.model.complete(x, known, generator, self.labels(len(x)))


def case(name: str, kind: type[PixelModel], shape: tuple[int, int, int], levels: int, **options):
    """Return a case of a model, with two seeds."""
    domain = images(shape, levels)

    def make(seed: int) -> nn.Module:
        model = network(kind, seed, shape, levels, **options)
        return OfClass(model, 1) if "num_classes" in options else model

    return Case(name, lambda: make(0), lambda: make(1), domain)


def level_mixture(shift: float = 0.0) -> DiscretisedLogisticMixture:
    means = tensor(-1, 3 + shift, 8)
    scales = tensor(1.5, 0.4, 0.8 + shift)
    return DiscretisedLogisticMixture(torch.full_like(means, 1 / 3), means, scales, levels=8)


CASES = [
    case("PixelCNN", PixelCNN, GREY, 3, features=2),
    case("PixelCNN, colour", PixelCNN, COLOUR, 2, features=3),
    case("GatedPixelCNN", GatedPixelCNN, GREY, 3, features=2),
    case("GatedPixelCNN, colour", GatedPixelCNN, COLOUR, 2, features=3),
    case("GatedPixelCNN, given a class", GatedPixelCNN, GREY, 2, features=2, num_classes=2),
    case("GatedPixelCNN, mixture", GatedPixelCNN, GREY, 4, features=2, components=2),
    case("GatedPixelCNN, mixture, colour", GatedPixelCNN, COLOUR, 3, features=2, components=2),
    case("RowLSTM", RowLSTM, GREY, 3, features=2),
    case("RowLSTM, colour", RowLSTM, COLOUR, 2, features=3),
    Case(
        "DiscretisedLogisticMixture",
        level_mixture,
        lambda: level_mixture(0.3),
        finite(torch.arange(8)),
    ),
]


def causal(name: str, kind: type[PixelModel], **options: object) -> CausalCase:
    """Return a case of 3 x 3 pixels of 3 colours and 3 levels; all of the past must be seen."""
    channels, size, levels = 3, 3, 3
    pixels = size * size

    def make() -> PixelModel:
        wide = {"features": 24, "layers": 2, "kernel_size": 5, "first_kernel": 5}
        generator = seeded()
        return kind((channels, size, size), levels, generator=generator, **wide, **options).double()

    def conditionals(model: PixelModel, x: Tensor) -> Tensor:
        return model.pixel_distribution(x).reshape(len(x), channels * pixels, levels)

    generator = seeded()
    x = torch.randint(0, levels, (6, channels, size, size), generator=generator)
    return CausalCase(
        name,
        make,
        x.double() / (levels - 1),
        [colour * pixels + place for place in range(pixels) for colour in range(channels)],
        conditionals,
        change=lambda values: (values + 1 / (levels - 1)) % 1.5,
    )


CAUSAL = [
    causal("PixelCNN", PixelCNN),
    causal("GatedPixelCNN", GatedPixelCNN),
    causal("GatedPixelCNN, mixture", GatedPixelCNN, components=3),
    causal("RowLSTM", RowLSTM),
]
