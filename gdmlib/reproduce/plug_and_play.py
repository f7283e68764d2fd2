"""Restoring with the denoiser of `gdmlib.reproduce.denoising`: one prior for all measurements."""

from __future__ import annotations

import json
from typing import Any

import torch
from torch import Tensor

from gdmlib.inverse import ConvDenoiser, Operator, Restored, message_passing, plug_and_play
from gdmlib.reproduce.denoising import DENOISER, fit, photographs
from gdmlib.reproduce.experiment import Experiment, Fitting
from gdmlib.reproduce.inverse import (
    INPAINTING,
    NOISY_INPAINTING,
    NOISY_SINGLE_PIXEL,
    PUBLISHED_SINGLE_PIXEL,
    SINGLE_PIXEL,
    Restore,
    restoring,
)
from gdmlib.reproduce.settings import as_settings
from gdmlib.reproduce.tasks import seeded
from gdmlib.training import load_weights

TRAINING = {k: v for k, v in DENOISER.config.items() if k not in ("data", "levels")}


class Rough:
    """A denoiser whose convolutions are computed in bfloat16, several times faster on some CPUs."""

    def __init__(self, denoiser: ConvDenoiser, enabled: bool) -> None:
        self.denoiser, self.enabled = denoiser, enabled

    def denoise(self, y: Tensor, sigma: float | Tensor) -> Tensor:
        """Return the guess of the clean pictures."""
        with torch.autocast(y.device.type, torch.bfloat16, enabled=self.enabled):
            return self.denoiser.denoise(y, sigma)


def denoiser(fitting: Fitting) -> ConvDenoiser:
    """Return the denoiser of the experiment on BSD68, from its run's folder if that lies beside.

    Where there is none, or one with other settings, it is trained here in the same way.
    """
    job = fitting.job
    model = fitting.place(ConvDenoiser(**fitting.settings(ConvDenoiser)))
    wanted = {key: job.config[key] for key in TRAINING}
    beside = (
        None if job.folder is None else job.folder.parent / DENOISER.name / "seed-0.safetensors"
    )
    if beside is not None and beside.is_file() and not job.smoke:
        about = load_weights(model, beside)
        config = json.loads(about.get("config", "{}"))
        if about.get("experiment") == DENOISER.name and all(
            config.get(key) == value for key, value in wanted.items()
        ):
            return _ready(model)

    def train() -> dict[str, Any]:
        torch.manual_seed(0)
        own = Fitting(job, "denoiser", 0, 1, seeded(0))
        with as_settings("no data can be made with these settings: "):
            found = photographs(DENOISER.config["data"] if not job.smoke else job.config["data"])
        made = fit(own, found, **job.config.of(fit))
        job.keep("denoiser", made)
        return {"state": made.state_dict()}

    model.load_state_dict(job.stage("denoiser", train)["state"])
    return _ready(model)


def _ready(model: ConvDenoiser) -> ConvDenoiser:
    return model.eval().requires_grad_(False)


def by_splitting(
    fitting: Fitting,
    noise: float,
    steps: int,
    strongest: float,
    faintest: float,
    rough: bool,
    strength: float = 1.0,
) -> Restore:
    """Return what restores by half-quadratic splitting, from strong noise to faint."""
    model = Rough(denoiser(fitting), rough)

    def restore(operator: Operator, y: Tensor) -> Restored:
        sigmas = strongest / 255, faintest / 255
        return plug_and_play(
            operator, y, model, noise=noise, steps=steps, sigmas=sigmas, strength=strength
        )

    return restore


def by_message_passing(fitting: Fitting, noise: float, steps: int, rough: bool) -> Restore:
    """Return what restores by message passing."""
    model = Rough(denoiser(fitting), rough)

    def restore(operator: Operator, y: Tensor) -> Restored:
        return message_passing(operator, y, model, noise=noise, steps=steps, generator=seeded(0))

    return restore


_PRIOR = (
    "The prior is the convolutional denoiser of the record denoiser_bsd68, trained on the training "
    "and the test part of BSDS500; all test pictures are of the third part, which a test checks by "
    "content. Steps and levels were chosen on its validation pictures."
)
_SMOKE = {k: v for k, v in DENOISER.smoke.items() if k in TRAINING}
_SMOKE |= {"steps": 2, "rough": False}
_SPLITTING = {"steps": 100, "strongest": 75.0, "faintest": 1.0, "rough": True}


def _declare(name: str, title: str, *args: Any, own: dict[str, Any], **more: Any) -> Experiment:
    return restoring(
        name,
        title,
        *args,
        config={**TRAINING, **own},
        smoke=_SMOKE,
        seeds=(0,),
        trains=True,
        **more,
    )


SPC_MESSAGE_PASSING = _declare(
    "spc_message_passing",
    "Message passing with a learned denoiser",
    SINGLE_PIXEL,
    by_message_passing,
    PUBLISHED_SINGLE_PIXEL,
    _PRIOR,
    own={"steps": 16, "rough": True},
)
SPC_PLUG_AND_PLAY = _declare(
    "spc_plug_and_play",
    "Plug and play with a learned denoiser",
    SINGLE_PIXEL,
    by_splitting,
    PUBLISHED_SINGLE_PIXEL,
    f"{_PRIOR} The level falls from 75 to 1 of 255.",
    own=_SPLITTING,
)
INPAINTING_PLUG_AND_PLAY = _declare(
    "inpainting_plug_and_play",
    "Plug and play with a learned denoiser",
    INPAINTING,
    by_splitting,
    {},
    f"{_PRIOR} The level falls from 75 to 1 of 255.",
    own=_SPLITTING,
)
SPC_NOISY_MESSAGE_PASSING = _declare(
    "spc_noisy_message_passing",
    "Message passing with a learned denoiser",
    NOISY_SINGLE_PIXEL,
    by_message_passing,
    {},
    _PRIOR,
    own={"steps": 16, "rough": True},
)
INPAINTING_NOISY_PLUG_AND_PLAY = _declare(
    "inpainting_noisy_plug_and_play",
    "Plug and play with a learned denoiser",
    NOISY_INPAINTING,
    by_splitting,
    {},
    f"{_PRIOR} The level falls from 75 to 5 of 255, half that of the noise.",
    own={**_SPLITTING, "faintest": 5.0, "strength": 0.05},
)
ALL = (
    SPC_MESSAGE_PASSING,
    SPC_PLUG_AND_PLAY,
    INPAINTING_PLUG_AND_PLAY,
    SPC_NOISY_MESSAGE_PASSING,
    INPAINTING_NOISY_PLUG_AND_PLAY,
)
