"""Priors of pictures and what solves inverse problems by them: their lines of ``functions.py``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn

from gdmlib import inverse
from gdmlib.densities import GaussianMixture
from gdmlib.latent import VAE, FlowMatching, NoisedMixture, cosine_schedule, geometric_schedule
from gdmlib.nn.timed import TimedMLP

from .builders import normal, randomise, seeded, softmax, uniform
from .calls import call, whole

SHAPE = (1, 4, 4)
PICTURES = 0.1 + 0.8 * uniform(3, *SHAPE)
ROWS = torch.linalg.qr(normal(16, 6)).Q.mT.contiguous()
camera = inverse.Matrix(ROWS, SHAPE, orthonormal=True)
SEEN = camera(PICTURES)


def mixture(components: int = 3, d: int = 4) -> GaussianMixture:
    a = normal(components, d, d) / d**0.5
    covariances = a @ a.mT + 0.1 * torch.eye(d).double()
    return GaussianMixture(softmax(components), 0.3 * normal(components, d, seed=1), covariances)


patches = inverse.PatchPrior(mixture())
denoiser = inverse.PatchDenoiser(mixture())
world = NoisedMixture(mixture(d=16), cosine_schedule(6))
EVENTS, STEPS_OF_NOISE = normal(3, 16), torch.tensor([2, 6, 3])
flow = randomise(
    inverse.FlowDenoiser(
        FlowMatching(TimedMLP(16, hidden=(3,), generator=seeded()), 16), world.schedule
    ),
    0,
).eval()
network = randomise(inverse.ConvDenoiser(features=(2, 3), blocks=1, generator=seeded()), 0).eval()
walker = inverse.DenoiserDiffusion(network, SHAPE, geometric_schedule(6))
code = randomise(
    VAE(SHAPE, latent=2, hidden=(3,), likelihood="gaussian", generator=seeded()), 0
).eval()
STEPS: dict[str, Any] = {"steps": 3, "lr": 0.01}


def drawn(y: torch.Tensor, **options: Any) -> torch.Tensor:
    settings = {"noise": 0.1, "clip": False, "generator": seeded()} | options
    return inverse.posterior_sample(world, camera, y, 2, **settings).image


def walked(y: torch.Tensor, **options: Any) -> torch.Tensor:
    settings = {"noise": 0.1, "generator": seeded()} | STEPS | options
    return inverse.langevin(camera, y, patches, 2, **settings).image


def searched(y: torch.Tensor, **options: Any) -> torch.Tensor:
    settings = {"noise": 0.1, "steps": 3, "starts": 2, "generator": seeded()} | options
    return inverse.latent_inversion(camera, y, code, **settings).image


FUNCTIONS = [
    call("inverse.gradient", lambda x: inverse.gradient(patches, x), PICTURES),
    call("PatchPrior.log_prob", patches.log_prob, PICTURES),
    call("PatchPrior.patches", patches.patches, PICTURES, smooth=True),
    call("ScorePrior.gradient", lambda x: inverse.ScorePrior(world, 2).gradient(x),
         PICTURES.flatten(1)),
    call("map_by_projection", lambda y: inverse.map_by_projection(
        camera, y, patches, **STEPS).image, SEEN),
    call("map_by_projection from a start", lambda y, start: inverse.map_by_projection(
        camera, y, patches, start=start, **STEPS).image, SEEN, PICTURES),
    call("proximal_map", lambda y: inverse.proximal_map(
        camera, y, patches, noise=0.1, **STEPS).image, SEEN),
    call("PatchDenoiser.denoise", lambda x: denoiser.denoise(x, 0.1), PICTURES),
    call("PatchDenoiser.patches", lambda x: denoiser.patches(x, 0.1), normal(5, 4)),
    call("epll", lambda y: inverse.epll(camera, y, denoiser, steps=2).image, SEEN),
    call("epll with noise", lambda y: inverse.epll(
        camera, y, denoiser, steps=2, noise=0.1).image, SEEN),
    call("FlowDenoiser.denoise", lambda x, t: flow.denoise(x, t), EVENTS, STEPS_OF_NOISE,
         model=flow),
    call("FlowDenoiser.noise", lambda x, t: flow.noise(x, t), EVENTS, STEPS_OF_NOISE, model=flow),
    call("FlowDenoiser.score_function", lambda x, t: flow.score_function(x, t), EVENTS,
         STEPS_OF_NOISE, model=flow),
    whole("FlowDenoiser.elbo", lambda x: flow.elbo(x, None, seeded()), EVENTS, model=flow),
    whole("posterior_sample of a flow", lambda y: inverse.posterior_sample(
        flow, camera, y, 2, noise=0.1, steps=3, generator=seeded()).image, SEEN),
    call("DenoiserDiffusion.denoise", lambda z, t: walker.denoise(z, t), 2 * PICTURES - 1,
         STEPS_OF_NOISE, model=walker),
    whole("posterior_sample of a denoiser", lambda y: inverse.posterior_sample(
        walker, camera, y, 2, noise=0.1, steps=3, generator=seeded()).image, SEEN),
    whole("posterior_sample", drawn, SEEN),
    whole("posterior_sample, dps", lambda y: drawn(y, method="dps"), SEEN),
    whole("mixture_posterior", lambda y: inverse.mixture_posterior(
        world.mixture, camera, y, noise=0.2), SEEN[0]),
    whole("langevin", walked, SEEN),
]  # fmt: skip

FITS = [
    whole("fit_patch_mixture", lambda x: inverse.fit_patch_mixture(
        x, components=2, n_iter=2, generator=seeded()), normal(60, 4)),
]  # fmt: skip

COUNTS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "fit_patch_mixture": (lambda components: inverse.fit_patch_mixture(
        normal(60, 4), components=components, n_iter=2, generator=seeded()), 2),
    "fit_patch_mixture, n_iter": (lambda n_iter: inverse.fit_patch_mixture(
        normal(60, 4), components=2, n_iter=n_iter, generator=seeded()), 2),
    "PatchPrior": (lambda stride: inverse.PatchPrior(mixture(), stride=stride).log_prob(
        PICTURES), 2),
    "PatchPrior, levels": (lambda levels: inverse.PatchPrior(mixture(), levels=levels).log_prob(
        PICTURES), 200),
    "PatchPrior, shape": (lambda shape: inverse.PatchPrior(mixture(), shape=shape).log_prob(
        PICTURES), (1, 1, 4)),
    "map_by_projection": (lambda steps: inverse.map_by_projection(
        camera, SEEN, patches, steps=steps).image, 2),
    "map_by_projection, all of a byte": (lambda steps: inverse.map_by_projection(
        camera, SEEN[:1], patches, steps=steps, lr=1e-3).image, 255),
    "epll": (lambda steps: inverse.epll(camera, SEEN, denoiser, steps=steps).image, 2),
    "posterior_sample": (lambda n: inverse.posterior_sample(
        world, camera, SEEN, n, noise=0.1, generator=seeded()).image, 2),
    "posterior_sample, steps": (lambda steps: drawn(SEEN, steps=steps), 3),
    "langevin": (lambda n: inverse.langevin(
        camera, SEEN, patches, n, noise=0.1, generator=seeded(), **STEPS).image, 2),
    "latent_inversion": (lambda starts: searched(SEEN, starts=starts), 2),
}  # fmt: skip

CHANCE: dict[str, Callable[..., nn.Module | torch.Tensor | tuple[torch.Tensor, ...]]] = {
    "fit_patch_mixture": partial(inverse.fit_patch_mixture, normal(60, 4), components=2, n_iter=1),
    "posterior_sample": partial(drawn, SEEN),
    "FlowDenoiser.bound": partial(flow.bound, EVENTS),
    "DenoiserDiffusion.bound": partial(walker.bound, 2 * PICTURES - 1),
    "langevin": partial(walked, SEEN),
    "latent_inversion": partial(searched, SEEN),
}
"""What draws by a generator."""
