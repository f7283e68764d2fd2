"""The families of the course, each ready to learn the same glyphs: for the page on seconds.

What all are given are glyphs of 16 × 16 pixels with 16 grey levels, shape (N, 1, 16, 16), numbers
from 0 to 15, and their labels. Each family makes of them what it takes: levels, their four binary
digits, or real numbers with noise that fills the gaps between levels (lessons 10 and 11). What all
give back is log P of levels, or a bound of it, in nats, and samples in levels.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Generator, Tensor, nn

from gdmlib import adversarial, densities, latent
from gdmlib.autoregressive import FVSBN, RIDE, GatedPixelCNN, Neighbourhood
from gdmlib.nn.unet import UNet

SHAPE, LEVELS, CLASSES = (1, 16, 16), 16, 10
PIXELS = math.prod(SHAPE)
UNIT = 6.0  # grey levels that flows and RIDEs see as one unit, so that the variance is near 1
CHAIN, WALK = 100, 25  # steps of the chain whose bound is taken, and of the samplers

Batch = tuple[Tensor, ...]


@dataclass(frozen=True)
class Family:
    """How one family is built, taught, asked for log P, and drawn from.

    Attributes:
        title: Its name on the page.
        lesson: The lesson that explains it.
        about: Its size, in words.
        build: ``build(x, generator)``, from the training glyphs.
        seen: ``seen(x, y, generator)``: what the model is given, a tuple.
        log_prob: ``log_prob(model, x, y, generator) -> (B,)``, in nats; None where there is none.
        sample: ``sample(model, y, generator)``: a picture in levels for each label.
        words: What log P is: "exact", "bound" or "none".
        told: Whether it is told the class.
        lr, batch, clip, average: Of training; `average` keeps a moving average of the weights.
        tested: Glyphs of which log P is taken; fewer where that is slow.
        whole: Whether a step descends on -log P whatever the model's own loss is: a RIDE's leaves
            out the pixels near the border.
        checkpoint: A stored model of the course with the same build, if there is one.
        more: Further options of the training.
    """

    title: str
    lesson: str
    about: str
    build: Callable[[Tensor, Generator], nn.Module]
    seen: Callable[[Tensor, Tensor, Generator], Batch]
    sample: Callable[[Any, Tensor, Generator], Tensor]
    log_prob: Callable[[Any, Tensor, Tensor, Generator], Tensor] | None = None
    words: str = "exact"
    told: bool = False
    lr: float = 3e-3
    batch: int = 64
    clip: float | None = None
    average: bool = False
    tested: int = 1000
    whole: bool = False
    checkpoint: str = ""
    more: dict[str, Any] = field(default_factory=dict)


# --- what they take -------------------------------------------------------------------------------


def to_bits(x: Tensor) -> Tensor:
    """Return four binary digits for each level, the most significant first, (B, 1024)."""
    places = torch.tensor([3, 2, 1, 0])
    return (x.flatten(1).long()[..., None] >> places & 1).flatten(1).to(x.dtype)


def from_bits(bits: Tensor) -> Tensor:
    """Return the levels that binary digits stand for, (B, 1, 16, 16)."""
    worth = torch.tensor([8.0, 4.0, 2.0, 1.0])
    return (bits.reshape(-1, PIXELS, 4) * worth).sum(-1).reshape(-1, *SHAPE)


def filled(x: Tensor, generator: Generator, unit: float = UNIT, middle: float = 5.0) -> Tensor:
    """Return levels with noise that fills the gaps between them, in units of so many levels."""
    return (x + torch.rand(x.shape, generator=generator) - middle) / unit


def rounded(x: Tensor, unit: float = UNIT, middle: float = 5.0) -> Tensor:
    """Return the levels of what `filled` made, or of samples, (B, 1, 16, 16)."""
    return (x.reshape(-1, *SHAPE) * unit + middle).floor().clamp(0, LEVELS - 1)


def centred(x: Tensor) -> Tensor:
    """Return levels as numbers from -1 to 1."""
    return x / (LEVELS - 1) * 2 - 1


def nearest(x: Tensor) -> Tensor:
    """Return the levels that are nearest to numbers from -1 to 1."""
    return ((x + 1) / 2 * (LEVELS - 1)).round().clamp(0, LEVELS - 1)


# --- the families ---------------------------------------------------------------------------------


def _flat(x: Tensor, y: Tensor, g: Generator) -> Batch:
    return (filled(x, g).flatten(1),)


def _bits(x: Tensor, y: Tensor, g: Generator) -> Batch:
    return (to_bits(x),)


def _gauss_fit(x: Tensor, g: Generator) -> nn.Module:
    return densities.MultivariateNormal.fit(filled(x, g).flatten(1).double(), ridge=1e-2)


def _ride(x: Tensor, g: Generator) -> nn.Module:
    near = Neighbourhood.half_plane(4, 4)
    sizes: dict[str, Any] = {
        "units": 32,
        "components": 4,
        "scales": 3,
        "features": 16,
        "padding": -5 / UNIT,
    }
    ride = RIDE(
        near, cell="stable", head_sees_context=True, event_shape=SHAPE, generator=g, **sizes
    )
    return ride.initialise(near.pad(filled(x[:500], g), -5 / UNIT))


def _unet(g: Generator) -> nn.Module:
    network = UNet(SHAPE, channels=(16, 32, 64), classes=CLASSES, generator=g)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def _gan(x: Tensor, g: Generator) -> nn.Module:
    maker = adversarial.DCGenerator(SHAPE, latent=32, channels=(96, 48), generator=g)
    judge = adversarial.DCDiscriminator(SHAPE, channels=(48, 96), norm="batch", generator=g)
    return adversarial.GAN(maker, judge, latent=32, loss="non_saturating")


def _diffusion_bound(model: Any, x: Tensor, y: Tensor, g: Generator) -> Tensor:
    return model.elbo(centred(x), y, g, model.schedule.respaced(CHAIN))


def _half(x: Tensor, g: Generator) -> Tensor:
    return filled(x, g, LEVELS / 2, LEVELS / 2)  # from -1 to 1


def _in_levels(log_density: Tensor, unit: float) -> Tensor:
    """Return a bound of log P of levels from the log-density of `filled` ones."""
    return log_density - PIXELS * math.log(unit)


SMALL: dict[str, Any] = {
    "features": 16, "layers": 6, "kernel_size": 3, "first_kernel": 5, "position": True
}  # fmt: skip

FAMILIES: dict[str, Family] = {
    "gaussian": Family(
        "Gaussian", "02_gaussian_mle", "a mean and a covariance, in closed form",
        build=_gauss_fit, seen=_flat, words="bound",
        log_prob=lambda m, x, y, g: _in_levels(m.log_prob(_flat(x, y, g)[0].double()), UNIT),
        sample=lambda m, y, g: rounded(m.sample(len(y), g).float()),
    ),
    "fvsbn": Family(
        "FVSBN", "04_fvsbn", "a logistic regression for each of 1,024 binary digits",
        build=lambda x, g: FVSBN(4 * PIXELS), seen=_bits, lr=1e-2, batch=100,
        log_prob=lambda m, x, y, g: m.log_prob(to_bits(x)),
        sample=lambda m, y, g: from_bits(m.sample(len(y), g)),
    ),
    "ride": Family(
        "RIDE", "06_ride", "a spatial LSTM of 32 units that sees four rows and columns",
        build=_ride, seen=lambda x, y, g: (filled(x, g),), words="bound",
        lr=5e-3, batch=50, clip=5.0, whole=True,
        log_prob=lambda m, x, y, g: _in_levels(m.log_prob(filled(x, g)), UNIT),
        sample=lambda m, y, g: rounded(m.sample(len(y), g)),
    ),
    "pixelcnn": Family(
        "PixelCNN", "07_pixelcnn", "gated, six layers of 16 features",
        build=lambda x, g: GatedPixelCNN(SHAPE, LEVELS, num_classes=CLASSES, generator=g, **SMALL),
        seen=lambda x, y, g: (x / (LEVELS - 1), y), told=True, lr=6e-3, batch=32, clip=1.0,
        log_prob=lambda m, x, y, g: m.log_prob(x / (LEVELS - 1), y),
        sample=lambda m, y, g: (m.sample(len(y), g, labels=y) * (LEVELS - 1)).round(),
    ),
    "vae": Family(
        "VAE", "09_vae", "one hidden layer of 400 units, 32 latent numbers",
        build=lambda x, g: latent.VAE(4 * PIXELS, latent=32, hidden=(400,), generator=g),
        seen=_bits, words="bound", batch=100, tested=500,
        log_prob=lambda m, x, y, g: m.importance_bound(to_bits(x), 100, g),
        sample=lambda m, y, g: from_bits(m.sample(len(y), g)),
    ),
    "flow": Family(
        "flow", "10_flows", "four spline couplings, one hidden layer of 128 units in each",
        build=lambda x, g: latent.SplineFlow(PIXELS, layers=4, hidden=(128,), generator=g),
        seen=_flat, words="bound", batch=100, clip=10.0,
        log_prob=lambda m, x, y, g: _in_levels(m.log_prob(_flat(x, y, g)[0]), UNIT),
        sample=lambda m, y, g: rounded(m.sample(len(y), g)),
    ),
    "diffusion": Family(
        "diffusion", "11_diffusion", "a U-Net of 16, 32 and 64 features",
        build=lambda x, g: latent.Diffusion(
            _unet(g), SHAPE, latent.cosine_schedule(1000), "v", levels=LEVELS
        ),
        seen=lambda x, y, g: (centred(x), y), told=True, words="bound", clip=1.0, average=True,
        tested=200, checkpoint="11_glyphs_diffusion", log_prob=_diffusion_bound,
        sample=lambda m, y, g: nearest(
            latent.ddim(m, len(y), steps=WALK, labels=y, clip=1.0, generator=g)
        ),
    ),
    "flow_matching": Family(
        "flow matching", "11_diffusion", "the same U-Net",
        build=lambda x, g: latent.FlowMatching(_unet(g), SHAPE),
        seen=lambda x, y, g: (_half(x, g), y), told=True, words="bound", clip=1.0, average=True,
        tested=200, checkpoint="11_glyphs_flow_matching",
        log_prob=lambda m, x, y, g: _in_levels(
            m.log_prob(_half(x, g), labels=y, steps=40, probes=1, generator=g), LEVELS / 2
        ),
        sample=lambda m, y, g: rounded(
            m.sample(len(y), g, steps=WALK, method="euler", labels=y), LEVELS / 2, LEVELS / 2
        ),
    ),
    "gan": Family(
        "GAN", "13_gan", "a DCGAN of 96 and 48 features",
        build=_gan, seen=lambda x, y, g: (centred(x),), words="none", lr=5e-4, average=True,
        checkpoint="13_dcgan_glyphs", more={"betas": (0.5, 0.99)},
        sample=lambda m, y, g: nearest(m.sample(len(y), g)),
    ),
}  # fmt: skip
"""By the name in the record, in the order of the lessons."""
