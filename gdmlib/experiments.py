"""The experiments of `gdmlib.reproduce`: which model, which data, which published number.

To add one:

1. Write a function of a job, in ``gdmlib/_runs.py`` or ``gdmlib/_image_runs.py``, that builds the
   model and calls the training function that stands beside it, the one that the lesson calls. All
   numbers come from ``job.config``, so that a trial differs from the full size by settings alone.
   Put each part that takes long into ``job.stage(name, compute)``: a run that is resumed skips what
   is done. Hand ``**job.training(name, epochs)`` to whatever calls `gdmlib.training.fit`: it keeps
   checkpoints and shows progress. Send data and model to ``job.device``, and draw from generators
   seeded with ``job.seeds``.
2. Return an `Outcome`: a `Metric` (over seeds where the fit is random and there are several, else
   over test examples), the `Data` with their hash, and what else was found.
3. Add an `Experiment` to the list at the end: the settings of the full size, what a trial changes
   (the data become ``"stand-in"``), the published value with its source, and in what the protocol
   differs from the paper's. ``trains=True`` if it calls `gdmlib.training.fit`.

The tests run a trial of every experiment in the list.
"""

from __future__ import annotations

from typing import Any

from gdmlib._image_runs import (
    mcgsm_images,
    mcgsm_patches,
    pixelcnn,
    pixelcnnpp,
    ride_images,
    ride_patches,
)
from gdmlib._job import Experiment
from gdmlib._runs import bernoulli_mixture, fvsbn, gaussian, made, nade
from gdmlib.records import Published

MADE_PAPER = "Germain, Gregor, Murray and Larochelle (2015), MADE, arXiv:1502.03509"
SBN_PAPER = "Gan, Henao, Carlson and Carin (2015), deep sigmoid belief networks, AISTATS"
RIDE_PAPER = "Theis and Bethge (2015), spatial LSTMs, arXiv:1506.03478"

BINARY = {
    "dna": "DNA (180 variables)",
    "mushrooms": "Mushrooms (112 variables)",
    "nips": "NIPS 0–12 (500 variables)",
    "adult": "Adult (123 variables)",
    "connect4": "Connect-4 (126 variables)",
    "mnist": "MNIST, binarised with a fixed seed (28 × 28)",
    "silhouettes": "Caltech-101 silhouettes (28 × 28)",
}

SPLITS = {
    "dna": "Training, validation and test part are those of the paper.",
    "mushrooms": "Training, validation and test part are those of the paper.",
    "nips": "Training, validation and test part are those of the paper.",
    "adult": "The parts are those of the paper; the order of the test rows may differ.",
    "connect4": "The parts are those of the paper; the order of the test rows may differ.",
    "mnist": (
        "50,000 training, 10,000 validation and 10,000 test images as in the paper, but the pixels "
        "are drawn anew with a fixed seed: the benchmark's own draw is another one."
    ),
    "silhouettes": "Training, validation and test part are those that come with the data.",
}

STAND_IN = {"data": "stand-in"}
"""What every trial changes."""


def _source_of(data: str) -> dict[str, Any]:
    """Return the settings that say which data."""
    return {"data": data, "binarise_seed": 0} if data == "mnist" else {"data": data}


def _fvsbn_of(data: str, value: float) -> Experiment:
    source = SBN_PAPER if data == "silhouettes" else MADE_PAPER
    protocol = (
        f"{SPLITS[data]} The paper's network was trained by stochastic gradients; ours is the "
        "minimum of the convex penalised likelihood (L-BFGS), where each variable has the strength "
        "of L2 that is best for the validation part."
    )
    config = {
        **_source_of(data),
        "l2": [3000.0, 1000.0, 300.0, 100.0, 30.0, 10.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.003],
        "per_pixel": True,
        "n_iter": 500,
        "tolerance": 1e-4,
    }
    smoke = {**STAND_IN, "l2": [10.0, 1.0, 0.1]}
    if data in ("silhouettes", "mnist"):
        protocol += " A weight is penalised in proportion to the squared distance of its pixels."
        config |= {"l2": [3.0, 1.0, 0.3, 0.1, 0.03], "tolerance": 1e-2, "distance_power": 2.0}
        smoke |= {"shape": (1, 3, 3)}
    return Experiment(
        name=f"fvsbn_{data}",
        title="FVSBN, exact convex fit",
        dataset=BINARY[data],
        run=fvsbn,
        published=Published(value, "nats", source),
        protocol=protocol,
        config=config,
        smoke=smoke,
    )


