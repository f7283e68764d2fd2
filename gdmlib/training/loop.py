"""One training loop for every lesson: any step function, and a run that survives interruption.

`fit` walks through the data, calls a *step* on every batch and keeps what it returns. It knows
nothing of models or losses: a step may update one network, or a generator and a discriminator in
turn. What must outlive an interruption (models, optimizers, schedulers, generators) is named in
``state``.
"""

from __future__ import annotations

import copy
import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from gdmlib._checks import check_count
from gdmlib._files import check_writable, path_of
from gdmlib._random import permutation
from gdmlib.training.data import check_data
from gdmlib.training.history import History
from gdmlib.training.processes import average, check_replicas, is_main, share, shared_seed
from gdmlib.training.resume import export, load_run, restore, save_run, settings_of
from gdmlib.training.steps import Step


def fit(
    step: Step,
    data: Tensor | tuple[Tensor, ...],
    *,
    epochs: int,
    batch_size: int | None = None,
    generator: torch.Generator | None = None,
    state: Mapping[str, Any] | None = None,
    validate: Callable[[], Mapping[str, float] | float] | None = None,
    validate_every: int = 1,
    monitor: str = "loss",
    patience: int | None = None,
    keep_best: bool = False,
    checkpoint: str | Path | None = None,
    checkpoint_every: int = 1,
    resume: bool = False,
    progress: bool = True,
    about: Mapping[str, Any] | None = None,
    on_epoch: Callable[[int, History], None] | None = None,
) -> History:
    """Call ``step`` on every batch of every epoch.

    An epoch is: all batches, then ``validate``, then ``on_epoch``, then the checkpoint. A run that
    is interrupted and resumed gives the very same parameters and history, bit for bit, as one that
    is not, if all its randomness comes from torch (Python's and NumPy's generators are not kept).

    Args:
        step: ``step(batch)`` updates what it likes and returns a dict of scalars, ``{"loss":
            ...}``.
        data: A tensor, or a tuple of tensors that share their first dimension, the examples. A
            batch is then a tensor, or a tuple of tensors.
        epochs: How many epochs in all, those of the run that is resumed included.
        batch_size: Examples in a batch, shuffled anew each epoch; the last batch may be smaller.
            None gives all the data at once, in their order.
        generator: Shuffles the data; None makes one, seeded from torch's global generator.
        state: Name -> object with ``state_dict`` and ``load_state_dict`` (or a
            ``torch.Generator``): all that the run changes. May be left out when the step was made
            by `gradient_step`.
        validate: Returns a dict of scalars, or one scalar, which is called ``"loss"``. Meanwhile
            all modules in ``state`` are in evaluation mode and no gradients are recorded.
        validate_every: Validate after every so many epochs.
        monitor: The metric, *lower is better*, for ``patience`` and ``keep_best``: of the
            validation if there is one, else of the training.
        patience: Stop after so many values of ``monitor`` in a row that do not improve on the best.
        keep_best: At the end, bring ``state`` back to the epoch with the best ``monitor``.
        checkpoint: File that keeps the run, written anew after every ``checkpoint_every`` epochs
            and at the end. A new one takes the old one's place only when it is complete.
        resume: Continue from ``checkpoint`` if that file exists.
        about: What else a resumed run must not change, such as the checksum of the data: name ->
            number or text, kept in the checkpoint and compared.
        progress: Show a bar while the run lasts. ``GDMLIB_PROGRESS=0`` in the environment silences
            all bars.
        on_epoch: Called with the epoch (from 1) and the history: to step a scheduler or to draw a
            picture.

    Raises:
        FloatingPointError: If a metric or a parameter became NaN or infinite. The checkpoint is the
            last good one.
    """
    examples, shapes = check_data(data)
    # Data may carry a graph, such as the codes of an encoder: it ends here.
    data = tuple(x.detach() for x in data) if isinstance(data, tuple) else data.detach()
    epochs = check_count(epochs, "epochs")
    validate_every = check_count(validate_every, "validate_every")
    check_count(checkpoint_every, "checkpoint_every")
    batch_size = None if batch_size is None else check_count(batch_size, "batch_size")
    patience = None if patience is None else check_count(patience, "patience")
    objects = dict(getattr(step, "state", {}) if state is None else state)
    if (keep_best or checkpoint is not None) and not objects:
        raise ValueError("state: name what the run changes, e.g. state={'model': model, ...}")
    if resume and checkpoint is None:
        raise ValueError("resume=True needs the file to resume from: checkpoint=...")
    if generator is None:
        generator = torch.Generator().manual_seed(shared_seed(int(torch.randint(2**62, ()))))

    settings = {
        "number of examples": examples,
        "shape of an example": shapes,
        "batch_size": batch_size,
        "state": sorted(objects),
        "monitor": monitor,
        "keep_best": keep_best,
        "validate_every": None if validate is None else validate_every,
        **settings_of(objects, step),
        **(about or {}),
    }
    history, best = History(), None
    path = None if checkpoint is None else path_of(checkpoint)
    if resume and path is not None and path.exists():
        history, best = load_run(path, settings, objects, generator)
    if path is not None and is_main():
        check_writable(path)  # now, and not when hours of training are to be kept

    watched = history.metrics if validate is None else history.valid
    limit = patience or math.inf
    saved = len(history)
    steps = 1 if batch_size is None else math.ceil(examples / batch_size)
    models = [thing for thing in objects.values() if isinstance(thing, nn.Module)]
    check_replicas(models, "at the start")
    with _bar(progress, total=epochs * steps, initial=saved * steps) as bar:
        while len(history) < epochs and _stale(watched, monitor) < limit:
            started = time.perf_counter()
            epoch = len(history) + 1
            means = _train(step, data, batch_size, generator, epoch, bar)
            if getattr(step, "sometimes", False):  # a player may have waited all the epoch
                means = {**dict.fromkeys(history.metrics, math.nan), **means}
            _append(history.metrics, means, f"step, epoch {epoch}")
            history.epoch.append(epoch)
            _check_parameters(objects, epoch)
            check_replicas(models, f"epoch {epoch}")
            if validate is not None and epoch % validate_every == 0:
                found = _validate(validate, objects, epoch)
                _append(history.valid, found, f"validate, epoch {epoch}")
                history.valid_epoch.append(epoch)
            if _is_best(history, watched, monitor, needed=keep_best or patience is not None):
                best = copy.deepcopy(export(objects)) if keep_best else None
            history.seconds += time.perf_counter() - started
            if on_epoch is not None:
                on_epoch(epoch, history)
            if path is not None and epoch % checkpoint_every == 0:
                save_run(path, settings, objects, generator, history, best)
                saved = epoch
    history.stopped = _stale(watched, monitor) >= limit
    if path is not None and saved < len(history):
        save_run(path, settings, objects, generator, history, best)
    if keep_best and best is not None:
        restore(objects, best)
    return history


