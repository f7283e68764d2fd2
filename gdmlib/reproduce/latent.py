"""Variational and importance-weighted autoencoders: binarised digits, and a plane of faces."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Generator, Tensor, nn

from gdmlib.data import frey_faces
from gdmlib.data.crops import dequantise
from gdmlib.latent import VAE
from gdmlib.reproduce.experiment import Experiment, Fitting, Splits, Task, held_out, trained
from gdmlib.reproduce.records import Data, Published, sha256_of
from gdmlib.reproduce.tasks import BINARY, seeded
from gdmlib.training import train

IWAE_PAPER = (
    "Burda, Grosse and Salakhutdinov (2016), importance weighted autoencoders, arXiv:1509.00519"
)
AT_ONCE = 2**22
"""Pixels that are decoded at once: 16 MB."""


def cost(model: VAE, x: Tensor, test_codes: int) -> Tensor:
    """Return minus the bound with so many codes for each event, (B,), a few codes at a time.

    It is above -log p(x) in expectation, and the less so the more codes there are.
    """
    few = min(max(AT_ONCE // x.numel(), 1), test_codes)
    parts = [few] * (test_codes // few) + [test_codes % few] * (test_codes % few > 0)
    bounds = [model.importance_bound(x, k) + math.log(k) for k in parts]
    return math.log(test_codes) - torch.stack(bounds).logsumexp(dim=0)


def glorot(
    event_shape: tuple[int, ...],
    *,
    latent: int,
    hidden: list[int],
    k: int = 1,
    likelihood: str = "bernoulli",
    generator: Generator,
) -> VAE:
    """Return a VAE whose weights start as in the paper on IWAE: uniform, as wide as Glorot's."""
    model = VAE(
        event_shape, latent=latent, hidden=hidden, k=k, likelihood=likelihood, generator=generator
    )
    for weight in model.parameters():
        if weight.ndim == 2:
            nn.init.xavier_uniform_(weight, generator=generator)
    return model


def at_the_mean(fitting: Fitting, model: VAE, x: Tensor) -> None:
    """Let the decoder begin with the mean of the data, and the encoder see x minus that mean.

    Then a few epochs with fewer codes, if there are to be any: they are cheaper, and their
    gradient tells the encoder more (Rainforth et al., 2018, arXiv:1802.04537).
    """
    into, out = model.encoder[0], model.decoder[-1]
    assert isinstance(into, nn.Linear)
    assert isinstance(out, nn.Linear)
    with torch.no_grad():
        mean = x.flatten(1).mean(dim=0)
        into.bias.copy_(-into.weight @ mean)
        out.bias.copy_(mean.clamp(1e-3, 1 - 1e-3).logit())
    config, k = fitting.job.config, model.k
    epochs, model.k = config["first_epochs"], config["first_k"]
    if epochs:
        options = {
            **fitting.settings(train),
            "epochs": epochs,
            **fitting.keeping("first", "first_"),
        }
        train(model, x, **options, generator=fitting.generator)
    model.k = k


# --- binarised digits -----------------------------------------------------------------------------


def _digits(k: int, value: float) -> Experiment:
    name = "VAE" if k == 1 else f"IWAE, {k} codes"
    return held_out(
        f"vae_mnist_k{k}",
        f"{name}, two layers of 200 units, 50 latent numbers",
        replace(BINARY["mnist"], score=cost),
        trained(glorot, begin=at_the_mean),
        Published(value, "nats", IWAE_PAPER),
        "As in the paper, one stochastic layer, tanh units and Glorot's start, but the biases "
        "begin at the mean of the training images; first_epochs of training with first_k codes "
        "may come before. -log p is estimated, from above, by importance sampling with so many "
        "codes as the settings say (5000 in the paper). AdamW with a cosine schedule, an average "
        "of the weights, chosen by the bound of the validation part; the paper used Adam for 3280 "
        "epochs, with batches of 20.",
        config={
            "data": "mnist", "binarise_seed": 0, "hidden": [200, 200], "latent": 50, "k": k,
            "epochs": 1000, "batch_size": 100, "lr": 1e-3, "average": 0.999, "test_codes": 5000,
            "first_epochs": 0, "first_k": 5,
        },
        smoke={"hidden": [8], "latent": 2, "epochs": 2, "average": 0.5, "test_codes": 5},
        seeds=(0,),
        trains=True,
    )  # fmt: skip


# --- faces ----------------------------------------------------------------------------------------


def _in_order(name: str, x: Tensor) -> Splits:
    """Part a film by time: 7 tenths train, 1 validates, 2 test; neighbours are nearly the same."""
    generator = seeded(0)
    levels = (255 * x).round()
    train, valid, test = (
        dequantise(part, generator)
        for part in levels.tensor_split([7 * len(x) // 10, 8 * len(x) // 10])
    )
    return Splits(train, valid, test, Data(name, sha256_of(train, valid, test)))


def _film(data: str) -> Splits:
    return _in_order("Frey faces", frey_faces().x)


def _stand_in_film() -> Splits:
    """Make a bar that moves slowly through the picture."""
    place = torch.arange(60)[:, None] / 60
    return _in_order("stand-in", torch.exp(-4 * (place - torch.linspace(0, 1, 6)) ** 2)[:, None])


FILM = Task(
    "Frey faces, 1965 frames of a film (28 × 20)",
    _film,
    _stand_in_film,
    "The film is parted by time: the first 70 % of the frames train, 10 % validate, the last 20 % "
    "test. Uniform noise makes the levels continuous, and [0, 1] is the unit.",
    metric="mean test log-likelihood",
    better="higher",
    score=cost,
)

DIGITS = _digits(1, 88.71), _digits(5, 87.63), _digits(50, 87.10)
FACES = held_out(
    "vae_frey_faces",
    "VAE, 200 units, 2 latent numbers: a plane of faces",
    FILM,
    trained(glorot, likelihood="gaussian"),
    None,
    "As in Kingma and Welling (2014, arXiv:1312.6114), figures 2 and 4, one hidden layer of 200 "
    "units and a Gaussian decoder; its one variance is learned. The paper shows its bounds as "
    "curves only. log p is estimated, from below, by importance sampling.",
    config={
        "data": "frey_faces", "hidden": [200], "latent": 2, "epochs": 500, "batch_size": 100,
        "lr": 1e-3, "average": 0.99, "test_codes": 5000,
    },
    smoke={"hidden": [8], "epochs": 2, "average": 0.5, "test_codes": 5},
    seeds=(0,),
    trains=True,
    digits=1,
)  # fmt: skip
