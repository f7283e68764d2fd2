r"""Inversion: which latent does a given picture belong to?

A GAN has no encoder, so the latent is searched for, by gradient descent on what separates the
picture that it makes, :math:`G(w)`, from the given one, I, of N numbers:

.. math::

    \mathcal L(w) = L_\text{percept}(G(w), I) + \frac{\lambda}{N} \lVert G(w) - I \rVert^2

(Abdal, Qin and Wonka 2019, https://arxiv.org/abs/1904.03189, algorithm 1). The first term compares
features of a fixed network, which forgive a shift of a pixel where the second does not. Once the
latent is known, the picture can be edited like any that was sampled. A generator that has dropped
a part of the data cannot make its pictures, and what is left of the loss says so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from gdmlib._checks import check_count, check_not_negative
from gdmlib._random import standard_normal
from gdmlib.adversarial.gan import GAN
from gdmlib.training.loop import evaluating


class Inversion(NamedTuple):
    """What `invert` found.

    Attributes:
        latents: Of each picture, (B, latent).
        events: What the generator makes of them, (B, *event_shape).
        losses: What is left of the loss of each, (B,).
        history: The mean loss of the best start so far, after each step.
    """

    latents: Tensor
    events: Tensor
    losses: Tensor
    history: list[float]


def invert(
    gan: GAN,
    x: Tensor,
    *,
    features: Callable[[Tensor], Tensor] | None = None,
    weight: float = 1.0,
    prior: float = 0.0,
    steps: int = 200,
    starts: int = 4,
    lr: float = 0.1,
    generator: Generator | None = None,
) -> Inversion:
    """Find the latents of given events, by Adam from several starts, each event by itself.

    Args:
        gan: Whose generator is asked; it is in evaluation mode meanwhile and does not change.
        x: The events, shape (B, *event_shape).
        features: Of events, (B, ...) -> (B, F), by a network that does not change; their mean
            squared difference is the perceptual loss. None leaves that out.
        weight: λ, that of the mean squared difference of the events themselves.
        prior: Weight of the latent's mean square, for latents that may have been drawn.
        steps, lr: Of Adam.
        starts: How many latents are drawn to start from; the best end is kept for each event.
        generator: Draws them.
    """
    x = gan.check(x)
    check_not_negative(weight, "weight")
    check_not_negative(prior, "prior")
    if not (weight or features is not None):
        raise ValueError("weight: expected more than 0 where no features are compared, got 0")
    steps, starts = check_count(steps, "steps"), check_count(starts, "starts")
    with torch.inference_mode(False), evaluating(gan), torch.enable_grad():
        targets = x.detach().repeat(starts, *[1] * (x.ndim - 1)).clone()
        w = standard_normal((len(targets), gan.latent), x, generator)
        seen = None if features is None else features(targets).detach()
        if seen is not None and (seen.ndim < 2 or len(seen) != len(targets)):
            raise ValueError(
                f"features: expected some of each of {len(targets)} events, (B, F), got "
                f"{tuple(seen.shape)}"
            )

        def losses(w: Tensor) -> Tensor:
            made = gan.generator(w)
            lost = weight * _mean_square(made - targets) + prior * w.square().mean(dim=1)
            return (
                lost
                if seen is None or features is None
                else (lost + _mean_square(features(made) - seen))
            )

        latents, least, history = search(losses, w, steps=steps, starts=starts, lr=lr)
        with torch.no_grad():
            events = gan.generator(latents)
    return Inversion(latents, events, least, history)


def search(
    losses: Callable[[Tensor], Tensor], w: Tensor, *, steps: int, starts: int, lr: float
) -> tuple[Tensor, Tensor, list[float]]:
    """Descend by Adam from several starts for each event, and keep the best latent of each.

    Args:
        losses: Of latents, (starts · B, latent) -> (starts · B,), each by itself.
        w: Latents to start from, all first starts, then all second ones, ...
        steps, lr: Of Adam.
        starts: How many there are for each event.

    Returns:
        Latents, (B, latent), their losses, (B,), and the mean loss of the best start so far, after
        each step.
    """
    w = w.detach().clone().requires_grad_(True)
    optimizer = torch.optim.Adam([w], lr=lr)
    history, best = [], torch.full((len(w),), torch.inf).to(w.detach())
    found = w.detach().clone()
    for step in range(steps + 1):
        lost = losses(w)
        better = lost.detach() < best
        best = torch.where(better, lost.detach(), best)
        found[better] = w.detach()[better]
        if step < steps:
            history.append(float(best.unflatten(0, (starts, -1)).amin(0).mean()))
            (w.grad,) = torch.autograd.grad(lost.sum(), w)  # the network's own need none
            optimizer.step()
    least, which = best.unflatten(0, (starts, -1)).min(dim=0)
    chosen = found.unflatten(0, (starts, -1))[which, torch.arange(len(least)).to(which)]
    return chosen, least, history


def _mean_square(difference: Tensor) -> Tensor:
    return difference.flatten(1).square().mean(dim=1)