# --------------------------------------------------------------------------- the pieces of an epoch


def _train(
    step: Step,
    data: Tensor | tuple[Tensor, ...],
    batch_size: int | None,
    generator: torch.Generator,
    epoch: int,
    bar: tqdm,
) -> dict[str, float]:
    """Run one epoch; return the mean of every metric over the examples."""
    tensors = data if isinstance(data, tuple) else (data,)
    examples = len(tensors[0])
    batches: tuple[Tensor | None, ...] = (None,)
    if batch_size is not None:
        batches = permutation(examples, generator).split(batch_size)
    sums: dict[str, float] = {}
    seen: dict[str, int] = {}
    for number, index in enumerate(batches, start=1):
        size = examples if index is None else len(index)
        index = share(index, examples)
        parts = tensors if index is None else tuple(x[index.to(x.device)] for x in tensors)
        metrics = step(parts if isinstance(data, tuple) else parts[0])
        if not isinstance(metrics, Mapping):
            raise TypeError(
                f'step: expected a dict of scalars, {{"loss": ...}}, got {type(metrics).__name__}'
            )
        for name, metric in metrics.items():
            value = _scalar(metric, name, f"epoch {epoch}, step {number}", finite=True)
            sums[name] = sums.get(name, 0.0) + value * size
            seen[name] = seen.get(name, 0) + size
        bar.update()
    means = average({name: sums[name] / seen[name] for name in sums}, 1)
    means = {name: float(mean) for name, mean in means.items()}
    bar.set_postfix({"epoch": epoch, **{k: f"{v:.4g}" for k, v in means.items()}}, refresh=False)
    return means


