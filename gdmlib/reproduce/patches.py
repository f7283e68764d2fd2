"""Patches of photographs by the chain rule: MCGSM, RIDE."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from gdmlib.autoregressive import MCGSM, RIDE, MCGSMPatch, train_mcgsm
from gdmlib.reproduce.experiment import Fitted, Fitting, held_out
from gdmlib.reproduce.photographs import (
    MCGSM_SETTINGS,
    RIDE_PAPER,
    RIDE_SETTINGS,
    SMOKE,
    Conditional,
    Pairs,
    begin_ride,
    conditional,
    context_of,
)
from gdmlib.reproduce.records import Published
from gdmlib.reproduce.tasks import PATCHES, but_last, seeded
from gdmlib.training import scores, train


def _coordinates(fitting: Fitting, x: Tensor, valid: Tensor) -> Fitted:
    """Train a model of each coordinate; what is done is kept."""
    x, valid = (fitting.place(but_last(part)) for part in (x, valid))
    d, seed, sizes = x.shape[1], fitting.generator.initial_seed(), fitting.settings(MCGSM)

    def coordinate(i: int) -> dict[str, Any]:
        pairs, held = (x[:, :i], x[:, i]), (valid[:, :i], valid[:, i])
        options = {**sizes, "features": min(i, sizes["features"])}
        generator = seeded(1000 * seed + i)
        model = MCGSM.start(*pairs, **options, generator=generator)
        settings = fitting.settings(train)
        history = train_mcgsm(model, *pairs, held, **settings, generator=generator, progress=False)
        return {"state": model.state_dict(), "best epoch": history.best_epoch}

    models, best = [], []
    for i in range(d):
        found = fitting.job.stage(f"{fitting.name}-{i:02}", partial(coordinate, i))
        model = MCGSM(i, **{**sizes, "features": min(i, sizes["features"])})
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


def _ride_patches(fitting: Fitting, x: Tensor, valid: Tensor) -> Fitted:
    """Train an MCGSM that sees the same pixels, and zeros outside of the patch, then a RIDE."""
    context, config = context_of(fitting), fitting.job.config

    def pairs(x: Tensor) -> Pairs:
        seen = but_last(context.contexts(context.pad(x, 0.0)))
        return fitting.place((seen.flatten(0, 1), but_last(x).flatten()))

    def first(fitting: Fitting) -> Conditional:
        return conditional(
            fitting, "mcgsm", pairs(x[: config["mcgsm_patches"]]), lambda: pairs(valid)
        )

    def fresh(patches: Tensor) -> Tensor:
        # Noise for the last pixel, which does not count: the density of a number that the
        # others determine has no bound.
        noise = torch.randn(len(patches), generator=fitting.generator) * config["last_pixel"]
        seen = patches.clone()
        seen[:, 0, -1, -1] = noise.to(seen)
        return seen

    def validation(model: RIDE) -> float:
        return -float(scores(model, fitting.place(valid), score=_of_patches).mean())

    model, _ = begin_ride(fitting, x[:1, None], first, padding=0.0)
    begun = validation(model)
    fitting.train(
        model,
        fitting.place(x[:, None]),
        loss=lambda model, x: -model.conditional_log_prob(x).mean(),
        prepare=fresh,
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


_PATCHES = {
    "data": "BSDS300", "size": 8, "valid_patches": 10_000, "test_patches": 50_000, "patch_seed": 0,
    "scales": 4, "features": 32, "epochs": 6,
}  # fmt: skip

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
        **_PATCHES, "train_patches": 250_000, "components": 16, "batch_size": 250, "lr": 8e-3,
    },
    smoke={
        "size": 2, "train_patches": 200, "valid_patches": 50, "test_patches": 50,
        "components": 2, "scales": 2, "epochs": 2, "batch_size": 100,
    },
    seeds=(0,),
    digits=1,
)  # fmt: skip

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
        **_PATCHES, **MCGSM_SETTINGS, **RIDE_SETTINGS, "train_patches": 200_000, "components": 8,
        "mcgsm_patches": 30_000, "mcgsm_epochs": 6, "batch_size": 100, "lr": 2e-3,
        "last_pixel": 0.1,
    },
    smoke={
        **SMOKE, "size": 4, "train_patches": 60, "valid_patches": 20, "test_patches": 20,
        "mcgsm_patches": 60, "units": 3, "epochs": 2, "batch_size": 20,
    },
    seeds=(0,),
    trains=True,
    digits=1,
)  # fmt: skip
