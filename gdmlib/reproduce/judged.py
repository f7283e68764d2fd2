"""Models of digits that are judged by what they draw: diffusion and flow matching on MNIST.

A judge that learns the digits beside the model says how far samples are from held-out images (the
Fréchet distance in its features, with what two honest sets are apart) and how many of them show the
digit that was asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor, nn

from gdmlib.data import mnist
from gdmlib.latent import Denoiser, Diffusion, FlowMatching, cosine_schedule, ddim
from gdmlib.metrics import Judge, frechet_distance, with_floor
from gdmlib.nn.unet import UNet
from gdmlib.reproduce.experiment import Experiment, Fitting, Outcome
from gdmlib.reproduce.job import Job
from gdmlib.reproduce.records import Data, Metric, sha256_of
from gdmlib.reproduce.settings import STAND_IN, as_settings, check_size
from gdmlib.reproduce.tasks import seeded
from gdmlib.training import train

Pairs = tuple[Tensor, Tensor]  # images in [0, 1] and labels
CLASSES = 10
AT_ONCE = 250  # samples that are drawn at once
SHOWN = "samples that show the digit asked for"


class Parts(NamedTuple):
    """Images and labels, parted."""

    train: Pairs
    valid: Pairs
    test: Pairs
    data: Data


def parts_of(job: Job) -> Parts:
    """Return the data of a run; the test part has at least as many images as samples are drawn."""
    with as_settings("no data can be made with these settings: "):
        parts = (_stand_in if job.config["data"] == STAND_IN else _digits)()
        samples = job.config["samples"]
        check_size("samples", samples, 4, 5000, "so that the floor has as many images")
    job.uses(parts.data)
    return parts


def _digits() -> Parts:
    training, test = mnist("train"), mnist("test")
    assert training.y is not None
    assert test.y is not None
    x, y = (part.split([50_000, 10_000]) for part in (training.x, training.y))
    return _parts("MNIST", (x[0], y[0]), (x[1], y[1]), (test.x, test.y))


def _stand_in() -> Parts:
    """Make small pictures of a bar; the class is its place."""
    labels = torch.arange(240) % CLASSES
    x = (torch.arange(64).view(8, 8) // 7 == labels[:, None, None]).float()[:, None]
    x = (x + 0.1 * torch.rand(x.shape, generator=seeded(0))).clamp(max=1)
    x = (255 * x).round() / 255
    first, second, third = zip(x.split(80), labels.split(80), strict=True)
    return _parts("stand-in", first, second, third)


def _parts(name: str, first: Pairs, last: Pairs, test: Pairs) -> Parts:
    return Parts(first, last, test, Data(name, sha256_of(*first, *last, *test)))


# --- models ---------------------------------------------------------------------------------------


def diffusion(
    event_shape: tuple[int, ...], *, channels: list[int], steps: int, generator: Generator
) -> Diffusion:
    """Return a diffusion of 256 levels that is told the digit."""
    network = UNet(event_shape, channels=channels, classes=CLASSES, generator=generator)
    return Diffusion(network, event_shape, cosine_schedule(steps), "v", levels=256)


def flow_matching(
    event_shape: tuple[int, ...], *, channels: list[int], generator: Generator
) -> FlowMatching:
    """Return a field of velocities that is told the digit."""
    network = UNet(event_shape, channels=channels, classes=CLASSES, generator=generator)
    return FlowMatching(network, event_shape, method="euler")


def walk(
    model: nn.Module, labels: Tensor, guidance: float, few: int, generator: Generator
) -> Tensor:
    """Return images in [0, 1] of these digits, drawn in so many steps."""
    n = len(labels)
    if isinstance(model, Denoiser):
        x = ddim(
            model, n, steps=few, labels=labels, guidance=guidance, clip=1.0, generator=generator
        )
    else:
        assert isinstance(model, FlowMatching)
        x = model.sample(n, generator, steps=few, labels=labels, guidance=guidance)
    return ((x + 1) / 2).clamp(0, 1)


def drawn(
    model: nn.Module, samples: int, guidance: float, few: int, sample_seed: int, device: Any
) -> Pairs:
    """Return so many samples, as many of each digit, and the digits that were asked for."""
    labels, generator = (torch.arange(samples) % CLASSES).to(device), seeded(sample_seed)
    parts = [walk(model, part, guidance, few, generator) for part in labels.split(AT_ONCE)]
    return torch.cat(parts), labels


# --- what is measured -----------------------------------------------------------------------------


def bits(model: Diffusion, images: Pairs, bound_images: int, bound_steps: int) -> Metric:
    """Return the variational bound of the first images in bits per dimension."""
    x, y = (part[:bound_images] for part in images)
    chain = model.schedule.respaced(min(bound_steps, model.schedule.steps))
    terms = [
        model.bound(2 * x[i : i + 100] - 1, y[i : i + 100], seeded(i), chain).sum(dim=1)
        for i in range(0, len(x), 100)
    ]
    return Metric.of_examples("bound of the code length", torch.cat(terms).cpu(), "bits/dim")


def on_device(job: Job, pair: Pairs) -> Pairs:
    """Send images and labels to the device of the run."""
    return pair[0].to(job.device), pair[1].to(job.device)


def judge_of(job: Job, parts: Parts, judge_epochs: int) -> Judge:
    """Return a judge of the digits, trained once for a run that is resumed."""
    judge = Judge(parts.train[0].shape[1:], generator=seeded(0)).to(job.device)

    def learn() -> dict[str, Any]:
        train(
            judge,
            on_device(job, parts.train),
            epochs=judge_epochs,
            lr=2e-3,
            generator=seeded(0),
            progress=False,
        )
        return {"state": judge.state_dict()}

    judge.load_state_dict(job.stage("judge", learn)["state"])
    return judge.eval().requires_grad_(False)


def recognised(judge: Judge, x: Tensor, y: Tensor, name: str) -> Metric:
    """Return the share of pictures in which the judge sees their class."""
    right = (judge.predict(x) == y).double().cpu()
    return Metric.of_examples(name, right, "", better="higher")


def _run(build: Callable[..., nn.Module], job: Job) -> Outcome:
    """Train on pairs and count on samples, for one seed."""
    config = job.config
    parts = parts_of(job)
    (seed,) = job.seeds
    judge = judge_of(job, parts, config["judge_epochs"])
    torch.manual_seed(seed)
    fitting = Fitting(job, "model", 0, 1, seeded(seed))
    shape = tuple(parts.train[0].shape[1:])
    with as_settings("no model can be made with these settings: "):
        sizes = fitting.settings(build)
        model = fitting.place(build(shape, **sizes, generator=fitting.generator))
    model.to(memory_format=torch.channels_last)

    def found() -> dict[str, Any]:
        (x, y), valid = on_device(job, parts.train), on_device(job, parts.valid)
        vx, vy = (part[: config["valid_images"]] for part in valid)
        history = fitting.train(model, (2 * x - 1, y), (2 * vx - 1, vy))
        job.keep("model", model)
        return {"state": model.state_dict(), "validation": min(history.valid["loss"])}

    trained = job.stage("training", found)
    model.load_state_dict(trained.pop("state"))
    first, *others = _measure(model.eval().requires_grad_(False), judge, parts, job)
    details = {"parameters": sum(p.numel() for p in model.parameters()), **trained}
    return Outcome(first, parts.data, details, tuple(others))


def _measure(model: nn.Module, judge: Judge, parts: Parts, job: Job) -> list[Metric]:
    config, test = job.config, on_device(job, parts.test)
    metrics, shares = [], []
    for few in config["sampler_steps"]:
        x, y = drawn(model, device=job.device, few=few, **config.of(drawn))
        distance = with_floor(
            frechet_distance, judge.features(x), judge.features(test[0]), generator=seeded(0)
        )
        metrics.append(distance_metric(f"Fréchet distance, {few} steps", distance.value, distance))
        shares.append(
            recognised(judge, x, y, f"samples that show the digit asked for, {few} steps")
        )
    metrics.append(distance_metric("Fréchet distance, real images", distance.floor, distance))
    metrics += [*shares, recognised(judge, *test, "test images that the judge knows")]
    if isinstance(model, Diffusion):
        metrics.append(bits(model, test, **config.of(bits)))
    return metrics


def distance_metric(name: str, value: float, found: Any) -> Metric:
    """Return a distance, whose error is the spread of the floor that was found with it."""
    return Metric(name, value, found.spread, "", "test examples", found.size)


# --- declarations ---------------------------------------------------------------------------------

on_mnist = partial(
    Experiment,
    dataset="MNIST, grey levels, samples judged (28 × 28)",
    published=None,
    seeds=(0,),
    trains=True,
)
"""What all experiments have in common whose samples are judged."""

_PROTOCOL = (
    "The first 50,000 training images train and of the last 10,000 the first validate; grey levels "
    "from -1 to 1, told the digit, one label in ten left out. A judge, a small classifier of the "
    "same training images, gives the features and recognises. Distances are between the samples, "
    "as many of each digit, and test images, as many as are left when others take the samples' "
    "place for the floor, which is what real images are apart; the error is the floor's spread "
    "over ten divisions. No paper reports these numbers: the judge is ours."
)


_SMALL = {"sampler_steps": [2, 3], "steps": 20, "bound_images": 5, "bound_steps": 4}


def _declare(
    name: str, title: str, build: Callable[..., nn.Module], protocol: str, **own: Any
) -> Experiment:
    return on_mnist(
        name=name,
        title=title,
        run=partial(_run, build),
        protocol=f"{_PROTOCOL} {protocol}",
        config={
            "data": "mnist", "channels": [32, 64, 96], "epochs": 60, "batch_size": 64, "lr": 1e-3,
            "average": 0.999, "clip": 1.0, "valid_images": 2000, "judge_epochs": 8,
            "samples": 5000, "sample_seed": 0, "guidance": 1.5, **own,
        },
        smoke={
            "data": STAND_IN, "channels": [4, 8], "epochs": 2, "batch_size": 20, "average": 0.5,
            "judge_epochs": 1, "samples": 20, **{k: v for k, v in _SMALL.items() if k in own},
        },
    )  # fmt: skip


DIFFUSION = _declare(
    "diffusion_mnist",
    "Diffusion, told the digit",
    diffusion,
    "The steps are those of DDIM; the bound is that of a chain of so many steps as the settings "
    "say, of the first test images, given their digits.",
    sampler_steps=[50, 10], steps=1000, bound_images=1000, bound_steps=250,
)  # fmt: skip
FLOW_MATCHING = _declare(
    "flow_matching_mnist",
    "Flow matching, told the digit",
    flow_matching,
    "The steps are Euler's.",
    sampler_steps=[10, 50],
)
