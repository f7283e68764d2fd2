"""Whole photographs by the chain rule: MCGSM, and the RIDE that starts from one."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from gdmlib.autoregressive import MCGSM, RIDE, MCGSMImage, Neighbourhood, train_mcgsm
from gdmlib.data.crops import crop_at, dequantise, random_crops
from gdmlib.reproduce.experiment import Fitted, Fitting, held_out
from gdmlib.reproduce.records import Published
from gdmlib.reproduce.settings import check_size
from gdmlib.reproduce.tasks import IMAGES, seeded, smallest_side
from gdmlib.training import train

RIDE_PAPER = "Theis and Bethge (2015), spatial LSTMs, arXiv:1506.03478"

Conditional = tuple[MCGSM, dict[str, Any]]
Pairs = tuple[Tensor, Tensor]


def context_of(fitting: Fitting) -> Neighbourhood:
    """Return the context that the settings name."""
    return Neighbourhood.half_plane(**fitting.settings(Neighbourhood.half_plane))


def conditional(
    fitting: Fitting, part: str, pairs: Pairs, valid: Callable[[], Pairs]
) -> Conditional:
    """Train an MCGSM; the held-out pairs are made once it is started."""
    generator, (x, y) = fitting.generator, pairs
    model = MCGSM.start(x, y, **fitting.settings(MCGSM), generator=generator)
    history = train_mcgsm(
        model,
        x,
        y,
        valid(),
        **fitting.settings(train, "mcgsm_"),
        **fitting.keeping(part, "mcgsm_"),
        generator=generator,
    )
    return model, {
        "MCGSM, best epoch": history.best_epoch,
        "MCGSM, validation (bit/px)": -min(history.valid["loss"]) / math.log(2),
    }


def _check_crops(fitting: Fitting, names: Sequence[str], *parts: list[Tensor]) -> None:
    """Refuse contexts and crops that the images cannot hold, before anything is trained."""
    context, most = context_of(fitting), smallest_side(*parts)
    least = max(context.top, context.left + context.right) + 1
    check_size("rows or columns", least - 1, 1, most - 1, "so that a context lies in an image")
    for name in names:
        size = fitting.job.config[name]
        check_size(name, size, least, most, "so that it holds a context and lies in an image")


def _mcgsm_of_pixels(
    fitting: Fitting, x: list[Tensor], valid: list[Tensor], part: str = ""
) -> Conditional:
    """Train an MCGSM on some pixels of each image, with fresh noise."""
    context, generator = context_of(fitting), fitting.generator

    def pairs(images: list[Tensor]) -> Pairs:
        found = []
        for image in images:
            seen, pixels = context.pairs(dequantise(image, generator)[None, None])
            count = fitting.job.config["pixels_of_an_image"]
            rows = torch.randperm(len(pixels), generator=generator)[:count]
            found.append((seen[rows], pixels[rows]))
        return fitting.place(tuple(torch.cat(parts) for parts in zip(*found, strict=True)))

    return conditional(fitting, part, pairs(x), lambda: pairs(valid))


def _mcgsm_images(fitting: Fitting, x: list[Tensor], valid: list[Tensor]) -> Fitted:
    _check_crops(fitting, (), x, valid)
    model, details = _mcgsm_of_pixels(fitting, x, valid)
    image = MCGSMImage(model, context_of(fitting))
    return image, {**details, "parameters": model.num_parameters}


def begin_ride(
    fitting: Fitting, images: Tensor, first: Callable[[Fitting], Conditional], **options: Any
) -> tuple[RIDE, dict[str, Any]]:
    """Return a RIDE that is the MCGSM that ``first`` trains, and the details of that."""

    def start() -> dict[str, Any]:
        generator = seeded(fitting.generator.initial_seed())
        model, details = first(replace(fitting, generator=generator))
        return {"state": model.state_dict(), "details": details}

    begun = fitting.job.stage(f"{fitting.name}-mcgsm", start)
    context = context_of(fitting)
    mcgsm = MCGSM(len(context), **fitting.settings(MCGSM))
    mcgsm.load_state_dict(begun["state"])
    sizes = {**fitting.settings(RIDE), **options, "head_sees_context": True}
    model = RIDE(context, **sizes, generator=fitting.generator)
    return fitting.place(model.initialise(images, mcgsm)), begun["details"]


def ride_of(fitting: Fitting, x: list[Tensor], valid: list[Tensor]) -> Fitted:
    """Train an MCGSM and the RIDE that starts from it on grey levels, (H, W) each."""
    _check_crops(fitting, ("crop", "valid_crop"), x, valid)
    config, generator = fitting.job.config, fitting.generator
    crops = random_crops(valid, config["valid_crops"], config["valid_crop"], generator)
    held = dequantise(crops, generator)[:, None]
    first = partial(_mcgsm_of_pixels, x=x, valid=valid, part="mcgsm")
    model, details = begin_ride(fitting, held[:1], first)

    def fresh(places: Tensor) -> Tensor:
        # All are shifted alike, around the ends: other crops in each epoch and each process.
        moved = (places + torch.rand(3, generator=generator)) % 1
        which = (moved[:, 0] * len(x)).long().clamp(max=len(x) - 1)
        crops = crop_at(x, which, moved[:, 1:], config["crop"])
        return fitting.place(dequantise(crops, generator)[:, None])

    places = torch.rand(config["train_crops"], 3, generator=generator)  # which image, and where
    history = fitting.train(model, places, fitting.place(held), prepare=fresh)
    return model, {
        **details,
        "parameters": model.num_parameters,
        "best epoch": history.best_epoch,
        "validation, crops (bit/px)": -min(history.valid["loss"]) / math.log(2),
    }


MCGSM_SETTINGS = {"rows": 4, "columns": 4, "scales": 4, "mcgsm_batch_size": 1000, "mcgsm_lr": 5e-3}
_IMAGES = {
    **MCGSM_SETTINGS, "data": "BSDS300", "noise_seed": 0, "pixels_of_an_image": 10_000,
    "components": 16, "features": 40, "mcgsm_epochs": 20,
}  # fmt: skip
RIDE_SETTINGS = {"units": 32, "layers": 1, "clip": 1.0}
SMOKE = {
    "rows": 1, "columns": 1, "components": 2, "scales": 2, "features": 3, "mcgsm_epochs": 2,
    "mcgsm_batch_size": 100,
}  # fmt: skip
_IMAGES_SMOKE = {**SMOKE, "pixels_of_an_image": 200}

MCGSM_IMAGES = held_out(
    "mcgsm_bsds300_images",
    "MCGSM, 16 components",
    IMAGES,
    _mcgsm_images,
    Published(3.688, "bit/px", RIDE_PAPER),
    "Some of the pixels of the training images are used, by Adam.",
    config=_IMAGES,
    smoke=_IMAGES_SMOKE,
    seeds=(0,),
    trains=True,
    digits=3,
)

_RIDE = {
    **_IMAGES, **RIDE_SETTINGS, "crop": 64, "train_crops": 600, "valid_crop": 160,
    "valid_crops": 20, "epochs": 32, "batch_size": 2, "lr": 1.5e-3,
}  # fmt: skip
_RIDE_SMOKE = {
    **_IMAGES_SMOKE, "crop": 8, "train_crops": 12, "valid_crop": 10, "valid_crops": 4,
    "units": 3, "epochs": 2, "batch_size": 4,
}  # fmt: skip
_FROM_MCGSM = (
    "An MCGSM as above is trained first; the RIDE starts as that model, and its "
    "head sees the context beside the hidden state, which the paper's does not. Both are "
    "trained by Adam, on random pixels and on random crops of the training images."
)

RIDE_IMAGES = held_out(
    "ride_bsds300_images",
    "RIDE, one layer, from an MCGSM",
    IMAGES,
    ride_of,
    Published(3.802, "bit/px", RIDE_PAPER),
    _FROM_MCGSM,
    config=_RIDE,
    smoke=_RIDE_SMOKE,
    seeds=(0,),
    trains=True,
    digits=3,
)

RIDE_STABLE = held_out(
    "ride_stable_bsds300_images",
    "RIDE, one layer of stable cells, from an MCGSM",
    IMAGES,
    ride_of,
    Published(3.802, "bit/px", RIDE_PAPER),
    f"{_FROM_MCGSM} The forget gates of a cell add up to at most 1, so that its memory cannot grow "
    "from step to step, as the paper's may (Leifert, Strauß, Grüning, Wustlich and Labahn 2016, "
    "quoted from memory); all else is as in the row above, to compare the two.",
    config={**_RIDE, "cell": "stable"},
    smoke=_RIDE_SMOKE,
    seeds=(0,),
    trains=True,
    digits=3,
)
