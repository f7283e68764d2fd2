"""What the experiments on images do; see `gdmlib.experiments`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from gdmlib._job import Job, Outcome
from gdmlib._runs import (
    NLL,
    binary_splits,
    count_parameters,
    log_probs,
    over_seeds,
    seeded,
    summarise,
)
from gdmlib.records import Data, sha256_of

RATE = "mean test log-likelihood rate"

# ------------------------------------------------------------------------------------------- images


def pixelcnn(job: Job) -> Outcome:
    (train, valid, test), data = binary_splits(job.config)
    runs, details = _pixel_model(job, train, valid, test, levels=2, components=None)
    return Outcome(summarise(NLL, runs, "nats"), data, details)


def pixelcnnpp(job: Job) -> Outcome:
    if job.config["data"] == "stand-in":
        levels = torch.randint(0, 256, (40, 3, 5, 5), generator=seeded(0))
        train, valid, test = (levels / 255).split([20, 10, 10])
    else:
        from gdmlib.data import cifar10_subset

        held_out = job.config["validation"]
        train, valid = cifar10_subset("train").x.tensor_split([-held_out])
        test = cifar10_subset("test").x
    data = Data(job.config["data"], sha256_of(train, valid, test))
    runs, details = _pixel_model(
        job, train, valid, test, levels=256, components=job.config["components"]
    )
    bits = [values / (math.log(2) * test[0].numel()) for values in runs]
    return Outcome(summarise("mean test code length", bits, "bits/dim"), data, details)


def _pixel_model(
    job: Job, train: Tensor, valid: Tensor, test: Tensor, *, levels: int, components: int | None
) -> tuple[list[Tensor], dict[str, Any]]:
    """Train gated PixelCNNs by `train_pixels`, the function of the lessons; return nats."""
    from gdmlib.autoregressive.pixel_training import train_pixels
    from gdmlib.autoregressive.pixelcnn import GatedPixelCNN

    config, epochs = job.config, job.config["epochs"]

    def fit(k: int, seed: int) -> tuple[nn.Module, dict[str, Any]]:
        generator = seeded(seed)
        model = GatedPixelCNN(
            tuple(train.shape[1:]),
            levels,
            features=config["features"],
            layers=config["layers"],
            kernel_size=config["kernel_size"],
            position=config["position"],
            components=components,
            dropout=config["dropout"],
            generator=generator,
        ).to(job.device)
        history = train_pixels(
            model,
            train.to(job.device),
            epochs=epochs,
            batch_size=config["batch_size"],
            learning_rate=config["lr"],
            average=config["average"],
            clip=config["clip"],
            mixed_precision=config["mixed_precision"],
            valid=valid.to(job.device),
            generator=generator,
            keep_best=True,
            **job.training(f"seed-{seed}", epochs, k * epochs, len(job.seeds) * epochs),
        )
        return model, {
            "parameters": count_parameters(model),
            "best epoch": history.best_epoch,
            "validation (nats)": min(history.valid["loss"]),
        }

    return over_seeds(job, fit, lambda m: -log_probs(m, test.to(job.device), 100))


# -------------------------------------------------------------------------------------- photographs


def _photographs(config: Mapping[str, Any]) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """Return grey photographs for training, validation and test, each (H, W), levels 0 to 255.

    BSDS300: the last 20 of its 200 training images are for validation.
    """
    if config["data"] == "stand-in":
        noise = torch.rand(6, 1, 32, 32, generator=seeded(0))
        smooth = nn.functional.avg_pool2d(noise, 5, stride=1)[:, 0]
        images = list((255 * smooth).round())
        return images[:3], images[3:4], images[4:]
    from gdmlib.data import bsds500

    def grey(split: str) -> list[Tensor]:
        weights = torch.tensor([0.299, 0.587, 0.114])  # ITU-R BT.601, as MATLAB does it
        return [
            torch.einsum("chw,c->hw", 255 * picture, weights).round()
            for _, picture in sorted(bsds500(split).items())
        ]

    train = grey("train")
    return train[:-20], train[-20:], grey("valid")


def _dequantise(levels: Tensor, generator: torch.Generator) -> Tensor:
    """Add uniform noise to levels 0 to 255, and scale to [0, 1]."""
    return (levels + torch.rand(levels.shape, generator=generator)) / 256


def _crops(images: list[Tensor], n: int, size: int, generator: torch.Generator) -> Tensor:
    """Cut n squares at random places out of images at random, shape (n, size, size)."""
    which = torch.randint(len(images), (n,), generator=generator).tolist()
    place = torch.rand(n, 2, generator=generator)
    crops = torch.empty(n, size, size)
    for crop, k, (a, b) in zip(crops, which, place.tolist(), strict=True):
        height, width = images[k].shape
        i, j = int(a * (height - size + 1)), int(b * (width - size + 1))
        crop.copy_(images[k][i : i + size, j : j + size])
    return _dequantise(crops, generator)


def _without_mean(crops: Tensor) -> Tensor:
    """Subtract the mean of each patch and leave out its last pixel, (n, s, s) -> (n, s² - 1)."""
    flat = crops.flatten(1)
    return (flat - flat.mean(dim=1, keepdim=True))[:, :-1]


def mcgsm_patches(job: Job) -> Outcome:
    from gdmlib.autoregressive.mcgsm import MCGSM, MCGSMPatch

    config = job.config
    generator = seeded(config["patch_seed"])
    train, valid, test = (
        _without_mean(_crops(images, config[count], config["size"], generator))
        for images, count in zip(
            _photographs(config),
            ("train_patches", "valid_patches", "test_patches"),
            strict=True,
        )
    )
    data = Data(f"{config['data']}, patches", sha256_of(train, valid, test))
    d = train.shape[1]
    train, valid = train.to(job.device), valid.to(job.device)

    def coordinate(i: int, seed: int) -> dict[str, Any]:
        model = MCGSM.fit(
            train[:, :i],
            train[:, i],
            config["components"],
            config["scales"],
            min(i, config["features"]),
            n_iter=config["n_iter"],
            validation=(valid[:, :i], valid[:, i]),
            generator=seeded(1000 * seed + i),
        )
        return {"state": model.state_dict(), "steps": len(model.history) - 1}

    def fit(k: int, seed: int) -> tuple[nn.Module, dict[str, Any]]:
        models = []
        for i in range(d):
            found = job.stage(f"seed-{seed}-{i:02}", partial(coordinate, i, seed))
            model = MCGSM(i, config["components"], config["scales"], min(i, config["features"]))
            model.load_state_dict(found["state"])
            models.append(model.to(job.device))
            job.progress("coordinate", k * d + i + 1, len(job.seeds) * d)
        patch = MCGSMPatch(models)
        return patch, {
            "parameters": count_parameters(patch),
            "validation": float(log_probs(patch, valid).mean()),
        }

    runs, details = over_seeds(job, fit, lambda m: log_probs(m, test.to(job.device), 2000))
    return Outcome(summarise("mean test log-likelihood", runs, "nats", "higher"), data, details)


@torch.no_grad()
def _rates(job: Job, model: nn.Module, images: list[Tensor]) -> Tensor:
    """Return the rate of each whole image: log p of a pixel given those before it, in bits."""
    generator = seeded(job.config["noise_seed"])
    rates = []
    for number, image in enumerate(images, start=1):
        x = _dequantise(image, generator)[None, None].to(job.device)
        found = model.interior_log_prob(x)  # type: ignore[operator]
        rates.append(float(found.double().mean()) / math.log(2))
        job.progress("test image", number, len(images))
    return torch.tensor(rates, dtype=torch.float64)


def mcgsm_images(job: Job) -> Outcome:
    from gdmlib.autoregressive.mcgsm import MCGSM, MCGSMImage
    from gdmlib.autoregressive.neighbourhood import Neighbourhood

    config = job.config
    train, valid, test = _photographs(config)
    context = Neighbourhood.half_plane(config["rows"], config["columns"])

    def pairs(images: list[Tensor], generator: torch.Generator) -> tuple[Tensor, Tensor]:
        found = []
        for image in images:
            x, y = context.pairs(_dequantise(image, generator)[None, None])
            rows = torch.randperm(len(y), generator=generator)[: config["pixels_of_an_image"]]
            found.append((x[rows], y[rows]))
        x, y = (torch.cat(parts).to(job.device) for parts in zip(*found, strict=True))
        return x, y

    def fit(k: int, seed: int) -> tuple[nn.Module, dict[str, Any]]:
        generator = seeded(seed)
        x, y = pairs(train, generator)
        model = MCGSM.fit(
            x,
            y,
            config["components"],
            config["scales"],
            config["features"],
            n_iter=config["n_iter"],
            validation=pairs(valid, generator),
            generator=generator,
        )
        job.progress("seed", k + 1, len(job.seeds))
        details = {"parameters": count_parameters(model), "steps": len(model.history) - 1}
        return MCGSMImage(model, context), details

    runs, details = over_seeds(job, fit, lambda model: _rates(job, model, test))
    data = Data(config["data"], sha256_of(*train, *valid, *test))
    return Outcome(summarise(RATE, runs, "bit/px", "higher"), data, details)


def ride_images(job: Job) -> Outcome:
    from gdmlib.autoregressive.neighbourhood import Neighbourhood
    from gdmlib.autoregressive.ride import RIDE
    from gdmlib.training import fit as train_model
    from gdmlib.training import gradient_step

    config, epochs = job.config, job.config["epochs"]
    train, valid, test = _photographs(config)
    context = Neighbourhood.half_plane(config["rows"], config["columns"])

    def fit(k: int, seed: int) -> tuple[nn.Module, dict[str, Any]]:
        generator = seeded(seed)
        x, held_out = (
            _crops(images, config[count], config["crop"], generator)[:, None].to(job.device)
            for images, count in ((train, "train_crops"), (valid, "valid_crops"))
        )
        model = RIDE(
            context,
            config["units"],
            config["layers"],
            config["components"],
            config["scales"],
            head_sees_context=config["head_sees_context"],
            generator=generator,
        ).to(job.device)
        model.start(x[:500])
        optimizer = torch.optim.Adam(model.parameters(), lr=config["lr"])
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
        options = job.training(f"seed-{seed}", epochs, k * epochs, len(job.seeds) * epochs)
        report = options.pop("on_epoch")

        def on_epoch(epoch: int, history: Any) -> None:
            schedule.step()
            report(epoch, history)

        def validate() -> float:
            parts = held_out.split(config["batch_size"])
            rates = [model.interior_log_prob(part).mean((1, 2)) for part in parts]
            return -float(torch.cat(rates).mean())

        history = train_model(
            gradient_step(
                model,
                optimizer,
                lambda batch: -model.interior_log_prob(batch).mean(),
                clip=config["clip"],
            ),
            x,
            epochs=epochs,
            batch_size=config["batch_size"],
            generator=generator,
            state={"model": model, "optimizer": optimizer, "schedule": schedule},
            validate=validate,
            keep_best=True,
            on_epoch=on_epoch,
            **options,
        )
        return model, {"parameters": count_parameters(model), "best epoch": history.best_epoch}

    runs, details = over_seeds(job, fit, lambda model: _rates(job, model, test))
    data = Data(config["data"], sha256_of(*train, *valid, *test))
    return Outcome(summarise(RATE, runs, "bit/px", "higher"), data, details)
