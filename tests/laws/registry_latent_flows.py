"""Normalising flows in one, two or three dimensions, and the maps that they are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from gdmlib.latent.coupling import AffineCoupling, RealNVP
from gdmlib.latent.dequantise import Logit
from gdmlib.latent.flow import Flow, Inverted, StandardNormal
from gdmlib.latent.flow_layers import ActNorm, InvertibleLinear, Planar, Squeeze
from gdmlib.latent.masked_flow import IAF, MAF, MaskedAutoregressive
from gdmlib.latent.spline import SplineCoupling, SplineFlow

from .builders import randomise, seeded
from .causality import CausalCase
from .change_of_variables import MapCase
from .domains import Domain, box
from .laws import Case

SIZE = 0.25
"""How far the parameters are moved from the identity."""


def events(domain: Domain, *shape: int) -> Domain:
    """Return the domain with events of another shape."""
    return Domain(
        domain.points.reshape(-1, *shape),
        domain.weights,
        domain.cell,
        lambda x: domain.locate(x.flatten(1)),
        discrete=False,
    )


def moved(
    kind: Callable[..., nn.Module], *arguments: Any, size: float = SIZE, **options: Any
) -> Callable:
    """Return what builds a model of this kind from a seed, away from the identity."""

    def build(seed: int = 0) -> nn.Module:
        made = kind(*arguments, **options, generator=seeded(seed))
        return randomise(made, seed, size).eval()

    return build


def flow_of(*maps: Callable[..., nn.Module]) -> Callable:
    """Return what builds a flow of these maps from a seed."""

    def build(seed: int = 0) -> Flow:
        made = [each(seed + 7 * i) for i, each in enumerate(maps)]
        return Flow(made[0].event_shape, made).double().eval()

    return build


def logit(shape: Sequence[int], margin: float = 0.0) -> Callable:
    return lambda seed: Logit(shape, margin=margin).double()


def squeeze(shape: Sequence[int]) -> Callable:
    return lambda seed: Squeeze(shape).double()


def act_norm(shape: Sequence[int]) -> Callable:
    return lambda seed: randomise(ActNorm(shape), seed, SIZE)


def case(name: str, build: Callable, domain: Domain, **options: Any) -> Case:
    return Case(name, lambda: build(0), lambda: build(1), domain, **options)


LINE, PLANE = box([-12], [12], cells=60), box([-14, -14], [14, 14], cells=60)
UNIT = box([0, 0], [1, 1], cells=10, order=8)  # no point near the bounds, where slopes are infinite
SMALL = {"hidden": (4,)}
nvp = moved(RealNVP, 2, layers=3, size=0.13, **SMALL)
splines = moved(SplineFlow, 2, layers=2, bins=4, bound=3.0, **SMALL)
maf = moved(MAF, 2, layers=2, **SMALL)

CASES = [
    case("RealNVP", nvp, PLANE),
    case(
        "RealNVP of checkers, convolutions",
        moved(RealNVP, (1, 2, 1), layers=3, channels=(3,)),
        events(PLANE, 1, 2, 1),
    ),
    case(
        "Couplings of channels, convolutions",
        flow_of(
            moved(AffineCoupling, (2, 1, 1), channels=(3,)),
            moved(AffineCoupling, (2, 1, 1), flip=True, channels=(3,)),
        ),
        events(PLANE, 2, 1, 1),
    ),
    # The slope of a spline's density jumps at its knots, which quadrature cannot see.
    case("SplineFlow", splines, PLANE, tolerance=1e-4),
    case("MAF", maf, PLANE),
    case("MAF of one number", moved(MAF, 1, layers=2, **SMALL), LINE),
    case("IAF", moved(IAF, 2, layers=2, size=0.15, **SMALL), PLANE),
    case("Planar maps", flow_of(*[moved(Planar, 2)] * 3), PLANE),
    case("A matrix", flow_of(moved(InvertibleLinear, 2)), PLANE),
    case(
        "RealNVP of a square",
        flow_of(logit((2,)), moved(AffineCoupling, 2, **SMALL), act_norm((2,))),
        UNIT,
        bounded=True,
        tolerance=1e-4,
    ),
    case(
        "A scale and a shift",
        lambda seed: Flow(2, [act_norm((2,))(seed)], StandardNormal(2)).double(),
        PLANE,
    ),
]

CAUSAL = [
    CausalCase(
        f"MaskedAutoregressive, order {order}",
        lambda order=order: randomise(
            MaskedAutoregressive(4, hidden=(9, 8), ordering=order, generator=seeded()), 0, 1.0
        ),
        torch.randn(6, 4, generator=seeded(3)).double(),
        order,
        lambda model, x: torch.stack(model._steer(x), dim=2),
        lambda x: x + 1.5,
        lambda i, j: True,
    )
    for order in ([0, 1, 2, 3], [2, 0, 3, 1])
]


def normal(*shape: int) -> Tensor:
    return torch.randn(5, *shape, generator=seeded(4)).double()


def uniform(*shape: int) -> Tensor:
    return 0.1 + 0.8 * torch.rand(5, *shape, generator=seeded(4)).double()


def small(kind: Callable[..., nn.Module], *arguments: Any, **options: Any) -> Callable:
    return moved(kind, *arguments, **{"hidden": (6, 5)} | options)


_MAPS: list[tuple[str, Callable, Tensor]] = [
    ("AffineCoupling", small(AffineCoupling, 4), normal(4)),
    ("AffineCoupling, flipped", small(AffineCoupling, 4, flip=True), normal(4)),
    ("AffineCoupling of a checkerboard",
     small(AffineCoupling, (1, 2, 3), mask="checkerboard"), normal(1, 2, 3)),
    ("AffineCoupling of a flipped checkerboard, convolutions",
     moved(AffineCoupling, (1, 2, 3), mask="checkerboard", flip=True, channels=(3,)),
     normal(1, 2, 3)),
    ("AffineCoupling of channels", moved(AffineCoupling, (2, 2, 3), channels=3), normal(2, 2, 3)),
    ("SplineCoupling", small(SplineCoupling, 4, bins=5), normal(4)),
    ("SplineCoupling, outside", small(SplineCoupling, 4, bins=5, bound=0.5), normal(4)),
    ("SplineCoupling of channels",
     moved(SplineCoupling, (2, 2, 1), bins=3, channels=(3,)), normal(2, 2, 1)),
    ("MaskedAutoregressive", small(MaskedAutoregressive, 4), normal(4)),
    ("MaskedAutoregressive, another order",
     small(MaskedAutoregressive, (1, 2, 2), ordering=[2, 0, 3, 1]), normal(1, 2, 2)),
    ("MaskedAutoregressive, inverted",
     lambda seed: Inverted(small(MaskedAutoregressive, 4)(seed)).double(), normal(4)),
    ("ActNorm", act_norm((3,)), normal(3)),
    ("ActNorm of channels", act_norm((2, 2, 1)), normal(2, 2, 1)),
    ("InvertibleLinear", moved(InvertibleLinear, 3), normal(3)),
    ("InvertibleLinear of channels", moved(InvertibleLinear, (3, 2, 1)), normal(3, 2, 1)),
    ("Planar", moved(Planar, 3), normal(3)),
    ("Logit", logit((3,)), uniform(3)),
    ("Logit with a margin", logit((1, 2, 1), 0.05), uniform(1, 2, 1)),
    ("Squeeze", squeeze((1, 2, 4)), normal(1, 2, 4)),
    ("RealNVP of an image, two sizes",
     moved(RealNVP, (1, 4, 2), layers=4, levels=2, channels=(3,)), normal(1, 4, 2)),
    ("RealNVP of an image", small(RealNVP, (1, 2, 2), layers=2), normal(1, 2, 2)),
    ("SplineFlow", splines, normal(2)),
    ("MAF", maf, normal(2)),
    ("IAF", small(IAF, 4, layers=2), normal(4)),
]  # fmt: skip
MAPS = [MapCase(name, lambda build=build: build(0), points) for name, build, points in _MAPS]
"""For law 6."""
