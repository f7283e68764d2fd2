"""Are networks that are timed side by side equally good? Train both for as long, and judge both.

Both learn the same glyphs by the same loop: AdamW, whose rate falls along half a cosine to nothing
when the processor time is up, gradients of bounded norm, and a moving average of the weights, with
which samples are drawn. They are judged by the library's judge, which has seen neither: the share
of samples that it takes for the class that was asked for, and how far their features spread within
a class, as in lesson 11. The judge's pictures have half the height and width, so each sample is
averaged over 2 × 2 pixels, and so are the real glyphs that are judged beside them.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import avg_pool2d
from torch.optim.swa_utils import AveragedModel

from benchmarks.cases import num_parameters
from benchmarks.timing import digits
from gdmlib import data
from gdmlib.metrics import Judge

GLYPHS, SIZE = 10_000, 32
CLASSES = 10
BATCH = 32
WARM, CLIP = 50, 1.0  # steps in which the rate rises; the largest norm of a gradient
AVERAGE = 0.995
AT_ONCE = 50  # samples in one pass

Loss = Callable[[Any, Tensor, Tensor], Tensor]
Draw = Callable[[Any, Tensor], Tensor]


def train(
    model: nn.Module, loss: Loss, seconds: float, lr: float, glyphs: int = GLYPHS
) -> tuple[nn.Module, dict[str, Any]]:
    """Train for so much processor time.

    Args:
        model: Changed in place.
        loss: ``loss(model, x, labels) -> ()`` of pictures in [-1, 1].
        seconds: Of the processor.
        lr: The learning rate at its height.
        glyphs: How many there are to learn from.

    Returns:
        The model with averaged weights, and what training was.
    """
    known, generator = data.glyphs(glyphs, size=SIZE), Generator().manual_seed(0)
    torch.manual_seed(0)
    x, y = 2 * known.x - 1, known.y
    assert y is not None
    optimiser = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=0.0, fused=True)
    averaged = AveragedModel(model, multi_avg_fn=_towards)
    losses: list[float] = []
    start, used = time.process_time(), 0.0
    model.train()
    while used < seconds:
        for group in optimiser.param_groups:
            fall = 0.5 + 0.5 * math.cos(math.pi * used / seconds)
            group["lr"] = lr * fall * min(1.0, (len(losses) + 1) / WARM)
        which = torch.randint(len(x), (BATCH,), generator=generator)
        optimiser.zero_grad()
        value = loss(model, x[which], y[which])
        value.backward()
        nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimiser.step()
        averaged.update_parameters(model)
        losses.append(float(value.detach()))
        used = time.process_time() - start
    last = losses[-max(1, len(losses) // 10) :]
    about = {"steps": len(losses), "seconds": digits(used), "loss": digits(sum(last) / len(last))}
    return averaged.module.eval(), {**about, "batch": BATCH, "lr": lr}


def _towards(average: Any, now: Any, steps: Any) -> None:
    """Let an average take a share of the weights: the larger, the fewer steps there were."""
    share = max(1 - AVERAGE, 9 / (10 + int(steps)))
    torch._foreach_lerp_(average, now, share)


def judge(model: nn.Module, draw: Draw, each: int) -> dict[str, Any]:
    """Draw ``each`` samples of every class, in [0, 1], and judge them."""
    torch.manual_seed(1)
    labels = torch.arange(CLASSES).repeat(each)
    start = time.process_time()
    x = torch.cat([draw(model, part) for part in labels.split(AT_ONCE)])
    seconds = time.process_time() - start
    return {"samples": len(x), "sampling": digits(seconds), **verdict(x, labels)}


def real(each: int) -> dict[str, Any]:
    """Judge as many real glyphs of every class, none of which was trained on."""
    held_out = data.glyphs(3 * CLASSES * each, size=SIZE, split="test")
    assert held_out.y is not None
    which = torch.cat([(held_out.y == k).nonzero()[:each, 0] for k in range(CLASSES)])
    return {"samples": len(which), **verdict(held_out.x[which], held_out.y[which])}


def verdict(x: Tensor, labels: Tensor) -> dict[str, float]:
    """Return the share that shows its class, and the spread of features within a class.

    Args:
        x: Pictures of 32 × 32 in [0, 1].
        labels: What they should show.
    """
    judge = Judge.load("glyphs")
    features = judge.features(avg_pool2d(x, 2).clamp(0, 1))
    right = (judge.head(features).argmax(dim=1) == labels).float().mean()
    centre = torch.stack([features[labels == k].mean(dim=0) for k in range(CLASSES)])
    spread = (features - centre[labels]).square().sum(dim=1).mean().sqrt()
    return {"right": digits(float(right)), "spread": digits(float(spread))}


def trial(
    model: nn.Module, loss: Loss, draw: Draw, *, seconds: float, lr: float, each: int
) -> dict[str, Any]:
    """Train a model for so much processor time, and judge its samples."""
    count = num_parameters(model)
    averaged, about = train(model, loss, seconds, lr)
    return {"parameters": count, **about, **judge(averaged, draw, each)}
