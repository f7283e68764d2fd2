"""Denoisers, and what restores by them: their lines of ``functions.py``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn

from gdmlib import inverse
from gdmlib.data.crops import Crops, turned

from .builders import normal, randomise, seeded, uniform
from .calls import call, whole

SHAPE = (1, 4, 4)
PICTURES = 0.1 + 0.8 * uniform(3, *SHAPE)
PATCHES = 0.1 + 0.8 * uniform(3, 1, 5, 5)
ROWS = torch.linalg.qr(normal(16, 6)).Q.mT.contiguous()
camera = inverse.Matrix(ROWS, SHAPE, orthonormal=True)
SEEN = camera(PICTURES)
ATOMS = torch.linalg.qr(normal(4, 3)).Q.mT.contiguous()
PACKAGE = SimpleNamespace(
    bm3d=lambda z, sigma_psd, stage_arg: z / 2 + sigma_psd,
    BM3DStages=SimpleNamespace(ALL_STAGES=2, HARD_THRESHOLDING=1),
)


def conv(**sizes: Any) -> inverse.ConvDenoiser:
    options = {"features": (2, 3), "blocks": 1} | sizes
    return inverse.ConvDenoiser(**options, generator=seeded())


def mlp(**sizes: Any) -> inverse.MLPDenoiser:
    options = {"seen": 5, "made": 3, "hidden": (4,)} | sizes
    return inverse.MLPDenoiser(**options, generator=seeded())


class Halves(inverse.BM3D):
    """BM3D with a package in its place that halves what it is given."""

    def __init__(self, *, stages: int = 2) -> None:
        with mock.patch.dict(sys.modules, bm3d=PACKAGE):
            super().__init__(stages=stages)


told, plain = randomise(conv(), 0), randomise(mlp(), 0)
atoms, coarse = inverse.DictionaryDenoiser(ATOMS), inverse.DictionaryDenoiser(ATOMS, stride=2)
halves = Halves()
eight = inverse.SelfEnsemble(told)


def split(y: Tensor, **options: Any) -> Tensor:
    settings = {"steps": 3, "sigmas": (0.2, 0.1)} | options
    return inverse.plug_and_play(camera, y, told, **settings).image


def passed(y: Tensor, **options: Any) -> Tensor:
    settings = {"steps": 2, "correct": False} | options
    return inverse.message_passing(camera, y, told, **settings).image


FUNCTIONS = [
    call("ConvDenoiser.denoise", lambda y: told.denoise(y, 0.1), PICTURES, model=told, smooth=True),
    call("ConvDenoiser.score_function", lambda y: told.score_function(y, 0.1), PICTURES,
         model=told, smooth=True),
    call("ConvDenoiser.score", told.score, PICTURES, model=told),
    call("MLPDenoiser.denoise", lambda y: plain.denoise(y), PICTURES, model=plain, smooth=True),
    call("MLPDenoiser.score", plain.score, PATCHES, model=plain, smooth=True),
    call("DictionaryDenoiser.denoise", lambda y: atoms.denoise(y, 0.1), PICTURES),
    call("DictionaryDenoiser.denoise, apart", lambda y: coarse.denoise(y, 0.1), PATCHES),
    call("SelfEnsemble.denoise", lambda y: eight.denoise(y, 0.1), PICTURES, model=told,
         smooth=True),
    call("BM3D.denoise", lambda y: halves.denoise(y, 0.1), PICTURES),
    call("plug_and_play", split, SEEN),
    call("plug_and_play from a start", lambda y, start: split(y, start=start), SEEN, PICTURES),
    call("plug_and_play with noise", lambda y: split(y, noise=0.1), SEEN),
    call("message_passing", passed, SEEN),
    whole("message_passing, corrected", lambda y: passed(
        y, correct=True, generator=seeded()), SEEN),
    call("turned", lambda x: turned(x, 5), PICTURES, smooth=True),
]  # fmt: skip
CONSTRUCTORS = [whole("DictionaryDenoiser", inverse.DictionaryDenoiser, ATOMS)]
FITS = [
    whole("fit_dictionary", lambda patches: inverse.fit_dictionary(
        patches, atoms=3, passes=2, generator=seeded()), normal(60, 4)),
    whole("fit_dictionary of squares", lambda patches: inverse.fit_dictionary(
        patches, atoms=3, passes=2, generator=seeded()), normal(60, 2, 2)),
]  # fmt: skip
COUNTS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "ConvDenoiser": (lambda channels: conv(channels=channels), 2),
    "ConvDenoiser, features": (lambda features: conv(features=features), (2,)),
    "ConvDenoiser, blocks": (lambda blocks: conv(blocks=blocks), 2),
    "MLPDenoiser": (lambda hidden: mlp(hidden=hidden), (3,)),
    "MLPDenoiser, seen": (lambda seen: mlp(seen=seen), 5),
    "MLPDenoiser, made": (lambda made: mlp(made=made), 3),
    "MLPDenoiser.denoise, stride": (lambda stride: plain.denoise(PICTURES, stride=stride), 2),
    "DictionaryDenoiser": (lambda stride: inverse.DictionaryDenoiser(
        ATOMS, stride=stride).denoise(PICTURES, 0.1), 2),
    "fit_dictionary": (lambda atoms: inverse.fit_dictionary(
        normal(60, 4), atoms=atoms, passes=1, generator=seeded()), 3),
    "fit_dictionary, passes": (lambda passes: inverse.fit_dictionary(
        normal(60, 4), atoms=3, passes=passes, generator=seeded()), 2),
    "BM3D": (lambda stages: Halves(stages=stages).denoise(PICTURES, 0.1), 2),
    "plug_and_play": (lambda steps: split(SEEN, steps=steps), 3),
    "message_passing": (lambda steps: passed(SEEN, steps=steps), 2),
    "Crops": (lambda size: Crops(list(PICTURES), size=size, generator=seeded())(
        uniform(2, 4)), 3),
}  # fmt: skip

CHANCE: dict[str, Callable[..., nn.Module | Tensor | tuple[Tensor, ...]]] = {
    "ConvDenoiser": partial(inverse.ConvDenoiser, features=2, blocks=1),
    "ConvDenoiser.loss": partial(told.loss, PICTURES),
    "MLPDenoiser": partial(inverse.MLPDenoiser, seen=3, made=1, hidden=2),
    "MLPDenoiser.loss": partial(plain.loss, PATCHES),
    "fit_dictionary": partial(inverse.fit_dictionary, normal(60, 4), atoms=3, passes=1),
    "message_passing": partial(passed, SEEN, correct=True),
    "Crops": lambda generator: Crops(list(PICTURES), size=2, generator=generator)(uniform(3, 4)),
}
"""What draws by a generator."""
