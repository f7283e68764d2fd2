r"""A recurrent network with gates, the GRU of Cho et al. (2014, https://arxiv.org/abs/1406.1078).

A state of fixed size carries the whole past. With the symbol's input u and the state h,

.. math::

    r = \sigma(u_r + V_r h), \quad z = \sigma(u_z + V_z h), \quad
    n = \tanh\bigl(u_n + r \odot (V_n h + b_n)\bigr), \quad
    h \leftarrow (1 - z) \odot n + z \odot h .

Where z is near 1 the state stays, so that a derivative can travel far.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn

from gdmlib._checks import check_count, check_share
from gdmlib._random import between
from gdmlib.nn.dense import blank, fresh
from gdmlib.sequences.model import SequenceMemory, SymbolModel


class GRU(SymbolModel):
    """One layer of gated units and a softmax.

    Args:
        length, symbols: See `SymbolModel`.
        units: The size of the state.
        num_classes: See `SymbolModel`; each class has a state to start from.
        dropout: The share of the state that the softmax does not see, in training.
        generator: Draws the weights.
    """

    def __init__(
        self,
        length: int,
        symbols: int,
        *,
        units: int = 128,
        num_classes: int | None = None,
        dropout: float = 0.0,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(length, symbols, num_classes=num_classes)
        self.units = check_count(units, "units")
        size = self.units**-0.5
        self.inputs = nn.Parameter(
            between(-size, size, self.symbols + 1, 3 * self.units, generator=generator)
        )
        self.recurrent = fresh(blank(nn.Linear, self.units, 3 * self.units), generator)
        starts = 1 if self.num_classes is None else self.num_classes
        self.starts = nn.Parameter(between(-size, size, starts, self.units, generator=generator))
        self.dropout = nn.Dropout(check_share(dropout, "dropout"))
        self.readout = fresh(blank(nn.Linear, self.units, self.symbols), generator)

    def _start(self, n: int, labels: Tensor | None) -> Tensor:
        return self.starts.expand(n, -1) if labels is None else self.starts[labels]

    def _step(self, u: Tensor, h: Tensor) -> Tensor:
        u_r, u_z, u_n = u.chunk(3, dim=1)
        v_r, v_z, v_n = self.recurrent(h).chunk(3, dim=1)
        z = torch.sigmoid(u_z + v_z)
        n = torch.tanh(u_n + torch.sigmoid(u_r + v_r) * v_n)
        return n + z * (h - n)

    def _logits(self, x: Tensor, labels: Tensor | None) -> Tensor:
        before = torch.cat([torch.full_like(x[:, :1], self.symbols), x[:, :-1]], dim=1)
        h, states = self._start(len(x), labels), []
        for u in self.inputs[before].unbind(dim=1):
            h = self._step(u, h)
            states.append(h)
        return self.readout(self.dropout(torch.stack(states, dim=1)))

    def memory(self, n: int, labels: Tensor | None = None) -> SequenceMemory:
        """Return the state."""
        return _State(self, n, labels)


class _State(SequenceMemory):
    def __init__(self, model: GRU, n: int, labels: Tensor | None) -> None:
        self.model, self.h = model, model._start(n, labels)

    def step(self, symbol: Tensor | None) -> Tensor:
        model = self.model
        u = model.inputs[-1].expand(len(self.h), -1) if symbol is None else model.inputs[symbol]
        self.h = model._step(u, self.h)
        return model.readout(self.h)
