"""Scale mixtures and image models, each on a domain small enough to be exact.

The laws of images (causality, sweep = loop) run over larger ones in ``tests/autoregressive``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any

import torch
from torch import Tensor

from gdmlib.autoregressive.haar import chain, inverse_haar
from gdmlib.autoregressive.mcgsm import MCGSM
from gdmlib.autoregressive.mcgsm_images import MCGSMImage, MCGSMPatch
from gdmlib.autoregressive.mcgsm_multiscale import MultiscaleMCGSM
from gdmlib.autoregressive.neighbourhood import Neighbourhood
from gdmlib.autoregressive.ride import RIDE
from gdmlib.compression.cells import DiscretisedImage
from gdmlib.densities.flip_ensemble import FlipEnsemble
from gdmlib.densities.scale_mixture import GaussianScaleMixture

from .builders import randomise, seeded, tensor
from .causality import CausalCase
from .domains import Domain, box, finite, interval
from .laws import Case


def image_box(
    height: int, width: int, low: float, high: float, cells: int = 40, order: int = 6
) -> Domain:
    """Return the images of shape (1, height, width) with pixels from low to high."""
    d = height * width
    flat = box([low] * d, [high] * d, cells, order)
    return replace(
        flat,
        points=flat.points.reshape(-1, 1, height, width),
        locate=lambda x: flat.locate(x.reshape(len(x), -1)),
    )


def line(shift: float = 0.0) -> GaussianScaleMixture:
    weights = tensor(0.3 + shift, 0.7 - shift)
    return GaussianScaleMixture(weights, tensor(0.5, 1.5), tensor([1.2]), tensor(0.3 + shift))


def plane(shift: float = 0.0) -> GaussianScaleMixture:
    return GaussianScaleMixture(
        tensor(0.2, 0.5 + shift, 0.3 - shift),
        tensor(0.5, 0.9, 1.4),
        tensor([1, 0.4], [0.4, 0.7 + shift]),
    )


def sizes(components: int, scales: int, features: int | None = None) -> dict[str, int | None]:
    """Return the sizes of an MCGSM."""
    return {"components": components, "scales": scales, "features": features}


def conditional(dim_context: int = 3, seed: int = 1) -> MCGSM:
    return randomise(MCGSM(dim_context, **sizes(3, 2, 2), generator=seeded()), seed)


def patch(seed: int = 1) -> MCGSMPatch:
    return MCGSMPatch([conditional(0, seed), conditional(1, seed + 10)])


CORNER = Neighbourhood([(-1, -1), (-1, 0), (-1, 1), (0, -1)])
LEFT = Neighbourhood([(0, -1)])


def mcgsm_image(shape: Sequence[int] = (1, 2, 2), seed: int = 1, size: float = 0.2) -> MCGSMImage:
    inner = randomise(MCGSM(4, **sizes(2, 2, 3), generator=seeded()), seed, size)
    return MCGSMImage(inner, CORNER, shape, padding=0.3)


def ride(
    shape: Sequence[int] = (1, 2, 2), seed: int = 1, size: float = 0.2, **options: object
) -> RIDE:
    options = {"units": 3, "layers": 2, **sizes(2, 2, 2), "event_shape": shape, **options}
    model = RIDE(CORNER, generator=seeded(), **options)
    return randomise(model, seed, size)


def ensemble(shape: Sequence[int] = (1, 2, 2), seed: int = 1) -> FlipEnsemble:
    return FlipEnsemble(mcgsm_image(shape, seed))


def multiscale(
    shape: Sequence[int] = (1, 2, 2),
    seed: int = 1,
    levels: int = 1,
    radius: int = 0,
    context: Neighbourhood = CORNER,
    kind: type[MultiscaleMCGSM] = MultiscaleMCGSM,
) -> MultiscaleMCGSM:
    options = {"radius": radius, **sizes(2, 2, 2), "event_shape": shape, "padding": 0.3}
    model = kind(levels, context, **options, generator=seeded())
    randomise(model, seed, size=0.1)
    with torch.no_grad():
        for inner in model.conditionals:
            inner.alpha.mul_(0.3)  # no peak so narrow that four dimensions need many nodes
    return model


class Pyramid:
    """The coefficients of an image of 4 x 8 pixels, halved twice, as a vector in their order."""

    levels, radius = 2, 1
    sizes = ((1, 2), *[(1, 2)] * 3, *[(2, 4)] * 3)
    places = tuple(
        (plane, i, j)
        for plane, (height, width) in enumerate(sizes)
        for i in range(height)
        for j in range(width)
    )

    @classmethod
    def level(cls, plane: int) -> int:
        return cls.levels - max(plane - 1, 0) // 3

    @classmethod
    def images(cls, coefficients: Tensor) -> Tensor:
        """Return the images, (M, 32) -> (M, 1, 4, 8)."""
        parts = coefficients.split([height * width for height, width in cls.sizes], dim=1)
        planes = [p.reshape(-1, 1, *size) for p, size in zip(parts, cls.sizes, strict=True)]
        coarse = planes[0]
        for k in (1, 4):
            coarse = inverse_haar(torch.cat([coarse, *planes[k : k + 3]], dim=1))
        return coarse

    @classmethod
    def conditionals(cls, model: MultiscaleMCGSM, coefficients: Tensor) -> Tensor:
        """Return gate and predictions of each coefficient, shape (M, 32, ...)."""
        parameters = []
        for index, (plane, known) in enumerate(chain(cls.images(coefficients), cls.levels)):
            inner, contexts = model.conditionals[index], model._plane(index, known).contexts(plane)
            white = inner.whitening.context(contexts.flatten(0, 2))
            both = torch.cat([inner.log_gate(white).flatten(1), inner.means(white)], dim=1)
            parameters.append(both.reshape(len(plane), -1, both.shape[1]))
        return torch.cat(parameters, dim=1)

    @classmethod
    def promised(cls, i: int, j: int) -> bool:
        """Say whether coefficient i sees j: a neighbour, or what a window shows or is made of."""
        plane, row, column = cls.places[i]
        other, *place = cls.places[j]
        if plane == other:
            return (place[0] - row, place[1] - column) in CORNER.offsets
        up = cls.level(other) - cls.level(plane)
        height, width = cls.sizes[plane]
        around = range(-cls.radius, cls.radius + 1)
        window = {
            (min(max(row + a, 0), height - 1) >> up, min(max(column + b, 0), width - 1) >> up)
            for a in around
            for b in around
        }
        return plane > 0 and tuple(place) in window


def cells(kind: Callable[..., Any], seed: int = 1) -> DiscretisedImage:
    """Return an image model whose pixels have three levels."""
    return DiscretisedImage(kind((1, 1, 3), seed), levels=3)


def three_levels() -> Domain:
    """Return the images of 1 x 3 pixels of three levels, (27, 1, 1, 3)."""
    levels = torch.tensor(list(product((0.0, 0.5, 1.0), repeat=3))).double()
    return finite(levels.reshape(-1, 1, 1, 3))


CONTEXTS = tensor([0, 0, 0], [1, -0.5, 0.3], [-2, 1, 1.5], [4, 4, 4], [0.1, 3, -2])

CASES = [
    Case("GaussianScaleMixture 1-D", line, lambda: line(0.2), box([-11], [12], cells=60)),
    Case("GaussianScaleMixture 2-D", plane, lambda: plane(0.1), box([-9, -8], [9, 8], cells=30)),
    Case(
        "MCGSM",
        conditional,
        lambda: conditional(seed=2),
        interval(-25, 25, cells=150),
        inputs=CONTEXTS,
    ),
    Case("MCGSMPatch", patch, lambda: patch(2), box([-14, -22], [14, 22], cells=40)),
    Case(
        "MCGSMImage, 2 x 1 pixels",
        lambda: mcgsm_image((1, 2, 1)),
        lambda: mcgsm_image((1, 2, 1), seed=2),
        image_box(2, 1, -16, 16),
    ),
    Case(
        "RIDE, 1 x 2 pixels",
        lambda: ride((1, 1, 2)),
        lambda: ride((1, 1, 2), seed=2),
        image_box(1, 2, -16, 16),
    ),
    Case(
        "RIDE, 2 x 1 pixels",
        lambda: ride((1, 2, 1), head_sees_context=True),
        lambda: ride((1, 2, 1), seed=2, head_sees_context=True),
        image_box(2, 1, -16, 16),
    ),
    Case(
        "FlipEnsemble, 1 x 2 pixels",
        lambda: ensemble((1, 1, 2)),
        lambda: ensemble((1, 1, 2), seed=2),
        image_box(1, 2, -16, 16),
    ),
    Case(
        "MultiscaleMCGSM, 2 x 2 pixels",
        lambda: multiscale(context=LEFT),
        lambda: multiscale(seed=2, context=LEFT),
        image_box(2, 2, -7.5, 7.5, cells=2, order=13),
    ),
    *[
        Case(f"Discretised {name}", partial(cells, kind), partial(cells, kind, 2), three_levels())
        for name, kind in (("MCGSM", mcgsm_image), ("RIDE", ride))
    ],
]

CAUSAL = [
    CausalCase(
        "MultiscaleMCGSM",
        lambda: multiscale((1, 4, 8), levels=2, radius=1),
        torch.randn(5, 32, generator=seeded()).double(),
        range(32),
        Pyramid.conditionals,
        change=lambda values: values + 1,
        promised=Pyramid.promised,
        # A coefficient takes part in all images that are put together from it and taken apart.
        tolerance=1e-10,
    ),
]
