"""What every density offers, and where its events live.

A density ``p(x)`` says in ``event_shape`` and ``support`` what a valid event is. `Density` looks
at what comes in, once, and hands it to ``_log_prob`` and ``_sample``, which contain the mathematics
and nothing else. The vocabulary is that of `torch.distributions`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import chain

import torch
from torch import Generator, Tensor, nn

from gdmlib._checks import (
    check_count,
    check_events,
    check_labels,
    check_tensor,
    check_values,
    check_zeros_and_ones,
    holds,
    ordinary,
)


class Support:
    """The set in which events live: here, all finite numbers of the model's dtype."""

    def check(self, x: Tensor, name: str, event_shape: Sequence[int | str], like: Tensor) -> Tensor:
        """Return events of shape (B, *event_shape), or say what is wrong with them."""
        return check_events(x, name, event_shape, like)


class Binary(Support):
    """Zeros and ones, as numbers of the model's dtype."""

    def check(self, x: Tensor, name: str, event_shape: Sequence[int | str], like: Tensor) -> Tensor:
        """Return the events."""
        x = check_events(x, name, event_shape, like, finite=False)
        if not holds((x == 0) | (x == 1)):  # one pass for what is right, two to say what is wrong
            check_zeros_and_ones(super().check(x, name, event_shape, like), name)
        return x


class Levels(Support):
    """Multiples of 1 / (levels - 1) from 0 to 1, as numbers of the model's dtype."""

    def __init__(self, levels: int) -> None:
        self.levels = levels

    def check(self, x: Tensor, name: str, event_shape: Sequence[int | str], like: Tensor) -> Tensor:
        """Return the events."""
        if isinstance(x, Tensor) and not x.is_floating_point():
            raise ValueError(
                f"{name}: expected a floating-point tensor, got {x.dtype}; use {name} / "
                f"{self.levels - 1}, or, for bytes, quantise({name} / 255, {self.levels})"
            )
        super().check(x, name, event_shape, like)
        scaled = x * (self.levels - 1)
        level = scaled.round()
        off = ((scaled - level).abs() > 1e-3) | (level < 0) | (level >= self.levels)
        if not holds(~off):
            raise ValueError(
                f"{name}: expected {self.levels} levels, k / {self.levels - 1} for k = 0 to "
                f"{self.levels - 1}, got {float(x[off][0]):.6g}; use quantise({name}, "
                f"{self.levels}), or build the model with other levels"
            )
        return x


def quantise(x: Tensor, levels: int) -> Tensor:
    """Round values in [0, 1] to the nearest of the levels k / (levels - 1)."""
    steps = check_count(levels, "levels", least=2) - 1
    check_tensor(x, "x", floating=True)
    check_values(x, "x", (x >= 0) & (x <= 1), "values in [0, 1]")
    return (x * steps).round() / steps


class Labels(Support):
    """Integers from 0 to num_classes - 1, of any integer dtype; they come back as int64."""

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes

    def check(self, x: Tensor, name: str, event_shape: Sequence[int | str], like: Tensor) -> Tensor:
        """Return the events."""
        return check_labels(x, name, num_classes=self.num_classes)


class Model(nn.Module):
    """What densities and conditional densities share.

    Attributes:
        event_shape: The shape of one event.
        support: The set in which events live.
    """

    event_shape: torch.Size
    support = Support()

    @property
    def num_parameters(self) -> int:
        """The number of parameters that training may change."""
        return sum(p.numel() for p in self.parameters())

    def check(self, x: Tensor, name: str = "x") -> Tensor:
        """Return events, (B, *event_shape), if they are valid; discrete labels become int64."""
        return ordinary(self.support.check(x, name, self.event_shape, self._like()))

    def _like(self) -> Tensor:
        """Return a tensor with the model's dtype and device."""
        numbers = chain(self.parameters(), self.buffers())
        return next(t for t in numbers if t.is_floating_point())


class Density(Model, ABC):
    """A density p(x): a subclass gives ``_log_prob`` and ``_sample``."""

    def log_prob(self, x: Tensor) -> Tensor:
        """Return log p(x) of each event, shape (B, *event_shape) -> (B,), in nats."""
        return self._log_prob(self.check(x))

    @torch.no_grad()
    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        """Draw n events, shape (n, *event_shape)."""
        return self._sample(check_count(n), generator)

    @abstractmethod
    def _log_prob(self, x: Tensor) -> Tensor:
        """Return log p(x) of valid events."""

    @abstractmethod
    def _sample(self, n: int, generator: Generator | None) -> Tensor:
        """Draw n events, n at least 1."""


class Mixture(Density):
    """A sum over a hidden component k: a subclass gives ``_log_joint`` and ``_sample``.

    Attributes:
        history: After ``fit``: the mean negative log-likelihood of the data in nats, before the
            first step of EM and after each one.
        converged: After ``fit``: whether the last step gained less than the tolerance.
    """

    def __init__(self) -> None:
        super().__init__()
        self.history: list[float] = []
        self.converged = False

    def log_joint(self, x: Tensor) -> Tensor:
        """Return log p(k) + log p(x | k), shape (B, *event_shape) -> (B, K), in nats."""
        return self._log_joint(self.check(x))

    def responsibilities(self, x: Tensor) -> Tensor:
        """Return the probability of each component given x, (B, *event_shape) -> (B, K)."""
        return torch.softmax(self.log_joint(x), dim=1)

    def _log_prob(self, x: Tensor) -> Tensor:
        return torch.logsumexp(self._log_joint(x), dim=1)

    @abstractmethod
    def _log_joint(self, x: Tensor) -> Tensor:
        """Return the log-probability of each component together with valid events."""


class ConditionalDensity(Model, ABC):
    """A density p(y | x) of one number or label y: ``log_prob(y, x)`` and ``sample(x)``.

    Subclasses give ``_check_inputs``, ``_log_prob`` and ``_sample``.
    """

    event_shape = torch.Size(())

    def log_prob(self, y: Tensor, x: Tensor) -> Tensor:
        """Return log p(y | x), shapes (B,) and (B, d) -> (B,), in nats."""
        return self._log_prob(*self._check_pairs(y, x))

    def score(self, x: Tensor, y: Tensor) -> Tensor:
        """Return what each pair costs, shapes (B, d) and (B,) -> (B,): -log p(y | x), in nats."""
        return -self.log_prob(y, x)

    @torch.no_grad()
    def sample(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        """Draw a y for each x, shape (B, d) -> (B,)."""
        return self._sample(self._check_inputs(x), generator)

    def _check_pairs(self, y: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        x, y = self._check_inputs(x), self.check(y, "y")
        if len(y) != len(x):
            raise ValueError(f"y: expected {len(x)}, one for each x, got {len(y)}")
        return y, x

    @abstractmethod
    def _check_inputs(self, x: Tensor) -> Tensor:
        """Return the x, shape (B, d), if they are valid."""

    @abstractmethod
    def _log_prob(self, y: Tensor, x: Tensor) -> Tensor:
        """Return log p(y | x) of valid pairs."""

    @abstractmethod
    def _sample(self, x: Tensor, generator: Generator | None) -> Tensor:
        """Draw a y for each valid x."""
