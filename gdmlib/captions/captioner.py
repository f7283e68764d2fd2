r"""A network that says what a picture shows: p(caption | picture), word by word.

.. math:: p(y \mid x) = \prod_i p(y_i \mid y_{<i}, x) .

A convolutional body looks at the picture once; a small head for each place reads the features and
the words before it. So the law is exact, and its sum over all captions is one. A captioner that is
not told the words before answers every question by itself: all it can say are products.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor, nn

from gdmlib._checks import check_count, check_events, check_kind
from gdmlib._random import pick, standard_normal, uniform
from gdmlib.data.grammar import Grammar
from gdmlib.densities.density import ConditionalDensity, Labels
from gdmlib.nn.dense import blank, fresh
from gdmlib.nn.halving import halving
from gdmlib.nn.precision import full_precision

_AT_ONCE = 200  # pictures for which all captions are listed together


class Captioner(ConditionalDensity):
    """p(caption | picture); a caption is given by its number.

    Args:
        grammar: Which captions there are.
        event_shape: Shape of a picture, (channels, height, width), sides that can be halved twice.
        channels: Of the first and of the next two convolutions.
        features: Numbers that the heads read.
        hidden: Units of each head.
        told: Whether a head is told the words before its own.
        generator: Draws the weights.
    """

    def __init__(
        self,
        grammar: Grammar,
        event_shape: Sequence[int],
        *,
        channels: tuple[int, int] = (16, 32),
        features: int = 64,
        hidden: int = 64,
        told: bool = True,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        self.grammar = check_kind(grammar, "grammar", Grammar, "a Grammar")
        self.support, self.told = Labels(len(grammar)), bool(told)
        self.picture_shape, layers, seen = halving(event_shape, channels)
        features, hidden = check_count(features, "features"), check_count(hidden, "hidden")
        layers += [blank(nn.Linear, seen, features), nn.SiLU()]
        for layer in layers:
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                fresh(layer, generator, gain=2.0)
        self.body = nn.Sequential(*layers)
        self.of_picture = fresh(
            blank(nn.Linear, features, hidden * len(grammar.sizes)), generator, gain=2.0
        )
        counts = [sum(grammar.sizes[:i]) for i in range(1, len(grammar.sizes))] if told else []
        self.of_words = nn.ParameterList(
            nn.Parameter(standard_normal((n, hidden), torch.empty(0), generator)) for n in counts
        )
        self.say = nn.ModuleList(
            fresh(blank(nn.Linear, hidden, n), generator) for n in grammar.sizes
        )

    def _check_inputs(self, x: Tensor) -> Tensor:
        return check_events(x, "x", self.picture_shape, like=self._like())

    def _seen(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return what each head gets from the picture, (B, hidden) each."""
        return self.of_picture(self.body(x)).chunk(len(self.say), dim=1)

    def _head(self, i: int, seen: Tensor, before: Tensor) -> Tensor:
        """Return logits of the i-th word, given features and words before, (..., i)."""
        if self.told and i:
            start = torch.tensor([0, *self.grammar.sizes[: i - 1]], device=before.device).cumsum(0)
            seen = seen + self.of_words[i - 1][before + start].sum(dim=-2)
        return self.say[i](nn.functional.silu(seen))

    def word_log_probs(self, y: Tensor, x: Tensor) -> Tensor:
        """Return log p(word | words before, picture) at each place, (B, places), in nats."""
        return self._word_log_probs(*self._check_pairs(y, x))

    @full_precision
    def _word_log_probs(self, y: Tensor, x: Tensor) -> Tensor:
        words, each = self.grammar.words(y), []
        for i, seen in enumerate(self._seen(x)):
            logits = self._head(i, seen, words[:, :i])
            each.append(-nn.functional.cross_entropy(logits, words[:, i], reduction="none"))
        return torch.stack(each, dim=1)

    def _log_prob(self, y: Tensor, x: Tensor) -> Tensor:
        return self._word_log_probs(y, x).sum(dim=1)

    def _sample(self, x: Tensor, generator: Generator | None) -> Tensor:
        words = torch.zeros(len(x), 0, dtype=torch.int64, device=x.device)
        for i, seen in enumerate(self._seen(x)):
            log_weights = self._head(i, seen, words).log_softmax(dim=1)
            u = uniform((len(x),), log_weights, generator)
            words = torch.cat([words, pick(log_weights, u)[:, None]], dim=1)
        return self.grammar.number(words)

    def log_probs(self, x: Tensor) -> Tensor:
        """Return log p(caption | picture) of all captions, shape (B, len(grammar)), in nats."""
        x = self._check_inputs(x)
        return torch.cat([self._all(part) for part in x.split(_AT_ONCE)])

    @full_precision
    def _all(self, x: Tensor) -> Tensor:
        total = x.new_zeros(len(x), 1)
        before = torch.zeros(1, 0, dtype=torch.int64, device=x.device)
        for i, seen in enumerate(self._seen(x)):
            each = self._head(i, seen[:, None], before).log_softmax(dim=2)
            total = (total[:, :, None] + each).flatten(1)
            size = self.grammar.sizes[i]
            word = torch.arange(size, device=x.device).repeat(len(before))[:, None]
            before = torch.cat([before.repeat_interleave(size, dim=0), word], dim=1)
        return total

    @torch.no_grad()
    def best(self, x: Tensor) -> Tensor:
        """Return the number of the most probable caption of each picture, (B,)."""
        return self.log_probs(x).argmax(dim=1)
