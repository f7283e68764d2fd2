"""The one recipe: gradient steps on what a model says an example costs.

A model says it by ``log_prob``, or by methods of its own:

- ``score(*batch) -> (B,)``, what each example costs, lower is better: ``-log_prob`` if it has none;
- ``loss(*batch) -> ()``, what a step descends on, where that is not the mean score.

A lesson calls `train` with a few epochs and a small network, a full-size run with many and a large
one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Generator, Tensor, nn

from gdmlib._checks import check_count
from gdmlib.training.data import check_data, check_examples
from gdmlib.training.history import History
from gdmlib.training.loop import evaluating, fit
from gdmlib.training.steps import Averaged, Batch, Step, cosine, gradient_step

Data = Tensor | tuple[Tensor, ...]


def train(
    model: nn.Module,
    x: Data,
    valid: Data | list[Tensor] | None = None,
    *,
    epochs: int,
    batch_size: int = 100,
    lr: float = 1e-3,
    final_lr: float = 0.0,
    betas: tuple[float, float] = (0.9, 0.999),
    weight_decay: float = 0.0,
    clip: float | None = None,
    patience: int | None = None,
    average: float | None = None,
    mixed_precision: bool = False,
    loss: Callable[..., Tensor] | None = None,
    score: Callable[..., Tensor] | None = None,
    prepare: Callable[[Any], Any] | None = None,
    generator: Generator | None = None,
    **options: Any,
) -> History:
    """Train by AdamW, whose learning rate falls along half a cosine, step by step.

    Args:
        model: Changed in place; at the end it is in evaluation mode.
        x: Examples, shape (N, ...), or a tuple of tensors that share N, such as images and labels.
        valid: Held-out examples: the model ends with the epoch that is best for them. A list of
            examples, each without the batch dimension, may differ in size: whole images, where
            crops train.
        epochs: How many times to go through the data.
        batch_size: Examples in a step.
        lr, final_lr: The learning rate of the first step, and after the last one.
        betas: Of AdamW, how slowly its two averages of the gradient forget.
        weight_decay: Of AdamW: a step takes lr · weight_decay of every parameter away.
        clip: Largest norm of the gradient.
        patience: Stop after so many epochs in a row that were not best for ``valid``.
        average: Judge, and end with, a moving average of the weights that keeps this share of
            itself at each step, 0.999 for instance.
        mixed_precision: As for `gradient_step`.
        loss, score: ``loss(model, *batch) -> ()`` and ``score(model, *batch) -> (B,)`` instead of
            the model's own.
        prepare: Makes of each batch of ``x`` what the model sees: adds noise, flips, cuts crops. If
            it draws from ``generator``, a resumed run ends like one that was not interrupted.
        generator: Shuffles the data.
        options: Passed on to `gdmlib.training.fit`: checkpoint, resume, progress, on_epoch, ...

    Returns:
        The mean losses, ``metrics["loss"]``, and the mean scores of ``valid``, ``valid["loss"]``.
    """
    examples, _ = check_data(x, "x")
    if valid is not None:
        check_examples(valid, "valid")
    parameters = list(model.parameters())
    if not any(p.requires_grad for p in parameters):
        raise ValueError(
            f"model: nothing to train, for none of the {len(parameters)} parameters of this "
            f"{type(model).__name__} asks for a gradient"
        )
    fused = parameters[0].device.type in ("cpu", "cuda")
    optimizer = torch.optim.AdamW(
        parameters, lr=lr, betas=betas, weight_decay=weight_decay, fused=fused
    )
    objective = loss or getattr(type(model), "loss", None)

    def descend(batch: Batch) -> Tensor:
        seen = _parts(batch if prepare is None else prepare(batch))
        return _cost(model, seen, score).mean() if objective is None else objective(model, *seen)

    step: Step = gradient_step(
        model,
        optimizer,
        descend,
        clip=clip,
        schedule=cosine(optimizer, epochs, examples, batch_size, final_lr),
        mixed_precision=mixed_precision,
    )
    judged = model
    if average is not None:
        step = averaged = Averaged(step, model, average)
        judged = averaged.model
    options.setdefault("keep_best", valid is not None)

    def validate() -> float:
        assert valid is not None
        return float(scores(judged, valid, score=score).mean())

    history = fit(
        step,
        x,
        epochs=epochs,
        batch_size=batch_size,
        generator=generator,
        validate=None if valid is None else validate,
        patience=patience,
        **options,
    )
    if judged is not model:
        model.load_state_dict(judged.state_dict())
    model.eval()
    return history


def scores(
    model: nn.Module,
    x: Data | list[Tensor],
    batch_size: int = 250,
    score: Callable[..., Tensor] | None = None,
) -> Tensor:
    """Return what each example costs, in evaluation mode, batch by batch.

    Args:
        model: Says it by ``score``, or else by ``-log_prob``.
        x: As for ``valid`` of `train`; the examples of a list are judged one by one.
        batch_size: Examples in one pass.
        score: ``score(model, *batch) -> (B,)`` instead of the model's own.

    Returns:
        Shape (N,), float64, on the CPU.
    """
    batch_size = check_count(batch_size, "batch_size")
    check_examples(x, "x")
    if isinstance(x, list):
        batches: list[tuple[Tensor, ...]] = [(example[None],) for example in x]
    else:
        batches = list(zip(*[part.split(batch_size) for part in _parts(x)], strict=True))
    with evaluating(model):
        return torch.cat([_cost(model, batch, score).cpu().double() for batch in batches])


def _parts(batch: Batch) -> tuple[Tensor, ...]:
    return batch if isinstance(batch, tuple) else (batch,)


def _cost(
    model: nn.Module, batch: tuple[Tensor, ...], score: Callable[..., Tensor] | None
) -> Tensor:
    """Return what each example of a batch costs, (B,)."""
    own = getattr(model, "score", None)
    if score is not None:
        found = score(model, *batch)
    else:
        found = own(*batch) if own is not None else -model.log_prob(*batch)  # type: ignore[operator]
    if found.ndim != 1:
        raise ValueError(
            f"score: expected one number an example, shape (B,), got {tuple(found.shape)}"
        )
    return found
