r"""The chain rule over a string of symbols: what all its models share.

.. math:: p(x) = \prod_t p(x_t \mid x_1, \ldots, x_{t-1})

A string is a tensor of integers, (B, length), each a symbol from 0 to K - 1: a character, a level
of a pixel, a level of a sound. A network computes all factors in one pass, for each sees only what
comes before. A sample needs them one after the other, and a `SequenceMemory` makes each cheap.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

from gdmlib._checks import check_count, check_tensor, check_values
from gdmlib._random import pick
from gdmlib.autoregressive.chain_rule import Conditional
from gdmlib.densities.density import Support

Self = TypeVar("Self", bound="SymbolModel")


class Symbols(Support):
    """Strings of integers from 0 to symbols - 1, of any integer dtype; they come back as int64."""

    def __init__(self, symbols: int) -> None:
        self.symbols = symbols

    def check(self, x: Tensor, name: str, event_shape: Sequence[int | str], like: Tensor) -> Tensor:
        """Return the strings, (B, *event_shape)."""
        return check_symbols(x, name, ("B", *event_shape), self.symbols, "symbols")


def check_symbols(
    x: Tensor, name: str, shape: Sequence[int | str], count: int, what: str
) -> Tensor:
    """Return integers from 0 to count - 1 as int64, if they are of this shape."""
    x = check_tensor(x, name, shape=shape, integer=True)
    if x.dtype == torch.bool:
        raise ValueError(f"{name}: expected integers, got {x.dtype}; use {name}.long()")
    x = x.long()
    return check_values(x, name, (x >= 0) & (x < count), f"{what} 0 to {count - 1}")


class SequenceMemory(ABC):
    """What a model keeps of a string, so that only what a new symbol changes is computed."""

    @abstractmethod
    def step(self, symbol: Tensor | None) -> Tensor:
        """Take in the last symbol, (n,), or None at the start; return the next's logits, (n, K)."""


class SymbolModel(Conditional):
    """A density of strings by the chain rule: a subclass gives ``_logits`` and ``memory``.

    All methods take ``labels``, if and only if the model has classes: one integer a string, shape
    (B,), or, where `label_shape` says so, one a place, (B, length).

    Args:
        length: Of a string.
        symbols: The number K of symbols, at least 2.
        num_classes: The number of classes that strings are conditioned on; None for none.
        local: Whether there is a label at each place, and not one for the whole string.
    """

    def __init__(
        self, length: int, symbols: int, *, num_classes: int | None = None, local: bool = False
    ) -> None:
        super().__init__()
        self.event_shape = torch.Size([check_count(length, "length")])
        self.symbols = check_count(symbols, "symbols", least=2)
        self.num_classes = None if num_classes is None else check_count(num_classes, "num_classes")
        self.local = local
        self.support = Symbols(self.symbols)

    @property
    def length(self) -> int:
        """The length of a string."""
        return self.event_shape[0]

    def at_length(self: Self, length: int) -> Self:
        """Return the model of strings of another length; it shares the weights of this one."""
        other = copy.copy(self)
        other.event_shape = torch.Size([check_count(length, "length")])
        return other

    @abstractmethod
    def _logits(self, x: Tensor, labels: Tensor | None) -> Tensor:
        """Return the log-probabilities of all symbols at all places, up to constants, (B, T, K)."""

    @abstractmethod
    def memory(self, n: int, labels: Tensor | None = None) -> SequenceMemory:
        """Return an empty memory for n strings that are made symbol by symbol."""

    # --- probabilities

    def symbol_log_probs(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return log p of every symbol at every place given those before it, (B, length, K)."""
        x = self.check(x)
        return self._symbol_log_probs(x, self._labels(labels, len(x)))

    def _symbol_log_probs(self, x: Tensor, labels: Tensor | None) -> Tensor:
        # Mixed precision ends here: logarithms need all their digits.
        return torch.log_softmax(self._logits(x, labels).to(self._like().dtype), dim=2)

    def _conditional_log_prob(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        return self._symbol_log_probs(x, labels).gather(2, x[..., None])[..., 0]

    # --- samples

    def _blank(self, n: int) -> Tensor:
        return torch.zeros(n, self.length, dtype=torch.int64, device=self._like().device)

    def _sweep(self, x: Tensor, known: Tensor, noise: Any, labels: Tensor | None = None) -> Tensor:
        # The many small steps are made in full precision, and leave no trace for derivatives.
        training = self.training
        self.eval()
        with torch.inference_mode(), torch.autocast(x.device.type, enabled=False):
            memory, all_known = self.memory(len(x), labels), known.all(dim=0).tolist()
            symbol = None
            for place in range(self.length):
                logits = memory.step(symbol)
                if not all_known[place]:
                    drawn = pick(logits, noise[:, place])
                    x[:, place] = torch.where(known[:, place], x[:, place], drawn)
                symbol = x[:, place]
        self.train(training)
        return x

    def _draw_one(self, x: Tensor, place: int, noise: Tensor, labels: Tensor | None) -> Tensor:
        logits = self._logits(x, self._labels(labels, len(x)))
        return pick(logits[:, place], noise[:, place])

    # --- checks

    def _labels(self, labels: Tensor | None, n: int) -> Tensor | None:
        if self.num_classes is None:
            if labels is not None:
                raise ValueError("labels: this model has no classes; build it with num_classes=...")
            return None
        shape = (n, self.length) if self.local else (n,)
        if labels is None:
            raise ValueError(
                f"labels: expected integers from 0 to {self.num_classes - 1}, shape {shape}"
            )
        return check_symbols(labels, "labels", shape, self.num_classes, "labels")
