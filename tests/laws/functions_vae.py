"""Public functions of the variational autoencoders that take tensors, see ``functions.py``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from gdmlib import latent

from .builders import normal, randomise, seeded, uniform
from .calls import Call, call, whole


def vae(event_shape: Any = (1, 2, 2), **options: Any) -> latent.VAE:
    sizes = {"latent": 2, "hidden": (3,)} | options
    return latent.VAE(event_shape, **sizes, generator=seeded())


BITS = (uniform(3, 1, 2, 2) < 0.5).double()
EVENTS = normal(3, 3)
CODES = normal(3, 2)
binary = randomise(vae(), 0)
gaussian = randomise(vae(3, likelihood="gaussian"), 1)
weighted = randomise(vae(k=3), 0)
linear = randomise(latent.LinearVAE(3, latent=2, generator=seeded()), 2)
MODELS = {
    "VAE": (binary, BITS),
    "VAE, Gaussian": (gaussian, EVENTS),
    "VAE, k = 3": (weighted, BITS),
    "LinearVAE": (linear, EVENTS),
}


def numbers(model: Any, x: Tensor) -> Tensor:
    return torch.cat(model.encode(x), dim=1)


def of(name: str, model: Any, x: Tensor) -> list[Call]:
    smooth = x is EVENTS
    return [
        call(f"{name}.encode", lambda x: numbers(model, x), x, model=model, smooth=smooth),
        call(f"{name}.decode", model.decode, CODES, model=model, smooth=True),
        call(f"{name}.log_likelihood", model.log_likelihood, x, CODES, model=model),
        # Codes are drawn for the batch as a whole.
        whole(f"{name}.elbo", lambda x: model.elbo(x, 2, seeded()), x, model=model),
        whole(f"{name}.importance_bound", lambda x: model.importance_bound(x, 3, seeded()), x,
              model=model),
        whole(f"{name}.loss", lambda x: model.loss(x, seeded()), x, model=model),
        call(f"{name} on a grid", lambda x: latent.grid_log_prob(model, x, 5), x, model=model),
        whole(f"{name}, annealed", lambda x: latent.annealed_importance(
            model, x, steps=3, chains=2, leapfrogs=2, generator=seeded()), x, model=model),
        whole(f"{name}, best normal", lambda x: latent.best_gaussian(
            model, x, steps=2, samples=3, generator=seeded()), x, model=model),
        whole(f"{name}, gradients", lambda x: torch.cat(latent.gradient_estimates(
            model, x, 2, seeded())), x, model=model),
    ]  # fmt: skip


def linear_vae(**options: Any) -> latent.LinearVAE:
    return latent.LinearVAE(4, **options, generator=seeded())


FUNCTIONS = [
    *(line for name, (model, x) in MODELS.items() for line in of(name, model, x)),
    call("VAE.decode_logits", binary.decode_logits, CODES, model=binary, smooth=True),
    call("LinearVAE.log_prob", linear.log_prob, EVENTS, model=linear, smooth=True),
    call("kl_to_standard", latent.kl_to_standard, CODES, normal(3, 2, seed=1), smooth=True),
]

FITS = [whole("LinearVAE.fit", lambda x: latent.LinearVAE.fit(x, latent=2), normal(9, 4))]

COUNTS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "VAE": (lambda event_shape: vae(event_shape), (2, 2)),
    "VAE, latent": (lambda latent: vae(latent=latent), 2),
    "VAE, hidden": (lambda hidden: vae(hidden=hidden), (2, 3)),
    "VAE, k": (lambda k: vae(k=k), 2),
    "LinearVAE": (lambda event_shape: latent.LinearVAE(
        event_shape, latent=2, generator=seeded()), 4),
    "LinearVAE, latent": (lambda latent: linear_vae(latent=latent), 2),
    "elbo": (lambda samples: binary.elbo(BITS, samples, seeded()), 2),
    "importance_bound": (lambda k: binary.importance_bound(BITS, k, seeded()), 2),
    "grid_log_prob": (lambda points: latent.grid_log_prob(binary, BITS, points), 4),
    "annealed_importance": (lambda steps: latent.annealed_importance(
        binary, BITS, steps=steps, generator=seeded()), 2),
    "best_gaussian": (lambda steps: latent.best_gaussian(
        binary, BITS, steps=steps, samples=2, generator=seeded()), 2),
    "gradient_estimates": (lambda n: latent.gradient_estimates(binary, BITS, n, seeded()), 2),
}  # fmt: skip

CHANCE: dict[str, Callable[..., nn.Module | Tensor | tuple[Tensor, ...]]] = {
    "VAE": partial(latent.VAE, 3, latent=2, hidden=(3,)),
    "LinearVAE": partial(latent.LinearVAE, 3, latent=2),
    **{
        f"{name}.{way}": partial(getattr(model, way), *arguments)
        for name, (model, x) in MODELS.items()
        for way, arguments in {
            "elbo": (x, 2),
            "importance_bound": (x, 2),
            "loss": (x,),
            "sample": (30,),
        }.items()
    },
    "annealed_importance": partial(latent.annealed_importance, binary, BITS, steps=2, chains=2),
    "best_gaussian": partial(latent.best_gaussian, binary, BITS, steps=2, samples=2),
    "gradient_estimates": partial(latent.gradient_estimates, binary, BITS, 2),
}
"""What draws by a generator."""
