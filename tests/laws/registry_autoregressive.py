"""The models of binary pixels, on so few pixels that all 2^d events can be listed.

``BINARY_CASES`` are their densities. ``BINARY_CAUSAL`` are their conditionals, for law 3.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations

import torch
from torch import Generator, Tensor, nn

from gdmlib.autoregressive import FVSBN, MADE, NADE, BernoulliMixture

from .causality import CausalCase
from .domains import Domain, binary, finite
from .laws import Case

ORDER = [2, 0, 3, 1]


def randomised(model: nn.Module, seed: int) -> nn.Module:
    """Return the model in float64 with large random parameters, so that pixels depend strongly."""
    generator = Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(generator=generator)
    return model.double()


def images() -> Domain:
    """Return all binary images of 2 by 2 pixels, float64 of shape (16, 1, 2, 2)."""
    return finite(binary(4).points.reshape(-1, 1, 2, 2))


def fvsbn(seed: int = 0, shape: object = 4, ordering: object = None) -> nn.Module:
    return randomised(FVSBN(shape, ordering=ordering), seed)


def nade(seed: int = 0, shape: object = 4, ordering: object = None) -> nn.Module:
    return randomised(NADE(shape, hidden=5, ordering=ordering), seed)


def made(seed: int = 0, shape: object = 4, hidden: tuple = (6, 5), **options: object) -> nn.Module:
    options = {"generator": Generator().manual_seed(seed)} | options
    return randomised(MADE(shape, hidden=hidden, **options), seed)


def mixture(seed: int = 0, shape: tuple = (4,), k: int = 3) -> BernoulliMixture:
    generator = Generator().manual_seed(seed)
    weights = torch.rand(k, generator=generator).double() + 0.2
    probs = torch.rand(k, *shape, generator=generator).double() * 0.9 + 0.05
    return BernoulliMixture(weights / weights.sum(), probs)


def case(name: str, build: Callable, domain: Domain | None = None, **options: object) -> Case:
    """Return a case of a model, with two seeds."""
    return Case(
        name,
        lambda: build(0, **options),
        lambda: build(1, **options),
        binary(4) if domain is None else domain,
    )


BINARY_CASES = [
    case("FVSBN", fvsbn),
    case("FVSBN, another ordering", fvsbn, ordering=ORDER),
    case("FVSBN of images", fvsbn, images(), shape=(1, 2, 2)),
    case("FVSBN of one pixel", fvsbn, binary(1), shape=1),
    case("NADE", nade),
    case("NADE, another ordering", nade, ordering=ORDER),
    case("NADE of images", nade, images(), shape=(1, 2, 2)),
    case("MADE", made),
    case("MADE, without direct connections", made, direct=False),
    case("MADE, without hidden layers", made, hidden=()),
    case("MADE of images, several masks", made, images(), shape=(1, 2, 2), orderings=3),
    case("MADE of one pixel", made, binary(1), shape=1),
    case("BernoulliMixture", mixture),
    case("BernoulliMixture of images", mixture, images(), shape=(1, 2, 2)),
    case("BernoulliMixture of one component", mixture, k=1),
]

EVERY_ORDERING = list(permutations(range(3)))


def _of_mask(mask: int) -> Callable[[nn.Module, Tensor], Tensor]:
    return lambda model, x: model.logits(x, mask)


BINARY_CAUSAL = [
    CausalCase("FVSBN", fvsbn, binary(4).points, range(4)),
    CausalCase("FVSBN, ordering", lambda: fvsbn(ordering=ORDER), binary(4).points, ORDER),
    CausalCase("FVSBN, image", lambda: fvsbn(shape=(1, 2, 2)), images().points, range(4)),
    CausalCase("NADE", nade, binary(4).points, range(4)),
    CausalCase("NADE, ordering", lambda: nade(ordering=ORDER), binary(4).points, ORDER),
    CausalCase("MADE", made, binary(4).points, range(4)),
    CausalCase(
        "MADE, indirect", lambda: made(hidden=(30,), direct=False), binary(4).points, range(4)
    ),
    CausalCase("MADE, direct only", lambda: made(hidden=()), binary(4).points, range(4)),
    CausalCase("BernoulliMixture", mixture, binary(4).points, range(4)),
    *[
        CausalCase(
            f"MADE, mask {m}",
            lambda: made(shape=3, hidden=(30, 20), orderings=EVERY_ORDERING, direct=False),
            binary(3).points,
            order,
            _of_mask(m),
        )
        for m, order in enumerate(EVERY_ORDERING)
    ],
]
