"""Calls of normalising flows that are no method of a case, see ``functions.py``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from gdmlib.latent.coupling import AffineCoupling, RealNVP
from gdmlib.latent.dequantise import (
    Dequantised,
    Logit,
    UniformDequantiser,
    VariationalDequantiser,
)
from gdmlib.latent.flow import Flow
from gdmlib.latent.flow_layers import InvertibleLinear, Planar
from gdmlib.latent.masked_flow import IAF, MAF, MaskedAutoregressive
from gdmlib.latent.spline import SplineCoupling, SplineFlow, rational_quadratic

from .builders import randomise, seeded
from .calls import Call
from .registry_latent_flows import MAPS, maf, nvp

EVENTS = torch.randn(4, 2, generator=seeded(5)).double()
STEER = torch.randn(4, 8, 2, generator=seeded(6)).double()
LEVELS = torch.randint(4, (4, 2), generator=seeded(7)).double() / 3
realnvp, masked = nvp(0), maf(0)


def joined(parts: tuple[Tensor, Tensor]) -> Tensor:
    """Return an image and its log-determinant as one tensor."""
    return torch.cat([parts[0].flatten(1), parts[1][:, None]], dim=1)


def dequantised(seed: int = 0) -> Dequantised:
    flow = Flow(2, [Logit(2), RealNVP(2, layers=1, hidden=3, generator=seeded(seed)).transforms[1]])
    noise = VariationalDequantiser(2, 4, hidden=3, generator=seeded(seed))
    return randomise(Dequantised(flow, noise), seed, 0.3)


uniform, variational = UniformDequantiser(2, 4).double(), dequantised().dequantiser
whole = dequantised()


def _of_map(case: Any) -> list[Call]:
    model, x = case.build(), case.points
    return [
        Call(f"{case}.forward", lambda x: joined(model(x)), (x,), model, smooth=True),
        Call(f"{case}.inverse", lambda y: joined(model.inverse(y)), (model(x)[0].detach(),), model,
             smooth=True),
    ]  # fmt: skip


FUNCTIONS = [
    *[call for case in MAPS for call in _of_map(case)],
    Call("rational_quadratic", lambda x, steer: torch.cat(rational_quadratic(x, steer, bound=3.0)),
         (EVENTS, STEER), smooth=True),
    Call("rational_quadratic, inverse", lambda x, steer: torch.cat(rational_quadratic(
        x, steer, bound=3.0, inverse=True)), (EVENTS, STEER), smooth=True),
    Call("UniformDequantiser", lambda x: joined(uniform(x, seeded())), (LEVELS,), uniform),
    Call("VariationalDequantiser", lambda x: joined(variational(x, seeded())), (LEVELS,),
         variational),
    Call("Dequantised.bound", lambda x: whole.bound(x, 2, seeded()), (LEVELS,), whole),
    Call("Dequantised.importance_bound", lambda x: whole.importance_bound(x, 2, seeded()),
         (LEVELS,), whole),
    Call("InvertibleLinear", lambda weight: InvertibleLinear(3, weight=weight),
         (torch.randn(3, 3, generator=seeded()).double(),), single=False),
]  # fmt: skip

FITS: list[Call] = []

COUNTS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "RealNVP, layers": (lambda layers: RealNVP(2, layers=layers, generator=seeded()), 2),
    "RealNVP, hidden": (lambda hidden: RealNVP(2, hidden=hidden, generator=seeded()), 3),
    "RealNVP, levels": (lambda levels: RealNVP((1, 4, 4), levels=levels, generator=seeded()), 2),
    "RealNVP, channels": (lambda channels: RealNVP(
        (1, 2, 2), channels=channels, generator=seeded()), 2),
    "RealNVP": (lambda event_shape: RealNVP(event_shape, generator=seeded()), (2,)),
    "SplineFlow, bins": (lambda bins: SplineFlow(2, bins=bins, generator=seeded()), 3),
    "MAF, layers": (lambda layers: MAF(2, layers=layers, generator=seeded()), 2),
    "MaskedAutoregressive": (lambda event_shape: MaskedAutoregressive(
        event_shape, generator=seeded()), (3,)),
    "Dequantiser, levels": (lambda levels: UniformDequantiser(2, levels), 4),
    "Dequantised.bound, samples": (lambda samples: whole.bound(LEVELS, samples, seeded()), 3),
    "Dequantised.importance_bound, k": (lambda k: whole.importance_bound(LEVELS, k, seeded()), 3),
}  # fmt: skip

CHANCE: dict[str, Callable[..., nn.Module | Tensor | tuple[Tensor, ...]]] = {
    "RealNVP": partial(RealNVP, 2),
    "RealNVP of images": partial(RealNVP, (1, 4, 4), channels=3, levels=2),
    "AffineCoupling": partial(AffineCoupling, 2),
    "SplineCoupling": partial(SplineCoupling, 2),
    "SplineFlow": partial(SplineFlow, 2),
    "MAF": partial(MAF, 3),
    "IAF": partial(IAF, 3),
    "MaskedAutoregressive": partial(MaskedAutoregressive, 3),
    "InvertibleLinear": partial(InvertibleLinear, 3),
    "Planar": partial(Planar, 3),
    "UniformDequantiser": partial(uniform, LEVELS),
    "VariationalDequantiser": partial(variational, LEVELS),
    "VariationalDequantiser, start": partial(VariationalDequantiser, 3),
    "Dequantised.sample": partial(whole.sample, 30),
    "Dequantised.bound": partial(whole.bound, LEVELS, 2),
}
"""What draws by a generator."""
