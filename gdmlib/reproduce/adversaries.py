"""Adversaries that draw digits, judged by their samples: a GAN, and one that is told the digit.

The judge is that of `judged`: its features give the Fréchet distance, and what it recognises is
counted. A GAN that is told nothing may leave digits out, and so the digits that it draws are
counted, too.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from functools import partial
from typing import Any

import torch
from torch import Generator, Tensor, nn

from gdmlib.adversarial import (
    GAN,
    ConditionalGenerator,
    DCDiscriminator,
    DCGenerator,
    ProjectionDiscriminator,
    averaged,
)
from gdmlib.metrics import Judge, frechet_distance, with_floor
from gdmlib.reproduce.experiment import Experiment, Outcome
from gdmlib.reproduce.job import Job
from gdmlib.reproduce.judged import (
    AT_ONCE,
    CLASSES,
    SHOWN,
    Pairs,
    distance_metric,
    judge_of,
    on_device,
    on_mnist,
    parts_of,
    recognised,
)
from gdmlib.reproduce.records import Metric
from gdmlib.reproduce.settings import STAND_IN, as_settings
from gdmlib.reproduce.tasks import seeded
from gdmlib.training import Turns, fit

SURE = 0.9  # the probability from which on the judge is called sure
BATCHES = 20  # from which the averaged generator's batch norm is measured


def unconditional(
    event_shape: tuple[int, ...],
    *,
    latent: int,
    channels: list[int],
    judge_channels: list[int],
    generator: Generator,
) -> GAN:
    """Return a DCGAN that is told nothing."""
    maker = DCGenerator(event_shape, latent=latent, channels=channels, generator=generator)
    judge = DCDiscriminator(event_shape, channels=judge_channels, generator=generator)
    return GAN(maker, judge, latent=latent)


def conditional(
    event_shape: tuple[int, ...],
    *,
    latent: int,
    channels: list[int],
    judge_channels: list[int],
    generator: Generator,
) -> GAN:
    """Return a GAN that is told the digit: by batch norm, and by a projection discriminator."""
    maker = ConditionalGenerator(
        event_shape, latent=latent, channels=channels, classes=CLASSES, generator=generator
    )
    body = DCDiscriminator(event_shape, channels=judge_channels, norm="group", generator=generator)
    judge = ProjectionDiscriminator(body, classes=CLASSES, generator=generator)
    return GAN(maker, judge, latent=latent, classes=CLASSES, loss="hinge")


def play(gan: GAN, pairs: Pairs, job: Job, generator: Generator) -> None:
    """Train by the settings of the run, and leave the averaged generator in the model."""
    config = job.config
    turns = gan.turns(
        lr=(config["lr"], config["judge_lr"]),
        betas=(config["momentum"], 0.99),
        average=config["average"],
        noise=generator,
    )
    epochs = config["epochs"]
    fit(
        turns, pairs if gan.classes else pairs[0], epochs=epochs, batch_size=config["batch_size"],
        generator=generator, **job.game("game", epochs),
    )  # fmt: skip
    gan.generator.load_state_dict(settled(turns, gan, config["batch_size"]).state_dict())


@torch.no_grad()
def settled(turns: Turns, gan: GAN, batch_size: int) -> nn.Module:
    """Return the averaged generator, with batch norm that is measured anew.

    The counts of batch norm that come with the average belong to the weights of the last step.
    """
    model = deepcopy(averaged(turns)).train()
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over batches
    like, generator = next(model.parameters()), seeded(0)
    for _ in range(BATCHES):
        z = torch.randn(batch_size, gan.latent, generator=generator).to(like)
        if gan.classes:
            labels = torch.randint(gan.classes, (batch_size,), generator=generator)
            model(z, labels.to(like.device))
        else:
            model(z)
    return model.eval()


def drawn(gan: GAN, samples: int, sample_seed: int, device: torch.device) -> Pairs:
    """Return so many samples in [0, 1], and the digits that were asked for, as many of each."""
    labels, generator = (torch.arange(samples) % CLASSES).to(device), seeded(sample_seed)
    parts = [
        gan.sample(len(part), generator, labels=part if gan.classes else None)
        for part in labels.split(AT_ONCE)
    ]
    return ((torch.cat(parts) + 1) / 2).clamp(0, 1), labels


def classes_covered(seen: Tensor) -> int:
    """Return of how many digits there are half as many as there would be of ten equal ones."""
    return int((seen.bincount(minlength=CLASSES) >= len(seen) / CLASSES / 2).sum())


def effective_classes(seen: Tensor) -> float:
    """Return exp of the entropy of the digits' shares: 10 for equal ones, 1 for a single one."""
    shares = seen.bincount(minlength=CLASSES) / len(seen)
    return float(torch.special.entr(shares.double()).sum().exp())


def _measure(gan: GAN, judge: Judge, test: Pairs, job: Job) -> list[Metric]:
    x, labels = drawn(gan, device=job.device, **job.config.of(drawn))
    found = with_floor(
        frechet_distance, judge.features(x), judge.features(test[0]), generator=seeded(0)
    )
    metrics = [
        distance_metric("Fréchet distance", found.value, found),
        distance_metric("Fréchet distance, real images", found.floor, found),
    ]
    if gan.classes:
        metrics.insert(0, recognised(judge, x, labels, SHOWN))
        metrics.append(_spread(judge, (x, labels), test))
    else:
        metrics += _counted(judge, x, test[0])
    return [*metrics, recognised(judge, *test, "test images that the judge knows")]


