"""Photographs by the chain rule: MCGSM, RIDE."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from gdmlib.autoregressive import (
    MCGSM,
    RIDE,
    MCGSMImage,
    MCGSMPatch,
    Neighbourhood,
    train_mcgsm,
)
from gdmlib.data.crops import crop_at, dequantise, random_crops
from gdmlib.reproduce.experiment import Fitting, held_out
from gdmlib.reproduce.records import Published
from gdmlib.reproduce.tasks import IMAGES, PATCHES, but_last, seeded
from gdmlib.training import History, scores, train

RIDE_PAPER = "Theis and Bethge (2015), spatial LSTMs, arXiv:1506.03478"

Fitted = tuple[nn.Module, dict[str, Any]]
Pairs = tuple[Tensor, Tensor]

# --- MCGSM on patches -----------------------------------------------------------------------------


def _coordinates(fitting: Fitting, x: Tensor, valid: Tensor) -> Fitted:
    """Train a model of each coordinate; what is done is kept."""
    x, valid = (fitting.place(but_last(part)) for part in (x, valid))
    d, (seed,) = x.shape[1], {fitting.generator.initial_seed()}
    sizes = fitting.settings(MCGSM)

    def sized(i: int) -> dict[str, Any]:
        return {**sizes, "features": min(i, sizes["features"])}

    def coordinate(i: int) -> dict[str, Any]:
        generator = seeded(1000 * seed + i)
        pairs, held = (x[:, :i], x[:, i]), (valid[:, :i], valid[:, i])
        model = MCGSM.start(*pairs, **sized(i), generator=generator)
        history = train_mcgsm(
            model, *pairs, held, **fitting.settings(train), generator=generator, progress=False
        )
        return {"state": model.state_dict(), "best epoch": history.best_epoch}

    models, best = [], []
    for i in range(d):
        found = fitting.job.stage(f"{fitting.name}-{i:02}", partial(coordinate, i))
        model = MCGSM(i, **sized(i))
        model.load_state_dict(found["state"])
        models.append(fitting.place(model))
        best.append(found["best epoch"])
        fitting.job.progress("coordinate", fitting.number * d + i + 1, fitting.of * d)
    patch = MCGSMPatch(models)
    return patch, {
        "parameters": patch.num_parameters,
        "best epochs": best,
        "validation": -float(scores(patch, valid).mean()),
    }


MCGSM_PATCHES = held_out(
    "mcgsm_bsds300_patches",
    "MCGSM, 16 components, one for each coordinate",
    PATCHES,
    _coordinates,
    Published(155.1, "nats", RIDE_PAPER),
    "Patches at random places of 180 training images (20 validate) and of the 100 test "
    "images, with uniform noise, in units of [0, 1]; the mean is subtracted and the last "
    "pixel left out, as for RNADE. The patches are not those of the paper, and fewer of "
    "them train. Colours become grey by the weights of ITU-R BT.601.",
    config={
        "data": "BSDS300", "size": 8, "train_patches": 250_000, "valid_patches": 10_000,
        "test_patches": 50_000, "patch_seed": 0, "components": 16, "scales": 4, "features": 32,
        "epochs": 6, "batch_size": 250, "lr": 8e-3,
    },
    smoke={
        "size": 2, "train_patches": 200, "valid_patches": 50, "test_patches": 50,
        "components": 2, "scales": 2, "epochs": 2, "batch_size": 100,
    },
    seeds=(0,),
    digits=1,
)  # fmt: skip

# --- an MCGSM of a causal neighbourhood, and the RIDE that starts from it -------------------------


def _conditional(
    fitting: Fitting, part: str, pairs: Pairs, held_out: Callable[[], Pairs]
) -> tuple[MCGSM, History]:
    """Train an MCGSM; the held-out pairs are made once the model is."""
    generator = fitting.generator
    x, y = pairs
    model = MCGSM.start(x, y, **fitting.settings(MCGSM), generator=generator)
    history = train_mcgsm(
        model,
        x,
        y,
        held_out(),
        **fitting.settings(train, "mcgsm_"),
        **fitting.keeping(part, "mcgsm_"),
        generator=generator,
    )
    return model, history


def _some_pixels(fitting: Fitting, images: list[Tensor]) -> Pairs:
    """Return contexts and values of some pixels of each image, with fresh noise."""
    context, generator = _context(fitting), fitting.generator
    found = []
    for image in images:
        x, y = context.pairs(dequantise(image, generator)[None, None])
        count = fitting.job.config["pixels_of_an_image"]
        rows = torch.randperm(len(y), generator=generator)[:count]
        found.append((x[rows], y[rows]))
    x, y = (fitting.place(torch.cat(parts)) for parts in zip(*found, strict=True))
    return x, y


def _context(fitting: Fitting) -> Neighbourhood:
    return Neighbourhood.half_plane(**fitting.settings(Neighbourhood.half_plane))


def _mcgsm_images(fitting: Fitting, x: list[Tensor], valid: list[Tensor], part: str = "") -> Fitted:
    pixels = partial(_some_pixels, fitting)
    model, history = _conditional(fitting, part, pixels(x), lambda: pixels(valid))
    return MCGSMImage(model, _context(fitting)), {
        "MCGSM, best epoch": history.best_epoch,
        "MCGSM, validation (bit/px)": -min(history.valid["loss"]) / math.log(2),
        "parameters": model.num_parameters,
    }


def _from_mcgsm(
    fitting: Fitting, images: Tensor, start: Callable[[], dict[str, Any]], **options: Any
) -> tuple[RIDE, dict[str, Any]]:
    """Return a RIDE that is the MCGSM whose state ``start`` returns, and what else it returns."""
    begun = fitting.job.stage(f"{fitting.name}-mcgsm", start)
    context, sizes = _context(fitting), fitting.settings(MCGSM)
    conditional = MCGSM(len(context), **sizes)
    conditional.load_state_dict(begun["state"])
    model = RIDE(
        context,
        **fitting.settings(RIDE),
        head_sees_context=True,
        generator=fitting.generator,
        **options,
    )
    return fitting.place(model.initialise(images, conditional)), begun


def _ride_images(fitting: Fitting, x: list[Tensor], valid: list[Tensor]) -> Fitted:
    config = fitting.job.config

    def start() -> dict[str, Any]:
        first = replace(fitting, generator=seeded(fitting.generator.initial_seed()))
        image, details = _mcgsm_images(first, x, valid, "mcgsm")
        assert isinstance(image, MCGSMImage)
        return {"state": image.conditional.state_dict(), "details": details}

    generator = fitting.generator
    crops = random_crops(valid, config["valid_crops"], config["valid_crop"], generator)
    held = dequantise(crops, generator)[:, None]
    model, begun = _from_mcgsm(fitting, held[:1], start)

    def fresh(places: Tensor) -> Tensor:
        # All are shifted alike, around the ends: other crops in each epoch and each process.
        moved = (places + torch.rand(3, generator=generator)) % 1
        which = (moved[:, 0] * len(x)).long().clamp(max=len(x) - 1)
        crops = crop_at(x, which, moved[:, 1:], config["crop"])
        return fitting.place(dequantise(crops, generator)[:, None])

    history = train(
        model,
        torch.rand(config["train_crops"], 3, generator=generator),  # which image, and where
        fitting.place(held),
        **fitting.settings(train),
        **fitting.keeping(),
        prepare=fresh,
        generator=generator,
    )
    return model, {
        **begun["details"],
        "parameters": model.num_parameters,
        "best epoch": history.best_epoch,
        "validation, crops (bit/px)": -min(history.valid["loss"]) / math.log(2),
    }


def _ride_patches(fitting: Fitting, x: Tensor, valid: Tensor) -> Fitted:
    """Train an MCGSM that sees the same pixels, and zeros outside of the patch, then a RIDE."""
    context, config = _context(fitting), fitting.job.config

    def pairs(x: Tensor) -> Pairs:
        seen = but_last(context.contexts(context.pad(x, 0.0)))
        return fitting.place(seen.flatten(0, 1)), fitting.place(but_last(x).flatten())

    def start() -> dict[str, Any]:
        first = replace(fitting, generator=seeded(fitting.generator.initial_seed()))
        some = pairs(x[: config["mcgsm_patches"]])
        return {"state": _conditional(first, "mcgsm", some, lambda: pairs(valid))[0].state_dict()}

    def fresh(patches: Tensor) -> Tensor:
        # Noise for the last pixel, which does not count: the density of a number that the
        # others determine has no bound.
        noise = torch.randn(len(patches), generator=fitting.generator) * config["last_pixel"]
        seen = patches.clone()
        seen[:, 0, -1, -1] = noise.to(seen)
        return seen

    def validation(model: RIDE) -> float:
        return -float(scores(model, fitting.place(valid), score=_of_patches).mean())

    model, _ = _from_mcgsm(fitting, x[:1, None], start, padding=0.0)
    begun = validation(model)
    train(
        model,
        fitting.place(x[:, None]),
        **fitting.settings(train),
        **fitting.keeping(),
        loss=lambda model, x: -model.conditional_log_prob(x).mean(),
        prepare=fresh,
        generator=fitting.generator,
    )
    return model, {
        "parameters": model.num_parameters,
        "validation": validation(model),
        "validation, before the memory was trained": begun,
    }


def _of_patches(model: nn.Module, x: Tensor) -> Tensor:
    """Return nats a patch, without its last pixel, (n, s, s) -> (n,)."""
    found = model.conditional_log_prob(x[:, None])[:, 0]  # type: ignore[operator]
    return -but_last(found).double().sum(dim=1)


_MCGSM = {
    "data": "BSDS300", "rows": 4, "columns": 4, "pixels_of_an_image": 10_000, "components": 16,
    "scales": 4, "features": 40, "mcgsm_epochs": 20, "mcgsm_batch_size": 1000, "mcgsm_lr": 5e-3,
}  # fmt: skip
_MCGSM_SMOKE = {
    "rows": 1, "columns": 1, "pixels_of_an_image": 200, "components": 2, "scales": 2,
    "features": 3, "mcgsm_epochs": 2, "mcgsm_batch_size": 100,
}  # fmt: skip

RIDE_PATCHES = held_out(
    "ride_bsds300_patches",
    "RIDE, one layer, from an MCGSM",
    replace(PATCHES, score=_of_patches),
    _ride_patches,
    Published(150.7, "nats", RIDE_PAPER),
    "Patches as for the MCGSM above. An MCGSM whose window reads 0 outside of the patch is "
    "trained first; the RIDE starts as that model, and its head sees the window beside the "
    "hidden state, which the paper's does not. Both are trained by Adam.",
    config={
        "data": "BSDS300", "size": 8, "train_patches": 200_000, "valid_patches": 10_000,
        "test_patches": 50_000, "patch_seed": 0, "rows": 4, "columns": 4, "components": 8,
        "scales": 4, "features": 32, "mcgsm_patches": 30_000, "mcgsm_epochs": 6,
        "mcgsm_batch_size": 1000, "mcgsm_lr": 5e-3, "units": 32, "layers": 1, "epochs": 6,
        "batch_size": 100, "lr": 2e-3, "clip": 1.0, "last_pixel": 0.1,
    },
    smoke={
        "size": 4, "train_patches": 60, "valid_patches": 20, "test_patches": 20,
        "rows": 1, "columns": 1, "components": 2, "scales": 2, "features": 3,
        "mcgsm_patches": 60, "mcgsm_epochs": 2, "mcgsm_batch_size": 100, "units": 3,
        "epochs": 2, "batch_size": 20,
    },
    seeds=(0,),
    trains=True,
    digits=1,
)  # fmt: skip

MCGSM_IMAGES = held_out(
    "mcgsm_bsds300_images",
    "MCGSM, 16 components",
    IMAGES,
    _mcgsm_images,
    Published(3.688, "bit/px", RIDE_PAPER),
    "Some of the pixels of the training images are used, by Adam.",
    config={**_MCGSM, "noise_seed": 0},
    smoke=_MCGSM_SMOKE,
    seeds=(0,),
    trains=True,
    digits=3,
)

_RIDE = {
    **_MCGSM, "crop": 64, "train_crops": 600, "valid_crop": 160, "valid_crops": 20,
    "units": 32, "layers": 1, "epochs": 32, "batch_size": 2, "lr": 1.5e-3, "clip": 1.0,
    "noise_seed": 0,
}  # fmt: skip
_RIDE_SMOKE = {
    **_MCGSM_SMOKE, "crop": 8, "train_crops": 12, "valid_crop": 10,
    "valid_crops": 4, "units": 3, "epochs": 2, "batch_size": 4,
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
    _ride_images,
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
    _ride_images,
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
