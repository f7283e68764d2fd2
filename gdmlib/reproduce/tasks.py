"""The data of the experiments, and what counts on them."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from gdmlib.data import (
    binarised_mnist,
    binary_density,
    bsds500,
    caltech_silhouettes,
    cifar10_subset,
)
from gdmlib.data.crops import dequantise, grey_levels, random_crops
from gdmlib.reproduce.experiment import Splits, Task
from gdmlib.reproduce.records import Data, sha256_of
from gdmlib.reproduce.settings import check_size


def seeded(seed: int) -> torch.Generator:
    """Return a new generator."""
    return torch.Generator().manual_seed(seed)


SPLITS = "train", "valid", "test"


def _splits(name: str, train: Tensor, valid: Tensor, test: Tensor) -> Splits:
    return Splits(train, valid, test, Data(name, sha256_of(train, valid, test)))


# --- binary events --------------------------------------------------------------------------------


def _table(data: str) -> Splits:
    return _splits(data, *(binary_density(data, split).x for split in SPLITS))


def _silhouettes() -> Splits:
    return _splits("silhouettes", *(caltech_silhouettes(split).x for split in SPLITS))


def _digits(data: str, binarise_seed: int) -> Splits:
    parts = (binarised_mnist(split, seed=binarise_seed).x for split in SPLITS)
    return _splits(f"MNIST, binarised with seed {binarise_seed}", *parts)


def _stand_in_bits(shape: tuple[int, ...] = (8,)) -> Splits:
    """Make bits that depend on each other: each copies the one before it, 4 times out of 5."""
    generator, d = seeded(0), math.prod(shape)
    x = (torch.rand(200, d, generator=generator) < 0.5).float()
    copied = torch.rand(200, d, generator=generator) < 0.8
    for i in range(1, d):
        x[:, i] = torch.where(copied[:, i], x[:, i - 1], x[:, i])
    return _splits("stand-in", *x.reshape(-1, *shape).split([100, 40, 60]))


_OF_THE_PAPER = "Training, validation and test part are those of the paper."
_REORDERED = "The parts are those of the paper; the order of the test rows may differ."

BINARY = {
    "dna": Task("DNA (180 variables)", _table, _stand_in_bits, _OF_THE_PAPER),
    "mushrooms": Task("Mushrooms (112 variables)", _table, _stand_in_bits, _OF_THE_PAPER),
    "nips": Task("NIPS 0–12 (500 variables)", _table, _stand_in_bits, _OF_THE_PAPER),
    "adult": Task("Adult (123 variables)", _table, _stand_in_bits, _REORDERED),
    "connect4": Task("Connect-4 (126 variables)", _table, _stand_in_bits, _REORDERED),
    "mnist": Task(
        "MNIST, binarised with a fixed seed (28 × 28)",
        _digits,
        _stand_in_bits,
        "50,000 training, 10,000 validation and 10,000 test images as in the paper, but the pixels "
        "are drawn anew with a fixed seed: the benchmark's own draw is another one.",
    ),
    "silhouettes": Task(
        "Caltech-101 silhouettes (28 × 28)",
        _silhouettes,
        _stand_in_bits,
        "Training, validation and test part are those that come with the data.",
    ),
}


# --- colour images --------------------------------------------------------------------------------


def _cifar(validation: int) -> Splits:
    x = cifar10_subset("train").x
    check_size("validation", validation, 1, len(x) - 1, "so that some of the images train")
    train, valid = x.tensor_split([-validation])
    return _splits("cifar10_subset", train, valid, cifar10_subset("test").x)


def _stand_in_colours() -> Splits:
    levels = torch.randint(0, 256, (40, 3, 5, 5), generator=seeded(0))
    return _splits("stand-in", *(levels / 255).split([20, 10, 10]))


CIFAR10 = Task(
    "CIFAR-10, first 10,000 training and 1000 test images (3 × 32 × 32)",
    _cifar,
    _stand_in_colours,
    "Not comparable: the paper has all 50,000 training and 10,000 test images and a much larger "
    "network; ours sees the first 10,000 (1000 of them for validation) and is tested on the first "
    "1000.",
    metric="mean test code length",
    unit="bits/dim",
    nats=math.log(2),
    per_dim=True,
)


# --- photographs ----------------------------------------------------------------------------------

Photographs = tuple[list[Tensor], list[Tensor], list[Tensor]]


def _bsds300() -> Photographs:
    """Return grey photographs, (H, W) each: 180 of the 200 training images train, 20 validate."""
    train, test = (
        [grey_levels(picture) for _, picture in sorted(bsds500(split).items())]
        for split in ("train", "valid")
    )
    return train[:-20], train[-20:], test


def _stand_in_photographs() -> Photographs:
    noise = torch.rand(6, 1, 32, 32, generator=seeded(0))
    smooth = nn.functional.avg_pool2d(noise, 5, stride=1)[:, 0]
    images = list((255 * smooth).round())
    return images[:3], images[3:4], images[4:]


def smallest_side(*parts: list[Tensor]) -> int:
    """Return the height or width of the smallest image."""
    return min(min(image.shape[-2:]) for images in parts for image in images)


def _patches(
    photographs: Callable[[], Photographs],
    name: str,
    size: int,
    train_patches: int,
    valid_patches: int,
    test_patches: int,
    patch_seed: int,
) -> Splits:
    """Cut patches, (n, s, s) each, and subtract their means."""
    generator, parts = seeded(patch_seed), []
    counts = train_patches, valid_patches, test_patches
    images = photographs()
    check_size("size", size, 2, smallest_side(*images), "so that a patch lies in an image")
    for part, count in zip(images, counts, strict=True):
        x = dequantise(random_crops(part, count, size, generator), generator)
        parts.append(x - x.flatten(1).mean(dim=1)[:, None, None])
    train, valid, test = parts
    return Splits(train, valid, test, Data(f"{name}, patches", sha256_of(*map(but_last, parts))))


def but_last(x: Tensor) -> Tensor:
    """Leave out the last pixel, which the others determine, (n, s, s, ...) -> (n, s² - 1, ...)."""
    return x.flatten(1, 2)[:, :-1]


def _whole(photographs: Callable[[], Photographs], name: str, noise_seed: int) -> Splits:
    """Return levels to train and to validate with, and dequantised test images, (1, H, W) each."""
    train, valid, test = photographs()
    generator = seeded(noise_seed)
    data = Data(name, sha256_of(*train, *valid, *test))
    return Splits(train, valid, [dequantise(x, generator)[None] for x in test], data)


PATCHES = Task(
    "BSDS300, grey 8 × 8 patches without the mean (63 dimensions)",
    partial(_patches, _bsds300, "BSDS300"),
    partial(_patches, _stand_in_photographs, "stand-in"),
    "",
    metric="mean test log-likelihood",
    better="higher",
    score=lambda model, x: -model.log_prob(but_last(x)),
)

IMAGES = Task(
    "BSDS300, whole grey images",
    partial(_whole, _bsds300, "BSDS300"),
    partial(_whole, _stand_in_photographs, "stand-in"),
    "Rates of whole images: the pixels whose context lies in the image, given the others; uniform "
    "noise makes the levels continuous, and [0, 1] is the unit. 180 of the 200 training images "
    "train and 20 validate; the 100 test images are whole. Colours become grey by the weights of "
    "ITU-R BT.601.",
    metric="mean test log-likelihood rate",
    unit="bit/px",
    better="higher",
    nats=math.log(2),
)
