"""What the experiments on tables and binary data do; see `gdmlib.experiments`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from gdmlib._checks import check_tensor
from gdmlib._job import Job, Outcome
from gdmlib.records import Data, Metric, sha256_of

Splits = tuple[Tensor, Tensor, Tensor]
NLL = "mean test negative log-likelihood"

# ------------------------------------------------------------------------------------------- pieces


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _stand_in_bits(shape: tuple[int, ...]) -> Splits:
    """Make bits that depend on each other: each copies the one before it, 4 times out of 5."""
    generator = seeded(0)
    d = math.prod(shape)
    x = (torch.rand(200, d, generator=generator) < 0.5).float()
    copied = torch.rand(200, d, generator=generator) < 0.8
    for i in range(1, d):
        x[:, i] = torch.where(copied[:, i], x[:, i - 1], x[:, i])
    x = x.reshape(-1, *shape)
    return x[:100], x[100:140], x[140:]


def binary_splits(config: Mapping[str, Any]) -> tuple[Splits, Data]:
    """Load training, validation and test part of a binary data set."""
    from gdmlib.data import binarised_mnist, binary_density, caltech_silhouettes

    name = config["data"]
    splits = ("train", "valid", "test")
    if name == "stand-in":
        train, valid, test = _stand_in_bits(tuple(config.get("shape", (8,))))
    elif name == "mnist":
        seed = config["binarise_seed"]
        train, valid, test = (binarised_mnist(split, seed=seed).x for split in splits)
        name = f"MNIST, binarised with seed {seed}"
    elif name == "silhouettes":
        train, valid, test = (caltech_silhouettes(split).x for split in splits)
    else:
        train, valid, test = (binary_density(name, split).x for split in splits)
    return (train, valid, test), Data(name, sha256_of(train, valid, test))


@torch.no_grad()
def log_probs(model: nn.Module, x: Tensor, batch_size: int = 500) -> Tensor:
    """Return log p of each example in nats, shape (N,), float64, on the CPU."""
    model.eval()
    parts = [model.log_prob(part) for part in x.split(batch_size)]  # type: ignore[operator]
    return torch.cat(parts).double().cpu()


def over_seeds(
    job: Job,
    fit: Callable[[int, int], tuple[nn.Module, dict[str, Any]]],
    evaluate: Callable[[nn.Module], Tensor],
) -> tuple[list[Tensor], dict[str, Any]]:
    """Fit and evaluate once a seed; ``fit(k, seed)`` returns a model and details."""

    def one(k: int, seed: int) -> dict[str, Any]:
        torch.manual_seed(seed)  # dropout draws from torch's global generator
        model, details = fit(k, seed)
        job.keep(f"seed-{seed}", model)
        return {"values": evaluate(model), "details": details}

    found = [job.stage(f"seed-{seed}", partial(one, k, seed)) for k, seed in enumerate(job.seeds)]
    details = {key: [run["details"][key] for run in found] for key in found[0]["details"]}
    details["stderr over test examples"] = [
        float(run["values"].std() / len(run["values"]) ** 0.5) for run in found
    ]
    return [run["values"] for run in found], details


def summarise(name: str, runs: list[Tensor], unit: str, better: str = "lower") -> Metric:
    """Summarise what the runs gave for each test example: over seeds, if there are several."""
    if len(runs) == 1:
        return Metric.of_examples(name, runs[0], unit, better)
    means = [float(values.double().mean()) for values in runs]
    return Metric.of_runs(name, means, unit, "seeds", better)


def count_parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


# ------------------------------------------------------------------------ densities in closed form


def gaussian_folds(x: Tensor, fold: Tensor) -> Metric:
    """Cross-validate a Gaussian: standardise and fit on the other folds, evaluate on this one."""
    from gdmlib.densities import MultivariateNormal

    check_tensor(x, "x", ndim=2, floating=True)
    check_tensor(fold, "fold", shape=(len(x),), integer=True)
    values = []
    for k in fold.unique():
        train, test = x[fold != k].double(), x[fold == k].double()
        mean, std = train.mean(0), train.std(0, correction=0)
        model = MultivariateNormal.fit((train - mean) / std)
        values.append(float(model.log_prob((test - mean) / std).mean()))
    return Metric.of_runs("mean test log-likelihood", values, "nats", "folds", "higher")


def gaussian(job: Job) -> Outcome:
    if job.config["data"] == "stand-in":
        generator = seeded(0)
        x = torch.randn(60, 3, generator=generator) @ torch.randn(3, 3, generator=generator)
        fold = torch.arange(60) % 3
    else:
        from gdmlib.data import red_wine

        wine = red_wine()
        x, fold = wine.x, wine.attributes["fold"]
    details = {"folds": len(fold.unique()), "examples": len(x), "dimensions": x.shape[1]}
    data = Data(job.config["data"], sha256_of(x, fold))
    return Outcome(gaussian_folds(x, fold), data, details)


# ------------------------------------------------------------------------------ binary observations


def fvsbn(job: Job) -> Outcome:
    from gdmlib.autoregressive import FVSBN, Strength, distances

    (train, valid, test), data = binary_splits(job.config)
    strengths = job.config["l2"]
    # In an image, a weight between far pixels may cost more than one between neighbours.
    power = job.config.get("distance_power")
    relative = None if power is None else distances(train.shape[1:]) ** power

    tried: list[float] = []

    def on_strength(strength: Strength) -> None:
        tried.append(strength.l2)
        note = f"l2 {strength.l2:g}, validation {strength.valid:.4f}"
        job.progress("strength", len(tried), len(strengths), note)

    def fit() -> dict[str, Any]:
        model = FVSBN.fit(
            train.to(job.device),
            strengths,
            relative=relative,
            valid=valid.to(job.device),
            per_pixel=job.config["per_pixel"],
            n_iter=job.config["n_iter"],
            tolerance=job.config["tolerance"],
            on_strength=on_strength,
        )
        job.keep("model", model)
        assert model.l2 is not None
        values, counts = model.l2.unique(return_counts=True)
        return {
            "values": -log_probs(model, test.to(job.device)),
            "details": {
                "parameters": model.num_parameters,
                "variables that took each strength": {
                    f"{value:.6g}": count
                    for value, count in zip(values.tolist(), counts.tolist(), strict=True)
                },
                "validation": -float(log_probs(model, valid.to(job.device)).mean()),
            },
        }

    found = job.stage("fit", fit)
    return Outcome(summarise(NLL, [found["values"]], "nats"), data, found["details"])


def bernoulli_mixture(job: Job) -> Outcome:
    from gdmlib.autoregressive import BernoulliMixture

    (train, valid, test), data = binary_splits(job.config)
    config = job.config

    def fit(k: int, seed: int) -> tuple[nn.Module, dict[str, Any]]:
        model = BernoulliMixture.fit(
            train.to(job.device),
            config["components"],
            generator=seeded(seed),
            smoothing=config["smoothing"],
            n_iter=config["n_iter"],
            valid=valid.to(job.device),
            patience=config["patience"],
        )
        job.progress("seed", k + 1, len(job.seeds))
        details = {"steps": len(model.history), "validation": -max(model.valid_history)}
        return model, details

    runs, details = over_seeds(job, fit, lambda m: -log_probs(m, test.to(job.device)))
    return Outcome(summarise(NLL, runs, "nats"), data, details)


def _neural(job: Job, build: Callable[[torch.Size, torch.Generator], nn.Module]) -> Outcome:
    """Train by `fit_likelihood`, the function of the lessons."""
    from gdmlib.autoregressive import fit_likelihood

    (train, valid, test), data = binary_splits(job.config)
    config, epochs = job.config, job.config["epochs"]

    def fit(k: int, seed: int) -> tuple[nn.Module, dict[str, Any]]:
        generator = seeded(seed)
        model = build(train.shape[1:], generator).to(job.device)
        history = fit_likelihood(
            model,
            train.to(job.device),
            valid.to(job.device),
            epochs=epochs,
            batch_size=config["batch_size"],
            lr=config["lr"],
            final_lr=config["final_lr"],
            weight_decay=config["weight_decay"],
            patience=config["patience"],
            mixed_precision=config.get("mixed_precision", False),
            generator=generator,
            **job.training(f"seed-{seed}", epochs, k * epochs, len(job.seeds) * epochs),
        )
        return model, {
            "parameters": count_parameters(model),
            "epochs": len(history),
            "best epoch": history.best_epoch,
            "validation": min(history.valid["loss"]),
        }

    runs, details = over_seeds(job, fit, lambda m: -log_probs(m, test.to(job.device)))
    return Outcome(summarise(NLL, runs, "nats"), data, details)


def nade(job: Job) -> Outcome:
    from gdmlib.autoregressive import NADE

    hidden = job.config["hidden"]
    return _neural(job, lambda shape, generator: NADE(shape, hidden=hidden, generator=generator))


def made(job: Job) -> Outcome:
    from gdmlib.autoregressive import MADE

    hidden, orderings = job.config["hidden"], job.config["orderings"]
    dropout = job.config.get("dropout", 0.0)
    return _neural(
        job,
        lambda shape, generator: MADE(
            shape, hidden=hidden, orderings=orderings, dropout=dropout, generator=generator
        ),
    )
