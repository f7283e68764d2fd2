"""Priors of pictures that wrap the densities of the library, each small enough to differentiate."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gdmlib.autoregressive import GatedPixelCNN
from gdmlib.densities import GaussianMixture
from gdmlib.inverse import BoundPrior, CausalPrior, PatchPrior, PixelPrior
from gdmlib.latent import VAE

from .builders import normal, randomise, seeded, softmax, uniform
from .registry import BY_NAME
from .registry_images import mcgsm_image, multiscale, ride

PICTURES = 0.05 + 0.9 * uniform(2, 1, 4, 5)


def patch_mixture(components: int = 3, d: int = 4) -> GaussianMixture:
    a = normal(components, d, d) / d**0.5
    covariances = a @ a.mT + 0.1 * torch.eye(d).double()
    return GaussianMixture(softmax(components), 0.3 * normal(components, d, seed=1), covariances)


def pixelcnn(**options: Any) -> GatedPixelCNN:
    sizes = {"levels": 5, "features": 2, "layers": 1, "kernel_size": 3, "first_kernel": 3}
    model = GatedPixelCNN((1, 3, 3), **sizes | options, generator=seeded())
    return randomise(model, 0, 0.3).eval()


def vae() -> VAE:
    model = VAE((1, 3, 3), latent=2, hidden=(4,), likelihood="gaussian", generator=seeded())
    return randomise(model, 0, 0.3)


PRIORS: dict[str, tuple[Any, Tensor]] = {
    "PatchPrior of a mixture": (PatchPrior(patch_mixture()), PICTURES),
    "PatchPrior, stride 2, levels": (
        PatchPrior(patch_mixture(), stride=2, levels=256),
        PICTURES,
    ),
    "PatchPrior of a multiscale MCGSM": (PatchPrior(multiscale((1, 2, 2))), PICTURES),
    "PatchPrior of a flow, in colour": (
        PatchPrior(BY_NAME["RealNVP"].model, shape=(2, 1, 1)),
        uniform(2, 2, 3, 3),
    ),
    "CausalPrior of an MCGSM": (CausalPrior(mcgsm_image()), PICTURES),
    "CausalPrior of an MCGSM in blocks": (CausalPrior(mcgsm_image(), block=2), PICTURES),
    "CausalPrior of a RIDE, four ways, in colour": (
        CausalPrior(ride(), orientations=4, levels=None),
        uniform(2, 2, 3, 4),
    ),
    "CausalPrior of a stable RIDE in blocks": (CausalPrior(ride(cell="stable"), block=2), PICTURES),
    "PixelPrior of a softmax": (PixelPrior(pixelcnn()), 0.05 + 0.9 * uniform(2, 1, 3, 3)),
    "PixelPrior of logistic densities": (
        PixelPrior(pixelcnn(components=2)),
        0.2 + 0.6 * uniform(2, 1, 3, 3),
    ),
    "PixelPrior of any size": (PixelPrior(pixelcnn(components=2), any_size=True), PICTURES),
    "PatchPrior of a PixelPrior": (PatchPrior(PixelPrior(pixelcnn())), PICTURES),
    "BoundPrior of a VAE": (BoundPrior(vae()), uniform(2, 1, 3, 3)),
    "BoundPrior of a VAE, five codes": (BoundPrior(vae(), k=5), uniform(2, 1, 3, 3)),
}