_NEURAL_SMOKE = {**STAND_IN, "hidden": 6, "epochs": 3, "batch_size": 32, "seeds": [0, 1]}


def _nade_of(data: str, value: float) -> Experiment:
    return Experiment(
        name=f"nade_{data}",
        title="NADE, 500 hidden units",
        dataset=BINARY[data],
        run=nade,
        published=Published(value, "nats", MADE_PAPER),
        protocol=(
            f"{SPLITS[data]} One fixed order, one hidden layer. AdamW with a cosine schedule, "
            "stopped and chosen by the validation part; the paper used plain stochastic gradients."
        ),
        config={
            **_source_of(data),
            "hidden": 500,
            **_training_of(data),
        },
        smoke=_NEURAL_SMOKE,
        seeds=(0,) if data == "mnist" else (0, 1, 2),
        trains=True,
    )


def _made_of(data: str, value: float) -> Experiment:
    large = data == "mnist"
    return Experiment(
        name=f"made_{data}",
        title="MADE, several masks" if large else "MADE, 500 hidden units, 16 masks",
        dataset=BINARY[data],
        run=made,
        published=Published(value, "nats", MADE_PAPER),
        protocol=(
            f"{SPLITS[data]} Masks are used in turn in training, and averaged (as probabilities) "
            "for the test. AdamW with a cosine schedule, stopped and chosen by the validation "
            "part. The paper gives a fixed mask and several masks; the better of the two is quoted."
        ),
        config={
            **_source_of(data),
            "hidden": [8000] if large else [500],
            "orderings": 32 if large else 16,
            **({"dropout": 0.0, "mixed_precision": True} if large else {}),
            **_training_of(data),
        },
        smoke={**_NEURAL_SMOKE, "hidden": [12], "orderings": 2},
        seeds=(0,) if large else (0, 1, 2),
        trains=True,
    )


EPOCHS = {"dna": 200, "mushrooms": 200, "nips": 60, "mnist": 100}
WEIGHT_DECAY = {"dna": 0.1, "mushrooms": 0.01, "nips": 1.0, "mnist": 0.0}
"""Chosen by the validation part, to a factor of about three: the small sets overfit."""


def _training_of(data: str) -> dict[str, Any]:
    """Return the settings of `fit_likelihood`: small batches suit small sets."""
    small = data != "mnist"
    return {
        "epochs": EPOCHS[data],
        "batch_size": 20 if small else 100,
        "lr": 5e-3 if small else 1e-3,
        "final_lr": 1e-5,
        "weight_decay": WEIGHT_DECAY[data],
        "patience": 50 if small else 20,
    }


_PIXEL_SMOKE = {
    "features": 6, "layers": 2, "kernel_size": 3, "epochs": 2, "batch_size": 20,
}  # fmt: skip

_IMAGES = (
    "Rates of whole images: the pixels whose context lies in the image, given the others; uniform "
    "noise makes the levels continuous, and [0, 1] is the unit. 180 of the 200 training images "
    "train and 20 validate; the 100 test images are whole. Colours become grey by the weights of "
    "ITU-R BT.601."
)

_MCGSM_IMAGES = {
    "data": "BSDS300", "rows": 4, "columns": 4, "pixels_of_an_image": 10_000, "components": 16,
    "scales": 4, "features": 40, "mcgsm_epochs": 20, "mcgsm_batch_size": 1000, "mcgsm_lr": 5e-3,
}  # fmt: skip
_MCGSM_SMOKE = {
    "rows": 1, "columns": 1, "pixels_of_an_image": 200, "components": 2, "scales": 2,
    "features": 3, "mcgsm_epochs": 2, "mcgsm_batch_size": 100,
}  # fmt: skip

