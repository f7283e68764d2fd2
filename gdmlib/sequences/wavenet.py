r"""WaveNet (van den Oord et al. 2016, https://arxiv.org/abs/1609.03499): sound, sample by sample.

Causal convolutions of two taps see ever further back, for the distance δ of the taps doubles from
layer to layer. Each layer is gated, and told what is being said at this moment, y_t:

.. math::

    g_t = \tanh(W h_t + U h_{t-\delta} + V y_t) \odot
          \sigma(W' h_t + U' h_{t-\delta} + V' y_t), \qquad h_t \leftarrow h_t + R g_t .

All g of a moment together give the logits of the next level. A sampler keeps the last δ features
of each layer, so that a new moment costs one column of the network (Le Paine et al. 2016,
https://arxiv.org/abs/1611.09482), and not the whole past again.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Generator, Tensor, nn

from gdmlib._checks import check_count, check_sizes
from gdmlib._random import between
from gdmlib.nn.dense import blank, fresh
from gdmlib.sequences.model import SequenceMemory, SymbolModel

DILATIONS = (1, 2, 4, 8, 16, 32, 64, 128)


class WaveNet(SymbolModel):
    """A stack of dilated causal convolutions.

    Args:
        length, symbols: See `SymbolModel`; symbols are levels of a sound.
        channels: Features inside.
        skip: Features from which the logits are made.
        dilations: The distance δ of the taps of each layer.
        num_classes: How many labels there are; one is given at each place, (B, length).
        generator: Draws the weights.

    Attributes:
        reach: How many places back a factor sees.
    """

    def __init__(
        self,
        length: int,
        symbols: int = 256,
        *,
        channels: int = 32,
        skip: int = 64,
        dilations: int | Iterable[int] = DILATIONS,
        num_classes: int | None = None,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(length, symbols, num_classes=num_classes, local=True)
        self.channels = check_count(channels, "channels")
        self.dilations = tuple(check_sizes(dilations, "dilations", none=False))
        skip, c, depth = check_count(skip, "skip"), self.channels, len(self.dilations)
        self.reach = 1 + sum(self.dilations)
        self.table = nn.Parameter(between(-1, 1, self.symbols + 1, c, generator=generator))
        size = (2 * c) ** -0.5

        def taps(*sizes: int) -> nn.Parameter:
            return nn.Parameter(between(-size, size, *sizes, generator=generator))

        self.now, self.past = taps(depth, c, 2 * c), taps(depth, c, 2 * c)
        self.told = taps(1 if self.num_classes is None else self.num_classes, depth, 2 * c)
        self.back = nn.Parameter(depth**-0.5 * taps(depth, c, c).detach())
        self.skip = fresh(blank(nn.Linear, depth * c, skip), generator, gain=3**0.5)
        self.readout = fresh(blank(nn.Linear, skip, self.symbols), generator)

    def _told(self, n: int, labels: Tensor | None) -> Tensor:
        """Return what labels (n, ...) add to each layer, (n, ..., depth, 2 · channels)."""
        return self.told.expand(n, *self.told.shape[1:]) if labels is None else self.told[labels]

    def _logits(self, x: Tensor, labels: Tensor | None) -> Tensor:
        before = torch.cat([torch.full_like(x[:, :1], self.symbols), x[:, :-1]], dim=1)
        h, gated = self.table[before], []
        for i, distance in enumerate(self.dilations):
            shifted = nn.functional.pad(h, (0, 0, distance, 0))[:, : x.shape[1]]
            told = self.told[0, i] if labels is None else self.told[:, i][labels]
            a, b = (h @ self.now[i] + shifted @ self.past[i] + told).chunk(2, dim=2)
            gated.append(torch.tanh(a) * torch.sigmoid(b))
            h = h + gated[-1] @ self.back[i]
        return self._read(torch.cat(gated, dim=2))

    def _read(self, gated: Tensor) -> Tensor:
        return self.readout(nn.functional.silu(self.skip(gated)))

    def memory(self, n: int, labels: Tensor | None = None) -> SequenceMemory:
        """Return the last features of each layer."""
        return _Rings(self, n, labels)


class _Rings(SequenceMemory):
    """For each layer the features of the last δ moments, a ring: the oldest is overwritten."""

    def __init__(self, model: WaveNet, n: int, labels: Tensor | None) -> None:
        self.model, self.labels, self.n, self.place = model, labels, n, 0
        new, c = model.table.new_zeros, model.channels
        self.rings = [list(new(d, n, c).unbind()) for d in model.dilations]
        self.gated = new(n, len(self.rings) * c)
        self.parts = self.gated.split(c, dim=1)
        self.layers = [list(w.unbind()) for w in (model.now, model.past, model.back)]
        self.plain = list(model._told(n, None).unbind(dim=1)) if labels is None else None

    @torch.no_grad()
    def step(self, symbol: Tensor | None) -> Tensor:
        model, place, c = self.model, self.place, self.model.channels
        h = model.table[-1].expand(self.n, -1) if symbol is None else model.table[symbol]
        told = self.plain
        if told is None:
            assert self.labels is not None
            told = list(model.told[self.labels[:, place]].unbind(dim=1))
        layers = zip(*self.layers, told, self.rings, self.parts, strict=True)
        for now, past, back, y, ring, g in layers:
            slot = place % len(ring)
            both = torch.addmm(y, ring[slot], past).addmm_(h, now)
            ring[slot] = h
            torch.mul(torch.tanh(both[:, :c]), torch.sigmoid(both[:, c:]), out=g)
            h = torch.addmm(h, g, back)
        self.place += 1
        return model._read(self.gated)
