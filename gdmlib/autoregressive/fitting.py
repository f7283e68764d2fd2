"""Maximum likelihood by gradient steps: one recipe for all models that have a ``log_prob``.

A lesson calls it with a few epochs and a small network, a full-size run with many and a large one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Generator, Tensor, nn

from gdmlib._checks import check_count
from gdmlib.training import History, cosine, fit, gradient_step


def mean_nll(model: nn.Module, x: Tensor, batch_size: int = 1000) -> float:
    """Return the mean negative log-likelihood of x in nats, computed batch by batch."""
    total = 0.0
    with torch.no_grad():
        for part in x.split(check_count(batch_size, "batch_size")):
            total -= float(model.log_prob(part).sum(dtype=torch.float64))  # type: ignore[operator]
    return total / len(x)


def fit_likelihood(
    model: nn.Module,
    train: Tensor,
    valid: Tensor | None = None,
    *,
    epochs: int,
    batch_size: int = 100,
    lr: float = 1e-3,
    final_lr: float | None = None,
    weight_decay: float = 0.0,
    patience: int | None = None,
    mixed_precision: bool = False,
    generator: Generator | None = None,
    **options: Any,
) -> History:
    """Maximise the likelihood with Adam; with validation data, end with the model best for them.

    A model that has a method ``loss(x)``, as MADE does to take its masks in turn, is trained by it;
    any other by the mean of ``-log_prob(x)``.

    Args:
        model: The model, changed in place.
        train, valid: Events, shapes (N, *event_shape) and (M, *event_shape).
        epochs: How many times to go through the data.
        batch_size: Events in a step.
        lr, final_lr: The learning rate at the beginning and at the end; between them it falls along
            half a cosine, step by step. Without ``final_lr`` it stays.
        weight_decay: Of AdamW: each step takes lr · weight_decay of every parameter away.
        patience: Stop after so many epochs in a row that were not best for the validation data.
        mixed_precision: As for :func:`gdmlib.training.gradient_step`.
        generator: Shuffles the data.
        options: Passed on to :func:`gdmlib.training.fit`: checkpoint, resume, progress, on_epoch,
            ...

    Returns:
        Mean losses in nats, ``metrics["loss"]`` for the training data, ``valid["loss"]`` for the
        validation data.
    """
    fused = next(model.parameters()).device.type in ("cpu", "cuda")
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=weight_decay, fused=fused)
    loss: Callable[[Tensor], Tensor] = getattr(model, "loss", lambda x: -model.log_prob(x).mean())  # type: ignore[operator]
    schedule = None
    if final_lr is not None:
        schedule = cosine(optimizer, epochs, len(train), batch_size, final_lr)
    return fit(
        gradient_step(model, optimizer, loss, schedule=schedule, mixed_precision=mixed_precision),
        train,
        epochs=epochs,
        batch_size=batch_size,
        generator=generator,
        validate=None if valid is None else lambda: mean_nll(model, valid),
        patience=patience,
        keep_best=valid is not None,
        **options,
    )
