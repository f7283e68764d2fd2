"""What answers to a single-pixel camera are worth, beside deepinv's: ``--quality`` of `inverse`.

Both sides have the same patterns and measurements. The peer's plug and play with BM3D takes
gradient steps of length 1, which are projections here, at levels of noise that fall by equal
factors; of five schedules that were tried, the best one is its own (`PEER_LEVELS`). The library
answers by message passing with the network of lesson 18, which has seen none of the picture.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from benchmarks import deepinv_peer
from gdmlib.inverse import (
    ConvDenoiser,
    Operator,
    SelfEnsemble,
    message_passing,
    single_pixel,
    total_variation,
)
from gdmlib.lesson import find_checkpoint
from gdmlib.metrics import psnr
from gdmlib.training import load_weights

SEEDS = (0, 1, 2, 3, 4)
STEPS = 16
#: First and last level of noise, and how many; tried besides: 50 to 1, 30 to 2 (40 steps), 75 to 2
#: (60 steps), 100 to 1 (80 steps), in levels of 255.
PEER_LEVELS = (50 / 255, 3 / 255, 40)

Solver = Callable[[Operator, Tensor], Tensor]


def network() -> ConvDenoiser:
    """Return the denoiser of lesson 18."""
    weights = find_checkpoint("18_denoiser")
    if weights is None:
        raise FileNotFoundError("checkpoints/18_denoiser.safetensors is not here")
    made = ConvDenoiser(features=(32, 48, 64))
    load_weights(made, weights)
    return made.eval().requires_grad_(False)


def solvers() -> dict[tuple[str, str], Solver]:
    """Return the methods of both sides, by side and name."""
    one = network()
    eight = SelfEnsemble(one)

    def passing(denoiser: ConvDenoiser | SelfEnsemble) -> Solver:
        def solve(operator: Operator, y: Tensor) -> Tensor:
            generator = torch.Generator().manual_seed(9)
            return message_passing(operator, y, denoiser, steps=STEPS, generator=generator).image

        return solve

    return {
        ("theirs", "total variation"): lambda a, y: deepinv_peer.total_variation(a, y)(),
        ("theirs", "BM3D, plug and play"): lambda a, y: deepinv_peer.bm3d(a, y, *PEER_LEVELS)(),
        ("ours", "total variation"): lambda a, y: total_variation(a, y, tolerance=1e-3).image,
        ("ours", "network, message passing"): passing(one),
        ("ours", "network, eight views"): passing(eight),
    }


def judge(x: Tensor, rate: float, seeds: Sequence[int] = SEEDS) -> dict[str, Any]:
    """Return what each method makes of a picture.

    Args:
        x: In [0, 1], shape (1, H, W).
        rate: Measurements, as a share of the pixels.
        seeds: Of the patterns.

    Returns:
        ``pixels``, ``rate``, ``seeds``, and ``rows``, one a method: its side, its name, its
        decibels over the whole picture and its processor seconds, one of each for each seed.
    """
    methods = solvers()
    decibels: dict[tuple[str, str], list[float]] = {key: [] for key in methods}
    seconds: dict[tuple[str, str], list[float]] = {key: [] for key in methods}
    for seed in seeds:
        generator = torch.Generator().manual_seed(seed)
        operator = single_pixel(tuple(x.shape), rate=rate, generator=generator)
        y = operator(x[None])
        for key, solve in methods.items():
            begun = time.process_time()
            found = solve(operator, y).clamp(0, 1)
            seconds[key].append(round(time.process_time() - begun, 3))
            decibels[key].append(round(float(psnr(found, x[None])), 3))
    rows = [
        {"side": key[0], "method": key[1], "decibels": decibels[key], "seconds": seconds[key]}
        for key in methods
    ]
    return {"pixels": x[0].numel(), "rate": rate, "seeds": list(seeds), "rows": rows}
