"""What a training leaves to look at."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class History:
    """What happened, epoch by epoch. ``history["loss"]`` is short for ``history.metrics["loss"]``.

    Attributes:
        epoch: The epochs done: 1, 2, ...; ``len(history)`` is their number.
        metrics: For every metric of the step its mean over the examples of each epoch; NaN where a
            player of a game had no turn.
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
