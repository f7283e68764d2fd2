r"""N-grams: the next symbol by counting what followed the last n - 1 symbols.

The maximum-likelihood estimate is a ratio of counts, and 0 for whatever was not seen. So every
context borrows from the one that is shorter by a symbol (MacKay and Peto 1995,
https://doi.org/10.1017/S1351324900000218, the mean of a hierarchy of Dirichlet priors):

.. math::

    p(x \mid c) = \frac{N(c\,x) + \kappa_m\, p(x \mid c')}{N(c) + \kappa_m},
    \qquad c' = c \text{ without its oldest symbol},

for a context of m symbols, down to the uniform distribution below m = 0. With κ = 0 this is the
maximum of the likelihood; with K symbols, κ = K k and n = 1 it is "add k".
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gdmlib._checks import check_count, check_numbers
from gdmlib.sequences.model import SequenceMemory, SymbolModel, check_symbols


class NGram(SymbolModel):
    """Counts of contexts and of what follows them. Found by `NGram.fit`.

    Args:
        length, symbols: See `SymbolModel`.
        order: The number n: a symbol is predicted from n - 1 before it.
        keys, counts: How often strings of 1 to n symbols came, sorted by key: the symbols as the
            digits of a number of base K + 1, each raised by one, int64 of shape (M,) both.
        strength: κ for contexts of 0 to n - 1 symbols; one number stands for all.

    Attributes:
        log_strength: The logarithms of κ, a parameter of shape (n,): they can be trained on
            strings that were not counted.
    """

    keys: Tensor
    counts: Tensor
    totals: Tensor

    def __init__(
        self,
        length: int,
        symbols: int,
        *,
        order: int,
        keys: Tensor,
        counts: Tensor,
        strength: float | Sequence[float] = 5.0,
    ) -> None:
        super().__init__(length, symbols)
        self.order = check_order(order, self.symbols)
        given = [strength] if isinstance(strength, (int, float)) else strength
        kappa = check_numbers(given, "strength", positive=True)
        kappa = kappa * self.order if len(kappa) == 1 else kappa
        if len(kappa) != self.order:
            raise ValueError(f"strength: expected 1 or {self.order} numbers, got {len(kappa)}")
        self.log_strength = nn.Parameter(torch.tensor(kappa).log())
        self.register_buffer("keys", keys.long())
        self.register_buffer("counts", counts.long())

    @classmethod
    def fit(
        cls,
        x: Tensor,
        symbols: int,
        *,
        order: int,
        length: int | None = None,
        strength: float | Sequence[float] = 5.0,
    ) -> NGram:
        """Count strings, (N, T); no context reaches from one string into another.

        Args:
            x: Strings of symbols.
            symbols: The number K of symbols.
            order: The number n.
            length: Of the strings that the density is about; by default T.
            strength: κ.
        """
        symbols = check_count(symbols, "symbols", least=2)
        order = check_order(order, symbols)
        x = check_symbols(x, "x", ("N", "T"), symbols, "symbols") + 1
        found = []
        for n in range(1, min(order, x.shape[1]) + 1):
            key = torch.zeros_like(x[:, n - 1 :])
            for j in range(n):
                key = key * (symbols + 1) + x[:, j : x.shape[1] - n + 1 + j]
            found.append(key.flatten())
        keys, counts = torch.cat(found).unique(return_counts=True)
        length = x.shape[1] if length is None else length
        return cls(length, symbols, order=order, keys=keys, counts=counts, strength=strength)

    def _count(self, keys: Tensor) -> Tensor:
        """Return how often the strings of these keys came."""
        place = torch.searchsorted(self.keys, keys.contiguous()).clamp(max=len(self.keys) - 1)
        return torch.where(self.keys[place] == keys, self.counts[place], 0).to(self.log_strength)

    def _probabilities(self, past: Tensor) -> Tensor:
        """Return p(x | the symbols before), from those symbols raised by one, (M, m) -> (M, K)."""
        base, m = self.symbols + 1, past.shape[1]
        every = torch.arange(1, base, device=past.device)
        found = self.log_strength.new_full((len(past), self.symbols), 1 / self.symbols)
        for n in range(m + 1):  # contexts of n symbols
            key = torch.zeros_like(every[:1]).expand(len(past))
            for j in range(m - n, m):
                key = key * base + past[:, j]
            counts, kappa = self._count(key[:, None] * base + every), self.log_strength[n].exp()
            found = (counts + kappa * found) / (counts.sum(dim=1, keepdim=True) + kappa)
        return found

    def _logits(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        raised, most = x + 1, self.order - 1
        start = [self._probabilities(raised[:, :t]) for t in range(min(most, x.shape[1]))]
        parts = [torch.stack(start, dim=1)] if start else []
        if x.shape[1] > most:
            windows = raised.new_zeros(len(x), x.shape[1] - most, 0)
            if most:
                windows = raised[:, :-1].unfold(1, most, 1)
            rest = self._probabilities(windows.reshape(windows.shape[:2].numel(), most))
            parts.append(rest.view(len(x), -1, self.symbols))
        return torch.cat(parts, dim=1).log()

    def memory(self, n: int, labels: Tensor | None = None) -> SequenceMemory:
        """Return a memory of the last symbols."""
        return _Last(self, n)


class _Last(SequenceMemory):
    def __init__(self, model: NGram, n: int) -> None:
        self.model = model
        self.past = torch.zeros(n, 0, dtype=torch.int64, device=model.keys.device)

    def step(self, symbol: Tensor | None) -> Tensor:
        if symbol is not None:
            most = self.model.order - 1
            longer = torch.cat([self.past, symbol[:, None] + 1], dim=1)
            self.past = longer[:, max(longer.shape[1] - most, 0) :]
        return self.model._probabilities(self.past).log()


def check_order(order: int, symbols: int) -> int:
    """Return the order, if strings of so many symbols can be numbered."""
    order = check_count(order, "order")
    if (symbols + 1) ** order >= 2**63:
        raise ValueError(
            f"order: strings of {order} out of {symbols} symbols are too many to count"
        )
    return order
