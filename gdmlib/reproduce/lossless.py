"""Lossless files of grey photographs: a mixture of experts beside PNG, JPEG 2000 and WebP."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import torch
from skimage import data as shipped
from torch import Tensor

from gdmlib.compression import (
    LOSSLESS,
    compress_photograph,
    decompress_photograph,
    fit_photograph_model,
    lossless_bytes,
)
from gdmlib.compression.integer import IntegerMCGSM
from gdmlib.data import bsds500, photographs, textures
from gdmlib.data.crops import LUMA, grey_levels
from gdmlib.reproduce.experiment import Experiment, Fitting, Outcome
from gdmlib.reproduce.job import Job
from gdmlib.reproduce.records import Data, Metric, sha256_of
from gdmlib.reproduce.settings import STAND_IN, as_settings
from gdmlib.reproduce.tasks import seeded
from gdmlib.training import train

TRAIN = ("china", "flower", "motorcycle", "rocket")


def training_photographs() -> list[Tensor]:
    """Return what trains: parts of four photographs, the same at half size, and three textures."""
    whole = [grey_levels(photographs()[name]) for name in TRAIN]
    half = [torch.nn.functional.avg_pool2d(x[None], 2)[0].round() for x in whole]
    grain = [(255 * x[0]).round()[:256, :256] for x in textures().values()]
    return [*(x[:400, :500] for x in whole), *half, *grain]


def in_rows(photographs: Iterable[Tensor], height: int = 96, width: int = 144) -> list[Tensor]:
    """Return the middles of photographs, ten side by side: wide pictures are swept faster."""
    middles = []
    for x in photographs:
        top, left = (x.shape[0] - height) // 2, (x.shape[1] - width) // 2
        middles.append(x[top : top + height, left : left + width])
    return [torch.cat(middles[k : k + 10], dim=1) for k in range(0, len(middles), 10)]


def shipped_photographs() -> dict[str, Tensor]:
    """Return scikit-image's photographs that train nothing here, as grey levels."""
    colour = {"chelsea": shipped.chelsea(), "coffee": shipped.coffee()}
    colour["astronaut"] = shipped.astronaut()
    luma = torch.tensor(LUMA)
    found = {k: (torch.tensor(x).float() @ luma).round() for k, x in colour.items()}
    return {**found, "camera": torch.tensor(shipped.camera()).float()}


def pictures(data: str, test_images: int) -> tuple[list[Tensor], dict[str, list[Tensor]]]:
    """Return the photographs that train, and those that test by the name of their set."""
    if data == STAND_IN:
        noise = torch.rand(6, 24, 32, generator=seeded(0))
        smooth = list((255 * torch.nn.functional.avg_pool2d(noise, 5, 1, 2)).round())
        return smooth[:2], {"BSDS500 test": smooth[2:4], "scikit-image": smooth[4:]}
    found = [grey_levels(x) for _, x in sorted(bsds500("test").items())]
    spread = found[:: max(1, len(found) // test_images)][:test_images]
    own = list(shipped_photographs().values())
    train = in_rows(grey_levels(x) for _, x in sorted(bsds500("train").items()))
    return [*training_photographs(), *train], {"BSDS500 test": spread, "scikit-image": own}


def _rates(model: IntegerMCGSM, test: list[Tensor]) -> dict[str, Tensor]:
    """Return bits a pixel of each picture for each format, and thousands of pixels a second."""
    rows: dict[str, list[float]] = {}
    for levels in test:
        begun = time.process_time()
        file = compress_photograph(model, levels)
        written = time.process_time()
        if not rows:  # one of each set is read again
            if not torch.equal(decompress_photograph(model, file).float(), levels):
                raise AssertionError("a photograph did not come back")
            took = time.process_time() - written
            rows["read"] = [levels.numel() / took / 1000]
        rows.setdefault("written", []).append(levels.numel() / (written - begun) / 1000)
        sizes = {"experts": len(file), **{k: lossless_bytes(levels, k) for k in LOSSLESS}}
        for name, size in sizes.items():
            rows.setdefault(name, []).append(8 * size / levels.numel())
    return {name: torch.tensor(values, dtype=torch.float64) for name, values in rows.items()}


def _run(job: Job) -> Outcome:
    """Train once, round to whole numbers, and write files."""
    with as_settings("no data can be made with these settings: "):
        found, tests = pictures(**job.config.of(pictures))
    data = Data(
        job.config["data"], sha256_of(*found, *(x for part in tests.values() for x in part))
    )
    job.uses(data)
    (seed,) = job.seeds

    def once() -> dict[str, Any]:
        fitting = Fitting(job, f"seed-{seed}", 0, 1, seeded(seed))
        options = {**fitting.settings(fit_photograph_model), **fitting.settings(train)}
        with as_settings("no model can be trained with these settings: "):
            model = fit_photograph_model(
                found, **options, **fitting.keeping(), generator=fitting.generator
            )
        job.keep(fitting.name, model)
        return {"rates": {name: _rates(model, test) for name, test in tests.items()}}

    rates = job.stage(f"seed-{seed}", once)["rates"]
    made, details = [], {}
    for name, part in rates.items():
        for kind in ("experts", *LOSSLESS):
            made.append(Metric.of_examples(f"{kind}, {name}", part[kind], "bit/px"))
        saved = {k: 1 - float(part["experts"].sum() / part[k].sum()) for k in LOSSLESS}
        details[f"smaller, {name}"] = saved
        details[f"thousand pixels a second, {name}"] = {
            "written": float(part["written"].mean()), "read": float(part["read"].mean())
        }  # fmt: skip
    return Outcome(made[0], data, details, tuple(made[1:]))


LOSSLESS_PHOTOGRAPHS = Experiment(
    name="lossless_photographs",
    title="Lossless files by experts in whole numbers",
    dataset="BSDS500 test, scikit-image's photographs, grey",
    run=_run,
    published=None,
    protocol="A mixture of conditional Gaussian scale mixtures, on 14 neighbours and two "
    "predictions that are fitted to each picture as it is read, rounded to whole numbers. Trained "
    "on photographs and textures that come with scikit-learn and scikit-image, and on the middles "
    "of BSDS500's two hundred training photographs. The size is that of "
    "the whole file, its tuning and checksums included; one value a picture, mean over pictures. "
    "PNG is optimised, WebP lossless has its best method and quality. The first picture of each "
    "set is read again and compared. One thread.",
    config={
        "data": "BSDS500 test", "test_images": 10, "components": 32, "scales": 4,
        "pixels": 150_000, "epochs": 6, "batch_size": 1000, "lr": 4e-3,
    },
    smoke={
        "data": STAND_IN, "test_images": 2, "components": 1, "scales": 1, "pixels": 100,
        "epochs": 2, "batch_size": 50,
    },
    seeds=(0,),
    trains=True,
)  # fmt: skip
