"""Inverse problems on the 15 pictures of Dave, Vadathya and Mitra: what a method is measured on.

A method is declared by `restoring`: ``build(fitting, **settings)`` makes whatever it needs, once,
and returns ``restore(operator, y)``, which is called with one picture's measurements at a time. Of
their noise, a setting, ``build`` hears if it has an argument for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from gdmlib.data import spc15
from gdmlib.inverse.camera import single_pixel as camera_of
from gdmlib.inverse.masking import Masking
from gdmlib.inverse.matrix import Matrix
from gdmlib.inverse.operators import Operator
from gdmlib.inverse.restored import Restored
from gdmlib.metrics import psnr, ssim
from gdmlib.reproduce.experiment import Experiment, Fitting, Outcome
from gdmlib.reproduce.job import Job
from gdmlib.reproduce.records import Data, Metric, Published, sha256_of
from gdmlib.reproduce.settings import STAND_IN, as_settings, check_size
from gdmlib.reproduce.tasks import seeded

RIDE_PAPER = "Dave, Vadathya and Mitra (2017), arXiv:1612.04229, and the authors' log"
Restore = Callable[[Operator, Tensor], Tensor | Restored]


class Case(NamedTuple):
    """One picture to restore: how it was measured, what came out, and what it was."""

    label: str
    operator: Operator
    y: Tensor
    clean: Tensor


@dataclass(frozen=True)
class Protocol:
    """A problem, and what counts in it.

    Attributes:
        dataset: For people.
        cases: Yields a `Case` for each picture, from clean pictures and the settings that it has
            arguments for; those of one label come one after the other, and count together.
        border: Pixels at each border that do not count.
        words: How it is measured.
        config, smoke: The settings that all methods share.
    """

    dataset: str
    cases: Callable[..., Iterator[Case]]
    border: int
    words: str
    config: Mapping[str, Any]
    smoke: Mapping[str, Any]


def pictures(data: str) -> Tensor:
    """Return the test pictures, grey, (15, 1, 256, 256); smooth noise for a trial."""
    if data == STAND_IN:
        noise = torch.rand(3, 1, 36, 36, generator=seeded(0))
        return nn.functional.avg_pool2d(noise, 5, stride=1)
    return spc15().x


def single_pixel(
    clean: Tensor, rates: list[float], count: int, side: int, noise: float, camera_seed: int
) -> Iterator[Case]:
    """Measure the upper left squares of the first pictures by a single-pixel camera.

    The rows of a lower rate are the first of a higher one, so that they are made only once: any of
    them, of a random orthonormal set, are such a set.
    """
    clean = clean[:count, :, :side, :side]
    shape = tuple(clean.shape[1:])
    numbers = {rate: round(rate * side * side) for rate in rates}
    generator = seeded(camera_seed)
    camera = camera_of(shape, max(numbers.values()), rows="gaussian", generator=generator)
    assert isinstance(camera, Matrix)
    for rate, m in numbers.items():
        operator = camera.first(m)
        for i, x in enumerate(clean):
            y = operator.measure(x, noise=noise, generator=seeded(i))
            yield Case(f"rate {rate:.2f}", operator, y, x)


def inpainting(clean: Tensor, missing: list[float], noise: float, mask_seed: int) -> Iterator[Case]:
    """Leave out a share of the pixels at random places, others in each picture."""
    for share in missing:
        generator = seeded(mask_seed)
        for x in clean:
            operator = Masking.random(x.shape, missing=share, generator=generator)
            y = operator.measure(x, noise=noise, generator=generator)
            yield Case(f"{share:.0%} missing", operator, y, x)


def restoring(
    name: str,
    title: str,
    protocol: Protocol,
    build: Callable[..., Restore],
    published: Mapping[str, Published],
    words: str,
    *,
    config: Mapping[str, Any],
    smoke: Mapping[str, Any],
    **more: Any,
) -> Experiment:
    """Declare a method that restores what a protocol measures.

    Args:
        name, title, config, smoke, more: As for `Experiment`. Metrics are called "PSNR, " and
            "SSIM, " and the label of the case; the first label's PSNR is the first.
        published: Numbers by the name of their metric, if there are any, the first metric's first.
        build: ``build(fitting, **settings)`` returns ``restore(operator, y)``.
        words: What there is to say of the method; the protocol says the rest.
    """
    others = dict(published)
    return Experiment(
        name=name,
        title=title,
        dataset=protocol.dataset,
        run=partial(_run, protocol, build),
        published=others.pop(next(iter(others))) if others else None,
        others=others,
        protocol=f"{protocol.words} {words}".strip(),
        config={"data": "spc15", **protocol.config, **config},
        smoke={"data": STAND_IN, **protocol.smoke, **smoke},
        **more,
    )


def _run(protocol: Protocol, build: Callable[..., Restore], job: Job) -> Outcome:
    """Restore each picture, one after the other; what is done is kept for a resumed run."""
    with as_settings("no data can be made with these settings: "):
        clean = pictures(job.config["data"])
        settings = job.config.of(protocol.cases)
        side = clean.shape[-1]
        for key, most in {"side": side, "count": len(clean)}.items():
            if key in settings:
                check_size(key, settings[key], 1, most, "as the pictures have")
        for share in settings.get("rates", settings.get("missing", [])):
            if not 0 < share < 1:
                raise ValueError(f"a share above 0 and below 1 is expected, got {share}")
    data = Data(job.config["data"], sha256_of(clean))
    job.uses(data)
    (seed,) = job.seeds
    fitting = Fitting(job, "method", 0, 1, seeded(seed))
    restore = build(fitting, **job.config.of(build))
    values: dict[str, list[Tensor]] = {}
    seconds: dict[str, list[float]] = {}
    for i, case in enumerate(protocol.cases(clean, **settings)):
        one = partial(_restored, restore, case, protocol.border, job.device)
        found = job.stage(f"picture-{i}", one)
        values.setdefault(case.label, []).append(found["values"])
        seconds.setdefault(case.label, []).append(found["seconds"])
        job.progress("picture", i + 1, _number(clean, settings), case.label)
    made = [
        Metric.of_examples(f"{name}, {label}", column, unit, "higher")
        for label, rows in values.items()
        for name, unit, column in zip(
            ("PSNR", "SSIM"), ("dB", "of 1.00"), torch.stack(rows).T, strict=True
        )
    ]
    details: dict[str, Any] = {
        f"processor seconds a picture, {k}": sum(v) / len(v) for k, v in seconds.items()
    }
    details |= {f"PSNR of each, {k}": [round(float(r[0]), 3) for r in v] for k, v in values.items()}
    return Outcome(made[0], data, details, tuple(made[1:]))


def _number(clean: Tensor, settings: Mapping[str, Any]) -> int:
    each = settings.get("count", len(clean))
    return int(each) * len(settings.get("rates", settings.get("missing", [])))


def _restored(restore: Restore, case: Case, border: int, device: torch.device) -> dict[str, Any]:
    """Restore one picture; PSNR and SSIM without the border, and the time it took."""
    operator, y = case.operator.to(device), case.y.to(device)
    began = time.process_time()
    found = restore(operator, y)
    seconds = time.process_time() - began
    image = (found.image if isinstance(found, Restored) else found).detach().cpu()
    top, left = (slice(border, n - border) for n in case.clean.shape[-2:])
    made, clean = (x.view(1, *case.clean.shape)[..., top, left] for x in (image, case.clean))
    return {"values": torch.stack([psnr(made, clean)[0], ssim(made, clean)[0]]), "seconds": seconds}


def _noise(levels: float) -> tuple[str, str]:
    """Return what is added to the name of the data, and a sentence."""
    if not levels:
        return "", "No noise."
    return (
        f", noise {levels:g}",
        f"Noise of {levels:g} grey levels on each number that is measured.",
    )


def _single_pixel(levels: float = 0.0) -> Protocol:
    title, sentence = _noise(levels)
    return Protocol(
        f"15 test pictures, first five, upper left 160 × 160, single-pixel camera{title}",
        single_pixel,
        2,
        "Rows of a single-pixel camera: orthonormal, of random directions, the same for all "
        f"pictures, those of a lower rate the first of a higher. {sentence} Two pixels at each "
        "border do not count; the result is not rounded; one value a picture, mean over pictures; "
        "SSIM with the Gaussian window. Seconds do not count the making of the rows.",
        config={
            "rates": [0.4, 0.3, 0.25, 0.15, 0.1], "count": 5, "side": 160, "noise": levels / 255,
            "camera_seed": 0,
        },
        smoke={"rates": [0.4, 0.3], "count": 2, "side": 16},
    )  # fmt: skip


def _inpainting(levels: float = 0.0) -> Protocol:
    title, sentence = _noise(levels)
    return Protocol(
        f"15 test pictures, 256 × 256, pixels missing at random{title}",
        inpainting,
        0,
        f"A share of the pixels is missing at random places, others in each picture. {sentence} "
        "All pixels count; the result is not rounded; one value a picture, mean over pictures; "
        "SSIM with the Gaussian window.",
        config={"missing": [0.7, 0.8], "noise": levels / 255, "mask_seed": 0},
        smoke={"missing": [0.7]},
    )


SINGLE_PIXEL, NOISY_SINGLE_PIXEL = _single_pixel(), _single_pixel(10)
INPAINTING, NOISY_INPAINTING = _inpainting(), _inpainting(10)


def single_pixel_numbers(values: Mapping[float, float], source: str) -> dict[str, Published]:
    """Return what a source says of the PSNR at some rates, in dB, by the names of the metrics."""
    return {f"PSNR, rate {k:.2f}": Published(value, "dB", source) for k, value in values.items()}


PUBLISHED_SINGLE_PIXEL = single_pixel_numbers(
    {0.4: 33.66, 0.3: 31.58, 0.25: 30.54, 0.1: 23.29}, RIDE_PAPER
)
"""What the paper's RIDE gets, by the name of the metric; at 0.15 it reports nothing."""
