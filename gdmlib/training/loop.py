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
import pickle
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler
from tqdm import tqdm

from gdmlib._checks import check_tensor
from gdmlib.training.files import (
    CheckpointError,
    load_plain,
    write_atomically,
)
from gdmlib.training.processes import (
    average,
    average_gradients,
    check_replicas,
    is_main,
    share,
    shared_seed,
    weight_of,
)

Batch = Any  # a Tensor, or a tuple of them: what `data` was
Metrics = Mapping[str, Tensor | float]
Step = Callable[[Batch], Metrics]


@dataclass
class History:
    """What happened, epoch by epoch. ``history["loss"]`` is short for ``history.metrics["loss"]``.

    Attributes:
        epoch: The epochs done: 1, 2, ...; ``len(history)`` is their number.
        metrics: For every metric of the step its mean over the examples of each epoch.
        valid_epoch, valid: The epochs after which ``validate`` was called, and what it returned.
        best_epoch: The epoch (from 1) with the lowest monitored value; None before the first.
        seconds: Time spent, resumed runs included.
        stopped: Whether the run ended because its patience was exhausted.
    """

    epoch: list[int] = field(default_factory=list)
    metrics: dict[str, list[float]] = field(default_factory=dict)
    valid_epoch: list[int] = field(default_factory=list)
    valid: dict[str, list[float]] = field(default_factory=dict)
    best_epoch: int | None = None
    seconds: float = 0.0
    stopped: bool = False

    def __len__(self) -> int:
        return len(self.epoch)

    def __getitem__(self, name: str) -> list[float]:
        if name not in self.metrics:
            raise KeyError(f"no training metric {name!r}; there are {sorted(self.metrics)}")
        return self.metrics[name]


class _GradientStep:
    """One descent step on one loss. See `gradient_step`."""

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        loss: Callable[[Batch], Tensor | Mapping[str, Tensor]],
        clip: float | None,
        schedule: LRScheduler | None,
        mixed_precision: bool,
    ) -> None:
        self.model, self.optimizer, self.loss, self.clip = model, optimizer, loss, clip
        self.schedule, self.mixed_precision = schedule, mixed_precision
        self.state: dict[str, Any] = {"model": model, "optimizer": optimizer}
        if schedule is not None:
            self.state["schedule"] = schedule

    def __call__(self, batch: Batch) -> dict[str, Tensor]:
        if not self.model.training:
            self.model.train()
        self.optimizer.zero_grad(set_to_none=True)
        with self._precision():
            value = self.loss(batch)
        mine = dict(value) if isinstance(value, Mapping) else {"loss": value}
        if "loss" not in mine:
            raise ValueError(f'loss: the dict must hold the key "loss", got {sorted(mine)}')
        examples = weight_of(batch)
        metrics = average(mine, examples)  # over the processes, if there are several
        if torch.isfinite(metrics["loss"]).all():  # else leave the model as it is: `fit` complains
            mine["loss"].backward()
            average_gradients(self.model.parameters(), examples)
            if self.clip is not None:
                nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)
            self.optimizer.step()
            if self.schedule is not None:
                self.schedule.step()
        return {name: torch.as_tensor(metric).detach() for name, metric in metrics.items()}

    def _precision(self) -> torch.autocast:
        device = next((p.device.type for p in self.model.parameters()), "cpu")
        return torch.autocast(device, torch.bfloat16, enabled=self.mixed_precision)


def gradient_step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    loss: Callable[[Batch], Tensor | Mapping[str, Tensor]],
    *,
    clip: float | None = None,
    schedule: LRScheduler | None = None,
    mixed_precision: bool = False,
) -> Step:
    """Make the usual step: the gradient of one loss, one update of one optimizer.

    Args:
        model: The model to train; it is put into training mode when it is not.
        optimizer: The optimizer of its parameters.
        loss: ``loss(batch)`` returns a scalar, the mean over the examples of the batch, or a dict
            of scalars that holds ``"loss"``: the others are only recorded.
        clip: Largest norm of the gradient; None leaves it alone.
        schedule: Sets the learning rate anew after each step.
        mixed_precision: Whether products and convolutions of the loss are computed in bfloat16
            (`torch.autocast`): faster where the processor can, and each product has but three
            digits. Parameters, gradients and updates keep their precision.

    Returns:
        For `fit`. Its attribute ``state`` names the model, the optimizer and the schedule, so that
        `fit` need not be told.
    """
    if clip is not None and not clip > 0:
        raise ValueError(f"clip: expected a positive norm or None, got {clip}")
    return _GradientStep(model, optimizer, loss, clip, schedule, mixed_precision)


