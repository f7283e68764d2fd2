"""What the experiments on images do; see `gdmlib.experiments`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from gdmlib.autoregressive.mcgsm import MCGSM
    from gdmlib.autoregressive.neighbourhood import Neighbourhood
    from gdmlib.training import History

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
            lr=config["lr"],
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
    """Cut n squares of levels at random places out of images at random, shape (n, size, size)."""
    which = torch.randint(len(images), (n,), generator=generator)
    return _cut(images, which, torch.rand(n, 2, generator=generator), size)


def _cut(images: list[Tensor], which: Tensor, place: Tensor, size: int) -> Tensor:
    """Cut a square out of each image of ``which``, (n,), at a place in [0, 1)², (n, 2)."""
    crops = torch.empty(len(which), size, size)
    for crop, k, (a, b) in zip(crops, which.tolist(), place.tolist(), strict=True):
        height, width = images[k].shape
        i, j = int(a * (height - size + 1)), int(b * (width - size + 1))
        crop.copy_(images[k][i : i + size, j : j + size])
    return crops


def _patches(config: Mapping[str, Any]) -> list[Tensor]:
    """Cut patches for training, validation and test, each (n, s, s), and subtract their means."""
    generator = seeded(config["patch_seed"])
    counts = ("train_patches", "valid_patches", "test_patches")
    found = []
    for images, count in zip(_photographs(config), counts, strict=True):
        crops = _crops(images, config[count], config["size"], generator)
        x = _dequantise(crops, generator)
        found.append(x - x.flatten(1).mean(dim=1)[:, None, None])
    return found


def _but_last(x: Tensor) -> Tensor:
    """Leave out the last pixel, which the others determine, (n, s, s, ...) -> (n, s² - 1, ...)."""
    return x.flatten(1, 2)[:, :-1]


def mcgsm_patches(job: Job) -> Outcome:
    """Train each coordinate by `train_mcgsm`; what is done is kept."""
    from gdmlib.autoregressive.mcgsm import MCGSM, train_mcgsm
    from gdmlib.autoregressive.mcgsm_images import MCGSMPatch

    config = job.config
    train, valid, test = (_but_last(x) for x in _patches(config))
    data = Data(f"{config['data']}, patches", sha256_of(train, valid, test))
    d = train.shape[1]
    train, valid = train.to(job.device), valid.to(job.device)

    def sizes(i: int) -> dict[str, Any]:
        return {**_sizes(config), "features": min(i, config["features"])}

    def coordinate(i: int, seed: int) -> dict[str, Any]:
        generator = seeded(1000 * seed + i)
        x, y = train[:, :i], train[:, i]
        model = MCGSM.start(x, y, **sizes(i), generator=generator)
        history = train_mcgsm(
            model,
            x,
            y,
            epochs=config["epochs"],
            batch_size=config["batch_size"],
            lr=config["lr"],
            valid=(valid[:, :i], valid[:, i]),
            generator=generator,
            progress=False,
        )
        return {"state": model.state_dict(), "best epoch": history.best_epoch}

    def fit(k: int, seed: int) -> tuple[nn.Module, dict[str, Any]]:
        models, best = [], []
        for i in range(d):
            found = job.stage(f"seed-{seed}-{i:02}", partial(coordinate, i, seed))
            model = MCGSM(i, **sizes(i))
            model.load_state_dict(found["state"])
            models.append(model.to(job.device))
            best.append(found["best epoch"])
            job.progress("coordinate", k * d + i + 1, len(job.seeds) * d)
        patch = MCGSMPatch(models)
        return patch, {
            "parameters": count_parameters(patch),
            "best epochs": best,
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


def _conditional(
    job: Job, train: list[Tensor], valid: list[Tensor], seed: int, options: dict[str, Any]
) -> tuple[MCGSM, dict[str, Any]]:
    """Train an MCGSM by `train_mcgsm` on some pixels of each image; return it and details."""
    config, generator = job.config, seeded(seed)
    context = _half_plane(config)

    def pairs(images: list[Tensor]) -> tuple[Tensor, Tensor]:
        found = []
        for image in images:
            x, y = context.pairs(_dequantise(image, generator)[None, None])
            rows = torch.randperm(len(y), generator=generator)[: config["pixels_of_an_image"]]
            found.append((x[rows], y[rows]))
        x, y = (torch.cat(parts).to(job.device) for parts in zip(*found, strict=True))
        return x, y

    model, history = _train_mcgsm(config, pairs(train), lambda: pairs(valid), generator, options)
    return model, {
        "MCGSM, best epoch": history.best_epoch,
        "MCGSM, validation (bit/px)": -min(history.valid["loss"]) / math.log(2),
    }


def _train_mcgsm(
    config: Mapping[str, Any],
    pairs: tuple[Tensor, Tensor],
    held_out: Callable[[], tuple[Tensor, Tensor]],
    generator: torch.Generator,
    options: dict[str, Any],
) -> tuple[MCGSM, History]:
    """Train an MCGSM by `train_mcgsm`; ``held_out`` is called once the model is made."""
    from gdmlib.autoregressive.mcgsm import MCGSM, train_mcgsm

    model = MCGSM.start(*pairs, **_sizes(config), generator=generator)
    history = train_mcgsm(
        model,
        *pairs,
        epochs=config["mcgsm_epochs"],
        batch_size=config["mcgsm_batch_size"],
        lr=config["mcgsm_lr"],
        valid=held_out(),
        generator=generator,
        **options,
    )
    return model, history


def _sizes(config: Mapping[str, Any]) -> dict[str, Any]:
    return {name: config[name] for name in ("components", "scales", "features")}


def _half_plane(config: Mapping[str, Any]) -> Neighbourhood:
    from gdmlib.autoregressive.neighbourhood import Neighbourhood

    return Neighbourhood.half_plane(config["rows"], config["columns"])


def mcgsm_images(job: Job) -> Outcome:
    from gdmlib.autoregressive.mcgsm_images import MCGSMImage

    train, valid, test = _photographs(job.config)
    epochs = job.config["mcgsm_epochs"]

    def fit(k: int, seed: int) -> tuple[nn.Module, dict[str, Any]]:
        options = job.training(f"seed-{seed}", epochs, k * epochs, len(job.seeds) * epochs)
        model, details = _conditional(job, train, valid, seed, options)
        details["parameters"] = count_parameters(model)
        return MCGSMImage(model, _half_plane(job.config)), details

    runs, details = over_seeds(job, fit, lambda model: _rates(job, model, test))
    data = Data(job.config["data"], sha256_of(*train, *valid, *test))
    return Outcome(summarise(RATE, runs, "bit/px", "higher"), data, details)


def ride_images(job: Job) -> Outcome:
    """Train an MCGSM as above, then by `train_ride` a RIDE that starts from it."""
    from gdmlib.autoregressive.mcgsm import MCGSM
    from gdmlib.autoregressive.ride import RIDE, train_ride

    config, epochs = job.config, job.config["epochs"]
    train, valid, test = _photographs(config)

    def start(seed: int) -> dict[str, Any]:
        options = job.training(f"seed-{seed}-mcgsm", config["mcgsm_epochs"])
        model, details = _conditional(job, train, valid, seed, options)
        return {"state": model.state_dict(), "details": details}

    def fit(k: int, seed: int) -> tuple[nn.Module, dict[str, Any]]:
        begun = job.stage(f"seed-{seed}-mcgsm", partial(start, seed))
        generator = seeded(seed)
        context = _half_plane(config)
        held_out = _crops(valid, config["valid_crops"], config["valid_crop"], generator)
        held_out = _dequantise(held_out, generator)[:, None].to(job.device)

        def fresh(places: Tensor) -> Tensor:
            # All are shifted alike, around the ends: other crops in each epoch and each process.
            moved = (places + torch.rand(3, generator=generator)) % 1
            which = (moved[:, 0] * len(train)).long().clamp(max=len(train) - 1)
            crops = _cut(train, which, moved[:, 1:], config["crop"])
            return _dequantise(crops, generator)[:, None].to(job.device)

        conditional = MCGSM(len(context), **_sizes(config))
        conditional.load_state_dict(begun["state"])
        model = RIDE(
            context,
            units=config["units"],
            layers=config["layers"],
            **_sizes(config),
            head_sees_context=True,
            generator=generator,
        )
        model = model.initialise(held_out[:1].cpu(), conditional).to(job.device)
        history = train_ride(
            model,
            torch.rand(config["train_crops"], 3, generator=generator),  # which image, and where
            epochs=epochs,
            batch_size=config["batch_size"],
            lr=config["lr"],
            clip=config["clip"],
            prepare=fresh,
            valid=held_out,
            generator=generator,
            **job.training(f"seed-{seed}", epochs, k * epochs, len(job.seeds) * epochs),
        )
        return model, {
            **begun["details"],
            "parameters": count_parameters(model),
            "best epoch": history.best_epoch,
            "validation, crops (bit/px)": -min(history.valid["loss"]) / math.log(2),
        }

    runs, details = over_seeds(job, fit, lambda model: _rates(job, model, test))
    data = Data(config["data"], sha256_of(*train, *valid, *test))
    return Outcome(summarise(RATE, runs, "bit/px", "higher"), data, details)


def ride_patches(job: Job) -> Outcome:
    """Train an MCGSM that sees the same pixels, then by `train_ride` a RIDE that starts from it."""
    from gdmlib.autoregressive.mcgsm import MCGSM
    from gdmlib.autoregressive.ride import RIDE, train_ride

    config, epochs = job.config, job.config["epochs"]
    context = _half_plane(config)
    train, valid, test = _patches(config)

    def pairs(x: Tensor) -> tuple[Tensor, Tensor]:
        seen = _but_last(context.contexts(context.pad(x, 0.0)))
        return seen.flatten(0, 1).to(job.device), _but_last(x).flatten().to(job.device)

    def start(seed: int) -> dict[str, Any]:
        some = pairs(train[: config["mcgsm_patches"]])
        options = job.training(f"seed-{seed}-mcgsm", config["mcgsm_epochs"])
        model, _ = _train_mcgsm(config, some, lambda: pairs(valid), seeded(seed), options)
        return model.state_dict()

    @torch.no_grad()
    def evaluate(model: nn.Module, x: Tensor) -> Tensor:
        assert isinstance(model, RIDE)
        parts = [model.conditional_log_prob(part) for part in x[:, None].to(job.device).split(1000)]
        return _but_last(torch.cat(parts)[:, 0]).double().sum(dim=1).cpu()

    def fit(k: int, seed: int) -> tuple[nn.Module, dict[str, Any]]:
        conditional = MCGSM(len(context), **_sizes(config))
        conditional.load_state_dict(job.stage(f"seed-{seed}-mcgsm", partial(start, seed)))
        generator = seeded(seed)

        def fresh(patches: Tensor) -> Tensor:
            # Noise for the last pixel, which does not count: the density of a number that the
            # others determine has no bound.
            x = patches.clone()
            noise = torch.randn(len(x), generator=generator)
            x[:, 0, -1, -1] = (noise * config["last_pixel"]).to(x)
            return x

        model = RIDE(
            context,
            units=config["units"],
            layers=config["layers"],
            **_sizes(config),
            head_sees_context=True,
            padding=0.0,
            generator=generator,
        )
        model = model.initialise(train[:1, None], conditional).to(job.device)
        begun = float(evaluate(model, valid).mean())
        train_ride(
            model,
            train[:, None].to(job.device),
            epochs=epochs,
            batch_size=config["batch_size"],
            lr=config["lr"],
            clip=config["clip"],
            padded=True,
            prepare=fresh,
            generator=generator,
            **job.training(f"seed-{seed}", epochs, k * epochs, len(job.seeds) * epochs),
        )
        return model, {
            "parameters": count_parameters(model),
            "validation": float(evaluate(model, valid).mean()),
            "validation, before the memory was trained": begun,
        }

    runs, details = over_seeds(job, fit, lambda model: evaluate(model, test))
    data = Data(f"{config['data']}, patches", sha256_of(*map(_but_last, (train, valid, test))))
    return Outcome(summarise("mean test log-likelihood", runs, "nats", "higher"), data, details)
