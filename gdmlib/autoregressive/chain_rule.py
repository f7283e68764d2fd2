r"""The frame of all models by the chain rule.

.. math:: p(x) = \prod_i p(x_i \mid x_{<i})

where "before" is an order in which the numbers of an event are visited. A model says what each
factor is (``_conditional_log_prob``), and how to visit the numbers in that order and draw those
that are not known (``_sweep``). All noise is drawn before the first number is visited: two samplers
of one model can then be given the same chances, and must give the same events.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import torch
from torch import Generator, Tensor

from gdmlib._checks import check_count, check_mask
from gdmlib._random import uniform
from gdmlib.densities.density import Density


class ChainRule(Density):
    """A density by the chain rule: a subclass gives ``_conditional_log_prob`` and ``_sweep``."""

    def conditional_log_prob(self, x: Tensor) -> Tensor:
        """Return log p(x_i | x_<i) of every number, shape (B, *event_shape) -> the same, in nats.

        Their sum over the event is `log_prob`.
        """
        return self._conditional_log_prob(self.check(x))

    @torch.no_grad()
    def complete(self, x: Tensor, known: Tensor, generator: Generator | None = None) -> Tensor:
        """Draw the unknown numbers, each given all that are visited before it.

        This is a draw from p(unknown | known) if the known ones are visited first: the upper half
        of an image, say, in the order of its rows. A known number that comes later than an unknown
        one has no influence on it.

        Args:
            x: Events, shape (B, *event_shape); unknown numbers may have any valid value.
            known: True where a number is known, shape (*event_shape) or (B, *event_shape).
        """
        x = self.check(x)
        known = check_mask(known, "known", x.shape[1:], x.shape).to(x.device).expand(x.shape)
        return self._sweep(x.clone(), known, self._noise(x.shape, generator))

    def _log_prob(self, x: Tensor) -> Tensor:
        return self._conditional_log_prob(x).flatten(1).sum(dim=1)

    def _sample(self, n: int, generator: Generator | None) -> Tensor:
        blank = self._blank(n)
        known = torch.zeros_like(blank, dtype=torch.bool)
        return self._sweep(blank, known, self._noise(blank.shape, generator))

    def _blank(self, n: int) -> Tensor:
        """Return events of zeros, (n, *event_shape), in the dtype of the events."""
        return self._like().new_zeros(n, *self.event_shape)

    def _noise(self, shape: torch.Size, generator: Generator | None) -> Any:
        """Draw all the chance that a sweep over events of this shape needs."""
        return uniform(shape, self._like(), generator)

    @abstractmethod
    def _conditional_log_prob(self, x: Tensor) -> Tensor:
        """Return log p(x_i | x_<i) of the numbers of valid events."""

    @abstractmethod
    def _sweep(self, x: Tensor, known: Tensor, noise: Any) -> Tensor:
        """Visit the numbers in order and draw those that are not known; x may be written into."""


class WholePass(ChainRule):
    """A model that computes all factors in one pass, so that `plain_sample` can waste them."""

    def _visits(self) -> Tensor:
        """Return where in a flat event the numbers lie, in the order of their visits, (d,)."""
        return torch.arange(self.event_shape.numel())

    @abstractmethod
    def _draw_one(self, x: Tensor, place: int, noise: Any, labels: Tensor | None) -> Tensor:
        """Return what a sweep would draw at a place, (n,), given the numbers before it in x."""


class Conditional(WholePass):
    """A model whose methods take ``labels``, if and only if it has classes."""

    def log_prob(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return log p(x), or log p(x | labels), shape (B, *event_shape) -> (B,), in nats."""
        return self._log_prob(self.check(x), self._labels(labels, len(x)))

    def conditional_log_prob(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return log p of each number given all before it, in nats, (B, *event_shape)."""
        return self._conditional_log_prob(self.check(x), self._labels(labels, len(x)))

    @torch.no_grad()
    def sample(
        self, n: int, generator: Generator | None = None, labels: Tensor | None = None
    ) -> Tensor:
        """Draw n events, number after number; only what a new one changes is computed."""
        x = self._blank(check_count(n))
        labels, known = self._labels(labels, n), torch.zeros_like(x, dtype=torch.bool)
        return self._sweep(x, known, self._noise(x.shape, generator), labels)

    @torch.no_grad()
    def complete(
        self,
        x: Tensor,
        known: Tensor,
        generator: Generator | None = None,
        labels: Tensor | None = None,
    ) -> Tensor:
        """Draw the unknown numbers, each given all before it; see `ChainRule.complete`."""
        x = self.check(x)
        labels = self._labels(labels, len(x))
        known = check_mask(known, "known", x.shape[1:], x.shape).to(x.device).expand(x.shape)
        return self._sweep(x.clone(), known, self._noise(x.shape, generator), labels)

    @abstractmethod
    def _labels(self, labels: Tensor | None, n: int) -> Tensor | None:
        """Return the labels of n events as int64, or None if the model has no classes."""

    def _log_prob(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        return self._conditional_log_prob(x, labels).flatten(1).sum(dim=1)

    @abstractmethod
    def _conditional_log_prob(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return log p(x_i | x_<i, labels) of the numbers of valid events."""

    @abstractmethod
    def _sweep(self, x: Tensor, known: Tensor, noise: Any, labels: Tensor | None = None) -> Tensor:
        """Visit the numbers in order and draw those that are not known; x may be written into."""


@torch.no_grad()
def plain_sample(
    model: WholePass, n: int, generator: Generator | None = None, labels: Tensor | None = None
) -> Tensor:
    """Draw n events by the definition: all factors again for every number, and only one is used.

    Given the same generator, ``model.sample`` draws the same events, and is tested against this.
    Of a MADE the first mask is used.
    """
    x = model._blank(check_count(n))
    noise, flat, training = model._noise(x.shape, generator), x.view(len(x), -1), model.training
    model.eval()
    for place in model._visits().tolist():
        flat[:, place] = model._draw_one(x, place, noise, labels)
    model.train(training)
    return x