def spread_within(judge: Judge, pairs: Pairs) -> Tensor:
    """Return how far the features of each picture are from the mean of its digit, (N,)."""
    features, labels = judge.features(pairs[0]).double(), pairs[1]
    centre = torch.stack([features[labels == k].mean(dim=0) for k in range(CLASSES)])
    return (features - centre[labels]).norm(dim=1).cpu()


def _spread(judge: Judge, made: Pairs, real: Pairs) -> Metric:
    """Return how different the samples of a digit are, as a share of how different real ones are.

    A generator may draw each digit well, and always the same one: the judge recognises it.
    """
    shares = spread_within(judge, made) / spread_within(judge, real).mean()
    return Metric.of_examples("spread within a digit, real images 1", shares, "", "higher")


def _counted(judge: Judge, x: Tensor, real: Tensor) -> list[Metric]:
    """Return how many digits there are among the samples, and how clear they are."""
    seen = judge.predict(x).cpu()
    count, effective = classes_covered(seen), effective_classes(seen)
    # What differs from half to half says how much another draw would differ.
    halves = [seen[0::2], seen[1::2]]
    errors = [
        abs(float(of(halves[0])) - float(of(halves[1]))) / 2
        for of in (classes_covered, effective_classes)
    ]
    return [
        Metric(name, value, error, "of 10", "test examples", len(x), better="higher")
        for name, value, error in (
            ("digits that are covered", count, errors[0]),
            ("digits, effective number", effective, errors[1]),
        )
    ] + [
        Metric.of_examples(name, _sure(judge, part), "", "higher")
        for name, part in (
            ("samples of which the judge is sure", x),
            ("test images of which the judge is sure", real),
        )
    ]


def _sure(judge: Judge, x: Tensor) -> Tensor:
    return (judge.probs(x).amax(dim=1) >= SURE).double().cpu()


def _run(build: Callable[..., GAN], job: Job) -> Outcome:
    """Play once, and count on samples."""
    parts = parts_of(job)
    (seed,) = job.seeds
    judge = judge_of(job, parts, job.config["judge_epochs"])
    generator = seeded(seed)
    shape = tuple(parts.train[0].shape[1:])
    with as_settings("no model can be made with these settings: "):
        sizes = job.config.of(build)
        gan = build(shape, **sizes, generator=generator).to(job.device)
    gan.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def played() -> dict[str, Any]:
        x, y = on_device(job, parts.train)
        play(gan, (2 * x - 1, y), job, generator)
        job.keep("model", gan)
        return {"state": gan.state_dict()}

    gan.load_state_dict(job.stage("training", played)["state"])
    gan.eval().requires_grad_(False)
    first, *others = _measure(gan, judge, on_device(job, parts.test), job)
    count = {
        f"parameters of the {name}": sum(p.numel() for p in player.parameters())
        for name, player in (("generator", gan.generator), ("discriminator", gan.discriminator))
    }
    return Outcome(first, parts.data, count, tuple(others))


# --- declarations ---------------------------------------------------------------------------------

_PROTOCOL = (
    "The first 50,000 training images train; grey levels from -1 to 1. The generator is the moving "
    "average of the weights, its batch norm measured anew. A judge, a small classifier of the same "
    "training images, gives the features and recognises. The distance is between samples and test "
    "images, as many as are left when others take the samples' place for the floor, which is what "
    "real images are apart; the error is the floor's spread over ten divisions. No paper reports "
    "these numbers: the judge is ours."
)


def _declare(
    name: str, title: str, build: Callable[..., GAN], protocol: str, **own: Any
) -> Experiment:
    return on_mnist(
        name=name,
        title=title,
        run=partial(_run, build),
        protocol=f"{_PROTOCOL} {protocol}",
        config={
            "data": "mnist", "latent": 64, "channels": [128, 64], "judge_channels": [64, 128],
            "epochs": 25, "batch_size": 64, "lr": 5e-4, "judge_lr": 5e-4, "momentum": 0.5,
            "average": 0.999, "judge_epochs": 8, "samples": 5000, "sample_seed": 0, **own,
        },
        smoke={
            "data": STAND_IN, "latent": 4, "channels": [8, 4], "judge_channels": [4, 8],
            "epochs": 2, "batch_size": 20, "average": 0.5, "judge_epochs": 1, "samples": 20,
        },
    )  # fmt: skip


DCGAN = _declare(
    "dcgan_mnist",
    "DCGAN",
    unconditional,
    "Batch norm in both players, the non-saturating loss. A digit is covered if at least half as "
    "many samples show it as would if all digits were drawn equally often; the effective number "
    "of digits is the exponential of the entropy of their shares; the judge is sure from 0.9 on. "
    "The errors of these two counts are half the difference of the two halves of the samples.",
)
CGAN = _declare(
    "cgan_mnist",
    "Convolutional GAN, told the digit",
    conditional,
    "Batch norm conditional on the digit; a projection discriminator with group norm; the hinge "
    "loss; as many samples of each digit. The spread is the mean distance of the judge's "
    "features from the mean of their digit.",
    lr=1e-3,
    judge_lr=1e-3,
    momentum=0.0,
)
