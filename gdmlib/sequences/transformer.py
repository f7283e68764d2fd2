r"""A causal Transformer (Vaswani et al. 2017, https://arxiv.org/abs/1706.03762), and its cache.

Every place asks all places before it: a query q meets the keys k of the past, and the answer is
the mean of their values v, weighted by how well they match,

.. math:: a_t = \sum_{s \le t} w_{ts} v_s, \qquad w_{ts} \propto \exp(q_t^\top k_s / \sqrt{d}) .

The future is masked, so that one pass gives all factors. Keys and values of the past never change
when a symbol is added: a sampler keeps them, and each new symbol costs one row of attention.
Layers are normalised before, not after, as in GPT-2.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn

from gdmlib._checks import check_count, check_share
from gdmlib._random import standard_normal
from gdmlib.nn.dense import blank, fresh
from gdmlib.sequences.model import SequenceMemory, SymbolModel


class Transformer(SymbolModel):
    """Layers of attention and of small networks, one place each.

    Args:
        length, symbols, num_classes: See `SymbolModel`; a class is the symbol before the first.
        width: Features of a place, a multiple of ``heads``.
        layers: Number of layers.
        heads: Number of attentions a layer, side by side.
        dropout: The share of what a layer adds that is set to zero, in training.
        generator: Draws the weights.
    """

    def __init__(
        self,
        length: int,
        symbols: int,
        *,
        width: int = 64,
        layers: int = 2,
        heads: int = 4,
        num_classes: int | None = None,
        dropout: float = 0.0,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(length, symbols, num_classes=num_classes)
        width, heads = check_count(width, "width"), check_count(heads, "heads")
        layers = check_count(layers, "layers")
        if width % heads:
            raise ValueError(f"width: expected a multiple of heads, {heads}, got {width}")
        starts, like = 1 if self.num_classes is None else self.num_classes, torch.empty(0)
        rows = (self.symbols + starts, width), (self.length, width)
        self.table = nn.Parameter(0.1 * standard_normal(rows[0], like, generator))
        self.places = nn.Parameter(0.1 * standard_normal(rows[1], like, generator))
        self.dropout = nn.Dropout(check_share(dropout, "dropout"))
        self.layers = nn.ModuleList(
            Layer(width, heads, layers, self.dropout, generator) for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width)
        self.readout = fresh(blank(nn.Linear, width, self.symbols), generator)

    def at_length(self, length: int) -> Transformer:
        """Return the model of shorter strings; it shares the weights of this one."""
        if check_count(length, "length") > len(self.places):
            raise ValueError(
                f"length: expected at most {len(self.places)}, for which places were learned, got "
                f"{length}; build the model with a larger length"
            )
        return super().at_length(length)

    def _start(self, n: int, labels: Tensor | None) -> Tensor:
        """Return the symbols before the first, (n,)."""
        none = torch.full((n,), self.symbols, device=self.table.device)
        return none if labels is None else none + labels

    def _logits(self, x: Tensor, labels: Tensor | None) -> Tensor:
        before = torch.cat([self._start(len(x), labels)[:, None], x[:, :-1]], dim=1)
        h = self.dropout(self.table[before] + self.places[: x.shape[1]])
        for layer in self.layers:
            h = layer(h)
        return self.readout(self.norm(h))

    def memory(self, n: int, labels: Tensor | None = None) -> SequenceMemory:
        """Return the keys and values of the places so far."""
        return Cache(self, n, labels)


class Layer(nn.Module):
    """Attention to the past, then a network for each place; both are added to what comes in."""

    def __init__(
        self,
        width: int,
        heads: int,
        layers: int,
        dropout: nn.Module,
        generator: Generator | None,
    ) -> None:
        super().__init__()
        small = (2 * layers) ** -0.5  # the sum of many additions stays in scale
        self.heads, self.dropout = heads, dropout
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.ask = fresh(blank(nn.Linear, width, 3 * width), generator)
        self.tell = fresh(blank(nn.Linear, width, width), generator, gain=small)
        self.up = fresh(blank(nn.Linear, width, 4 * width), generator, gain=3**0.5)
        self.down = fresh(blank(nn.Linear, 4 * width, width), generator, gain=small)

    def forward(self, h: Tensor) -> Tensor:
        """Return features of all places, (n, T, width)."""
        n, length, width = h.shape
        parts = self.ask(self.before(h)).view(n, length, 3, self.heads, -1)
        q, k, v = parts.permute(2, 0, 3, 1, 4)
        # PyTorch's kernel never holds all T² weights, and takes half the time of the formula.
        found = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        h = h + self.dropout(self.tell(found.transpose(1, 2).reshape(n, length, width)))
        return h + self.dropout(self._think(h))

    def step(self, h: Tensor, keys: Tensor, values: Tensor, place: int) -> Tensor:
        """Return features of one place, (n, width), given keys and values (n, heads, T, size)."""
        n, width = h.shape
        q, k, v = self.ask(self.before(h)).view(n, 3, self.heads, 1, -1).unbind(dim=1)
        keys[:, :, place : place + 1] = k
        values[:, :, place : place + 1] = v
        match = (q / k.shape[3] ** 0.5) @ keys[:, :, : place + 1].mT
        found = match.softmax(dim=3) @ values[:, :, : place + 1]
        h = h + self.tell(found.reshape(n, width))
        return h + self._think(h)

    def _think(self, h: Tensor) -> Tensor:
        return self.down(nn.functional.gelu(self.up(self.between(h))))


class Cache(SequenceMemory):
    """Keys and values of all layers, (n, heads, length, size) each."""

    def __init__(self, model: Transformer, n: int, labels: Tensor | None) -> None:
        self.model, self.place, self.start = model, 0, model._start(n, labels)
        heads, width = model.layers[0].heads, model.table.shape[1]
        assert isinstance(heads, int)
        empty = (n, heads, model.length, width // heads)
        self.kept = [
            (model.table.new_empty(empty), model.table.new_empty(empty)) for _ in model.layers
        ]

    def step(self, symbol: Tensor | None) -> Tensor:
        """Take in the last symbol; return logits of the next."""
        model, place = self.model, self.place
        h = model.table[self.start if symbol is None else symbol] + model.places[place]
        for layer, (keys, values) in zip(model.layers, self.kept, strict=True):
            assert isinstance(layer, Layer)
            h = layer.step(h, keys, values, place)
        self.place += 1
        return model.readout(model.norm(h))