def cosine(
    optimizer: torch.optim.Optimizer,
    epochs: int,
    examples: int,
    batch_size: int,
    final_lr: float = 0.0,
) -> CosineAnnealingLR:
    """Return a schedule by which the learning rate falls along half a cosine, step by step.

    Args:
        optimizer: Its learning rate is that of the first step.
        epochs, examples, batch_size: They say how many steps there will be.
        final_lr: The learning rate after the last step.

    Raises:
        ValueError: If a number is not positive, or ``final_lr`` is negative.
    """
    for name, n in (("epochs", epochs), ("examples", examples), ("batch_size", batch_size)):
        if n < 1:
            raise ValueError(f"{name}: expected at least 1, got {n}")
    if not 0.0 <= final_lr < math.inf:
        raise ValueError(f"final_lr: expected a finite number of at least 0, got {final_lr}")
    steps = epochs * math.ceil(examples / batch_size)
    return CosineAnnealingLR(optimizer, T_max=steps, eta_min=final_lr)


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
        progress: Show a bar while the run lasts. ``GDMLIB_PROGRESS=0`` in the environment silences
            all bars.
        on_epoch: Called with the epoch (from 1) and the history: to step a scheduler or to draw a
            picture.

    Raises:
        FloatingPointError: If a metric or a parameter became NaN or infinite. The checkpoint is the
            last good one.
        CheckpointError: If the checkpoint is broken or belongs to another run.
    """
    examples, shapes = _check_data(data)
    _check_counts(epochs=epochs, validate_every=validate_every, checkpoint_every=checkpoint_every)
    _check_counts(batch_size=batch_size, patience=patience)
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
        **_hyperparameters(objects),
    }
    history, best = History(), None
    path = None if checkpoint is None else Path(checkpoint)
    if resume and path is not None and path.exists():
        history, best = _resume(path, settings, objects, generator)

    watched = validate is not None
    needed = keep_best or patience is not None
    saved = len(history)
    steps = 1 if batch_size is None else math.ceil(examples / batch_size)
    models = [thing for thing in objects.values() if isinstance(thing, nn.Module)]
    check_replicas(models, "at the start")
    with _bar(progress, total=epochs * steps, initial=saved * steps) as bar:
        while len(history) < epochs and _stale(history, watched, monitor) < (patience or math.inf):
            started = time.perf_counter()
            epoch = len(history) + 1
            means = _train(step, data, batch_size, generator, epoch, bar)
            _append(history.metrics, means, f"step, epoch {epoch}")
            history.epoch.append(epoch)
            _check_parameters(objects, epoch)
            check_replicas(models, f"epoch {epoch}")
            if validate is not None and epoch % validate_every == 0:
                _append(
                    history.valid, _validate(validate, objects, epoch), f"validate, epoch {epoch}"
                )
                history.valid_epoch.append(epoch)
            if _note_best(history, watched, monitor, needed) and keep_best:
                best = copy.deepcopy(_export(objects))
            history.seconds += time.perf_counter() - started
            if on_epoch is not None:
                on_epoch(epoch, history)
            if path is not None and epoch % checkpoint_every == 0:
                _save(path, settings, objects, generator, history, best)
                saved = epoch
    history.stopped = _stale(history, watched, monitor) >= (patience or math.inf)
    if path is not None and saved < len(history):
        _save(path, settings, objects, generator, history, best)
    if keep_best and best is not None:
        _restore(objects, best)
    return history


# --------------------------------------------------------------------------- the pieces of an epoch


def _check_data(data: Tensor | tuple[Tensor, ...]) -> tuple[int, list[list[int]]]:
    """Return the number of examples, and the shape of one in every tensor."""
    tensors = data if isinstance(data, tuple) else (data,)
    if not tensors:
        raise ValueError("data: expected at least one tensor, got an empty tuple")
    for i, x in enumerate(tensors):
        check_tensor(x, f"data[{i}]" if len(tensors) > 1 else "data")
        if x.ndim == 0 or len(x) != len(tensors[0]):
            raise ValueError(
                "data: the tensors must share their first dimension, the examples; got shapes "
                + ", ".join(str(tuple(y.shape)) for y in tensors)
            )
    return len(tensors[0]), [list(x.shape[1:]) for x in tensors]


def _check_counts(**counts: int | None) -> None:
    for name, value in counts.items():
        if value is not None and (not isinstance(value, int) or value < 1):
            raise ValueError(f"{name}: expected a whole number of at least 1, got {value!r}")


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
        batches = torch.randperm(examples, generator=generator).split(batch_size)
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
            value = _scalar(metric, name, f"epoch {epoch}, step {number}")
            if math.isinf(value):
                raise FloatingPointError(_not_finite(name, value, f"epoch {epoch}, step {number}"))
            sums[name] = sums.get(name, 0.0) + value * size
            seen[name] = seen.get(name, 0) + size
        bar.update()
    means = average({name: sums[name] / seen[name] for name in sums}, 1)
    means = {name: float(mean) for name, mean in means.items()}
    bar.set_postfix({"epoch": epoch, **{k: f"{v:.4g}" for k, v in means.items()}}, refresh=False)
    return means


def _scalar(value: Tensor | float, name: str, where: str) -> float:
    if isinstance(value, Tensor) and value.numel() != 1:
        raise ValueError(f"{name}: expected one number, got shape {tuple(value.shape)} ({where})")
    number = float(value.detach() if isinstance(value, Tensor) else value)
    if math.isnan(number):
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
    models = [thing for thing in objects.values() if isinstance(thing, nn.Module)]
    modes = [(part, part.training) for model in models for part in model.modules()]
    for model in models:
        model.eval()
    try:
        with torch.no_grad():
            found = validate()
    finally:
        for part, mode in modes:
            part.training = mode
    metrics = average(found if isinstance(found, Mapping) else {"loss": found}, 1)
    return {k: _scalar(v, k, f"validation after epoch {epoch}") for k, v in metrics.items()}


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


def _monitored(history: History, watched: bool, monitor: str) -> list[float]:
    return (history.valid if watched else history.metrics).get(monitor, [])


def _note_best(history: History, watched: bool, monitor: str, needed: bool) -> bool:
    """Set ``history.best_epoch``; return whether it changed."""
    before = history.best_epoch
    values = _monitored(history, watched, monitor)
    epochs = history.valid_epoch if watched else history.epoch
    if values:
        history.best_epoch = epochs[values.index(min(values))]
    elif epochs and needed:
        names = sorted(history.valid if watched else history.metrics)
        raise ValueError(f"monitor: there is no metric {monitor!r}, only {names}")
    return history.best_epoch != before


def _stale(history: History, watched: bool, monitor: str) -> int:
    """Count the monitored values since the best one."""
    values = _monitored(history, watched, monitor)
    return len(values) - 1 - values.index(min(values)) if values else 0


def _bar(progress: bool, *, total: int, initial: int) -> tqdm:
    """Make a text bar that is wiped at the end; a log file or a pipe gets none."""
    seen = sys.stdout.isatty() or "ipykernel" in sys.modules
    show = progress and seen and is_main() and os.environ.get("GDMLIB_PROGRESS", "1") != "0"
    return tqdm(
        total=total, initial=initial, disable=not show, leave=False, file=sys.stdout, unit="step"
    )


# -------------------------------------------------------------------------------------- checkpoints


def _export(objects: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: thing.get_state() if isinstance(thing, torch.Generator) else thing.state_dict()
        for name, thing in objects.items()
    }


def _restore(objects: Mapping[str, Any], saved: Mapping[str, Any]) -> None:
    for name, thing in objects.items():
        if isinstance(thing, torch.Generator):
            thing.set_state(saved[name])
        else:
            thing.load_state_dict(saved[name])


def _save(
    path: Path,
    settings: dict[str, Any],
    objects: Mapping[str, Any],
    generator: torch.Generator,
    history: History,
    best: dict[str, Any] | None,
) -> None:
    if not is_main():
        return
    content = {
        "settings": settings,
        "state": _export(objects),
        "best": best,
        "generator": generator.get_state(),
        "global": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "history": asdict(history),
    }
    try:  # what cannot be read back must not take the place of what can
        write_atomically(path, lambda part: torch.save(content, part), check=load_plain)
    except (AttributeError, CheckpointError, pickle.PicklingError) as error:
        raise CheckpointError(
            f"{path} cannot be written ({error}). Every state_dict() in `state` must hold tensors, "
            "numbers, text, lists and dicts only; the last checkpoint, if any, is untouched."
        ) from error


def _hyperparameters(objects: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a checkpoint would silently overrule: rates, decays, lengths of schedules."""
    found: dict[str, Any] = {}
    for name, thing in objects.items():
        if isinstance(thing, torch.optim.Optimizer):
            groups = thing.param_groups
            rates = [float(group.get("initial_lr", group["lr"])) for group in groups]
            found[f"learning rate of {name}"] = rates
            found[f"weight decay of {name}"] = [float(g.get("weight_decay", 0)) for g in groups]
        if isinstance(thing, torch.optim.lr_scheduler.CosineAnnealingLR):
            found[f"steps of {name}"] = thing.T_max
    return found


def _resume(
    path: Path, settings: dict[str, Any], objects: Mapping[str, Any], generator: torch.Generator
) -> tuple[History, dict[str, Any] | None]:
    saved = load_plain(path)
    try:
        was = saved["settings"]
        # A file of an older version knows nothing of some settings, and they are not compared.
        changed = [k for k in settings if k in was and was[k] != settings[k]]
        if changed:
            raise CheckpointError(
                f"{path} belongs to another run: "
                + "; ".join(f"{k} was {was[k]!r}, now {settings[k]!r}" for k in changed)
                + ". Use the old settings, another file, or resume=False."
            )
        _restore(objects, saved["state"])
        generator.set_state(saved["generator"])
        torch.set_rng_state(saved["global"])
        if torch.cuda.is_available() and len(saved["cuda"]) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all(saved["cuda"])
        return History(**saved["history"]), saved["best"]
    except CheckpointError:
        raise
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise CheckpointError(
            f"{path} does not fit what is trained now ({type(error).__name__}: {reason}). "
            "Build the same model and optimizer, use another file, or resume=False."
        ) from error
