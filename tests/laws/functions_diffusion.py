"""Diffusion and flow matching: their lines of `functions.py`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from gdmlib.densities import GaussianMixture
from gdmlib.latent import (
    Diffusion,
    FlowMatching,
    NoisedMixture,
    Schedule,
    cosine_schedule,
    couple,
    ddim,
    ddpm,
    geometric_schedule,
    linear_schedule,
)
from gdmlib.nn.timed import TimedMLP, time_features
from gdmlib.nn.unet import UNet

from .builders import normal, randomise, seeded, tensor, uniform
from .calls import Call, call, whole

SCHEDULE = cosine_schedule(7)
EVENTS, NOISE, STEPS = normal(3, 2), normal(3, 2, seed=1), torch.tensor([2, 7, 3])
CLASSES, TIME = torch.tensor([0, 1, 1]), uniform(3)
PICTURES = normal(3, 1, 4, 4)


def mlp(**options: Any) -> TimedMLP:
    sizes: dict[str, Any] = {"hidden": (4,), "classes": 2} | options
    return TimedMLP(2, **sizes, generator=seeded())


def unet(**options: Any) -> UNet:
    sizes: dict[str, Any] = {"event_shape": (1, 4, 4), "channels": (2, 3), "classes": 2} | options
    return UNet(**sizes, generator=seeded())


def diffusion(parameterisation: str = "epsilon", **options: Any) -> Diffusion:
    return randomise(Diffusion(mlp(), 2, SCHEDULE, parameterisation, **options), 0).eval()


mlp_, unet_ = randomise(mlp(), 0), randomise(unet(), 0, 0.2)
of_noise, of_v, of_levels = diffusion(), diffusion("v"), diffusion("x0", levels=3)
matching = randomise(FlowMatching(mlp(), 2, steps=3), 0).eval()
known = NoisedMixture(
    GaussianMixture(
        tensor(0.5, 0.5), tensor([1, 0], [-1, 0.5]), 0.3 * torch.eye(2).double().repeat(2, 1, 1)
    ),
    SCHEDULE,
)
LEVELS = (normal(3, 2) * 2).round().clamp(-1, 1)

FUNCTIONS = [
    whole("Schedule", lambda alpha_bar, time: Schedule(alpha_bar, time), SCHEDULE.alpha_bar,
          SCHEDULE.time),
    call("Schedule.forward", SCHEDULE.forward, EVENTS, STEPS, NOISE),
    call("Schedule.posterior", lambda x0, xt, t, s: SCHEDULE.posterior(x0, xt, t, s), EVENTS, NOISE,
         STEPS, STEPS - 2),
    call("time_features", time_features, TIME, smooth=True),
    call("TimedMLP", lambda x, time: mlp_(x, time), EVENTS, TIME, model=mlp_, smooth=True),
    call("TimedMLP of classes", lambda x, time, labels: mlp_(x, time, labels), EVENTS, TIME,
         CLASSES, model=mlp_),
    call("UNet", lambda x, time, labels: unet_(x, time, labels), PICTURES, TIME, CLASSES,
         model=unet_),
    call("Diffusion.denoise", lambda x, t, labels: of_noise.denoise(x, t, labels, 2.0), EVENTS,
         STEPS, CLASSES, model=of_noise),
    call("Diffusion.noise", lambda x, t: of_v.noise(x, t), EVENTS, STEPS, model=of_v),
    call("Diffusion.score_function", lambda x, t: of_v.score_function(x, t), EVENTS, STEPS,
         model=of_v),
    call("Diffusion.score", of_v.score, EVENTS, CLASSES, model=of_v),
    whole("Diffusion.loss", lambda x, labels: of_noise.loss(x, labels, seeded()), EVENTS, CLASSES,
          model=of_noise),
    whole("Diffusion.bound", lambda x, labels: of_noise.bound(x, labels, seeded()), EVENTS, CLASSES,
          model=of_noise),
    whole("Diffusion.bound of levels", lambda x: of_levels.bound(x, None, seeded()), LEVELS,
          model=of_levels),
    whole("Diffusion.elbo", lambda x: of_noise.elbo(x, None, seeded()), EVENTS, model=of_noise),
    whole("ddpm", lambda labels, noise: ddpm(of_v, 3, labels=labels, noise=noise, guidance=2.0,
          clip=1.0, generator=seeded()), CLASSES, NOISE, model=of_v),
    call("ddim", lambda noise: ddim(of_v, len(noise), steps=3, noise=noise), NOISE, model=of_v),
    call("FlowMatching.velocity", lambda x, u, labels: matching.velocity(x, u, labels, 2.0), EVENTS,
         TIME, CLASSES, model=matching),
    call("FlowMatching.score", matching.score, EVENTS, CLASSES, model=matching),
    whole("FlowMatching.loss", lambda x, labels: matching.loss(x, labels, seeded()), EVENTS,
          CLASSES, model=matching),
    call("FlowMatching.log_prob", lambda x, labels: matching.log_prob(x, labels=labels), EVENTS,
         CLASSES, model=matching),
    call("FlowMatching.sample", lambda noise: matching.sample(len(noise), noise=noise), NOISE,
         model=matching),
    whole("couple", couple, EVENTS, NOISE),
    call("NoisedMixture.log_prob", lambda x: known.log_prob(x, 3), EVENTS, model=known,
         smooth=True),
    call("NoisedMixture.denoise", lambda x, t: known.denoise(x, t), EVENTS, STEPS, model=known),
    call("NoisedMixture.velocity", lambda x: known.velocity(x, 0.3), EVENTS, model=known,
         smooth=True),
]  # fmt: skip

FITS: list[Call] = []

COUNTS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "cosine_schedule": (lambda steps: cosine_schedule(steps), 4),
    "geometric_schedule": (lambda steps: geometric_schedule(steps), 4),
    "linear_schedule": (lambda steps: linear_schedule(steps), 40),
    "Schedule.respaced": (lambda steps: SCHEDULE.respaced(steps), 3),
    "Diffusion.denoise, t": (lambda t: of_v.denoise(EVENTS, t), 3),
    "Diffusion, levels": (lambda levels: diffusion(levels=levels), 3),
    "ddpm": (lambda n: ddpm(of_v, n, generator=seeded()), 3),
    "ddim, steps": (lambda steps: ddim(of_v, 2, steps=steps, generator=seeded()), 3),
    "FlowMatching, steps": (lambda steps: FlowMatching(mlp(), 2, steps=steps), 3),
    "FlowMatching.sample, n": (lambda n: matching.sample(n, seeded()), 3),
    "FlowMatching.log_prob, probes": (lambda probes: matching.log_prob(
        EVENTS, probes=probes, generator=seeded()), 3),
    "UNet": (lambda event_shape: unet(event_shape=event_shape), (1, 2, 4)),
    "UNet, channels": (lambda channels: unet(channels=channels), (3, 2)),
    "UNet, classes": (lambda classes: unet(classes=classes), 3),
    "TimedMLP, hidden": (lambda hidden: mlp(hidden=hidden), (3, 2)),
}  # fmt: skip

CHANCE: dict[str, Callable[..., nn.Module | Tensor | tuple[Tensor, ...]]] = {
    "TimedMLP": partial(TimedMLP, 2, hidden=(4,), classes=2),
    "UNet": partial(UNet, (1, 4, 4), channels=(2, 3), classes=2),
    "Diffusion.loss": partial(of_v.loss, EVENTS, CLASSES),
    "Diffusion.bound": partial(of_v.bound, EVENTS),
    "Diffusion.sample": partial(of_v.sample, 3),
    "ddim": partial(ddim, of_v, 3, steps=3, eta=0.5),
    "FlowMatching.loss": partial(matching.loss, EVENTS, CLASSES),
    "FlowMatching.log_prob, estimated": partial(matching.log_prob, EVENTS, probes=1),
    "NoisedMixture.sample": partial(known.sample, 3, t=2),
}
"""What draws by a generator."""
