"""The peer of the diffusion: denoising-diffusion-pytorch.

It is imported, unchanged, from wherever Python finds it
(https://github.com/lucidrains/denoising-diffusion-pytorch); none of it is kept here. Its module of
networks that are told a class needs torch, einops and tqdm; the `__init__` of its package is not
run, because it imports trainers, and for those torchvision, accelerate and more.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from contextlib import redirect_stderr
from importlib import import_module
from importlib.util import find_spec, module_from_spec
from typing import Any

import torch
from torch import Tensor

NAME = "denoising-diffusion-pytorch"
PACKAGE = "denoising_diffusion_pytorch"
MODULE = f"{PACKAGE}.classifier_free_guidance"
#: Features at the finest size, and by how much they grow: 2.6 million weights.
FEATURES, GROW = 16, (1, 2, 4, 8)


def diffusion(size: int, *, steps: int, classes: int, drop: float) -> Any:
    """Return the peer's diffusion with its U-Net, for pictures of one colour.

    Args:
        size: Height and width.
        steps: Of its sampler, DDIM without new noise, out of 1000.
        classes: How many there are.
        drop: Share of the labels that its training leaves out.
    """
    spec = find_spec(PACKAGE)
    if spec is None:
        raise ModuleNotFoundError(f"No module named {PACKAGE!r}")
    if PACKAGE not in sys.modules:  # a package that is there, but was not run
        sys.modules[PACKAGE] = module_from_spec(spec)
    peer = import_module(MODULE)
    network = peer.Unet(
        FEATURES, num_classes=classes, cond_drop_prob=drop, dim_mults=GROW, channels=1
    )
    network.forward_with_cond_scale = both_answers(network.forward_with_cond_scale)
    return peer.GaussianDiffusion(
        network,
        image_size=size,
        timesteps=1000,
        sampling_timesteps=steps,
        objective="pred_v",
        beta_schedule="cosine",
        ddim_sampling_eta=0.0,
    )


def both_answers(ask: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``ask`` such that it always answers twice, as the peer's sampler expects.

    Without guidance its network gives a single answer, which its sampler (2.3.4) fails to take
    apart; the second one is not used there.
    """

    def asked(*args: Any, **options: Any) -> Any:
        said = ask(*args, **options)
        return said if isinstance(said, tuple) else (said, said)

    return asked


@torch.no_grad()
def sample(model: Any, labels: Tensor) -> Tensor:
    """Draw a picture, from 0 to 1, for each label, without guidance and without a progress bar."""
    with redirect_stderr(io.StringIO()):
        pictures: Tensor = model.sample(labels, cond_scale=1.0)
    return pictures
