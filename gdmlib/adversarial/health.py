"""Training that has gone wrong says so: with the step, and with the last good weights kept.

A game has no loss that falls, so nobody notices from the numbers alone that a generator makes one
event for all latents (*collapse*) or that the players drive each other off (*divergence*).
`Watched` looks at samples now and then, and compares their spread with that of the data.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor, nn

from gdmlib._checks import check_count
from gdmlib._files import check_writable, path_of
from gdmlib.adversarial.gan import GAN
from gdmlib.training import Turns, save_weights
from gdmlib.training.steps import Batch, Metrics


class DivergenceError(FloatingPointError):
    """A loss, a weight or a sample is not finite, or samples are far outside the data.

    Attributes:
        step: After how many batches it was noticed.
        good: After how many batches all was well for the last time; None for never.
    """

    def __init__(self, message: str, step: int, good: int | None) -> None:
        super().__init__(message)
        self.step, self.good = step, good


class CollapseError(RuntimeError):
    """Samples are all nearly the same.

    Attributes:
        step: After how many batches it was noticed.
        good: After how many batches all was well for the last time; None for never.
    """

    def __init__(self, message: str, step: int, good: int | None) -> None:
        super().__init__(message)
        self.step, self.good = step, good


class Watched:
    """The step of a game that stops when the game has gone wrong, ``fit(Watched(...), x, ...)``.

    The players are then as they were when all was well for the last time. What counts is the root
    of the mean squared distance from the mean, of samples over that of the data.

    Args:
        turns: The step, of `GAN.turns`.
        gan: Whose samples are looked at.
        x: Real events to compare with, shape (N, *event_shape).
        every: Look after every so many batches.
        least: A smaller share of the data's spread is a collapse,
        patience: if so many looks in a row find it; a generator's first pictures are all grey.
        most: Samples that are so many times as far from the data's mean as the data have diverged.
        keep: File of the last good weights of the GAN, a safetensors file.
        samples: How many are looked at.
    """

    def __init__(
        self,
        turns: Turns,
        gan: GAN,
        x: Tensor,
        *,
        every: int = 100,
        least: float = 0.05,
        patience: int = 5,
        most: float = 100.0,
        keep: str | Path | None = None,
        samples: int = 64,
    ) -> None:
        self.turns, self.gan = turns, gan
        x = gan.check(x)
        if len(x) < 2:
            raise ValueError(f"x: expected at least 2 events to compare with, got {len(x)}")
        self.centre = x.mean(dim=0)
        self.spread = float((x - self.centre).square().sum() / len(x)) ** 0.5
        if not self.spread > 0:
            raise ValueError("x: expected different events to compare with, got one many times")
        self.every, self.samples = check_count(every, "every"), check_count(samples, "samples", 2)
        self.patience = check_count(patience, "patience")
        if not 0 < least < 1 < most:
            raise ValueError(f"least: expected 0 < least < 1 < most, got {least} and {most}")
        self.least, self.most = least, most
        self.keep = None if keep is None else path_of(keep)
        if self.keep is not None:
            check_writable(self.keep)
        self.state, self.settings = {**turns.state, "watch": self}, turns.settings
        self.sometimes = turns.sometimes
        self.good: int | None = None
        self._weights: dict[str, dict[str, Any]] = {}
        self._low = 0

    def __call__(self, batch: Batch) -> Metrics:
        """Take the step, and look at what has come of it."""
        metrics = self.turns(batch)
        step = int(self.turns.batches)
        for name, value in metrics.items():
            if not bool(torch.as_tensor(value).isfinite()):
                self._stop(DivergenceError, step, f"the loss {name!r} is {float(value)}")
        self._look_at_weights(step)
        if step % self.every == 0:
            self._look(step)
        return metrics

    def state_dict(self) -> dict[str, Any]:
        """Return what has been seen, and the last good weights."""
        return {"good": self.good, "low": self._low, "weights": self._weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what had been seen."""
        self.good, self._low, self._weights = state["good"], state["low"], state["weights"]

    @torch.no_grad()
    def _look_at_weights(self, step: int) -> None:
        sums = [p.sum() for p in self.gan.parameters()]  # one look at them all is fastest
        if bool(torch.stack([s.to(sums[0]) for s in sums]).isfinite().all()):
            return
        for name, parameter in self.gan.named_parameters():
            if not bool(parameter.isfinite().all()):
                self._stop(DivergenceError, step, f"the weight {name!r} is not finite")

    def _look(self, step: int) -> None:
        # The same latents at each look, and none from the stream that training draws from.
        labels = None
        if self.gan.classes is not None:
            labels = torch.arange(self.samples, device=self.centre.device) % self.gan.classes
        fake = self.gan.sample(self.samples, Generator().manual_seed(0), labels=labels)
        away = float((fake - self.centre).square().sum() / len(fake)) ** 0.5
        if not away <= self.most * self.spread:
            reach = f"samples are {away:.3g} away from the mean of the data"
            self._stop(DivergenceError, step, f"{reach}, whose spread is {self.spread:.3g}")
        spread = float((fake - fake.mean(dim=0)).square().sum() / len(fake)) ** 0.5
        self._low = self._low + 1 if spread < self.least * self.spread else 0
        if self._low >= self.patience:
            what = f"the spread of samples is {spread:.3g} and that of the data {self.spread:.3g}"
            self._stop(CollapseError, step, what)
        if self._low == 0:
            self.good = step
            self._weights = {k: copy.deepcopy(m.state_dict()) for k, m in self._modules().items()}
            if self.keep is not None:
                save_weights(self.gan, self.keep, {"step": str(step)})

    def _modules(self) -> dict[str, nn.Module]:
        return {k: m for k, m in self.turns.state.items() if isinstance(m, nn.Module)}

    def _stop(
        self, kind: type[DivergenceError] | type[CollapseError], step: int, what: str
    ) -> None:
        verb = "diverged" if kind is DivergenceError else "collapsed"
        for name, module in self._modules().items():
            if name in self._weights:
                module.load_state_dict(self._weights[name])
        kept = f"; they are kept in {self.keep}" if self.keep is not None else ""
        after = (
            "all was not well at any step before"
            if self.good is None
            else f"the players are back at step {self.good}, the last good one{kept}"
        )
        raise kind(
            f"training has {verb} by step {step}: {what}; {after}. Try a smaller learning rate, "
            "another loss, or a penalty",
            step,
            self.good,
        )
