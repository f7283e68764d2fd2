"""Normalising flows on digits whose grey levels are made continuous."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from gdmlib.data import mnist
from gdmlib.data.crops import dequantise
from gdmlib.latent import MAF
from gdmlib.reproduce.experiment import Fitted, Fitting, Splits, Task, held_out, trained
from gdmlib.reproduce.records import Data, Published, sha256_of
from gdmlib.reproduce.tasks import SPLITS, seeded

MARGIN = 1e-6
"""Keeps black and white pixels from infinity: the logit is that of margin + (1 - 2 margin) x."""
FIRST = 5000
"""Events that standardise what goes in, before the first step."""


def _free(levels: dict[str, Tensor], name: str, noise_seed: int) -> Splits:
    """Add uniform noise to levels of 0 to 255, once, and take logits; (N, height · width) each."""
    generator, parts = seeded(noise_seed), []
    for split in SPLITS:
        x = dequantise(levels[split].flatten(1).round(), generator)
        parts.append(torch.logit(MARGIN + (1 - 2 * MARGIN) * x))
    train, valid, test = parts
    return Splits(train, valid, test, Data(name, sha256_of(*(levels[s] for s in SPLITS))))


def _digits(noise_seed: int) -> Splits:
    train, valid = (255 * mnist("train").x).split([50_000, 10_000])
    test = 255 * mnist("test").x
    return _free({"train": train, "valid": valid, "test": test}, "MNIST", noise_seed)


def _stand_in_digits(noise_seed: int) -> Splits:
    """Make small pictures, brighter on one side or on the other."""
    side = torch.rand(100, 1, 1, generator=seeded(1)).round()
    ramp = torch.linspace(0, 1, 4).expand(100, 4, 4)
    levels = (255 * (side * ramp + (1 - side) * (1 - ramp))).round()
    train, valid, test = levels.split([50, 20, 30])
    return _free({"train": train, "valid": valid, "test": test}, "stand-in", noise_seed)


LOGITS = Task(
    "MNIST, grey levels, dequantised, logits (784 dimensions)",
    _digits,
    _stand_in_digits,
    "The first 50,000 training images train and the last 10,000 validate; uniform noise is added "
    "to the levels once. The density is that of the logits, as in the paper; it is not that of the "
    "pixels, nor a probability of levels.",
    metric="mean test log-likelihood",
    better="higher",
)


def _standardised(
    x: Tensor,
    event_shape: tuple[int, ...],
    layers: int,
    hidden: list[int],
    generator: torch.Generator,
) -> MAF:
    """Return a flow that has seen data, the same in each process."""
    flow = MAF(event_shape, layers=layers, hidden=hidden, generator=generator)
    flow.initialise(x[:FIRST])
    return flow


def _fit(fitting: Fitting, train: Tensor, valid: Tensor) -> Fitted:
    return trained(partial(_standardised, train))(fitting, train, valid)


MAF_MNIST = held_out(
    "maf_mnist",
    "Masked autoregressive flow",
    LOGITS,
    _fit,
    Published(
        -1300.5, "nats", "Papamakarios, Pavlakou and Murray (2017), MAF (5), arXiv:1705.07057"
    ),
    "Each map has one hidden layer, and the orders are reversed in turn, as in the paper. That has "
    "batch norm between the maps and Adam with a constant rate of 1e-4; ours has one actnorm a "
    "map, AdamW with a cosine schedule, and an average of the weights.",
    config={
        "data": "mnist", "noise_seed": 0, "layers": 5, "hidden": [1024], "epochs": 100,
        "batch_size": 100, "lr": 3e-4, "clip": 10.0, "weight_decay": 1e-6, "average": 0.999,
    },
    smoke={"layers": 2, "hidden": [8], "epochs": 2, "average": 0.5},
    seeds=(0,),
    trains=True,
    digits=1,
)  # fmt: skip