_ALL = (
    Experiment(
        name="gaussian_red_wine",
        title="Gaussian, maximum likelihood, 10-fold cross-validation",
        dataset="UCI Wine Quality, red (1599 × 11)",
        run=gaussian,
        published=Published(
            value=-13.18,
            unit="nats",
            source="Uria, Murray and Larochelle (2013), RNADE, arXiv:1306.0186",
        ),
        protocol=(
            "The ten folds that the authors distribute with their later deep NADE code. All "
            "examples outside the test fold are used to fit: there is nothing to choose, so none "
            "is held out for validation. Nothing is added to the covariance. The folds share "
            "training data, so the standard error is only a guide."
        ),
        config={
            "data": "red_wine",
            "model": "MultivariateNormal, full covariance, maximum likelihood",
            "standardise": "mean and standard deviation of the training folds",
        },
        smoke=STAND_IN,
    ),
    _fvsbn_of("dna", 83.64),
    _nade_of("dna", 84.81),
    _made_of("dna", 79.66),
    _fvsbn_of("mushrooms", 10.27),
    _nade_of("mushrooms", 9.81),
    _made_of("mushrooms", 9.68),
    _fvsbn_of("nips", 276.88),
    _nade_of("nips", 273.08),
    _made_of("nips", 277.28),
    _fvsbn_of("adult", 13.17),
    _fvsbn_of("connect4", 12.39),
    _fvsbn_of("silhouettes", 96.40),
    Experiment(
        name="bernoulli_mixture_mnist",
        title="Mixture of 500 Bernoullis, EM",
        dataset=BINARY["mnist"],
        run=bernoulli_mixture,
        published=Published(
            137.64,
            "nats",
            "Salakhutdinov and Murray (2008), as quoted in Larochelle and Murray (2011), NADE",
        ),
        protocol=f"{SPLITS['mnist']} EM from a random start, stopped by the validation part.",
        config={
            **_source_of("mnist"), "components": 500, "smoothing": 1.0, "n_iter": 200,
            "patience": 5,
        },
        smoke={**STAND_IN, "components": 3, "n_iter": 5},
        seeds=(0, 1, 2),
    ),
    _fvsbn_of("mnist", 97.45),
    _nade_of("mnist", 88.33),
    _made_of("mnist", 88.04),
    Experiment(
        name="pixelcnn_mnist",
        title="Gated PixelCNN, two stacks",
        dataset=BINARY["mnist"],
        run=pixelcnn,
        published=Published(
            81.30,
            "nats",
            "van den Oord, Kalchbrenner and Kavukcuoglu (2016), arXiv:1601.06759",
        ),
        protocol=(
            f"{SPLITS['mnist']} The paper's network has masked convolutions with a blind spot; "
            "ours is gated and has none. The weights are averaged over the training."
        ),
        config={
            **_source_of("mnist"), "features": 64, "layers": 12, "kernel_size": 5,
            "position": True, "dropout": 0.1, "epochs": 100, "batch_size": 64, "lr": 1e-3,
            "average": 0.9995, "clip": 10.0, "mixed_precision": True,
        },
        smoke={**STAND_IN, **_PIXEL_SMOKE, "shape": [1, 6, 6], "average": 0.9},
        seeds=(0,),
        trains=True,
    ),
    Experiment(
        name="pixelcnnpp_cifar10_subset",
        title="Gated PixelCNN with the head of PixelCNN++",
        dataset="CIFAR-10, first 10,000 training and 1000 test images (3 × 32 × 32)",
        run=pixelcnnpp,
        published=Published(
            2.92, "bits/dim", "Salimans, Karpathy, Chen and Kingma (2017), PixelCNN++, "
            "arXiv:1701.05517",
        ),
        protocol=(
            "Not comparable: the paper has all 50,000 training and 10,000 test images and a much "
            "larger network; ours sees the first 10,000 (1000 of them for validation) and is "
            "tested on the first 1000. It shares the head, a mixture of discretised logistic "
            "densities."
        ),
        config={
            "data": "cifar10_subset", "validation": 1000, "features": 96, "layers": 12,
            "kernel_size": 5, "position": False, "components": 10, "dropout": 0.5, "epochs": 200,
            "batch_size": 32, "lr": 1e-3, "average": 0.9995, "clip": 10.0,
            "mixed_precision": True,
        },
        smoke={**STAND_IN, **_PIXEL_SMOKE, "components": 2, "average": 0.9},
        seeds=(0,),
        trains=True,
    ),
    Experiment(
        name="mcgsm_bsds300_patches",
        title="MCGSM, 16 components, one for each coordinate",
        dataset="BSDS300, grey 8 × 8 patches without the mean (63 dimensions)",
        run=mcgsm_patches,
        published=Published(155.1, "nats", RIDE_PAPER),
        protocol=(
            "Patches at random places of 180 training images (20 validate) and of the 100 test "
            "images, with uniform noise, in units of [0, 1]; the mean is subtracted and the last "
            "pixel left out, as for RNADE. The patches are not those of the paper, and fewer of "
            "them train. Colours become grey by the weights of ITU-R BT.601."
        ),
        config={
            "data": "BSDS300", "size": 8, "train_patches": 250_000, "valid_patches": 10_000,
            "test_patches": 50_000, "patch_seed": 0, "components": 16, "scales": 4, "features": 32,
            "epochs": 6, "batch_size": 250, "lr": 8e-3,
        },
        smoke={
            **STAND_IN, "size": 2, "train_patches": 200, "valid_patches": 50, "test_patches": 50,
            "components": 2, "scales": 2, "epochs": 2, "batch_size": 100,
        },
        seeds=(0,),
        digits=1,
    ),
    Experiment(
        name="ride_bsds300_patches",
        title="RIDE, one layer, from an MCGSM",
        dataset="BSDS300, grey 8 × 8 patches without the mean (63 dimensions)",
        run=ride_patches,
        published=Published(150.7, "nats", RIDE_PAPER),
        protocol=(
            "Patches as for the MCGSM above. An MCGSM whose window reads 0 outside of the patch is "
            "trained first; the RIDE starts as that model, and its head sees the window beside the "
            "hidden state, which the paper's does not. Both are trained by Adam."
        ),
        config={
            "data": "BSDS300", "size": 8, "train_patches": 200_000, "valid_patches": 10_000,
            "test_patches": 50_000, "patch_seed": 0, "rows": 4, "columns": 4, "components": 8,
            "scales": 4, "features": 32, "mcgsm_patches": 30_000, "mcgsm_epochs": 6,
            "mcgsm_batch_size": 1000, "mcgsm_lr": 5e-3, "units": 32, "layers": 1, "epochs": 6,
            "batch_size": 100, "lr": 2e-3, "clip": 1.0, "last_pixel": 0.1,
        },
        smoke={
            **STAND_IN, "size": 4, "train_patches": 60, "valid_patches": 20, "test_patches": 20,
            "rows": 1, "columns": 1, "components": 2, "scales": 2, "features": 3,
            "mcgsm_patches": 60, "mcgsm_epochs": 2, "mcgsm_batch_size": 100, "units": 3,
            "epochs": 2, "batch_size": 20,
        },
        seeds=(0,),
        trains=True,
        digits=1,
    ),
    Experiment(
        name="mcgsm_bsds300_images",
        title="MCGSM, 16 components",
        dataset="BSDS300, whole grey images",
        run=mcgsm_images,
        published=Published(3.688, "bit/px", RIDE_PAPER),
        protocol=f"{_IMAGES} Some of the pixels of the training images are used, by Adam.",
        config={**_MCGSM_IMAGES, "noise_seed": 0},
        smoke={**STAND_IN, **_MCGSM_SMOKE},
        seeds=(0,),
        trains=True,
        digits=3,
    ),
    Experiment(
        name="ride_bsds300_images",
        title="RIDE, one layer, from an MCGSM",
        dataset="BSDS300, whole grey images",
        run=ride_images,
        published=Published(3.802, "bit/px", RIDE_PAPER),
        protocol=(
            f"{_IMAGES} An MCGSM as above is trained first; the RIDE starts as that model, and its "
            "head sees the context beside the hidden state, which the paper's does not. Both are "
            "trained by Adam, on random pixels and on random crops of the training images."
        ),
        config={
            **_MCGSM_IMAGES, "crop": 64, "train_crops": 600, "valid_crop": 160, "valid_crops": 20,
            "units": 32, "layers": 1, "epochs": 32, "batch_size": 2, "lr": 1.5e-3, "clip": 1.0,
            "noise_seed": 0,
        },
        smoke={
            **STAND_IN, **_MCGSM_SMOKE, "crop": 8, "train_crops": 12, "valid_crop": 10,
            "valid_crops": 4, "units": 3, "epochs": 2, "batch_size": 4,
        },
        seeds=(0,),
        trains=True,
        digits=3,
    ),
)  # fmt: skip

EXPERIMENTS: dict[str, Experiment] = {experiment.name: experiment for experiment in _ALL}
