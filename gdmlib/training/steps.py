"""Steps for `gdmlib.training.fit`: descent on a loss, an average of the weights, players in turn.

A step takes a batch, changes what it trains, and returns numbers to record. Its attribute ``state``
names all that must outlive an interruption, and ``settings`` what a resumed run must not change.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from gdmlib._checks import check_count, check_not_negative, check_share
from gdmlib.training.processes import average, average_gradients, weight_of

Batch = Any  # a Tensor, or a tuple of them: what `data` was
Metrics = Mapping[str, Tensor | float]
Step = Callable[[Batch], Metrics]
Loss = Callable[[Batch], Tensor | Mapping[str, Tensor]]


@dataclass(eq=False)
class _GradientStep:
    """One descent step on one loss. See `gradient_step`."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    loss: Loss
    clip: float | None
    schedule: LRScheduler | None
    mixed_precision: bool

    def __post_init__(self) -> None:
        self.settings = {"clip": self.clip, "mixed_precision": self.mixed_precision}
        self.state: dict[str, Any] = {"model": self.model, "optimizer": self.optimizer}
        if self.schedule is not None:
            self.state["schedule"] = self.schedule

    def __call__(self, batch: Batch) -> dict[str, Tensor]:
        with torch.inference_mode(False), torch.enable_grad():
            return self._move(batch)

    def _move(self, batch: Batch) -> dict[str, Tensor]:
        if not self.model.training:
            self.model.train()
        self.optimizer.zero_grad(set_to_none=True)
        device = next((p.device.type for p in self.model.parameters()), "cpu")
        with torch.autocast(device, torch.bfloat16, enabled=self.mixed_precision):
            value = self.loss(batch)
        mine = dict(value) if isinstance(value, Mapping) else {"loss": value}
        if "loss" not in mine:
            raise ValueError(f'loss: the dict must hold the key "loss", got {sorted(mine)}')
        if mine["loss"].numel() != 1:
            raise ValueError(
                "loss: expected one number, the mean over the examples, got shape "
                f"{tuple(mine['loss'].shape)}"
            )
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


def gradient_step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    loss: Loss,
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
    """Let the learning rate fall along half a cosine, step by step, to ``final_lr``.

    ``epochs``, ``examples`` and ``batch_size`` say how many steps there will be.
    """
    steps = check_count(epochs, "epochs") * math.ceil(
        check_count(examples, "examples") / check_count(batch_size, "batch_size")
    )
    check_not_negative(final_lr, "final_lr")
    return CosineAnnealingLR(optimizer, T_max=steps, eta_min=final_lr)


class Averaged:
    """A step that also keeps an exponential moving average of the weights of a model.

    It starts as a copy of the weights after the first step. Buffers are not averaged but copied:
    they are counts and statistics, not weights.

    Args:
        step: Changes the model.
        model: Whose weights are averaged.
        decay: The share of the average that is kept at each step, 0.999 for instance.
    """

    def __init__(self, step: Step, model: nn.Module, decay: float) -> None:
        check_share(decay, "average")
        self.step, self.source = step, model
        self.average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay))
        self.state = {**getattr(step, "state", {}), "average": self.average}
        self.settings = {**getattr(step, "settings", {}), "average": decay}

    @property
    def model(self) -> nn.Module:
        """The averaged model."""
        return self.average.module

    def __call__(self, batch: Batch) -> Metrics:
        """Take the step, and then a step of the average."""
        metrics = self.step(batch)
        if all(bool(torch.as_tensor(value).isfinite().all()) for value in metrics.values()):
            self.average.update_parameters(self.source)  # otherwise `fit` complains
        return metrics


class Turns(nn.Module):
    """The step of a game: on each batch the players move in turn, each by a step of its own.

    While a player moves, the parameters that belong to the others alone ask for no gradient. States
    and numbers are merged under the players' names: ``history["critic"]`` is the loss of
    ``critic``, ``history["critic penalty"]`` another number of its step.

    Args:
        every: For some players, on every how many batches they move, from the first one on; 1 for
            those that are not named.
        noise: A generator that the losses draw from, to be kept with the rest.
        about: What else a resumed run must not change, numbers or text by name.
        players: Name and step, in the order in which they move; made by `gradient_step`.
    """

    batches: Tensor

    def __init__(
        self,
        *,
        every: Mapping[str, int] | None = None,
        noise: Generator | None = None,
        about: Mapping[str, Any] | None = None,
        **players: Any,
    ) -> None:
        super().__init__()
        if len(players) < 2:
            raise ValueError(f"players: expected at least two steps, got {sorted(players)}")
        unknown = set(every or {}) - set(players)
        if unknown:
            raise ValueError(f"every: there is no player {sorted(unknown)}, only {list(players)}")
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))
        self.every = {name: check_count((every or {}).get(name, 1), "every") for name in players}
        self.players = players
        self.state: dict[str, Any] = {"turns": self}
        self.sometimes = max(self.every.values()) > 1  # an epoch may have no batch for a player
        self.settings: dict[str, Any] = {"every": self.every, **(about or {})}
        for name, step in players.items():
            self.state |= {f"{name}.{key}": thing for key, thing in step.state.items()}
            more = getattr(step, "settings", {})
            self.settings |= {f"{name}.{key}": value for key, value in more.items()}
        if noise is not None:
            self.state["noise"] = noise

    def forward(self, batch: Batch) -> Metrics:
        """Let each player whose turn it is move."""
        found: dict[str, Tensor | float] = {}
        for name, step in self.players.items():
            if int(self.batches) % self.every[name] == 0:
                with self._alone(name):
                    metrics = step(batch)
                found |= {name if k == "loss" else f"{name} {k}": v for k, v in metrics.items()}
        self.batches += 1
        return found

    def _parameters_of(self, name: str) -> set[nn.Parameter]:
        parts = self.players[name].state.values()
        return {p for part in parts if isinstance(part, nn.Module) for p in part.parameters()}

    @contextmanager
    def _alone(self, name: str) -> Iterator[None]:
        """Let the parameters of the other players ask for no gradient."""
        everybody = set().union(*map(self._parameters_of, self.players))
        others = [p for p in everybody - self._parameters_of(name) if p.requires_grad]
        for p in others:
            p.requires_grad_(False)
        try:
            yield
        finally:
            for p in others:
                p.requires_grad_(True)
