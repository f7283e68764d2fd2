"""Thresholds for the data that this course's key makes.

How hard the data are depends on the key: bounds that are fixed numbers may lie below what the truth
itself has, or above what a first entry gets. So they are set between the two.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from gdmlib.metrics import Judge, frechet_distance

from . import laws
from .settings import Task

# Shares of the way from the best possible score to that of one Gaussian, and their points.
_SHARES = ((0.14, 4.0), (0.3, 3.0), (0.6, 2.0), (0.95, 1.0))
_SHARES_OF_PICTURES = ((0.18, 4.0), (0.3, 3.0), (0.48, 2.0), (0.94, 1.0))


def fitting(task: Task, x: Tensor, key: bytes) -> Task:
    """Return a task with thresholds for its data.

    Args:
        task: The task.
        x: What entries learn from.
        key: The course's key.
    """
    if task.kind == "density":
        best, simple, shares = *_nats(x, key), _SHARES
    else:
        best, simple, shares = 0.0, _distance(x, task.samples, key), _SHARES_OF_PICTURES
    bounds = tuple((round(best + share * (simple - best), 2), n) for share, n in shares)
    return replace(task, points=dict.fromkeys(task.tracks, bounds))


def _nats(x: Tensor, key: bytes) -> tuple[float, float]:
    """Return what the truth pays for a point, and what a fitted Gaussian does."""
    log_det = float(torch.logdet(2 * math.pi * math.e * torch.cov(x.double().T)))
    return -float(laws.Plane(key).log_prob(x).mean()), 0.5 * log_det


def _distance(x: Tensor, samples: int, key: bytes) -> float:
    """Return the Fréchet distance between digits and draws of a Gaussian in all pixels."""
    flat = x.flatten(1)
    values, vectors = torch.linalg.eigh(torch.cov(flat.T))
    noise = torch.randn(samples, flat.shape[1], generator=laws.generator(key, "pictures/scale"))
    drawn = flat.mean(0) + noise * values.clamp(min=0).sqrt() @ vectors.T
    judge = Judge.load("glyphs")
    with torch.no_grad():
        sets = (judge.features(drawn.clamp(0, 1).view(-1, *x.shape[1:])), judge.features(x))
    return float(frechet_distance(*sets))