def _scalar(value: Tensor | float, name: str, where: str, finite: bool = False) -> float:
    if isinstance(value, Tensor) and value.numel() != 1:
        raise ValueError(f"{name}: expected one number, got shape {tuple(value.shape)} ({where})")
    number = float(value.detach() if isinstance(value, Tensor) else value)
    if math.isnan(number) or (finite and math.isinf(number)):
        raise FloatingPointError(_not_finite(name, number, where))
    return number


def _not_finite(name: str, value: float, where: str) -> str:
    return (
        f"{where}: {name} is {value}; the last checkpoint, if there is one, is still good. "
        "Try a smaller learning rate, gradient_step(..., clip=1.0), or look at this batch."
    )


def _validate(
    validate: Callable[[], Mapping[str, float] | float], objects: Mapping[str, Any], epoch: int
) -> dict[str, float]:
    with evaluating(*[thing for thing in objects.values() if isinstance(thing, nn.Module)]):
        found = validate()
    metrics = average(found if isinstance(found, Mapping) else {"loss": found}, 1)
    return {k: _scalar(v, k, f"validation after epoch {epoch}") for k, v in metrics.items()}


@contextmanager
def evaluating(*models: nn.Module) -> Iterator[None]:
    """Put models into evaluation mode for a while, and record no gradients."""
    modes = [(part, part.training) for model in models for part in model.modules()]
    for model in models:
        model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for part, mode in modes:
            part.training = mode


def _append(lists: dict[str, list[float]], values: dict[str, float], who: str) -> None:
    if lists and set(lists) != set(values):
        raise ValueError(
            f"{who}: expected the metrics {sorted(lists)}, as before, got {sorted(values)}"
        )
    for name, value in values.items():
        lists.setdefault(name, []).append(value)


def _check_parameters(objects: Mapping[str, Any], epoch: int) -> None:
    """A loss can be finite and its gradient not: look before such weights are kept."""
    for key, thing in objects.items():
        for name, parameter in thing.named_parameters() if isinstance(thing, nn.Module) else ():
            if not torch.isfinite(parameter).all():
                raise FloatingPointError(_not_finite(f"{key}.{name}", math.nan, f"epoch {epoch}"))


def _is_best(
    history: History, watched: Mapping[str, list[float]], monitor: str, needed: bool
) -> bool:
    """Set ``history.best_epoch``; return whether it changed."""
    before, values = history.best_epoch, watched.get(monitor)
    epochs = history.valid_epoch if watched is history.valid else history.epoch
    if values:
        history.best_epoch = epochs[values.index(min(values))]
    elif epochs and needed:
        raise ValueError(f"monitor: there is no metric {monitor!r}, only {sorted(watched)}")
    return history.best_epoch != before


def _stale(watched: Mapping[str, list[float]], monitor: str) -> int:
    """Count the monitored values since the best one."""
    values = watched.get(monitor)
    return len(values) - 1 - values.index(min(values)) if values else 0


def _bar(progress: bool, *, total: int, initial: int) -> tqdm:
    """Make a text bar that is wiped at the end; a log file or a pipe gets none."""
    seen = sys.stdout.isatty() or "ipykernel" in sys.modules
    show = progress and seen and is_main() and os.environ.get("GDMLIB_PROGRESS", "1") != "0"
    return tqdm(
        total=total, initial=initial, disable=not show, leave=False, file=sys.stdout, unit="step"
    )
