r"""Inverse problems in latent space: the picture that a decoder can make and that agrees best.

A generative model with a decoder G allows only the pictures G(w). So search their codes,

.. math:: \min_w\ \frac{1}{2 \sigma^2} \lVert A\, G(w) - y \rVert^2 + \tfrac12 \lVert w \rVert^2

(Bora, Jalal, Price and Dimakis 2017, "Compressed sensing using generative models",
https://arxiv.org/abs/1703.03208, equation 3). Few measurements are enough, for there are few
numbers to find; but what the decoder cannot make, no measurement brings back, however many there
are. A projection at the end does: it keeps of G(w) only what was not measured.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Generator, Tensor

from gdmlib._checks import (
    check_above_zero,
    check_count,
    check_kind,
    check_not_negative,
    check_range,
)
from gdmlib._random import standard_normal
from gdmlib.adversarial.gan import GAN
from gdmlib.adversarial.inversion import search
from gdmlib.inverse.batches import rows_of
from gdmlib.inverse.operators import Operator, check_operator
from gdmlib.latent.vae import VAE
from gdmlib.training.loop import evaluating


class LatentInversion(NamedTuple):
    """What `latent_inversion` found.

    Attributes:
        image: Shape (..., *event_shape).
        latents: Of each picture, (..., latent).
        losses: What is left of the loss of each, (...).
        history: The mean loss of the best start so far, after each step.
    """

    image: Tensor
    latents: Tensor
    losses: Tensor
    history: list[float]


def latent_inversion(
    operator: Operator,
    y: Tensor,
    model: VAE | GAN,
    *,
    noise: float,
    prior: float = 1.0,
    steps: int = 300,
    starts: int = 4,
    lr: float = 0.1,
    agree: bool = False,
    low: float = 0.0,
    high: float = 1.0,
    generator: Generator | None = None,
) -> LatentInversion:
    """Find the codes of the pictures that agree best with measurements.

    Args:
        operator: A, on the model's events.
        y: Measurements, shape (..., *measurement_shape).
        model: A `VAE`, whose decoder's mean is the picture, or a `GAN`.
        noise: σ, what an honest picture may miss a measurement by: the measurements' noise, and
            what the decoder cannot make.
        prior: Weight of the code's own cost; 1 for the most probable code, 0 for any.
        steps, starts, lr: As for `gdmlib.adversarial.invert`.
        agree: Project the picture in the end so that A x = y.
        low, high: What black and white are for the model.
        generator: Draws the codes to start from.
    """
    check_kind(model, "model", (VAE, GAN), "a VAE or a GAN")
    check_operator(operator, model.event_shape)
    check_above_zero(noise, "noise")
    check_above_zero(lr, "lr")
    check_range(low, high)
    check_not_negative(prior, "prior")
    steps, starts = check_count(steps, "steps"), check_count(starts, "starts")
    rows, batch = rows_of(operator, y)

    def made(w: Tensor) -> Tensor:
        drawn = model.decode(w) if isinstance(model, VAE) else model.generator(w)
        return ((drawn - low) / (high - low)).reshape(len(w), *operator.event_shape)

    with torch.inference_mode(False), evaluating(model), torch.enable_grad():
        targets = rows.repeat(starts, *[1] * (rows.ndim - 1))
        w = standard_normal((len(targets), model.latent), rows, generator)

        def losses(w: Tensor) -> Tensor:
            away = (operator(made(w)) - targets).flatten(1).square().sum(dim=1)
            return away / (2 * noise**2) + prior * w.square().sum(dim=1) / 2

        latents, least, history = search(losses, w, steps=steps, starts=starts, lr=lr)
        with torch.no_grad():
            x = made(latents)
            image = operator.project(x, rows) if agree else x
    return LatentInversion(
        image.reshape(*batch, *operator.event_shape),
        latents.reshape(*batch, -1),
        least.reshape(batch),
        history,
    )
