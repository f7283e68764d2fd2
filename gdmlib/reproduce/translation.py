"""pix2pix on BSDS500: from the boundaries that people drew in a photograph to a photograph."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, max_pool2d

from gdmlib.adversarial import PatchDiscriminator, Pix2Pix, UNetGenerator, averaged
from gdmlib.data import bsds500
from gdmlib.data.crops import Crops
from gdmlib.metrics import frechet_distance, perceptual_distance, with_floor
from gdmlib.nn.photo_features import PhotoFeatures
from gdmlib.reproduce.experiment import Experiment, Outcome
from gdmlib.reproduce.job import Job
from gdmlib.reproduce.judged import AT_ONCE, distance_metric, on_device
from gdmlib.reproduce.records import Data, Metric, sha256_of
from gdmlib.reproduce.settings import STAND_IN, as_settings
from gdmlib.reproduce.tasks import seeded
from gdmlib.training import fit, train

WAYS = {"game": "L1 and game", "plain": "L1 alone"}
"""What is compared: with a discriminator and without; the first one's distance leads."""


class Pictures(NamedTuple):
    """Boundaries and photographs, one above the other, (4, H, W) each, in [0, 1]."""

    train: list[Tensor]
    test: list[Tensor]


def pictures(data: str) -> Pictures:
    """Return boundaries and photographs of half the size; the validation part tests."""
    if data == STAND_IN:
        noise = torch.rand(6, 4, 52, 52, generator=seeded(0))
        smooth = list(avg_pool2d(noise, 5, stride=1))
        return Pictures(smooth[:4], smooth[4:])
    return Pictures(_of("train") + _of("test"), _of("valid"))


def _of(split: str) -> list[Tensor]:
    drawn, photographs = bsds500(split, boundaries=True), bsds500(split)
    return [  # where a line meets a square of four pixels, it stays
        torch.cat([max_pool2d(drawn[name], 2), avg_pool2d(photographs[name], 2)])
        for name in sorted(photographs)
    ]


def squares(found: list[Tensor], n: int, size: int, seed: int) -> tuple[Tensor, Tensor]:
    """Cut n squares: questions and answers from -1 to 1, (n, 1, ...) and (n, 3, ...)."""
    generator = seeded(seed)
    numbers = torch.rand(n, 4, generator=generator)
    cut = 2 * Crops(found, size=size, generator=generator)(numbers) - 1
    return cut[:, :1], cut[:, 1:]


def translator(
    job: Job,
    way: str,
    pairs: tuple[Tensor, Tensor],
    channels: list[int],
    judge_features: int,
    l1: float,
) -> UNetGenerator:
    """Train on the pairs, in one of `WAYS`."""
    (seed,), config = job.seeds, job.config
    generator = seeded(seed)
    shape = tuple(pairs[0].shape[1:])
    network = UNetGenerator(shape, 3, channels=channels, norm="instance", generator=generator)
    judge = PatchDiscriminator(
        4, channels=judge_features, layers=2, plain=2, norm="instance", generator=generator
    )
    model = Pix2Pix(network, judge, l1=l1, adversarial=float(way == "game")).to(job.device)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    rates = {"lr": config["lr"], "betas": (0.5, 0.999), "average": config["average"]}
    how = {key: config[key] for key in ("epochs", "batch_size")} | {"generator": generator}
    name = f"seed-{seed}-{way}"
    if way == "plain":
        train(model, pairs, **rates, **how, **job.training(name, how["epochs"]))
    else:
        turns = model.turns(**rates)
        fit(turns, pairs, **how, **job.game(name, how["epochs"]))
        network.load_state_dict(averaged(turns).state_dict())
    return network.eval()


@torch.no_grad()
def answers(network: UNetGenerator, x: Tensor) -> Tensor:
    """Return translations in [0, 1]."""
    return torch.cat([(network(part) + 1) / 2 for part in x.split(AT_ONCE)]).clamp(0, 1)


def measured(name: str, made: Tensor, real: Tensor, others: Tensor) -> list[Metric]:
    """Return how far made answers are from the real ones, as a set and one by one.

    Args:
        name: Of the method.
        made, real: Pictures in [0, 1], in the same order.
        others: Further real pictures, twice as many.
    """
    features = PhotoFeatures.load("metric").to(made.device)
    seen = [features(x).mean((2, 3)).double().cpu() for x in (made, others)]
    found = with_floor(frechet_distance, *seen, generator=seeded(0))
    error = (made - real).abs().flatten(1).mean(dim=1).double().cpu()
    distances = [
        distance_metric(f"{what}, {name}", value, found)
        for what, value in (
            ("Fréchet distance", found.value), ("Fréchet distance of real pictures", found.floor),
        )
    ]  # fmt: skip
    return [
        *distances[: 2 if name == WAYS["game"] else 1],  # the floor is the same for both
        Metric.of_examples(f"distance in features, {name}", perceptual_distance(made, real), ""),
        Metric.of_examples(f"mean absolute error, {name}", error, ""),
    ]


def _run(job: Job) -> Outcome:
    """Train both ways on the same pairs, and measure on photographs that neither has seen."""
    config = job.config
    with as_settings("no data can be made with these settings: "):
        found = pictures(config["data"])
        size, n = config["size"], config["test_crops"]
        pairs = squares(found.train, config["train_crops"], size, 0)
        asked, wanted = squares(found.test, n, size, 1)
        others = (squares(found.test, 2 * n, size, 2)[1] + 1) / 2
    data = Data(config["data"], sha256_of(*found.train, *found.test))
    job.uses(data)
    real, metrics, details = (wanted + 1) / 2, [], {}
    for way, name in WAYS.items():

        def once(way: str = way) -> dict[str, Any]:
            network = translator(job, way, on_device(job, pairs), **config.of(translator))
            job.keep(way, network)
            made = answers(network, asked.to(job.device)).cpu()
            return {"made": made, "parameters": sum(p.numel() for p in network.parameters())}

        result = job.stage(way, once)
        metrics += measured(name, result["made"], real, others)
        details["parameters of the generator"] = result["parameters"]
    return Outcome(metrics[0], data, details, tuple(metrics[1:]))


PIX2PIX = Experiment(
    name="pix2pix_bsds",
    title="pix2pix, from boundaries to photographs",
    dataset="BSDS500, boundaries that people drew",
    run=_run,
    published=None,
    protocol="Photographs and boundaries of half the size, squares of 64 × 64. Training and test "
    "part of BSDS500 train, the 100 photographs of the validation part test. The Fréchet distance "
    "compares translations with twice as many other squares of these photographs, in features of a "
    "small classifier of photographs that no loss uses; among themselves, real squares give the "
    "floor; the error is its spread over ten divisions. Beside it the same generator, trained as "
    "long on L1 alone. The generator is the moving average of the weights. No paper reports these "
    "numbers.",
    config={
        "data": "BSDS500", "size": 64, "train_crops": 20_000, "test_crops": 1000,
        "channels": [64, 128, 256, 512], "judge_features": 64, "l1": 100.0, "epochs": 100,
        "batch_size": 16, "lr": 2e-4, "average": 0.999,
    },
    smoke={
        "data": STAND_IN, "size": 16, "train_crops": 12, "test_crops": 8, "channels": [4, 4],
        "judge_features": 4, "epochs": 2, "batch_size": 4, "average": 0.5,
    },
    seeds=(0,),
    trains=True,
)  # fmt: skip
