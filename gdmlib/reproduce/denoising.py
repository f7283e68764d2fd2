"""Denoising: a convolutional denoiser trained on BSDS500, tested on BSD68."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from gdmlib.data import bsds500, restoration
from gdmlib.data.crops import Crops, grey_levels
from gdmlib.inverse.denoiser import ConvDenoiser
from gdmlib.metrics import psnr, ssim
from gdmlib.reproduce.experiment import Experiment, Fitting, Outcome
from gdmlib.reproduce.job import Job
from gdmlib.reproduce.records import Data, Metric, Published, sha256_of
from gdmlib.reproduce.settings import STAND_IN, as_settings
from gdmlib.reproduce.tasks import seeded
from gdmlib.training.loop import evaluating

DNCNN = "Zhang et al. (2017), DnCNN, arXiv:1608.03981, table 2"


class Photographs(NamedTuple):
    """Grey photographs in [0, 1], (1, H, W) each."""

    train: list[Tensor]
    valid: list[Tensor]
    test: list[Tensor]


def photographs(data: str) -> Photographs:
    """Return training and test part of BSDS500 to train on, and BSD68, made of the third part."""
    if data == STAND_IN:
        noise = torch.rand(8, 1, 36, 36, generator=seeded(0))
        smooth = list(nn.functional.avg_pool2d(noise, 5, stride=1))
        return Photographs(smooth[:3], smooth[3:5], smooth[5:])
    found = [
        grey_levels(x)[None] / 255
        for split in ("train", "test")
        for _, x in sorted(bsds500(split).items())
    ]
    test = [x for _, x in sorted(restoration("bsd68").items())]
    middle = [x[:, 80:240, 80:240] for x in found[-10:]]  # enough to tell epochs apart
    return Photographs(found[:-10], middle, test)


def fit(fitting: Fitting, found: Photographs, size: int, train_crops: int) -> ConvDenoiser:
    """Train on squares of the photographs, turned and mirrored."""
    generator = fitting.generator
    crops = Crops(found.train, size=size, generator=generator)
    model = fitting.place(ConvDenoiser(**fitting.settings(ConvDenoiser), generator=generator))
    fitting.train(
        model,
        torch.rand(train_crops, 4, generator=generator),
        [fitting.place(x) for x in found.valid],
        prepare=lambda numbers: fitting.place(crops(numbers)),
    )
    return model


@torch.no_grad()
def measured(model: ConvDenoiser, clean: list[Tensor], level: float, device: Any) -> list[Tensor]:
    """Return PSNR and SSIM of each picture after noise of so many grey levels, (N,) each.

    Neither the noisy picture nor the result is rounded or cut.
    """
    generator, rows = seeded(0), []
    for picture in clean:
        x = picture[None]
        y = x + level / 255 * torch.randn(x.shape, generator=generator)
        made = model.denoise(y.to(device), level / 255).cpu()
        rows.append([float(psnr(made, x)), float(ssim(made, x))])
    return list(torch.tensor(rows).T)


def _run(job: Job) -> Outcome:
    """Train once, and measure at each level of noise."""
    with as_settings("no data can be made with these settings: "):
        found = photographs(job.config["data"])
    data = Data(job.config["data"], sha256_of(*found.train, *found.valid, *found.test))
    job.uses(data)
    (seed,) = job.seeds

    def once() -> dict[str, Any]:
        torch.manual_seed(seed)  # the loss draws levels and noise from torch's global generator
        fitting = Fitting(job, f"seed-{seed}", 0, 1, seeded(seed))
        model = fit(fitting, found, **job.config.of(fit))
        job.keep(fitting.name, model)
        with evaluating(model):
            values = {
                str(level): measured(model, found.test, level, job.device)
                for level in job.config["levels"]
            }
        return {"values": values, "parameters": sum(p.numel() for p in model.parameters())}

    result = job.stage(f"seed-{seed}", once)
    made = [
        Metric.of_examples(f"{name}, noise {level}/255", value, unit, "higher")
        for level, both in result["values"].items()
        for name, unit, value in zip(("PSNR", "SSIM"), ("dB", "of 1.00"), both, strict=True)
    ]
    return Outcome(made[0], data, {"parameters": result["parameters"]}, tuple(made[1:]))


DENOISER = Experiment(
    name="denoiser_bsd68",
    title="Convolutional denoiser, told the level of noise",
    dataset="BSDS500; BSD68 test, Gaussian noise",
    run=_run,
    published=Published(29.23, "dB", DNCNN),
    protocol="Grey photographs of BSDS500: 390 of the training and the test part train, 10 "
    "validate; BSD68 is made of the 100 that are left out. Noise of 25, 15 and 50 grey levels; "
    "neither the noisy picture nor the result is rounded or cut; one value a picture, mean over "
    "pictures. One network for all levels; the paper's has one for each, and 400 photographs.",
    config={
        "data": "BSDS500", "features": [64, 96, 128], "blocks": 2, "levels": [25, 15, 50],
        "size": 64, "train_crops": 16_000, "epochs": 15, "batch_size": 16, "lr": 8e-4, "clip": 0.5,
        "average": 0.999, "mixed_precision": True,
    },
    smoke={
        "data": STAND_IN, "features": [4, 6], "blocks": 1, "size": 16, "train_crops": 8,
        "epochs": 2, "batch_size": 4, "average": 0.5,
    },
    seeds=(0,),
    trains=True,
    others={
        "PSNR, noise 15/255": Published(31.73, "dB", DNCNN),
        "PSNR, noise 50/255": Published(26.23, "dB", DNCNN),
    },
)  # fmt: skip
